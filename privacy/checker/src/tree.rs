//! The Merkle tree of RFC 6962 §2.1, and the proofs of RFC 9162 §2.1.3 and §2.1.4 over it.

use sha2::{Digest, Sha256};

/// A SHA-256.
pub type Hash = [u8; 32];

/// `SHA-256(0x00 || entry)`.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(entry)
        .finalize()
        .into()
}

/// `SHA-256(0x01 || left || right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The right edge of a growing tree: one perfect subtree per set bit of the size, largest first.
#[derive(Debug, Clone, Default)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<Hash>,
}

impl Frontier {
    /// Number of leaves so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends one leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut right = leaf;
        // Each trailing one bit of the old size is a subtree that the new leaf completes.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                right = node_hash(&left, &right);
            }
        }
        self.subtrees.push(right);
        self.size = self.size.saturating_add(1);
    }

    /// The root over the leaves so far; of no leaves the hash of the empty string.
    pub fn root(&self) -> Hash {
        let mut subtrees = self.subtrees.iter().rev();
        match subtrees.next() {
            None => Sha256::digest([]).into(),
            Some(last) => subtrees.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}

/// The roots over the first so many of these hashes, for sizes in ascending order, in one pass; `None` beyond the end
/// or a hash that is missing.
pub(crate) fn roots_at(
    sizes: impl Iterator<Item = u64>,
    hashes: impl Iterator<Item = Option<Hash>>,
) -> Vec<Option<Hash>> {
    // Nothing is known beyond the first gap.
    let mut hashes = hashes.map_while(|hash| hash).fuse();
    let mut tree = Frontier::default();
    sizes
        .map(|size| {
            while tree.size() < size {
                tree.push(hashes.next()?);
            }
            Some(tree.root())
        })
        .collect()
}

/// True if `proof` shows that `leaf` is leaf number `index` of the tree with `size` leaves and this root.
///
/// Source: RFC 9162 §2.1.3.2.
pub fn verify_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last) = (index, size.saturating_sub(1));
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// True if `proof` shows that the tree of `new_size` leaves begins with the tree of `old_size` leaves:
/// for an auditor who kept an earlier checkpoint and is not given the entries. Nothing follows from
/// an empty tree, so `old_size` 0 is never consistent.
///
/// Source: RFC 9162 §2.1.4.2.
pub fn verify_consistency(
    old_size: u64,
    new_size: u64,
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> bool {
    if old_size == 0 || old_size > new_size {
        return false;
    }
    if old_size == new_size {
        return proof.is_empty() && old_root == new_root;
    }
    let (mut node, mut last) = (old_size.saturating_sub(1), new_size.saturating_sub(1));
    let shift = node.trailing_ones();
    node >>= shift;
    last >>= shift;
    let mut rest = proof.iter();
    // An old tree that is one perfect subtree is its own starting point and not repeated in the proof.
    let start = if old_size.is_power_of_two() {
        Some(old_root)
    } else {
        rest.next()
    };
    let Some(start) = start else { return false };
    let (mut old, mut new) = (*start, *start);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old == *old_root && new == *new_root
}
