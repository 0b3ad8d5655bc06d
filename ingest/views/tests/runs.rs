//! Runs: order, threads, compressed files, failures, and what is left on disk.

mod common;

use std::fs;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::{Date32Type, Decimal128Type, Int32Type, TimestampMicrosecondType};
use common::patients::{ids, lines, names, written};
use common::{ndjson, strict, view};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use salus_views::{
    CsvSink, Format, Input, NdjsonSink, Options, ParquetSink, Progress, RunError, Silent, Sink,
    files, run,
};
use serde_json::json;

/// The bytes that a run writes in all three formats.
fn bytes(input: impl Fn() -> Input<'static>, options: &Options) -> Vec<Vec<u8>> {
    let views = [names()];
    let mut all = Vec::new();
    for format in 0..3 {
        let mut out = Vec::new();
        {
            let sink: Box<dyn Sink + '_> = match format {
                0 => Box::new(CsvSink::new(&views[0], &mut out)),
                1 => Box::new(NdjsonSink::new(&views[0], &mut out)),
                _ => Box::new(ParquetSink::new(&views[0], &mut out).unwrap()),
            };
            run(&views, input(), &mut [sink], options, &Silent).unwrap();
        }
        all.push(out);
    }
    all
}

#[test]
fn threads_and_chunks_leave_no_trace() {
    let lines = lines(20_000);
    let input = || Input::lines(lines.clone());
    let options = |threads, chunk_bytes| Options {
        threads: Some(threads),
        chunk_bytes,
        ..Options::default()
    };
    let wanted = bytes(input, &options(1, 1 << 20));
    assert!(wanted.iter().all(|bytes| bytes.len() > 50_000));
    for (threads, chunk_bytes) in [(1, 1), (2, 1000), (3, 77), (8, 1 << 16)] {
        let found = bytes(input, &options(threads, chunk_bytes));
        assert!(
            found == wanted,
            "{threads} threads, chunks of {chunk_bytes}"
        );
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.ndjson");
    written(&file, lines.join("\n").as_bytes());
    let read = || Input::paths(&[&file]).unwrap();
    for chunk_bytes in [13, 4096, 1 << 24] {
        assert!(
            bytes(read, &options(2, chunk_bytes)) == wanted,
            "{chunk_bytes}"
        );
    }
}

#[test]
fn compressed_files_and_directories_are_read_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let lines = lines(300);
    let part = |at: usize| (lines[at * 100..(at + 1) * 100].join("\r\n") + "\n\n").into_bytes();
    fs::create_dir(dir.path().join("b")).unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(b"\xef\xbb\xbf").unwrap();
    gz.write_all(&part(0)).unwrap();
    written(&dir.path().join("a.ndjson.gz"), &gz.finish().unwrap());
    let zst = zstd::encode_all(part(1).as_slice(), 1).unwrap();
    written(&dir.path().join("b").join("x.jsonl.zst"), &zst);
    written(&dir.path().join("c.NDJSON"), &part(2));
    written(&dir.path().join("notes.txt"), b"no resource");
    written(&dir.path().join("empty.ndjson"), b"");

    let input = Input::paths(&[dir.path()]).unwrap();
    let (text, summary) = ndjson(ids(), input, &strict()).unwrap();
    let ids: Vec<String> = (0..300)
        .map(|number| format!("{{\"id\":\"p{number}\"}}\n"))
        .collect();
    assert_eq!(text, ids.concat());
    assert_eq!(
        (summary.lines, summary.files, summary.failed_lines),
        (300, 4, 0)
    );

    let nothing = tempfile::tempdir().unwrap();
    let error = Input::paths(&[nothing.path()]).unwrap_err();
    assert!(matches!(error, RunError::NothingFound(_)), "{error}");
    let error = Input::paths(&[nothing.path().join("gone")]).unwrap_err();
    assert!(matches!(error, RunError::Source { .. }), "{error}");
}

