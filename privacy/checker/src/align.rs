//! First half of rule T1: the leaf hashes that were stored are those of the bytes; what is missing or
//! too much is named and given its place, so that the indices of all other entries stay right.

use crate::ahead;
use crate::report::Finding;
use crate::tree::{Hash, leaf_hash};

/// The entries by index, with their hashes.
pub(crate) struct Aligned<'a> {
    /// `None` where the entry's bytes are missing.
    pub(crate) slots: Vec<Option<&'a [u8]>>,
    /// Hashes of the bytes.
    pub(crate) hashes: Vec<Option<Hash>>,
    /// Hashes as stored, one per slot, where they are of use.
    pub(crate) stored: Option<&'a [Hash]>,
}

/// `claimed` is the largest size that a checkpoint states: it tells whether entries or leaf hashes are at fault
/// when their numbers differ.
pub(crate) fn align<'a>(
    entries: &'a [Vec<u8>],
    leaves: Option<&'a [Hash]>,
    claimed: Option<u64>,
    findings: &mut Vec<Finding>,
) -> Aligned<'a> {
    let mut slots: Vec<Option<&[u8]>> = entries
        .iter()
        .map(|bytes| Some(bytes.as_slice()).filter(|bytes| !bytes.is_empty()))
        .collect();
    let mut hashes: Vec<Option<Hash>> = Vec::with_capacity(slots.len());
    let hash = |_, bytes: &Vec<u8>| (!bytes.is_empty()).then(|| leaf_hash(bytes));
    ahead::in_order(entries, hash, |_, hash| hashes.push(hash));
    let Some(stored) = leaves else {
        return Aligned {
            slots,
            hashes,
            stored: None,
        };
    };
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let (here, there) = (hashes.len(), stored.len());
    if here != there && claimed == Some(count(here)) {
        let what = format!("{there} leaf hashes are stored for {here} entries");
        findings.push(Finding::at(count(here.min(there)), "T1", what));
        return Aligned {
            slots,
            hashes,
            stored: None,
        };
    }
    let same = |(hash, leaf): &(&Option<Hash>, &Hash)| hash.as_ref() == Some(*leaf);
    let prefix = hashes.iter().zip(stored).take_while(same).count();
    let suffix = hashes
        .iter()
        .rev()
        .zip(stored.iter().rev())
        .take_while(same)
        .count();
    let gap = here.abs_diff(there);
    // The difference is one block that was cut out or put in, or else it is taken to be the end.
    let one_block = prefix.saturating_add(suffix) >= here.min(there);
    let at = if one_block {
        prefix.min(here.min(there))
    } else {
        here.min(there)
    };
    let last = at.saturating_add(gap);
    if here < there {
        let what = format!("missing: {gap} from here have a leaf hash and no bytes");
        findings.push(Finding::at(count(at), "T1", what));
        slots.splice(at..at, std::iter::repeat_n(None, gap));
        hashes.splice(at..at, std::iter::repeat_n(None, gap));
    } else if here > there {
        let what = format!("extra: {gap} from here have bytes and no leaf hash");
        findings.push(Finding::at(count(at), "T1", what));
        slots.drain(at..last);
        hashes.drain(at..last);
    }
    let cut = if here < there { at..last } else { 0..0 };
    for (index, (hash, leaf)) in hashes.iter().zip(stored).enumerate() {
        if hash.as_ref() != Some(leaf) && !cut.contains(&index) {
            let what = "the bytes do not have the leaf hash that is stored";
            findings.push(Finding::at(count(index), "T1", what));
        }
    }
    Aligned {
        slots,
        hashes,
        stored: Some(stored),
    }
}
