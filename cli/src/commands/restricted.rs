//! `salus ledger restricted` and `salus ledger breakglass`.

use salus_checker::{Evidence as Exhibit, Restricted as Beside, Trust, audit_with};
use salus_ledger::restricted::entry::{Body, Outcome, What};
use salus_ledger::restricted::{BreakGlass as Opened, Event};
use salus_ledger::{EntryIndex, Evidence};
use serde_json::json;

use crate::arguments::{BreakGlass, Finding, Format, Restricted};
use crate::commands::query::user;
use crate::failure::Failure;
use crate::home::Home;
use crate::notary;
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
    let log = ledger.restricted()?;
    let entries = log.entries().await?;
    // What is carried out has nothing beside it any more.
    let undone = log.unerased(What::Expunge).await?;
    drop(log);
    ledger.close().await?;
    let names = home.names();
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
                What::Expunge if undone.contains(&index) => {
                    "persons are to be removed for good: not carried out, run `salus expunge` again"
                        .into()
                }
                What::Expunge => "persons were removed for good".into(),
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
            "entry": index.0, "time": time, "kind": kind, "principal": who, "name": names.name(&who),
            "role": role, "purpose": purpose, "about": about,
        }));
        rows.push([
            index.to_string(),
            time,
            kind.to_owned(),
            names.who(&who),
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
            principal: home.acting(&user(command.user.as_deref())?)?,
            outcome,
            note: note.clone(),
        };
        let recorded = notary::record(home, vec![event]).await?[0];
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
    let ledger = home.ledger().await?;
    let accesses = ledger.restricted()?.breakglass().await?;
    ledger.close().await?;
    let names = home.names();
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
            "entry": opened.entry.0, "time": time, "principal": access.principal, "name": names.name(&access.principal),
            "role": access.role, "purpose": access.purpose, "state": state, "open": opened.is_open(),
        }));
        rows.push([
            opened.entry.to_string(),
            time,
            names.who(&access.principal),
            access.role.clone(),
            access.purpose.clone(),
            state.to_owned(),
        ]);
    }
    print(format, &rows, &json!({ "breakglass": json }));
    Ok(())
}
