//! `salus anchor`.

use std::path::Path;

use salus_ledger::anchor::newest;
use salus_ledger::note::Checkpoint;
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
        Anchor::Set { dir } => set(&home, dir, format).await,
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

async fn set(home: &Home, dir: &Path, format: Format) -> Result<(), Failure> {
    let place = anchors::place(dir)?;
    // An anchor that says nothing is no reason to ask another: who could do without it could put the ledger back first.
    let before = home.anchor_place()?;
    let unread = |why: Failure| unread(&before, &why);
    let present = home.anchor_at(&before).map_err(unread)?;
    let newest = newest(present.as_ref()).await;
    newest.map_err(|why| unread(why.into()))?;
    let ledger = home.ledger().await?;
    let next = home.anchor_at(&place)?;
    let moved = ledger.move_anchor(present.as_ref(), next.as_ref()).await;
    ledger.close().await?;
    moved.map_err(|error| match error {
        salus_ledger::Error::Refused(_) => Failure::usage(format!(
            "{} is not empty; an anchor begins in an empty place",
            place.display()
        )),
        other => other.into(),
    })?;
    let settings = Settings {
        anchor: place.clone(),
        ..Settings::read(home.root())?
    };
    settings.write(home.root())?;
    let mut rows = Rows::new(&["anchor"]);
    rows.push([place.display().to_string()]);
    print(format, &rows, &json!({"anchor": place}));
    Ok(())
}

fn unread(place: &Path, why: &Failure) -> Failure {
    Failure::Integrity(format!(
        "the present anchor, {}, cannot be read ({}), so nobody knows whether the ledger is in its newest state; nothing was changed. \
         Put the anchor back. If it is lost for good, two officers let another log go on, with a closed purse: `salus ledger recover`",
        place.display(),
        why.message()
    ))
}
