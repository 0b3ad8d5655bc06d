//! Entries: what can stand in the log, and its one byte form (`docs/ledger-format.md`, rule F1).

use salus_accounting::{Delta, Loss, Rho};
use salus_certificate::{
    Certificate, CertificateError, EntryIndex, Fields, Hash, Value, delta_value, loss_value, text,
};

/// Version of the format.
pub const VERSION: u64 = 1;

const ADJACENCY: &str = "one-person";

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Seconds since 1970-01-01T00:00:00Z; attested only.
    pub time: u64,
    /// What it says.
    pub body: Body,
}

/// What an entry says, by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The first entry.
    Genesis(Genesis),
    /// A signing key.
    Key(Key),
    /// A dataset of the identity space.
    Dataset(Dataset),
    /// A catalog of public facts.
    Catalog(Catalog),
    /// A policy.
    Policy(Policy),
    /// A snapshot of a dataset.
    Snapshot(Snapshot),
    /// Budget taken for a question.
    Reserve(Box<Reserve>),
    /// The answer to it.
    Release(Release),
    /// Or none.
    Abort(Abort),
    /// A question that was not admitted.
    Refuse(Refuse),
}

/// The kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the kind of the body of the same name")]
pub enum Kind {
    Genesis,
    Key,
    Dataset,
    Catalog,
    Policy,
    Snapshot,
    Reserve,
    Release,
    Abort,
    Refuse,
}

/// The first entry: which population, and how much may ever be learnt about any person in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// First line of every checkpoint; name of the signing key.
    pub origin: String,
    /// Identity space: the population that this purse protects.
    pub space: String,
    /// Largest cap that grants may ever reach.
    pub ceiling: Loss,
    /// Lifetime cap in force, not above the ceiling.
    pub cap: Loss,
    /// The delta at which rho is shown as epsilon.
    pub conversion_delta: Delta,
    /// Build that wrote the log.
    pub build: String,
    /// Version of the rules.
    pub rules: u64,
}

/// The Ed25519 key that signs checkpoints from here on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The public key.
    pub public: [u8; 32],
}

/// A dataset and its unit of privacy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Name of the dataset.
    pub dataset: String,
    /// Column that names the person.
    pub unit: String,
    /// The genesis's identity space.
    pub space: String,
}

/// A version of a catalog of public facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// Name of the dataset.
    pub dataset: String,
    /// Version of the catalog.
    pub version: u64,
    /// Hash of the catalog file, which is public.
    pub sha256: Hash,
}

/// A version of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Version of the policy.
    pub version: u64,
    /// Hash of the policy file.
    pub sha256: Hash,
    /// Most that one query may cost.
    pub query_rho: Rho,
}

/// A snapshot of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Name of the dataset.
    pub dataset: String,
    /// Number of the snapshot.
    pub snapshot: u64,
    /// Salted commitment to the table versions.
    pub commitment: Hash,
}

/// Budget taken for a question, with the certificate that prices it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserve {
    /// Who asked (a pseudonym).
    pub principal: String,
    /// In which roles.
    pub roles: Vec<String>,
    /// For which purpose.
    pub purpose: String,
    /// Salted commitment to the question's text.
    pub question: Hash,
    /// Salted commitment to the canonical operator tree.
    pub plan: Hash,
    /// What the price rests on.
    pub certificate: Certificate,
    /// The price.
    pub loss: Loss,
    /// The purse before and after.
    pub accounts: Vec<Movement>,
}

/// The movement of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// `space:` and the identity space.
    pub scope: String,
    /// Lifetime cap.
    pub cap: Loss,
    /// Spent before.
    pub before: Loss,
    /// Spent with this entry.
    pub after: Loss,
}

/// An answer was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The reserve that paid for it.
    pub reserve: EntryIndex,
    /// Salted commitment to the answer's bytes.
    pub answer: Hash,
}

/// No answer was given; nothing is refunded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abort {
    /// The reserve that stays spent.
    pub reserve: EntryIndex,
    /// Why there is no answer.
    pub reason: Reason,
}

/// Why a reserve ended without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The answer could not be produced.
    Failed,
    /// The charge was dropped.
    Dropped,
}

