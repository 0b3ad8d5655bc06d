//! The work of a commit: what is written, in which order, and what becomes of it when it fails.
//!
//! The order is what makes a crash harmless: data files, then identity and quarantine files, each durable with its name, and
//! then the snapshot. In a directory it is renamed into place while the lock of the home is held; in a bucket it is created
//! where there is none (decision 0024), so of two writers who began from the same snapshot one commits. Until then nothing
//! refers to the new files. The Delta logs follow at last; where they could not, the next commit brings them up to date.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::sync::{Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::json::LineDelimitedWriter;

use crate::delta;
use crate::direct::DirectTable;
use crate::error::{Doing as _, Error, Result};
use crate::identity::IdentityIndex;
use crate::lake::Lake;
use crate::linkage::Linkage;
use crate::links::{self, LinkTable};
use crate::merge::Batches;
use crate::quarantine::{self, Quarantine, QuarantineFile, Quarantined};
use crate::relink::Members;
use crate::removed::{Moved, Removed, locate, moved};
use crate::replaced::ParentNotes;
use crate::rewrite::{Hooks, Target, in_order, read_keys, rewrite};
use crate::schema::{child, key_columns, parent};
use crate::snapshot::{self, FileRef, IdentityVersion, SideFile, Snapshot, TableVersion};
use crate::sorted::Sorted;
use crate::stage::{Runs, Stage};
use crate::transaction::{Committed, Progress};
use crate::versions::VERSION;
use crate::withheld::WithheldList;

/// Reason of rows above the cap of their person.
/// Why rows above the cap of their person are in quarantine; such a line is a row, and names nobody but by `person_id` and `member_id`.
pub const ROW_CAP: &str = "person_row_cap";

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
    /// Hashes of the code maps that rows were read with.
    pub(crate) code_maps: Mutex<BTreeSet<String>>,
    /// Whether rows carry the number that they came under: persons are linked, or are about to be.
    pub(crate) linked: bool,
    pub(crate) tables: BTreeMap<String, Intake>,
    /// The new files belong to a snapshot and stay.
    pub(crate) published: bool,
    /// Last: given back when everything else is gone.
    pub(crate) _lock: File,
}

/// What the transaction takes out.
#[derive(Debug, Default)]
pub(crate) struct Going {
    /// Row ids by table.
    pub(crate) rows: BTreeMap<String, HashSet<i64>>,
    /// Persons with everything about them.
    pub(crate) persons: BTreeSet<i64>,
    /// Numbers of linked persons, with everything that came under them.
    pub(crate) members: BTreeSet<i64>,
    /// Numbers whose person changes: the rows under the old one go.
    pub(crate) moved: BTreeSet<i64>,
    /// Persons whose row of `patient` goes.
    pub(crate) patients: BTreeSet<i64>,
}

