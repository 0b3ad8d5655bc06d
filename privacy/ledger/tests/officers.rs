//! What people enter by their signature, and what they cannot.

mod support;

use std::path::Path;
use std::sync::Arc;

use salus_accounting::{Delta, Loss, Rho};
use salus_certificate::EntryIndex;
use salus_ledger::entry::{Approval, Body, Kind};
use salus_ledger::{Error, Finding, Ledger, Proposal, ReserveError, Signer, Surroundings, key};
use support::{answer, create, create_in, ledger_path, open, price, question, signer};

fn officer(dir: &Path, name: &str) -> Signer {
    key::generate(&dir.join(format!("{name}.key")), name).unwrap()
}

/// A ledger of 2 questions, which grants can raise to 4, and its officers.
async fn with_officers(dir: &Path) -> (Ledger, Signer, Signer) {
    let ledger = create(dir, 2).await;
    let (ada, ben) = (officer(dir, "ada"), officer(dir, "ben"));
    for who in [&ada, &ben] {
        let proposal = ledger.propose_officer(who.origin(), who.verifier().public(), true);
        ledger.enter(proposal, vec![]).await.unwrap();
    }
    (ledger, ada, ben)
}

fn questions(number: u64) -> Loss {
    Loss {
        rho: Rho::from_units(price().units() * number),
        delta: Delta::parse_floor("1e-6").unwrap(),
    }
}

async fn grant(ledger: &Ledger, number: u64) -> Proposal {
    ledger
        .propose_grant(questions(number), u64::MAX, "the flu season")
        .await
        .unwrap()
}

async fn verified(ledger: &Ledger) {
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

fn refused(result: Result<EntryIndex, Error>, rule: &str) {
    match result {
        Err(Error::Refused(why)) => assert!(why.starts_with(rule), "{why}"),
        other => panic!("{rule}: {other:?}"),
    }
}

#[tokio::test]
async fn two_officers_raise_the_cap_and_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, ada, ben) = with_officers(dir.path()).await;
    for _ in 0..2 {
        answer(ledger.reserve(question()).await.unwrap())
            .await
            .unwrap();
    }
    let exhausted = ledger.reserve(question()).await.unwrap_err();
    assert!(matches!(exhausted, ReserveError::BudgetExhausted { .. }));
    let proposal = grant(&ledger, 3).await;
    let approvals = vec![proposal.approve(&ben), proposal.approve(&ada)];
    ledger
        .enter(proposal.clone(), approvals.clone())
        .await
        .unwrap();
    assert_eq!(ledger.account().await.unwrap().cap, questions(3));
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    assert!(ledger.reserve(question()).await.is_err());
    // Not a second time.
    refused(ledger.enter(proposal, approvals).await, "G1");
    verified(&ledger).await;
    ledger.close().await.unwrap();
    let ledger = open(dir.path()).await.unwrap();
    assert_eq!(ledger.account().await.unwrap().cap, questions(3));
    let newest = ledger.newest(Kind::Grant).await.unwrap().unwrap();
    let reason = ledger.opening(newest.index, "reason").await.unwrap();
    assert_eq!(reason.unwrap().content, b"the flu season");
}

#[tokio::test]
async fn nothing_less_than_two_officers_raises_the_cap() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, ada, ben) = with_officers(dir.path()).await;
    let stranger = officer(dir.path(), "stranger");
    let wanted = grant(&ledger, 3).await;
    let other = grant(&ledger, 4).await;
    let by =
        |who: &[&Signer]| -> Vec<Approval> { who.iter().map(|who| wanted.approve(who)).collect() };
    refused(ledger.enter(wanted.clone(), vec![]).await, "G1");
    refused(ledger.enter(wanted.clone(), by(&[&ada])).await, "G1");
    refused(ledger.enter(wanted.clone(), by(&[&ada, &ada])).await, "A1");
    refused(
        ledger.enter(wanted.clone(), by(&[&ada, &stranger])).await,
        "A1",
    );
    // The key of the log is no officer's.
    let own = signer(dir.path());
    refused(ledger.enter(wanted.clone(), by(&[&ada, &own])).await, "A1");
    // An approval of something else.
    let elsewhere = vec![wanted.approve(&ada), other.approve(&ben)];
    refused(ledger.enter(wanted.clone(), elsewhere).await, "A1");
    // Nor above the ceiling, nor downwards, nor too late.
    for (cap, rule) in [(5, "G1"), (2, "G1"), (1, "G1")] {
        let proposal = grant(&ledger, cap).await;
        let approvals = vec![proposal.approve(&ada), proposal.approve(&ben)];
        refused(ledger.enter(proposal, approvals).await, rule);
    }
    let late = ledger.propose_grant(questions(3), 5, "").await.unwrap();
    let approvals = vec![late.approve(&ada), late.approve(&ben)];
    refused(ledger.enter(late, approvals).await, "G1");
    assert_eq!(ledger.account().await.unwrap().cap, questions(2));
    verified(&ledger).await;
}

