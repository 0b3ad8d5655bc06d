//! How a log ends, and how the next one begins: with what was spent, never with a full purse.

use salus_accounting::Loss;
use salus_certificate::{CertificateError, Fields, Hash, Value, loss_value};

use super::encoding::{none_or_more, unless_empty, wrong};
use super::oversight::{Approval, TWO, approvals, with_approvals};

/// The log ends, in favour of one other. Nothing is appended after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// The log that goes on.
    pub successor: Successor,
    /// Last second at which it can be entered.
    pub expires: u64,
    /// Salted commitment to the reason.
    pub reason: Hash,
    /// What the log adds up to. The ledger fills it in: it is no part of what officers approve, since every question that is asked
    /// meanwhile moves it, and verifiers recompute it.
    pub totals: Option<Totals>,
    /// Of two officers at least.
    pub approvals: Vec<Approval>,
}

/// The one log that may follow, by its name and first key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Successor {
    /// Its origin.
    pub origin: String,
    /// The key of its entry 1.
    pub public: [u8; 32],
}

/// The largest totals of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// The cap of the purse in force.
    pub cap: Loss,
    /// Spent from the purse.
    pub spent: Loss,
    /// Accounts of limits that still count, ascending by scope.
    pub limits: Vec<Carried>,
}

/// The account of a limit that goes on from where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// Its scope.
    pub scope: String,
    /// What it has let through.
    pub spent: Loss,
}

/// The log that this one goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predecessor {
    /// Its origin.
    pub origin: String,
    /// The key that signed its newest checkpoint.
    pub public: [u8; 32],
    /// That checkpoint, as a signed note.
    pub checkpoint: Vec<u8>,
    /// Where the log is lost: how many of its first entries the terms below were read from. `None` where it was sealed, and all were read.
    pub read: Option<u64>,
    /// The key of entry 1 of this log.
    pub successor: [u8; 32],
    /// What had been spent from the purse, or may have been.
    pub spent: Loss,
    /// The accounts of limits that go on, ascending by scope.
    pub limits: Vec<Carried>,
    /// Its officers, who are this log's from the beginning, ascending by key.
    pub officers: Vec<Heir>,
    /// Of two of them at least, over the genesis, where the log is lost.
    pub approvals: Vec<Approval>,
}

/// An officer who goes on as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heir {
    /// The Ed25519 key that approves.
    pub public: [u8; 32],
    /// Whose it is.
    pub name: String,
}

impl Carried {
    /// Whether an account still counts at `time`: for good, or in a period that has not ended.
    pub(crate) fn counts(scope: &str, time: u64) -> bool {
        let share = scope.split_once(':').map_or(scope, |(share, _)| share);
        let mut parts = share.split('/');
        let (Some(_), Some(seconds), Some(period), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return true;
        };
        let number = crate::note::parse_decimal;
        let (Some(seconds), Some(period)) = (number(seconds), number(period)) else {
            return true;
        };
        let end = period
            .checked_add(1)
            .and_then(|next| next.checked_mul(seconds));
        end.is_none_or(|end| time < end)
    }

    fn to_value(&self) -> Value {
        Value::map([
            ("scope", Value::text(&self.scope)),
            ("spent", loss_value(&self.spent)),
        ])
    }

    fn from_value(value: Value) -> Result<Self, CertificateError> {
        let mut fields = Fields::of("limits", value)?;
        let carried = Self {
            scope: fields.text("scope")?,
            spent: fields.loss("spent")?,
        };
        fields.finish()?;
        Ok(carried)
    }
}

impl Heir {
    fn to_value(&self) -> Value {
        Value::map([
            ("public", Value::bytes(self.public)),
            ("name", Value::text(&self.name)),
        ])
    }

    fn from_value(value: Value) -> Result<Self, CertificateError> {
        let mut fields = Fields::of("officers", value)?;
        let heir = Self {
            public: fields.hash("public")?,
            name: fields.text("name")?,
        };
        fields.finish()?;
        Ok(heir)
    }
}

impl Totals {
    fn to_value(&self) -> Value {
        let fields = [
            ("cap", loss_value(&self.cap)),
            ("spent", loss_value(&self.spent)),
        ];
        let limits = unless_empty("limits", &self.limits, Carried::to_value);
        Value::map(fields.into_iter().chain(limits))
    }

