//! A server that means harm gets an error, and neither our memory, our disk nor our terminal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use salus_bulk::{BulkError, Job, Options, Silent};
use serde_json::json;

use crate::server::{Fault, Stage, TestFile, raw, resources};
use crate::support::{Trial, population, quick, tree};

#[tokio::test]
async fn names_and_types_lead_nowhere() {
    let trial = Trial::new(population()).await;
    trial.server.with().manifest = Some(|manifest| {
        let types = [
            "../../evil",
            "/etc/passwd",
            "Patient/../../x",
            "a\0b",
            "..",
            "Pati\u{202e}ent",
        ];
        for (file, kind) in manifest["output"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .zip(types)
        {
            file["type"] = json!(kind);
            let url = file["url"].as_str().unwrap();
            file["url"] = json!(format!("{url}&name=../../../evil#../evil"));
        }
    });
    let export = trial.run(quick()).await.unwrap();
    assert_eq!(export.output.len(), 6);
    for (name, _) in tree(&trial.dir()) {
        assert!(name.starts_with("output/resources.1."), "{name}");
    }
    let beside = std::fs::read_dir(trial.home.path()).unwrap().count();
    assert_eq!(beside, 1, "only the job");
}

#[tokio::test]
async fn huge_error_bodies_are_not_read_or_shown() {
    let huge = "x".repeat(20_000_000);
    let outcome = crate::server::outcome("processing", &format!("\u{1b}[31m{huge}")).to_string();
    for (stage, body) in [
        (Stage::KickOff, huge.clone()),
        (Stage::Status, outcome),
        (Stage::File, huge),
    ] {
        let trial = Trial::new(vec![resources("Patient", 1)]).await;
        trial
            .server
            .faults(stage, [Fault::Answer(400, vec![], body)]);
        let error = trial.run(quick()).await.unwrap_err().to_string();
        assert!(error.len() < 1000, "{}", error.len());
        assert!(!error.contains('\u{1b}'));
        assert!(trial.log().len() < 10_000);
    }
}

#[tokio::test]
async fn control_characters_do_not_reach_the_terminal() {
    let trial = Trial::new(vec![resources("Patient", 1)]).await;
    let text = "no\u{1b}]0;evil\u{7}\r\nFake: line\u{202e}";
    let body = crate::server::outcome("processing", text).to_string();
    trial
        .server
        .faults(Stage::KickOff, [Fault::Answer(400, vec![], body)]);
    let error = trial.run(quick()).await.unwrap_err().to_string();
    assert!(error.contains("no ]0;evil Fake: line"), "{error:?}");
    assert!(
        !error.chars().any(|c| c.is_control() || c == '\u{202e}'),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_endless_file_is_stopped() {
    let trial = Trial::new(vec![resources("Patient", 1)]).await;
    trial.server.faults(Stage::File, vec![Fault::Endless; 9]);
    let options = Options {
        largest_file: 1 << 20,
        ..quick()
    };
    let error = trial.run(options).await.unwrap_err();
    assert!(
        matches!(
            error,
            BulkError::TooLarge {
                limit: 1_048_576,
                ..
            }
        ),
        "{error}"
    );
    let left: usize = tree(&trial.dir()).iter().map(|(_, body)| body.len()).sum();
    assert_eq!(left, 0, "what was thrown away takes no room");
    assert_eq!(trial.server.seen(Stage::File).len(), 1);
}

#[tokio::test]
async fn a_file_larger_than_allowed_is_not_begun() {
    let trial = Trial::new(vec![resources("Patient", 1000)]).await;
    let options = Options {
        largest_file: 1000,
        ..quick()
    };
    let error = trial.run(options).await.unwrap_err().to_string();
    assert!(
        error.contains("output/Patient.1.00001.ndjson is larger than 1000 bytes"),
        "{error}"
    );
    trial.compare(&trial.resume(quick()).await.unwrap());
}

#[tokio::test]
async fn a_gzip_bomb_is_stopped() {
    let trial = Trial::new(vec![TestFile::new("Patient", vec![b' '; 8 << 20])]).await;
    trial.server.with().gzip = true;
    let options = Options {
        largest_file: 1 << 20,
        ..quick()
    };
    let error = trial.run(options).await.unwrap_err();
    assert!(matches!(error, BulkError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_drips_or_is_silent_is_left() {
    for fault in [Fault::Drip, Fault::Silence] {
        let trial = Trial::new(vec![resources("Patient", 100)]).await;
        trial.server.faults(Stage::File, [fault]);
        let mut options = quick();
        options.connection.read_timeout = Duration::from_secs(2);
        options.connection.answer_timeout = Duration::from_secs(2);
        let begun = Instant::now();
        trial.arrives(options).await;
        // Silence lasts a minute, and drops last for ten.
        assert!(begun.elapsed() < Duration::from_mins(1));
        assert!(trial.server.seen(Stage::File).len() >= 2);
    }
}

#[tokio::test]
async fn silence_at_the_other_stages_ends_too() {
    for stage in [Stage::KickOff, Stage::Status] {
        let trial = Trial::new(vec![resources("Patient", 1)]).await;
        trial.server.faults(stage, [Fault::Silence]);
        let mut options = quick();
        options.connection.answer_timeout = Duration::from_secs(2);
        trial.arrives(options).await;
    }
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    for stage in [Stage::KickOff, Stage::Status, Stage::File] {
        let trial = Trial::new(vec![resources("Patient", 1)]).await;
        let path = match stage {
            Stage::KickOff => "/fhir/Patient/$export",
            Stage::Status => "/fhir/bulkstatus/1",
            _ => "/fhir/bulkfiles/0.Patient.ndjson?epoch=0",
        };
        trial
            .server
            .faults(stage, vec![Fault::redirect(302, path); 50]);
        let error = trial.run(quick()).await.unwrap_err().to_string();
        assert!(error.contains("more than 5 redirects"), "{error}");
    }
    for target in [
        "file:///etc/passwd",
        "ftp://a.org/",
        "http://example.invalid/",
        "//[",
    ] {
        let trial = Trial::new(vec![resources("Patient", 1)]).await;
        trial
            .server
            .faults(Stage::File, vec![Fault::redirect(302, target); 9]);
        let error = trial.run(quick()).await.unwrap_err();
        let refused = matches!(error, BulkError::NotAllowed(_) | BulkError::Protocol { .. });
        assert!(refused, "{target}: {error}");
    }
}

#[tokio::test]
async fn nonsense_for_a_manifest_is_an_error() {
    let nested = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in [
        nested.as_str(),
        "",
        "null",
        "{}",
        "{\"output\":[{\"type\":\"Patient\"}]}",
        "{\"output\":[{\"url\":\"javascript:alert(1)\"}]}",
        "\u{feff}{}",
    ] {
        let trial = Trial::new(vec![resources("Patient", 1)]).await;
        trial
            .server
            .faults(Stage::Status, [Fault::Answer(200, vec![], body.into())]);
        let error = trial.run(quick()).await.unwrap_err();
        assert!(matches!(error, BulkError::Protocol { .. }), "{error}");
        assert!(error.to_string().len() < 500);
    }
}

#[tokio::test]
async fn odd_heads_do_no_harm() {
    let long = "x".repeat(10_000);
    for head in [
        "HTTP/1.1 202 A\r\ncontent-location: \u{1b}[31m\r\n".to_owned(),
        format!("HTTP/1.1 202 A\r\nx-progress: {long}\r\nretry-after: {long}\r\n"),
        "HTTP/1.1 202 A\r\ncontent-location: http://[::\r\n".to_owned(),
        "HTTP/1.1 999 A\r\n".to_owned(),
        "HTTP/1.1 202 A\r\nretry-after: -1\r\nretry-after: 99999999999999999999\r\n".to_owned(),
    ] {
        let elsewhere = raw(vec![
            format!("{head}content-length: 0\r\n\r\n").into_bytes(),
        ])
        .await;
        let home = tempfile::tempdir().unwrap();
        let base = elsewhere.url("/fhir");
        let request = salus_bulk::Request::new(&base, salus_bulk::Level::System).unwrap();
        let options = Options {
            attempts: 2,
            ..quick()
        };
        let mut job = Job::start(home.path(), request, options).unwrap();
        let error = job.run(Arc::new(Silent)).await.unwrap_err().to_string();
        assert!(error.len() < 1500, "{error}");
    }
}

#[tokio::test]
async fn a_damaged_journal_is_an_error_or_mended() {
    let trial = Trial::new(population()).await;
    let export = trial.arrives(quick()).await;
    let (dir, first) = (trial.dir(), &export.output[0]);
    // A torn last line, a file that lost its end, and one that is gone.
    let journal = std::fs::read_to_string(dir.join("files.ndjson")).unwrap();
    std::fs::write(
        dir.join("files.ndjson"),
        format!("{journal}{{\"name\":\"outp"),
    )
    .unwrap();
    std::fs::write(&first.path, "cut").unwrap();
    std::fs::remove_file(&export.output[1].path).unwrap();
    let before = trial.server.seen(Stage::File).len();
    trial.compare(&trial.resume(quick()).await.unwrap());
    assert_eq!(trial.server.seen(Stage::File).len(), before + 2);

    for (name, content) in [
        ("job.json", "{"),
        ("job.json", ""),
        ("listing-1.json", "[]"),
    ] {
        let trial = Trial::new(population()).await;
        trial.arrives(quick()).await;
        std::fs::write(trial.dir().join(name), content).unwrap();
        let error = trial.resume(quick()).await.unwrap_err();
        assert!(matches!(error, BulkError::Directory { .. }), "{error}");
    }
}
