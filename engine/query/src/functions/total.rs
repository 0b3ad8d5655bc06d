//! Total functions: what cannot be computed for a row is NULL in that row, never an error of the query.
//!
//! An error that depends on a value would tell the analyst that such a value exists. So every operation that can fail is wrapped: it runs on
//! the whole batch, and when the batch fails it runs row by row, with NULL where the row fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Scalar, StringArray, new_null_array};
use datafusion::arrow::compute::kernels::{cmp, zip::zip};
use datafusion::arrow::compute::{cast, concat, is_not_null, nullif};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{Result, ScalarValue, exec_err, internal_err};
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, NegativeExpr};

/// Longest text that `||` makes, in bytes. Rows that have text must not need so much memory that somebody could tell that they are there.
pub(crate) const MOST_TEXT: usize = 1024;

/// What a [`Total`] wraps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Partial {
    /// `+ - * / %` of two values.
    Arithmetic(Operator),
    /// Unary minus.
    Negate,
    /// A cast; what cannot be converted is NULL.
    Cast(DataType),
    /// `||`; NULL beyond [`MOST_TEXT`].
    Concat,
    /// The first operand that is not NULL.
    Coalesce,
    /// A function of the allow-list.
    Function(Arc<ScalarUDF>),
}

/// The total version of a partial operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Total {
    name: String,
    partial: Partial,
    signature: Signature,
}

impl Total {
    /// `partial(args)`, with NULL where it fails.
    pub(crate) fn call(partial: Partial, args: Vec<Expr>) -> Expr {
        let name = match &partial {
            Partial::Arithmetic(operator) => format!("total_{operator}"),
            Partial::Negate => "total_neg".to_owned(),
            Partial::Cast(wanted) => format!("total_cast_{wanted}"),
            Partial::Concat => "total_||".to_owned(),
            Partial::Coalesce => "total_coalesce".to_owned(),
            Partial::Function(function) => format!("total_{}", function.name()),
        };
        let total = Self {
            name,
            partial,
            signature: Signature::variadic_any(Volatility::Immutable),
        };
        ScalarUDF::from(total).call(args)
    }

    /// The result in the promised type, or nothing: errors and panics of the wrapped operation stay here.
    fn attempt(
        &self,
        args: &[ArrayRef],
        call: &ScalarFunctionArgs,
        rows: usize,
    ) -> Option<ArrayRef> {
        let wanted = call.return_field.data_type();
        let array = catch_unwind(AssertUnwindSafe(|| self.evaluate(args, call, rows)))
            .ok()?
            .ok()?;
        if array.len() != rows {
            return None;
        }
        if array.data_type() == wanted {
            return Some(array);
        }
        cast(&array, wanted).ok()
    }

    fn evaluate(
        &self,
        args: &[ArrayRef],
        call: &ScalarFunctionArgs,
        rows: usize,
    ) -> Result<ArrayRef> {
        match &self.partial {
            Partial::Arithmetic(operator) => {
                let [left, right] = args else {
                    return internal_err!("arithmetic takes two operands");
                };
                let right = if matches!(operator, Operator::Divide | Operator::Modulo) {
                    without_zeros(right)?
                } else {
                    Arc::clone(right)
                };
                let schema = Arc::new(Schema::new(vec![
                    Field::new("l", left.data_type().clone(), true),
                    Field::new("r", right.data_type().clone(), true),
                ]));
                let batch = RecordBatch::try_new(schema, vec![Arc::clone(left), right])?;
                BinaryExpr::new(
                    Arc::new(Column::new("l", 0)),
                    *operator,
                    Arc::new(Column::new("r", 1)),
                )
                .with_fail_on_overflow(true)
                .evaluate(&batch)?
                .into_array(rows)
            }
            Partial::Negate => {
                let [operand] = args else {
                    return internal_err!("negation takes one operand");
                };
                let schema = Arc::new(Schema::new(vec![Field::new(
                    "x",
                    operand.data_type().clone(),
                    true,
                )]));
                let batch = RecordBatch::try_new(schema, vec![Arc::clone(operand)])?;
                NegativeExpr::new(Arc::new(Column::new("x", 0)))
                    .evaluate(&batch)?
                    .into_array(rows)
            }
            Partial::Cast(wanted) => {
                let [operand] = args else {
                    return internal_err!("a cast takes one operand");
                };
                Ok(cast(operand, wanted)?)
            }
            Partial::Concat => {
                let [left, right] = args else {
                    return internal_err!("|| takes two operands");
                };
                concatenate(left, right)
            }
            Partial::Coalesce => {
                let Some((last, rest)) = args.split_last() else {
                    return internal_err!("COALESCE takes at least one operand");
                };
                rest.iter()
                    .rev()
                    .try_fold(Arc::clone(last), |other, first| {
                        Ok(zip(&is_not_null(first)?, first, &other)?)
                    })
            }
            Partial::Function(function) => {
                let args = call
                    .args
                    .iter()
                    .zip(args)
                    .map(|(original, array)| match original {
                        // Functions such as date_trunc insist on a literal where one was written.
                        ColumnarValue::Scalar(scalar) => ColumnarValue::Scalar(scalar.clone()),
                        ColumnarValue::Array(_) => ColumnarValue::Array(Arc::clone(array)),
                    })
                    .collect();
                function
                    .invoke_with_args(ScalarFunctionArgs {
                        args,
                        arg_fields: call.arg_fields.clone(),
                        number_rows: rows,
                        return_field: Arc::clone(&call.return_field),
                        config_options: Arc::clone(&call.config_options),
                    })?
                    .into_array(rows)
            }
        }
    }
}

