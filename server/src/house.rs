//! What a server asks of whoever keeps lake, ledger and tokens.

use std::future::Future;

use salus_ledger::Ledger;
use salus_query::{Asked, Engine};

/// Why a house cannot serve. The text is the operator's: it may name files and addresses, and callers never see it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Ledger, receipt or policy contradict themselves: nothing is answered.
    #[error("{0}")]
    Integrity(String),
    /// Something did not serve. Nothing is known to be lost.
    #[error("{0}")]
    Unavailable(String),
}

/// Lake, ledger and tokens, however they are kept.
pub trait House: Send + Sync + 'static {
    /// The pseudonym of whoever bears this token; `None` where nobody does. Asked for every request, so that a token that was revoked is refused
    /// from then on.
    ///
    /// # Guarantee
    /// How long it takes tells nothing about the tokens that are known: see [`crate::token::bearer`].
    fn bearer(&self, token: &str) -> Result<Option<String>, Fault>;

    /// An engine over the catalog, snapshot and policy that are in force now.
    fn engine(&self) -> impl Future<Output = Result<Engine, Fault>> + Send;

    /// An engine for prices: it records nothing and answers nothing.
    fn prices(&self) -> impl Future<Output = Result<Engine, Fault>> + Send;

    /// The ledger.
    fn ledger(&self) -> impl Future<Output = Result<Ledger, Fault>> + Send;

    /// Verifies the receipt of an answer before the answer leaves, keeps it, and says which verifier key it holds under.
    fn prove(&self, asked: &Asked) -> impl Future<Output = Result<String, Fault>> + Send;

    /// The ledger failed a question: it is opened again before the next.
    fn distrust(&self) -> impl Future<Output = ()> + Send;

    /// Tells the operator.
    fn report(&self, fault: &Fault);
}
