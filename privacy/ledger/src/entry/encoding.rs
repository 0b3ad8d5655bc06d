//! The canonical bytes of entries, written and read.

use salus_certificate::{
    Certificate, CertificateError, Fields, Value, delta_value, loss_value, text,
};

use super::{
    Abort, Anchor, Body, Catalog, Dataset, Entry, Genesis, Grant, Incident, Key, Kind, LONGEST,
    Limit, Movement, Officer, Policy, Predecessor, Reason, Refuse, Release, Reserve, Reuse, Review,
    Seal, Snapshot, VERSION, oversight,
};

const ADJACENCY: &str = "one-person";

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
        if bytes.len() > LONGEST {
            return Err(wrong("entry", "is longer than 65,535 bytes"));
        }
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

pub(super) fn wrong(field: &'static str, what: &'static str) -> CertificateError {
    CertificateError::Shape { field, what }
}

impl Body {
    pub(super) fn to_value(&self) -> Value {
        match self {
            Self::Genesis(body) => body.to_value(),
            Self::Key(body) => {
                let signature = body.signature.map(|by| ("signature", Value::bytes(by)));
                Value::map(
                    [("public", Value::bytes(body.public))]
                        .into_iter()
                        .chain(signature),
                )
            }
            Self::Dataset(body) => {
                let tables = body.tables.iter();
                let tables =
                    tables.map(|tables| ("tables", Value::array(tables.iter().map(Value::text))));
                let fields = [
                    ("dataset", Value::text(&body.dataset)),
                    ("unit", Value::text(&body.unit)),
                    ("space", Value::text(&body.space)),
                ];
                Value::map(fields.into_iter().chain(tables))
            }
            Self::Catalog(body) => Value::map([
                ("dataset", Value::text(&body.dataset)),
                ("version", Value::Uint(body.version)),
                ("sha256", Value::bytes(body.sha256)),
            ]),
            Self::Policy(body) => body.to_value(),
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
            Self::Reuse(body) => body.to_value(),
            Self::Refuse(body) => Value::map([
                ("principal", Value::text(&body.principal)),
                ("purpose", Value::text(&body.purpose)),
                ("rule", Value::text(&body.rule)),
                ("question", Value::bytes(body.question)),
            ]),
            Self::Officer(body) => body.to_value(),
            Self::Grant(body) => body.to_value(),
            Self::Review(body) => body.to_value(),
            Self::Incident(body) => body.to_value(),
            Self::Anchor(body) => Value::map([
                ("tick", Value::Uint(body.tick)),
                ("checkpoint", Value::bytes(body.checkpoint)),
            ]),
            Self::Seal(body) => body.to_value(),
        }
    }

    fn from_value(kind: Kind, value: Value) -> Result<Self, CertificateError> {
        let body = Self::unsigned(kind, value)?;
        let (totals, together) = match &body {
            Self::Grant(_) => (true, true),
            Self::Seal(seal) => (seal.totals.is_some(), true),
            Self::Genesis(genesis) => (true, genesis.is_recovery()),
            _ => (true, false),
        };
        if !totals {
            return Err(wrong("totals", "is missing"));
        }
        if together && body.approvals().is_empty() {
            return Err(wrong("approvals", "is missing"));
        }
        Ok(body)
    }

    /// A body whose signatures may still have to come.
    pub(super) fn unsigned(kind: Kind, value: Value) -> Result<Self, CertificateError> {
        let mut fields = Fields::of(kind.name(), value)?;
        let body = match kind {
            Kind::Genesis => Self::Genesis(Genesis::from_fields(&mut fields)?),
            Kind::Key => Self::Key(Key {
                public: fields.hash("public")?,
                signature: oversight::optional_fixed(&mut fields, "signature")?,
            }),
            Kind::Dataset => Self::Dataset(Dataset {
                dataset: fields.text("dataset")?,
                unit: fields.text("unit")?,
                space: fields.text("space")?,
                tables: tables(&mut fields)?,
            }),
            Kind::Catalog => Self::Catalog(Catalog {
                dataset: fields.text("dataset")?,
                version: fields.uint("version")?,
                sha256: fields.hash("sha256")?,
            }),
            Kind::Policy => Self::Policy(Policy::from_fields(&mut fields)?),
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
            Kind::Reuse => Self::Reuse(Reuse::from_fields(&mut fields)?),
            Kind::Refuse => Self::Refuse(Refuse {
                principal: fields.text("principal")?,
                purpose: fields.text("purpose")?,
                rule: fields.text("rule")?,
                question: fields.hash("question")?,
            }),
            Kind::Officer => Self::Officer(Officer::from_fields(&mut fields)?),
            Kind::Grant => Self::Grant(Grant::from_fields(&mut fields)?),
            Kind::Review => Self::Review(Review::from_fields(&mut fields)?),
            Kind::Incident => Self::Incident(Incident::from_fields(&mut fields)?),
            Kind::Anchor => Self::Anchor(Anchor {
                tick: fields.uint("tick")?,
                checkpoint: fields.hash("checkpoint")?,
            }),
            Kind::Seal => Self::Seal(Box::new(Seal::from_fields(&mut fields)?)),
        };
        fields.finish()?;
        Ok(body)
    }
}

