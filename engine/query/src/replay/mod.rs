//! Record and replay: random questions over two lakes that differ in one person, compared vector by vector before any noise.
//!
//! For every admitted question: nothing fails on either lake; each mechanism's exact vector moves by at most its declared L2 sensitivity, in
//! integers; and a third lake with the same rows in another order, in other batches and files, gives the very same vectors. The mechanisms are
//! priced, and the price is recomputed from the certificate.
//!
//! `SALUS_REPLAY_CASES` says how many questions are asked (`make soak` asks many), `SALUS_REPLAY_SEED` where they begin.

mod grammar;
mod guarantee;
#[path = "../../tests/support/mod.rs"]
pub(crate) mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use datafusion::execution::session_state::SessionState;
use salus_accounting::{Delta, Loss, Noise, Rational, Rho};
use salus_certificate::{Certificate, EntryIndex};
use salus_lake::{Catalog, Lake, Snapshot};
use salus_ledger::Column;

use crate::execute::Executor;
use crate::faults::{Fault, plant};
use crate::question::Question;
use crate::release::BoundingOptions;
use crate::{price, session};
use grammar::Grammar;
use support::{Dice, Home, Rows, population, small_catalog};

/// A lake that is asked without a ledger.
struct Replay {
    home: Home,
    executor: Executor,
    snapshot: Snapshot,
}

/// The exact vector of each mechanism: cell, or key of the group, and place within the cell.
type Vectors = Vec<BTreeMap<(Vec<u8>, usize), i128>>;

impl Replay {
    async fn new(tables: &[Rows], batch: usize) -> Self {
        let home = Home::new(&small_catalog(), tables, batch).await;
        let snapshot = home.lake.snapshot().unwrap().unwrap();
        Self {
            executor: Executor::new(home.lake.clone()).unwrap(),
            snapshot,
            home,
        }
    }

    fn lake(&self) -> &Lake {
        &self.home.lake
    }

    async fn vectors(&self, question: &Question) -> Result<Vectors, String> {
        let exact = self
            .executor
            .without_charge(&question.releases, &self.snapshot);
        let in_time = tokio::time::timeout(Duration::from_mins(1), exact);
        let exact = in_time.await.map_err(|_| "it never ends".to_owned())?;
        let (columns, groups) = exact.map_err(|e| e.to_string())?;
        let mut vectors = Vec::new();
        for (i, part) in question.releases.iter().enumerate() {
            let columns = &columns[question.mechanisms_of(i)];
            for (contribution, column) in part.release.contributions.iter().zip(columns) {
                let values = contribution.values();
                let key = |cell: usize| match &groups[i] {
                    Some(groups) => groups.keys[cell].clone(),
                    None => cell.to_be_bytes().to_vec(),
                };
                let numbers: Vec<(usize, i128)> = match column {
                    Column::Dense(numbers) => numbers.iter().copied().enumerate().collect(),
                    Column::Sparse(numbers) => numbers.clone(),
                };
                let mut vector = BTreeMap::new();
                for (i, n) in numbers.into_iter().filter(|(_, n)| *n != 0) {
                    *vector.entry((key(i / values), i % values)).or_default() += n;
                }
                vectors.push(vector);
            }
        }
        Ok(vectors)
    }
}

/// Three lakes: one with person 1, who has as many rows as anybody may have; the same rows in other files, batches and order; and one without her.
struct World {
    with: Replay,
    shuffled: Replay,
    without: Replay,
    planning: SessionState,
    catalog: Catalog,
}

impl World {
    async fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let tables = tables(seed, &mut dice);
        let without: Vec<Rows> = tables.iter().map(|rows| rows.without("1")).collect();
        let with = Replay::new(&tables, 1000).await;
        Self {
            planning: session::planning(with.lake()).unwrap(),
            catalog: with.lake().catalog().clone(),
            with,
            shuffled: Replay::new(&shuffled(&tables, &mut dice), 3).await,
            without: Replay::new(&shuffled(&without, &mut dice), 5).await,
        }
    }

    /// What is wrong with the answers to a question, if it is admitted.
    async fn fault_in(&self, sql: &str, options: BoundingOptions) -> Outcome {
        let validated = Question::validate(sql, &self.planning, &self.catalog, options);
        let question = match validated.await {
            Ok(question) => question,
            Err(refusal) => return Outcome::Refused(refusal.to_string()),
        };
        let noises: &[Noise] = if options.weigh {
            &[Noise::DiscreteGaussian]
        } else {
            &[Noise::DiscreteGaussian, Noise::DiscreteLaplace]
        };
        for noise in noises {
            if let Err(wrong) = priced(&question, *noise) {
                return Outcome::Wrong(wrong);
            }
        }
        let vectors = (
            self.with.vectors(&question).await,
            self.shuffled.vectors(&question).await,
            self.without.vectors(&question).await,
        );
        let (with, shuffled, without) = match vectors {
            (Ok(with), Ok(shuffled), Ok(without)) => (with, shuffled, without),
            failed => {
                let (a, b, c) = (failed.0.err(), failed.1.err(), failed.2.err());
                return Outcome::Wrong(format!("it fails: {a:?} {b:?} {c:?}"));
            }
        };
        if with != shuffled {
            return Outcome::Wrong("order, batches or files matter".into());
        }
        let mut reached = false;
        for noise in noises {
            let declared = sensitivities(&question, *noise);
            for (mechanism, declared) in declared.into_iter().enumerate() {
                let moved = distance2(*noise, &with[mechanism], &without[mechanism]);
                if moved > declared {
                    return Outcome::Wrong(format!(
                        "mechanism {mechanism} moves by √{moved}, declared √{declared} for {noise:?}"
                    ));
                }
                reached |= moved * 5 > declared * 4;
            }
        }
        Outcome::Holds { reached }
    }
}

