//! What values a question may hold: of types whose equality is that of their bytes, of a length that cannot fill memory, and compared with their like.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{Cast, TryCast};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};

use crate::refusal::Refusal;

/// Longest text in a question, in bytes. A join with public rows and a grouping may repeat it for each of somebody's rows.
const MOST_TEXT: usize = 1_000;

/// Refuses what no rule was written for: lists, maps and structures, and long texts, anywhere in the question.
pub(crate) fn refuse_values(plan: &LogicalPlan) -> Result<(), Refusal> {
    let mut refused = None;
    let _ = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|whole| {
            whole.apply(|expr| {
                refused = refusal(expr);
                Ok(if refused.is_some() {
                    TreeNodeRecursion::Stop
                } else {
                    TreeNodeRecursion::Continue
                })
            })
        })
    });
    refused.map_or(Ok(()), Err)
}

fn refusal(expr: &Expr) -> Option<Refusal> {
    let kind = match expr {
        Expr::Literal(value, _) => {
            if length(value) > MOST_TEXT {
                return Some(Refusal::new(
                    "S1",
                    "a text in the query",
                    format!("it is longer than {MOST_TEXT} bytes"),
                    "shorten it",
                ));
            }
            value.data_type()
        }
        Expr::Cast(Cast { field, .. }) | Expr::TryCast(TryCast { field, .. }) => {
            field.data_type().clone()
        }
        _ => return None,
    };
    is_made_of_others(&kind).then(|| {
        Refusal::new(
            "S1",
            expr,
            format!("values of type {kind} are not admitted"),
            "use numbers, texts, dates and booleans; keep what belongs together in columns of its own",
        )
    })
}

/// Refuses comparisons of a date with a number: `start_date >= 2024-07-01` is arithmetic, and 2016 would be taken for a day in 1975. The plan is as it
/// was written, before types were made alike.
pub(crate) fn refuse_mixed_comparisons(plan: &LogicalPlan) -> Result<(), Refusal> {
    let mut refused = None;
    let _ = plan.apply_with_subqueries(|node| {
        let mut schema = DFSchema::empty();
        for input in node.inputs() {
            schema.merge(input.schema());
        }
        node.apply_expressions(|whole| {
            whole.apply(|expr| {
                let (of, with): (&Expr, Vec<&Expr>) = match expr {
                    Expr::BinaryExpr(binary) if binary.op.supports_propagation() => {
                        (&binary.left, vec![&binary.right])
                    }
                    Expr::Between(between) => (&between.expr, vec![&between.low, &between.high]),
                    Expr::InList(list) => (&list.expr, list.list.iter().collect()),
                    _ => return Ok(TreeNodeRecursion::Continue),
                };
                let kind = |expr: &Expr| expr.get_type(&schema).ok();
                let mixed = |a: &DataType, b: &DataType| {
                    is_day(a) && b.is_numeric() || a.is_numeric() && is_day(b)
                };
                let pairs = kind(of).zip(with.into_iter().map(kind).collect::<Option<Vec<_>>>());
                if pairs.is_some_and(|(a, with)| with.iter().any(|b| mixed(&a, b))) {
                    refused = Some(Refusal::new(
                        "S1",
                        expr,
                        "a date is compared with a number",
                        "write dates as DATE '2024-07-01', not as 2024-07-01; for parts and distances use date_part('year', d) or age(d, DATE '2025-01-01')",
                    ));
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    refused.map_or(Ok(()), Err)
}

fn is_day(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)
    )
}

fn is_made_of_others(kind: &DataType) -> bool {
    kind.is_nested() || matches!(kind, DataType::Dictionary(..))
}

/// Bytes of a text, or of what is stored like one.
fn length(value: &ScalarValue) -> usize {
    match value {
        ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text))
        | ScalarValue::Utf8View(Some(text)) => text.len(),
        ScalarValue::Binary(Some(bytes))
        | ScalarValue::LargeBinary(Some(bytes))
        | ScalarValue::BinaryView(Some(bytes)) => bytes.len(),
        _ => 0,
    }
}
