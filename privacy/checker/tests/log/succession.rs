//! A log that ends, and one that goes on from it.

use salus_checker::Evidence;

use super::Item::{self, Array, Bytes, Uint};
use super::oversight::{
    CEILING, CISO, DEPUTY, IRB, MORE, NOW, approved, endorsed, grant, public, set,
};
use super::{
    DELTA, Log, ORIGIN, catalog, checkpoint, dataset, delta, entry, genesis, hash, key, limits,
    loss, map, release, reserve, root, signing_key, snapshot, text,
};

pub const OLD: &str = "salus.example/before";
pub const NEXT: &str = "salus.example/after";
/// Keys of the old log are those of these numbers and one or two more.
pub const OLD_KEYS: u8 = 20;
/// The first key of the log after this one.
pub const NEXT_KEY: u8 = 30;
const HERS: &str = "analyst:a7";

pub fn carried(scope: &str, spent: (u64, u128)) -> Item {
    map([("scope", text(scope)), ("spent", loss(spent.0, spent.1))])
}

/// A seal for this successor, with these totals, by two officers.
pub fn seal(
    (origin, successor): (&str, u8),
    cap: (u64, u128),
    spent: (u64, u128),
    limits: Vec<Item>,
) -> Item {
    let mut totals = map([
        ("cap", loss(cap.0, cap.1)),
        ("spent", loss(spent.0, spent.1)),
    ]);
    if let (Item::Map(pairs), false) = (&mut totals, limits.is_empty()) {
        pairs.push(("limits".to_owned(), Array(limits)));
    }
    let named = map([("origin", text(origin)), ("public", public(successor))]);
    let body = map([
        ("successor", named),
        ("expires", Uint(NOW + 60)),
        ("reason", hash("a new year")),
        ("totals", totals),
    ]);
    approved(entry("seal", body), &[CISO, IRB])
}

impl Log {
    /// One more reserve that the limit of the analyst counts, under this policy and cap, where it stood at `hers`.
    fn push_limited(
        &mut self,
        policy: u64,
        cap: (u64, u128),
        before: (u64, u128),
        hers: (u64, u128),
    ) {
        let mut spent = 0;
        let mut entry = reserve([2, 5, 3, policy], &mut spent);
        let account = |scope: &str, cap: (u64, u128), at: (u64, u128)| {
            map([
                ("scope", text(scope)),
                ("cap", loss(cap.0, cap.1)),
                ("before", loss(at.0, at.1)),
                ("after", loss(at.0 + spent, at.1 + DELTA)),
            ])
        };
        let purse = account("space:county", cap, before);
        *entry.at("body.accounts") = Array(vec![purse, account(HERS, limits::CAP, hers)]);
        let index = self.push(entry);
        self.push(release(index));
    }