#[tokio::test]
async fn of_two_grants_from_the_same_cap_one_is_entered() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, ada, ben) = with_officers(dir.path()).await;
    let (first, second) = (grant(&ledger, 3).await, grant(&ledger, 4).await);
    for (proposal, holds) in [(first, true), (second, false)] {
        let approvals = vec![proposal.approve(&ada), proposal.approve(&ben)];
        assert_eq!(ledger.enter(proposal, approvals).await.is_ok(), holds);
    }
}

#[tokio::test]
async fn officers_come_and_go_by_two_officers() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, ada, ben) = with_officers(dir.path()).await;
    let cleo = officer(dir.path(), "cleo");
    let come = ledger.propose_officer("cleo", cleo.verifier().public(), true);
    refused(ledger.enter(come.clone(), vec![]).await, "O1");
    // Not under a name that is taken, nor under the log's own key.
    let namesake = ledger.propose_officer("ada", cleo.verifier().public(), true);
    let both = |proposal: &Proposal| vec![proposal.approve(&ada), proposal.approve(&ben)];
    refused(ledger.enter(namesake.clone(), both(&namesake)).await, "O1");
    let own = ledger.propose_officer("own", signer(dir.path()).verifier().public(), true);
    refused(ledger.enter(own.clone(), both(&own)).await, "O1");
    // Two must remain.
    let go = ledger.propose_officer("ben", ben.verifier().public(), false);
    refused(ledger.enter(go.clone(), both(&go)).await, "O1");
    ledger.enter(come.clone(), both(&come)).await.unwrap();
    ledger.enter(go.clone(), both(&go)).await.unwrap();
    let names: Vec<String> = ledger
        .officers()
        .await
        .unwrap()
        .into_iter()
        .map(|(_, name)| name)
        .collect();
    assert_eq!(names, ["ada", "cleo"]);
    // Who has gone approves nothing, and does not come back under the same key.
    let wanted = grant(&ledger, 3).await;
    refused(
        ledger
            .enter(
                wanted.clone(),
                vec![wanted.approve(&ada), wanted.approve(&ben)],
            )
            .await,
        "A1",
    );
    let back = ledger.propose_officer("ben", ben.verifier().public(), true);
    let approvals = vec![back.approve(&ada), back.approve(&cleo)];
    refused(ledger.enter(back, approvals).await, "O1");
    verified(&ledger).await;
}

#[tokio::test]
async fn a_review_is_of_what_stands_there() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, ada, _) = with_officers(dir.path()).await;
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    let finding = |from, to| Finding {
        principal: "officer-1".to_owned(),
        from: EntryIndex(from),
        to: EntryIndex(to),
        note: "nothing unusual".to_owned(),
    };
    let proposal = ledger.propose_review(finding(2, 7)).await.unwrap();
    let approval = proposal.approve(&ada);
    ledger.enter(proposal, vec![approval]).await.unwrap();
    let unsigned = ledger.propose_review(finding(0, 3)).await.unwrap();
    let index = ledger.enter(unsigned, vec![]).await.unwrap();
    let note = ledger.opening(index, "note").await.unwrap().unwrap();
    assert_eq!(note.content, b"nothing unusual");
    assert!(matches!(
        ledger.propose_review(finding(5, 4)).await,
        Err(Error::Refused(_))
    ));
    assert!(matches!(
        ledger.propose_review(finding(0, 4000)).await,
        Err(Error::Refused(_))
    ));
    verified(&ledger).await;
}

