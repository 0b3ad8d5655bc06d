//! SMART Backend Services: keys, tokens, their expiry and rotation, and that nobody sees them.

use std::sync::Arc;

use salus_bulk::{
    Auth, BackendServices, BulkError, Job, KeyAlgorithm, Options, Secret, SigningKey, Silent,
    generate_key,
};
use serde_json::{Value, json};

use crate::server::{Fault, Stage, resources};
use crate::support::{MANY, Trial, backend, population, quick, register};

fn key(algorithm: KeyAlgorithm) -> SigningKey {
    generate_key(algorithm).unwrap()
}

fn keys(count: usize) -> Vec<SigningKey> {
    (0..count).map(|_| key(KeyAlgorithm::Es384)).collect()
}

#[tokio::test]
async fn both_algorithms_are_accepted() {
    for algorithm in [KeyAlgorithm::Rs384, KeyAlgorithm::Es384] {
        let trial = Trial::new(population()).await;
        let keys = vec![key(algorithm)];
        register(&trial.server, &keys, MANY);
        trial.arrives(backend("salus-test", keys)).await;
        assert_eq!(
            trial.server.seen(Stage::Token).len(),
            1,
            "one token is enough"
        );
        for stage in [Stage::KickOff, Stage::Status, Stage::File] {
            for seen in trial.server.seen(stage) {
                assert_eq!(seen.header("authorization"), Some("Bearer opaque-token-1"));
            }
        }
        let discovery = &trial.server.seen(Stage::Discovery)[0];
        assert!(
            discovery
                .path
                .ends_with("/fhir/.well-known/smart-configuration")
        );
        assert_eq!(discovery.header("accept"), Some("application/json"));
        for stage in [Stage::Discovery, Stage::Token] {
            assert!(
                trial.server.seen(stage)[0]
                    .header("authorization")
                    .is_none()
            );
        }
    }
}

#[tokio::test]
async fn every_assertion_is_new() {
    // Several tokens: each comes with its own jti, or the server would refuse it.
    let trial = Trial::new(vec![resources("Patient", 1)]).await;
    trial.server.with().polls = 12;
    let keys = keys(1);
    register(&trial.server, &keys, 4);
    trial.arrives(backend("salus-test", keys)).await;
    let tokens = trial.server.seen(Stage::Token);
    assert!(tokens.len() >= 3, "{}", tokens.len());
    let kid = |body: &str| {
        let form: std::collections::HashMap<_, _> = url::form_urlencoded::parse(body.as_bytes())
            .into_owned()
            .collect();
        form["client_assertion"].clone()
    };
    let mut assertions: Vec<String> = tokens.iter().map(|seen| kid(&seen.body)).collect();
    assertions.sort();
    assertions.dedup();
    assert_eq!(assertions.len(), tokens.len());
}

#[tokio::test]
async fn a_token_that_expires_in_the_middle_is_renewed() {
    let files = (0..40).map(|n| resources("Patient", 1 + n / 8)).collect();
    let trial = Trial::new(files).await;
    let keys = keys(1);
    // Kick-off, two looks at the status, and four downloads, which are slow: all of them notice at once that it is used up.
    register(&trial.server, &keys, 7);
    trial.server.faults(Stage::File, vec![Fault::Drip; 4]);
    trial.arrives(backend("salus-test", keys)).await;
    let tokens = trial.server.seen(Stage::Token).len();
    assert!(tokens >= 2, "{tokens}");
    // Each end costs one token, however many notice it: none is left that was not used up, but for the last.
    let state = trial.server.with();
    assert_eq!(state.tokens.len(), tokens);
    let unused = state.tokens.values().filter(|left| **left > 0);
    assert!(unused.count() <= 1, "{:?}", state.tokens);
}

