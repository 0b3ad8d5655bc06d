//! CBOR items and the quantities of the format, written.

use sha2::{Digest, Sha256};

/// A CBOR item; maps are sorted when they are encoded.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Uint(u64),
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Item>),
    Map(Vec<(String, Item)>),
    True,
    False,
}
use Item::{Array, Bytes, Map, Text, Uint};

fn head(major: u8, n: u64) -> Vec<u8> {
    let be = n.to_be_bytes();
    let (additional, tail): (u8, &[u8]) = match n {
        0..24 => (be[7], &[]),
        24..0x100 => (24, &be[7..]),
        0x100..0x1_0000 => (25, &be[6..]),
        0x1_0000..0x1_0000_0000 => (26, &be[4..]),
        _ => (27, &be),
    };
    [&[major << 5 | additional], tail].concat()
}

impl Item {
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Uint(n) => head(0, *n),
            Bytes(b) => [head(2, b.len() as u64), b.clone()].concat(),
            Text(t) => [head(3, t.len() as u64), t.clone().into_bytes()].concat(),
            Array(items) => {
                let items: Vec<u8> = items.iter().flat_map(Item::encode).collect();
                let Array(all) = self else { unreachable!() };
                [head(4, all.len() as u64), items].concat()
            }
            Map(pairs) => {
                let mut encoded: Vec<(Vec<u8>, Vec<u8>)> = pairs
                    .iter()
                    .map(|(key, value)| (text(key).encode(), value.encode()))
                    .collect();
                encoded.sort();
                let body = encoded.into_iter().flat_map(|(k, v)| [k, v].concat());
                head(5, pairs.len() as u64)
                    .into_iter()
                    .chain(body)
                    .collect()
            }
            Item::True => vec![0xf5],
            Item::False => vec![0xf4],
        }
    }

    /// The item under a path of map keys and array positions.
    pub fn at(&mut self, path: &str) -> &mut Item {
        path.split('.').fold(self, |item, part| match item {
            Map(pairs) => {
                let found = pairs.iter_mut().find(|(key, _)| key == part);
                &mut found.unwrap_or_else(|| panic!("no {part} in {path}")).1
            }
            Array(items) => &mut items[part.parse::<usize>().unwrap()],
            _ => panic!("{part} of a leaf in {path}"),
        })
    }
}

pub fn text(t: &str) -> Item {
    Text(t.to_owned())
}

pub fn map<const N: usize>(pairs: [(&str, Item); N]) -> Item {
    Map(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
}

pub fn hash(seed: &str) -> Item {
    Bytes(Sha256::digest(seed).to_vec())
}

pub fn delta(units: u128) -> Item {
    Bytes(units.to_be_bytes().to_vec())
}

pub fn loss(rho: u64, d: u128) -> Item {
    map([("rho", Uint(rho)), ("delta", delta(d))])
}

pub fn big(n: u128) -> Item {
    Bytes(
        n.to_be_bytes()
            .into_iter()
            .skip_while(|byte| *byte == 0)
            .collect(),
    )
}

pub fn rational(num: u128, den: u128) -> Item {
    Array(vec![big(num), big(den)])
}
