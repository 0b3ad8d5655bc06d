//! What a certificate rests on, as the log has it (rule F3), and which datasets it is charged to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use salus_certificate::{Certificate, EntryIndex};

use super::Transaction;
use crate::entry::{Body, Dataset, Entry, Kind, Policy};
use crate::error::{Error, Result};
use crate::store;

/// What the ledger holds of the entries that a certificate rests on.
pub(super) struct Grounds {
    pub(super) dataset: String,
    /// Tables of the parts of datasets, by name.
    pub(super) parts: BTreeMap<String, Vec<String>>,
    pub(super) policy: Policy,
    pub(super) policy_entry: EntryIndex,
}

impl Grounds {
    /// The dataset, then the parts of it whose tables are read, ascending: each is charged, and their purse once.
    pub(super) fn datasets(&self, certificate: &Certificate) -> Vec<&str> {
        let read: BTreeSet<&str> = certificate
            .steps
            .iter()
            .filter_map(|step| step.table.as_deref())
            .collect();
        let touched = self
            .parts
            .iter()
            .filter(|(name, _)| **name != self.dataset)
            .filter(|(_, tables)| tables.iter().any(|table| read.contains(table.as_str())));
        std::iter::once(self.dataset.as_str())
            .chain(touched.map(|(name, _)| name.as_str()))
            .collect()
    }
}

/// The entries that a certificate names.
#[derive(PartialEq, Eq)]
pub(super) struct References {
    entries: [EntryIndex; 4],
    unit: String,
}

impl References {
    pub(super) fn of(certificate: &Certificate) -> Self {
        Self {
            entries: [
                certificate.dataset,
                certificate.snapshot,
                certificate.catalog,
                certificate.policy,
            ],
            unit: certificate.unit.clone(),
        }
    }
}

impl Transaction<'_> {
    /// What the certificate rests on, and how many questions have failed under its policy.
    pub(super) async fn grounds(
        &mut self,
        certificate: &Certificate,
    ) -> Result<(Arc<Grounds>, usize)> {
        let wanted = References::of(certificate);
        if let Some((references, grounds, failures)) = &self.grounds
            && *references == wanted
        {
            return Ok((Arc::clone(grounds), *failures));
        }
        let grounds = Arc::new(self.check_references(certificate).await?);
        let failures = store::failures(self.db, grounds.policy_entry).await?.len();
        self.grounds = Some((wanted, Arc::clone(&grounds), failures));
        Ok((grounds, failures))
    }

    /// Rule F3: the certificate rests on entries of this log, and on the newest catalog and policy.
    pub(super) async fn check_references(&mut self, certificate: &Certificate) -> Result<Grounds> {
        self.flush().await?;
        let refused = |what: &str| Error::Refused(format!("F3: {what}"));
        let Some(Body::Dataset(dataset)) = self.body(certificate.dataset).await? else {
            return Err(refused("the certificate's dataset is no dataset entry"));
        };
        if dataset.tables.is_some() {
            return Err(refused("the certificate's dataset is a part of one"));
        }
        if dataset.space != self.genesis.space || dataset.unit != certificate.unit {
            return Err(refused(
                "the certificate's unit is not the one of its dataset",
            ));
        }
        match self.body(certificate.snapshot).await? {
            Some(Body::Snapshot(snapshot)) if snapshot.dataset == dataset.dataset => {}
            _ => return Err(refused("the certificate's snapshot is none of its dataset")),
        }
        match self.body(certificate.catalog).await? {
            Some(Body::Catalog(catalog)) if catalog.dataset == dataset.dataset => {}
            _ => return Err(refused("the certificate's catalog is none of its dataset")),
        }
        let newest_catalog = store::newest_of(self.db, Kind::Catalog, &dataset.dataset).await?;
        let newest_catalog = newest_catalog.map(|stored| stored.index);
        let Some((newest_policy, policy)) = self.policy().await? else {
            return Err(refused("there is no policy"));
        };
        if newest_catalog != Some(certificate.catalog) || newest_policy != certificate.policy {
            return Err(Error::Stale);
        }
        Ok(Grounds {
            parts: self.parts().await?,
            dataset: dataset.dataset,
            policy,
            policy_entry: newest_policy,
        })
    }

    /// The tables of each part, as the newest entry of its name has them.
    pub(super) async fn parts(&mut self) -> Result<BTreeMap<String, Vec<String>>> {
        let mut parts = BTreeMap::new();
        for stored in store::all_of(self.db, Kind::Dataset).await? {
            if let Body::Dataset(Dataset {
                dataset,
                tables: Some(tables),
                ..
            }) = stored.entry.body
            {
                parts.insert(dataset, tables);
            }
        }
        Ok(parts)
    }

    pub(super) async fn body(&mut self, index: EntryIndex) -> Result<Option<Body>> {
        if let Some(bytes) = self.buffer.entry(index) {
            let entry = Entry::decode(bytes).map_err(|_| Error::Bug("an entry that is none"))?;
            return Ok(Some(entry.body));
        }
        Ok(store::entry(self.db, index)
            .await?
            .map(|stored| stored.entry.body))
    }
}
