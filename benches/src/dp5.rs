//! dp5: five questions that every system of this kind is asked, over made-up rows whose shape is known: 2 million persons, 8 conditions and 20
//! observations of each. Two thousand codes of which few are common, so that keys are worth finding.

use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Int32Array, Int64Array, StringArray, new_null_array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::record_batch::RecordBatch;
use salus_lake::{Transaction, schema};

/// Codes of conditions, `C0000` the commonest.
pub const CODES: usize = 2_000;

/// A laboratory value: one of each person, between 3 and 20.
pub const LAB: &str = "4548-4";

/// A vital sign: four of each person, between 60 and 240.
pub const VITAL: &str = "8480-6";

/// Persons whose rows are made at once.
const CHUNK: u64 = 50_000;

/// 2025-01-01 in days since 1970.
const TODAY: i32 = 20_089;

/// A question: to Salus, to plain DataFusion and to DuckDB.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// Name in the output.
    pub name: &'static str,
    /// What Salus is asked.
    pub private: &'static str,
    /// What the others are asked: the same, without a bound on anybody.
    pub plain: &'static str,
    /// The most that Salus may take, over plain DataFusion.
    pub aim: f64,
    /// Rows of a person that count in a group.
    pub rows_per_person: Option<u64>,
}

/// Age in bands of ten years, by dates alone: the cheapest way to say it.
macro_rules! bands {
    ($date:literal) => {
        concat!(
            "CASE WHEN ",
            $date,
            " > DATE '2015-01-01' THEN '00-09' WHEN ",
            $date,
            " > DATE '2005-01-01' THEN '10-19' ",
            "WHEN ",
            $date,
            " > DATE '1995-01-01' THEN '20-29' WHEN ",
            $date,
            " > DATE '1985-01-01' THEN '30-39' ",
            "WHEN ",
            $date,
            " > DATE '1975-01-01' THEN '40-49' WHEN ",
            $date,
            " > DATE '1965-01-01' THEN '50-59' ",
            "WHEN ",
            $date,
            " > DATE '1955-01-01' THEN '60-69' WHEN ",
            $date,
            " > DATE '1945-01-01' THEN '70-79' ",
            "WHEN ",
            $date,
            " > DATE '1935-01-01' THEN '80-89' ELSE '90+' END"
        )
    };
}

/// The five.
pub const QUESTIONS: [Question; 5] = [
    Question {
        name: "people",
        private: "SELECT sex, age_band(birth_date, DATE '2025-01-01', 10) AS age, COUNT(*) AS n FROM patient GROUP BY 1, 2",
        plain: concat!(
            "SELECT sex, ",
            bands!("birth_date"),
            " AS age, COUNT(*) AS n FROM patient GROUP BY 1, 2"
        ),
        aim: 1.15,
        rows_per_person: None,
    },
    Question {
        name: "codes",
        private: "SELECT code, COUNT(DISTINCT person_id) AS n FROM condition GROUP BY code",
        plain: "SELECT code, COUNT(DISTINCT person_id) AS n FROM condition GROUP BY code",
        aim: 0.6,
        rows_per_person: None,
    },
    Question {
        name: "lab_by_sex",
        private: "SELECT p.sex, AVG(clamp(o.value, 3, 20)) AS lab FROM observation o JOIN patient p ON p.person_id = o.person_id \
                  WHERE o.code = '4548-4' GROUP BY p.sex",
        plain: "SELECT p.sex, AVG(least(greatest(o.value, 3), 20)) AS lab FROM observation o JOIN patient p ON p.person_id = o.person_id \
                WHERE o.code = '4548-4' GROUP BY p.sex",
        aim: 1.2,
        rows_per_person: Some(1),
    },
    Question {
        name: "vital_quantiles",
        private: "SELECT MEDIAN(clamp(o.value, 60, 240)) AS p50, approx_percentile_cont(clamp(o.value, 60, 240), 0.9) AS p90 \
                  FROM observation o JOIN patient p ON p.person_id = o.person_id \
                  WHERE o.code = '8480-6' AND p.birth_date <= DATE '1985-01-01'",
        plain: "SELECT MEDIAN(least(greatest(o.value, 60), 240)) AS p50, approx_percentile_cont(least(greatest(o.value, 60), 240), 0.9) AS p90 \
                FROM observation o JOIN patient p ON p.person_id = o.person_id \
                WHERE o.code = '8480-6' AND p.birth_date <= DATE '1985-01-01'",
        aim: 1.2,
        rows_per_person: Some(4),
    },
    Question {
        name: "vital_by_age",
        private: "SELECT age_band(p.birth_date, DATE '2025-01-01', 10) AS age, AVG(clamp(o.value, 60, 240)) AS vital \
                  FROM observation o JOIN patient p ON p.person_id = o.person_id WHERE o.code = '8480-6' \
                  AND p.person_id IN (SELECT person_id FROM condition WHERE code = 'C0001') GROUP BY 1",
        plain: concat!(
            "SELECT ",
            bands!("p.birth_date"),
            " AS age, AVG(least(greatest(o.value, 60), 240)) AS vital ",
            "FROM observation o JOIN patient p ON p.person_id = o.person_id WHERE o.code = '8480-6' ",
            "AND p.person_id IN (SELECT person_id FROM condition WHERE code = 'C0001') GROUP BY 1"
        ),
        aim: 1.2,
        rows_per_person: Some(4),
    },
];

/// The quantiles again, by an analyst who knows that the values are whole: asked for its error alone.
pub const WHOLE_QUANTILES: Question = Question {
    name: "vital_quantiles, whole numbers",
    private: "SELECT MEDIAN(clamp(CAST(o.value AS INT), 60, 240)) AS p50, approx_percentile_cont(clamp(CAST(o.value AS INT), 60, 240), 0.9) AS p90 \
              FROM observation o JOIN patient p ON p.person_id = o.person_id \
              WHERE o.code = '8480-6' AND p.birth_date <= DATE '1985-01-01'",
    ..QUESTIONS[3]
};

