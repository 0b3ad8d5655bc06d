//! A ledger that ends and goes on: never with a full purse, and never twice.

mod support;

use salus_accounting::{Delta, Loss};
use salus_ledger::anchor::newest;
use salus_ledger::entry::{Body, Limit, Share, Statement};
use salus_ledger::note::Verifier;
use salus_ledger::succession::{Build, after_seal, approved, goes_on_from};
use salus_ledger::{
    Error, Fact, Genesis, Ledger, Proposal, ReserveError, Signer, Surroundings, key,
};
use support::site::{NEXT, anchor, anchored, ask, build, facts, judge, refused, site, spent};
use support::{answer, price, question, signer};

#[tokio::test]
async fn a_sealed_ledger_goes_on_with_what_it_had_spent() {
    let (site, ledger) = site().await;
    let sealed = site.seal(&ledger).await.unwrap();
    let report = judge(&sealed, &[]);
    assert_eq!(report.sealed.as_ref().unwrap().spent.rho, spent(1).units());
    ledger.close().await.unwrap();
    let genesis = after_seal(&sealed, &build()).unwrap();
    let next = site.succeed(genesis, "next").await.unwrap();
    assert_eq!(next.account().await.unwrap().spent.rho, spent(1));
    facts(&next, vec![]).await;
    for _ in 0..3 {
        ask(&next).await.unwrap();
    }
    let exhausted = ask(&next).await.unwrap_err();
    assert!(matches!(exhausted, ReserveError::BudgetExhausted { .. }));
    // Its officers are officers: no others are named by the log's key alone, and two of them raise the cap.
    let mut names: Vec<String> = next
        .officers()
        .await
        .unwrap()
        .into_iter()
        .map(|(_, n)| n)
        .collect();
    names.sort();
    assert_eq!(names, ["ada", "ben"]);
    let stranger = key::generate(&site.path("stranger.key"), "stranger").unwrap();
    let come = next.propose_officer("stranger", stranger.verifier().public(), true);
    refused(next.enter(come, vec![]).await, "O1");
    let cap = next.genesis().ceiling;
    let grant = next.propose_grant(cap, u64::MAX, "more").await.unwrap();
    let approvals = site.both(&grant);
    next.enter(grant, approvals).await.unwrap();
    ask(&next).await.unwrap();
    next.audit_accounts().await.unwrap();
    let log = next.evidence().await.unwrap();
    let alone = judge(&log, &[]);
    assert!(!alone.opening.unwrap().compared);
    let both = judge(&log, &[&sealed]);
    assert!(both.opening.unwrap().compared);
    next.close().await.unwrap();
    // And once more, over three logs.
    let around = anchored(&site.path("next-anchor"));
    let next = Ledger::open_in(&site.path("next"), site.next.clone(), around)
        .await
        .unwrap();
    let third = key::generate(&site.path("third.key"), "salus.example/third").unwrap();
    let proposal = next.propose_seal(third.verifier(), u64::MAX, "").unwrap();
    let approvals = site.both(&proposal);
    let second = next.seal(proposal, approvals).await.unwrap();
    next.close().await.unwrap();
    let genesis = after_seal(&second, &build()).unwrap();
    assert_eq!(genesis.cap, genesis.ceiling);
    let before = Some(anchor(&site.path("next-anchor")));
    let around = anchored(&site.path("third-anchor"));
    let last = Ledger::succeed(&site.path("third"), third, genesis, around, before)
        .await
        .unwrap();
    assert_eq!(last.account().await.unwrap().spent.rho, spent(5));
    judge(&last.evidence().await.unwrap(), &[&second, &sealed]);
}

