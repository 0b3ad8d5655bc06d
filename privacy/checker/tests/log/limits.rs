//! The sample, longer: a policy with limits, and what is charged to them.

use super::Item::{Array, Map, Uint};
use super::{DELTA, Item, Log, entry, hash, loss, map, part, release, reserve, reuse, text};

/// The time of every entry, in days.
pub const DAY: u64 = 1_790_000_000 / 86_400;
pub const CAP: (u64, u128) = (8 << 40, 1 << 60);

pub fn limit(of: &str, name: Option<&str>, seconds: Option<u64>, cap: (u64, u128)) -> Item {
    let mut fields = vec![
        ("of".to_owned(), text(of)),
        ("cap".to_owned(), loss(cap.0, cap.1)),
    ];
    fields.extend(name.map(|name| ("name".to_owned(), text(name))));
    fields.extend(seconds.map(|seconds| ("seconds".to_owned(), Uint(seconds))));
    Map(fields)
}

pub fn policy(version: u64, limits: Vec<Item>) -> Item {
    entry(
        "policy",
        map([
            ("version", Uint(version)),
            ("sha256", hash("policy")),
            ("query_rho", Uint(1 << 40)),
            ("limits", Array(limits)),
        ]),
    )
}

/// The account `scope` before and after `charges` and one more.
pub fn account(scope: &str, cap: (u64, u128), cost: u64, charges: u64) -> Item {
    let spent = |n: u64| loss(n * cost, u128::from(n) * DELTA);
    map([
        ("scope", text(scope)),
        ("cap", loss(cap.0, cap.1)),
        ("before", spent(charges)),
        ("after", spent(charges + 1)),
    ])
}

fn with(mut item: Item, accounts: Vec<Item>) -> Item {
    if let Map(pairs) = item.at("body")
        && !pairs.iter().any(|(key, _)| key == "accounts")
    {
        pairs.push(("accounts".to_owned(), Array(vec![])));
    }
    let Array(all) = item.at("body.accounts") else {
        panic!("no list")
    };
    all.extend(accounts);
    item
}

impl Log {
    /// What every reserve costs.
    pub fn cost(&self) -> u64 {
        match self.entries[10].clone().at("body.loss.rho") {
            Uint(rho) => *rho,
            _ => panic!("no loss"),
        }
    }

    /// The sample, its policy 3 at entry 24 with limits of each share, two reserves (25 and 27), a repeated answer (29); and another without limits (31).
    pub fn with_limits() -> Log {
        let mut log = Log::sample();
        let (mut spent, cost) = (log.spent(), log.cost());
        log.push(release(12)); // 23
        let hers = (CAP.0 + 7, CAP.1);
        log.push(policy(
            3,
            vec![
                limit("space", None, Some(86_400), CAP),
                limit("analyst", None, None, (1, 1)),
                limit("dataset", None, None, CAP),
                limit("analyst", Some("a7"), None, hers),
                limit("purpose", Some("HRESCH"), Some(3_600), CAP),
                limit("purpose", None, Some(86_400), CAP),
            ],
        )); // 24
        let day = |share: &str, name: &str| format!("{share}/86400/{DAY}:{name}");
        for (dataset, cites, charges) in [("ehr", [2, 8, 15, 24], 0), ("claims", [3, 9, 5, 24], 0)]
        {
            let before = u64::from(log.entries.len() > 25);
            let accounts = vec![
                account(&day("space", "county"), CAP, cost, before),
                account(&format!("dataset:{dataset}"), CAP, cost, charges),
                account("analyst:a7", hers, cost, before),
                account(&day("purpose", "PUBHLTH"), CAP, cost, before),
            ];
            let reserve = log.push(with(reserve(cites, &mut spent), accounts));
            log.push(release(reserve));
        }
        log.push(with(reuse(26), vec![account("analyst:a7", hers, cost, 2)])); // 29
        log.push(super::policy(4, 1 << 40)); // 30
        log.push(reuse(22)); // 31
        log
    }

    /// The same, with two parts of datasets (32, 33), a policy that limits them (34) and a reserve that reads a table of one (35).
    pub fn with_parts() -> Log {
        let mut log = Log::with_limits();
        let (mut spent, cost) = (log.spent(), log.cost());
        log.push(part("labs", &["observation", "outside"])); // 32
        log.push(part("pharmacy", &["medication_request"])); // 33
        log.push(policy(5, vec![limit("dataset", None, None, CAP)])); // 34
        let accounts = vec![
            account("dataset:ehr", CAP, cost, 1),
            account("dataset:labs", CAP, cost, 0),
        ];
        let reserve = log.push(with(reserve([2, 8, 15, 34], &mut spent), accounts));
        log.push(release(reserve));
        log
    }
}
