//! Policies come into force by `salus policy apply` alone, and their limits are kept.

use std::fs;
use std::time::UNIX_EPOCH;

use crate::support::{Home, PERSONS};

/// Applies the policy in force with another version and other limits.
pub(crate) fn apply(home: &Home, version: u64, limits: &str) -> crate::support::Done {
    let text = home.run(&["policy", "show"]).exits(0).stdout;
    let kept = text
        .lines()
        .filter(|line| !line.starts_with("version:") && !line.starts_with("limits:"));
    let kept: Vec<&str> = kept.collect();
    let file = home.root().join("next.yaml");
    fs::write(
        &file,
        format!(
            "version: {version}\nlimits: {limits}\n{}\n",
            kept.join("\n")
        ),
    )
    .unwrap();
    home.run(&[
        "policy",
        "apply",
        file.to_str().unwrap(),
        "--format",
        "json",
    ])
}

fn ask(home: &Home, user: &str, epsilon: &str) -> crate::support::Done {
    home.run(&[
        "query",
        "--fresh",
        PERSONS,
        "--epsilon",
        epsilon,
        "--user",
        user,
    ])
}

#[test]
fn each_analyst_stays_within_her_own_limit() {
    let home = Home::populated(&["--epsilon", "5"], 20);
    let limits = r#"[{ of: analyst, epsilon: "0.5" }, { of: analyst, name: alice, epsilon: "1" }]"#;
    let applied = apply(&home, 2, limits).exits(0).json();
    assert_eq!(
        (applied["version"].as_u64(), applied["limits"].as_u64()),
        (Some(2), Some(2))
    );
    for (user, enough) in [("alice", "0.9"), ("bob", "0.45"), ("carol", "0.45")] {
        ask(&home, user, enough).exits(0);
        let limited = ask(&home, user, "0.6").exits(4);
        assert!(
            limited.stderr.contains("limit for analyst:p-"),
            "{limited:?}"
        );
        assert!(limited.stderr.contains("Nothing was spent"), "{limited:?}");
        // Staff are not named in what may be handed to others.
        assert!(!limited.stderr.contains(user), "{limited:?}");
    }
    // Answered before, for alice: free for the purse, and hers.
    let repeated = home
        .run(&["query", PERSONS, "--epsilon", "0.3", "--user", "dora"])
        .exits(0);
    assert!(
        repeated.stdout.contains("cost       nothing"),
        "{repeated:?}"
    );
    ask(&home, "dora", "0.45").exits(4);
    let shown = home
        .run(&["budget", "show", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(shown["limits"].as_array().map(Vec::len), Some(4), "{shown}");
    home.run(&["ledger", "verify"]).exits(0);
}

#[test]
fn what_everybody_may_take_in_a_day_ends_with_the_day() {
    let today = || UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400;
    let limited = loop {
        let day = today();
        let home = Home::populated(&["--epsilon", "5"], 20);
        apply(&home, 2, r#"[{ of: space, days: 1, epsilon: "0.5" }, { of: purpose, name: HRESCH, hours: 1, epsilon: "0.2" }]"#).exits(0);
        ask(&home, "alice", "0.45").exits(0);
        let limited = ask(&home, "bob", "0.3");
        // Where a day has begun between the two, both are answered.
        if today() == day {
            break limited.exits(4);
        }
    };
    assert!(
        limited.stderr.contains("next period begins at 2"),
        "{limited:?}"
    );
    assert!(limited.stderr.contains("T00:00:00+00:00"), "{limited:?}");
}

#[test]
fn a_policy_is_valid_newer_and_recorded_or_nothing_changes() {
    let home = Home::populated(&["--epsilon", "5"], 20);
    let before = home.entries().len();
    for (version, limits, why) in [
        (1, "[]", "does not come after version 1"),
        (2, r#"[{ of: everybody, epsilon: "1" }]"#, "none of analyst"),
        (
            2,
            r#"[{ of: analyst, epsilon: "many" }]"#,
            "limits, number 1: epsilon",
        ),
        (
            2,
            r#"[{ of: analyst, days: 1, hours: 1, epsilon: "1" }]"#,
            "only one of them",
        ),
        (2, r#"[{ of: space, epsilon: "1" }]"#, "needs a period"),
        (
            2,
            r#"[{ of: analyst, epsilon: "1" }, { of: analyst, epsilon: "2" }]"#,
            "two limits",
        ),
        (2, r#"[{ of: analyst, epsilon: "1", weeks: 1 }]"#, "weeks"),
    ] {
        let refused = apply(&home, version, limits).exits(2);
        assert!(refused.stderr.contains(why), "{why}: {refused:?}");
    }
    assert_eq!(home.entries().len(), before);
    let valid = home.root().join("next.yaml");
    fs::write(
        &valid,
        home.run(&["policy", "show"])
            .stdout
            .replace("version: 1", "version: 7"),
    )
    .unwrap();
    let valid = valid.to_str().unwrap();
    home.run(&["policy", "apply", valid, "--dry-run"]).exits(0);
    assert_eq!(home.entries().len(), before);
    home.run(&["policy", "apply", valid]).exits(0);
    assert_eq!(home.entries().len(), before + 1);
    assert_eq!(home.entries()[before]["kind"], "policy");
    let shown = home
        .run(&["policy", "show", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(shown["version"], 7);
    home.run(&["policy", "apply", valid]).exits(2);
}

#[test]
fn a_policy_that_was_changed_behind_the_ledgers_back_is_not_followed() {
    let home = Home::populated(&["--epsilon", "1"], 20);
    let files = fs::read_dir(home.root().join("policies")).unwrap();
    let file = files.map(|file| file.unwrap().path()).next().unwrap();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        text.replace("minimum_persons: 5", "minimum_persons: 1"),
    )
    .unwrap();
    ask(&home, "alice", "0.1").exits(5);
    fs::remove_file(&file).unwrap();
    let lost = ask(&home, "alice", "0.1").exits(1);
    assert!(lost.stderr.contains("apply a later one"), "{lost:?}");
    // A later policy is the way out.
    let next = home.root().join("next.yaml");
    fs::write(&next, text.replace("version: 1", "version: 2")).unwrap();
    home.run(&["policy", "apply", next.to_str().unwrap()])
        .exits(0);
    ask(&home, "alice", "0.1").exits(0);
}

/// A limit for a name that never occurs would limit nothing.
#[test]
fn parts_of_the_lake_are_limited_by_themselves() {
    let home = Home::populated(&["--epsilon", "5"], 20);
    let unknown = r#"[{ of: dataset, name: "laboratory", epsilon: "0.5" }]"#;
    let refused = apply(&home, 2, unknown).exits(2);
    assert!(refused.stderr.contains("catalog.yaml"), "{refused:?}");
    let file = home.root().join("catalog.yaml");
    let catalog = fs::read_to_string(&file).unwrap();
    for wrong in [
        "main: [patient]",
        "laboratory: []",
        "laboratory: [labs]",
        "laboratory: [observation, observation]",
        "\"a b\": [observation]",
    ] {
        fs::write(&file, format!("{catalog}\ndatasets: {{ {wrong} }}\n")).unwrap();
        let done = home.run(&["tables"]);
        assert_ne!(done.code, Some(0), "{wrong}: {done:?}");
    }
    let parts = "{ laboratory: [observation, observation_component], registry: [condition] }";
    fs::write(&file, format!("{catalog}\ndatasets: {parts}\n")).unwrap();
    let limits = r#"[{ of: dataset, name: "laboratory", epsilon: "0.5" }, { of: dataset, name: "registry", epsilon: "2" }]"#;
    apply(&home, 2, limits).exits(0);
    let of = |table: &str| {
        let sql = format!("SELECT COUNT(DISTINCT person_id) AS persons FROM {table}");
        home.run(&["query", "--fresh", &sql, "--epsilon", "0.4"])
    };
    let both = "observation WHERE person_id IN (SELECT person_id FROM condition)";
    let before = home.budget("spent");
    of(both).exits(0);
    let once = home.budget("spent") - before;
    // A question about both was charged to both, and to the purse once.
    let limited = of(both).exits(4);
    assert!(limited.stderr.contains("dataset:laboratory"), "{limited:?}");
    of("observation").exits(4);
    of("condition").exits(0);
    of("patient").exits(0);
    assert_eq!(home.budget("spent") - before, once * 3);
    let listed = home.json(&[
        "ledger",
        "list",
        "--dataset",
        "registry",
        "--kind",
        "reserve",
    ]);
    assert_eq!(listed["entries"].as_array().unwrap().len(), 2);
    home.run(&["ledger", "verify"]).exits(0);
    // A catalog without the parts that the policy limits is not followed, until a policy without them comes into force.
    fs::write(&file, &catalog).unwrap();
    let stopped = of("observation").exits(1);
    assert!(stopped.stderr.contains("laboratory"), "{stopped:?}");
    apply(&home, 3, "[]").exits(0);
    of("observation").exits(0);
    home.run(&["ledger", "verify"]).exits(0);
}

#[test]
fn limits_for_names_that_never_occur_are_refused() {
    let home = Home::init(&[]);
    for (limit, known) in [
        (
            r#"{ of: purpose, name: "publhth", epsilon: "1" }"#,
            "PUBHLTH",
        ),
        (
            r#"{ of: purpose, name: "PUBHLTH ", epsilon: "1" }"#,
            "PUBHLTH",
        ),
        (r#"{ of: dataset, name: "Main", epsilon: "1" }"#, "main"),
        (r#"{ of: analyst, name: " alice", epsilon: "1" }"#, "blanks"),
    ] {
        let done = apply(&home, 2, &format!("[{limit}]")).exits(2);
        assert!(done.stderr.contains("never occurs"), "{done:?}");
        assert!(done.stderr.contains(known), "{done:?}");
    }
    let right = r#"[{ of: purpose, name: "PUBHLTH", epsilon: "1" }, { of: dataset, name: "main", epsilon: "1" }]"#;
    apply(&home, 2, right).exits(0);
}
