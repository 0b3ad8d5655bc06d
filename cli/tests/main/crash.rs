//! `kill -9` at random moments: nothing that was answered is missing, nothing that was taken comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use arrow::ipc::writer::StreamWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use salus_certificate::Value as Cbor;
use salus_lake::Lake;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::support::{BY_SEX, Chance, Done, Home, files, hex, soak};

fn spawn(home: &Home, arguments: &[&str]) -> Child {
    home.command(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn uint(value: Option<&Cbor>) -> u64 {
    match value {
        Some(Cbor::Uint(number)) => *number,
        other => panic!("{other:?}"),
    }
}

fn field<'a>(map: &'a Cbor, name: &str) -> Option<&'a Cbor> {
    match map {
        Cbor::Map(map) => map
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value),
        _ => None,
    }
}

/// What the exported log says: index of each entry with its kind and, for reserves, the rho it took.
fn log(dir: &Path) -> BTreeMap<u64, (String, u64)> {
    let mut log = BTreeMap::new();
    for file in files(&dir.join("entries")) {
        let index = file.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let entry = Cbor::decode(&fs::read(&file).unwrap()).unwrap();
        let Some(Cbor::Text(kind)) = field(&entry, "kind") else {
            panic!("{entry:?}");
        };
        let body = field(&entry, "body").unwrap();
        let rho = if kind == "reserve" {
            uint(field(field(body, "loss").unwrap(), "rho"))
        } else {
            0
        };
        log.insert(index, (kind.clone(), rho));
    }
    log
}

