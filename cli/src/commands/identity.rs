//! `salus identity`: which records are one person.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use salus_accounting::Loss;
use salus_lake::{Lake, Link as Said, LinkState, Linkage, Snapshot, Transaction};
use salus_ledger::restricted::entry::What;
use salus_linkage::{Decided, Elements, Found, Options, Record, Why, link as find};
use serde_json::{Value, json};

use crate::arguments::{Format, Identity, IdentityReview as Review, Link, Looking, Patient};
use crate::commands::query::user;
use crate::failure::Failure;
use crate::home::Home;
use crate::notary::{relinking, seeing};
use crate::output::{Rows, print};

pub(crate) async fn run(root: &Path, command: &Identity, format: Format) -> Result<(), Failure> {
    let home = Home::at(root)?;
    let lake = match command {
        Identity::Show { .. } | Identity::Review(Review::List { .. }) | Identity::Events => {
            home.lake()?
        }
        Identity::Link(_) | Identity::Split(_) | Identity::Review(_) => home.own_lake().await?,
    };
    match command {
        Identity::Link(command) => link(&home, &lake, command, format).await,
        Identity::Show { patient, looking } => show(&home, &lake, (patient, looking), format).await,
        Identity::Split(patient) => split(&home, &lake, patient, format).await,
        Identity::Review(Review::List { limit, looking }) => {
            list(&home, &lake, (*limit, looking), format).await
        }
        Identity::Review(Review::Accept(pair)) => {
            decide(
                &home,
                &lake,
                (pair.left, pair.right),
                LinkState::Linked,
                format,
            )
            .await
        }
        Identity::Review(Review::Reject(pair)) => {
            decide(
                &home,
                &lake,
                (pair.left, pair.right),
                LinkState::Apart,
                format,
            )
            .await
        }
        Identity::Events => events(&lake, format),
    }
}

fn newest(lake: &Lake) -> Result<Snapshot, Failure> {
    lake.snapshot()?
        .ok_or_else(|| Failure::usage("the lake is empty: `salus ingest fhir DIR` fills it"))
}

async fn link(home: &Home, lake: &Lake, command: &Link, format: Format) -> Result<(), Failure> {
    // The lock is held from reading to writing: what is linked is what was read.
    let transaction = lake.begin_linking()?;
    let linkage = lake.linkage(&newest(lake)?)?;
    let by = if command.dry_run {
        home.pseudonym(&user(None)?)?
    } else {
        home.acting(&user(None)?)?
    };
    let options = Options {
        link: command.above,
        review: command.review,
        trusted: command.trust.clone(),
        largest_block: command.largest_block,
        weights: None,
    };
    let reader = lake.clone();
    let found = tokio::task::spawn_blocking(move || {
        let records = records(&reader)?;
        let found = find(&records, &decided(&linkage), &options);
        found.map_err(|error| Failure::usage(error.to_string()))
    });
    let found = found
        .await
        .map_err(|_| Failure::Other(anyhow::anyhow!("linkage ended unexpectedly")))??;
    for pair in &found.links {
        transaction.say(said(pair, LinkState::Linked, &by))?;
    }
    for pair in &found.review {
        transaction.say(said(pair, LinkState::Review, &by))?;
    }
    let ledger = home.ledger().await?;
    let released = ledger.account().await?.spent != Loss::ZERO;
    ledger.close().await?;
    let ids = most_ids(&transaction.said());
    let mut done = Vec::new();
    if !command.dry_run {
        done = commit(home, lake, transaction, What::Merge).await?;
    }
    // Who was two when something was released may have paid for it more than once.
    let factor = if released { ids * ids } else { 1 };
    report(&found, &done, (ids, factor), command.dry_run, format);
    Ok(())
}

