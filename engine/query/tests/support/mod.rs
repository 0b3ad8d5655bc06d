//! A lake with a ledger beside it, small tables written as text, and the same tables in a plain DataFusion session.

#![allow(
    dead_code,
    reason = "each test binary uses its own part of this module"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use salus_accounting::{Delta, Loss, Rational, Rho};
use salus_lake::{Catalog, Lake, TABLES, schema};
use salus_ledger::{Genesis, Ledger, key};
use salus_query::{Asking, Books, Engine, Policy, Price};
use tempfile::TempDir;

/// Rows of one person that a table of [`small_catalog`] may hold: bounds so small that noise of a huge budget vanishes.
pub(crate) const CAP: u64 = 6;

/// A policy under which one question costs nearly the whole of the fullest purse that the ledger can hold: noise as small as it gets.
pub(crate) const ANY_PRICE: &str =
    "version: 1\nquery_max_epsilon: \"8000000\"\nquery_default_epsilon: \"8000000\"\n";

/// The catalog as it is shipped.
pub(crate) fn default_catalog() -> &'static str {
    Catalog::default_yaml()
}

/// The shipped catalog with at most [`CAP`] rows per person in every table.
pub(crate) fn small_catalog() -> String {
    let lines = Catalog::default_yaml().lines().map(|line| {
        let indent = &line[..line.len() - line.trim_start().len()];
        match line.trim_start().split_once(": ") {
            Some((key @ ("max_rows_per_person" | "rows_per_person"), n)) if n.trim() != "1" => {
                format!("{indent}{key}: {CAP}\n")
            }
            _ => format!("{line}\n"),
        }
    });
    lines.collect()
}

/// Rows of one table, as text; columns that are not named are NULL.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(crate) table: &'static str,
    pub(crate) columns: Vec<&'static str>,
    pub(crate) values: Vec<Vec<Option<String>>>,
}

impl Rows {
    pub(crate) fn new(table: &'static str, columns: &[&'static str]) -> Self {
        Self {
            table,
            columns: columns.to_vec(),
            values: Vec::new(),
        }
    }

    /// One row; an empty text is NULL.
    pub(crate) fn push(&mut self, values: &[&str]) {
        assert_eq!(values.len(), self.columns.len(), "{}", self.table);
        let values = values
            .iter()
            .map(|text| (!text.is_empty()).then(|| (*text).to_owned()));
        self.values.push(values.collect());
    }

    pub(crate) fn with(mut self, rows: &[&[&str]]) -> Self {
        for row in rows {
            self.push(row);
        }
        self
    }

    /// The rows whose person is not `person`.
    pub(crate) fn without(&self, person: &str) -> Self {
        let at = self.columns.iter().position(|c| *c == "person_id").unwrap();
        let rows = self.values.iter();
        Self {
            values: rows
                .filter(|row| row[at].as_deref() != Some(person))
                .cloned()
                .collect(),
            ..self.clone()
        }
    }

    pub(crate) fn batch(&self) -> RecordBatch {
        self.batch_as(&schema(self.table).unwrap())
    }

    pub(crate) fn batch_as(&self, schema: &SchemaRef) -> RecordBatch {
        let columns = schema.fields().iter().map(|field| -> ArrayRef {
            let Some(at) = self.columns.iter().position(|c| c == field.name()) else {
                return new_null_array(field.data_type(), self.values.len());
            };
            let text: StringArray = self.values.iter().map(|row| row[at].as_deref()).collect();
            let values = cast(&text, field.data_type()).unwrap();
            let lost = values.null_count() - datafusion::arrow::array::Array::null_count(&text);
            assert_eq!(lost, 0, "{}.{}", self.table, field.name());
            values
        });
        RecordBatch::try_new(schema.clone(), columns.collect()).unwrap()
    }
}

/// A lake in a directory of its own.
pub(crate) struct Home {
    pub(crate) dir: TempDir,
    pub(crate) lake: Lake,
}

impl Home {
    /// A lake with one snapshot that holds `tables`, appended in batches of `batch` rows in the order given.
    pub(crate) async fn new(catalog: &str, tables: &[Rows], batch: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lake = Lake::create_with(&dir.path().join("home"), catalog).unwrap();
        let transaction = lake.begin().unwrap();
        for rows in tables {
            let whole = rows.batch_as(&lake.schema(rows.table).unwrap());
            let mut from = 0;
            while from < whole.num_rows() {
                let length = batch.min(whole.num_rows() - from);
                transaction
                    .append(rows.table, whole.slice(from, length))
                    .unwrap();
                from += length;
            }
        }
        transaction.commit(&|_| {}).await.unwrap();
        Self { dir, lake }
    }

