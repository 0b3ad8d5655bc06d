//! Codes of local systems, by how often they stand in the lake: what a code map should hold next.

use std::collections::HashMap;

use arrow::array::{Array, AsArray};
use salus_lake::{Lake, TABLES, schema};

use crate::Error;
use crate::check::is_standard;
use crate::report::check_tables;
use crate::stream::Rows;

/// Different codes of one table above which the rarest are no longer told apart.
const MOST_CODES: usize = 1 << 20;

/// A code of a system that HL7 Terminology does not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalCode {
    /// The table.
    pub table: &'static str,
    /// Its system; none when the code came without one.
    pub system: Option<String>,
    /// The code.
    pub code: String,
    /// Rows that bear it.
    pub rows: u64,
}

/// Local codes of the newest snapshot, the most frequent first.
///
/// # Guarantee
/// None of privacy, as for [`crate::report`].
///
/// # Errors
/// [`Error::Usage`] for a table that there is none of, [`Error::TooManyGroups`] for a table with more than a million of them, and those of the lake.
pub async fn local_codes(lake: &Lake, tables: &[String]) -> Result<Vec<LocalCode>, Error> {
    check_tables(tables)?;
    let snapshot = lake.snapshot()?.ok_or(Error::Empty)?;
    let mut found = Vec::new();
    for table in TABLES {
        let bears = schema(table).is_some_and(|schema| schema.index_of("code_system").is_ok());
        let wanted = tables.is_empty() || tables.iter().any(|name| name == table);
        if !bears || !wanted {
            continue;
        }
        let mut counts: HashMap<(Option<String>, String), u64> = HashMap::new();
        let mut rows = Rows::of(lake, &snapshot, table, &["code", "code_system"]).await?;
        while let Some(batch) = rows.next().await? {
            let texts = |column: usize| batch.column(column).as_string::<i32>();
            let (codes, systems) = (texts(0), texts(1));
            for at in (0..batch.num_rows()).filter(|at| codes.is_valid(*at)) {
                let system = systems.is_valid(at).then(|| systems.value(at));
                if system.is_some_and(is_standard) {
                    continue;
                }
                let key = (system.map(str::to_owned), codes.value(at).to_owned());
                *counts.entry(key).or_default() += 1;
                if counts.len() > MOST_CODES {
                    return Err(Error::TooManyGroups(table));
                }
            }
        }
        found.extend(counts.into_iter().map(|((system, code), rows)| LocalCode {
            table,
            system,
            code,
            rows,
        }));
    }
    found.sort_unstable_by(|a, b| {
        let name = |it: &LocalCode| (it.table, it.system.clone(), it.code.clone());
        b.rows.cmp(&a.rows).then_with(|| name(a).cmp(&name(b)))
    });
    Ok(found)
}
