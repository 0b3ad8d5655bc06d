//! What `salus ledger` shows officers: burn-down, refusals, differences, report, exports.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use salus_accounting::epsilon_of;
use salus_lake::Lake;
use salus_ledger::entry::Kind;
use salus_ledger::restricted::Event;
use salus_ledger::restricted::entry::What;
use salus_ledger::{Ledger, StoredEntry};
use salus_oversight as oversight;
use serde_json::{Value, json};

use crate::arguments::{BurnDown, Differences, Filter, Form, Format, Report};
use crate::commands::review::meant;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Rows, print, time};

/// Width and height of a drawing in a terminal.
const TERMINAL: (usize, usize) = (76, 18);

/// Who is meant: a pseudonym, or the one of a user.
pub(super) fn principal(home: &Home, user: Option<&str>) -> Result<Option<String>, Failure> {
    match user.map(str::trim) {
        None => Ok(None),
        Some(pseudonym) if pseudonym.starts_with("p-") => Ok(Some(pseudonym.to_owned())),
        Some(user) => home.pseudonym(user).map(Some),
    }
}

/// The filter that the options say.
pub(super) fn filter(home: &Home, filter: &Filter) -> Result<oversight::Filter, Failure> {
    let meant = |error: oversight::Error| Failure::usage(error.to_string());
    let mut wanted = oversight::Filter {
        principal: principal(home, filter.user.as_deref())?,
        dataset: filter.dataset.clone(),
        purpose: filter.purpose.clone(),
        ..oversight::Filter::default()
    };
    if let Some(since) = &filter.since {
        wanted = wanted.since(since).map_err(meant)?;
    }
    if let Some(until) = &filter.until {
        wanted = wanted.until(until).map_err(meant)?;
    }
    if let Some(outcome) = &filter.outcome {
        wanted = wanted.outcome(outcome).map_err(meant)?;
    }
    if let Some(kind) = &filter.kind {
        wanted = wanted.kind(kind).map_err(meant)?;
    }
    Ok(wanted)
}

async fn entries(home: &Home) -> Result<Vec<StoredEntry>, Failure> {
    let ledger = home.ledger().await?;
    let entries = ledger.entries().await?;
    ledger.close().await?;
    Ok(entries)
}

fn period(since: Option<&str>, until: Option<&str>) -> Result<oversight::Period, Failure> {
    oversight::Period::parse(since, until).map_err(|error| Failure::usage(error.to_string()))
}

pub(super) async fn burn_down(
    home: &Home,
    command: &BurnDown,
    format: Format,
) -> Result<(), Failure> {
    let share = match (
        principal(home, command.user.as_deref())?,
        command.dataset.clone(),
    ) {
        (Some(analyst), _) => oversight::Share::Analyst(analyst),
        (None, Some(dataset)) => oversight::Share::Dataset(dataset),
        (None, None) => oversight::Share::Purse,
    };
    let period = period(command.since.as_deref(), command.until.as_deref())?;
    if let Some(file) = &command.svg
        && file.extension().is_none_or(|end| end != "svg")
    {
        return Err(Failure::usage(format!(
            "--svg {}: the drawing's name ends in .svg",
            file.display()
        )));
    }
    let burnt =
        oversight::burn_down_of(&entries(home).await?, &share).within(period.since, period.until);
    if let Some(file) = &command.svg {
        write_new(file, burnt.plot_svg().as_bytes())?;
    }
    if format == Format::Table {
        print!("{}", burnt.plot_text(TERMINAL.0, TERMINAL.1));
        return Ok(());
    }
    let mut rows = Rows::new(&[
        "entry",
        "time",
        "spent (rho)",
        "spent (epsilon)",
        "cap (rho)",
    ]);
    let mut json = Vec::new();
    for point in &burnt.points {
        let epsilon = epsilon_of(point.spent.rho, burnt.conversion).to_string();
        json.push(json!({
            "entry": point.entry.0,
            "time": time(point.time),
            "spent_rho": point.spent.rho.to_string(),
            "spent_epsilon": epsilon,
            "cap_rho": point.cap.rho.to_string(),
        }));
        rows.push([
            point.entry.to_string(),
            time(point.time),
            point.spent.rho.to_string(),
            epsilon,
            point.cap.rho.to_string(),
        ]);
    }
    print(
        format,
        &rows,
        &json!({"of": burnt.share.to_string(), "points": json, "svg": command.svg}),
    );
    Ok(())
}

