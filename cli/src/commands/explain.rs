//! `salus explain`: how a question is bounded and what it costs, in plain words. It spends nothing and reads no data.

use std::path::Path;

use serde_json::json;

use super::query::{cost_json, cost_text, question, wishes};
use crate::arguments::{Format, Query};
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Rows, print};

pub(crate) async fn run(root: &Path, query: &Query, format: Format) -> Result<(), Failure> {
    let home = Home::at(root)?;
    let sql = question(&query.sql)?;
    let asking = wishes(&home, query)?;
    let engine = home.prices().await?;
    let quote = engine.quote(&sql, &asking).await?;
    let mut rows = Rows::new(&["step", "rule", "what it means"]);
    let words = quote.steps_in_words();
    for (number, (rule, words)) in (1_usize..).zip(&words) {
        rows.push([number.to_string(), (*rule).to_owned(), words.clone()]);
    }
    let conversion = engine.conversion_delta();
    let steps = (1_usize..)
        .zip(&words)
        .map(|(number, (rule, words))| json!({"step": number, "rule": rule, "words": words}));
    let noise = quote.noise.iter().map(|noise| {
        json!({"release": noise.release, "aggregate": noise.aggregate, "noise": noise.kind.name(), "sensitivity": noise.sensitivity, "sigma": noise.sigma, "rho": noise.rho.to_floor_string(), "values": noise.values.map(|values| json!({"low": values.low, "high": values.high, "step": values.step}))})
    });
    let lines = quote.in_words().into_iter();
    let lines = lines.map(|(about, words)| json!({"about": about, "words": words}));
    let json = json!({
        "steps": steps.collect::<Vec<_>>(),
        "lines": lines.collect::<Vec<_>>(),
        "noise": noise.collect::<Vec<_>>(),
        "cost": cost_json(quote.cost, &quote.terms, conversion),
    });
    print(format, &rows, &json);
    if format == Format::Table {
        for (about, words) in quote.in_words() {
            println!("{about:<11}{words}");
        }
        println!(
            "cost       {}; nothing was spent",
            cost_text(quote.cost, &quote.terms, conversion)
        );
    }
    Ok(())
}