/// A question that was not admitted, and the rule that refused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refuse {
    /// Who asked.
    pub principal: String,
    /// For which purpose.
    pub purpose: String,
    /// The rule.
    pub rule: String,
    /// Salted commitment to the question's text.
    pub question: Hash,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Genesis,
        Self::Key,
        Self::Dataset,
        Self::Catalog,
        Self::Policy,
        Self::Snapshot,
        Self::Reserve,
        Self::Release,
        Self::Abort,
        Self::Refuse,
    ];

    /// The name in the ledger's format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Genesis => "genesis",
            Self::Key => "key",
            Self::Dataset => "dataset",
            Self::Catalog => "catalog",
            Self::Policy => "policy",
            Self::Snapshot => "snapshot",
            Self::Reserve => "reserve",
            Self::Release => "release",
            Self::Abort => "abort",
            Self::Refuse => "refuse",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

impl Reason {
    /// The name in the ledger's format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

impl Entry {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        Value::map([
            ("v", Value::Uint(VERSION)),
            ("kind", Value::text(self.body.kind().name())),
            ("time", Value::Uint(self.time)),
            ("body", self.body.to_value()),
        ])
        .encode()
    }

    /// Reads an entry; only its canonical bytes, of a known version and kind, with exactly the fields of that kind.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] with what was found and where.
    pub fn decode(bytes: &[u8]) -> Result<Self, CertificateError> {
        let mut fields = Fields::of("entry", Value::decode(bytes)?)?;
        if fields.uint("v")? != VERSION {
            return Err(wrong("v", "is not a known version"));
        }
        let kind =
            Kind::from_name(&fields.text("kind")?).ok_or(wrong("kind", "is not a known kind"))?;
        let entry = Self {
            time: fields.uint("time")?,
            body: Body::from_value(kind, fields.take("body")?)?,
        };
        fields.finish()?;
        Ok(entry)
    }
}

fn wrong(field: &'static str, what: &'static str) -> CertificateError {
    CertificateError::Shape { field, what }
}

impl Body {
    /// The kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Genesis(_) => Kind::Genesis,
            Self::Key(_) => Kind::Key,
            Self::Dataset(_) => Kind::Dataset,
            Self::Catalog(_) => Kind::Catalog,
            Self::Policy(_) => Kind::Policy,
            Self::Snapshot(_) => Kind::Snapshot,
            Self::Reserve(_) => Kind::Reserve,
            Self::Release(_) => Kind::Release,
            Self::Abort(_) => Kind::Abort,
            Self::Refuse(_) => Kind::Refuse,
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Self::Genesis(body) => Value::map([
                ("origin", Value::text(&body.origin)),
                ("space", Value::text(&body.space)),
                ("adjacency", Value::text(ADJACENCY)),
                ("ceiling", loss_value(&body.ceiling)),
                ("cap", loss_value(&body.cap)),
                ("conversion_delta", delta_value(body.conversion_delta)),
                ("build", Value::text(&body.build)),
                ("rules", Value::Uint(body.rules)),
            ]),
            Self::Key(body) => Value::map([("public", Value::bytes(body.public))]),
            Self::Dataset(body) => Value::map([
                ("dataset", Value::text(&body.dataset)),
                ("unit", Value::text(&body.unit)),
                ("space", Value::text(&body.space)),
            ]),
            Self::Catalog(body) => Value::map([
                ("dataset", Value::text(&body.dataset)),
                ("version", Value::Uint(body.version)),
                ("sha256", Value::bytes(body.sha256)),
            ]),
            Self::Policy(body) => Value::map([
                ("version", Value::Uint(body.version)),
                ("sha256", Value::bytes(body.sha256)),
                ("query_rho", Value::Uint(body.query_rho.units())),
            ]),
            Self::Snapshot(body) => Value::map([
                ("dataset", Value::text(&body.dataset)),
                ("snapshot", Value::Uint(body.snapshot)),
                ("commitment", Value::bytes(body.commitment)),
            ]),
            Self::Reserve(body) => body.to_value(),
            Self::Release(body) => Value::map([
                ("reserve", Value::Uint(body.reserve.0)),
                ("answer", Value::bytes(body.answer)),
            ]),
            Self::Abort(body) => Value::map([
                ("reserve", Value::Uint(body.reserve.0)),
                ("reason", Value::text(body.reason.name())),
            ]),
            Self::Refuse(body) => Value::map([
                ("principal", Value::text(&body.principal)),
                ("purpose", Value::text(&body.purpose)),
                ("rule", Value::text(&body.rule)),
                ("question", Value::bytes(body.question)),
            ]),
        }
    }

    fn from_value(kind: Kind, value: Value) -> Result<Self, CertificateError> {
        let mut fields = Fields::of(kind.name(), value)?;
        let body = match kind {
            Kind::Genesis => Self::Genesis(Genesis::from_fields(&mut fields)?),
            Kind::Key => Self::Key(Key {
                public: fields.hash("public")?,
            }),
            Kind::Dataset => Self::Dataset(Dataset {
                dataset: fields.text("dataset")?,
                unit: fields.text("unit")?,
                space: fields.text("space")?,
            }),
            Kind::Catalog => Self::Catalog(Catalog {
                dataset: fields.text("dataset")?,
                version: fields.uint("version")?,
                sha256: fields.hash("sha256")?,
            }),
            Kind::Policy => Self::Policy(Policy {
                version: fields.uint("version")?,
                sha256: fields.hash("sha256")?,
                query_rho: fields.rho("query_rho")?,
            }),
            Kind::Snapshot => Self::Snapshot(Snapshot {
                dataset: fields.text("dataset")?,
                snapshot: fields.uint("snapshot")?,
                commitment: fields.hash("commitment")?,
            }),
            Kind::Reserve => Self::Reserve(Box::new(Reserve::from_fields(&mut fields)?)),
            Kind::Release => Self::Release(Release {
                reserve: fields.index("reserve")?,
                answer: fields.hash("answer")?,
            }),
            Kind::Abort => Self::Abort(Abort {
                reserve: fields.index("reserve")?,
                reason: match fields.text("reason")?.as_str() {
                    "failed" => Reason::Failed,
                    "dropped" => Reason::Dropped,
                    _ => return Err(wrong("reason", "is not a known reason")),
                },
            }),
            Kind::Refuse => Self::Refuse(Refuse {
                principal: fields.text("principal")?,
                purpose: fields.text("purpose")?,
                rule: fields.text("rule")?,
                question: fields.hash("question")?,
            }),
        };
        fields.finish()?;
        Ok(body)
    }
}

