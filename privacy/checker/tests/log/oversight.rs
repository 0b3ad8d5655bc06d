//! Officers, what they approve, and keys that endorse each other: written, and signed over their statements.

use std::sync::OnceLock;

use ed25519_dalek::Signer;

use super::Item::{self, Array, Bytes, False, Map, True, Uint};
use super::{
    DELTA, Log, ORIGIN, SPACE, catalog, dataset, entry, genesis, hash, key, loss, map, policy,
    release, reserve, root, signing_key, snapshot, text,
};

/// Seconds at which every entry of the tests is entered.
pub const NOW: u64 = 1_790_000_000;
pub const CAP: (u64, u128) = (10 << 40, 1 << 60);
/// The caps of the two grants.
pub const GRANTED: (u64, u128) = (CAP.0 + 7, CAP.1 + 7);
pub const MORE: (u64, u128) = (CAP.0 + 8, CAP.1 + 8);
pub const CEILING: (u64, u128) = (20 << 40, 1 << 70);

/// Keys of the officers: named by the log's key, named by those two, and never asked.
pub const DPO: u8 = 11;
pub const CISO: u8 = 12;
pub const IRB: u8 = 13;
pub const DEPUTY: u8 = 14;

pub fn public(seed: u8) -> Item {
    Bytes(signing_key(seed).verifying_key().to_bytes().to_vec())
}

fn fields(item: &mut Item) -> &mut Vec<(String, Item)> {
    match item {
        Map(pairs) => pairs,
        _ => panic!("no map"),
    }
}

/// The field of the body, which it may lack.
pub fn set(entry: &mut Item, name: &str, value: Option<Item>) {
    let pairs = fields(entry.at("body"));
    pairs.retain(|(key, _)| key != name);
    pairs.extend(value.map(|value| (name.to_owned(), value)));
}

/// What is signed of an entry.
pub fn statement(origin: &str, entry: &Item) -> Vec<u8> {
    let mut entry = entry.clone();
    set(&mut entry, "signature", None);
    set(&mut entry, "approvals", None);
    set(&mut entry, "totals", None);
    let (kind, body) = (entry.at("kind").clone(), entry.at("body").clone());
    let item = map([("origin", text(origin)), ("kind", kind), ("body", body)]);
    [b"salus/statement/v1\0".to_vec(), item.encode()].concat()
}

fn signature(seed: u8, statement: &[u8]) -> Item {
    Bytes(signing_key(seed).sign(statement).to_bytes().to_vec())
}

pub fn approval(seed: u8, statement: &[u8]) -> Item {
    map([
        ("officer", public(seed)),
        ("signature", signature(seed, statement)),
    ])
}

/// The approvals of these officers over a statement, in the order that the format asks for.
pub fn approvals(by: &[u8], statement: &[u8]) -> Item {
    let mut by = by.to_vec();
    by.sort_by_key(|seed| signing_key(*seed).verifying_key().to_bytes());
    Array(by.iter().map(|seed| approval(*seed, statement)).collect())
}

pub fn approved(mut entry: Item, by: &[u8]) -> Item {
    let statement = statement(ORIGIN, &entry);
    let approvals = approvals(by, &statement);
    set(
        &mut entry,
        "approvals",
        (!by.is_empty()).then_some(approvals),
    );
    entry
}

/// The second key of a log, endorsed by the first.
pub fn endorsed(new: u8, by: u8) -> Item {
    let mut entry = key(&signing_key(new));
    let signature = signature(by, &statement(ORIGIN, &entry));
    set(&mut entry, "signature", Some(signature));
    entry
}

pub fn officer(seed: u8, name: &str, active: bool, by: &[u8]) -> Item {
    let active = if active { True } else { False };
    let body = map([
        ("public", public(seed)),
        ("name", text(name)),
        ("active", active),
    ]);
    approved(entry("officer", body), by)
}

pub fn grant(old: (u64, u128), new: (u64, u128), nonce: u8, by: &[u8]) -> Item {
    let body = map([
        ("scope", text(&format!("space:{SPACE}"))),
        ("old", loss(old.0, old.1)),
        ("new", loss(new.0, new.1)),
        ("nonce", Bytes(vec![nonce; 16])),
        ("expires", Uint(NOW + 60)),
        ("reason", hash("reason")),
    ]);
    approved(entry("grant", body), by)
}

pub fn review(from: u64, to: u64, root: [u8; 32], by: &[u8]) -> Item {
    let body = map([
        ("principal", text("r1")),
        ("from", Uint(from)),
        ("to", Uint(to)),
        ("root", Bytes(root.to_vec())),
        ("note", hash("seen")),
    ]);
    approved(entry("review", body), by)
}

/// The purse goes from `before` to `before` and `more`.
pub fn incident(
    reserve: u64,
    cap: (u64, u128),
    before: (u64, u128),
    more: (u64, u128),
    by: &[u8],
) -> Item {
    let after = (before.0 + more.0, before.1 + more.1);
    let account = map([
        ("scope", text(&format!("space:{SPACE}"))),
        ("cap", loss(cap.0, cap.1)),
        ("before", loss(before.0, before.1)),
        ("after", loss(after.0, after.1)),
    ]);
    let body = map([
        ("reserve", Uint(reserve)),
        ("loss", loss(more.0, more.1)),
        ("note", hash("what happened")),
        ("accounts", Array(vec![account])),
    ]);
    approved(entry("incident", body), by)
}

impl Log {
    /// The root over the first `size` entries.
    pub fn root_of(&self, size: usize) -> [u8; 32] {
        root(&self.leaves()[..size])
    }

