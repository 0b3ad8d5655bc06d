//! Vectors that others wrote: RFC 6962 trees, C2SP signed notes, Ed25519.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use salus_certificate::Hash;
use salus_ledger::merkle::{leaf_hash, node_hash, verify_consistency, verify_inclusion};
use salus_ledger::note::{Checkpoint, NoteError, Verifier};
use serde_json::Value;

/// The folder of shared ledger vectors; CI must have it, a lone clone need not.
fn vectors(folder: &str) -> Option<PathBuf> {
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap())
        .join("../../../shared/data/ledger")
        .join(folder);
    if path.is_dir() {
        return Some(path);
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "CI must have {}",
        path.display()
    );
    println!("skipped: {} is not there", path.display());
    None
}

fn json_files(folder: &Path, found: &mut Vec<(PathBuf, Value)>) {
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            json_files(&path, found);
        } else {
            let value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            found.push((path, value));
        }
    }
}

fn hash(value: &Value) -> Option<Hash> {
    value
        .as_str()
        .and_then(|text| BASE64.decode(text).ok())?
        .try_into()
        .ok()
}

/// `None` if an element is not exactly 32 bytes: such a proof is refused before it is looked at.
fn proof(value: &Value) -> Option<Vec<Hash>> {
    value
        .as_array()
        .map_or(Some(Vec::new()), |hashes| hashes.iter().map(hash).collect())
}

#[test]
fn inclusion_proofs_of_the_transparency_dev_suite() {
    let Some(folder) = vectors("merkle/inclusion") else {
        return;
    };
    let mut files = Vec::new();
    json_files(&folder, &mut files);
    let mut accepted = 0;
    for (path, case) in &files {
        let holds = match (
            proof(&case["proof"]),
            hash(&case["root"]),
            hash(&case["leafHash"]),
        ) {
            (Some(proof), Some(root), Some(leaf)) => {
                let (index, size) = (&case["leafIdx"], &case["treeSize"]);
                verify_inclusion(
                    index.as_u64().unwrap(),
                    size.as_u64().unwrap(),
                    &leaf,
                    &proof,
                    &root,
                )
            }
            _ => false,
        };
        assert_eq!(
            holds,
            !case["wantErr"].as_bool().unwrap(),
            "{}",
            path.display()
        );
        accepted += usize::from(holds);
    }
    assert!(
        accepted >= 6 && files.len() - accepted >= 80,
        "{accepted} of {}",
        files.len()
    );
}

#[test]
fn consistency_proofs_of_the_transparency_dev_suite() {
    let Some(folder) = vectors("merkle/consistency") else {
        return;
    };
    let mut files = Vec::new();
    json_files(&folder, &mut files);
    let mut accepted = 0;
    for (path, case) in &files {
        // One vector shows that equal sizes need equal roots, with roots that are no SHA-256 hashes: those do not get past the type.
        let opaque = path.ends_with("sizes-are-equal-one-and-proof-is-empty.json");
        let holds = match (
            proof(&case["proof"]),
            hash(&case["root1"]),
            hash(&case["root2"]),
        ) {
            (Some(proof), Some(old), Some(new)) => {
                let (size1, size2) = (case["size1"].as_u64(), case["size2"].as_u64());
                verify_consistency(size1.unwrap(), size2.unwrap(), &old, &new, &proof)
            }
            _ => false,
        };
        let expected = !case["wantErr"].as_bool().unwrap() && !opaque;
        assert_eq!(holds, expected, "{}", path.display());
        accepted += usize::from(holds);
    }
    assert!(
        accepted >= 4 && files.len() - accepted >= 60,
        "{accepted} of {}",
        files.len()
    );
}

/// The public key that the log's own script states.
const TESSERA: &str =
    "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";

fn root(leaves: &[Hash]) -> Hash {
    if let [leaf] = leaves {
        return *leaf;
    }
    let (left, right) = leaves.split_at(1 << (leaves.len() - 1).ilog2());
    node_hash(&root(left), &root(right))
}

