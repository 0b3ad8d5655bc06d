//! How one ledger goes on from another: after a seal, or after a loss (`docs/decisions/0021-succession.md`).
//!
//! The purse belongs to the identity space, not to a log. A log that is *sealed* names its one successor, which opens with its totals.
//! A log that was *lost* is succeeded by what two of its officers approve: with the largest totals that anybody recorded, or with a
//! purse that is closed.
//!
//! In either case the successor takes the place after the predecessor's last record in the predecessor's anchor. There is one such
//! place, and it is created, never changed: so of two who would succeed, one does; and a ledger that was given up does not come back.
//!
//! Whatever is interrupted is done again: [`Ledger::succeed`] goes on from where it was.

mod claim;
mod estate;
mod opening;
mod recovery;

use crate::anchor::SharedAnchor;
use crate::create;
use crate::entry::{Approval, Body, Genesis, Heir, Predecessor, Totals};
use crate::error::{Error, Result};
use crate::key::Signer;
use crate::ledger::{Ledger, Surroundings};
use crate::proposal::Proposal;
use crate::store::{Connection, Place};

use estate::Estate;
pub(crate) use opening::check as check_opening;
pub use recovery::{Lost, after_loss};

/// What a genesis says of the program that writes the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Its version.
    pub build: String,
    /// Version of its rules.
    pub rules: u64,
}

/// The genesis of the log that a sealed one has named.
///
/// # Guarantee
///
/// The purse opens with what the sealed log had spent, under the cap in force there and its ceiling; its officers stay officers.
///
/// # Errors
///
/// [`Error::Integrity`] if the evidence contradicts itself; [`Error::Refused`] if the log is not sealed.
pub fn after_seal(sealed: &crate::Evidence, build: &Build) -> Result<Genesis> {
    Estate::read(sealed)?.after_seal(build)
}

/// The genesis that these officers have approved; see [`after_loss`].
///
/// # Errors
///
/// [`Error::Refused`] if the proposal is not of a genesis.
pub fn approved(proposal: Proposal, approvals: Vec<Approval>) -> Result<Genesis> {
    match proposal.approved(approvals).body {
        // What a seal has decided stands in the sealed log, and is no proposal.
        Body::Genesis(genesis)
            if genesis
                .predecessor
                .as_ref()
                .is_some_and(|before| before.read.is_some()) =>
        {
            Ok(genesis)
        }
        _ => Err(Error::Refused(
            "the proposal is not of a log that goes on from a lost one".to_owned(),
        )),
    }
}

/// Whether the log of this genesis goes on from `before`, of which some first entries may be all that is left: then its genesis is given.
///
/// # Guarantee
///
/// The checkpoint that the genesis states is signed by a key of `before` and agrees with its entries, so it is not another log of the same
/// origin. It opens with what a seal says to the letter, and after a loss under officers of `before`.
///
/// # Errors
///
/// [`Error::Integrity`] if `before` contradicts itself.
pub fn goes_on_from(genesis: &Genesis, before: &crate::Evidence) -> Result<Option<Genesis>> {
    let estate = Estate::read(before)?;
    let continued = estate.is_continued_by(genesis);
    Ok(continued.then_some(estate.genesis))
}

