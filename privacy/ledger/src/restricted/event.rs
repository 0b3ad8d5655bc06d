//! What is said to the restricted log.

use salus_certificate::{EntryIndex, Value};

use super::entry::{Access, Body, Change, FollowUp, Outcome, What, is_word};
use crate::commitment::Opening;
use crate::error::{Error, Result};

/// Somebody sees identified rows.
#[derive(Clone, PartialEq, Eq)]
pub struct Identified {
    /// Who (a pseudonym).
    pub principal: String,
    /// In which role.
    pub role: String,
    /// For which purpose (HL7 `PurposeOfUse`).
    pub purpose: String,
    /// Which persons: identifiers in any form that the caller can read again.
    pub persons: Vec<String>,
    /// Which columns.
    pub columns: Vec<String>,
}

/// Something that names or implies patients. Persons, columns and texts are committed to under fresh salts; what opens them lies beside the log.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// Identified access.
    Access(Identified),
    /// Identified access without the right to it.
    BreakGlass {
        /// What is seen.
        access: Identified,
        /// Why.
        justification: String,
    },
    /// Somebody has looked at a break-glass access.
    FollowUp {
        /// The access.
        breakglass: EntryIndex,
        /// Who has looked (a pseudonym).
        principal: String,
        /// What came of it.
        outcome: Outcome,
        /// What was found.
        note: String,
    },
    /// Something done to the record of persons, or seen in it: expunge, consent, linkage, alert.
    Change {
        /// What.
        what: What,
        /// Who does it, or whose doing is meant (a pseudonym).
        principal: String,
        /// Which persons.
        persons: Vec<String>,
        /// What else there is to say: of linkage, what the identity index did and why; of an alert, which.
        detail: Vec<u8>,
    },
}

/// An entry whose commitments have been worked out.
pub(crate) struct Written {
    pub(crate) body: Body,
    pub(crate) openings: Vec<(&'static str, Opening)>,
}

impl Event {
    /// The entry that says it, and what opens its commitments.
    pub(crate) fn write(self) -> Result<Written> {
        Ok(match self {
            Self::Access(seen) => {
                let (access, openings) = seen.write()?;
                let body = Body::Access(access);
                Written { body, openings }
            }
            Self::BreakGlass {
                access,
                justification,
            } => {
                let (access, mut openings) = access.write()?;
                let why = Opening::fresh(justification.into_bytes())?;
                let body = Body::BreakGlass {
                    access,
                    justification: why.commitment(),
                };
                openings.push(("justification", why));
                Written { body, openings }
            }
            Self::FollowUp {
                breakglass,
                principal,
                outcome,
                note,
            } => {
                let note = Opening::fresh(note.into_bytes())?;
                let followup = FollowUp {
                    breakglass,
                    principal: word("principal", principal)?,
                    outcome,
                    note: note.commitment(),
                };
                Written {
                    body: Body::FollowUp(followup),
                    openings: vec![("note", note)],
                }
            }
            Self::Change {
                what,
                principal,
                persons,
                detail,
            } => {
                let (persons, detail) = (list(&persons)?, Opening::fresh(detail)?);
                let change = Change {
                    what,
                    principal: word("principal", principal)?,
                    persons: persons.commitment(),
                    detail: detail.commitment(),
                };
                Written {
                    body: Body::Change(change),
                    openings: vec![("persons", persons), ("detail", detail)],
                }
            }
        })
    }
}

impl Identified {
    fn write(self) -> Result<(Access, Vec<(&'static str, Opening)>)> {
        let (persons, columns) = (list(&self.persons)?, list(&self.columns)?);
        let access = Access {
            principal: word("principal", self.principal)?,
            role: word("role", self.role)?,
            purpose: word("purpose", self.purpose)?,
            persons: persons.commitment(),
            columns: columns.commitment(),
        };
        Ok((access, vec![("persons", persons), ("columns", columns)]))
    }
}

/// A list of texts in canonical bytes, with a fresh salt.
fn list(texts: &[String]) -> Result<Opening> {
    Opening::fresh(encoded(texts))
}

pub(super) fn encoded(texts: &[String]) -> Vec<u8> {
    Value::array(texts.iter().map(Value::text)).encode()
}

/// The texts of a list; of anything else none.
pub(super) fn listed(bytes: &[u8]) -> Vec<String> {
    let Ok(Value::Array(items)) = Value::decode(bytes) else {
        return Vec::new();
    };
    let texts = items.into_iter().filter_map(|item| match item {
        Value::Text(text) => Some(text),
        _ => None,
    });
    texts.collect()
}

fn word(what: &'static str, text: String) -> Result<String> {
    if is_word(&text) {
        return Ok(text);
    }
    Err(Error::Refused(format!(
        "a {what} of the restricted log is one word of 1 to 64 visible ASCII characters: no text stands in it"
    )))
}

// Persons and texts have no place in a debug log.
impl std::fmt::Debug for Identified {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Identified").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Event {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Event").finish_non_exhaustive()
    }
}
