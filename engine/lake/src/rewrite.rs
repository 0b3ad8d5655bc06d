//! One table's part of a commit: which files stay, which are written anew.
//!
//! The existing files divide the persons into stretches. A stretch that no staged row falls into keeps its files unread. In
//! the others staged and existing rows are joined (see [`crate::upsert`]); nothing is written until the first difference
//! from the existing rows, so that ingesting the same export again reads and compares but writes nothing.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::error::{Error, Result};
use crate::members::fit;
use crate::merge::Batches;
use crate::place::Folder;
use crate::removed::Removed;
use crate::replaced::{ParentNotes, Parents};
use crate::schema::key_columns;
use crate::snapshot::FileRef;
use crate::upsert::{Ahead, Sink, Terms, upsert};
use crate::vault::Vault;
use crate::write::TableWriter;

/// Neighbouring files smaller than this together are rewritten together, so that small ingests do not pile up small files.
const STRETCH_BYTES: u64 = 16 << 20;
/// Batches between the thread that merges and the thread that encodes.
const QUEUE: usize = 4;
/// Rows of a batch read from a file.
const READ_ROWS: usize = 8192;

/// What is being rewritten.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) table: String,
    pub(crate) schema: SchemaRef,
    pub(crate) folder: Folder,
    /// Start of the names of new files.
    pub(crate) prefix: String,
    pub(crate) cap: u64,
    pub(crate) vault: Vault,
}

/// What a rewrite tells.
pub(crate) struct Hooks<'a> {
    /// Takes rows above the cap.
    pub(crate) overflow: &'a mut dyn FnMut(&RecordBatch) -> Result<()>,
    /// Told how many staged rows were passed.
    pub(crate) progress: &'a mut dyn FnMut(u64),
    /// Staged resources that were out of date so far.
    pub(crate) outdated: u64,
}

/// A run of files and the persons that belong to it.
struct Stretch<'a> {
    files: &'a [FileRef],
    end: Option<i64>,
}

/// Joins `staged` into the files of `old`; `None` when nothing changed.
pub(crate) fn rewrite(
    target: &Target,
    old: &[FileRef],
    staged: Batches,
    mut parents: Option<&mut Parents>,
    mut notes: Option<&mut ParentNotes>,
    removed: &mut Removed,
    hooks: &mut Hooks<'_>,
) -> Result<Option<Vec<FileRef>>> {
    let mut staged = Ahead::new(&target.table, staged)?;
    let mut files = Vec::new();
    let mut changed = false;
    for (number, stretch) in stretches(old).into_iter().enumerate() {
        let before_end = |person: i64| stretch.end.is_none_or(|end| person < end);
        let touched = staged.peek().is_some_and(|(person, ..)| before_end(person));
        let orphans = parents
            .as_ref()
            .and_then(|parents| parents.replaced.next_person());
        let going = removed.next_person();
        if !touched && !orphans.is_some_and(before_end) && !going.is_some_and(before_end) {
            files.extend_from_slice(stretch.files);
            continue;
        }
        let mut existing = Ahead::new(&target.table, read(target, stretch.files))?;
        let mut output = Output {
            target,
            stretch: &stretch,
            number,
            same: 0,
            pipe: None,
            hooks,
        };
        let terms = Terms {
            cap: target.cap,
            end: stretch.end,
            parents: parents.as_deref_mut(),
            notes: notes.as_deref_mut(),
            removed: &mut *removed,
        };
        let stretch_changed = upsert(&mut staged, &mut existing, terms, &mut output)?;
        let written = output.finish(stretch_changed)?;
        if let Some(end) = stretch.end {
            removed.pass(end - 1);
            if let Some(parents) = &mut parents {
                parents.replaced.pass(end - 1)?;
            }
        }
        match written {
            Some(written) => {
                changed = true;
                files.extend(written);
            }
            None => files.extend_from_slice(stretch.files),
        }
    }
    in_order(&target.table, &files)?;
    Ok(changed.then_some(files))
}

/// Cuts the persons into stretches, the last without end.
fn stretches(old: &[FileRef]) -> Vec<Stretch<'_>> {
    let mut stretches = Vec::new();
    let mut start = 0;
    let mut bytes = 0;
    for (at, file) in old.iter().enumerate() {
        bytes += file.size;
        if bytes >= STRETCH_BYTES {
            // Persons between two files belong to the earlier one.
            let end = old
                .get(at + 1)
                .map_or(file.last_person + 1, |next| next.first_person);
            stretches.push(Stretch {
                files: &old[start..=at],
                end: Some(end),
            });
            start = at + 1;
            bytes = 0;
        }
    }
    stretches.push(Stretch {
        files: &old[start..],
        end: None,
    });
    stretches
}

/// Checks the files of a table against each other.
///
/// # Errors
/// [`Error::Order`] unless every file's persons come after those of the file before.
pub(crate) fn in_order(table: &str, files: &[FileRef]) -> Result<()> {
    let within = files
        .iter()
        .all(|file| file.first_person <= file.last_person);
    let across = files
        .windows(2)
        .all(|pair| pair[0].last_person < pair[1].first_person);
    if within && across {
        return Ok(());
    }
    Err(Error::Order {
        table: table.into(),
        what: "files share persons or are out of order",
    })
}

