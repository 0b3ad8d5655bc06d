//! A small ledger writer for the tests, written from the format's page: encoder, tree, signer. It shares nothing
//! with the checker, so that an error in one of them shows.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

pub mod limits;
pub mod oversight;
pub mod succession;
pub mod witnesses;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use salus_checker::Evidence;
use sha2::{Digest, Sha256};

pub const ORIGIN: &str = "salus.example/county";
pub const SPACE: &str = "county";
pub const UNIT: u128 = 1 << 40;

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

pub fn entry(kind: &str, body: Item) -> Item {
    map([
        ("v", Uint(1)),
        ("kind", text(kind)),
        ("time", Uint(1_790_000_000)),
        ("body", body),
    ])
}

pub fn genesis() -> Item {
    entry(
        "genesis",
        map([
            ("origin", text(ORIGIN)),
            ("space", text(SPACE)),
            ("adjacency", text("one-person")),
            ("ceiling", loss(20 << 40, 1 << 70)),
            ("cap", loss(10 << 40, 1 << 60)),
            ("conversion_delta", delta(1 << 60)),
            ("build", text("0.1.0")),
            ("rules", Uint(1)),
        ]),
    )
}

pub fn key(key: &SigningKey) -> Item {
    let public = Bytes(key.verifying_key().to_bytes().to_vec());
    entry("key", map([("public", public)]))
}

pub fn dataset(name: &str) -> Item {
    let (unit, space) = (text("person_id"), text(SPACE));
    entry(
        "dataset",
        map([("dataset", text(name)), ("unit", unit), ("space", space)]),
    )
}

pub fn catalog(dataset: &str, version: u64) -> Item {
    let sha256 = hash(&format!("catalog {dataset} {version}"));
    let (dataset, version) = (text(dataset), Uint(version));
    entry(
        "catalog",
        map([
            ("dataset", dataset),
            ("version", version),
            ("sha256", sha256),
        ]),
    )
}

pub fn policy(version: u64, query_rho: u64) -> Item {
    let (version, sha256) = (Uint(version), hash("policy"));
    entry(
        "policy",
        map([
            ("version", version),
            ("sha256", sha256),
            ("query_rho", Uint(query_rho)),
        ]),
    )
}

pub fn snapshot(dataset: &str, number: u64) -> Item {
    let commitment = hash(&format!("snapshot {dataset} {number}"));
    let (dataset, number) = (text(dataset), Uint(number));
    entry(
        "snapshot",
        map([
            ("dataset", dataset),
            ("snapshot", number),
            ("commitment", commitment),
        ]),
    )
}

/// What a reserve cites: dataset, snapshot, catalog, policy.
pub type Cites = [u64; 4];

fn step(rule: &str, inputs: &[u64], table: Option<&str>, rows: u64) -> Item {
    let inputs = Array(inputs.iter().copied().map(Uint).collect());
    let mut fields = vec![
        ("rule".to_owned(), text(rule)),
        ("op".to_owned(), text("operator")),
        ("inputs".to_owned(), inputs),
        ("rows".to_owned(), Uint(rows)),
    ];
    fields.extend(table.map(|table| ("table".to_owned(), text(table))));
    Map(fields)
}

/// Rows per person and groups per person of every reserve here.
pub const K: u64 = 3;
pub const L0: u64 = 2;

pub fn mechanism(aggregate: &str, bound: u64, sigma: (u128, u128)) -> (Item, u64) {
    let per_group = match aggregate {
        "persons" => 1,
        _ => u128::from(K * bound),
    };
    let sensitivity2 = per_group * per_group * u128::from(L0);
    let (num, den) = sigma;
    let rho = (UNIT * sensitivity2 * den * den).div_ceil(2 * num * num);
    let rho = u64::try_from(rho).unwrap();
    let item = map([
        ("kind", text("discrete_gaussian")),
        ("release", Uint(0)),
        ("aggregate", text(aggregate)),
        ("bound", Uint(bound)),
        ("values", Uint(1)),
        ("sensitivity2", rational(sensitivity2, 1)),
        ("sigma", rational(num, den)),
        ("rho", Uint(rho)),
        ("delta", delta(0)),
    ]);
    (item, rho)
}

