//! `salus anchor`.

use std::path::Path;

use salus_ledger::anchor::{newest, retire};
use salus_ledger::note::Checkpoint;
use salus_ledger::{EntryIndex, Finding, Ledger, Surroundings};
use serde_json::json;

use crate::anchors;
use crate::arguments::{Anchor, Format};
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Rows, print};
use crate::settings::Settings;

pub(crate) async fn run(root: &Path, command: &Anchor, format: Format) -> Result<(), Failure> {
    let home = Home::at(root)?;
    match command {
        Anchor::Show => show(&home, format).await,
        Anchor::Set { dir, lost } => set(&home, dir, *lost, format).await,
    }
}

async fn show(home: &Home, format: Format) -> Result<(), Failure> {
    let place = home.anchor_place()?;
    let record = newest(home.anchor_at(&place)?.as_ref()).await?;
    let shown = home.root().join(&place);
    let place = if anchors::is_address(&place) {
        place
    } else {
        shown
    };
    let (number, size, spent) = match &record {
        Some((number, record)) => (
            Some(*number),
            Checkpoint::stated_size(&record.checkpoint),
            Some(record.spent),
        ),
        None => (None, None, None),
    };
    let text = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
    let spent = spent.map(|spent| spent.rho.to_string());
    let mut rows = Rows::new(&["anchor", "newest follows", "entries signed", "spent (rho)"]);
    rows.push([
        place.display().to_string(),
        text(number),
        text(size),
        spent.clone().unwrap_or_default(),
    ]);
    let json = json!({"anchor": place, "follows": number, "entries": size, "spent_rho": spent});
    print(format, &rows, &json);
    Ok(())
}

async fn set(home: &Home, dir: &Path, lost: bool, format: Format) -> Result<(), Failure> {
    let place = anchors::place(dir)?;
    let ledger = if lost {
        // What can be read was not lost, and what it holds against the ledger is not to be forgotten.
        let present = home.anchor_at(&home.anchor_place()?);
        let records = match &present {
            Ok(present) => present.newest(1).await.unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        if !records.is_empty() {
            return Err(Failure::usage(
                "the present anchor can be read, so it is not lost; without --lost the ledger is compared with it",
            ));
        }
        home.ledger_in(Surroundings::default()).await?
    } else {
        home.ledger().await?
    };
    if lost {
        confess(&ledger).await?;
    }
    let anchor = home.anchor_at(&place)?;
    let begun = ledger.begin_anchor(anchor.as_ref()).await;
    ledger.close().await?;
    begun.map_err(|error| match error {
        salus_ledger::Error::Refused(_) => Failure::usage(format!(
            "{} is not empty; an anchor begins in an empty place",
            place.display()
        )),
        other => other.into(),
    })?;
    let before = home.anchor_place()?;
    let settings = Settings {
        anchor: place.clone(),
        ..Settings::read(home.root())?
    };
    settings.write(home.root())?;
    // Whoever goes back to the one of before is told.
    if let Ok(before) = home.anchor_at(&before) {
        retire(before.as_ref()).await?;
    }
    let mut rows = Rows::new(&["anchor"]);
    rows.push([place.display().to_string()]);
    print(format, &rows, &json!({"anchor": place}));
    Ok(())
}

/// That nobody compared the ledger with what its anchor held stands in the log.
async fn confess(ledger: &Ledger) -> Result<(), Failure> {
    let last = ledger.size().await?.saturating_sub(1);
    let finding = Finding {
        principal: "operator".to_owned(),
        from: EntryIndex(0),
        to: EntryIndex(last),
        note: "the anchor was lost and begun anew; that this is the newest state of the ledger was not checked".to_owned(),
    };
    let proposal = ledger.propose_review(finding).await?;
    ledger.enter(proposal, Vec::new()).await?;
    Ok(())
}