/// Writes the rows of so many persons.
///
/// # Errors
/// When the disk is full.
pub fn write(persons: u64, into: &Transaction) -> Result<()> {
    let mut dice = Dice(1);
    let weights = common_codes();
    let mut ids = 0_i64;
    for first in (1..=persons).step_by(usize::try_from(CHUNK)?) {
        let chunk = first..=(first + CHUNK - 1).min(persons);
        into.append_sorted("patient", patients(chunk.clone(), &mut dice)?)?;
        into.append_sorted(
            "condition",
            conditions(chunk.clone(), &mut dice, &weights, &mut ids)?,
        )?;
        into.append_sorted("observation", observations(chunk, &mut dice, &mut ids)?)?;
    }
    Ok(())
}

type Persons = std::ops::RangeInclusive<u64>;

fn patients(persons: Persons, dice: &mut Dice) -> Result<RecordBatch> {
    let count = usize::try_from(persons.end() - persons.start() + 1)?;
    let sex: Vec<&str> = (0..count)
        .map(|_| if dice.below(2) == 0 { "female" } else { "male" })
        .collect();
    let born: Vec<i32> = (0..count)
        .map(|_| Ok(TODAY - i32::try_from(dice.below(36_500))?))
        .collect::<Result<_>>()?;
    let deprivation: Vec<i32> = (0..count)
        .map(|_| Ok(1 + i32::try_from(dice.below(10))?))
        .collect::<Result<_>>()?;
    batch(
        "patient",
        &[
            ("person_id", Arc::new(keys(persons)?)),
            ("sex", Arc::new(StringArray::from(sex))),
            ("birth_date", Arc::new(Date32Array::from(born))),
            ("deprivation", Arc::new(Int32Array::from(deprivation))),
        ],
    )
}

/// Eight of each person in the mean, up to forty; codes may come twice.
fn conditions(
    persons: Persons,
    dice: &mut Dice,
    weights: &[u64],
    ids: &mut i64,
) -> Result<RecordBatch> {
    let (mut people, mut codes) = (Vec::new(), Vec::new());
    for person in persons {
        // The product of two uniform numbers: many persons with few, few with many.
        let count = 1 + (dice.below(30) * (1 + dice.below(30))) / 30;
        for _ in 0..count {
            let at = dice.below(*weights.last().context("no codes")?);
            people.push(i64::try_from(person)?);
            codes.push(format!("C{:04}", weights.partition_point(|sum| *sum <= at)));
        }
    }
    let rows = own_ids(people.len(), ids);
    batch(
        "condition",
        &[
            ("person_id", Arc::new(Int64Array::from(people))),
            ("id", Arc::new(rows)),
            ("code", Arc::new(StringArray::from(codes))),
        ],
    )
}

/// One laboratory value, four vital signs and fifteen others of each person.
fn observations(persons: Persons, dice: &mut Dice, ids: &mut i64) -> Result<RecordBatch> {
    let (mut people, mut codes, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let mut others = Vec::new();
    for other in 0..10 {
        others.push(format!("O{other}"));
    }
    for person in persons {
        let person = i64::try_from(person)?;
        let mut add = |code: &str, value: i128| {
            people.push(person);
            codes.push(code.to_owned());
            values.push(value);
        };
        // In millionths.
        add(
            LAB,
            4_000_000 + i128::from(dice.below(2_000_000) + dice.below(2_000_000)),
        );
        for _ in 0..4 {
            add(
                VITAL,
                90_000_000 + 1_000_000 * i128::from(dice.below(40) + dice.below(40)),
            );
        }
        for _ in 0..15 {
            let other = usize::try_from(dice.below(10))?;
            add(&others[other], 1_000_000 * i128::from(dice.below(100)));
        }
    }
    let rows = own_ids(people.len(), ids);
    batch(
        "observation",
        &[
            ("person_id", Arc::new(Int64Array::from(people))),
            ("id", Arc::new(rows)),
            ("code", Arc::new(StringArray::from(codes))),
            (
                "value",
                Arc::new(Decimal128Array::from(values).with_precision_and_scale(18, 6)?),
            ),
        ],
    )
}

/// Sums of weights that fall as one over the rank.
fn common_codes() -> Vec<u64> {
    let mut sum = 0;
    (1..=CODES as u64)
        .map(|rank| {
            sum += 1_000_000 / rank;
            sum
        })
        .collect()
}

fn keys(persons: Persons) -> Result<Int64Array> {
    let keys = persons.map(|person| Ok(i64::try_from(person)?));
    Ok(Int64Array::from(keys.collect::<Result<Vec<_>>>()?))
}

fn own_ids(count: usize, ids: &mut i64) -> Int64Array {
    (0..count)
        .map(|_| {
            *ids += 1;
            *ids
        })
        .collect::<Vec<_>>()
        .into()
}

/// A batch of a table of the lake: the columns that are not named are NULL.
fn batch(table: &str, named: &[(&str, ArrayRef)]) -> Result<RecordBatch> {
    let schema = schema(table).context("no such table")?;
    let rows = named.first().map_or(0, |(_, column)| column.len());
    let columns = schema.fields().iter().map(|field| {
        match named.iter().find(|(name, _)| name == field.name()) {
            Some((_, column)) => Ok(cast(column, field.data_type())?),
            None => Ok(new_null_array(field.data_type(), rows)),
        }
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(schema, columns)?)
}

/// `SplitMix64`: the same rows every time.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit.max(1)
    }
}
