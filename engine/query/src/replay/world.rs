//! Lakes that differ in one person, and what must hold of a question about them.

use std::collections::BTreeMap;

use salus_accounting::{Delta, Loss, Noise, Rational, Rho};
use salus_certificate::{Certificate, EntryIndex};

use super::lakes::{Exact, Layout, Replay, files, only, shuffled};
use super::support::{Dice, Rows, population};
use crate::price;
use crate::question::Question;
use crate::release::BoundingOptions;

/// Three lakes: one with a person who has as many rows as anybody may have; the same rows in other files, batches, partitions and order; and one
/// that she was never in, or has opted out of.
pub(super) struct World {
    with: Replay,
    shuffled: Replay,
    without: Replay,
    /// With her and without, and shuffled.
    layouts: (Layout, Layout),
}

/// What came of a question.
#[derive(Debug)]
pub(super) enum Outcome {
    Refused(String),
    /// Whether some vector moves by nearly all that is declared.
    Holds {
        reached: bool,
    },
    Wrong(String),
}

impl World {
    pub(super) async fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let (tables, without, her) = neighbours(seed, &mut dice);
        let other = files(&shuffled(&tables, &mut dice), &mut dice);
        let less = files(&shuffled(&without, &mut dice), &mut dice);
        let layouts = (Layout::any(&mut dice), Layout::any(&mut dice));
        Self {
            with: Replay::new(std::slice::from_ref(&tables), layouts.0).await,
            shuffled: Replay::new(&other, layouts.1).await,
            // Whoever opts out is gone as if she had never been there.
            without: match seed % 2 {
                0 => Replay::after_an_opt_out(&shuffled(&tables, &mut dice), her, layouts.0).await,
                _ => Replay::new(&less, layouts.0).await,
            },
            layouts,
        }
    }

    /// Has the rows read in other partitions and batches: beside her as with her, so that the operators can be compared.
    pub(super) fn lay_out(&mut self, dice: &mut Dice) {
        let (here, there) = (Layout::any(dice), Layout::any(dice));
        self.with.lay_out(here);
        self.without.lay_out(here);
        self.shuffled.lay_out(there);
        self.layouts = (here, there);
    }

    /// The same, but of the shuffled lake every table lies in two files with rows of the same persons in both: no commit would let that pass.
    pub(super) async fn mis_sorted(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let (tables, ..) = neighbours(seed, &mut dice);
        let is_even = |row: &[Option<String>]| {
            let id = row.get(1).and_then(Option::as_deref);
            id.and_then(|id| id.parse::<i64>().ok())
                .is_none_or(|id| id % 2 == 0)
        };
        let parts = [
            only(&tables, |row, _| is_even(row)),
            only(&tables, |row, _| !is_even(row)),
        ];
        let layout = Layout {
            partitions: 1,
            batch: 50,
        };
        let mut world = Self::new(seed).await;
        world.shuffled = Replay::new(&parts, layout).await;
        world
    }

    /// Whether a plan of the question relies on sorted files in the lake that is shuffled.
    pub(super) async fn streams(&self, sql: &str, options: BoundingOptions) -> bool {
        let question = self.shuffled.admit(sql, options).await.unwrap();
        self.shuffled.streams(&question).await
    }

    /// What is wrong with the answers to a question, if it is admitted. `closely`: the operators are compared as well.
    pub(super) async fn judge(
        &self,
        sql: &str,
        options: BoundingOptions,
        closely: bool,
    ) -> Outcome {
        let admitted = (
            self.with.admit(sql, options).await,
            self.without.admit(sql, options).await,
        );
        let (question, other) = match admitted {
            (Ok(question), Ok(other)) => (question, other),
            (Err(a), Err(b)) if a == b => return Outcome::Refused(a),
            (a, b) => {
                let (a, b) = (a.err(), b.err());
                return Outcome::Wrong(format!("the refusals differ: {a:?} {b:?}"));
            }
        };
        match self.compare(&question, &other, options, closely).await {
            Ok(reached) => Outcome::Holds { reached },
            Err(wrong) => Outcome::Wrong(wrong),
        }
    }

    async fn compare(
        &self,
        question: &Question,
        other: &Question,
        options: BoundingOptions,
        closely: bool,
    ) -> Result<bool, String> {
        let noises: &[Noise] = if options.weigh {
            &[Noise::DiscreteGaussian]
        } else {
            &[Noise::DiscreteGaussian, Noise::DiscreteLaplace]
        };
        for noise in noises {
            priced(question, *noise)?;
        }
        if seen_of(question) != seen_of(other) {
            return Err("the plans or bounds differ".into());
        }
        if closely {
            let operators = self.with.operators(question).await;
            if operators != self.without.operators(other).await {
                return Err("the operators differ".into());
            }
        }
        let exact = (
            self.with.exact(question).await,
            self.without.exact(other).await,
        );
        let layouts = self.layouts;
        let (with, without) = match exact {
            (Ok(with), Ok(without)) => (with, without),
            (a, b) => {
                let (a, b) = (a.err(), b.err());
                return Err(format!("it fails: {a:?} {b:?} {layouts:?}"));
            }
        };
        match self.shuffled.exact(question).await {
            Ok(shuffled) => {
                if with.vectors != shuffled.vectors || with.persons != shuffled.persons {
                    return Err(format!(
                        "order, batches, partitions or files matter: {layouts:?}"
                    ));
                }
            }
            Err(failure) => return Err(format!("it fails shuffled: {failure} {layouts:?}")),
        }
        groups_hold(question, &with, &without)?;
        let mut reached = false;
        for noise in noises {
            let declared = sensitivities(question, *noise);
            for (mechanism, declared) in declared.into_iter().enumerate() {
                let moved = distance2(
                    *noise,
                    &with.vectors[mechanism],
                    &without.vectors[mechanism],
                );
                if moved > declared {
                    return Err(format!(
                        "mechanism {mechanism} moves by √{moved}, declared √{declared} for {noise:?}"
                    ));
                }
                reached |= moved * 5 > declared * 4;
            }
        }
        Ok(reached)
    }
}

