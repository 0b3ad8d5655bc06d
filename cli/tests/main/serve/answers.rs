//! The same answer through both doors, and options that have their effect.

use std::fs;
use std::path::Path;

use salus_server::proto::admission::Outcome;
use salus_server::proto::cell::Value as Is;
use salus_server::proto::options::Price;
use salus_server::proto::{Answer, ColumnType, Noise, Options};
use serde_json::{Value, json};

use super::{Server, epsilon, token};
use crate::support::{BY_SEX, Home, PERSONS};

/// Rows, intervals and standard errors as the command line's JSON has them.
fn as_json(answer: &Answer) -> [Value; 4] {
    let table = |of: &dyn Fn(&salus_server::proto::Cell) -> Value| -> Value {
        let rows = answer.rows.iter();
        rows.map(|row| row.cells.iter().map(of).collect::<Value>())
            .collect()
    };
    [
        answer
            .columns
            .iter()
            .map(|column| json!(column.name))
            .collect(),
        table(&|cell| match &cell.value {
            None => Value::Null,
            Some(Is::Boolean(value)) => json!(value),
            Some(Is::Integer(value)) => json!(value),
            Some(Is::Number(value)) => json!(value),
            Some(Is::Text(value)) => json!(value),
        }),
        table(&|cell| json!(cell.interval.map(|ends| [ends.low, ends.high]))),
        table(&|cell| json!(cell.standard_error)),
    ]
}

fn of_json(answer: &Value) -> [Value; 4] {
    ["columns", "rows", "intervals", "standard_errors"].map(|field| answer[field].clone())
}

