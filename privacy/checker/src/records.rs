//! What a report says of officers and of what was entered by their signature.

use crate::quantity::Loss;

/// Somebody who can approve, or could.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfficerRecord {
    /// Whose key it is, as its entry says.
    pub name: String,
    /// The key.
    pub public: [u8; 32],
    /// The entry that names the officer.
    pub since: u64,
    /// No other officer has approved this one: the log's key alone vouches for her.
    pub self_named: bool,
    /// The entry from which on she approves nothing.
    pub until: Option<u64>,
}

/// The cap was raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRecord {
    /// Index of the grant.
    pub entry: u64,
    /// The cap before.
    pub old: Loss,
    /// The cap from there on.
    pub new: Loss,
    /// Names of the officers whose approval is good.
    pub approved_by: Vec<String>,
}

/// Somebody has looked at entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewRecord {
    /// Index of the review.
    pub entry: u64,
    /// Who has looked.
    pub principal: String,
    /// The first entry.
    pub from: u64,
    /// The last.
    pub to: u64,
    /// Names of the officers whose approval is good.
    pub approved_by: Vec<String>,
}

/// A price was too low.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentRecord {
    /// Index of the incident.
    pub entry: u64,
    /// Whose price it was.
    pub reserve: u64,
    /// What it cost beyond that.
    pub loss: Loss,
    /// Names of the officers whose approval is good.
    pub approved_by: Vec<String>,
}

/// A witness has cosigned the newest checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// Its name in the policy.
    pub witness: String,
    /// The name that it signs under.
    pub key: String,
    /// When, in seconds since 1970-01-01T00:00:00Z, by the witness's clock; the latest where it cosigned more than once.
    pub time: u64,
}
