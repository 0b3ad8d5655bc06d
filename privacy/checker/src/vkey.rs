//! Verifier keys of signed notes, and the one way in which an Ed25519 signature is checked here.
//!
//! Source: <https://c2sp.org/signed-note>.

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::note::{NoteError, base64, hex};
use crate::tree::Hash;

/// Signature type byte of plain Ed25519.
const ED25519: u8 = 1;

pub(crate) fn name_is_valid(name: &str) -> bool {
    !name.is_empty()
        && !name
            .chars()
            .any(|c| c == '+' || c.is_whitespace() || c.is_control())
}

/// True if `signature` is that of the Ed25519 key `public` over `message`, by the strict rules: no small-order
/// points, no second encoding of a signature.
pub(crate) fn signed(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(public) else {
        return false;
    };
    Signature::from_slice(signature)
        .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
}

/// First four bytes of `SHA-256(name || 0x0A || signature type || public key)`.
pub(crate) fn key_id(name: &str, signature_type: u8, public: &[u8; 32]) -> [u8; 4] {
    let digest: Hash = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', signature_type])
        .chain_update(public)
        .finalize()
        .into();
    let [a, b, c, d, ..] = digest;
    [a, b, c, d]
}

/// Name and Ed25519 key of `<name>+<key id, 8 hex digits>+<base64(signature type || public key)>`.
pub(crate) fn read(text: &str, signature_type: u8) -> Result<(String, [u8; 32]), NoteError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(NoteError::Form("a verifier key is <origin>+<id>+<key>"));
    };
    if !name_is_valid(name) {
        return Err(NoteError::Form("the verifier key's name is not valid"));
    }
    let key = base64(key)?;
    let public = match key.split_first() {
        Some((found, public)) if *found == signature_type => public,
        _ if signature_type == ED25519 => {
            return Err(NoteError::Form("the verifier key is not Ed25519"));
        }
        _ => {
            return Err(NoteError::Form(
                "the verifier key is not of an Ed25519 witness (cosignature/v1)",
            ));
        }
    };
    let public =
        <[u8; 32]>::try_from(public).map_err(|_| NoteError::Form("an Ed25519 key has 32 bytes"))?;
    if id.eq_ignore_ascii_case(&hex(key_id(name, signature_type, &public))) {
        Ok((name.to_owned(), public))
    } else {
        Err(NoteError::Form(
            "the verifier key's id is not that of its key",
        ))
    }
}

/// An Ed25519 key and the name it signs under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: [u8; 32],
}

impl VerifierKey {
    /// The key of an origin, from the 32 bytes of a `key` entry.
    pub fn new(origin: &str, public: [u8; 32]) -> Self {
        VerifierKey {
            name: origin.to_owned(),
            public,
        }
    }

    /// Reads `<origin>+<key id, 8 hex digits>+<base64(0x01 || public key)>`.
    ///
    /// # Errors
    /// [`NoteError::Form`] for any other text, another algorithm, or an id that is not the key's.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (name, public) = read(text, ED25519)?;
        Ok(VerifierKey { name, public })
    }

    /// The same from a file, which ends in a newline.
    pub(crate) fn from_file(text: &str) -> Result<Self, NoteError> {
        VerifierKey::parse(text.trim_end_matches(['\n', '\r']))
    }

    /// The name that it signs under; for a log's key the origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The 32 bytes.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// First four bytes of `SHA-256(name || 0x0A || 0x01 || public key)`.
    pub fn id(&self) -> [u8; 4] {
        key_id(&self.name, ED25519, &self.public)
    }

    /// True if `signature` is this key's over `message`, by the strict rules: no small-order points,
    /// no second encoding of a signature.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        signed(&self.public, message, signature)
    }
}

#[cfg(test)]
mod tests {
    use super::VerifierKey;

    const KEY: &str =
        "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";

    #[test]
    fn keys_are_read_strictly() {
        assert!(VerifierKey::parse(KEY).is_ok());
        assert!(VerifierKey::parse(&format!("{KEY}\n")).is_err());
        assert!(VerifierKey::from_file(&format!("{KEY}\n")).is_ok());
        assert!(VerifierKey::parse(&KEY.replace("33d7b496", "33d7b497")).is_err());
        assert!(VerifierKey::parse(&KEY.replace("+AeHT", "+AuHT")).is_err());
        assert!(VerifierKey::parse(&KEY.replace("/log", " log")).is_err());
        assert!(VerifierKey::parse("+33d7b496+AeHT").is_err());
        assert!(VerifierKey::parse("").is_err());
    }
}
