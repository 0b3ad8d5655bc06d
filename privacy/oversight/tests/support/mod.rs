//! Logs built by hand, as the ledger would write them.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each test target uses its own part"
)]

pub mod markup;

use salus_accounting::{Delta, Loss, Noise, Rational, Rho};
use salus_certificate::{Aggregate, Bounds, Certificate, Mechanism, Step, Threshold};
use salus_ledger::entry::{
    Abort, Catalog, Dataset, Grant, Incident, Key, Movement, Officer, Policy, Reason, Refuse,
    Release, Reserve, Reuse, Review, Snapshot,
};
use salus_ledger::{Body, Entry, EntryIndex, Genesis, StoredEntry};

pub const DAY: u64 = 24 * 60 * 60;
/// 2026-01-01T00:00:00Z.
pub const NEW_YEAR: u64 = 1_767_225_600;

/// A log as it grows. The first entries are genesis (0), key (1), dataset (2), catalog (3), policy (4) and snapshot (5).
pub struct Log {
    pub entries: Vec<StoredEntry>,
    pub spent: Loss,
    pub cap: Loss,
    pub time: u64,
}

pub fn loss(rho: &str) -> Loss {
    Loss::from_rho(Rho::parse_ceil(rho).unwrap())
}

pub fn genesis() -> Genesis {
    let delta = Delta::parse_floor("5e-7").unwrap();
    Genesis {
        origin: "riverside.example/ledger".to_owned(),
        space: "riverside".to_owned(),
        ceiling: Loss {
            rho: Rho::parse_floor("4").unwrap(),
            delta,
        },
        cap: Loss {
            rho: Rho::parse_floor("1").unwrap(),
            delta,
        },
        conversion_delta: delta,
        build: "0.1.0".to_owned(),
        rules: 1,
        predecessor: None,
        restricted: None,
    }
}

impl Log {
    pub fn new() -> Self {
        let mut log = Self::only_genesis();
        log.push(Body::Key(Key {
            public: [1; 32],
            signature: None,
        }));
        log.push(Body::Dataset(Dataset {
            dataset: "clinic".to_owned(),
            unit: "person_id".to_owned(),
            space: "riverside".to_owned(),
            tables: None,
        }));
        log.push(Body::Catalog(Catalog {
            dataset: "clinic".to_owned(),
            version: 1,
            sha256: [2; 32],
        }));
        log.push(Body::Policy(Policy {
            version: 1,
            sha256: [3; 32],
            query_rho: Rho::parse_floor("0.5").unwrap(),
            limits: vec![],
        }));
        log.push(Body::Snapshot(Snapshot {
            dataset: "clinic".to_owned(),
            snapshot: 1,
            commitment: [4; 32],
        }));
        log
    }

    pub fn only_genesis() -> Self {
        let mut log = Self {
            entries: Vec::new(),
            spent: Loss::ZERO,
            cap: genesis().cap,
            time: NEW_YEAR,
        };
        log.push(Body::Genesis(genesis()));
        log
    }

    pub fn push(&mut self, body: Body) -> EntryIndex {
        let index = EntryIndex(self.entries.len() as u64);
        let entry = Entry {
            time: self.time,
            body,
        };
        self.entries.push(StoredEntry {
            index,
            bytes: Vec::new(),
            entry,
        });
        index
    }

    /// A question of this price, which is paid and open.
    pub fn ask(&mut self, principal: &str, purpose: &str, price: Loss) -> EntryIndex {
        let before = self.spent;
        self.spent = before.checked_add(price).unwrap();
        let reserve = Reserve {
            principal: principal.to_owned(),
            roles: vec!["analyst".to_owned()],
            purpose: purpose.to_owned(),
            question: [5; 32],
            plan: [6; 32],
            certificate: certificate(price),
            loss: price,
            accounts: vec![Movement {
                scope: "space:riverside".to_owned(),
                cap: self.cap,
                before,
                after: self.spent,
            }],
        };
        self.push(Body::Reserve(Box::new(reserve)))
    }

