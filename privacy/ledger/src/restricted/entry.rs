//! What can stand in the restricted log, in canonical bytes (`docs/ledger-format.md`, rules F1 and N3).
//!
//! No person is named and nothing is counted: persons, columns, reasons and findings are salted commitments. What names somebody of the
//! staff, a role or a purpose is one plain word.

use salus_certificate::{CertificateError, EntryIndex, Fields, Hash, Value};

use crate::entry::{Key, LONGEST, SignatureBytes, VERSION};

/// Longest word, in bytes.
const WORD: usize = 64;

/// One entry of the restricted log.
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
    Opening(Opening),
    /// A signing key: the first log's.
    Key(Key),
    /// Somebody saw identified rows.
    Access(Access),
    /// Somebody saw them without having the right, for a reason that is to be looked at.
    BreakGlass {
        /// What was seen.
        access: Access,
        /// Salted commitment to why.
        justification: Hash,
    },
    /// What came of looking at it.
    FollowUp(FollowUp),
    /// Something that was done to the record of persons.
    Change(Change),
}

/// The first entry: which log this is, and which it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// First line of every checkpoint: the first log's origin and `/restricted`.
    pub origin: String,
    /// The first log's origin.
    pub log: String,
}

/// Identified access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Who (a pseudonym).
    pub principal: String,
    /// In which role.
    pub role: String,
    /// For which purpose (HL7 `PurposeOfUse`).
    pub purpose: String,
    /// Salted commitment to which persons.
    pub persons: Hash,
    /// Salted commitment to which columns.
    pub columns: Hash,
}

/// Somebody has looked at a break-glass access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUp {
    /// The access.
    pub breakglass: EntryIndex,
    /// Who has looked (a pseudonym).
    pub principal: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Salted commitment to what was found.
    pub note: Hash,
}

/// What came of looking at a break-glass access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It stays open.
    Open,
    /// There was good reason.
    Justified,
    /// There was none.
    Unjustified,
}

/// Something that was done to the record of persons, or seen in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What.
    pub what: What,
    /// Who did it, or whose doing is meant (a pseudonym).
    pub principal: String,
    /// Salted commitment to which persons.
    pub persons: Hash,
    /// Salted commitment to what else there is to say.
    pub detail: Hash,
}

/// What was done to the record of persons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Their rows and everything that names them were ordered to be removed for good.
    Expunge,
    /// They denied consent: their rows are kept out.
    Deny,
    /// They permit again.
    Permit,
    /// Records were linked to one person.
    Merge,
    /// Records of one person were told apart.
    Split,
    /// Something is to be looked at.
    Alert,
}

impl What {
    const ALL: [Self; 6] = [
        Self::Expunge,
        Self::Deny,
        Self::Permit,
        Self::Merge,
        Self::Split,
        Self::Alert,
    ];

    /// Kind of the entry, and its `act` where the kind has several.
    fn names(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Expunge => ("expunge", None),
            Self::Deny => ("consent", Some("deny")),
            Self::Permit => ("consent", Some("permit")),
            Self::Merge => ("linkage", Some("merge")),
            Self::Split => ("linkage", Some("split")),
            Self::Alert => ("alert", None),
        }
    }
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Open, Self::Justified, Self::Unjustified];

    /// The name in the ledger's format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Justified => "justified",
            Self::Unjustified => "unjustified",
        }
    }

    /// The outcome of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

