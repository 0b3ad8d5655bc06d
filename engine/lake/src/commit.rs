//! The work of a commit: what is written, in which order, and what becomes of it when it fails.
//!
//! The order is what makes a crash harmless: data files, then identity and quarantine files, each synced with its directory,
//! then the Delta logs, and last the snapshot, renamed into place. Until the rename nothing refers to the new files but Delta
//! versions that no snapshot names; the next commit removes their files from the log again, because it derives the state of
//! a table from the last snapshot.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::sync::{Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::json::LineDelimitedWriter;

use crate::delta;
use crate::direct::DirectTable;
use crate::error::{Doing as _, Error, Result};
use crate::identity::IdentityIndex;
use crate::keys::Key;
use crate::lake::Lake;
use crate::linkage::Linkage;
use crate::links::{self, LinkTable};
use crate::merge::Batches;
use crate::quarantine::{self, Quarantine, QuarantineFile, Quarantined};
use crate::relink::Members;
use crate::removed::{Removed, locate, moved};
use crate::replaced::{Notes, Replaced};
use crate::rewrite::{Hooks, Target, in_order, read_keys, rewrite};
use crate::schema::{TABLES, child, parent, row_key, schema};
use crate::snapshot::{self, FileRef, IdentityVersion, SideFile, Snapshot, TableVersion};
use crate::sorted::Sorted;
use crate::stage::{Runs, Stage};
use crate::transaction::{Committed, Progress};
use crate::withheld::WithheldList;

/// Reason of rows above the cap of their person.
const ROW_CAP: &str = "person_row_cap";

/// Everything a transaction holds.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) lake: Lake,
    pub(crate) token: String,
    pub(crate) base: Option<Snapshot>,
    pub(crate) identity: IdentityIndex,
    pub(crate) quarantine: Quarantine,
    pub(crate) withheld: WithheldList,
    pub(crate) direct: DirectTable,
    pub(crate) links: LinkTable,
    /// Rows of `patient` about persons who are linked.
    pub(crate) aside: Mutex<Vec<RecordBatch>>,
    pub(crate) going: Mutex<Going>,
    pub(crate) tables: BTreeMap<&'static str, Intake>,
    /// The new files belong to a snapshot and stay.
    pub(crate) published: bool,
    /// Last: given back when everything else is gone.
    pub(crate) _lock: File,
}

/// What the transaction takes out.
#[derive(Debug, Default)]
pub(crate) struct Going {
    /// Row ids by table.
    pub(crate) rows: BTreeMap<&'static str, HashSet<i64>>,
    /// Persons with everything about them.
    pub(crate) persons: BTreeSet<i64>,
    /// Numbers of linked persons, with everything that came under them.
    pub(crate) members: BTreeSet<i64>,
    /// Persons whose row of `patient` goes.
    pub(crate) patients: BTreeSet<i64>,
}

/// Where the rows of one table go.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) target: Target,
    pub(crate) stage: Stage,
    /// Whether the table has rows already, or somebody is kept out, so that even sorted rows must be merged.
    pub(crate) merged: bool,
    pub(crate) mode: Mutex<Mode>,
}

#[derive(Debug)]
pub(crate) enum Mode {
    Empty,
    Unsorted,
    Sorted(Box<Sorted>),
}

/// What the blocking part of a commit made.
pub(crate) struct Written {
    /// New file lists; none for tables that stay as they are.
    tables: BTreeMap<&'static str, Vec<FileRef>>,
    identity: Option<IdentityVersion>,
    withheld: Option<SideFile>,
    direct: Option<Vec<SideFile>>,
    links: Option<links::Changed>,
    members: Members,
    quarantine: Option<Vec<QuarantineFile>>,
}

impl Work {
    pub(crate) fn intake(&self, table: &str) -> Result<&Intake> {
        self.tables
            .get(table)
            .ok_or_else(|| Error::Usage(format!("there is no table {table}")))
    }

    pub(crate) fn old_files(&self, table: &str) -> Vec<FileRef> {
        let old = self.base.as_ref().and_then(|base| base.tables.get(table));
        old.map(|version| version.files.clone()).unwrap_or_default()
    }

