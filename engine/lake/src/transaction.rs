//! A transaction: what one ingest adds, visible at once or never.
//!
//! The order of a commit is what makes a crash harmless: data files, then identity and quarantine files, each synced with
//! its directory, then the Delta logs, and last the snapshot, renamed into place. Until the rename nothing refers to the
//! new files but Delta versions that no snapshot names; the next commit removes their files from the log again, because it
//! derives the state of a table from the last snapshot.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::sync::{Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::json::LineDelimitedWriter;
use tokio::sync::{mpsc, oneshot};

use crate::delta;
use crate::error::{At as _, Doing as _, Error, Result};
use crate::files;
use crate::identity::IdentityIndex;
use crate::lake::Lake;
use crate::quarantine::{self, Quarantine, QuarantineFile, Quarantined};
use crate::replaced::{Notes, Replaced};
use crate::rewrite::{Hooks, Target, in_order, rewrite};
use crate::schema::{TABLES, child, parent, schema};
use crate::snapshot::{self, FileRef, IdentityVersion, Snapshot, TableVersion};
use crate::sorted::Sorted;
use crate::stage::{Stage, conform};

/// Reason of rows above the cap of their person.
const ROW_CAP: &str = "person_row_cap";

/// Rows, identities and quarantined lines that become visible together or not at all.
///
/// Thread-safe. Dropping it without [`Transaction::commit`] leaves the lake as it was.
#[derive(Debug)]
pub struct Transaction {
    work: Work,
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Number of the snapshot that is the newest now.
    pub snapshot: u64,
    /// Whether this commit made it; false when the lake held everything already.
    pub changed: bool,
    /// Rows of every table in that snapshot.
    pub tables: BTreeMap<String, u64>,
    /// Lines in quarantine by reason, of all ingests.
    pub quarantined: BTreeMap<String, u64>,
}

/// How far a commit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The table being written.
    pub table: String,
    /// Appended rows merged so far, over all tables.
    pub done: u64,
    /// Appended rows to merge, over all tables.
    pub total: u64,
}

#[derive(Debug)]
struct Work {
    lake: Lake,
    token: String,
    base: Option<Snapshot>,
    identity: IdentityIndex,
    quarantine: Quarantine,
    tables: BTreeMap<&'static str, Intake>,
    /// The new files belong to a snapshot and stay.
    published: bool,
    /// Last: given back when everything else is gone.
    _lock: File,
}

/// Where the rows of one table go.
#[derive(Debug)]
struct Intake {
    target: Target,
    stage: Stage,
    /// Whether the table has rows already, so that even sorted rows must be merged.
    merged: bool,
    mode: Mutex<Mode>,
}

#[derive(Debug)]
enum Mode {
    Empty,
    Unsorted,
    Sorted(Box<Sorted>),
}

/// What the blocking part of a commit made.
struct Written {
    /// New file lists; none for tables that stay as they are.
    tables: BTreeMap<&'static str, Vec<FileRef>>,
    identity: Option<IdentityVersion>,
    quarantine: Option<Vec<QuarantineFile>>,
}

impl Transaction {
    pub(crate) fn begin(lake: Lake) -> Result<Self> {
        let places = lake.places();
        let lock = places.lock()?;
        let base = lake.snapshot()?;
        let mut bytes = [0_u8; 8];
        getrandom::fill(&mut bytes).doing("draw a name")?;
        let number = base.as_ref().map_or(0, |base| base.number) + 1;
        let token = format!("{number:010}-{:016x}", u64::from_le_bytes(bytes));
        // A transaction that died left rows here.
        match std::fs::remove_dir_all(&places.staging) {
            // Or it died right here, between removing and creating.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => other.at("empty", &places.staging)?,
        }
        let staging = places.staging.join(&token);
        files::private_dir(&staging)?;

        let identity = base
            .as_ref()
            .map(|base| base.identity.clone())
            .unwrap_or_default();
        let identity = IdentityIndex::open(&places.identity, &identity, format!("{token}.arrows"))?;
        let known = base
            .as_ref()
            .map(|base| base.quarantine.as_slice())
            .unwrap_or_default();
        let quarantine = Quarantine::new(&places.quarantine, known, format!("{token}.zst"));
        let mut tables = BTreeMap::new();
        for table in TABLES {
            let schema =
                schema(table).ok_or_else(|| Error::Usage(format!("there is no table {table}")))?;
            let facts = lake.catalog().table(table);
            let cap = facts.map_or(u64::MAX, |facts| facts.max_rows_per_person);
            let merged = base
                .as_ref()
                .and_then(|base| base.tables.get(*table))
                .is_some_and(|old| old.rows > 0);
            let stage = Stage::new(table, &schema, staging.join(table));
            let dir = places.lake.join(table);
            let target = Target {
                table: (*table).into(),
                schema,
                dir,
                prefix: token.clone(),
                cap,
            };
            tables.insert(
                *table,
                Intake {
                    target,
                    stage,
                    merged,
                    mode: Mutex::new(Mode::Empty),
                },
            );
        }
        let work = Work {
            token,
            base,
            identity,
            quarantine,
            tables,
            published: false,
            _lock: lock,
            lake,
        };
        Ok(Self { work })
    }

