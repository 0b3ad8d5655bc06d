//! C2SP signed notes, and the checkpoint that a note carries.
//!
//! Sources: <https://c2sp.org/signed-note>, <https://c2sp.org/tlog-checkpoint>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::tree::Hash;
use crate::vkey::{VerifierKey, name_is_valid};

/// Most signature lines that are read. The specification asks for at least 16.
const SIGNATURES: usize = 64;

/// Why a note, a checkpoint or a verifier key is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text has not the form of its specification.
    #[error("{0}")]
    Form(&'static str),
    /// No line is signed by the key.
    #[error("no signature by {name:?}, key {id}", id = hex(*id))]
    Unsigned {
        /// Name of the key that was looked for.
        name: String,
        /// Its key id.
        id: [u8; 4],
    },
    /// A line names the key, and its signature is not the key's.
    #[error("the signature by {name:?}, key {id}, is wrong", id = hex(*id))]
    Forged {
        /// Name of the key that the line claims.
        name: String,
        /// Its key id.
        id: [u8; 4],
    },
}

pub(crate) fn hex(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

/// Standard base64, padded, no stray bits: one text per byte string.
pub(crate) fn base64(text: &str) -> Result<Vec<u8>, NoteError> {
    STANDARD
        .decode(text)
        .map_err(|_| NoteError::Form("not canonical base64"))
}

pub(crate) fn base64_hash(text: &str) -> Result<Hash, NoteError> {
    Hash::try_from(base64(text)?).map_err(|_| NoteError::Form("a hash is not 32 bytes"))
}

/// ASCII decimal without leading zeroes.
pub(crate) fn decimal(text: &str) -> Result<u64, NoteError> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (text.starts_with('0') && text != "0") {
        return Err(NoteError::Form("not a plain decimal number"));
    }
    text.parse()
        .map_err(|_| NoteError::Form("not a number below 2^64"))
}

/// A text and the signature lines under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    /// Name, key id, signature.
    signatures: Vec<(String, [u8; 4], Vec<u8>)>,
}

impl Note {
    /// Reads a signed note. Nothing in it is to be believed before [`Note::verify`].
    ///
    /// # Errors
    /// [`NoteError::Form`] if the bytes are no signed note.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let note =
            std::str::from_utf8(bytes).map_err(|_| NoteError::Form("a note is not UTF-8"))?;
        if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return Err(NoteError::Form("a note holds a control character"));
        }
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Form(
            "a note has no blank line before its signatures",
        ))?;
        let lines = lines
            .strip_suffix('\n')
            .ok_or(NoteError::Form("a note does not end in a newline"))?;
        if lines.split('\n').count() > SIGNATURES {
            return Err(NoteError::Form("a note has too many signatures"));
        }
        let signatures = lines
            .split('\n')
            .map(signature_line)
            .collect::<Result<_, _>>()?;
        Ok(Note {
            text: format!("{text}\n"),
            signatures,
        })
    }

    /// The signed text, with its last newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Checks that the key signed the text. Lines by other keys (witnesses, an earlier key) are ignored.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`] without a line by this key, [`NoteError::Forged`] if one of its lines is wrong.
    pub fn verify(&self, key: &VerifierKey) -> Result<(), NoteError> {
        let (name, id) = (key.name().to_owned(), key.id());
        let mut seen = false;
        for signature in self.signatures_by(key.name(), id) {
            if !key.verifies(self.text.as_bytes(), signature) {
                return Err(NoteError::Forged { name, id });
            }
            seen = true;
        }
        if seen {
            Ok(())
        } else {
            Err(NoteError::Unsigned { name, id })
        }
    }

    /// The signatures of the lines that name this key.
    pub(crate) fn signatures_by(&self, name: &str, id: [u8; 4]) -> impl Iterator<Item = &[u8]> {
        self.signatures
            .iter()
            .filter(move |(by, line_id, _)| by == name && *line_id == id)
            .map(|(_, _, signature)| signature.as_slice())
    }
}