    /// Puts rows above the cap of their person into quarantine, one JSON object each.
    pub(crate) fn cap(&self, target: &Target, rows: &RecordBatch) -> Result<()> {
        let mut json = LineDelimitedWriter::new(Vec::new());
        json.write(rows)
            .and_then(|()| json.finish())
            .doing("render rows as JSON")?;
        for line in json
            .into_inner()
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            self.quarantine.push(Quarantined {
                source: String::new(),
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
    pub(crate) fn write(&mut self, progress: &dyn Fn(Progress)) -> Result<Written> {
        let total = self.tables.values().map(|intake| intake.stage.rows()).sum();
        let mut done = 0;
        let mut tables = BTreeMap::new();
        let mut replaced: BTreeMap<&str, Replaced> = BTreeMap::new();
        let mut going =
            std::mem::take(&mut *self.going.lock().unwrap_or_else(PoisonError::into_inner));
        let members = self.relink(&mut going)?;
        // Whoever denies under one number is kept out under all.
        let (listed, before) = self.withheld.persons();
        let withheld = persons_of(&listed, &self.links.now());
        let before = persons_of(&before, &self.links.before);
        let newly = withheld.difference(&before);
        let persons: BTreeSet<i64> = going.persons.iter().chain(newly).copied().collect();
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
            let staged = stage.into_runs()?;
            let rows = match going.rows.get(table) {
                Some(ids) => locate(table, keys_of(&target, &old), ids)?,
                None => Vec::new(),
            };
            let parted = self.gone_rows(&target, &old, &going.members)?;
            let rows = [rows, parted, moved_rows(&target, &staged, &old)?].concat();
            let mut removed = match row_key(table) {
                None => Removed::new(&(&persons | &going.patients), &withheld, rows),
                Some(_) => Removed::new(&persons, &withheld, rows),
            };
            if staged.is_empty() && parents.is_none() && removed.next_person().is_none() {
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
                staged.rows()?,
                parents,
                notes.as_mut(),
                &mut removed,
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
            withheld: self.withheld.finish()?,
            direct: self.direct.finish()?,
            links: self.links.finish()?,
            members,
            quarantine: self.quarantine.finish()?,
        })
    }

    /// Logs and publishes what was written.
    pub(crate) async fn publish(mut self, mut written: Written) -> Result<Committed> {
        let same = written.tables.is_empty()
            && written.identity.is_none()
            && written.withheld.is_none()
            && written.direct.is_none()
            && written.links.is_none()
            && matches!(written.members, Members::Same)
            && written.quarantine.is_none();
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
        let mut identity = written
            .identity
            .or_else(|| old.as_ref().map(|old| old.identity.clone()))
            .unwrap_or_default();
        identity.withheld = written.withheld.or(identity.withheld);
        if let Some((links, events)) = written.links {
            (identity.links, identity.events) = (Some(links), events);
        }
        if let Members::Now(members) = written.members {
            identity.members = members;
        }
        identity.direct = written.direct.unwrap_or(identity.direct);
        let snapshot = Snapshot {
            number: old.as_ref().map_or(0, |old| old.number) + 1,
            tables,
            identity,
            quarantine: written
                .quarantine
                .or_else(|| old.map(|old| old.quarantine))
                .unwrap_or_default(),
        };
        // From here on the files may be named by a snapshot on disk, even if the next call reports an error.
        self.published = true;
        self.identity.keep();
        self.withheld.keep();
        self.direct.keep();
        self.links.keep();
        self.quarantine.keep();
        snapshot::publish(&self.lake.places().snapshots, &snapshot)?;
        Ok(committed(&snapshot, true))
    }
}

fn persons_of(numbers: &BTreeSet<i64>, links: &Linkage) -> BTreeSet<i64> {
    numbers.iter().map(|number| links.person(*number)).collect()
}

fn keys_of(target: &Target, files: &[FileRef]) -> Batches {
    read_keys(&target.table, &target.dir, &target.vault, files)
}

/// Existing rows whose resource is staged under another person.
fn moved_rows(target: &Target, staged: &Runs, old: &[FileRef]) -> Result<Vec<Key>> {
    let table = target.table.as_str();
    // A child row has the number of its parent in its id and goes with it.
    if staged.is_empty() || old.is_empty() || row_key(table).is_none() || parent(table).is_some() {
        return Ok(Vec::new());
    }
    moved(table, staged.keys()?, &|| keys_of(target, old))
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
        let members = format!("{}.members.parquet", self.token);
        let _ = std::fs::remove_file(places.identity.join(members));
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