    /// Adds rows in any order. Of rows with equal keys the last appended wins, over existing rows too; an observation takes
    /// the place of the existing one with all its components. Memory is bounded; the rest waits on disk.
    ///
    /// # Errors
    /// [`Error::Usage`] when the batch does not have the table's schema, or [`Transaction::append_sorted`] was used before.
    pub fn append(&self, table: &str, batch: RecordBatch) -> Result<()> {
        let intake = self.work.intake(table)?;
        let batch = conform(table, &intake.target.schema, batch)?;
        {
            let mut mode = intake.mode.lock().unwrap_or_else(PoisonError::into_inner);
            match *mode {
                Mode::Empty => *mode = Mode::Unsorted,
                Mode::Unsorted => {}
                Mode::Sorted(_) => return Err(mixed(table)),
            }
        }
        intake.stage.append(&batch)
    }

    /// Adds rows whose `person_id` never decreases over all calls for this table. They go straight to Parquet while the
    /// table is empty; row ids may come in any order within a person, each once.
    ///
    /// # Errors
    /// [`Error::Order`] when `person_id` decreases; a row id that comes twice fails the commit. [`Error::Usage`] as for
    /// [`Transaction::append`].
    pub fn append_sorted(&self, table: &str, batch: RecordBatch) -> Result<()> {
        let intake = self.work.intake(table)?;
        if intake.merged {
            return self.append(table, batch);
        }
        let batch = conform(table, &intake.target.schema, batch)?;
        let mut mode = intake.mode.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*mode, Mode::Empty) {
            *mode = Mode::Sorted(Box::new(Sorted::start(&intake.target)?));
        }
        match &mut *mode {
            Mode::Sorted(sorted) => {
                sorted.push(&batch, &mut |rows| self.work.cap(&intake.target, rows))
            }
            _ => Err(mixed(table)),
        }
    }

    /// Keeps a source line that could not be used. The same line with the same reason is kept once for ever.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "its owner has no further use for it"
    )]
    pub fn quarantine(&self, quarantined: Quarantined) -> Result<()> {
        self.work.quarantine.push(&quarantined)
    }

    /// The identity index. Assignments become durable with the commit.
    pub fn identity(&self) -> &IdentityIndex {
        &self.work.identity
    }

    /// Sorts, upserts, verifies, writes and makes everything visible as one new snapshot, or changes nothing at all.
    ///
    /// Rows of a person beyond the catalog's `max_rows_per_person` go to quarantine with reason `person_row_cap`.
    ///
    /// # Guarantee
    /// In the new snapshot every table is sorted by `person_id` within and across files, no person is in two files, and no
    /// key is there twice; the writer checks each row.
    ///
    /// # Errors
    /// On any error the newest snapshot is still the one before.
    pub async fn commit(self, progress: &(dyn Fn(Progress) + Send + Sync)) -> Result<Committed> {
        let (events, mut incoming) = mpsc::unbounded_channel();
        let (done, outcome) = oneshot::channel();
        let mut work = self.work;
        std::thread::Builder::new()
            .name("lake-commit".into())
            .spawn(move || {
                let written = work.write(&|event| {
                    // Nobody listens when the caller gave up; the work is then dropped below.
                    let _ = events.send(event);
                });
                let _ = done.send((work, written));
            })
            .map_err(|source| Error::Storage {
                what: "start a thread".into(),
                source,
            })?;
        while let Some(event) = incoming.recv().await {
            progress(event);
        }
        let (work, written) = outcome.await.doing("write the tables")?;
        work.publish(written?).await
    }
}

fn mixed(table: &str) -> Error {
    Error::Usage(format!(
        "table {table}: rows came sorted and unsorted in one transaction"
    ))
}

impl Work {
    fn intake(&self, table: &str) -> Result<&Intake> {
        self.tables
            .get(table)
            .ok_or_else(|| Error::Usage(format!("there is no table {table}")))
    }

    fn old_files(&self, table: &str) -> Vec<FileRef> {
        let old = self.base.as_ref().and_then(|base| base.tables.get(table));
        old.map(|version| version.files.clone()).unwrap_or_default()
    }