#[test]
fn checkpoints_of_a_real_log_verify_and_sign_its_entries() {
    let Some(folder) = vectors("tessera-log/log") else {
        return;
    };
    let verifier = Verifier::parse(TESSERA).unwrap();
    assert_eq!(verifier.to_string(), TESSERA);
    // One entry bundle: each entry after its length in two bytes.
    let bundle = std::fs::read(folder.join("tile/entries/000.p/15")).unwrap();
    let mut rest = bundle.as_slice();
    let mut leaves = Vec::new();
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let (entry, tail) = tail.split_at(u16::from_be_bytes(*length).into());
        leaves.push(leaf_hash(entry));
        rest = tail;
    }
    assert_eq!(leaves.len(), 15);
    for size in 1..=15_u64 {
        let note = std::fs::read(folder.join(format!("checkpoint.{size}"))).unwrap();
        let checkpoint = Checkpoint::open(&note, &verifier).unwrap();
        assert_eq!(checkpoint.size, size);
        assert_eq!(
            checkpoint.root,
            root(&leaves[..usize::try_from(size).unwrap()])
        );
    }
}

#[test]
fn a_changed_checkpoint_is_refused_at_every_byte() {
    let Some(folder) = vectors("tessera-log/log") else {
        return;
    };
    let verifier = Verifier::parse(TESSERA).unwrap();
    let note = std::fs::read(folder.join("checkpoint.15")).unwrap();
    assert!(Checkpoint::open(&note, &verifier).is_ok());
    for at in 0..note.len() {
        for bit in [0x01, 0x20, 0x80] {
            let mut changed = note.clone();
            changed[at] ^= bit;
            assert!(
                Checkpoint::open(&changed, &verifier).is_err(),
                "byte {at} bit {bit}"
            );
        }
        assert!(Checkpoint::open(&note[..at], &verifier).is_err());
    }
}

#[test]
fn notes_pass_over_other_signers_and_need_their_own() {
    let Some(folder) = vectors("tessera-log/log") else {
        return;
    };
    let verifier = Verifier::parse(TESSERA).unwrap();
    let note = std::fs::read_to_string(folder.join("checkpoint.15")).unwrap();
    let (text, signature) = note.split_once("\n\n").unwrap();
    let witness = "\u{2014} witness.example/w AAAAAAAA";
    let cosigned = format!("{text}\n\n{witness}\n{signature}");
    assert!(Checkpoint::open(cosigned.as_bytes(), &verifier).is_ok());
    let alone = format!("{text}\n\n{witness}\n");
    assert_eq!(
        Checkpoint::open(alone.as_bytes(), &verifier),
        Err(NoteError::Unsigned)
    );
    let empty_line = format!("{text}\n\n\n{signature}");
    assert!(Checkpoint::open(empty_line.as_bytes(), &verifier).is_err());

    let other = TESSERA.replace("testdata", "another");
    assert!(
        Verifier::parse(&other).is_err(),
        "the key id covers the name"
    );
    assert!(Verifier::parse(&TESSERA.replace("33d7b496", "33d7b497")).is_err());
    assert!(Verifier::parse(&TESSERA.replace("+AeHT", "+AuHT")).is_err());
}

#[test]
fn wycheproof_ed25519() {
    let Some(folder) = vectors("wycheproof") else {
        return;
    };
    let suite: Value =
        serde_json::from_slice(&std::fs::read(folder.join("ed25519_test.json")).unwrap()).unwrap();
    let bytes = |value: &Value| {
        let text = value.as_str().unwrap();
        let pairs = (0..text.len()).step_by(2);
        pairs
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect::<Vec<u8>>()
    };
    let mut seen = 0;
    for group in suite["testGroups"].as_array().unwrap() {
        let public: [u8; 32] = bytes(&group["publicKey"]["pk"]).try_into().unwrap();
        let verifier = Verifier::new("wycheproof", &public).unwrap();
        for case in group["tests"].as_array().unwrap() {
            let holds = verifier.verify(&bytes(&case["msg"]), &bytes(&case["sig"]));
            assert_eq!(holds, case["result"] == "valid", "case {}", case["tcId"]);
            seen += 1;
        }
    }
    assert_eq!(seen, suite["numberOfTests"].as_u64().unwrap());
}

/// Under the neutral element as key, `verify` accepts one signature for every message; strict verification accepts none.
#[test]
fn a_key_of_small_order_signs_nothing() {
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    let lenient = ed25519_dalek::VerifyingKey::from_bytes(&neutral).unwrap();
    let parsed = ed25519_dalek::Signature::from_bytes(&signature);
    let verifier = Verifier::new("small", &neutral).unwrap();
    for message in [b"one history".as_slice(), b"another history"] {
        assert!(ed25519_dalek::Verifier::verify(&lenient, message, &parsed).is_ok());
        assert!(!verifier.verify(message, &signature));
    }
}
