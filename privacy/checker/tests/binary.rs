//! `salus-audit` on exported files: exit codes, text and JSON.

mod log;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use log::witnesses::{cosigned, policy_text};
use log::{
    ANSWER, Item, Log, ORIGIN, SALT, checkpoint, map, receipt_text, root, signing_key, vkey,
};
use salus_checker::Evidence;
use serde_json::Value;
use tempfile::TempDir;

fn write(directory: &Path, evidence: &Evidence) {
    for folder in ["entries", "checkpoints"] {
        fs::create_dir(directory.join(folder)).unwrap();
    }
    for (index, bytes) in evidence.entries.iter().enumerate() {
        fs::write(directory.join(format!("entries/{index:09}.cbor")), bytes).unwrap();
    }
    for bytes in &evidence.checkpoints {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let size: u64 = text.lines().nth(1).unwrap().parse().unwrap();
        fs::write(directory.join(format!("checkpoints/{size:09}")), bytes).unwrap();
    }
    fs::write(
        directory.join("ledger.vkey"),
        format!("{}\n", evidence.vkey),
    )
    .unwrap();
    if let Some(leaves) = &evidence.leaves {
        fs::write(directory.join("leaves"), leaves.concat()).unwrap();
    }
}

fn export() -> TempDir {
    let directory = TempDir::new().unwrap();
    write(directory.path(), &Log::sample().evidence());
    directory
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let binary = env!("CARGO_BIN_EXE_salus-audit");
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(binary).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn path(directory: &TempDir) -> &str {
    directory.path().to_str().unwrap()
}

#[test]
fn a_log_that_holds_exits_0() {
    let directory = export();
    let (code, text, error) = run(&[path(&directory)]);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{text}");
    assert!(
        text.starts_with("HOLDS: 23 entries, 2 checkpoints"),
        "{text}"
    );
    assert!(
        text.contains("open reserves (they stay spent): 12, 17, 20"),
        "{text}"
    );
    assert!(
        text.contains("space:county: 6 reserves, spent rho "),
        "{text}"
    );
    assert!(text.contains("  reserve.principal: "), "{text}");
    // Leaf hashes are a help, not a need.
    fs::remove_file(directory.path().join("leaves")).unwrap();
    assert_eq!(run(&[path(&directory)]).0, Some(0));
}

#[test]
fn json_says_the_same() {
    let directory = export();
    let (code, text, _) = run(&[path(&directory), "--format", "json"]);
    assert_eq!(code, Some(0));
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["holds"], true);
    assert_eq!(json["findings"], serde_json::json!([]));
    assert_eq!(json["entries"], 23);
    assert_eq!(json["kinds"]["release"], 2);
    assert_eq!(json["open"], serde_json::json!([12, 17, 20]));
    assert_eq!(json["head"]["size"], 23);
    let total = &json["totals"][0];
    assert_eq!(
        total["spent"]["rho_units"],
        Log::sample().spent().to_string()
    );
    assert_eq!(total["cap"]["rho"], "10");
    assert!(json["attested"].as_array().unwrap().len() > 20);
    assert!(!json["outside"].as_array().unwrap().is_empty());
}

#[test]
fn a_log_that_fails_exits_1_and_names_rule_and_entry() {
    let directory = export();
    let entry = directory.path().join("entries/000000017.cbor");
    let mut bytes = fs::read(&entry).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&entry, &bytes).unwrap();
    let (code, text, _) = run(&[path(&directory)]);
    assert_eq!(code, Some(1));
    assert!(
        text.starts_with("FAILS") && text.contains("T1 entry 17: "),
        "{text}"
    );
    let (code, text, _) = run(&["--format", "json", path(&directory)]);
    assert_eq!(code, Some(1));
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["holds"], false);
    let findings = json["findings"].as_array().unwrap();
    assert!(
        findings
            .iter()
            .any(|f| f["rule"] == "T1" && f["index"] == 17),
        "{text}"
    );

    fs::remove_file(&entry).unwrap();
    let (code, text, _) = run(&[path(&directory)]);
    assert!(
        code == Some(1) && text.contains("F1 entry 17: no bytes"),
        "{text}"
    );
}

#[test]
fn a_checkpoint_under_another_name_exits_1() {
    let directory = export();
    let at = |size| directory.path().join(format!("checkpoints/{size:09}"));
    fs::rename(at(12), at(13)).unwrap();
    let (code, text, _) = run(&[path(&directory)]);
    assert!(code == Some(1) && text.contains("T2 entry 11: "), "{text}");
}

