//! Lakes that are asked without a ledger, and how their rows lie in files.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use datafusion::execution::session_state::SessionState;
use datafusion::physical_plan::ExecutionPlan;
use salus_lake::{Lake, Snapshot, Transaction, Withheld};
use salus_ledger::Column;

use super::support::{Dice, Home, Rows, small_catalog};
use crate::execute::Executor;
use crate::question::Question;
use crate::release::BoundingOptions;
use crate::session;

/// How rows are read: none of it may show in an exact number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) partitions: usize,
    /// Rows of a batch.
    pub(super) batch: usize,
}

impl Layout {
    pub(super) fn any(dice: &mut Dice) -> Self {
        let mut of = |all: [usize; 4]| all[usize::try_from(dice.below(4)).unwrap()];
        Self {
            partitions: of([1, 2, 2, 4]),
            batch: of([3, 10, 50, 8192]),
        }
    }
}

/// A lake that is asked without a ledger.
pub(super) struct Replay {
    _dir: tempfile::TempDir,
    pub(super) lake: Lake,
    executor: Executor,
    planning: SessionState,
    snapshot: Snapshot,
}

/// The exact vector of each mechanism: cell, or key of the group, and place within the cell.
pub(super) type Vectors = Vec<BTreeMap<(Vec<u8>, usize), i128>>;

/// What a question comes to before noise.
pub(super) struct Exact {
    pub(super) vectors: Vectors,
    /// Of each release whose keys are not public: the persons of each group.
    pub(super) persons: Vec<BTreeMap<Vec<u8>, u64>>,
}

impl Replay {
    /// A lake whose tables have the rows of each part in files of their own, which follow each other in this order. As long as each part has persons
    /// of its own, who come after those of the part before, this is what many ingests leave; otherwise no commit would let it pass.
    pub(super) async fn new(parts: &[Vec<Rows>], layout: Layout) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lake = Lake::create_with(&dir.path().join("home"), &small_catalog()).unwrap();
        let mut files = BTreeMap::<String, Vec<_>>::new();
        let mut before = BTreeSet::new();
        for part in parts {
            let transaction = lake.begin().unwrap();
            for person in std::mem::take(&mut before) {
                transaction.remove_person(person);
            }
            append(&lake, &transaction, part);
            before.extend(part.iter().flat_map(persons));
            transaction.commit(&|_| {}).await.unwrap();
            for (table, version) in lake.snapshot().unwrap().unwrap().tables {
                files.entry(table).or_default().extend(version.files);
            }
        }
        let mut snapshot = lake.snapshot().unwrap().unwrap();
        for (table, files) in files {
            let version = snapshot.tables.get_mut(&table).unwrap();
            version.rows = files.iter().map(|file| file.rows).sum();
            version.files = files;
        }
        Self::over(Home { dir, lake }, snapshot, layout)
    }

    /// A lake that somebody was in who then said that she does not consent.
    pub(super) async fn after_an_opt_out(tables: &[Rows], her: i64, layout: Layout) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lake = Lake::create_with(&dir.path().join("home"), &small_catalog()).unwrap();
        let transaction = lake.begin().unwrap();
        append(&lake, &transaction, tables);
        transaction.commit(&|_| {}).await.unwrap();
        let transaction = lake.begin().unwrap();
        transaction.withhold(her, Withheld::Consent { since: None });
        transaction.commit(&|_| {}).await.unwrap();
        let snapshot = lake.snapshot().unwrap().unwrap();
        assert_eq!(snapshot.number, 2);
        Self::over(Home { dir, lake }, snapshot, layout)
    }

    fn over(home: Home, snapshot: Snapshot, layout: Layout) -> Self {
        Self {
            executor: executor(&home.lake, layout),
            planning: session::planning(&home.lake).unwrap(),
            snapshot,
            _dir: home.dir,
            lake: home.lake,
        }
    }

    pub(super) fn lay_out(&mut self, layout: Layout) {
        self.executor = executor(&self.lake, layout);
    }

    /// The question, or the whole text of its refusal: from this lake's own catalog and schemas.
    pub(super) async fn admit(
        &self,
        sql: &str,
        options: BoundingOptions,
    ) -> Result<Question, String> {
        let catalog = self.lake.catalog();
        let question = Question::validate(sql, &self.planning, catalog, options).await;
        question.map_err(|refusal| refusal.to_string())
    }

    /// The exact numbers of all groups, also of those that no minimum would let through.
    pub(super) async fn exact(&self, question: &Question) -> Result<Exact, String> {
        let mut releases = question.releases.clone();
        for part in &mut releases {
            if let Some((minimum, _)) = &mut part.release.threshold {
                *minimum = 1;
            }
        }
        let exact = self.executor.without_charge(&releases, &self.snapshot);
        let in_time = tokio::time::timeout(Duration::from_mins(1), exact);
        let exact = in_time.await.map_err(|_| "it never ends".to_owned())?;
        let (columns, groups) = exact.map_err(|e| e.to_string())?;
        let mut vectors = Vec::new();
        for (i, part) in question.releases.iter().enumerate() {
            let columns = &columns[question.mechanisms_of(i)];
            for (contribution, column) in part.release.contributions.iter().zip(columns) {
                let values = contribution.values();
                let key = |cell: usize| match &groups[i] {
                    Some(groups) => groups.keys[cell].clone(),
                    None => cell.to_be_bytes().to_vec(),
                };
                let numbers: Vec<(usize, i128)> = match column {
                    Column::Dense(numbers) => numbers.iter().copied().enumerate().collect(),
                    Column::Sparse(numbers) => numbers.clone(),
                };
                let mut vector = BTreeMap::new();
                for (i, n) in numbers.into_iter().filter(|(_, n)| *n != 0) {
                    *vector.entry((key(i / values), i % values)).or_default() += n;
                }
                vectors.push(vector);
            }
        }
        let persons = groups.into_iter().flatten();
        let persons = persons.map(|groups| groups.keys.into_iter().zip(groups.persons).collect());
        Ok(Exact {
            vectors,
            persons: persons.collect(),
        })
    }

    /// The operators that run, one list for each plan, or why there are none.
    pub(super) async fn operators(&self, question: &Question) -> Result<Vec<Vec<String>>, String> {
        let mut all = Vec::new();
        for plan in question.releases.iter().flat_map(|part| &part.plans) {
            let physical = self.executor.physical(&plan.plan, &self.snapshot).await;
            let mut names = Vec::new();
            name(physical.map_err(|e| e.to_string())?.as_ref(), &mut names);
            all.push(names);
        }
        Ok(all)
    }

    /// Whether a plan of the question adds up persons one after the other, as sorted rows allow.
    pub(super) async fn streams(&self, question: &Question) -> bool {
        for plan in question.releases.iter().flat_map(|part| &part.plans) {
            let physical = self.executor.physical(&plan.plan, &self.snapshot).await;
            let shown = datafusion::physical_plan::displayable(physical.unwrap().as_ref())
                .indent(true)
                .to_string();
            if shown.contains("ordering_mode=Sorted") {
                return true;
            }
        }
        false
    }
}