#[test]
fn an_answer_is_the_same_through_both_doors() {
    let home = Home::populated(&["--epsilon", "20"], 60);
    let server = Server::of(&home, &[]);
    let (_, token) = token(&home, "alice");
    let client = server.client(&token);
    // Dates, NULLs, means, and a number that no row decides.
    let mixed = "SELECT sex, COUNT(*) AS n, AVG(clamp(length_minutes, 0, 600)) AS mean, COUNT(*) > 3 AS many, DATE '2024-02-29' AS day \
                 FROM (SELECT p.sex, e.length_minutes FROM patient p JOIN encounter e ON p.person_id = e.person_id) GROUP BY sex";
    for (at, sql) in [BY_SEX, mixed].into_iter().enumerate() {
        let by_command = |more: &[&str]| {
            let asked = ["query", sql, "--epsilon", "0.5", "--user", "alice"];
            home.json(&[&asked, more].concat())
        };
        // Each door once first, the other one repeats.
        let (command, network) = if at == 0 {
            let command = by_command(&[]);
            (command, client.ask(sql, epsilon("0.5")).unwrap())
        } else {
            let network = client.ask(sql, epsilon("0.5")).unwrap();
            (by_command(&[]), network)
        };
        assert_eq!(as_json(&network), of_json(&command));
        assert_eq!(command["entry"], json!(network.entry));
        assert_eq!(command["confidence"], json!(network.confidence));
        let reuse = if at == 0 {
            json!(network.reuse)
        } else {
            command["reuse"].clone()
        };
        assert!(reuse.is_u64(), "the second is a repetition: {command}");
        let cost = network.cost.as_ref().unwrap();
        let paid = cost.rho.parse::<f64>().unwrap();
        assert_eq!(paid == 0.0, at == 0, "{cost:?}");
        // The receipt is one file, whoever verifies it.
        let file = home.beside("network.tlog-proof");
        fs::write(&file, &network.receipt).unwrap();
        let verified = home.json(&[
            "receipt",
            "verify",
            file.to_str().unwrap(),
            "--key",
            &network.verifier_key,
        ]);
        assert_eq!(verified["entry"], json!(network.entry));
        assert_eq!(verified["answer"]["rows"], as_json(&network)[1]);
        let text = String::from_utf8(network.receipt.clone()).unwrap();
        salus_checker::verify_receipt(&text, &network.verifier_key).unwrap();
        let kept = network.reuse.unwrap_or(network.entry);
        let beside = Path::new(command["receipt"].as_str().unwrap());
        let kept = beside.with_file_name(format!("{kept}.tlog-proof"));
        assert_eq!(fs::read(kept).unwrap(), network.receipt);
        if at == 1 {
            let types: Vec<_> = network
                .columns
                .iter()
                .map(salus_server::proto::Column::r#type)
                .collect();
            assert_eq!(
                types,
                [
                    ColumnType::Text,
                    ColumnType::Integer,
                    ColumnType::Number,
                    ColumnType::Boolean,
                    ColumnType::Date
                ]
            );
            let values = network.rows.iter().flat_map(|row| &row.cells);
            assert!(values.into_iter().any(|cell| cell.value.is_none()));
        }
    }
    home.run(&["ledger", "verify"]).exits(0);
}

#[test]
#[allow(clippy::too_many_lines)] // One option after the other, on one home.
fn every_option_has_its_effect() {
    let home = Home::populated(&["--epsilon", "200"], 60);
    let server = Server::of(&home, &[]);
    let client = server.client(&token(&home, "alice").1);
    let priced = |price: Price| {
        let options = Options {
            price: Some(price),
            ..Options::default()
        };
        client.price(PERSONS, options).unwrap()
    };
    let rho = |quote: &salus_server::proto::Quote| {
        let cost = quote.cost.as_ref().unwrap();
        cost.rho.parse::<f64>().unwrap()
    };
    let half = |quote: &salus_server::proto::Quote| quote.errors[0].half_width.unwrap();

    // The price, three ways.
    let by_rho = priced(Price::Rho("0.125".to_owned()));
    assert!((rho(&by_rho) - 0.125).abs() < 1e-11);
    let by_epsilon = priced(Price::Epsilon("0.5".to_owned()));
    let shown = by_epsilon.cost.as_ref().unwrap().epsilon.parse::<f64>();
    assert!((shown.unwrap() - 0.5).abs() < 1e-4, "{by_epsilon:?}");
    let within = |confidence: &str| {
        let options = Options {
            price: Some(Price::Within("20".to_owned())),
            confidence: Some(confidence.to_owned()),
            ..Options::default()
        };
        client.price(PERSONS, options).unwrap()
    };
    let (usual, sure) = (within("0.95"), within("0.99"));
    assert!(half(&usual) <= 20.0 && half(&usual) > 15.0, "{usual:?}");
    assert!((1.6..1.9).contains(&(rho(&sure) / rho(&usual))));

    // Averages, at the rows that are expected.
    let mean = "SELECT AVG(clamp(length_minutes, 0, 600)) AS m FROM encounter";
    let foretold = |rows: Option<u64>| {
        let options = Options {
            expect_rows: rows,
            ..epsilon("1")
        };
        client.price(mean, options).unwrap().errors[0].half_width
    };
    assert_eq!(foretold(None), None);
    assert!((foretold(Some(1000)).unwrap() / foretold(Some(4000)).unwrap() - 4.0).abs() < 0.01);

    // Bounds, weights, noise and delta.
    let by_code = "SELECT code, COUNT(*) AS n FROM condition GROUP BY code";
    let bounded = client
        .price(
            by_code,
            Options {
                rows_per_person: Some(3),
                groups_per_person: Some(5),
                weigh: true,
                delta: Some("1e-9".to_owned()),
                ..epsilon("1")
            },
        )
        .unwrap();
    let bounds = bounded.bounds.as_ref().unwrap();
    assert_eq!((bounds.rows_per_person, bounds.groups_per_person), (3, 5));
    assert_eq!(bounds.weighted_groups, Some(40));
    assert!(!bounds.thresholds.is_empty());
    let plain = client.price(by_code, epsilon("1")).unwrap();
    assert_eq!(plain.bounds.as_ref().unwrap().weighted_groups, None);
    assert!(rho(&plain) > 0.0);
    let delta = |quote: &salus_server::proto::Quote| {
        let cost = quote.cost.as_ref().unwrap();
        cost.delta.parse::<f64>().unwrap()
    };
    assert!(delta(&bounded) < delta(&plain), "{bounded:?}");
    let laplace = Options {
        noise: Noise::Laplace.into(),
        ..epsilon("0.5")
    };
    let pure = client.price(PERSONS, laplace.clone()).unwrap();
    let cost = pure.cost.unwrap();
    assert_eq!((cost.rho.as_str(), cost.delta.as_str()), ("0.125", "0"));
    let words = client.explain(PERSONS, laplace).unwrap();
    assert_eq!(words.noise[0].noise(), Noise::Laplace);
    assert_eq!(words.steps.last().unwrap().rule, "RELEASE");
    let told = home.json(&["explain", PERSONS]);
    assert_eq!(told["steps"][0]["words"], json!(words.steps[0].words));

    // A request with a key is paid once, another has noise of its own.
    let before = home.budget("spent");
    let fresh = Options {
        fresh: true,
        retry_key: Some("monday".to_owned()),
        ..epsilon("0.5")
    };
    let first = client.ask(PERSONS, fresh.clone()).unwrap();
    let once = home.budget("spent");
    assert!(once > before);
    let again = client.ask(PERSONS, fresh.clone()).unwrap();
    assert_eq!((again.entry, &again.rows), (first.entry, &first.rows));
    assert_eq!(home.budget("spent"), once);
    let taken = client.ask(BY_SEX, fresh).unwrap_err();
    assert_eq!(taken.code(), tonic::Code::AlreadyExists);
    let repeated = client.price(PERSONS, epsilon("0.5")).unwrap();
    let outcome = repeated.admission.unwrap().outcome.unwrap();
    assert_eq!(outcome, Outcome::KnownEntry(first.entry));
    let fresh = Options {
        fresh: true,
        ..epsilon("0.5")
    };
    let other = client.ask(PERSONS, fresh).unwrap();
    assert_ne!(other.entry, first.entry);
    assert!(home.budget("spent") > once);

    // What the purse says is what the command says.
    let account = client.budget().unwrap().purse.unwrap();
    let shown = home.json(&["budget", "show"]);
    for (which, loss) in [("spent", account.spent), ("cap", account.cap)] {
        let loss = loss.unwrap();
        // Both were read from the same text.
        let (rho, of_command) = (
            loss.rho.parse::<f64>().unwrap(),
            shown[which]["rho"].as_f64(),
        );
        assert!((rho - of_command.unwrap()).abs() < 1e-12);
        let epsilon = loss.epsilon.parse::<f64>().unwrap();
        assert!((epsilon - shown[which]["epsilon"].as_f64().unwrap()).abs() < 1e-12);
    }
}

#[test]
fn what_changes_beneath_a_server_is_in_force_for_the_next_question() {
    let home = Home::populated(&["--epsilon", "500"], 20);
    let server = Server::of(&home, &[]);
    let client = server.client(&token(&home, "alice").1);
    let persons = || {
        let options = Options {
            fresh: true,
            ..epsilon("50")
        };
        let answer = client.ask(PERSONS, options).unwrap();
        match answer.rows[0].cells[0].value {
            Some(Is::Integer(persons)) => persons,
            ref other => panic!("{other:?}"),
        }
    };
    super::apply(&home, 2, "query_max_epsilon: \"60\"");
    let few = persons();
    assert!((10..30).contains(&few), "{few}");
    let export = home.export(200, 9);
    let ingest = ["ingest", "fhir", export.to_str().unwrap()];
    home.run(&ingest).exits(0);
    let many = persons();
    assert!((180..260).contains(&many), "{few} {many}");
    home.run(&["key", "rotate"]).exits(0);
    home.run(&["key", "retire"]).exits(0);
    let rotated = client.ask(BY_SEX, epsilon("1")).unwrap();
    let text = String::from_utf8(rotated.receipt).unwrap();
    salus_checker::verify_receipt(&text, &rotated.verifier_key).unwrap();
    home.run(&["ledger", "verify"]).exits(0);
}
