//! What became of each question, in logs built by hand and in one that a ledger wrote.

#![allow(missing_docs, reason = "tests")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use salus_accounting::{Delta, Epsilon, Loss, Noise, Rational, Rho, epsilon_of, total_delta};
use salus_certificate::{Aggregate, Bounds, Certificate, EntryIndex, Mechanism, Step};
use salus_ledger::{Charge, Exact, Fact, Kind, Ledger, Refusal, Released, Reservation, key};
use salus_oversight::{
    Error, Filter, Outcome, OutcomeKind, Question, Share, burn_down_of, derivation, questions,
    refusals, words,
};
use support::{DAY, Log, NEW_YEAR, eventful, genesis, loss};

fn outcomes(log: &Log) -> Vec<(u64, OutcomeKind)> {
    let all = questions(&log.entries).into_iter();
    all.map(|question| (question.entry.0, question.outcome.kind()))
        .collect()
}

#[test]
fn each_reserve_is_joined_with_its_ending() {
    use OutcomeKind::{Answered, Dropped, Failed, Open, Refused, Repeated};
    let log = eventful();
    let expected = [
        (6, Answered),
        (8, Repeated),
        (9, Refused),
        (10, Refused),
        (11, Failed),
        (13, Dropped),
        (20, Open),
    ];
    assert_eq!(outcomes(&log), expected);
    let all = questions(&log.entries);
    let by = |entry: u64| {
        all.iter()
            .find(|question| question.entry.0 == entry)
            .unwrap()
    };

    let answered = by(6);
    assert_eq!(answered.outcome, Outcome::Answered(EntryIndex(7)));
    assert_eq!(
        (answered.dataset.as_deref(), answered.snapshot),
        (Some("clinic"), Some(1))
    );
    assert_eq!(answered.loss, loss("0.1"));
    assert_eq!(answered.incidents, loss("0.01"));
    assert_eq!(
        answered.total(),
        loss("0.1").checked_add(loss("0.01")).unwrap()
    );
    let conversion = genesis().conversion_delta;
    assert_eq!(
        answered.epsilon,
        epsilon_of(answered.total().rho, conversion)
    );
    assert_eq!(answered.delta, total_delta(Delta::ZERO, conversion));
    let purse = answered.purse.unwrap();
    assert_eq!(
        (purse.before, purse.after, purse.cap),
        (Loss::ZERO, loss("0.1"), genesis().cap)
    );
    assert_eq!(answered.mechanisms.len(), 2);

    let repeated = by(8);
    let cites = Outcome::Repeated {
        release: EntryIndex(7),
        reserve: Some(EntryIndex(6)),
    };
    assert_eq!(repeated.outcome, cites);
    assert_eq!(
        (repeated.dataset.as_deref(), repeated.snapshot),
        (Some("clinic"), Some(1))
    );
    assert_eq!(
        (repeated.loss, &repeated.epsilon, repeated.delta),
        (Loss::ZERO, &Epsilon::ZERO, Delta::ZERO)
    );

    let refused = by(9);
    assert_eq!(refused.outcome.rule(), Some("S2"));
    assert_eq!((refused.dataset.as_deref(), refused.roles.len()), (None, 0));
    assert_eq!(by(20).outcome.cites(), None);
    let plans: Vec<Option<u64>> = all
        .iter()
        .map(|one| one.plan_of().map(|plan| plan.0))
        .collect();
    assert_eq!(plans, [Some(6), Some(6), None, None, None, None, None]);
}

#[test]
fn an_empty_log_and_one_with_a_genesis_alone_have_no_questions() {
    assert_eq!(questions(&[]), []);
    assert_eq!(questions(&Log::only_genesis().entries), []);
    assert_eq!(words(&[], EntryIndex(0)), Vec::<String>::new());
    assert_eq!(refusals(&[]).list, []);
    assert_eq!(
        Filter::default().entries(&[]),
        Vec::<&salus_ledger::StoredEntry>::new()
    );
}

#[test]
fn without_a_genesis_nothing_looks_private() {
    let log = eventful();
    let part = &log.entries[6..];
    let first = &questions(part)[0];
    assert_eq!(first.epsilon, Epsilon::UNBOUNDED);
    assert_eq!((first.dataset.as_deref(), first.snapshot), (None, None));
    assert_eq!(first.outcome, Outcome::Answered(EntryIndex(7)));
}

fn entries(filter: &Filter, all: &[Question]) -> Vec<u64> {
    filter
        .select(all)
        .into_iter()
        .map(|question| question.entry.0)
        .collect()
}

