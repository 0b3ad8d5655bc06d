//! What is promised, to whom, and what is not.

use salus_accounting::Loss;

use super::Source;
use super::page::Page;
use crate::books::{shown_delta, shown_epsilon};

pub(super) fn write(page: &mut Page, source: &Source<'_>) {
    page.section("guarantee", "What is guaranteed", false);
    let Some(genesis) = source.books.genesis() else {
        page.nothing("The list of entries has no genesis, so no guarantee can be stated from it.");
        return;
    };
    let purse = source.purse();
    // Only an incident spends beyond the cap; then what was spent is what is guaranteed.
    let cap = Loss {
        rho: purse.cap().rho.max(purse.spent().rho),
        delta: purse.cap().delta.max(purse.spent().delta),
    };
    let conversion = source.conversion();
    let (epsilon, delta) = (shown_epsilon(cap, conversion), shown_delta(cap, conversion));
    page.paragraph(&format!(
        "Records of the population {} are used for statistics under differential privacy. All answers that were ever given, to everybody together, are at most e^{epsilon} times as likely with the records of any one person as without them, but for a probability of {delta}. Whoever sees all answers, and knows everything else, can hardly tell whether that person's records were used at all.",
        genesis.space
    ));
    page.paragraph(&format!(
        "These are epsilon {epsilon} and delta {delta}, at the cap in force (or at what was spent, where an incident went beyond it): rho {} (zero-concentrated differential privacy) and delta {} for thresholds, converted at delta {conversion}. It can be raised by grants of two officers, never above rho {} and delta {}. Answers add up over time; the budget does not reset.",
        cap.rho, cap.delta, genesis.ceiling.rho, genesis.ceiling.delta
    ));
    page.heading("For whom, and with which limits");
    page.list([
        "The unit is one person: all her rows in all tables, as they were linked. Two sets of records of one person that were not linked count as two persons, and are each protected.".to_owned(),
        "What is true of groups is learnt, and that is the purpose. What statistics say about people like her can be said about her, whether or not her records were used.".to_owned(),
        "It covers answers that left through this ledger. Whoever can read the records themselves, or other releases from them, needs no answer.".to_owned(),
        "Group keys that the catalog declares, prices, times, refusals and that a question failed are public. Prices do not depend on the records.".to_owned(),
        "It holds against all analysts together: they share the one budget.".to_owned(),
    ]);
}