/// All that an analyst may see of a question before it is answered.
fn seen_of(question: &Question) -> (Vec<u8>, String, Vec<u8>) {
    let bounds: Vec<_> = question
        .releases
        .iter()
        .map(|part| part.release.bounds())
        .collect();
    let steps = format!("{:?} {bounds:?}", question.steps);
    (question.plan.clone(), steps, question.key_bytes())
}

/// Where a threshold decides, she is one more in each of so many groups as she counts in, and one less in none.
fn groups_hold(question: &Question, with: &Exact, without: &Exact) -> Result<(), String> {
    let parts = question.releases.iter().map(|part| &part.release);
    let unknown = parts.filter(|release| release.threshold.is_some());
    for (release, (with, without)) in unknown.zip(with.persons.iter().zip(&without.persons)) {
        let counted = release
            .weighted
            .map_or(release.groups_per_person, |weighted| weighted.groups);
        let mut more = 0;
        let only_without = without.keys().filter(|key| !with.contains_key(*key));
        for key in with.keys().chain(only_without) {
            let at = |of: &BTreeMap<Vec<u8>, u64>| of.get(key).copied().unwrap_or(0);
            match at(with).checked_sub(at(without)) {
                Some(0) => {}
                Some(1) => more += 1,
                other => return Err(format!("a group has {other:?} persons more")),
            }
        }
        if more > counted {
            return Err(format!("she counts in {more} groups, declared {counted}"));
        }
    }
    Ok(())
}

