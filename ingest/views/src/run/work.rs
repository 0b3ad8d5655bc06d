//! From a chunk of lines to record batches.

use std::cell::Cell;
use std::collections::HashMap;

use arrow::record_batch::RecordBatch;

use super::chunk::Chunk;
use super::report::Unplaced;
use super::{Options, RunError};
use crate::columns::{Builder, Converter, Layout, Value};
use crate::definition::View;
use crate::json::{Document, Tape};
use crate::rows::Evaluation;

/// Rows after which a batch is closed, at the latest.
const BATCH_ROWS: usize = 8_192;

/// Bytes of text after which a batch is closed: Arrow counts them with 32 bits.
const BATCH_BYTES: usize = 64 << 20;

/// What became of a chunk.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) index: u64,
    pub(super) file: usize,
    pub(super) first_line: u64,
    pub(super) read: u64,
    pub(super) lines: u64,
    pub(super) other_lines: u64,
    pub(super) failed_lines: u64,
    /// The first ones, as many as are to be described.
    pub(super) failures: Vec<Unplaced>,
    pub(super) all_failures: u64,
    /// By view.
    pub(super) batches: Vec<Vec<RecordBatch>>,
    /// By view.
    pub(super) tallies: Vec<Tally>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) resources: u64,
    pub(super) failed: u64,
}

/// Evaluates all views, line by line.
pub(super) struct Worker<'v> {
    views: Vec<Prepared<'v>>,
    /// Positions in `views` by resource type.
    by_type: HashMap<&'v str, Vec<usize>>,
    tape: Tape,
    most_rows: usize,
    /// One is always kept: it may end the run.
    described_failures: usize,
}

struct Prepared<'v> {
    view: &'v View,
    converter: Converter,
    output: Output,
}

/// Rows that wait for their batch to be full.
struct Output {
    builder: Builder,
    bytes: usize,
}

impl<'v> Worker<'v> {
    pub(super) fn new(views: &'v [View], layouts: &[Layout], options: &Options) -> Self {
        let mut by_type: HashMap<_, Vec<_>> = HashMap::new();
        for (position, view) in views.iter().enumerate() {
            by_type.entry(view.resource()).or_default().push(position);
        }
        let prepared = views.iter().zip(layouts).map(|(view, &layout)| Prepared {
            view,
            converter: Converter::new(view, layout),
            output: Output {
                builder: Builder::new(view, layout),
                bytes: 0,
            },
        });
        Self {
            views: prepared.collect(),
            by_type,
            tape: Tape::default(),
            most_rows: options.most_rows,
            described_failures: options.described_failures.max(1),
        }
    }

    pub(super) fn chunk(&mut self, chunk: &Chunk) -> Result<Done, RunError> {
        let views = self.views.len();
        let mut done = Done {
            index: chunk.index,
            file: chunk.file,
            first_line: chunk.first_line,
            read: chunk.read,
            lines: 0,
            other_lines: 0,
            failed_lines: 0,
            failures: Vec::new(),
            all_failures: 0,
            batches: vec![Vec::new(); views],
            tallies: vec![Tally::default(); views],
        };
        let mut start = 0;
        let mut number = 0;
        while start < chunk.bytes.len() {
            let end = memchr::memchr(b'\n', &chunk.bytes[start..]);
            let end = end.map_or(chunk.bytes.len(), |length| start + length);
            let mut line = &chunk.bytes[start..end];
            if chunk.first_line + number == 1 {
                // Some exporters put a mark of byte order first.
                line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            }
            self.line(number, line, &mut done)?;
            number += 1;
            start = end + 1;
        }
        for (view, batches) in self.views.iter_mut().zip(&mut done.batches) {
            view.output.flush(batches)?;
        }
        Ok(done)
    }

    fn line(&mut self, number: u64, line: &[u8], done: &mut Done) -> Result<(), RunError> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        done.lines += 1;
        let most = self.described_failures;
        let document = match parse(&mut self.tape, line) {
            Ok(document) => document,
            Err(reason) => {
                done.failed_lines += 1;
                done.fail(most, || Unplaced::line(number, reason));
                return Ok(());
            }
        };
        let kind = member(document, "resourceType").unwrap_or_default();
        let Some(positions) = self.by_type.get(kind) else {
            done.other_lines += 1;
            return Ok(());
        };
        let mut failed = false;
        for &position in positions {
            let Prepared {
                view,
                converter,
                output,
            } = &mut self.views[position];
            done.tallies[position].resources += 1;
            // Who runs a view by hand waits as long as she likes.
            let work = Cell::new(u64::MAX);
            let evaluation = Evaluation::new(view, converter, document, self.most_rows, &work);
            match evaluation.rows() {
                Ok(rows) => {
                    for row in rows.iter() {
                        output.append(row, &mut done.batches[position])?;
                    }
                }
                Err(error) => {
                    failed = true;
                    done.tallies[position].failed += 1;
                    done.fail(most, || {
                        Unplaced::view(number, position, named(kind, document), error)
                    });
                }
            }
        }
        done.failed_lines += u64::from(failed);
        Ok(())
    }
}

/// A line as a resource, or why it is none.
pub(crate) fn parse<'a>(tape: &'a mut Tape, line: &'a [u8]) -> Result<Document<'a>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "the line is not UTF-8".to_owned())?;
    let document = tape.parse(text).map_err(|broken| {
        let (what, at) = (broken.what, broken.at);
        format!("the line is not JSON: {what}, at byte {at}")
    })?;
    match member(document, "resourceType") {
        Some(_) => Ok(document),
        None => Err("the line is no resource: it has no resourceType".to_owned()),
    }
}

fn member<'a>(document: Document<'a>, name: &str) -> Option<&'a str> {
    let member = document.member(Document::ROOT, name)?;
    document.string(member)
}

/// Type and id, if it is an id: what is shown comes from outside.
fn named(kind: &str, document: Document<'_>) -> String {
    let sound = |id: &&str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
        (1..=64).contains(&id.len()) && id.bytes().all(plain)
    };
    match member(document, "id").filter(sound) {
        Some(id) => format!("{kind}/{id}"),
        None => kind.to_owned(),
    }
}

impl Done {
    /// Counts a failure, and keeps it if it may still be described.
    fn fail(&mut self, most: usize, failure: impl FnOnce() -> Unplaced) {
        self.all_failures += 1;
        if self.failures.len() < most {
            self.failures.push(failure());
        }
    }
}

impl Output {
    fn append(
        &mut self,
        row: &[Value<'_>],
        batches: &mut Vec<RecordBatch>,
    ) -> Result<(), RunError> {
        self.builder.append(row);
        self.bytes += row.iter().map(Value::size).sum::<usize>();
        if self.builder.rows() >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
            self.flush(batches)?;
        }
        Ok(())
    }

    fn flush(&mut self, batches: &mut Vec<RecordBatch>) -> Result<(), RunError> {
        if self.builder.rows() > 0 {
            batches.push(self.builder.finish()?);
        }
        self.bytes = 0;
        Ok(())
    }
}
