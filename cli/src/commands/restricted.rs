//! `salus ledger restricted` and `salus ledger breakglass`, and what other commands write there before they do it.

use std::collections::BTreeSet;
use std::sync::Arc;

use salus_checker::{Evidence as Exhibit, Restricted as Beside, Trust, audit_with};
use salus_fhir::{ConsentChanges, Notary, Noted};
use salus_ledger::restricted::entry::{Body, Outcome, What};
use salus_ledger::restricted::{BreakGlass as Opened, Event};
use salus_ledger::{EntryIndex, Error, Evidence};
use serde_json::json;

use crate::arguments::{BreakGlass, Expunge, Finding, Format, Restricted};
use crate::commands::query::user;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Rows, print, time};

pub(crate) async fn run(home: &Home, command: &Restricted, format: Format) -> Result<(), Failure> {
    match command {
        Restricted::List => list(home, format).await,
        Restricted::Verify => verify(home, format).await,
        Restricted::Export { to } => {
            let ledger = home.ledger().await?;
            let evidence = ledger.restricted()?.evidence().await?;
            ledger.close().await?;
            evidence.write(to)?;
            let mut rows = Rows::new(&["written"]);
            rows.push([to.display().to_string()]);
            print(format, &rows, &json!({"written": to}));
            Ok(())
        }
    }
}

async fn list(home: &Home, format: Format) -> Result<(), Failure> {
    let ledger = home.ledger().await?;
    let entries = ledger.restricted()?.entries().await?;
    ledger.close().await?;
    let mut rows = Rows::new(&["entry", "time", "kind", "who", "role", "purpose", "about"]);
    let mut json = Vec::new();
    for (index, entry) in entries {
        let (role, purpose) = match &entry.body {
            Body::Access(access) | Body::BreakGlass { access, .. } => {
                (access.role.clone(), access.purpose.clone())
            }
            _ => Default::default(),
        };
        let about = match &entry.body {
            Body::FollowUp(followup) => {
                format!("entry {}: {}", followup.breakglass, followup.outcome.name())
            }
            Body::Change(change) => match change.what {
                What::Expunge => "persons were to be removed for good".into(),
                What::Deny => "persons denied consent".into(),
                What::Permit => "persons permit again".into(),
                What::Merge => "records were linked".into(),
                What::Split => "records were told apart".into(),
                What::Alert => "to be looked at".into(),
            },
            _ => String::new(),
        };
        let who = entry.body.principal().unwrap_or_default().to_owned();
        let (kind, time) = (entry.body.kind(), time(entry.time));
        json.push(json!({
            "entry": index.0, "time": time, "kind": kind, "principal": who,
            "role": role, "purpose": purpose, "about": about,
        }));
        rows.push([
            index.to_string(),
            time,
            kind.to_owned(),
            who,
            role,
            purpose,
            about,
        ]);
    }
    print(format, &rows, &json!({ "entries": json }));
    Ok(())
}

/// Both logs, by the program that shares nothing with this one.
async fn verify(home: &Home, format: Format) -> Result<(), Failure> {
    let ledger = home.ledger().await?;
    let log = |found: Evidence| Exhibit {
        entries: found.entries,
        leaves: Some(found.leaves),
        checkpoints: found.checkpoints,
        vkey: found.vkey,
    };
    let beside = ledger.restricted()?.evidence().await?;
    let first = ledger.evidence().await?;
    ledger.audit_accounts().await?;
    ledger.close().await?;
    let opened = beside.anchors.into_iter().filter_map(|(index, opening)| {
        let opening = opening?;
        Some((index, [&opening.salt, opening.content.as_slice()].concat()))
    });
    let trust = Trust {
        restricted: Some(Beside {
            anchors: opened.collect(),
            log: log(beside.log),
        }),
        ..Trust::default()
    };
    let report = audit_with(&log(first), &trust);
    match format {
        Format::Json => println!("{}", report.to_json()),
        Format::Table | Format::Csv => print!("{}", report.to_text()),
    }
    if report.holds() {
        return Ok(());
    }
    Err(Failure::Integrity(
        "the restricted log, or what is anchored of it, does not hold".to_owned(),
    ))
}

