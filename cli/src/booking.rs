//! Records have one purse: a lake is asked through the ledger that its answers are booked in, and through no other.
//!
//! Every command that shows or asks something of the records opens them together with a ledger, and what is here stands in between. The
//! engine's own library does not ask: whoever opens it by hand answers for which ledger he takes.

use salus_lake::{Booking, Error, Lake, LedgerName};
use salus_ledger::succession::goes_on_from;
use salus_ledger::{Evidence, Kind, Ledger};

use crate::failure::Failure;
use crate::home::Home;

/// How often the lake is read again while others write down the same.
const ROUNDS: usize = 16;

/// Whether the answers about `lake` are booked in `ledger`; where nothing is said of it yet, and where the ledger goes on from the one that
/// is named, it is written down.
pub(crate) async fn check(home: &Home, lake: &Lake, ledger: &Ledger) -> Result<(), Failure> {
    let own = LedgerName {
        origin: ledger.genesis().origin.clone(),
        beginning: ledger.beginning().await?,
    };
    for _ in 0..ROUNDS {
        let booking = lake.booking().map_err(damaged)?;
        if let Some(known) = &booking
            && *known.ledger() != own
            && !succeeds(home, ledger, known.ledger())?
        {
            return Err(of_another(known, &own));
        }
        mark(lake, ledger, booking.as_ref(), &own).await?;
        let is_said = |known: &Booking| *known.ledger() == own && known.is_under_the_key_of(lake);
        if booking.as_ref().is_some_and(is_said) {
            return Ok(());
        }
        match lake.book(booking.as_ref(), &own) {
            // Somebody else was first, and may have written the same.
            Err(Error::Overtaken) => {}
            booked => return Ok(booked?),
        }
    }
    Err(Error::Busy.into())
}

/// Whether nobody can have been answered from the newest snapshot out of another purse: it has the mark of this ledger or of the one before
/// it, or the ledger has recorded it. One older snapshot that it knows would not do: it may lie beside anybody's newest.
async fn mark(
    lake: &Lake,
    ledger: &Ledger,
    booking: Option<&Booking>,
    own: &LedgerName,
) -> Result<(), Failure> {
    let Some(snapshot) = lake.snapshot()? else {
        return Ok(());
    };
    let marked = |ledger: &LedgerName| lake.is_marked(&snapshot, ledger).map_err(damaged);
    if marked(own)? {
        return Ok(());
    }
    let before = booking.map_or(Ok(false), |booking| marked(booking.ledger()))?;
    if !before && !has_recorded(ledger, &snapshot.canonical_bytes()).await? {
        return Err(of_nobody(own));
    }
    Ok(lake.mark(&snapshot, own)?)
}

fn damaged(error: Error) -> Failure {
    match error {
        Error::Corrupt(_) => Failure::Integrity(error.to_string()),
        other => other.into(),
    }
}

/// Whether the ledger goes on from `before`, or from one that does. What is kept of each says so.
fn succeeds(home: &Home, ledger: &Ledger, before: &LedgerName) -> Result<bool, Failure> {
    let mut genesis = ledger.genesis().clone();
    while let Some(predecessor) = &genesis.predecessor {
        let kept = home.past(&predecessor.origin);
        if !kept.exists() {
            return Ok(false);
        }
        let evidence = Evidence::load(&kept)?;
        let Some(earlier) = goes_on_from(&genesis, &evidence)? else {
            return Ok(false);
        };
        if earlier.origin == before.origin && evidence.beginning() == Some(before.beginning) {
            return Ok(true);
        }
        genesis = earlier;
    }
    Ok(false)
}

async fn has_recorded(ledger: &Ledger, snapshot: &[u8]) -> Result<bool, Failure> {
    for stored in ledger.all_of(Kind::Snapshot).await?.iter().rev() {
        let opening = ledger.opening(stored.index, "commitment").await?;
        if opening.is_some_and(|opening| opening.content == snapshot) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn of_another(booking: &Booking, own: &LedgerName) -> Failure {
    let kept = &booking.ledger().origin;
    let which = if *kept == own.origin {
        format!("another ledger of the name {kept}")
    } else {
        format!("the ledger {kept}, and this home has {}", own.origin)
    };
    Failure::Integrity(format!(
        "the budget of these records is kept in {which}: records have one purse, wherever they are copied. Put that ledger back (`ledger` and \
         `anchor` in home.yaml). Where it has ended, `salus ledger succeed` goes on from it, and what is kept of it in past/ shows that"
    ))
}

fn of_nobody(own: &LedgerName) -> Failure {
    Failure::Integrity(format!(
        "nothing here says in which ledger the budget of these records is kept, and the one of this home, {}, has recorded no snapshot of \
         them. Use them in the home that they are from; other data go into an empty lake",
        own.origin
    ))
}
