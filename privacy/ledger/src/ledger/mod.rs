//! The handle: creating, opening, recording, reserving, reading.

mod draft;
mod erase;
mod oversight;
mod read;
mod request;
mod windows;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use salus_accounting::Loss;
#[cfg(doc)]
use salus_certificate::Certificate;
use salus_certificate::EntryIndex;
use tokio::sync::{Mutex, MutexGuard};

use crate::anchor::SharedAnchor;
use crate::commitment::Opening;
use crate::cosign::SharedWitnesses;
use crate::create;
use crate::entry::{Body, Genesis, Kind};
use crate::error::{Error, ReserveError, Result};
use crate::gate::{Charge, Published};
use crate::key::Signer;
use crate::note::Verifier;
use crate::restricted::Written;
use crate::store::{self, Connection, Place, StoredEntry};
use crate::writer::{Known, Preview, Refused, Request, Sealed, Writer};

use draft::draft;
pub(crate) use erase::erase;
pub use erase::{Erase, Erased};
pub use request::{Account, Again, Fact, Facts, Refusal, Reservation};

/// Seconds since 1970-01-01T00:00:00Z, for the times of entries.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The clock of the operating system.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    })
}

/// What a ledger is opened with beside its files.
#[derive(Clone)]
pub struct Surroundings {
    /// For the times of entries.
    pub clock: Clock,
    /// Where its checkpoints stand apart. Without one a restored backup is not noticed.
    pub anchor: Option<SharedAnchor>,
    /// Who cosigns what leaves.
    pub witnesses: Option<SharedWitnesses>,
    /// Where the private half of a key is found that another process puts into force, so that what is at work here goes on. Without it this
    /// process signs nothing any more.
    pub keys: Option<Keyring>,
}

/// Finds the signer of a public key, where its private half is at hand.
pub type Keyring = Arc<dyn Fn(&[u8; 32]) -> Option<Signer> + Send + Sync>;

impl Default for Surroundings {
    /// The system's clock, no anchor, no witnesses, no other keys.
    fn default() -> Self {
        Self {
            clock: system_clock(),
            anchor: None,
            witnesses: None,
            keys: None,
        }
    }
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Surroundings")
            .field("anchor", &self.anchor)
            .field("witnesses", &self.witnesses)
            .finish_non_exhaustive()
    }
}

/// A handle to the ledger of one identity space. Clones share one writer.
///
/// Several processes may hold the same ledger; whatever a decision rests on is read under the database's write lock.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
}

struct Shared {
    place: Place,
    signer: Signer,
    genesis: Arc<Genesis>,
    writer: Arc<Writer>,
    reader: Mutex<Connection>,
    clock: Clock,
}

impl Ledger {
    /// Creates a ledger in `place` with the entries `genesis` and `key`, and opens it; it appears in one step or not at all. A directory is
    /// made with mode 0700, the database in it with mode 0600; in PostgreSQL the schema is made.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if there is a ledger already, if others can enter its directory, if the cap is above the ceiling, or if the
    /// key is of another origin.
    pub async fn create(place: impl Into<Place>, signer: Signer, genesis: Genesis) -> Result<Self> {
        Self::create_at(place, signer, genesis, system_clock()).await
    }

    /// [`Ledger::create`] with a clock of one's own.
    ///
    /// # Errors
    ///
    /// As [`Ledger::create`].
    pub async fn create_at(
        place: impl Into<Place>,
        signer: Signer,
        genesis: Genesis,
        clock: Clock,
    ) -> Result<Self> {
        let around = Surroundings {
            clock,
            ..Surroundings::default()
        };
        Self::create_in(place, signer, genesis, around).await
    }

    /// [`Ledger::create`] with an anchor, which must be empty, and what else it is opened with.
    ///
    /// # Errors
    ///
    /// As [`Ledger::create`], and [`Error::Refused`] if the anchor holds something.
    pub async fn create_in(
        place: impl Into<Place>,
        signer: Signer,
        genesis: Genesis,
        around: Surroundings,
    ) -> Result<Self> {
        if genesis.predecessor.is_some() {
            return Err(Error::Refused(
                "a ledger that goes on from another is made by `Ledger::succeed`".to_owned(),
            ));
        }
        let place = place.into();
        create::create(&place, &signer, genesis, &around).await?;
        Self::open_in(place, signer, around).await
    }

