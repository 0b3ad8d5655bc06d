//! A reservation, priced and committed to.

use salus_certificate::{CertificateError, Hash};
use sha2::{Digest as _, Sha256};

use super::Reservation;
use crate::commitment::Opening;
use crate::error::{Error, Result};
use crate::transaction::Draft;

/// Keys of two people never meet.
fn retry_key(principal: &str, key: &str) -> Hash {
    let mut hash = Sha256::new();
    hash.update(b"salus/retry/v1");
    hash.update((principal.len() as u64).to_be_bytes());
    hash.update(principal);
    hash.update(key);
    hash.finalize().into()
}

/// Prices a reservation and commits to its texts.
pub(super) fn draft(reservation: Reservation) -> Result<Draft> {
    let mut certificate = reservation.certificate;
    let loss = certificate
        .price()
        .map_err(|why: CertificateError| Error::Refused(why.to_string()))?;
    let keys = Opening::fresh(reservation.keys)?;
    certificate.keys = keys.commitment();
    let retry = reservation
        .retry
        .map(|key| retry_key(&reservation.principal, &key));
    Ok(Draft {
        retry,
        principal: reservation.principal,
        roles: reservation.roles,
        purpose: reservation.purpose,
        question: Opening::fresh(reservation.question.into_bytes())?,
        plan: Opening::fresh(reservation.plan)?,
        keys,
        certificate,
        loss,
    })
}