#[test]
fn filters_take_what_matches_all_of_them() {
    let log = eventful();
    let all = questions(&log.entries);
    let none = Filter::default;
    let ada = Filter {
        principal: Some("p-ada".into()),
        ..none()
    };
    assert_eq!(entries(&ada, &all), [6, 13, 20]);
    let research = Filter {
        purpose: Some("HRESCH".into()),
        ..ada.clone()
    };
    assert_eq!(entries(&research, &all), [6, 20]);
    assert_eq!(entries(&none().outcome("refused").unwrap(), &all), [9, 10]);
    assert_eq!(entries(&none().kind("reuse").unwrap(), &all), [8]);
    let clinic = Filter {
        dataset: Some("clinic".into()),
        ..none()
    };
    assert_eq!(entries(&clinic, &all), [6, 8, 11, 13, 20]);
    // NEW_YEAR is 2026-01-01; the second batch is of the 21st, the third of February the 10th.
    assert_eq!(entries(&none().until("2026-01-20").unwrap(), &all), [6]);
    assert_eq!(
        entries(
            &none()
                .since("2026-01-21")
                .unwrap()
                .until("2026-01-21")
                .unwrap(),
            &all
        ),
        [8, 9, 10, 11]
    );
    assert_eq!(
        entries(&none().since("2026-02-10T01:00:00Z").unwrap(), &all),
        [13, 20]
    );
    assert_eq!(
        entries(&none().since("2026-02-10T01:00:01Z").unwrap(), &all),
        [20]
    );
    assert_eq!(
        entries(&none().until("2026-01-01T01:00:00Z").unwrap(), &all),
        [0_u64; 0]
    );
}

#[test]
fn entries_belong_to_their_questions() {
    let log = eventful();
    let indices = |filter: Filter| -> Vec<u64> {
        filter
            .entries(&log.entries)
            .into_iter()
            .map(|stored| stored.index.0)
            .collect()
    };
    let ada = Filter {
        principal: Some("p-ada".into()),
        ..Filter::default()
    };
    // Her reserves, release, abort, and the incident about the first.
    assert_eq!(indices(ada), [6, 7, 13, 14, 18, 20]);
    let eve = Filter {
        principal: Some("p-eve".into()),
        ..Filter::default()
    };
    assert_eq!(indices(eve), [19]);
    assert_eq!(
        indices(Filter::default().kind("officer").unwrap()),
        [15, 16]
    );
    assert_eq!(
        indices(Filter::default().outcome("failed").unwrap()),
        [11, 12]
    );
    let clinic = Filter {
        dataset: Some("clinic".into()),
        ..Filter::default()
    };
    assert_eq!(indices(clinic)[..4], [2, 3, 5, 6]);
    assert_eq!(indices(Filter::default()).len(), log.entries.len());
}

#[test]
fn what_cannot_be_asked_for_is_said() {
    let filter = Filter::default;
    assert_eq!(
        filter().kind("question"),
        Err(Error::Kind("question".into()))
    );
    assert_eq!(filter().outcome("ok"), Err(Error::Outcome("ok".into())));
    assert_eq!(filter().since("Monday"), Err(Error::Time("Monday".into())));
    for kind in Kind::ALL {
        assert_eq!(filter().kind(kind.name()).unwrap().kind, Some(kind));
    }
    for outcome in OutcomeKind::ALL {
        assert_eq!(outcome.name().parse(), Ok(outcome));
    }
}

#[test]
fn refusals_are_counted_by_what_an_officer_asks() {
    let mut log = eventful();
    log.time = NEW_YEAR + 40 * DAY;
    log.refuse("p-ada", "S2");
    let refused = refusals(&log.entries);
    assert_eq!(
        refused.by_rule,
        [("S2".to_owned(), 2), ("budget".to_owned(), 1)].into()
    );
    assert_eq!(
        refused.by_principal,
        [("p-ada".to_owned(), 1), ("p-bob".to_owned(), 2)].into()
    );
    assert_eq!(refused.by_purpose, [("PUBHLTH".to_owned(), 3)].into());
    assert_eq!(
        refused.by_month,
        [("2026-01".to_owned(), 2), ("2026-02".to_owned(), 1)].into()
    );
    let indices: Vec<u64> = refused
        .list
        .iter()
        .map(|question| question.entry.0)
        .collect();
    assert_eq!(indices, [9, 10, 21]);
}