/// Delta of every reserve here.
pub const DELTA: u128 = COUNT_DELTA + WEIGHTED_DELTA;
/// A little above that of [`THRESHOLD`], between those of one tau more and one less.
const COUNT_DELTA: u128 = 3_000_000_000;
/// The same where persons are weighted, and between those of one group more and one less.
const WEIGHTED_DELTA: u128 = 4_000_000_000;
/// Minimum and tau, for noise of sigma 25/2 and [`UNKNOWN_L0`] groups.
pub const THRESHOLD: (u64, u64) = (5, 105);
pub const UNKNOWN_L0: u64 = 4;

/// A count that decides which groups are answered, a tree of three levels over the same groups, and a count that decides in a release whose
/// persons are weighted: in up to 6 groups of which 4 count whole, in parts of 16.
fn unknown_keys() -> [(Item, u64); 3] {
    let price = |sensitivity2: u128, num: u128, den: u128| {
        u64::try_from((UNIT * sensitivity2 * den * den).div_ceil(2 * num * num)).unwrap()
    };
    let item = |release,
                aggregate: &str,
                (bound, values),
                sensitivity2,
                sigma: (u128, u128),
                delta_units| {
        let rho = price(sensitivity2, sigma.0, sigma.1);
        let fields = vec![
            ("kind".to_owned(), text("discrete_gaussian")),
            ("release".to_owned(), Uint(release)),
            ("aggregate".to_owned(), text(aggregate)),
            ("bound".to_owned(), Uint(bound)),
            ("values".to_owned(), Uint(values)),
            ("sensitivity2".to_owned(), rational(sensitivity2, 1)),
            ("sigma".to_owned(), rational(sigma.0, sigma.1)),
            ("rho".to_owned(), Uint(rho)),
            ("delta".to_owned(), delta(delta_units)),
        ];
        (fields, rho)
    };
    let groups = u128::from(UNKNOWN_L0);
    let (minimum, tau) = THRESHOLD;
    let threshold = || {
        let fields = [("minimum", Uint(minimum)), ("tau", Uint(tau))];
        ("threshold".to_owned(), map(fields))
    };
    let (mut count, count_rho) = item(1, "persons", (1, 1), groups, (25, 2), COUNT_DELTA);
    count.push(threshold());
    let (tree, tree_rho) = item(1, "tree", (3, 73), 3 * groups, (90, 1), 0);
    let unit2 = 16 * 16;
    let (mut heavy, heavy_rho) = item(
        2,
        "persons",
        (1, 1),
        unit2 * groups,
        (200, 1),
        WEIGHTED_DELTA,
    );
    heavy.push(threshold());
    [
        (Map(count), count_rho),
        (Map(tree), tree_rho),
        (Map(heavy), heavy_rho),
    ]
}

/// A count of rows with Laplace noise.
fn laplace() -> (Item, u64) {
    let (mut item, _) = mechanism("rows", 1, (300, 1));
    let l1 = u128::from(K * L0);
    let rho = u64::try_from((UNIT * l1 * l1).div_ceil(2 * 300 * 300)).unwrap();
    *item.at("kind") = text("discrete_laplace");
    *item.at("sensitivity2") = rational(l1 * l1, 1);
    *item.at("rho") = Uint(rho);
    (item, rho)
}

