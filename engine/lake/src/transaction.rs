//! A transaction: what one ingest adds and takes out, visible at once or never.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, not};
use tokio::sync::{mpsc, oneshot};

use crate::commit::{Going, Intake, Mode, Work};
use crate::direct::{DirectRecord, DirectTable};
use crate::error::{At as _, Doing as _, Error, Result};
use crate::files;
use crate::identity::IdentityIndex;
use crate::keys::integers;
use crate::lake::Lake;
use crate::linkage::{Link, Linkage};
use crate::links::LinkTable;
use crate::members::{under_persons, with_member};
use crate::names;
use crate::quarantine::{Quarantine, Quarantined};
use crate::rewrite::Target;
use crate::schema::key_columns;
use crate::snapshot::Snapshot;
use crate::sorted::Sorted;
use crate::stage::{Stage, conform};
use crate::versions::{joined, parted, versioned};
use crate::withheld::{Withheld, WithheldList};

/// Rows, identities and quarantined lines that become visible together or not at all.
///
/// Thread-safe. Dropping it without [`Transaction::commit`] leaves the lake as it was.
#[derive(Debug)]
pub struct Transaction {
    work: Box<Work>,
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Number of the snapshot that is the newest now.
    pub snapshot: u64,
    /// Whether this commit made it; false when the lake held everything already.
    pub changed: bool,
    /// The Delta logs of the tables could not be written after the snapshot was: the next commit or vacuum does it, also one
    /// that changes nothing. Salus itself does not read them.
    pub log_behind: bool,
    /// Resources of which the lake has a later version, counted in each table: what came stayed out.
    pub outdated: BTreeMap<String, u64>,
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

impl Transaction {
    pub(crate) fn begin(lake: Lake, linking: bool) -> Result<Self> {
        let places = lake.places();
        let lock = places.lock()?;
        lake.check_catalog()?;
        let base = lake.snapshot()?;
        if let Some(base) = &base {
            knows_views(&lake, base)?;
            lake.check_types(base)?;
        }
        let mut bytes = [0_u8; 8];
        getrandom::fill(&mut bytes).doing("draw a name")?;
        let number = base.as_ref().map_or(0, |base| base.number) + 1;
        let token = names::token(number, u64::from_le_bytes(bytes));
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
        let vault = lake.vault();
        let name = format!("{token}.parquet");
        let withheld = format!("{token}.withheld.parquet");
        let withheld = WithheldList::open(&places.identity, vault, &identity, withheld)?;
        let anybody_withheld = !withheld.persons().0.is_empty();
        let direct = format!("{token}.direct.parquet");
        let direct = DirectTable::new(&places.identity, vault, &identity.direct, direct);
        let links = LinkTable::open(&places.identity, vault, &identity, &token)?;
        let linked = linking || identity.links.is_some();
        let identity = IdentityIndex::open(&places.identity, vault, &identity, name.clone())?;
        let known = base
            .as_ref()
            .map(|base| base.quarantine.as_slice())
            .unwrap_or_default();
        let quarantine = Quarantine::new(&places.quarantine, vault, known, name);
        let mut tables = BTreeMap::new();
        for table in lake.tables() {
            let schema = lake.schema_of(table)?;
            let facts = lake.catalog().table(table);
            let cap = facts.map_or(u64::MAX, |facts| facts.max_rows_per_person);
            let old = base.as_ref().and_then(|base| lake.version(base, table));
            let has_rows = old.is_some_and(|old| old.rows > 0);
            let merged = has_rows || anybody_withheld || linked || lake.is_view(table);
            let schema = versioned(table, &schema);
            let schema = if linked {
                with_member(table, &schema)
            } else {
                schema
            };
            let stage = Stage::new(table, &schema, staging.join(table));
            let folder = lake.folder(table);
            if let Some(dir) = folder.directory() {
                // Views come after the lake was made.
                files::private_dir(dir)?;
            }
            let target = Target {
                table: table.into(),
                schema,
                folder,
                prefix: token.clone(),
                cap,
                vault: vault.clone(),
            };
            tables.insert(
                table.to_owned(),
                Intake {
                    target,
                    stage,
                    has_rows,
                    merged,
                    mode: Mutex::new(Mode::Empty),
                },
            );
        }
        let work = Box::new(Work {
            token,
            base,
            identity,
            quarantine,
            withheld,
            direct,
            links,
            aside: Mutex::default(),
            going: Mutex::new(Going::default()),
            code_maps: Mutex::default(),
            linked,
            tables,
            published: false,
            _lock: lock,
            lake,
        });
        Ok(Self { work })
    }