#[test]
fn no_failure_is_lost() {
    let text = [
        r#"{"resourceType":"Patient","id":"p1","name":[{"family":"A"}]}"#,
        r#"{"resourceType":"Patient","id":"p2","#,
        "",
        r#"{"id":"p3"}"#,
        r#"{"resourceType":"Observation","id":"o1"}"#,
        r#"{"resourceType":"Patient","id":"p4","name":[{"family":["B","C"]}]}"#,
        r#"{"resourceType":"Patient","id":"p5","name":[{"family":"secret"},{"family":{"x":"secret"}}]}"#,
        "[1]",
        r#"{"resourceType":"Patient","id":"p6","name":[{"family":"D"}]}"#,
    ]
    .join("\n");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.ndjson");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(b"\n{\"resourceType\":\"\xff\"}");
    written(&file, &bytes);

    let views = [names(), ids()];
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let mut sinks: Vec<Box<dyn Sink + '_>> = vec![
        Box::new(NdjsonSink::new(&views[0], &mut first)),
        Box::new(NdjsonSink::new(&views[1], &mut second)),
    ];
    let input = || Input::paths(&[&file]).unwrap();
    let summary = run(&views, input(), &mut sinks, &Options::default(), &Silent).unwrap();
    drop(sinks);
    // The view that fails gives no row of the resource at all; the other one is not disturbed.
    assert_eq!(memchr::memchr_iter(b'\n', &first).count(), 2);
    assert_eq!(memchr::memchr_iter(b'\n', &second).count(), 4);
    assert_eq!(
        (summary.lines, summary.other_lines, summary.failed_lines),
        (9, 1, 6)
    );
    let views_seen: Vec<_> = summary
        .views
        .iter()
        .map(|v| (v.resources, v.failed, v.rows))
        .collect();
    assert_eq!(views_seen, [(4, 2, 2), (4, 0, 4)]);
    let said: Vec<String> = summary.failures.iter().map(ToString::to_string).collect();
    assert_eq!(summary.all_failures, 6);
    for (line, part) in [
        (2, "not JSON"),
        (4, "no resourceType"),
        (6, "Patient/p4: select[1].column[1].path: several values"),
        (
            7,
            "Patient/p5: select[1].column[1].path: an element with parts",
        ),
        (8, "no resourceType"),
        (10, "not UTF-8"),
    ] {
        let place = format!("a.ndjson:{line}: ");
        let found = said.iter().find(|said| said.contains(&place));
        assert!(
            found.is_some_and(|said| said.contains(part)),
            "{line}: {said:?}"
        );
    }
    assert!(!said.concat().contains("secret"));

    // One after the other in the order of the input, however they are spread.
    let error = run(
        &views,
        input(),
        &mut [
            Box::new(NdjsonSink::new(&views[0], std::io::sink())),
            Box::new(NdjsonSink::new(&views[1], std::io::sink())),
        ],
        &Options {
            chunk_bytes: 10,
            ..strict()
        },
        &Silent,
    );
    let error = error.unwrap_err();
    assert!(
        matches!(&error, RunError::Strict(failure) if failure.line == 2),
        "{error}"
    );
}

#[test]
fn files_are_there_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    for format in [Format::Csv, Format::Ndjson, Format::Parquet] {
        let views = [names(), ids(), ids()];
        let path = |name: &str| out.join(format!("{name}.{}", format.extension()));
        let mut sinks = files(&views, &out, format).unwrap();
        fs::write(path("names"), "old").unwrap();
        run(
            &views,
            Input::lines(lines(10)),
            &mut sinks,
            &Options::default(),
            &Silent,
        )
        .unwrap();
        assert_ne!(fs::read(path("names")).unwrap(), b"old");
        assert!(path("ids").exists() && path("ids_2").exists());
        assert_eq!(
            fs::read(path("ids")).unwrap(),
            fs::read(path("ids_2")).unwrap()
        );

        // A run that fails leaves what was there, and nothing beside it.
        let before = fs::read(path("ids")).unwrap();
        let mut sinks = files(&views, &out, format).unwrap();
        let broken = Input::lines(["{".to_owned()]);
        run(&views, broken, &mut sinks, &strict(), &Silent).unwrap_err();
        drop(sinks);
        assert_eq!(fs::read(path("ids")).unwrap(), before);
    }
    assert_eq!(fs::read_dir(&out).unwrap().count(), 9);
}

#[test]
fn csv_tells_nothing_from_an_empty_string() {
    let view = view(&json!({"resource": "Patient", "select": [{"column": [
        {"name": "a", "path": "name.first().family", "type": "string"},
        {"name": "b", "path": "iif(active, '')", "type": "string"},
        {"name": "c", "path": "name.given", "collection": true},
        {"name": "d", "path": "maritalStatus.coding", "type": "Coding", "collection": true}]}]}));
    let resources = [
        json!({"resourceType": "Patient", "active": true, "name": [{"family": "a \"b\", c\n"}],
            "maritalStatus": {"coding": [{"code": "M"}]}}),
        json!({"resourceType": "Patient", "name": [{"given": ["x", "y\""]}]}),
    ];
    let mut out = Vec::new();
    let views = [view];
    let input = Input::lines(resources.map(|resource| resource.to_string()));
    run(
        &views,
        input,
        &mut [Box::new(CsvSink::new(&views[0], &mut out))],
        &strict(),
        &Silent,
    )
    .unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(
        text,
        "a,b,c,d\r\n\"a \"\"b\"\", c\n\",\"\",[],\"[\"\"{\\\"\"code\\\"\":\\\"\"M\\\"\"}\"\"]\"\r\n,,\"[\"\"x\"\",\"\"y\\\"\"\"\"]\",[]\r\n"
    );
}

