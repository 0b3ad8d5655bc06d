//! Record and replay: random questions over lakes that differ in one person, compared vector by vector before any noise.
//!
//! For every question: it is refused on both lakes in the same words, or admitted on both with the same plan, bounds and operators. For every admitted
//! one: nothing fails; each mechanism's exact vector moves by at most its declared sensitivity, in integers, in the norm of its noise; where keys are
//! not public she is one more in so many groups as is declared; and a third lake with the same rows in another order, in other batches, partitions and
//! files, gives the very same vectors. The mechanisms are priced, and the price is recomputed from the certificate.
//!
//! `SALUS_REPLAY_CASES` says how many questions each of the four tests asks (`make soak` asks many), `SALUS_REPLAY_SEED` where they begin.

mod grammar;
mod guarantee;
mod lakes;
mod partitions;
mod planted;
#[path = "../../tests/support/mod.rs"]
pub(crate) mod support;
mod world;

use std::collections::BTreeMap;

use crate::release::BoundingOptions;
use grammar::Grammar;
use support::Dice;
use world::{Outcome, World};

/// Questions that are asked of one world: a world costs about as much as a few of them.
const OF_A_WORLD: u64 = 100;

/// Questions after which the rows are read in other partitions and batches.
const OF_A_LAYOUT: u64 = 10;

fn options(dice: &mut Dice) -> BoundingOptions {
    let mut some =
        || [None, None, Some(1), Some(2), Some(3)][usize::try_from(dice.below(5)).unwrap()];
    BoundingOptions {
        rows_per_person: some(),
        groups_per_person: some(),
        weigh: dice.below(3) == 0,
        minimum: [1, 5][usize::try_from(dice.below(2)).unwrap()],
        seed: 7,
    }
}

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

fn soaks() -> bool {
    std::env::var_os("SALUS_SOAK").is_some()
}

/// What came of many questions.
#[derive(Debug, Default)]
struct Tally {
    asked: u64,
    admitted: u64,
    /// Questions with a vector that moves by nearly all that is declared.
    full: u64,
    /// How many questions of each form were asked, and how many admitted.
    forms: BTreeMap<&'static str, (u64, u64)>,
    refusals: BTreeMap<String, u64>,
    /// The first that is wrong.
    wrong: Option<String>,
}

impl Tally {
    fn print(&self) {
        let mut refusals: Vec<_> = self.refusals.iter().map(|(why, n)| (n, why)).collect();
        refusals.sort_unstable();
        for (n, why) in refusals.iter().rev().take(12) {
            println!("{n:6} {why}");
        }
        for (form, (asked, admitted)) in &self.forms {
            println!("{form:>20}: {admitted} of {asked}");
        }
        let Self {
            asked,
            admitted,
            full,
            ..
        } = self;
        println!("{asked} questions, {admitted} answered, {full} reached their sensitivity");
    }
}

/// Asks so many questions, [`OF_A_WORLD`] of each world, until one is wrong.
async fn play(seed: u64, cases: u64) -> Tally {
    let mut tally = Tally::default();
    let mut dice = Dice::new(seed);
    while tally.asked < cases {
        let number = seed + tally.asked / OF_A_WORLD;
        println!("{} of {cases} questions", tally.asked);
        let mut world = World::new(number).await;
        for of_world in 0..OF_A_WORLD.min(cases - tally.asked) {
            if of_world % OF_A_LAYOUT == 0 {
                world.lay_out(&mut dice);
            }
            let asked = Grammar::new(&mut dice).question();
            let options = options(&mut dice);
            let outcome = world.judge(&asked.sql, options, of_world % 4 == 0).await;
            tally.asked += 1;
            let admitted = !matches!(outcome, Outcome::Refused(_));
            for form in asked.forms {
                let (asked, passed) = tally.forms.entry(form).or_default();
                *asked += 1;
                *passed += u64::from(admitted);
            }
            match outcome {
                Outcome::Refused(why) => {
                    let why = why.lines().next().unwrap_or_default().to_owned();
                    *tally.refusals.entry(why).or_default() += 1;
                }
                Outcome::Holds { reached } => {
                    tally.admitted += 1;
                    tally.full += u64::from(reached);
                }
                Outcome::Wrong(wrong) => {
                    let sql = asked.sql;
                    let wrong = format!("{wrong}\n  world {number}, {options:?}\n  {sql}");
                    tally.wrong = Some(wrong);
                    return tally;
                }
            }
        }
    }
    tally
}

/// Two thousand questions in four tests, so that several cores have one each.
async fn hold(begin: u64) {
    let usual = if soaks() { 10_000 } else { 500 };
    let cases = setting("SALUS_REPLAY_CASES", usual);
    let seed = setting("SALUS_REPLAY_SEED", 1_000) + begin;
    let tally = Box::pin(play(seed, cases)).await;
    tally.print();
    let (admitted, full) = (tally.admitted, tally.full);
    let wrong = tally.wrong.unwrap_or_default();
    assert!(wrong.is_empty(), "seed {seed}: {wrong}");
    // The test has power: most questions are admitted, of each form some, and many vectors move by nearly all that is declared.
    assert!(admitted * 2 > cases, "{admitted} of {cases} answered");
    assert!(full * 8 > admitted, "{full} of {admitted} reached");
    for (form, (_, admitted)) in tally.forms {
        if form == "floats" {
            assert_eq!(admitted, 0, "sums of floats are admitted");
        } else {
            // Of a few questions the rare forms may be missing.
            let enough = cases < 500 || admitted * 500 >= cases;
            assert!(enough, "{admitted} of {form} admitted");
        }
    }
}

#[tokio::test]
async fn one_person_moves_no_random_question_further_than_declared() {
    Box::pin(hold(0)).await;
}

#[tokio::test]
async fn nor_a_second_quarter_of_them() {
    Box::pin(hold(1_000_000)).await;
}

#[tokio::test]
async fn nor_a_third() {
    Box::pin(hold(2_000_000)).await;
}

#[tokio::test]
async fn nor_the_last() {
    Box::pin(hold(3_000_000)).await;
}
