//! What passes is waited for, what does not is reported, and no byte is lost on the way.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use salus_bulk::{BulkError, Job, Options, Silent};
use serde_json::json;

use crate::server::{Fault, Stage, TestFile, raw, resources};
use crate::support::{MANY, Trial, backend, content, population, quick, register};

/// Faults that pass, as servers and the proxies before them send them.
fn passing() -> Vec<Fault> {
    let date = httpdate::fmt_http_date(SystemTime::now());
    let html = ("content-type", "text/html; charset=utf-8".to_owned());
    vec![
        Fault::outcome(500, "transient"),
        Fault::Answer(429, vec![("retry-after", "0".into())], String::new()),
        Fault::Answer(503, vec![("retry-after", date)], "busy".into()),
        Fault::Answer(502, vec![html], "<html><h1>Bad Gateway</h1></html>".into()),
        Fault::status(504),
    ]
}

#[tokio::test]
async fn transient_errors_at_every_stage() {
    for stage in [
        Stage::Discovery,
        Stage::Token,
        Stage::KickOff,
        Stage::Status,
        Stage::File,
    ] {
        let trial = Trial::new(population()).await;
        let keys = vec![salus_bulk::generate_key(salus_bulk::KeyAlgorithm::Es384).unwrap()];
        register(&trial.server, &keys, MANY);
        trial.server.faults(stage, passing());
        trial.arrives(backend("salus-test", keys)).await;
        assert!(
            trial.server.seen(stage).len() > passing().len(),
            "{stage:?}"
        );
        assert_eq!(trial.server.with().tokens.len(), 1);
    }
}

