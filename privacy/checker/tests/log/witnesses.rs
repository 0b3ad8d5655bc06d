//! Witnesses who cosign checkpoints, and the policies that ask for them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer;
use salus_checker::Policy;
use sha2::{Digest, Sha256};

use super::{ORIGIN, signing_key, vkey};

fn id(name: &str, seed: u8) -> Vec<u8> {
    let public = signing_key(seed).verifying_key().to_bytes();
    Sha256::digest([name.as_bytes(), b"\n\x04", &public].concat())[..4].to_vec()
}

/// The verifier key of the witness `name`.
pub fn witness_key(name: &str, seed: u8) -> String {
    let public = [&[4][..], &signing_key(seed).verifying_key().to_bytes()].concat();
    let id = u32::from_be_bytes(id(name, seed).try_into().unwrap());
    format!("{name}+{id:08x}+{}", STANDARD.encode(public))
}

/// The witness's line under a note, whose text it signs with the time `signed` and states `stated`.
pub fn cosignature(note: &[u8], name: &str, seed: u8, signed: u64, stated: u64) -> String {
    let note = std::str::from_utf8(note).unwrap();
    let text = note.split_once("\n\n").unwrap().0;
    let message = format!("cosignature/v1\ntime {signed}\n{text}\n");
    let signature = signing_key(seed).sign(message.as_bytes()).to_bytes();
    let line = [
        id(name, seed),
        stated.to_be_bytes().to_vec(),
        signature.to_vec(),
    ]
    .concat();
    format!("— {name} {}\n", STANDARD.encode(line))
}

/// Name and key of the witnesses of the tests.
pub const WITNESSES: [(&str, u8); 3] = [("w1.example", 31), ("w2.example", 32), ("w3.example", 33)];

/// The note as the witness of this position cosigned it.
pub fn cosigned(note: &[u8], witness: usize, time: u64) -> Vec<u8> {
    let (name, seed) = WITNESSES[witness];
    let line = cosignature(note, name, seed, time, time);
    [note, line.as_bytes()].concat()
}

/// The log's second key, the three witnesses as `one`, `two`, `three`, and these lines.
pub fn policy_text(more: &str) -> String {
    let log = vkey(ORIGIN, &signing_key(2));
    let mut text = format!("# of the tests\nlog {log} https://log.example/\n\n");
    for (name, (key, seed)) in ["one", "two", "three"].into_iter().zip(WITNESSES) {
        let key = witness_key(key, seed);
        text = text + "witness " + name + " \t " + &key + "\n";
    }
    text + more
}

pub fn policy(more: &str) -> Policy {
    Policy::parse(policy_text(more).as_bytes()).unwrap()
}
