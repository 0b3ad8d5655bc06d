//! What is learnt about a file while its bytes pass by: digest, lines, and whether it is whole.

use std::borrow::Cow;
use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

/// Watches the bytes of one file in order.
pub(crate) struct Check {
    digest: Sha256,
    bytes: u64,
    limit: u64,
    content: Content,
}

/// The first bytes decide: servers compress without saying so, and say so without compressing.
enum Content {
    Unknown(Vec<u8>),
    Plain(Lines),
    Gzip(Box<MultiGzDecoder<Lines>>),
}

/// What a file turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
    pub(crate) resources: u64,
    pub(crate) gzip: bool,
    /// Whether it begins with an OperationOutcome.
    pub(crate) outcome: bool,
    /// Where the last line begins, unpacked, if no line feed ends it: it may be cut off.
    pub(crate) open_line: Option<u64>,
}

/// Why a file is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not NDJSON, or a damaged gzip stream: perhaps the next attempt brings better.
    Damaged(&'static str),
    /// More than the limit, as sent or unpacked.
    TooLarge,
}

impl Check {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            digest: Sha256::new(),
            bytes: 0,
            limit,
            content: Content::Unknown(Vec::new()),
        }
    }

    /// Bytes seen.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.limit {
            return Err(Fault::TooLarge);
        }
        self.digest.update(bytes);
        if let Content::Unknown(head) = &mut self.content {
            head.extend_from_slice(bytes);
            if head.len() < 2 {
                return Ok(());
            }
            let head = std::mem::take(head);
            return self.begin(&head);
        }
        self.pass(bytes)
    }

    fn begin(&mut self, head: &[u8]) -> Result<(), Fault> {
        let lines = Lines::new(self.limit);
        self.content = if head.starts_with(&[0x1f, 0x8b]) {
            Content::Gzip(Box::new(MultiGzDecoder::new(lines)))
        } else {
            Content::Plain(lines)
        };
        self.pass(head)
    }

    fn pass(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let (result, lines) = match &mut self.content {
            Content::Unknown(_) => return Ok(()),
            Content::Plain(lines) => (lines.write_all(bytes), &*lines),
            Content::Gzip(decoder) => (decoder.write_all(bytes), decoder.get_ref()),
        };
        lines.verdict(result)
    }

    /// The end of the file.
    pub(crate) fn finish(mut self) -> Result<Checked, Fault> {
        if let Content::Unknown(head) = &mut self.content {
            let head = std::mem::take(head);
            self.begin(&head)?;
        }
        let (lines, gzip) = match self.content {
            Content::Unknown(_) => (Lines::new(0), false),
            Content::Plain(lines) => (lines, false),
            Content::Gzip(mut decoder) => {
                let result = decoder.try_finish();
                decoder.get_ref().verdict(result)?;
                let lines = decoder.finish();
                (lines.map_err(|_| Fault::Damaged(GZIP))?, true)
            }
        };
        let resources = lines.count + u64::from(lines.open);
        Ok(Checked {
            sha256: hex(&self.digest.finalize()),
            bytes: self.bytes,
            resources,
            gzip,
            outcome: begins_with_outcome(&lines.lead),
            open_line: lines.open.then_some(lines.line_start),
        })
    }
}

const GZIP: &str = "the gzip stream is cut off or damaged";

/// Counts lines that are not blank, and looks at the first character.
struct Lines {
    /// The beginning, unpacked.
    lead: Vec<u8>,
    count: u64,
    total: u64,
    limit: u64,
    line_start: u64,
    /// Whether the current line has anything in it.
    open: bool,
    begun: bool,
    fault: Option<Fault>,
}

impl Lines {
    fn new(limit: u64) -> Self {
        Self {
            lead: Vec::new(),
            count: 0,
            total: 0,
            limit,
            line_start: 0,
            open: false,
            begun: false,
            fault: None,
        }
    }

    /// What went wrong here explains the error of the decoder around.
    fn verdict(&self, result: io::Result<()>) -> Result<(), Fault> {
        match (&self.fault, result) {
            (Some(Fault::TooLarge), _) => Err(Fault::TooLarge),
            (Some(Fault::Damaged(what)), _) => Err(Fault::Damaged(what)),
            (None, Err(_)) => Err(Fault::Damaged(GZIP)),
            (None, Ok(())) => Ok(()),
        }
    }

    fn fail(&mut self, fault: Fault) -> io::Error {
        self.fault = Some(fault);
        io::ErrorKind::InvalidData.into()
    }

