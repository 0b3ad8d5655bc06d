//! How SQL is read: one SELECT over the tables of the catalog, resolved and typed by DataFusion, without any table being able to give up a row.

use std::sync::Arc;

use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider,
};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::decorrelate_lateral_join::DecorrelateLateralJoin;
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::eliminate_cross_join::EliminateCrossJoin;
use datafusion::optimizer::extract_equijoin_predicate::ExtractEquijoinPredicate;
use datafusion::optimizer::scalar_subquery_to_join::ScalarSubqueryToJoin;
use datafusion::optimizer::{Optimizer, OptimizerRule};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, Word};
use salus_lake::{Catalog, Lake};

use crate::constants::listed;
use crate::first_values::as_laterals;
use crate::fold;
use crate::functions::{aggregate_functions, scalar_functions};
use crate::grouping_sets::written_out;
use crate::keys::named_once;
use crate::lateral::{numbered, refuse_other_laterals};
use crate::public;
use crate::refusal::Refusal;
use crate::subqueries::{as_joins, named_apart, refuse_other_meanings};
use crate::unresolved::unresolved;
use crate::values::{refuse_mixed_comparisons, refuse_values};

/// Longer questions are refused: planning work depends on the query alone and is bounded.
pub(crate) const MOST_BYTES: usize = 64 * 1024;

/// Chains of operators become nested trees, and trees are walked on the stack.
const MOST_OPERATORS: usize = 500;

/// Relational operators of a plan with its CTEs written out.
const MOST_PLAN_OPERATORS: usize = 1_000;

const CATALOG: &str = "salus";
const SCHEMA: &str = "public";

/// A session that can plan over the lake's schemas and read nothing.
pub(crate) fn planning(lake: &Lake) -> Result<SessionState, DataFusionError> {
    let schema = MemorySchemaProvider::new();
    for table in lake.tables() {
        let provider = lake
            .schema_provider(table)
            .map_err(|e| DataFusionError::External(Box::new(e)))?;
        schema.register_table(table.to_owned(), provider)?;
    }
    schema.register_table(
        public::MEASUREMENT.to_owned(),
        public::measurement(lake.catalog())?,
    )?;
    let tables = MemoryCatalogProvider::new();
    tables.register_schema(SCHEMA, Arc::new(schema))?;
    let state = builder().build();
    state
        .catalog_list()
        .register_catalog(CATALOG.to_owned(), Arc::new(tables));
    Ok(state)
}

/// The functions and settings that planning and execution share.
pub(crate) fn builder() -> SessionStateBuilder {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false)
        .with_target_partitions(std::thread::available_parallelism().map_or(1, usize::from));
    let options = config.options_mut();
    // `0.1` is one tenth, not the nearest float.
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.collect_spans = true;
    // What depends on the data's values while a query runs stays off.
    // Each kind has a switch of its own; the one above them only sets the others when it is set by name.
    options.optimizer.enable_dynamic_filter_pushdown = false;
    options.optimizer.enable_join_dynamic_filter_pushdown = false;
    options.optimizer.enable_topk_dynamic_filter_pushdown = false;
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    // Scalar subqueries become joins, which the rules of admission can see.
    options
        .optimizer
        .enable_physical_uncorrelated_scalar_subquery = false;
    options.execution.collect_statistics = false;
    // With some numbers of partitions the other operator for unions cannot be made (DataFusion 55).
    options.optimizer.prefer_existing_union = true;
    SessionStateBuilder::new()
        .with_config(config)
        .with_query_planner(Arc::new(fold::Planner))
        .with_expr_planners(vec![
            Arc::new(datafusion::functions::core::planner::CoreFunctionPlanner::default()),
            Arc::new(datafusion::functions::datetime::planner::DatetimeFunctionPlanner),
            Arc::new(datafusion::functions::unicode::planner::UnicodeFunctionPlanner),
            Arc::new(datafusion::functions_aggregate::planner::AggregateFunctionPlanner),
            Arc::new(datafusion::functions_window::planner::WindowFunctionPlanner),
        ])
        .with_scalar_functions(scalar_functions())
        .with_aggregate_functions(aggregate_functions())
        .with_window_functions(datafusion::functions_window::all_default_window_functions())
}

