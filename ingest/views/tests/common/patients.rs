//! Patients with a few names, and views of them.

use std::fs;
use std::path::Path;

use salus_views::View;
use serde_json::{Value, json};

use super::view;

pub fn names() -> View {
    view(&json!({"name": "names", "resource": "Patient", "select": [
        {"column": [{"name": "id", "path": "id", "type": "id"}]},
        {"forEach": "name", "column": [
            {"name": "at", "path": "%rowIndex", "type": "integer"},
            {"name": "family", "path": "family", "type": "string"},
            {"name": "given", "path": "given", "type": "string", "collection": true}]}]}))
}

pub fn ids() -> View {
    view(&json!({"name": "ids", "resource": "Patient", "select": [
        {"column": [{"name": "id", "path": "id", "type": "id"}]}]}))
}

pub fn patient(number: usize) -> Value {
    let names: Vec<Value> = (0..number % 4)
        .map(|at| json!({"family": format!("F{number}.{at}"), "given": vec!["ä"; at]}))
        .collect();
    json!({"resourceType": "Patient", "id": format!("p{number}"), "name": names})
}

pub fn lines(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| patient(number).to_string())
        .collect()
}

pub fn written(path: &Path, text: &[u8]) {
    fs::write(path, text).unwrap();
}
