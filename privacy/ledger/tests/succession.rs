//! A ledger that ends, is lost, and goes on: never with a full purse, and never twice.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use salus_accounting::{Delta, Loss, Rho};
use salus_checker::{Report, Trust, audit_with};
use salus_ledger::anchor::{Directory, Record, SharedAnchor, newest};
use salus_ledger::entry::{Limit, Share};
use salus_ledger::note::Verifier;
use salus_ledger::succession::{Build, Lost, after_loss, after_seal, approved};
use salus_ledger::{
    Error, Evidence, Fact, Genesis, Ledger, Proposal, ReserveError, Signer, Surroundings, key,
};
use support::{answer, create_in, ledger_path, price, question, signer};

const NEXT: &str = "salus.example/next";

fn anchor(place: &Path) -> SharedAnchor {
    Arc::new(Directory::at(place).unwrap())
}

fn anchored(place: &Path) -> Surroundings {
    Surroundings {
        anchor: Some(anchor(place)),
        ..Surroundings::default()
    }
}

fn build() -> Build {
    Build {
        build: "test".to_owned(),
        rules: 1,
    }
}

/// A place with a ledger, its anchor and its officers.
struct Site {
    dir: tempfile::TempDir,
    ada: Signer,
    ben: Signer,
    next: Signer,
}

impl Site {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn around(&self) -> Surroundings {
        anchored(&self.path("anchor"))
    }

    async fn open(&self) -> Result<Ledger, Error> {
        Ledger::open_in(
            &ledger_path(self.dir.path()),
            signer(self.dir.path()),
            self.around(),
        )
        .await
    }

    fn both(&self, proposal: &Proposal) -> Vec<salus_ledger::entry::Approval> {
        vec![proposal.approve(&self.ada), proposal.approve(&self.ben)]
    }

    async fn seal(&self, ledger: &Ledger) -> Result<Evidence, Error> {
        let proposal = ledger
            .propose_seal(self.next.verifier(), u64::MAX, "a new year")
            .unwrap();
        let approvals = self.both(&proposal);
        ledger.seal(proposal, approvals).await
    }

    async fn succeed(&self, genesis: Genesis, name: &str) -> Result<Ledger, Error> {
        let around = anchored(&self.path(&format!("{name}-anchor")));
        let before = Some(anchor(&self.path("anchor")));
        Ledger::succeed(&self.path(name), self.next.clone(), genesis, around, before).await
    }

    /// What the officers approve of a loss.
    async fn lost(&self, entries: &Evidence, seen: &[Vec<u8>]) -> Result<Proposal, Error> {
        let place = anchor(&self.path("anchor"));
        let lost = Lost {
            entries,
            anchor: Some(place.as_ref()),
            seen,
        };
        after_loss(&lost, self.next.verifier(), &build()).await
    }

    fn decided(&self, proposal: &Proposal) -> Genesis {
        approved(proposal.clone(), self.both(proposal)).unwrap()
    }
}

/// A ledger of 4 questions with two officers and one answer.
async fn site() -> (Site, Ledger) {
    let dir = tempfile::tempdir().unwrap();
    let new = |name: &str, origin: &str| {
        key::generate(&dir.path().join(format!("{name}.key")), origin).unwrap()
    };
    let (ada, ben, next) = (new("ada", "ada"), new("ben", "ben"), new("next", NEXT));
    let ledger = create_in(dir.path(), 4, anchored(&dir.path().join("anchor"))).await;
    for who in [&ada, &ben] {
        let proposal = ledger.propose_officer(who.origin(), who.verifier().public(), true);
        ledger.enter(proposal, vec![]).await.unwrap();
    }
    ask(&ledger).await.unwrap();
    (
        Site {
            dir,
            ada,
            ben,
            next,
        },
        ledger,
    )
}

async fn ask(ledger: &Ledger) -> Result<(), ReserveError> {
    let facts = ledger.facts("clinic").await.unwrap();
    let mut question = question();
    let certificate = &mut question.certificate;
    certificate.dataset = facts.dataset.unwrap().0;
    certificate.catalog = facts.catalog.unwrap().0;
    certificate.policy = facts.policy.unwrap().0;
    certificate.snapshot = facts.snapshot.unwrap().0;
    answer(ledger.reserve(question).await?).await?;
    Ok(())
}

async fn facts(ledger: &Ledger, limits: Vec<Limit>) {
    let clinic = || "clinic".to_owned();
    let policy = Fact::Policy {
        version: 7,
        sha256: [8; 32],
        query_rho: Rho::from_units(price().units() * 10),
        limits,
    };
    let dataset = Fact::Dataset {
        dataset: clinic(),
        unit: "person_id".to_owned(),
    };
    let catalog = Fact::Catalog {
        dataset: clinic(),
        version: 1,
        sha256: [7; 32],
    };
    let snapshot = Fact::Snapshot {
        dataset: clinic(),
        snapshot: 1,
        content: b"tables".to_vec(),
    };
    for fact in [dataset, catalog, policy, snapshot] {
        // A dataset is recorded once.
        let _ = ledger.record(fact).await;
    }
}

