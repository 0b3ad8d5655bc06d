//! Rule G1: caps are raised by officers, that of the purse never above the ceiling of the genesis, that of a window never above the purse's.

use std::collections::BTreeMap;

use crate::cbor::Value;
use crate::entry::{Entry, Genesis};
use crate::limits::Limits;
use crate::quantity::{Fields, Loss};
use crate::records::GrantRecord;
use crate::report::{Finding, Malformed};
use crate::statements::{Approved, Statement};
use crate::window::Window;

/// A larger cap.
pub(crate) struct Grant {
    time: u64,
    scope: String,
    old: Loss,
    new: Loss,
    nonce: [u8; 16],
    expires: u64,
    pub(crate) approved: Approved,
}

impl Grant {
    pub(crate) fn of(body: Value<'_>, time: u64) -> Result<Self, Malformed> {
        let statement = Statement::of("grant", &body);
        let mut body = Fields::of(body, "grant")?;
        let grant = Grant {
            time,
            scope: body.take("scope")?.text("scope")?.to_owned(),
            old: body.take("old")?.loss("old")?,
            new: body.take("new")?.loss("new")?,
            nonce: body.take("nonce")?.fixed("nonce")?,
            expires: body.take("expires")?.uint("expires")?,
            approved: Approved::of(statement, Some(body.take("approvals")?), 2)?,
        };
        body.take("reason")?.hash("reason")?;
        body.end()?;
        Ok(grant)
    }
}

/// The cap of the purse in force, and what raised it and those of windows.
#[derive(Default)]
pub(crate) struct Grants {
    /// Scope and ceiling, once the genesis is read.
    fixed: Option<(String, Loss)>,
    cap: Option<Loss>,
    /// An entry that could not be read stood since the cap was last stated, and may have raised it.
    unsure: bool,
    /// Nonce to the first grant that has it.
    nonces: BTreeMap<[u8; 16], u64>,
    records: Vec<GrantRecord>,
}

impl Grants {
    pub(crate) fn check(
        &mut self,
        index: u64,
        entry: Option<&Entry>,
        limits: &mut Limits,
        approved_by: &[String],
        findings: &mut Vec<Finding>,
    ) {
        match entry {
            None => self.unsure = true,
            Some(Entry::Genesis(genesis)) if index == 0 => self.open(genesis),
            Some(Entry::Grant(grant)) => {
                self.grant(index, grant, limits, findings);
                // Believed though it may have failed: a broken grant is reported once, not at each account after it.
                if Window::of(&grant.scope).is_some() {
                    limits.open(&grant.scope, grant.new);
                } else {
                    self.cap = Some(grant.new);
                    self.unsure = false;
                }
                self.nonces.entry(grant.nonce).or_insert(index);
                self.records.push(GrantRecord {
                    entry: index,
                    scope: grant.scope.clone(),
                    old: grant.old,
                    new: grant.new,
                    approved_by: approved_by.to_vec(),
                });
            }
            Some(_) => {}
        }
    }

    fn open(&mut self, genesis: &Genesis) {
        self.fixed = Some((format!("space:{}", genesis.space), genesis.ceiling));
        self.cap = Some(genesis.cap);
    }

    fn grant(&mut self, index: u64, grant: &Grant, limits: &Limits, findings: &mut Vec<Finding>) {
        let mut fail = |what: &str| findings.push(Finding::at(index, "G1", what));
        match Window::of(&grant.scope) {
            Some(window) => self.window(grant, &window, limits, &mut fail),
            None => self.purse(grant, &mut fail),
        }
        if grant.time > grant.expires {
            fail("entered after it had expired");
        }
        if let Some(first) = self.nonces.get(&grant.nonce) {
            fail(&format!("the nonce is that of entry {first}"));
        }
    }

    fn purse(&mut self, grant: &Grant, fail: &mut impl FnMut(&str)) {
        if !self.states(grant.old) {
            fail("old is not the cap in force");
        }
        // After an unreadable entry that is what the grant says it is.
        is_raised(self.cap.unwrap_or(grant.old), grant.new, fail);
        if let Some((scope, ceiling)) = &self.fixed {
            if grant.scope != *scope {
                fail(&format!("scope {:?}, not {scope:?}", grant.scope));
            }
            if !grant.new.within(*ceiling) {
                fail("new is above the ceiling of the genesis");
            }
        }
    }

    fn window(
        &self,
        grant: &Grant,
        window: &Window<'_>,
        limits: &Limits,
        fail: &mut impl FnMut(&str),
    ) {
        // After an unreadable entry, which may have been a policy or a grant, what this one says is believed.
        match limits.cap_of(&grant.scope, window) {
            _ if limits.is_unsure() => {}
            None => fail("no limit in force keeps the account"),
            Some(cap) if cap != grant.old => fail("old is not the cap in force"),
            Some(_) => {}
        }
        if window.end().is_none_or(|end| end <= grant.time) {
            fail("the period of the account is over, or never ends");
        }
        is_raised(grant.old, grant.new, fail);
        if let Some(most) = self.most() {
            // What is left as it was may be above it, as the policy had it.
            let (old, new) = (grant.old, grant.new);
            if (new.rho != old.rho && new.rho > most.rho)
                || (new.delta != old.delta && new.delta > most.delta)
            {
                fail("new is above the cap of the purse");
            }
        }
    }

    /// The cap of the purse, or, after an unreadable entry, what it may be.
    fn most(&self) -> Option<Loss> {
        if self.unsure {
            self.fixed.as_ref().map(|(_, ceiling)| *ceiling)
        } else {
            self.cap
        }
    }

    /// True if `cap` is the one in force. After an unreadable entry one that is not below it is believed.
    pub(crate) fn states(&mut self, cap: Loss) -> bool {
        let holds = match self.cap {
            None => return true,
            Some(known) => {
                let ceiling = self.fixed.as_ref().map_or(cap, |(_, ceiling)| *ceiling);
                known == cap || (self.unsure && known.within(cap) && cap.within(ceiling))
            }
        };
        if holds {
            self.cap = Some(cap);
            self.unsure = false;
        }
        holds
    }

    /// The `new` of the last grant, or the cap of the genesis; `None` where neither could be read.
    pub(crate) fn cap(&self) -> Option<Loss> {
        self.cap
    }

    pub(crate) fn close(self) -> Vec<GrantRecord> {
        self.records
    }
}

fn is_raised(old: Loss, new: Loss, fail: &mut impl FnMut(&str)) {
    if !old.within(new) {
        fail("new is below the cap in force");
    } else if new == old {
        fail("nothing is granted");
    }
}
