//! Input in pieces of whole lines.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::input::{Kind, failed, open};
use super::{Options, RunError};

/// Whole lines of one file.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Counts the chunks of a run.
    pub(super) index: u64,
    pub(super) file: usize,
    /// The number of the first line, from 1.
    pub(super) first_line: u64,
    pub(super) bytes: Vec<u8>,
    /// Bytes that came from disk for it.
    pub(super) read: u64,
}

/// All chunks of an input, in order.
pub(super) struct Chunks<'i> {
    source: Source<'i>,
    next: u64,
    chunk_bytes: usize,
    longest_line: usize,
}

enum Source<'i> {
    Files {
        waiting: std::vec::IntoIter<(PathBuf, u64)>,
        file: usize,
        open: Option<Open>,
    },
    Lines {
        lines: Box<dyn Iterator<Item = String> + Send + 'i>,
        line: u64,
    },
}

/// A file being read.
struct Open {
    path: PathBuf,
    reader: Box<dyn Read + Send>,
    /// The beginning of a line whose end has not been read.
    rest: Vec<u8>,
    line: u64,
    read: Arc<AtomicU64>,
    reported: u64,
}

impl<'i> Chunks<'i> {
    pub(super) fn new(input: Kind<'i>, options: &Options) -> Self {
        let source = match input {
            Kind::Files(files) => Source::Files {
                waiting: files.into_iter(),
                file: 0,
                open: None,
            },
            Kind::Lines(lines) => Source::Lines { lines, line: 1 },
        };
        Self {
            source,
            next: 0,
            chunk_bytes: options.chunk_bytes.max(1),
            longest_line: options.longest_line,
        }
    }
}

impl Iterator for Chunks<'_> {
    type Item = Result<Chunk, RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (chunk_bytes, longest_line) = (self.chunk_bytes, self.longest_line);
        let chunk = match &mut self.source {
            Source::Lines { lines, line } => Ok(gathered(lines, line, chunk_bytes)?),
            Source::Files {
                waiting,
                file,
                open: current,
            } => loop {
                if current.is_none() {
                    let (path, _) = waiting.next()?;
                    match Open::new(path) {
                        Ok(opened) => *current = Some(opened),
                        Err(error) => break Err(error),
                    }
                }
                let Some(here) = current else {
                    continue;
                };
                match here.chunk(chunk_bytes, longest_line) {
                    Ok(Some(chunk)) => {
                        break Ok(Chunk {
                            file: *file,
                            ..chunk
                        });
                    }
                    Ok(None) => {
                        *current = None;
                        *file += 1;
                    }
                    Err(error) => break Err(error),
                }
            },
        };
        Some(chunk.map(|chunk| {
            self.next += 1;
            Chunk {
                index: self.next - 1,
                ..chunk
            }
        }))
    }
}

/// Lines from elsewhere. A line end within one would make two of it; JSON can do without.
fn gathered(
    lines: &mut dyn Iterator<Item = String>,
    line: &mut u64,
    chunk_bytes: usize,
) -> Option<Chunk> {
    let (first_line, mut bytes) = (*line, Vec::new());
    for next in lines {
        *line += 1;
        bytes.extend(next.bytes().map(|b| if b == b'\n' { b' ' } else { b }));
        bytes.push(b'\n');
        if bytes.len() >= chunk_bytes {
            break;
        }
    }
    (*line > first_line).then_some(Chunk {
        index: 0,
        file: 0,
        first_line,
        bytes,
        read: 0,
    })
}

impl Open {
    fn new(path: PathBuf) -> Result<Self, RunError> {
        let read = Arc::new(AtomicU64::new(0));
        let reader = open(&path, Arc::clone(&read)).map_err(|source| failed(&path, source))?;
        Ok(Self {
            path,
            reader,
            rest: Vec::new(),
            line: 1,
            read,
            reported: 0,
        })
    }

    /// The next lines; `None` at the end of the file.
    fn chunk(
        &mut self,
        chunk_bytes: usize,
        longest_line: usize,
    ) -> Result<Option<Chunk>, RunError> {
        let mut bytes = std::mem::take(&mut self.rest);
        let mut searched = 0;
        loop {
            let more = (&mut self.reader)
                .take(chunk_bytes as u64)
                .read_to_end(&mut bytes);
            let more = more.map_err(|source| failed(&self.path, source))?;
            if let Some(end) = memchr::memrchr(b'\n', &bytes[searched..]) {
                self.rest = bytes.split_off(searched + end + 1);
                break;
            }
            searched = bytes.len();
            if more == 0 {
                break;
            }
            if searched > longest_line {
                return Err(RunError::LineTooLong {
                    file: self.path.display().to_string(),
                    line: self.line,
                    limit: longest_line,
                });
            }
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let first_line = self.line;
        self.line += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        let read = self.read.load(Ordering::Relaxed);
        let since = read - std::mem::replace(&mut self.reported, read);
        Ok(Some(Chunk {
            index: 0,
            file: 0,
            first_line,
            bytes,
            read: since,
        }))
    }
}