/// Where the rows of one table go.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) target: Target,
    pub(crate) stage: Stage,
    /// Whether the table has rows already.
    pub(crate) has_rows: bool,
    /// Whether it has, or somebody is kept out, persons are linked, or a view fills it, so that even sorted rows must be merged.
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
    tables: BTreeMap<String, Vec<FileRef>>,
    /// Staged resources that were older than what exists, by table.
    outdated: BTreeMap<String, u64>,
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

    fn old(&self, table: &str) -> Option<&TableVersion> {
        self.lake.version(self.base.as_ref()?, table)
    }

    pub(crate) fn old_files(&self, table: &str) -> Vec<FileRef> {
        self.old(table)
            .map(|version| version.files.clone())
            .unwrap_or_default()
    }

    /// Puts rows above the cap of their person into quarantine, one JSON object each.
    pub(crate) fn cap(&self, target: &Target, rows: &RecordBatch) -> Result<()> {
        let mut rows = rows.clone();
        if let Ok(version) = rows.schema().index_of(VERSION) {
            // The same row at another date is the same line.
            rows.remove_column(version);
        }
        let mut json = LineDelimitedWriter::new(Vec::new());
        json.write(&rows)
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
        let mut of_parents: BTreeMap<&str, ParentNotes> = BTreeMap::new();
        let mut outdated = BTreeMap::new();
        let mut going =
            std::mem::take(&mut *self.going.lock().unwrap_or_else(PoisonError::into_inner));
        let members = self.relink(&mut going)?;
        // Whoever denies under one number is kept out under all.
        let (listed, before) = self.withheld.persons();
        let withheld = persons_of(&listed, &self.links.now());
        let before = persons_of(&before, &self.links.before);
        let newly = withheld.difference(&before);
        let persons: BTreeSet<i64> = going.persons.iter().chain(newly).copied().collect();
        let lake = self.lake.clone();
        for table in lake.tables() {
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
                tables.insert(table.to_owned(), sorted.finish(&mut overflow)?);
                continue;
            }
            let link = parent(table).and_then(|(_, column)| target.schema.index_of(column).ok());
            let parents = of_parents.remove(table).zip(link);
            let mut parents = parents
                .map(|(notes, link)| notes.into_parents(link))
                .transpose()?;
            let staged = stage.into_runs()?;
            let rows = match going.rows.get(table) {
                Some(ids) => locate(table, keys_of(&target, &old), ids)?,
                None => Vec::new(),
            };
            let parted = self.gone_rows(&target, &old, &(&going.members | &going.moved))?;
            let moved = moved_rows(&target, &staged, &old)?;
            let rows = [rows, parted, moved.from].concat();
            let mut removed = match key_columns(table) {
                1 => Removed::new(&(&persons | &going.patients), &withheld, rows),
                _ => Removed::new(&persons, &withheld, rows),
            };
            removed.leave_out(moved.outdated);
            if staged.is_empty() && parents.is_none() && removed.next_person().is_none() {
                continue;
            }
            let place = self.lake.places().staging.join(&self.token).join(table);
            let mut notes = match child(table) {
                Some(_) if !old.is_empty() => Some(ParentNotes::create(&place)?),
                _ => None,
            };
            let mut report = |rows: u64| {
                done += rows;
                progress(Progress {
                    table: table.into(),
                    done,
                    total,
                });
            };
            let mut hooks = Hooks {
                overflow: &mut overflow,
                progress: &mut report,
                outdated: 0,
            };
            let files = rewrite(
                &target,
                &old,
                staged.rows()?,
                parents.as_mut(),
                notes.as_mut(),
                &mut removed,
                &mut hooks,
            )?;
            // Children are counted with their parents.
            if hooks.outdated > 0 && parent(table).is_none() {
                outdated.insert(table.to_owned(), hooks.outdated);
            }
            tables.extend(files.map(|files| (table.to_owned(), files)));
            if let (Some(notes), Some(child)) = (notes, child(table)) {
                of_parents.insert(child, notes);
            }
        }
        for (table, files) in &tables {
            in_order(table, files)?;
        }
        Ok(Written {
            tables,
            outdated,
            identity: self.identity.finish()?,
            withheld: self.withheld.finish()?,
            direct: self.direct.finish()?,
            links: self.links.finish()?,
            members,
            quarantine: self.quarantine.finish()?,
        })
    }

    /// Whether there is still no newer snapshot than the one that this began from. It may be overtaken later: the publishing
    /// of its snapshot decides. This spares the work.
    pub(crate) fn not_overtaken(&self) -> Result<()> {
        let base = self.base.as_ref().map_or(0, |base| base.number);
        match snapshot::numbers(&self.lake.places().snapshots)?.pop() {
            Some(newest) if newest > base => Err(Error::Overtaken),
            _ => Ok(()),
        }
    }

    /// Whether the last snapshot has the tables that the catalog declares, each of the same view.
    fn has_same_tables(&self) -> bool {
        let Some(base) = &self.base else {
            return false;
        };
        let before: BTreeSet<Named<'_>> = base
            .tables
            .iter()
            .map(|(table, version)| (table.as_str(), version.view.as_deref()))
            .collect();
        let view = |table| self.lake.view(table).map(|view| view.sha256.as_str());
        let now = self.lake.tables().map(|table| (table, view(table)));
        before == now.collect()
    }

    /// Makes what was written the newest snapshot, and the Delta logs follow.
    pub(crate) async fn publish(mut self, mut written: Written) -> Result<Committed> {
        let same = written.tables.is_empty()
            && self.has_same_tables()
            && written.identity.is_none()
            && written.withheld.is_none()
            && written.direct.is_none()
            && written.links.is_none()
            && matches!(written.members, Members::Same)
            && written.quarantine.is_none();
        if let (true, Some(base)) = (same, &self.base) {
            // Whoever committed it may have died before the logs were written.
            let log_behind = delta::follow(&self.lake).await.is_err();
            return Ok(committed(base, false, log_behind, written.outdated));
        }
        let mut tables = BTreeMap::new();
        let lake = self.lake.clone();
        for table in lake.tables() {
            let now = self
                .lake
                .catalog()
                .table(table)
                .map_or(u64::MAX, |facts| facts.max_rows_per_person);
            let old = self.old(table);
            // Files that stay were written under the cap of their own time.
            let (files, max_rows_per_person) = match (written.tables.remove(table), old) {
                // Stretches that no new row touches are not rewritten, so the larger cap holds.
                (Some(files), Some(old)) => (files, now.max(old.max_rows_per_person)),
                (Some(files), None) => (files, now),
                (None, Some(old)) => (old.files.clone(), old.max_rows_per_person),
                (None, None) => (Vec::new(), now),
            };
            let rows = files.iter().map(|file| file.rows).sum();
            tables.insert(
                table.to_owned(),
                TableVersion {
                    rows,
                    view: lake.view(table).map(|view| view.sha256.clone()),
                    types: lake.view_types(table),
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
        let mut code_maps = old
            .as_ref()
            .map(|old| old.code_maps.clone())
            .unwrap_or_default();
        code_maps.append(
            &mut self
                .code_maps
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let snapshot = Snapshot {
            number: old.as_ref().map_or(0, |old| old.number) + 1,
            tables,
            identity,
            quarantine: written
                .quarantine
                .or_else(|| old.as_ref().map(|old| old.quarantine.clone()))
                .unwrap_or_default(),
            code_maps,
        };
        lake.mark_next(old.as_ref(), &snapshot)?;
        match snapshot::publish(&self.lake.places().snapshots, &snapshot) {
            // The number is another's for ever: no snapshot can name these files any more.
            Err(Error::Overtaken) => return Err(Error::Overtaken),
            outcome => {
                // They are named by a snapshot now, or may be, even if an error was reported.
                self.published = true;
                self.identity.keep();
                self.withheld.keep();
                self.direct.keep();
                self.links.keep();
                self.quarantine.keep();
                outcome?;
            }
        }
        let log_behind = delta::follow(&self.lake).await.is_err();
        Ok(committed(&snapshot, true, log_behind, written.outdated))
    }
}

pub(crate) fn persons_of(numbers: &BTreeSet<i64>, links: &Linkage) -> BTreeSet<i64> {
    numbers.iter().map(|number| links.person(*number)).collect()
}

/// A table's name, and the definition of the view that fills it.
type Named<'n> = (&'n str, Option<&'n str>);

fn keys_of(target: &Target, files: &[FileRef]) -> Batches {
    read_keys(&target.table, &target.folder, &target.vault, files)
}

/// Resources that are staged under another person than they exist under.
fn moved_rows(target: &Target, staged: &Runs, old: &[FileRef]) -> Result<Moved> {
    let table = target.table.as_str();
    // A child row has the number of its parent in its id and goes with it.
    if staged.is_empty() || old.is_empty() || key_columns(table) == 1 || parent(table).is_some() {
        return Ok(Moved::default());
    }
    moved(table, staged.keys()?, &|| keys_of(target, old))
}

fn committed(
    snapshot: &Snapshot,
    changed: bool,
    log_behind: bool,
    outdated: BTreeMap<String, u64>,
) -> Committed {
    Committed {
        snapshot: snapshot.number,
        changed,
        log_behind,
        outdated,
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
        let _ = std::fs::remove_dir_all(&places.spool);
        if self.published {
            return;
        }
        places
            .identity
            .abandon(&format!("{}.members.parquet", self.token));
        for folder in self.lake.tables().map(|table| self.lake.folder(table)) {
            // A store that is gone is not to be waited for at every table; a later vacuum has these files.
            let Ok(listed) = folder.list() else {
                break;
            };
            let listed = listed.into_iter();
            let ours = listed.filter(|(name, _)| name.starts_with(&self.token));
            let _ = folder.remove(&ours.map(|(name, _)| name).collect::<Vec<_>>());
        }
    }
}
