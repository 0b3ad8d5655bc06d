//! What a transaction is given, and what it gives.

use salus_accounting::Loss;
use salus_certificate::{Certificate, EntryIndex, Hash};
use sha2::{Digest as _, Sha256};

use crate::commitment::Opening;
use crate::error::Result;
use crate::merkle::inclusion_path;
use crate::receipt;
use crate::store::{self, Session};

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
