//! A log with a restricted log, both written from the format's page.

use std::collections::BTreeMap;

use salus_checker::{Evidence, Restricted};
use sha2::{Digest, Sha256};

use super::Item::{Bytes, Uint};
use super::{
    Item, Log, ORIGIN, checkpoint, dataset, entry, genesis, hash, key, map, refuse, root,
    signing_key, text,
};

/// A day: so long that a second more or less is the same tick here, and twice as much is not.
pub const EVERY: u64 = 86_400;
/// Time of the entries that [`entry`] makes.
pub const NOW: u64 = 1_790_000_000;
pub const SECOND: &str = "salus.example/county/restricted";

pub fn at(mut entry: Item, time: u64) -> Item {
    *entry.at("time") = Uint(time);
    entry
}

/// An anchor with the opening that goes with its index.
pub fn anchor(time: u64, opening: &[u8]) -> Item {
    let committed = Sha256::digest([b"salus/commitment/v1\0", opening].concat());
    let body = map([
        ("tick", Uint(time / EVERY)),
        ("checkpoint", Bytes(committed.to_vec())),
    ]);
    at(entry("anchor", body), time)
}

pub fn opening(origin: &str, log: &str) -> Item {
    entry(
        "opening",
        map([("origin", text(origin)), ("log", text(log))]),
    )
}

pub fn access(kind: &str) -> Item {
    let mut body = map([
        ("principal", text("s-1")),
        ("role", text("physician")),
        ("purpose", text("ETREAT")),
        ("persons", hash("persons")),
        ("columns", hash("columns")),
    ]);
    if let (Item::Map(pairs), "breakglass") = (&mut body, kind) {
        pairs.push(("justification".to_owned(), hash("why")));
    }
    entry(kind, body)
}

pub fn followup(breakglass: u64, outcome: &str) -> Item {
    let body = map([
        ("breakglass", Uint(breakglass)),
        ("principal", text("o-1")),
        ("outcome", text(outcome)),
        ("note", hash("note")),
    ]);
    entry("followup", body)
}

pub fn change(kind: &str, act: Option<&str>) -> Item {
    let mut body = map([
        ("principal", text("s-1")),
        ("persons", hash("persons")),
        ("detail", hash("detail")),
    ]);
    if let (Item::Map(pairs), Some(act)) = (&mut body, act) {
        pairs.push(("act".to_owned(), text(act)));
    }
    entry(kind, body)
}

/// Both logs, and how many entries of the restricted one each anchor is of.
#[derive(Clone)]
pub struct Pair {
    pub first: Log,
    pub second: Log,
    /// Index of the anchor and size.
    pub anchored: Vec<(usize, usize)>,
}

impl Pair {
    /// All kinds of the restricted log; anchors at three ticks.
    pub fn sample() -> Pair {
        let second = vec![
            opening(SECOND, ORIGIN),
            key(&signing_key(1)),
            access("access"),
            access("breakglass"), // 3
            followup(3, "open"),
            change("expunge", None),
            change("consent", Some("deny")),
            change("consent", Some("permit")),
            followup(3, "justified"),
            change("linkage", Some("merge")),
            change("linkage", Some("split")),
            change("alert", None),
            access("breakglass"), // 12
        ];
        let mut began = genesis();
        if let Item::Map(pairs) = began.at("body") {
            pairs.push(("restricted".to_owned(), Uint(EVERY)));
        }
        let first = vec![
            began,
            key(&signing_key(1)),
            refuse(), // an anchor, when signed
            dataset("ehr"),
            refuse(), // an anchor
            at(refuse(), NOW + EVERY),
            refuse(), // an anchor
            at(refuse(), NOW + 9 * EVERY),
        ];
        let log = |entries: Vec<Item>| Log {
            sizes: vec![2, entries.len()],
            rotated: usize::MAX,
            entries,
        };
        let mut pair = Pair {
            first: log(first),
            second: log(second),
            anchored: vec![(2, 2), (4, 6), (6, 13)],
        };
        let times = [NOW, NOW + EVERY, NOW + 9 * EVERY];
        for ((at, size), time) in pair.anchored.clone().into_iter().zip(times) {
            pair.first.entries[at] = anchor(time, &pair.opened(size));
        }
        pair
    }

    /// The salt and the checkpoint of the first entries of the restricted log.
    pub fn opened(&self, size: usize) -> Vec<u8> {
        let leaves = self.second.leaves();
        let size = size.min(leaves.len());
        let note = checkpoint(SECOND, size, root(&leaves[..size]), &signing_key(1));
        [&[size.to_be_bytes()[7]; 32][..], &note].concat()
    }

    pub fn evidence(&self) -> (Evidence, Restricted) {
        let anchors: BTreeMap<u64, Vec<u8>> = self
            .anchored
            .iter()
            .map(|(at, size)| (*at as u64, self.opened(*size)))
            .collect();
        let log = self.second.evidence_by(SECOND, 0);
        (self.first.evidence(), Restricted { log, anchors })
    }
}
