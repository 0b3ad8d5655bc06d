//! What a transaction is given, what it rests on, and what it gives.

use std::collections::{BTreeMap, BTreeSet};

use salus_accounting::Loss;
use salus_certificate::{Certificate, EntryIndex, Hash};
use sha2::{Digest as _, Sha256};

use crate::commitment::Opening;
use crate::entry::Policy;
use crate::error::Result;
use crate::merkle::inclusion_path;
use crate::receipt;
use crate::store::{self, Session};

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

/// A reservation whose price and commitments have been worked out, ready to be decided on.
pub(crate) struct Draft {
    pub(crate) principal: String,
    pub(crate) roles: Vec<String>,
    pub(crate) purpose: String,
    pub(crate) question: Opening,
    pub(crate) plan: Opening,
    pub(crate) keys: Opening,
    /// With the commitment to the keys filled in.
    pub(crate) certificate: Certificate,
    /// What `Certificate::price` said.
    pub(crate) loss: Loss,
    /// Digest of her key for the request.
    pub(crate) retry: Option<Hash>,
}

impl Draft {
    /// The same for the same plan over the same keys.
    pub(crate) fn fingerprint(&self) -> Hash {
        let mut hash = Sha256::new();
        hash.update(b"salus/plan/v1");
        hash.update((self.plan.content.len() as u64).to_be_bytes());
        hash.update(&self.plan.content);
        hash.update(&self.keys.content);
        hash.finalize().into()
    }
}

/// A release that is in the log but whose checkpoint is not signed yet.
pub(crate) struct Released {
    pub(crate) index: EntryIndex,
    pub(super) bytes: Vec<u8>,
    pub(super) answer: Opening,
    /// The REUSE entry and the reserve that once paid, where it is given once more.
    pub(crate) reused: Option<(EntryIndex, EntryIndex)>,
}

impl Released {
    pub(crate) fn answer(&self) -> &[u8] {
        &self.answer.content
    }

    /// The receipt against the signed `note` of the first `size` entries.
    pub(crate) async fn receipt(
        &self,
        db: &mut dyn Session,
        size: u64,
        note: &[u8],
    ) -> Result<String> {
        let mut proof = Vec::new();
        for nodes in inclusion_path(self.index.0, size) {
            proof.push(store::fold_nodes(db, &nodes).await?);
        }
        let (bytes, index) = (&self.bytes, self.index.0);
        Ok(receipt::write(bytes, index, &self.answer, &proof, note))
    }
}