impl Genesis {
    /// Name of the account of the identity space.
    pub fn scope(&self) -> String {
        format!("space:{}", self.space)
    }

    fn from_fields(fields: &mut Fields) -> Result<Self, CertificateError> {
        if fields.text("adjacency")? != ADJACENCY {
            return Err(wrong("adjacency", "is not `one-person`"));
        }
        Ok(Self {
            origin: fields.text("origin")?,
            space: fields.text("space")?,
            ceiling: fields.loss("ceiling")?,
            cap: fields.loss("cap")?,
            conversion_delta: fields.delta("conversion_delta")?,
            build: fields.text("build")?,
            rules: fields.uint("rules")?,
        })
    }
}

impl Reserve {
    fn to_value(&self) -> Value {
        Value::map([
            ("principal", Value::text(&self.principal)),
            ("roles", Value::array(self.roles.iter().map(Value::text))),
            ("purpose", Value::text(&self.purpose)),
            ("question", Value::bytes(self.question)),
            ("plan", Value::bytes(self.plan)),
            ("certificate", self.certificate.to_value()),
            ("loss", loss_value(&self.loss)),
            (
                "accounts",
                Value::array(self.accounts.iter().map(Movement::to_value)),
            ),
        ])
    }

    fn from_fields(fields: &mut Fields) -> Result<Self, CertificateError> {
        let reserve = Self {
            principal: fields.text("principal")?,
            roles: fields.array("roles", |role| text("roles", role))?,
            purpose: fields.text("purpose")?,
            question: fields.hash("question")?,
            plan: fields.hash("plan")?,
            certificate: Certificate::from_value(fields.take("certificate")?)?,
            loss: fields.loss("loss")?,
            accounts: fields.array("accounts", Movement::from_value)?,
        };
        if reserve.accounts.is_empty() {
            Err(wrong("accounts", "is empty"))
        } else {
            Ok(reserve)
        }
    }
}

impl Movement {
    fn to_value(&self) -> Value {
        Value::map([
            ("scope", Value::text(&self.scope)),
            ("cap", loss_value(&self.cap)),
            ("before", loss_value(&self.before)),
            ("after", loss_value(&self.after)),
        ])
    }

    fn from_value(value: Value) -> Result<Self, CertificateError> {
        let mut fields = Fields::of("account", value)?;
        let movement = Self {
            scope: fields.text("scope")?,
            cap: fields.loss("cap")?,
            before: fields.loss("before")?,
            after: fields.loss("after")?,
        };
        fields.finish()?;
        Ok(movement)
    }
}