impl ScalarUDFImpl for Total {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        internal_err!("return_field_from_args is used")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let data_type = match &self.partial {
            Partial::Arithmetic(operator) => {
                let [left, right] = args.arg_fields else {
                    return exec_err!("arithmetic takes two operands");
                };
                BinaryTypeCoercer::new(left.data_type(), operator, right.data_type())
                    .get_result_type()?
            }
            Partial::Cast(wanted) => wanted.clone(),
            Partial::Concat => {
                let [left, right] = args.arg_fields else {
                    return exec_err!("|| takes two operands");
                };
                let (left, right) = (left.data_type(), right.data_type());
                BinaryTypeCoercer::new(left, &Operator::StringConcat, right).get_result_type()?
            }
            Partial::Coalesce => match args.arg_fields {
                [first, ..] => first.data_type().clone(),
                [] => return exec_err!("COALESCE takes at least one operand"),
            },
            Partial::Negate => match args.arg_fields {
                [operand] => operand.data_type().clone(),
                _ => return exec_err!("negation takes one operand"),
            },
            Partial::Function(function) => {
                function.return_field_from_args(args)?.data_type().clone()
            }
        };
        Ok(Arc::new(Field::new(&self.name, data_type, true)))
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = call.number_rows;
        let arrays = call
            .args
            .iter()
            .map(|value| value.to_array(rows))
            .collect::<Result<Vec<_>>>()?;
        let wanted = call.return_field.data_type();
        if let Some(whole) = self.attempt(&arrays, &call, rows) {
            return Ok(ColumnarValue::Array(whole));
        }
        let each = (0..rows)
            .map(|row| {
                let slice: Vec<ArrayRef> = arrays.iter().map(|a| a.slice(row, 1)).collect();
                self.attempt(&slice, &call, 1)
                    .unwrap_or_else(|| new_null_array(wanted, 1))
            })
            .collect::<Vec<_>>();
        if each.is_empty() {
            return Ok(ColumnarValue::Array(new_null_array(wanted, 0)));
        }
        let each: Vec<&dyn Array> = each.iter().map(AsRef::as_ref).collect();
        Ok(ColumnarValue::Array(concat(&each)?))
    }
}

fn concatenate(left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef> {
    let (left, right) = (cast(left, &DataType::Utf8)?, cast(right, &DataType::Utf8)?);
    let joined: StringArray = left
        .as_string::<i32>()
        .iter()
        .zip(right.as_string::<i32>())
        .map(|(left, right)| {
            let (left, right) = (left?, right?);
            (left.len() + right.len() <= MOST_TEXT).then(|| format!("{left}{right}"))
        })
        .collect();
    Ok(Arc::new(joined))
}

fn without_zeros(divisor: &ArrayRef) -> Result<ArrayRef> {
    let zero = match ScalarValue::new_zero(divisor.data_type()) {
        Ok(zero) => zero.to_array()?,
        // Dates and the like have no zero, and cannot be divided by either.
        Err(_) => return Ok(Arc::clone(divisor)),
    };
    let is_zero = cmp::eq(divisor, &Scalar::new(zero))?;
    Ok(nullif(divisor, &is_zero)?)
}
