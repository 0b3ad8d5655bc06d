//! The one writer of this process: a thread with a database connection, fed through a channel.
//!
//! Requests that wait together share a transaction, so that one flush of the disk serves them all. A reply leaves only after the
//! transaction is durable.

mod follow;
mod guard;
mod look;
mod pending;
mod restrict;

use std::sync::Arc;
use std::thread::JoinHandle;

use salus_accounting::Loss;
use salus_certificate::EntryIndex;
use tokio::sync::mpsc::{
    UnboundedReceiver, UnboundedSender, WeakUnboundedSender, unbounded_channel,
};
use tokio::sync::oneshot::{self, Sender};
use tokio::time::{Instant, timeout_at};

use crate::audit::{Audited, Depth, audit};
use crate::commitment::Opening;
use crate::cosign::{self, CosignRequest, Cosigned};
use crate::entry::{Genesis, Reason};
use crate::error::{Error, ReserveError, Result};
use crate::key::Signer;
use crate::note::Checkpoint;
use crate::proposal::{Enter, Finding, Proposal};
use crate::restricted::Written;
use crate::store::{self, Connection, Place};
use crate::transaction::{Draft, Left, Released, Transaction};
use crate::{Clock, Fact, Keyring, Surroundings};

/// Most requests in one transaction.
const BATCH: usize = 128;

const STOPPED: Error = Error::Bug("the ledger's writer has stopped");

use follow::follow;
use guard::Guard;
pub(crate) use look::Known;
pub use look::Preview;
use pending::{Decision, Pending};

/// What the writer is asked to do.
pub(crate) enum Request {
    Record(Fact, Sender<Result<EntryIndex>>),
    Refuse(Refused, Sender<Result<EntryIndex>>),
    Reserve(Box<Draft>, Sender<Result<Ticket, ReserveError>>),
    Release(EntryIndex, Opening, Sender<Result<Sealed>>),
    /// `None`: there is no answer to give once more.
    Reuse(Box<Draft>, Sender<Result<Option<Sealed>>>),
    /// What would come of it; whether it is to be paid for even where it is known.
    Preview(Box<Draft>, bool, Sender<Result<Preview>>),
    /// What became of a request that came before under the same key.
    Again(Box<Draft>, Sender<Result<Known>>),
    Abort(EntryIndex, Reason, Option<Sender<Result<EntryIndex>>>),
    /// Officers, grants and reviews, with their approvals.
    Enter(Enter, Sender<Result<EntryIndex>>),
    /// The review of a range, to be approved or entered.
    Review(Finding, Sender<Result<Proposal>>),
    /// What a reserve cost beyond its price, and what happened.
    Incident(EntryIndex, Loss, Opening, Sender<Result<EntryIndex>>),
    /// The key that signs from here on.
    Rotate(Signer, Sender<Result<EntryIndex>>),
    /// An entry of the restricted log, in a transaction of its own.
    Restrict(Box<Written>, Sender<Result<EntryIndex>>),
    /// Answers once everything before it is done.
    Flush(Sender<Result<()>>),
}

/// A refusal whose commitment has been worked out.
pub(crate) struct Refused {
    pub(crate) principal: String,
    pub(crate) purpose: String,
    pub(crate) rule: String,
    pub(crate) question: Opening,
}

/// A durable RELEASE.
pub(crate) struct Sealed {
    pub(crate) index: EntryIndex,
    pub(crate) answer: Vec<u8>,
    pub(crate) receipt: String,
    pub(crate) remaining: Loss,
    /// See [`Released::reused`].
    pub(crate) reused: Option<(EntryIndex, EntryIndex)>,
}

/// A durable RESERVE that has no ending yet. Dropping it asks the writer for ABORT(dropped), wherever it is dropped: in a `Charge`, in a
/// reply that nobody waits for any more, or in an unwinding thread.
pub(crate) struct Ticket {
    reserve: EntryIndex,
    writer: Option<WeakUnboundedSender<Request>>,
}

impl Ticket {
    pub(crate) fn reserve(&self) -> EntryIndex {
        self.reserve
    }

    /// From here on somebody else ends the reserve.
    pub(crate) fn disarm(&mut self) {
        self.writer = None;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take().and_then(|writer| writer.upgrade()) {
            // If the writer is gone the reserve stays open, and spent.
            let _ = writer.send(Request::Abort(self.reserve, Reason::Dropped, None));
        }
    }
}

