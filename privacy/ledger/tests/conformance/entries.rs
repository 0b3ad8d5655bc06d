//! Creating, appending, reading.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use salus_accounting::{Delta, Loss, Rho};
use salus_ledger::cosign::{CosignRequest, Cosigned, Proofs, WitnessKey, Witnesses};
use salus_ledger::entry::{Body, Kind};
use salus_ledger::{
    EntryIndex, Error, Fact, Finding, Ledger, Refusal, ReserveError, Signer, Surroundings, key,
};

use super::support::{self, answer, genesis, price, question, refusal};
use super::{Case, Store, verified};

pub async fn a_ledger_is_created_once_and_opened(case: &Case<impl Store>) {
    assert!(matches!(case.open().await, Err(Error::Unavailable(_))));
    let ledger = Ledger::create(case.store.place(), case.signer(), genesis(3))
        .await
        .unwrap();
    assert_eq!(ledger.size().await.unwrap(), 2);
    verified(&ledger).await;
    let account = ledger.account().await.unwrap();
    assert_eq!((account.cap, account.spent), (genesis(3).cap, Loss::ZERO));
    let again = Ledger::create(case.store.place(), case.signer(), genesis(3)).await;
    assert!(matches!(again, Err(Error::Refused(_))), "{again:?}");
    ledger.close().await.unwrap();

    let ledger = case.open().await.unwrap();
    assert_eq!(ledger.genesis(), &genesis(3));
    verified(&ledger).await;
    ledger.close().await.unwrap();
    let stranger = key::generate(&case.dir().join("stranger.key"), support::ORIGIN).unwrap();
    let refused = Ledger::open(case.store.place(), stranger).await;
    assert!(matches!(refused, Err(Error::Integrity(_))), "{refused:?}");
}

pub async fn every_kind_is_appended(case: &Case<impl Store>) {
    let ledger = case.create(4).await;
    let released = answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    ledger.reuse(question()).await.unwrap().unwrap();
    ledger.reserve(question()).await.unwrap().abort().await;
    ledger.refuse(refusal()).await.unwrap();
    let officers = ["ada", "ben"].map(|name| officer(case, name));
    for who in &officers {
        let proposal = ledger.propose_officer(who.origin(), who.verifier().public(), true);
        ledger.enter(proposal, vec![]).await.unwrap();
    }
    let cap = Loss {
        rho: Rho::from_units(price().units() * 5),
        delta: Delta::parse_floor("1e-6").unwrap(),
    };
    let grant = ledger
        .propose_grant(cap, u64::MAX, "the flu season")
        .await
        .unwrap();
    let approvals = officers.iter().map(|who| grant.approve(who)).collect();
    ledger.enter(grant, approvals).await.unwrap();
    let finding = Finding {
        principal: "officer-1".to_owned(),
        from: EntryIndex(0),
        to: released.entry,
        note: "nothing".to_owned(),
    };
    let review = ledger.propose_review(finding).await.unwrap();
    let approvals = vec![review.approve(&officers[0])];
    ledger.enter(review, approvals).await.unwrap();
    let loss = Loss::from_rho(price());
    ledger
        .incident(released.reserve, loss, "a bound was wrong")
        .await
        .unwrap();
    verified(&ledger).await;
    let next = key::generate(&case.dir().join("next.key"), support::ORIGIN).unwrap();
    ledger.rotate(next.clone()).await.unwrap();

    assert!(matches!(case.open().await, Err(Error::Integrity(_))));
    let ledger = Ledger::open(case.store.place(), next).await.unwrap();
    verified(&ledger).await;
    let kinds = [
        Kind::Genesis,
        Kind::Key,
        Kind::Dataset,
        Kind::Catalog,
        Kind::Policy,
        Kind::Snapshot,
        Kind::Reserve,
        Kind::Release,
        Kind::Reuse,
        Kind::Abort,
        Kind::Refuse,
        Kind::Officer,
        Kind::Grant,
        Kind::Review,
        Kind::Incident,
    ];
    for kind in kinds {
        let of_kind = ledger.all_of(kind).await.unwrap();
        assert!(!of_kind.is_empty(), "{kind:?}");
        assert_eq!(ledger.newest(kind).await.unwrap().as_ref(), of_kind.last());
    }
    assert_eq!(ledger.vkeys().await.unwrap().len(), 2);
    let opening = ledger.opening(released.entry, "answer").await.unwrap();
    assert_eq!(opening.unwrap().content, released.answer);
}

fn officer(case: &Case<impl Store>, name: &str) -> Signer {
    key::generate(&case.dir().join(format!("{name}.key")), name).unwrap()
}

pub async fn requests_that_wait_together_share_a_checkpoint(case: &Case<impl Store>) {
    let ledger = case.create(1000).await;
    let before = ledger.evidence().await.unwrap().checkpoints.len();
    let charges = join_all((0..64).map(|_| ledger.reserve(question()))).await;
    let mut entries: Vec<u64> = charges
        .iter()
        .map(|charge| charge.as_ref().unwrap().entry().0)
        .collect();
    entries.sort_unstable();
    assert_eq!(entries, (6..70).collect::<Vec<u64>>());
    let signed = ledger.evidence().await.unwrap().checkpoints.len() - before;
    assert!(signed < 32, "{signed} checkpoints");
    verified(&ledger).await;
    charges.into_iter().for_each(std::mem::forget);
}

