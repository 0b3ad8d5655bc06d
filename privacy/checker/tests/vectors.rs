//! Vectors that others wrote: RFC 6962 proofs, a C2SP log, Ed25519.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use salus_checker::{
    Checkpoint, Frontier, Hash, Note, VerifierKey, leaf_hash, verify_consistency, verify_inclusion,
};
use serde_json::Value;

/// The directory of the vectors, or `None` after saying that it is not there. In CI it must be.
fn vectors(name: &str) -> Option<PathBuf> {
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap())
        .join("../../../shared/data/ledger")
        .join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "{} is missing",
        path.display()
    );
    println!("skipped: {} is not there", path.display());
    None
}

fn json_files(directory: &Path, found: &mut Vec<(PathBuf, Value)>) {
    for file in std::fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            json_files(&path, found);
        } else {
            let value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            found.push((path, value));
        }
    }
}

/// A hash, or `None` for what is not 32 bytes and so can be no hash.
fn hash(value: &Value) -> Option<Hash> {
    STANDARD.decode(value.as_str()?).ok()?.try_into().ok()
}

fn proof(value: &Value) -> Option<Vec<Hash>> {
    match value {
        Value::Null => Some(vec![]),
        list => list.as_array()?.iter().map(hash).collect(),
    }
}

#[test]
fn rfc_6962_inclusion() {
    let Some(directory) = vectors("merkle/inclusion") else {
        return;
    };
    let mut files = Vec::new();
    json_files(&directory, &mut files);
    let mut good = 0;
    for (path, vector) in &files {
        let holds = (|| {
            let (index, size) = (vector["leafIdx"].as_u64()?, vector["treeSize"].as_u64()?);
            let (leaf, root) = (hash(&vector["leafHash"])?, hash(&vector["root"])?);
            Some(verify_inclusion(
                index,
                size,
                &leaf,
                &proof(&vector["proof"])?,
                &root,
            ))
        })();
        let expected = !vector["wantErr"].as_bool().unwrap();
        assert_eq!(holds.unwrap_or(false), expected, "{}", path.display());
        good += usize::from(expected);
    }
    assert!(
        files.len() > 60 && good >= 4,
        "{} files, {good} good",
        files.len()
    );
}

#[test]
fn rfc_6962_consistency() {
    let Some(directory) = vectors("merkle/consistency") else {
        return;
    };
    let mut files = Vec::new();
    json_files(&directory, &mut files);
    let mut good = 0;
    for (path, vector) in &files {
        let (old, new) = (
            vector["size1"].as_u64().unwrap(),
            vector["size2"].as_u64().unwrap(),
        );
        // Some vectors say "don't care" for a root: its hash stands for it, and keeps equal what is equal.
        let root = |name: &str| {
            let bytes = STANDARD.decode(vector[name].as_str().unwrap()).unwrap();
            bytes
                .as_slice()
                .try_into()
                .unwrap_or_else(|_| leaf_hash(&bytes))
        };
        let holds = proof(&vector["proof"]).is_some_and(|proof| {
            verify_consistency(old, new, &root("root1"), &root("root2"), &proof)
        });
        let expected = !vector["wantErr"].as_bool().unwrap();
        assert_eq!(holds, expected, "{}", path.display());
        good += usize::from(expected);
    }
    assert!(
        files.len() > 90 && good >= 5,
        "{} files, {good} good",
        files.len()
    );
}

/// A log of 15 entries with a checkpoint for each, signed by another implementation.
#[test]
fn a_c2sp_log() {
    let Some(directory) = vectors("tessera-log") else {
        return;
    };
    let script = std::fs::read_to_string(directory.join("build_log.sh")).unwrap();
    let key = script
        .lines()
        .find_map(|line| {
            line.strip_prefix("export LOG_PUBLIC_KEY=\"")?
                .strip_suffix('"')
        })
        .unwrap();
    let key = VerifierKey::parse(key).unwrap();
    let log = directory.join("log");

    // An entry bundle is each entry behind its length in two bytes.
    let bundle = std::fs::read(log.join("tile/entries/000.p/15")).unwrap();
    let mut entries = Vec::new();
    let mut rest = bundle.as_slice();
    while let [high, low, tail @ ..] = rest {
        let (entry, more) = tail.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        entries.push(entry.to_vec());
        rest = more;
    }
    assert_eq!(entries[0], b"one");
    assert_eq!(entries.len(), 15);

    let mut tree = Frontier::default();
    for size in 0..=15_u64 {
        let bytes = std::fs::read(log.join(format!("checkpoint.{size}"))).unwrap();
        let note = Note::parse(&bytes).unwrap();
        assert_eq!(note.verify(&key), Ok(()));
        let checkpoint = Checkpoint::parse(note.text()).unwrap();
        assert_eq!(checkpoint.origin, key.name());
        assert_eq!(checkpoint.size, size);
        assert_eq!(checkpoint.root, tree.root());
        for byte in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[byte] ^= 1;
            let verified = Note::parse(&changed).is_ok_and(|note| note.verify(&key).is_ok());
            assert!(!verified, "checkpoint {size} byte {byte}");
        }
        if size > 0 {
            // The level-0 tile of that size is the leaf hashes.
            let tile = std::fs::read(log.join(format!("tile/0/000.p/{size}"))).unwrap();
            let leaves: Vec<u8> = entries[..usize::try_from(size).unwrap()]
                .iter()
                .flat_map(|entry| leaf_hash(entry))
                .collect();
            assert_eq!(tile, leaves);
        }
        if let Some(entry) = entries.get(usize::try_from(size).unwrap()) {
            tree.push(leaf_hash(entry));
        }
    }
}

#[test]
fn wycheproof_ed25519() {
    let Some(directory) = vectors("wycheproof") else {
        return;
    };
    let bytes = std::fs::read(directory.join("ed25519_test.json")).unwrap();
    let document: Value = serde_json::from_slice(&bytes).unwrap();
    let hex = |value: &Value| {
        let text = value.as_str().unwrap();
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect::<Vec<u8>>()
    };
    let (mut valid, mut invalid) = (0, 0);
    for group in document["testGroups"].as_array().unwrap() {
        let public = hex(&group["publicKey"]["pk"]).try_into().unwrap();
        let key = VerifierKey::new("wycheproof.example", public);
        for test in group["tests"].as_array().unwrap() {
            let expected = test["result"] == "valid";
            let verified = key.verifies(&hex(&test["msg"]), &hex(&test["sig"]));
            assert_eq!(verified, expected, "{}: {}", test["tcId"], test["comment"]);
            *(if expected { &mut valid } else { &mut invalid }) += 1;
        }
    }
    assert!(
        valid > 50 && invalid > 50,
        "{valid} valid, {invalid} invalid"
    );
}
