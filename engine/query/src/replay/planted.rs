//! With a fault planted, the random questions find it.

use super::grammar::Grammar;
use super::support::Dice;
use super::world::{Outcome, World};
use super::{options, play};
use crate::faults::{Fault, plant};

/// The fault is found among so many random questions.
async fn finds(fault: Fault, cases: u64) {
    finds_from(5_000, fault, cases).await;
}

/// The same from another seed, where a question that shows it comes sooner.
async fn finds_from(seed: u64, fault: Fault, cases: u64) {
    plant(Some(fault));
    let tally = Box::pin(play(seed, cases)).await;
    plant(None);
    println!(
        "{fault:?} after {} questions: {:?}",
        tally.asked, tally.wrong
    );
    let wrong = tally.wrong.unwrap_or_default();
    assert!(!wrong.is_empty(), "{fault:?} was not found");
    // By what it does, and not because something fails.
    assert!(!wrong.starts_with("it fails"), "{wrong}");
}

#[tokio::test]
async fn a_row_too_many_is_found() {
    Box::pin(finds(Fault::OneRowMore, 600)).await;
}

#[tokio::test]
async fn groups_without_bound_are_found() {
    Box::pin(finds(Fault::AllGroups, 600)).await;
}

#[tokio::test]
async fn weights_that_are_not_applied_are_found() {
    Box::pin(finds_from(6_000, Fault::WholeWeights, 600)).await;
}

#[tokio::test]
async fn values_that_are_not_clamped_are_found() {
    Box::pin(finds(Fault::NoClamp, 600)).await;
}

#[tokio::test]
async fn values_that_are_clamped_before_they_are_rounded_are_found() {
    Box::pin(finds(Fault::ClampBeforeRounding, 1_200)).await;
}

#[tokio::test]
async fn ties_by_place_are_found() {
    Box::pin(finds_from(6_000, Fault::TiesByPlace, 1_200)).await;
}

/// Whether somebody is dead is one value per person, but not beside rows of hers that a left join finds nobody for.
#[tokio::test]
async fn one_value_after_an_outer_join_is_found() {
    Box::pin(finds_from(6_000, Fault::OneValueAfterOuterJoin, 1_200)).await;
}

/// Whether somebody is dead is one value per person; a code under its name is not.
#[tokio::test]
async fn a_fact_that_outlives_a_rename_is_found() {
    Box::pin(finds_from(6_000, Fault::StaleAfterRename, 1_200)).await;
}

/// A sum of floats has other last digits in another order of the rows, and branches of a union come in no order.
#[tokio::test]
async fn sums_of_floats_are_found() {
    Box::pin(finds(Fault::FloatSums, 1_200)).await;
}

/// A threshold that is sized from one person on, where the policy says five, costs more delta than is booked.
#[tokio::test]
async fn a_threshold_without_the_minimum_is_found() {
    Box::pin(finds(Fault::ThresholdWithoutMinimum, 600)).await;
}

/// Tables whose files hold the same persons twice, as no commit would leave them: what adds up sorted rows person by person then takes one person for
/// several. The fold itself notices; where nothing but streaming aggregation reads the rows, the vectors differ.
#[tokio::test]
async fn mis_sorted_files_are_found() {
    let world = Box::pin(World::mis_sorted(5_000)).await;
    let mut dice = Dice::new(5_000);
    let (mut noticed, mut silent) = (0, 0);
    for _ in 0..400 {
        let asked = Grammar::new(&mut dice).question();
        let options = options(&mut dice);
        match world.judge(&asked.sql, options, false).await {
            Outcome::Wrong(wrong) if wrong.contains("not sorted by person") => noticed += 1,
            Outcome::Wrong(_) => silent += u32::from(world.streams(&asked.sql, options).await),
            _ => {}
        }
        if noticed > 0 && silent > 0 {
            return;
        }
    }
    panic!("{noticed} noticed, {silent} found by their vectors");
}
