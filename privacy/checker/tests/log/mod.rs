//! A small ledger writer for the tests, written from the format's page: encoder, tree, signer. It shares nothing
//! with the checker, so that an error in one of them shows.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

mod entries;
mod item;
pub mod limits;
pub mod oversight;
pub mod restricted;
mod signed;
pub mod succession;
pub mod windows;
pub mod witnesses;

use ed25519_dalek::SigningKey;
use salus_checker::Evidence;

use Item::{Bytes, Uint};
pub use entries::*;
pub use item::*;
pub use signed::*;

pub const ORIGIN: &str = "salus.example/county";
pub const SPACE: &str = "county";
pub const UNIT: u128 = 1 << 40;

/// A log and how it is to be signed.
#[derive(Clone)]
pub struct Log {
    pub entries: Vec<Item>,
    /// Index of the key entry from which on the second key signs.
    pub rotated: usize,
    /// Sizes at which a checkpoint is signed; its last is the whole log.
    pub sizes: Vec<usize>,
}

impl Log {
    /// Two datasets, all kinds, a key rotation; every citable entry is cited.
    pub fn sample() -> Log {
        let mut spent = 0;
        let most = 1 << 40;
        let entries = vec![
            genesis(),
            key(&signing_key(1)),
            dataset("ehr"),
            dataset("claims"),
            catalog("ehr", 1),
            catalog("claims", 1),
            policy(1, most),
            snapshot("ehr", 1),
            snapshot("ehr", 2),
            snapshot("claims", 1),
            reserve([2, 7, 4, 6], &mut spent),   // 10
            release(10),                         // 11
            reserve([3, 9, 5, 6], &mut spent),   // 12
            refuse(),                            // 13
            policy(2, most),                     // 14
            catalog("ehr", 2),                   // 15
            oversight::endorsed(2, 1),           // 16
            reserve([2, 8, 15, 14], &mut spent), // 17
            reserve([2, 8, 15, 14], &mut spent), // 18
            abort(18, "failed"),                 // 19
            reserve([2, 8, 15, 14], &mut spent), // 20
            reserve([3, 9, 5, 14], &mut spent),  // 21
            release(21),                         // 22
        ];
        let sizes = vec![12, entries.len()];
        Log {
            entries,
            rotated: 16,
            sizes,
        }
    }

    /// The same with a checkpoint for each entry, as a log without group commit would have.
    pub fn with_all_checkpoints(mut self) -> Log {
        self.sizes = (2..=self.entries.len()).collect();
        self
    }

    /// Running total in rho at the end.
    pub fn spent(&self) -> u64 {
        let after = self.entries.iter().rev().find_map(|entry| {
            let mut entry = entry.clone();
            (*entry.at("kind") == text("reserve"))
                .then(|| entry.at("body.accounts.0.after.rho").clone())
        });
        match after {
            Some(Uint(rho)) => rho,
            _ => 0,
        }
    }

    pub fn push(&mut self, entry: Item) -> u64 {
        self.entries.push(entry);
        *self.sizes.last_mut().unwrap() = self.entries.len();
        self.entries.len() as u64 - 1
    }

    pub fn signer(&self, size: usize) -> SigningKey {
        self.signer_of(size, 0)
    }

    fn signer_of(&self, size: usize, keys: u8) -> SigningKey {
        signing_key(keys + if size > self.rotated { 2 } else { 1 })
    }

    pub fn leaves(&self) -> Vec<[u8; 32]> {
        self.entries
            .iter()
            .map(|entry| leaf(&entry.encode()))
            .collect()
    }

    /// Encoded, hashed and signed afresh.
    pub fn evidence(&self) -> Evidence {
        self.evidence_by(ORIGIN, 0)
    }

    /// The same under another name, by the keys after this number.
    pub fn evidence_by(&self, origin: &str, keys: u8) -> Evidence {
        let leaves = self.leaves();
        let checkpoints = self
            .sizes
            .iter()
            .map(|&size| {
                checkpoint(
                    origin,
                    size,
                    root(&leaves[..size]),
                    &self.signer_of(size, keys),
                )
            })
            .collect();
        Evidence {
            entries: self.entries.iter().map(Item::encode).collect(),
            leaves: Some(leaves),
            checkpoints,
            vkey: vkey(origin, &self.signer_of(self.entries.len(), keys)),
        }
    }

    /// The receipt of a release under the newest checkpoint.
    pub fn receipt(&self, index: usize) -> String {
        let leaves = self.leaves();
        let extra = map([
            ("answer", Bytes(ANSWER.to_vec())),
            ("entry", Bytes(self.entries[index].encode())),
            ("salt", Bytes(SALT.to_vec())),
        ]);
        let size = leaves.len();
        let note = checkpoint(ORIGIN, size, root(&leaves), &self.signer(size));
        receipt_text(&extra, index, &path(index, &leaves), &note)
    }
}
