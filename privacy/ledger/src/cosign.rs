//! Witnesses: others who sign a checkpoint once they have seen that it extends the one they signed before
//! (<https://c2sp.org/tlog-cosignature>, <https://c2sp.org/tlog-witness>).

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use futures::future::BoxFuture;
use salus_certificate::Hash;

use crate::error;
use crate::key::{Signer, verifies};
use crate::note::{self, NoteError};

/// Signature type of cosignature/v1.
const COSIGNATURE: u8 = 0x04;

/// The public half of a witness's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    id: [u8; 4],
    public: [u8; 32],
}

impl WitnessKey {
    fn new(name: &str, public: [u8; 32]) -> Self {
        Self {
            name: name.to_owned(),
            id: note::key_id(name, COSIGNATURE, &public),
            public,
        }
    }

    /// The key under which the holder of `signer` cosigns.
    pub fn of(signer: &Signer) -> Self {
        Self::new(signer.origin(), signer.verifier().public())
    }

    /// Reads `<name>+<key id, 8 hex digits>+<base64(0x04 || public key)>`.
    ///
    /// # Errors
    ///
    /// [`NoteError::Malformed`] if the text has another form or the key id is not the key's.
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::Malformed("witness key");
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed);
        };
        let bytes = BASE64.decode(key).map_err(|_| malformed)?;
        let public = match bytes.split_first() {
            Some((&COSIGNATURE, public)) => <[u8; 32]>::try_from(public).map_err(|_| malformed)?,
            _ => return Err(malformed),
        };
        let key = Self::new(name, public);
        if note::is_name(name) && note::hex(key.id) == id {
            Ok(key)
        } else {
            Err(malformed)
        }
    }

    /// The witness's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The time of this witness's cosignature of `text`, if the line is that.
    pub fn cosigned(&self, line: &str, text: &str) -> Option<u64> {
        let (name, blob) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let blob = BASE64.decode(blob).ok()?;
        let (id, rest) = blob.split_first_chunk::<4>()?;
        let (time, signature) = rest.split_first_chunk::<8>()?;
        let signature = signature.try_into().ok()?;
        let time = u64::from_be_bytes(*time);
        let holds = name == self.name
            && *id == self.id
            && verifies(&self.public, message(text, time).as_bytes(), &signature);
        holds.then_some(time)
    }
}

impl std::fmt::Display for WitnessKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = [&[COSIGNATURE], self.public.as_slice()].concat();
        write!(
            out,
            "{}+{}+{}",
            self.name,
            note::hex(self.id),
            BASE64.encode(key)
        )
    }
}

fn message(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

impl Signer {
    /// The witness's signature line, with its newline, over the text of a note, at `time` (seconds since 1970-01-01T00:00:00Z).
    pub fn cosign(&self, text: &str, time: u64) -> String {
        let key = WitnessKey::of(self);
        let signature = self.cosign_message(message(text, time).as_bytes());
        let blob = [key.id.as_slice(), &time.to_be_bytes(), &signature].concat();
        format!("\u{2014} {} {}\n", key.name, BASE64.encode(blob))
    }
}

/// Whether these are signature lines, one or more, each whole.
pub(crate) fn are_lines(lines: &str) -> bool {
    let whole = |line: &str| line.starts_with("\u{2014} ") && line.ends_with('\n');
    !lines.is_empty() && lines.split_inclusive('\n').all(whole)
}

/// The note with its first signature line, which is the log's, and no other.
pub(crate) fn own(note: &[u8]) -> Result<Vec<u8>, NoteError> {
    let (text, lines) = note::parts(note)?;
    let line = lines.first().ok_or(NoteError::Unsigned)?;
    Ok(format!("{text}\n{line}\n").into_bytes())
}

/// The text of a note and its signature lines.
///
/// # Errors
///
/// [`NoteError::Malformed`] if it is no note.
pub fn note_parts(note: &[u8]) -> Result<(String, Vec<String>), NoteError> {
    note::parts(note)
}

/// A checkpoint that asks to be cosigned.
#[derive(Debug)]
pub struct CosignRequest {
    /// The signed note.
    pub note: Vec<u8>,
    /// Entries that it signs.
    pub size: u64,
}

/// Consistency proofs of the log: from a size to that of the checkpoint.
pub trait Proofs: Send {
    /// RFC 6962 consistency proof from the first `from` entries; empty from none, or to the same.
    fn consistency(&mut self, from: u64) -> BoxFuture<'_, error::Result<Vec<Hash>>>;
}

/// What witnesses say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cosigned {
    /// A quorum has signed: signature lines, each with its newline.
    Lines(String),
    /// One has signed so many entries, which are more: somebody else who has the ledger open was first, or the ledger was put back.
    Ahead(u64),
}

/// Asks witnesses.
pub trait Witnesses: Send + Sync + std::fmt::Debug {
    /// The signature lines of a quorum of witnesses.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Unavailable`] if there is no quorum; [`crate::Error::Integrity`] if a witness knows another history of this log.
    fn cosign<'a>(
        &'a self,
        request: CosignRequest,
        proofs: &'a mut dyn Proofs,
    ) -> BoxFuture<'a, error::Result<Cosigned>>;
}

/// Witnesses that are shared.
pub type SharedWitnesses = Arc<dyn Witnesses>;