    pub fn answer(&mut self, reserve: EntryIndex) -> EntryIndex {
        self.push(Body::Release(Release {
            reserve,
            answer: [7; 32],
        }))
    }

    pub fn answered(&mut self, principal: &str, purpose: &str, price: Loss) -> EntryIndex {
        let reserve = self.ask(principal, purpose, price);
        self.answer(reserve);
        reserve
    }

    pub fn abort(&mut self, reserve: EntryIndex, reason: Reason) -> EntryIndex {
        self.push(Body::Abort(Abort { reserve, reason }))
    }

    pub fn repeat(&mut self, principal: &str, release: EntryIndex) -> EntryIndex {
        self.push(Body::Reuse(Reuse {
            principal: principal.to_owned(),
            roles: vec![],
            purpose: "HRESCH".to_owned(),
            question: [8; 32],
            release,
            accounts: vec![],
        }))
    }

    pub fn refuse(&mut self, principal: &str, rule: &str) -> EntryIndex {
        self.push(Body::Refuse(Refuse {
            principal: principal.to_owned(),
            purpose: "PUBHLTH".to_owned(),
            rule: rule.to_owned(),
            question: [9; 32],
        }))
    }

    pub fn grant(&mut self, new: Loss) -> EntryIndex {
        let old = std::mem::replace(&mut self.cap, new);
        self.push(Body::Grant(Grant {
            scope: "space:riverside".to_owned(),
            old,
            new,
            nonce: [1; 16],
            expires: self.time + DAY,
            reason: [10; 32],
            approvals: vec![],
        }))
    }

    /// Of a window: the purse stays as it is.
    pub fn window(&mut self, new: Loss) -> EntryIndex {
        self.push(Body::Grant(Grant {
            scope: "space/86400/20454:riverside".to_owned(),
            old: Loss::ZERO,
            new,
            nonce: [2; 16],
            expires: self.time + DAY,
            reason: [10; 32],
            approvals: vec![],
        }))
    }

    pub fn incident(&mut self, reserve: EntryIndex, more: Loss) -> EntryIndex {
        let before = self.spent;
        self.spent = before.checked_add(more).unwrap();
        self.push(Body::Incident(Incident {
            reserve,
            loss: more,
            note: [11; 32],
            account: Movement {
                scope: "space:riverside".to_owned(),
                cap: self.cap,
                before,
                after: self.spent,
            },
            approvals: vec![],
        }))
    }

    pub fn officer(&mut self, name: &str, active: bool) -> EntryIndex {
        self.push(Body::Officer(Officer {
            public: [12; 32],
            name: name.to_owned(),
            active,
            approvals: vec![],
        }))
    }

    pub fn review(&mut self, principal: &str, from: EntryIndex, to: EntryIndex) -> EntryIndex {
        self.push(Body::Review(Review {
            principal: principal.to_owned(),
            from,
            to,
            root: [13; 32],
            note: [14; 32],
            approvals: vec![],
        }))
    }
}