fn append(lake: &Lake, transaction: &Transaction, tables: &[Rows]) {
    for rows in tables {
        let batch = rows.batch_as(&lake.schema(rows.table).unwrap());
        transaction.append(rows.table, batch).unwrap();
    }
}

fn executor(lake: &Lake, layout: Layout) -> Executor {
    let executor = Executor::new(lake.clone()).unwrap();
    executor.laid_out(layout.partitions, layout.batch)
}

fn name(plan: &dyn ExecutionPlan, names: &mut Vec<String>) {
    names.push(plan.name().to_owned());
    for child in plan.children() {
        name(child.as_ref(), names);
    }
}

/// Whom rows are about.
pub(super) fn persons(rows: &Rows) -> BTreeSet<i64> {
    let at = rows.columns.iter().position(|c| *c == "person_id").unwrap();
    let ids = rows.values.iter().map(|row| row[at].as_deref());
    ids.flatten().map(|id| id.parse().unwrap()).collect()
}

/// The rows of those whom `picks` picks.
pub(super) fn only(tables: &[Rows], picks: impl Fn(&[Option<String>], i64) -> bool) -> Vec<Rows> {
    let only = tables.iter().map(|rows| {
        let at = rows.columns.iter().position(|c| *c == "person_id").unwrap();
        let mut rows = rows.clone();
        rows.values
            .retain(|row| picks(row, row[at].as_deref().unwrap().parse().unwrap()));
        rows
    });
    only.collect()
}

/// The tables in files that end between persons: one, two or three of each.
pub(super) fn files(tables: &[Rows], dice: &mut Dice) -> Vec<Vec<Rows>> {
    let mut cuts: Vec<i64> = (0..dice.below(3))
        .map(|_| i64::try_from(1 + dice.below(8)).unwrap())
        .collect();
    cuts.sort_unstable();
    let mut from = i64::MIN;
    let mut parts = Vec::new();
    for to in cuts.into_iter().chain([i64::MAX]) {
        parts.push(only(tables, |_, person| from <= person && person < to));
        from = to;
    }
    parts
}

/// The rows of each table in another order.
pub(super) fn shuffled(tables: &[Rows], dice: &mut Dice) -> Vec<Rows> {
    let mut tables = tables.to_vec();
    tables.reverse();
    for rows in &mut tables {
        for i in (1..rows.values.len()).rev() {
            let j = usize::try_from(dice.below(i as u64 + 1)).unwrap();
            rows.values.swap(i, j);
        }
    }
    tables
}
