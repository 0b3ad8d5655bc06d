//! How many groups of a release a person is in, and how many rows she has in the fullest: facts of hers (S4), from which bounds can be chosen.

use datafusion::common::Column;
use datafusion::functions_aggregate::expr_fn::{count, max};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, LogicalPlanBuilderOptions};
use datafusion::prelude::lit;

use super::Derivation;
use super::expression::total;
use super::relation::{Fact, Relation, Role, Unit};
use crate::refusal::Refusal;
use crate::unresolved::said;

/// Columns of the relation, beside the unit.
pub(crate) const GROUPS: &str = "groups";
pub(crate) const ROWS: &str = "rows";

const UNIT: &str = "__salus_unit";

impl Derivation<'_> {
    /// One row of each person of a relation that would be grouped by `keys`.
    pub(crate) fn counts(&mut self, of: &Relation, keys: &[Expr]) -> Result<Relation, Refusal> {
        let unit = of.unit.iter().map(|unit| {
            let unit = Expr::Column(unit.column.clone());
            Ok(unit.alias(UNIT))
        });
        let named = keys.iter().enumerate().map(|(i, key)| {
            let key = total(key, of)?;
            Ok(key.alias(format!("__salus_key_{i}")))
        });
        let columns = unit.chain(named).collect::<Result<Vec<_>, Refusal>>()?;
        let column = |name: &str| Expr::Column(Column::new_unqualified(name));
        let keys = (0..keys.len()).map(|i| column(&format!("__salus_key_{i}")));
        let by: Vec<Expr> = [column(UNIT)].into_iter().chain(keys).collect();
        let plan = LogicalPlanBuilder::from(of.plan.clone())
            .with_options(LogicalPlanBuilderOptions::new().with_add_implicit_group_by_exprs(false))
            .project(columns)
            .and_then(|rows| rows.aggregate(by, [count(lit(1_i64)).alias(ROWS)]))
            .and_then(|groups| {
                let of_person = [
                    count(lit(1_i64)).alias(GROUPS),
                    max(column(ROWS)).alias(ROWS),
                ];
                groups.aggregate([column(UNIT)], of_person)
            })
            .and_then(LogicalPlanBuilder::build);
        let plan = plan.map_err(|e| {
            Refusal::new(
                "resolve",
                "the query",
                said(&e),
                "check names and types against `salus tables`",
            )
        })?;
        let hers = || Fact {
            per_person: true,
            ..Fact::plain()
        };
        let unit = Fact {
            role: Role::Unit,
            ..hers()
        };
        let step = self.step("S4", "counts of groups and rows", &[of.step], None, Some(1));
        Ok(Relation {
            plan,
            unit: Some(Unit {
                column: Column::new_unqualified(UNIT),
                carried: true,
            }),
            facts: vec![unit, hers(), hers()],
            rows: Some(1),
            fan_out: 1,
            usual_rows: 1,
            codes: std::collections::BTreeMap::new(),
            step,
        })
    }
}