#[test]
fn parquet_holds_the_types_of_the_view() {
    let hint = |name: &str, path: &str, kind: &str, ansi: &str| json!({"name": name, "path": path, "type": kind, "tag": [{"name": "ansi/type", "value": ansi}]});
    let view = view(&json!({"resource": "Observation", "select": [{"column": [
        hint("day", "effective.ofType(dateTime)", "dateTime", "DATE"),
        hint("value", "value.ofType(Quantity).value", "decimal", "DECIMAL(6,2)"),
        {"name": "issued", "path": "issued", "type": "instant"},
        {"name": "text", "path": "value.ofType(Quantity).value", "type": "decimal"},
        {"name": "ranks", "path": "component.value.ofType(integer)", "type": "integer", "collection": true}]}]}));
    let observation = |value: &str, day: &str| {
        format!(
            r#"{{"resourceType":"Observation","id":"o","effectiveDateTime":"{day}","issued":"2020-01-01T01:00:00+01:00",
            "valueQuantity":{{"value":{value}}},"component":[{{"valueInteger":1}},{{"valueInteger":2}}]}}"#
        )
    };
    let views = [view];
    let read = |lines: Vec<String>| {
        let mut out = Vec::new();
        let sink = ParquetSink::new(&views[0], &mut out).unwrap();
        let summary = run(
            &views,
            Input::lines(lines),
            &mut [Box::new(sink)],
            &Options::default(),
            &Silent,
        );
        (out, summary.unwrap())
    };
    let (out, summary) = read(vec![
        observation("1.50", "2020-01-02T23:00:00-05:00"),
        r#"{"resourceType":"Observation"}"#.to_owned(),
        // What a type cannot hold exactly is refused, not rounded.
        observation("1.505", "2020-01-02"),
        observation("12345.00", "2020-01-02"),
        observation("1", "2020-01"),
    ]);
    assert_eq!((summary.views[0].rows, summary.views[0].failed), (2, 3));
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes_of(&out))
        .unwrap()
        .build()
        .unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    let batch = &batches[0];
    assert_eq!(
        batch.column(0).as_primitive::<Date32Type>().value(0),
        18_263
    );
    assert_eq!(
        batch.column(1).as_primitive::<Decimal128Type>().value(0),
        150
    );
    let issued = batch.column(2).as_primitive::<TimestampMicrosecondType>();
    assert_eq!(issued.value(0), 1_577_836_800_000_000);
    assert_eq!(batch.column(3).as_string::<i32>().value(0), "1.50");
    let ranks = batch.column(4).as_list::<i32>();
    assert_eq!(ranks.value(0).as_primitive::<Int32Type>().values(), &[1, 2]);
    assert!(ranks.value(1).is_empty() && (0..4).all(|column| batch.column(column).is_null(1)));
}

fn bytes_of(out: &[u8]) -> fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(out).unwrap();
    file
}

#[test]
fn progress_counts_what_is_read() {
    #[derive(Default)]
    struct Heard {
        total: AtomicU64,
        bytes: AtomicU64,
        lines: AtomicU64,
    }
    impl Progress for Heard {
        fn started(&self, total_bytes: u64) {
            self.total.store(total_bytes, Ordering::Relaxed);
        }
        fn advanced(&self, bytes: u64, lines: u64) {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            self.lines.fetch_add(lines, Ordering::Relaxed);
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.ndjson");
    written(&file, lines(1000).join("\n").as_bytes());
    let views = [ids()];
    let heard = Heard::default();
    let sink = NdjsonSink::new(&views[0], std::io::sink());
    let options = Options {
        chunk_bytes: 1000,
        ..Options::default()
    };
    run(
        &views,
        Input::paths(&[&file]).unwrap(),
        &mut [Box::new(sink)],
        &options,
        &heard,
    )
    .unwrap();
    let size = fs::metadata(&file).unwrap().len();
    let counted =
        [&heard.total, &heard.bytes, &heard.lines].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(counted, [size, size, 1000]);
}
