//! Receipts: a C2SP tlog-proof that an answer was logged, opened against the answer's bytes.
//!
//! Source: <https://c2sp.org/tlog-proof>.

use sha2::{Digest, Sha256};

use crate::cbor;
use crate::entry::Entry;
use crate::note::{self, Checkpoint, Note, NoteError};
use crate::quantity::Fields;
use crate::report::{Finding, Malformed};
use crate::tree::{Hash, leaf_hash, verify_inclusion};
use crate::vkey::VerifierKey;

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// Most hashes in a proof: a tree of 2^64 leaves is 64 deep.
const PROOF: usize = 64;
const COMMITMENT: &[u8] = b"salus/commitment/v1\0";

/// A receipt that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Index of the release.
    pub index: u64,
    /// Index of the reserve that paid for it.
    pub reserve: u64,
    /// Bytes of the release entry.
    pub entry: Vec<u8>,
    /// Bytes of the answer.
    pub answer: Vec<u8>,
    /// The signed checkpoint, as in the text: further evidence for an audit of the whole log.
    pub checkpoint: Vec<u8>,
}

/// Verifies a receipt: a checkpoint signed by `vkey`, a proof that the entry is in its tree, an entry that is
/// a canonical release, and an answer that opens the release's commitment.
///
/// # Errors
/// The first [`Finding`]: rule T2 for key and checkpoint, T1 for the proof, F1 and F3 for the entry,
/// `receipt` for the text's form and the commitment.
///
/// # Guarantee
/// Whoever holds the key has logged exactly this answer at this index. That the log as a whole keeps its rules
/// takes [`audit`](crate::audit).
pub fn verify_receipt(text: &str, vkey: &str) -> Result<Receipt, Finding> {
    let key = VerifierKey::from_file(vkey)
        .map_err(|error| Finding::whole("T2", format!("verifier key: {error}")))?;
    verify_receipt_by(text, &[key])
}

/// The same for a checkpoint that any of these keys has signed: those of a log whose key was changed.
///
/// # Errors
/// As [`verify_receipt`].
///
/// # Guarantee
/// Whoever holds the key that signed has logged exactly this answer at this index. That the key was in force then takes
/// [`audit`](crate::audit) with the receipt's checkpoint in the evidence.
pub fn verify_receipt_by(text: &str, keys: &[VerifierKey]) -> Result<Receipt, Finding> {
    let parts = Parts::of(text).map_err(|what| Finding::whole("receipt", what))?;
    let index = parts.index;

    let signed = |error: NoteError| Finding::at(index, "T2", format!("checkpoint: {error}"));
    let note = Note::parse(parts.checkpoint.as_bytes()).map_err(signed)?;
    let key = signer(&note, keys)
        .map_err(|error| Finding::at(index, "T2", format!("checkpoint: {error}")))?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(signed)?;
    if checkpoint.origin != key.name() {
        return Err(Finding::at(
            index,
            "T2",
            "checkpoint: its origin is not the key's name",
        ));
    }

    let malformed = |error: Malformed| Finding::at(index, "receipt", format!("extra: {}", error.0));
    let extra = note::base64(parts.extra)
        .map_err(|error| Finding::at(index, "receipt", format!("extra: {error}")))?;
    let extra = Extra::of(&extra).map_err(malformed)?;

    let leaf = leaf_hash(extra.entry);
    if !verify_inclusion(
        index,
        checkpoint.size,
        &leaf,
        &parts.proof,
        &checkpoint.root,
    ) {
        return Err(Finding::at(
            index,
            "T1",
            "the entry is not in the checkpoint's tree",
        ));
    }
    let entry = Entry::decode(extra.entry).map_err(|error| Finding::at(index, "F1", error.0))?;
    let Entry::Release { reserve, answer } = entry else {
        let what = format!("the entry is a {}, not a release", entry.kind());
        return Err(Finding::at(index, "receipt", what));
    };
    if reserve >= index {
        return Err(Finding::at(index, "F3", "the reserve is not earlier"));
    }
    if commitment(&extra.salt, extra.answer) != answer {
        return Err(Finding::at(
            index,
            "receipt",
            "the answer is not the one that was released",
        ));
    }
    Ok(Receipt {
        index,
        reserve,
        entry: extra.entry.to_owned(),
        answer: extra.answer.to_owned(),
        checkpoint: parts.checkpoint.as_bytes().to_owned(),
    })
}

/// The key among these that has signed the note. If none has, a forged signature says more than a missing one.
fn signer<'k>(note: &Note, keys: &'k [VerifierKey]) -> Result<&'k VerifierKey, NoteError> {
    let mut failure = NoteError::Form("there is no key to verify it with");
    for key in keys {
        match note.verify(key) {
            Ok(()) => return Ok(key),
            Err(_) if matches!(failure, NoteError::Forged { .. }) => {}
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// `SHA-256("salus/commitment/v1" || 0x00 || salt || content)`.
pub(crate) fn commitment(salt: &Hash, content: &[u8]) -> Hash {
    Sha256::new()
        .chain_update(COMMITMENT)
        .chain_update(salt)
        .chain_update(content)
        .finalize()
        .into()
}

/// The text's parts, nothing verified.
struct Parts<'a> {
    extra: &'a str,
    index: u64,
    proof: Vec<Hash>,
    checkpoint: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, String> {
        let (proof, checkpoint) = text
            .split_once("\n\n")
            .ok_or("no blank line before the checkpoint")?;
        let mut lines = proof.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(format!("the first line is not {HEADER}"));
        }
        let mut field = |name: &str| {
            lines
                .next()
                .and_then(|line| line.strip_prefix(name)?.strip_prefix(' '))
                .ok_or(format!("no line `{name}` in its place"))
        };
        let extra = field("extra")?;
        let index = note::decimal(field("index")?).map_err(|error| format!("index: {error}"))?;
        let proof = lines
            .map(note::base64_hash)
            .take(PROOF.saturating_add(1))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| format!("proof: {error}"))?;
        if proof.len() > PROOF {
            return Err("proof: too long".to_owned());
        }
        Ok(Parts {
            extra,
            index,
            proof,
            checkpoint,
        })
    }
}

/// What the proof format leaves to the application.
struct Extra<'a> {
    answer: &'a [u8],
    entry: &'a [u8],
    salt: Hash,
}

impl<'a> Extra<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::of(cbor::read(bytes)?, "extra")?;
        let extra = Extra {
            answer: fields.take("answer")?.bytes("answer")?,
            entry: fields.take("entry")?.bytes("entry")?,
            salt: fields.take("salt")?.hash("salt")?,
        };
        fields.end()?;
        Ok(extra)
    }
}
