//! `width_bucket(x, low, high, count)`: the bar of a histogram that a number falls in, with a public domain.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int32Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::derive::relation::literal;

/// Most bars.
const MOST: i32 = 1_000;

/// As in PostgreSQL: `count` bars of equal width from `low` up to `high`, numbered from 1; 0 is below `low`, count + 1 is `high` and above.
///
/// Decimals and integers are compared exactly: a number on a border is in the bar above it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct WidthBucket {
    signature: Signature,
}

impl WidthBucket {
    pub(crate) const NAME: &'static str = "width_bucket";

    /// The number of the last bar of `width_bucket(x, low, high, count)`; `None` unless the bounds are literals that make sense.
    pub(crate) fn last(args: &[Expr]) -> Option<i32> {
        let [_, low, high, count] = args else {
            return None;
        };
        Some(Bars::new(&literal(low)?, &literal(high)?, &literal(count)?)?.count + 1)
    }
}

/// Bars over exact bounds: mantissas · 10^-scale.
struct Bars {
    low: i128,
    high: i128,
    scale: i8,
    count: i32,
}

/// Digits behind the point that bounds may have.
const SCALE: i8 = 9;

impl Bars {
    fn new(low: &ScalarValue, high: &ScalarValue, count: &ScalarValue) -> Option<Self> {
        let exact = |value: &ScalarValue| match value.cast_to(&DataType::Decimal128(38, SCALE)) {
            Ok(ScalarValue::Decimal128(mantissa, ..)) => mantissa.filter(|m| m.abs() < 1 << 100),
            _ => None,
        };
        let ScalarValue::Int32(Some(count)) = count.cast_to(&DataType::Int32).ok()? else {
            return None;
        };
        let (low, high) = (exact(low)?, exact(high)?);
        (low < high && (1..=MOST).contains(&count)).then_some(Self {
            low,
            high,
            scale: SCALE,
            count,
        })
    }

    fn of_decimal(&self, mantissa: i128, scale: i8) -> i32 {
        // What lies beyond the bounds however it is scaled need not be scaled.
        let factor = |digits: u8| 10_i128.checked_pow(u32::from(digits));
        let beyond = if mantissa < 0 { i128::MIN } else { i128::MAX };
        let units = if scale <= self.scale {
            let scaled = factor(self.scale.abs_diff(scale)).map(|f| mantissa.checked_mul(f));
            scaled
                .flatten()
                .unwrap_or(if mantissa == 0 { 0 } else { beyond })
        } else {
            let below = if mantissa < 0 { -1 } else { 0 };
            factor(scale.abs_diff(self.scale)).map_or(below, |f| mantissa.div_euclid(f))
        };
        if units < self.low {
            return 0;
        }
        if units >= self.high {
            return self.count + 1;
        }
        // Both factors are small: (high − low) < 2^101, count ≤ 2^10.
        let bar = (units - self.low) * i128::from(self.count) / (self.high - self.low);
        i32::try_from(bar).unwrap_or(self.count) + 1
    }

    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // Floats are not exact to begin with.
    fn of_float(&self, x: f64) -> Option<i32> {
        let units = x * 10_f64.powi(i32::from(self.scale));
        (!x.is_nan()).then(|| self.of_decimal(units.floor() as i128, self.scale))
    }
}

impl ScalarUDFImpl for WidthBucket {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types {
            [DataType::Decimal128(..), ..] => Ok(DataType::Int32),
            [x, ..] if x.is_integer() || x.is_floating() => Ok(DataType::Int32),
            _ => plan_err!("width_bucket(x, low, high, count) takes four numbers"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [
            x,
            ColumnarValue::Scalar(low),
            ColumnarValue::Scalar(high),
            ColumnarValue::Scalar(count),
        ] = args.args.as_slice()
        else {
            return exec_err!("bounds and number of bars of width_bucket must be literals");
        };
        let Some(bars) = Bars::new(low, high, count) else {
            return exec_err!("width_bucket needs low < high and 1 to {MOST} bars");
        };
        let x = x.to_array(args.number_rows)?;
        let buckets: Int32Array = match x.data_type() {
            DataType::Decimal128(_, scale) => x
                .as_primitive::<Decimal128Type>()
                .unary(|mantissa| bars.of_decimal(mantissa, *scale)),
            kind if kind.is_floating() => cast(&x, &DataType::Float64)?
                .as_primitive::<Float64Type>()
                .unary_opt(|x| bars.of_float(x)),
            _ => cast(&x, &DataType::Decimal128(20, 0))?
                .as_primitive::<Decimal128Type>()
                .unary(|mantissa| bars.of_decimal(mantissa, 0)),
        };
        Ok(ColumnarValue::Array(Arc::new(buckets) as ArrayRef))
    }
}

/// The function as DataFusion registers it.
pub(crate) fn width_bucket() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(WidthBucket {
        signature: Signature::any(4, Volatility::Immutable),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(low: f64, high: f64, count: i32) -> Option<Bars> {
        let decimal = |x: f64| ScalarValue::Float64(Some(x));
        Bars::new(
            &decimal(low),
            &decimal(high),
            &ScalarValue::Int32(Some(count)),
        )
    }

    #[test]
    fn borders_belong_to_the_bar_above() {
        let bars = bars(4.0, 14.0, 20).unwrap();
        for (mantissa, expected) in [(39, 0), (40, 1), (44, 1), (45, 2), (139, 20), (140, 21)] {
            assert_eq!(bars.of_decimal(mantissa, 1), expected, "{mantissa}");
        }
        assert_eq!(bars.of_decimal(i128::MIN, 38), 0);
        assert_eq!(bars.of_decimal(i128::MAX, 0), 21);
        assert_eq!(bars.of_decimal(-1, 30), 0);
        assert_eq!(bars.of_float(f64::NAN), None);
        assert_eq!(bars.of_float(f64::INFINITY), Some(21));
        assert_eq!(bars.of_float(4.5), Some(2));
    }

    #[test]
    fn senseless_bars_are_none() {
        assert!(bars(5.0, 5.0, 3).is_none());
        assert!(bars(5.0, 6.0, 0).is_none());
        assert!(bars(5.0, 6.0, 2_000).is_none());
        assert!(bars(f64::NAN, 6.0, 2).is_none());
    }
}