impl Genesis {
    fn to_value(&self) -> Value {
        let fields = [
            ("origin", Value::text(&self.origin)),
            ("space", Value::text(&self.space)),
            ("adjacency", Value::text(ADJACENCY)),
            ("ceiling", loss_value(&self.ceiling)),
            ("cap", loss_value(&self.cap)),
            ("conversion_delta", delta_value(self.conversion_delta)),
            ("build", Value::text(&self.build)),
            ("rules", Value::Uint(self.rules)),
        ];
        let before = self.predecessor.as_deref();
        let approvals = before.map_or(&[][..], |before| &before.approvals);
        let mut value = oversight::with_approvals(fields, approvals);
        if let (Value::Map(fields), Some(before)) = (&mut value, before) {
            fields.insert("predecessor", before.to_value());
        }
        if let (Value::Map(fields), Some(every)) = (&mut value, self.restricted) {
            fields.insert("restricted", Value::Uint(every));
        }
        value
    }

    /// Whether it goes on from a log that was lost, which takes approvals.
    fn is_recovery(&self) -> bool {
        let before = self.predecessor.as_ref();
        before.is_some_and(|before| before.read.is_some())
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
            predecessor: Predecessor::of_genesis(fields)?,
            restricted: match fields.optional_uint("restricted")? {
                Some(0) => return Err(wrong("restricted", "is no number of seconds")),
                every => every,
            },
        })
    }
}

impl Policy {
    fn to_value(&self) -> Value {
        let fields = [
            ("version", Value::Uint(self.version)),
            ("sha256", Value::bytes(self.sha256)),
            ("query_rho", Value::Uint(self.query_rho.units())),
        ];
        let limits = unless_empty("limits", &self.limits, Limit::to_value);
        Value::map(fields.into_iter().chain(limits))
    }

    fn from_fields(fields: &mut Fields) -> Result<Self, CertificateError> {
        let policy = Self {
            version: fields.uint("version")?,
            sha256: fields.hash("sha256")?,
            query_rho: fields.rho("query_rho")?,
            limits: none_or_more(fields, "limits", Limit::from_value)?,
        };
        Limit::check(&policy.limits).map_err(|what| wrong("limits", what))?;
        Ok(policy)
    }
}

impl Reuse {
    fn to_value(&self) -> Value {
        let fields = [
            ("principal", Value::text(&self.principal)),
            ("roles", Value::array(self.roles.iter().map(Value::text))),
            ("purpose", Value::text(&self.purpose)),
            ("question", Value::bytes(self.question)),
            ("release", Value::Uint(self.release.0)),
        ];
        let accounts = unless_empty("accounts", &self.accounts, Movement::to_value);
        Value::map(fields.into_iter().chain(accounts))
    }

    fn from_fields(fields: &mut Fields) -> Result<Self, CertificateError> {
        Ok(Self {
            principal: fields.text("principal")?,
            roles: fields.array("roles", |role| text("roles", role))?,
            purpose: fields.text("purpose")?,
            question: fields.hash("question")?,
            release: fields.index("release")?,
            accounts: none_or_more(fields, "accounts", Movement::from_value)?,
        })
    }
}

/// A list that is left out where it has nothing.
pub(super) fn unless_empty<T>(
    name: &'static str,
    items: &[T],
    item: fn(&T) -> Value,
) -> Option<(&'static str, Value)> {
    (!items.is_empty()).then(|| (name, Value::array(items.iter().map(item))))
}

/// The tables of a part: ascending, each once.
fn tables(fields: &mut Fields) -> Result<Option<Vec<String>>, CertificateError> {
    let items = match fields.optional("tables") {
        None => return Ok(None),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(wrong("tables", "is not an array")),
    };
    let text = |item| match item {
        Value::Text(text) => Ok(text),
        _ => Err(wrong("tables", "is not of text")),
    };
    let tables = items.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
    if tables.is_sorted_by(|one, next| one < next) {
        Ok(Some(tables))
    } else {
        Err(wrong("tables", "are not in order"))
    }
}

/// The list `name`, which is not there rather than empty.
pub(super) fn none_or_more<T>(
    fields: &mut Fields,
    name: &'static str,
    item: fn(Value) -> Result<T, CertificateError>,
) -> Result<Vec<T>, CertificateError> {
    let items = match fields.optional(name) {
        None => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(wrong(name, "is not an array")),
    };
    if items.is_empty() {
        return Err(wrong(name, "is empty"));
    }
    items.into_iter().map(item).collect()
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
    pub(super) fn to_value(&self) -> Value {
        Value::map([
            ("scope", Value::text(&self.scope)),
            ("cap", loss_value(&self.cap)),
            ("before", loss_value(&self.before)),
            ("after", loss_value(&self.after)),
        ])
    }

    pub(super) fn from_value(value: Value) -> Result<Self, CertificateError> {
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