    /// An engine with a ledger of its own, whose purse is as full as a purse can be.
    pub(crate) async fn engine(&self, policy: &str) -> (Engine, Ledger) {
        self.engine_with(policy, None).await
    }

    /// The same with the order of everybody's groups fixed.
    pub(crate) async fn engine_with(&self, policy: &str, seed: Option<u64>) -> (Engine, Ledger) {
        let mut name = 0;
        let place = loop {
            let place = self.dir.path().join(format!("ledger-{name}"));
            if !place.exists() {
                break place;
            }
            name += 1;
        };
        let ledger = ledger(&place).await;
        let mut books = Books::current(&self.lake, &ledger, policy).await.unwrap();
        if let Some(seed) = seed {
            books.fix_seed(seed);
        }
        let engine = Engine::open(self.lake.clone(), ledger.clone(), books).unwrap();
        (engine, ledger)
    }
}

async fn ledger(place: &Path) -> Ledger {
    let origin = "salus.test/query";
    std::fs::create_dir(place).unwrap();
    let signer = key::generate(&place.join("key"), origin).unwrap();
    let cap = Loss {
        // What the store can hold.
        rho: Rho::from_units(i64::MAX.unsigned_abs()),
        delta: Delta::parse_floor("0.9").unwrap(),
    };
    let genesis = Genesis {
        origin: origin.to_owned(),
        space: "test".to_owned(),
        ceiling: cap,
        cap,
        conversion_delta: Delta::parse_floor("1e-6").unwrap(),
        build: "test".to_owned(),
        rules: 1,
        predecessor: None,
        restricted: None,
    };
    Ledger::create(&place.join("log"), signer, genesis)
        .await
        .unwrap()
}

/// An analyst who asks at `price`.
pub(crate) fn asking(price: Price) -> Asking {
    Asking {
        principal: "p-1".to_owned(),
        roles: vec!["analyst".to_owned()],
        purpose: "HRESCH".to_owned(),
        subject: salus_query::Subject::Numbers,
        price,
        delta: None,
        rows_per_person: None,
        groups_per_person: None,
        weigh: false,
        noise: salus_accounting::Noise::DiscreteGaussian,
        confidence: Rational::from_ratio(19, 20).unwrap_or(Rational::ZERO),
        expected_rows: None,
        retry: None,
        fresh: true,
    }
}

/// The default policy of the product.
pub(crate) fn default_policy() -> &'static str {
    Policy::default_yaml()
}

/// A plain session over the same rows, and the catalog's clinical limits as the table `measurement`.
pub(crate) fn plain(catalog: &str, tables: &[Rows]) -> SessionContext {
    let mut config = SessionConfig::new();
    config.options_mut().sql_parser.parse_float_as_decimal = true;
    let context = SessionContext::new_with_config(config);
    let mut batches: BTreeMap<&str, Vec<RecordBatch>> = BTreeMap::new();
    for table in TABLES {
        batches.insert(table, vec![]);
    }
    for rows in tables {
        batches.get_mut(rows.table).unwrap().push(rows.batch());
    }
    for (table, batches) in batches {
        let provider = MemTable::try_new(schema(table).unwrap(), vec![batches]).unwrap();
        context.register_table(table, Arc::new(provider)).unwrap();
    }
    let catalog = Catalog::parse(catalog).unwrap();
    let column = |of: fn(&salus_lake::Measurement) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(
            catalog.measurements.iter().map(of),
        ))
    };
    let limits = RecordBatch::try_from_iter([
        ("code", column(|m| m.code.clone())),
        ("code_system", column(|m| m.system.clone())),
        ("name", column(|m| m.name.clone())),
        ("unit", column(|m| m.unit.clone())),
        ("low", column(|m| m.low.to_string())),
        ("high", column(|m| m.high.to_string())),
    ])
    .unwrap();
    context.register_batch("measurement", limits).unwrap();
    context
}