/// Parses and resolves one SELECT.
///
/// Five of DataFusion's rules are applied before the analysis. For what was not refused before they are equivalences that only bring conditions into a
/// form the rules of admission can see: subqueries and LATERAL become joins, comma joins become inner joins, equalities become join keys.
pub(crate) async fn resolve(
    state: &SessionState,
    sql: &str,
    catalog: &Catalog,
) -> Result<LogicalPlan, Refusal> {
    let statement = parse(sql)?;
    let unresolved = |error: DataFusionError| unresolved(&error, sql, catalog);
    let plan = state
        .statement_to_plan(statement)
        .await
        .and_then(named_once)
        .and_then(written_out)
        .map_err(unresolved)?;
    refuse_size(&plan)?;
    refuse_values(&plan)?;
    refuse_mixed_comparisons(&plan)?;
    let plan = state
        .analyzer()
        .execute_and_check(plan, state.config_options(), |_, _| {})
        .and_then(listed)
        .map_err(unresolved)?;
    refuse_values(&plan)?;
    refuse_other_meanings(&plan)?;
    let plan = named_apart(plan, state).map_err(unresolved)?;
    let plan = as_joins(plan, state).map_err(unresolved)?;
    let plan = as_laterals(plan, state).map_err(unresolved)?;
    let plan = numbered(plan, state).map_err(unresolved)?;
    refuse_other_laterals(&plan)?;
    let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ScalarSubqueryToJoin::new()),
        Arc::new(DecorrelateLateralJoin::new()),
        Arc::new(EliminateCrossJoin::new()),
        Arc::new(ExtractEquijoinPredicate::new()),
    ];
    Optimizer::with_rules(rules)
        .optimize(plan, state, |_, _| {})
        .and_then(named_once)
        .map_err(unresolved)
}

fn parse(sql: &str) -> Result<Statement, Refusal> {
    const HINT: &str = "ask with one SELECT … FROM … WHERE … GROUP BY";
    if sql.len() > MOST_BYTES {
        return Err(Refusal::new(
            "statement",
            "the query",
            format!("the query is longer than {MOST_BYTES} bytes"),
            "shorten it",
        ));
    }
    let dialect = datafusion::sql::sqlparser::dialect::GenericDialect {};
    if operators(sql, &dialect) > MOST_OPERATORS {
        return Err(Refusal::new(
            "statement",
            "the query",
            format!("the query has more than {MOST_OPERATORS} operators"),
            "shorten it; use IN (…) instead of many ORs",
        ));
    }
    refuse_words(sql, &dialect)?;
    if sql.trim().is_empty() {
        return Err(Refusal::new(
            "statement",
            "the query",
            "there is no question",
            HINT,
        ));
    }
    let syntax = |e: DataFusionError| Refusal::new("statement", "the query", parser_says(&e), HINT);
    let mut parser = DFParserBuilder::new(sql)
        .with_dialect(&dialect)
        .with_recursion_limit(50)
        .build()
        .map_err(syntax)?;
    let mut statements = parser.parse_statements().map_err(syntax)?;
    let (Some(statement), true) = (statements.pop_front(), statements.is_empty()) else {
        return Err(Refusal::new(
            "statement",
            "the query",
            "exactly one statement can be asked at a time",
            HINT,
        ));
    };
    match &statement {
        Statement::Statement(inner) if is_plain_select(inner) => {
            refuse_doubling(inner, sql, &dialect)?;
            Ok(statement)
        }
        other => {
            let text = other.to_string();
            let word = text
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_uppercase();
            let hint = match word.as_str() {
                "EXPLAIN" => "`salus explain \"SELECT …\"` says how a question is bounded",
                "SHOW" | "DESCRIBE" => "`salus tables` lists tables and columns",
                "SET" => {
                    "SET salus.epsilon = 0.5; SELECT … sets an option of the question behind it"
                }
                _ => HINT,
            };
            Err(Refusal::new(
                "statement",
                word,
                "only SELECT is admitted",
                hint,
            ))
        }
    }
}

/// Before anything is planned: DataFusion writes a CTE out wherever it is named, and one that names its predecessor twice doubles at each step.
///
/// Counts names, which is at least the number of uses. A WITH inside another query would need scopes; it is refused.
fn refuse_doubling(
    statement: &ast::Statement,
    sql: &str,
    dialect: &dyn Dialect,
) -> Result<(), Refusal> {
    let refuse = |message: &str| {
        Err(Refusal::new(
            "statement",
            "WITH",
            message,
            "use fewer, simpler CTEs, all in one WITH at the beginning",
        ))
    };
    let all = words(sql, dialect);
    let clauses = all
        .iter()
        .zip(all.iter().skip(1).map(Some).chain([None]))
        .filter(|(word, next)| {
            word.eq_ignore_ascii_case("with")
                && !next.is_some_and(|next| next.eq_ignore_ascii_case("time"))
        })
        .count();
    let ast::Statement::Query(query) = statement else {
        return Ok(());
    };
    let Some(with) = &query.with else {
        return if clauses > 0 {
            refuse("WITH stands inside another query")
        } else {
            Ok(())
        };
    };
    if clauses > 1 {
        return refuse("WITH stands inside another query");
    }
    let mut sizes: Vec<(String, usize)> = Vec::new();
    for cte in &with.cte_tables {
        let body = words(&cte.query.to_string(), dialect);
        let size = sizes.iter().fold(1_usize, |size, (name, of)| {
            let uses = body
                .iter()
                .filter(|word| word.eq_ignore_ascii_case(name))
                .count();
            size.saturating_add(uses.saturating_mul(*of))
        });
        if size > MOST_PLAN_OPERATORS {
            return refuse("these CTEs are too large when they are written out");
        }
        sizes.push((cte.alias.name.value.clone(), size));
    }
    Ok(())
}

