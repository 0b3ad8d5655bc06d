//! Rule F1: the bytes are one entry of a known version and kind, with exactly the fields of that kind.
//!
//! Every field is read and its form checked; kept is what another rule needs.

use crate::cbor::{self, Value};
use crate::certificate::Certificate;
use crate::grants::Grant;
use crate::keys::Key;
use crate::limits::{self, Limit};
use crate::officers::Officer;
use crate::opening::Predecessor;
use crate::quantity::{Fields, Loss};
use crate::report::Malformed;
use crate::reviews::Review;
use crate::seal::Seal;
use crate::statements::{Approved, Statement};
use crate::tree::Hash;

/// Version of the format that this checker knows.
const VERSION: u64 = 1;
/// Longest entry, in bytes: the largest length that stands before an entry in a bundle of C2SP tlog-tiles.
const LONGEST: usize = 65_535;

pub(crate) enum Entry {
    Genesis(Box<Genesis>),
    Key(Box<Key>),
    Dataset {
        dataset: String,
        space: String,
        /// Of a part of another, ascending.
        tables: Option<Vec<String>>,
    },
    Catalog {
        dataset: String,
    },
    Policy {
        query_rho: u64,
        limits: Vec<Limit>,
    },
    Snapshot {
        dataset: String,
    },
    Reserve(Box<Reserve>),
    Release {
        reserve: u64,
        answer: Hash,
    },
    Abort {
        reserve: u64,
    },
    Reuse(Box<Reuse>),
    Refuse,
    Officer(Box<Officer>),
    Grant(Box<Grant>),
    Review(Box<Review>),
    Incident(Box<Incident>),
    Anchor {
        tick: u64,
        checkpoint: Hash,
    },
    Seal(Box<Seal>),
}

pub(crate) struct Genesis {
    pub(crate) origin: String,
    pub(crate) space: String,
    pub(crate) adjacency: String,
    pub(crate) ceiling: Loss,
    pub(crate) cap: Loss,
    /// The log that this one goes on from.
    pub(crate) predecessor: Option<Predecessor>,
    /// Seconds between the ticks at which the restricted log is anchored, if there is one.
    pub(crate) restricted: Option<u64>,
    /// By officers of that log, where it was lost.
    pub(crate) approved: Approved,
}

pub(crate) struct Reserve {
    pub(crate) time: u64,
    pub(crate) principal: String,
    pub(crate) purpose: String,
    pub(crate) certificate: Certificate,
    pub(crate) loss: Loss,
    pub(crate) accounts: Vec<Account>,
}

pub(crate) struct Reuse {
    pub(crate) time: u64,
    pub(crate) principal: String,
    pub(crate) purpose: String,
    pub(crate) release: u64,
    pub(crate) accounts: Vec<Account>,
}

pub(crate) struct Incident {
    pub(crate) reserve: u64,
    pub(crate) loss: Loss,
    pub(crate) account: Account,
    pub(crate) approved: Approved,
}

pub(crate) struct Account {
    pub(crate) scope: String,
    pub(crate) cap: Loss,
    pub(crate) before: Loss,
    pub(crate) after: Loss,
}

impl Entry {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::dated(bytes).map(|(_, entry)| entry)
    }

    /// With its time.
    pub(crate) fn dated(bytes: &[u8]) -> Result<(u64, Self), Malformed> {
        if bytes.len() > LONGEST {
            return Err(Malformed(format!("longer than {LONGEST} bytes")));
        }
        let mut entry = Fields::of(cbor::read(bytes)?, "entry")?;
        let version = entry.take("v")?.uint("v")?;
        if version != VERSION {
            return Err(Malformed(format!("version {version} is not known")));
        }
        let time = entry.take("time")?.uint("time")?;
        let kind = entry.take("kind")?.text("kind")?;
        let body = entry.take("body")?;
        entry.end()?;
        let entry = match kind {
            "genesis" => genesis(body),
            "key" => Ok(Entry::Key(Box::new(Key::of(body)?))),
            "dataset" => dataset(body),
            "catalog" => catalog(body),
            "policy" => policy(body),
            "snapshot" => snapshot(body),
            "reserve" => reserve(body, time),
            "release" => release(body),
            "abort" => abort(body),
            "reuse" => reuse(body, time),
            "refuse" => refuse(body),
            "officer" => Ok(Entry::Officer(Box::new(Officer::of(body)?))),
            "grant" => Ok(Entry::Grant(Box::new(Grant::of(body, time)?))),
            "review" => Ok(Entry::Review(Box::new(Review::of(body)?))),
            "incident" => incident(body),
            "seal" => Ok(Entry::Seal(Box::new(Seal::of(body, time)?))),
            "anchor" => anchor(body),
            _ => Err(Malformed(format!("kind {kind:?} is not known"))),
        };
        Ok((time, entry?))
    }

    /// The `kind` as it stands in the bytes.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Entry::Genesis(_) => "genesis",
            Entry::Key(_) => "key",
            Entry::Dataset { .. } => "dataset",
            Entry::Catalog { .. } => "catalog",
            Entry::Policy { .. } => "policy",
            Entry::Snapshot { .. } => "snapshot",
            Entry::Reserve(_) => "reserve",
            Entry::Release { .. } => "release",
            Entry::Abort { .. } => "abort",
            Entry::Reuse(_) => "reuse",
            Entry::Refuse => "refuse",
            Entry::Officer(_) => "officer",
            Entry::Grant(_) => "grant",
            Entry::Review(_) => "review",
            Entry::Incident(_) => "incident",
            Entry::Anchor { .. } => "anchor",
            Entry::Seal(_) => "seal",
        }
    }

    /// What officers have approved in it.
    pub(crate) fn approved(&self) -> Option<&Approved> {
        match self {
            Entry::Officer(officer) => Some(&officer.approved),
            Entry::Grant(grant) => Some(&grant.approved),
            Entry::Review(review) => Some(&review.approved),
            Entry::Incident(incident) => Some(&incident.approved),
            Entry::Seal(seal) => Some(&seal.approved),
            Entry::Genesis(genesis) => Some(&genesis.approved),
            _ => None,
        }
    }
}