/// Rows of a plain answer, each value as text; `None` is NULL.
pub(crate) async fn plain_rows(context: &SessionContext, sql: &str) -> Vec<Vec<Option<String>>> {
    let frame = context.sql(sql).await;
    let frame = frame.unwrap_or_else(|e| panic!("{sql}\n{}", e.strip_backtrace()));
    let batches = frame.collect().await;
    let batches = batches.unwrap_or_else(|e| panic!("{sql}\n{}", e.strip_backtrace()));
    let mut rows = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|column| {
                use datafusion::common::ScalarValue;
                let value = ScalarValue::try_from_array(column, row).unwrap();
                (!value.is_null()).then(|| value.to_string())
            });
            rows.push(values.collect());
        }
    }
    rows
}

/// A value of an answer as text, as [`plain_rows`] gives it.
pub(crate) fn text(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// `SplitMix64`: random tables that are the same in every run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    pub(crate) fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

/// A population of `persons` with patients, encounters, conditions and observations, at most [`CAP`] rows of a person in each table.
/// Values are multiples of the catalog's granularity and within its bounds, so that bounding changes nothing.
pub(crate) fn population(persons: u64, seed: u64) -> Vec<Rows> {
    let mut dice = Dice::new(seed);
    let mut patient = Rows::new(
        "patient",
        &[
            "person_id",
            "sex",
            "birth_date",
            "deceased",
            "state",
            "deprivation",
        ],
    );
    let mut encounter = Rows::new(
        "encounter",
        &["person_id", "id", "class", "start_date", "length_minutes"],
    );
    let mut condition = Rows::new(
        "condition",
        &[
            "person_id",
            "id",
            "encounter_id",
            "clinical_status",
            "code",
            "onset_date",
        ],
    );
    let mut observation = Rows::new(
        "observation",
        &[
            "person_id",
            "id",
            "code",
            "effective_date",
            "value",
            "unit",
            "value_text",
        ],
    );
    let mut id = 0;
    for person in 1..=persons {
        let who = person.to_string();
        let birth = format!(
            "{}-{:02}-{:02}",
            1925 + dice.below(95),
            1 + dice.below(12),
            1 + dice.below(28)
        );
        let deprivation = 1 + dice.below(10);
        let dead = ["true", "false", ""][usize::try_from(dice.below(3)).unwrap()];
        let sex = dice.pick(&["male", "female", "female", "unknown", "", "made-up"]);
        let state = dice.pick(&["MA", "NY", "CA", "ZZ"]);
        patient.push(&[&who, sex, &birth, dead, state, &deprivation.to_string()]);
        let mut visits = Vec::new();
        for _ in 0..dice.below(CAP + 1) {
            id += 1;
            visits.push(id.to_string());
            let day = format!("20{:02}-{:02}-11", 15 + dice.below(10), 1 + dice.below(12));
            let class = dice.pick(&["AMB", "AMB", "EMER", "IMP", "VR", "XX"]);
            let minutes = (dice.below(30) * 10).to_string();
            encounter.push(&[&who, &id.to_string(), class, &day, &minutes]);
        }
        for _ in 0..dice.below(CAP + 1) {
            id += 1;
            let visit = match visits.len() as u64 {
                0 => "",
                n => &visits[usize::try_from(dice.below(n)).unwrap()],
            };
            let code = dice.pick(&["44054006", "59621000", "38341003", "195967001"]);
            let status = dice.pick(&["active", "resolved", "inactive"]);
            let day = format!("20{:02}-03-05", 10 + dice.below(14));
            condition.push(&[&who, &id.to_string(), visit, status, code, &day]);
        }
        for _ in 0..dice.below(CAP + 1) {
            id += 1;
            let day = format!("20{:02}-{:02}-21", 18 + dice.below(7), 1 + dice.below(12));
            let (code, value, unit) = match dice.below(3) {
                0 => (
                    "4548-4",
                    format!("{}.{}", 4 + dice.below(9), dice.below(10)),
                    "%",
                ),
                1 => ("8480-6", (90 + dice.below(110)).to_string(), "mm[Hg]"),
                _ => ("2345-7", (60 + dice.below(300)).to_string(), "mg/dL"),
            };
            let note = dice.pick(&["12", "7.5", "not a number", "", "1e3"]);
            observation.push(&[&who, &id.to_string(), code, &day, &value, unit, note]);
        }
    }
    vec![patient, encounter, condition, observation]
}
