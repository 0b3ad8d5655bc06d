//! `salus quarantine` and `salus expunge`: what operators do with records that are not, or no longer, in the tables.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write as _, stdout};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use salus_fhir::{CodeMap, Options, retry_quarantine};
use salus_lake::{Lake, Quarantined, Retention};
use serde_json::json;

use crate::arguments::{Expunge, Format, Looking, Picked, Quarantine};
use crate::commands::ingest::{Bar, report};
use crate::failure::Failure;
use crate::home::Home;
use crate::notary::{self, seeing};
use crate::output::{Rows, print};
use crate::progress::Progress;

/// Lines that a list shows unless more are asked for.
const SHOWN: usize = 50;

pub(crate) async fn run(root: &Path, command: &Quarantine, format: Format) -> Result<(), Failure> {
    let home = Home::at(root)?;
    let lake = match command {
        Quarantine::List(_) | Quarantine::Show { .. } => home.lake()?,
        Quarantine::Retry { .. } | Quarantine::Drop { .. } => home.own_lake().await?,
    };
    match command {
        Quarantine::List(picked) => list(&lake, picked, format),
        Quarantine::Show { picked, looking } => show(&home, &lake, picked, looking).await,
        Quarantine::Retry { picked, code_map } => {
            let code_map = Arc::new(CodeMap::read(code_map)?);
            retry(&home, &lake, (picked, code_map), format).await
        }
        Quarantine::Drop { picked, yes } => drop_lines(&home, &lake, picked, *yes, format).await,
    }
}

impl Picked {
    fn takes(&self, line: &Quarantined) -> bool {
        self.reason
            .as_ref()
            .is_none_or(|reason| *reason == line.reason_code)
            && self
                .source
                .as_ref()
                .is_none_or(|source| *source == line.source)
            && self
                .file
                .as_ref()
                .is_none_or(|file| line.file.contains(file.as_str()))
    }

    /// The same lines, all of them.
    fn copied(&self) -> Self {
        Self {
            reason: self.reason.clone(),
            source: self.source.clone(),
            file: self.file.clone(),
            limit: None,
        }
    }

    /// Does something with the lines that are meant, at most so many.
    fn each(
        &self,
        lake: &Lake,
        mut take: impl FnMut(&Quarantined) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut left = self.limit.unwrap_or(usize::MAX);
        for line in lake.quarantined()? {
            let line = line?;
            if left == 0 {
                break;
            }
            if self.takes(&line) {
                left -= 1;
                take(&line)?;
            }
        }
        Ok(())
    }

    fn any(&self) -> bool {
        self.reason.is_some()
            || self.source.is_some()
            || self.file.is_some()
            || self.limit.is_some()
    }
}

fn list(lake: &Lake, picked: &Picked, format: Format) -> Result<(), Failure> {
    let _reading = lake.reading()?;
    if !picked.any() {
        let counts = lake.quarantine_counts()?;
        let mut rows = Rows::new(&["reason", "lines"]);
        for (reason, lines) in &counts {
            rows.push([reason.clone(), lines.to_string()]);
        }
        print(format, &rows, &json!({ "reasons": counts }));
        return Ok(());
    }
    let (mut rows, mut lines) = (
        Rows::new(&["source", "file", "line", "reason", "detail"]),
        Vec::new(),
    );
    let limit = picked.limit.unwrap_or(SHOWN);
    let mut found = 0;
    for line in lake.quarantined()? {
        let line = line?;
        if !picked.takes(&line) {
            continue;
        }
        found += 1;
        if found > limit {
            continue;
        }
        lines.push(json!({
            "source": line.source, "file": line.file, "line": line.line,
            "reason": line.reason_code, "detail": line.detail, "bytes": line.bytes.len(),
        }));
        rows.push([
            line.source,
            line.file,
            line.line.to_string(),
            line.reason_code,
            line.detail,
        ]);
    }
    print(format, &rows, &json!({ "found": found, "lines": lines }));
    if format == Format::Table && found > limit {
        println!("{limit} of {found} lines; --limit N shows more");
    }
    Ok(())
}

