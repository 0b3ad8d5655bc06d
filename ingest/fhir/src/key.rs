//! Opaque names of rows: 63 bits of SHA-256 over source, type and id.

use sha2::{Digest, Sha256};

/// Derives row ids for one source, so that equal ids of two servers do not meet.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    prefix: Sha256,
}

impl Keys {
    pub(crate) fn new(source: &str) -> Self {
        let mut prefix = Sha256::new();
        prefix.update(b"salus-fhir row id 1\0");
        prefix.update(source);
        prefix.update([0]);
        Self { prefix }
    }

    /// The row id of the resource `kind/id`.
    pub(crate) fn row(&self, kind: &str, id: &str) -> i64 {
        let digest = self
            .prefix
            .clone()
            .chain_update(kind)
            .chain_update([0])
            .chain_update(id)
            .finalize();
        leading_63_bits(&digest)
    }

    /// The row id of the part numbered `index` of `kind/id`.
    pub(crate) fn part(&self, kind: &str, id: &str, index: u64) -> i64 {
        let whole = self
            .prefix
            .clone()
            .chain_update(kind)
            .chain_update([0])
            .chain_update(id);
        let digest = whole
            .chain_update([0])
            .chain_update(index.to_be_bytes())
            .finalize();
        leading_63_bits(&digest)
    }
}

/// 128 bits of a hash of `parts`, told apart by their lengths.
pub(crate) fn fingerprint(parts: &[&str]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hash.finalize()[..16]);
    short
}

fn leading_63_bits(digest: &[u8]) -> i64 {
    let bits = digest
        .iter()
        .take(8)
        .fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    i64::try_from(bits >> 1).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_depend_on_source_type_and_id() {
        let keys = Keys::new("a");
        let all = [
            keys.row("Encounter", "1"),
            keys.row("Condition", "1"),
            keys.row("Encounter", "2"),
            Keys::new("b").row("Encounter", "1"),
            keys.part("Observation", "1", 0),
            keys.part("Observation", "1", 1),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert!(all.iter().all(|id| *id >= 0));
        assert_eq!(
            keys.row("Encounter", "1"),
            Keys::new("a").row("Encounter", "1")
        );
        assert_ne!(fingerprint(&["ab", "c"]), fingerprint(&["a", "bc"]));
    }
}