#[tokio::test]
async fn nothing_is_entered_after_a_seal_and_the_log_is_still_read() {
    let (site, ledger) = site().await;
    let charge = ledger.reserve(question()).await.unwrap();
    let sealed = site.seal(&ledger).await.unwrap();
    // The charge was paid, and stays so: the answer does not leave.
    assert!(answer(charge).await.is_err());
    assert!(ask(&ledger).await.is_err());
    refused(ledger.refuse(support::refusal()).await, "E1");
    let policy = Fact::Policy {
        version: 9,
        sha256: [0; 32],
        query_rho: price(),
        limits: vec![],
    };
    refused(ledger.record(policy).await, "E1");
    refused(site.seal(&ledger).await, "E1");
    refused(
        ledger
            .incident(salus_ledger::EntryIndex(8), Loss::from_rho(price()), "")
            .await,
        "E1",
    );
    ledger.close().await.unwrap();
    let ledger = site.open().await.unwrap();
    refused(ledger.refuse(support::refusal()).await, "E1");
    assert_eq!(ledger.evidence().await.unwrap(), sealed);
    ledger.audit_accounts().await.unwrap();
    let report = judge(&sealed, &[]);
    assert_eq!(report.sealed.unwrap().spent.rho, spent(2).units());
    assert_eq!(report.open.len(), 1);
    let rotated = key::generate(&site.path("rotated.key"), support::ORIGIN).unwrap();
    refused(ledger.rotate(rotated).await, "E1");
}

#[tokio::test]
async fn a_seal_takes_two_officers_and_a_new_key() {
    let (site, ledger) = site().await;
    let seal = |successor: &Verifier, expires| ledger.propose_seal(successor, expires, "").unwrap();
    let good = seal(site.next.verifier(), u64::MAX);
    refused(ledger.seal(good.clone(), vec![]).await, "E1");
    let one = vec![good.approve(&site.ada)];
    refused(ledger.seal(good.clone(), one).await, "E1");
    let own = signer(site.dir.path());
    let by_own = vec![good.approve(&site.ada), good.approve(&own)];
    refused(ledger.seal(good.clone(), by_own).await, "A1");
    let taken =
        |signer: &Signer, origin: &str| Verifier::new(origin, &signer.verifier().public()).unwrap();
    for (successor, expires) in [
        (taken(&site.next, support::ORIGIN), u64::MAX),
        (taken(&own, NEXT), u64::MAX),
        (taken(&site.ada, NEXT), u64::MAX),
        (taken(&site.next, NEXT), 5),
    ] {
        let proposal = seal(&successor, expires);
        let approvals = site.both(&proposal);
        refused(ledger.seal(proposal, approvals).await, "E1");
    }
    refused(
        after_seal(&ledger.evidence().await.unwrap(), &build()).map(drop),
        "not sealed",
    );
    // What is asked between approval and seal is in its totals.
    let approvals = site.both(&good);
    ask(&ledger).await.unwrap();
    let sealed = ledger.seal(good, approvals).await.unwrap();
    assert_eq!(
        judge(&sealed, &[]).sealed.unwrap().spent.rho,
        spent(2).units()
    );
}

#[tokio::test]
async fn of_two_successors_one_is_opened() {
    let (site, ledger) = site().await;
    let sealed = site.seal(&ledger).await.unwrap();
    ledger.close().await.unwrap();
    let genesis = after_seal(&sealed, &build()).unwrap();
    let next = site.succeed(genesis.clone(), "next").await.unwrap();
    next.close().await.unwrap();
    // The same name and key elsewhere: its first checkpoint is another, since time went on, or it is the same ledger.
    let other = Genesis {
        build: "another".to_owned(),
        ..genesis.clone()
    };
    refused(
        site.succeed(other, "rival").await,
        "another log has succeeded",
    );
    refused(
        site.succeed(
            Genesis {
                space: "elsewhere".to_owned(),
                ..genesis.clone()
            },
            "next",
        )
        .await,
        "another ledger in this place",
    );
    // Another key than the one that was named.
    let around = anchored(&site.path("wrong-anchor"));
    let wrong = Ledger::succeed(
        &site.path("wrong"),
        site.ada.clone(),
        genesis.clone(),
        around,
        None,
    )
    .await;
    refused(wrong, "E2");
    // As an ordinary ledger it is not made at all.
    let plain = Ledger::create(&site.path("plain"), site.next.clone(), genesis.clone()).await;
    refused(plain, "succeed");
    // The sealed one is still read, and the successor is opened again by the same call.
    site.open().await.unwrap().close().await.unwrap();
    site.succeed(genesis, "next").await.unwrap();
}