pub fn reserve(cites: Cites, before: &mut u64) -> Item {
    let [count, tree, weighted] = unknown_keys();
    let mechanisms = [
        mechanism("persons", 1, (25, 2)),
        mechanism("rows", 1, (40, 1)),
        mechanism("sum", 300, (9000, 1)),
        mechanism("centred_sum", 150, (4001, 1)),
        count,
        tree,
        laplace(),
        weighted,
    ];
    let rho = mechanisms.iter().map(|(_, rho)| rho).sum();
    // Every reserve costs the same.
    let before_delta = u128::from(*before / rho) * DELTA;
    let mechanisms = mechanisms.into_iter().map(|(item, _)| item).collect();
    let after = *before + rho;
    let certificate = map([
        ("dataset", Uint(cites[0])),
        ("snapshot", Uint(cites[1])),
        ("catalog", Uint(cites[2])),
        ("policy", Uint(cites[3])),
        ("unit", text("person_id")),
        (
            "steps",
            Array(vec![
                step("S0", &[], Some("observation"), 500),
                step("S1", &[0], None, 500),
                step("S0p", &[], Some("loinc"), 0),
                step("S3", &[1, 2], None, 0),
                step("S4", &[3], None, 1),
                step("S0", &[], Some("patient"), 1),
                step("S2", &[4, 5], None, 1),
                step("RELEASE", &[6], None, K),
                step("RELEASE", &[6], None, 1),
                step("RELEASE", &[6], None, 1),
            ]),
        ),
        (
            "releases",
            Array(vec![
                map([
                    ("step", Uint(7)),
                    ("rows_per_person", Uint(K)),
                    ("groups_per_person", Uint(L0)),
                    ("cells", Uint(12)),
                ]),
                map([
                    ("step", Uint(8)),
                    ("rows_per_person", Uint(1)),
                    ("groups_per_person", Uint(UNKNOWN_L0)),
                    ("cells", Uint(0)),
                ]),
                map([
                    ("step", Uint(9)),
                    ("rows_per_person", Uint(1)),
                    ("groups_per_person", Uint(UNKNOWN_L0)),
                    ("cells", Uint(0)),
                    ("weighted", map([("unit", Uint(16)), ("groups", Uint(6))])),
                ]),
            ]),
        ),
        ("keys", hash("keys")),
        ("mechanisms", Array(mechanisms)),
    ]);
    let account = map([
        ("scope", text(&format!("space:{SPACE}"))),
        ("cap", loss(10 << 40, 1 << 60)),
        ("before", loss(*before, before_delta)),
        ("after", loss(after, before_delta + DELTA)),
    ]);
    *before = after;
    entry(
        "reserve",
        map([
            ("principal", text("a7")),
            (
                "roles",
                Array(vec![text("analyst"), text("epidemiologist")]),
            ),
            ("purpose", text("PUBHLTH")),
            ("question", hash("question")),
            ("plan", hash("plan")),
            ("certificate", certificate),
            ("loss", loss(rho, DELTA)),
            ("accounts", Array(vec![account])),
        ]),
    )
}

pub const ANSWER: &[u8] = b"{\"columns\":[\"n\"],\"rows\":[[1042]]}";
pub const SALT: [u8; 32] = [9; 32];

pub fn release(reserve: u64) -> Item {
    let content = [b"salus/commitment/v1\0".as_slice(), &SALT, ANSWER].concat();
    let answer = Bytes(Sha256::digest(content).to_vec());
    entry(
        "release",
        map([("reserve", Uint(reserve)), ("answer", answer)]),
    )
}

pub fn abort(reserve: u64, reason: &str) -> Item {
    entry(
        "abort",
        map([("reserve", Uint(reserve)), ("reason", text(reason))]),
    )
}

pub fn refuse() -> Item {
    entry(
        "refuse",
        map([
            ("principal", text("a7")),
            ("purpose", text("PUBHLTH")),
            ("rule", text("S2")),
            ("question", hash("refused question")),
        ]),
    )
}

pub fn reuse(release: u64) -> Item {
    entry(
        "reuse",
        map([
            ("principal", text("a7")),
            ("roles", Item::Array(vec![text("analyst")])),
            ("purpose", text("PUBHLTH")),
            ("question", hash("repeated question")),
            ("release", Uint(release)),
        ]),
    )
}

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

/// A log and how it is to be signed.
#[derive(Clone)]
pub struct Log {
    pub entries: Vec<Item>,
    /// Index of the key entry from which on the second key signs.
    pub rotated: usize,
    /// Sizes at which a checkpoint is signed; its last is the whole log.
    pub sizes: Vec<usize>,
}

