//! Who may say what: the log's keys, the officers, the caps that they have granted, and how they end it (rules K1, A1, O1, G1, E1 and E2 of
//! `docs/ledger-format.md`).

use std::collections::{BTreeMap, BTreeSet};

use salus_accounting::Loss;
use salus_certificate::EntryIndex;

use crate::caps::Caps;
use crate::entry::{Body, Genesis, Grant, Key, Limit, Officer, Predecessor, Seal, Statement, TWO};
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
    /// What was granted.
    caps: Caps,
    /// The entry of the policy in force, and its limits.
    policy: Option<(EntryIndex, Vec<Limit>)>,
    /// The key of entry 1, where the log before this one has named it.
    named_key: Option<[u8; 32]>,
    /// Whether the log has ended.
    sealed: bool,
}

impl Authority {
    /// What a genesis establishes: the officers of the log before it go on as officers.
    pub(crate) fn of(genesis: &Genesis) -> Self {
        let mut authority = Self {
            caps: Caps::of(genesis),
            ..Self::default()
        };
        if let Some(before) = &genesis.predecessor {
            authority.inherit(before);
        }
        authority
    }

    fn inherit(&mut self, before: &Predecessor) {
        self.named_key = Some(before.successor);
        self.named = before.officers.len();
        // Its key is nobody's from here on.
        self.officers.insert(before.public);
        for heir in &before.officers {
            self.officers.insert(heir.public);
            self.active.insert(heir.public, heir.name.clone());
        }
    }

    /// The officers who approve: key and name, ascending by key.
    pub(crate) fn active(&self) -> &BTreeMap<[u8; 32], String> {
        &self.active
    }

    /// The log's key in force.
    pub(crate) fn key(&self) -> Option<[u8; 32]> {
        self.keys.last().map(|(_, key)| *key)
    }

    /// The log's keys, in the order in which they came into force.
    pub(crate) fn keys(&self) -> Vec<[u8; 32]> {
        self.keys.iter().map(|(_, key)| *key).collect()
    }

    /// The key that signs a checkpoint of this size: that of the last key entry below it.
    pub(crate) fn key_at(&self, size: u64) -> Option<[u8; 32]> {
        let below = self.keys.iter().rev().find(|(index, _)| *index < size);
        below.map(|(_, key)| *key)
    }

    /// The cap of the purse in force.
    pub(crate) fn cap(&self) -> Loss {
        self.caps.purse()
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
        if self.sealed {
            return Err("E1: the log is sealed; nothing is entered after that".to_owned());
        }
        match body {
            Body::Key(key) => self.check_key(key, body, genesis)?,
            Body::Officer(officer) => self.check_officer(officer)?,
            Body::Grant(grant) => self.check_grant(grant, genesis, time)?,
            Body::Seal(seal) => self.check_seal(seal, genesis, time)?,
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
        if self.keys.is_empty() && self.named_key.is_some_and(|named| named != next.public) {
            return Err(
                "E2: the first key is not the one that the log before this one has named"
                    .to_owned(),
            );
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
        let of_purse = self.caps.is_of_purse(grant);
        let cap = if of_purse {
            self.caps.purse()
        } else {
            self.window(&grant.scope, genesis, time)
                .map_err(|what| format!("G1: {what}"))?
        };
        if grant.old != cap {
            return fails("the cap in force is another than the one that the grant raises");
        }
        if !cap.fits_within(&grant.new) || grant.new == cap {
            return fails("a grant raises the cap");
        }
        if of_purse && !grant.new.fits_within(&genesis.ceiling) {
            return fails("the cap would pass the ceiling of the genesis");
        }
        if !of_purse && !is_raised_within(cap, grant.new, self.caps.purse()) {
            return fails("the cap of the window would pass that of the purse");
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

    /// The cap in force of the account `scope` of a limit, which has periods, of which this one is not over at `time`.
    fn window(&self, scope: &str, genesis: &Genesis, time: u64) -> Result<Loss, &'static str> {
        let Some((policy, limits)) = &self.policy else {
            return Err("there is no policy, and no account of a limit");
        };
        let limit = Limit::of_window(limits, &genesis.space, scope, time)?;
        Ok(self.caps.of_limit(scope, limit, *policy))
    }

    fn check_seal(&self, seal: &Seal, genesis: &Genesis, time: u64) -> Result<(), String> {
        let fails = |what: &str| Err(format!("E1: {what}"));
        let Some(totals) = &seal.totals else {
            return fails("the totals are missing");
        };
        if totals.cap != self.cap() {
            return fails("the cap is not the one in force");
        }
        if seal.successor.origin == genesis.origin {
            return fails("a log cannot succeed itself; its successor has another origin");
        }
        let public = seal.successor.public;
        if self.officers.contains(&public) || self.keys.iter().any(|(_, key)| *key == public) {
            return fails("the successor's key is in the log already; it takes a new one");
        }
        if time > seal.expires {
            return fails("the approval to seal has expired");
        }
        if seal.approvals.len() < TWO {
            return fails("two officers must approve it");
        }
        Ok(())
    }

    /// The genesis itself: officers of a log that was lost have approved it.
    pub(crate) fn check_genesis(&self, genesis: &Genesis) -> Result<(), String> {
        self.check_approvals(&Body::Genesis(genesis.clone()), genesis)
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
                self.caps.accept(EntryIndex(index), grant);
            }
            Body::Policy(policy) => self.policy = Some((EntryIndex(index), policy.limits.clone())),
            Body::Seal(_) => self.sealed = true,
            _ => {}
        }
    }
}

/// Whether what is raised of a cap stays within another; what is left as it was may be above it.
fn is_raised_within(old: Loss, new: Loss, most: Loss) -> bool {
    (new.rho == old.rho || new.rho <= most.rho)
        && (new.delta == old.delta || new.delta <= most.delta)
}