#[tokio::test]
async fn a_server_that_stays_down_ends_the_run_and_not_the_job() {
    for stage in [Stage::KickOff, Stage::Status, Stage::File] {
        let trial = Trial::new(vec![resources("Patient", 10)]).await;
        trial.server.faults(stage, vec![Fault::status(503); 6]);
        let error = trial.run(quick()).await.unwrap_err();
        assert!(
            matches!(error, BulkError::Unavailable { attempts: 6, .. }),
            "{error}"
        );
        trial.compare(&trial.resume(quick()).await.unwrap());
        assert_eq!(
            trial.server.seen(Stage::KickOff).len(),
            if stage == Stage::KickOff { 7 } else { 1 },
            "the same export goes on"
        );
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_the_servers_words() {
    for (stage, status) in [
        (Stage::Status, 200),
        (Stage::KickOff, 400),
        (Stage::Status, 400),
        (Stage::Status, 500),
    ] {
        let trial = Trial::new(vec![resources("Patient", 1)]).await;
        trial
            .server
            .faults(stage, [Fault::outcome(status, "processing")]);
        let error = trial.run(quick()).await.unwrap_err();
        assert!(matches!(error, BulkError::Refused { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(&format!("{status}: Something went wrong (processing)")),
            "{text}"
        );
        assert_eq!(trial.server.seen(stage).len(), 1, "not asked again");
        // Whoever mends the cause resumes, with a new kick-off.
        trial.compare(&trial.resume(quick()).await.unwrap());
        assert_eq!(trial.server.seen(Stage::KickOff).len(), 2);
    }
    // As the reference server says it: plain text.
    let trial = Trial::new(vec![resources("Patient", 1)]).await;
    trial.server.faults(
        Stage::Status,
        [Fault::Answer(413, vec![], "Too many files".into())],
    );
    let error = trial.run(quick()).await.unwrap_err().to_string();
    assert!(error.ends_with("413: Too many files"), "{error}");
}

#[tokio::test]
async fn a_job_that_the_server_forgot_is_kicked_off_anew() {
    let trial = Trial::new(population()).await;
    trial
        .server
        .faults(Stage::Status, [Fault::status(202), Fault::Forget]);
    let export = trial.arrives(quick()).await;
    assert_eq!(export.kickoffs, 2);
    assert_eq!(trial.server.seen(Stage::KickOff).len(), 2);

    let trial = Trial::new(population()).await;
    trial.server.faults(Stage::Status, vec![Fault::Forget; 9]);
    let error = trial.run(quick()).await.unwrap_err();
    assert!(
        matches!(error, BulkError::Expired { kickoffs: 3, .. }),
        "{error}"
    );
    assert_eq!(trial.server.seen(Stage::KickOff).len(), 3);
}

#[tokio::test]
async fn broken_downloads_are_repeated() {
    let html = ("content-type", "text/html".to_owned());
    for fault in [
        Fault::Cut(0),
        Fault::Cut(1),
        Fault::Cut(100_000),
        Fault::Silence,
        Fault::Answer(200, vec![html], "<html>Log in</html>".into()),
        Fault::Answer(200, vec![], "<html>no type</html>\n".into()),
        Fault::outcome(200, "processing"),
        Fault::outcome(500, "processing"),
        Fault::status(416),
        Fault::status(206),
    ] {
        for (gzip, ranges) in [(false, false), (true, false), (false, true), (true, true)] {
            let trial = Trial::new(population()).await;
            trial.server.with().gzip = gzip;
            trial.server.with().ranges = ranges;
            trial.server.faults(Stage::File, vec![fault.clone(); 3]);
            let mut options = quick();
            options.connection.answer_timeout = Duration::from_millis(300);
            trial.arrives(options).await;
        }
    }
}

#[tokio::test]
async fn a_large_file_is_resumed_where_it_broke() {
    for gzip in [false, true] {
        let trial = Trial::new(vec![resources("Observation", 20_000)]).await;
        let size = trial.server.with().files[0].body.len();
        assert!(size > 4_000_000);
        trial.server.with().ranges = true;
        trial.server.with().gzip = gzip;
        // More breaks than attempts: each of them brings the file further.
        let breaks = if gzip { 2 } else { 12 };
        let step = if gzip { 70_000 } else { 300_000 };
        trial
            .server
            .faults(Stage::File, vec![Fault::Cut(step); breaks]);
        trial.arrives(quick()).await;
        let seen = trial.server.seen(Stage::File);
        assert_eq!(seen.len(), breaks + 1);
        let from = seen.iter().map(|seen| {
            let range = seen.header("range").unwrap_or("bytes=0-");
            let from = range.trim_start_matches("bytes=").trim_end_matches('-');
            from.parse::<usize>().unwrap()
        });
        let from: Vec<usize> = from.collect();
        assert!(from.is_sorted_by(|a, b| a < b), "each goes on: {from:?}");
        assert!(
            seen[1..]
                .iter()
                .all(|seen| seen.header("if-range").is_some())
        );
    }
}

#[tokio::test]
async fn a_file_that_changed_is_fetched_from_its_beginning() {
    let trial = Trial::new(vec![resources("Observation", 5000)]).await;
    trial.server.with().ranges = true;
    trial.server.faults(Stage::File, [Fault::Cut(300_000)]);
    let server = trial.server.clone();
    let change = tokio::spawn(async move {
        while server.seen(Stage::File).is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.with().files[0] = resources("Observation", 5001);
    });
    let mut options = quick();
    options.retries.shortest = Duration::from_millis(100);
    trial.arrives(options).await;
    change.await.unwrap();
    assert!(trial.server.seen(Stage::File)[1].header("range").is_some());
}

/// A job whose one file comes from a listener that answers byte for byte.
async fn from_raw(
    answers: Vec<Vec<u8>>,
    file: TestFile,
) -> (Trial, Result<salus_bulk::Export, BulkError>) {
    let raw = raw(answers).await;
    let trial = Trial::new(vec![file]).await;
    trial.server.with().links = Some(raw.url("/f"));
    let export = trial.run(quick()).await;
    (trial, export)
}

#[tokio::test]
async fn lengths_that_lie_are_noticed() {
    let file = resources("Patient", 300);
    let body = file.body.clone();
    let answer = |head: &str, body: &[u8]| [head.as_bytes(), b"\r\n\r\n", body].concat();
    let right = answer(
        &format!("HTTP/1.1 200 OK\r\ncontent-length: {}", body.len()),
        &body,
    );
    let more = answer(
        &format!("HTTP/1.1 200 OK\r\ncontent-length: {}", body.len() + 7),
        &body,
    );
    let less = answer(
        &format!("HTTP/1.1 200 OK\r\ncontent-length: {}", body.len() - 7),
        &body,
    );
    let half = answer(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked",
        b"5\r\n{\"a\":\r\n",
    );
    // No length at all, cut within a line, and cut after a line: only the count tells.
    let open = answer("HTTP/1.0 200 OK", &body[..body.len() - 7]);
    let line = body.iter().position(|b| *b == b'\n').unwrap() + 1;
    let lines = answer("HTTP/1.0 200 OK", &body[..line]);
    let garbage = b"not http at all".to_vec();
    let mut packed = crate::server::gzip(&body);
    let length = packed.len();
    packed[length - 6] ^= 1;
    let damaged = answer("HTTP/1.0 200 OK\r\ncontent-encoding: gzip", &packed);
    for fault in [more, less, half, open, lines, garbage, damaged, Vec::new()] {
        let answers = vec![fault.clone(), right.clone()];
        let (trial, export) = from_raw(answers, file.clone()).await;
        trial.compare(&export.unwrap());
    }
}

#[tokio::test]
async fn a_wrong_count_is_a_fact_and_not_an_error() {
    let trial = Trial::new((1..9).map(|n| resources("Patient", n)).collect()).await;
    trial.server.with().manifest = Some(|manifest| {
        for file in manifest["output"].as_array_mut().unwrap() {
            file["count"] = json!(1_000_000);
        }
    });
    let options = Options {
        parallel: 1,
        ..quick()
    };
    let export = trial.arrives(options).await;
    assert_eq!(export.miscounted().count(), 8);
    assert_eq!(
        trial.server.seen(Stage::File).len(),
        9,
        "one file is fetched twice, to be sure"
    );
}

#[tokio::test]
async fn expired_links_are_asked_for_anew() {
    let files = (1..30).map(|n| resources("Patient", n)).collect();
    let trial = Trial::new(files).await;
    trial.server.with().expire_after = Some(10);
    let export = trial.arrives(quick()).await;
    assert_eq!(
        (export.kickoffs, trial.server.seen(Stage::KickOff).len()),
        (1, 1)
    );
    let whole = trial.server.with().served;
    assert_eq!(whole, 29, "what was complete is not fetched again");
}

#[tokio::test]
async fn whole_types_are_kept_when_the_job_is_gone() {
    let mut files = vec![resources("Patient", 5)];
    files.extend((1..20).map(|n| resources("Observation", n)));
    let trial = Trial::new(files).await;
    trial.server.with().expire_after = Some(6);
    // The manifest, and when it is asked for again the job is gone.
    let ready = [Fault::status(202), Fault::status(202)];
    trial.server.faults(Stage::Status, ready);
    let server = trial.server.clone();
    let forget = tokio::spawn(async move {
        while server.with().epoch == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.with().transaction_time = "2026-01-02T00:00:00.000+00:00".into();
        server.faults(Stage::Status, [Fault::Forget]);
    });
    let options = Options {
        parallel: 1,
        ..quick()
    };
    let mut options = options;
    options.retries.shortest = Duration::from_millis(100);
    options.retries.longest = Duration::from_millis(200);
    let export = trial.arrives(options).await;
    forget.await.unwrap();
    assert_eq!(export.kickoffs, 2);
    assert_eq!(
        export.transaction_time.as_deref(),
        Some("2026-01-01T00:00:00.000+00:00")
    );
    let of = |kind: &str| export.by_type()[kind][0].transaction_time.clone().unwrap();
    assert!(
        of("Patient").starts_with("2026-01-01"),
        "whole before the job was gone"
    );
    assert!(
        of("Observation").starts_with("2026-01-02"),
        "never from two exports"
    );
    let patients = trial.server.seen(Stage::File);
    let patients = patients
        .iter()
        .filter(|seen| seen.path.contains("Patient"))
        .count();
    assert_eq!(patients, 1, "what is whole is not fetched again");
}

#[tokio::test]
async fn files_that_always_expire_end_the_job() {
    // The reference server's `file_expired`.
    for status in [403, 404, 410] {
        let trial = Trial::new(vec![resources("Patient", 1)]).await;
        trial
            .server
            .faults(Stage::File, vec![Fault::outcome(status, "not-found"); 100]);
        let error = trial.run(quick()).await.unwrap_err();
        assert!(
            matches!(error, BulkError::Expired { kickoffs: 3, .. }),
            "{error}"
        );
        assert!(
            error
                .to_string()
                .contains(&format!("{status}: Something went wrong")),
            "{error}"
        );
        assert_eq!(trial.server.seen(Stage::KickOff).len(), 3);
        assert_eq!(trial.server.seen(Stage::File).len(), 9);
    }
}

#[tokio::test]
async fn a_partial_failure_is_an_export_with_facts() {
    // The reference server's `some_file_generation_failed`.
    let error =
        crate::server::outcome("processing", "Failed to export 2.Patient.ndjson").to_string();
    let trial = Trial::new(vec![
        resources("Patient", 5),
        TestFile {
            section: "error",
            kind: "OperationOutcome",
            body: error.into_bytes(),
        },
    ])
    .await;
    let export = trial.arrives(quick()).await;
    assert_eq!(
        content(&export.errors[0]).len(),
        trial.server.with().files[1].body.len()
    );
    let issues = export.issues().unwrap();
    assert_eq!((issues[0].severity.as_str(), issues[0].count), ("error", 1));
}

#[tokio::test]
async fn chance_faults_everywhere() {
    // A fixed sequence that looks like chance: every third or so request fails somehow.
    let mut state = 7_u64;
    let mut draw = |bound: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    for round in 0..6 {
        let files = (0..60)
            .map(|n| resources("Observation", n * 7 + 1))
            .collect();
        let trial = Trial::new(files).await;
        trial.server.with().gzip = round % 2 == 0;
        trial.server.with().ranges = round % 3 == 0;
        for stage in [Stage::KickOff, Stage::Status, Stage::File] {
            let faults: Vec<Fault> = (0..60)
                .map(|_| match draw(9) {
                    0 => Fault::status(503),
                    1 => Fault::outcome(500, "transient"),
                    2 if stage == Stage::File => Fault::Cut(usize::try_from(draw(40_000)).unwrap()),
                    3 if stage == Stage::Status => Fault::Forget,
                    _ => Fault::Answer(429, vec![("retry-after", "0".into())], String::new()),
                })
                .take(if stage == Stage::File { 60 } else { 5 })
                .collect();
            trial.server.faults(stage, faults);
        }
        let options = Options {
            attempts: 100,
            kickoffs: 20,
            ..quick()
        };
        let mut job = Job::start(&trial.dir(), trial.request(), options).unwrap();
        trial.compare(&job.run(Arc::new(Silent)).await.unwrap());
    }
}

#[tokio::test]
async fn a_part_that_does_not_fit_is_not_used() {
    let file = resources("Patient", 300);
    let body = &file.body;
    let half = body.len() / 2;
    let answer = |head: String, body: &[u8]| [head.as_bytes(), b"\r\n\r\n", body].concat();
    let length = body.len();
    let cut = || {
        let head = format!("HTTP/1.1 200 OK\r\netag: \"a\"\r\ncontent-length: {length}");
        answer(head, &body[..half])
    };
    let part = |from: usize, more: &str| {
        let head = format!(
            "HTTP/1.1 206 Partial\r\n{more}content-range: bytes {from}-{}/{length}\r\ncontent-length: {}",
            length - 1,
            length - from
        );
        answer(head, &body[from..])
    };
    let right = answer(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}"), body);
    for odd in [
        part(half - 5, "etag: \"a\"\r\n"),
        part(half, "etag: \"b\"\r\n"),
        part(half, "etag: \"a\"\r\ncontent-encoding: gzip\r\n"),
        answer("HTTP/1.1 206 Partial\r\netag: \"a\"".into(), &body[half..]),
    ] {
        let elsewhere = raw(vec![cut(), odd, right.clone()]).await;
        let trial = Trial::new(vec![file.clone()]).await;
        trial.server.with().links = Some(elsewhere.url("/f"));
        trial.arrives(quick()).await;
        let asked = elsewhere.requests();
        assert!(
            asked[1].contains(&format!("range: bytes={half}-")),
            "{}",
            asked[1]
        );
        assert!(!asked[2].contains("range:"), "begun anew");
    }
    // The control: a part that fits is used.
    let elsewhere = raw(vec![cut(), part(half, "etag: \"a\"\r\n")]).await;
    let trial = Trial::new(vec![file.clone()]).await;
    trial.server.with().links = Some(elsewhere.url("/f"));
    trial.arrives(quick()).await;
    assert_eq!(elsewhere.requests().len(), 2);
}
