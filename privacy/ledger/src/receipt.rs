//! Receipts: C2SP tlog-proof (<https://c2sp.org/tlog-proof>) that an answer stands in the log.
//!
//! A receipt needs no network and no ledger: the verifier key is enough to see that these bytes are the answer that a RELEASE entry
//! commits to, and that the entry is in the tree that the checkpoint signs.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use salus_certificate::{EntryIndex, Fields, Hash, Value};

use crate::commitment::{Opening, commit};
use crate::entry::{Body, Entry};
use crate::merkle::{leaf_hash, verify_inclusion};
use crate::note::{self, Checkpoint, NoteError, Verifier};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// Why a receipt does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The text has not the form of a receipt.
    #[error("the receipt is malformed: {0}")]
    Malformed(&'static str),
    /// The verifier key has not the form of one.
    #[error("the verifier key is malformed")]
    Key,
    /// The checkpoint is not signed by this key.
    #[error("the checkpoint does not hold: {0}")]
    Checkpoint(NoteError),
    /// The entry is not in the tree of the checkpoint.
    #[error("the entry is not in the log that the checkpoint signs")]
    NotIncluded,
    /// The entry does not commit to this answer.
    #[error("the entry does not commit to this answer")]
    OtherAnswer,
}

/// What a receipt proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Index of the RELEASE entry.
    pub entry: EntryIndex,
    /// Index of the RESERVE entry that paid.
    pub reserve: EntryIndex,
    /// When the answer was released, as the log attests it.
    pub time: u64,
    /// The answer's bytes.
    pub answer: Vec<u8>,
    /// The checkpoint whose tree has the entry.
    pub checkpoint: Checkpoint,
}

/// The receipt of the RELEASE entry `entry` at `index`.
pub(crate) fn write(
    entry: &[u8],
    index: u64,
    answer: &Opening,
    proof: &[Hash],
    checkpoint: &[u8],
) -> String {
    let extra = Value::map([
        ("entry", Value::bytes(entry)),
        ("answer", Value::bytes(answer.content.as_slice())),
        ("salt", Value::bytes(answer.salt)),
    ]);
    let mut text = format!(
        "{FIRST_LINE}\nextra {}\nindex {index}\n",
        BASE64.encode(extra.encode())
    );
    for hash in proof {
        text.push_str(&BASE64.encode(hash));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&String::from_utf8_lossy(checkpoint));
    text
}

/// Checks a receipt against the verifier key `vkey` of the log and opens it.
///
/// # Guarantee
///
/// The answer's bytes are those that the entry commits to, and the entry's are in the tree whose root the key signed. Whether the log
/// itself keeps its rules is for `salus-audit` to say.
///
/// # Errors
///
/// A [`ReceiptError`] that says which of these does not hold.
pub fn verify(text: &str, vkey: &str) -> Result<Opened, ReceiptError> {
    let verifier = Verifier::parse(vkey).map_err(|_| ReceiptError::Key)?;
    let (head, checkpoint) = text
        .split_once("\n\n")
        .ok_or(ReceiptError::Malformed("no checkpoint"))?;
    let mut lines = head.split('\n');
    if lines.next() != Some(FIRST_LINE) {
        return Err(ReceiptError::Malformed("first line"));
    }
    let extra = lines
        .next()
        .and_then(|line| BASE64.decode(line.strip_prefix("extra ")?).ok())
        .ok_or(ReceiptError::Malformed("extra line"))?;
    let index = lines
        .next()
        .and_then(|line| note::parse_decimal(line.strip_prefix("index ")?))
        .ok_or(ReceiptError::Malformed("index line"))?;
    let proof = lines
        .map(note::parse_hash)
        .collect::<Option<Vec<Hash>>>()
        .ok_or(ReceiptError::Malformed("proof lines"))?;
    let (bytes, answer) = parse_extra(&extra)?;

    let checkpoint =
        Checkpoint::open(checkpoint.as_bytes(), &verifier).map_err(ReceiptError::Checkpoint)?;
    if !verify_inclusion(
        index,
        checkpoint.size,
        &leaf_hash(&bytes),
        &proof,
        &checkpoint.root,
    ) {
        return Err(ReceiptError::NotIncluded);
    }
    let entry = Entry::decode(&bytes).map_err(|_| ReceiptError::Malformed("entry"))?;
    let Body::Release(release) = entry.body else {
        return Err(ReceiptError::Malformed("the entry is not a release"));
    };
    if release.answer != commit(&answer.salt, &answer.content) {
        return Err(ReceiptError::OtherAnswer);
    }
    Ok(Opened {
        entry: EntryIndex(index),
        reserve: release.reserve,
        time: entry.time,
        answer: answer.content,
        checkpoint,
    })
}

fn parse_extra(extra: &[u8]) -> Result<(Vec<u8>, Opening), ReceiptError> {
    let read = || {
        let mut fields = Fields::of("extra", Value::decode(extra)?)?;
        let entry = fields.bytes("entry")?;
        let opening = Opening {
            content: fields.bytes("answer")?,
            salt: fields.hash("salt")?,
        };
        fields.finish()?;
        Ok::<_, salus_certificate::CertificateError>((entry, opening))
    };
    read().map_err(|_| ReceiptError::Malformed("extra line"))
}