#[test]
fn a_derivation_is_said_in_plain_words() {
    let log = eventful();
    let said = words(&log.entries, EntryIndex(6));
    let expected = [
        "p-ada (analyst) asked a question of clinic, snapshot 1, for the purpose HRESCH, at 2026-01-01T01:00:00Z.",
        "What is protected is one person: all rows with the same person_id.",
        "Step 0 reads the table patient: at most 1 row of it is one person's (rule S0).",
        "Step 1 sums up what step 0 gives, over everybody; of this nothing is shown without noise (RELEASE).",
        "Step 2 reads the table condition: no bound is known on the rows of one person (rule S0).",
        "Step 3 sums up what step 2 gives, over everybody; of this nothing is shown without noise (RELEASE).",
        "Release 0 (step 1): one person counts in at most 1 group, with at most 3 rows in each; the same 2 groups are answered whatever the data.",
        "Release 1 (step 3): one person counts in at most 2 groups, with at most 3 rows in each; which groups are answered is not public and decided by a threshold.",
        "Release 0 shows the number of persons, with discrete Gaussian noise of standard deviation 12.5 grid units at most in each number: it cost rho 0.100001.",
        "Release 1 shows the number of persons, with discrete Laplace noise of standard deviation 17.678 grid units at most in each number: it cost rho 0.100001.",
        "A group of release 1 is answered if at least 5 persons are in it and their noisy number is above 40.",
    ];
    assert_eq!(said[..expected.len()], expected);
    let rest = said[expected.len()..].join("\n");
    assert!(
        rest.contains("All of this together cost rho 0.100001: epsilon "),
        "{rest}"
    );
    assert!(
        rest.contains("The purse space:riverside held rho 0 of rho 1"),
        "{rest}"
    );
    assert!(rest.ends_with("It was answered, in entry 7. Its price was too low: rho 0.0100001 were added by an incident."), "{rest}");

    assert!(
        words(&log.entries, EntryIndex(8))[0].contains("was given the answer of entry 7 once more")
    );
    assert!(words(&log.entries, EntryIndex(9))[0].contains("refused by the rule S2"));
    assert!(
        words(&log.entries, EntryIndex(11))
            .last()
            .unwrap()
            .contains("could not be answered")
    );
    assert!(
        words(&log.entries, EntryIndex(20))
            .last()
            .unwrap()
            .contains("neither an answer nor an end")
    );
    assert_eq!(words(&log.entries, EntryIndex(0)), Vec::<String>::new());
}

/// A ledger of its own clock, as the command line would open it.
#[tokio::test(flavor = "current_thread")]
async fn a_real_ledger_is_read() {
    let home = tempfile::tempdir().unwrap();
    let genesis = genesis();
    let signer = key::generate(&home.path().join("signing.key"), &genesis.origin).unwrap();
    let clock = Arc::new(AtomicU64::new(NEW_YEAR));
    let now = Arc::clone(&clock);
    let clock_of_log = Arc::new(move || now.load(Ordering::SeqCst));
    let ledger = Ledger::create_at(
        &home.path().join("ledger"),
        signer,
        genesis.clone(),
        clock_of_log,
    )
    .await
    .unwrap();
    let certificate = facts(&ledger).await;
    let charge = ask(&ledger, &certificate, "p-ada", b"plan one").await;
    let cost = charge
        .release(Exact::seal(vec![vec![1200, 1100]]), answer)
        .await
        .unwrap();
    clock.store(NEW_YEAR + DAY, Ordering::SeqCst);
    let again = reservation(&certificate, "p-bob", b"plan one");
    ledger.reuse(again).await.unwrap().unwrap();
    drop(ask(&ledger, &certificate, "p-ada", b"plan two").await);
    let refusal = Refusal {
        principal: "p-bob".into(),
        purpose: "HRESCH".into(),
        rule: "S2".into(),
        question: "SELECT * FROM patient".into(),
    };
    ledger.refuse(refusal).await.unwrap();
    // Dropped charges are written by the time a flush returns.
    let read = ledger.clone();
    ledger.close().await.unwrap();
    let entries = read.entries().await.unwrap();
    read.close().await.unwrap();

    let all = questions(&entries);
    let mut kinds: Vec<OutcomeKind> = all.iter().map(|question| question.outcome.kind()).collect();
    kinds.sort();
    assert_eq!(
        kinds,
        [
            OutcomeKind::Answered,
            OutcomeKind::Repeated,
            OutcomeKind::Refused,
            OutcomeKind::Dropped
        ]
    );
    let answered = &all[0];
    assert_eq!(answered.outcome, Outcome::Answered(cost.entry));
    assert_eq!(
        (answered.loss, answered.entry, answered.time),
        (cost.cost, cost.reserve, NEW_YEAR)
    );
    assert_eq!(
        answered.epsilon,
        epsilon_of(cost.cost.rho, genesis.conversion_delta)
    );
    let repeated = Filter::default().outcome("repeated").unwrap();
    let repeated = repeated.select(&all)[0];
    assert_eq!(
        (repeated.principal.as_str(), repeated.dataset.as_deref()),
        ("p-bob", Some("clinic"))
    );

    let purse = burn_down_of(&entries, &Share::Purse);
    let twice = cost.cost.checked_add(cost.cost).unwrap();
    assert_eq!((purse.spent(), purse.cap()), (twice, genesis.cap));
    let ada = burn_down_of(&entries, &Share::Analyst("p-ada".into()));
    assert_eq!(ada.spent(), twice);
    let said = words(&entries, answered.entry);
    assert!(
        said.iter()
            .any(|line| line.contains("standard deviation 20 grid units")),
        "{said:?}"
    );
    let reserve = entries.iter().find_map(|stored| match &stored.entry.body {
        salus_ledger::Body::Reserve(reserve) => Some(reserve),
        _ => None,
    });
    assert!(derivation(reserve.unwrap(), genesis.conversion_delta).len() > 5);
}