    /// Adds rows in any order. Of rows with equal keys the last appended wins, over existing rows too; an observation takes
    /// the place of the existing one with all its components. Rows may have one more column, see [`versioned`](crate::versioned):
    /// what an existing row says later than they do stays, with its components, and [`Committed::outdated`] counts them. In a table that a view fills, all rows of a resource must be
    /// appended together, and take the place of all its existing rows; one row with the place [`NO_ROWS`](crate::NO_ROWS)
    /// says that it has none any more. Memory is bounded; the rest waits on disk.
    ///
    /// # Errors
    /// [`Error::Usage`] when the batch does not have the table's schema, or [`Transaction::append_sorted`] was used before.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "whoever appends is done with the batch, here as in append_sorted"
    )]
    pub fn append(&self, table: &str, batch: RecordBatch) -> Result<()> {
        let intake = self.work.intake(table)?;
        let batch = self.conform(table, &batch)?;
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

    /// The batch in the shape of the table's files, its rows under their persons.
    fn conform(&self, table: &str, batch: &RecordBatch) -> Result<RecordBatch> {
        const STEP: &str = "put rows of linked persons aside";
        let target = &self.work.intake(table)?.target;
        let plain = self.work.lake.schema_of(table)?;
        let (batch, versions) = parted(table, plain.fields().len(), batch)?;
        let batch = joined(table, conform(table, &plain, batch)?, versions)?;
        if self.work.links.changed() {
            return Err(Error::Usage(
                "links are changed in a transaction of their own".into(),
            ));
        }
        let links = &self.work.links.before;
        if key_columns(table) > 1 {
            return if self.work.linked {
                under_persons(&batch, &target.schema, links)
            } else {
                Ok(batch)
            };
        }
        // Of the rows of a linked person one is chosen at the commit.
        let numbers = integers(&batch, 0)?;
        let linked: BooleanArray = numbers
            .iter()
            .map(|number| Some(links.linked().contains_key(number)))
            .collect();
        if linked.true_count() == 0 {
            return Ok(batch);
        }
        let mut aside = self
            .work
            .aside
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        aside.push(filter_record_batch(&batch, &linked).doing(STEP)?);
        filter_record_batch(&batch, &not(&linked).doing(STEP)?).doing(STEP)
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
        let plain = self.work.lake.schema_of(table)?;
        let batch = joined(table, conform(table, &plain, batch)?, None)?;
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

    /// Takes the rows with these ids out of `table`, whoever they are about, and their child rows with them. Rows that this
    /// transaction appends stay. Ids that no row has are no error.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is no such table, or its rows have no ids of their own.
    pub fn remove(&self, table: &str, ids: impl IntoIterator<Item = i64>) -> Result<()> {
        if !self.work.tables.contains_key(table) || key_columns(table) == 1 {
            return Err(Error::Usage(format!("table {table} has no rows with ids")));
        }
        let mut going = self.going();
        going.rows.entry(table.to_owned()).or_default().extend(ids);
        Ok(())
    }

    /// Whether `table` has rows already, which what is appended may replace.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is no such table.
    pub fn has_rows(&self, table: &str) -> Result<bool> {
        Ok(self.work.intake(table)?.has_rows)
    }

    /// Takes every existing row about `person` out of all tables; of a linked person, those that came under this number. Rows
    /// that this transaction appends stay.
    pub fn remove_person(&self, person: i64) {
        if self.work.links.before.linked().contains_key(&person) {
            self.going().members.insert(person);
        } else {
            self.going().persons.insert(person);
        }
        self.work.direct.remove(person);
    }

    /// Keeps `person` out of all tables from the commit on: existing rows go, appended ones are left out.
    ///
    /// # Guarantee
    /// No snapshot from this commit on holds a row about her, until [`Transaction::readmit`].
    pub fn withhold(&self, person: i64, why: Withheld) {
        self.work.withheld.add(person, why);
        if why == Withheld::Expunged {
            self.work.direct.remove(person);
        }
    }

    /// Lets in again a person who denied consent, if she permits it later than she denied it, at `at` (microseconds since
    /// 1970-01-01T00:00Z); an undated permission lifts an undated denial only. What was left out meanwhile must be appended
    /// again.
    pub fn readmit(&self, person: i64, at: Option<i64>) {
        self.work.withheld.permit(person, at);
    }

    /// Why `person` is kept out of all tables, if she is.
    pub fn withheld(&self, person: i64) -> Option<Withheld> {
        let members = self.work.links.before.members(person);
        let of = |number: &i64| self.work.withheld.find(*number);
        members.iter().filter_map(of).max()
    }

    /// Everybody who is kept out of all tables, under each number: of a linked person the gravest reason counts for all.
    pub fn all_withheld(&self) -> BTreeMap<i64, Withheld> {
        let mut all = self.work.withheld.all();
        let links = &self.work.links.before;
        for (number, why) in all.clone() {
            for member in links.members(number) {
                let known = all.entry(member).or_insert(why);
                *known = why.max(*known);
            }
        }
        all
    }

    /// Which numbers are one person, as this transaction has it.
    pub fn linkage(&self) -> Linkage {
        self.work.links.now()
    }

    /// Says that two numbers are one person, are two, or that somebody must decide. A link moves the rows of both under the
    /// smaller number. What was decided is not asked again.
    ///
    /// # Errors
    /// [`Error::Usage`] when a number is not one of the index, when a link would join what was decided to be apart or the other
    /// way round, and when rows were appended: links are changed in a transaction of [`Lake::begin_linking`].
    pub fn say(&self, link: Link) -> Result<()> {
        self.may_link()?;
        self.work.links.say(link)
    }

    /// Takes `number` out of its person for good; the others stay one person. Rows go back to the number they came under.
    ///
    /// # Errors
    /// As [`Transaction::say`], and when it is linked to nobody.
    pub fn split(&self, number: i64, by: &str) -> Result<()> {
        self.may_link()?;
        self.work.links.split(number, by)
    }

    /// What this transaction has linked, split and decided so far, oldest first.
    pub fn said(&self) -> Vec<Link> {
        self.work.links.said()
    }

    fn may_link(&self) -> Result<()> {
        let going = self.going();
        let whole = going.rows.is_empty() && going.persons.is_empty() && going.members.is_empty();
        drop(going);
        if self.work.linked
            && whole
            && self
                .work
                .tables
                .values()
                .all(|intake| intake.stage.rows() == 0)
        {
            return Ok(());
        }
        Err(Error::Usage(
            "links are changed in a transaction of their own".into(),
        ))
    }

    /// Keeps what a source says about who a person is, apart from the tables. Of two records of one number the one that the
    /// source changed later counts; of equally late ones, the later told. Tells whether it is not older than what is known:
    /// the row of `patient` that comes with an older one is out of date as well.
    pub fn note_direct(&self, record: DirectRecord) -> Result<bool> {
        self.work.direct.note(record)
    }

    fn going(&self) -> MutexGuard<'_, Going> {
        self.work
            .going
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes lines out of quarantine: those of earlier transactions that `pick` chooses. Tells how many.
    pub fn drop_quarantined(&self, pick: &mut dyn FnMut(&Quarantined) -> bool) -> Result<u64> {
        self.work.quarantine.drop_lines(pick)
    }

    /// Keeps a source line that could not be used. The same line with the same reason is kept once for ever.
    pub fn quarantine(&self, quarantined: Quarantined) -> Result<()> {
        self.work.quarantine.push(quarantined)
    }

    /// The identity index. Assignments become durable with the commit.
    pub fn identity(&self) -> &IdentityIndex {
        &self.work.identity
    }

    /// Notes in the snapshot that rows were read with the code map of this hash.
    pub fn note_code_map(&self, sha256: &str) {
        let mut maps = self
            .work
            .code_maps
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        maps.insert(sha256.to_owned());
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
    /// On any error the newest snapshot is still the one before, or one of another writer ([`Error::Overtaken`]). In a bucket
    /// there is one exception: an [`Error::Remote`] in the last request, whose fate is then not known; so look.
    pub async fn commit(self, progress: &(dyn Fn(Progress) + Send + Sync)) -> Result<Committed> {
        self.work.not_overtaken()?;
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
        // On the heap: it is large.
        Box::pin((*work).publish(written?)).await
    }
}

/// Whether this home knows, or knew, each view that filled a table: another home of the bucket may have added one, and what this one
/// commits would take its table away.
fn knows_views(lake: &Lake, base: &Snapshot) -> Result<()> {
    let places = lake.places();
    for (table, version) in base.tables.iter().filter(|_| places.shared()) {
        let Some(sha256) = &version.view else {
            continue;
        };
        let same = lake.view(table).is_some_and(|view| view.sha256 == *sha256);
        if !same && !places.views.join(format!("{sha256}.json")).is_file() {
            return Err(Error::Catalog(format!(
                "a view fills the table {table}, which another home added and this one does not know; copy its catalog.yaml and views/ first"
            )));
        }
    }
    Ok(())
}

fn mixed(table: &str) -> Error {
    Error::Usage(format!(
        "table {table}: rows came sorted and unsorted in one transaction"
    ))
}
