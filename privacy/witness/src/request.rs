//! The body of `add-checkpoint`: the size signed before, a consistency proof from there, and the checkpoint.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use salus_certificate::Hash;

/// More hashes than any proof of a tree of 2^63 leaves has.
const MOST_HASHES: usize = 63;

/// What a log sends to a witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Entries of the checkpoint that the log believes the witness signed last; 0 if none.
    pub old: u64,
    /// RFC 6962 consistency proof from there to the checkpoint.
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub note: String,
}

impl Request {
    /// The body.
    pub fn encode(&self) -> String {
        let mut text = format!("old {}\n", self.old);
        for hash in &self.proof {
            text.push_str(&BASE64.encode(hash));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.note);
        text
    }

    /// Reads a body; `None` for anything that [`Request::encode`] does not write.
    pub fn decode(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let (head, note) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let size = lines.next()?.strip_prefix("old ")?;
        let old: u64 = size.parse().ok()?;
        let hash = |line: &str| BASE64.decode(line).ok()?.try_into().ok();
        let proof: Vec<Hash> = lines.map(hash).collect::<Option<_>>()?;
        (old.to_string() == size && proof.len() <= MOST_HASHES).then(|| Self {
            old,
            proof,
            note: note.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Request;

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let request = Request {
            old: 20,
            proof: vec![[1; 32], [2; 32]],
            note: "log.example\n25\nAAAA\n\n\u{2014} log.example AAAA\n".to_owned(),
        };
        let body = request.encode();
        assert_eq!(Request::decode(body.as_bytes()).unwrap(), request);
        for (from, to) in [
            ("old 20", "old 020"),
            ("old 20", "old +20"),
            ("old 20", "old"),
            ("old 20\n", ""),
            ("AQEB", "AQE"),
            ("\n\n", "\n"),
        ] {
            let changed = body.replace(from, to);
            assert_ne!(changed, body);
            assert_ne!(
                Request::decode(changed.as_bytes()),
                Some(request.clone()),
                "{changed}"
            );
        }
        let long = body.replacen(
            '\n',
            &format!(
                "\n{}",
                "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n".repeat(64)
            ),
            1,
        );
        assert_eq!(Request::decode(long.as_bytes()), None);
    }
}
