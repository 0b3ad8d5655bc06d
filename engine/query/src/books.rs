//! Which ledger entries the lake is described by, and the act of recording what has changed.

use std::time::Duration;

use salus_accounting::{Delta, Rho};
use salus_certificate::EntryIndex;
use salus_lake::{Lake, Snapshot};
use salus_ledger::{Error as LedgerError, Fact, Ledger};
use sha2::{Digest, Sha256};

use crate::gate::AskError;
use crate::policy::Policy;

/// The newest dataset, catalog, policy and snapshot entries, and what they stand for.
#[derive(Debug, Clone)]
pub struct Books {
    pub(crate) dataset: EntryIndex,
    pub(crate) catalog: EntryIndex,
    pub(crate) policy: EntryIndex,
    pub(crate) snapshot_entry: EntryIndex,
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) default_rho: Rho,
    /// Most and usual delta of a question.
    pub(crate) deltas: (Delta, Delta),
    pub(crate) minimum_persons: u64,
    /// Points in time, counted from when a question came, at which answers leave.
    pub(crate) answer_grid: Option<Duration>,
    /// Drawn for the snapshot when it was recorded; see [`crate::release::BoundingOptions::seed`].
    pub(crate) seed: u64,
    pub(crate) conversion_delta: Delta,
    /// Catalog or snapshot are newer than the entries: enough for a price, not for an answer.
    pub(crate) provisional: bool,
}

/// The column that names the person, in every table: the catalog allows no other.
pub(crate) const UNIT: &str = "person_id";

/// How often the ledger is read again while other processes record in between.
const ROUNDS: usize = 16;

/// The one dataset of an embedded home.
pub(crate) const DATASET: &str = "main";

impl Books {
    /// Brings the ledger up to date with catalog and newest snapshot, each recorded when it is new, and returns the entries in force. The policy
    /// must be the one in force; it is recorded only where there is none yet, its analysts under the names that it gives them.
    ///
    /// An ingest that died between its snapshot and the ledger is caught up with here, so every snapshot that is asked stands in the ledger.
    pub async fn current(
        lake: &Lake,
        ledger: &Ledger,
        policy_yaml: &str,
    ) -> Result<Self, AskError> {
        Self::brought(lake, ledger, policy_yaml, Record::All).await
    }

    /// As [`Books::current`], for prices alone: what follows something in the ledger is not recorded, because a price leaves no trace. An engine
    /// over these books answers no question.
    pub async fn for_prices(
        lake: &Lake,
        ledger: &Ledger,
        policy_yaml: &str,
    ) -> Result<Self, AskError> {
        Self::brought(lake, ledger, policy_yaml, Record::First).await
    }

    async fn brought(
        lake: &Lake,
        ledger: &Ledger,
        policy_yaml: &str,
        record: Record,
    ) -> Result<Self, AskError> {
        for _ in 0..ROUNDS {
            match Self::once(lake, ledger, policy_yaml, record).await {
                // Another process has recorded something since the ledger was read here.
                Err(AskError::Ledger(LedgerError::Stale)) => {}
                brought => return brought,
            }
        }
        Err(AskError::Ledger(LedgerError::Stale))
    }

