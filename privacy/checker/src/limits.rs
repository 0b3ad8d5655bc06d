//! Rule B3: the limits of the policy in force, each kept from entry to entry and never passed.

use std::collections::{BTreeMap, BTreeSet};

use crate::cbor::Value;
use crate::certificate::Certificate;
use crate::entry::{Account, Entry};
use crate::quantity::{Fields, Loss};
use crate::report::{Finding, Malformed, ScopeTotal};
use crate::seal::Carried;
use crate::window::{Window, still_counts};

/// A cap on a part of what is asked, as a policy states it.
#[derive(Clone)]
pub(crate) struct Limit {
    of: String,
    name: Option<String>,
    seconds: Option<u64>,
    cap: Loss,
}

/// Who is charged, and when.
struct Charged<'a> {
    /// Of the dataset and its parts that are touched.
    datasets: Vec<&'a str>,
    principal: &'a str,
    purpose: &'a str,
    time: u64,
    loss: Option<Loss>,
    accounts: &'a [Account],
}

/// What one account has let through.
struct Running {
    cap: Loss,
    total: Loss,
    times: u64,
    /// Entries that could not be read before the last charge.
    unread: u64,
}

/// All accounts of limits.
#[derive(Default)]
pub(crate) struct Limits {
    space: String,
    in_force: Vec<Limit>,
    /// An entry that could not be read stood since the newest policy, and may have been one.
    unsure: bool,
    unread: u64,
    datasets: BTreeMap<u64, String>,
    /// Tables of the parts of datasets, by name.
    parts: BTreeMap<String, Vec<String>>,
    losses: BTreeMap<u64, Loss>,
    /// Release to its reserve.
    released: BTreeMap<u64, u64>,
    running: BTreeMap<String, Running>,
    /// Caps of windows that were granted since the newest policy.
    granted: BTreeMap<String, Loss>,
}

/// Reads the limits of a policy.
pub(crate) fn limits(value: Value<'_>) -> Result<Vec<Limit>, Malformed> {
    let items = value.array("limits")?;
    if items.is_empty() {
        return Err(Malformed("limits: empty".to_owned()));
    }
    let limits = items
        .into_iter()
        .map(limit)
        .collect::<Result<Vec<_>, _>>()?;
    let mut seen = BTreeSet::new();
    for limit in &limits {
        if !seen.insert((&limit.of, &limit.name, limit.seconds)) {
            return Err(Malformed(
                "limits: two of the same share, name and period".to_owned(),
            ));
        }
    }
    Ok(limits)
}

fn is_of_dataset(scope: &str) -> bool {
    scope.starts_with("dataset:") || scope.starts_with("dataset/")
}

fn limit(value: Value<'_>) -> Result<Limit, Malformed> {
    let mut fields = Fields::of(value, "limit")?;
    let of = fields.take("of")?.text("of")?.to_owned();
    let name = match fields.optional("name") {
        Some(name) => Some(name.text("name")?.to_owned()),
        None => None,
    };
    let seconds = match fields.optional("seconds") {
        Some(seconds) => Some(seconds.uint("seconds")?),
        None => None,
    };
    let cap = fields.take("cap")?.loss("cap")?;
    fields.end()?;
    if seconds == Some(0) {
        return Err(Malformed("seconds: a period of no length".to_owned()));
    }
    match of.as_str() {
        "space" if name.is_some() || seconds.is_none() => {
            return Err(Malformed(
                "a limit of the space needs a period and takes no name".to_owned(),
            ));
        }
        "space" | "dataset" | "analyst" | "purpose" => {}
        _ => return Err(Malformed(format!("of {of:?} is not known"))),
    }
    Ok(Limit {
        of,
        name,
        seconds,
        cap,
    })
}

