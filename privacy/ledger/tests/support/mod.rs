//! A ledger with one dataset, and questions of a known price.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each test target uses its own part"
)]

pub mod site;

use std::path::{Path, PathBuf};

use salus_accounting::{Delta, Loss, Noise, Rational, Rho};
use salus_certificate::{Aggregate, Bounds, Certificate, EntryIndex, Mechanism, Step};
use salus_ledger::{
    AnswerFailed, Charge, Error, Exact, Fact, Genesis, Ledger, Published, Refusal, Released,
    Reservation, Signer, Surroundings, key,
};

pub const ORIGIN: &str = "salus.example/ledger";

/// Price of [`question`]: 1 / (2 · 50²) for each of two mechanisms.
pub fn price() -> Rho {
    Rho::from_units((1_u64 << 40).div_ceil(2 * 50 * 50) * 2)
}

/// A genesis whose purse holds `questions` of [`question`].
pub fn genesis(questions: u64) -> Genesis {
    let cap = Loss {
        rho: Rho::from_units(price().units() * questions),
        delta: Delta::parse_floor("1e-6").unwrap(),
    };
    let ceiling = Loss {
        rho: Rho::from_units(cap.rho.units() * 2),
        delta: cap.delta,
    };
    Genesis {
        origin: ORIGIN.to_owned(),
        space: "riverside".to_owned(),
        ceiling,
        cap,
        conversion_delta: Delta::parse_floor("1e-6").unwrap(),
        build: "test".to_owned(),
        rules: 1,
        predecessor: None,
        restricted: None,
    }
}

pub fn key_path(dir: &Path) -> PathBuf {
    dir.join("signing.key")
}

pub fn ledger_path(dir: &Path) -> PathBuf {
    dir.join("ledger")
}

pub fn database(dir: &Path) -> PathBuf {
    ledger_path(dir).join("ledger.db")
}

/// A new ledger in `dir`, with dataset (entry 2), catalog (3), policy (4) and snapshot (5).
pub async fn create(dir: &Path, questions: u64) -> Ledger {
    create_in(dir, questions, Surroundings::default()).await
}

pub async fn create_in(dir: &Path, questions: u64, around: Surroundings) -> Ledger {
    let signer = key::generate(&key_path(dir), ORIGIN).unwrap();
    let ledger = Ledger::create_in(&ledger_path(dir), signer, genesis(questions), around)
        .await
        .unwrap();
    record_facts(&ledger).await;
    ledger
}

/// Dataset (entry 2), catalog (3), policy (4) and snapshot (5).
pub async fn record_facts(ledger: &Ledger) {
    let facts = [
        Fact::Dataset {
            dataset: "clinic".to_owned(),
            unit: "person_id".to_owned(),
        },
        Fact::Catalog {
            dataset: "clinic".to_owned(),
            version: 1,
            sha256: [7; 32],
            parts: std::collections::BTreeMap::new(),
        },
        Fact::Policy {
            version: 1,
            sha256: [8; 32],
            query_rho: Rho::from_units(price().units() * 10),
            limits: vec![],
        },
        Fact::Snapshot {
            dataset: "clinic".to_owned(),
            snapshot: 1,
            content: b"tables".to_vec(),
        },
    ];
    for fact in facts {
        ledger.record(fact).await.unwrap();
    }
}

pub fn signer(dir: &Path) -> Signer {
    key::load(&key_path(dir)).unwrap()
}

pub async fn open(dir: &Path) -> Result<Ledger, Error> {
    Ledger::open(&ledger_path(dir), signer(dir)).await
}

pub fn certificate() -> Certificate {
    let bounds = Bounds {
        step: 2,
        rows_per_person: 1,
        groups_per_person: 1,
        cells: 3,
        weighted: None,
    };
    let count = |aggregate| {
        Mechanism::new(
            Noise::DiscreteGaussian,
            aggregate,
            1,
            &bounds,
            Rational::from(50),
        )
        .unwrap()
    };
    let step = |rule: &str, inputs: &[u64], table: Option<&str>| Step {
        rule: rule.to_owned(),
        op: rule.to_lowercase(),
        inputs: inputs.to_vec(),
        table: table.map(str::to_owned),
        rows: 1,
    };
    Certificate {
        dataset: EntryIndex(2),
        snapshot: EntryIndex(5),
        catalog: EntryIndex(3),
        policy: EntryIndex(4),
        unit: "person_id".to_owned(),
        steps: vec![
            step("S0", &[], Some("patient")),
            step("S1", &[0], None),
            step("RELEASE", &[1], None),
        ],
        mechanisms: vec![count(Aggregate::Persons), count(Aggregate::Rows)],
        releases: vec![bounds],
        keys: [0; 32],
    }
}

pub fn question() -> Reservation {
    Reservation {
        principal: "analyst-1".to_owned(),
        roles: vec!["analyst".to_owned()],
        purpose: "HRESCH".to_owned(),
        question: "SELECT count(*) FROM patient GROUP BY sex".to_owned(),
        plan: b"operator tree".to_vec(),
        keys: b"female,male,other".to_vec(),
        certificate: certificate(),
        retry: None,
    }
}

pub fn refusal() -> Refusal {
    Refusal {
        principal: "analyst-1".to_owned(),
        purpose: "HRESCH".to_owned(),
        rule: "S2".to_owned(),
        question: "SELECT * FROM patient".to_owned(),
    }
}

pub fn exact() -> Exact {
    Exact::seal(vec![vec![100, 200, 300], vec![1, 2, 3]])
}

/// The answer is the noisy numbers as text.
pub async fn answer(charge: Charge) -> Result<Published, Error> {
    let text = async |released: &Released| -> Result<Vec<u8>, AnswerFailed> {
        Ok(format!("{:?}", released.columns).into_bytes())
    };
    charge.release(exact(), text).await
}
