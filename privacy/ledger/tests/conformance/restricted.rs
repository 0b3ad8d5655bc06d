//! The restricted log: what is recorded, how it is anchored, and what is noticed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use salus_ledger::entry::Body;
use salus_ledger::restricted::entry::{Outcome, What};
use salus_ledger::restricted::{Event, Identified};
use salus_ledger::{Error, Genesis, Kind, Ledger, Surroundings, key};

use super::support::{self, refusal};
use super::{Case, Store};

/// Seconds between ticks.
pub const EVERY: u64 = 3600;

/// The first of them in these tests.
pub const START: u64 = 1_700_000_000 / EVERY * EVERY;

/// A clock that the test moves.
#[derive(Clone)]
pub struct Time(Arc<AtomicU64>);

impl Time {
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(START)))
    }

    pub fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub fn around(&self) -> Surroundings {
        let now = Arc::clone(&self.0);
        Surroundings {
            clock: Arc::new(move || now.load(Ordering::SeqCst)),
            ..Surroundings::default()
        }
    }
}

pub fn genesis() -> Genesis {
    Genesis {
        restricted: Some(EVERY),
        ..support::genesis(10)
    }
}

async fn create(case: &Case<impl Store>, time: &Time) -> Ledger {
    Ledger::create_in(case.store.place(), case.signer(), genesis(), time.around())
        .await
        .unwrap()
}

pub fn seen(person: &str) -> Identified {
    Identified {
        principal: "staff-7".to_owned(),
        role: "physician".to_owned(),
        purpose: "ETREAT".to_owned(),
        persons: vec![person.to_owned()],
        columns: vec!["name".to_owned(), "birth_date".to_owned()],
    }
}

pub fn expunge(person: &str) -> Event {
    Event::Change {
        what: What::Expunge,
        principal: "staff-7".to_owned(),
        persons: vec![person.to_owned()],
        detail: vec![],
    }
}

/// The restricted log with the first, by the program that shares nothing with them.
pub async fn judged(ledger: &Ledger) -> salus_checker::Report {
    let log = |found: salus_ledger::Evidence| salus_checker::Evidence {
        entries: found.entries,
        leaves: Some(found.leaves),
        checkpoints: found.checkpoints,
        vkey: found.vkey,
    };
    let restricted = ledger.restricted().unwrap().evidence().await.unwrap();
    let opened = restricted
        .anchors
        .into_iter()
        .filter_map(|(index, opening)| {
            let opening = opening?;
            Some((index, [&opening.salt, opening.content.as_slice()].concat()))
        });
    let trust = salus_checker::Trust {
        restricted: Some(salus_checker::Restricted {
            anchors: opened.collect(),
            log: log(restricted.log),
        }),
        ..salus_checker::Trust::default()
    };
    salus_checker::audit_with(&log(ledger.evidence().await.unwrap()), &trust)
}

async fn verified(ledger: &Ledger) {
    ledger.audit_accounts().await.unwrap();
    let report = judged(ledger).await;
    assert!(report.holds(), "{}", report.to_text());
}

