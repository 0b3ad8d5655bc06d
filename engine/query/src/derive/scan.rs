//! S0 and S0p: scans.

use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::logical_plan::{TableScan, Values};

use super::Derivation;
use super::domain::Domain;
use super::public::domains;
use super::relation::{Fact, Relation, Role, Source, Unit, literal};
use crate::refusal::Refusal;

impl Derivation<'_> {
    /// A private table is scanned whole: the catalog names its unit, and the lake enforced `max_rows_per_person` when the snapshot was committed.
    pub(super) fn scan(&mut self, scan: &TableScan) -> Result<Relation, Refusal> {
        let name = scan.table_name.table();
        let at = format!("FROM {name}");
        if !scan.filters.is_empty() || scan.fetch.is_some() || scan.projection.is_some() {
            return Err(Refusal::new(
                "S0",
                at,
                "this scan was changed before it was checked",
                "please report this query",
            ));
        }
        if name == crate::public::MEASUREMENT {
            let rows = self.catalog.measurements.len() as u64;
            return Ok(self.public(
                LogicalPlan::TableScan(scan.clone()),
                "scan",
                Some(name),
                rows,
            ));
        }
        let Some(table) = self.catalog.tables.get(name) else {
            return Err(Refusal::new(
                "S0",
                at,
                "the catalog does not name the unit of this table",
                "`salus tables` lists the tables",
            ));
        };
        let number = self.scans;
        self.scans += 1;
        let rows = if table.one_row_per_person {
            1
        } else {
            table.max_rows_per_person
        };
        let mut facts = Vec::new();
        let mut unit = None;
        for (qualifier, field) in scan.projected_schema.iter() {
            let mut fact = Fact::plain();
            fact.per_person = table.one_row_per_person;
            if *field.name() == table.unit {
                fact.role = Role::Unit;
                fact.per_person = true;
                unit = Some(Unit {
                    column: Column::new(qualifier.cloned(), field.name()),
                    carried: false,
                });
            } else {
                fact.source = Some(Source {
                    scan: number,
                    table: name.to_owned(),
                    column: field.name().clone(),
                });
                fact.domain = table
                    .columns
                    .get(field.name())
                    .and_then(|column| column.domain.as_ref())
                    .and_then(|values| {
                        let values = values.iter().map(|value| {
                            ScalarValue::from(value.as_str()).cast_to(field.data_type())
                        });
                        Some(Domain::declared(values.collect::<Result<_, _>>().ok()?))
                    });
            }
            facts.push(fact);
        }
        if unit.is_none() {
            return Err(Refusal::new(
                "S0",
                at,
                "this table lacks its unit column",
                "please report this query",
            ));
        }
        let step = self.step("S0", "scan", &[], Some(name), Some(rows));
        Ok(Relation {
            plan: LogicalPlan::TableScan(scan.clone()),
            unit,
            facts,
            rows: Some(rows),
            fan_out: 1,
            usual_rows: table.rows_per_person.min(rows),
            codes: std::collections::BTreeMap::default(),
            step,
        })
    }

    /// Rows the analyst wrote out herself are public.
    pub(super) fn values(
        &mut self,
        values: &Values,
        plan: &LogicalPlan,
    ) -> Result<Relation, Refusal> {
        if let Some(value) = values
            .values
            .iter()
            .flatten()
            .find(|value| literal(value).is_none())
        {
            return Err(Refusal::new(
                "S0p",
                value,
                "VALUES takes literals only",
                "write the value itself",
            ));
        }
        Ok(self.public(
            plan.clone(),
            "values",
            Some("(values)"),
            values.values.len() as u64,
        ))
    }

    fn public(&mut self, plan: LogicalPlan, op: &str, table: Option<&str>, rows: u64) -> Relation {
        let known = domains(&plan, self.catalog).unwrap_or_default();
        let known = known.into_iter().chain(std::iter::repeat(None));
        let fields = plan.schema().fields().iter().zip(known);
        let facts = fields.map(|(_, domain)| Fact {
            domain,
            ..Fact::plain()
        });
        let facts = facts.collect();
        let step = self.step("S0p", op, &[], table, Some(rows));
        Relation {
            plan,
            unit: None,
            facts,
            rows: Some(rows),
            fan_out: 1,
            usual_rows: rows,
            codes: std::collections::BTreeMap::default(),
            step,
        }
    }
}
