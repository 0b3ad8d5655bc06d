//! An order of a person's groups that is hers alone.

use std::sync::Arc;

use datafusion::arrow::array::UInt64Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::hash_utils::{QualityRandomState, create_hashes};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// `salus_group_order(person, key, …)`: a number that looks drawn for each person and group.
///
/// # Guarantee
/// A function of the arguments and of a seed that does not depend on anybody's rows: whether another person is there changes nobody's order.
/// Nothing else rests on it: the bound on groups holds for every order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct GroupOrder {
    seed: u64,
    signature: Signature,
}

impl GroupOrder {
    pub(crate) fn call(seed: u64, of: Vec<Expr>) -> Expr {
        ScalarUDF::from(Self {
            seed,
            signature: Signature::variadic_any(Volatility::Immutable),
        })
        .call(of)
    }
}

impl ScalarUDFImpl for GroupOrder {
    fn name(&self) -> &'static str {
        "salus_group_order"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::UInt64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if args.args.is_empty() {
            return exec_err!("salus_group_order takes a person and keys");
        }
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let mut hashes = vec![0; columns.first().map_or(0, |column| column.len())];
        create_hashes(
            &columns,
            &QualityRandomState::with_seed(self.seed),
            &mut hashes,
        )?;
        Ok(ColumnarValue::Array(Arc::new(UInt64Array::from(hashes))))
    }
}
