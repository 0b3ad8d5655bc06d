//! `salus witness serve`, and a home whose answers wait for it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Home, PERSONS, copy_tree, salus};

/// A witness that runs until it is dropped.
struct Witness {
    process: Child,
    key: String,
    url: String,
}

impl Witness {
    fn run(home: &Home, log: &str, address: &str) -> Self {
        let key = home.beside("witness.key");
        if !key.exists() {
            home.run(&[
                "key",
                "new",
                key.to_str().unwrap(),
                "--name",
                "witness.example",
            ])
            .exits(0);
        }
        let complaint = home.beside("witness.err");
        let begun = Instant::now();
        let (process, line) = loop {
            let mut process = salus()
                .args([
                    "--format", "json", "witness", "serve", "--listen", address, "--log", log,
                ])
                .arg("--key")
                .arg(&key)
                .arg("--state")
                .arg(home.beside("witness"))
                .stdout(Stdio::piped())
                .stderr(fs::File::create(&complaint).unwrap())
                .spawn()
                .unwrap();
            let mut line = String::new();
            BufReader::new(process.stdout.take().unwrap())
                .read_line(&mut line)
                .unwrap();
            if !line.is_empty() {
                break (process, line);
            }
            // A port that was given back may have been lent to somebody else for a moment.
            process.wait().unwrap();
            let complaint = fs::read_to_string(&complaint).unwrap();
            let patient = begun.elapsed() < Duration::from_mins(1);
            assert!(patient && complaint.contains("in use"), "{complaint}");
            std::thread::sleep(Duration::from_millis(50));
        };
        let said: Value = serde_json::from_str(&line).unwrap();
        Self {
            process,
            key: said["witness_key"].as_str().unwrap().to_owned(),
            url: said["url"].as_str().unwrap().to_owned(),
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_whole_home_put_back_finds_no_witness() {
    let home = Home::populated(&[], 20);
    let vkey = home.root().join("keys/ledger.vkey");
    let witness = Witness::run(&home, vkey.to_str().unwrap(), "127.0.0.1:0");
    let policy = home.beside("policy");
    let lines = format!("witness w {} {}\nquorum w\n", witness.key, witness.url);
    fs::write(&policy, &lines).unwrap();
    let settings = home.root().join("home.yaml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(
        &settings,
        format!("{text}witness_policy: {}\n", policy.display()),
    )
    .unwrap();
    let answer = home.json(&["query", PERSONS, "--epsilon", "0.2"]);
    let receipt = fs::read_to_string(answer["receipt"].as_str().unwrap()).unwrap();
    assert!(receipt.contains("\u{2014} witness.example "), "{receipt}");
    copy_tree(&home.root(), &home.beside("backup"));
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.2"])
        .exits(0);

    // What leaves is cosigned, and an auditor who brings the policy sees it.
    let export = home.beside("export");
    home.run(&["ledger", "export", export.to_str().unwrap()])
        .exits(0);
    let checkpoint = fs::read_to_string(export.join("checkpoint")).unwrap();
    assert!(checkpoint.contains("\u{2014} witness.example "));

    // The witness is away: nothing leaves, and what was paid for is given once it is back.
    let (url, address) = (witness.url.clone(), witness.url.replace("http://", ""));
    drop(witness);
    let held = home
        .run(&["query", "--fresh", PERSONS, "--epsilon", "0.2"])
        .exits(1);
    assert!(held.stderr.contains("witnesses"), "{held:?}");
    let witness = Witness::run(&home, vkey.to_str().unwrap(), &address);
    assert_eq!(witness.url, url);
    let given = home.json(&["query", PERSONS, "--epsilon", "0.2"]);
    assert_eq!(given["cost"]["rho"], 0.0);

    // Home, anchor and all are put back, for a user who was never answered.
    fs::remove_dir_all(home.root()).unwrap();
    copy_tree(&home.beside("backup"), &home.root());
    let output = home
        .command(&["query", "--fresh", PERSONS, "--epsilon", "0.2"])
        .env("XDG_STATE_HOME", home.beside("nobody"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("earlier state"));
}

#[test]
fn a_policy_that_is_not_understood_is_refused_at_once() {
    let home = Home::init(&[]);
    let policy = home.beside("policy");
    for text in [
        "quorum w\n",
        "witness w nonsense\nquorum w\n",
        "nothing\n",
        "",
    ] {
        fs::write(&policy, text).unwrap();
        let target = home.beside("other");
        let mut command = salus();
        command
            .args(["init", "--witness-policy"])
            .arg(&policy)
            .env("SALUS_HOME", &target);
        assert_eq!(command.output().unwrap().status.code(), Some(2), "{text}");
        assert!(!target.exists());
    }
}
