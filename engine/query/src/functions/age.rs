//! Ages from dates of birth: `age(birth_date, on)` and `age_band(birth_date, on, width)`.

use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int32Array, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Date32Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::derive::relation::literal;

/// Ages from here on share one band: few people live longer, and none should stand alone.
const OLDEST_BAND: i32 = 90;

/// Completed years of age on a day; NULL when a date is missing or the day lies before birth.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Age {
    signature: Signature,
}

/// The band of `width` years an age falls in, as text: `40-49`, and `90+` for the oldest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct AgeBand {
    signature: Signature,
}

impl AgeBand {
    pub(crate) const NAME: &'static str = "age_band";

    /// Every band of a width, youngest first; `None` when the width does not divide 90.
    pub(crate) fn domain(width: i32) -> Option<Vec<String>> {
        if !(1..=OLDEST_BAND).contains(&width) || OLDEST_BAND % width != 0 {
            return None;
        }
        let steps = OLDEST_BAND / width;
        Some(
            (0..=steps)
                .map(|step| band_text(step * width, width))
                .collect(),
        )
    }

    /// Of `age_band(born, on, width)` with a literal width: the expression that gives the band's number, and the bands.
    pub(crate) fn numbered(expr: &Expr) -> Option<(Expr, Vec<String>)> {
        let Expr::ScalarFunction(call) = expr else {
            return None;
        };
        let [_, _, width] = call.args.as_slice() else {
            return None;
        };
        let ScalarValue::Int32(Some(years)) = literal(width)?.cast_to(&DataType::Int32).ok()?
        else {
            return None;
        };
        let bands = Self::domain(years).filter(|_| call.name() == Self::NAME)?;
        let number = ScalarUDF::from(BandNumber {
            signature: Signature::any(3, Volatility::Immutable),
        });
        Some((number.call(call.args.clone()), bands))
    }
}

/// The number of the band that [`AgeBand`] shows, from 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct BandNumber {
    signature: Signature,
}

impl BandNumber {
    pub(crate) const NAME: &'static str = "salus_band_number";
}

/// Last dates of birth at which each band but the youngest is reached on a day, youngest band first: ages fall as dates of birth rise.
#[derive(Debug)]
struct LastBirths {
    on: i32,
    births: Vec<i32>,
}

impl LastBirths {
    fn new(on: i32, width: i32) -> Option<Self> {
        let day = date(on)?;
        let reached = |born: i32, age: i32| {
            date(born)
                .and_then(|born| completed_years(born, day))
                .is_some_and(|years| years >= age)
        };
        let births = (1..=OLDEST_BAND / width).map(|band| {
            let age = band * width;
            // 366 days for each year reach back far enough, and nobody reaches an age on the day of birth.
            let (mut young, mut old) = (on, on.checked_sub(366 * (age + 1))?);
            if !reached(old, age) {
                return None;
            }
            while young - old > 1 {
                let middle = i32::midpoint(old, young);
                if reached(middle, age) {
                    old = middle;
                } else {
                    young = middle;
                }
            }
            Some(old)
        });
        Some(Self {
            on,
            births: births.collect::<Option<_>>()?,
        })
    }

    /// The band's number; `None` before birth.
    fn band(&self, born: i32) -> Option<i32> {
        if born > self.on {
            return None;
        }
        let number = self.births.partition_point(|last| born <= *last);
        i32::try_from(number).ok()
    }
}

/// Numbers of bands; NULL when a date is missing or the day lies before birth.
fn band_numbers(args: &ScalarFunctionArgs) -> Result<(Int32Array, i32)> {
    let [born, on, ColumnarValue::Scalar(width)] = args.args.as_slice() else {
        return exec_err!("the width of age_band must be a literal");
    };
    let Ok(ScalarValue::Int32(Some(width))) = width.cast_to(&DataType::Int32) else {
        return exec_err!("the width of age_band must be a literal");
    };
    if AgeBand::domain(width).is_none() {
        return exec_err!("the width of age_band must divide 90");
    }
    let day = match on {
        ColumnarValue::Scalar(on) => match on.cast_to(&DataType::Date32)? {
            ScalarValue::Date32(Some(day)) => LastBirths::new(day, width),
            _ => None,
        },
        ColumnarValue::Array(_) => None,
    };
    if let Some(day) = day {
        let born = days(born, args.number_rows)?;
        let born = born.as_primitive::<Date32Type>();
        // Dates that no calendar holds are NULL, as in `completed_years`.
        let possible = |born: i32| date(born).is_some();
        return Ok((
            born.unary_opt(|born| {
                day.band(born)
                    .filter(|n| *n < OLDEST_BAND / width || possible(born))
            }),
            width,
        ));
    }
    let numbers = ages(born, on, args.number_rows)?.unary(|age: i32| age.min(OLDEST_BAND) / width);
    Ok((numbers, width))
}

