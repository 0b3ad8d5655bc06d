//! What people decide together: made by one, approved by others, entered once.

use salus_accounting::Loss;
use salus_certificate::{CertificateError, EntryIndex};

use crate::commitment::Opening;
use crate::entry::{Approval, Body, Grant, Officer, Statement};
use crate::error::{Error, Result};
use crate::key::Signer;

/// An entry that waits for approvals, with the texts that it commits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    origin: String,
    body: Body,
    openings: Vec<(String, Opening)>,
}

impl Proposal {
    pub(crate) fn new(origin: &str, body: Body, openings: Vec<(String, Opening)>) -> Self {
        Self {
            origin: origin.to_owned(),
            body,
            openings,
        }
    }

    /// Who approves from here on (`active`), or no longer does.
    pub(crate) fn officer(origin: &str, name: &str, public: [u8; 32], active: bool) -> Self {
        let body = Body::Officer(Officer {
            public,
            name: name.to_owned(),
            active,
            approvals: Vec::new(),
        });
        Self::new(origin, body, Vec::new())
    }

    /// A larger cap of the account `scope`: the purse, or a window.
    pub(crate) fn grant(
        origin: &str,
        scope: String,
        (old, new): (Loss, Loss),
        expires: u64,
        reason: &str,
    ) -> Result<Self> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce)
            .map_err(|_| Error::Unavailable("the operating system gives no randomness"))?;
        let reason = Opening::fresh(reason.as_bytes().to_vec())?;
        let body = Body::Grant(Grant {
            scope,
            old,
            new,
            nonce,
            expires,
            reason: reason.commitment(),
            approvals: Vec::new(),
        });
        Ok(Self::new(origin, body, vec![("reason".to_owned(), reason)]))
    }

    /// A proposal from the bytes of its statement and the texts behind its commitments.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] if these are not the bytes of a statement.
    pub fn read(
        statement: &[u8],
        openings: Vec<(String, Opening)>,
    ) -> Result<Self, CertificateError> {
        let (origin, body) = Statement::read(statement)?;
        Ok(Self {
            origin,
            body,
            openings,
        })
    }

    /// The log that it is for.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The entry without approvals.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The texts that the entry commits to, by the names of its fields.
    pub fn openings(&self) -> &[(String, Opening)] {
        &self.openings
    }

    /// What is signed.
    pub fn statement(&self) -> Statement {
        Statement::of(&self.origin, &self.body)
    }

    /// The word of the officer whose key this is. Read what it says first.
    pub fn approve(&self, officer: &Signer) -> Approval {
        officer.approve(&self.statement())
    }

    /// Whether `approval` is a signature over this proposal.
    pub fn is_approved_by(&self, approval: &Approval) -> bool {
        crate::key::verifies(
            &approval.officer,
            self.statement().bytes(),
            &approval.signature,
        )
    }

    pub(crate) fn approved(self, by: Vec<Approval>) -> Enter {
        Enter {
            body: self.body.approved(by),
            openings: self.openings,
        }
    }
}

/// A body with its approvals, ready to be entered.
#[derive(Debug, Clone)]
pub(crate) struct Enter {
    pub(crate) body: Body,
    pub(crate) openings: Vec<(String, Opening)>,
}

/// What somebody who looked at entries found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Who looked (a pseudonym).
    pub principal: String,
    /// The first entry.
    pub from: EntryIndex,
    /// The last.
    pub to: EntryIndex,
    /// What was found. It stays outside the log.
    pub note: String,
}