/// The sending end; the thread ends when the last one is gone and everything is written.
pub(crate) struct Writer {
    requests: Option<UnboundedSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread and waits until it has opened and checked the ledger.
    pub(crate) async fn start(
        place: Place,
        signer: Signer,
        around: Surroundings,
    ) -> Result<(Self, Arc<Genesis>)> {
        let (requests, queue) = unbounded_channel();
        let (ready, opened) = oneshot::channel();
        let sender = requests.downgrade();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|_| Error::Unavailable("the operating system gives no thread"))?;
        let thread = std::thread::Builder::new()
            .name("salus-ledger".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    match Desk::open(place, signer, around, sender).await {
                        Ok(desk) => {
                            if ready.send(Ok(Arc::clone(&desk.genesis))).is_ok() {
                                desk.serve(queue).await;
                            }
                        }
                        Err(error) => drop(ready.send(Err(error))),
                    }
                });
            })
            .map_err(|_| Error::Unavailable("the operating system gives no thread"))?;
        let writer = Self {
            requests: Some(requests),
            thread: Some(thread),
        };
        let genesis = opened.await.map_err(|_| STOPPED)??;
        Ok((writer, genesis))
    }

    fn send(&self, request: Request) -> Result<()> {
        let requests = self.requests.as_ref().ok_or(STOPPED)?;
        requests.send(request).map_err(|_| STOPPED)
    }

    /// Sends the request that `make` builds around a reply channel, and waits for the reply.
    pub(crate) async fn ask<T, E: From<Error>>(
        &self,
        make: impl FnOnce(Sender<Result<T, E>>) -> Request + Send,
    ) -> Result<T, E> {
        let (reply, answer) = oneshot::channel();
        self.send(make(reply))?;
        answer.await.map_err(|_| STOPPED)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take() {
            // A panic over there was reported by its own hook and must not become one here.
            let _ = thread.join();
        }
    }
}

/// The thread's own state.
struct Desk {
    db: Connection,
    signer: Signer,
    /// Where later ones are found.
    keys: Option<Keyring>,
    genesis: Arc<Genesis>,
    /// As the opening found them.
    unanswered: (Option<EntryIndex>, usize),
    clock: Clock,
    guard: Guard,
    /// The newest checkpoint of the restricted log that this process has seen.
    restricted: Option<Checkpoint>,
    /// Where the last transaction left the log, and the version of the data then.
    left: Option<(i64, Left)>,
    /// For tickets.
    sender: WeakUnboundedSender<Request>,
    /// After a commit that failed nobody knows what is on the disk, and after a contradiction nothing is to be trusted: no further
    /// request is served until the ledger is opened, and so verified, again.
    closed: Option<Error>,
}

impl Desk {
    async fn open(
        place: Place,
        signer: Signer,
        around: Surroundings,
        sender: WeakUnboundedSender<Request>,
    ) -> Result<Self> {
        let mut db = Connection::open(&place).await?;
        let Audited {
            genesis,
            unanswered,
        } = audit(&mut db, signer.verifier(), Depth::Opening).await?;
        let mut guard = Guard::new(around.anchor, around.witnesses);
        guard.open(&mut db, &genesis.origin).await?;
        Ok(Self {
            left: None,
            restricted: None,
            guard,
            db,
            signer,
            keys: around.keys,
            genesis: Arc::new(genesis),
            unanswered,
            clock: around.clock,
            sender,
            closed: None,
        })
    }

    async fn serve(mut self, mut queue: UnboundedReceiver<Request>) {
        let mut requests = Vec::with_capacity(BATCH);
        let mut tick = self.next_tick();
        loop {
            // A tick is anchored when it passes, also where nobody asks anything. Requests do not put it off: the first log must not tell
            // that the restricted one was written to.
            if let Ok(0) = timeout_at(tick, queue.recv_many(&mut requests, BATCH)).await {
                break;
            }
            let ticked = self.genesis.restricted.is_some() && Instant::now() >= tick;
            if ticked {
                tick = self.next_tick();
            }
            let mut pending = Vec::with_capacity(requests.len());
            for request in requests.drain(..) {
                match request {
                    Request::Preview(draft, fresh, reply) => {
                        drop(reply.send(self.preview(&draft, fresh).await));
                    }
                    Request::Again(draft, reply) => drop(reply.send(self.again(&draft).await)),
                    Request::Review(finding, reply) => {
                        drop(reply.send(self.review(&finding).await));
                    }
                    Request::Restrict(written, reply) => {
                        drop(reply.send(self.restrict(*written).await));
                    }
                    request => pending.push(Pending {
                        request,
                        decision: None,
                    }),
                }
            }
            match self.batch(&mut pending, ticked).await {
                Ok(published) => {
                    for pending in pending {
                        match &published {
                            // It stands in the log, and nothing of it leaves.
                            Err(error) if pending.gives_away() => pending.request.fail(error),
                            _ => pending.deliver(&self.sender),
                        }
                    }
                }
                Err(error) => {
                    self.db.settle().await;
                    if matches!(error, Error::Integrity(_)) {
                        self.closed = Some(error.clone());
                    }
                    for pending in pending {
                        pending.request.fail(&error);
                    }
                }
            }
        }
        // The last connection to close folds the write-ahead log into the database. If it cannot, the next one to open does.
        let _ = self.db.close().await;
    }

