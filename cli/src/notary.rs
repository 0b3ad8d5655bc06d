//! What commands write into the restricted log before they do it, so that nothing happens to a person that is not written down.

use std::collections::BTreeSet;
use std::sync::Arc;

use salus_fhir::{ConsentChanges, Notary, Noted};
use salus_lake::Lake;
use salus_ledger::restricted::entry::What;
use salus_ledger::restricted::{Event, Identified, Recorded};

use crate::arguments::{Expunge, Looking};
use crate::commands::query::{purpose, user};
use crate::commands::review::meant;
use crate::failure::Failure;
use crate::home::{Home, of_ended};

/// The purpose of use of who breaks the glass.
const BREAK_THE_GLASS: &str = "BTG";

/// Writes down what is about to happen. Durable on return.
pub(crate) async fn record(home: &Home, events: Vec<Event>) -> Result<Vec<Recorded>, Failure> {
    let ledger = home.ledger().await?;
    let log = ledger.restricted()?;
    let mut recorded = Vec::new();
    for event in events {
        recorded.push(log.record(event).await.map_err(meant)?);
    }
    drop(log);
    ledger.close().await?;
    Ok(recorded)
}

/// Something that is done to these persons by who runs this command.
fn change(
    home: &Home,
    what: What,
    persons: Vec<String>,
    detail: Vec<u8>,
) -> Result<Event, Failure> {
    Ok(Event::Change {
        what,
        principal: home.acting(&user(None)?)?,
        persons,
        detail,
    })
}

/// A person by the lake's number.
fn numbered(number: i64) -> String {
    format!("person/{number}")
}

/// Writes down that a person is to be expunged. Nothing of her goes before it is durable.
///
/// Her name is not in it, nor beside it: an order that is never carried out would keep it. The command that is run again finds its order by
/// her blinded record, and all else that names her by what is noted of her now, since the lake no longer knows it then.
pub(crate) async fn expunging(home: &Home, lake: &Lake, command: &Expunge) -> Result<(), Failure> {
    let her = home.blind(&command.source, &command.patient)?;
    let mut names = BTreeSet::from([her.clone()]);
    if let Some(snapshot) = lake.snapshot()?
        && let Some(number) = lake.number_of(&snapshot, &command.source, &command.patient)?
    {
        let mut members = lake.linkage(&snapshot)?.members(number);
        members.insert(number);
        for (_, source, patient) in lake.names_of(&snapshot, &members)? {
            names.insert(home.blind(&source, &patient)?);
        }
        names.extend(members.into_iter().map(numbered));
    }
    let detail = serde_json::to_vec(&names)?;
    let order = change(home, What::Expunge, vec![her], detail)?;
    record(home, vec![order]).await?;
    Ok(())
}

/// The person is gone: what opens the order goes as well, and whatever else names her, so that what is left cannot be put together again.
/// So it does beside logs that ended.
pub(crate) async fn expunged(home: &Home, command: &Expunge) -> Result<(), Failure> {
    let ended = home.ended().await?;
    let ledger = home.ledger().await?;
    let log = ledger.restricted()?;
    let her = home.blind(&command.source, &command.patient)?;
    // Earlier versions wrote her name.
    let named = format!("{}/Patient/{}", command.source, command.patient);
    let mut of_her = BTreeSet::from([her.clone(), named.clone()]);
    for persons in [vec![her], vec![named]] {
        let mut orders = Vec::new();
        for order in log.changes_of(What::Expunge, &persons).await? {
            orders.extend(log.opening(order, "detail").await?);
        }
        for before in &ended {
            let noted = before.noted(What::Expunge, &persons, "detail").await;
            orders.extend(noted.map_err(|error| of_ended(&error))?);
        }
        for order in orders {
            let noted: Option<Vec<String>> = serde_json::from_slice(&order.content).ok();
            of_her.extend(noted.into_iter().flatten());
        }
    }
    // The order in force is erased last: until then the same command finds what is left to do.
    for before in &ended {
        before
            .erase_naming(&of_her)
            .await
            .map_err(|error| of_ended(&error))?;
    }
    let entries = log.naming(&of_her).await?;
    log.erase(&entries).await?;
    drop(log);
    ledger.close().await?;
    Ok(())
}

/// Writes down that records are to be joined or told apart.
pub(crate) async fn relinking(
    home: &Home,
    what: What,
    numbers: &BTreeSet<i64>,
    detail: Vec<u8>,
) -> Result<(), Failure> {
    let persons = numbers.iter().copied().map(numbered).collect();
    record(home, vec![change(home, what, persons, detail)?]).await?;
    Ok(())
}

/// Writes down that somebody sees these records, by source and patient, and of which kind they are. Nothing is shown before it is durable.
pub(crate) async fn seeing(
    home: &Home,
    looking: &Looking,
    records: &BTreeSet<(String, String)>,
    columns: &[&str],
) -> Result<(), Failure> {
    let blinded: Result<BTreeSet<String>, Failure> = records
        .iter()
        .map(|(source, patient)| home.blind(source, patient))
        .collect();
    let purpose = match &looking.break_glass {
        Some(_) => BREAK_THE_GLASS.to_owned(),
        None => purpose(&looking.purpose)?,
    };
    let access = Identified {
        principal: home.acting(&user(looking.user.as_deref())?)?,
        role: "operator".to_owned(),
        purpose,
        persons: blinded?.into_iter().collect(),
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
    };
    let event = match &looking.break_glass {
        Some(why) => Event::BreakGlass {
            access,
            justification: why.clone(),
        },
        None => Event::Access(access),
    };
    for written in record(home, vec![event]).await? {
        if looking.break_glass.is_some() {
            eprintln!(
                "salus: break-glass access {}; an officer will look at it",
                written.entry
            );
        }
    }
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
        let acts = [
            (What::Deny, &changes.denied),
            (What::Permit, &changes.permitted),
        ];
        let acts = acts.into_iter().filter(|(_, persons)| !persons.is_empty());
        let events: Result<Vec<Event>, Failure> = acts
            .map(|(what, persons)| {
                let persons = persons.iter().copied().map(numbered).collect();
                change(&self.0, what, persons, Vec::new())
            })
            .collect();
        record(&self.0, events?).await?;
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
