//! A ledger that was lost and goes on: with the largest total that anybody recorded, or with a purse that is closed.

mod support;

use std::path::Path;

use salus_accounting::{Loss, Rho};
use salus_ledger::anchor::{Record, retire};
use salus_ledger::succession::{Lost, after_loss, approved};
use salus_ledger::{Error, Genesis, Ledger, Proposal, ReserveError, key};
use support::site::{NEXT, anchor, anchored, ask, build, facts, judge, refused, site, spent};
use support::{create_in, ledger_path, signer};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
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

/// Two histories from one state, both signed by the key: of what the one gave away the other's anchor knows nothing.
#[tokio::test]
async fn a_checkpoint_of_another_history_closes_the_purse_also_where_the_anchor_is_longer() {
    let (site, ledger) = site().await;
    let backup = ledger.evidence().await.unwrap();
    ledger.close().await.unwrap();
    let fork = site.path("fork");
    copy(&ledger_path(site.dir.path()), &fork);
    copy(&site.path("anchor"), &site.path("fork-anchor"));
    let signer = signer(site.dir.path());
    let other = Ledger::open_in(&fork, signer, anchored(&site.path("fork-anchor")))
        .await
        .unwrap();
    ask(&other).await.unwrap();
    let seen = other.newest_checkpoint().await.unwrap();
    let ledger = site.open().await.unwrap();
    for _ in 0..2 {
        ask(&ledger).await.unwrap();
    }
    let open = |proposal: &Proposal| {
        let genesis = site.decided(proposal);
        genesis.predecessor.unwrap().spent != genesis.ceiling
    };
    let known = ledger.newest_checkpoint().await.unwrap();
    assert!(open(&site.lost(&backup, &[known]).await.unwrap()));
    assert!(!open(&site.lost(&backup, &[seen]).await.unwrap()));
}

#[tokio::test]
async fn a_successor_takes_its_place_in_the_anchor_that_there_was_and_in_no_empty_one() {
    let (site, ledger) = site().await;
    let backup = ledger.evidence().await.unwrap();
    let genesis = site.decided(&site.lost(&backup, &[]).await.unwrap());
    let succeed = async |before: &str, name: &str| {
        let around = anchored(&site.path(&format!("{name}-anchor")));
        let before = Some(anchor(&site.path(before)));
        let next = site.next.clone();
        Ledger::succeed(&site.path(name), next, genesis.clone(), around, before).await
    };
    refused(succeed("nowhere", "next").await, "is empty");
    // One that has been moved is not the newest either, and nothing is recovered from what it knew.
    let there = anchor(&site.path("anchor"));
    retire(there.as_ref()).await.unwrap();
    retire(there.as_ref()).await.unwrap();
    refused(succeed("anchor", "next").await, "moved");
    let closed = site.decided(&site.lost(&backup, &[]).await.unwrap());
    assert_eq!(closed.predecessor.unwrap().spent, closed.ceiling);
    assert!(matches!(ask(&ledger).await, Err(ReserveError::Ledger(_))));
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
