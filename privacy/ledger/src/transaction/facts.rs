//! What questions rest on, as it is recorded: datasets and their parts, catalogs, policies, snapshots.

use std::collections::BTreeMap;

use salus_certificate::EntryIndex;

use super::Transaction;
use crate::Fact;
use crate::commitment::Opening;
use crate::entry::{Body, Catalog, Dataset, Kind, Limit, Policy, Snapshot};
use crate::error::{Error, Result};
use crate::store;

impl Transaction<'_> {
    /// A fact about datasets, catalogs, policies or snapshots.
    pub(crate) async fn record(&mut self, fact: Fact) -> Result<EntryIndex> {
        self.flush().await?;
        self.grounds = None;
        let mut opening = None;
        let body = match fact {
            Fact::Dataset { dataset, unit } => {
                if self.dataset(&dataset).await?.is_some() {
                    return Err(Error::Refused(
                        "the dataset is in the log already".to_owned(),
                    ));
                }
                Body::Dataset(Dataset {
                    dataset,
                    unit,
                    space: self.genesis.space.clone(),
                    tables: None,
                })
            }
            Fact::Part { part, of, tables } => self.part(part, &of, tables).await?,
            Fact::Catalog {
                dataset,
                version,
                sha256,
                parts,
            } => {
                self.expect_dataset(&dataset).await?;
                self.expect_next(Kind::Catalog, &dataset, version).await?;
                self.describe(&dataset, parts).await?;
                Body::Catalog(Catalog {
                    dataset,
                    version,
                    sha256,
                })
            }
            Fact::Policy {
                version,
                sha256,
                query_rho,
                limits,
            } => {
                self.expect_policy(version, &limits).await?;
                Body::Policy(Policy {
                    version,
                    sha256,
                    query_rho,
                    limits,
                })
            }
            Fact::Snapshot {
                dataset,
                snapshot,
                content,
            } => {
                self.expect_dataset(&dataset).await?;
                self.expect_next(Kind::Snapshot, &dataset, snapshot).await?;
                let commitment = Opening::fresh(content)?;
                let body = Snapshot {
                    dataset,
                    snapshot,
                    commitment: commitment.commitment(),
                };
                opening = Some(commitment);
                Body::Snapshot(body)
            }
        };
        let (index, _) = self.append(body)?;
        if let Some(opening) = opening {
            self.open_with(index, "commitment", opening);
        }
        Ok(index)
    }

    /// Makes these the parts of the dataset `of`: those that changed, and the end of those that are gone.
    async fn describe(&mut self, of: &str, mut parts: BTreeMap<String, Vec<String>>) -> Result<()> {
        let known = self.parts().await?;
        for part in known.keys() {
            parts.entry(part.clone()).or_default();
        }
        for (part, mut tables) in parts {
            tables.sort_unstable();
            tables.dedup();
            if known.get(&part) != Some(&tables) {
                let body = self.part(part, of, tables).await?;
                self.append(body)?;
            }
        }
        Ok(())
    }

    /// A part of the dataset `of`, under a name that no whole dataset has.
    async fn part(&mut self, part: String, of: &str, mut tables: Vec<String>) -> Result<Body> {
        let refused = |what: &str| Err(Error::Refused(what.to_owned()));
        let whole = store::newest_of(self.db, Kind::Dataset, of).await?;
        let Some(Body::Dataset(whole)) = whole.map(|stored| stored.entry.body) else {
            return refused("the dataset is not in the log");
        };
        let known = store::newest_of(self.db, Kind::Dataset, &part).await?;
        if let Some(Body::Dataset(known)) = known.map(|stored| stored.entry.body)
            && known.tables.is_none()
        {
            return refused("a part has the name of a whole dataset");
        }
        tables.sort_unstable();
        tables.dedup();
        Ok(Body::Dataset(Dataset {
            dataset: part,
            tables: Some(tables),
            ..whole
        }))
    }

    async fn dataset(&mut self, name: &str) -> Result<Option<EntryIndex>> {
        let found = store::newest_of(self.db, Kind::Dataset, name).await?;
        Ok(found.map(|stored| stored.index))
    }

    async fn expect_dataset(&mut self, name: &str) -> Result<()> {
        match self.dataset(name).await? {
            Some(_) => Ok(()),
            None => Err(Error::Refused("the dataset is not in the log".to_owned())),
        }
    }

    /// Catalogs and snapshots are numbered upwards: of two processes that record what followed the same entry, the second looks again, so that
    /// nothing stands in the ledger twice and nothing older after something newer.
    async fn expect_next(&mut self, kind: Kind, dataset: &str, number: u64) -> Result<()> {
        let newest = store::newest_of(self.db, kind, dataset).await?;
        let newest = newest.map(|stored| match stored.entry.body {
            Body::Catalog(catalog) => catalog.version,
            Body::Snapshot(snapshot) => snapshot.snapshot,
            _ => u64::MAX,
        });
        if newest.is_some_and(|newest| number <= newest) {
            return Err(Error::Stale);
        }
        Ok(())
    }

    /// Policies are numbered upwards, so that an older file cannot come back unseen.
    async fn expect_policy(&mut self, version: u64, limits: &[Limit]) -> Result<()> {
        Limit::check(limits).map_err(|what| Error::Refused(format!("F1: {what}")))?;
        match self.policy().await? {
            Some((
                _,
                Policy {
                    version: newest, ..
                },
            )) if version <= newest => Err(Error::Refused(format!(
                "the policy in force is version {newest}; the next one needs a higher number"
            ))),
            _ => Ok(()),
        }
    }

    pub(super) async fn policy(&mut self) -> Result<Option<(EntryIndex, Policy)>> {
        let Some(stored) = store::newest(self.db, Kind::Policy).await? else {
            return Ok(None);
        };
        match stored.entry.body {
            Body::Policy(policy) => Ok(Some((stored.index, policy))),
            _ => Err(Error::Bug("a policy entry that is none")),
        }
    }
}
