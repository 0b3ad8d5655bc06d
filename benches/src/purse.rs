//! A ledger whose purse no bench empties, and the smallest question that can be put to it.

use std::path::Path;

use anyhow::{Context, Result};
use salus_accounting::{Delta, Loss, Noise, Rational, Rho};
use salus_certificate::{Aggregate, Bounds, Certificate, EntryIndex, Mechanism, Step};
use salus_ledger::{Exact, Fact, Genesis, Ledger, Published, Released, Reservation, key};

/// The ledger under `dir`, made where there is none.
///
/// # Errors
/// The ledger's.
pub async fn ledger(dir: &Path) -> Result<Ledger> {
    let origin = "salus.example/bench";
    let (place, key) = (dir.join("ledger"), dir.join("ledger.key"));
    if place.exists() {
        return Ok(Ledger::open(&place, key::load(&key)?).await?);
    }
    let signer = key::generate(&key, origin)?;
    let cap = Loss {
        // What the store can hold.
        rho: Rho::from_units(i64::MAX.unsigned_abs()),
        delta: Delta::parse_floor("0.5")?,
    };
    let genesis = Genesis {
        origin: origin.to_owned(),
        space: "bench".to_owned(),
        ceiling: cap,
        cap,
        conversion_delta: Delta::parse_floor("5e-7")?,
        build: env!("CARGO_PKG_VERSION").to_owned(),
        rules: 1,
        predecessor: None,
        restricted: None,
    };
    Ok(Ledger::create(&place, signer, genesis).await?)
}

/// A count of persons in two groups, without an engine: what the ledger alone takes for a question.
#[derive(Debug, Clone)]
pub struct Counter {
    ledger: Ledger,
    certificate: Certificate,
}

impl Counter {
    /// A counter on a fresh ledger under `dir`.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn new(dir: &Path) -> Result<Self> {
        let ledger = ledger(dir).await?;
        let name = || "bench".to_owned();
        let dataset = ledger
            .record(Fact::Dataset {
                dataset: name(),
                unit: "person_id".to_owned(),
            })
            .await?;
        let catalog = ledger
            .record(Fact::Catalog {
                dataset: name(),
                version: 1,
                sha256: [0; 32],
                parts: std::collections::BTreeMap::new(),
            })
            .await?;
        let policy = ledger
            .record(Fact::Policy {
                version: 1,
                sha256: [0; 32],
                query_rho: Rho::parse_floor("1")?,
                limits: vec![],
            })
            .await?;
        let snapshot = ledger
            .record(Fact::Snapshot {
                dataset: name(),
                snapshot: 1,
                content: vec![0; 1024],
            })
            .await?;
        let bounds = Bounds {
            step: 1,
            rows_per_person: 1,
            groups_per_person: 1,
            cells: 2,
            weighted: None,
        };
        let step = |rule: &str, inputs: Vec<u64>, table: Option<&str>| Step {
            rule: rule.to_owned(),
            op: rule.to_lowercase(),
            inputs,
            table: table.map(str::to_owned),
            rows: 1,
        };
        let mechanism = Mechanism::new(
            Noise::DiscreteGaussian,
            Aggregate::Persons,
            1,
            &bounds,
            Rational::from(20),
        )?;
        Ok(Self {
            ledger,
            certificate: Certificate {
                dataset,
                snapshot,
                catalog,
                policy,
                unit: "person_id".to_owned(),
                steps: vec![
                    step("S0", vec![], Some("patient")),
                    step("RELEASE", vec![0], None),
                ],
                releases: vec![bounds],
                keys: [0; 32],
                mechanisms: vec![mechanism],
            },
        })
    }

    /// Reserves and releases once: two durable entries.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn charge(&self) -> Result<Published> {
        let reservation = Reservation {
            principal: "p-bench".to_owned(),
            roles: vec!["analyst".to_owned()],
            purpose: "PUBHLTH".to_owned(),
            question: "SELECT sex, COUNT(*) FROM patient GROUP BY sex".to_owned(),
            plan: b"Aggregate by sex over patient".to_vec(),
            keys: b"female, male".to_vec(),
            certificate: self.certificate.clone(),
            retry: None,
        };
        let charge = self.ledger.reserve(reservation).await?;
        let answer = async |noisy: &Released| Ok(format!("{:?}", noisy.columns).into_bytes());
        Ok(charge
            .release(Exact::seal(vec![vec![1200, 1100]]), answer)
            .await?)
    }

    /// Bytes of the entries of one question as they stand in the log.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn bytes(&self) -> Result<Vec<Vec<u8>>> {
        let published = self.charge().await?;
        let entry = async |index: EntryIndex| {
            let stored = self.ledger.entry(index).await?;
            anyhow::Ok(stored.context("an entry is missing")?.bytes)
        };
        Ok(vec![
            entry(published.reserve).await?,
            entry(published.entry).await?,
        ])
    }
}
