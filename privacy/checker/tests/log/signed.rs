//! The tree, checkpoints and receipts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};

use super::Item;

pub fn leaf(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest([&[0], bytes].concat()).into()
}

/// RFC 6962 §2.1, as the recursion that it is defined by.
pub fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Sha256::digest([&[1][..], &root(left), &root(right)].concat()).into()
        }
    }
}

/// RFC 6962 §2.1.1, as the recursion that it is defined by.
pub fn path(index: usize, leaves: &[[u8; 32]]) -> Vec<[u8; 32]> {
    if leaves.len() < 2 {
        return vec![];
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    let (mut below, sibling) = if index < split {
        (path(index, left), root(right))
    } else {
        (path(index - split, right), root(left))
    };
    below.push(sibling);
    below
}

pub fn signing_key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

pub fn key_id(origin: &str, key: &SigningKey) -> Vec<u8> {
    let public = key.verifying_key().to_bytes();
    Sha256::digest([origin.as_bytes(), b"\n\x01", &public].concat())[..4].to_vec()
}

pub fn vkey(origin: &str, key: &SigningKey) -> String {
    let id = u32::from_be_bytes(key_id(origin, key).try_into().unwrap());
    let public = [&[1][..], &key.verifying_key().to_bytes()].concat();
    format!("{origin}+{id:08x}+{}", STANDARD.encode(public))
}

pub fn checkpoint(origin: &str, size: usize, root: [u8; 32], key: &SigningKey) -> Vec<u8> {
    let body = format!("{origin}\n{size}\n{}\n", STANDARD.encode(root));
    let signature = key.sign(body.as_bytes()).to_bytes();
    let signature = STANDARD.encode([key_id(origin, key), signature.to_vec()].concat());
    format!("{body}\n— {origin} {signature}\n").into_bytes()
}

pub fn receipt_text(extra: &Item, index: usize, proof: &[[u8; 32]], note: &[u8]) -> String {
    let proof = proof.iter().fold(String::new(), |text, hash| {
        text + &STANDARD.encode(hash) + "\n"
    });
    let extra = STANDARD.encode(extra.encode());
    let note = String::from_utf8(note.to_vec()).unwrap();
    format!("c2sp.org/tlog-proof@v1\nextra {extra}\nindex {index}\n{proof}\n{note}")
}