    fn line_part(&mut self, part: &[u8]) -> io::Result<()> {
        if self.open {
            return Ok(());
        }
        let blank = |b: &u8| b.is_ascii_whitespace() || (!self.begun && BOM.contains(b));
        let Some(first) = part.iter().find(|b| !blank(b)) else {
            return Ok(());
        };
        if !self.begun && *first != b'{' {
            return Err(self.fail(Fault::Damaged("the file is not NDJSON")));
        }
        self.begun = true;
        self.open = true;
        Ok(())
    }
}

/// Bytes of a file that are looked at more closely. An error in place of a file is shorter.
const LEAD: usize = 16 << 10;

/// Whether the first JSON value is an OperationOutcome, on one line or on many.
fn begins_with_outcome(lead: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Kind<'a> {
        #[serde(rename = "resourceType", borrow)]
        name: Option<Cow<'a, str>>,
    }
    let lead = lead.strip_prefix(&BOM).unwrap_or(lead);
    let mut values = serde_json::Deserializer::from_slice(lead).into_iter::<Kind<'_>>();
    let first = values.next().and_then(Result::ok);
    first
        .and_then(|kind| kind.name)
        .is_some_and(|name| name == "OperationOutcome")
}

/// The UTF-8 byte order mark, which may stand before the first line.
const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.total + bytes.len() as u64 > self.limit {
            return Err(self.fail(Fault::TooLarge));
        }
        let room = LEAD - self.lead.len();
        self.lead.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            self.line_part(&bytes[start..end])?;
            self.count += u64::from(self.open);
            self.open = false;
            start = end + 1;
            self.line_start = self.total + start as u64;
        }
        self.line_part(&bytes[start..])?;
        self.total += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn check(bytes: &[u8], pieces: usize, limit: u64) -> Result<Checked, Fault> {
        let mut check = Check::new(limit);
        for piece in bytes.chunks(pieces) {
            check.update(piece)?;
        }
        check.finish()
    }

    #[test]
    fn lines_are_counted_however_they_arrive() {
        let text = b"{\"a\":1}\n\n  \r\n{\"b\":2}\r\n{\"c\"";
        for pieces in [1, 2, 3, 7, 100] {
            let plain = check(text, pieces, 1000).unwrap();
            assert_eq!((plain.resources, plain.gzip), (3, false));
            assert_eq!(plain.open_line, Some(22));
            let packed = check(&gzip(text), pieces, 1000).unwrap();
            assert_eq!((packed.resources, packed.gzip), (3, true));
            assert_eq!(packed.open_line, Some(22));
        }
        let closed = check(b"\xef\xbb\xbf{}\n", 1, 10).unwrap();
        assert_eq!((closed.resources, closed.open_line), (1, None));
        for outcome in [
            "{\"resourceType\":\"OperationOutcome\"}\n{\"resourceType\":\"Patient\"}\n",
            "\u{feff}{\n  \"issue\": [{}],\n  \"resourceType\": \"OperationOutcome\"\n}",
        ] {
            assert!(check(outcome.as_bytes(), 3, 100).unwrap().outcome);
        }
        let contained = b"{\"contained\":[{\"resourceType\":\"OperationOutcome\"}]}";
        assert!(!check(contained, 3, 100).unwrap().outcome);
        let empty = check(b"", 1, 10).unwrap();
        assert_eq!((empty.resources, empty.bytes), (0, 0));
        assert_eq!(
            empty.sha256,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn cut_gzip_is_noticed_at_every_byte() {
        let packed = gzip(b"{\"a\":1}\n{\"b\":2}\n");
        for length in 2..packed.len() {
            assert!(check(&packed[..length], 5, 1000).is_err(), "{length}");
        }
        let mut flipped = packed.clone();
        let last = flipped.len() - 6;
        flipped[last] ^= 1;
        assert_eq!(check(&flipped, 5, 1000), Err(Fault::Damaged(GZIP)));
        let two = [packed.clone(), packed].concat();
        assert_eq!(check(&two, 5, 1000).unwrap().resources, 4);
    }

    #[test]
    fn web_pages_and_floods_are_stopped() {
        assert!(matches!(check(b"<html>\n", 3, 100), Err(Fault::Damaged(_))));
        assert_eq!(check(&[b'{'; 101], 10, 100), Err(Fault::TooLarge));
        // A megabyte of white space in a few kilobytes.
        let bomb = gzip(&vec![b' '; 1 << 20]);
        assert!(bomb.len() < 50_000);
        assert_eq!(check(&bomb, 100, 100_000), Err(Fault::TooLarge));
    }
}
