//! `salus suggest`: bounds for a question, chosen from the data with noise, and paid for.

use std::path::Path;

use salus_query::{Asked, Asking, BOUND_PARTS, Subject};
use serde_json::{Value, json};

use super::query::{answered, asking, cost_json, cost_text, question, remaining_text};
use crate::arguments::{Format, Query};
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Rows, cell, print};

/// The part of the persons that the suggestion is to hold for.
const PART: u32 = 95;

pub(crate) async fn run(root: &Path, query: &Query, format: Format) -> Result<(), Failure> {
    let home = Home::at(root)?;
    let sql = question(&query.sql)?;
    let asking = Asking {
        subject: Subject::Bounds,
        ..asking(&home, query)?
    };
    if query.dry_run {
        let engine = home.prices().await?;
        let conversion = engine.conversion_delta();
        let quote = engine.quote(&sql, &asking).await?;
        let json =
            json!({"dry_run": true, "cost": cost_json(quote.cost, &quote.terms, conversion)});
        let mut rows = Rows::new(&["would cost"]);
        rows.push([cost_text(quote.cost, &quote.terms, conversion)]);
        print(format, &rows, &json);
        return Ok(());
    }
    let (engine, ledger) = home.engine().await?;
    let conversion = engine.conversion_delta();
    let (asked, receipt) = answered(&home, &engine, ledger, &sql, &asking).await?;
    let mut rows = Rows::new(&["part of the persons", "groups", "rows in one group"]);
    for part in BOUND_PARTS {
        rows.push([
            format!("{part} %"),
            at_most(&asked, "groups", part),
            at_most(&asked, "rows", part),
        ]);
    }
    let suggested = |what: &str| of(&asked, what, PART).0;
    let json = json!({
        "parts": BOUND_PARTS.map(|part| {
            let column = |what: &str| {
                let (number, interval) = of(&asked, what, part);
                json!({"at_most": number, "interval": interval})
            };
            json!({"percent": part, "groups": column("groups"), "rows": column("rows")})
        }),
        "groups_per_person": suggested("groups"),
        "rows_per_person": suggested("rows"),
        "cost": cost_json(asked.published.cost, &asked.terms, conversion),
        "entry": asked.published.entry.0,
        "receipt": receipt,
    });
    print(format, &rows, &json);
    if format == Format::Table {
        match (suggested("groups"), suggested("rows")) {
            (Value::Null, _) | (_, Value::Null) => println!(
                "suggestion none: too few persons beside this noise; ask at a higher --epsilon"
            ),
            (groups, rows) => println!(
                "suggestion --groups-per-person {} --rows-per-person {}: {PART} % of the persons are then counted in full",
                cell(&groups),
                cell(&rows)
            ),
        }
        println!(
            "cost       {}",
            cost_text(asked.published.cost, &asked.terms, conversion)
        );
        println!(
            "remaining  {}",
            remaining_text(asked.published.remaining, conversion)
        );
        println!(
            "ledger     entry {}, receipt {}",
            asked.published.entry.0,
            receipt.display()
        );
    }
    Ok(())
}

/// The number and its interval.
fn of(asked: &Asked, what: &str, part: u32) -> (Value, Option<[f64; 2]>) {
    let name = format!("{what}_{part}");
    let column = asked.answer.columns.iter().position(|own| *own == name);
    let number = column.and_then(|column| asked.answer.rows.first()?.get(column).cloned());
    let interval = column.and_then(|column| *asked.answer.intervals.first()?.get(column)?);
    (number.unwrap_or(Value::Null), interval)
}

fn at_most(asked: &Asked, what: &str, part: u32) -> String {
    match of(asked, what, part) {
        (Value::Null, _) => "not known beside the noise".to_owned(),
        (number, Some([low, high])) => format!("at most {} ({low} … {high})", cell(&number)),
        (number, None) => format!("at most {}", cell(&number)),
    }
}