/// What identifies everybody, as linkage compares it. Nothing of it is printed.
fn records(lake: &Lake) -> Result<Vec<Record>, Failure> {
    let records = lake.direct_records()?.map(|record| {
        let record = record?;
        let elements = Elements {
            name: record.name.as_deref(),
            birth_date: record.birth_date.as_deref(),
            sex: record.sex.as_deref(),
            address: record.address.as_deref(),
            telecom: record.telecom.as_deref(),
            identifier: record.identifier.as_deref(),
            link: record.link.as_deref(),
        };
        Ok(Record::new(
            record.number,
            &record.source,
            &record.source_id,
            elements,
        ))
    });
    records.collect()
}

fn decided(linkage: &Linkage) -> Decided {
    let of = |state| {
        let pairs = linkage.pairs().filter(move |pair| pair.state == state);
        pairs.map(|pair| (pair.left, pair.right)).collect()
    };
    Decided {
        linked: of(LinkState::Linked),
        apart: of(LinkState::Apart),
    }
}

fn said(pair: &salus_linkage::Pair, state: LinkState, by: &str) -> Said {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a probability in millionths"
    )]
    let millionths = (pair.probability * 1e6).round() as i64;
    Said {
        number: 0,
        left: pair.left,
        right: pair.right,
        state,
        why: pair.why.word().into(),
        millionths: (pair.why != Why::Source).then_some(millionths),
        at: now(),
        by: by.to_owned(),
        ids: 0,
    }
}

fn now() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

/// Has what is to happen written into the restricted log, makes it durable, and gives what happened to whom.
async fn commit(
    home: &Home,
    lake: &Lake,
    transaction: Transaction,
    what: What,
) -> Result<Vec<Said>, Failure> {
    let pairs = transaction.said();
    if !pairs.is_empty() {
        let numbers = pairs.iter().flat_map(|pair| [pair.left, pair.right]);
        let detail: Vec<Value> = pairs.iter().map(event_json).collect();
        let detail = serde_json::to_vec(&detail)?;
        relinking(home, what, &numbers.collect(), detail).await?;
    }
    let before = lake.snapshot()?.map_or(0, |snapshot| events_of(&snapshot));
    // The ledger hears of the snapshot with the next question or ingest: an entry now would say when persons were joined.
    transaction.commit(&|_| ()).await?;
    events_after(lake, before)
}

/// The events after the first `from`.
fn events_after(lake: &Lake, from: i64) -> Result<Vec<Said>, Failure> {
    let mut events = lake.linkage_events(&newest(lake)?)?;
    events.retain(|event| event.number > from);
    Ok(events)
}

fn events_of(snapshot: &Snapshot) -> i64 {
    snapshot
        .identity
        .events
        .iter()
        .map(|file| file.records.cast_signed())
        .sum()
}

/// The most numbers that anybody had who was joined now: what was released before may have cost her its square times the price.
fn most_ids(events: &[Said]) -> i64 {
    let linked = events
        .iter()
        .filter(|event| event.state == LinkState::Linked);
    linked.map(|event| event.ids).max().unwrap_or(1)
}

fn report(found: &Found, done: &[Said], (ids, factor): (i64, i64), dry_run: bool, format: Format) {
    let mut by_why: BTreeMap<&str, u64> = BTreeMap::new();
    for pair in found.links.iter().chain(&found.review) {
        *by_why.entry(pair.why.word()).or_default() += 1;
    }
    let mut rows = Rows::new(&["what", "value"]);
    let mut row = |what: &str, value: String| rows.push([what.to_owned(), value]);
    row(
        "pairs joined",
        if dry_run { 0 } else { found.links.len() }.to_string(),
    );
    if dry_run {
        row("pairs that would be joined", found.links.len().to_string());
    }
    row("pairs for review", found.review.len().to_string());
    for (why, count) in &by_why {
        row(&format!("  {why}"), count.to_string());
    }
    row("pairs compared", found.compared.to_string());
    for pass in found.passes.iter().filter(|pass| pass.passed_over > 0) {
        row(
            &format!("blocks passed over ({})", pass.rests_on),
            format!(
                "{} with {} records",
                pass.passed_over, pass.records_passed_over
            ),
        );
    }
    if factor > 1 {
        let what = if dry_run {
            "earlier releases would cost a joined person up to"
        } else {
            "earlier releases cost a joined person up to"
        };
        row(what, format!("{factor} times their price"));
    }
    let passed_over: Vec<Value> = found
        .passes
        .iter()
        .map(|pass| json!({"rests_on": pass.rests_on, "pairs": pass.pairs, "blocks_passed_over": pass.passed_over, "records_passed_over": pass.records_passed_over}))
        .collect();
    let json = json!({
        "dry_run": dry_run, "links": found.links.len(), "review": found.review.len(), "by_reason": by_why, "compared": found.compared,
        "passes": passed_over, "most_ids": ids, "earlier_releases_factor": factor, "events": done.iter().map(event_json).collect::<Vec<_>>(),
    });
    print(format, &rows, &json);
}