#[tokio::test]
async fn what_was_interrupted_goes_on() {
    let (site, ledger) = site().await;
    let sealed = site.seal(&ledger).await.unwrap();
    ledger.close().await.unwrap();
    let genesis = after_seal(&sealed, &build()).unwrap();
    // Stopped once the database was there: no anchor knows of it.
    let dir = site.path("next");
    let alone = Ledger::succeed(
        &dir,
        site.next.clone(),
        genesis.clone(),
        Surroundings::default(),
        None,
    );
    alone.await.unwrap().close().await.unwrap();
    let own = anchored(&site.path("next-anchor"));
    let unclaimed = Ledger::open_in(&dir, site.next.clone(), own.clone()).await;
    assert!(matches!(unclaimed, Err(Error::Integrity(_))));
    // Stopped once its own anchor had begun: the place is free still.
    let begun = Ledger::succeed(&dir, site.next.clone(), genesis.clone(), own, None);
    begun.await.unwrap().close().await.unwrap();
    let place = anchor(&site.path("anchor"));
    let (_, last) = newest(place.as_ref()).await.unwrap().unwrap();
    assert!(last.checkpoint.starts_with(support::ORIGIN.as_bytes()));
    // The program was replaced meanwhile: the log was begun by the one before it.
    let later = Build {
        build: "later".to_owned(),
        rules: build().rules,
    };
    let genesis = after_seal(&sealed, &later).unwrap();
    let next = site.succeed(genesis.clone(), "next").await.unwrap();
    assert_eq!(next.genesis().build, build().build);
    facts(&next, vec![]).await;
    ask(&next).await.unwrap();
    next.close().await.unwrap();
    // And long after that it is the same ledger.
    let next = site.succeed(genesis, "next").await.unwrap();
    assert_eq!(next.account().await.unwrap().spent.rho, spent(2));
}

/// An empty anchor would take a successor that was put back for one that has just begun.
#[tokio::test]
async fn a_successor_that_has_begun_gets_no_fresh_anchor() {
    let (site, ledger) = site().await;
    let sealed = site.seal(&ledger).await.unwrap();
    ledger.close().await.unwrap();
    let genesis = after_seal(&sealed, &build()).unwrap();
    let next = site.succeed(genesis.clone(), "next").await.unwrap();
    let young = site.path("young");
    std::fs::create_dir(&young).unwrap();
    // As it is before anybody has asked: what a thief keeps.
    next.close().await.unwrap();
    let database = site.path("next").join("ledger.db");
    std::fs::copy(&database, young.join("ledger.db")).unwrap();
    let next = site.succeed(genesis.clone(), "next").await.unwrap();
    facts(&next, vec![]).await;
    ask(&next).await.unwrap();
    next.close().await.unwrap();
    for file in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let _ = std::fs::remove_file(site.path("next").join(file));
    }
    std::fs::copy(young.join("ledger.db"), &database).unwrap();
    let dir = site.path("next");
    let fresh = Ledger::succeed(
        &dir,
        site.next.clone(),
        genesis.clone(),
        anchored(&site.path("fresh-anchor")),
        Some(anchor(&site.path("anchor"))),
    );
    refused(fresh.await, "own anchor is empty");
    // Its own anchor knows better.
    let put_back = site.succeed(genesis, "next").await;
    assert!(matches!(put_back, Err(Error::Integrity(_))));
}

#[tokio::test]
async fn a_seal_that_its_anchor_has_not_heard_of_is_put_there_first() {
    let (home, ledger) = site().await;
    let place = anchor(&home.path("anchor"));
    let known = newest(place.as_ref()).await.unwrap().unwrap();
    let sealed = home.seal(&ledger).await.unwrap();
    ledger.close().await.unwrap();
    // As if the process had died between the seal and its anchor.
    let size = salus_ledger::note::Checkpoint::stated_size(&known.1.checkpoint).unwrap();
    let name = format!("anchor/{:017}/{:03}", size / 1000, size % 1000);
    std::fs::remove_file(home.path(&name)).unwrap();
    let genesis = after_seal(&sealed, &build()).unwrap();
    home.succeed(genesis, "next")
        .await
        .unwrap()
        .close()
        .await
        .unwrap();
    home.open().await.unwrap();
    let names = place.newest(3).await.unwrap();
    assert_eq!(names[1], size);
}

