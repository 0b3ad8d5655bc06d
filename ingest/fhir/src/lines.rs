//! What becomes of each line: a row, a place in quarantine, or waiting.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use salus_lake::{DirectRecord, Quarantined, Transaction, Withheld};

use crate::census::Census;
use crate::chunk::{Chunk, Origin};
use crate::code_map::CodeMap;
use crate::coding::Coded;
use crate::consent::consent;
use crate::deletion::deletions;
use crate::error::IngestError;
use crate::files::Export;
use crate::key::Keys;
use crate::measure::{CatalogUnits, Measures};
use crate::options::ViewSummary;
use crate::reason::{Reason, Rejection};
use crate::reference::Target;
use crate::references::{Bearer, Identifiers, Medications};
use crate::resource::{Line, Medication, Resource};
use crate::tables::{Place, Tables};
use crate::turn::Turns;
use crate::views::{Feed, Views};
use crate::waiting::Waiting;
use crate::workers::Worker;

/// What all workers of an ingest share.
#[derive(Debug)]
pub(crate) struct Shared<'j> {
    pub(crate) transaction: &'j Transaction,
    pub(crate) export: &'j Export,
    pub(crate) source: &'j str,
    pub(crate) identifiers: &'j Identifiers,
    pub(crate) medications: &'j Medications,
    pub(crate) gone: &'j Gone,
    pub(crate) units: &'j CatalogUnits,
    pub(crate) map: &'j CodeMap,
    pub(crate) views: &'j Views,
    pub(crate) pass: Pass<'j>,
}

/// Ids by resource type.
pub(crate) type Ids = HashMap<Box<str>, HashSet<Box<str>>>;

/// What the first look at the export found to be left out.
#[derive(Debug, Default)]
pub(crate) struct Gone {
    /// What the export deletes.
    pub(crate) deleted: Ids,
    /// What the lake has newer.
    pub(crate) superseded: Ids,
    /// Persons who are kept out.
    pub(crate) withheld: BTreeMap<i64, Withheld>,
}

impl Gone {
    fn deletes(&self, kind: &str, id: &str) -> bool {
        self.deleted.get(kind).is_some_and(|ids| ids.contains(id))
    }

    fn supersedes(&self, kind: &str, id: &str) -> bool {
        self.superseded
            .get(kind)
            .is_some_and(|ids| ids.contains(id))
    }
}

/// How far the ingest is.
#[derive(Debug)]
pub(crate) enum Pass<'j> {
    /// Every line, in the order of the export.
    First {
        census: &'j Census,
        waiting: &'j Waiting,
        turns: Turns,
        /// By file: whether it holds Patient lines.
        patients: &'j [AtomicBool],
    },
    /// The lines that waited; nothing more will become known.
    Last,
}

/// Counts of lines by what became of them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) rows: BTreeMap<&'static str, u64>,
    pub(crate) components: u64,
    /// By table that a view fills.
    pub(crate) views: BTreeMap<String, ViewSummary>,
    /// Resources that only views take.
    pub(crate) viewed: u64,
    pub(crate) quarantined: BTreeMap<String, u64>,
    /// Bundles of deletions.
    pub(crate) deletions: u64,
    /// Dropped, because the person was expunged.
    pub(crate) expunged: u64,
    /// Values by what became of their unit.
    pub(crate) units: BTreeMap<&'static str, u64>,
    /// Codings that the code map gave another code.
    pub(crate) mapped: u64,
    pub(crate) lines: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        for (table, rows) in other.rows {
            *self.rows.entry(table).or_default() += rows;
        }
        for (reason, lines) in other.quarantined {
            *self.quarantined.entry(reason).or_default() += lines;
        }
        for (what, values) in other.units {
            *self.units.entry(what).or_default() += values;
        }
        for (table, summary) in other.views {
            self.views.entry(table).or_default().add(summary);
        }
        self.viewed += other.viewed;
        self.components += other.components;
        self.mapped += other.mapped;
        self.deletions += other.deletions;
        self.expunged += other.expunged;
        self.lines += other.lines;
    }
}

/// Turns lines into rows.
#[derive(Debug)]
pub(crate) struct LineWorker<'j> {
    shared: &'j Shared<'j>,
    tables: Tables<'j>,
    feed: Feed<'j>,
    keys: Keys,
    pub(crate) tally: Tally,
    /// Lines of one person stand together in most exports.
    last_person: Option<(String, i64)>,
}

