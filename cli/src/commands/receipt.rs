//! `salus receipt`.

use std::fs;
use std::path::Path;

use anyhow::Context;
use salus_checker::verify_receipt;
use salus_ledger::EntryIndex;
use serde_json::{Value, json};

use crate::arguments::{Format, Receipt};
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Rows, print};

pub(crate) fn run(root: &Path, command: &Receipt, format: Format) -> Result<(), Failure> {
    let Receipt::Verify { file, key } = command;
    let entry = file.to_str().and_then(|text| text.parse().ok());
    let found = match entry {
        Some(entry) if !file.exists() => Home::at(root)?.find_receipt(EntryIndex(entry))?,
        _ => file.clone(),
    };
    let Presented { text, saved } = presented(&found)?;
    let vkeys = match key {
        Some(key) => vec![
            fs::read_to_string(key)
                .unwrap_or_else(|_| key.clone())
                .trim()
                .to_owned(),
        ],
        None => Home::at(root)?.vkeys()?,
    };
    let receipt = verify_with(&text, &vkeys)?;
    let answer: Value = serde_json::from_slice(&receipt.answer).unwrap_or(Value::Null);
    if let Some(saved) = saved {
        compare(&saved, &answer, receipt.index)?;
    }
    let mut rows = Rows::new(&["receipt", "entry", "reserved by", "checkpoint"]);
    let checkpoint = String::from_utf8_lossy(&receipt.checkpoint)
        .lines()
        .take(2)
        .collect::<Vec<_>>()
        .join(" size ");
    rows.push([
        "holds".to_owned(),
        receipt.index.to_string(),
        receipt.reserve.to_string(),
        checkpoint.clone(),
    ]);
    print(
        format,
        &rows,
        &json!({"holds": true, "entry": receipt.index, "reserve": receipt.reserve, "checkpoint": checkpoint, "answer": answer}),
    );
    Ok(())
}

/// Under the key in force, or one that it replaced.
fn verify_with(text: &str, vkeys: &[String]) -> Result<salus_checker::Receipt, Failure> {
    let mut findings = Vec::new();
    for vkey in vkeys {
        match verify_receipt(text, vkey) {
            Ok(receipt) => return Ok(receipt),
            Err(finding) => findings.push(finding.to_string()),
        }
    }
    let finding = findings.into_iter().next().unwrap_or_default();
    Err(Failure::Integrity(format!(
        "the receipt does not hold: {finding}"
    )))
}

/// What was presented: a receipt, and the answer that was saved beside it, if any.
struct Presented {
    text: String,
    saved: Option<Value>,
}

/// A receipt as it stands, or the saved JSON of a query that names or holds one.
fn presented(file: &Path) -> Result<Presented, Failure> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let Ok(json) = serde_json::from_str::<Value>(&text) else {
        return Ok(Presented { text, saved: None });
    };
    let named = json.get("receipt").unwrap_or(&json).as_str();
    let text = match named {
        Some(receipt) if receipt.contains('\n') => receipt.to_owned(),
        Some(path) => fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?,
        None => {
            return Err(Failure::usage(format!(
                "{} holds no receipt",
                file.display()
            )));
        }
    };
    let saved = json.is_object().then_some(json);
    Ok(Presented { text, saved })
}

/// The saved answer must be the one that the receipt opens to.
fn compare(saved: &Value, answer: &Value, index: u64) -> Result<(), Failure> {
    let fields = ["rows", "intervals", "standard_errors", "confidence"];
    // An answer that was given once more stands under the names of who asked again.
    let first = saved.get("reuse").is_none_or(Value::is_null);
    let names = first.then_some("columns");
    let same = fields
        .iter()
        .chain(&names)
        .all(|field| saved.get(field) == answer.get(field))
        && saved.get("entry") == Some(&json!(index));
    if same {
        return Ok(());
    }
    Err(Failure::Integrity(
        "the saved answer is not the one of the receipt".to_owned(),
    ))
}