impl Limits {
    pub(crate) fn check(&mut self, index: u64, entry: Option<&Entry>, findings: &mut Vec<Finding>) {
        match entry {
            None => {
                self.unsure = true;
                self.unread = self.unread.saturating_add(1);
            }
            Some(Entry::Genesis(genesis)) if index == 0 => {
                self.space.clone_from(&genesis.space);
                for limit in genesis.predecessor.iter().flat_map(|before| &before.limits) {
                    let running = Running {
                        cap: Loss::default(),
                        total: limit.spent,
                        times: 0,
                        unread: 0,
                    };
                    self.running.insert(limit.scope.clone(), running);
                }
            }
            Some(Entry::Dataset {
                dataset, tables, ..
            }) => {
                self.datasets.insert(index, dataset.clone());
                if let Some(tables) = tables {
                    self.parts.insert(dataset.clone(), tables.clone());
                }
            }
            Some(Entry::Policy { limits, .. }) => {
                self.in_force.clone_from(limits);
                self.unsure = false;
                // A policy says everything anew.
                self.granted.clear();
            }
            Some(Entry::Reserve(reserve)) => {
                self.losses.insert(index, reserve.loss);
                let datasets = self.touched(&reserve.certificate);
                let charged = Charged {
                    datasets: datasets.iter().map(String::as_str).collect(),
                    principal: &reserve.principal,
                    purpose: &reserve.purpose,
                    time: reserve.time,
                    loss: Some(reserve.loss),
                    accounts: reserve.accounts.get(1..).unwrap_or_default(),
                };
                self.charge(index, &charged, |_| true, findings);
            }
            Some(Entry::Release { reserve, .. }) => {
                self.released.insert(index, *reserve);
            }
            Some(Entry::Reuse(reuse)) => {
                let reserve = self.released.get(&reuse.release);
                let charged = Charged {
                    datasets: Vec::new(),
                    principal: &reuse.principal,
                    purpose: &reuse.purpose,
                    time: reuse.time,
                    loss: reserve
                        .and_then(|reserve| self.losses.get(reserve))
                        .copied(),
                    accounts: &reuse.accounts,
                };
                // A repeated answer costs no privacy; it counts as hers who asks.
                self.charge(index, &charged, |limit| limit.of == "analyst", findings);
            }
            Some(_) => {}
        }
    }

    fn charge(
        &mut self,
        index: u64,
        charged: &Charged<'_>,
        counts: fn(&Limit) -> bool,
        findings: &mut Vec<Finding>,
    ) {
        let mut fail = |what: String| findings.push(Finding::at(index, "B3", what));
        if !self.unsure {
            let expected = self.expected(charged, counts).into_iter();
            let stated = charged.accounts.iter().map(|a| (a.scope.clone(), a.cap));
            // What could not be read may have been a part of a dataset.
            let sure = |(scope, _): &(String, Loss)| self.unread == 0 || !is_of_dataset(scope);
            if !stated.filter(sure).eq(expected.filter(sure)) {
                fail("the accounts are not those of the policy's limits".to_owned());
            }
        }
        for account in charged.accounts {
            let known = self.running.get(&account.scope);
            let total = known.map_or(Loss::default(), |known| known.total);
            let unsure = self.unread > known.map_or(0, |known| known.unread);
            if account.before != total && !(unsure && total.within(account.before)) {
                let (scope, before) = (&account.scope, account.before);
                fail(format!(
                    "{scope:?}: before is {before}, the running total {total}"
                ));
            }
            // Where the loss cannot be read, rule F1 or F3 has said so.
            if charged
                .loss
                .is_some_and(|loss| account.before.plus(loss) != Some(account.after))
            {
                fail(format!(
                    "{:?}: after is not before plus the loss",
                    account.scope
                ));
            }
            if !account.after.within(account.cap) {
                fail(format!("{:?}: the total passes the limit", account.scope));
            }
            let times = known.map_or(0, |known| known.times).saturating_add(1);
            // A broken entry is reported once: what follows goes on from what it states.
            let running = Running {
                cap: account.cap,
                total: account.after,
                times,
                unread: self.unread,
            };
            self.running.insert(account.scope.clone(), running);
        }
    }

    /// The dataset that a certificate names, then the parts whose tables it reads.
    fn touched(&self, certificate: &Certificate) -> Vec<String> {
        let whole = self.datasets.get(&certificate.dataset);
        let reads = |tables: &Vec<String>| {
            let mut steps = certificate.steps.iter();
            steps.any(|step| {
                step.table
                    .as_ref()
                    .is_some_and(|table| tables.contains(table))
            })
        };
        let parts = self.parts.iter();
        let parts = parts.filter(|(name, tables)| Some(*name) != whole && reads(tables));
        whole
            .into_iter()
            .chain(parts.map(|(name, _)| name))
            .cloned()
            .collect()
    }