fn signature_line(line: &str) -> Result<(String, [u8; 4], Vec<u8>), NoteError> {
    let (name, signature) = line
        .strip_prefix("\u{2014} ")
        .and_then(|rest| rest.split_once(' '))
        .ok_or(NoteError::Form(
            "a signature line is not `— <name> <base64>`",
        ))?;
    if !name_is_valid(name) {
        return Err(NoteError::Form("a signature's key name is not valid"));
    }
    let signature = base64(signature)?;
    match signature.split_first_chunk::<4>() {
        Some((id, rest)) if !rest.is_empty() => Ok((name.to_owned(), *id, rest.to_owned())),
        _ => Err(NoteError::Form("a signature is too short")),
    }
}

/// What a log's signed note says: which log, how many entries, under which root.
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
    /// Reads a note's text. Extension lines, which the ledger's format does not have, are refused.
    ///
    /// # Errors
    /// [`NoteError::Form`] for any other text.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let form = NoteError::Form("a checkpoint is <origin>, <size>, <root>, a line each");
        let mut lines = text.strip_suffix('\n').ok_or(form.clone())?.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(form);
        };
        if origin.is_empty() {
            return Err(NoteError::Form("the origin is empty"));
        }
        Ok(Checkpoint {
            origin: origin.to_owned(),
            size: decimal(size)?,
            root: base64_hash(root)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Checkpoint, Note, NoteError, decimal};
    use crate::vkey::VerifierKey;

    const KEY: &str =
        "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";
    const NOTE: &str = "example.com/log/testdata\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n\n— example.com/log/testdata M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKubMt53MvIt/uEWP6zdkdIQzd/fmwlM/dlPWF74ewI=\n";

    #[test]
    fn a_cosigned_note_of_a_public_log_verifies() {
        let key = VerifierKey::parse(KEY).unwrap();
        let cosigned = format!("{NOTE}— witness.example mJirIkljAAAA\n");
        for text in [NOTE, &cosigned] {
            let note = Note::parse(text.as_bytes()).unwrap();
            assert_eq!(note.verify(&key), Ok(()));
            assert_eq!(Checkpoint::parse(note.text()).unwrap().size, 15);
        }
    }

    #[test]
    fn a_changed_note_does_not_verify() {
        let key = VerifierKey::parse(KEY).unwrap();
        let verify = |text: &str| Note::parse(text.as_bytes()).and_then(|note| note.verify(&key));
        assert!(matches!(
            verify(&NOTE.replacen("15", "16", 1)),
            Err(NoteError::Forged { .. })
        ));
        assert!(matches!(
            verify(&NOTE.replace("M9e0", "M9e1")),
            Err(NoteError::Unsigned { .. })
        ));
        // A second line of the same key that is wrong spoils the note.
        let line = NOTE
            .lines()
            .last()
            .unwrap()
            .replace("6H", "6h")
            .replace("uh4", "uh5");
        assert!(matches!(
            verify(&format!("{NOTE}{line}\n")),
            Err(NoteError::Forged { .. })
        ));
        for text in [
            "",
            "\n\n",
            "a\n\n",
            NOTE.trim_end(),
            &NOTE.replace("\n\n", "\n"),
            &NOTE.replace('—', "-"),
            &NOTE.replace("ewI=", "ewJ="),
            &NOTE.replace("ewI=", "ewI"),
            &format!("{NOTE}\n"),
            &format!("\t{NOTE}"),
            &format!("{NOTE}{}", "— w AAAAAAAA\n".repeat(64)),
        ] {
            assert!(matches!(verify(text), Err(NoteError::Form(_))), "{text:?}");
        }
    }

    #[test]
    fn checkpoints_and_numbers_are_read_strictly() {
        let root = "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=";
        assert!(Checkpoint::parse(&format!("a\n1\n{root}\n")).is_ok());
        for text in [
            format!("\n1\n{root}\n"),
            format!("a\n01\n{root}\n"),
            format!("a\n+1\n{root}\n"),
            format!("a\n\n{root}\n"),
            format!("a\n1\n{root}"),
            format!("a\n1\n{root}\nextension\n"),
            "a\n1\nAAAA\n".to_owned(),
            "a\n1\n".to_owned(),
        ] {
            assert!(Checkpoint::parse(&text).is_err(), "{text:?}");
        }
        assert_eq!(decimal("0"), Ok(0));
        assert_eq!(decimal("18446744073709551615"), Ok(u64::MAX));
        assert!(decimal("18446744073709551616").is_err());
    }
}
