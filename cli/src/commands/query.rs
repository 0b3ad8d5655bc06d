//! `salus query`.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use salus_accounting::{Delta, Loss, Noise};
use salus_ledger::Ledger;
use salus_query::{
    Admission, Answer, Asked, Asking, Engine, Expected, Malformed, Options, PURPOSES, Quote, Terms,
    figure,
};
use serde_json::{Value, json};

use crate::arguments::{Format, NoiseKind, Query};
use crate::commands::budget::{loss_json, loss_text};
use crate::failure::Failure;
use crate::files;
use crate::home::Home;
use crate::memory::{self, Memory};
use crate::output::{Rows, cell, print};

pub(crate) async fn run(root: &Path, query: &Query, format: Format) -> Result<(), Failure> {
    let home = Home::at(root)?;
    let sql = question(&query.sql)?;
    let asking = asking(&home, query)?;
    if query.dry_run {
        let engine = home.prices().await?;
        let quote = engine.quote(&sql, &asking).await?;
        print_quote(&quote, engine.conversion_delta(), format);
        return Ok(());
    }
    let (engine, ledger) = home.engine().await?;
    let (asked, receipt) = answered(&home, &engine, ledger, &sql, &asking).await?;
    let conversion = engine.conversion_delta();
    let json = json!({
        "columns": asked.answer.columns,
        "rows": asked.answer.rows,
        "intervals": asked.answer.intervals,
        "standard_errors": asked.answer.standard_errors,
        "confidence": asked.answer.confidence,
        "cost": cost_json(asked.published.cost, &asked.terms, conversion),
        "bounds": terms_json(&asked.terms),
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

/// Asks, and puts the receipt of the answer among the home's.
pub(super) async fn answered(
    home: &Home,
    engine: &Engine,
    ledger: Ledger,
    sql: &str,
    asking: &Asking,
) -> Result<(Asked, PathBuf), Failure> {
    let outcome = engine.ask(sql, asking).await;
    let proven = match &outcome {
        Ok(asked) => prove(asked, &ledger).await.map(drop),
        Err(_) => Ok(()),
    };
    let origin = ledger.genesis().origin.clone();
    // Aborts of failed questions must be durable before the process ends.
    ledger.close().await?;
    let asked = outcome?;
    proven?;
    let receipt = keep(home, &origin, &asked);
    Ok((asked, receipt))
}

/// Puts the receipt of an answer among the home's.
pub(super) fn keep(home: &Home, origin: &str, asked: &Asked) -> PathBuf {
    // Each asking has a receipt of its own, also where two prove the same answer.
    let named = asked.published.reused.unwrap_or(asked.published.entry);
    let receipt = home.receipt_file(origin, named);
    // It was paid for, and is shown whatever becomes of the file.
    if let Err(failure) = files::replace_in(&receipt, asked.published.receipt.as_bytes()) {
        failure.report(Format::Table);
    }
    receipt
}

/// What is shown is what a receipt proves, and of the ledger that this user knows. Says which verifier key the receipt holds under.
pub(super) async fn prove(asked: &Asked, ledger: &Ledger) -> Result<String, Failure> {
    let (proven, vkey) = memory::verify(&asked.published.receipt, &ledger.vkeys().await?)?;
    if proven.answer != asked.published.answer {
        return Err(Failure::Integrity(
            "the receipt is of another answer".to_owned(),
        ));
    }
    let memory = Memory::of(&ledger.genesis().origin)?;
    memory.learn(ledger, &proven).await?;
    Ok(vkey)
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

/// How somebody asks whose question will stand in the log: who that is is known from here on.
pub(super) fn asking(home: &Home, query: &Query) -> Result<Asking, Failure> {
    let asking = wishes(home, query)?;
    if !query.dry_run {
        home.acting(&user(query.user.as_deref())?)?;
    }
    Ok(asking)
}

/// How somebody would ask.
pub(super) fn wishes(home: &Home, query: &Query) -> Result<Asking, Failure> {
    let options = Options {
        epsilon: query.epsilon.clone(),
        rho: query.rho.clone(),
        within: query.within.clone(),
        confidence: Some(query.confidence.clone()),
        delta: query.delta.clone(),
        expect_rows: query.expect_rows,
        rows_per_person: query.rows_per_person,
        groups_per_person: query.groups_per_person,
        weigh: query.weigh,
        noise: match query.noise {
            NoiseKind::Gaussian => Noise::DiscreteGaussian,
            NoiseKind::Laplace => Noise::DiscreteLaplace,
        },
        fresh: query.fresh,
        retry_key: query.retry_key.clone(),
    };
    let principal = home.pseudonym(&user(query.user.as_deref())?)?;
    options
        .asking(principal, &query.purpose)
        .map_err(|Malformed { option, value, why }| {
            let option = option.replace('_', "-");
            Failure::usage(format!("--{option} {value}: {why}"))
        })
}

/// For people: the interval beside each number. For machines: the bounds as columns of their own.
pub(super) fn answer_rows(answer: &Answer, format: Format) -> Rows {
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
        None => cost_text(asked.published.cost, &asked.terms, conversion),
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
    lines.extend(left_out(&asked.terms));
    lines.extend(hidden(&asked.terms));
    lines
}

pub(super) fn remaining_text(loss: Loss, conversion: salus_accounting::Delta) -> String {
    format!(
        "rho {}, epsilon {}",
        loss.rho.to_floor_string(),
        salus_accounting::epsilon_of(loss.rho, conversion)
    )
}

fn error_text(error: Expected) -> String {
    match error {
        Expected::HalfWidth(half) => format!("± {}", figure(half)),
        Expected::Rows(rows) => format!("± {} places among the rows", figure(rows)),
        Expected::Open => "depends on the answer".to_owned(),
    }
}

fn error_json(name: &str, error: Expected) -> Value {
    let (half, rows) = match error {
        Expected::HalfWidth(half) => (Some(half), None),
        Expected::Rows(rows) => (None, Some(rows)),
        Expected::Open => (None, None),
    };
    json!({"column": name, "half_width": half, "rows": rows})
}

fn print_quote(quote: &Quote, conversion: salus_accounting::Delta, format: Format) {
    let title = format!("{} % error", figure(100.0 * quote.confidence));
    let mut rows = Rows::new(&["column", &title]);
    for (name, error) in &quote.errors {
        rows.push([name.clone(), error_text(*error)]);
    }
    let json = json!({
        "dry_run": true,
        "cost": cost_json(quote.cost, &quote.terms, conversion),
        "admission": admission_json(&quote.admission),
        "remaining": loss_json(quote.remaining, conversion),
        "cells": quote.cells,
        "thresholds": quote.terms.thresholds.iter().map(|(minimum, tau)| json!({"minimum_persons": minimum, "above": tau})).collect::<Vec<_>>(),
        "rows_per_person": quote.terms.rows_per_person,
        "groups_per_person": quote.terms.groups_per_person,
        "bounds": terms_json(&quote.terms),
        "errors": quote.errors.iter().map(|(name, error)| error_json(name, *error)).collect::<Vec<_>>(),
        "derivation": quote.derivation.iter().map(|(rule, what, rows)| json!({"rule": rule, "what": what, "rows_per_person": rows})).collect::<Vec<_>>(),
    });
    print(format, &rows, &json);
    if format == Format::Table {
        println!(
            "would cost {}; nothing was spent",
            cost_text(quote.cost, &quote.terms, conversion)
        );
        match &quote.admission {
            Admission::Paid => {}
            Admission::Known(entry) => println!(
                "free       the same question was answered: asked now, the answer of entry {entry} is repeated at no cost (--fresh buys new noise)"
            ),
            Admission::Declined(why) => {
                println!("refused    asked now, it would not be answered: {why}");
            }
        }
        println!("remaining  {}", remaining_text(quote.remaining, conversion));
        let cells = match quote.cells {
            0 => "groups that are not known beforehand".to_owned(),
            1 => "1 cell".to_owned(),
            cells => format!("{cells} cells"),
        };
        println!(
            "bounds     {cells}; one person touches at most {} of them, with at most {} rows in each",
            quote.terms.groups_per_person, quote.terms.rows_per_person
        );
        for line in left_out(&quote.terms)
            .into_iter()
            .skip(1)
            .chain(hidden(&quote.terms))
        {
            println!("{line}");
        }
    }
}

/// What bounding leaves out, and no interval covers.
fn left_out(terms: &Terms) -> Vec<String> {
    let mut lines = Vec::new();
    if terms.rows_per_person > 1 {
        lines.push(format!(
            "bounds     at most {} rows of a person count in a group (--rows-per-person); intervals do not cover what that leaves out",
            terms.rows_per_person
        ));
    }
    match terms.weighted_groups {
        Some(most) => lines.push(format!(
            "groups     who is in more than {} groups counts in up to {most} of them, but less in each (--weigh); intervals do not cover that",
            terms.groups_per_person
        )),
        None if terms.leaves_groups_out => lines.push(format!(
            "groups     at most {} groups of a person count (--groups-per-person); intervals do not cover what that leaves out, and --weigh leaves out less",
            terms.groups_per_person
        )),
        None => {}
    }
    lines
}

/// Which groups are not shown.
pub(super) fn hidden(terms: &Terms) -> Vec<String> {
    let lines = terms.hidden_groups().into_iter();
    lines
        .map(|(about, words)| format!("{about:<11}{words}"))
        .collect()
}

fn terms_json(terms: &Terms) -> Value {
    json!({
        "rows_per_person": terms.rows_per_person,
        "groups_per_person": terms.groups_per_person,
        "weighted_groups": terms.weighted_groups,
        "thresholds": terms.thresholds.iter().map(|(minimum, tau)| json!({"minimum_persons": minimum, "above": tau})).collect::<Vec<_>>(),
    })
}

fn admission_json(admission: &Admission) -> Value {
    match admission {
        Admission::Paid => json!({"outcome": "paid"}),
        Admission::Known(entry) => json!({"outcome": "free", "entry": entry}),
        Admission::Declined(why) => json!({"outcome": "refused", "why": why.to_string()}),
    }
}

/// The cost of a question; where it has no delta of its own, as the epsilon that it has without any.
pub(super) fn cost_json(cost: Loss, terms: &Terms, conversion: Delta) -> Value {
    let mut json = loss_json(cost, conversion);
    if let (Some(pure), false) = (terms.pure_epsilon, cost == Loss::ZERO) {
        json["epsilon"] = json!(pure);
        json["delta"] = json!(0.0);
    }
    json
}

pub(super) fn cost_text(cost: Loss, terms: &Terms, conversion: Delta) -> String {
    match terms.pure_epsilon {
        Some(pure) => format!("rho {}, pure epsilon {pure:.4}", cost.rho),
        None if cost.delta == Delta::ZERO => loss_text(cost, conversion),
        None => format!("{}, delta {}", loss_text(cost, conversion), cost.delta),
    }
}

/// A purpose of use that is known.
pub(crate) fn purpose(named: &str) -> Result<String, Failure> {
    let purpose = named.to_uppercase();
    if PURPOSES.contains(&purpose.as_str()) {
        return Ok(purpose);
    }
    Err(Failure::usage(format!(
        "--purpose {named}: use one of {}",
        PURPOSES.join(", ")
    )))
}

/// Who asks: the name given, or that of the user of this shell.
pub(crate) fn user(named: Option<&str>) -> Result<String, Failure> {
    let user = named
        .map(str::to_owned)
        .or_else(|| std::env::var("SALUS_USER").ok())
        .or_else(|| std::env::var("USER").ok())
        .unwrap_or_else(|| "unknown".to_owned());
    // One person is one analyst, however her name was typed around.
    let user = user.trim();
    if user.is_empty() {
        return Err(Failure::usage(
            "--user: name the analyst, whose limits and entries in the ledger these are".to_owned(),
        ));
    }
    Ok(user.to_owned())
}
