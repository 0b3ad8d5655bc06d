//! The terms of a question: which noise, which weights, what would come of it before it is paid.

use crate::support::{BY_SEX, Home, PERSONS};

const BY_CODE: &str = "SELECT code, COUNT(DISTINCT person_id) AS n FROM condition GROUP BY code ORDER BY n DESC LIMIT 3";

#[test]
fn laplace_noise_is_priced_by_its_own_epsilon() {
    let home = Home::populated(&["--epsilon", "20"], 60);
    let ask = |more: &[&str]| {
        let question = ["query", BY_SEX, "--epsilon", "0.5", "--noise", "laplace"];
        home.json(&[&question, more].concat())
    };
    let quote = ask(&["--dry-run"]);
    assert_eq!(quote["cost"]["epsilon"].as_f64(), Some(0.5), "{quote}");
    assert_eq!(quote["cost"]["delta"].as_f64(), Some(0.0), "{quote}");
    assert_eq!(quote["cost"]["rho"].as_f64(), Some(0.125), "{quote}");
    let answer = ask(&[]);
    assert_eq!(answer["cost"], quote["cost"]);
    // Scale 2: standard deviation 2.8, where Gaussian noise at this epsilon has 9.
    let error = answer["standard_errors"][0][1].as_f64().unwrap();
    assert!((2.7..2.9).contains(&error), "{answer}");
    // Another noise is another answer.
    let gaussian = home.json(&["query", BY_SEX, "--epsilon", "0.5"]);
    assert!(gaussian["reuse"].is_null(), "{gaussian}");
    assert!(!ask(&[])["reuse"].is_null());
    let both = home.run(&["query", BY_CODE, "--weigh", "--noise", "laplace"]);
    let refused = both.exits(3);
    assert!(refused.stderr.contains("S8w"), "{refused:?}");
    home.run(&["ledger", "verify"]).exits(0);
    let text = home.run(&["explain", BY_SEX, "--noise", "laplace"]);
    assert!(text.exits(0).stdout.contains("discrete Laplace of scale"));
}

#[test]
fn what_bounding_leaves_out_stands_below_the_answer() {
    let home = Home::populated(&["--epsilon", "20"], 60);
    let ask = |more: &[&str]| {
        let question = ["query", BY_CODE, "--epsilon", "2"];
        home.run(&[&question, more].concat()).exits(0).stdout
    };
    let cut = ask(&[]);
    assert!(cut.contains("at most 8 groups of a person count"), "{cut}");
    assert!(cut.contains("keys       are not public"), "{cut}");
    assert!(cut.contains(", delta "), "{cut}");
    let weighed = ask(&["--weigh"]);
    assert!(
        weighed.contains("counts in up to 64 of them, but less in each"),
        "{weighed}"
    );
    let json = home.json(&["query", BY_CODE, "--epsilon", "2", "--weigh"]);
    assert_eq!(json["bounds"]["weighted_groups"].as_u64(), Some(64));
    assert_eq!(json["bounds"]["groups_per_person"].as_u64(), Some(8));
    home.run(&["ledger", "verify"]).exits(0);
}

#[test]
fn a_dry_run_tells_what_would_come_of_it() {
    let home = Home::populated(&["--epsilon", "2"], 20);
    let outcome = |more: &[&str]| {
        let question = ["query", PERSONS, "--dry-run"];
        let quote = home.json(&[&question, more].concat());
        quote["admission"]["outcome"].as_str().unwrap().to_owned()
    };
    let before = home.entries().len();
    assert_eq!(outcome(&["--epsilon", "0.5"]), "paid");
    assert_eq!(outcome(&["--epsilon", "3"]), "refused");
    assert_eq!(outcome(&["--rho", "1"]), "refused");
    assert_eq!(home.entries().len(), before, "a dry run leaves no trace");
    let asked = home.json(&["query", PERSONS, "--epsilon", "0.5"]);
    let quote = home.json(&["query", PERSONS, "--epsilon", "0.5", "--dry-run"]);
    assert_eq!(quote["admission"]["outcome"], "free");
    assert_eq!(quote["admission"]["entry"], asked["entry"]);
    assert_eq!(outcome(&["--epsilon", "0.5", "--fresh"]), "paid");
    let text = home.run(&["query", PERSONS, "--epsilon", "1.99", "--dry-run"]);
    let text = text.exits(0).stdout;
    assert!(text.contains("refused    asked now"), "{text}");
    home.run(&["query", PERSONS, "--epsilon", "1.99"]).exits(4);
}