/// What came of a question.
#[derive(Debug)]
enum Outcome {
    Refused(String),
    /// Whether some vector moves by nearly all that is declared.
    Holds {
        reached: bool,
    },
    Wrong(String),
}

fn tables(seed: u64, dice: &mut Dice) -> Vec<Rows> {
    let mut tables: Vec<Rows> = population(7, seed)
        .iter()
        .map(|rows| rows.without("1"))
        .collect();
    let deprivation = (1 + dice.below(10)).to_string();
    tables[0].push(&["1", "female", "1950-05-05", "true", "MA", &deprivation]);
    let spread = dice.below(2) == 0;
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
        let minutes = dice.pick(&["43200", "-500", "0", "110", "120", "50", ""]);
        tables[1].push(&["1", &id, class, day, minutes]);
        let visit = if i % 2 == 0 { "900000" } else { "" };
        let code = pick(["44054006", "59621000", "38341003", "", "1", "44054006"]);
        tables[2].push(&["1", &(910_000 + i).to_string(), visit, "active", code, day]);
        let value = dice.pick(&["999", "0.1", "0.2", "0.3", "-7", "12.345"]);
        tables[3].push(&[
            "1",
            &(920_000 + i).to_string(),
            "4548-4",
            day,
            value,
            "%",
            "7",
        ]);
    }
    tables
}

