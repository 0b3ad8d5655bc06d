//! Lines that wait in quarantine: ingested again after what kept them there was mended, or dropped for good.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::sync::Arc;
use std::time::Instant;

use salus_lake::{Lake, Quarantined, ROW_CAP, Scratch, ScratchWriter, Transaction, Withheld};
use tokio::sync::mpsc::unbounded_channel;

use crate::error::IngestError;
use crate::files::{Content, Export, ExportFile};
use crate::ingest::{Found, Job, summary};
use crate::json::Cursor;
use crate::key::Keys;
use crate::lines::Ids;
use crate::measure::CatalogUnits;
use crate::notary::note;
use crate::options::{Options, Progress, Summary};
use crate::reference::{Reference, Target};
use crate::resource::{WITH_TABLE, kind_and_id};
use crate::views::Views;

/// Reasons for which a line stays where it is: rows that the lake itself put aside, and versions that are over.
const FINAL: [&str; 4] = [ROW_CAP, "superseded", "deleted", "deleted_subject"];

/// Ingests again the lines in quarantine that `pick` chooses: those that can be used now become rows, the others go back.
/// One new snapshot, or nothing when no line could be used. The source of `options` is not looked at: each line has its own.
/// A line whose resource came again since stays out: what is in the lake is newer.
///
/// # Errors
/// As [`crate::ingest_directory`].
pub async fn retry_quarantine(
    lake: &Lake,
    pick: impl Fn(&Quarantined) -> bool + Send + Sync + 'static,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Summary, IngestError> {
    let start = Instant::now();
    let transaction = lake.begin()?;
    let withheld = transaction.all_withheld();
    let (reader, chosen) = (lake.clone(), options.clone());
    let units = CatalogUnits::of(lake.catalog());
    let retried = tokio::task::spawn_blocking(move || {
        let pick = |line: &Quarantined| !FINAL.contains(&line.reason_code.as_str()) && pick(line);
        let exports = exports(&reader, &pick, &chosen)?;
        for map in &chosen.code_map.files {
            transaction.note_code_map(map);
        }
        transaction.drop_quarantined(&mut |line| pick(line))?;
        let views = Views::open(&reader, &transaction)?;
        let mut found = Found::default();
        let mut whole = Export::of(Vec::new());
        for (source, (export, names)) in exports {
            let options = Options {
                source: source.clone(),
                ..chosen.clone()
            };
            let (advances, _heard) = unbounded_channel();
            let job = Job {
                export: &export,
                units: &units,
                options: &options,
                views: &views,
                advances,
            };
            let superseded = known(&reader, &transaction, &views, &source, &names)?;
            found.add(job.read(&transaction, Some(superseded))?);
            whole.files.extend(export.files);
        }
        Ok::<_, IngestError>((found, whole, transaction))
    });
    let retried = retried
        .await
        .map_err(|_| IngestError::Bug("the reader panicked".into()))?;
    let (found, whole, transaction) = retried?;
    let used = found.tally.lines > found.tally.quarantined.values().sum();
    if !used {
        // Everything would go back to where it was.
        let number = lake.snapshot()?.map_or(0, |snapshot| snapshot.number);
        return Ok(summary(
            &whole,
            &found,
            (number, false),
            BTreeMap::new(),
            start,
        ));
    }
    note(options, &withheld, &transaction).await?;
    let told = |step: salus_lake::Progress| progress.committing(&step.table, step.done, step.total);
    let committed = transaction.commit(&told).await?;
    progress.finished();
    Ok(summary(
        &whole,
        &found,
        (committed.snapshot, committed.changed),
        committed.outdated,
        start,
    ))
}

/// The chosen lines as one sealed file for each source.
fn exports(
    lake: &Lake,
    pick: &dyn Fn(&Quarantined) -> bool,
    options: &Options,
) -> Result<BTreeMap<String, (Export, Ids)>, IngestError> {
    let mut by_source: BTreeMap<String, Gathering> = BTreeMap::new();
    for line in lake.quarantined()? {
        let line = line?;
        if !pick(&line) {
            continue;
        }
        if !by_source.contains_key(&line.source) {
            let new = Gathering::new(options).map_err(IngestError::Spool)?;
            by_source.insert(line.source.clone(), new);
        }
        if let Some(gathering) = by_source.get_mut(&line.source) {
            gathering.add(line).map_err(IngestError::Spool)?;
        }
    }
    let ended = by_source.into_iter().map(|(source, gathering)| {
        let export = gathering.into_export().map_err(IngestError::Spool)?;
        Ok((source, export))
    });
    ended.collect()
}

/// Lines of one source.
struct Gathering {
    key: Scratch,
    out: ScratchWriter<BufWriter<File>>,
    places: Vec<(String, u64)>,
    names: Ids,
    bytes: u64,
}

impl Gathering {
    fn new(options: &Options) -> std::io::Result<Self> {
        let file = match &options.spool {
            Some(dir) => tempfile::tempfile_in(dir)?,
            None => tempfile::tempfile()?,
        };
        let (out, key) = ScratchWriter::create(BufWriter::new(file))?;
        Ok(Self {
            out,
            key,
            places: Vec::new(),
            names: Ids::new(),
            bytes: 0,
        })
    }