fn event_json(event: &Said) -> Value {
    json!({
        "event": event.number, "left": event.left, "right": event.right, "what": event.state.word(), "why": event.why,
        "probability_millionths": event.millionths, "at": at(event), "by": event.by, "ids": event.ids,
    })
}

fn at(event: &Said) -> String {
    crate::output::time(u64::try_from(event.at / 1_000_000).unwrap_or_default())
}

async fn split(home: &Home, lake: &Lake, patient: &Patient, format: Format) -> Result<(), Failure> {
    let transaction = lake.begin_linking()?;
    let number = number(lake, &newest(lake)?, patient)?;
    let by = home.acting(&user(None)?)?;
    transaction
        .split(number, &by)
        .map_err(|error| usage(&error))?;
    let done = commit(home, lake, transaction, What::Split).await?;
    print_events(&done, format);
    if format == Format::Table {
        println!(
            "No budget comes back: what was released while they were one counts for both. Rows that were left out because of the other come with the next full export."
        );
    }
    Ok(())
}

fn number(lake: &Lake, snapshot: &Snapshot, patient: &Patient) -> Result<i64, Failure> {
    let found = lake.number_of(snapshot, &patient.source, &patient.patient)?;
    found.ok_or_else(|| {
        Failure::usage(format!(
            "source {} has no Patient/{} here; --source names another source",
            patient.source, patient.patient
        ))
    })
}

fn usage(error: &salus_lake::Error) -> Failure {
    Failure::usage(error.to_string())
}

async fn show(
    home: &Home,
    lake: &Lake,
    (patient, looking): (&Patient, &Looking),
    format: Format,
) -> Result<(), Failure> {
    let _reading = lake.reading()?;
    let snapshot = newest(lake)?;
    let number = number(lake, &snapshot, patient)?;
    let linkage = lake.linkage(&snapshot)?;
    let members = linkage.members(number);
    let names = lake.names_of(&snapshot, &members)?;
    seen(home, looking, &names).await?;
    let mut rows = Rows::new(&["number", "source", "patient"]);
    let mut records = Vec::new();
    for (number, source, id) in names {
        records.push(json!({"number": number, "source": source, "patient": id}));
        rows.push([number.to_string(), source, id]);
    }
    let pairs = linkage
        .pairs()
        .filter(|pair| members.contains(&pair.left) || members.contains(&pair.right));
    let pairs: Vec<Value> = pairs.map(event_json).collect();
    print(
        format,
        &rows,
        &json!({"person": linkage.person(number), "records": records, "pairs": pairs}),
    );
    Ok(())
}

/// Has written down that somebody sees who is behind these records, before she does.
async fn seen(
    home: &Home,
    looking: &Looking,
    names: &[(i64, String, String)],
) -> Result<(), Failure> {
    let records = names
        .iter()
        .map(|(_, source, id)| (source.clone(), id.clone()));
    let records: BTreeSet<(String, String)> = records.collect();
    if records.is_empty() {
        return Ok(());
    }
    seeing(home, looking, &records, &["source", "patient", "linkage"]).await
}

