//! Entries of every kind whose fields are random: whatever stands in them, the audit ends with a report.

mod log;

use log::{Item, Log, entry};
use proptest::prelude::*;
use salus_checker::{Evidence, audit};

/// Names that the format gives a meaning, so that a random item gets somewhere.
const NAMES: [&str; 29] = [
    "public",
    "signature",
    "name",
    "active",
    "approvals",
    "officer",
    "scope",
    "old",
    "new",
    "rho",
    "delta",
    "nonce",
    "expires",
    "reason",
    "principal",
    "from",
    "to",
    "root",
    "note",
    "reserve",
    "loss",
    "accounts",
    "cap",
    "before",
    "after",
    "limits",
    "roles",
    "release",
    "answer",
];
const KINDS: [&str; 17] = [
    "genesis", "key", "dataset", "catalog", "policy", "snapshot", "reserve", "release", "abort",
    "reuse", "refuse", "officer", "grant", "review", "incident", "anchor", "other",
];

fn leaf() -> impl Strategy<Value = Item> {
    let length = prop::sample::select(vec![0_usize, 1, 16, 32, 64]);
    prop_oneof![
        4 => (length, any::<u8>()).prop_map(|(n, byte)| Item::Bytes(vec![byte; n])),
        1 => any::<u64>().prop_map(Item::Uint),
        1 => (0..30_u64).prop_map(Item::Uint),
        2 => prop::sample::select(NAMES.to_vec()).prop_map(log::text),
        1 => prop::sample::select(vec![Item::True, Item::False]),
    ]
}

fn item() -> impl Strategy<Value = Item> {
    leaf().prop_recursive(4, 40, 10, |below| {
        let name = prop::sample::select(NAMES.to_vec());
        let pairs = prop::collection::btree_map(name, below.clone(), 0..10);
        prop_oneof![
            prop::collection::vec(below, 0..5).prop_map(Item::Array),
            pairs.prop_map(|pairs| {
                let pairs = pairs.into_iter();
                Item::Map(pairs.map(|(key, item)| (key.to_owned(), item)).collect())
            }),
        ]
    })
}

/// All that is neither a map nor an array.
fn fields(item: &mut Item) -> Vec<&mut Item> {
    match item {
        Item::Map(pairs) => pairs
            .iter_mut()
            .flat_map(|(_, item)| fields(item))
            .collect(),
        Item::Array(items) => items.iter_mut().flat_map(fields).collect(),
        leaf => vec![leaf],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_body_of_any_kind_panics(bodies in prop::collection::vec((prop::sample::select(KINDS.to_vec()), item()), 1..5)) {
        let mut entries = vec![log::genesis().encode(), log::key(&log::signing_key(1)).encode()];
        entries.extend(bodies.iter().map(|(kind, body)| entry(kind, body.clone()).encode()));
        let report = audit(&Evidence { entries, ..Evidence::default() });
        prop_assert!(!report.holds());
        let _ = (report.to_text(), report.to_json());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Entries that were right but for some fields: these get past the decoder.
    #[test]
    fn no_field_of_a_right_log_panics(
        changes in prop::collection::vec((0..25_usize, any::<prop::sample::Index>(), leaf()), 1..6)
    ) {
        static LOG: std::sync::OnceLock<Log> = std::sync::OnceLock::new();
        let mut log = LOG.get_or_init(Log::with_oversight).clone();
        for (index, field, new) in changes {
            let mut fields = fields(&mut log.entries[index]);
            let at = field.index(fields.len());
            *fields[at] = new;
        }
        let report = audit(&log.evidence());
        let _ = (report.to_text(), report.to_json());
    }
}
