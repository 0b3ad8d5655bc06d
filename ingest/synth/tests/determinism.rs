//! Equal options give equal bytes; a person does not depend on the size of the population.

mod common;

use std::cell::RefCell;
use std::fs;

use common::{files, options, written};
use salus_synth::{
    Compression, Error, Options, person, persons, write_ndjson, write_ndjson_in_parts,
};
use sha2::{Digest, Sha256};

#[test]
fn two_runs_are_equal_byte_for_byte() {
    // More than one chunk for each of the two threads.
    let options = options(1_300, 5);
    assert_eq!(written(&options), written(&options));
}

#[test]
fn a_smaller_population_is_a_prefix_of_a_larger_one() {
    let small = written(&options(257, 9));
    let large = written(&options(700, 9));
    assert_eq!(
        small.keys().collect::<Vec<_>>(),
        large.keys().collect::<Vec<_>>()
    );
    for (name, text) in &small {
        assert!(!text.is_empty());
        assert!(large[name].starts_with(text), "{name} differs");
        assert!(large[name].len() > text.len());
    }
}

#[test]
fn a_person_can_be_made_alone() {
    let options = options(40, 3);
    for (number, one) in (0..).zip(persons(&options)) {
        assert_eq!(one, person(&options, number));
        assert_eq!(one.number, number);
    }
    assert_eq!(persons(&options).count(), 40);
}

#[test]
fn seed_and_window_change_the_output() {
    let base = options(50, 1);
    let longer = Options { years: 5, ..base };
    let later = Options {
        as_of: base.as_of + chrono::Days::new(90),
        ..base
    };
    for other in [options(50, 2), longer, later] {
        let before = written(&base);
        for (name, text) in written(&other) {
            // Who a person is does not depend on the window, unless they die in it.
            let same_people = name.starts_with("Patient") && other.seed == base.seed;
            assert!(
                same_people || before[&name] != text,
                "{name} is the same for {other:?}"
            );
        }
    }
}

#[test]
fn ids_of_two_seeds_never_meet() {
    let ids = |seed| {
        let patients = &written(&options(30, seed))["Patient.000.ndjson"];
        let lines = patients
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        lines
            .map(|line| {
                serde_json::from_slice::<serde_json::Value>(line).unwrap()["id"].to_string()
            })
            .collect::<Vec<_>>()
    };
    let (one, other) = (ids(1), ids(2));
    assert_eq!(one.len(), 30);
    assert!(one.iter().all(|id| !other.contains(id)));
}

/// Bytes as lower-case hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl std::fmt::LowerHex for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[test]
fn the_bytes_are_the_same_on_every_platform() {
    // Whoever changes the model changes this digest, and the number of the model in `draw.rs`
    // once a population has been published.
    let mut hash = Sha256::new();
    for (name, text) in written(&options(300, 42)) {
        hash.update(name);
        hash.update(text);
    }
    assert_eq!(
        format!("{:x}", Hex(&hash.finalize())),
        include_str!("population.sha256").trim()
    );
}

#[test]
fn compressed_files_hold_the_same_lines() {
    let options = options(60, 4);
    let plain = written(&options);
    for (compression, suffix) in [(Compression::Gzip, ".gz"), (Compression::Zstd, ".zst")] {
        let directory = tempfile::tempdir().unwrap();
        let summary = write_ndjson(&options, directory.path(), compression, &|_| ()).unwrap();
        let read = files(directory.path());
        assert_eq!(read.len(), 7);
        assert_eq!(summary.files.len(), 7);
        for (name, text) in &plain {
            assert_eq!(&read[&format!("{name}{suffix}")], text);
        }
    }
}

#[test]
fn parts_roll_over_between_lines() {
    let options = options(120, 8);
    let plain = written(&options);
    let directory = tempfile::tempdir().unwrap();
    let limit = 20_000;
    let summary = write_ndjson_in_parts(
        &options,
        directory.path(),
        Compression::None,
        limit,
        &|_| (),
    )
    .unwrap();
    let parts = files(directory.path());
    assert_eq!(summary.files.len(), parts.len());
    assert_eq!(
        summary.bytes,
        parts.values().map(|text| text.len() as u64).sum::<u64>()
    );
    for (name, whole) in &plain {
        let kind = name.split('.').next().unwrap();
        let mut joined = Vec::new();
        let mut number = 0_usize;
        while let Some(text) = parts.get(&format!("{kind}.{number:03}.ndjson")) {
            assert!(
                text.len() as u64 <= limit && text.ends_with(b"\n"),
                "{kind}.{number:03}"
            );
            joined.extend_from_slice(text);
            number += 1;
        }
        assert_eq!(&joined, whole, "{kind}");
        // No part is closed early: two neighbours never fit into one.
        assert!(
            number <= 2 * whole.len() / 20_000 + 1,
            "{kind} has {number} parts"
        );
    }
    assert!(parts.contains_key("Observation.010.ndjson"));
}

#[test]
fn a_line_longer_than_a_part_gets_its_own() {
    let options = options(4, 8);
    let directory = tempfile::tempdir().unwrap();
    write_ndjson_in_parts(&options, directory.path(), Compression::None, 10, &|_| ()).unwrap();
    let parts = files(directory.path());
    assert!(parts.contains_key("Patient.003.ndjson") && !parts.contains_key("Patient.004.ndjson"));
    assert!(
        parts
            .values()
            .all(|text| memchr::memchr(b'\n', text) == Some(text.len() - 1))
    );
}

#[test]
fn two_populations_do_not_mix() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(3, 1);
    fs::write(
        directory.path().join("Patient.000.ndjson.partial"),
        "left over",
    )
    .unwrap();
    fs::write(directory.path().join("notes.txt"), "mine").unwrap();
    let summary = write_ndjson(&options, directory.path(), Compression::None, &|_| ()).unwrap();
    assert_eq!(summary.persons, 3);
    let names: Vec<String> = files(directory.path()).into_keys().collect();
    assert!(names.iter().all(|name| !name.ends_with(".partial")));
    assert!(names.contains(&"notes.txt".to_owned()));
    let before = files(directory.path());
    let again = write_ndjson(&options, directory.path(), Compression::Gzip, &|_| ());
    assert!(matches!(again, Err(Error::NotEmpty(_))), "{again:?}");
    assert_eq!(files(directory.path()), before);
}

#[test]
fn progress_ends_with_all_persons() {
    let heard = RefCell::new(Vec::new());
    let directory = tempfile::tempdir().unwrap();
    let report = |done| heard.borrow_mut().push(done);
    write_ndjson(
        &options(600, 1),
        directory.path(),
        Compression::None,
        &report,
    )
    .unwrap();
    let heard = heard.into_inner();
    assert!(heard.is_sorted() && heard.len() >= 2);
    assert_eq!(heard.last(), Some(&600));
}

#[test]
fn what_cannot_be_dated_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let base = options(1, 1);
    let wrong = [
        Options { years: 0, ..base },
        Options { years: 31, ..base },
        Options {
            as_of: chrono::NaiveDate::MIN,
            ..base
        },
        Options {
            persons: u64::MAX,
            ..base
        },
    ];
    for options in wrong {
        let result = write_ndjson(&options, directory.path(), Compression::None, &|_| ());
        assert!(matches!(result, Err(Error::Options(_))), "{options:?}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
