//! `salus ledger`.

use std::path::Path;

use salus_certificate::{EntryIndex, Value as Cbor};
use salus_checker::{Evidence as Exhibit, Report, audit};
use salus_ledger::{Body, Evidence, Ledger as Log, StoredEntry};
use serde_json::{Value, json};

use crate::arguments::{Export, Filter, Format, Ledger};
use crate::commands::{officer_views, restricted, retention, review, succession};
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Rows, hex, print};

pub(crate) async fn run(root: &Path, command: &Ledger, format: Format) -> Result<(), Failure> {
    let home = Home::at(root)?;
    match command {
        Ledger::List(filter) => list(&home, filter, format).await,
        Ledger::Show { index } => show(&home, *index, format).await,
        Ledger::Review(command) => review::review(&home, command, format).await,
        Ledger::Incident(command) => review::incident(&home, command, format).await,
        Ledger::Seal(command) => retention::seal(&home, command, format).await,
        Ledger::Succeed(command) => succession::succeed(&home, command, format).await,
        Ledger::Recover(command) => succession::recover(&home, command, format).await,
        Ledger::Erase(command) => retention::erase(&home, command, format).await,
        Ledger::BreakGlass(command) => restricted::breakglass(&home, command, format).await,
        Ledger::Restricted(command) => restricted::run(&home, command, format).await,
        Ledger::Verify => verify(&home, format).await,
        Ledger::BurnDown(command) => officer_views::burn_down(&home, command, format).await,
        Ledger::Refusals(filter) => officer_views::refusals(&home, filter, format).await,
        Ledger::Differences(command) => officer_views::differences(&home, command, format).await,
        Ledger::Report(command) => officer_views::report(&home, command, format).await,
        Ledger::Export(command) => export(&home, command, format).await,
    }
}

/// The log as static files, or the questions as another program reads them.
async fn export(home: &Home, command: &Export, format: Format) -> Result<(), Failure> {
    let to = &command.to;
    if let Some(form) = command.form {
        let filter = Filter {
            user: command.user.clone(),
            dataset: None,
            purpose: None,
            since: command.since.clone(),
            until: command.until.clone(),
            outcome: None,
            kind: None,
        };
        return officer_views::export(home, to, form, &filter, format).await;
    }
    Evidence::read(home.ledger_place()?, &home.vkey()?)
        .await?
        .write(to)?;
    let mut rows = Rows::new(&["written"]);
    rows.push([to.display().to_string()]);
    print(format, &rows, &json!({"written": to}));
    Ok(())
}

async fn list(home: &Home, filter: &Filter, format: Format) -> Result<(), Failure> {
    let wanted = officer_views::filter(home, filter)?;
    let ledger = home.ledger().await?;
    let all = ledger.entries().await?;
    ledger.close().await?;
    let entries = wanted.entries(&all);
    let names = home.names();
    let mut rows = Rows::new(&["entry", "time", "kind", "who", "purpose", "rho", "about"]);
    let mut json = Vec::new();
    for stored in entries {
        let line = Line::of(stored);
        json.push(json!({
            "entry": stored.index.0,
            "time": line.time,
            "kind": line.kind,
            "principal": line.who,
            "name": names.name(&line.who),
            "purpose": line.purpose,
            "rho": line.rho,
            "about": line.about,
        }));
        rows.push([
            stored.index.0.to_string(),
            line.time,
            line.kind,
            names.who(&line.who),
            line.purpose,
            line.rho,
            line.about,
        ]);
    }
    print(format, &rows, &json!({"entries": json}));
    Ok(())
}

/// One entry in one line.
#[derive(Default)]
struct Line {
    time: String,
    kind: String,
    who: String,
    purpose: String,
    rho: String,
    about: String,
}