    fn add(&mut self, line: Quarantined) -> std::io::Result<()> {
        self.out.write_all(&line.bytes)?;
        self.out.write_all(b"\n")?;
        self.bytes += line.bytes.len() as u64 + 1;
        if let Some((kind, Some(id))) = kind_and_id(&line.bytes) {
            let ids = self.names.entry(kind.as_ref().into()).or_default();
            ids.insert(id.as_ref().into());
        }
        self.places.push((line.file, line.line));
        Ok(())
    }

    fn into_export(self) -> std::io::Result<(Export, Ids)> {
        let file = self
            .out
            .finish()?
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        let mut export = Export::of(vec![ExportFile {
            content: Content::Scratch(Arc::new(file), Box::new(self.key)),
            name: "quarantine".into(),
            bytes: self.bytes,
            compressed: false,
        }]);
        export.places = Some(Arc::new(self.places));
        Ok((export, self.names))
    }
}

/// Those of `names` that are rows of the lake.
fn known(
    lake: &Lake,
    transaction: &Transaction,
    views: &Views,
    source: &str,
    names: &Ids,
) -> Result<Ids, IngestError> {
    let keys = Keys::new(source);
    let mut known = Ids::new();
    for (kind, ids) in names {
        // Where only views take a type, a resource has rows in some of their tables, if in any.
        let tables: Vec<_> = match WITH_TABLE.iter().find(|(known, _)| **known == **kind) {
            Some((_, table)) => vec![*table],
            None => views.tables_of(kind).collect(),
        };
        let row = |id: &str| match &**kind {
            "Patient" => transaction.identity().lookup(source, id),
            _ => Some(keys.row(kind, id)),
        };
        let wanted = ids.iter().filter_map(|id| row(id)).collect();
        let mut rows = HashSet::new();
        for table in tables {
            rows.extend(lake.known_rows(table, &wanted)?);
        }
        let here = ids
            .iter()
            .filter(|id| row(id).is_some_and(|row| rows.contains(&row)));
        known.insert(kind.clone(), here.cloned().collect());
    }
    Ok(known)
}

/// Takes the person whom `source` calls `patient` out for good: every row, every line in quarantine that names her, and every
/// line that comes about her later. Commits a snapshot; older ones still hold her until [`Lake::vacuum`]. Answers whether she
/// was known before, and how many lines left quarantine.
///
/// # Errors
/// Those of the lake; it is as it was before.
pub async fn expunge(lake: &Lake, source: &str, patient: &str) -> Result<(bool, u64), IngestError> {
    let transaction = lake.begin()?;
    let (source, patient) = (source.to_owned(), patient.to_owned());
    let done = tokio::task::spawn_blocking(move || {
        let known = transaction.identity().lookup(&source, &patient);
        let mut names = vec![(source, patient)];
        let mut members = BTreeSet::new();
        if let Some(number) = known {
            // A linked person goes under all her names, and numbers that have none.
            members = transaction.linkage().members(number);
            members.insert(number);
            let others = transaction.identity().names_of(&members)?;
            names.extend(others.into_iter().map(|(_, source, id)| (source, id)));
        }
        let lines = transaction.drop_quarantined(&mut |line| {
            if line.reason_code == ROW_CAP {
                return number_of_row(&line.bytes).is_some_and(|number| members.contains(&number));
            }
            let about = about(&line.bytes);
            let same = |(source, id): &(String, String)| {
                *source == line.source && about.as_ref() == Some(id)
            };
            names.iter().any(same)
        })?;
        for (source, patient) in &names {
            expunge_person(&transaction, source, patient)?;
        }
        for member in &members {
            transaction.withhold(*member, Withheld::Expunged);
        }
        let known = known.is_some();
        Ok::<_, IngestError>((known, lines, transaction))
    });
    let done = done
        .await
        .map_err(|_| IngestError::Bug("the reader panicked".into()))?;
    let (known, lines, transaction) = done?;
    transaction.commit(&|_| ()).await?;
    Ok((known, lines))
}

/// The number that a row came under which was above its person's cap.
fn number_of_row(row: &[u8]) -> Option<i64> {
    let row: serde_json::Value = serde_json::from_slice(row).ok()?;
    let number = |name: &str| row.get(name)?.as_i64();
    number("member_id").or_else(|| number("person_id"))
}

/// She gets a number in any case: it is what later lines are dropped by.
fn expunge_person(
    transaction: &Transaction,
    source: &str,
    patient: &str,
) -> Result<(), IngestError> {
    let person = transaction.identity().resolve_or_assign(source, patient)?;
    transaction.identity().forget(source, patient)?;
    transaction.withhold(person, Withheld::Expunged);
    Ok(())
}

/// The id of the patient whom a line is about: its own, or that of its subject.
pub fn about(line: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)).ok()?;
    let (mut patient, mut id, mut subject) = (false, None, None);
    let read = Cursor::new(text).object(|c, key| {
        match key {
            "resourceType" => patient = c.text()?.as_deref() == Some("Patient"),
            "id" => id = c.text()?.map(std::borrow::Cow::into_owned),
            "subject" | "patient" | "beneficiary" | "for" | "individual" | "candidate" => {
                if let Target::Id(of) = Reference::read(c)?.target("Patient") {
                    subject = Some(of.into_owned());
                }
            }
            _ => c.skip()?,
        }
        Ok(())
    });
    // A line that is broken further on still names whom it is about.
    let _ = read;
    if patient { id } else { subject }
}