fn genesis(body: Value<'_>) -> Result<Entry, Malformed> {
    let statement = Statement::of("genesis", &body);
    let mut body = Fields::of(body, "genesis")?;
    let predecessor = match body.optional("predecessor") {
        Some(value) => Some(Predecessor::of(value)?),
        None => None,
    };
    let approved = Approved::of(statement, body.optional("approvals"), 2)?;
    let lost = predecessor
        .as_ref()
        .is_some_and(|before| before.read.is_some());
    if lost == approved.approvals.is_empty() {
        let what = "approvals: there, or not, where the log before it was lost, or not";
        return Err(Malformed(what.to_owned()));
    }
    let restricted = match body.optional("restricted") {
        Some(value) => Some(value.uint("restricted")?),
        None => None,
    };
    if restricted == Some(0) {
        return Err(Malformed("restricted: 0".to_owned()));
    }
    let genesis = Genesis {
        restricted,
        predecessor,
        approved,
        origin: body.take("origin")?.text("origin")?.to_owned(),
        space: body.take("space")?.text("space")?.to_owned(),
        adjacency: body.take("adjacency")?.text("adjacency")?.to_owned(),
        ceiling: body.take("ceiling")?.loss("ceiling")?,
        cap: body.take("cap")?.loss("cap")?,
    };
    body.take("conversion_delta")?.delta("conversion_delta")?;
    body.take("build")?.text("build")?;
    body.take("rules")?.uint("rules")?;
    body.end()?;
    Ok(Entry::Genesis(Box::new(genesis)))
}

fn dataset(body: Value<'_>) -> Result<Entry, Malformed> {
    let mut body = Fields::of(body, "dataset")?;
    let dataset = body.take("dataset")?.text("dataset")?.to_owned();
    body.take("unit")?.text("unit")?;
    let space = body.take("space")?.text("space")?.to_owned();
    let tables = match body.optional("tables") {
        None => None,
        Some(tables) => {
            let tables = tables.array("tables")?.into_iter();
            let tables = tables
                .map(|table| Ok(table.text("tables")?.to_owned()))
                .collect::<Result<Vec<_>, Malformed>>()?;
            if !tables.is_sorted_by(|one, next| one < next) {
                return Err(Malformed("tables: not in order".to_owned()));
            }
            Some(tables)
        }
    };
    body.end()?;
    Ok(Entry::Dataset {
        dataset,
        space,
        tables,
    })
}

fn catalog(body: Value<'_>) -> Result<Entry, Malformed> {
    let mut body = Fields::of(body, "catalog")?;
    let dataset = body.take("dataset")?.text("dataset")?.to_owned();
    body.take("version")?.uint("version")?;
    body.take("sha256")?.hash("sha256")?;
    body.end()?;
    Ok(Entry::Catalog { dataset })
}

fn policy(body: Value<'_>) -> Result<Entry, Malformed> {
    let mut body = Fields::of(body, "policy")?;
    body.take("version")?.uint("version")?;
    body.take("sha256")?.hash("sha256")?;
    let query_rho = body.take("query_rho")?.uint("query_rho")?;
    let limits = match body.optional("limits") {
        Some(value) => limits::limits(value)?,
        None => Vec::new(),
    };
    body.end()?;
    Ok(Entry::Policy { query_rho, limits })
}