async fn answer(noisy: &Released) -> Result<Vec<u8>, salus_ledger::AnswerFailed> {
    Ok(format!("{:?}", noisy.columns[0]).into_bytes())
}

async fn facts(ledger: &Ledger) -> Certificate {
    let clinic = || "clinic".to_owned();
    let dataset = Fact::Dataset {
        dataset: clinic(),
        unit: "person_id".into(),
    };
    let catalog = Fact::Catalog {
        dataset: clinic(),
        version: 1,
        sha256: [0; 32],
        parts: std::collections::BTreeMap::new(),
    };
    let policy = Fact::Policy {
        version: 1,
        sha256: [0; 32],
        query_rho: Rho::parse_floor("0.005").unwrap(),
        limits: vec![],
    };
    let snapshot = Fact::Snapshot {
        dataset: clinic(),
        snapshot: 1,
        content: b"patient: 0".to_vec(),
    };
    let dataset = ledger.record(dataset).await.unwrap();
    let catalog = ledger.record(catalog).await.unwrap();
    let policy = ledger.record(policy).await.unwrap();
    let snapshot = ledger.record(snapshot).await.unwrap();
    let bounds = Bounds {
        step: 1,
        rows_per_person: 1,
        groups_per_person: 1,
        cells: 2,
        weighted: None,
    };
    let count = Mechanism::new(
        Noise::DiscreteGaussian,
        Aggregate::Persons,
        1,
        &bounds,
        Rational::from(20),
    )
    .unwrap();
    let step = |rule: &str, inputs: Vec<u64>, table: Option<String>| Step {
        rule: rule.into(),
        op: rule.into(),
        inputs,
        table,
        rows: 1,
    };
    Certificate {
        dataset,
        snapshot,
        catalog,
        policy,
        unit: "person_id".into(),
        steps: vec![
            step("S0", vec![], Some("patient".into())),
            step("RELEASE", vec![0], None),
        ],
        releases: vec![bounds],
        keys: [0; 32],
        mechanisms: vec![count],
    }
}

fn reservation(certificate: &Certificate, principal: &str, plan: &[u8]) -> Reservation {
    Reservation {
        principal: principal.into(),
        roles: vec!["analyst".into()],
        purpose: "HRESCH".into(),
        question: "SELECT sex, count(DISTINCT person_id) FROM patient GROUP BY sex".into(),
        plan: plan.to_vec(),
        keys: b"female, male".to_vec(),
        certificate: certificate.clone(),
        retry: None,
    }
}

async fn ask(ledger: &Ledger, certificate: &Certificate, principal: &str, plan: &[u8]) -> Charge {
    ledger
        .reserve(reservation(certificate, principal, plan))
        .await
        .unwrap()
}

/// A grant of a window is no cap of the purse, before or after one that is.
#[test]
fn a_window_leaves_the_burn_down_of_the_purse() {
    let mut log = Log::new();
    let first = log.cap;
    log.window(loss("0.5"));
    log.answered("p-ada", "HRESCH", loss("0.1"));
    let purse = burn_down_of(&log.entries, &Share::Purse);
    assert_eq!(purse.cap(), first);
    let raised = Loss {
        rho: loss("7").rho,
        delta: first.delta,
    };
    log.grant(raised);
    log.window(loss("0.7"));
    let purse = burn_down_of(&log.entries, &Share::Purse);
    assert_eq!(purse.cap(), raised);
    // The genesis, the reserve, the raise.
    assert_eq!(purse.points.len(), 3);
}
