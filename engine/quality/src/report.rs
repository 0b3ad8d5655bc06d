//! The report: rows that fail, by check, column, source, code and month.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Int64Type};
use salus_lake::{Lake, Snapshot, Sources, TABLES, schema};

use crate::check::{Category, Check, Limits, Surroundings, Thresholds, checks, limits};
use crate::stream::{Beside, Person, Rows};
use crate::{Error, month};

/// Groups of one table above which a report is given up: about a gigabyte.
const MOST_GROUPS: usize = 1 << 20;

/// What is wanted of a report.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// These tables only; all when empty.
    pub tables: Vec<String>,
    /// Persons of this source only: those whom no other names. [`Sources::SEVERAL`] stands for whom several name.
    pub source: Option<String>,
    /// Rows of this month only, as `2025-06`.
    pub month: Option<String>,
    /// Rows of this code only.
    pub code: Option<String>,
    /// Figures for each source, code or month, and not for all together.
    pub by: By,
    /// Day that is the future's beginning, in days since 1970-01-01.
    pub today: i32,
    /// Per cent of failing rows above which a check fails, by its name.
    pub thresholds: Thresholds,
}

/// What figures are apart by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct By {
    /// The source that names the person.
    pub source: bool,
    /// The code of the row.
    pub code: bool,
    /// The month of the row's first date.
    pub month: bool,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of check it is.
    pub category: Category,
    /// Its name in [`crate::CHECKS`].
    pub check: &'static str,
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: String,
    /// The source, when figures are apart by it.
    pub source: Option<String>,
    /// The code, when figures are apart by it and the rows have one.
    pub code: Option<String>,
    /// The month, when figures are apart by it and the rows have one.
    pub month: Option<String>,
    /// Rows that the check applies to.
    pub rows: u64,
    /// Rows of them that fail.
    pub failed: u64,
    /// Per cent of failing rows that are tolerated, if any number is.
    pub most_percent: Option<u32>,
}

impl Finding {
    /// Whether more rows fail than are tolerated.
    pub fn is_over(&self) -> bool {
        let over =
            |most: u32| u128::from(self.failed) * 100 > u128::from(self.rows) * u128::from(most);
        self.most_percent.is_some_and(over)
    }
}

/// A report on one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The snapshot.
    pub snapshot: u64,
    /// Figures, by table, column, check and group.
    pub findings: Vec<Finding>,
    /// Lines in quarantine by reason, of all sources and months.
    pub quarantined: Vec<(String, u64)>,
}

/// Reads the newest snapshot through, one table after the other, and counts. Memory does not grow with the rows, but with the
/// groups of [`Options::by`].
///
/// # Guarantee
/// None of privacy: the figures are exact, and are for those who may see the records themselves.
///
/// # Errors
/// [`Error::Usage`] for a table or check that there is none of, [`Error::TooManyGroups`], and those of the lake.
pub async fn report(lake: &Lake, options: &Options) -> Result<Report, Error> {
    check_tables(&options.tables)?;
    let names = crate::CHECKS.map(|(name, _, _)| name);
    if let Some(odd) = options
        .thresholds
        .keys()
        .find(|name| !names.contains(&name.as_str()))
    {
        let known = names.join(", ");
        return Err(Error::Usage(format!(
            "there is no check {odd}; there are {known}"
        )));
    }
    let snapshot = lake.snapshot()?.ok_or(Error::Empty)?;
    let sources = lake.sources(&snapshot)?;
    if let Some(source) = &options.source
        && source != Sources::SEVERAL
        && !sources.names().any(|name| name == source)
    {
        let known: Vec<_> = sources.names().chain([Sources::SEVERAL]).collect();
        let known = known.join(", ");
        return Err(Error::Usage(format!(
            "nothing was ingested under the source {source}; there are {known}"
        )));
    }
    let mut findings = Vec::new();
    for table in TABLES {
        if options.tables.is_empty() || options.tables.iter().any(|name| name == table) {
            let mut scan = Scan::new(lake, table, options, &sources);
            scan.run(lake, &snapshot).await?;
            findings.append(&mut scan.findings());
        }
    }
    Ok(Report {
        snapshot: snapshot.number,
        findings,
        quarantined: lake.quarantine_counts()?.into_iter().collect(),
    })
}

/// Refuses tables that there are none of.
pub(crate) fn check_tables(tables: &[String]) -> Result<(), Error> {
    for table in tables {
        if !TABLES.contains(&table.as_str()) {
            let known = TABLES.join(", ");
            return Err(Error::Usage(format!(
                "there is no table {table}; there are {known}"
            )));
        }
    }
    Ok(())
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
struct Group {
    source: Option<Arc<str>>,
    code: Option<Arc<str>>,
    month: Option<i32>,
}

/// Rows that a check applies to, and those of them that fail.
type Counts = Vec<(u64, u64)>;

struct Scan<'r> {
    table: &'static str,
    options: &'r Options,
    sources: &'r Sources,
    checks: Vec<Check>,
    limits: HashMap<String, Limits>,
    /// Places of the code and of the first date, where there are.
    code: Option<usize>,
    day: Option<usize>,
    groups: HashMap<Group, Counts>,
}

