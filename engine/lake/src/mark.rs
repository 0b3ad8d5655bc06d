//! Which snapshots belong to the ledger that the lake names.
//!
//! A lake's name for its ledger lies beside the snapshots, and could be left there while others are put in their place. So each snapshot
//! has a mark for its ledger, authenticated as that name is: a commit marks what follows from a snapshot with a mark, and whoever opens
//! the lake with a ledger marks what the ledger has recorded.

use ring::hmac;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::booking::LedgerName;
use crate::error::{Doing as _, Error, Result};
use crate::lake::Lake;
use crate::snapshot::Snapshot;
use crate::vault::KEY_BYTES;

const CONTEXT: &[u8] = b"salus/mark/v1\0";

/// A mark: whose it is, and of what, is not written but authenticated.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    /// Name of the master key, and the mark's own key that it wrapped.
    key: String,
    wrapped: String,
    mac: String,
}

/// What is authenticated: the snapshot and the ledger, each in 32 bytes.
fn stated(snapshot: &Snapshot, ledger: &LedgerName) -> Vec<u8> {
    let snapshot: [u8; 32] = Sha256::digest(snapshot.canonical_bytes()).into();
    [CONTEXT, &snapshot, &ledger.beginning].concat()
}

/// The name of a mark. No number, as those of names of ledgers are.
fn file_name(stated: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(stated).into();
    let start = digest.first_chunk().copied().unwrap_or_default();
    format!("{:032x}.mark", u128::from_be_bytes(start))
}

impl Lake {
    /// Whether `snapshot` has a mark for `ledger`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a mark that nobody with the lake's key has made, [`Error::Key`] without the key.
    pub fn is_marked(&self, snapshot: &Snapshot, ledger: &LedgerName) -> Result<bool> {
        let stated = stated(snapshot, ledger);
        let found = self.places().ledgers.find(&file_name(&stated))?;
        let Some(bytes) = found else {
            return Ok(false);
        };
        let wrong = || Error::Corrupt("a mark of a snapshot was changed".into());
        let mark: Mark = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        let key = self.vault().unwrap(&mark.wrapped, &mark.key)?;
        let mac = STANDARD.decode(&mark.mac).map_err(|_| wrong())?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        hmac::verify(&key, &stated, &mac).map_err(|_| wrong())?;
        Ok(true)
    }

    /// Marks `snapshot` for `ledger`. Done twice it is done once.
    pub fn mark(&self, snapshot: &Snapshot, ledger: &LedgerName) -> Result<()> {
        let stated = stated(snapshot, ledger);
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).doing("draw a key")?;
        let (name, wrapped) = self.vault().wrap(&key)?;
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &stated);
        let mark = Mark {
            key: name,
            wrapped,
            mac: STANDARD.encode(mac.as_ref()),
        };
        let bytes = serde_json::to_vec(&mark).unwrap_or_default();
        let folder = &self.places().ledgers;
        match folder.publish_once(&file_name(&stated), &bytes) {
            // It is there.
            Err(Error::Overtaken) if self.is_marked(snapshot, ledger)? => Ok(()),
            marked => marked,
        }
    }

    /// Marks what is about to be committed after `base`, as that is marked. A lake that names no ledger has no marks.
    pub(crate) fn mark_next(&self, base: Option<&Snapshot>, next: &Snapshot) -> Result<()> {
        let Some(booking) = self.booking()? else {
            return Ok(());
        };
        let ledger = booking.ledger();
        let marked = base.map_or(Ok(true), |base| self.is_marked(base, ledger))?;
        // What others have put under it is not taken over: the next opening finds no mark.
        if marked {
            self.mark(next, ledger)?;
        }
        Ok(())
    }
}
