//! What may be trusted of a log that was lost.

use std::collections::BTreeMap;

use salus_accounting::Loss;
use salus_certificate::Hash;

use super::Build;
use super::estate::Estate;
use crate::anchor::{self, Anchor};
use crate::entry::{Body, TWO};
use crate::error::{Error, Result};
use crate::evidence::Evidence;
use crate::note::{Checkpoint, Verifier};
use crate::proposal::Proposal;

/// What is left of a log.
#[derive(Debug)]
pub struct Lost<'a> {
    /// Its first entries, as a backup or an export has them: with its genesis, its keys and two officers at least.
    pub entries: &'a Evidence,
    /// Its anchor, where that can be read.
    pub anchor: Option<&'a dyn Anchor>,
    /// Checkpoints that others kept: of receipts, of witnesses, of users.
    pub seen: &'a [Vec<u8>],
}

/// The genesis of a log that goes on from one that was lost, for its officers to approve.
///
/// # Guarantee
///
/// The purse opens with no less than anybody recorded. Where the anchor is whole, agrees with the entries, and nobody has seen a
/// checkpoint that it does not know of, that is the largest total of its records: nothing left the log that is not in one of them. In any
/// other case the purse opens closed: spent, cap and ceiling are the same, and no grant opens it.
///
/// # Errors
///
/// [`Error::Refused`] if the entries end in a seal, name fewer than two officers, or if another log has succeeded already;
/// [`Error::Integrity`] if the entries contradict themselves.
pub async fn after_loss(lost: &Lost<'_>, successor: &Verifier, build: &Build) -> Result<Proposal> {
    let estate = Estate::read(lost.entries)?;
    if estate.fold.sealed.is_some() {
        return Err(Error::Refused(
            "the log is sealed, not lost; its successor opens with what the seal says".to_owned(),
        ));
    }
    if estate.fold.authority.active().len() < TWO {
        return Err(Error::Refused(
            "what is left of the log names fewer than two officers, and nobody else can approve that it goes on".to_owned(),
        ));
    }
    let known = Known::of(&estate, lost).await?;
    let ceiling = estate.genesis.ceiling;
    let mut totals = estate.fold.totals(estate.time);
    if known.spent.is_none() {
        totals.cap = ceiling;
    }
    totals.spent = largest(totals.spent, known.spent.unwrap_or(ceiling));
    let (cap, mut predecessor) = estate.predecessor(totals, successor.public());
    predecessor.read = Some(estate.size());
    (predecessor.checkpoint, predecessor.public) = known.newest;
    let genesis = estate.genesis(successor.name().to_owned(), cap, predecessor, build);
    let origin = genesis.origin.clone();
    Ok(Proposal::new(&origin, Body::Genesis(genesis), Vec::new()))
}

/// What is known of the log's end.
struct Known {
    /// The newest checkpoint that the log's key has signed, and that key.
    newest: (Vec<u8>, [u8; 32]),
    /// The largest total of the anchor's records, if all of what left the log is in one of them.
    spent: Option<Loss>,
}

impl Known {
    async fn of(estate: &Estate, lost: &Lost<'_>) -> Result<Self> {
        let mut newest = (estate.size(), estate.checkpoint.clone());
        let mut roots = BTreeMap::new();
        let mut spent = match lost.anchor {
            Some(place) => records(estate, place, &mut newest, &mut roots).await?,
            None => None,
        };
        for note in lost.seen {
            let own = crate::cosign::own(note)
                .map_err(|why| Error::Refused(format!("a checkpoint that was kept: {why}")))?;
            match estate.opened(&own) {
                // The entries at hand say what is below them; above them the anchor alone does.
                Ok(seen) if seen.size <= estate.size() => {}
                Ok(seen) if seen.size <= newest.0 => {
                    if roots.get(&seen.size) != Some(&seen.root) {
                        spent = None;
                    }
                }
                Ok(seen) => {
                    spent = None;
                    newest = (seen.size, own);
                }
                // Of another history, or signed by a key that nobody here knows: the log had gone on.
                Err(_) => spent = None,
            }
        }
        let public = estate.fold.authority.key_at(newest.0);
        let public = public.ok_or(Error::Bug("a checkpoint under no key"))?;
        Ok(Self {
            newest: (newest.1, public),
            spent,
        })
    }
}

/// The largest total of the records, where they are a whole chain that agrees with the entries and ends at or after them.
async fn records(
    estate: &Estate,
    place: &dyn Anchor,
    newest: &mut (u64, Vec<u8>),
    roots: &mut BTreeMap<u64, Hash>,
) -> Result<Option<Loss>> {
    let names = place.newest(usize::MAX).await?;
    let mut spent = Loss::ZERO;
    let mut follower: Option<u64> = None;
    let mut whole = !names.is_empty();
    for after in names {
        let Ok(record) = anchor::read(place, after).await else {
            whole = false;
            continue;
        };
        let is_claim = follower.is_none() && Checkpoint::stated_size(&record.checkpoint).is_some();
        if is_claim && anchor::is_of_another(&record, &estate.genesis.origin) {
            return Err(Error::Refused(
                "another log has succeeded this one, as its anchor says".to_owned(),
            ));
        }
        spent = largest(spent, record.spent);
        let own = crate::cosign::own(&record.checkpoint);
        match own.as_ref().map(|own| estate.opened(own)) {
            Ok(Ok(checkpoint)) => {
                let size = checkpoint.size;
                roots.insert(size, checkpoint.root);
                whole &= after < size && follower.is_none_or(|follower| follower == size);
                // What the entries say and the anchor does not was not given to anybody, or the anchor was put back.
                whole &= follower.is_some() || estate.is_covered_by(size);
                if let (true, Ok(own)) = (size > newest.0, own) {
                    *newest = (size, own);
                }
            }
            _ => whole = false,
        }
        follower = Some(after);
    }
    Ok((whole && follower == Some(0)).then_some(spent))
}

/// The larger in each coordinate.
fn largest(one: Loss, other: Loss) -> Loss {
    Loss {
        rho: one.rho.max(other.rho),
        delta: one.delta.max(other.delta),
    }
}