impl Ledger {
    /// Creates the ledger of this genesis in `place`, or goes on with what an earlier call left unfinished, takes the place after the
    /// predecessor in `before`, the predecessor's anchor, and opens it.
    ///
    /// # Guarantee
    ///
    /// Nothing is answered before the place in `before` is taken, and of several successors one takes it. Without `before` only the
    /// successor's name and key, which the predecessor or its officers have signed, tell it from another.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the genesis goes on from no log, is not approved, or is of another key than the signer's; if there is
    /// another ledger in `place`; if another log has succeeded, or the predecessor has grown since; if this one has taken its place and its
    /// own anchor is empty.
    pub async fn succeed(
        place: impl Into<Place>,
        signer: Signer,
        genesis: Genesis,
        around: Surroundings,
        before: Option<SharedAnchor>,
    ) -> Result<Self> {
        let Some(predecessor) = genesis.predecessor.clone() else {
            return Err(Error::Refused(
                "the genesis goes on from no log; create a ledger with it".to_owned(),
            ));
        };
        check_opening(&genesis).map_err(Error::Refused)?;
        if signer.verifier().public() != predecessor.successor {
            return Err(Error::Refused(
                "E2: the key is not the one that was named for the successor".to_owned(),
            ));
        }
        let place = place.into();
        if !Connection::is_there(&place).await? {
            create::make(&place, &signer, genesis.clone(), (around.clock)()).await?;
        }
        let first = claim::first_checkpoint(&place, &genesis).await?;
        let taken = match &before {
            Some(before) => claim::is_taken(before.as_ref(), &first).await?,
            None => false,
        };
        // Its own anchor first: from the claim on there is one.
        if let Some(anchor) = &around.anchor {
            claim::begin(anchor.as_ref(), &first, predecessor.spent, taken).await?;
        }
        if let Some(before) = before {
            let closed = genesis.ceiling.fits_within(&predecessor.spent);
            claim::claim(before.as_ref(), &predecessor, &first, closed).await?;
        }
        Self::open_in(place, signer, around).await
    }
}

impl Estate {
    /// The genesis of the log that the seal names.
    fn after_seal(&self, build: &Build) -> Result<Genesis> {
        let Some(seal) = self.fold.sealed.clone() else {
            return Err(Error::Refused(
                "the log is not sealed; its officers seal it first".to_owned(),
            ));
        };
        let totals = seal
            .totals
            .ok_or(Error::Bug("a seal without totals was entered"))?;
        let (cap, predecessor) = self.predecessor(totals, seal.successor.public);
        Ok(self.genesis(seal.successor.origin, cap, predecessor, build))
    }

    /// Whether the log of this genesis is one that goes on from this.
    fn is_continued_by(&self, genesis: &Genesis) -> bool {
        let Some(predecessor) = &genesis.predecessor else {
            return false;
        };
        // Another log of the same name has other keys.
        let same = predecessor.origin == self.genesis.origin
            && self.opened(&predecessor.checkpoint).is_ok();
        if self.fold.sealed.is_some() {
            let build = Build {
                build: genesis.build.clone(),
                rules: genesis.rules,
            };
            return same && self.after_seal(&build).is_ok_and(|due| due == *genesis);
        }
        // Whoever else was an officer has not decided that it was lost.
        let officers = self.fold.authority.active();
        let known = |heir: &Heir| officers.get(&heir.public) == Some(&heir.name);
        match predecessor.read {
            Some(read) if read == self.size() => same && predecessor.officers.iter().all(known),
            read => same && read.is_some_and(|read| read < self.size()),
        }
    }

    /// The cap, and what the next log says of this one.
    fn predecessor(
        &self,
        totals: Totals,
        successor: [u8; 32],
    ) -> (salus_accounting::Loss, Predecessor) {
        let heirs = self.fold.authority.active().iter();
        let predecessor = Predecessor {
            origin: self.genesis.origin.clone(),
            public: self.public,
            checkpoint: self.checkpoint.clone(),
            read: None,
            successor,
            spent: totals.spent,
            limits: totals.limits,
            officers: heirs
                .map(|(public, name)| Heir {
                    public: *public,
                    name: name.clone(),
                })
                .collect(),
            approvals: Vec::new(),
        };
        (totals.cap, predecessor)
    }

    /// The genesis of the next log: of the same people, and nothing larger.
    fn genesis(
        &self,
        origin: String,
        cap: salus_accounting::Loss,
        predecessor: Predecessor,
        build: &Build,
    ) -> Genesis {
        Genesis {
            origin,
            space: self.genesis.space.clone(),
            ceiling: self.genesis.ceiling,
            cap,
            conversion_delta: self.genesis.conversion_delta,
            build: build.build.clone(),
            rules: build.rules,
            predecessor: Some(Box::new(predecessor)),
            restricted: self.genesis.restricted,
        }
    }
}
