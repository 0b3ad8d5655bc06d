//! `salus query`.

use std::io::Read;
use std::path::Path;

use anyhow::Context;
use salus_accounting::{Delta, Epsilon, Loss, Rational, Rho};
use salus_query::{Answer, Asked, Asking, Price, Quote};
use serde_json::{Value, json};

use crate::arguments::{Format, Query};
use crate::commands::budget::{loss_json, loss_text};
use crate::failure::Failure;
use crate::home::{Home, write_private};
use crate::output::{Rows, cell, figure, print};

/// HL7 v3 PurposeOfUse codes that a question may be asked for. Treatment is not among them: it needs the person, not a number.
const PURPOSES: [&str; 8] = [
    "PUBHLTH",
    "HRESCH",
    "HOPERAT",
    "HQUALIMP",
    "HOUTCOMS",
    "POPHLTH",
    "HSYSADMIN",
    "HPRGRP",
];

pub(crate) async fn run(root: &Path, query: &Query, format: Format) -> Result<(), Failure> {
    let home = Home::at(root)?;
    let sql = question(&query.sql)?;
    let asking = asking(&home, query)?;
    let (engine, ledger) = home.engine().await?;
    if query.dry_run {
        let quote = engine.quote(&sql, &asking).await?;
        print_quote(&quote, engine.conversion_delta(), format);
        return Ok(());
    }
    let outcome = engine.ask(&sql, &asking).await;
    // Aborts of failed questions must be durable before the process ends.
    ledger.close().await?;
    let asked = outcome?;
    // Each asking has a receipt of its own, also where two prove the same answer.
    let named = asked.published.reused.unwrap_or(asked.published.entry);
    let receipt = home.receipts().join(format!("{}.tlog-proof", named.0));
    write_private(&receipt, asked.published.receipt.as_bytes())?;
    let conversion = engine.conversion_delta();
    let json = json!({
        "columns": asked.answer.columns,
        "rows": asked.answer.rows,
        "intervals": asked.answer.intervals,
        "standard_errors": asked.answer.standard_errors,
        "confidence": asked.answer.confidence,
        "cost": loss_json(asked.published.cost, conversion),
        "remaining": loss_json(asked.published.remaining, conversion),
        "entry": asked.published.entry.0,
        "reuse": asked.published.reused.map(|entry| entry.0),
        "receipt": receipt,
    });
    print(format, &answer_rows(&asked.answer, format), &json);
    for line in footer(&asked, conversion, &receipt) {
        match format {
            Format::Table => println!("{line}"),
            Format::Csv => eprintln!("{line}"),
            Format::Json => {}
        }
    }
    Ok(())
}

pub(super) fn question(sql: &str) -> Result<String, Failure> {
    if sql != "-" {
        return Ok(sql.to_owned());
    }
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .context("cannot read the question from standard input")?;
    Ok(text)
}

pub(super) fn asking(home: &Home, query: &Query) -> Result<Asking, Failure> {
    let purpose = query.purpose.to_uppercase();
    if !PURPOSES.contains(&purpose.as_str()) {
        return Err(Failure::usage(format!(
            "--purpose {}: use one of {}",
            query.purpose,
            PURPOSES.join(", ")
        )));
    }
    let price = match (&query.epsilon, &query.rho, &query.within) {
        (_, _, Some(text)) => Price::Within(
            Rational::parse(text).map_err(|e| Failure::usage(format!("--within {text}: {e}")))?,
        ),
        (Some(text), ..) => Price::Epsilon(
            Epsilon::parse(text).map_err(|e| Failure::usage(format!("--epsilon {text}: {e}")))?,
        ),
        (None, Some(text), _) => Price::Rho(
            Rho::parse_floor(text).map_err(|e| Failure::usage(format!("--rho {text}: {e}")))?,
        ),
        (None, None, None) => Price::Default,
    };
    let nothing = match &price {
        Price::Rho(rho) => *rho == Rho::ZERO,
        Price::Epsilon(epsilon) => *epsilon == Epsilon::ZERO,
        Price::Within(error) => error.is_zero(),
        Price::Default => false,
    };
    if nothing {
        return Err(Failure::usage("the price, or the error, must be above 0"));
    }
    let delta = query.delta.as_ref().map(|text| {
        Delta::parse_floor(text).map_err(|e| Failure::usage(format!("--delta {text}: {e}")))
    });
    let delta = delta.transpose()?;
    let user = query
        .user
        .clone()
        .or_else(|| std::env::var("USER").ok())
        .unwrap_or_else(|| "unknown".to_owned());
    Ok(Asking {
        principal: home.pseudonym(&user)?,
        roles: vec!["analyst".to_owned()],
        purpose,
        price,
        delta,
        rows_per_person: query.rows_per_person,
        groups_per_person: query.groups_per_person,
        fresh: query.fresh,
    })
}