#[tokio::test]
async fn a_token_that_is_never_good_ends_the_job() {
    let trial = Trial::new(vec![resources("Patient", 1)]).await;
    let keys = keys(1);
    register(&trial.server, &keys, 0);
    let error = trial.run(backend("salus-test", keys)).await.unwrap_err();
    assert!(
        matches!(error, BulkError::Refused { status: 401, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("Token expired"), "{error}");
    assert_eq!(
        trial.server.seen(Stage::KickOff).len(),
        2,
        "renewed once, not for ever"
    );
}

#[tokio::test]
async fn the_older_key_is_tried_when_the_new_one_is_unknown() {
    let trial = Trial::new(population()).await;
    let keys = keys(3);
    register(&trial.server, &keys[1..2], 6);
    trial.server.with().polls = 8;
    trial.arrives(backend("salus-test", keys.clone())).await;
    let tokens = trial.server.seen(Stage::Token).len();
    let given = trial.server.with().tokens.len();
    assert!(given >= 2);
    assert_eq!(tokens, given + 1, "renewals begin with the key that worked");

    let trial = Trial::new(population()).await;
    register(&trial.server, &keys[2..], MANY);
    let error = trial
        .run(backend("salus-test", keys.clone()))
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        trial.server.seen(Stage::Token).len(),
        2,
        "two keys are tried, not all"
    );
    assert!(
        error.contains("invalid_client") && error.contains(keys[0].kid()),
        "{error}"
    );
}

#[tokio::test]
async fn scopes_and_endpoints_can_be_given() {
    let trial = Trial::new(vec![resources("Patient", 1)]).await;
    let keys = keys(1);
    register(&trial.server, &keys, MANY);
    trial.server.with().client.as_mut().unwrap().scope = "system/Patient.rs system/Device.rs";
    trial
        .server
        .faults(Stage::Discovery, [Fault::status(404), Fault::status(404)]);
    let mut client = BackendServices::new("salus-test", keys);
    client.scope = Some("system/Patient.rs system/Device.rs".into());
    client.token_url = Some(
        format!("{}/auth/token", trial.server.origin())
            .parse()
            .unwrap(),
    );
    let options = Options {
        auth: Auth::Backend(client.into()),
        ..quick()
    };
    trial.arrives(options).await;
    assert!(trial.server.seen(Stage::Discovery).is_empty());
}

#[tokio::test]
async fn the_capability_statement_is_the_second_place_to_look() {
    let trial = Trial::new(vec![resources("Patient", 1)]).await;
    let keys = keys(1);
    register(&trial.server, &keys, MANY);
    trial.server.with().client.as_mut().unwrap().scope = "system/*.read";
    trial.server.with().smart = Some(Value::Null);
    let token = format!("{}/auth/token", trial.server.origin());
    trial.server.with().metadata = Some(json!({"resourceType": "CapabilityStatement",
        "rest": [{"security": {"extension": [{
            "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
            "extension": [{"url": "token", "valueUri": token}]}]}}]}));
    trial.arrives(backend("salus-test", keys.clone())).await;

    let trial = Trial::new(vec![resources("Patient", 1)]).await;
    register(&trial.server, &keys, MANY);
    trial.server.with().smart = Some(json!({"token_endpoint": ""}));
    let error = trial
        .run(backend("salus-test", keys))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("publishes no token endpoint"), "{error}");
}

#[tokio::test]
async fn a_busy_token_endpoint_is_asked_again() {
    let trial = Trial::new(vec![resources("Patient", 1)]).await;
    let keys = keys(1);
    register(&trial.server, &keys, MANY);
    let busy = vec![("retry-after", "0".to_owned())];
    trial
        .server
        .faults(Stage::Discovery, [Fault::status(503), Fault::status(429)]);
    trial.server.faults(
        Stage::Token,
        [
            Fault::Answer(429, busy, String::new()),
            Fault::status(502),
            Fault::status(500),
        ],
    );
    trial.arrives(backend("salus-test", keys)).await;
}

