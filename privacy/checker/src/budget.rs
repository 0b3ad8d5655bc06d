//! Rules B1 and B2: the purse is the fold of all reserves, never passes its cap, and nothing comes back.

use std::collections::{BTreeMap, BTreeSet};

use crate::entry::{Entry, Genesis, Reserve};
use crate::quantity::Loss;
use crate::report::{Finding, ScopeTotal};

/// The lifetime purse of the identity space.
#[derive(Default)]
pub(crate) struct Purse {
    /// Scope and cap, once the genesis is read.
    fixed: Option<(String, Loss)>,
    running: Loss,
    /// An entry that could not be read stood since the last reserve, and may have been one.
    unsure: bool,
    reserves: u64,
    open: BTreeSet<u64>,
    /// Reserve to the entry that ended it.
    ended: BTreeMap<u64, u64>,
}

impl Purse {
    pub(crate) fn check(&mut self, index: u64, entry: Option<&Entry>, findings: &mut Vec<Finding>) {
        match entry {
            None => self.unsure = true,
            Some(Entry::Genesis(genesis)) if index == 0 => self.open_purse(genesis),
            Some(Entry::Reserve(reserve)) => {
                self.open.insert(index);
                self.reserves = self.reserves.saturating_add(1);
                self.reserve(index, reserve, findings);
            }
            Some(Entry::Release { reserve, .. } | Entry::Abort { reserve }) => {
                if let Some(first) = self.ended.get(reserve) {
                    let what = format!("reserve {reserve} was already ended by entry {first}");
                    findings.push(Finding::at(index, "B2", what));
                } else if *reserve < index {
                    self.ended.insert(*reserve, index);
                    self.open.remove(reserve);
                }
            }
            Some(_) => {}
        }
    }

    fn open_purse(&mut self, genesis: &Genesis) {
        self.fixed = Some((format!("space:{}", genesis.space), genesis.cap));
    }

    fn reserve(&mut self, index: u64, reserve: &Reserve, findings: &mut Vec<Finding>) {
        let mut fail = |what: &str| findings.push(Finding::at(index, "B1", what));
        // There is at least one, by F1; the others are those of limits.
        let Some(account) = reserve.accounts.first() else {
            return;
        };
        if let Some((scope, cap)) = &self.fixed {
            if account.scope != *scope {
                fail(&format!("scope {:?}, not {scope:?}", account.scope));
            }
            if account.cap != *cap {
                fail("the cap is not that of the genesis");
            }
            if !account.after.within(*cap) {
                fail("the total passes the cap");
            }
        }
        // What an unreadable reserve took is unknown, but it cannot have given anything back.
        let follows =
            account.before == self.running || (self.unsure && self.running.within(account.before));
        if !follows {
            let (before, running) = (account.before, self.running);
            fail(&format!("before is {before}, the running total {running}"));
        }
        if account.before.plus(reserve.loss) != Some(account.after) {
            fail("after is not before plus the loss");
        }
        self.believe(reserve);
    }

    /// Takes the total as the entry states it: a broken entry is reported once, not at each one that follows.
    fn believe(&mut self, reserve: &Reserve) {
        if let Some(account) = reserve.accounts.first() {
            self.running = account.after;
        }
        self.unsure = false;
    }

    /// Totals per scope and the reserves that nothing has ended.
    pub(crate) fn close(self) -> (Vec<ScopeTotal>, Vec<u64>) {
        let (spent, reserves) = (self.running, self.reserves);
        let total = self.fixed.map(|(scope, cap)| ScopeTotal {
            scope,
            cap,
            spent,
            reserves,
        });
        (total.into_iter().collect(), self.open.into_iter().collect())
    }
}
