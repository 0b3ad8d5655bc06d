//! A ledger that was lost and goes on: with the largest total that anybody recorded, or with a purse that is closed.

mod support;

use salus_accounting::{Loss, Rho};
use salus_ledger::anchor::Record;
use salus_ledger::succession::{Lost, after_loss, approved};
use salus_ledger::{Error, Genesis, Proposal, ReserveError, key};
use support::create_in;
use support::site::{NEXT, anchor, anchored, ask, build, facts, judge, refused, site, spent};

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
    let whole = site
        .lost(&backup, std::slice::from_ref(&seen))
        .await
        .unwrap();
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
    let closed = site
        .lost(&backup, std::slice::from_ref(&seen))
        .await
        .unwrap();
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
    let end = changed.entries.len() - 1;
    *changed.entries[end].last_mut().unwrap() ^= 1;
    let lost = Lost {
        entries: &changed,
        anchor: None,
        seen: &[],
    };
    let result = after_loss(&lost, next.verifier(), &build()).await;
    assert!(matches!(result, Err(Error::Integrity(_))));
}
