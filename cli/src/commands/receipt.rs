//! `salus receipt`.

use std::fs;
use std::path::Path;

use anyhow::Context;
use salus_checker::verify_receipt;
use serde_json::{Value, json};

use crate::arguments::{Format, Receipt};
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Rows, print};

pub(crate) fn run(root: &Path, command: &Receipt, format: Format) -> Result<(), Failure> {
    let Receipt::Verify { file, key } = command;
    let text = receipt_text(file)?;
    let vkey = match key {
        Some(key) => fs::read_to_string(key)
            .unwrap_or_else(|_| key.clone())
            .trim()
            .to_owned(),
        None => Home::at(root)?.vkey()?,
    };
    let receipt = verify_receipt(&text, &vkey)
        .map_err(|finding| Failure::Integrity(format!("the receipt does not hold: {finding}")))?;
    let answer: Value = serde_json::from_slice(&receipt.answer).unwrap_or(Value::Null);
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

/// A receipt as it stands, or the one that the saved JSON of a query names or holds.
fn receipt_text(file: &Path) -> Result<String, Failure> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let Ok(json) = serde_json::from_str::<Value>(&text) else {
        return Ok(text);
    };
    let named = json
        .get("receipt")
        .unwrap_or(&json)
        .as_str()
        .map(str::to_owned);
    match named {
        Some(receipt) if receipt.contains('\n') => Ok(receipt),
        Some(path) => Ok(fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?),
        None => Err(Failure::usage(format!(
            "{} holds no receipt",
            file.display()
        ))),
    }
}
