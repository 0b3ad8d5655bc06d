//! Bytes that somebody hostile could have made of good ones, from a seed.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "shared by the tests of two crates, each of which uses its own part"
)]

mod cbor;
mod run;

pub use cbor::entry;
pub use run::{Random, cases};

use std::path::Path;

/// Numbers at the edges of types and ranges.
const EDGES: [u64; 16] = [
    0,
    1,
    2,
    23,
    24,
    0xff,
    0x100,
    0xffff,
    0x1_0000,
    1 << 10,
    1 << 20,
    1 << 32,
    (1 << 53) + 1,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// The files of a directory, by name.
pub fn files(directory: &Path) -> Vec<Vec<u8>> {
    let read = std::fs::read_dir(directory).unwrap();
    let mut paths: Vec<_> = read.map(|file| file.unwrap().path()).collect();
    paths.sort();
    let read = |path| std::fs::read(path).unwrap();
    paths.iter().map(read).collect()
}

/// Any bytes, up to so many.
pub fn noise(random: &mut Random, most: usize) -> Vec<u8> {
    let length = random.below(most + 1);
    (0..length)
        .map(|_| random.next().to_be_bytes()[0])
        .collect()
}

/// A text in lines that was changed one to three times; lines come from `others`.
pub fn text(random: &mut Random, of: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
    let in_lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        lines.map(<[u8]>::to_vec).collect()
    };
    let mut lines = in_lines(of);
    for _ in 0..=random.below(3) {
        if lines.is_empty() {
            return noise(random, 64);
        }
        let at = random.below(lines.len());
        let theirs = in_lines(random.pick::<Vec<u8>>(others));
        match random.below(8) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[at].clone()),
            2 => lines.insert(at, random.pick(&theirs).clone()),
            3 => lines[at].clone_from(random.pick(&theirs)),
            4 => lines[at] = format!("{}\n", random.pick(&EDGES)).into_bytes(),
            // More lines than a note or a proof may have.
            5 => {
                let copies = vec![lines[at].clone(); random.below(300)];
                lines.splice(at..at, copies);
            }
            6 => {
                let long = vec![b'A'; random.below(70_000)];
                lines[at].splice(0..0, long);
            }
            _ => {
                let place = random.below(lines[at].len().max(1));
                if let Some(byte) = lines[at].get_mut(place) {
                    *byte = *random.pick(b"\n\0 +-0129AZaz=/\xe2\xff");
                }
            }
        }
    }
    lines.concat()
}