pub(super) async fn refusals(home: &Home, wanted: &Filter, format: Format) -> Result<(), Failure> {
    let wanted = filter(home, wanted)?;
    let questions = oversight::questions(&entries(home).await?);
    let refused = oversight::Refusals::among(wanted.select(&questions));
    let names = home.names();
    let mut rows = Rows::new(&["", "", "refused"]);
    let mut json = json!({});
    for (name, counts) in [
        ("rule", &refused.by_rule),
        ("analyst", &refused.by_principal),
        ("purpose", &refused.by_purpose),
        ("month", &refused.by_month),
    ] {
        for (value, count) in counts {
            let shown = if name == "analyst" {
                names.who(value)
            } else {
                value.clone()
            };
            rows.push([name.to_owned(), shown, count.to_string()]);
        }
        json[format!("by_{name}")] = json!(counts);
    }
    json["entries"] = json!(
        refused
            .list
            .iter()
            .map(|question| question.entry.0)
            .collect::<Vec<_>>()
    );
    print(format, &rows, &json);
    Ok(())
}

/// Pairs among the answered questions, from the plans that lie beside the log.
async fn find(
    lake: &Lake,
    ledger: &Ledger,
    entries: &[StoredEntry],
    wanted: &oversight::Filter,
) -> Result<oversight::Differences, Failure> {
    let questions = oversight::questions(entries);
    let mut plans = Vec::new();
    for question in wanted.select(&questions) {
        let Some(reserve) = question.plan_of() else {
            continue;
        };
        if let Some(plan) = ledger.opening(reserve, "plan").await? {
            plans.push((question.entry, question.principal.clone(), plan.content));
        }
    }
    let asked: Vec<oversight::Asked<'_>> = plans
        .iter()
        .map(|(entry, principal, plan)| oversight::Asked {
            entry: *entry,
            principal,
            plan,
        })
        .collect();
    Ok(oversight::differences(&asked, &columns(lake)))
}

/// Names of the columns of each table, in order.
fn columns(lake: &Lake) -> oversight::Columns {
    let names = |table: &str| {
        let schema = lake.schema(table)?;
        let fields = schema.fields().iter();
        Some(fields.map(|field| field.name().clone()).collect())
    };
    lake.tables()
        .filter_map(|table| Some((table.to_owned(), names(table)?)))
        .collect()
}

pub(super) async fn differences(
    home: &Home,
    command: &Differences,
    format: Format,
) -> Result<(), Failure> {
    let wanted = oversight::Filter {
        principal: principal(home, command.user.as_deref())?,
        ..oversight::Filter::default()
    };
    let ledger = home.ledger().await?;
    let entries = ledger.entries().await?;
    let mut found = find(&home.lake()?, &ledger, &entries, &wanted).await?;
    found
        .pairs
        .retain(|pair| command.all || pair.change.is_nested());
    if command.alert {
        alert(&ledger, &found.pairs).await?;
    }
    ledger.close().await?;
    let names = home.names();
    let mut rows = Rows::new(&["first", "second", "who", "difference"]);
    let mut json = Vec::new();
    for pair in &found.pairs {
        json.push(json!({
            "first": pair.first.0,
            "second": pair.second.0,
            "principal": pair.principal,
            "name": names.name(&pair.principal),
            "change": pair.change.name(),
            "words": pair.words,
        }));
        rows.push([
            pair.first.to_string(),
            pair.second.to_string(),
            names.who(&pair.principal),
            pair.words.clone(),
        ]);
    }
    let unread: Vec<u64> = found.unread.iter().map(|entry| entry.0).collect();
    print(format, &rows, &json!({"pairs": json, "unread": unread}));
    if !unread.is_empty() {
        eprintln!(
            "salus: the plans of {} questions could not be compared: entries {unread:?}",
            unread.len()
        );
    }
    Ok(())
}

