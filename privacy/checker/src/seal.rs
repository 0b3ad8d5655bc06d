//! Rule E1: a log ends once, with what it adds up to, and nothing follows.

use crate::budget::Purse;
use crate::cbor::Value;
use crate::entry::Entry;
use crate::grants::Grants;
use crate::keys::Keys;
use crate::limits::Limits;
use crate::quantity::{Fields, Loss};
use crate::records::SealRecord;
use crate::report::{Finding, Malformed};
use crate::statements::{Approved, Statement};
use crate::window::still_counts;

/// The log ends, in favour of another.
pub(crate) struct Seal {
    time: u64,
    origin: String,
    public: [u8; 32],
    expires: u64,
    cap: Loss,
    spent: Loss,
    limits: Vec<Carried>,
    pub(crate) approved: Approved,
}

/// The account of a limit that goes on in another log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) scope: String,
    pub(crate) spent: Loss,
}

impl Seal {
    pub(crate) fn of(body: Value<'_>, time: u64) -> Result<Self, Malformed> {
        let statement = Statement::of("seal", &body);
        let mut body = Fields::of(body, "seal")?;
        let mut successor = Fields::of(body.take("successor")?, "successor")?;
        let mut totals = Fields::of(body.take("totals")?, "totals")?;
        let seal = Seal {
            time,
            origin: successor.take("origin")?.text("origin")?.to_owned(),
            public: successor.take("public")?.hash("public")?,
            expires: body.take("expires")?.uint("expires")?,
            cap: totals.take("cap")?.loss("cap")?,
            spent: totals.take("spent")?.loss("spent")?,
            limits: carried(totals.optional("limits"))?,
            approved: Approved::of(statement, Some(body.take("approvals")?), 2)?,
        };
        body.take("reason")?.hash("reason")?;
        successor.end()?;
        totals.end()?;
        body.end()?;
        Ok(seal)
    }
}

/// Reads the accounts that go on, which are left out where there are none.
pub(crate) fn carried(value: Option<Value<'_>>) -> Result<Vec<Carried>, Malformed> {
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    let items = value.array("limits")?;
    if items.is_empty() {
        return Err(Malformed("limits: empty".to_owned()));
    }
    let one = |item| {
        let mut fields = Fields::of(item, "limits")?;
        let carried = Carried {
            scope: fields.take("scope")?.text("scope")?.to_owned(),
            spent: fields.take("spent")?.loss("spent")?,
        };
        fields.end()?;
        Ok(carried)
    };
    items.into_iter().map(one).collect()
}

/// True of an account without periods.
pub(crate) fn is_for_good(scope: &str) -> bool {
    still_counts(scope, u64::MAX)
}

/// Whether the log has ended.
#[derive(Default)]
pub(crate) struct Seals {
    first: Option<SealRecord>,
}

/// What a log adds up to where it may end.
pub(crate) struct Ending<'a> {
    pub(crate) origin: Option<&'a str>,
    pub(crate) keys: &'a Keys,
    pub(crate) grants: &'a mut Grants,
    pub(crate) purse: &'a Purse,
    pub(crate) limits: &'a Limits,
}

impl Seals {
    pub(crate) fn check(
        &mut self,
        index: u64,
        entry: Option<&Entry>,
        at: &mut Ending<'_>,
        approved_by: &[String],
        findings: &mut Vec<Finding>,
    ) {
        let mut fail = |what: &str| findings.push(Finding::at(index, "E1", what));
        if let Some(seal) = &self.first {
            fail(&format!("the log ended with entry {}", seal.entry));
        }
        let Some(Entry::Seal(seal)) = entry else {
            return;
        };
        if at.origin == Some(seal.origin.as_str()) {
            fail("the successor has the same origin");
        }
        if at.keys.is_taken(&seal.public) {
            fail("the successor's key is this log's or an officer's");
        }
        if seal.time > seal.expires {
            fail("entered after it had expired");
        }
        if !at.grants.states(seal.cap) {
            fail("the cap is not the one in force");
        }
        if !at.purse.states(seal.spent) {
            fail("spent is not the running total");
        }
        if !at.limits.states(&seal.limits, seal.time) {
            fail("the limits are not the accounts that go on");
        }
        let record = SealRecord {
            entry: index,
            successor: seal.origin.clone(),
            public: seal.public,
            cap: seal.cap,
            spent: seal.spent,
            limits: pairs(&seal.limits),
            approved_by: approved_by.to_vec(),
        };
        self.first.get_or_insert(record);
    }

    pub(crate) fn close(self) -> Option<SealRecord> {
        self.first
    }
}

/// Scope and total of each.
pub(crate) fn pairs(limits: &[Carried]) -> Vec<(String, Loss)> {
    let pair = |limit: &Carried| (limit.scope.clone(), limit.spent);
    limits.iter().map(pair).collect()
}
