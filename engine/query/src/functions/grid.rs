//! Numbers on a grid: the only way from a measurement to something that is summed.

use std::sync::Arc;

use crate::faults::{Fault, planted};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// Bounds of a number in units of its granularity g = 10^-scale: every released sum is a sum of integers in `low..=high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Grid {
    /// Least value, in grid units.
    pub low: i64,
    /// Greatest value, in grid units.
    pub high: i64,
    /// One grid unit is 10^-scale.
    pub scale: u32,
}

impl Grid {
    /// A number of grid units in the unit of the value.
    pub(crate) fn show(&self, units: f64) -> f64 {
        units / 10_f64.powi(i32::try_from(self.scale).unwrap_or(i32::MAX))
    }

    /// Most that one row can move a plain sum, in grid units.
    pub(crate) fn reach(&self) -> u64 {
        self.low.unsigned_abs().max(self.high.unsigned_abs())
    }

    /// Most that one row can move a centred sum Σ(2X − LO − HI), in grid units.
    pub(crate) fn width(&self) -> u64 {
        self.high.abs_diff(self.low)
    }

    /// The integer of an exact decimal `mantissa` · 10^-`scale`: rounded half away from zero, **then** clamped.
    fn of_decimal(&self, mantissa: i128, scale: i32) -> i64 {
        let shift = i64::from(self.scale) - i64::from(scale);
        let rounded = if shift >= 0 {
            let factor = 10_i128.checked_pow(u32::try_from(shift).unwrap_or(u32::MAX));
            factor
                .and_then(|factor| mantissa.checked_mul(factor))
                .unwrap_or(if mantissa == 0 {
                    0
                } else {
                    mantissa.signum() * i128::MAX
                })
        } else {
            match 10_i128.checked_pow(u32::try_from(-shift).unwrap_or(u32::MAX)) {
                Some(factor) => {
                    let (quotient, rest) = (mantissa / factor, mantissa % factor);
                    // |rest| < factor ≤ 10^38, so doubling stays below 2^127 · 2; compare without doubling.
                    if rest.abs() >= factor - rest.abs() {
                        quotient + mantissa.signum()
                    } else {
                        quotient
                    }
                }
                None => 0,
            }
        };
        self.clamp(rounded)
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "clamped to i64 bounds first"
    )]
    fn clamp(&self, units: i128) -> i64 {
        if planted(Fault::NoClamp) {
            return units as i64;
        }
        let clamped = units.clamp(i128::from(self.low), i128::from(self.high)) as i64;
        if planted(Fault::ClampBeforeRounding) {
            // Bounds are multiples of the grid's own steps, and either order gives the same: these are coarser ones.
            return (clamped as f64 / 13.0).round() as i64 * 13;
        }
        clamped
    }

    /// NaN and infinities are NULL; everything else is rounded, then clamped.
    #[allow(clippy::cast_possible_truncation)] // Float to integer casts saturate.
    fn of_float(&self, x: f64) -> Option<i64> {
        let power = i32::try_from(self.scale).unwrap_or(i32::MAX);
        x.is_finite()
            .then(|| self.clamp((x * 10_f64.powi(power)).round() as i128))
    }
}

/// What of a value is summed: with X the value on the grid,
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Summed {
    /// X.
    Value,
    /// 2X − LO − HI.
    Centred,
    /// (2X − LO − HI)².
    Square,
    /// (X − LO) / width: the leaf of a tree that X lies in, from 0. Not summed but grouped by.
    Leaf(u64),
}

/// `salus_grid(x)`: x in grid units, shifted, squared or put into a leaf as [`Summed`] says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ToGrid {
    grid: Grid,
    summed: Summed,
    signature: Signature,
}

impl ToGrid {
    pub(crate) fn call(grid: Grid, summed: Summed, x: Expr) -> Expr {
        ScalarUDF::from(Self {
            grid,
            summed,
            signature: Signature::any(1, Volatility::Immutable),
        })
        .call(vec![x])
    }

