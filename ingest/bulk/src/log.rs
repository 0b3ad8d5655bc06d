//! The run log: what was asked and what came back, one JSON object on each line, with the event names
//! and the shape of the SMART bulk-data-client's log.
//!
//! It holds no secret and nothing about patients: no query and no path of an address, no reference, no
//! text of an OperationOutcome, no resource.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::error::BulkError;

/// The log of one job. It grows with each run.
#[derive(Debug)]
pub(crate) struct Log {
    file: Mutex<File>,
    id: String,
}

impl Log {
    /// Opens or continues the log at `path` of the export `id`.
    pub(crate) fn open(path: &Path, id: &str) -> Result<Self, BulkError> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        Ok(Self {
            file: Mutex::new(file.map_err(BulkError::store(path))?),
            id: id.to_owned(),
        })
    }

    /// Appends an event. A log that cannot be written does not stop an export: the journal is what
    /// counts, and a full disk stops that.
    pub(crate) fn event(&self, event: &'static str, detail: &Value) {
        let line = json!({
            "exportId": self.id,
            "timestamp": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
            "eventId": event,
            "eventDetail": detail,
        });
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = file.write_all(format!("{line}\n").as_bytes());
    }
}

/// An error as the log may hold it: without what a server said.
pub(crate) fn code(error: &BulkError) -> Value {
    match error {
        BulkError::Refused { doing, status, .. } => json!({"doing": doing, "code": status}),
        BulkError::Unavailable { doing, .. } => json!({"doing": doing, "code": null}),
        BulkError::Protocol { doing, .. } => json!({"doing": doing, "code": "protocol"}),
        BulkError::Authorization(_) => json!({"code": "authorization"}),
        BulkError::TooLarge { limit, .. } => json!({"code": "too-large", "limit": limit}),
        BulkError::Deadline(_) => json!({"code": "deadline"}),
        BulkError::Expired { kickoffs, .. } => json!({"code": "expired", "kickoffs": kickoffs}),
        BulkError::NotAllowed(_) => json!({"code": "not-allowed"}),
        BulkError::Store { .. } => json!({"code": "storage"}),
        _ => json!({"code": "other"}),
    }
}