    /// Opens the ledger in `place` after reading it from its first entry: every entry against its leaf, the root against the newest
    /// checkpoint and its signature, balances and endings against the entries.
    ///
    /// # Errors
    ///
    /// [`Error::Integrity`] if anything contradicts anything, or if `signer` is not the key of this log; [`Error::Unavailable`] if there
    /// is no ledger.
    pub async fn open(place: impl Into<Place>, signer: Signer) -> Result<Self> {
        Self::open_at(place, signer, system_clock()).await
    }

    /// [`Ledger::open`] with a clock of one's own.
    ///
    /// # Errors
    ///
    /// As [`Ledger::open`].
    pub async fn open_at(place: impl Into<Place>, signer: Signer, clock: Clock) -> Result<Self> {
        let around = Surroundings {
            clock,
            ..Surroundings::default()
        };
        Self::open_in(place, signer, around).await
    }

    /// [`Ledger::open`] with an anchor and what else there is.
    ///
    /// # Errors
    ///
    /// As [`Ledger::open`], and [`Error::Integrity`] if the anchor holds a checkpoint of what is not in the ledger: it was put back to an
    /// earlier state.
    pub async fn open_in(
        place: impl Into<Place>,
        signer: Signer,
        around: Surroundings,
    ) -> Result<Self> {
        let clock = Arc::clone(&around.clock);
        let place = place.into();
        let (writer, genesis) = Writer::start(place.clone(), signer.clone(), around).await?;
        let reader = Mutex::new(Connection::open(&place).await?);
        let shared = Shared {
            place,
            signer,
            genesis,
            writer: Arc::new(writer),
            reader,
            clock,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The genesis.
    pub fn genesis(&self) -> &Genesis {
        &self.shared.genesis
    }

    /// The verifier key of the log: `<origin>+<key id>+<base64>`.
    pub fn vkey(&self) -> String {
        self.shared.signer.vkey()
    }

    /// The verifier keys of the log, that in force last.
    pub async fn vkeys(&self) -> Result<Vec<String>> {
        let keys = self.all_of(Kind::Key).await?.into_iter();
        let origin = &self.shared.genesis.origin;
        let text = |stored: StoredEntry| match stored.entry.body {
            Body::Key(key) => Some(Verifier::new(origin, &key.public).ok()?.to_string()),
            _ => None,
        };
        Ok(keys.filter_map(text).collect())
    }

    /// Appends a fact; durable on return.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if a dataset is recorded twice, or something about a dataset that is not recorded.
    pub async fn record(&self, fact: Fact) -> Result<EntryIndex> {
        self.shared
            .writer
            .ask(|reply| Request::Record(fact, reply))
            .await
    }

    /// Appends a refusal; durable on return. It costs nothing.
    pub async fn refuse(&self, refusal: Refusal) -> Result<EntryIndex> {
        let refused = Refused {
            principal: refusal.principal,
            purpose: refusal.purpose,
            rule: refusal.rule,
            question: Opening::fresh(refusal.question.into_bytes())?,
        };
        self.shared
            .writer
            .ask(|reply| Request::Refuse(refused, reply))
            .await
    }

    /// Takes the price of a question from the purse, or refuses.
    ///
    /// # Guarantee
    ///
    /// The price is the one that [`Certificate::price`] recomputes. Cap, policy and catalog are read under the lock under which the
    /// RESERVE entry is written, and the charge exists only once that entry is durable. Whoever stops waiting gets an ABORT, no refund.
    ///
    /// # Errors
    ///
    /// [`ReserveError::BudgetExhausted`] and [`ReserveError::LimitReached`] (with a refuse entry in the log),
    /// [`ReserveError::QueryTooDear`]; and as
    /// [`ReserveError::Ledger`]: [`Error::Stale`] if catalog or policy moved on, [`Error::Refused`] with the rule if the certificate
    /// does not hold.
    pub async fn reserve(&self, reservation: Reservation) -> Result<Charge, ReserveError> {
        let draft = draft(reservation)?;
        let (certificate, cost) = (draft.certificate.clone(), draft.loss);
        let ticket = self
            .shared
            .writer
            .ask(|reply| Request::Reserve(Box::new(draft), reply))
            .await?;
        Ok(Charge::new(
            ticket,
            Arc::clone(&self.shared.writer),
            certificate,
            cost,
        ))
    }

    /// What would come of a reservation if it were made now. It reads the books under the lock under which a reservation would be written, and leaves
    /// no trace. `fresh` asks for an answer of its own also where one is known.
    ///
    /// # Errors
    ///
    /// Those of [`Ledger::reserve`] that are no decision.
    pub async fn preview(&self, reservation: Reservation, fresh: bool) -> Result<Preview> {
        let draft = Box::new(draft(reservation)?);
        self.shared
            .writer
            .ask(|reply| Request::Preview(draft, fresh, reply))
            .await
    }

    /// What became of the request that came under the reservation's key before: nothing is written, and nothing is charged again.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the certificate does not hold.
    pub async fn again(&self, reservation: Reservation) -> Result<Again> {
        if reservation.retry.is_none() {
            return Ok(Again::New);
        }
        let draft = Box::new(draft(reservation)?);
        let writer = &self.shared.writer;
        let known = writer.ask(|reply| Request::Again(draft, reply)).await?;
        Ok(match known {
            Known::New => Again::New,
            Known::Open => Again::Open,
            Known::Failed => Again::Failed,
            Known::Another => Again::Another,
            Known::Answered(reserve, sealed, cost) => Again::Answered(Published {
                answer: sealed.answer,
                entry: sealed.index,
                reserve,
                receipt: sealed.receipt,
                remaining: sealed.remaining,
                cost,
                reused: sealed.reused.map(|(reuse, _)| reuse),
            }),
        })
    }

    /// Gives an answer once more, where the same question has been answered: same plan, keys, snapshot, catalog, policy and bounds, and an answer
    /// at least as accurate as the reservation would pay for. It costs nothing and is written as a REUSE entry; the bytes, and what the receipt
    /// proves, are those of the first time. What was paid for it counts as the analyst's. `None` if there is no such answer that her limits let
    /// through.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] if catalog or policy moved on; [`Error::Refused`] if the certificate does not hold.
    pub async fn reuse(&self, reservation: Reservation) -> Result<Option<Published>> {
        let draft = draft(reservation)?;
        let known = store::same_plan(&mut *self.reader().await, &draft.fingerprint()).await?;
        if known.is_empty() {
            return Ok(None);
        }
        let writer = &self.shared.writer;
        let sealed = writer
            .ask(|reply| Request::Reuse(Box::new(draft), reply))
            .await?;
        Ok(sealed.and_then(|sealed: Sealed| {
            let (reuse, reserve) = sealed.reused?;
            Some(Published {
                answer: sealed.answer,
                entry: sealed.index,
                reserve,
                receipt: sealed.receipt,
                remaining: sealed.remaining,
                cost: Loss::ZERO,
                reused: Some(reuse),
            })
        }))
    }

    /// Waits until everything asked for so far is durable, aborts of dropped charges included. With the last handle the database is
    /// closed, too.
    pub async fn close(self) -> Result<()> {
        self.shared.writer.ask(Request::Flush).await?;
        match Arc::into_inner(self.shared) {
            Some(shared) => shared.reader.into_inner().close().await,
            None => Ok(()),
        }
    }

    pub(crate) async fn write_restricted(&self, written: Written) -> Result<EntryIndex> {
        let written = Box::new(written);
        let writer = &self.shared.writer;
        writer.ask(|reply| Request::Restrict(written, reply)).await
    }

    pub(crate) fn now(&self) -> u64 {
        (self.shared.clock)()
    }

    pub(crate) fn place(&self) -> &Place {
        &self.shared.place
    }

    pub(crate) fn signer(&self) -> &Signer {
        &self.shared.signer
    }

    pub(crate) async fn reader(&self) -> MutexGuard<'_, Connection> {
        self.shared.reader.lock().await
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Ledger")
            .field("origin", &self.shared.genesis.origin)
            .finish_non_exhaustive()
    }
}
