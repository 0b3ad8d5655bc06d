//! Hostile bytes: nothing panics, nothing takes long or much memory, nothing that was changed holds.

mod mutate;

use std::path::{Path, PathBuf};

use mutate::{Random, cases, files};
use salus_checker::{
    Checkpoint, Evidence, Note, Policy, Trust, VerifierKey, audit, audit_with, log_keys,
    read_export, verify_receipt_by,
};

fn fixture(name: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    fixtures.join(name)
}

fn evidence() -> Vec<Evidence> {
    let read = |name| read_export(&fixture(name)).unwrap().evidence;
    ["sound", "governed"].map(read).into()
}

fn entries(logs: &[Evidence]) -> Vec<Vec<u8>> {
    let entries = logs.iter().flat_map(|log| &log.entries);
    entries.cloned().collect()
}

/// An entry of a good log is another: the audit names it by its index, and goes on to the end.
#[test]
fn a_changed_entry_is_named() {
    let logs = evidence();
    let parts = entries(&logs);
    cases("entries", |random: &mut Random| {
        let mut log = random.pick(&logs).clone();
        let index = random.below(log.entries.len());
        let changed = mutate::entry(random, &log.entries[index], &parts);
        let same = changed == log.entries[index];
        log.entries[index] = changed;
        // Mostly by the leaf hashes alone: signatures take most of the time.
        let with_checkpoints = random.below(8) == 0;
        if !with_checkpoints {
            log.checkpoints.clear();
        }
        let report = audit(&log);
        assert_eq!(report.entries, log.entries.len() as u64);
        let named = report
            .findings
            .iter()
            .any(|finding| finding.rule == "T1" && finding.index == Some(index as u64));
        assert_eq!(named, !same, "entry {index}: {}", report.to_text());
        if with_checkpoints {
            assert_eq!(report.holds(), same, "{}", report.to_text());
        }
        assert!(!report.to_json().is_empty());
    });
}

/// Several entries are hostile at once, checkpoints too, and nothing says what they were.
#[test]
fn hostile_logs_are_read_to_the_end() {
    let logs = evidence();
    let parts = entries(&logs);
    let policy = Policy::parse(&std::fs::read(fixture("governed").join("policy")).unwrap());
    let trust = Trust {
        vkey: Some(logs[1].vkey.clone()),
        policy: Some(policy.unwrap()),
        predecessors: vec![],
        ..Trust::default()
    };
    cases("logs", |random| {
        let mut log = random.pick(&logs).clone();
        for _ in 0..=random.below(8) {
            let index = random.below(log.entries.len());
            log.entries[index] = match random.below(6) {
                0 => {
                    let most = 1 << random.below(17);
                    mutate::noise(random, most)
                }
                1 => vec![],
                2 => random.pick(&parts).clone(),
                _ => {
                    let of = random.pick(&parts).clone();
                    mutate::entry(random, &of, &parts)
                }
            };
        }
        match random.below(4) {
            0 => log.leaves = None,
            1 => drop(log.entries.remove(random.below(log.entries.len()))),
            2 => log.entries.truncate(random.below(4)),
            _ => {}
        }
        let notes = std::mem::take(&mut log.checkpoints);
        for _ in 0..random.below(4) {
            let note = random.pick(&notes).clone();
            log.checkpoints.push(mutate::text(random, &note, &notes));
        }
        let report = audit_with(&log, &trust);
        assert!(!report.to_text().is_empty());
        let _ = log_keys(&log.entries);
    });
}

/// Signed texts: what still verifies says what was signed.
#[test]
fn changed_texts_verify_nothing_else() {
    let log = evidence().swap_remove(1);
    let keys = log_keys(&log.entries);
    let receipts = files(&fixture("governed").join("receipts"));
    let policy = std::fs::read(fixture("governed").join("policy")).unwrap();
    let vkey = log.vkey.trim_end().as_bytes().to_vec();
    let parts = [
        log.checkpoints.clone(),
        receipts.clone(),
        vec![policy.clone(), vkey.clone()],
    ]
    .concat();
    let signed: Vec<String> = log
        .checkpoints
        .iter()
        .map(|bytes| Note::parse(bytes).unwrap().text().to_owned())
        .collect();
    let open = |receipt: &[u8]| {
        let text = String::from_utf8(receipt.to_vec()).ok()?;
        let opened = verify_receipt_by(&text, &keys).ok()?;
        Some((opened.index, opened.entry, opened.answer))
    };
    let answers: Vec<_> = receipts.iter().map(|receipt| open(receipt)).collect();
    assert!(answers.iter().all(Option::is_some));
    cases("texts", |random| {
        let note = random.pick(&log.checkpoints).clone();
        if let Ok(note) = Note::parse(&mutate::text(random, &note, &parts)) {
            let verifies = keys.iter().any(|key| note.verify(key).is_ok());
            let known = signed.iter().any(|text| text == note.text());
            assert!(known || !verifies, "{}", note.text());
            let _ = Checkpoint::parse(note.text());
        }
        let receipt = random.pick(&receipts).clone();
        let opened = open(&mutate::text(random, &receipt, &parts));
        assert!(opened.is_none() || answers.contains(&opened), "{opened:?}");
        let _ = Policy::parse(&mutate::text(random, &policy, &parts));
        let key = mutate::text(random, &vkey, &parts);
        let _ = VerifierKey::parse(&String::from_utf8_lossy(&key));
        let any = mutate::noise(random, 4_000);
        let _ = (Note::parse(&any), Policy::parse(&any), open(&any));
    });
}
