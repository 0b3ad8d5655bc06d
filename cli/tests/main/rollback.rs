//! A home that was put back to an earlier state is noticed, whatever of it was put back, and nothing is answered.

use std::fs;

use crate::support::{Home, PERSONS, copy_tree, run};

/// A home that was asked twice, and what it was after the first time.
fn asked_twice() -> Home {
    let home = Home::populated(&[], 20);
    home.run(&["query", PERSONS, "--epsilon", "0.2"]).exits(0);
    copy_tree(&home.root(), &home.beside("backup"));
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.2"])
        .exits(0);
    home
}

fn restore(home: &Home, part: &str) {
    let (from, to) = (home.beside("backup").join(part), home.root().join(part));
    fs::remove_dir_all(&to).unwrap();
    copy_tree(&from, &to);
}

/// Nothing that reads the books goes on.
fn is_refused(home: &Home) {
    for command in [
        &["query", PERSONS, "--epsilon", "0.2"][..],
        &["query", "--dry-run", PERSONS, "--epsilon", "0.2"],
        &["budget", "show"],
        &["ledger", "list"],
        &["ledger", "verify"],
        &["policy", "show"],
        &["key", "rotate"],
    ] {
        let refused = home.run(command).exits(5);
        assert!(
            refused.stderr.contains("earlier state"),
            "{command:?}: {refused:?}"
        );
    }
}

#[test]
fn yesterdays_ledger_is_refused_with_what_to_do() {
    let home = asked_twice();
    restore(&home, "ledger");
    is_refused(&home);
    let refused = home.run(&["budget", "show"]).exits(5);
    assert!(
        refused.stderr.contains("Put the newest state back"),
        "{refused:?}"
    );
}

#[test]
fn a_whole_home_put_back_is_known_to_whoever_was_answered() {
    let home = asked_twice();
    restore(&home, "");
    is_refused(&home);
    // Somebody who was never answered cannot know; a witness would.
    home.command(&["budget", "show"])
        .env("XDG_STATE_HOME", home.beside("elsewhere"))
        .status()
        .unwrap();
}

#[test]
fn a_home_that_goes_on_from_yesterday_is_refused_as_well() {
    let home = asked_twice();
    restore(&home, "");
    // Under another user, until it is longer than it was.
    for _ in 0..3 {
        let status = home
            .command(&["query", "--fresh", PERSONS, "--epsilon", "0.1"])
            .env("XDG_STATE_HOME", home.beside("elsewhere"))
            .status();
        assert!(status.unwrap().success());
    }
    let refused = home.run(&["query", PERSONS, "--epsilon", "0.2"]).exits(5);
    assert!(
        refused
            .stderr
            .contains("not the ledger that you were given an answer from"),
        "{refused:?}"
    );
}

#[test]
fn a_second_home_on_the_same_anchor_is_refused() {
    let home = Home::anchored(20);
    assert!(home.beside("anchor").is_dir() && !home.root().join("anchor").exists());
    home.run(&["query", PERSONS, "--epsilon", "0.2"]).exits(0);
    // The same bytes at another place: two purses for the same people.
    copy_tree(&home.root(), &home.beside("second"));
    let ask = |root: &str| {
        home.command(&["query", "--fresh", PERSONS, "--epsilon", "0.2"])
            .env("SALUS_HOME", home.beside(root))
            .env("XDG_STATE_HOME", home.beside("nobody"))
            .output()
            .unwrap()
    };
    assert!(ask("home").status.success());
    assert_eq!(ask("second").status.code(), Some(5));
    assert!(ask("home").status.success());
}

#[test]
fn an_anchor_can_be_moved_and_the_one_before_ends() {
    let home = asked_twice();
    let place = home.beside("other disk");
    let settings = home.root().join("home.yaml");
    let before = fs::read(&settings).unwrap();
    home.run(&["anchor", "set", place.to_str().unwrap()])
        .exits(0);
    // Whoever goes back to the anchor of before does not go on from what it knew.
    let now = fs::read(&settings).unwrap();
    fs::write(&settings, &before).unwrap();
    let refused = home.run(&["budget", "show"]).exits(5);
    assert!(refused.stderr.contains("has been moved"), "{refused:?}");
    fs::write(&settings, &now).unwrap();
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.2"])
        .exits(0);
    let shown = home.json(&["anchor", "show"]);
    assert_eq!(shown["anchor"], place.to_str().unwrap());
    assert!(shown["follows"].as_u64().unwrap() >= 1);
    // Not where something stands already.
    home.run(&["anchor", "set", place.to_str().unwrap()])
        .exits(2);
    home.run(&["ledger", "verify"]).exits(0);
}

/// Names another anchor in `home.yaml`, as anybody can who can write it.
fn edit_anchor(home: &Home, place: &str) {
    let settings = home.root().join("home.yaml");
    let text = fs::read_to_string(&settings).unwrap();
    let line = |line: &str| {
        if line.starts_with("anchor:") {
            format!("anchor: {place}\n")
        } else {
            format!("{line}\n")
        }
    };
    let edited: String = text.lines().map(line).collect();
    assert_ne!(edited, text);
    fs::write(settings, edited).unwrap();
}

