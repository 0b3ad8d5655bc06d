//! `salus budget`.

use std::path::Path;

use salus_accounting::{Delta, Loss, epsilon_of, total_delta};
use serde_json::{Value, json};

use crate::arguments::{Budget, Format};
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Rows, print};

/// A loss as people are shown it: rho, and the (epsilon, delta) that follow by the tight conversion, rounded up.
#[allow(clippy::cast_precision_loss)] // Exact below 2^53 units; the books keep the integer.
pub(crate) fn loss_json(loss: Loss, conversion: Delta) -> Value {
    if loss == Loss::ZERO {
        // Nothing was given away, at any delta.
        return json!({"rho": 0.0, "epsilon": 0.0, "delta": 0.0});
    }
    json!({
        "rho": loss.rho.units() as f64 / (1_u64 << 40) as f64,
        "epsilon": number(&epsilon_of(loss.rho, conversion).to_decimal_string(6)),
        "delta": number(&total_delta(loss.delta, conversion).to_string()),
    })
}

/// What is left: the epsilon is that of a question that takes all of it, rounded up.
pub(crate) fn loss_text(loss: Loss, conversion: Delta) -> String {
    format!(
        "rho {}, epsilon {}",
        loss.rho,
        epsilon_of(loss.rho, conversion)
    )
}

fn number(text: &str) -> Value {
    text.parse::<f64>()
        .map_or_else(|_| json!(text), |x| json!(x))
}

pub(crate) async fn run(root: &Path, command: &Budget, format: Format) -> Result<(), Failure> {
    let Budget::Show = command;
    let ledger = Home::at(root)?.ledger().await?;
    let account = ledger.account().await?;
    let limits = ledger.limits().await?;
    ledger.close().await?;
    let conversion = account.conversion_delta;
    let mut rows = Rows::new(&["", "rho", "epsilon", "delta"]);
    let mut json =
        json!({"scope": account.scope, "conversion_delta": number(&conversion.to_string())});
    for (name, loss) in [
        ("cap", account.cap),
        ("spent", account.spent),
        ("remaining", account.remaining()),
    ] {
        let rho = if name == "remaining" {
            loss.rho.to_floor_string()
        } else {
            loss.rho.to_string()
        };
        rows.push([
            name.to_owned(),
            rho,
            epsilon_of(loss.rho, conversion).to_string(),
            // What is booked, which adds up; the conversion delta comes once on top.
            loss.delta.to_string(),
        ]);
        json[name] = loss_json(loss, conversion);
    }
    json["limits"] = json!(
        limits
            .iter()
            .map(|limit| json!({
                "account": limit.scope,
                "cap": loss_json(limit.cap, conversion),
                "spent": loss_json(limit.spent, conversion),
                "remaining": loss_json(limit.remaining(), conversion),
            }))
            .collect::<Vec<_>>()
    );
    print(format, &rows, &json);
    if format == Format::Table {
        let mut rows = Rows::new(&["limit", "cap", "spent", "remaining (epsilon)"]);
        for limit in &limits {
            let shown = |loss: Loss| epsilon_of(loss.rho, conversion).to_string();
            rows.push([
                limit.scope.clone(),
                shown(limit.cap),
                shown(limit.spent),
                shown(limit.remaining()),
            ]);
        }
        if !limits.is_empty() {
            print(format, &rows, &json!({}));
        }
        println!(
            "One purse for {}: rho and delta add up; epsilon is what a rho is shown as at a further delta of {conversion}.",
            account.scope
        );
    }
    Ok(())
}
