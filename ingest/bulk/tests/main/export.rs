//! What the specification describes, in the forms in which servers send it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::Method;
use salus_bulk::{Job, Level, Options, Pauses, Request, Silent};
use serde_json::{Value, json};

use crate::server::{Fault, Stage, TestFile, outcome, resources};
use crate::support::{Heard, Trial, content, population, quick};

#[tokio::test]
async fn an_export_arrives() {
    let trial = Trial::new(population()).await;
    let heard = Arc::new(Heard::default());
    let mut job = trial.job(quick());
    let export = job.run(heard.clone()).await.unwrap();
    trial.compare(&export);
    assert_eq!(
        export.transaction_time.as_deref(),
        Some("2026-01-01T00:00:00.000+00:00")
    );
    let types = export.by_type();
    let count = |kind: &str| types[kind].iter().map(|file| file.resources).sum::<u64>();
    assert_eq!(
        (count("Patient"), count("Observation"), count("Encounter")),
        (40, 5000, 0)
    );
    assert_eq!(export.miscounted().count(), 0);
    assert_eq!(export.kickoffs, 1);

    let kick_off = &trial.server.seen(Stage::KickOff)[0];
    assert_eq!(kick_off.method, Method::GET);
    assert!(kick_off.path.ends_with("/fhir/Patient/$export"));
    assert_eq!(kick_off.header("accept"), Some("application/fhir+json"));
    assert_eq!(kick_off.header("prefer"), Some("respond-async"));
    assert!(kick_off.header("user-agent").unwrap().starts_with("salus/"));
    let status = trial.server.seen(Stage::Status);
    assert_eq!(status[0].header("accept"), Some("application/json"));
    let file = &trial.server.seen(Stage::File)[0];
    assert_eq!(file.header("accept"), Some("application/fhir+ndjson"));
    assert_eq!(file.header("accept-encoding"), Some("gzip"));

    let heard = heard.0.lock().unwrap();
    assert!(heard.contains(&"waiting 50% complete, currently processing Patient resources".into()));
    assert!(heard.contains(&"listed 6 6".into()));
    assert_eq!(
        heard
            .iter()
            .filter(|line| line.starts_with("completed"))
            .count(),
        6
    );
}

#[tokio::test]
async fn the_log_says_what_happened_and_no_more() {
    let trial = Trial::new(population()).await;
    let mut request = trial.request();
    request.patients = vec!["Patient/secret-patient".into()];
    request
        .set("_typeFilter", "Observation?subject=Patient/secret-patient")
        .unwrap();
    request.set("_type", "Patient,Observation").unwrap();
    trial
        .server
        .faults(Stage::File, [Fault::outcome(503, "secret-code")]);
    let mut job = Job::start(&trial.dir(), request, quick()).unwrap();
    // The server ignores the filter, as it may, and nothing is lost.
    trial.compare(&job.run(Arc::new(Silent)).await.unwrap());
    let log = trial.log();
    let mut ids = std::collections::HashSet::new();
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        ids.insert(event["exportId"].as_str().unwrap().to_owned());
        assert!(chrono::DateTime::parse_from_rfc3339(event["timestamp"].as_str().unwrap()).is_ok());
    }
    assert_eq!(ids.len(), 1);
    for event in [
        "kickoff",
        "status_progress",
        "status_complete",
        "status_page_complete",
        "manifest_complete",
        "download_request",
        "download_error",
        "download_complete",
        "export_complete",
    ] {
        assert!(log.contains(&format!("\"eventId\":\"{event}\"")), "{event}");
    }
    assert!(!log.contains("secret"), "{log}");
    assert!(!log.contains("epoch="), "no query of a link");
}

#[tokio::test]
async fn levels_and_methods() {
    for (level, end) in [
        (Level::System, "/fhir/$export"),
        (Level::Patient, "/fhir/Patient/$export"),
        (Level::Group("g-1".into()), "/fhir/Group/g-1/$export"),
    ] {
        let trial = Trial::new(vec![resources("Patient", 2)]).await;
        let mut request = Request::new(&trial.server.base(), level).unwrap();
        request.post = end.contains("Group");
        let posts = request.post;
        let options = Options {
            lenient: true,
            ..quick()
        };
        let mut job = Job::start(&trial.dir(), request, options).unwrap();
        trial.compare(&job.run(Arc::new(Silent)).await.unwrap());
        let kick_off = &trial.server.seen(Stage::KickOff)[0];
        assert!(kick_off.path.ends_with(end), "{}", kick_off.path);
        assert_eq!(kick_off.method == Method::POST, posts);
        assert_eq!(
            kick_off.header("prefer"),
            Some("respond-async, handling=lenient")
        );
    }
}