fn shuffled(tables: &[Rows], dice: &mut Dice) -> Vec<Rows> {
    let mut tables = tables.to_vec();
    tables.reverse();
    for rows in &mut tables {
        for i in (1..rows.values.len()).rev() {
            let j = usize::try_from(dice.below(i as u64 + 1)).unwrap();
            rows.values.swap(i, j);
        }
    }
    tables
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

fn options(dice: &mut Dice) -> BoundingOptions {
    let mut some =
        || [None, None, Some(1), Some(2), Some(3)][usize::try_from(dice.below(5)).unwrap()];
    BoundingOptions {
        rows_per_person: some(),
        groups_per_person: some(),
        weigh: dice.below(3) == 0,
        minimum: 1,
        seed: 7,
    }
}

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

/// Asks `cases` questions, a few of each world; returns how many were admitted, how many reached their sensitivity, and the first fault.
async fn play(seed: u64, cases: u64, worlds: u64) -> (u64, u64, Option<String>) {
    let (mut admitted, mut full) = (0, 0);
    let mut dice = Dice::new(seed);
    let mut refusals: BTreeMap<String, u64> = BTreeMap::new();
    for number in 0..worlds {
        let world = World::new(seed + number).await;
        for _ in 0..cases.div_ceil(worlds) {
            let sql = Grammar::new(&mut dice).question();
            let options = options(&mut dice);
            match world.fault_in(&sql, options).await {
                Outcome::Refused(why) => {
                    *refusals
                        .entry(why.lines().next().unwrap_or_default().to_owned())
                        .or_default() += 1;
                }
                Outcome::Holds { reached } => {
                    admitted += 1;
                    full += u64::from(reached);
                }
                Outcome::Wrong(wrong) => {
                    let fault = format!("{wrong}\n  world {}, {options:?}\n  {sql}", seed + number);
                    return (admitted, full, Some(fault));
                }
            }
        }
    }
    let mut refusals: Vec<_> = refusals.into_iter().map(|(why, n)| (n, why)).collect();
    refusals.sort_unstable();
    for (n, why) in refusals.iter().rev().take(12) {
        println!("{n:6} {why}");
    }
    (admitted, full, None)
}

/// A thousand questions in two tests, so that both cores have one.
async fn hold(begin: u64) {
    let usual = if std::env::var_os("SALUS_SOAK").is_some() {
        10_000
    } else {
        500
    };
    let cases = setting("SALUS_REPLAY_CASES", usual);
    let seed = setting("SALUS_REPLAY_SEED", 1_000) + begin;
    let (admitted, full, fault) = Box::pin(play(seed, cases, (cases / 100).max(1))).await;
    println!("{cases} questions, {admitted} admitted, {full} reached their sensitivity");
    assert!(fault.is_none(), "{}", fault.unwrap_or_default());
    // The test has power: most questions are admitted, and many vectors move by nearly all that is declared.
    assert!(admitted * 2 > cases, "{admitted} of {cases} admitted");
    assert!(full * 8 > admitted, "{full} of {admitted} reached");
}

#[tokio::test]
async fn one_person_moves_no_random_question_further_than_declared() {
    Box::pin(hold(0)).await;
}

#[tokio::test]
async fn nor_another_half_of_them() {
    Box::pin(hold(1_000_000)).await;
}

/// With a fault planted the same test finds it.
async fn finds(fault: Fault) {
    plant(Some(fault));
    let (_, _, found) = Box::pin(play(5_000, 600, 6)).await;
    plant(None);
    assert!(found.is_some(), "{fault:?} was not found");
}

#[tokio::test]
async fn a_row_too_many_is_found() {
    Box::pin(finds(Fault::OneRowMore)).await;
}

#[tokio::test]
async fn groups_without_bound_are_found() {
    Box::pin(finds(Fault::AllGroups)).await;
}

#[tokio::test]
async fn weights_that_are_not_applied_are_found() {
    Box::pin(finds(Fault::WholeWeights)).await;
}

#[tokio::test]
async fn values_that_are_not_clamped_are_found() {
    Box::pin(finds(Fault::NoClamp)).await;
}

#[tokio::test]
async fn ties_by_place_are_found() {
    Box::pin(finds(Fault::TiesByPlace)).await;
}

/// Whether somebody is dead is one value per person, but not beside rows of hers that a left join finds nobody for.
#[tokio::test]
async fn one_value_after_an_outer_join_is_found() {
    let sql = "SELECT k, COUNT(DISTINCT person_id) FROM (SELECT a.person_id, b.deceased AS k FROM condition a LEFT JOIN patient b ON a.person_id = b.person_id AND a.code = '44054006') t GROUP BY k";
    let options = BoundingOptions::default();
    let mut found = false;
    for seed in 0..8 {
        let world = World::new(seed).await;
        let fair = world.fault_in(sql, options).await;
        assert!(matches!(fair, Outcome::Holds { .. }), "{fair:?}");
        plant(Some(Fault::OneValueAfterOuterJoin));
        found |= matches!(world.fault_in(sql, options).await, Outcome::Wrong(_));
        plant(None);
    }
    assert!(found);
}

/// Whether somebody is dead is one value per person; a code under its name is not.
#[tokio::test]
async fn a_fact_that_outlives_a_rename_is_found() {
    let sql = "SELECT deceased, COUNT(DISTINCT person_id) FROM (SELECT person_id, code AS deceased FROM (SELECT p.person_id, p.deceased, c.code FROM patient p JOIN condition c ON c.person_id = p.person_id) s) t GROUP BY deceased";
    let options = BoundingOptions {
        minimum: 1,
        seed: 7,
        ..BoundingOptions::default()
    };
    let mut found = false;
    for seed in 0..8 {
        let world = World::new(seed).await;
        let fair = world.fault_in(sql, options).await;
        assert!(matches!(fair, Outcome::Holds { .. }), "{fair:?}");
        plant(Some(Fault::StaleAfterRename));
        found |= matches!(world.fault_in(sql, options).await, Outcome::Wrong(_));
        plant(None);
    }
    assert!(found);
}

/// A sum of floats has other last digits in another order of the rows, and branches of a union come in no order.
#[tokio::test]
async fn sums_of_floats_are_found() {
    let sql = "SELECT SUM(clamp(s * 1000000000000 % 997, -997, 997)) FROM (SELECT person_id, SUM(x) AS s FROM (SELECT person_id, CAST(value AS DOUBLE) / 7 AS x FROM observation UNION ALL SELECT person_id, CAST(length_minutes AS DOUBLE) / 3 FROM encounter UNION ALL SELECT person_id, CAST(deprivation AS DOUBLE) / 9 FROM patient) t GROUP BY person_id) u";
    let options = BoundingOptions {
        minimum: 1,
        ..BoundingOptions::default()
    };
    let mut found = false;
    for seed in 0..12 {
        let world = World::new(seed).await;
        assert!(matches!(
            world.fault_in(sql, options).await,
            Outcome::Refused(_)
        ));
        plant(Some(Fault::FloatSums));
        found |= matches!(world.fault_in(sql, options).await, Outcome::Wrong(_));
        plant(None);
    }
    assert!(found);
}

/// A threshold that is sized from one person on, where the policy says five, costs more delta than is booked.
#[tokio::test]
async fn a_threshold_without_the_minimum_is_found() {
    let sql = "SELECT code, COUNT(*) FROM condition GROUP BY code";
    let options = BoundingOptions {
        minimum: 5,
        seed: 7,
        ..BoundingOptions::default()
    };
    let world = World::new(1).await;
    let fair = world.fault_in(sql, options).await;
    assert!(matches!(fair, Outcome::Holds { .. }), "{fair:?}");
    plant(Some(Fault::ThresholdWithoutMinimum));
    let wrong = world.fault_in(sql, options).await;
    plant(None);
    assert!(matches!(wrong, Outcome::Wrong(_)), "{wrong:?}");
}