impl Log {
    /// Two datasets, all kinds, a key rotation; every citable entry is cited.
    pub fn sample() -> Log {
        let mut spent = 0;
        let most = 1 << 40;
        let entries = vec![
            genesis(),
            key(&signing_key(1)),
            dataset("ehr"),
            dataset("claims"),
            catalog("ehr", 1),
            catalog("claims", 1),
            policy(1, most),
            snapshot("ehr", 1),
            snapshot("ehr", 2),
            snapshot("claims", 1),
            reserve([2, 7, 4, 6], &mut spent),   // 10
            release(10),                         // 11
            reserve([3, 9, 5, 6], &mut spent),   // 12
            refuse(),                            // 13
            policy(2, most),                     // 14
            catalog("ehr", 2),                   // 15
            oversight::endorsed(2, 1),           // 16
            reserve([2, 8, 15, 14], &mut spent), // 17
            reserve([2, 8, 15, 14], &mut spent), // 18
            abort(18, "failed"),                 // 19
            reserve([2, 8, 15, 14], &mut spent), // 20
            reserve([3, 9, 5, 14], &mut spent),  // 21
            release(21),                         // 22
        ];
        let sizes = vec![12, entries.len()];
        Log {
            entries,
            rotated: 16,
            sizes,
        }
    }

    /// The same with a checkpoint for each entry, as a log without group commit would have.
    pub fn with_all_checkpoints(mut self) -> Log {
        self.sizes = (2..=self.entries.len()).collect();
        self
    }

    /// Running total in rho at the end.
    pub fn spent(&self) -> u64 {
        let after = self.entries.iter().rev().find_map(|entry| {
            let mut entry = entry.clone();
            (*entry.at("kind") == text("reserve"))
                .then(|| entry.at("body.accounts.0.after.rho").clone())
        });
        match after {
            Some(Uint(rho)) => rho,
            _ => 0,
        }
    }

    pub fn push(&mut self, entry: Item) -> u64 {
        self.entries.push(entry);
        *self.sizes.last_mut().unwrap() = self.entries.len();
        self.entries.len() as u64 - 1
    }

    pub fn signer(&self, size: usize) -> SigningKey {
        self.signer_of(size, 0)
    }

    fn signer_of(&self, size: usize, keys: u8) -> SigningKey {
        signing_key(keys + if size > self.rotated { 2 } else { 1 })
    }

    pub fn leaves(&self) -> Vec<[u8; 32]> {
        self.entries
            .iter()
            .map(|entry| leaf(&entry.encode()))
            .collect()
    }

    /// Encoded, hashed and signed afresh.
    pub fn evidence(&self) -> Evidence {
        self.evidence_by(ORIGIN, 0)
    }

    /// The same under another name, by the keys after this number.
    pub fn evidence_by(&self, origin: &str, keys: u8) -> Evidence {
        let leaves = self.leaves();
        let checkpoints = self
            .sizes
            .iter()
            .map(|&size| {
                checkpoint(
                    origin,
                    size,
                    root(&leaves[..size]),
                    &self.signer_of(size, keys),
                )
            })
            .collect();
        Evidence {
            entries: self.entries.iter().map(Item::encode).collect(),
            leaves: Some(leaves),
            checkpoints,
            vkey: vkey(origin, &self.signer_of(self.entries.len(), keys)),
        }
    }

    /// The receipt of a release under the newest checkpoint.
    pub fn receipt(&self, index: usize) -> String {
        let leaves = self.leaves();
        let extra = map([
            ("answer", Bytes(ANSWER.to_vec())),
            ("entry", Bytes(self.entries[index].encode())),
            ("salt", Bytes(SALT.to_vec())),
        ]);
        let size = leaves.len();
        let note = checkpoint(ORIGIN, size, root(&leaves), &self.signer(size));
        receipt_text(&extra, index, &path(index, &leaves), &note)
    }
}

pub fn receipt_text(extra: &Item, index: usize, proof: &[[u8; 32]], note: &[u8]) -> String {
    let proof = proof.iter().fold(String::new(), |text, hash| {
        text + &STANDARD.encode(hash) + "\n"
    });
    let extra = STANDARD.encode(extra.encode());
    let note = String::from_utf8(note.to_vec()).unwrap();
    format!("c2sp.org/tlog-proof@v1\nextra {extra}\nindex {index}\n{proof}\n{note}")
}