fn theirs(evidence: &Evidence) -> salus_checker::Evidence {
    salus_checker::Evidence {
        entries: evidence.entries.clone(),
        leaves: Some(evidence.leaves.clone()),
        checkpoints: evidence.checkpoints.clone(),
        vkey: evidence.vkey.clone(),
    }
}

fn judge(log: &Evidence, before: &[&Evidence]) -> Report {
    let trust = Trust {
        predecessors: before.iter().map(|before| theirs(before)).collect(),
        ..Trust::default()
    };
    let report = audit_with(&theirs(log), &trust);
    assert!(report.holds(), "{}", report.to_text());
    report
}

fn spent(questions: u64) -> Rho {
    Rho::from_units(price().units() * questions)
}

fn refused<T>(result: Result<T, Error>, what: &str) {
    match result {
        Err(Error::Refused(why)) => assert!(why.contains(what), "{why}"),
        Err(other) => panic!("{what}: {other}"),
        Ok(_) => panic!("{what}: not refused"),
    }
}

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
                build: "x".to_owned(),
                ..genesis.clone()
            },
            "next",
        )
        .await,
        "another ledger in this directory",
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
    // Stopped once the place was taken: its own anchor is empty still.
    let before = Some(anchor(&site.path("anchor")));
    let claimed = Ledger::succeed(
        &dir,
        site.next.clone(),
        genesis.clone(),
        Surroundings::default(),
        before,
    );
    claimed.await.unwrap().close().await.unwrap();
    let unclaimed = Ledger::open_in(&dir, site.next.clone(), own).await;
    assert!(matches!(unclaimed, Err(Error::Integrity(_))));
    let next = site.succeed(genesis.clone(), "next").await.unwrap();
    facts(&next, vec![]).await;
    ask(&next).await.unwrap();
    next.close().await.unwrap();
    // And long after that it is the same ledger.
    let next = site.succeed(genesis, "next").await.unwrap();
    assert_eq!(next.account().await.unwrap().spent.rho, spent(2));
}