pub(crate) async fn breakglass(
    home: &Home,
    command: &BreakGlass,
    format: Format,
) -> Result<(), Failure> {
    let ledger = home.ledger().await?;
    let log = ledger.restricted()?;
    if let (Some(entry), Some(finding), Some(note)) =
        (command.review, command.finding, &command.note)
    {
        let outcome = match finding {
            Finding::Open => Outcome::Open,
            Finding::Justified => Outcome::Justified,
            Finding::Unjustified => Outcome::Unjustified,
        };
        let event = Event::FollowUp {
            breakglass: EntryIndex(entry),
            principal: home.pseudonym(&user(command.user.as_deref())?)?,
            outcome,
            note: note.clone(),
        };
        let recorded = log.record(event).await.map_err(|error| match error {
            Error::Refused(what) => Failure::usage(format!("{what}; nothing was entered")),
            other => other.into(),
        })?;
        drop(log);
        ledger.close().await?;
        let mut rows = Rows::new(&["entry", "follows up", "outcome"]);
        rows.push([
            recorded.entry.to_string(),
            entry.to_string(),
            outcome.name().to_owned(),
        ]);
        let json =
            json!({"entry": recorded.entry.0, "breakglass": entry, "outcome": outcome.name()});
        print(format, &rows, &json);
        return Ok(());
    }
    let accesses = log.breakglass().await?;
    drop(log);
    ledger.close().await?;
    let wanted = |access: &&Opened| command.all || access.is_open();
    let mut rows = Rows::new(&["entry", "time", "who", "role", "purpose", "state"]);
    let mut json = Vec::new();
    for opened in accesses.iter().filter(wanted) {
        let state = opened
            .followed_up
            .map_or("not looked at", |(_, outcome)| outcome.name());
        let access = &opened.access;
        let time = time(opened.time);
        json.push(json!({
            "entry": opened.entry.0, "time": time, "principal": access.principal,
            "role": access.role, "purpose": access.purpose, "state": state, "open": opened.is_open(),
        }));
        rows.push([
            opened.entry.to_string(),
            time,
            access.principal.clone(),
            access.role.clone(),
            access.purpose.clone(),
            state.to_owned(),
        ]);
    }
    print(format, &rows, &json!({ "breakglass": json }));
    Ok(())
}

/// Whom a command is to expunge, as the restricted log knows her until it is done.
fn whom(command: &Expunge) -> Vec<String> {
    vec![format!("{}/Patient/{}", command.source, command.patient)]
}

/// Writes down that a person is to be expunged. Durable on return: nothing of her goes before.
pub(crate) async fn expunging(home: &Home, command: &Expunge) -> Result<(), Failure> {
    let event = Event::Change {
        what: What::Expunge,
        principal: home.pseudonym(&user(None)?)?,
        persons: whom(command),
        detail: Vec::new(),
    };
    let ledger = home.ledger().await?;
    ledger.restricted()?.record(event).await?;
    ledger.close().await?;
    Ok(())
}

/// The person is gone: what says beside the log who she was goes as well. Until here it says whose order is not carried out yet.
pub(crate) async fn expunged(home: &Home, command: &Expunge) -> Result<(), Failure> {
    let ledger = home.ledger().await?;
    let log = ledger.restricted()?;
    let orders = log.changes_of(What::Expunge, &whom(command)).await?;
    log.erase(&orders).await?;
    drop(log);
    ledger.close().await?;
    Ok(())
}

/// Writes down that records are to be joined or told apart, before they are.
pub(crate) async fn relinking(
    home: &Home,
    what: What,
    numbers: &BTreeSet<i64>,
    detail: Vec<u8>,
) -> Result<(), Failure> {
    let event = Event::Change {
        what,
        principal: home.pseudonym(&user(None)?)?,
        persons: numbers
            .iter()
            .map(|number| format!("person/{number}"))
            .collect(),
        detail,
    };
    let ledger = home.ledger().await?;
    ledger.restricted()?.record(event).await?;
    ledger.close().await?;
    Ok(())
}

/// Writes down whose consent an ingest changes, before it does.
#[derive(Debug)]
pub(crate) struct Consents(Home);

impl Consents {
    pub(crate) fn of(home: &Home) -> Arc<Self> {
        Arc::new(Self(home.clone()))
    }

    async fn note(&self, changes: &ConsentChanges) -> Result<(), Failure> {
        let principal = self.0.pseudonym(&user(None)?)?;
        let ledger = self.0.ledger().await?;
        let log = ledger.restricted()?;
        let acts = [
            (What::Deny, &changes.denied),
            (What::Permit, &changes.permitted),
        ];
        for (what, persons) in acts {
            if persons.is_empty() {
                continue;
            }
            let event = Event::Change {
                what,
                principal: principal.clone(),
                persons: persons
                    .iter()
                    .map(|person| format!("person/{person}"))
                    .collect(),
                detail: Vec::new(),
            };
            log.record(event).await?;
        }
        drop(log);
        ledger.close().await?;
        Ok(())
    }
}

impl Notary for Consents {
    fn consents<'n>(&'n self, changes: &'n ConsentChanges) -> Noted<'n> {
        Box::pin(async move {
            self.note(changes)
                .await
                .map_err(|failure| failure.message())
        })
    }
}