#[tokio::test]
async fn limits_go_on_where_they_were() {
    let (site, ledger) = site().await;
    let limit = |name: &str, seconds, questions| Limit {
        of: Share::Analyst,
        name: Some(name.to_owned()),
        seconds,
        cap: Loss {
            rho: spent(questions),
            delta: Delta::parse_floor("1e-6").unwrap(),
        },
    };
    // For good, and in periods of which one has ended when the log is sealed, and one has not.
    let limits = vec![
        limit("analyst-1", None, 2),
        limit("analyst-1", Some(u64::MAX), 9),
        limit("analyst-1", Some(1), 9),
    ];
    facts(&ledger, limits.clone()).await;
    ask(&ledger).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let sealed = site.seal(&ledger).await.unwrap();
    ledger.close().await.unwrap();
    let report = judge(&sealed, &[]);
    let scopes: Vec<String> = report
        .sealed
        .unwrap()
        .limits
        .into_iter()
        .map(|(scope, _)| scope)
        .collect();
    assert_eq!(
        scopes,
        [
            format!("analyst/{}/0:analyst-1", u64::MAX),
            "analyst:analyst-1".to_owned()
        ]
    );
    let genesis = after_seal(&sealed, &build()).unwrap();
    let next = site.succeed(genesis, "next").await.unwrap();
    facts(&next, limits).await;
    ask(&next).await.unwrap();
    assert!(matches!(
        ask(&next).await,
        Err(ReserveError::LimitReached { .. })
    ));
    next.audit_accounts().await.unwrap();
    judge(&next.evidence().await.unwrap(), &[&sealed]);
}

/// What was granted of a window ends with its log; the cap of the purse that the seal states is the purse's, and the account goes on.
#[tokio::test]
async fn a_log_with_an_open_window_is_succeeded() {
    let (site, ledger) = site().await;
    let limit = |questions| Limit {
        of: Share::Space,
        name: None,
        // A period that nobody sees the end of, so that the test does not either.
        seconds: Some(1 << 60),
        cap: Loss::from_rho(spent(questions)),
    };
    facts(&ledger, vec![limit(0)]).await;
    assert!(ask(&ledger).await.is_err());
    let everybody = format!("space/{}/0:riverside", 1_u64 << 60);
    let open = async |ledger: &Ledger, questions| {
        let cap = Loss::from_rho(spent(questions));
        let window = ledger.propose_window(&everybody, cap, u64::MAX, "");
        let window = window.await.unwrap();
        let approvals = site.both(&window);
        ledger.enter(window, approvals).await
    };
    open(&ledger, 1).await.unwrap();
    ask(&ledger).await.unwrap();
    let cap = ledger.account().await.unwrap().cap;
    let sealed = site.seal(&ledger).await.unwrap();
    ledger.close().await.unwrap();
    let genesis = after_seal(&sealed, &build()).unwrap();
    assert_eq!(genesis.cap, cap, "of the purse");
    let carried = &genesis.predecessor.as_ref().unwrap().limits;
    assert_eq!(
        (&carried[0].scope, carried[0].spent.rho),
        (&everybody, spent(1))
    );
    let next = site.succeed(genesis, "next").await.unwrap();
    let none = next.propose_window(&everybody, cap, u64::MAX, "").await;
    refused(none, "G1");
    facts(&next, vec![limit(0)]).await;
    let refusal = ask(&next).await.unwrap_err();
    assert!(matches!(refusal, ReserveError::LimitReached { .. }));
    // It goes on from where it was: one more, not two.
    open(&next, 2).await.unwrap();
    ask(&next).await.unwrap();
    assert!(ask(&next).await.is_err());
    next.audit_accounts().await.unwrap();
    judge(&next.evidence().await.unwrap(), &[&sealed]);
}

