//! Rule G1: the cap of the purse is raised by officers, and never above the ceiling of the genesis.

use std::collections::BTreeMap;

use crate::cbor::Value;
use crate::entry::{Entry, Genesis};
use crate::quantity::{Fields, Loss};
use crate::records::GrantRecord;
use crate::report::{Finding, Malformed};
use crate::statements::{Approved, Statement};

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

/// The cap in force, and what raised it.
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
        approved_by: &[String],
        findings: &mut Vec<Finding>,
    ) {
        match entry {
            None => self.unsure = true,
            Some(Entry::Genesis(genesis)) if index == 0 => self.open(genesis),
            Some(Entry::Grant(grant)) => {
                self.grant(index, grant, findings);
                // Believed though it may have failed: a broken grant is reported once, not at each account after it.
                self.cap = Some(grant.new);
                self.unsure = false;
                self.nonces.entry(grant.nonce).or_insert(index);
                self.records.push(GrantRecord {
                    entry: index,
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

    fn grant(&mut self, index: u64, grant: &Grant, findings: &mut Vec<Finding>) {
        let mut fail = |what: &str| findings.push(Finding::at(index, "G1", what));
        if !self.states(grant.old) {
            fail("old is not the cap in force");
        }
        // After an unreadable entry that is what the grant says it is.
        let cap = self.cap.unwrap_or(grant.old);
        if !cap.within(grant.new) {
            fail("new is below the cap in force");
        } else if grant.new == cap {
            fail("nothing is granted");
        }
        if let Some((scope, ceiling)) = &self.fixed {
            if grant.scope != *scope {
                fail(&format!("scope {:?}, not {scope:?}", grant.scope));
            }
            if !grant.new.within(*ceiling) {
                fail("new is above the ceiling of the genesis");
            }
        }
        if grant.time > grant.expires {
            fail("entered after it had expired");
        }
        if let Some(first) = self.nonces.get(&grant.nonce) {
            fail(&format!("the nonce is that of entry {first}"));
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
