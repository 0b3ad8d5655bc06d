//! Which ledger the answers about a lake are booked in.
//!
//! A purse belongs to people, and a copy of their records is of the same people. So the ledger's name lies with the records: a file of
//! `_ledger/`, numbered, created and never changed, of which the newest counts. Its key is wrapped by the lake's master key, as that of
//! any file here is, and authenticates what it says and its number.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::error::{Doing as _, Error, Result};
use crate::lake::Lake;
use crate::snapshot::{file_name, numbers};
use crate::vault::KEY_BYTES;

/// Version of the files.
const FORMAT: u32 = 1;
/// What else is authenticated with the same key: nothing, so far.
const CONTEXT: &[u8] = b"salus/booking/v1\0";

/// A ledger, told from every other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerName {
    /// Its origin, which others may have taken, too.
    pub origin: String,
    /// Root of its first two entries, genesis and first key: nobody else's.
    pub beginning: [u8; 32],
}

/// What a lake says of its ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    number: u64,
    key: String,
    ledger: LedgerName,
}

impl Booking {
    /// The ledger.
    pub fn ledger(&self) -> &LedgerName {
        &self.ledger
    }

    /// Whether it was written under the master key that `lake` uses now. The one before may be taken away.
    pub fn is_under_the_key_of(&self, lake: &Lake) -> bool {
        self.key == lake.vault().name()
    }
}

/// What a file says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    stated: Stated,
    /// Name of the master key, and the file's own key that it wrapped.
    key: String,
    wrapped: String,
    mac: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    number: u64,
    origin: String,
    beginning: String,
}

impl Stated {
    /// What is authenticated: the JSON of these fields, which has one form.
    fn bytes(&self) -> Vec<u8> {
        let json = serde_json::to_vec(self).unwrap_or_default();
        [CONTEXT, &json].concat()
    }
}

impl Lake {
    /// The ledger that the answers about this lake are booked in; none for a lake that no ledger has been opened with.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for what nobody with the lake's key has written under this number, [`Error::Key`] without the key.
    pub fn booking(&self) -> Result<Option<Booking>> {
        let folder = &self.places().ledgers;
        if folder.directory().is_some_and(|dir| !dir.exists()) {
            // A lake of before there were any.
            return Ok(None);
        }
        let Some(number) = numbers(folder)?.pop() else {
            return Ok(None);
        };
        let wrong = || Error::Corrupt("what it says of its ledger was changed".into());
        let file: File =
            serde_json::from_slice(&folder.bytes(&file_name(number))?).map_err(|_| wrong())?;
        if file.format != FORMAT || file.stated.number != number {
            return Err(wrong());
        }
        let key = self.vault().unwrap(&file.wrapped, &file.key)?;
        let mac = STANDARD.decode(&file.mac).map_err(|_| wrong())?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        hmac::verify(&key, &file.stated.bytes(), &mac).map_err(|_| wrong())?;
        let beginning = STANDARD.decode(&file.stated.beginning).ok();
        let beginning = beginning.and_then(|bytes| bytes.try_into().ok());
        Ok(Some(Booking {
            number,
            key: file.key,
            ledger: LedgerName {
                origin: file.stated.origin,
                beginning: beginning.ok_or_else(wrong)?,
            },
        }))
    }

    /// Says that answers about this lake are booked in `ledger` from here on, after `before`, which is what the lake said until now.
    ///
    /// # Errors
    /// [`Error::Overtaken`] when the lake says something else in the meantime.
    pub fn book(&self, before: Option<&Booking>, ledger: &LedgerName) -> Result<()> {
        let number = before.map_or(1, |before| before.number + 1);
        let stated = Stated {
            number,
            origin: ledger.origin.clone(),
            beginning: STANDARD.encode(ledger.beginning),
        };
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).doing("draw a key")?;
        let (name, wrapped) = self.vault().wrap(&key)?;
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &stated.bytes());
        let file = File {
            format: FORMAT,
            stated,
            key: name,
            wrapped,
            mac: STANDARD.encode(mac.as_ref()),
        };
        let bytes = serde_json::to_vec(&file).unwrap_or_default();
        self.places()
            .ledgers
            .publish_once(&file_name(number), &bytes)
    }
}