/// For people: the interval beside each number. For machines: the bounds as columns of their own.
fn answer_rows(answer: &Answer, format: Format) -> Rows {
    let is_number: Vec<bool> = (0..answer.columns.len())
        .map(|column| {
            answer
                .intervals
                .iter()
                .any(|row| row.get(column).is_some_and(Option::is_some))
        })
        .collect();
    let mut rows = Rows::default();
    for (name, number) in answer.columns.iter().zip(&is_number) {
        rows.header.push(name.clone());
        match format {
            Format::Csv if *number => rows
                .header
                .extend([format!("{name}_low"), format!("{name}_high")]),
            Format::Table if *number => rows.header.push("95 % interval".to_owned()),
            _ => {}
        }
    }
    for (values, intervals) in answer.rows.iter().zip(&answer.intervals) {
        let mut row = Vec::new();
        for ((value, interval), number) in values.iter().zip(intervals).zip(&is_number) {
            row.push(match value {
                Value::Null if !number && format == Format::Table => "(none)".to_owned(),
                other => cell(other),
            });
            let bounds = interval.map(|[low, high]| (figure(low), figure(high)));
            match (format, number) {
                (Format::Csv, true) => {
                    let (low, high) = bounds.unwrap_or_default();
                    row.extend([low, high]);
                }
                (Format::Table, true) => row
                    .push(bounds.map_or_else(String::new, |(low, high)| format!("{low} … {high}"))),
                _ => {}
            }
        }
        rows.rows.push(row);
    }
    rows
}

/// What stands below an answer: for people beneath it, beside CSV on standard error.
fn footer(asked: &Asked, conversion: salus_accounting::Delta, receipt: &Path) -> Vec<String> {
    let cost = match asked.published.reused {
        None => loss_text(asked.published.cost, conversion),
        Some(entry) => format!(
            "nothing: the same question was answered before, and entry {} repeats it (--fresh buys new noise)",
            entry.0
        ),
    };
    let mut lines = vec![
        format!("cost       {cost}"),
        format!(
            "remaining  {}",
            remaining_text(asked.published.remaining, conversion)
        ),
        format!(
            "ledger     entry {}, receipt {}",
            asked.published.entry.0,
            receipt.display()
        ),
    ];
    if asked.rows_per_person > 1 {
        lines.push(format!(
            "bounds     at most {} rows of a person count in a group (--rows-per-person); intervals do not cover what that leaves out",
            asked.rows_per_person
        ));
    }
    lines
}

fn remaining_text(loss: Loss, conversion: salus_accounting::Delta) -> String {
    format!(
        "rho {}, epsilon {}",
        loss.rho.to_floor_string(),
        salus_accounting::epsilon_of(loss.rho, conversion)
    )
}

fn print_quote(quote: &Quote, conversion: salus_accounting::Delta, format: Format) {
    let mut rows = Rows::new(&["column", "95 % error"]);
    for (name, error) in &quote.errors {
        rows.push([
            name.clone(),
            error.map_or_else(
                || "depends on the answer".to_owned(),
                |error| format!("± {}", figure(error)),
            ),
        ]);
    }
    let json = json!({
        "dry_run": true,
        "cost": loss_json(quote.cost, conversion),
        "remaining": loss_json(quote.remaining, conversion),
        "cells": quote.cells,
        "thresholds": quote.thresholds.iter().map(|(minimum, tau)| json!({"minimum_persons": minimum, "above": tau})).collect::<Vec<_>>(),
        "rows_per_person": quote.rows_per_person,
        "groups_per_person": quote.groups_per_person,
        "errors": quote.errors.iter().map(|(name, error)| json!({"column": name, "half_width": error})).collect::<Vec<_>>(),
        "derivation": quote.derivation.iter().map(|(rule, what, rows)| json!({"rule": rule, "what": what, "rows_per_person": rows})).collect::<Vec<_>>(),
    });
    print(format, &rows, &json);
    if format == Format::Table {
        println!(
            "would cost {}; nothing was spent",
            loss_text(quote.cost, conversion)
        );
        println!("remaining  {}", remaining_text(quote.remaining, conversion));
        let cells = match quote.cells {
            0 => "groups that are not known beforehand".to_owned(),
            1 => "1 cell".to_owned(),
            cells => format!("{cells} cells"),
        };
        println!(
            "bounds     {cells}; one person touches at most {} of them, with at most {} rows in each",
            quote.groups_per_person, quote.rows_per_person
        );
        for (minimum, tau) in &quote.thresholds {
            println!(
                "keys       are not public: groups of at least {minimum} persons are shown when their noisy number of persons is above {tau}"
            );
        }
    }
}