#[tokio::test]
async fn a_seal_that_its_anchor_has_not_heard_of_is_put_there_first() {
    let (site, ledger) = site().await;
    let place = anchor(&site.path("anchor"));
    let known = newest(place.as_ref()).await.unwrap().unwrap();
    let sealed = site.seal(&ledger).await.unwrap();
    ledger.close().await.unwrap();
    // As if the process had died between the seal and its anchor.
    let size = salus_ledger::note::Checkpoint::stated_size(&known.1.checkpoint).unwrap();
    let name = format!("anchor/{:017}/{:03}", size / 1000, size % 1000);
    std::fs::remove_file(site.path(&name)).unwrap();
    let genesis = after_seal(&sealed, &build()).unwrap();
    site.succeed(genesis, "next")
        .await
        .unwrap()
        .close()
        .await
        .unwrap();
    site.open().await.unwrap();
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

#[tokio::test]
async fn a_lost_ledger_is_succeeded_with_what_its_anchor_says_was_spent() {
    let (site, ledger) = site().await;
    let backup = ledger.evidence().await.unwrap();
    for _ in 0..2 {
        ask(&ledger).await.unwrap();
    }
    let newer = ledger.evidence().await.unwrap();
    // It is running still, somewhere.
    let proposal = site.lost(&backup, &[]).await.unwrap();
    let unapproved = approved(proposal.clone(), vec![]).unwrap();
    refused(site.succeed(unapproved, "next").await, "E2");
    let stranger = key::generate(&site.path("stranger.key"), "stranger").unwrap();
    let by = vec![proposal.approve(&site.ada), proposal.approve(&stranger)];
    let unapproved = approved(proposal.clone(), by).unwrap();
    refused(site.succeed(unapproved, "next").await, "A1");
    let genesis = site.decided(&proposal);
    let next = site.succeed(genesis.clone(), "next").await.unwrap();
    assert_eq!(next.account().await.unwrap().spent.rho, spent(3));
    facts(&next, vec![]).await;
    ask(&next).await.unwrap();
    assert!(matches!(
        ask(&next).await,
        Err(ReserveError::BudgetExhausted { .. })
    ));
    let log = next.evidence().await.unwrap();
    assert!(!judge(&log, &[]).opening.unwrap().approved_by.is_empty());
    // An auditor may have the backup, or the ledger itself if it is found again.
    judge(&log, &[&backup]);
    judge(&log, &[&newer]);
    // What was given up answers nothing any more, running or not.
    let closed = ask(&ledger).await.unwrap_err();
    assert!(
        matches!(closed, ReserveError::Ledger(Error::Integrity(why)) if why.contains("succeeded"))
    );
    drop(ledger);
    assert!(matches!(site.open().await, Err(Error::Integrity(_))));
    // Nor is it lost twice.
    refused(
        site.lost(&backup, &[]).await.map(drop),
        "another log has succeeded",
    );
    let other = Genesis {
        build: "other".to_owned(),
        ..genesis
    };
    assert!(site.succeed(other, "rival").await.is_err());
}

#[tokio::test]
async fn where_nothing_reliable_is_known_the_purse_is_closed() {
    let (site, ledger) = site().await;
    let backup = ledger.evidence().await.unwrap();
    ask(&ledger).await.unwrap();
    let seen = ledger.newest_checkpoint().await.unwrap();
    let whole = site.lost(&backup, &[seen.clone()]).await.unwrap();
    let open = |proposal: &Proposal| {
        let genesis = site.decided(proposal);
        let spent = genesis.predecessor.unwrap().spent;
        assert!(spent == genesis.ceiling || genesis.cap != genesis.ceiling);
        spent != genesis.ceiling
    };
    assert!(open(&whole));
    // No anchor at all.
    let lost = Lost {
        entries: &backup,
        anchor: None,
        seen: &[],
    };
    assert!(!open(
        &after_loss(&lost, site.next.verifier(), &build())
            .await
            .unwrap()
    ));
    // An anchor whose newest record somebody has taken away: a checkpoint of hers tells.
    let place = anchor(&site.path("anchor"));
    let names = place.newest(1).await.unwrap();
    let file = site.path(&format!(
        "anchor/{:017}/{:03}",
        names[0] / 1000,
        names[0] % 1000
    ));
    std::fs::remove_file(&file).unwrap();
    let closed = site.lost(&backup, &[seen.clone()]).await.unwrap();
    assert!(!open(&closed));
    // One of another log, or of nobody's key.
    let foreign = String::from_utf8(seen)
        .unwrap()
        .replace("salus.example/ledger", "salus.example/other");
    assert!(!open(
        &site.lost(&backup, &[foreign.into_bytes()]).await.unwrap()
    ));
    // A hole in the chain.
    let names = place.newest(9).await.unwrap();
    let file = site.path(&format!(
        "anchor/{:017}/{:03}",
        names[3] / 1000,
        names[3] % 1000
    ));
    let record = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(!open(&site.lost(&backup, &[]).await.unwrap()));
    // Something that is no record, and a record that says less than those before it.
    std::fs::write(&file, b"nothing").unwrap();
    assert!(!open(&site.lost(&backup, &[]).await.unwrap()));
    let mut less = Record::decode(&record).unwrap();
    less.spent = Loss::ZERO;
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, less.encode()).unwrap();
    let largest = site.decided(&site.lost(&backup, &[]).await.unwrap());
    assert_eq!(largest.predecessor.unwrap().spent.rho, spent(1));
    // A closed purse pays for nothing, and no grant opens it.
    let genesis = site.decided(&closed);
    let next = site.succeed(genesis, "next").await.unwrap();
    facts(&next, vec![]).await;
    assert!(matches!(
        ask(&next).await,
        Err(ReserveError::BudgetExhausted { .. })
    ));
    let more = Loss {
        rho: Rho::from_units(next.genesis().ceiling.rho.units() + 1),
        ..next.genesis().ceiling
    };
    let grant = next.propose_grant(more, u64::MAX, "").await.unwrap();
    let approvals = site.both(&grant);
    refused(next.enter(grant, approvals).await, "G1");
    judge(&next.evidence().await.unwrap(), &[&backup]);
    drop(ledger);
}

#[tokio::test]
async fn a_log_without_two_officers_is_not_recovered() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create_in(dir.path(), 4, anchored(&dir.path().join("anchor"))).await;
    let next = key::generate(&dir.path().join("next.key"), NEXT).unwrap();
    let place = anchor(&dir.path().join("anchor"));
    let evidence = ledger.evidence().await.unwrap();
    let lost = Lost {
        entries: &evidence,
        anchor: Some(place.as_ref()),
        seen: &[],
    };
    refused(
        after_loss(&lost, next.verifier(), &build()).await.map(drop),
        "fewer than two officers",
    );
    // Nor sealed.
    let proposal = ledger.propose_seal(next.verifier(), u64::MAX, "").unwrap();
    refused(ledger.seal(proposal, vec![]).await, "E1");
    // Evidence that was changed is none.
    let mut changed = evidence;
    let last = changed.entries.len() - 1;
    *changed.entries[last].last_mut().unwrap() ^= 1;
    let lost = Lost {
        entries: &changed,
        anchor: None,
        seen: &[],
    };
    let result = after_loss(&lost, next.verifier(), &build()).await;
    assert!(matches!(result, Err(Error::Integrity(_))));
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