    /// Scope and cap of the limits that count, in the policy's order. A limit with the name of whom it counts stands for the nameless one
    /// of the same share and period.
    fn expected(&self, charged: &Charged<'_>, counts: fn(&Limit) -> bool) -> Vec<(String, Loss)> {
        let counted = |limit: &Limit| match limit.of.as_str() {
            "space" => vec![self.space.as_str()],
            "dataset" => charged.datasets.clone(),
            "analyst" => vec![charged.principal],
            _ => vec![charged.purpose],
        };
        let mut expected = Vec::new();
        for limit in self.in_force.iter().filter(|limit| counts(limit)) {
            for name in counted(limit) {
                if !self.counts(limit, name) {
                    continue;
                }
                let share = match limit.seconds {
                    None => limit.of.clone(),
                    Some(seconds) => {
                        let period = charged.time.checked_div(seconds).unwrap_or_default();
                        format!("{}/{seconds}/{period}", limit.of)
                    }
                };
                let scope = format!("{share}:{name}");
                let cap = self.granted.get(&scope).copied().unwrap_or(limit.cap);
                expected.push((scope, cap));
            }
        }
        expected
    }

    /// Whether a limit in force counts for this name.
    fn counts(&self, limit: &Limit, name: &str) -> bool {
        let named = |limit: &Limit| limit.name.as_deref() == Some(name);
        let stood_for = self
            .in_force
            .iter()
            .any(|other| named(other) && (&other.of, other.seconds) == (&limit.of, limit.seconds));
        named(limit) || (limit.name.is_none() && !stood_for)
    }

    /// The cap in force of the account `scope`, if a limit in force keeps it.
    pub(crate) fn cap_of(&self, scope: &str, window: &Window<'_>) -> Option<Loss> {
        let name = window.name?;
        let mut limits = self.in_force.iter();
        let limit = limits.find(|limit| {
            (limit.of.as_str(), limit.seconds) == (window.of, Some(window.seconds))
                && self.counts(limit, name)
        })?;
        // The space has one name alone.
        let exists = limit.of != "space" || name == self.space;
        exists.then(|| self.granted.get(scope).copied().unwrap_or(limit.cap))
    }

    /// Whether the policy in force, and what was granted under it, may be others than those that could be read.
    pub(crate) fn is_unsure(&self) -> bool {
        self.unsure
    }

    /// Takes the cap of a window as a grant states it.
    pub(crate) fn open(&mut self, scope: &str, cap: Loss) {
        self.granted.insert(scope.to_owned(), cap);
        if let Some(running) = self.running.get_mut(scope) {
            running.cap = cap;
        }
    }

    /// True if these are the accounts that still count at `time`. Where entries could not be read, totals that are not below, and
    /// accounts that nobody knows, are believed.
    pub(crate) fn states(&self, limits: &[Carried], time: u64) -> bool {
        let stated: BTreeMap<&str, Loss> = limits
            .iter()
            .map(|limit| (limit.scope.as_str(), limit.spent))
            .collect();
        let known = self.running.iter();
        let known = known.filter(|(scope, _)| still_counts(scope, time));
        let mut met = 0_usize;
        for (scope, running) in known {
            let unsure = self.unread > running.unread;
            let holds = stated.get(scope.as_str()).is_some_and(|spent| {
                *spent == running.total || (unsure && running.total.within(*spent))
            });
            if !holds {
                return false;
            }
            met = met.saturating_add(1);
        }
        limits.is_sorted_by(|one, next| one.scope < next.scope)
            && (met == limits.len() || self.unread > 0)
    }

    /// What each account has let through, by scope; also those of windows that nothing was charged to.
    pub(crate) fn close(mut self) -> impl Iterator<Item = ScopeTotal> {
        for (scope, cap) in self.granted {
            self.running.entry(scope).or_insert(Running {
                cap,
                total: Loss::default(),
                times: 0,
                unread: 0,
            });
        }
        self.running.into_iter().map(|(scope, running)| ScopeTotal {
            scope,
            cap: running.cap,
            spent: running.total,
            reserves: running.times,
        })
    }
}
