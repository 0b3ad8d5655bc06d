//! `salus ledger review` and `salus ledger incident`.

use salus_accounting::{Delta, Loss, Rho};
use salus_ledger::{EntryIndex, Error, Finding, key};
use serde_json::json;

use crate::arguments::{Format, Incident, Review};
use crate::commands::query::user;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Rows, print};

/// What the ledger refuses is not what was meant.
pub(crate) fn meant(error: Error) -> Failure {
    match error {
        Error::Refused(what) => Failure::usage(format!("{what}; nothing was entered")),
        other => other.into(),
    }
}

pub(crate) async fn review(home: &Home, review: &Review, format: Format) -> Result<(), Failure> {
    let range = review.range.split_once("..").and_then(|(from, to)| {
        let (from, to): (u64, u64) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
        Some((EntryIndex(from), EntryIndex(to)))
    });
    let Some((from, to)) = range else {
        return Err(Failure::usage(format!(
            "{} is not a range of entries; 0..40 is one",
            review.range
        )));
    };
    let officer = match &review.key {
        Some(file) => Some(key::load(file).map_err(meant)?),
        None => None,
    };
    let finding = Finding {
        principal: home.acting(&user(review.user.as_deref())?)?,
        from,
        to,
        note: review.note.clone(),
    };
    let ledger = home.ledger().await?;
    let proposal = ledger.propose_review(finding).await.map_err(meant)?;
    let approvals = officer.iter().map(|key| proposal.approve(key)).collect();
    let entry = ledger.enter(proposal, approvals).await.map_err(meant)?;
    ledger.close().await?;
    let signed = officer.map(|key| key.origin().to_owned());
    let mut rows = Rows::new(&["entry", "reviewed", "signed by"]);
    rows.push([
        entry.to_string(),
        format!("{from}..{to}"),
        signed.clone().unwrap_or_default(),
    ]);
    print(
        format,
        &rows,
        &json!({"entry": entry.0, "from": from.0, "to": to.0, "signed_by": signed}),
    );
    Ok(())
}

pub(crate) async fn incident(
    home: &Home,
    incident: &Incident,
    format: Format,
) -> Result<(), Failure> {
    let wrong = |name: &str, what: String| Failure::usage(format!("{name}: {what}"));
    let loss = Loss {
        // What is taken is rounded up.
        rho: Rho::parse_ceil(&incident.rho).map_err(|e| wrong("--rho", e.to_string()))?,
        delta: Delta::parse_ceil(&incident.delta).map_err(|e| wrong("--delta", e.to_string()))?,
    };
    let ledger = home.ledger().await?;
    let reserve = EntryIndex(incident.reserve);
    let entry = ledger
        .incident(reserve, loss, &incident.note)
        .await
        .map_err(meant)?;
    let left = ledger.account().await?.remaining();
    ledger.close().await?;
    let left = left.rho.to_floor_string();
    let mut rows = Rows::new(&["entry", "taken (rho)", "remaining (rho)"]);
    rows.push([entry.to_string(), loss.rho.to_string(), left.clone()]);
    print(
        format,
        &rows,
        &json!({"entry": entry.0, "reserve": reserve.0, "rho": loss.rho.to_string(), "remaining_rho": left}),
    );
    Ok(())
}
