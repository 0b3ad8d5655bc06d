//! One text for all ways of writing the same plan: what answers are found again by, and what the ledger commits to.
//!
//! Columns are named by their place, aliases fall away, conjuncts, the operands of commutative operators and the sides of inner joins are sorted,
//! comparisons point one way. Everything else is written out in full, literals and parameters of functions included, so that two plans with the same text compute the
//! same.

use std::sync::Arc;

use datafusion::arrow::array::ArrayData;
use datafusion::arrow::buffer::Buffer;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType, ScalarValue, not_impl_err};
use datafusion::error::Result;
use datafusion::logical_expr::logical_plan::Join;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    BinaryExpr, Distinct, Expr, LogicalPlan, Operator, Projection, SortExpr,
};

use crate::derive::strip_alias;
use crate::fold::PersonFold;

/// The canonical text of a plan.
pub(crate) fn text(plan: &LogicalPlan) -> Result<String> {
    written(&in_order(plan)?)
}

/// The same plan with the sides of each inner join in one order, and the columns above it in the order that they had.
fn in_order(plan: &LogicalPlan) -> Result<LogicalPlan> {
    let ordered = plan.clone().transform_up(|node| match node {
        LogicalPlan::Join(join)
            if join.join_type == JoinType::Inner
                && written(&join.left)? > written(&join.right)? =>
        {
            let columns = join
                .schema
                .columns()
                .into_iter()
                .map(Expr::Column)
                .collect();
            let turned = Join::try_new(
                join.right,
                join.left,
                join.on.into_iter().map(|(l, r)| (r, l)).collect(),
                join.filter,
                join.join_type,
                join.join_constraint,
                join.null_equality,
                join.null_aware,
            )?;
            let turned = Arc::new(LogicalPlan::Join(turned));
            Projection::try_new(columns, turned)
                .map(|same| Transformed::yes(LogicalPlan::Projection(same)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(ordered.data)
}

fn written(plan: &LogicalPlan) -> Result<String> {
    let below = |plan: &LogicalPlan| -> Result<String> {
        let inputs = plan.inputs().into_iter().map(written);
        Ok(inputs.collect::<Result<Vec<_>>>()?.join(", "))
    };
    let of_input = |exprs: &[Expr]| -> Result<String> {
        let schema = plan.inputs().first().map(|input| input.schema().as_ref());
        list(exprs, schema.unwrap_or(plan.schema()))
    };
    let here = match plan {
        LogicalPlan::SubqueryAlias(node) => return written(&node.input),
        LogicalPlan::Projection(node) => {
            let folded = folded(node);
            let below = written(folded.input)?;
            let places = folded
                .exprs
                .iter()
                .map(|expr| place_of(expr, folded.schema));
            let width = folded.schema.fields().len();
            // All columns as they stand.
            if places.eq((0..width).map(Some)) {
                return Ok(below);
            }
            let exprs = list(&folded.exprs, folded.schema)?;
            return Ok(format!("project {exprs} ({below})"));
        }
        LogicalPlan::Filter(node) => {
            format!(
                "filter {}",
                conjuncts(&[&node.predicate], node.input.schema())?
            )
        }
        LogicalPlan::Aggregate(node) => format!(
            "aggregate {} by {}",
            of_input(&node.aggr_expr)?,
            of_input(&node.group_expr)?
        ),
        LogicalPlan::Window(node) => format!("window {}", of_input(&node.window_expr)?),
        LogicalPlan::Sort(node) => {
            format!(
                "sort {} {:?}",
                sorts(&node.expr, node.input.schema())?,
                node.fetch
            )
        }
        LogicalPlan::Limit(node) => format!("limit {:?} {:?}", node.skip, node.fetch),
        LogicalPlan::Distinct(Distinct::All(_)) => "distinct".to_owned(),
        LogicalPlan::Union(node) => {
            let mut branches = node
                .inputs
                .iter()
                .map(|input| written(input))
                .collect::<Result<Vec<_>>>()?;
            branches.sort();
            return Ok(format!("union ({})", branches.join(", ")));
        }
        LogicalPlan::Join(node) => {
            let both = node.left.schema().join(node.right.schema())?;
            let pairs = node.on.iter().map(|(l, r)| {
                let l = expression(l, node.left.schema())?;
                Ok(format!("{l} = {}", expression(r, node.right.schema())?))
            });
            let mut pairs = pairs.collect::<Result<Vec<_>>>()?;
            pairs.sort();
            let filter: Vec<&Expr> = node.filter.iter().collect();
            format!(
                "{} join {:?} {:?} on {} where {}",
                node.join_type,
                node.null_equality,
                node.null_aware,
                pairs.join(" and "),
                conjuncts(&filter, &both)?
            )
        }
        LogicalPlan::TableScan(node) => {
            let filters: Vec<&Expr> = node.filters.iter().collect();
            // The same name may stand for numbers of another type: released ones, which later divide in another way.
            let fields = node.projected_schema.fields().iter();
            let types: Vec<_> = fields.map(|field| field.data_type()).collect();
            format!(
                "scan {} {:?} {types:?} {:?} where {}",
                node.table_name,
                node.projection,
                node.fetch,
                conjuncts(&filters, &node.projected_schema)?
            )
        }
        LogicalPlan::Values(node) => {
            let rows = node.values.iter().map(|row| list(row, plan.schema()));
            let mut rows = rows.collect::<Result<Vec<_>>>()?;
            rows.sort();
            format!("values {}", rows.join("; "))
        }
        LogicalPlan::Extension(node) => match PersonFold::of(node.node.as_ref()) {
            Some(fold) => format!("fold {}", fold.text()),
            None => return not_impl_err!("{} has no canonical text", node.node.name()),
        },
        LogicalPlan::EmptyRelation(node) => format!("empty {}", node.produce_one_row),
        other => return not_impl_err!("{} has no canonical text", other.display()),
    };
    Ok(format!("{here} ({})", below(plan)?))
}

/// A projection together with those right below it, as long as one of two only chooses columns.
struct Folded<'p> {
    exprs: Vec<Expr>,
    /// What the columns of `exprs` are named in.
    schema: &'p DFSchema,
    input: &'p LogicalPlan,
}

fn folded(node: &Projection) -> Folded<'_> {
    let mut folded = Folded {
        exprs: node.expr.clone(),
        schema: node.input.schema(),
        input: &node.input,
    };
    loop {
        // Names differ below an alias, places do not.
        while let LogicalPlan::SubqueryAlias(alias) = folded.input {
            folded.input = &alias.input;
        }
        let LogicalPlan::Projection(below) = folded.input else {
            return folded;
        };
        let chooses = |exprs: &[Expr], schema: &DFSchema| {
            exprs.iter().all(|expr| place_of(expr, schema).is_some())
        };
        if !chooses(&folded.exprs, folded.schema) && !chooses(&below.expr, below.input.schema()) {
            return folded;
        }
        let exprs = folded.exprs.iter().map(|expr| {
            let computed = |column: &Column| {
                let place = folded.schema.maybe_index_of_column(column)?;
                Some(strip_alias(below.expr.get(place)?).clone())
            };
            let replaced = expr.clone().transform_up(|node| {
                Ok(match node.try_as_col().and_then(computed) {
                    Some(expr) => Transformed::new(expr, true, TreeNodeRecursion::Jump),
                    None => Transformed::no(node),
                })
            });
            replaced.map_or_else(|_| expr.clone(), |replaced| replaced.data)
        });
        folded = Folded {
            exprs: exprs.collect(),
            schema: below.input.schema(),
            input: &below.input,
        };
    }
}

/// The place of a bare column.
fn place_of(expr: &Expr, schema: &DFSchema) -> Option<usize> {
    let column = strip_alias(expr).try_as_col()?;
    schema.maybe_index_of_column(column)
}

fn list(exprs: &[Expr], schema: &DFSchema) -> Result<String> {
    let texts = exprs.iter().map(|expr| expression(expr, schema));
    Ok(texts.collect::<Result<Vec<_>>>()?.join(", "))
}

fn sorts(exprs: &[SortExpr], schema: &DFSchema) -> Result<String> {
    let texts = exprs.iter().map(|sort| {
        let by = expression(&sort.expr, schema)?;
        Ok(format!("{by} {} {}", sort.asc, sort.nulls_first))
    });
    Ok(texts.collect::<Result<Vec<_>>>()?.join(", "))
}

fn conjuncts(predicates: &[&Expr], schema: &DFSchema) -> Result<String> {
    let all = predicates.iter().flat_map(|p| split_conjunction(p));
    let texts = all.map(|conjunct| expression(conjunct, schema));
    let mut texts = texts.collect::<Result<Vec<_>>>()?;
    texts.sort();
    texts.dedup();
    Ok(texts.join(" and "))
}

/// An expression with columns by place and operands in order, from the leaves up.
fn expression(expr: &Expr, schema: &DFSchema) -> Result<String> {
    let placed = expr.clone().transform_up(|node| {
        Ok(match node {
            Expr::Column(column) => match schema.maybe_index_of_column(&column) {
                Some(place) => {
                    Transformed::yes(Expr::Column(Column::new_unqualified(format!("#{place}"))))
                }
                None => Transformed::no(Expr::Column(column)),
            },
            Expr::Alias(alias) => Transformed::yes(*alias.expr),
            Expr::Literal(value, metadata) => {
                Transformed::yes(Expr::Literal(spelled(value), metadata))
            }
            Expr::BinaryExpr(binary) => Transformed::yes(ordered(binary)),
            Expr::InList(mut node) => {
                node.list.sort_by_cached_key(|item| format!("{item:?}"));
                Transformed::yes(Expr::InList(node))
            }
            Expr::ScalarFunction(mut call)
                if ["date_part", "date_trunc"].contains(&whole_name(call.name())) =>
            {
                // YEAR is year; the literal is spelled in hexadecimal digits by now.
                if let Some(Expr::Literal(ScalarValue::Utf8(Some(part)), _)) = call.args.first_mut()
                {
                    *part = lowered(part);
                }
                Transformed::yes(Expr::ScalarFunction(call))
            }
            Expr::ScalarFunction(mut call)
                if ["+", "*", "least", "greatest"].contains(&whole_name(call.name())) =>
            {
                call.args.sort_by_cached_key(|arg| format!("{arg:?}"));
                Transformed::yes(Expr::ScalarFunction(call))
            }
            Expr::WindowFunction(mut call) => {
                let partitions = &mut call.params.partition_by;
                partitions.sort_by_cached_key(|key| format!("{key:?}"));
                Transformed::yes(Expr::WindowFunction(call))
            }
            other => Transformed::no(other),
        })
    })?;
    // Debug text holds the parameters of functions, which display leaves out.
    Ok(format!("{:?}", placed.data))
}

/// The name of a function, also of one that was made total.
fn whole_name(name: &str) -> &str {
    name.strip_prefix("total_").unwrap_or(name)
}

/// Bytes in hexadecimal digits, with letters of ASCII in lower case.
fn lowered(hex: &str) -> String {
    let bytes = hex.as_bytes().chunks(2).map(|digits| {
        let text = str::from_utf8(digits).unwrap_or_default();
        match u8::from_str_radix(text, 16) {
            Ok(byte) => format!("{:02x}", byte.to_ascii_lowercase()),
            Err(_) => text.to_owned(),
        }
    });
    bytes.collect()
}

/// Debug text is for people: it does not escape what stands in a text, and leaves a date empty that no calendar has, so that one literal looks like
/// another. Texts are written in hexadecimal digits, everything else as its type and the bytes in memory.
pub(crate) fn spelled(value: ScalarValue) -> ScalarValue {
    use std::fmt::Write as _;
    let hex = |text: String| {
        text.bytes().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    };
    match value {
        ScalarValue::Utf8(text) => ScalarValue::Utf8(text.map(hex)),
        ScalarValue::LargeUtf8(text) => ScalarValue::LargeUtf8(text.map(hex)),
        ScalarValue::Utf8View(text) => ScalarValue::Utf8View(text.map(hex)),
        other => ScalarValue::Utf8(other.to_array().ok().map(|array| {
            let mut bytes = String::new();
            in_memory(&array.to_data(), &mut bytes);
            bytes
        })),
    }
}

/// Type, NULLs and bytes of an array and of those that it is made of.
fn in_memory(data: &ArrayData, text: &mut String) {
    use std::fmt::Write as _;
    let buffers: Vec<&[u8]> = data.buffers().iter().map(Buffer::as_slice).collect();
    let nulls = data.nulls().map(|nulls| nulls.iter().collect::<Vec<_>>());
    let _ = write!(
        text,
        "{:?} {} {nulls:?} {buffers:?} (",
        data.data_type(),
        data.len()
    );
    data.child_data()
        .iter()
        .for_each(|child| in_memory(child, text));
    text.push(')');
}

fn ordered(mut binary: BinaryExpr) -> Expr {
    if matches!(binary.op, Operator::And | Operator::Or) {
        return chained(binary);
    }
    let turned = match binary.op {
        Operator::Gt => Some(Operator::Lt),
        Operator::GtEq => Some(Operator::LtEq),
        _ => None,
    };
    let commutes = matches!(binary.op, Operator::Eq | Operator::NotEq);
    if turned.is_some()
        || (commutes && format!("{:?}", binary.right) < format!("{:?}", binary.left))
    {
        std::mem::swap(&mut binary.left, &mut binary.right);
    }
    binary.op = turned.unwrap_or(binary.op);
    Expr::BinaryExpr(binary)
}

/// A chain of ANDs, or of ORs, in one order, each operand once, whatever its parentheses.
fn chained(binary: BinaryExpr) -> Expr {
    let op = binary.op;
    let mut operands = Vec::new();
    let mut left = vec![Expr::BinaryExpr(binary)];
    while let Some(expr) = left.pop() {
        match expr {
            Expr::BinaryExpr(inner) if inner.op == op => {
                left.extend([*inner.left, *inner.right]);
            }
            operand => operands.push((format!("{operand:?}"), operand)),
        }
    }
    operands.sort_by(|(a, _), (b, _)| a.cmp(b));
    operands.dedup_by(|(a, _), (b, _)| a == b);
    let operands = operands.into_iter().map(|(_, operand)| operand);
    let chain = operands.reduce(|chain, operand| {
        Expr::BinaryExpr(BinaryExpr::new(Box::new(chain), op, Box::new(operand)))
    });
    // There were two of them at least.
    chain.unwrap_or(Expr::Literal(ScalarValue::Null, None))
}