/// The words of a query, quoted or not.
fn words(sql: &str, dialect: &dyn Dialect) -> Vec<String> {
    let tokens = Tokenizer::new(dialect, sql).tokenize().unwrap_or_default();
    tokens
        .into_iter()
        .filter_map(|token| match token {
            Token::Word(word) => Some(word.value),
            _ => None,
        })
        .collect()
}

/// A CTE is written out wherever it is named, so a short query can be a plan that no machine could walk. The walk stops at the limit.
fn refuse_size(plan: &LogicalPlan) -> Result<(), Refusal> {
    let mut operators = 0_usize;
    let _ = plan.apply_with_subqueries(|_| {
        operators += 1;
        Ok(if operators > MOST_PLAN_OPERATORS {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    });
    if operators > MOST_PLAN_OPERATORS {
        return Err(Refusal::new(
            "statement",
            "the query",
            format!(
                "the query has more than {MOST_PLAN_OPERATORS} relational operators when its CTEs are written out"
            ),
            "simplify it",
        ));
    }
    Ok(())
}

/// The parser's words without the names of its types.
fn parser_says(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    let words = text.split_once("ParserError(\"").map(|(_, words)| words);
    words.map_or(text.clone(), |words| {
        words.trim_end_matches("\")").replace("\\\"", "\"")
    })
}

/// Clauses that DataFusion would read and ignore, and names that the engine uses itself.
fn refuse_words(sql: &str, dialect: &dyn Dialect) -> Result<(), Refusal> {
    let tokens = Tokenizer::new(dialect, sql).tokenize().unwrap_or_default();
    for token in tokens {
        // An alias may be written as a string.
        let word = match token {
            Token::Word(word) => word,
            Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => Word {
                value: text,
                quote_style: None,
                keyword: Keyword::NoKeyword,
            },
            _ => continue,
        };
        if matches!(word.keyword, Keyword::TABLESAMPLE | Keyword::SYSTEM_TIME) {
            return Err(Refusal::new(
                "statement",
                word,
                "sampling and versions of tables are not admitted",
                "remove the clause; every question is bound to the newest snapshot",
            ));
        }
        if word.value.to_ascii_lowercase().starts_with("__salus") {
            return Err(Refusal::new(
                "statement",
                word,
                "names that begin with __salus are the engine's own",
                "choose another name",
            ));
        }
    }
    Ok(())
}

/// Tokens that nest: operators, and the words that chain relations or branches.
fn operators(sql: &str, dialect: &dyn Dialect) -> usize {
    let tokens = Tokenizer::new(dialect, sql).tokenize().unwrap_or_default();
    let nests = |token: &Token| match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::UNION
                | Keyword::EXCEPT
                | Keyword::INTERSECT
                | Keyword::JOIN
                | Keyword::CASE
                | Keyword::IS
                | Keyword::BETWEEN
                | Keyword::LIKE
        ),
        Token::Plus
        | Token::Minus
        | Token::Mul
        | Token::Div
        | Token::Mod
        | Token::StringConcat
        | Token::Eq
        | Token::Neq
        | Token::Lt
        | Token::LtEq
        | Token::Gt
        | Token::GtEq
        | Token::DoubleColon => true,
        _ => false,
    };
    tokens.iter().filter(|token| nests(token)).count()
}

fn is_plain_select(statement: &ast::Statement) -> bool {
    match statement {
        ast::Statement::Query(query) => {
            query.locks.is_empty()
                && query.for_clause.is_none()
                && query.settings.is_none()
                && query.format_clause.is_none()
                && query.pipe_operators.is_empty()
                && !matches!(
                    &*query.body,
                    ast::SetExpr::Insert(_)
                        | ast::SetExpr::Update(_)
                        | ast::SetExpr::Delete(_)
                        | ast::SetExpr::Merge(_)
                )
                && !matches!(&*query.body, ast::SetExpr::Select(select) if select.into.is_some())
        }
        _ => false,
    }
}