#[test]
fn what_the_auditor_kept_is_held_against_the_log() {
    let whole = Log::sample();
    let kept = TempDir::new().unwrap();
    let keep = |name: &str, bytes: &[u8]| {
        let path = kept.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let newest = keep("checkpoint", &whole.evidence().checkpoints[1]);
    let receipt = keep("answer.tlog-proof", whole.receipt(22).as_bytes());
    let key = keep("key", vkey(ORIGIN, &signing_key(2)).as_bytes());
    let other_key = keep("other", vkey(ORIGIN, &signing_key(3)).as_bytes());

    let same = export();
    let all = [
        path(&same),
        "--vkey",
        &key,
        "--checkpoint",
        &newest,
        "--receipt",
        &receipt,
    ];
    assert_eq!(run(&all).0, Some(0), "{}", run(&all).1);
    let (code, text, _) = run(&[path(&same), "--vkey", &other_key]);
    assert!(code == Some(1) && text.contains("T2: "), "{text}");

    // Rolled back by three entries, which nothing inside the export can show.
    let mut younger = whole.clone();
    younger.entries.truncate(20);
    younger.sizes = vec![12, 20];
    let back = TempDir::new().unwrap();
    write(back.path(), &younger.evidence());
    assert_eq!(run(&[path(&back)]).0, Some(0));
    let (code, text, _) = run(&[path(&back), "--checkpoint", &newest]);
    assert!(
        code == Some(1) && text.contains("T1 entry 20: missing"),
        "{text}"
    );
    let (code, text, _) = run(&[path(&back), "--receipt", &receipt]);
    assert!(
        code == Some(1) && text.contains("receipt entry 22: "),
        "{text}"
    );
}

#[test]
fn what_was_kept_from_before_a_change_of_keys_is_accepted() {
    let log = Log::sample();
    let kept = TempDir::new().unwrap();
    let keep = |name: &str, bytes: &[u8]| {
        let path = kept.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    // A receipt of the time of the first key, and one that the first key signed when it was no longer in force.
    let signed_by_first = |size: usize| {
        let leaves = &log.leaves()[..size];
        let extra = map([
            ("answer", Item::Bytes(ANSWER.to_vec())),
            ("entry", Item::Bytes(log.entries[11].encode())),
            ("salt", Item::Bytes(SALT.to_vec())),
        ]);
        let note = checkpoint(ORIGIN, size, root(leaves), &signing_key(1));
        receipt_text(&extra, 11, &log::path(11, leaves), &note)
    };
    let key = keep(
        "key",
        format!("{}\n", vkey(ORIGIN, &signing_key(1))).as_bytes(),
    );
    let then = keep("then", signed_by_first(12).as_bytes());
    let late = keep("late", signed_by_first(20).as_bytes());
    let directory = export();
    let (code, text, _) = run(&[path(&directory), "--vkey", &key, "--receipt", &then]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text, _) = run(&[path(&directory), "--receipt", &late]);
    assert!(code == Some(1) && text.contains("T2 entry 19: "), "{text}");
}

#[test]
fn witnesses_are_asked_for_by_a_policy() {
    let mut evidence = Log::with_oversight().evidence();
    let newest = evidence.checkpoints.last_mut().unwrap();
    *newest = cosigned(newest, 1, 1_790_000_123);
    let directory = TempDir::new().unwrap();
    write(directory.path(), &evidence);
    let brought = TempDir::new().unwrap();
    let policy = |more: &str| {
        let path = brought.path().join("policy");
        fs::write(&path, policy_text(more)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ask = |more: &str, format: &str| {
        run(&[
            path(&directory),
            "--policy",
            &policy(more),
            "--format",
            format,
        ])
    };
    let (code, text, _) = ask("quorum two\n", "text");
    let line = "  \"two\" (w2.example): 2026-09-21T14:15:23Z";
    assert!(code == Some(0) && text.contains(line), "{text}");
    let (code, text, _) = ask("quorum two\n", "json");
    assert_eq!(code, Some(0), "{text}");
    let json: Value = serde_json::from_str(&text).unwrap();
    let two = serde_json::json!([{"witness": "two", "key": "w2.example", "time": 1_790_000_123}]);
    assert_eq!(json["witnessed"], two);
    let (code, text, _) = ask("quorum one\n", "text");
    assert!(code == Some(1) && text.contains("W1 entry 24: "), "{text}");
    // Without a policy nobody is asked for, and the report says so.
    let (code, text, _) = run(&[path(&directory)]);
    assert!(
        code == Some(0) && text.contains("witnesses: none were asked for"),
        "{text}"
    );
    let (_, text, _) = run(&[path(&directory), "--format", "json"]);
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap()["witnessed"],
        Value::Null
    );
    // A policy that is not understood is not judged by.
    for (more, why) in [
        ("quorum four\n", "policy line 7: \"four\" is not defined"),
        (
            "treshold 2\nquorum two\n",
            "policy line 7: \"treshold\" is not known",
        ),
        ("", "there is no `quorum`"),
    ] {
        let (code, text, error) = ask(more, "text");
        assert_eq!((code, text.as_str()), (Some(2), ""), "{error}");
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn officers_and_what_they_approved_are_told() {
    let directory = TempDir::new().unwrap();
    write(directory.path(), &Log::with_oversight().evidence());
    let (code, text, _) = run(&[path(&directory)]);
    assert_eq!(code, Some(0), "{text}");
    for line in [
        "cap in force: rho 10.00000000000",
        "  \"dpo\": since entry 10, named by the log's key alone, ended by entry 19\n",
        "  \"irb\": since entry 12, active\n",
        "  entry 13: space:county from rho 10 delta ",
        "  entry 16: \"r1\" of entries 0 to 15, approved by \"irb\"\n",
        "  entry 22: \"r1\" of entries 16 to 21, approved by nobody\n",
        " for reserve 6, approved by \"ciso\"\n",
        "  officer.name: ",
        "  grant.reason: ",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let (_, text, _) = run(&[path(&directory), "--format", "json"]);
    let json: Value = serde_json::from_str(&text).unwrap();
    let officers = json["officers"].as_array().unwrap();
    let told = |n: usize, field: &str| officers[n][field].clone();
    assert_eq!(
        (told(0, "name"), told(0, "active")),
        ("dpo".into(), false.into())
    );
    assert_eq!((told(0, "since"), told(0, "until")), (10.into(), 19.into()));
    assert_eq!(
        (told(1, "self_named"), told(2, "self_named")),
        (true.into(), false.into())
    );
    assert_eq!(
        (told(3, "active"), told(3, "until")),
        (true.into(), Value::Null)
    );
    assert_eq!(told(3, "public").as_str().unwrap().len(), 64);
    assert_eq!(json["cap"], json["grants"][1]["new"]);
    assert_eq!(json["cap"], json["totals"][0]["cap"]);
    assert_eq!(
        json["grants"][0]["approved_by"].as_array().unwrap().len(),
        2
    );
    assert_eq!(json["incidents"][1]["reserve"], 14);
    assert_eq!(json["incidents"][0]["loss"]["rho_units"], "5");
    assert_eq!(json["reviews"][1]["to"], 21);
}

#[test]
fn what_cannot_be_read_exits_2() {
    let empty = TempDir::new().unwrap();
    let expect = |arguments: &[&str], why: &str| {
        let (code, text, error) = run(arguments);
        assert_eq!((code, text.as_str()), (Some(2), ""), "{error}");
        assert!(error.contains(why), "{error}");
    };
    expect(&[path(&empty)], "entries");
    expect(&["/no/such/directory"], "/no/such/directory");
    expect(&[], "no directory");
    expect(&[path(&empty), path(&empty)], "more than one");
    expect(&[path(&empty), "--format", "yaml"], "text or json");
    expect(&[path(&empty), "--format"], "needs a value");
    expect(&[path(&empty), "--frmat"], "unknown option");
    let spoil = |name: &str, bytes: &[u8]| {
        let directory = export();
        fs::write(directory.path().join(name), bytes).unwrap();
        directory
    };
    expect(&[path(&spoil("leaves", &[0; 33]))], "32-byte");
    expect(&[path(&spoil("entries/17.cbor", b""))], "17.cbor");
    expect(&[path(&spoil("entries/999999999.cbor", b""))], "missing");
    expect(&[path(&spoil("checkpoints/README", b""))], "README");
    expect(&[path(&spoil("ledger.vkey", &[0xff]))], "not text");
    let directory = export();
    expect(
        &[path(&directory), "--receipt", "/no/such/receipt"],
        "/no/such/receipt",
    );
    expect(
        &[path(&directory), "--policy", "/no/such/policy"],
        "/no/such/policy",
    );
    let (code, text, _) = run(&["--help"]);
    assert!(code == Some(0) && text.contains("Exit code"), "{text}");
}

#[test]
fn the_log_before_is_compared_where_it_is_brought() {
    let (old, new) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    write(old.path(), &Log::old_sealed().old_evidence());
    write(new.path(), &Log::after_seal().evidence());
    let (code, text, _) = run(&[path(&new)]);
    assert!(
        code == Some(0) && text.contains("attested, bring that log"),
        "{text}"
    );
    let (code, text, _) = run(&[path(&new), "--predecessor", path(&old)]);
    assert!(
        code == Some(0) && text.contains("compared with that log"),
        "{text}"
    );
    let (code, text, _) = run(&[path(&new), "--predecessor", path(&old), "--format", "json"]);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (code, &json["opening"]["compared"]),
        (Some(0), &Value::Bool(true))
    );
    assert_eq!(json["sealed"]["entry"], 10);
    // Another log is not the one before it, and none cannot be read.
    let (code, text, _) = run(&[path(&new), "--predecessor", path(&export())]);
    assert!(code == Some(1) && text.contains("E3 entry 0"), "{text}");
    let (code, text, _) = run(&[path(&old), "--predecessor", path(&old)]);
    assert!(
        code == Some(1) && text.contains("goes on from no log"),
        "{text}"
    );
    assert_eq!(run(&[path(&new), "--predecessor", "nowhere"]).0, Some(2));
}
