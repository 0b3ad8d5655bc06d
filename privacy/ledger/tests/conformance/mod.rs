//! What every engine of the store is held to, as functions. A target calls [`conformance!`] with how it makes a [`Store`].

#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    unreachable_pub,
    missing_docs,
    reason = "each test target uses its own part"
)]

pub mod ending;
pub mod entries;
pub mod purse;
pub mod restricted;
pub mod trust;
pub mod windows;

use std::path::Path;
use std::sync::Arc;

use salus_ledger::anchor::Directory;
use salus_ledger::{Error, Ledger, Place, Signer, Surroundings, key};
use tempfile::TempDir;

use super::support;

/// The database of one ledger, from outside.
pub trait Store: Sync {
    /// Where the ledger is, or is to be made.
    fn place(&self) -> Place;

    /// Runs SQL as whoever owns the tables does. Gives the number of rows that were changed.
    fn run(&self, sql: &str) -> impl Future<Output = Result<u64, String>>;

    /// Runs SQL with the triggers away, and puts them back, so that the schema looks untouched.
    fn tamper(&self, sql: &str) -> impl Future<Output = ()>;

    /// Keeps a copy of the database as it is. The ledger is closed.
    fn save(&self) -> impl Future<Output = ()>;

    /// Puts the copy in the place of the database, and keeps it. The ledger is closed.
    fn restore(&self) -> impl Future<Output = ()>;

    /// Bytes as the engine's SQL writes them.
    fn bytes(&self, hex: &str) -> String;
}

/// A store with the keys of its ledger.
pub struct Case<S> {
    pub store: S,
    pub keys: TempDir,
}

impl<S: Store> Case<S> {
    pub fn new(store: S) -> Self {
        let keys = tempfile::tempdir().unwrap();
        key::generate(&support::key_path(keys.path()), support::ORIGIN).unwrap();
        Self { store, keys }
    }

    pub fn signer(&self) -> Signer {
        support::signer(self.keys.path())
    }

    pub fn dir(&self) -> &Path {
        self.keys.path()
    }

    /// A new ledger with the facts that [`support::question`] rests on.
    pub async fn create(&self, questions: u64) -> Ledger {
        self.create_in(questions, Surroundings::default()).await
    }

    pub async fn create_in(&self, questions: u64, around: Surroundings) -> Ledger {
        let genesis = support::genesis(questions);
        let ledger = Ledger::create_in(self.store.place(), self.signer(), genesis, around)
            .await
            .unwrap();
        support::record_facts(&ledger).await;
        ledger
    }

    pub async fn open(&self) -> Result<Ledger, Error> {
        Ledger::open(self.store.place(), self.signer()).await
    }

    pub async fn open_in(&self, around: Surroundings) -> Result<Ledger, Error> {
        Ledger::open_in(self.store.place(), self.signer(), around).await
    }

    /// The same anchor at each call.
    pub fn anchored(&self) -> Surroundings {
        let anchor = Directory::at(&self.keys.path().join("anchor")).unwrap();
        Surroundings {
            anchor: Some(Arc::new(anchor)),
            ..Surroundings::default()
        }
    }

    /// What the ledger is said to be when it contradicts itself.
    pub async fn integrity(&self) -> String {
        match self.open().await {
            Err(Error::Integrity(what)) => what,
            other => panic!("{other:?}"),
        }
    }
}

/// The ledger holds, by its own audit and by the program that shares nothing with it.
pub async fn verified(ledger: &Ledger) {
    ledger.audit_accounts().await.unwrap();
    let evidence = ledger.evidence().await.unwrap();
    let report = salus_checker::audit(&salus_checker::Evidence {
        entries: evidence.entries,
        leaves: Some(evidence.leaves),
        checkpoints: evidence.checkpoints,
        vkey: evidence.vkey,
    });
    assert!(report.holds(), "{}", report.to_text());
}

/// Calls `$each!(name)` for every test of the suite.
macro_rules! conformance {
    ($each:ident) => {
        $each!(entries::a_ledger_is_created_once_and_opened);
        $each!(entries::every_kind_is_appended);
        $each!(entries::requests_that_wait_together_share_a_checkpoint);
        $each!(entries::ranges_are_read);
        $each!(entries::long_entries_are_kept_and_longer_ones_refused);
        $each!(entries::any_text_is_kept);
        $each!(entries::what_witnesses_add_is_kept);
        $each!(purse::admission_ends_exactly_at_the_cap);
        $each!(purse::two_writers_share_one_purse);
        $each!(purse::a_request_that_is_sent_again_is_paid_once);
        $each!(purse::an_answer_is_given_once_more);
        $each!(purse::a_refusal_costs_nothing);
        $each!(purse::a_grant_raises_the_cap_and_an_incident_passes_it);
        $each!(purse::limits_are_kept_beside_the_purse);
        $each!(windows::two_officers_open_a_window);
        $each!(windows::a_grant_is_of_a_window_that_there_is);
        $each!(windows::purse_and_windows_keep_caps_of_their_own);
        $each!(windows::a_window_opens_in_its_period_and_under_its_policy);
        $each!(windows::grants_race_with_questions_and_policies);
        $each!(purse::a_question_that_nobody_ended_stays_paid);
        $each!(purse::a_reserve_ends_once);
        $each!(trust::the_store_forbids_changes_of_the_log);
        $each!(trust::whatever_contradicts_the_log_is_refused);
        $each!(trust::a_changed_schema_is_refused);
        $each!(trust::the_whole_audit_sees_inner_nodes_and_earlier_checkpoints);
        $each!(trust::a_contradiction_stops_an_open_ledger_for_good);
        $each!(trust::an_earlier_state_is_not_opened);
        $each!(trust::another_ledgers_store_is_refused);
        $each!(ending::texts_go_by_an_erasure_and_do_not_come_back);
        $each!(ending::nothing_follows_a_seal);
        $each!(ending::a_ledger_goes_on_from_another);
        $each!(ending::a_ledger_opens_with_what_was_spent);
        $each!(restricted::what_is_recorded_stays_and_names_nobody);
        $each!(restricted::anchors_stand_where_ticks_have_passed);
        $each!(restricted::a_restricted_log_that_was_put_back_is_refused);
        $each!(restricted::a_tick_anchors_no_less_than_was_seen);
        $each!(restricted::the_restricted_log_goes_with_the_first);
        $each!(restricted::a_ledger_without_one_has_none);
    };
}
pub(crate) use conformance;