#[tokio::test]
async fn parameters_with_patients_are_posted() {
    let trial = Trial::new(vec![resources("Patient", 2)]).await;
    let mut request = trial.request();
    request.patients = vec!["Patient/1".into(), "Patient/2".into()];
    request.set("_since", "2026-01-01T00:00:00Z").unwrap();
    let mut job = Job::start(&trial.dir(), request, quick()).unwrap();
    job.run(Arc::new(Silent)).await.unwrap();
    let kick_off = &trial.server.seen(Stage::KickOff)[0];
    assert_eq!(
        kick_off.header("content-type"),
        Some("application/fhir+json")
    );
    let body: Value = serde_json::from_str(&kick_off.body).unwrap();
    assert_eq!(body["parameter"].as_array().unwrap().len(), 3);
    assert!(!kick_off.path.contains('?'));
}

/// Pauses between the looks at the status.
async fn pauses(trial: &Trial, polling: Pauses) -> Vec<Duration> {
    let options = Options { polling, ..quick() };
    trial.arrives(options).await;
    let seen = trial.server.seen(Stage::Status);
    seen.windows(2).map(|two| two[1].at - two[0].at).collect()
}

#[tokio::test]
async fn the_server_decides_the_pace_within_bounds() {
    let milliseconds = Duration::from_millis;
    // A pause ends late on a busy machine: what is too long is the longest, which is far away.
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(10));
    for (retry_after, longest, least, most) in [
        (Some(date), 20_000, 500, 15_000),
        (Some("0".to_owned()), 20_000, 50, 15_000),
        (Some("1".to_owned()), 20_000, 1000, 15_000),
        (Some("86400".to_owned()), 1500, 1500, 86_400_000),
        (Some("soon".to_owned()), 20_000, 50, 15_000),
        (None, 20_000, 50, 15_000),
    ] {
        let polling = Pauses {
            shortest: milliseconds(50),
            longest: milliseconds(longest),
        };
        let trial = Trial::new(vec![resources("Patient", 1)]).await;
        trial.server.with().retry_after.clone_from(&retry_after);
        let pauses = pauses(&trial, polling).await;
        assert_eq!(pauses.len(), 1);
        let (least, most) = (milliseconds(least), milliseconds(most));
        assert!(
            pauses[0] >= least && pauses[0] < most,
            "{retry_after:?}: {pauses:?}"
        );
    }
}

#[tokio::test]
async fn without_advice_the_pauses_grow() {
    let trial = Trial::new(vec![resources("Patient", 1)]).await;
    trial.server.with().polls = 6;
    trial.server.with().progress = None;
    let polling = Pauses {
        shortest: Duration::from_millis(10),
        longest: Duration::from_secs(20),
    };
    let pauses = pauses(&trial, polling).await;
    assert_eq!(pauses.len(), 6);
    // Twice as long each time, and by chance up to a half shorter.
    for (pause, doubled) in pauses.iter().zip(0..) {
        let least = Duration::from_millis(10) * 2_u32.pow(doubled) / 2;
        assert!(*pause >= least, "{pauses:?}");
    }
    assert!(pauses[0] < Duration::from_secs(15), "{pauses:?}");
}

#[tokio::test]
async fn manifests_as_servers_send_them() {
    let changes: [fn(&mut Value); 6] = [
        |manifest| {
            for member in ["deleted", "error", "request", "requiresAccessToken"] {
                manifest.as_object_mut().unwrap().remove(member);
            }
        },
        |manifest| {
            for member in [
                "deleted",
                "error",
                "request",
                "outputOrganizedBy",
                "extension",
                "link",
            ] {
                manifest[member] = json!("");
            }
        },
        |manifest| {
            manifest["deleted"] = Value::Null;
            manifest["request"] = Value::Null;
            manifest["extension"] = json!([{"url": "x", "valueBoolean": true}]);
            manifest["unknown"] = json!({"a": [1]});
        },
        |manifest| {
            for file in manifest["output"].as_array_mut().unwrap() {
                let url = file["url"].as_str().unwrap().to_owned();
                file["continuesInFile"] = json!("https://nowhere.invalid/loop");
                file["url"] = json!(url[url.find("/fhir/").unwrap()..].to_owned());
                file["count"] = json!("");
                file["x"] = json!(null);
            }
        },
        |manifest| {
            let twice = manifest["output"][0].clone();
            manifest["output"].as_array_mut().unwrap().push(twice);
        },
        |manifest| manifest["transactionTime"] = json!(""),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let trial = Trial::new(population()).await;
        trial.server.with().manifest = Some(change);
        let export = trial.arrives(quick()).await;
        assert_eq!(trial.server.seen(Stage::File).len(), 6, "each file once");
        assert_eq!(export.transaction_time.is_none(), at == 5);
        let job = Job::resume(&trial.dir(), quick()).unwrap();
        assert_eq!(job.request().following(&export).is_err(), at == 5);
    }
}