/// Counts of persons in two groups, of conditions above a threshold, at a price that is not recomputed here.
pub fn certificate(price: Loss) -> Certificate {
    let bounds = |step: u64, cells: u64| Bounds {
        step,
        rows_per_person: 3,
        groups_per_person: 1 + step / 2,
        cells,
        weighted: None,
    };
    let step = |rule: &str, op: &str, inputs: Vec<u64>, table: Option<&str>, rows: u64| Step {
        rule: rule.to_owned(),
        op: op.to_owned(),
        inputs,
        table: table.map(str::to_owned),
        rows,
    };
    let mechanism =
        |kind: Noise, release: u64, aggregate: Aggregate, threshold: Option<Threshold>| Mechanism {
            kind,
            release,
            aggregate,
            bound: 1,
            values: 1,
            sensitivity2: Rational::from(1),
            sigma: Rational::parse("12.5").unwrap(),
            rho: price.rho,
            delta: price.delta,
            threshold,
        };
    Certificate {
        dataset: EntryIndex(2),
        snapshot: EntryIndex(5),
        catalog: EntryIndex(3),
        policy: EntryIndex(4),
        unit: "person_id".to_owned(),
        steps: vec![
            step("S0", "scan", vec![], Some("patient"), 1),
            step("RELEASE", "aggregate", vec![0], None, 1),
            step("S0", "scan", vec![], Some("condition"), 0),
            step("RELEASE", "aggregate", vec![2], None, 3),
        ],
        releases: vec![bounds(1, 2), bounds(3, 0)],
        keys: [15; 32],
        mechanisms: vec![
            mechanism(Noise::DiscreteGaussian, 0, Aggregate::Persons, None),
            mechanism(
                Noise::DiscreteLaplace,
                1,
                Aggregate::Persons,
                Some(Threshold {
                    minimum: 5,
                    tau: 40,
                }),
            ),
        ],
    }
}

/// One of everything: answered, repeated, refused, failed, dropped, open, an incident, a grant, officers and a review.
pub fn eventful() -> Log {
    let mut log = Log::new();
    log.time += 3600;
    let first = log.answered("p-ada", "HRESCH", loss("0.1"));
    let release = EntryIndex(first.0 + 1);
    log.time += 20 * DAY;
    log.repeat("p-bob", release);
    log.refuse("p-bob", "S2");
    log.refuse("p-bob", "budget");
    let failed = log.ask("p-bob", "PUBHLTH", loss("0.2"));
    log.abort(failed, Reason::Failed);
    log.time += 20 * DAY;
    let dropped = log.ask("p-ada", "PUBHLTH", loss("0.05"));
    log.abort(dropped, Reason::Dropped);
    log.officer("chief privacy officer", true);
    log.officer("medical director", true);
    log.grant(Loss {
        rho: Rho::parse_floor("2").unwrap(),
        delta: log.cap.delta,
    });
    log.incident(first, loss("0.01"));
    log.time += DAY;
    log.review("p-eve", EntryIndex(0), EntryIndex(10));
    log.ask("p-ada", "HRESCH", loss("0.3"));
    log
}

/// Names that somebody chose to do harm where they are shown.
pub const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "\"><img src=x onerror=alert(1)>",
    "]]></svg><script>x</script>",
    "a\r\n,b\n: - {c: d} # e",
    "\u{202e}</style><script>",
];

/// A log in which every name that can be chosen is hostile.
pub fn hostile() -> Log {
    let mut log = Log::new();
    for name in HOSTILE {
        let reserve = log.answered(name, name, loss("0.001"));
        if let Some(Body::Reserve(reserve)) = log
            .entries
            .get_mut(usize::try_from(reserve.0).unwrap())
            .map(|stored| &mut stored.entry.body)
        {
            reserve.roles = vec![name.to_owned()];
            name.clone_into(&mut reserve.certificate.unit);
            for step in &mut reserve.certificate.steps {
                name.clone_into(&mut step.op);
                name.clone_into(&mut step.rule);
                step.table = Some(name.to_owned());
            }
            for account in &mut reserve.accounts {
                name.clone_into(&mut account.scope);
            }
        }
        log.refuse(name, name);
        log.officer(name, true);
        log.review(name, EntryIndex(0), EntryIndex(1));
    }
    for stored in &mut log.entries {
        match &mut stored.entry.body {
            Body::Genesis(genesis) => {
                genesis.origin = HOSTILE.concat();
                genesis.space = HOSTILE.concat();
                genesis.build = HOSTILE.concat();
            }
            Body::Dataset(dataset) => {
                dataset.dataset = HOSTILE.concat();
                dataset.unit = HOSTILE.concat();
            }
            Body::Catalog(catalog) => catalog.dataset = HOSTILE.concat(),
            Body::Snapshot(snapshot) => snapshot.dataset = HOSTILE.concat(),
            _ => {}
        }
    }
    log
}