impl Line {
    fn of(stored: &StoredEntry) -> Self {
        let mut line = Self {
            time: crate::output::time(stored.entry.time),
            kind: stored.entry.body.kind().name().to_owned(),
            ..Self::default()
        };
        match &stored.entry.body {
            Body::Genesis(genesis) => {
                line.about = format!(
                    "{} for {}, cap rho {}",
                    genesis.origin, genesis.space, genesis.cap.rho
                );
            }
            Body::Key(_) => line.about = "signs checkpoints from here on".into(),
            Body::Dataset(dataset) => {
                line.about = format!("{}, unit {}", dataset.dataset, dataset.unit);
            }
            Body::Catalog(catalog) => {
                line.about = format!("{}, version {}", catalog.dataset, catalog.version);
            }
            Body::Policy(policy) => {
                line.about = format!(
                    "version {}, one question at most rho {}",
                    policy.version, policy.query_rho
                );
            }
            Body::Snapshot(snapshot) => {
                line.about = format!("{}, snapshot {}", snapshot.dataset, snapshot.snapshot);
            }
            Body::Reserve(reserve) => {
                line.who.clone_from(&reserve.principal);
                line.purpose.clone_from(&reserve.purpose);
                line.rho = reserve.loss.rho.to_string();
                line.about = format!(
                    "{} mechanisms over {} cells",
                    reserve.certificate.mechanisms.len(),
                    reserve
                        .certificate
                        .releases
                        .iter()
                        .map(|release| release.cells)
                        .sum::<u64>()
                );
            }
            Body::Release(release) => line.about = format!("answers entry {}", release.reserve.0),
            Body::Abort(abort) => {
                line.about = format!(
                    "ends entry {} without an answer; it stays spent",
                    abort.reserve.0
                );
            }
            Body::Reuse(reuse) => {
                line.who.clone_from(&reuse.principal);
                line.purpose.clone_from(&reuse.purpose);
                line.rho = "0".into();
                line.about = format!("repeats the answer of entry {}", reuse.release.0);
            }
            Body::Refuse(refuse) => {
                line.who.clone_from(&refuse.principal);
                line.purpose.clone_from(&refuse.purpose);
                line.rho = "0".into();
                line.about = format!("rule {}", refuse.rule);
            }
            Body::Officer(officer) => {
                let does = if officer.active {
                    "approves"
                } else {
                    "no longer approves"
                };
                line.about = format!("{} {does}", officer.name);
            }
            Body::Grant(grant) => {
                line.about = format!(
                    "cap of {}: rho {} becomes {}",
                    grant.scope, grant.old.rho, grant.new.rho
                );
            }
            Body::Review(review) => {
                line.who.clone_from(&review.principal);
                line.about = format!("entries {} to {} were looked at", review.from, review.to);
            }
            Body::Incident(incident) => {
                line.rho = incident.loss.rho.to_string();
                line.about = format!("entry {} cost more than its price", incident.reserve);
            }
            Body::Anchor(_) => line.about = "what the restricted log held then".into(),
            Body::Seal(seal) => {
                line.about = format!("the log ends; {} goes on", seal.successor.origin);
            }
        }
        line
    }
}

async fn show(home: &Home, index: u64, format: Format) -> Result<(), Failure> {
    let ledger = home.ledger().await?;
    let stored = ledger.entry(EntryIndex(index)).await?;
    let Some(stored) = stored else {
        return Err(Failure::usage(format!(
            "there is no entry {index}; `salus ledger list` shows them"
        )));
    };
    let question = question_of(&ledger, &stored).await?;
    let erased = ledger.erased(stored.index).await?;
    let words = officer_views::in_words(&ledger.entries().await?, &stored);
    ledger.close().await?;
    let decoded = Cbor::decode(&stored.bytes).map_err(anyhow::Error::from)?;
    let mut document = json!({"index": index, "entry": readable(&decoded)});
    if let Some(sql) = &question {
        document["question"] = json!(sql);
    }
    if let Some(time) = erased {
        document["question"] = json!(format!("erased on {}", crate::output::time(time)));
    }
    if let Some(name) = home.names().name(&Line::of(&stored).who) {
        document["name"] = json!(name);
    }
    if !words.is_empty() {
        document["words"] = json!(words);
    }
    if format == Format::Csv {
        let mut rows = Rows::new(&["field", "value"]);
        flatten("", &document, &mut rows);
        print(format, &rows, &document);
        return Ok(());
    }
    if format == Format::Json {
        println!("{document}");
        return Ok(());
    }
    if let Some(fields) = document.as_object_mut() {
        fields.remove("words");
    }
    println!(
        "{}",
        serde_json::to_string_pretty(&document).unwrap_or_default()
    );
    if !words.is_empty() {
        println!("\nIn words:");
    }
    for sentence in &words {
        println!("  {sentence}");
    }
    Ok(())
}