fn snapshot(body: Value<'_>) -> Result<Entry, Malformed> {
    let mut body = Fields::of(body, "snapshot")?;
    let dataset = body.take("dataset")?.text("dataset")?.to_owned();
    body.take("snapshot")?.uint("snapshot")?;
    body.take("commitment")?.hash("commitment")?;
    body.end()?;
    Ok(Entry::Snapshot { dataset })
}

fn reserve(body: Value<'_>, time: u64) -> Result<Entry, Malformed> {
    let mut body = Fields::of(body, "reserve")?;
    let principal = body.take("principal")?.text("principal")?.to_owned();
    for role in body.take("roles")?.array("roles")? {
        role.text("roles")?;
    }
    let purpose = body.take("purpose")?.text("purpose")?.to_owned();
    body.take("question")?.hash("question")?;
    body.take("plan")?.hash("plan")?;
    let certificate = Certificate::of(body.take("certificate")?)?;
    let loss = body.take("loss")?.loss("loss")?;
    let accounts = accounts(body.take("accounts")?)?;
    body.end()?;
    Ok(Entry::Reserve(Box::new(Reserve {
        time,
        principal,
        purpose,
        certificate,
        loss,
        accounts,
    })))
}

fn accounts(value: Value<'_>) -> Result<Vec<Account>, Malformed> {
    let accounts = value.array("accounts")?;
    if accounts.is_empty() {
        return Err(Malformed("accounts: empty".to_owned()));
    }
    accounts.into_iter().map(account).collect()
}

fn account(value: Value<'_>) -> Result<Account, Malformed> {
    let mut fields = Fields::of(value, "account")?;
    let account = Account {
        scope: fields.take("scope")?.text("scope")?.to_owned(),
        cap: fields.take("cap")?.loss("cap")?,
        before: fields.take("before")?.loss("before")?,
        after: fields.take("after")?.loss("after")?,
    };
    fields.end()?;
    Ok(account)
}

fn release(body: Value<'_>) -> Result<Entry, Malformed> {
    let mut body = Fields::of(body, "release")?;
    let reserve = body.take("reserve")?.uint("reserve")?;
    let answer = body.take("answer")?.hash("answer")?;
    body.end()?;
    Ok(Entry::Release { reserve, answer })
}

fn abort(body: Value<'_>) -> Result<Entry, Malformed> {
    let mut body = Fields::of(body, "abort")?;
    let reserve = body.take("reserve")?.uint("reserve")?;
    let reason = body.take("reason")?.text("reason")?;
    if !matches!(reason, "failed" | "dropped") {
        return Err(Malformed(format!("reason {reason:?} is not known")));
    }
    body.end()?;
    Ok(Entry::Abort { reserve })
}

fn reuse(body: Value<'_>, time: u64) -> Result<Entry, Malformed> {
    let mut body = Fields::of(body, "reuse")?;
    let principal = body.take("principal")?.text("principal")?.to_owned();
    for role in body.take("roles")?.array("roles")? {
        role.text("roles")?;
    }
    let purpose = body.take("purpose")?.text("purpose")?.to_owned();
    body.take("question")?.hash("question")?;
    let release = body.take("release")?.uint("release")?;
    let accounts = match body.optional("accounts") {
        Some(value) => accounts(value)?,
        None => Vec::new(),
    };
    body.end()?;
    Ok(Entry::Reuse(Box::new(Reuse {
        time,
        principal,
        purpose,
        release,
        accounts,
    })))
}

fn anchor(body: Value<'_>) -> Result<Entry, Malformed> {
    let mut body = Fields::of(body, "anchor")?;
    let tick = body.take("tick")?.uint("tick")?;
    let checkpoint = body.take("checkpoint")?.hash("checkpoint")?;
    body.end()?;
    Ok(Entry::Anchor { tick, checkpoint })
}

fn refuse(body: Value<'_>) -> Result<Entry, Malformed> {
    let mut body = Fields::of(body, "refuse")?;
    body.take("principal")?.text("principal")?;
    body.take("purpose")?.text("purpose")?;
    body.take("rule")?.text("rule")?;
    body.take("question")?.hash("question")?;
    body.end()?;
    Ok(Entry::Refuse)
}

fn incident(body: Value<'_>) -> Result<Entry, Malformed> {
    let statement = Statement::of("incident", &body);
    let mut body = Fields::of(body, "incident")?;
    let accounts = body.take("accounts")?.array("accounts")?;
    let [account] = <[Value<'_>; 1]>::try_from(accounts)
        .map_err(|_| Malformed("accounts: not one".to_owned()))?;
    let incident = Incident {
        reserve: body.take("reserve")?.uint("reserve")?,
        loss: body.take("loss")?.loss("loss")?,
        account: self::account(account)?,
        approved: Approved::of(statement, body.optional("approvals"), 1)?,
    };
    body.take("note")?.hash("note")?;
    body.end()?;
    Ok(Entry::Incident(Box::new(incident)))
}