/// Writes each pair that is not there yet into the restricted log, for somebody to look at.
async fn alert(ledger: &Ledger, pairs: &[oversight::Difference]) -> Result<(), Failure> {
    let log = ledger.restricted()?;
    let mut known = BTreeSet::new();
    for index in log.unerased(What::Alert).await? {
        known.extend(log.opening(index, "detail").await?.map(|said| said.content));
    }
    for pair in pairs {
        let said =
            json!({"first": pair.first.0, "second": pair.second.0, "change": pair.change.name()});
        let detail = serde_json::to_vec(&said)?;
        if known.contains(&detail) {
            continue;
        }
        let event = Event::Change {
            what: What::Alert,
            principal: pair.principal.clone(),
            persons: Vec::new(),
            detail,
        };
        log.record(event).await.map_err(meant)?;
    }
    Ok(())
}

pub(super) async fn report(home: &Home, command: &Report, format: Format) -> Result<(), Failure> {
    let period = match &command.period {
        Some(named) => oversight::Period::named(named)
            .map_err(|error| Failure::usage(format!("--period: {error}")))?,
        None => period(command.since.as_deref(), command.until.as_deref())?,
    };
    let ledger = home.ledger().await?;
    let entries = ledger.entries().await?;
    let differences = find(
        &home.lake()?,
        &ledger,
        &entries,
        &oversight::Filter::default(),
    )
    .await?;
    let vkey = ledger.vkey();
    ledger.close().await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let cover = oversight::Cover {
        operator: command.operator.clone(),
        prepared: now.ok().map(|since| since.as_secs()),
        vkey: Some(vkey),
        differences: Some(differences.pairs),
    };
    let document = oversight::report(&entries, period, &cover);
    write_new(&command.out, document.as_bytes())?;
    written(&command.out, format);
    Ok(())
}

pub(super) async fn export(
    home: &Home,
    to: &Path,
    form: Form,
    wanted: &Filter,
    format: Format,
) -> Result<(), Failure> {
    let wanted = filter(home, wanted)?;
    let entries = entries(home).await?;
    let questions = oversight::questions(&entries);
    let selected = wanted.select(&questions);
    let text = match form {
        Form::Csv => oversight::csv(selected),
        Form::Json => pretty(&oversight::json(&entries, selected))?,
        Form::Fhir => pretty(&oversight::fhir(&entries, selected))?,
        Form::OpendpRegistry => oversight::registry(&entries, &oversight::Deployment::default())?,
    };
    write_new(to, text.as_bytes())?;
    written(to, format);
    Ok(())
}

fn pretty(value: &Value) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn written(file: &Path, format: Format) {
    let mut rows = Rows::new(&["written"]);
    rows.push([file.display().to_string()]);
    print(format, &rows, &json!({"written": file}));
}

/// Writes a file that was not there.
fn write_new(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let made =
        fs::File::create_new(file).and_then(|mut file| std::io::Write::write_all(&mut file, bytes));
    match made {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Failure::usage(format!(
            "{} exists; nothing was overwritten",
            file.display()
        ))),
        Err(error) => {
            Err(error).with_context(|| format!("cannot write {}", file.display()))?;
            Ok(())
        }
    }
}

/// The question of this entry in plain words; of others none.
pub(super) fn in_words(entries: &[StoredEntry], stored: &StoredEntry) -> Vec<String> {
    match stored.entry.body.kind() {
        Kind::Reserve | Kind::Reuse | Kind::Refuse => oversight::words(entries, stored.index),
        _ => Vec::new(),
    }
}