#[tokio::test]
async fn mixed_files_have_no_type() {
    let trial = Trial::new(vec![resources("Patient", 3), resources("Device", 2)]).await;
    trial.server.with().manifest = Some(|manifest| {
        manifest["outputOrganizedBy"] = json!("Patient");
        for file in manifest["output"].as_array_mut().unwrap() {
            file.as_object_mut().unwrap().remove("type");
        }
    });
    let mut request = trial.request();
    request.set("organizeOutputBy", "Patient").unwrap();
    let mut job = Job::start(&trial.dir(), request, quick()).unwrap();
    let export = job.run(Arc::new(Silent)).await.unwrap();
    assert_eq!(export.by_type()[""].len(), 2);
    assert!(
        trial.server.seen(Stage::KickOff)[0]
            .path
            .contains("organizeOutputBy=Patient")
    );
}

#[tokio::test]
async fn pages_are_followed_to_the_last() {
    let files: Vec<TestFile> = (1..=7).map(|n| resources("Patient", n)).collect();
    let trial = Trial::new(files).await;
    trial.server.with().page = 2;
    // An error on the way to a page does not lose the pages before.
    let transient = Fault::outcome(500, "transient");
    let (ok, later) = (Fault::status(202), Fault::status(503));
    trial
        .server
        .faults(Stage::Status, [ok, transient.clone(), later]);
    trial.arrives(quick()).await;
    let pages = trial.server.seen(Stage::Status);
    let asked = |page: &str| {
        pages
            .iter()
            .filter(|seen| seen.path.ends_with(page))
            .count()
    };
    assert_eq!(
        (asked("page=2"), asked("page=3"), asked("page=4")),
        (1, 1, 1)
    );
}

#[tokio::test]
async fn a_partial_manifest_is_asked_again_until_it_goes_on() {
    let trial = Trial::new(vec![resources("Patient", 3), resources("Device", 2)]).await;
    trial.server.with().page = 1;
    trial.server.with().polls = 0;
    let page = |link: Option<&str>| {
        let file = format!(
            "{}/fhir/bulkfiles/0.Patient.ndjson?epoch=0",
            trial.server.origin()
        );
        let mut manifest = json!({"transactionTime": "2026-01-01T00:00:00.000+00:00",
            "requiresAccessToken": false, "output": [{"type": "Patient", "url": file, "count": 3}]});
        if let Some(link) = link {
            manifest["link"] = json!([{"relation": "next", "url": link}]);
        }
        let kind = ("content-type", "application/json".to_owned());
        Fault::Answer(202, vec![kind], manifest.to_string())
    };
    let second = format!("{}/fhir/bulkstatus/1?page=2", trial.server.origin());
    let pages = [
        page(None),
        page(None),
        page(Some(&second)),
        Fault::status(202),
    ];
    trial.server.faults(Stage::Status, pages);
    let mut request = trial.request();
    request.allow_partial_manifests = true;
    let mut job = Job::start(&trial.dir(), request, quick()).unwrap();
    trial.compare(&job.run(Arc::new(Silent)).await.unwrap());
    let paths: Vec<bool> = trial
        .server
        .seen(Stage::Status)
        .iter()
        .map(|s| s.path.contains("page=2"))
        .collect();
    assert_eq!(paths, [false, false, false, true, true]);
}

#[tokio::test]
async fn pages_without_end_are_an_error() {
    let trial = Trial::new(vec![resources("Patient", 1)]).await;
    trial.server.with().manifest = Some(|manifest| {
        manifest["link"] = json!([{"relation": "next", "url": "/fhir/bulkstatus/1"}]);
    });
    let error = trial.run(quick()).await.unwrap_err().to_string();
    assert!(error.contains("no end"), "{error}");
}

