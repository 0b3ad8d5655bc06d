//! What people put into the log by their own signature: officers, grants, reviews, incidents.

use salus_accounting::Loss;
use salus_certificate::{CertificateError, EntryIndex, Fields, Hash, Value, loss_value};

use super::encoding::{unless_empty, wrong};
use super::{Body, Kind, Movement};

/// Bytes of an Ed25519 signature.
pub type SignatureBytes = [u8; 64];

/// Approvals that an officer's entry or a grant needs.
pub(crate) const TWO: usize = 2;

/// An officer's word for an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The officer's public key.
    pub officer: [u8; 32],
    /// Over the entry's [`Statement`].
    pub signature: SignatureBytes,
}

/// Somebody who can approve, or from here on no longer can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Officer {
    /// The Ed25519 key that approves.
    pub public: [u8; 32],
    /// Whose it is: a pseudonym, or an office.
    pub name: String,
    /// Whether it approves from here on.
    pub active: bool,
    /// Of two officers at least; none where the log has fewer than two officer entries.
    pub approvals: Vec<Approval>,
}

/// A larger cap: of the purse up to the ceiling of the genesis, of a window up to the cap of the purse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The purse, or a window: the account of a limit in one of its periods.
    pub scope: String,
    /// Its cap before.
    pub old: Loss,
    /// Its cap from here on.
    pub new: Loss,
    /// No two grants have the same.
    pub nonce: [u8; 16],
    /// Last second at which it can be entered.
    pub expires: u64,
    /// Salted commitment to the reason.
    pub reason: Hash,
    /// Of two officers at least.
    pub approvals: Vec<Approval>,
}

/// Somebody has looked at entries: the evidence that records of use are examined (45 CFR 164.312(b)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Who has looked (a pseudonym).
    pub principal: String,
    /// The first entry.
    pub from: EntryIndex,
    /// The last.
    pub to: EntryIndex,
    /// RFC 6962 root of the entries 0 to `to`: what was looked at is what stands there.
    pub root: Hash,
    /// Salted commitment to what was found.
    pub note: Hash,
    /// Of officers, where it is signed.
    pub approvals: Vec<Approval>,
}

/// A price turned out to be too low: what the answer cost beyond it is taken from the purse, also where the purse does not hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// The reserve whose price was too low.
    pub reserve: EntryIndex,
    /// What it cost beyond its price.
    pub loss: Loss,
    /// Salted commitment to what happened.
    pub note: Hash,
    /// The purse before and after.
    pub account: Movement,
    /// Of officers, where it is signed.
    pub approvals: Vec<Approval>,
}

/// What is signed of an entry: log, kind and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement(Vec<u8>);

const DOMAIN: &[u8] = b"salus/statement/v1\0";

impl Statement {
    /// The statement of `body` in the log `origin`: its canonical bytes without signatures, under a name of their own, so that they are
    /// neither a checkpoint nor anything else that is signed.
    pub fn of(origin: &str, body: &Body) -> Self {
        let mut content = body.to_value();
        if let Value::Map(fields) = &mut content {
            fields.remove("signature");
            fields.remove("approvals");
            // Of a seal: what the log adds up to when it is entered, which is recomputed.
            fields.remove("totals");
        }
        let item = Value::map([
            ("origin", Value::text(origin)),
            ("kind", Value::text(body.kind().name())),
            ("body", content),
        ]);
        Self([DOMAIN, &item.encode()].concat())
    }

    /// The log and the body that these bytes state, without signatures.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] where they are no statement.
    pub fn read(bytes: &[u8]) -> Result<(String, Body), CertificateError> {
        let item = bytes
            .strip_prefix(DOMAIN)
            .ok_or(wrong("statement", "is none"))?;
        let mut fields = Fields::of("statement", Value::decode(item)?)?;
        let origin = fields.text("origin")?;
        let kind =
            Kind::from_name(&fields.text("kind")?).ok_or(wrong("kind", "is not a known kind"))?;
        let body = Body::unsigned(kind, fields.take("body")?)?;
        fields.finish()?;
        Ok((origin, body))
    }

    /// The bytes that are signed.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Approval {
    fn to_value(&self) -> Value {
        Value::map([
            ("officer", Value::bytes(self.officer)),
            ("signature", Value::bytes(self.signature)),
        ])
    }

    fn from_value(value: Value) -> Result<Self, CertificateError> {
        let mut fields = Fields::of("approval", value)?;
        let approval = Self {
            officer: fields.hash("officer")?,
            signature: fixed(&mut fields, "signature")?,
        };
        fields.finish()?;
        Ok(approval)
    }
}

/// The byte string `name` of this length.
pub(super) fn fixed<const N: usize>(
    fields: &mut Fields,
    name: &'static str,
) -> Result<[u8; N], CertificateError> {
    let bytes = fields.bytes(name)?;
    bytes
        .try_into()
        .map_err(|_| wrong(name, "has another length"))
}

/// The byte string `name` of this length, if it is there.
pub(super) fn optional_fixed<const N: usize>(
    fields: &mut Fields,
    name: &'static str,
) -> Result<Option<[u8; N]>, CertificateError> {
    match fields.optional(name) {
        None => Ok(None),
        Some(Value::Bytes(bytes)) => match bytes.try_into() {
            Ok(bytes) => Ok(Some(bytes)),
            Err(_) => Err(wrong(name, "has another length")),
        },
        Some(_) => Err(wrong(name, "is not a byte string")),
    }
}