#[tokio::test]
async fn a_refusal_is_told_without_the_assertion() {
    let trial = Trial::new(vec![resources("Patient", 1)]).await;
    let keys = keys(1);
    register(&trial.server, &keys, MANY);
    trial.server.with().client.as_mut().unwrap().scope = "system/Nothing.rs";
    // The server quotes the whole request in its answer.
    let error = trial.run(backend("salus-test", keys)).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("invalid_scope"), "{text}");
    let assertion = trial.server.seen(Stage::Token)[0].body.clone();
    let assertion = assertion
        .split("client_assertion=")
        .nth(1)
        .unwrap()
        .to_owned();
    assert!(
        !text.contains(&assertion) && !text.contains("eyJ"),
        "{text}"
    );
}

#[tokio::test]
async fn no_secret_is_ever_shown() {
    let trial = Trial::new(population()).await;
    let keys = keys(1);
    register(&trial.server, &keys, MANY);
    // A server that quotes the token it was shown.
    let quote = json!({"resourceType": "OperationOutcome", "issue": [{"severity": "error",
        "code": "forbidden", "diagnostics": "not with opaque-token-1, sorry"}]});
    let refusal = Fault::Answer(400, vec![], quote.to_string());
    trial
        .server
        .faults(Stage::Status, [Fault::status(202), refusal]);
    let options = backend("salus-test", keys.clone());
    let shown = format!("{options:?}");
    let mut job = Job::start(&trial.dir(), trial.request(), options).unwrap();
    let error = job.run(Arc::new(Silent)).await.unwrap_err();
    assert!(
        error.to_string().contains("not with [token], sorry"),
        "{error}"
    );
    // And one whose words are cut off in the middle of the token.
    for before in 560..600 {
        let text = format!("{}opaque-token-1", "x".repeat(before));
        trial
            .server
            .faults(Stage::KickOff, [Fault::Answer(400, vec![], text)]);
        let dir = tempfile::tempdir().unwrap();
        let options = backend("salus-test", keys.clone());
        let mut job = Job::start(dir.path(), trial.request(), options).unwrap();
        trial.server.with().reset_tokens();
        let error = job.run(Arc::new(Silent)).await.unwrap_err().to_string();
        assert!(!error.contains("opaq"), "{error}");
    }
    let all = format!("{shown} {job:?} {error} {error:?} {}", trial.records());
    for secret in [
        "opaque-token",
        "PRIVATE KEY",
        "eyJhbGci",
        "client_assertion=",
    ] {
        assert!(!all.contains(secret), "{secret}");
    }
    let bearer = Options {
        auth: Auth::Bearer(Secret::new("opaque-token-9")),
        ..quick()
    };
    assert!(!format!("{bearer:?}").contains("opaque-token"));
}

#[tokio::test]
async fn a_fixed_token_is_sent_and_not_renewed() {
    let trial = Trial::new(population()).await;
    trial.server.with().tokens.insert("fixed".into(), MANY);
    trial.server.with().requires_token = json!(true);
    let bearer = |token: &str| Options {
        auth: Auth::Bearer(Secret::new(token)),
        ..quick()
    };
    trial.arrives(bearer("fixed")).await;

    let other = Job::start(
        &trial.home.path().join("other"),
        trial.request(),
        bearer("wrong"),
    );
    let error = other.unwrap().run(Arc::new(Silent)).await.unwrap_err();
    assert!(
        matches!(error, BulkError::Refused { status: 401, .. }),
        "{error}"
    );
    let broken = Job::start(
        &trial.home.path().join("b"),
        trial.request(),
        bearer("a\nHost: b"),
    );
    let error = broken.unwrap().run(Arc::new(Silent)).await.unwrap_err();
    assert!(matches!(error, BulkError::Authorization(_)), "{error}");
}

#[tokio::test]
async fn a_client_without_keys_is_refused_at_once() {
    let trial = Trial::new(population()).await;
    for options in [backend("salus-test", vec![]), backend("", keys(1))] {
        let dir = trial.home.path().join("x");
        assert!(Job::start(&dir, trial.request(), options).is_err());
        let _ = std::fs::remove_dir_all(dir);
    }
}
