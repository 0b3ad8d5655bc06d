//! `salus ledger seal` and `salus ledger erase`: how a log ends, and what goes before it does.

use std::time::{SystemTime, UNIX_EPOCH};

use salus_ledger::{Erase as Which, Error};
use salus_oversight::Filter;
use serde_json::json;

use crate::arguments::{Erase, Format, Seal};
use crate::commands::succession::verifier;
use crate::failure::Failure;
use crate::home::{Home, of_ended};
use crate::output::{Rows, print};
use crate::proposal::Paper;

/// Proposes that the log ends in favour of another.
pub(crate) async fn seal(home: &Home, seal: &Seal, format: Format) -> Result<(), Failure> {
    let successor = verifier(&seal.successor)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let expires = now.saturating_add(seal.days.saturating_mul(86_400));
    let ledger = home.ledger().await?;
    let proposal = ledger.propose_seal(&successor, expires, &seal.reason);
    ledger.close().await?;
    let proposal = proposal.map_err(|error| match error {
        Error::Refused(what) => Failure::usage(what),
        other => other.into(),
    })?;
    Paper::new(proposal).write_new(&seal.out, format)
}

/// Erases the texts of questions that were asked before a day.
pub(crate) async fn erase(home: &Home, erase: &Erase, format: Format) -> Result<(), Failure> {
    let wrong = || {
        Failure::usage(format!(
            "--before {}: not a day (2026-01-31) or a moment (RFC 3339)",
            erase.before
        ))
    };
    let filter = Filter::default().since(&erase.before);
    let before = filter
        .ok()
        .and_then(|filter| filter.since)
        .ok_or_else(wrong)?;
    let which = Which::Before(before);
    let ledger = home.ledger().await?;
    let erased = ledger.erase(&which).await;
    ledger.close().await?;
    let mut erased = erased?;
    for log in home.ended().await? {
        let there = log.erase(&which).await.map_err(|error| of_ended(&error))?;
        erased.questions = erased.questions.saturating_add(there.questions);
        erased.scrubbed &= there.scrubbed;
    }
    let mut rows = Rows::new(&["questions erased", "gone from the files"]);
    let scrubbed = if erased.scrubbed { "yes" } else { "not yet" };
    rows.push([erased.questions.to_string(), scrubbed.to_owned()]);
    print(
        format,
        &rows,
        &json!({"questions": erased.questions, "scrubbed": erased.scrubbed}),
    );
    if !erased.scrubbed && format == Format::Table {
        println!(
            "The rows are gone. What the database keeps of them goes when no other program reads the ledger file: run this again then. \
             In PostgreSQL, vacuum the table `openings`, and mind its write-ahead log and backups; see docs/postgres.md."
        );
    }
    Ok(())
}
