//! `salus explain`: how a question is bounded and what it costs, in plain words. It spends nothing and reads no data.

use std::path::Path;

use salus_accounting::Noise;
use salus_query::Quote;
use serde_json::json;

use super::query::{cost_json, cost_text, hidden, question, wishes};
use crate::arguments::{Format, Query};
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Rows, figure, print};

pub(crate) async fn run(root: &Path, query: &Query, format: Format) -> Result<(), Failure> {
    let home = Home::at(root)?;
    let sql = question(&query.sql)?;
    let asking = wishes(&home, query)?;
    let engine = home.prices().await?;
    let quote = engine.quote(&sql, &asking).await?;
    let mut rows = Rows::new(&["step", "rule", "what it means"]);
    let steps = quote.derivation.iter().enumerate();
    let words: Vec<_> = steps
        .map(|(i, (rule, what, most))| (i + 1, rule, words(rule, what, *most)))
        .collect();
    for (number, rule, words) in &words {
        rows.push([number.to_string(), (*rule).clone(), words.clone()]);
    }
    let conversion = engine.conversion_delta();
    let steps = words
        .iter()
        .map(|(number, rule, words)| json!({"step": number, "rule": rule, "words": words}));
    let noise = quote.noise.iter().map(|noise| {
        json!({"release": noise.release, "aggregate": noise.aggregate, "noise": noise.kind.name(), "sensitivity": noise.sensitivity, "sigma": noise.sigma, "rho": noise.rho.to_floor_string()})
    });
    let json = json!({
        "steps": steps.collect::<Vec<_>>(),
        "noise": noise.collect::<Vec<_>>(),
        "cost": cost_json(quote.cost, &quote.terms, conversion),
    });
    print(format, &rows, &json);
    if format == Format::Table {
        print_noise(&quote);
        if quote.averages_rows() {
            println!(
                "hint       averaging each person first lowers the noise: SELECT AVG(m) FROM (SELECT person_id, AVG(x) AS m … GROUP BY person_id); it is then the mean over persons"
            );
        }
        println!(
            "cost       {}; nothing was spent",
            cost_text(quote.cost, &quote.terms, conversion)
        );
    }
    Ok(())
}

fn words(rule: &str, what: &str, most: u64) -> String {
    let rows = match most {
        0 => "no bound on a person's rows is known".to_owned(),
        1 => "one row of a person at most".to_owned(),
        most => format!("{most} rows of a person at most"),
    };
    match rule {
        "S0" => format!("reads {what}: {rows}, which the lake enforces"),
        "S0p" => format!("reads {what}, which is public"),
        "S1" => format!("filters and computes row by row: {rows}"),
        "S2" => format!("joins rows of the same person ({what}): {rows}"),
        "S3" => format!("joins with public rows ({what}): {rows}"),
        "S4" => format!("brings a person's rows together ({what}): {rows}"),
        "S5" => format!("looks at other rows of the same person: {rows}"),
        "S6" => format!("puts a person's rows of several sources together: {rows}"),
        "RELEASE" => format!("is released with noise: {rows} counts in one group").replace(
            "rows of a person at most counts",
            "rows of a person at most count",
        ),
        other => format!("{other} {what}: {rows}"),
    }
}

fn print_noise(quote: &Quote) {
    println!(
        "bounds     one person counts in at most {} groups of a release, with at most {} rows in each",
        quote.terms.groups_per_person, quote.terms.rows_per_person
    );
    if let Some(most) = quote.terms.weighted_groups {
        println!(
            "weights    who is in n of more than {0} groups counts in up to {most} of them as the square root of {0} / n",
            quote.terms.groups_per_person
        );
    }
    for line in hidden(&quote.terms) {
        println!("{line}");
    }
    for noise in &quote.noise {
        let (norm, distribution) = match noise.kind {
            Noise::DiscreteGaussian => ("L2", "discrete Gaussian of sigma"),
            Noise::DiscreteLaplace => ("L1", "discrete Laplace of scale"),
        };
        println!(
            "noise      release {}, {}: one person moves it by at most {} ({}, grid units); {} {}, rho {}",
            noise.release + 1,
            noise.aggregate,
            figure(noise.sensitivity),
            norm,
            distribution,
            figure(noise.sigma),
            noise.rho
        );
    }
}