pub async fn ranges_are_read(case: &Case<impl Store>) {
    let ledger = case.create(10).await;
    for _ in 0..5 {
        ledger.refuse(refusal()).await.unwrap();
    }
    let all = ledger.entries().await.unwrap();
    assert_eq!(all.len(), 11);
    for range in [0..11, 0..1, 3..7, 10..20, 11..20, 5..5, 0..u64::MAX] {
        let expected: Vec<_> = all
            .iter()
            .filter(|stored| range.contains(&stored.index.0))
            .cloned()
            .collect();
        assert_eq!(
            ledger.entries_between(range.clone()).await.unwrap(),
            expected,
            "{range:?}"
        );
    }
    assert_eq!(
        ledger.entry(EntryIndex(4)).await.unwrap().as_ref(),
        all.get(4)
    );
    assert_eq!(ledger.entry(EntryIndex(11)).await.unwrap(), None);
}

pub async fn long_entries_are_kept_and_longer_ones_refused(case: &Case<impl Store>) {
    let ledger = case.create(10).await;
    let long = |length: usize| Refusal {
        principal: "p".repeat(length),
        ..refusal()
    };
    // Two in one transaction, of which one is refused: the other stands.
    let (kept, refused) = futures::join!(ledger.refuse(long(65_000)), ledger.refuse(long(66_000)));
    assert_eq!(refused, Err(Error::TooLong));
    let stored = ledger.entry(kept.unwrap()).await.unwrap().unwrap();
    assert!(stored.bytes.len() > 65_000);
    let mut wide = question();
    wide.roles = vec!["r".repeat(1000); 70];
    let refused = ledger.reserve(wide).await.unwrap_err();
    assert!(matches!(refused, ReserveError::TooLong), "{refused:?}");
    assert_eq!(ledger.account().await.unwrap().spent, Loss::ZERO);
    let mut question = question();
    question.question = "q".repeat(3_000_000);
    let charge = ledger.reserve(question).await.unwrap();
    let opening = ledger
        .opening(charge.entry(), "question")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(opening.content.len(), 3_000_000);
    charge.abort().await;
    verified(&ledger).await;
}

/// Names are chosen by people: quotes, other scripts and what no database likes.
pub async fn any_text_is_kept(case: &Case<impl Store>) {
    let ledger = case.create(10).await;
    let names = [
        "'; DROP TABLE entries; --",
        "Ænne\u{301} \u{1f9ec} \u{202e}",
        "$1 ?1 %s \\",
        "a\0b",
        "",
    ];
    for name in names {
        let said = Refusal {
            principal: name.to_owned(),
            question: name.to_owned(),
            ..refusal()
        };
        let index = ledger.refuse(said).await.unwrap();
        let Some(Body::Refuse(refuse)) = ledger
            .entry(index)
            .await
            .unwrap()
            .map(|stored| stored.entry.body)
        else {
            panic!("not a refusal")
        };
        assert_eq!(refuse.principal, name);
        let opening = ledger.opening(index, "question").await.unwrap().unwrap();
        assert_eq!(opening.content, name.as_bytes());
    }
    let limited = Fact::Policy {
        version: 2,
        sha256: [9; 32],
        query_rho: price(),
        limits: vec![super::purse::limit(5)],
    };
    let policy = ledger.record(limited).await.unwrap();
    for name in names {
        let mut asked = question();
        name.clone_into(&mut asked.principal);
        asked.certificate.policy = policy;
        match ledger.reserve(asked).await {
            Ok(charge) => charge.abort().await,
            // A name with a NUL cannot have an account, and nobody else is kept waiting by it.
            Err(ReserveError::Ledger(Error::Refused(why))) => {
                assert!(name.contains('\0') && why.contains("NUL"));
            }
            Err(other) => panic!("{name:?}: {other:?}"),
        }
    }
    assert_eq!(ledger.limits().await.unwrap().len(), names.len() - 1);
    verified(&ledger).await;
    ledger.close().await.unwrap();
    verified(&case.open().await.unwrap()).await;
}

/// One witness who signs whatever comes.
#[derive(Debug)]
struct Witness(Signer);

impl Witnesses for Witness {
    fn cosign<'a>(
        &'a self,
        request: CosignRequest,
        _: &'a mut dyn Proofs,
    ) -> BoxFuture<'a, salus_ledger::Result<Cosigned>> {
        let (text, _) = salus_ledger::cosign::note_parts(&request.note).unwrap();
        let lines = self.0.cosign(&text, 1_790_000_000);
        async move { Ok(Cosigned::Lines(lines)) }.boxed()
    }
}

pub async fn what_witnesses_add_is_kept(case: &Case<impl Store>) {
    let witness = key::generate(&case.dir().join("witness.key"), "witness.example").unwrap();
    let known = WitnessKey::of(&witness);
    let around = Surroundings {
        witnesses: Some(Arc::new(Witness(witness))),
        ..Surroundings::default()
    };
    let ledger = case.create_in(10, around).await;
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    let note = ledger.newest_checkpoint().await.unwrap();
    let (text, lines) = salus_ledger::cosign::note_parts(&note).unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!(known.cosigned(&lines[1], &text), Some(1_790_000_000));
    verified(&ledger).await;
    ledger.close().await.unwrap();
    let ledger = case.open().await.unwrap();
    assert_eq!(ledger.newest_checkpoint().await.unwrap(), note);
}
