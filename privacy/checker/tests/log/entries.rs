//! The entries of the sample.

use ed25519_dalek::SigningKey;
use sha2::{Digest, Sha256};

use super::Item::{self, Array, Bytes, Map, Uint};
use super::{ORIGIN, SPACE, UNIT, delta, hash, loss, map, rational, text};

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

/// A part of a dataset.
pub fn part(name: &str, tables: &[&str]) -> Item {
    let mut item = dataset(name);
    let tables = Array(tables.iter().map(|table| text(table)).collect());
    if let Map(fields) = item.at("body") {
        fields.push(("tables".to_owned(), tables));
    }
    item
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
