//! Changes that know where the items of an entry are.

use super::run::Random;
use super::{EDGES, noise};

/// Longest entry of the format.
const LONGEST: usize = 65_535;

/// One CBOR item inside of an entry.
#[derive(Debug, Clone, Copy)]
struct Item {
    start: usize,
    /// Where its content begins.
    content: usize,
    end: usize,
    major: u8,
    argument: u64,
}

/// Every item of well-formed bytes, those inside of others too; of others none.
fn items(bytes: &[u8]) -> Vec<Item> {
    let mut found = Vec::new();
    match item(bytes, 0, 0, &mut found) {
        Some(_) => found,
        None => vec![],
    }
}

fn item(bytes: &[u8], start: usize, depth: usize, found: &mut Vec<Item>) -> Option<usize> {
    let first = *bytes.get(start)?;
    let (major, short) = (first >> 5, first & 0x1f);
    let width = match short {
        0..=23 => 0,
        24..=27 => 1 << (short - 24),
        _ => return None,
    };
    let content = start + 1 + width;
    let wide = bytes.get(start + 1..content)?;
    let argument = match width {
        0 => u64::from(short),
        _ => wide
            .iter()
            .fold(0, |sum, byte| (sum << 8) | u64::from(*byte)),
    };
    let place = found.len();
    found.push(Item {
        start,
        content,
        end: content,
        major,
        argument,
    });
    let mut end = content;
    match major {
        2 | 3 => end = content.checked_add(usize::try_from(argument).ok()?)?,
        4 | 5 if depth > 32 => return None,
        4 | 5 => {
            for _ in 0..argument.checked_mul(u64::from(major - 3))? {
                end = item(bytes, end, depth + 1, found)?;
            }
        }
        _ => {}
    }
    found[place].end = end;
    (end <= bytes.len()).then_some(end)
}

/// A head in its shortest form, or `wider` steps above it.
fn head(major: u8, argument: u64, wider: usize) -> Vec<u8> {
    let shortest = match argument {
        0..=23 => 0,
        24..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 3,
        _ => 4,
    };
    let bytes = argument.to_be_bytes();
    match (shortest + wider).min(4) {
        0 => vec![(major << 5) | bytes[7]],
        form => {
            let additional = 23 + u8::try_from(form).unwrap();
            let leading = 8 - (1 << (form - 1));
            [&[(major << 5) | additional], &bytes[leading..]].concat()
        }
    }
}

/// An entry that was changed one to three times; parts come from `others`.
pub fn entry(random: &mut Random, of: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = of.to_vec();
    for _ in 0..=random.below(3) {
        bytes = once(random, bytes, others);
        bytes.truncate(LONGEST + random.below(10));
    }
    bytes
}

fn once(random: &mut Random, mut bytes: Vec<u8>, others: &[Vec<u8>]) -> Vec<u8> {
    let all = items(&bytes);
    if all.is_empty() {
        let part = noise(random, 40);
        let at = random.below(bytes.len() + 1);
        bytes.splice(at..at, part);
        return bytes;
    }
    let at = *random.pick(&all);
    let whole = at.start..at.end;
    let put = |bytes: &mut Vec<u8>, place, part: Vec<u8>| drop(bytes.splice(place, part));
    match random.below(14) {
        0 => {
            for _ in 0..=random.below(4) {
                let place = random.below(bytes.len());
                bytes[place] ^= 1 << random.below(8);
            }
        }
        1 => {
            let place = random.below(bytes.len());
            bytes[place] = *random.pick(&[0, 0x17, 0x18, 0x1b, 0x5b, 0x7f, 0x9b, 0xbf, 0xf6, 0xff]);
        }
        2 => bytes.truncate(random.below(bytes.len())),
        3 => bytes.extend(noise(random, 40)),
        // A part of another entry in its place, or of its own.
        4 | 5 => {
            let from = match random.below(2) {
                0 => bytes.clone(),
                _ => random.pick(others).clone(),
            };
            let theirs = items(&from);
            let part = *random.pick(if theirs.is_empty() { &all } else { &theirs });
            let part = from.get(part.start..part.end).unwrap_or_default();
            put(&mut bytes, whole, part.to_vec());
        }
        6 => put(&mut bytes, whole, vec![]),
        7 => {
            let copy = bytes[whole].to_vec();
            put(&mut bytes, at.end..at.end, copy);
        }
        // A head that is too long, or claims too much.
        8 => {
            let longer = head(at.major, at.argument, 1 + random.below(4));
            put(&mut bytes, at.start..at.content, longer);
        }
        9 => {
            let claim = head(at.major, *random.pick(&EDGES), random.below(2));
            put(&mut bytes, at.start..at.content, claim);
        }
        // Nested far deeper than anything is.
        10 => {
            let deep = vec![*random.pick(&[0x81, 0x82, 0xa1]); random.below(60_000)];
            put(&mut bytes, whole, deep);
        }
        // Natural numbers, texts and lists of any length.
        11 => {
            let most = 1 << (1 + random.below(16));
            let length = random.below(most);
            let mut long = head(*random.pick(&[2, 3, 4]), length as u64, 0);
            long.resize(long.len() + length, *random.pick(&[0, 1, b'a', 0xff]));
            put(&mut bytes, whole, long);
        }
        12 => put(&mut bytes, whole, head(0, *random.pick(&EDGES), 0)),
        _ => twice(random, &mut bytes, &all),
    }
    bytes
}

/// A field of a map stands twice, and is counted twice.
fn twice(random: &mut Random, bytes: &mut Vec<u8>, all: &[Item]) {
    let filled = |item: &&Item| item.major == 5 && item.argument > 0;
    let maps: Vec<&Item> = all.iter().filter(filled).collect();
    if maps.is_empty() {
        return;
    }
    let map = *random.pick(&maps);
    let key = all.iter().find(|item| item.start == map.content);
    let value = key.and_then(|key| all.iter().find(|item| item.start == key.end));
    if let Some(value) = value {
        let pair = bytes[map.content..value.end].to_vec();
        bytes.splice(map.content..map.content, pair);
        bytes.splice(map.start..map.content, head(5, map.argument + 1, 0));
    }
}