#[test]
fn an_analyst_has_a_name_and_it_is_one() {
    let home = Home::populated(&["--epsilon", "5"], 20);
    for nobody in ["", "  "] {
        let done = home.run(&["query", PERSONS, "--user", nobody]).exits(2);
        assert!(done.stderr.contains("--user"), "{done:?}");
    }
    for name in ["alice", " alice "] {
        home.run(&[
            "query",
            PERSONS,
            "--fresh",
            "--epsilon",
            "0.1",
            "--user",
            name,
        ])
        .exits(0);
    }
    let entries = home.entries();
    let asked: Vec<_> = entries
        .iter()
        .filter(|entry| entry["kind"] == "reserve")
        .map(|entry| entry["body"]["principal"].clone())
        .collect();
    assert_eq!(asked.len(), 2, "{entries:?}");
    assert_eq!(asked[0], asked[1]);
}

#[test]
fn a_request_with_a_key_is_paid_once_and_settings_stand_before_the_question() {
    let home = Home::populated(&["--epsilon", "5"], 20);
    let ask = || home.json(&["query", PERSONS, "--fresh", "--retry-key", "monday-1"]);
    let (first, second) = (ask(), ask());
    assert_eq!(first["rows"], second["rows"]);
    assert_eq!(first["entry"], second["entry"]);
    let other = home.run(&["query", BY_SEX, "--retry-key", "monday-1"]);
    assert!(other.exits(1).stderr.contains("retry key"));
    let sql = format!("SET salus.noise = laplace; SET salus.epsilon = 0.5; {PERSONS}");
    let set = home.json(&["query", &sql]);
    assert_eq!(set["cost"]["epsilon"].as_f64(), Some(0.5), "{set}");
    let wrong = format!("SET salus.colour = red; {PERSONS}");
    let wrong = home.run(&["query", &wrong]).exits(3);
    assert!(wrong.stderr.contains("settings are epsilon"), "{wrong:?}");
}

#[test]
fn errors_are_foretold_at_the_confidence_that_is_asked_for() {
    let home = Home::populated(&["--epsilon", "20"], 20);
    let cost = |more: &[&str]| {
        let question = ["query", PERSONS, "--dry-run", "--within", "20"];
        let quote = home.json(&[&question, more].concat());
        quote["cost"]["rho"].as_f64().unwrap()
    };
    let (usual, sure) = (cost(&[]), cost(&["--confidence", "0.99"]));
    // (2.576 / 1.960)² = 1.73
    assert!((1.6..1.9).contains(&(sure / usual)), "{usual} {sure}");
    let mean = "SELECT AVG(length_minutes) AS m FROM encounter";
    let quote = |more: &[&str]| {
        let question = ["query", mean, "--dry-run", "--epsilon", "1"];
        let quote = home.json(&[&question, more].concat());
        quote["errors"][0]["half_width"].as_f64()
    };
    assert_eq!(quote(&[]), None);
    let (few, many) = (
        quote(&["--expect-rows", "1000"]),
        quote(&["--expect-rows", "4000"]),
    );
    assert!((few.unwrap() / many.unwrap() - 4.0).abs() < 0.01);
    let within = ["query", mean, "--dry-run", "--within", "100"];
    home.run(&within).exits(3);
    home.run(&[&within[..], &["--expect-rows", "4000"]].concat())
        .exits(0);
    home.run(&["query", PERSONS, "--confidence", "1.5"])
        .exits(2);
}

#[test]
fn bounds_are_suggested_with_noise_and_paid_for() {
    let home = Home::populated(&["--epsilon", "200"], 400);
    let by_code = "SELECT code, COUNT(*) AS n FROM condition GROUP BY code";
    let before = home.budget("spent");
    let price = ["--epsilon", "50"];
    let quote = home.json(&[&["suggest", by_code, "--dry-run"], &price[..]].concat());
    assert_eq!(home.budget("spent"), before, "{quote}");
    let asked = home.json(&[&["suggest", by_code], &price[..]].concat());
    assert_eq!(asked["cost"], quote["cost"]);
    assert!(home.budget("spent") > before);
    // A few conditions of most, more of few; of each hardly ever two.
    let most = |percent: usize, what: &str| {
        let number = &asked["parts"][percent][what]["at_most"];
        number.as_f64().unwrap_or_else(|| panic!("{asked}"))
    };
    assert!(most(0, "groups") <= most(3, "groups"), "{asked}");
    assert!((1.0..60.0).contains(&most(2, "groups")), "{asked}");
    assert!((1.0..20.0).contains(&most(2, "rows")), "{asked}");
    assert_eq!(
        asked["groups_per_person"],
        asked["parts"][2]["groups"]["at_most"]
    );
    // The same question itself is another one, and two releases have two bounds.
    let numbers = home.json(&["query", by_code, "--epsilon", "1"]);
    assert!(numbers["reuse"].is_null());
    let two = "SELECT (SELECT COUNT(*) FROM patient) AS a, (SELECT COUNT(*) FROM encounter) AS b";
    home.run(&["suggest", two]).exits(3);
    let text = home
        .run(&[&["suggest", by_code], &price[..]].concat())
        .exits(0);
    assert!(text.stdout.contains("suggestion --groups-per-person"));
    home.run(&["ledger", "verify"]).exits(0);
}