/// With the ledger of yesterday, and on the account of a user who was never answered: what she has seen is not in the way.
fn nobody_goes_on(home: &Home) {
    let settings = fs::read(home.root().join("home.yaml")).unwrap();
    let third = home.beside("third disk");
    let third = third.to_str().unwrap();
    for command in [
        &["anchor", "set", third][..],
        &["query", "--fresh", PERSONS, "--epsilon", "0.2"],
        &["query", "--dry-run", PERSONS, "--epsilon", "0.2"],
        &["budget", "show"],
        &["ledger", "list"],
        &["ledger", "verify"],
        &["policy", "show"],
        &["key", "rotate"],
    ] {
        let refused = home
            .command(command)
            .env("XDG_STATE_HOME", home.beside("elsewhere"))
            .output()
            .unwrap();
        assert_eq!(refused.status.code(), Some(5), "{command:?}: {refused:?}");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            said.contains("Put the anchor back") || said.contains("Put it back"),
            "{command:?}: {said}"
        );
    }
    assert_eq!(fs::read(home.root().join("home.yaml")).unwrap(), settings);
    let begun = fs::read_dir(third).map_or(0, Iterator::count);
    assert_eq!(begun, 0, "an anchor was begun");
}

#[test]
fn an_anchor_that_is_said_to_be_lost_fills_no_purse() {
    let home = asked_twice();
    restore(&home, "ledger");
    fs::create_dir(home.beside("empty")).unwrap();
    fs::write(home.beside("file"), "").unwrap();
    // Nothing is there, an empty directory, what is no directory.
    for place in ["nowhere", "not/there/yet", "empty", "file"] {
        edit_anchor(&home, home.beside(place).to_str().unwrap());
        if place == "file" {
            let third = home.beside("third disk");
            let set = ["anchor", "set", third.to_str().unwrap()];
            home.run(&set).exits(5);
            home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.2"])
                .exits(1);
            continue;
        }
        nobody_goes_on(&home);
    }
    // Nor is there another way to say it.
    let set = ["anchor", "set", "third", "--lost"];
    home.run(&set).exits(2);
}

#[test]
fn an_anchor_that_does_not_answer_is_not_replaced() {
    let home = asked_twice();
    restore(&home, "ledger");
    edit_anchor(&home, "s3://nobody/anchor");
    let settings = fs::read(home.root().join("home.yaml")).unwrap();
    let third = home.beside("third disk");
    let refused = home
        .command(&["anchor", "set", third.to_str().unwrap()])
        .env("AWS_ENDPOINT", "http://127.0.0.1:1")
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_REGION", "nowhere")
        .env("AWS_ACCESS_KEY_ID", "a")
        .env("AWS_SECRET_ACCESS_KEY", "b")
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(5), "{refused:?}");
    assert!(!third.exists());
    assert_eq!(fs::read(home.root().join("home.yaml")).unwrap(), settings);
}

#[test]
fn an_anchor_in_the_home_is_warned_of() {
    let home = Home::bare();
    let warned = home.run(&["init"]).exits(0);
    assert!(warned.stderr.contains("salus anchor set DIR"), "{warned:?}");
    let init = |root: &str, more: &[&str]| {
        let mut command = home.command(&[&["--format", "json", "init"], more].concat());
        run(command.env("SALUS_HOME", home.beside(root))).exits(0)
    };
    let warned = init("second", &[]);
    assert!(warned.stderr.is_empty(), "{warned:?}");
    assert!(warned.json()["warning"].is_string(), "{warned:?}");
    let apart = home.beside("apart").display().to_string();
    let quiet = init("third", &["--anchor", &apart]);
    assert!(quiet.json()["warning"].is_null(), "{quiet:?}");
    assert!(quiet.stderr.is_empty(), "{quiet:?}");
}

#[test]
fn a_home_is_made_whole_or_not_at_all() {
    let used = Home::anchored(20);
    let anchor = used.beside("anchor");
    let target = used.beside("second");
    let refused = used
        .command(&["init", "--anchor", anchor.to_str().unwrap()])
        .env("SALUS_HOME", &target)
        .status()
        .unwrap();
    assert_eq!(refused.code(), Some(2));
    let names = |dir: &std::path::Path| -> Vec<String> {
        let files = fs::read_dir(dir).unwrap();
        files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    let beside = names(used.root().parent().unwrap());
    assert!(
        !beside.iter().any(|name| name.starts_with("second")),
        "{beside:?}"
    );
    // Into an empty directory, and where the path to it is not there yet.
    for target in ["empty", "not/there/yet"] {
        let target = used.beside(target);
        if target.ends_with("empty") {
            fs::create_dir(&target).unwrap();
        }
        let made = used
            .command(&["init"])
            .env("SALUS_HOME", &target)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        assert!(target.join("ledger/ledger.db").exists());
    }
}
