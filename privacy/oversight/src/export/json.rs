//! One JSON document.

use salus_accounting::Loss;
use salus_ledger::StoredEntry;
use serde_json::{Value, json};

use super::mechanism;
use crate::books::{Books, Shown, hex, shown_delta};
use crate::question::{Outcome, Purse, Question};
use crate::time::instant;

/// The questions under the log that they stand in. Quantities are decimal text: `rho_units` (2^-40) and `delta_units` (2^-80) are exact, beside them
/// stands what people are shown, rounded up.
pub fn json<'q>(log: &[StoredEntry], questions: impl IntoIterator<Item = &'q Question>) -> Value {
    let books = Books::of(log);
    let conversion = books.conversion();
    let mut shown = Shown::new(conversion);
    let questions: Vec<Value> = questions
        .into_iter()
        .map(|question| one(question, &mut shown))
        .collect();
    json!({
        "origin": books.genesis().map(|genesis| &genesis.origin),
        "space": books.genesis().map(|genesis| &genesis.space),
        "conversion_delta": conversion.to_string(),
        "entries": log.len(),
        "questions": questions,
    })
}

fn one(question: &Question, shown: &mut Shown) -> Value {
    let mechanisms: Vec<String> = question.mechanisms.iter().map(mechanism).collect();
    json!({
        "entry": question.entry.0,
        "kind": question.kind.name(),
        "time": instant(question.time),
        "principal": question.principal,
        "roles": question.roles,
        "purpose": question.purpose,
        "dataset": question.dataset,
        "parts": question.parts,
        "snapshot": question.snapshot,
        "outcome": outcome(&question.outcome),
        "loss": loss(question.loss, shown),
        "incidents": (question.incidents != Loss::ZERO).then(|| loss(question.incidents, shown)),
        "purse": question.purse.map(|purse| accounts(purse, shown)),
        "mechanisms": mechanisms,
        "question_commitment": hex(&question.question),
    })
}

fn outcome(outcome: &Outcome) -> Value {
    let reserve = match outcome {
        Outcome::Repeated { reserve, .. } => reserve.map(|reserve| reserve.0),
        _ => None,
    };
    json!({
        "is": outcome.kind().name(),
        "entry": outcome.cites().map(|entry| entry.0),
        "paid_by": reserve,
        "rule": outcome.rule(),
    })
}

fn accounts(purse: Purse, shown: &mut Shown) -> Value {
    json!({
        "cap": loss(purse.cap, shown),
        "before": loss(purse.before, shown),
        "after": loss(purse.after, shown),
    })
}

fn loss(loss: Loss, shown: &mut Shown) -> Value {
    json!({
        "rho": loss.rho.to_string(),
        "rho_units": loss.rho.units().to_string(),
        "delta_units": loss.delta.units().to_string(),
        "epsilon": shown.epsilon(loss).to_string(),
        "epsilon_delta": shown_delta(loss, shown.conversion).to_string(),
    })
}
