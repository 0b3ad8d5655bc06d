//! The access token is seen by nobody but the server it is for.

use std::sync::Arc;

use salus_bulk::{BulkError, Job, KeyAlgorithm, Level, Options, Request, Silent, generate_key};
use serde_json::json;

use crate::server::{Fault, Raw, Stage, raw, resources};
use crate::support::{MANY, Trial, backend, quick, register};

/// A server that wants tokens, a client that has one, and somebody else.
async fn three() -> (Trial, Options, Raw) {
    let trial = Trial::new(vec![resources("Patient", 3)]).await;
    let keys = vec![generate_key(KeyAlgorithm::Es384).unwrap()];
    register(&trial.server, &keys, MANY);
    let body = trial.server.with().files[0].body.clone();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    let elsewhere = raw(vec![[head.as_bytes(), &body].concat()]).await;
    (trial, backend("salus-test", keys), elsewhere)
}

fn told(elsewhere: &Raw) -> bool {
    let requests = elsewhere.requests();
    requests
        .iter()
        .any(|head| head.contains("authorization") || head.contains("opaque-token"))
}

#[tokio::test]
async fn links_elsewhere_get_no_token() {
    let (trial, options, elsewhere) = three().await;
    trial.server.with().links = Some(elsewhere.url("/files"));
    trial.arrives(options).await;
    assert_eq!(elsewhere.requests().len(), 1);
    assert!(!told(&elsewhere));
}

#[tokio::test]
async fn links_to_a_trusted_origin_get_it() {
    let (trial, mut options, elsewhere) = three().await;
    trial.server.with().links = Some(elsewhere.url("/files"));
    options.connection.trusted_origins = vec![elsewhere.url("/").parse().unwrap()];
    trial.arrives(options).await;
    assert!(told(&elsewhere), "the control: it can be seen there");
}

#[tokio::test]
async fn files_that_need_no_token_get_none() {
    let (trial, options, _) = three().await;
    trial.server.with().requires_token = json!(false);
    trial.arrives(options).await;
    for seen in trial.server.seen(Stage::File) {
        assert!(seen.header("authorization").is_none());
    }
    assert!(
        trial.server.seen(Stage::Status)[0]
            .header("authorization")
            .is_some()
    );
}

#[tokio::test]
async fn redirects_elsewhere_lose_the_token() {
    for status in [301, 302, 303, 307, 308] {
        let (trial, mut options, elsewhere) = three().await;
        // Trusted or not: a redirect that changes the origin never carries the token.
        options.connection.trusted_origins = vec![elsewhere.url("/").parse().unwrap()];
        trial.server.faults(
            Stage::File,
            [Fault::redirect(status, &elsewhere.url("/moved"))],
        );
        trial.arrives(options).await;
        assert!(
            trial.server.seen(Stage::File)[0]
                .header("authorization")
                .is_some()
        );
        assert_eq!(elsewhere.requests().len(), 1);
        assert!(!told(&elsewhere), "{status}");
    }
}

#[tokio::test]
async fn redirects_at_home_keep_the_token_and_a_way_back_does_not_regain_it() {
    let (trial, options, _) = three().await;
    let link = "/fhir/bulkfiles/0.Patient.ndjson?epoch=0";
    trial
        .server
        .faults(Stage::File, [Fault::redirect(307, link)]);
    trial.arrives(options).await;
    assert!(
        trial.server.seen(Stage::File)[1]
            .header("authorization")
            .is_some()
    );

    let (trial, options, _) = three().await;
    let back = format!("{}{link}", trial.server.origin());
    let head = format!("HTTP/1.1 302 Found\r\nlocation: {back}\r\ncontent-length: 0\r\n\r\n");
    let elsewhere = raw(vec![head.into_bytes()]).await;
    let away = Fault::redirect(302, &elsewhere.url("/x"));
    trial.server.faults(Stage::File, [away]);
    let error = trial.run(options).await.unwrap_err();
    assert!(
        matches!(error, BulkError::Refused { status: 401, .. }),
        "{error}"
    );
    let seen = trial.server.seen(Stage::File);
    assert!(
        seen.iter()
            .any(|seen| seen.header("authorization").is_none())
    );
}

#[tokio::test]
async fn status_redirects_and_status_elsewhere() {
    for stage in [Stage::KickOff, Stage::Status] {
        let (trial, options, elsewhere) = three().await;
        trial
            .server
            .faults(stage, [Fault::redirect(307, &elsewhere.url("/x"))]);
        // What comes back is no manifest; what matters is what went there.
        assert!(trial.run(options).await.is_err());
        assert_eq!(elsewhere.requests().len(), 1);
        assert!(!told(&elsewhere), "{stage:?}");
    }
    let (trial, options, _) = three().await;
    let elsewhere = raw(vec![
        b"HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n".to_vec(),
    ])
    .await;
    trial.server.with().content_location = Some(elsewhere.url("/status"));
    let error = trial.run(options).await.unwrap_err().to_string();
    assert!(!told(&elsewhere));
    assert!(
        error.contains("no token was sent, because http://127.0.0.1:"),
        "{error}"
    );
}

#[tokio::test]
async fn a_body_with_patients_stays_where_it_was_sent() {
    for (status, target) in [(307, true), (308, true), (301, false), (302, false)] {
        let (trial, options, elsewhere) = three().await;
        let home = format!("{}/elsewhere/$export", trial.server.origin());
        let to = if target { elsewhere.url("/x") } else { home };
        trial
            .server
            .faults(Stage::KickOff, [Fault::redirect(status, &to)]);
        let mut request = trial.request();
        request.patients = vec!["Patient/1".into()];
        let mut job = Job::start(&trial.dir(), request, options).unwrap();
        let error = job.run(Arc::new(Silent)).await.unwrap_err();
        assert!(matches!(error, BulkError::NotAllowed(_)), "{error}");
        assert!(elsewhere.requests().is_empty());
        assert_eq!(trial.server.seen(Stage::KickOff).len(), 1);
    }
}

#[tokio::test]
async fn an_assertion_is_not_redirected() {
    let (trial, options, elsewhere) = three().await;
    trial.server.faults(
        Stage::Token,
        [Fault::redirect(307, &elsewhere.url("/token"))],
    );
    let error = trial.run(options).await.unwrap_err();
    assert!(matches!(error, BulkError::NotAllowed(_)), "{error}");
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn an_assertion_is_not_sent_in_the_clear() {
    let (trial, options, _) = three().await;
    let endpoint = "http://token.example.invalid/token";
    trial.server.with().smart = Some(json!({"token_endpoint": endpoint}));
    let mut open = options.clone();
    open.connection.allow_http = true;
    let error = trial.run(open).await.unwrap_err().to_string();
    assert!(error.contains("must be https"), "{error}");
}

#[tokio::test]
async fn plain_http_needs_to_be_allowed() {
    let home = tempfile::tempdir().unwrap();
    let request = Request::new("http://fhir.example.invalid/fhir", Level::System).unwrap();
    let mut job = Job::start(home.path(), request, quick()).unwrap();
    let error = job.run(Arc::new(Silent)).await.unwrap_err();
    assert!(matches!(error, BulkError::NotAllowed(_)), "{error}");
}

#[tokio::test]
async fn a_password_in_a_link_is_not_sent() {
    let (trial, options, elsewhere) = three().await;
    let link = elsewhere
        .url("/files")
        .replace("http://", "http://user:pass@");
    trial.server.with().links = Some(link);
    trial.arrives(options).await;
    assert!(!told(&elsewhere));
}