/// The SQL text, which lies outside the log and may have been erased.
async fn question_of(ledger: &Log, stored: &StoredEntry) -> Result<Option<String>, Failure> {
    let opening = ledger.opening(stored.index, "question").await?;
    Ok(opening.map(|opening| String::from_utf8_lossy(&opening.content).into_owned()))
}

fn readable(value: &Cbor) -> Value {
    match value {
        Cbor::Uint(number) => json!(number),
        Cbor::Bytes(bytes) => json!(hex(bytes)),
        Cbor::Text(text) => json!(text),
        Cbor::Array(items) => items.iter().map(readable).collect(),
        Cbor::Map(map) => Value::Object(
            map.iter()
                .map(|(key, value)| (key.to_owned(), readable(value)))
                .collect(),
        ),
        Cbor::Bool(flag) => json!(flag),
    }
}

fn flatten(prefix: &str, value: &Value, rows: &mut Rows) {
    let nested = |key: String| {
        if prefix.is_empty() {
            key
        } else {
            format!("{prefix}.{key}")
        }
    };
    match value {
        Value::Object(map) => map
            .iter()
            .for_each(|(key, value)| flatten(&nested(key.clone()), value, rows)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(i, value)| flatten(&nested(i.to_string()), value, rows)),
        other => rows.push([prefix.to_owned(), crate::output::cell(other)]),
    }
}

/// One record per finding, or one that says that everything holds.
fn outcome_rows(report: &Report) -> Rows {
    let mut rows = Rows::new(&["outcome", "entry", "rule", "what"]);
    if report.holds() {
        let what = format!(
            "{} entries, {} checkpoints",
            report.entries, report.checkpoints
        );
        rows.push(["holds".to_owned(), String::new(), String::new(), what]);
    }
    for finding in &report.findings {
        let entry = finding
            .index
            .map_or_else(String::new, |index| index.to_string());
        rows.push([
            "fails".to_owned(),
            entry,
            finding.rule.to_owned(),
            finding.what.clone(),
        ]);
    }
    rows
}

/// Two looks at the log: the independent checker over its static form, and the store's own tables against the entries.
async fn verify(home: &Home, format: Format) -> Result<(), Failure> {
    // Opening it first writes down which key is in force; what is wrong with it is said after what the checker finds.
    let opened = home.ledger().await;
    let evidence = Evidence::read(home.ledger_place()?, &home.vkey()?).await?;
    let report = audit(&Exhibit {
        entries: evidence.entries,
        leaves: Some(evidence.leaves),
        checkpoints: evidence.checkpoints,
        vkey: evidence.vkey,
    });
    match format {
        Format::Json => println!("{}", report.to_json()),
        Format::Table => print!("{}", report.to_text()),
        Format::Csv => print(format, &outcome_rows(&report), &Value::Null),
    }
    if !report.holds() {
        let named: Vec<String> = report
            .findings
            .iter()
            .take(5)
            .map(ToString::to_string)
            .collect();
        return Err(Failure::Integrity(format!(
            "the ledger does not hold: {}",
            named.join("; ")
        )));
    }
    let ledger = opened?;
    ledger.audit_accounts().await?;
    ledger.close().await?;
    Ok(())
}
