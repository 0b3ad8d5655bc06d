//! The log of officers, longer: a policy with windows, grants that open them, and what is charged to them.

use super::Item::{Array, Bytes, Uint};
use super::limits::{DAY, account, limit, policy};
use super::oversight::{CAP, CISO, IRB, MORE, approved, grant, set};
use super::{DELTA, Item, Log, entry, hash, loss, map, release, reserve, text};

/// The policy of the windows, the grants of them, and that of the purse between them.
pub const POLICY: usize = 25;
pub const OPENED: usize = 26;
pub const RAISED: usize = 29;
pub const WIDENED: usize = 30;
pub const UNUSED: usize = 33;

/// The cap of the purse in the end.
pub const MOST: (u64, u128) = (MORE.0 + 1, MORE.1 + 1);
/// The limits of everybody and of each analyst, in periods of a day.
pub const CLOSED: (u64, u128) = (0, 0);
pub const HERS: (u64, u128) = (CAP.0, CAP.1);

pub fn today(share: &str, name: &str) -> String {
    format!("{share}/86400/{DAY}:{name}")
}

/// A grant of another account than the purse.
pub fn window(scope: &str, old: (u64, u128), new: (u64, u128), nonce: u8) -> Item {
    let body = map([
        ("scope", text(scope)),
        ("old", loss(old.0, old.1)),
        ("new", loss(new.0, new.1)),
        ("nonce", Bytes(vec![nonce; 16])),
        ("expires", Uint(super::oversight::NOW + 60)),
        ("reason", hash("reason")),
    ]);
    approved(entry("grant", body), &[CISO, IRB])
}

impl Log {
    /// What a reserve of this log costs.
    pub fn price(&self) -> (u64, u128) {
        match self.entries[6].clone().at("body.loss.rho") {
            Uint(rho) => (*rho, DELTA),
            _ => panic!("no loss"),
        }
    }

    /// So many of its reserves.
    pub fn prices(&self, number: u64) -> (u64, u128) {
        let (rho, delta) = self.price();
        (rho * number, delta * u128::from(number))
    }

    /// A reserve under the policy of the windows, and its release; `charges` of it stand in the window of everybody.
    pub fn push_in_window(&mut self, purse: (u64, u128), cap: (u64, u128), charges: u64) -> u64 {
        let before = self.purse();
        let mut spent = before.0;
        let mut entry = reserve([2, 5, 3, POLICY as u64], &mut spent);
        let first = entry.at("body.accounts.0");
        *first.at("cap") = loss(purse.0, purse.1);
        *first.at("before.delta") = super::delta(before.1);
        *first.at("after.delta") = super::delta(before.1 + DELTA);
        let first = first.clone();
        let accounts = [
            first,
            account(&today("space", "county"), cap, self.price().0, charges),
            account(&today("analyst", "a7"), HERS, self.price().0, charges),
        ];
        set(&mut entry, "accounts", Some(Array(accounts.to_vec())));
        let reserve = self.push(entry);
        self.push(release(reserve));
        reserve
    }

    /// The log of officers and a policy whose window of everybody is closed (25); it is opened for one question (26) and charged (27),
    /// the purse is raised (29), the window widened (30) and charged again (31); one analyst's is raised and not used (33).
    pub fn with_windows() -> Log {
        let mut log = Log::with_oversight();
        let everybody = today("space", "county");
        log.push(policy(
            2,
            vec![
                limit("space", None, Some(86_400), CLOSED),
                limit("analyst", None, Some(86_400), HERS),
            ],
        ));
        let (one, two) = (log.prices(1), log.prices(2));
        log.push(window(&everybody, CLOSED, one, 2)); // 26
        log.push_in_window(MORE, one, 0); // 27, 28
        log.push(grant(MORE, MOST, 3, &[CISO, IRB])); // 29
        log.push(window(&everybody, one, two, 4)); // 30
        log.push_in_window(MOST, two, 1); // 31, 32
        let hers = (HERS.0 + 5, HERS.1 + 5);
        log.push(window(&today("analyst", "a9"), HERS, hers, 5)); // 33
        log
    }
}
