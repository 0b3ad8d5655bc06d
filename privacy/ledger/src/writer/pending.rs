//! Requests on their way through a transaction: what is decided about each, and what its sender is told.

use salus_certificate::EntryIndex;
use tokio::sync::mpsc::WeakUnboundedSender;

use super::{Request, STOPPED, Sealed, Ticket};
use crate::entry::Reason;
use crate::error::{Error, ReserveError, Result};
use crate::transaction::{Released, Transaction};

/// A request and what the transaction decided about it.
pub(super) struct Pending {
    pub(super) request: Request,
    pub(super) decision: Option<Decision>,
}

/// What the transaction decided about a request.
pub(super) enum Decision {
    Appended(EntryIndex),
    Released(Released),
    Sealed(Sealed),
    Declined(ReserveError),
}

impl Pending {
    /// Runs the request. Only what makes the whole transaction fail is an error here.
    pub(super) async fn decide(&mut self, log: &mut Transaction<'_>) -> Result<()> {
        let decided = match &self.request {
            Request::Record(fact, _) => appended(log.record(fact.clone()).await),
            Request::Refuse(refused, _) => appended(log.refuse(
                &refused.principal,
                &refused.purpose,
                &refused.rule,
                &refused.question,
            )),
            Request::Reserve(draft, _) => log.reserve(draft).await.map(Decision::Appended),
            Request::Release(reserve, answer, _) => log
                .release(*reserve, answer.clone())
                .await
                .map(Decision::Released)
                .map_err(ReserveError::Ledger),
            Request::Reuse(draft, _) => match log.reuse(draft).await {
                Ok(Some(released)) => Ok(Decision::Released(released)),
                Ok(None) => return Ok(()),
                Err(error) => Err(ReserveError::Ledger(error)),
            },
            Request::Abort(reserve, reason, _) => appended(log.abort(*reserve, *reason).await),
            Request::Enter(enter, _) => appended(log.enter(enter).await),
            Request::Incident(reserve, loss, note, _) => {
                appended(log.incident(*reserve, *loss, note).await)
            }
            Request::Rotate(next, _) => appended(log.rotate(next).await),
            // Looks are no part of a batch; see `Desk::serve`.
            Request::Preview(..)
            | Request::Again(..)
            | Request::Review(..)
            | Request::Restrict(..)
            | Request::Flush(_) => return Ok(()),
        };
        self.decision = Some(match decided {
            Ok(decision) => decision,
            Err(ReserveError::Ledger(error))
                if !matches!(error, Error::Refused(_) | Error::Stale | Error::TooLong) =>
            {
                return Err(error);
            }
            Err(declined) => Decision::Declined(declined),
        });
        Ok(())
    }

    /// Whether somebody learns or may rely on something that was not so before. A reserve gives nothing away, and what it took is only
    /// spent once more if it is forgotten before anything was answered.
    pub(super) fn gives_away(&self) -> bool {
        match (&self.request, &self.decision) {
            (_, None | Some(Decision::Declined(_))) => false,
            (request, Some(_)) => !matches!(
                request,
                Request::Reserve(..) | Request::Refuse(..) | Request::Abort(_, Reason::Dropped, _)
            ),
        }
    }

    /// Replies. Who does not wait any more loses nothing: a ticket that is not received turns into an abort.
    pub(super) fn deliver(self, writer: &WeakUnboundedSender<Request>) {
        match (self.request, self.decision) {
            (
                Request::Record(_, reply)
                | Request::Refuse(_, reply)
                | Request::Enter(_, reply)
                | Request::Incident(.., reply)
                | Request::Rotate(_, reply)
                | Request::Restrict(_, reply),
                decision,
            ) => {
                drop(reply.send(index(decision)));
            }
            (Request::Abort(_, _, reply), decision) => {
                if let Some(reply) = reply {
                    drop(reply.send(index(decision)));
                }
            }
            (Request::Reserve(_, reply), decision) => drop(reply.send(match decision {
                Some(Decision::Appended(reserve)) => Ok(Ticket {
                    reserve,
                    writer: Some(writer.clone()),
                }),
                Some(Decision::Declined(declined)) => Err(declined),
                _ => Err(STOPPED.into()),
            })),
            (Request::Release(_, _, reply), decision) => drop(reply.send(match decision {
                Some(Decision::Sealed(sealed)) => Ok(sealed),
                Some(Decision::Declined(ReserveError::Ledger(error))) => Err(error),
                _ => Err(STOPPED),
            })),
            (Request::Reuse(_, reply), decision) => drop(reply.send(match decision {
                Some(Decision::Sealed(sealed)) => Ok(Some(sealed)),
                None => Ok(None),
                Some(Decision::Declined(ReserveError::Ledger(error))) => Err(error),
                _ => Err(STOPPED),
            })),
            (Request::Preview(_, _, reply), _) => drop(reply.send(Err(STOPPED))),
            (Request::Again(_, reply), _) => drop(reply.send(Err(STOPPED))),
            (Request::Review(_, reply), _) => drop(reply.send(Err(STOPPED))),
            (Request::Flush(reply), _) => drop(reply.send(Ok(()))),
        }
    }
}

impl Request {
    /// Replies that the transaction failed.
    pub(super) fn fail(self, error: &Error) {
        let error = error.clone();
        match self {
            Self::Record(_, reply)
            | Self::Refuse(_, reply)
            | Self::Enter(_, reply)
            | Self::Incident(.., reply)
            | Self::Rotate(_, reply)
            | Self::Restrict(_, reply)
            | Self::Abort(_, _, Some(reply)) => {
                drop(reply.send(Err(error)));
            }
            Self::Review(_, reply) => drop(reply.send(Err(error))),
            Self::Reserve(_, reply) => drop(reply.send(Err(error.into()))),
            Self::Release(_, _, reply) => drop(reply.send(Err(error))),
            Self::Reuse(_, reply) => drop(reply.send(Err(error))),
            Self::Preview(_, _, reply) => drop(reply.send(Err(error))),
            Self::Again(_, reply) => drop(reply.send(Err(error))),
            Self::Flush(reply) => drop(reply.send(Err(error))),
            Self::Abort(_, _, None) => {}
        }
    }
}

fn appended(result: Result<EntryIndex>) -> Result<Decision, ReserveError> {
    result.map(Decision::Appended).map_err(ReserveError::Ledger)
}

fn index(decision: Option<Decision>) -> Result<EntryIndex> {
    match decision {
        Some(Decision::Appended(index)) => Ok(index),
        Some(Decision::Declined(ReserveError::Ledger(error))) => Err(error),
        _ => Err(STOPPED),
    }
}