/// Prints lines, once it is written down whose they are.
async fn show(home: &Home, lake: &Lake, picked: &Picked, looking: &Looking) -> Result<(), Failure> {
    let _reading = lake.reading()?;
    let (mut records, mut any) = (BTreeSet::new(), false);
    picked.each(lake, |line| {
        any = true;
        records.extend(subject(line));
        Ok(())
    })?;
    if !any {
        return Ok(());
    }
    seeing(home, looking, &records, &["quarantine"]).await?;
    let mut out = BufWriter::new(stdout().lock());
    picked.each(lake, |line| {
        // Somebody else has ingested meanwhile.
        if subject(line).is_some_and(|record| !records.contains(&record)) {
            return Err(Failure::usage(
                "quarantine has changed while it was read; run the command again",
            ));
        }
        out.write_all(&line.bytes)?;
        Ok(out.write_all(b"\n")?)
    })?;
    Ok(out.flush()?)
}

/// Whom a line is about, as far as it says so.
fn subject(line: &Quarantined) -> Option<(String, String)> {
    Some((line.source.clone(), salus_fhir::about(&line.bytes)?))
}

async fn retry(
    home: &Home,
    lake: &Lake,
    (picked, code_map): (&Picked, Arc<CodeMap>),
    format: Format,
) -> Result<(), Failure> {
    let picked = picked.copied();
    if picked.any() && !any_line(lake, &picked)? {
        return Err(Failure::usage(
            "no line in quarantine is like that; `salus quarantine list` shows what there is",
        ));
    }
    let progress = Bar(Progress::bytes(0, "reading"));
    let summary = retry_quarantine(
        lake,
        move |line| picked.takes(line),
        &Options {
            code_map,
            notary: Some(notary::Consents::of(home)),
            ..Options::default()
        },
        &progress,
    )
    .await?;
    home.record_snapshot(lake).await?;
    report(&summary, format, None);
    Ok(())
}

/// Deletes lines for good.
async fn drop_lines(
    home: &Home,
    lake: &Lake,
    picked: &Picked,
    yes: bool,
    format: Format,
) -> Result<(), Failure> {
    if picked.limit.is_some() || !picked.any() {
        return Err(Failure::usage(
            "say which lines go with --reason, --source or --file; --limit is for lists",
        ));
    }
    let transaction = lake.begin()?;
    let (left, lines) = {
        let picked = picked.copied();
        let dropped = tokio::task::spawn_blocking(move || {
            let lines = transaction.drop_quarantined(&mut |line| picked.takes(line))?;
            Ok::<_, salus_lake::Error>((transaction, lines))
        });
        dropped
            .await
            .map_err(|_| Failure::Other(anyhow::anyhow!("the reader panicked")))??
    };
    if yes && lines > 0 {
        left.commit(&|_| ()).await?;
        home.record_snapshot(lake).await?;
    }
    let mut rows = Rows::new(&["lines", "dropped"]);
    rows.push([lines.to_string(), if yes { "yes" } else { "no" }.into()]);
    print(format, &rows, &json!({"lines": lines, "dropped": yes}));
    if !yes && format == Format::Table {
        println!("nothing was changed; add --yes to do it");
    }
    Ok(())
}

fn any_line(lake: &Lake, picked: &Picked) -> Result<bool, Failure> {
    for line in lake.quarantined()? {
        if picked.takes(&line?) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes a person out for good.
pub(crate) async fn expunge(root: &Path, command: &Expunge, format: Format) -> Result<(), Failure> {
    let home = Home::at(root)?;
    if !command.yes {
        return Err(Failure::usage(format!(
            "this deletes every record of {}'s Patient/{} for good, with all snapshots but the newest; add --yes to do it",
            command.source, command.patient
        )));
    }
    let lake = home.own_lake().await?;
    notary::expunging(&home, &lake, command).await?;
    let (known, lines) = salus_fhir::expunge(&lake, &command.source, &command.patient).await?;
    let retention = Retention {
        patience: Duration::from_secs(command.wait),
        ..Retention::newest(1)
    };
    let vacuumed = match lake.vacuum(&retention).await {
        Ok(vacuumed) => vacuumed,
        Err(error) => {
            return Err(anyhow::Error::from(error)
                .context("no question finds the person from now on, but files of older snapshots hold her still: do the same again, it goes on from here")
                .into());
        }
    };
    // The ledger hears of the snapshot with the next question or ingest: an entry now would say when somebody was expunged.
    notary::expunged(&home, command).await?;
    let mut rows = Rows::new(&["what", "value"]);
    rows.push([
        "known before".into(),
        if known { "yes" } else { "no" }.into(),
    ]);
    rows.push(["lines taken out of quarantine".into(), lines.to_string()]);
    rows.push(["files deleted".into(), vacuumed.files.to_string()]);
    let json = json!({"known": known, "quarantined_lines": lines, "files_deleted": vacuumed.files});
    print(format, &rows, &json);
    Ok(())
}