/// The same of a log that was lost: the cap that the next one opens with is the purse's.
#[tokio::test]
async fn a_lost_log_with_an_open_window_is_recovered() {
    let (site, ledger) = site().await;
    let limit = Limit {
        of: Share::Space,
        name: None,
        seconds: Some(1 << 60),
        cap: Loss::ZERO,
    };
    facts(&ledger, vec![limit]).await;
    let everybody = format!("space/{}/0:riverside", 1_u64 << 60);
    let window = ledger.propose_window(&everybody, Loss::from_rho(spent(1)), u64::MAX, "");
    let window = window.await.unwrap();
    let approvals = site.both(&window);
    ledger.enter(window, approvals).await.unwrap();
    ask(&ledger).await.unwrap();
    let cap = ledger.account().await.unwrap().cap;
    let left = ledger.evidence().await.unwrap();
    ledger.close().await.unwrap();
    let genesis = site.decided(&site.lost(&left, &[]).await.unwrap());
    assert_eq!(genesis.cap, cap);
    let next = site.succeed(genesis, "next").await.unwrap();
    judge(&next.evidence().await.unwrap(), &[&left]);
}

#[tokio::test]
async fn what_was_spent_beyond_the_cap_is_carried_too() {
    let (site, ledger) = site().await;
    let extra = Loss::from_rho(spent(6));
    ledger
        .incident(salus_ledger::EntryIndex(8), extra, "sigma")
        .await
        .unwrap();
    let sealed = site.seal(&ledger).await.unwrap();
    ledger.close().await.unwrap();
    let next = site
        .succeed(after_seal(&sealed, &build()).unwrap(), "next")
        .await
        .unwrap();
    facts(&next, vec![]).await;
    assert!(matches!(
        ask(&next).await,
        Err(ReserveError::BudgetExhausted { .. })
    ));
    assert_eq!(next.account().await.unwrap().spent.rho, spent(7));
    judge(&next.evidence().await.unwrap(), &[&sealed]);
    next.close().await.unwrap();
    let around = anchored(&site.path("next-anchor"));
    Ledger::open_in(&site.path("next"), site.next.clone(), around)
        .await
        .unwrap();
}

/// Which log goes on from which is read from what is kept of the one before.
#[tokio::test]
async fn who_goes_on_from_a_log_says_what_it_says() {
    let (site, ledger) = site().await;
    let open = ledger.evidence().await.unwrap();
    let beginning = ledger.beginning().await.unwrap();
    let sealed = site.seal(&ledger).await.unwrap();
    ledger.close().await.unwrap();
    for log in [&open, &sealed] {
        assert_eq!(log.beginning(), Some(beginning));
    }
    let genesis = after_seal(&sealed, &build()).unwrap();
    let before = goes_on_from(&genesis, &sealed).unwrap().unwrap();
    assert_eq!(before.origin, open_origin(&genesis));
    assert_eq!(goes_on_from(&before, &sealed).unwrap(), None);
    // What is kept ends before the seal, or the genesis says less than that.
    assert_eq!(goes_on_from(&genesis, &open).unwrap(), None);
    let mut richer = genesis.clone();
    richer.predecessor.as_mut().unwrap().spent = Loss::ZERO;
    assert_eq!(goes_on_from(&richer, &sealed).unwrap(), None);
    // A decision is of a log that was lost: nobody brings one for a seal.
    let statement = Statement::of(&before.origin, &Body::Genesis(genesis));
    let brought = Proposal::read(statement.bytes(), vec![]).unwrap();
    refused(approved(brought, vec![]).map(drop), "lost one");
}

fn open_origin(genesis: &Genesis) -> String {
    genesis.predecessor.as_ref().unwrap().origin.clone()
}

/// After a loss, its officers are those of what is left.
#[tokio::test]
async fn who_goes_on_from_a_lost_log_has_its_officers() {
    let (site, ledger) = site().await;
    let left = ledger.evidence().await.unwrap();
    ledger.close().await.unwrap();
    let genesis = site.decided(&site.lost(&left, &[]).await.unwrap());
    assert!(goes_on_from(&genesis, &left).unwrap().is_some());
    let mut usurped = genesis.clone();
    usurped.predecessor.as_mut().unwrap().officers[0].name = "mallory".to_owned();
    assert_eq!(goes_on_from(&usurped, &left).unwrap(), None);
    // Of the same name, and with other keys.
    let (other, stranger) = support::site::site().await;
    let theirs = stranger.evidence().await.unwrap();
    assert_eq!(goes_on_from(&genesis, &theirs).unwrap(), None);
    drop(other);
}