/// What is still open about a line's row after it has been read.
enum Verdict<'a> {
    Row {
        person: i64,
        medication: Option<Coded<'a>>,
    },
    Wait,
    /// Not kept.
    Drop,
    Reject(Reason, &'static str),
}

impl<'j> LineWorker<'j> {
    pub(crate) fn new(shared: &'j Shared<'j>) -> Result<Self, IngestError> {
        Ok(Self {
            shared,
            tables: Tables::new(
                Keys::new(shared.source),
                Measures::new(shared.units),
                shared.map,
            )?,
            feed: Feed::new(shared.views)?,
            keys: Keys::new(shared.source),
            tally: Tally::default(),
            last_person: None,
        })
    }

    /// Everything but patients, whose persons must be numbered in order, is decided at once.
    fn line<'c>(
        &mut self,
        origin: Origin,
        bytes: &'c [u8],
        patients: &mut Vec<(Origin, &'c [u8], Line<'c>)>,
    ) -> Result<(), IngestError> {
        let line = match Line::parse(bytes) {
            Ok(line) => line,
            Err(rejection) => return self.reject(origin, bytes, &rejection),
        };
        let table = line.table();
        if table.is_none() && !self.shared.views.take(&line.kind) {
            if let (Resource::Medication(code), Pass::First { .. }) =
                (&line.resource, &self.shared.pass)
            {
                self.shared.medications.note(&line.header, origin, code);
            }
            if line.kind == "Bundle" && deletions(bytes).is_some() {
                self.tally.deletions += 1;
                return Ok(());
            }
            if line.kind == "Consent" && consent(bytes).is_some_and(|it| it.patient.is_none()) {
                let what = "the consent decides, and its patient is not named by an id";
                let rejection = Rejection::new(Reason::ConsentUnresolved, what);
                return self.reject(origin, bytes, &rejection);
            }
            let detail = format!("no table takes {}", line.kind);
            let rejection = Rejection::new(Reason::NoTable(line.kind.as_ref().into()), detail);
            return self.reject(origin, bytes, &rejection);
        }
        let Some(id) = line.header.id.clone() else {
            return self.reject(origin, bytes, &Rejection::new(Reason::MissingId, "no id"));
        };
        if self.shared.gone.deletes(&line.kind, &id) {
            let what = "the export lists it among the deleted";
            return self.reject(origin, bytes, &Rejection::new(Reason::Deleted, what));
        }
        if self.shared.gone.supersedes(&line.kind, &id) {
            let what = "a later version is in the lake";
            return self.reject(origin, bytes, &Rejection::new(Reason::Superseded, what));
        }
        if matches!(line.resource, Resource::Patient(_)) {
            patients.push((origin, bytes, line));
            return Ok(());
        }
        if let Some(flaw) = line.header.flaw.clone() {
            return self.reject(origin, bytes, &flawed(flaw));
        }
        match self.verdict(&line) {
            Verdict::Reject(reason, detail) => {
                self.reject(origin, bytes, &Rejection::new(reason, detail))
            }
            Verdict::Drop => {
                self.tally.expunged += 1;
                Ok(())
            }
            _ if self.has_versions(&line.kind, &id) => {
                self.wait_for_versions(&line.kind, &id, origin, bytes)
            }
            Verdict::Row { person, medication } => {
                self.row((origin, bytes), person, &id, &line, medication.as_ref())
            }
            Verdict::Wait => match &self.shared.pass {
                Pass::First { waiting, .. } => waiting.refers(origin, bytes),
                Pass::Last => Err(IngestError::Bug("a line waits for nothing".into())),
            },
        }
    }

    fn verdict<'a>(&mut self, line: &Line<'a>) -> Verdict<'a> {
        let first = matches!(self.shared.pass, Pass::First { .. });
        let deleted = |id: &str| self.shared.gone.deletes("Patient", id);
        let gone = Verdict::Reject(
            Reason::DeletedSubject,
            "the export lists the subject's Patient among the deleted",
        );
        let person = match line.subject() {
            Target::Id(id) if deleted(&id) => return gone,
            Target::Id(id) => self.person(&id),
            Target::Missing | Target::Contained(_) => {
                return Verdict::Reject(Reason::MissingSubject, "no reference to a patient");
            }
            Target::OtherType => {
                let what = "the subject is not a patient";
                return Verdict::Reject(Reason::SubjectNotPatient, what);
            }
            Target::Identifier(identifier) if first => {
                self.shared.identifiers.want(&identifier);
                return Verdict::Wait;
            }
            Target::Identifier(identifier) => match self.shared.identifiers.bearer(&identifier) {
                Some(Bearer::One(id)) if deleted(id) => return gone,
                Some(Bearer::One(id)) => self.person(id),
                Some(Bearer::Several) => {
                    let what = "several patients bear the subject's identifier";
                    return Verdict::Reject(Reason::AmbiguousSubject, what);
                }
                None => None,
            },
        };
        let Some(person) = person else {
            return if first {
                Verdict::Wait
            } else {
                Verdict::Reject(
                    Reason::UnknownSubject,
                    "the subject's Patient was never seen",
                )
            };
        };
        if let Some(kept_out) = self.kept_out(person) {
            return kept_out;
        }
        let medication = match &line.resource {
            Resource::MedicationRequest(request) => match request.medication(line) {
                Medication::Here(code) => code,
                Medication::There(_) if first => return Verdict::Wait,
                Medication::There(id) => self.shared.medications.code(&id),
            },
            _ => None,
        };
        Verdict::Row { person, medication }
    }

    /// What becomes of a line about somebody who is kept out.
    fn kept_out<'a>(&self, person: i64) -> Option<Verdict<'a>> {
        Some(match self.shared.gone.withheld.get(&person)? {
            Withheld::Expunged => Verdict::Drop,
            _ => Verdict::Reject(Reason::ConsentDenied, "the subject denies consent"),
        })
    }

    fn person(&mut self, id: &str) -> Option<i64> {
        if let Some((last, person)) = &self.last_person
            && last == id
        {
            return Some(*person);
        }
        let person = self
            .shared
            .transaction
            .identity()
            .lookup(self.shared.source, id)?;
        self.last_person = Some((id.to_owned(), person));
        Some(person)
    }

    /// The person exists as soon as there is a Patient with an id, even if its row is unusable:
    /// one impossible birth date shall not take the person's whole record along.
    fn patient(
        &mut self,
        origin: Origin,
        bytes: &[u8],
        line: &Line<'_>,
    ) -> Result<(), IngestError> {
        let Some(id) = &line.header.id else {
            return Ok(());
        };
        let person = self
            .shared
            .transaction
            .identity()
            .resolve_or_assign(self.shared.source, id)?;
        if let Pass::First { patients, .. } = &self.shared.pass
            && let Some(flag) = usize::try_from(origin.file)
                .ok()
                .and_then(|file| patients.get(file))
        {
            flag.store(true, Ordering::Relaxed);
        }
        let several = self.has_versions(&line.kind, id);
        match self.kept_out(person) {
            Some(Verdict::Reject(reason, detail)) => {
                // A denial reaches all records of the person, so linkage must know her.
                if !several {
                    self.note_direct(person, line, line.header.last_updated)?;
                }
                return self.reject(origin, bytes, &Rejection::new(reason, detail));
            }
            Some(_) => {
                self.tally.expunged += 1;
                return Ok(());
            }
            None => {}
        }
        if let Some(flaw) = line.header.flaw.clone() {
            // It makes no row, so its date decides about none: a sound version that is older may come yet.
            if !several {
                self.note_direct(person, line, None)?;
            }
            return self.reject(origin, bytes, &flawed(flaw));
        }
        if several {
            return self.wait_for_versions(&line.kind, id, origin, bytes);
        }
        if !self.note_direct(person, line, line.header.last_updated)? {
            let what = "a later version is in the lake";
            return self.reject(origin, bytes, &Rejection::new(Reason::Superseded, what));
        }
        self.row((origin, bytes), person, id, line, None)
    }

    /// Keeps who the patient is, as of a date. Whether the lake knows of no later version.
    fn note_direct(
        &self,
        person: i64,
        line: &Line<'_>,
        last_updated: Option<i64>,
    ) -> Result<bool, IngestError> {
        let Resource::Patient(patient) = &line.resource else {
            return Ok(true);
        };
        let record = patient.direct(person, self.shared.source, &line.header);
        let record = DirectRecord {
            last_updated,
            ..record
        };
        Ok(self.shared.transaction.note_direct(record)?)
    }

    fn has_versions(&self, kind: &str, id: &str) -> bool {
        match &self.shared.pass {
            Pass::First { census, .. } => census.repeated(kind, id),
            Pass::Last => false,
        }
    }

    fn wait_for_versions(
        &self,
        kind: &str,
        id: &str,
        origin: Origin,
        bytes: &[u8],
    ) -> Result<(), IngestError> {
        match &self.shared.pass {
            Pass::First { waiting, .. } => waiting.version((kind, id), origin, bytes),
            Pass::Last => Err(IngestError::Bug("versions were settled before".into())),
        }
    }

    /// The rows of a line: that of its table, and those of views.
    fn row(
        &mut self,
        (origin, bytes): (Origin, &[u8]),
        person: i64,
        id: &str,
        line: &Line<'_>,
        medication: Option<&Coded<'_>>,
    ) -> Result<(), IngestError> {
        let place = Place {
            person,
            kind: &line.kind,
            id,
            version: line.header.last_updated,
        };
        let failed = self.feed.add(place, &self.keys, bytes)?;
        for (table, batch) in self.feed.take_full() {
            self.shared.transaction.append(table, batch)?;
        }
        let Some(table) = line.table() else {
            let Some(what) = failed else {
                self.tally.viewed += 1;
                return Ok(());
            };
            let rejection = Rejection::new(Reason::ViewFailed, what);
            return self.reject(origin, bytes, &rejection);
        };
        self.tables
            .add(table, place, &line.header, &line.resource, medication)?;
        *self.tally.rows.entry(table).or_default() += 1;
        for (table, batch) in self.tables.take_full() {
            self.shared.transaction.append(table, batch)?;
        }
        Ok(())
    }

    fn reject(
        &mut self,
        origin: Origin,
        bytes: &[u8],
        rejection: &Rejection,
    ) -> Result<(), IngestError> {
        quarantine(self.shared, &mut self.tally, origin, bytes, rejection)
    }
}