async fn list(
    home: &Home,
    lake: &Lake,
    (limit, looking): (usize, &Looking),
    format: Format,
) -> Result<(), Failure> {
    let _reading = lake.reading()?;
    let snapshot = newest(lake)?;
    let linkage = lake.linkage(&snapshot)?;
    let mut pairs: Vec<&Said> = linkage
        .pairs()
        .filter(|pair| pair.state == LinkState::Review)
        .collect();
    pairs.sort_by_key(|pair| (std::cmp::Reverse(pair.millionths), pair.left, pair.right));
    let found = pairs.len();
    pairs.truncate(limit);
    let numbers: BTreeSet<i64> = pairs
        .iter()
        .flat_map(|pair| [pair.left, pair.right])
        .collect();
    let names = lake.names_of(&snapshot, &numbers)?;
    seen(home, looking, &names).await?;
    let names: BTreeMap<i64, String> = names
        .into_iter()
        .map(|(number, source, id)| (number, format!("{source} {id}")))
        .collect();
    let name = |number: &i64| names.get(number).cloned().unwrap_or_default();
    let mut rows = Rows::new(&[
        "left",
        "right",
        "left record",
        "right record",
        "why",
        "probability",
    ]);
    let mut listed = Vec::new();
    for pair in pairs {
        let (left, right) = (name(&pair.left), name(&pair.right));
        let millionths = pair.millionths.unwrap_or_default();
        listed.push(json!({
            "left": pair.left, "right": pair.right, "left_record": left, "right_record": right, "why": pair.why,
            "probability_millionths": pair.millionths,
        }));
        let probability = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
        rows.push([
            pair.left.to_string(),
            pair.right.to_string(),
            left,
            right,
            pair.why.clone(),
            probability,
        ]);
    }
    print(format, &rows, &json!({"found": found, "pairs": listed}));
    if format == Format::Table && found > limit {
        println!("{limit} of {found} pairs; --limit N shows more");
    }
    Ok(())
}

async fn decide(
    home: &Home,
    lake: &Lake,
    (left, right): (i64, i64),
    state: LinkState,
    format: Format,
) -> Result<(), Failure> {
    let transaction = lake.begin_linking()?;
    let linkage = transaction.linkage();
    let asked = |pair: &&Said| {
        (pair.left, pair.right) == (left.min(right), left.max(right))
            && pair.state == LinkState::Review
    };
    let Some(pair) = linkage.pairs().find(asked) else {
        return Err(Failure::usage(format!(
            "nobody is asked about {left} and {right}; `salus identity review list` shows the pairs"
        )));
    };
    let decision = Said {
        state,
        why: "reviewed".into(),
        at: now(),
        by: home.acting(&user(None)?)?,
        ..pair.clone()
    };
    transaction.say(decision).map_err(|error| usage(&error))?;
    let what = match state {
        LinkState::Linked => What::Merge,
        _ => What::Split,
    };
    let done = commit(home, lake, transaction, what).await?;
    print_events(&done, format);
    Ok(())
}

fn events(lake: &Lake, format: Format) -> Result<(), Failure> {
    let _reading = lake.reading()?;
    let mut all = Vec::new();
    if lake.snapshot()?.is_some() {
        all = events_after(lake, 0)?;
    }
    print_events(&all, format);
    Ok(())
}

fn print_events(events: &[Said], format: Format) {
    let mut rows = Rows::new(&["event", "left", "right", "what", "why", "at", "by", "ids"]);
    for event in events {
        rows.push([
            event.number.to_string(),
            event.left.to_string(),
            event.right.to_string(),
            event.state.word().into(),
            event.why.clone(),
            at(event),
            event.by.clone(),
            event.ids.to_string(),
        ]);
    }
    let listed: Vec<Value> = events.iter().map(event_json).collect();
    print(format, &rows, &json!({ "events": listed }));
}
