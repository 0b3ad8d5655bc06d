//! The Merkle tree of RFC 6962 §2.1: hashes, the growing right edge, inclusion and consistency.
//!
//! Perfect subtrees never change once they are full, so the store keeps each as a node (level, position): level 0 is the leaves, and
//! the node at `position` of `level` covers the leaves from `position · 2^level` up to the next multiple.

use salus_certificate::Hash;
use sha2::{Digest, Sha256};

/// The hash of an entry's bytes.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0x00])
        .chain_update(entry)
        .finalize()
        .into()
}

/// The hash of two neighbours.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([0x01])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The root of the tree without leaves.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// Address of a perfect subtree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node {
    pub(crate) level: u32,
    pub(crate) position: u64,
}

/// The roots of the perfect subtrees at the right edge, largest first: all that is needed to grow the tree and to know its root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The edge of a tree of `size` leaves; `peaks` are the hashes of [`peaks`] in that order.
    pub(crate) fn new(size: u64, peaks: Vec<Hash>) -> Self {
        Self { size, peaks }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf and returns every node that is complete with it, the leaf first.
    pub(crate) fn append(&mut self, leaf: Hash) -> Vec<(Node, Hash)> {
        let mut node = Node {
            level: 0,
            position: self.size,
        };
        let mut hash = leaf;
        let mut completed = vec![(node, hash)];
        while node.position & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            node = Node {
                level: node.level.saturating_add(1),
                position: node.position >> 1,
            };
            completed.push((node, hash));
        }
        self.peaks.push(hash);
        self.size = self.size.saturating_add(1);
        completed
    }

    pub(crate) fn root(&self) -> Hash {
        fold(&self.peaks)
    }
}

/// The root over perfect subtrees that stand side by side, largest first.
pub(crate) fn fold(hashes: &[Hash]) -> Hash {
    let mut hashes = hashes.iter().rev();
    match hashes.next() {
        None => empty_root(),
        Some(last) => hashes.fold(*last, |right, left| node_hash(left, &right)),
    }
}

/// The perfect subtrees of a tree of `size` leaves, largest first.
pub(crate) fn peaks(size: u64) -> Vec<Node> {
    subtrees(0, size)
}

/// The perfect subtrees of the leaves from `first`, `count` of them. `first` is a multiple of the largest.
fn subtrees(mut first: u64, mut count: u64) -> Vec<Node> {
    let mut nodes = Vec::new();
    while let Some(level) = count.checked_ilog2() {
        let leaves = 1_u64 << level;
        nodes.push(Node {
            level,
            position: first >> level,
        });
        first = first.saturating_add(leaves);
        count ^= leaves;
    }
    nodes
}

/// The audit path of leaf `index` in a tree of `size` leaves, from the leaf upwards. Each element is the [`fold`] of its nodes.
/// Empty if there is no such leaf.
pub(crate) fn inclusion_path(index: u64, size: u64) -> Vec<Vec<Node>> {
    let mut path = Vec::new();
    let (mut first, mut count) = (0_u64, size);
    if index >= size {
        return path;
    }
    // RFC 6962 §2.1.1: split at the largest power of two below `count`, descend, and keep the other side.
    while let Some(level) = count.checked_sub(1).and_then(u64::checked_ilog2) {
        let left = 1_u64 << level;
        let middle = first.saturating_add(left);
        let right = count.saturating_sub(left);
        if index < middle {
            path.push(subtrees(middle, right));
            count = left;
        } else {
            path.push(subtrees(first, left));
            (first, count) = (middle, right);
        }
    }
    path.reverse();
    path
}