/// The rows with her and without, and who she is.
fn neighbours(seed: u64, dice: &mut Dice) -> (Vec<Rows>, Vec<Rows>, i64) {
    // She comes before everybody, among the others, or after them.
    let her = dice.pick(&["1", "4", "9"]);
    let everybody = population(7, seed);
    let others: Vec<Rows> = everybody.iter().map(|rows| rows.without(her)).collect();
    let mut tables = others.clone();
    let deprivation = (1 + dice.below(10)).to_string();
    tables[0].push(&[her, "female", "1950-05-05", "true", "MA", &deprivation]);
    let spread = dice.below(2) == 0;
    // All her numbers beyond every bound, so that she brings all that she may; or some of each kind.
    let extreme = dice.below(2) == 0;
    for i in 0..6_usize {
        let id = (900_000 + i).to_string();
        let pick = |of: [&'static str; 6]| if spread { of[i] } else { of[0] };
        let class = pick(["AMB", "EMER", "IMP", "VR", "XX", "AMB"]);
        // Equal days, so that rows tie in every order that an analyst would write.
        let day = pick([
            "2020-01-01",
            "2020-01-01",
            "2020-02-01",
            "2021-05-01",
            "",
            "2020-01-01",
        ]);
        let minutes = if extreme {
            "43200"
        } else {
            dice.pick(&["43200", "-500", "0", "110", "120", "50", ""])
        };
        tables[1].push(&[her, &id, class, day, minutes]);
        let visit = if i % 2 == 0 { "900000" } else { "" };
        let code = pick(["44054006", "59621000", "38341003", "", "1", "44054006"]);
        tables[2].push(&[her, &(910_000 + i).to_string(), visit, "active", code, day]);
        let value = if extreme {
            "999"
        } else {
            dice.pick(&["999", "0.1", "0.2", "0.3", "-7", "12.345"])
        };
        tables[3].push(&[
            her,
            &(920_000 + i).to_string(),
            "4548-4",
            day,
            value,
            "%",
            "7",
        ]);
    }
    (tables, others, her.parse().unwrap())
}

/// The squared distance in the norm of the noise.
fn distance2(
    noise: Noise,
    a: &BTreeMap<(Vec<u8>, usize), i128>,
    b: &BTreeMap<(Vec<u8>, usize), i128>,
) -> i128 {
    let at = |of: &BTreeMap<_, i128>, key| of.get(key).copied().unwrap_or(0);
    let only_b = b.keys().filter(|key| !a.contains_key(*key));
    let keys = a.keys().chain(only_b);
    let apart = keys.map(|key| (at(a, key) - at(b, key)).abs());
    match noise {
        Noise::DiscreteGaussian => apart.map(|apart| apart.pow(2)).sum(),
        Noise::DiscreteLaplace => apart.sum::<i128>().pow(2),
    }
}

/// The declared squared sensitivities: whole numbers.
fn sensitivities(question: &Question, noise: Noise) -> Vec<i128> {
    let mechanisms = mechanisms(question, noise).unwrap();
    let whole = |value: &Rational| value.to_decimal_string(0).parse().unwrap();
    mechanisms.iter().map(|m| whole(&m.sensitivity2)).collect()
}

fn mechanisms(
    question: &Question,
    noise: Noise,
) -> Result<Vec<salus_certificate::Mechanism>, String> {
    let rho = Rho::parse_floor("0.5").unwrap();
    let delta = Delta::parse_floor("1e-6").unwrap();
    price::mechanisms(&question.releases, noise, rho, delta).map_err(|e| e.to_string())
}

/// Prices the question and has the price recomputed from its certificate.
fn priced(question: &Question, noise: Noise) -> Result<Loss, String> {
    let certificate = Certificate {
        dataset: EntryIndex(1),
        snapshot: EntryIndex(2),
        catalog: EntryIndex(3),
        policy: EntryIndex(4),
        unit: "person_id".into(),
        steps: question.steps.clone(),
        releases: question
            .releases
            .iter()
            .map(|part| part.release.bounds())
            .collect(),
        keys: [0; 32],
        mechanisms: mechanisms(question, noise)?,
    };
    certificate.price().map_err(|e| e.to_string())
}