    /// What the analyst's limit has let through.
    pub fn hers(&self) -> (u64, u128) {
        let after = self.entries.iter().rev().find_map(|entry| {
            let mut entry = entry.clone();
            let of_hers = *entry.at("kind") == text("reserve")
                && matches!(entry.at("body.accounts"), Array(all) if all.len() > 1);
            of_hers.then(|| entry.at("body.accounts.1.after").clone())
        });
        let mut after = after.unwrap_or_else(|| loss(0, 0));
        let rho = match after.at("rho") {
            Uint(rho) => *rho,
            _ => unreachable!(),
        };
        let delta = match after.at("delta") {
            Bytes(bytes) => bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u128::from(*byte)),
            _ => unreachable!(),
        };
        (rho, delta)
    }

    /// The log of officers under another name and keys, with a limit; not ended.
    pub fn old() -> Log {
        let mut log = Log::with_oversight();
        *log.entries[0].at("body.origin") = text(OLD);
        log.entries[1] = key(&signing_key(OLD_KEYS + 1));
        log.entries[9] = endorsed(OLD_KEYS + 2, OLD_KEYS + 1);
        let limit = limits::limit("analyst", None, None, limits::CAP);
        let policy = log.push(limits::policy(2, vec![limit])); // 25
        let (purse, hers) = (log.purse(), log.hers());
        log.push_limited(policy, MORE, purse, hers); // 26, 27
        log.signed_anew(usize::MAX, false);
        log
    }

    /// The same, ended.
    pub fn old_sealed() -> Log {
        let mut log = Log::old();
        let limits = vec![carried(HERS, log.hers())];
        log.push(seal((ORIGIN, 1), MORE, log.purse(), limits)); // 28
        log.signed_anew(usize::MAX, false);
        log
    }

    pub fn old_evidence(&self) -> Evidence {
        self.evidence_by(OLD, OLD_KEYS)
    }

    /// What the next log says of this one: all of it, or that these first entries were read.
    pub fn left(&self, read: Option<u64>) -> Item {
        let size = self.entries.len();
        let note = checkpoint(OLD, size, root(&self.leaves()), &signing_key(OLD_KEYS + 2));
        let mut heirs = [(CISO, "ciso"), (IRB, "irb"), (DEPUTY, "deputy")];
        heirs.sort_by_key(|(seed, _)| signing_key(*seed).verifying_key().to_bytes());
        let heirs = heirs.map(|(seed, name)| map([("public", public(seed)), ("name", text(name))]));
        let spent = self.purse();
        let mut left = map([
            ("origin", text(OLD)),
            ("public", public(OLD_KEYS + 2)),
            ("checkpoint", Bytes(note)),
            ("successor", public(1)),
            ("spent", loss(spent.0, spent.1)),
            ("limits", Array(vec![carried(HERS, self.hers())])),
            ("officers", Array(heirs.to_vec())),
        ]);
        if let (Item::Map(pairs), Some(read)) = (&mut left, read) {
            pairs.push(("read".to_owned(), Uint(read)));
        }
        left
    }

    /// A log that goes on from the old one, with a reserve, another key, a grant by its officers, and an end.
    pub fn with_succession(old: &Log, read: Option<u64>) -> Log {
        let mut first = genesis();
        *first.at("body.cap") = loss(MORE.0, MORE.1);
        set(&mut first, "predecessor", Some(old.left(read)));
        let by: &[u8] = if read.is_some() { &[CISO, IRB] } else { &[] };
        let limit = limits::limit("analyst", None, None, limits::CAP);
        let mut log = Log {
            entries: vec![
                approved(first, by),
                key(&signing_key(1)),
                dataset("ehr"),
                catalog("ehr", 1),
                limits::policy(1, vec![limit]),
                snapshot("ehr", 1),
            ],
            rotated: 8,
            sizes: vec![5, 6],
        };
        log.push_limited(4, MORE, old.purse(), old.hers()); // 6, 7
        log.push(endorsed(2, 1)); // 8
        log.push(grant(MORE, CEILING, 9, &[CISO, IRB])); // 9
        let limits = vec![carried(HERS, log.hers())];
        log.push(seal((NEXT, NEXT_KEY), CEILING, log.purse(), limits)); // 10
        log
    }

    /// A log that goes on from one that was lost.
    pub fn after_loss() -> Log {
        Log::with_succession(&Log::old(), Some(25))
    }

    /// A log that goes on from one that was sealed.
    pub fn after_seal() -> Log {
        Log::with_succession(&Log::old_sealed(), None)
    }
}

/// `spent` of what goes on, put into the genesis and whatever follows from it.
pub fn opened_with(log: &mut Log, spent: (u64, u128)) {
    let old = match log.entries[0].at("body.predecessor.spent.rho") {
        Uint(rho) => *rho,
        _ => unreachable!(),
    };
    *log.entries[0].at("body.predecessor.spent") = loss(spent.0, spent.1);
    let shift = i128::from(spent.0) - i128::from(old);
    for (entry, path) in [
        (6, "body.accounts.0.before"),
        (6, "body.accounts.0.after"),
        (10, "body.totals.spent"),
    ] {
        if let Uint(rho) = log.entries[entry].at(&format!("{path}.rho")) {
            *rho = u64::try_from(i128::from(*rho) + shift).unwrap();
        }
        let of_reserve = if path.ends_with("before") { 0 } else { DELTA };
        *log.entries[entry].at(&format!("{path}.delta")) = delta(spent.1 + of_reserve);
    }
    log.signed_anew(usize::MAX, false);
}
