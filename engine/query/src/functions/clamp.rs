//! `clamp(x, low, high)`: how an analyst bounds what one row can bring to a sum.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, Scalar};
use datafusion::arrow::compute::kernels::{cmp, zip::zip};
use datafusion::arrow::compute::{cast, nullif};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

/// The scalar function. Directly under SUM or AVG it also declares the bounds; elsewhere it only computes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Clamp {
    signature: Signature,
}

impl Clamp {
    pub(crate) const NAME: &'static str = "clamp";

    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::any(3, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Clamp {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types {
            [x, low, high] if [x, low, high].iter().all(|t| t.is_numeric() || t.is_null()) => {
                Ok(x.clone())
            }
            _ => plan_err!("clamp(x, low, high) takes three numbers"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [x, ColumnarValue::Scalar(low), ColumnarValue::Scalar(high)] = args.args.as_slice()
        else {
            return exec_err!("the bounds of clamp must be literals");
        };
        let mut x = x.to_array(args.number_rows)?;
        if x.data_type().is_floating() {
            let wide = cast(&x, &DataType::Float64)?;
            let not_finite: BooleanArray = wide
                .as_primitive::<Float64Type>()
                .iter()
                .map(|x| Some(x.is_some_and(|x| !x.is_finite())))
                .collect();
            x = nullif(&x, &not_finite)?;
        }
        let low = bound(low, x.data_type())?;
        let high = bound(high, x.data_type())?;
        let x = zip(&cmp::lt(&x, &low)?, &low, &x)?;
        let x = zip(&cmp::gt(&x, &high)?, &high, &x)?;
        Ok(ColumnarValue::Array(x))
    }
}

fn bound(value: &ScalarValue, wanted: &DataType) -> Result<Scalar<ArrayRef>> {
    Ok(Scalar::new(cast(&value.to_array()?, wanted)?))
}

/// The function as DataFusion registers it.
pub(crate) fn clamp() -> Arc<datafusion::logical_expr::ScalarUDF> {
    Arc::new(Clamp::new().into())
}