    /// One transaction for all of them; on an error nothing of it is in the log. What is in the log may leave if the inner result is good:
    /// where there is an anchor it stands there then, and where there are witnesses they have signed.
    async fn batch(&mut self, pending: &mut [Pending], ticked: bool) -> Result<Result<()>> {
        let waits = |pending: &Pending| matches!(pending.request, Request::Flush(_));
        // Nothing is asked of this log: not even an anchor may follow from what is.
        if !ticked && pending.iter().all(waits) {
            return Ok(Ok(()));
        }
        if let Some(error) = &self.closed {
            return Err(error.clone());
        }
        let mut lock = self.db.lock().await?;
        let version = lock.version();
        let left = self.left.take().filter(|(known, _)| *known == version);
        if left.is_none() {
            self.guard.check(&mut lock).await?;
            follow(&mut self.signer, self.keys.as_ref(), &mut lock).await?;
        }
        let (signer, genesis, time) = (&self.signer, &self.genesis, (self.clock)());
        let mut log = match left {
            Some((_, left)) => {
                Transaction::resume(&mut lock, signer, genesis, self.unanswered, time, left)
            }
            None => Transaction::begin(&mut lock, signer, genesis, self.unanswered, time).await?,
        };
        log.hold_to(self.restricted.clone());
        if log.is_anchor_due() {
            log.anchor_restricted().await?;
        }
        for pending in pending.iter_mut() {
            pending.decide(&mut log).await?;
        }
        if !log.has_appended() {
            return lock.rollback().await.map(Ok);
        }
        let note = log.sign().await?;
        let (checkpoint, spent, remaining) = (log.checkpoint(), log.spent(), log.remaining());
        let left = log.leave();
        if let Err(error) = lock.commit().await {
            self.closed = Some(Error::Unavailable(
                "a commit failed; open the ledger again to verify it",
            ));
            return Err(error);
        }
        self.left = Some((version, left));
        self.guard.see(checkpoint.clone());
        for pending in pending.iter() {
            if let (Request::Rotate(next, _), Some(Decision::Appended(_))) =
                (&pending.request, &pending.decision)
            {
                self.signer = next.clone();
            }
        }
        if !pending.iter().any(Pending::gives_away) {
            return Ok(Ok(()));
        }
        let head = Head {
            size: checkpoint.size,
            note,
            spent,
        };
        let published = self.publish_and_seal(pending, head, remaining).await;
        if let Err(error @ Error::Integrity(_)) = &published {
            self.closed = Some(error.clone());
        }
        Ok(published)
    }

    async fn publish_and_seal(
        &mut self,
        pending: &mut [Pending],
        head: Head,
        remaining: Loss,
    ) -> Result<()> {
        let head = self.publish(head).await?;
        for pending in pending {
            if let Some(Decision::Released(released)) = &pending.decision {
                let sealed = self.seal(released, &head, remaining).await?;
                pending.decision = Some(Decision::Sealed(sealed));
            }
        }
        Ok(())
    }

    /// A release with its receipt against the checkpoint.
    async fn seal(&mut self, released: &Released, head: &Head, remaining: Loss) -> Result<Sealed> {
        Ok(Sealed {
            index: released.index,
            answer: released.answer().to_vec(),
            receipt: released
                .receipt(&mut self.db, head.size, &head.note)
                .await?,
            remaining,
            reused: released.reused,
        })
    }

    /// Has the checkpoint witnessed and anchored, as is configured, or a later one of the same log, and gives it with what witnesses added.
    async fn publish(&mut self, mut head: Head) -> Result<Head> {
        if let Some(witnesses) = self.guard.witnesses.clone() {
            loop {
                let request = CosignRequest {
                    note: head.note.clone(),
                    size: head.size,
                };
                let mut proofs = look::Nodes {
                    db: &mut self.db,
                    size: head.size,
                };
                match witnesses.cosign(request, &mut proofs).await? {
                    Cosigned::Lines(lines) => {
                        if !cosign::are_lines(&lines) {
                            return Err(Error::Unavailable("a witness answered nonsense"));
                        }
                        store::insert_cosignatures(&mut self.db, head.size, &lines).await?;
                        head.note.extend_from_slice(lines.as_bytes());
                        break;
                    }
                    Cosigned::Ahead(signed) => head = self.later(head, signed).await?,
                }
            }
        }
        self.guard
            .anchor(&mut self.db, &self.genesis.origin, &head)
            .await?;
        Ok(head)
    }

    /// The newest checkpoint, which must have the `signed` entries that a witness has seen.
    async fn later(&mut self, head: Head, signed: u64) -> Result<Head> {
        let (size, note) = store::newest_checkpoint(&mut self.db).await?;
        if size < signed || size <= head.size {
            return Err(Error::Integrity(format!(
                "the ledger was put back to an earlier state: a witness has signed {signed} entries and {size} are there. \
                 Put the newest state back; what was spent since is not given back"
            )));
        }
        // What others have spent up to there is in it, too: a record that said less would let a lost ledger be succeeded with too full a purse.
        let accounts = store::accounts(&mut self.db).await?;
        Ok(Head {
            size,
            note: cosign::own(&note).map_err(|_| Error::Bug("a checkpoint that is none"))?,
            spent: accounts.first().map_or(head.spent, |purse| purse.spent),
        })
    }
}

/// A signed checkpoint and what had been spent then.
pub(crate) struct Head {
    pub(crate) size: u64,
    pub(crate) note: Vec<u8>,
    pub(crate) spent: Loss,
}
