//! Rules B1 and B2: the purse is the fold of all reserves and incidents, no reserve passes its cap, and nothing comes back.

use std::collections::{BTreeMap, BTreeSet};

use crate::entry::{Account, Entry};
use crate::grants::Grants;
use crate::quantity::Loss;
use crate::records::IncidentRecord;
use crate::report::{Finding, ScopeTotal};

/// The lifetime purse of the identity space.
#[derive(Default)]
pub(crate) struct Purse {
    /// Once the genesis is read.
    scope: Option<String>,
    running: Loss,
    /// An entry that could not be read stood since the last reserve or incident, and may have been one.
    unsure: bool,
    reserves: u64,
    open: BTreeSet<u64>,
    /// Reserve to the entry that ended it.
    ended: BTreeMap<u64, u64>,
    incidents: Vec<IncidentRecord>,
}

impl Purse {
    /// `grants` knows the cap in force.
    pub(crate) fn check(
        &mut self,
        index: u64,
        entry: Option<&Entry>,
        grants: &mut Grants,
        approved_by: &[String],
        findings: &mut Vec<Finding>,
    ) {
        match entry {
            None => self.unsure = true,
            Some(Entry::Genesis(genesis)) if index == 0 => {
                self.scope = Some(format!("space:{}", genesis.space));
                let before = genesis.predecessor.as_ref();
                self.running = before.map_or(Loss::default(), |before| before.spent);
            }
            Some(Entry::Reserve(reserve)) => {
                self.open.insert(index);
                self.reserves = self.reserves.saturating_add(1);
                // There is at least one, by F1; the others are those of limits.
                if let Some(account) = reserve.accounts.first() {
                    self.charge(index, account, reserve.loss, grants, findings);
                    if grants.cap().is_some_and(|cap| !account.after.within(cap)) {
                        findings.push(Finding::at(index, "B1", "the total passes the cap"));
                    }
                }
            }
            Some(Entry::Incident(incident)) => {
                // What is known too late is counted all the same: this alone may pass the cap.
                self.charge(index, &incident.account, incident.loss, grants, findings);
                if incident.loss == Loss::default() {
                    findings.push(Finding::at(index, "B1", "an incident that cost nothing"));
                }
                self.incidents.push(IncidentRecord {
                    entry: index,
                    reserve: incident.reserve,
                    loss: incident.loss,
                    approved_by: approved_by.to_vec(),
                });
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

    fn charge(
        &mut self,
        index: u64,
        account: &Account,
        loss: Loss,
        grants: &mut Grants,
        findings: &mut Vec<Finding>,
    ) {
        let mut fail = |what: &str| findings.push(Finding::at(index, "B1", what));
        if let Some(scope) = self.scope.as_ref().filter(|scope| **scope != account.scope) {
            fail(&format!("scope {:?}, not {scope:?}", account.scope));
        }
        if !grants.states(account.cap) {
            fail("the cap is not the one in force");
        }
        // What an unreadable reserve took is unknown, but it cannot have given anything back.
        let follows =
            account.before == self.running || (self.unsure && self.running.within(account.before));
        if !follows {
            let (before, running) = (account.before, self.running);
            fail(&format!("before is {before}, the running total {running}"));
        }
        if account.before.plus(loss) != Some(account.after) {
            fail("after is not before plus the loss");
        }
        // Believed as stated: a broken entry is reported once, not at each one that follows.
        self.running = account.after;
        self.unsure = false;
    }

    /// True if this is the running total. After an unreadable entry one that is not below it is believed.
    pub(crate) fn states(&self, spent: Loss) -> bool {
        spent == self.running || (self.unsure && self.running.within(spent))
    }

    /// The total, the reserves that nothing has ended, and the incidents.
    pub(crate) fn close(
        self,
        cap: Option<Loss>,
    ) -> (Option<ScopeTotal>, Vec<u64>, Vec<IncidentRecord>) {
        let (spent, reserves) = (self.running, self.reserves);
        let total = self.scope.zip(cap).map(|(scope, cap)| ScopeTotal {
            scope,
            cap,
            spent,
            reserves,
        });
        (total, self.open.into_iter().collect(), self.incidents)
    }
}