    async fn once(
        lake: &Lake,
        ledger: &Ledger,
        policy_yaml: &str,
        record: Record,
    ) -> Result<Self, AskError> {
        let mut provisional = false;
        let account = ledger.account().await?;
        let conversion_delta = account.conversion_delta;
        let policy_file = Policy::parse(policy_yaml).map_err(unread)?;
        let default_rho = policy_file
            .query_default_rho(conversion_delta)
            .map_err(unread)?;
        let deltas = policy_file.query_deltas().map_err(unread)?;

        let facts = ledger.facts(DATASET).await?;
        let dataset = match facts.dataset {
            Some((index, _)) => index,
            None => {
                ledger
                    .record(Fact::Dataset {
                        dataset: DATASET.into(),
                        unit: UNIT.into(),
                    })
                    .await?
            }
        };
        policy_file.check_datasets(lake.catalog()).map_err(unread)?;
        let sha256 = digest(lake.catalog_yaml().as_bytes());
        let catalog = match facts.catalog {
            Some((index, entry)) if entry.sha256 == sha256 => index,
            Some((index, _)) if record == Record::First => {
                provisional = true;
                index
            }
            known => {
                // After the ledger was read: whoever opened the lake before another catalog was recorded does not take it back.
                lake.check_catalog().map_err(unavailable)?;
                let version = known.map_or(1, |(_, entry)| entry.version + 1);
                ledger.record(catalog_fact(lake, version, sha256)).await?
            }
        };
        let sha256 = digest(policy_yaml.as_bytes());
        let policy = match facts.policy {
            Some((index, entry)) if entry.sha256 == sha256 => index,
            Some(_) => return Err(unread("not the one in force; see `salus policy show`")),
            None => {
                let fact = policy_file.fact(policy_yaml, conversion_delta, &str::to_owned);
                ledger.record(fact.map_err(unread)?).await?
            }
        };
        let snapshot = lake.snapshot().map_err(unavailable)?;
        let content = match &facts.snapshot {
            Some((index, _)) => ledger.opening(*index, "commitment").await?,
            None => None,
        };
        let same = |snapshot: &Snapshot| {
            content.is_some_and(|known| known.content == snapshot.canonical_bytes())
        };
        let snapshot_entry = match (&snapshot, facts.snapshot) {
            (Some(snapshot), Some((index, _))) if same(snapshot) => index,
            (Some(_), Some((index, _))) if record == Record::First => {
                provisional = true;
                index
            }
            (Some(snapshot), known) => {
                // The lake's own number stands in the content: it also counts snapshots of which the ledger does not tell.
                let number = known.map_or(1, |(_, entry)| entry.snapshot + 1);
                let fact = Fact::Snapshot {
                    dataset: DATASET.into(),
                    snapshot: number,
                    content: snapshot.canonical_bytes(),
                };
                ledger.record(fact).await?
            }
            (None, _) => dataset,
        };
        Ok(Self {
            dataset,
            catalog,
            policy,
            snapshot_entry,
            snapshot,
            default_rho,
            deltas,
            minimum_persons: policy_file.minimum_persons,
            answer_grid: policy_file
                .answer_grid_milliseconds
                .map(Duration::from_millis),
            seed: seed(ledger, snapshot_entry).await?,
            conversion_delta,
            provisional,
        })
    }

    /// Refuses a catalog that promises what the snapshot was not committed under: fewer rows per person, which nobody enforced, and columns of other
    /// types.
    pub(crate) fn check_promises(&self, lake: &Lake) -> Result<(), AskError> {
        let catalog = lake.catalog();
        if let Some(snapshot) = &self.snapshot {
            lake.check_types(snapshot).map_err(unavailable)?;
        }
        let tables = self.snapshot.iter().flat_map(|snapshot| &snapshot.tables);
        for (name, version) in tables {
            let table = catalog.table(name);
            let view = table.and_then(|table| table.view.as_ref());
            if version.view.as_deref() != view.map(|view| view.sha256.as_str()) {
                // Its view is gone or another one: nobody can ask for these rows.
                continue;
            }
            let promised = table.map_or(0, |table| table.max_rows_per_person);
            if version.rows > 0 && promised < version.max_rows_per_person {
                return Err(AskError::Lake(format!(
                    "catalog.yaml: tables.{name}.max_rows_per_person is {promised}, but the snapshot was committed under {}; restore it, or ingest again under the new catalog",
                    version.max_rows_per_person
                )));
            }
        }
        Ok(())
    }

    /// Fixes the order in which a person's groups count, which is drawn for each snapshot otherwise: for comparing two lakes row by row.
    pub fn fix_seed(&mut self, seed: u64) {
        self.seed = seed;
    }

    /// Number of the snapshot that questions are bound to.
    pub fn snapshot_number(&self) -> Option<u64> {
        self.snapshot.as_ref().map(|snapshot| snapshot.number)
    }
}

/// What is written down that the ledger does not hold yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Record {
    /// All of it.
    All,
    /// What nothing stands for yet.
    First,
}

/// The catalog and the parts that it has, which the ledger takes together.
fn catalog_fact(lake: &Lake, version: u64, sha256: [u8; 32]) -> Fact {
    Fact::Catalog {
        dataset: DATASET.into(),
        version,
        sha256,
        parts: lake.catalog().parts(),
    }
}

/// The salt of a snapshot's commitment is as random as anything, and does not depend on the rows.
async fn seed(ledger: &Ledger, snapshot: EntryIndex) -> Result<u64, AskError> {
    let opening = ledger.opening(snapshot, "commitment").await?;
    let salted = |salt: [u8; 32]| digest(&[b"salus/groups/v1".as_slice(), &salt].concat());
    let seed = opening.and_then(|opening| salted(opening.salt).first_chunk().copied());
    Ok(seed.map_or(0, u64::from_be_bytes))
}

fn unavailable(error: impl std::fmt::Display) -> AskError {
    AskError::Lake(error.to_string())
}

fn unread(what: impl std::fmt::Display) -> AskError {
    AskError::Lake(format!("policy: {what}"))
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