pub async fn what_is_recorded_stays_and_names_nobody(case: &Case<impl Store>) {
    let time = Time::new();
    let ledger = create(case, &time).await;
    let log = ledger.restricted().unwrap();
    let secret = "Patient/8812-Marta";
    let breakglass = Event::BreakGlass {
        access: seen(secret),
        justification: format!("{secret} was unconscious"),
    };
    let opened = log.record(breakglass).await.unwrap().entry;
    log.record(Event::Access(seen(secret))).await.unwrap();
    for what in [
        What::Expunge,
        What::Deny,
        What::Permit,
        What::Merge,
        What::Split,
        What::Alert,
    ] {
        let change = Event::Change {
            what,
            principal: "staff-7".to_owned(),
            persons: vec![secret.to_owned()],
            detail: secret.as_bytes().to_vec(),
        };
        log.record(change).await.unwrap();
    }
    let open = log.breakglass().await.unwrap();
    assert!(open.len() == 1 && open[0].is_open() && open[0].entry == opened);
    let followup = |breakglass, outcome| Event::FollowUp {
        breakglass,
        principal: "officer-1".to_owned(),
        outcome,
        note: format!("spoke with {secret}"),
    };
    log.record(followup(opened, Outcome::Open)).await.unwrap();
    assert!(log.breakglass().await.unwrap()[0].is_open());
    let closing = followup(opened, Outcome::Justified);
    log.record(closing).await.unwrap();
    assert!(!log.breakglass().await.unwrap()[0].is_open());
    ledger.close().await.unwrap();

    let ledger = case.open_in(time.around()).await.unwrap();
    let log = ledger.restricted().unwrap();
    let entries = log.entries().await.unwrap();
    assert_eq!(entries.len(), 12);
    let persons = log.opening(opened, "persons").await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&persons.content).contains(secret));
    let evidence = log.evidence().await.unwrap().log.entries.concat();
    assert!(!String::from_utf8_lossy(&evidence).contains("Marta"));
    verified(&ledger).await;

    // Texts do not stand in the log, and a follow-up is of a break-glass access.
    let mut told = seen(secret);
    "he was unconscious".clone_into(&mut told.role);
    for wrong in [
        Event::Access(told),
        followup(salus_ledger::EntryIndex(0), Outcome::Justified),
        followup(salus_ledger::EntryIndex(99), Outcome::Justified),
    ] {
        let refused = log.record(wrong).await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    }
    // What opens it goes, and does not come back; the log stays.
    assert_eq!(log.erase(&[opened]).await.unwrap(), 1);
    assert_eq!(log.erase(&[opened]).await.unwrap(), 0);
    assert_eq!(log.opening(opened, "persons").await.unwrap(), None);
    verified(&ledger).await;
}

pub async fn anchors_stand_where_ticks_have_passed(case: &Case<impl Store>) {
    let time = Time::new();
    let ledger = create(case, &time).await;
    let kinds = async || -> Vec<Kind> {
        let entries = ledger.entries().await.unwrap().into_iter();
        entries.map(|stored| stored.entry.body.kind()).collect()
    };
    assert_eq!(kinds().await, [Kind::Genesis, Kind::Key, Kind::Anchor]);
    ledger.refuse(refusal()).await.unwrap();
    // Many ticks without an entry of the first log are caught up with one anchor, and with no entry they are not.
    time.pass(50 * EVERY);
    let log = ledger.restricted().unwrap();
    log.record(expunge("p")).await.unwrap();
    log.record(expunge("q")).await.unwrap();
    assert_eq!(ledger.size().await.unwrap(), 4);
    ledger.refuse(refusal()).await.unwrap();
    ledger.refuse(refusal()).await.unwrap();
    time.pass(EVERY - 1);
    ledger.refuse(refusal()).await.unwrap();
    time.pass(1);
    ledger.refuse(refusal()).await.unwrap();
    let (refuse, anchor) = (Kind::Refuse, Kind::Anchor);
    assert_eq!(
        kinds().await[3..],
        [refuse, anchor, refuse, refuse, refuse, anchor, refuse]
    );
    let anchors = ledger.all_of(Kind::Anchor).await.unwrap();
    let tick = |at: usize| match &anchors[at].entry.body {
        Body::Anchor(anchor) => anchor.tick * EVERY - START,
        _ => unreachable!(),
    };
    assert_eq!([tick(0), tick(1), tick(2)], [0, 50 * EVERY, 51 * EVERY]);
    verified(&ledger).await;
    // A clock that goes back anchors nothing twice.
    time.0.store(START, Ordering::SeqCst);
    ledger.refuse(refusal()).await.unwrap();
    assert_eq!(kinds().await.last(), Some(&refuse));
    verified(&ledger).await;
    ledger.close().await.unwrap();
    let ledger = case.open_in(time.around()).await.unwrap();
    verified(&ledger).await;
}