/// The approvals, at least so many where there are any.
pub(super) fn approvals(
    fields: &mut Fields,
    least: usize,
) -> Result<Vec<Approval>, CertificateError> {
    let approvals = super::encoding::none_or_more(fields, "approvals", Approval::from_value)?;
    if approvals.is_empty() || approvals.len() >= least {
        Ok(approvals)
    } else {
        Err(wrong("approvals", "are too few"))
    }
}

pub(super) fn with_approvals<const N: usize>(
    fields: [(&'static str, Value); N],
    approvals: &[Approval],
) -> Value {
    let approvals = unless_empty("approvals", approvals, Approval::to_value);
    Value::map(fields.into_iter().chain(approvals))
}

impl Officer {
    pub(super) fn to_value(&self) -> Value {
        let fields = [
            ("public", Value::bytes(self.public)),
            ("name", Value::text(&self.name)),
            ("active", Value::Bool(self.active)),
        ];
        with_approvals(fields, &self.approvals)
    }

    pub(super) fn from_fields(fields: &mut Fields) -> Result<Self, CertificateError> {
        Ok(Self {
            public: fields.hash("public")?,
            name: fields.text("name")?,
            active: match fields.take("active")? {
                Value::Bool(active) => active,
                _ => return Err(wrong("active", "is neither true nor false")),
            },
            approvals: approvals(fields, TWO)?,
        })
    }
}

impl Grant {
    pub(super) fn to_value(&self) -> Value {
        let fields = [
            ("scope", Value::text(&self.scope)),
            ("old", loss_value(&self.old)),
            ("new", loss_value(&self.new)),
            ("nonce", Value::bytes(self.nonce)),
            ("expires", Value::Uint(self.expires)),
            ("reason", Value::bytes(self.reason)),
        ];
        with_approvals(fields, &self.approvals)
    }

    pub(super) fn from_fields(fields: &mut Fields) -> Result<Self, CertificateError> {
        Ok(Self {
            scope: fields.text("scope")?,
            old: fields.loss("old")?,
            new: fields.loss("new")?,
            nonce: fixed(fields, "nonce")?,
            expires: fields.uint("expires")?,
            reason: fields.hash("reason")?,
            approvals: approvals(fields, TWO)?,
        })
    }
}

impl Review {
    pub(super) fn to_value(&self) -> Value {
        let fields = [
            ("principal", Value::text(&self.principal)),
            ("from", Value::Uint(self.from.0)),
            ("to", Value::Uint(self.to.0)),
            ("root", Value::bytes(self.root)),
            ("note", Value::bytes(self.note)),
        ];
        with_approvals(fields, &self.approvals)
    }

    pub(super) fn from_fields(fields: &mut Fields) -> Result<Self, CertificateError> {
        Ok(Self {
            principal: fields.text("principal")?,
            from: fields.index("from")?,
            to: fields.index("to")?,
            root: fields.hash("root")?,
            note: fields.hash("note")?,
            approvals: approvals(fields, 1)?,
        })
    }
}

impl Incident {
    pub(super) fn to_value(&self) -> Value {
        let fields = [
            ("reserve", Value::Uint(self.reserve.0)),
            ("loss", loss_value(&self.loss)),
            ("note", Value::bytes(self.note)),
            ("accounts", Value::array([self.account.to_value()])),
        ];
        with_approvals(fields, &self.approvals)
    }

    pub(super) fn from_fields(fields: &mut Fields) -> Result<Self, CertificateError> {
        let mut accounts = fields.array("accounts", Movement::from_value)?.into_iter();
        let (Some(account), None) = (accounts.next(), accounts.next()) else {
            return Err(wrong("accounts", "is not one account"));
        };
        Ok(Self {
            reserve: fields.index("reserve")?,
            loss: fields.loss("loss")?,
            note: fields.hash("note")?,
            account,
            approvals: approvals(fields, 1)?,
        })
    }
}

impl Body {
    /// The approvals that stand in it.
    pub fn approvals(&self) -> &[Approval] {
        match self {
            Self::Officer(body) => &body.approvals,
            Self::Grant(body) => &body.approvals,
            Self::Review(body) => &body.approvals,
            Self::Incident(body) => &body.approvals,
            Self::Seal(body) => &body.approvals,
            Self::Genesis(body) => match &body.predecessor {
                Some(predecessor) => &predecessor.approvals,
                None => &[],
            },
            _ => &[],
        }
    }

    /// The same with these approvals, in the order that the format asks for.
    #[must_use]
    pub fn approved(mut self, mut by: Vec<Approval>) -> Self {
        by.sort_by_key(|approval| approval.officer);
        match &mut self {
            Self::Officer(body) => body.approvals = by,
            Self::Grant(body) => body.approvals = by,
            Self::Review(body) => body.approvals = by,
            Self::Incident(body) => body.approvals = by,
            Self::Seal(body) => body.approvals = by,
            Self::Genesis(body) => {
                if let Some(predecessor) = &mut body.predecessor {
                    predecessor.approvals = by;
                }
            }
            _ => {}
        }
        self
    }
}
