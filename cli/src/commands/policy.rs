//! `salus policy`.

use std::fs;
use std::path::Path;

use anyhow::Context;
use salus_ledger::entry::{Body, Kind};
use salus_ledger::{Error, Ledger};
use salus_query::Policy;
use serde_json::json;

use crate::arguments::{Format, PolicyCommand};
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Rows, print};

pub(crate) async fn run(
    root: &Path,
    command: &PolicyCommand,
    format: Format,
) -> Result<(), Failure> {
    let home = Home::at(root)?;
    let ledger = home.ledger().await?;
    let done = match command {
        PolicyCommand::Show => show(&home, &ledger, format).await,
        PolicyCommand::Apply { file, dry_run } => {
            apply(&home, &ledger, file, *dry_run, format).await
        }
    };
    ledger.close().await?;
    done
}

async fn show(home: &Home, ledger: &Ledger, format: Format) -> Result<(), Failure> {
    let text = home.policy(ledger).await?;
    if format != Format::Json {
        print!("{text}");
        return Ok(());
    }
    let policy = Policy::parse(&text).map_err(|what| anyhow::anyhow!("policy: {what}"))?;
    println!("{}", serde_json::to_value(policy)?);
    Ok(())
}

async fn apply(
    home: &Home,
    ledger: &Ledger,
    file: &Path,
    dry_run: bool,
    format: Format,
) -> Result<(), Failure> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let wrong = |what: String| Failure::usage(format!("{}: {what}", file.display()));
    let policy = Policy::parse(&text).map_err(wrong)?;
    policy
        .check_datasets(home.lake()?.catalog())
        .map_err(wrong)?;
    let in_force = version(ledger).await?;
    if in_force.is_some_and(|version| policy.version <= version) {
        return Err(wrong(format!(
            "version {} does not come after version {}, which is in force; nothing was changed",
            policy.version,
            in_force.unwrap_or_default()
        )));
    }
    let entry = if dry_run {
        None
    } else {
        Some(home.apply_policy(ledger, &policy, &text).await.map_err(
            // Somebody else was quicker.
            |failure| match failure {
                Failure::Other(error) => match error.downcast::<Error>() {
                    Ok(Error::Refused(what)) => wrong(what),
                    Ok(other) => other.into(),
                    Err(other) => Failure::Other(other),
                },
                other => other,
            },
        )?)
    };
    let mut rows = Rows::new(&["policy", "limits", "ledger"]);
    rows.push([
        format!("version {}", policy.version),
        policy.limits.len().to_string(),
        entry.map_or_else(
            || "valid; nothing was changed".to_owned(),
            |entry| format!("entry {entry}"),
        ),
    ]);
    let json = json!({
        "version": policy.version,
        "limits": policy.limits.len(),
        "entry": entry.map(|entry| entry.0),
        "dry_run": dry_run,
    });
    print(format, &rows, &json);
    Ok(())
}

async fn version(ledger: &Ledger) -> Result<Option<u64>, Failure> {
    let stored = ledger.newest(Kind::Policy).await?;
    Ok(stored.and_then(|stored| match stored.entry.body {
        Body::Policy(policy) => Some(policy.version),
        _ => None,
    }))
}
