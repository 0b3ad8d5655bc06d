//! A ledger with an anchor and officers, which ends or is lost.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use salus_accounting::Rho;
use salus_checker::{Report, Trust, audit_with};
use salus_ledger::anchor::{Directory, SharedAnchor};
use salus_ledger::entry::Limit;
use salus_ledger::succession::{Build, Lost, after_loss, approved};
use salus_ledger::{
    Error, Evidence, Fact, Genesis, Ledger, Proposal, ReserveError, Signer, Surroundings, key,
};

use super::{answer, create_in, ledger_path, price, question, signer};

pub const NEXT: &str = "salus.example/next";

pub fn anchor(place: &Path) -> SharedAnchor {
    Arc::new(Directory::at(place).unwrap())
}

pub fn anchored(place: &Path) -> Surroundings {
    Surroundings {
        anchor: Some(anchor(place)),
        ..Surroundings::default()
    }
}

pub fn build() -> Build {
    Build {
        build: "test".to_owned(),
        rules: 1,
    }
}

/// A place with a ledger, its anchor and its officers.
pub struct Site {
    pub dir: tempfile::TempDir,
    pub ada: Signer,
    pub ben: Signer,
    pub next: Signer,
}

impl Site {
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn around(&self) -> Surroundings {
        anchored(&self.path("anchor"))
    }

    pub async fn open(&self) -> Result<Ledger, Error> {
        Ledger::open_in(
            &ledger_path(self.dir.path()),
            signer(self.dir.path()),
            self.around(),
        )
        .await
    }

    pub fn both(&self, proposal: &Proposal) -> Vec<salus_ledger::entry::Approval> {
        vec![proposal.approve(&self.ada), proposal.approve(&self.ben)]
    }

    pub async fn seal(&self, ledger: &Ledger) -> Result<Evidence, Error> {
        let proposal = ledger
            .propose_seal(self.next.verifier(), u64::MAX, "a new year")
            .unwrap();
        let approvals = self.both(&proposal);
        ledger.seal(proposal, approvals).await
    }

    pub async fn succeed(&self, genesis: Genesis, name: &str) -> Result<Ledger, Error> {
        let around = anchored(&self.path(&format!("{name}-anchor")));
        let before = Some(anchor(&self.path("anchor")));
        Ledger::succeed(&self.path(name), self.next.clone(), genesis, around, before).await
    }

    /// What the officers approve of a loss.
    pub async fn lost(&self, entries: &Evidence, seen: &[Vec<u8>]) -> Result<Proposal, Error> {
        let place = anchor(&self.path("anchor"));
        let lost = Lost {
            entries,
            anchor: Some(place.as_ref()),
            seen,
        };
        after_loss(&lost, self.next.verifier(), &build()).await
    }

    pub fn decided(&self, proposal: &Proposal) -> Genesis {
        approved(proposal.clone(), self.both(proposal)).unwrap()
    }
}

/// A ledger of 4 questions with two officers and one answer.
pub async fn site() -> (Site, Ledger) {
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

pub async fn ask(ledger: &Ledger) -> Result<(), ReserveError> {
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

pub async fn facts(ledger: &Ledger, limits: Vec<Limit>) {
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
        parts: std::collections::BTreeMap::new(),
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

pub fn theirs(evidence: &Evidence) -> salus_checker::Evidence {
    salus_checker::Evidence {
        entries: evidence.entries.clone(),
        leaves: Some(evidence.leaves.clone()),
        checkpoints: evidence.checkpoints.clone(),
        vkey: evidence.vkey.clone(),
    }
}

pub fn judge(log: &Evidence, before: &[&Evidence]) -> Report {
    let trust = Trust {
        predecessors: before.iter().map(|before| theirs(before)).collect(),
        ..Trust::default()
    };
    let report = audit_with(&theirs(log), &trust);
    assert!(report.holds(), "{}", report.to_text());
    report
}

pub fn spent(questions: u64) -> Rho {
    Rho::from_units(price().units() * questions)
}

pub fn refused<T>(result: Result<T, Error>, what: &str) {
    match result {
        Err(Error::Refused(why)) => assert!(why.contains(what), "{why}"),
        Err(other) => panic!("{what}: {other}"),
        Ok(_) => panic!("{what}: not refused"),
    }
}
