//! Input and outputs that mean ill: every run ends, says why, and leaves nothing half done.

mod common;

use std::fs;
use std::io::Write as _;

use common::patients::{ids, lines, names, patient, written};
use common::{ndjson, view};
use salus_views::{Format, Input, NdjsonSink, Options, RunError, Silent, files, run};
use serde_json::{Value, json};

#[test]
fn a_resource_cannot_multiply_without_end() {
    let view = || {
        view(&json!({"resource": "Patient", "select": [
            {"forEach": "name", "column": [{"name": "a", "path": "family"}]},
            {"forEach": "name", "column": [{"name": "b", "path": "family"}]},
            {"forEach": "name", "column": [{"name": "c", "path": "family"}]}]}))
    };
    let names: Vec<Value> = (0..100).map(|n| json!({"family": n.to_string()})).collect();
    let line = json!({"resourceType": "Patient", "id": "p", "name": names}).to_string();
    let options = Options {
        most_rows: 999_999,
        ..Options::default()
    };
    let (text, summary) = ndjson(view(), Input::lines([line.clone()]), &options).unwrap();
    assert_eq!((text.as_str(), summary.failed_lines), ("", 1));
    assert!(summary.failures[0].reason.contains("more than 999999 rows"));
    let options = Options {
        most_rows: 1_000_000,
        ..options
    };
    let (_, summary) = ndjson(view(), Input::lines([line]), &options).unwrap();
    assert_eq!(summary.views[0].rows, 1_000_000);
}

#[test]
fn repeat_that_does_not_end_is_an_error() {
    let view = view(&json!({"resource": "Patient", "select": [
        {"repeat": ["$this"], "column": [{"name": "a", "path": "id"}]}]}));
    let error = common::rows(view, &[patient(1)]).unwrap_err();
    assert!(
        error.to_string().contains("does not come to an end"),
        "{error}"
    );
}

#[test]
fn a_line_that_is_too_long_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.ndjson");
    written(&file, "x".repeat(100_000).as_bytes());
    let options = Options {
        longest_line: 50_000,
        chunk_bytes: 1000,
        ..Options::default()
    };
    let error = ndjson(ids(), Input::paths(&[&file]).unwrap(), &options).unwrap_err();
    assert!(
        matches!(error, RunError::LineTooLong { line: 1, .. }),
        "{error}"
    );
}

#[test]
fn a_sink_that_fails_ends_the_run() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is full"))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let views = [ids()];
    let input = Input::lines(lines(100_000));
    let sink = NdjsonSink::new(&views[0], Full);
    let error = run(
        &views,
        input,
        &mut [Box::new(sink)],
        &Options {
            chunk_bytes: 100,
            ..Options::default()
        },
        &Silent,
    );
    let error = error.unwrap_err();
    assert!(error.to_string().contains("the disk is full"), "{error}");
}

#[test]
fn failures_are_counted_all_and_described_in_part() {
    let broken: Vec<String> = (0..5000).map(|_| "x".to_owned()).collect();
    let options = Options {
        described_failures: 3,
        chunk_bytes: 1000,
        ..Options::default()
    };
    let (_, summary) = ndjson(ids(), Input::lines(broken), &options).unwrap();
    assert_eq!((summary.failed_lines, summary.all_failures), (5000, 5000));
    let lines: Vec<u64> = summary
        .failures
        .iter()
        .map(|failure| failure.line)
        .collect();
    assert_eq!(lines, [1, 2, 3]);
    let none = Options {
        described_failures: 0,
        strict: true,
        ..options
    };
    let error = ndjson(ids(), Input::lines(["x".to_owned()]), &none).unwrap_err();
    assert!(matches!(error, RunError::Strict(_)), "{error}");
}

#[test]
fn what_is_no_id_is_not_shown() {
    let line =
        json!({"resourceType": "Patient", "id": "\u{1b}[31m", "name": [{"family": ["a", "b"]}]});
    let (_, summary) = ndjson(
        names(),
        Input::lines([line.to_string()]),
        &Options::default(),
    )
    .unwrap();
    assert_eq!(summary.failures[0].resource, "Patient");
}

#[test]
fn a_resource_cannot_fill_the_memory() {
    let column = |name: &str| json!({"name": name, "path": "%resource.name.family.join()"});
    let view = view(&json!({"resource": "Patient", "select": [
        {"forEach": "name", "column": [column("a")]},
        {"forEach": "name", "column": [column("b")]}]}));
    let names: Vec<Value> = (0..500)
        .map(|_| json!({"family": "x".repeat(10)}))
        .collect();
    let line = json!({"resourceType": "Patient", "id": "p", "name": names}).to_string();
    let (text, summary) = ndjson(view, Input::lines([line]), &Options::default()).unwrap();
    assert_eq!((text.as_str(), summary.failed_lines), ("", 1));
    assert!(summary.failures[0].reason.contains("more than 1 GiB"));
}

#[test]
fn damaged_compression_is_an_error_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(lines(5000).join("\n").as_bytes()).unwrap();
    let whole = gz.finish().unwrap();
    written(&dir.path().join("a.ndjson.gz"), &whole[..whole.len() / 2]);
    let out = dir.path().join("out");
    let views = [names()];
    let mut sinks = files(&views, &out, Format::Csv).unwrap();
    let input = Input::paths(&[dir.path().join("a.ndjson.gz")]).unwrap();
    let error = run(&views, input, &mut sinks, &Options::default(), &Silent).unwrap_err();
    assert!(matches!(error, RunError::Source { .. }), "{error}");
    drop(sinks);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
}