pub async fn a_restricted_log_that_was_put_back_is_refused(case: &Case<impl Store>) {
    let time = Time::new();
    let ledger = create(case, &time).await;
    let log = ledger.restricted().unwrap();
    log.record(expunge("p")).await.unwrap();
    log.record(expunge("q")).await.unwrap();
    time.pass(EVERY);
    ledger.refuse(refusal()).await.unwrap();
    for forbidden in [
        "DELETE FROM restricted_entries",
        "UPDATE restricted_entries SET kind = 'alert'",
        "DELETE FROM restricted_nodes",
        "DELETE FROM restricted_checkpoints",
        "DELETE FROM restricted_openings",
    ] {
        let refused = case.store.run(forbidden).await;
        assert!(refused.is_err(), "{forbidden}: {refused:?}");
    }
    // Yesterday's restricted log alone, whole and signed. The open ledger does not go on from it either.
    for newest in [
        "DELETE FROM restricted_openings WHERE entry = 3",
        "DELETE FROM restricted_nodes WHERE (level = 0 AND position = 3) OR (level = 1 AND position = 1) OR level = 2",
        "DELETE FROM restricted_checkpoints WHERE size = 4",
        "DELETE FROM restricted_entries WHERE idx = 3",
    ] {
        case.store.tamper(newest).await;
    }
    let refused = log.record(expunge("r")).await;
    assert!(
        matches!(&refused, Err(Error::Integrity(what)) if what.contains("put back")),
        "{refused:?}"
    );
    let stopped = ledger.refuse(refusal()).await;
    assert!(matches!(stopped, Err(Error::Integrity(_))), "{stopped:?}");
    drop(log);
    ledger.close().await.unwrap();
    let what = case.integrity().await;
    assert!(
        what.contains("restricted log") && what.contains("put back"),
        "{what}"
    );
}

/// A tick must not make what was put back the anchored truth, where this process has seen more.
pub async fn a_tick_anchors_no_less_than_was_seen(case: &Case<impl Store>) {
    let time = Time::new();
    let ledger = create(case, &time).await;
    let log = ledger.restricted().unwrap();
    log.record(expunge("p")).await.unwrap();
    log.record(expunge("q")).await.unwrap();
    for newest in [
        "DELETE FROM restricted_openings WHERE entry = 3",
        "DELETE FROM restricted_nodes WHERE (level = 0 AND position = 3) OR (level = 1 AND position = 1) OR level = 2",
        "DELETE FROM restricted_checkpoints WHERE size = 4",
        "DELETE FROM restricted_entries WHERE idx = 3",
    ] {
        case.store.tamper(newest).await;
    }
    time.pass(EVERY);
    let stopped = ledger.refuse(refusal()).await;
    assert!(
        matches!(&stopped, Err(Error::Integrity(what)) if what.contains("put back")),
        "{stopped:?}"
    );
}

pub async fn the_restricted_log_goes_with_the_first(case: &Case<impl Store>) {
    let time = Time::new();
    let ledger = create(case, &time).await;
    let new = |name: &str| key::generate(&case.dir().join(format!("{name}.key")), name).unwrap();
    let officers = [new("ada"), new("ben")];
    for who in &officers {
        let come = ledger.propose_officer(who.origin(), who.verifier().public(), true);
        ledger.enter(come, vec![]).await.unwrap();
    }
    ledger
        .restricted()
        .unwrap()
        .record(expunge("p"))
        .await
        .unwrap();
    let second = key::generate(&case.dir().join("second.key"), support::ORIGIN).unwrap();
    ledger.rotate(second.clone()).await.unwrap();
    let open = async || Ledger::open_in(case.store.place(), second.clone(), time.around()).await;
    let ledger = open().await.unwrap();
    let log = ledger.restricted().unwrap();
    log.record(expunge("q")).await.unwrap();
    verified(&ledger).await;

    let next = new("next");
    let proposal = ledger
        .propose_seal(next.verifier(), u64::MAX, "a new year")
        .unwrap();
    let approvals = officers.iter().map(|who| proposal.approve(who)).collect();
    ledger.seal(proposal, approvals).await.unwrap();
    let refused = log.record(expunge("r")).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    let last: Vec<Kind> = ledger
        .entries()
        .await
        .unwrap()
        .iter()
        .rev()
        .map(|stored| stored.entry.body.kind())
        .take(2)
        .collect();
    assert_eq!(last, [Kind::Seal, Kind::Anchor]);
    verified(&ledger).await;
    drop(log);
    ledger.close().await.unwrap();
    verified(&open().await.unwrap()).await;
}

pub async fn a_ledger_without_one_has_none(case: &Case<impl Store>) {
    let ledger = case.create(1).await;
    assert!(matches!(ledger.restricted(), Err(Error::Refused(_))));
    super::verified(&ledger).await;
}
