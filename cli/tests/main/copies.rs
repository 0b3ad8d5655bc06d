//! Records that are copied meet no second purse, whatever is put together with them.

use std::fs;
use std::path::Path;

use crate::officers::{approve, with_officers};
use crate::succession::{asked, next_key, seal, succeed};
use crate::support::{Done, Home, PERSONS, copy_tree};

/// Everything of a home's records, as somebody copies it: data, catalog, and the key that opens them.
const RECORDS: [&str; 5] = [
    "lake",
    "identity",
    "quarantine",
    "catalog.yaml",
    "keys/lake.key",
];

/// Puts the records of `from` into the home `to`.
fn copy_records(from: &Path, to: &Path) {
    for part in RECORDS {
        let (from, to) = (from.join(part), to.join(part));
        if from.is_dir() {
            fs::remove_dir_all(&to).unwrap();
            copy_tree(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

/// What shows or asks something of the records.
const ASKING: [&[&str]; 4] = [
    &["query", "--fresh", PERSONS, "--epsilon", "0.9"],
    &["query", "--dry-run", PERSONS, "--epsilon", "0.9"],
    &["explain", PERSONS],
    &["quality", "--private", "--epsilon", "0.9"],
];

/// Nothing is asked, and nothing of it stands in the home's ledger.
#[track_caller]
fn is_refused(home: &Home, why: &str) {
    let before = home.entries();
    for command in ASKING {
        let refused = home.run(command).exits(5);
        assert!(refused.stderr.contains(why), "{command:?}: {refused:?}");
    }
    assert_eq!(home.entries(), before);
}

fn ask(home: &Home) -> Done {
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.9"])
}

#[test]
fn a_copied_lake_finds_no_second_purse() {
    let home = Home::populated(&["--epsilon", "1"], 20);
    ask(&home).exits(0);
    ask(&home).exits(4);
    let fresh = Home::init(&["--epsilon", "1"]);
    copy_records(&home.root(), &fresh.root());
    is_refused(&fresh, "the budget of these records is kept in the ledger");
    // Nor do more records beside them change whose they are.
    let export = fresh.export(5, 7);
    fresh
        .run(&["ingest", "fhir", export.to_str().unwrap()])
        .exits(5);
    is_refused(&fresh, "the budget of these records is kept in the ledger");
    // Where they are from, they are asked as before.
    home.run(&["query", PERSONS, "--epsilon", "0.9"]).exits(0);
}

#[test]
fn a_lake_that_names_no_ledger_is_asked_through_the_one_that_knows_it_alone() {
    let home = Home::populated(&["--epsilon", "1"], 20);
    ask(&home).exits(0);
    let named = |home: &Home| home.root().join("lake/_ledger");
    // One of before lakes named their ledgers.
    fs::remove_dir_all(named(&home)).unwrap();
    let fresh = Home::populated(&["--epsilon", "1"], 5);
    let own = fresh.beside("own");
    copy_tree(&fresh.root(), &own);
    copy_records(&home.root(), &fresh.root());
    is_refused(&fresh, "has recorded no snapshot of them");
    // Beside a snapshot that the ledger does know.
    let known = "lake/_snapshots/0000000001.json";
    let newest = "lake/_snapshots/0000000002.json";
    fs::rename(fresh.root().join(known), fresh.root().join(newest)).unwrap();
    let text = fs::read_to_string(fresh.root().join(newest)).unwrap();
    assert!(text.contains("\"number\":1,"), "{text}");
    let text = text.replace("\"number\":1,", "\"number\":2,");
    fs::write(fresh.root().join(newest), text).unwrap();
    fs::copy(own.join(known), fresh.root().join(known)).unwrap();
    is_refused(&fresh, "has recorded no snapshot of them");
    // What the fresh home's own lake said, which another key has written.
    copy_tree(&own.join("lake/_ledger"), &named(&fresh));
    let refused = ask(&fresh);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    // The ledger that has recorded it is its own, and from then on is named.
    assert!(!named(&home).exists());
    home.run(&["query", PERSONS, "--epsilon", "0.9"]).exits(0);
    assert!(named(&home).join("0000000001.json").exists());
    copy_records(&home.root(), &fresh.root());
    is_refused(&fresh, "the budget of these records is kept in the ledger");
}

#[test]
fn what_a_lake_says_of_its_ledger_is_not_edited() {
    let home = Home::populated(&["--epsilon", "1"], 20);
    let fresh = Home::init(&["--epsilon", "1"]);
    let vkey = |home: &Home| fs::read_to_string(home.root().join("keys/ledger.vkey")).unwrap();
    let origin = |home: &Home| vkey(home).split('+').next().unwrap().to_owned();
    copy_records(&home.root(), &fresh.root());
    let file = fresh.root().join("lake/_ledger/0000000001.json");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(&origin(&home)), "{text}");
    let edited = text.replace(&origin(&home), &origin(&fresh));
    fs::write(&file, &edited).unwrap();
    is_refused(&fresh, "what it says of its ledger was changed");
    // Nor is the same said again under a later number.
    fs::write(&file, &text).unwrap();
    let later = file.with_file_name("0000000002.json");
    fs::write(&later, &text).unwrap();
    is_refused(&fresh, "what it says of its ledger was changed");
    fs::write(&later, "").unwrap();
    is_refused(&fresh, "what it says of its ledger was changed");
}

/// A home of somebody's own, with officers of his own, whose log has the name of the one that the records of `home` are booked in.
fn of_the_same_name(home: &Home) -> Home {
    let vkey = fs::read_to_string(home.root().join("keys/ledger.vkey")).unwrap();
    let origin = vkey.split('+').next().unwrap();
    with_officers(&["--epsilon", "1", "--origin", origin])
}

/// Makes the key of the log that is to go on from the home's, and gives its public half.
fn next(home: &Home) -> String {
    let key = next_key(home);
    let made = home.json(&["key", "new", &key, "--name", "salus.example/2027"]);
    made["public_key"].as_str().unwrap().to_owned()
}

#[test]
fn a_ledger_of_the_same_name_is_another_and_so_is_what_goes_on_from_it() {
    let (home, _) = asked();
    let other = of_the_same_name(&home);
    let own = other.beside("own");
    copy_tree(&other.root(), &own);
    copy_records(&home.root(), &other.root());
    is_refused(&other, "another ledger of the name");
    // His officers end his log, and he puts the export of the true one in the place of his.
    seal(&other, &next(&other));
    copy_records(&own, &other.root());
    succeed(&other, &[]);
    copy_records(&home.root(), &other.root());
    is_refused(&other, "the budget of these records is kept in the ledger");
    let past = fs::read_dir(other.root().join("past")).unwrap();
    let past: Vec<_> = past.map(|entry| entry.unwrap().path()).collect();
    let name =
        |path: &&std::path::PathBuf| path.file_name().unwrap().to_str().unwrap()[..4].to_owned();
    let kept = past.iter().find(|path| name(path) == "log.").unwrap();
    fs::remove_dir_all(kept).unwrap();
    home.run(&["ledger", "export", kept.to_str().unwrap()])
        .exits(0);
    is_refused(&other, "the budget of these records is kept in the ledger");
}

#[test]
fn a_log_that_was_never_the_homes_is_not_recovered_into_it() {
    let (home, _) = asked();
    let other = of_the_same_name(&home);
    let out = other.beside("lost").display().to_string();
    let inside = |part: &str| other.root().join(part).display().to_string();
    let (entries, anchor) = (inside("ledger"), inside("anchor"));
    home.run(&[
        "ledger",
        "recover",
        "--successor",
        &next(&other),
        "--entries",
        &entries,
        "--anchor",
        &anchor,
        "--out",
        &out,
    ])
    .exits(0);
    let [ada, ben] = ["ada", "ben"].map(|name| approve(&other, "lost", name));
    let settings = fs::read(home.root().join("home.yaml")).unwrap();
    let key = next_key(&other);
    let decided = ["ledger", "succeed", "--key", &key, "--default-policy"];
    let decided = [
        &decided[..],
        &["--decision", &ada, "--decision", &ben],
        &["--before-anchor", &anchor],
    ];
    let refused = home.run(&decided.concat()).exits(5);
    assert!(
        refused.stderr.contains("the budget of these records"),
        "{refused:?}"
    );
    assert_eq!(fs::read(home.root().join("home.yaml")).unwrap(), settings);
}

#[test]
fn records_follow_the_purse_into_the_log_that_goes_on() {
    let (home, successor) = asked();
    let before = home.beside("before");
    copy_tree(&home.root(), &before);
    seal(&home, &successor);
    succeed(&home, &[]);
    ask(&home).exits(4);
    // A backup of them, from when the sealed log was theirs.
    copy_records(&before, &home.root());
    ask(&home).exits(4);
    let again = home.beside("again.key").display().to_string();
    let made = home.json(&["key", "new", &again, "--name", "salus.example/2028"]);
    fs::remove_file(home.beside("seal")).unwrap();
    for name in ["ada", "ben"] {
        fs::remove_file(home.beside(&format!("seal.{name}"))).unwrap();
    }
    seal(&home, made["public_key"].as_str().unwrap());
    home.run(&["ledger", "succeed", "--key", &again]).exits(0);
    ask(&home).exits(4);
    // Over two logs, as long as what is kept of them is there.
    copy_records(&before, &home.root());
    let (past, away) = (home.root().join("past"), home.beside("away"));
    fs::rename(&past, &away).unwrap();
    is_refused(&home, "what is kept of it in past/ shows that");
    fs::rename(&away, &past).unwrap();
    ask(&home).exits(4);
}

#[test]
fn a_key_that_is_changed_takes_the_name_of_the_ledger_along() {
    let home = Home::populated(&["--epsilon", "1"], 20);
    let key = home.root().join("keys/lake.key");
    let fresh = Home::init(&[]);
    let mut keys = fs::read_to_string(&key).unwrap();
    keys.push_str(&fs::read_to_string(fresh.root().join("keys/lake.key")).unwrap());
    fs::write(&key, &keys).unwrap();
    ask(&home).exits(0);
    let file = home.root().join("lake/_ledger/0000000002.json");
    let text = fs::read_to_string(file).unwrap();
    let newest = keys.lines().last().unwrap().split(' ').next().unwrap();
    assert!(text.contains(newest), "{text}");
    ask(&home).exits(4);
}

/// The name of the ledger is left, and other records are put under it: by a key that was added, or before there were any.
#[test]
fn records_that_are_put_under_another_ledgers_name_are_refused() {
    let home = Home::populated(&["--epsilon", "1"], 20);
    ask(&home).exits(0);
    let key = |home: &Home| home.root().join("keys/lake.key");
    let theirs = fs::read_to_string(key(&home)).unwrap();
    for added in [true, false] {
        let fresh = Home::init(&["--epsilon", "1"]);
        let named = fresh.root().join("lake/_ledger");
        if added {
            let own = fs::read_to_string(key(&fresh)).unwrap();
            fs::write(key(&fresh), own + &theirs).unwrap();
        } else {
            fs::remove_dir_all(&named).unwrap();
            fs::write(key(&fresh), &theirs).unwrap();
        }
        // Of an empty lake it is said under the key of the others.
        fresh.run(&["explain", PERSONS]).exits(1);
        let said = fresh.beside("said");
        copy_tree(&named, &said);
        copy_records(&home.root(), &fresh.root());
        for file in fs::read_dir(&said).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), named.join(file.file_name())).unwrap();
        }
        let why = "has recorded no snapshot of them";
        is_refused(&fresh, why);
        // Nor are they taken over with what is added to them.
        let export = fresh.export(5, 7);
        fresh
            .run(&["ingest", "fhir", export.to_str().unwrap()])
            .exits(5);
        is_refused(&fresh, why);
    }
}

/// What lakes of before do not say is said before anything is added to them.
#[test]
fn a_lake_of_before_goes_on_with_the_next_ingest() {
    let home = Home::populated(&["--epsilon", "1"], 20);
    fs::remove_dir_all(home.root().join("lake/_ledger")).unwrap();
    let export = home.export(5, 7);
    home.run(&["ingest", "fhir", export.to_str().unwrap()])
        .exits(0);
    ask(&home).exits(0);
    ask(&home).exits(4);
}