#[tokio::test]
async fn an_incident_takes_what_the_purse_does_not_hold() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 2).await;
    let published = answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    let extra = Loss {
        rho: Rho::from_units(price().units() * 5),
        delta: Delta::ZERO,
    };
    refused(ledger.incident(EntryIndex(2), extra, "").await, "F3");
    refused(
        ledger.incident(published.reserve, Loss::ZERO, "").await,
        "B1",
    );
    ledger
        .incident(published.reserve, extra, "sigma was half of what it said")
        .await
        .unwrap();
    let account = ledger.account().await.unwrap();
    assert_eq!(account.spent.rho.units(), price().units() * 6);
    assert_eq!(account.remaining().rho, Rho::ZERO);
    assert!(matches!(
        ledger.reserve(question()).await.unwrap_err(),
        ReserveError::BudgetExhausted { .. }
    ));
    verified(&ledger).await;
    ledger.close().await.unwrap();
    open(dir.path()).await.unwrap();
}

#[tokio::test]
async fn a_new_key_is_endorsed_by_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 5).await;
    let before = answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    let running = open(dir.path()).await.unwrap();
    let (old, next) = (ledger.vkey(), dir.path().join("next.key"));
    let next = key::generate(&next, support::ORIGIN).unwrap();
    ledger.rotate(next.clone()).await.unwrap();
    // The old key opens nothing any more, and who holds the ledger open with it gets nothing.
    assert!(open(dir.path()).await.is_err());
    let error = running.reserve(question()).await.unwrap_err();
    assert!(
        matches!(error, ReserveError::Ledger(Error::Unavailable(_))),
        "{error}"
    );
    let ledger = Ledger::open(&ledger_path(dir.path()), next.clone())
        .await
        .unwrap();
    let after = answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    salus_ledger::receipt::verify(&before.receipt, &old).unwrap();
    salus_ledger::receipt::verify(&after.receipt, &ledger.vkey()).unwrap();
    assert!(salus_ledger::receipt::verify(&after.receipt, &old).is_err());
    verified(&ledger).await;
    refused(ledger.rotate(signer(dir.path())).await, "K1");
}

/// A process that was at work when the key was replaced goes on with the new one, where it finds it.
#[tokio::test]
async fn what_is_at_work_goes_on_under_the_next_key() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 5).await;
    let [first, second] = ["first", "second"]
        .map(|name| key::generate(&dir.path().join(name), support::ORIGIN).unwrap());
    let known = [first.clone(), second.clone()];
    let around = |keys: salus_ledger::Keyring| Surroundings {
        keys: Some(keys),
        ..Surroundings::default()
    };
    let find: salus_ledger::Keyring = Arc::new(move |public| {
        let mut known = known.iter();
        known
            .find(|signer| signer.verifier().public() == *public)
            .cloned()
    });
    let place = ledger_path(dir.path());
    let running = Ledger::open_in(&place, signer(dir.path()), around(find))
        .await
        .unwrap();
    let without = Ledger::open_in(&place, signer(dir.path()), around(Arc::new(|_| None)))
        .await
        .unwrap();
    let (paid, lost) = (
        running.reserve(question()).await.unwrap(),
        without.reserve(question()).await.unwrap(),
    );
    ledger.rotate(first.clone()).await.unwrap();
    let ledger = Ledger::open(&place, first).await.unwrap();
    ledger.rotate(second.clone()).await.unwrap();
    let answered = answer(paid).await.unwrap();
    assert!(answer(lost).await.is_err());
    let opened = Ledger::open(&place, second).await.unwrap();
    salus_ledger::receipt::verify(&answered.receipt, &opened.vkey()).unwrap();
    answer(running.reserve(question()).await.unwrap())
        .await
        .unwrap();
    verified(&opened).await;
}

#[tokio::test]
async fn statements_are_read_back_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let around = Surroundings {
        clock: Arc::new(|| 7),
        ..Surroundings::default()
    };
    let ledger = create_in(dir.path(), 2, around).await;
    let wanted = grant(&ledger, 3).await;
    let bytes = wanted.statement();
    let read = Proposal::read(bytes.bytes(), wanted.openings().to_vec()).unwrap();
    assert_eq!(read, wanted);
    assert!(matches!(read.body(), Body::Grant(_)));
    assert!(Proposal::read(&bytes.bytes()[1..], vec![]).is_err());
    assert!(Proposal::read(&[bytes.bytes(), b"\0"].concat(), vec![]).is_err());
}