    fn finish(&self, units: i64) -> i64 {
        // |2X − LO − HI| ≤ HI − LO, which was checked to be far below 2^63 when the query was priced; so was its square.
        let doubled =
            2 * i128::from(units) - i128::from(self.grid.low) - i128::from(self.grid.high);
        match self.summed {
            Summed::Value => units,
            Summed::Centred => i64::try_from(doubled).unwrap_or_default(),
            Summed::Square => i64::try_from(doubled * doubled).unwrap_or_default(),
            Summed::Leaf(width) => {
                i64::try_from(units.abs_diff(self.grid.low) / width.max(1)).unwrap_or_default()
            }
        }
    }
}

impl ScalarUDFImpl for ToGrid {
    fn name(&self) -> &'static str {
        "salus_grid"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Refuses while planning whatever it could not compute while running: an error there would tell that a row exists.
    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types {
            [DataType::Decimal128(..) | DataType::Boolean] => Ok(DataType::Int64),
            [kind] if kind.is_integer() || kind.is_floating() => Ok(DataType::Int64),
            _ => plan_err!("only numbers can be summed"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [x] = args.args.as_slice() else {
            return exec_err!("salus_grid takes one argument");
        };
        let x = x.to_array(args.number_rows)?;
        let units: Int64Array = match x.data_type() {
            DataType::Decimal128(_, scale) => {
                let scale = i32::from(*scale);
                if scale == i32::try_from(self.grid.scale).unwrap_or(i32::MIN) {
                    x.as_primitive::<Decimal128Type>()
                        .unary(|mantissa| self.finish(self.grid.clamp(mantissa)))
                } else {
                    x.as_primitive::<Decimal128Type>()
                        .unary(|mantissa| self.finish(self.grid.of_decimal(mantissa, scale)))
                }
            }
            DataType::Float16 | DataType::Float32 | DataType::Float64 => {
                let x = cast(&x, &DataType::Float64)?;
                x.as_primitive::<Float64Type>()
                    .unary_opt(|x| self.grid.of_float(x).map(|units| self.finish(units)))
            }
            DataType::Boolean => cast(&x, &DataType::Int64)?
                .as_primitive::<Int64Type>()
                .unary(|x| self.finish(self.grid.of_decimal(i128::from(x), 0))),
            // UInt64 above 2^63 becomes NULL in the cast; every other integer fits.
            kind if kind.is_integer() => cast(&x, &DataType::Int64)?
                .as_primitive::<Int64Type>()
                .unary(|x| self.finish(self.grid.of_decimal(i128::from(x), 0))),
            other => return exec_err!("salus_grid takes a number, not {other}"),
        };
        Ok(ColumnarValue::Array(Arc::new(units) as ArrayRef))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_before_it_clamps() {
        let grid = Grid {
            low: 0,
            high: 100,
            scale: 1,
        };
        assert_eq!(grid.of_decimal(1_0049, 3), 100);
        assert_eq!(grid.of_decimal(9_949, 3), 99);
        assert_eq!(grid.of_decimal(9_950, 3), 100);
        assert_eq!(grid.of_decimal(-7, 0), 0);
        assert_eq!(grid.of_decimal(i128::MAX, 0), 100);
        assert_eq!(grid.of_decimal(i128::MIN + 1, 38), 0);
    }

    #[test]
    fn what_is_not_a_number_is_null() {
        let grid = Grid {
            low: -5,
            high: 5,
            scale: 0,
        };
        assert_eq!(grid.of_float(f64::NAN), None);
        assert_eq!(grid.of_float(f64::INFINITY), None);
        assert_eq!(grid.of_float(1e300), Some(5));
        assert_eq!(grid.of_float(-1e300), Some(-5));
        assert_eq!(grid.of_float(2.5), Some(3));
    }

    #[test]
    fn centred_values_stay_within_the_width() {
        let grid = Grid {
            low: -3,
            high: 10,
            scale: 0,
        };
        let to_grid = ToGrid {
            grid,
            summed: Summed::Centred,
            signature: Signature::any(1, Volatility::Immutable),
        };
        for x in -20..20 {
            let centred = to_grid.finish(grid.of_decimal(x, 0));
            assert!(centred.unsigned_abs() <= grid.width());
        }
    }
}
