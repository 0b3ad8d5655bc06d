//! C2SP signed notes and checkpoints (<https://c2sp.org/signed-note>, <https://c2sp.org/tlog-checkpoint>).

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{Signature, VerifyingKey};
use salus_certificate::Hash;
use sha2::{Digest, Sha256};

/// Signature type of a note's Ed25519 keys.
pub(crate) const ED25519: u8 = 0x01;

/// Why a note, checkpoint or key text was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text has not the form of a signed note, checkpoint or verifier key.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// No signature of the expected key, or one that does not verify.
    #[error("not signed by the expected key")]
    Unsigned,
    /// The checkpoint is of another log.
    #[error("the checkpoint belongs to another origin")]
    OtherOrigin,
}

/// The public half of a log's key, by the log's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl Verifier {
    /// The verifier of `name` with an Ed25519 public key.
    ///
    /// # Errors
    ///
    /// [`NoteError::Malformed`] if the name cannot stand in a note or the bytes are no key.
    pub fn new(name: &str, public: &[u8; 32]) -> Result<Self, NoteError> {
        if !is_name(name) {
            return Err(NoteError::Malformed("key name"));
        }
        let key =
            VerifyingKey::from_bytes(public).map_err(|_| NoteError::Malformed("public key"))?;
        Ok(Self {
            name: name.to_owned(),
            id: key_id(name, ED25519, public),
            key,
        })
    }

    /// Reads `<name>+<key id, 8 hex digits>+<base64(0x01 || public key)>`.
    ///
    /// # Errors
    ///
    /// [`NoteError::Malformed`] if the text has another form or the key id is not the key's.
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Malformed("verifier key"));
        };
        let key = BASE64
            .decode(key)
            .map_err(|_| NoteError::Malformed("verifier key"))?;
        let public = match key.split_first() {
            Some((&ED25519, public)) => <&[u8; 32]>::try_from(public).ok(),
            _ => None,
        };
        let verifier = Self::new(name, public.ok_or(NoteError::Malformed("verifier key"))?)?;
        if hex(verifier.id) == id {
            Ok(verifier)
        } else {
            Err(NoteError::Malformed("key id"))
        }
    }

    /// The name: the origin of the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    pub fn public(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    pub(crate) fn id(&self) -> [u8; 4] {
        self.id
    }

    /// Whether `signature` is this key's over `message`.
    ///
    /// # Guarantee
    ///
    /// Strict verification: keys and commitments of small order are refused. Under such a key one signature holds for many messages, so
    /// a log could show two histories with it; honest keys never produce one, so nothing valid is lost.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

impl std::fmt::Display for Verifier {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = [&[ED25519], self.key.as_bytes().as_slice()].concat();
        write!(out, "{}+{}+{}", self.name, hex(self.id), BASE64.encode(key))
    }
}

/// First four bytes of SHA-256(name || newline || type || public key).
pub(crate) fn key_id(name: &str, kind: u8, public: &[u8; 32]) -> [u8; 4] {
    let digest = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', kind])
        .chain_update(public)
        .finalize();
    let mut id = [0; 4];
    id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    id
}

pub(crate) fn hex(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

/// Text and signature lines of a note.
pub(crate) fn parts(note: &[u8]) -> Result<(String, Vec<String>), NoteError> {
    let note = std::str::from_utf8(note).map_err(|_| NoteError::Malformed("not UTF-8"))?;
    let (body, signatures) = note
        .rsplit_once("\n\n")
        .ok_or(NoteError::Malformed("no signature block"))?;
    let lines = signatures
        .strip_suffix('\n')
        .ok_or(NoteError::Malformed("last line"))?;
    Ok((
        format!("{body}\n"),
        lines.split('\n').map(str::to_owned).collect(),
    ))
}

/// Names are not empty and hold no white space, no plus sign and no control character.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c == '+' || c.is_control())
}

/// What a checkpoint states: this log, this many entries, this root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed.
    pub(crate) fn text(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            BASE64.encode(self.root)
        )
    }

    /// Reads a signed checkpoint and checks that `verifier` signed it.
    ///
    /// # Errors
    ///
    /// Any [`NoteError`]. Signatures of other keys are passed over, as the format asks.
    pub fn open(note: &[u8], verifier: &Verifier) -> Result<Self, NoteError> {
        let note = std::str::from_utf8(note).map_err(|_| NoteError::Malformed("not UTF-8"))?;
        if note.chars().any(|c| c.is_ascii_control() && c != '\n') {
            return Err(NoteError::Malformed("control character"));
        }
        let (body, signatures) = note
            .rsplit_once("\n\n")
            .ok_or(NoteError::Malformed("no signature block"))?;
        let text = format!("{body}\n");
        let signatures = signatures
            .strip_suffix('\n')
            .ok_or(NoteError::Malformed("last line"))?;
        let mut signed = false;
        for line in signatures.split('\n') {
            signed |= signature_holds(line, &text, verifier)?;
        }
        if !signed {
            return Err(NoteError::Unsigned);
        }
        let checkpoint = Self::parse(body)?;
        if checkpoint.origin == verifier.name {
            Ok(checkpoint)
        } else {
            Err(NoteError::OtherOrigin)
        }
    }

    /// The checkpoint of a note's text.
    ///
    /// # Errors
    ///
    /// [`NoteError::Malformed`] if it is none.
    pub fn read(text: &str) -> Result<Self, NoteError> {
        let body = text
            .strip_suffix('\n')
            .ok_or(NoteError::Malformed("last line"))?;
        Self::parse(body)
    }

    /// The size that a note states, unchecked: to find the key that must have signed it.
    pub fn stated_size(note: &[u8]) -> Option<u64> {
        parse_decimal(std::str::from_utf8(note).ok()?.split('\n').nth(1)?)
    }

    fn parse(body: &str) -> Result<Self, NoteError> {
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(NoteError::Malformed("checkpoint lines"));
        };
        if origin.is_empty() || lines.any(str::is_empty) {
            return Err(NoteError::Malformed("empty line"));
        }
        Ok(Self {
            origin: origin.to_owned(),
            size: parse_decimal(size).ok_or(NoteError::Malformed("size"))?,
            root: parse_hash(root).ok_or(NoteError::Malformed("root"))?,
        })
    }
}

/// Whether the line is `verifier`'s signature over `text`; a line of another key is not, a false one of this key is an error.
fn signature_holds(line: &str, text: &str, verifier: &Verifier) -> Result<bool, NoteError> {
    let (name, blob) = line
        .strip_prefix("\u{2014} ")
        .and_then(|line| line.split_once(' '))
        .ok_or(NoteError::Malformed("signature line"))?;
    let blob = BASE64
        .decode(blob)
        .map_err(|_| NoteError::Malformed("signature line"))?;
    let (id, signature) = blob
        .split_first_chunk::<4>()
        .ok_or(NoteError::Malformed("signature line"))?;
    if !is_name(name) || signature.is_empty() {
        return Err(NoteError::Malformed("signature line"));
    }
    if name != verifier.name || *id != verifier.id {
        return Ok(false);
    }
    if verifier.verify(text.as_bytes(), signature) {
        Ok(true)
    } else {
        Err(NoteError::Unsigned)
    }
}

/// Decimal without sign or leading zeros.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let number = text.parse().ok()?;
    (u64::to_string(&number) == text).then_some(number)
}

/// 32 bytes in base64.
pub(crate) fn parse_hash(text: &str) -> Option<Hash> {
    BASE64.decode(text).ok()?.try_into().ok()
}
