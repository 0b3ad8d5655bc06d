//! A canary in the lake, and no trace of her in what a server says to callers or operators.

use std::fs;

use prost::Message as _;
use salus_server::proto::Options;

use super::{Server, epsilon, token};
use crate::canary::{QUESTIONS, RECORD, TRACES};
use crate::support::Home;

#[test]
fn a_server_says_nothing_of_anybody() {
    let home = Home::init(&["--epsilon", "1000"]);
    let export = home.export(40, 3);
    for (file, line) in RECORD {
        let part = export.join(file.replace(".ndjson", ".canary.ndjson"));
        fs::write(part, format!("{line}\n")).unwrap();
    }
    let ingest = ["ingest", "fhir", export.to_str().unwrap()];
    home.run(&ingest).exits(0);
    let mut server = Server::of(&home, &[]);
    let client = server.client(&token(&home, "alice").1);
    let mut said: Vec<Vec<u8>> = Vec::new();
    for (i, sql) in QUESTIONS.iter().enumerate() {
        let outcome = client.ask(sql, epsilon("0.5"));
        assert_eq!(outcome.is_ok(), i < 7, "{sql}: {outcome:?}");
        match outcome {
            Ok(answer) => said.push(answer.encode_to_vec()),
            Err(status) => {
                said.push(format!("{status:?}").into_bytes());
                said.push(status.details().to_vec());
            }
        }
        match client.explain(sql, Options::default()) {
            Ok(words) => said.push(words.encode_to_vec()),
            Err(status) => said.push(format!("{status:?}").into_bytes()),
        }
        if let Ok(quote) = client.price(sql, Options::default()) {
            said.push(quote.encode_to_vec());
        }
    }
    said.push(client.budget().unwrap().encode_to_vec());
    server.terminate();
    assert!(server.ended().success());
    let operator = server.said();
    assert_eq!(
        operator.lines().count(),
        1,
        "what a healthy server tells its operator is that it stops: {operator}"
    );
    said.push(operator.into_bytes());
    assert!(said.len() > 30);
    for bytes in &said {
        let text = String::from_utf8_lossy(bytes);
        for trace in TRACES {
            assert!(!text.contains(trace), "{trace}: {text}");
        }
    }
}