impl<'r> Scan<'r> {
    fn new(lake: &Lake, table: &'static str, options: &'r Options, sources: &'r Sources) -> Self {
        let schema = schema(table);
        let fields = || {
            schema
                .iter()
                .flat_map(|schema| schema.fields().iter())
                .enumerate()
        };
        let dated = |(at, field): (usize, &Arc<arrow::datatypes::Field>)| {
            (table != "patient" && *field.data_type() == DataType::Date32).then_some(at)
        };
        Self {
            table,
            options,
            sources,
            checks: checks(table, lake.catalog()),
            limits: limits(lake.catalog()),
            code: fields().find_map(|(at, field)| (field.name() == "code").then_some(at)),
            day: fields().find_map(dated),
            groups: HashMap::new(),
        }
    }

    async fn run(&mut self, lake: &Lake, snapshot: &Snapshot) -> Result<(), Error> {
        let schema = schema(self.table);
        let columns: Vec<&str> = schema
            .iter()
            .flat_map(|it| it.fields())
            .map(|it| it.name().as_str())
            .collect();
        let mut rows = Rows::of(lake, snapshot, self.table, &columns).await?;
        let facts = ["person_id", "birth_date", "death_date", "sex"];
        let mut people = Beside::of(lake, snapshot, "patient", &facts).await?;
        let parent = match self.table {
            "observation_component" => Some("observation"),
            _ => columns.contains(&"encounter_id").then_some("encounter"),
        };
        let mut parents = match parent {
            Some(parent) => Some(Beside::of(lake, snapshot, parent, &["person_id", "id"]).await?),
            None => None,
        };
        let (mut last, mut person, mut ids) = (None, Person::default(), HashSet::new());
        while let Some(batch) = rows.next().await? {
            let persons = batch.column(0).as_primitive::<Int64Type>().clone();
            for (row, number) in persons.values().iter().enumerate() {
                if last != Some(*number) {
                    last = Some(*number);
                    person = people.person(*number).await?;
                    if let Some(parents) = &mut parents {
                        parents.ids(*number, &mut ids).await?;
                    }
                }
                self.row(&batch, row, *number, &person, &ids)?;
            }
        }
        Ok(())
    }

    fn row(
        &mut self,
        batch: &RecordBatch,
        row: usize,
        number: i64,
        person: &Person,
        parents: &HashSet<i64>,
    ) -> Result<(), Error> {
        let Some(group) = self.group(batch, row, number) else {
            return Ok(());
        };
        if self.groups.len() >= MOST_GROUPS && !self.groups.contains_key(&group) {
            return Err(Error::TooManyGroups(self.table));
        }
        let around = Surroundings {
            person,
            parents,
            today: self.options.today,
            limits: &self.limits,
        };
        let counts = self
            .groups
            .entry(group)
            .or_insert_with(|| vec![(0, 0); self.checks.len()]);
        for (check, (rows, failed)) in self.checks.iter().zip(counts) {
            if let Some(fails) = check.fails(batch, row, &around) {
                *rows += 1;
                *failed += u64::from(fails);
            }
        }
        Ok(())
    }

    /// The group that a row belongs to; `None` when the row is not wanted.
    fn group(&self, batch: &RecordBatch, row: usize, number: i64) -> Option<Group> {
        let (options, mut group) = (self.options, Group::default());
        if options.source.is_some() || options.by.source {
            let source = self.sources.of(number);
            if options
                .source
                .as_deref()
                .is_some_and(|wanted| wanted != source)
            {
                return None;
            }
            group.source = options.by.source.then(|| source.into());
        }
        if options.code.is_some() || options.by.code {
            let codes = self
                .code
                .and_then(|at| batch.column(at).as_string_opt::<i32>());
            let code = codes
                .filter(|codes| codes.is_valid(row))
                .map(|codes| codes.value(row));
            if options.code.is_some() && options.code.as_deref() != code {
                return None;
            }
            group.code = code.filter(|_| options.by.code).map(Into::into);
        }
        if options.month.is_some() || options.by.month {
            let days = self
                .day
                .and_then(|at| batch.column(at).as_primitive_opt::<Date32Type>());
            let day = days
                .filter(|days| days.is_valid(row))
                .map(|days| days.value(row));
            let month = day.map(month::of);
            if options.month.is_some() && options.month != month.map(month::name) {
                return None;
            }
            group.month = month.filter(|_| options.by.month);
        }
        Some(group)
    }

    fn findings(self) -> Vec<Finding> {
        let mut groups: Vec<_> = self.groups.into_iter().collect();
        groups.sort_unstable();
        let mut findings = Vec::new();
        for (at, check) in self.checks.iter().enumerate() {
            let own = self.options.thresholds.get(check.name).copied();
            for (group, counts) in &groups {
                let (rows, failed) = counts[at];
                if rows > 0 {
                    findings.push(Finding {
                        category: check.category,
                        check: check.name,
                        table: self.table,
                        column: check.column.clone(),
                        source: group.source.as_deref().map(str::to_owned),
                        code: group.code.as_deref().map(str::to_owned),
                        month: group.month.map(month::name),
                        rows,
                        failed,
                        most_percent: own.or(check.most_percent),
                    });
                }
            }
        }
        findings
    }
}
