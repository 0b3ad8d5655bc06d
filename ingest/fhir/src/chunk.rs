//! Whole lines, a few megabytes at a time.

use std::io::Read;
use std::ops::Range;

use crate::error::IngestError;
use crate::files::ExportFile;

/// Bytes that a chunk aims at. Large enough to hide the hand-over, small enough to share out.
const CHUNK: usize = 2 << 20;

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin {
    /// Index into the export's files.
    pub(crate) file: u32,
    /// From 1.
    pub(crate) line: u64,
}

/// Lines to work on together.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Place in the order of reading, from 0.
    pub(crate) number: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) lines: Lines,
}

/// How the bytes of a chunk fall into lines.
#[derive(Debug)]
pub(crate) enum Lines {
    /// One after another, as in a file; the first is this one.
    From(Origin),
    /// Picked out of several files.
    Listed(Vec<(Origin, Range<usize>)>),
}

impl Chunk {
    /// Every line that is not blank, without its line end, with where it came from.
    pub(crate) fn lines(&self) -> Box<dyn Iterator<Item = (Origin, &[u8])> + '_> {
        match &self.lines {
            Lines::From(first) => {
                let mut start = 0;
                let ends = memchr::memchr_iter(b'\n', &self.bytes).chain([self.bytes.len()]);
                let lines = ends.map(move |end| {
                    let line = self.bytes.get(start..end).unwrap_or_default();
                    start = end + 1;
                    line
                });
                let numbered = (first.line..).zip(lines).map(|(line, bytes)| {
                    let origin = Origin {
                        file: first.file,
                        line,
                    };
                    (origin, bytes)
                });
                Box::new(numbered.filter(|(_, bytes)| !bytes.trim_ascii().is_empty()))
            }
            Lines::Listed(list) => {
                let lines = list.iter().map(|(origin, range)| {
                    (*origin, self.bytes.get(range.clone()).unwrap_or_default())
                });
                Box::new(lines)
            }
        }
    }
}

/// Cuts what `reader` gives into chunks of whole lines.
///
/// # Errors
/// Those of `emit`, of reading, and [`IngestError::LineTooLong`].
pub(crate) fn split(
    reader: &mut dyn Read,
    (index, file): (u32, &ExportFile),
    longest_line: usize,
    mut emit: impl FnMut(Vec<u8>, Origin) -> Result<(), IngestError>,
) -> Result<(), IngestError> {
    let mut next = Origin {
        file: index,
        line: 1,
    };
    let mut buffer = Vec::new();
    loop {
        let wanted = CHUNK.max(buffer.len());
        buffer.reserve(wanted + 1);
        let mut part = (&mut *reader).take(wanted as u64);
        let some = part
            .read_to_end(&mut buffer)
            .map_err(|source| file.failed(source))?;
        let end_of_file = some < wanted;
        let cut = match memchr::memrchr(b'\n', &buffer) {
            _ if end_of_file => buffer.len(),
            Some(last) => last + 1,
            None => 0,
        };
        if let Some(ahead) = too_long(&buffer, longest_line) {
            return Err(IngestError::LineTooLong {
                file: file.name.clone(),
                line: next.line + ahead,
                limit: longest_line,
            });
        }
        if cut > 0 {
            let rest = buffer.split_off(cut);
            let chunk = std::mem::replace(&mut buffer, rest);
            let lines = memchr::memchr_iter(b'\n', &chunk).count() as u64;
            emit(chunk, next)?;
            next.line += lines;
        }
        if end_of_file {
            return Ok(());
        }
    }
}

/// How many lines stand before the first one that is too long.
fn too_long(buffer: &[u8], longest: usize) -> Option<u64> {
    if buffer.len() <= longest {
        return None;
    }
    let mut lines = (0..).zip(buffer.split(|b| *b == b'\n'));
    lines
        .find(|(_, line)| line.len() > longest)
        .map(|(ahead, _)| ahead)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> ExportFile {
        ExportFile {
            content: crate::files::Content::Path("x.ndjson".into()),
            name: "x.ndjson".into(),
            bytes: 0,
            compressed: false,
        }
    }

    fn lines(text: &[u8], longest: usize) -> Result<Vec<(u64, Vec<u8>)>, IngestError> {
        let mut all = Vec::new();
        let mut reader = text;
        split(&mut reader, (7, &file()), longest, |bytes, first| {
            let chunk = Chunk {
                number: 0,
                bytes,
                lines: Lines::From(first),
            };
            all.extend(
                chunk
                    .lines()
                    .map(|(origin, line)| (origin.line, line.to_vec())),
            );
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn lines_keep_their_bytes_and_numbers() {
        let text = b"one\r\n\n  \ntwo\n\xff three";
        let expected: Vec<(u64, Vec<u8>)> = vec![
            (1, b"one\r".into()),
            (4, b"two".into()),
            (5, b"\xff three".into()),
        ];
        assert_eq!(lines(text, 100).expect("short lines"), expected);
        assert_eq!(lines(b"", 100).expect("short lines"), []);
    }

    #[test]
    fn lines_longer_than_a_chunk_stay_whole() {
        let mut text = vec![b'a'; CHUNK * 3];
        text.push(b'\n');
        text.extend(vec![b'b'; CHUNK + 5]);
        text.extend(b"\nc\n");
        let found = lines(&text, CHUNK * 4).expect("short lines");
        let lengths: Vec<_> = found
            .iter()
            .map(|(line, bytes)| (*line, bytes.len()))
            .collect();
        assert_eq!(lengths, [(1, CHUNK * 3), (2, CHUNK + 5), (3, 1)]);
        assert!(matches!(
            lines(&text, CHUNK * 2),
            Err(IngestError::LineTooLong { line: 1, .. })
        ));
    }
}