    fn from_value(value: Value) -> Result<Self, CertificateError> {
        let mut fields = Fields::of("totals", value)?;
        let totals = Self {
            cap: fields.loss("cap")?,
            spent: fields.loss("spent")?,
            limits: none_or_more(&mut fields, "limits", Carried::from_value)?,
        };
        fields.finish()?;
        Ok(totals)
    }
}

impl Seal {
    pub(super) fn to_value(&self) -> Value {
        let successor = Value::map([
            ("origin", Value::text(&self.successor.origin)),
            ("public", Value::bytes(self.successor.public)),
        ]);
        let mut value = with_approvals(
            [
                ("successor", successor),
                ("expires", Value::Uint(self.expires)),
                ("reason", Value::bytes(self.reason)),
            ],
            &self.approvals,
        );
        if let (Value::Map(fields), Some(totals)) = (&mut value, &self.totals) {
            fields.insert("totals", totals.to_value());
        }
        value
    }

    pub(super) fn from_fields(fields: &mut Fields) -> Result<Self, CertificateError> {
        let mut successor = Fields::of("successor", fields.take("successor")?)?;
        let seal = Self {
            successor: Successor {
                origin: successor.text("origin")?,
                public: successor.hash("public")?,
            },
            expires: fields.uint("expires")?,
            reason: fields.hash("reason")?,
            totals: fields
                .optional("totals")
                .map(Totals::from_value)
                .transpose()?,
            approvals: approvals(fields, TWO)?,
        };
        successor.finish()?;
        Ok(seal)
    }
}

impl Predecessor {
    pub(super) fn to_value(&self) -> Value {
        let fields = [
            ("origin", Value::text(&self.origin)),
            ("public", Value::bytes(self.public)),
            ("checkpoint", Value::bytes(self.checkpoint.as_slice())),
            ("successor", Value::bytes(self.successor)),
            ("spent", loss_value(&self.spent)),
            (
                "officers",
                Value::array(self.officers.iter().map(Heir::to_value)),
            ),
        ];
        let read = self.read.map(|read| ("read", Value::Uint(read)));
        let limits = unless_empty("limits", &self.limits, Carried::to_value);
        Value::map(fields.into_iter().chain(read).chain(limits))
    }

    /// From the fields of a genesis, of which the approvals are one.
    pub(super) fn of_genesis(fields: &mut Fields) -> Result<Option<Box<Self>>, CertificateError> {
        let Some(value) = fields.optional("predecessor") else {
            return Ok(None);
        };
        let approvals = approvals(fields, TWO)?;
        let mut fields = Fields::of("predecessor", value)?;
        let predecessor = Self {
            origin: fields.text("origin")?,
            public: fields.hash("public")?,
            checkpoint: fields.bytes("checkpoint")?,
            read: fields.optional_uint("read")?,
            successor: fields.hash("successor")?,
            spent: fields.loss("spent")?,
            limits: none_or_more(&mut fields, "limits", Carried::from_value)?,
            officers: fields.array("officers", Heir::from_value)?,
            approvals,
        };
        fields.finish()?;
        if predecessor.officers.len() < TWO {
            return Err(wrong("officers", "are too few"));
        }
        if predecessor.read.is_none() && !predecessor.approvals.is_empty() {
            return Err(wrong("approvals", "are of a log that was sealed"));
        }
        Ok(Some(Box::new(predecessor)))
    }
}

#[cfg(test)]
mod tests {
    use super::Carried;

    #[test]
    fn what_counts_is_for_good_or_of_a_period_that_has_not_ended() {
        for (scope, counts) in [
            ("analyst:ada", true),
            ("analyst/10/6:ada", false),
            ("analyst/10/7:ada", true),
            ("analyst/10/6:a/b:c", false),
            // Nothing that a limit writes.
            ("analyst/10/06:ada", true),
            ("analyst/+10/6:ada", true),
            ("analyst/10/6/1:ada", true),
            ("analyst/10/18446744073709551615:ada", true),
            ("ada", true),
        ] {
            assert_eq!(Carried::counts(scope, 70), counts, "{scope}");
        }
    }
}