/// The proof that a tree of `new` leaves begins with one of `old` leaves (RFC 6962 §2.1.2). Each element is the [`fold`] of its nodes. Empty
/// where there is nothing to show: from the empty tree, or to itself, or from a larger one.
pub(crate) fn consistency_path(old: u64, new: u64) -> Vec<Vec<Node>> {
    let mut path = Vec::new();
    if old == 0 || old >= new {
        return path;
    }
    let (mut first, mut count, mut old) = (0_u64, new, old);
    // Whether the old tree is a subtree at the left edge, whose root the verifier has.
    let mut at_edge = true;
    while old < count {
        let Some(level) = count.checked_sub(1).and_then(u64::checked_ilog2) else {
            break;
        };
        let left = 1_u64 << level;
        let middle = first.saturating_add(left);
        if old <= left {
            path.push(subtrees(middle, count.saturating_sub(left)));
            count = left;
        } else {
            path.push(subtrees(first, left));
            (first, count) = (middle, count.saturating_sub(left));
            old = old.saturating_sub(left);
            at_edge = false;
        }
    }
    if !at_edge {
        path.push(subtrees(first, count));
    }
    path.reverse();
    path
}

/// Whether `proof` shows that the tree of `size` leaves with `root` has `leaf` at `index` (RFC 9162 §2.1.3.2).
pub fn verify_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut index, mut last) = (index, size.saturating_sub(1));
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if index & 1 == 1 || index == last {
            hash = node_hash(sibling, &hash);
            while index & 1 == 0 && index != 0 {
                (index, last) = (index >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (index, last) = (index >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree of `new_size` leaves with `new_root` begins with the one of `old_size` leaves with `old_root`
/// (RFC 9162 §2.1.4.2). That a tree begins with the empty one says nothing, so no proof shows it.
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
    let (mut old, mut new) = (old_size.saturating_sub(1), new_size.saturating_sub(1));
    while old & 1 == 1 {
        (old, new) = (old >> 1, new >> 1);
    }
    // A tree that is one perfect subtree is its own first element, and the proof leaves it out.
    let mut rest = proof.iter();
    let first = if old_size.is_power_of_two() {
        Some(old_root)
    } else {
        rest.next()
    };
    let Some(first) = first else { return false };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in rest {
        if new == 0 {
            return false;
        }
        if old & 1 == 1 || old == new {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while old & 1 == 0 && old != 0 {
                (old, new) = (old >> 1, new >> 1);
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        (old, new) = (old >> 1, new >> 1);
    }
    new == 0 && old_hash == *old_root && new_hash == *new_root
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 §2.1 word by word.
    fn definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let left = 1 << (leaves.len() - 1).ilog2();
                node_hash(&definition(&leaves[..left]), &definition(&leaves[left..]))
            }
        }
    }

    #[test]
    fn growing_tree_has_the_root_of_the_definition_and_proves_every_leaf() {
        let mut frontier = Frontier::default();
        let mut nodes = std::collections::BTreeMap::new();
        let mut leaves = Vec::new();
        for size in 1..=70_u64 {
            let leaf = leaf_hash(&size.to_be_bytes());
            leaves.push(leaf);
            nodes.extend(frontier.append(leaf));
            let root = frontier.root();
            assert_eq!(root, definition(&leaves));

            let stored = peaks(size).iter().map(|node| nodes[node]).collect();
            assert_eq!(Frontier::new(size, stored), frontier);

            for old in 1..=size {
                let proof: Vec<Hash> = consistency_path(old, size)
                    .iter()
                    .map(|parts| fold(&parts.iter().map(|node| nodes[node]).collect::<Vec<_>>()))
                    .collect();
                let before = definition(&leaves[..usize::try_from(old).unwrap()]);
                assert!(verify_consistency(old, size, &before, &root, &proof));
                assert!(!verify_consistency(old, size, &root, &before, &proof) || old == size);
            }
            for (index, leaf) in (0..).zip(&leaves) {
                let path = inclusion_path(index, size);
                let proof: Vec<Hash> = path
                    .iter()
                    .map(|parts| fold(&parts.iter().map(|node| nodes[node]).collect::<Vec<_>>()))
                    .collect();
                assert!(verify_inclusion(index, size, leaf, &proof, &root));
                assert!(!verify_inclusion(
                    index,
                    size,
                    &root,
                    &proof,
                    &leaf_hash(b"other")
                ));
            }
        }
        assert_eq!(nodes.keys().filter(|node| node.level == 0).count(), 70);
    }

    #[test]
    fn there_is_no_path_to_a_leaf_outside() {
        assert!(inclusion_path(5, 5).is_empty());
        assert!(inclusion_path(0, 0).is_empty());
    }
}