#[tokio::test]
async fn a_relative_status_address_is_understood_and_a_missing_one_explained() {
    let trial = Trial::new(vec![resources("Patient", 1)]).await;
    trial.server.with().content_location = Some("/fhir/bulkstatus/1".into());
    trial.arrives(quick()).await;

    let trial = Trial::new(vec![resources("Patient", 1)]).await;
    trial.server.with().content_location = Some(String::new());
    let error = trial.run(quick()).await.unwrap_err().to_string();
    assert!(error.contains("without a Content-Location"), "{error}");
    assert!(error.contains("The export has been accepted"), "{error}");
}

#[tokio::test]
async fn compressed_files_stay_compressed() {
    let trial = Trial::new(population()).await;
    trial.server.with().gzip = true;
    let export = trial.arrives(quick()).await;
    assert!(
        export
            .output
            .iter()
            .all(|file| file.path.extension().unwrap() == "gz")
    );
}

#[tokio::test]
async fn deletions_and_issues_are_told_apart() {
    let bundle = |id: &str| {
        json!({"resourceType": "Bundle", "type": "transaction", "entry": [
            {"request": {"method": "DELETE", "url": format!("Patient/{id}")}}]})
    };
    let deleted = format!("{}\n{}\n", bundle("1"), bundle("2"));
    // The SMART reference server ends error files without a line feed.
    let errors = format!(
        "{}\n{}",
        outcome("processing", "Failed to export 2.Patient.ndjson"),
        outcome("processing", "Failed to export 4.Patient.ndjson")
    );
    let file = |section, kind, body: String| TestFile {
        section,
        kind,
        body: body.into_bytes(),
    };
    let trial = Trial::new(vec![
        resources("Patient", 3),
        file("deleted", "Bundle", deleted),
        file("error", "OperationOutcome", errors),
    ])
    .await;
    trial.server.with().gzip = true;
    let export = trial.arrives(quick()).await;
    let gone: Result<Vec<_>, _> = export.deletions().collect();
    let gone: Vec<String> = gone
        .unwrap()
        .iter()
        .map(|(kind, id)| format!("{kind}/{id}"))
        .collect();
    assert_eq!(gone, ["Patient/1", "Patient/2"]);
    let issues = export.issues().unwrap();
    assert_eq!((issues.len(), issues[0].count), (1, 2));
    assert_eq!(issues[0].texts[0], "Failed to export 2.Patient.ndjson");
}

#[tokio::test]
async fn an_outcome_list_is_an_error_list() {
    let error = outcome("processing", "no").to_string();
    let trial = Trial::new(vec![
        resources("Patient", 3),
        TestFile {
            section: "error",
            kind: "OperationOutcome",
            body: error.into_bytes(),
        },
    ])
    .await;
    trial.server.with().manifest = Some(|manifest| {
        manifest["outcome"] = manifest["error"].take();
    });
    assert_eq!(trial.arrives(quick()).await.errors.len(), 1);
}

#[tokio::test]
async fn the_next_export_asks_for_what_changed() {
    let trial = Trial::new(vec![resources("Patient", 3)]).await;
    let mut job = trial.job(quick());
    let export = job.run(Arc::new(Silent)).await.unwrap();
    let next = job.request().following(&export).unwrap();
    let mut job = Job::start(&trial.home.path().join("next"), next, quick()).unwrap();
    job.run(Arc::new(Silent)).await.unwrap();
    let path = &trial.server.seen(Stage::KickOff)[1].path;
    assert!(
        path.ends_with("?_since=2026-01-01T00%3A00%3A00.000%2B00%3A00"),
        "{path}"
    );
}

#[tokio::test]
async fn a_real_export_arrives() {
    let Some(files) = real() else {
        return;
    };
    for gzip in [false, true] {
        let trial = Trial::new(files.clone()).await;
        trial.server.with().gzip = gzip;
        let export = trial.arrives(quick()).await;
        let patients: u64 = export.by_type()["Patient"]
            .iter()
            .map(|file| file.resources)
            .sum();
        assert_eq!(patients, 40);
        assert!(export.output.iter().all(|file| !content(file).is_empty()));
    }
}

/// An export of another generator, if it is there.
fn real() -> Option<Vec<TestFile>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("../../../shared/data/fhir/smart-40");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "{} is missing",
            folder.display()
        );
        println!("skipped: {} is not there", folder.display());
        return None;
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|end| end == "ndjson"));
    let file = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let kind: &'static str = name.split('.').next().unwrap().to_owned().leak();
        TestFile::new(kind, std::fs::read(&path).unwrap())
    };
    Some(files.map(file).collect())
}