/// The keys of `files` of a table, in order.
pub(crate) fn read_keys(table: &str, folder: &Folder, vault: &Vault, files: &[FileRef]) -> Batches {
    read_columns(folder, vault, files, Some(key_columns(table)))
}

/// The rows of `files`, in order.
pub(crate) fn read(target: &Target, files: &[FileRef]) -> Batches {
    let rows = read_columns(&target.folder, &target.vault, files, None);
    let schema = SchemaRef::clone(&target.schema);
    Box::new(rows.map(move |batch| fit(batch?, &schema)))
}

fn read_columns(
    folder: &Folder,
    vault: &Vault,
    files: &[FileRef],
    columns: Option<usize>,
) -> Batches {
    let names: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
    let (folder, vault) = (folder.clone(), vault.clone());
    let open = move |name: String| match folder.rows(&name, &vault, columns, READ_ROWS) {
        Ok((_, batches)) => batches,
        Err(error) => Box::new(std::iter::once(Err(error))) as Batches,
    };
    Box::new(names.into_iter().flat_map(open))
}

/// The output of one stretch: nothing as long as it equals the existing rows, then files.
struct Output<'a, 'h> {
    target: &'a Target,
    stretch: &'a Stretch<'a>,
    number: usize,
    /// Rows so far that equal the existing ones.
    same: usize,
    pipe: Option<Pipe>,
    hooks: &'a mut Hooks<'h>,
}

impl Output<'_, '_> {
    /// Starts to write, beginning with the rows that were equal so far.
    fn start(&mut self) -> Result<&mut Pipe> {
        if self.pipe.is_none() {
            let prefix = format!("{}-{:04}", self.target.prefix, self.number);
            let target = self.target;
            let writer = TableWriter::new(target, &prefix)?;
            let mut pipe = Pipe::start(writer)?;
            let mut left = self.same;
            for batch in read(target, self.stretch.files) {
                if left == 0 {
                    break;
                }
                let batch = batch?;
                let rows = left.min(batch.num_rows());
                left -= rows;
                pipe.send(batch.slice(0, rows))?;
            }
            self.pipe = Some(pipe);
        }
        self.pipe
            .as_mut()
            .ok_or_else(|| Error::Corrupt("a writer did not start".into()))
    }

    /// The new files; `None` when the stretch stays as it is.
    fn finish(mut self, changed: bool) -> Result<Option<Vec<FileRef>>> {
        if !changed {
            return Ok(None);
        }
        // A stretch whose last rows went away may have changed without another row.
        self.start()?;
        match self.pipe.take() {
            Some(pipe) => pipe.finish().map(Some),
            None => Ok(None),
        }
    }
}

impl Sink for Output<'_, '_> {
    fn keep(&mut self, batch: RecordBatch, changed: bool) -> Result<()> {
        if changed {
            self.start()?.send(batch)
        } else {
            self.same += batch.num_rows();
            Ok(())
        }
    }

    fn overflow(&mut self, batch: RecordBatch) -> Result<()> {
        (self.hooks.overflow)(&batch)
    }

    fn passed(&mut self, staged: u64, outdated: u64) {
        (self.hooks.progress)(staged);
        self.hooks.outdated += outdated;
    }
}

/// A writer in a thread of its own, so that merging and encoding overlap.
#[derive(Debug)]
pub(crate) struct Pipe {
    batches: Option<SyncSender<RecordBatch>>,
    thread: Option<JoinHandle<Result<Vec<FileRef>>>>,
}

impl Pipe {
    pub(crate) fn start(mut writer: TableWriter) -> Result<Self> {
        let (batches, incoming) = sync_channel::<RecordBatch>(QUEUE);
        let thread = std::thread::Builder::new()
            .name("lake-writer".into())
            .spawn(move || {
                for batch in incoming {
                    writer.write(batch)?;
                }
                writer.finish()
            })
            .map_err(|source| Error::Storage {
                what: "start a thread".into(),
                source,
            })?;
        Ok(Self {
            batches: Some(batches),
            thread: Some(thread),
        })
    }

    pub(crate) fn send(&mut self, batch: RecordBatch) -> Result<()> {
        let sent = self
            .batches
            .as_ref()
            .is_some_and(|batches| batches.send(batch).is_ok());
        if sent {
            return Ok(());
        }
        // The thread ended early: it says why.
        self.join()
            .and(Err(Error::Usage("rows after a writer has ended".into())))
    }

    pub(crate) fn finish(mut self) -> Result<Vec<FileRef>> {
        self.join()
    }

    fn join(&mut self) -> Result<Vec<FileRef>> {
        self.batches = None;
        let Some(thread) = self.thread.take() else {
            return Err(Error::Usage("rows after a writer has ended".into()));
        };
        thread
            .join()
            .unwrap_or_else(|_| Err(Error::Corrupt("a writer thread died".into())))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // Files are removed after this: the thread must not write any more.
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
