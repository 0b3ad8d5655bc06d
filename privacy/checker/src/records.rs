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

/// A cap was raised: of the purse, or of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRecord {
    /// Index of the grant.
    pub entry: u64,
    /// The account.
    pub scope: String,
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

/// The log has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealRecord {
    /// Index of the seal.
    pub entry: u64,
    /// Origin of the log that goes on.
    pub successor: String,
    /// The key of that log's entry 1.
    pub public: [u8; 32],
    /// The cap in force at the end.
    pub cap: Loss,
    /// What had been spent.
    pub spent: Loss,
    /// Scope and total of the limits that go on.
    pub limits: Vec<(String, Loss)>,
    /// Names of the officers whose approval is good.
    pub approved_by: Vec<String>,
}

/// The log goes on from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpeningRecord {
    /// Origin of that log.
    pub origin: String,
    /// Entries that its newest checkpoint signs; `None` where that is no checkpoint.
    pub size: Option<u64>,
    /// Where that log was lost, how many of its entries were read; `None` where it was sealed.
    pub read: Option<u64>,
    /// What the purse opens with.
    pub spent: Loss,
    /// Scope and total of the limits that go on.
    pub limits: Vec<(String, Loss)>,
    /// Names of its officers who approved that it goes on, where it was lost.
    pub approved_by: Vec<String>,
    /// Whether that log was brought and compared (rule E3). Otherwise what is carried is attested.
    pub compared: bool,
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