#[test]
fn killed_questions_leave_a_ledger_that_holds() {
    let rounds = soak(50, 200);
    let home = Home::populated(&["--epsilon", "100"], 30);
    let mut chance = Chance::new("kill -9 of questions");
    let question = [
        "query",
        "--fresh",
        BY_SEX,
        "--rho",
        "0.001",
        "--purpose",
        "HRESCH",
        "--format",
        "json",
    ];
    let started = Instant::now();
    let typical = {
        home.run(&question).exits(0);
        started.elapsed()
    };
    let mut answered = BTreeSet::new();
    let (mut killed, mut spent) = (0, home.budget("spent"));
    let mut reach = u64::try_from(typical.as_micros()).unwrap() * 5 / 2;
    for round in 0..rounds {
        // Two streams of questions at a time; whatever is under way at the chosen moment is killed.
        let deadline = Instant::now() + Duration::from_micros(chance.below(reach));
        let mut children = vec![spawn(&home, &question), spawn(&home, &question)];
        let mut finished = Vec::new();
        while Instant::now() < deadline {
            for place in &mut children {
                if place.try_wait().unwrap().is_some() {
                    finished.push(std::mem::replace(place, spawn(&home, &question)));
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        for child in &mut children {
            // An error says that it ended by itself just now.
            let _ = child.kill();
        }
        for child in finished.into_iter().chain(children) {
            let done = Done::of(&child.wait_with_output().unwrap());
            killed += usize::from(done.code.is_none());
            assert!(matches!(done.code, None | Some(0)), "{done:?}");
            if let Ok(answer) = serde_json::from_str::<Value>(&done.stdout) {
                assert!(answered.insert(answer["entry"].as_u64().unwrap()));
            } else {
                assert!(done.code.is_none(), "{done:?}");
            }
        }
        let done = home.run(&["ledger", "verify"]);
        assert_eq!(done.code, Some(0), "after round {round}: {done:?}");
        let now = home.budget("spent");
        assert!(now >= spent, "round {round} refunded {spent} to {now}");
        spent = now;
        if answered.is_empty() {
            // Questions take longer than the first did: the next are killed later.
            reach += reach / 2;
        }
    }
    home.run(&question).exits(0);

    let out = home.beside("evidence");
    home.run(&["ledger", "export", out.to_str().unwrap()])
        .exits(0);
    let log = log(&out);
    let of = |kind: &str| log.values().filter(|(k, _)| k == kind).count();
    for entry in &answered {
        assert_eq!(
            log[entry].0, "release",
            "entry {entry} was answered and is something else"
        );
    }
    let reserved: u64 = log.values().map(|(_, rho)| rho).sum();
    assert_eq!(reserved, home.budget("spent"));
    println!(
        "{rounds} rounds: {killed} killed, {} answers printed, {} released, {} reserved, {} aborted, in {:.1} s",
        answered.len(),
        of("release"),
        of("reserve"),
        of("abort"),
        started.elapsed().as_secs_f64()
    );
    // A test that never hit a process at work, or always too early, would have shown nothing.
    assert!(killed >= rounds / 2 && !answered.is_empty());
    assert!(of("release") > answered.len() && of("reserve") >= of("release"));
}

/// The Parquet files of the newest snapshot: table, rows and content. Each file has a key of its own, so what is compared is what
/// it says.
/// The rows of every table, by file.
pub(crate) fn content(home: &Home) -> Vec<(String, u64, String)> {
    let snapshots = files(&home.root().join("lake/_snapshots"));
    let newest = fs::read_to_string(snapshots.last().unwrap()).unwrap();
    let newest: Value = serde_json::from_str(&newest).unwrap();
    let lake = Lake::open(&home.root()).unwrap();
    let mut content = Vec::new();
    for (table, version) in newest["tables"].as_object().unwrap() {
        for file in version["files"].as_array().unwrap() {
            let path = home
                .root()
                .join("lake")
                .join(table)
                .join(file["path"].as_str().unwrap());
            let options = lake.reader_options();
            let file_rows = fs::File::open(path).unwrap();
            let reader =
                ParquetRecordBatchReaderBuilder::try_new_with_options(file_rows, options).unwrap();
            let mut said = StreamWriter::try_new(Vec::new(), reader.schema()).unwrap();
            for batch in reader.build().unwrap() {
                said.write(&batch.unwrap()).unwrap();
            }
            let hash = hex(&Sha256::digest(said.into_inner().unwrap()));
            content.push((table.clone(), file["rows"].as_u64().unwrap(), hash));
        }
    }
    content
}

#[test]
fn a_killed_ingest_leaves_the_old_state_and_can_be_repeated() {
    let whole = Home::init(&[]);
    let export = whole.export(150, 11);
    let ingest = [
        "--format",
        "json",
        "ingest",
        "fhir",
        export.to_str().unwrap(),
    ];
    let started = Instant::now();
    let expected = whole.run(&ingest).exits(0).json();
    let mut typical = u64::try_from(started.elapsed().as_micros()).unwrap();

    let mut chance = Chance::new("kill -9 of ingests");
    let rounds = soak(12, 60);
    let (mut killed, mut visible) = (0, 0);
    let mut home = Home::init(&[]);
    for round in 0.. {
        if round % 4 == 0 {
            if round >= rounds && killed >= rounds / 2 {
                break;
            }
            assert!(round < 20 * rounds, "{killed} of {round} ingests killed");
            home = Home::init(&[]);
        }
        let mut child = spawn(&home, &ingest);
        let started = Instant::now();
        std::thread::sleep(Duration::from_micros(chance.below(typical)));
        let _ = child.kill();
        let done = Done::of(&child.wait_with_output().unwrap());
        killed += usize::from(done.code.is_none());
        if done.code.is_some() {
            // It was over before: the next is killed earlier.
            let took = u64::try_from(started.elapsed().as_micros()).unwrap();
            typical = typical.min(took).max(1);
        }
        // Nothing, or all of it.
        let snapshots = home.root().join("lake/_snapshots");
        let whole_name =
            |path: &std::path::PathBuf| path.extension().is_some_and(|end| end == "json");
        let shown = snapshots.exists() && files(&snapshots).iter().any(whole_name);
        visible += usize::from(shown);
        home.run(&["ledger", "verify"]).exits(0);
        let asked = home.run(&["query", BY_SEX, "--dry-run"]);
        assert_eq!(asked.code, Some(i32::from(!shown)), "{asked:?}");
        if round % 4 == 3 {
            let again = home.run(&ingest).exits(0).json();
            for same in ["tables", "quarantined", "lines", "files", "snapshot"] {
                assert_eq!(again[same], expected[same], "{same}");
            }
            assert_eq!(again["changed"], !shown);
            assert_eq!(content(&home), content(&whole));
            home.run(&["ledger", "verify"]).exits(0);
            home.run(&["query", "--fresh", BY_SEX]).exits(0);
        }
    }
    println!(
        "{killed} ingests killed, {visible} times the snapshot stood already; {} files equal",
        content(&whole).len()
    );
}