impl Worker for LineWorker<'_> {
    fn work(&mut self, chunk: &Chunk) -> Result<(), IngestError> {
        let turn = match &self.shared.pass {
            Pass::First { turns, .. } => Some(turns.of(chunk.number)),
            Pass::Last => None,
        };
        let first = turn.is_some();
        let mut patients = Vec::new();
        for (origin, bytes) in chunk.lines() {
            self.tally.lines += u64::from(first);
            self.line(origin, bytes, &mut patients)?;
        }
        if let Some(turn) = turn.as_ref().filter(|_| !patients.is_empty()) {
            turn.wait();
        }
        for (origin, bytes, line) in &patients {
            self.patient(*origin, bytes, line)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), IngestError> {
        for (table, batch) in self.tables.take_rest()? {
            self.shared.transaction.append(table, batch)?;
        }
        for (table, batch) in self.feed.take_rest()? {
            self.shared.transaction.append(table, batch)?;
        }
        self.tally.components = self.tables.components;
        self.tally.units = self.tables.measures.counts();
        self.tally.mapped = self.tables.mapped;
        self.tally.views = std::mem::take(&mut self.feed.tally);
        Ok(())
    }
}

/// Puts a line aside, byte for byte.
pub(crate) fn quarantine(
    shared: &Shared<'_>,
    tally: &mut Tally,
    origin: Origin,
    bytes: &[u8],
    rejection: &Rejection,
) -> Result<(), IngestError> {
    let code = rejection.reason.code();
    // The lake keeps a small set of codes; the type stands in the detail.
    let (stored, _) = code.split_once(':').unwrap_or((&code, ""));
    let (file, line) = shared.export.place(origin);
    shared.transaction.quarantine(Quarantined {
        source: shared.source.to_owned(),
        file,
        line,
        reason_code: stored.to_owned(),
        detail: rejection.detail.clone(),
        bytes: bytes.to_vec(),
    })?;
    match tally.quarantined.get_mut(code.as_ref()) {
        Some(lines) => *lines += 1,
        None => {
            tally.quarantined.insert(code.into_owned(), 1);
        }
    }
    Ok(())
}

fn flawed(reason: Reason) -> Rejection {
    let detail = match reason {
        Reason::ImpossibleDate => "a date on which the row rests is impossible",
        Reason::NumberOutOfRange => "a value needs more than twelve digits before the point",
        _ => "",
    };
    Rejection::new(reason, detail)
}
