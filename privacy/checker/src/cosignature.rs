//! A witness's line under a checkpoint: that this history was the one it knew, and when.
//!
//! Source: <https://c2sp.org/tlog-cosignature>, `cosignature/v1`.

use crate::note::{Note, NoteError};
use crate::vkey;

/// Signature type byte of a timestamped Ed25519 cosignature.
const COSIGNATURE_V1: u8 = 4;
/// Largest time that a cosignature may state.
const LATEST: u64 = u64::MAX >> 1;

/// The Ed25519 key of a witness and the name it signs under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WitnessKey {
    pub(crate) name: String,
    pub(crate) public: [u8; 32],
}

impl WitnessKey {
    /// Reads `<name>+<key id, 8 hex digits>+<base64(0x04 || public key)>`.
    pub(crate) fn parse(text: &str) -> Result<Self, NoteError> {
        let (name, public) = vkey::read(text, COSIGNATURE_V1)?;
        Ok(WitnessKey { name, public })
    }

    /// For each line of the note that names this key: the time at which the witness has cosigned it, or
    /// [`NoteError::Forged`] if it is not the witness's.
    pub(crate) fn cosigned(&self, note: &Note) -> Vec<Result<u64, NoteError>> {
        let id = vkey::key_id(&self.name, COSIGNATURE_V1, &self.public);
        let forged = || {
            let name = self.name.clone();
            NoteError::Forged { name, id }
        };
        note.signatures_by(&self.name, id)
            .map(|signature| self.time(note, signature).ok_or_else(forged))
            .collect()
    }

    /// The time of one cosignature, if it is this witness's over the note.
    fn time(&self, note: &Note, signature: &[u8]) -> Option<u64> {
        let (time, signature) = signature.split_first_chunk::<8>()?;
        let time = u64::from_be_bytes(*time);
        let message = format!("cosignature/v1\ntime {time}\n{}", note.text());
        let good = time <= LATEST && vkey::signed(&self.public, message.as_bytes(), signature);
        good.then_some(time)
    }
}

#[cfg(test)]
mod tests {
    use super::WitnessKey;
    use crate::note::{Note, NoteError};

    /// A checkpoint of a public log, as one of the public witnesses cosigned it.
    const NOTE: &str = "coachandhorses2026h1.staging.certificate.transparency.goog\n185550722\nYXAM0VmnrfvLaBCOOYSJhCaE5F10oGBOo+hkbDa1kng=\n\n— witness.navigli.sunlight.geomys.org o+AP4gAAAABqb7DzNrGFRJnQ9vrJ8xpnwZytnr/ZYczDIsvwvouiSjwOjn7a72ccxBk+lKnZ7dKqkYKER1s/KxLTaVwQD7lJZTC/CQ==\n";
    const WITNESS: &str =
        "witness.navigli.sunlight.geomys.org+a3e00fe2+BNy/co4C1Hn1p+INwJrfUlgz7W55dSZReusH/GhUhJ/G";

    fn cosigned(note: &str) -> Vec<Result<u64, NoteError>> {
        let witness = WitnessKey::parse(WITNESS).unwrap();
        witness.cosigned(&Note::parse(note.as_bytes()).unwrap())
    }

    #[test]
    fn a_cosignature_of_a_public_witness_verifies() {
        assert_eq!(cosigned(NOTE), [Ok(0x6a6f_b0f3)]);
        // Another text, another time, another signature, none behind the time: the line names the key and is not its own.
        for (right, wrong) in [
            ("185550722", "185550723"),
            ("AAABqb7DzN", "AAABqb7D0N"),
            ("C/CQ==", "C/CA=="),
            (
                "NrGFRJnQ9vrJ8xpnwZytnr/ZYczDIsvwvouiSjwOjn7a72ccxBk+lKnZ7dKqkYKER1s/KxLTaVwQD7lJZTC/CQ==",
                "",
            ),
        ] {
            let changed = NOTE.replacen(right, wrong, 1);
            assert_ne!(changed, NOTE);
            assert!(
                matches!(cosigned(&changed).as_slice(), [Err(_)]),
                "{changed}"
            );
        }
        // Lines of another key, and of another name, are nobody's.
        let line = NOTE.lines().last().unwrap();
        let renamed = line.replace("navigli", "other");
        for changed in [
            NOTE.replacen("o+AP4g", "o+AP4w", 1),
            NOTE.replacen(line, &renamed, 1),
        ] {
            assert_ne!(changed, NOTE);
            assert_eq!(cosigned(&changed), [], "{changed}");
        }
    }

    #[test]
    fn a_key_of_another_type_is_no_witness() {
        assert!(WitnessKey::parse(&WITNESS.replace("+BNy", "+ANy")).is_err());
        let plain =
            "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";
        let error = WitnessKey::parse(plain).unwrap_err().to_string();
        assert!(error.contains("witness"), "{error}");
    }
}
