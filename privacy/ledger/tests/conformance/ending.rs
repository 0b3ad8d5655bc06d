//! What goes before a ledger ends, how it ends, and how the next begins.

use salus_accounting::Rho;
use salus_ledger::entry::Carried;
use salus_ledger::succession::after_seal;
use salus_ledger::{Erase, Error, Genesis, Ledger, ReserveError, Surroundings, key};

use super::support::site::{self, NEXT, ask, build, facts, spent};
use super::support::{answer, question, refusal};
use super::{Case, Store, verified};

pub async fn texts_go_by_an_erasure_and_do_not_come_back(case: &Case<impl Store>) {
    let ledger = case.create(3).await;
    let published = answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    let entry = published.reserve;
    let delete = case.store.run("DELETE FROM openings").await;
    assert!(delete.is_err(), "{delete:?}");
    let which = Erase::Entries(entry.0..=entry.0);
    assert_eq!(ledger.erased(entry).await.unwrap(), None);
    assert_eq!(ledger.erase(&which).await.unwrap().questions, 1);
    assert_eq!(ledger.erase(&which).await.unwrap().questions, 0);
    assert!(ledger.erased(entry).await.unwrap().is_some());
    assert!(ledger.opening(entry, "question").await.unwrap().is_none());
    let zero = case.store.bytes(&"00".repeat(32));
    for forbidden in [
        "DELETE FROM erasures".to_owned(),
        "UPDATE erasures SET time = 0".to_owned(),
        format!("INSERT INTO erasures VALUES ({entry}, 0)"),
        format!("INSERT INTO openings VALUES ({entry}, 'question', {zero}, {zero})"),
    ] {
        let refused = case.store.run(&forbidden).await;
        assert!(refused.is_err(), "{forbidden}: {refused:?}");
    }
    // Asked again it is a new question.
    assert!(ledger.reuse(question()).await.unwrap().is_none());
    ledger.close().await.unwrap();
    let ledger = case.open().await.unwrap();
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    verified(&ledger).await;
}

pub async fn nothing_follows_a_seal(case: &Case<impl Store>) {
    let ledger = case.create(3).await;
    let new = |name: &str| key::generate(&case.dir().join(format!("{name}.key")), name).unwrap();
    let officers = [new("ada"), new("ben")];
    for who in &officers {
        let come = ledger.propose_officer(who.origin(), who.verifier().public(), true);
        ledger.enter(come, vec![]).await.unwrap();
    }
    let next = new(NEXT.rsplit_once('/').unwrap().1);
    let proposal = ledger
        .propose_seal(next.verifier(), u64::MAX, "a new year")
        .unwrap();
    let approvals = officers.iter().map(|who| proposal.approve(who)).collect();
    let sealed = ledger.seal(proposal, approvals).await.unwrap();
    let refused = ledger.refuse(refusal()).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    ledger.close().await.unwrap();
    let size = sealed.entries.len();
    let more = format!("INSERT INTO entries SELECT {size}, kind, bytes FROM entries WHERE idx = 5");
    assert!(case.store.run(&more).await.is_err());
    let ledger = case.open().await.unwrap();
    let refused = ledger.reserve(question()).await;
    assert!(
        matches!(refused, Err(ReserveError::Ledger(Error::Refused(_)))),
        "{refused:?}"
    );
    verified(&ledger).await;
}

/// The genesis of what goes on from a sealed ledger with one answer.
async fn sealed() -> (site::Site, Genesis) {
    let (site, ledger) = site::site().await;
    let sealed = site.seal(&ledger).await.unwrap();
    (site, after_seal(&sealed, &build()).unwrap())
}

pub async fn a_ledger_goes_on_from_another(case: &Case<impl Store>) {
    let (site, genesis) = sealed().await;
    let succeed = async |genesis: &Genesis| {
        let around = site::anchored(&site.path("next-anchor"));
        let before = Some(site::anchor(&site.path("anchor")));
        let (place, key) = (case.store.place(), site.next.clone());
        Ledger::succeed(place, key, genesis.clone(), around, before).await
    };
    // Alone it is not created: it would take nobody's place.
    let created = Ledger::create(case.store.place(), site.next.clone(), genesis.clone()).await;
    site::refused(created, "Ledger::succeed");
    let next = succeed(&genesis).await.unwrap();
    assert_eq!(next.account().await.unwrap().spent.rho, spent(1));
    facts(&next, vec![]).await;
    ask(&next).await.unwrap();
    verified(&next).await;
    next.close().await.unwrap();
    // Done twice it is done once, and nothing else goes into its place.
    let next = succeed(&genesis).await.unwrap();
    assert_eq!(next.account().await.unwrap().spent.rho, spent(2));
    next.close().await.unwrap();
    let another = Genesis {
        space: "elsewhere".to_owned(),
        ..genesis
    };
    site::refused(succeed(&another).await, "another ledger in this place");
}

/// After an incident a purse may open beyond its cap; and what limits have let through goes on with it.
pub async fn a_ledger_opens_with_what_was_spent(case: &Case<impl Store>) {
    let (site, mut genesis) = sealed().await;
    let before = genesis.predecessor.as_mut().unwrap();
    before.spent.rho = Rho::from_units(genesis.cap.rho.units() + 1);
    let limit = Carried {
        scope: "analyst:ada".to_owned(),
        spent: before.spent,
    };
    before.limits = vec![limit];
    let around = Surroundings::default();
    let (place, key) = (case.store.place(), site.next.clone());
    let next = Ledger::succeed(place.clone(), key.clone(), genesis, around, None)
        .await
        .unwrap();
    facts(&next, vec![]).await;
    let exhausted = ask(&next).await.unwrap_err();
    assert!(matches!(exhausted, ReserveError::BudgetExhausted { .. }));
    verified(&next).await;
    next.close().await.unwrap();
    verified(&Ledger::open(place, key).await.unwrap()).await;
}
