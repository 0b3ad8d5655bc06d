//! Who may say what: the log's keys, the officers, and the cap that they have granted (rules K1, A1, O1, G1 of `docs/ledger-format.md`).

use std::collections::{BTreeMap, BTreeSet};

use salus_accounting::Loss;

use crate::entry::{Body, Genesis, Grant, Key, Officer, Statement, TWO};
use crate::key;

/// What the entries so far establish.
#[derive(Debug, Clone, Default)]
pub(crate) struct Authority {
    /// The log's keys with the index that puts each in force.
    keys: Vec<(u64, [u8; 32])>,
    /// Officers' keys that approve, and whose they are.
    active: BTreeMap<[u8; 32], String>,
    /// Every key that was ever an officer's.
    officers: BTreeSet<[u8; 32]>,
    /// Number of officer entries.
    named: usize,
    nonces: BTreeSet<[u8; 16]>,
    /// By the last grant.
    granted: Option<Loss>,
}

impl Authority {
    /// The log's key in force.
    pub(crate) fn key(&self) -> Option<[u8; 32]> {
        self.keys.last().map(|(_, key)| *key)
    }

    /// The key that signs a checkpoint of this size: that of the last key entry below it.
    pub(crate) fn key_at(&self, size: u64) -> Option<[u8; 32]> {
        let below = self.keys.iter().rev().find(|(index, _)| *index < size);
        below.map(|(_, key)| *key)
    }

    /// The cap of the purse in force.
    pub(crate) fn cap(&self, genesis: &Genesis) -> Loss {
        self.granted.unwrap_or(genesis.cap)
    }

    /// Whether an officer can still be named by the log's key alone.
    fn names_itself(&self) -> bool {
        self.named < TWO
    }

    /// Checks what `body` claims, at `time`.
    ///
    /// # Errors
    ///
    /// The rule and what is wrong.
    pub(crate) fn check(&self, body: &Body, genesis: &Genesis, time: u64) -> Result<(), String> {
        match body {
            Body::Key(key) => self.check_key(key, body, genesis)?,
            Body::Officer(officer) => self.check_officer(officer)?,
            Body::Grant(grant) => self.check_grant(grant, genesis, time)?,
            _ => {}
        }
        self.check_approvals(body, genesis)
    }

    fn check_key(&self, next: &Key, body: &Body, genesis: &Genesis) -> Result<(), String> {
        if self.keys.iter().any(|(_, key)| *key == next.public)
            || self.officers.contains(&next.public)
        {
            return Err("K1: the key is in the log already".to_owned());
        }
        match (self.key(), next.signature) {
            (None, None) => Ok(()),
            (Some(before), Some(signature))
                if key::verifies(
                    &before,
                    Statement::of(&genesis.origin, body).bytes(),
                    &signature,
                ) =>
            {
                Ok(())
            }
            _ => Err("K1: the key before it has not signed for it".to_owned()),
        }
    }

    fn check_officer(&self, officer: &Officer) -> Result<(), String> {
        let fails = |what: &str| Err(format!("O1: {what}"));
        if !key::is_plain_name(&officer.name) {
            return fails(
                "an officer's name is 1 to 64 letters, digits, dots, hyphens, slashes or underscores",
            );
        }
        if officer.approvals.is_empty() && !(officer.active && self.names_itself()) {
            return fails(
                "two officers are named already; from then on two of them approve who comes and who goes",
            );
        }
        if officer.active {
            let known = self.officers.contains(&officer.public)
                || self.keys.iter().any(|(_, key)| *key == officer.public);
            if known {
                return fails("the key is in the log already");
            }
            if self.active.values().any(|name| *name == officer.name) {
                return fails("there is an active officer of this name");
            }
            return Ok(());
        }
        if self.active.get(&officer.public) != Some(&officer.name) {
            return fails("there is no active officer of this name and key");
        }
        if self.active.len() <= TWO {
            return fails("two officers must remain; name another first");
        }
        Ok(())
    }

    fn check_grant(&self, grant: &Grant, genesis: &Genesis, time: u64) -> Result<(), String> {
        let fails = |what: &str| Err(format!("G1: {what}"));
        let cap = self.cap(genesis);
        if grant.scope != genesis.scope() {
            return fails("the grant is not of this purse");
        }
        if grant.old != cap {
            return fails("the cap in force is another than the one that the grant raises");
        }
        if !cap.fits_within(&grant.new) || grant.new == cap {
            return fails("a grant raises the cap");
        }
        if !grant.new.fits_within(&genesis.ceiling) {
            return fails("the cap would pass the ceiling of the genesis");
        }
        if time > grant.expires {
            return fails("the grant has expired");
        }
        if self.nonces.contains(&grant.nonce) {
            return fails("the grant was entered before");
        }
        if grant.approvals.len() < TWO {
            return fails("two officers must approve it");
        }
        Ok(())
    }

    fn check_approvals(&self, body: &Body, genesis: &Genesis) -> Result<(), String> {
        let statement = Statement::of(&genesis.origin, body);
        let mut before = None;
        for approval in body.approvals() {
            if before.is_some_and(|before| before >= approval.officer) {
                return Err("A1: two approvals are of one officer, or not in order".to_owned());
            }
            before = Some(approval.officer);
            if !self.active.contains_key(&approval.officer) {
                return Err("A1: an approval is of nobody who is an officer".to_owned());
            }
            if !key::verifies(&approval.officer, statement.bytes(), &approval.signature) {
                return Err("A1: an approval is of something else".to_owned());
            }
        }
        Ok(())
    }

    /// Takes `body` for granted.
    pub(crate) fn accept(&mut self, index: u64, body: &Body) {
        match body {
            Body::Key(key) => self.keys.push((index, key.public)),
            Body::Officer(officer) => {
                self.named = self.named.saturating_add(1);
                self.officers.insert(officer.public);
                if officer.active {
                    self.active.insert(officer.public, officer.name.clone());
                } else {
                    self.active.remove(&officer.public);
                }
            }
            Body::Grant(grant) => {
                self.nonces.insert(grant.nonce);
                self.granted = Some(grant.new);
            }
            _ => {}
        }
    }
}
