//! The whole way of an export into the lake.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use salus_lake::{Lake, Transaction, Withheld};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::census::Census;
use crate::chunk::Chunk;
use crate::consent::{Consents, Decision, consent};
use crate::deletion::{Deleted, deletions};
use crate::error::IngestError;
use crate::files::{Export, ExportFile};
use crate::key::Keys;
use crate::lines::{Gone, Ids, LineWorker, Pass, Shared, Tally, quarantine};
use crate::measure::CatalogUnits;
use crate::notary::note;
use crate::options::{Options, Progress, Summary, TableSummary};
use crate::reason::{Reason, Rejection};
use crate::references::{Identifiers, Medications};
use crate::resource::{WITH_TABLE, kind_and_id};
use crate::turn::Turns;
use crate::views::Views;
use crate::waiting::Waiting;
use crate::workers::{Worker, feed_files, run};

/// Reads the export in `dir` into `lake`: one new snapshot at the end, or nothing. Dropping the
/// future gives the ingest up and leaves the lake as it was.
///
/// Needs a tokio runtime; the reading itself runs on threads of its own.
///
/// # Errors
/// See [`IngestError`]; the lake is as it was before.
pub async fn ingest_directory(
    lake: &Lake,
    dir: &Path,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Summary, IngestError> {
    ingest(lake, Export::list(dir)?, options, progress).await
}

/// As [`ingest_directory`], for an export that lies in several directories: one new snapshot at the end, or nothing. That there
/// is no file at all is no error: nothing may have changed since the last export.
///
/// # Errors
/// See [`IngestError`]; the lake is as it was before.
pub async fn ingest_directories(
    lake: &Lake,
    dirs: &[PathBuf],
    options: &Options,
    progress: &dyn Progress,
) -> Result<Summary, IngestError> {
    ingest(lake, Export::list_all(dirs)?, options, progress).await
}

async fn ingest(
    lake: &Lake,
    export: Export,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Summary, IngestError> {
    let start = Instant::now();
    let transaction = lake.begin()?;
    let withheld = transaction.all_withheld();
    // Every file is read twice.
    progress.started(export.bytes() * 2);

    let (sender, mut advances) = unbounded_channel();
    let units = CatalogUnits::of(lake.catalog());
    let (listed, chosen, reader) = (export.clone(), options.clone(), lake.clone());
    let reading = tokio::task::spawn_blocking(move || {
        let views = Views::open(&reader, &transaction)?;
        let job = Job {
            export: &listed,
            units: &units,
            options: &chosen,
            views: &views,
            advances: sender,
        };
        for map in &chosen.code_map.files {
            transaction.note_code_map(map);
        }
        job.read(&transaction, None)
            .map(|found| (found, transaction))
    });
    while let Some((bytes, file)) = advances.recv().await {
        progress.advanced(bytes, &export.files[file].name);
    }
    let read = reading
        .await
        .map_err(|_| IngestError::Bug("the reader panicked".into()))?;
    let (found, transaction) = read?;

    note(options, &withheld, &transaction).await?;
    let told = |step: salus_lake::Progress| progress.committing(&step.table, step.done, step.total);
    let committed = transaction.commit(&told).await?;
    progress.finished();
    Ok(summary(
        &export,
        &found,
        (committed.snapshot, committed.changed),
        committed.outdated,
        start,
    ))
}

/// Parses every line of the export in `dir` the way an ingest does and drops the result: the
/// floor that the speed of an ingest is measured against. Answers lines and bytes of NDJSON.
///
/// # Errors
/// When the export cannot be read.
pub fn parse_only(dir: &Path, options: &Options) -> Result<(u64, u64), IngestError> {
    let export = Export::list(dir)?;
    let mut workers: Vec<_> = (0..options.workers()).map(|_| Dropped::default()).collect();
    run(&mut workers, |feed| {
        feed_files(&export, options.longest_line, |_| true, |_, _| Ok(()), feed)
    })?;
    let sum =
        |(lines, bytes): (u64, u64), worker: &Dropped| (lines + worker.lines, bytes + worker.bytes);
    Ok(workers.iter().fold((0, 0), sum))
}

#[derive(Debug, Default)]
struct Dropped {
    lines: u64,
    bytes: u64,
}

impl Worker for Dropped {
    fn work(&mut self, chunk: &Chunk) -> Result<(), IngestError> {
        self.bytes += chunk.bytes.len() as u64;
        for (_, bytes) in chunk.lines() {
            self.lines += 1;
            std::hint::black_box(crate::resource::Line::parse(bytes).is_ok());
        }
        Ok(())
    }
}

/// The first look: counts ids for the census, and notes what is deleted and who decides about consent.
#[derive(Debug)]
struct Looking<'j> {
    census: &'j Census,
    deleted: &'j Deleted,
    consents: &'j Consents,
    views: &'j Views,
    /// Whether what is deleted and decided is still to be done.
    news: bool,
}

impl Worker for Looking<'_> {
    fn work(&mut self, chunk: &Chunk) -> Result<(), IngestError> {
        for (origin, bytes) in chunk.lines() {
            let Some((kind, id)) = kind_and_id(bytes) else {
                continue;
            };
            match (kind.as_ref(), id) {
                ("Bundle" | "Consent", _) if !self.news => {}
                ("Bundle", _) => self.deleted.note(deletions(bytes).unwrap_or_default()),
                ("Consent", _) => {
                    if let Some(consent) = consent(bytes) {
                        self.consents.note(origin, consent);
                    }
                }
                (kind, Some(id))
                    if WITH_TABLE.iter().any(|(with_table, _)| *with_table == kind)
                        || self.views.take(kind) =>
                {
                    self.census.note(kind, &id);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

pub(crate) struct Job<'j> {
    pub(crate) export: &'j Export,
    pub(crate) units: &'j CatalogUnits,
    pub(crate) options: &'j Options,
    pub(crate) views: &'j Views,
    /// Bytes, and the index of the file.
    pub(crate) advances: UnboundedSender<(u64, usize)>,
}

/// What a reading found beside the fate of lines.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) tally: Tally,
    /// Resources that are deleted, by type.
    pub(crate) deleted: BTreeMap<String, u64>,
    /// Persons whom a consent keeps out.
    pub(crate) denied: u64,
}

impl Found {
    pub(crate) fn add(&mut self, other: Self) {
        self.tally.add(other.tally);
        for (kind, count) in other.deleted {
            *self.deleted.entry(kind).or_default() += count;
        }
        self.denied += other.denied;
    }
}

impl Job<'_> {
    /// Reads everything into `transaction`. Lines that were read before come with the ids that the lake has newer, by type:
    /// what they delete and whether they consent was decided then, and is not decided again.
    pub(crate) fn read(
        &self,
        transaction: &Transaction,
        read_before: Option<Ids>,
    ) -> Result<Found, IngestError> {
        let census = Census::for_lines(self.export.estimated_lines());
        let (deleted, consents) = (Deleted::default(), Consents::default());
        let look = || {
            Ok(Looking {
                census: &census,
                deleted: &deleted,
                consents: &consents,
                views: self.views,
                news: read_before.is_none(),
            })
        };
        self.pass_over(&mut self.crew(look)?, |_| true, true)?;
        let mut found = Found::default();
        let mut gone = Gone {
            deleted: deleted.into_names(),
            superseded: read_before.unwrap_or_default(),
            ..Gone::default()
        };
        self.take_out(transaction, &gone)?;
        for (kind, ids) in &gone.deleted {
            found.deleted.insert(kind.to_string(), ids.len() as u64);
        }
        for (patient, decision, at) in consents.into_decisions() {
            let person = transaction
                .identity()
                .resolve_or_assign(&self.options.source, &patient)?;
            match decision {
                Decision::Deny => {
                    found.denied += 1;
                    transaction.withhold(person, Withheld::Consent { since: at });
                }
                Decision::Permit => transaction.readmit(person, at),
            }
        }
        gone.withheld = transaction.all_withheld();
        found.tally = self.read_lines(transaction, &census, &gone)?;
        Ok(found)
    }

    /// Takes out of the lake what the export deletes.
    fn take_out(&self, transaction: &Transaction, gone: &Gone) -> Result<(), IngestError> {
        let keys = Keys::new(&self.options.source);
        for (kind, ids) in &gone.deleted {
            if **kind == *"Patient" {
                let identity = transaction.identity();
                let persons = ids
                    .iter()
                    .filter_map(|id| identity.lookup(&self.options.source, id));
                persons.for_each(|person| transaction.remove_person(person));
                continue;
            }
            let tables = WITH_TABLE.iter().filter(|(known, _)| **known == **kind);
            for table in tables
                .map(|(_, table)| *table)
                .chain(self.views.tables_of(kind))
            {
                transaction.remove(table, ids.iter().map(|id| keys.row(kind, id)))?;
            }
        }
        Ok(())
    }

    fn read_lines(
        &self,
        transaction: &Transaction,
        census: &Census,
        gone: &Gone,
    ) -> Result<Tally, IngestError> {
        let mut identifiers = Identifiers::default();
        let medications = Medications::default();
        let mut waiting = Waiting::new(self.options.spool.as_deref())?;
        let patients: Vec<_> = self
            .export
            .files
            .iter()
            .map(|_| AtomicBool::new(false))
            .collect();
        let mut tally = Tally::default();
        {
            let shared = Shared {
                transaction,
                export: self.export,
                source: &self.options.source,
                identifiers: &identifiers,
                medications: &medications,
                gone,
                units: self.units,
                map: &self.options.code_map,
                views: self.views,
                pass: Pass::First {
                    census,
                    waiting: &waiting,
                    turns: Turns::default(),
                    patients: &patients,
                },
            };
            let mut workers = self.crew(|| LineWorker::new(&shared))?;
            self.pass_over(&mut workers, |_| true, true)?;
            for worker in workers {
                tally.add(worker.tally);
            }
        }

        if identifiers.any_wanted() {
            let mut searches = self.crew(|| Ok(identifiers.search()))?;
            let holds_patients = |file: u32| {
                let flag = usize::try_from(file)
                    .ok()
                    .and_then(|file| patients.get(file));
                flag.is_some_and(|flag| flag.load(Ordering::Relaxed))
            };
            self.pass_over(&mut searches, holds_patients, false)?;
            for search in searches {
                identifiers.learn(search);
            }
        }

        let shared = Shared {
            transaction,
            export: self.export,
            source: &self.options.source,
            identifiers: &identifiers,
            medications: &medications,
            gone,
            units: self.units,
            map: &self.options.code_map,
            views: self.views,
            pass: Pass::Last,
        };
        let lost = Rejection::new(Reason::Superseded, "a later version is in the same export");
        waiting.settle_versions(|origin, bytes| {
            quarantine(&shared, &mut tally, origin, bytes, &lost)
        })?;
        let mut rest = waiting.into_rest();
        if rest.lines() > 0 {
            let mut workers = self.crew(|| LineWorker::new(&shared))?;
            run(&mut workers, |feed| {
                rest.read(|chunk| self.go_on().and_then(|()| feed.push(chunk)))
            })?;
            for worker in workers {
                tally.add(worker.tally);
            }
        }
        Ok(tally)
    }

    fn crew<W>(&self, worker: impl Fn() -> Result<W, IngestError>) -> Result<Vec<W>, IngestError> {
        (0..self.options.workers()).map(|_| worker()).collect()
    }

    fn pass_over<W: Worker>(
        &self,
        workers: &mut [W],
        wanted: impl Fn(u32) -> bool,
        tell: bool,
    ) -> Result<(), IngestError> {
        let progress = |bytes: u64, file: &ExportFile| {
            if !tell {
                return self.go_on();
            }
            let index = self
                .export
                .files
                .iter()
                .position(|other| other.name == file.name);
            let sent = self.advances.send((bytes, index.unwrap_or_default()));
            sent.map_err(|_| IngestError::Cancelled)
        };
        run(workers, |feed| {
            feed_files(
                self.export,
                self.options.longest_line,
                wanted,
                progress,
                feed,
            )
        })
    }

    /// Whether anybody still waits for this ingest.
    fn go_on(&self) -> Result<(), IngestError> {
        if self.advances.is_closed() {
            return Err(IngestError::Cancelled);
        }
        Ok(())
    }
}

pub(crate) fn summary(
    export: &Export,
    found: &Found,
    (snapshot, changed): (u64, bool),
    outdated: BTreeMap<String, u64>,
    start: Instant,
) -> Summary {
    fn of<K: Ord + std::borrow::Borrow<str>>(counts: &BTreeMap<K, u64>, table: &str) -> u64 {
        counts.get(table).copied().unwrap_or_default()
    }
    let tally = &found.tally;
    let tables = WITH_TABLE.iter().map(|(_, table)| {
        let summary = TableSummary {
            rows: of(&tally.rows, table).saturating_sub(of(&outdated, table)),
            components: (*table == "observation").then_some(tally.components),
        };
        ((*table).to_owned(), summary)
    });
    Summary {
        snapshot,
        changed,
        tables: tables.collect(),
        outdated,
        views: tally.views.clone(),
        viewed: tally.viewed,
        quarantined: tally.quarantined.clone(),
        deletions: tally.deletions,
        deleted: found.deleted.clone(),
        denied: found.denied,
        expunged: tally.expunged,
        units: tally
            .units
            .iter()
            .map(|(what, values)| ((*what).to_owned(), *values))
            .collect(),
        mapped: tally.mapped,
        lines: tally.lines,
        files: export.files.len() as u64,
        ignored: export.ignored.clone(),
        bytes: export.bytes(),
        elapsed: start.elapsed(),
    }
}
