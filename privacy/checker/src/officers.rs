//! Rules A1 and O1: who may approve, and that what is approved was signed by them.

use std::collections::{BTreeMap, BTreeSet};

use crate::cbor::Value;
use crate::entry::Entry;
use crate::opening::Predecessor;
use crate::quantity::Fields;
use crate::records::OfficerRecord;
use crate::report::{Finding, Malformed};
use crate::statements::{Approved, Statement};

/// Officers whom the log's own key names, because nobody could approve them.
const SELF_NAMED: u64 = 2;
/// Officers who stay when one goes: fewer could not name another.
const STAY: usize = 2;

/// An officer who comes or goes.
pub(crate) struct Officer {
    pub(crate) public: [u8; 32],
    name: String,
    active: bool,
    pub(crate) approved: Approved,
}

impl Officer {
    pub(crate) fn of(body: Value<'_>) -> Result<Self, Malformed> {
        let statement = Statement::of("officer", &body);
        let mut body = Fields::of(body, "officer")?;
        let officer = Officer {
            public: body.take("public")?.hash("public")?,
            name: body.take("name")?.text("name")?.to_owned(),
            active: body.take("active")?.bool("active")?,
            approved: Approved::of(statement, body.optional("approvals"), 2)?,
        };
        body.end()?;
        Ok(officer)
    }
}

/// The officers so far.
#[derive(Default)]
pub(crate) struct Officers {
    /// Key to name of those who can approve.
    active: BTreeMap<[u8; 32], String>,
    /// Every key of the log or of an officer.
    used: BTreeSet<[u8; 32]>,
    /// Number of officer entries.
    entries: u64,
    records: Vec<OfficerRecord>,
    /// An entry that could not be read may have named an officer, or ended one.
    unsure: bool,
}

impl Officers {
    /// Holds the approvals against the officers of the time, and returns the names of those whose approval is good.
    pub(crate) fn check(
        &mut self,
        index: u64,
        entry: Option<&Entry>,
        origin: Option<&str>,
        findings: &mut Vec<Finding>,
    ) -> Vec<String> {
        let Some(entry) = entry else {
            self.unsure = true;
            return Vec::new();
        };
        if let Entry::Genesis(genesis) = entry
            && index == 0
            && let Some(before) = &genesis.predecessor
        {
            self.inherit(before);
        }
        let by = entry
            .approved()
            .map(|approved| self.approvals(index, approved, origin, findings));
        match entry {
            Entry::Key(key) => {
                self.used.insert(key.public);
            }
            Entry::Officer(officer) => {
                self.officer(index, officer, findings);
                self.believe(index, officer);
            }
            _ => {}
        }
        by.unwrap_or_default()
    }

    /// The officers of the log before this one go on.
    fn inherit(&mut self, before: &Predecessor) {
        self.used.extend(before.taken());
        for (public, name) in &before.officers {
            self.entries = self.entries.saturating_add(1);
            self.active.insert(*public, name.clone());
            self.records.push(OfficerRecord {
                name: name.clone(),
                public: *public,
                since: 0,
                self_named: false,
                until: None,
            });
        }
    }

    /// Rule A1.
    fn approvals(
        &self,
        index: u64,
        approved: &Approved,
        origin: Option<&str>,
        findings: &mut Vec<Finding>,
    ) -> Vec<String> {
        let mut fail = |what: String| findings.push(Finding::at(index, "A1", what));
        let keys = approved.approvals.iter().map(|approval| approval.officer);
        if !keys.is_sorted_by(|one, next| one < next) {
            fail("the approvals are not in the order of their officers, each once".to_owned());
        }
        let mut by = Vec::new();
        for approval in &approved.approvals {
            let name = self.active.get(&approval.officer);
            if name.is_none() && !self.may_be_unread(&approval.officer) {
                fail("an approval is of nobody who is an active officer".to_owned());
            }
            let good = origin.is_none_or(|origin| {
                let (officer, signature) = (&approval.officer, &approval.signature);
                approved.statement.signed(origin, officer, signature)
            });
            match name {
                _ if !good => fail("an approval is no signature over this statement".to_owned()),
                Some(name) => by.push(name.clone()),
                None => {}
            }
        }
        by
    }

    /// Rule O1.
    fn officer(&self, index: u64, officer: &Officer, findings: &mut Vec<Finding>) {
        let mut fail = |what: String| findings.push(Finding::at(index, "O1", what));
        let first = officer.active && self.entries < SELF_NAMED;
        if officer.approved.approvals.is_empty() && !first {
            fail("no approvals, though two officers have been named".to_owned());
        }
        if officer.name.is_empty() {
            fail("an officer has a name".to_owned());
        }
        let known = self.active.get(&officer.public);
        if officer.active {
            if self.used.contains(&officer.public) {
                fail("its key has been one of the log's or of an officer before".to_owned());
            }
            if !self.unsure && self.active.values().any(|name| *name == officer.name) {
                fail("an active officer has this name".to_owned());
            }
            return;
        }
        match known {
            None if !self.may_be_unread(&officer.public) => {
                fail("its key is not that of an active officer".to_owned());
            }
            Some(name) if *name != officer.name => {
                fail(format!("the officer who ends is named {name:?}"));
            }
            _ => {}
        }
        let others = self.active.keys().filter(|key| **key != officer.public);
        if others.count() < STAY && !self.unsure {
            fail("fewer than two others stay active".to_owned());
        }
    }

    /// True if an entry that could not be read may have named the officer: not one whose key is the log's or who has gone,
    /// since no key comes twice.
    fn may_be_unread(&self, public: &[u8; 32]) -> bool {
        self.unsure && !self.used.contains(public)
    }

    /// Takes the officer as the entry states it: a broken entry is reported once, not at each that relies on it.
    fn believe(&mut self, index: u64, officer: &Officer) {
        let Officer { public, name, .. } = officer;
        self.entries = self.entries.saturating_add(1);
        self.used.insert(*public);
        if officer.active {
            self.active.insert(*public, name.clone());
            self.records.push(OfficerRecord {
                name: name.clone(),
                public: *public,
                since: index,
                self_named: officer.approved.approvals.is_empty(),
                until: None,
            });
            return;
        }
        self.active.remove(public);
        for record in &mut self.records {
            if record.public == *public && record.until.is_none() {
                record.until = Some(index);
            }
        }
    }

    pub(crate) fn close(self) -> Vec<OfficerRecord> {
        self.records
    }
}