    /// Puts rows above the cap of their person into quarantine, one JSON object each.
    fn cap(&self, target: &Target, rows: &RecordBatch) -> Result<()> {
        let mut json = LineDelimitedWriter::new(Vec::new());
        json.write(rows)
            .and_then(|()| json.finish())
            .doing("render rows as JSON")?;
        for line in json
            .into_inner()
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            self.quarantine.push(&Quarantined {
                file: format!("table {}", target.table),
                line: 0,
                reason_code: ROW_CAP.into(),
                detail: format!(
                    "the person has more than {} rows in {}",
                    target.cap, target.table
                ),
                bytes: line.to_vec(),
            })?;
        }
        Ok(())
    }

    /// Writes all files; nothing refers to them yet.
    fn write(&mut self, progress: &dyn Fn(Progress)) -> Result<Written> {
        let total = self.tables.values().map(|intake| intake.stage.rows()).sum();
        let mut done = 0;
        let mut tables = BTreeMap::new();
        let mut replaced: BTreeMap<&str, Replaced> = BTreeMap::new();
        for table in TABLES {
            let Some(intake) = self.tables.remove(table) else {
                continue;
            };
            let Intake {
                target,
                stage,
                mode,
                ..
            } = intake;
            let old = self.old_files(table);
            let mut overflow = |rows: &RecordBatch| self.cap(&target, rows);
            if let Mode::Sorted(sorted) = mode.into_inner().unwrap_or_else(PoisonError::into_inner)
            {
                tables.insert(*table, sorted.finish(&mut overflow)?);
                continue;
            }
            let mut parents = replaced.remove(table);
            if stage.rows() == 0 && parents.is_none() {
                continue;
            }
            let notes = self
                .lake
                .places()
                .staging
                .join(&self.token)
                .join(format!("{table}.replaced"));
            let mut notes = match child(table) {
                Some(_) if !old.is_empty() => Some(Notes::create(&notes)?),
                _ => None,
            };
            let link = parent(table).and_then(|(_, column)| target.schema.index_of(column).ok());
            let mut report = |rows: u64| {
                done += rows;
                progress(Progress {
                    table: (*table).into(),
                    done,
                    total,
                });
            };
            let mut hooks = Hooks {
                overflow: &mut overflow,
                progress: &mut report,
            };
            let parents = parents.as_mut().zip(link);
            let files = rewrite(
                &target,
                &old,
                stage.into_sorted()?,
                parents,
                notes.as_mut(),
                &mut hooks,
            )?;
            tables.extend(files.map(|files| (*table, files)));
            if let (Some(notes), Some(child)) = (notes, child(table)) {
                replaced.insert(child, notes.into_replaced()?);
            }
        }
        for (table, files) in &tables {
            in_order(table, files)?;
        }
        Ok(Written {
            tables,
            identity: self.identity.finish()?,
            quarantine: self.quarantine.finish()?,
        })
    }

    /// Logs and publishes what was written.
    async fn publish(mut self, mut written: Written) -> Result<Committed> {
        let same =
            written.tables.is_empty() && written.identity.is_none() && written.quarantine.is_none();
        if let (true, Some(base)) = (same, &self.base) {
            return Ok(committed(base, false));
        }
        let mut tables = BTreeMap::new();
        for table in TABLES {
            let now = self
                .lake
                .catalog()
                .table(table)
                .map_or(u64::MAX, |facts| facts.max_rows_per_person);
            let old = self.base.as_ref().and_then(|base| base.tables.get(*table));
            // Files that stay were written under the cap of their own time.
            let (files, max_rows_per_person) = match (written.tables.remove(table), old) {
                // Stretches that no new row touches are not rewritten, so the larger cap holds.
                (Some(files), Some(old)) => (files, now.max(old.max_rows_per_person)),
                (Some(files), None) => (files, now),
                (None, Some(old)) => (old.files.clone(), old.max_rows_per_person),
                (None, None) => (Vec::new(), now),
            };
            let schema =
                schema(table).ok_or_else(|| Error::Usage(format!("there is no table {table}")))?;
            let dir = self.lake.places().lake.join(table);
            let version = delta::publish(&dir, table, &schema, &files).await?;
            let rows = files.iter().map(|file| file.rows).sum();
            tables.insert(
                (*table).to_string(),
                TableVersion {
                    version,
                    rows,
                    max_rows_per_person,
                    files,
                },
            );
        }
        let old = self.base.take();
        let snapshot = Snapshot {
            number: old.as_ref().map_or(0, |old| old.number) + 1,
            tables,
            identity: written
                .identity
                .or_else(|| old.as_ref().map(|old| old.identity.clone()))
                .unwrap_or_default(),
            quarantine: written
                .quarantine
                .or_else(|| old.map(|old| old.quarantine))
                .unwrap_or_default(),
        };
        // From here on the files may be named by a snapshot on disk, even if the next call reports an error.
        self.published = true;
        self.identity.keep();
        self.quarantine.keep();
        snapshot::publish(&self.lake.places().snapshots, &snapshot)?;
        Ok(committed(&snapshot, true))
    }
}

fn committed(snapshot: &Snapshot, changed: bool) -> Committed {
    Committed {
        snapshot: snapshot.number,
        changed,
        tables: snapshot
            .tables
            .iter()
            .map(|(table, version)| (table.clone(), version.rows))
            .collect(),
        quarantined: quarantine::counts(&snapshot.quarantine),
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // Writers stop before their files go.
        self.tables.clear();
        let places = self.lake.places();
        let _ = std::fs::remove_dir_all(places.staging.join(&self.token));
        if self.published {
            return;
        }
        for table in TABLES {
            let Ok(entries) = std::fs::read_dir(places.lake.join(table)) else {
                continue;
            };
            for entry in entries.flatten() {
                if entry.file_name().to_string_lossy().starts_with(&self.token) {
                    let _ = std::fs::remove_file(entry.path());
                }
            }
        }
    }
}