impl ScalarUDFImpl for BandNumber {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Array(Arc::new(band_numbers(&args)?.0)))
    }
}

fn band_text(age: i32, width: i32) -> String {
    if age >= OLDEST_BAND {
        return format!("{OLDEST_BAND}+");
    }
    let low = age / width * width;
    format!("{low:02}-{:02}", low + width - 1)
}

pub(crate) fn functions() -> [Arc<ScalarUDF>; 2] {
    [
        Arc::new(
            Age {
                signature: Signature::any(2, Volatility::Immutable),
            }
            .into(),
        ),
        Arc::new(
            AgeBand {
                signature: Signature::any(3, Volatility::Immutable),
            }
            .into(),
        ),
    ]
}

fn is_day(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Date32
            | DataType::Date64
            | DataType::Timestamp(_, _)
            | DataType::Utf8
            | DataType::Utf8View
            | DataType::Null
    )
}

fn days(value: &ColumnarValue, rows: usize) -> Result<ArrayRef> {
    Ok(cast(&value.to_array(rows)?, &DataType::Date32)?)
}

fn ages(born: &ColumnarValue, on: &ColumnarValue, rows: usize) -> Result<Int32Array> {
    let (born, on) = (days(born, rows)?, days(on, rows)?);
    let (born, on) = (
        born.as_primitive::<Date32Type>(),
        on.as_primitive::<Date32Type>(),
    );
    Ok((0..rows)
        .map(|row| {
            if born.is_null(row) || on.is_null(row) {
                return None;
            }
            completed_years(date(born.value(row))?, date(on.value(row))?)
        })
        .collect())
}

fn date(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_epoch_days(days)
}

fn completed_years(born: NaiveDate, on: NaiveDate) -> Option<i32> {
    on.years_since(born)
        .and_then(|years| i32::try_from(years).ok())
}

impl ScalarUDFImpl for Age {
    fn name(&self) -> &'static str {
        "age"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types {
            [born, on] if is_day(born) && is_day(on) => Ok(DataType::Int32),
            _ => plan_err!("age(birth_date, on) takes two dates"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [born, on] = args.args.as_slice() else {
            return exec_err!("age takes two arguments");
        };
        Ok(ColumnarValue::Array(Arc::new(ages(
            born,
            on,
            args.number_rows,
        )?)))
    }
}

impl ScalarUDFImpl for AgeBand {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types {
            [born, on, width] if is_day(born) && is_day(on) && width.is_integer() => {
                Ok(DataType::Utf8)
            }
            _ => plan_err!(
                "age_band(birth_date, on, width) takes two dates and a whole number of years"
            ),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (numbers, width) = band_numbers(&args)?;
        let names = Self::domain(width).unwrap_or_default();
        let name = |number: i32| names.get(usize::try_from(number).ok()?);
        let bands: StringArray = numbers.iter().map(|number| name(number?)).collect();
        Ok(ColumnarValue::Array(Arc::new(bands)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_age_falls_in_a_band_of_the_domain() {
        for width in [1, 5, 10, 15, 45, 90] {
            let domain = AgeBand::domain(width).unwrap();
            for age in 0..=130 {
                assert!(domain.contains(&band_text(age, width)), "{age} by {width}");
            }
        }
        assert_eq!(AgeBand::domain(0), None);
        assert_eq!(AgeBand::domain(7), None);
        assert_eq!(AgeBand::domain(-5), None);
    }

    #[test]
    fn bands_by_date_of_birth_are_bands_by_age() {
        for on in ["2024-02-29", "2023-02-28", "2025-01-01", "1999-12-31"] {
            let on = on.parse::<NaiveDate>().unwrap().to_epoch_days();
            for width in [1, 5, 10, 90] {
                let day = LastBirths::new(on, width).unwrap();
                for back in (-3..40_000).step_by(if width == 1 { 1 } else { 7 }) {
                    let born = on - back;
                    let age = completed_years(date(born).unwrap(), date(on).unwrap());
                    let expected = age.map(|age| age.min(OLDEST_BAND) / width);
                    assert_eq!(day.band(born), expected, "{on} {back} {width}");
                }
            }
        }
    }

    #[test]
    fn birthdays_count() {
        let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
        assert_eq!(
            completed_years(day(1960, 2, 29), day(2024, 2, 28)),
            Some(63)
        );
        assert_eq!(
            completed_years(day(1960, 2, 29), day(2024, 2, 29)),
            Some(64)
        );
        assert_eq!(completed_years(day(2025, 1, 1), day(2024, 1, 1)), None);
    }
}