/// Whether a text names something and says nothing: 1 to 64 visible ASCII characters.
pub(super) fn is_word(text: &str) -> bool {
    (1..=WORD).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn wrong(field: &'static str, what: &'static str) -> CertificateError {
    CertificateError::Shape { field, what }
}

fn word(fields: &mut Fields, name: &'static str) -> Result<String, CertificateError> {
    let text = fields.text(name)?;
    if is_word(&text) {
        Ok(text)
    } else {
        Err(wrong(
            name,
            "is not a word of 1 to 64 visible ASCII characters",
        ))
    }
}

impl Entry {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        Value::map([
            ("v", Value::Uint(VERSION)),
            ("kind", Value::text(self.body.kind())),
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
        let (time, kind) = (fields.uint("time")?, fields.text("kind")?);
        let mut body = Fields::of("body", fields.take("body")?)?;
        fields.finish()?;
        let read = Body::of(&kind, &mut body)?;
        body.finish()?;
        Ok(Self { time, body: read })
    }
}

impl Body {
    /// The name of the kind in the ledger's format.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Opening(_) => "opening",
            Self::Key(_) => "key",
            Self::Access(_) => "access",
            Self::BreakGlass { .. } => "breakglass",
            Self::FollowUp(_) => "followup",
            Self::Change(change) => change.what.names().0,
        }
    }

    /// Who did what it says (a pseudonym).
    pub fn principal(&self) -> Option<&str> {
        match self {
            Self::Opening(_) | Self::Key(_) => None,
            Self::Access(access) | Self::BreakGlass { access, .. } => Some(&access.principal),
            Self::FollowUp(body) => Some(&body.principal),
            Self::Change(body) => Some(&body.principal),
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Self::Opening(body) => Value::map([
                ("origin", Value::text(&body.origin)),
                ("log", Value::text(&body.log)),
            ]),
            Self::Key(body) => {
                let signature = body.signature.map(|by| ("signature", Value::bytes(by)));
                let public = ("public", Value::bytes(body.public));
                Value::map([public].into_iter().chain(signature))
            }
            Self::Access(access) => Value::map(access.fields()),
            Self::BreakGlass {
                access,
                justification,
            } => {
                let justification = ("justification", Value::bytes(*justification));
                Value::map(access.fields().into_iter().chain([justification]))
            }
            Self::FollowUp(body) => Value::map([
                ("breakglass", Value::Uint(body.breakglass.0)),
                ("principal", Value::text(&body.principal)),
                ("outcome", Value::text(body.outcome.name())),
                ("note", Value::bytes(body.note)),
            ]),
            Self::Change(body) => {
                let act = body.what.names().1.map(|act| ("act", Value::text(act)));
                let fields = [
                    ("principal", Value::text(&body.principal)),
                    ("persons", Value::bytes(body.persons)),
                    ("detail", Value::bytes(body.detail)),
                ];
                Value::map(fields.into_iter().chain(act))
            }
        }
    }

    fn of(kind: &str, fields: &mut Fields) -> Result<Self, CertificateError> {
        Ok(match kind {
            "opening" => Self::Opening(Opening {
                origin: fields.text("origin")?,
                log: fields.text("log")?,
            }),
            "key" => Self::Key(Key {
                public: fields.hash("public")?,
                signature: signature(fields)?,
            }),
            "access" => Self::Access(Access::of(fields)?),
            "breakglass" => Self::BreakGlass {
                access: Access::of(fields)?,
                justification: fields.hash("justification")?,
            },
            "followup" => Self::FollowUp(FollowUp {
                breakglass: fields.index("breakglass")?,
                principal: word(fields, "principal")?,
                outcome: Outcome::from_name(&fields.text("outcome")?)
                    .ok_or(wrong("outcome", "is not a known outcome"))?,
                note: fields.hash("note")?,
            }),
            _ => {
                let act = fields.optional_text("act")?;
                let named = |what: &What| what.names() == (kind, act.as_deref());
                let what = What::ALL.into_iter().find(named);
                Self::Change(Change {
                    what: what.ok_or(wrong("kind", "is not a known kind and act"))?,
                    principal: word(fields, "principal")?,
                    persons: fields.hash("persons")?,
                    detail: fields.hash("detail")?,
                })
            }
        })
    }
}

fn signature(fields: &mut Fields) -> Result<Option<SignatureBytes>, CertificateError> {
    match fields.optional("signature") {
        None => Ok(None),
        Some(Value::Bytes(bytes)) => bytes
            .try_into()
            .map(Some)
            .map_err(|_| wrong("signature", "has another length")),
        Some(_) => Err(wrong("signature", "is not a byte string")),
    }
}

impl Access {
    fn fields(&self) -> [(&'static str, Value); 5] {
        [
            ("principal", Value::text(&self.principal)),
            ("role", Value::text(&self.role)),
            ("purpose", Value::text(&self.purpose)),
            ("persons", Value::bytes(self.persons)),
            ("columns", Value::bytes(self.columns)),
        ]
    }

    fn of(fields: &mut Fields) -> Result<Self, CertificateError> {
        Ok(Self {
            principal: word(fields, "principal")?,
            role: word(fields, "role")?,
            purpose: word(fields, "purpose")?,
            persons: fields.hash("persons")?,
            columns: fields.hash("columns")?,
        })
    }
}