    pub fn push_review(&mut self, from: u64, to: u64, by: &[u8]) -> u64 {
        let root = self.root_of(usize::try_from(to).unwrap() + 1);
        self.push(review(from, to, root, by))
    }

    /// The purse after the last entry that charged it, in rho and delta.
    pub fn purse(&self) -> (u64, u128) {
        let rho = |item: &Item| match item {
            Uint(rho) => *rho,
            _ => 0,
        };
        let delta = |item: &Item| match item {
            Bytes(bytes) => bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u128::from(*byte)),
            _ => 0,
        };
        let after = self.entries.iter().rev().find_map(|entry| {
            let mut entry = entry.clone();
            let charges = ["reserve", "incident"].map(text).contains(entry.at("kind"));
            charges.then(|| {
                let after = entry.at("body.accounts.0.after");
                (rho(after.at("rho")), delta(after.at("delta")))
            })
        });
        after.unwrap_or_default()
    }

    /// One more reserve, under this cap, and its release.
    pub fn push_reserve(&mut self, cap: (u64, u128)) -> u64 {
        let before = self.purse();
        let mut spent = before.0;
        let mut entry = reserve([2, 5, 3, 4], &mut spent);
        let account = entry.at("body.accounts.0");
        *account.at("cap") = loss(cap.0, cap.1);
        // The sample counts reserves to know their delta; incidents are none.
        *account.at("before.delta") = super::delta(before.1);
        *account.at("after.delta") = super::delta(before.1 + DELTA);
        let reserve = self.push(entry);
        self.push(release(reserve));
        reserve
    }

    /// A short log with a key rotation, and officers from entry 10 on: two whom the log's key names, two whom they name, and
    /// one who goes; two grants, a reserve under each, incidents and reviews with approvals and without.
    pub fn with_oversight() -> Log {
        let mut spent = 0;
        let mut log = Log {
            entries: vec![
                genesis(),
                key(&signing_key(1)),
                dataset("ehr"),
                catalog("ehr", 1),
                policy(1, 1 << 40),
                snapshot("ehr", 1),
                reserve([2, 5, 3, 4], &mut spent), // 6
                reserve([2, 5, 3, 4], &mut spent), // 7
                release(6),                        // 8
                endorsed(2, 1),                    // 9
            ],
            rotated: 9,
            sizes: vec![9, 10],
        };
        log.push(officer(DPO, "dpo", true, &[])); // 10
        log.push(officer(CISO, "ciso", true, &[])); // 11
        log.push(officer(IRB, "irb", true, &[DPO, CISO])); // 12
        log.push(grant(CAP, GRANTED, 0, &[DPO, IRB])); // 13
        log.push_reserve(GRANTED); // 14, 15
        log.push_review(0, 15, &[IRB]); // 16
        log.push(incident(6, GRANTED, log.purse(), (5, 9), &[CISO])); // 17
        log.push(officer(DEPUTY, "deputy", true, &[CISO, IRB])); // 18
        log.push(officer(DPO, "dpo", false, &[DPO, IRB])); // 19
        log.push(grant(GRANTED, MORE, 1, &[CISO, IRB])); // 20
        log.push(incident(14, MORE, log.purse(), (1, 0), &[])); // 21
        log.push_review(16, 21, &[]); // 22
        log.push_reserve(MORE); // 23, 24
        log
    }

    /// Roots of reviews, signatures of keys and approvals made anew for the entries as they are, as those who signed
    /// them would have. Of `changed` the root stays as it was, and where a signature was changed so do its signatures.
    pub fn signed_anew(&mut self, changed: usize, a_signature: bool) {
        static SEEDS: OnceLock<Vec<(Item, u8)>> = OnceLock::new();
        let origin = match self.entries[0].at("body.origin") {
            Item::Text(origin) => origin.clone(),
            _ => return,
        };
        let seeds = SEEDS.get_or_init(|| (1..=30_u8).map(|seed| (public(seed), seed)).collect());
        let seed = |key: &Item| {
            seeds
                .iter()
                .find(|(public, _)| public == key)
                .map(|(_, seed)| *seed)
        };
        let mut key_before = None;
        let signed = [
            "genesis", "key", "officer", "grant", "review", "incident", "seal",
        ]
        .map(text);
        for index in 0..self.entries.len() {
            let kind = self.entries[index].at("kind").clone();
            if !signed.contains(&kind) {
                continue;
            }
            let mut entry = self.entries[index].clone();
            if kind == text("review")
                && index != changed
                && let Uint(to) = *entry.at("body.to")
            {
                let size = usize::try_from(to).unwrap() + 1;
                *entry.at("body.root") = Bytes(self.root_of(size).to_vec());
            }
            let statement = statement(&origin, &entry);
            let keep = a_signature && index == changed;
            if kind == text("key") {
                let has = matches!(entry.at("body"), Map(pairs) if pairs.iter().any(|(name, _)| name == "signature"));
                if let (true, false, Some(before)) = (has, keep, key_before) {
                    *entry.at("body.signature") = signature(before, &statement);
                }
                key_before = seed(entry.at("body.public")).or(key_before);
            }
            if let Map(pairs) = entry.at("body")
                && let Some((_, Array(approvals))) =
                    pairs.iter_mut().find(|(name, _)| name == "approvals")
                && !keep
            {
                for approval in approvals {
                    if let Some(seed) = seed(approval.at("officer")) {
                        *approval.at("signature") = signature(seed, &statement);
                    }
                }
            }
            self.entries[index] = entry;
        }
    }
}
