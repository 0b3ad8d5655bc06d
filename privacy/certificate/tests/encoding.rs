//! One value, one encoding: everything round-trips, nothing else is read.

use minicbor::data::Type;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use salus_accounting::{Delta, Noise, Rational, Rho};
use salus_certificate::{
    Aggregate, Bounds, Certificate, CertificateError, EntryIndex, MAX_DEPTH, Mechanism, Step,
    Threshold, Value, Weighted,
};

fn values() -> impl Strategy<Value = Value> {
    let number = prop_oneof![0..30_u64, 250..260_u64, 65_530..65_540_u64, any::<u64>()];
    let leaf = prop_oneof![
        number.prop_map(Value::Uint),
        vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        "\\PC{0,30}".prop_map(Value::Text),
        any::<bool>().prop_map(Value::Bool),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            btree_map("[a-z]{0,30}", inner, 0..6).prop_map(Value::map),
        ]
    })
}

fn rationals() -> impl Strategy<Value = Rational> {
    (any::<u128>(), 1..u128::MAX).prop_map(|(n, d)| Rational::from_ratio(n, d).unwrap())
}

prop_compose! {
    fn steps()(
        rule in "[A-Z0-9]{0,8}", op in "\\PC{0,12}", inputs in vec(any::<u64>(), 0..4),
        table in proptest::option::of("[a-z]{0,12}"), rows in any::<u64>(),
    ) -> Step {
        Step { rule, op, inputs, table, rows }
    }
}

prop_compose! {
    fn mechanisms()(
        kind in prop_oneof![Just(Noise::DiscreteGaussian), Just(Noise::DiscreteLaplace)],
        aggregate in prop_oneof![
            Just(Aggregate::Persons), Just(Aggregate::Rows), Just(Aggregate::Sum), Just(Aggregate::CentredSum),
            Just(Aggregate::CentredSquare), Just(Aggregate::Values), Just(Aggregate::Tree),
        ],
        release in any::<u64>(), values in 1..=u64::MAX, threshold in option::of((1..100_u64, 0..100_u64)),
        bound in any::<u64>(), sensitivity2 in rationals(), sigma in rationals(),
        rho in any::<u64>(), delta in 0..=(1_u128 << 80),
    ) -> Mechanism {
        Mechanism {
            kind, release, aggregate, bound, values, sensitivity2, sigma,
            threshold: threshold.map(|(minimum, more)| Threshold { minimum, tau: minimum + more }),
            rho: Rho::from_units(rho), delta: Delta::from_units(delta).unwrap(),
        }
    }
}

prop_compose! {
    fn certificates()(
        indices in any::<[u64; 4]>(), unit in "\\PC{0,12}", steps in vec(steps(), 1..4),
        releases in vec(
            (any::<u64>(), 1..=u64::MAX, 1..=1_024_u64, any::<u64>(), option::of((1..=1_u64 << 20, 0..=1_024_u64))), 1..3,
        ), keys in any::<[u8; 32]>(),
        mechanisms in vec(mechanisms(), 1..4),
    ) -> Certificate {
        let [dataset, snapshot, catalog, policy] = indices.map(EntryIndex);
        let releases = releases.into_iter().map(|(step, rows_per_person, groups_per_person, cells, weighted)| {
            let weighted = weighted.map(|(unit, most)| Weighted { unit, groups: most.max(groups_per_person) });
            Bounds { step, rows_per_person, groups_per_person, cells, weighted }
        }).collect();
        Certificate { dataset, snapshot, catalog, policy, unit, steps, releases, keys, mechanisms }
    }
}

proptest! {
    #[test]
    fn values_round_trip(value in values()) {
        prop_assert_eq!(Value::decode(&value.encode()).unwrap(), value);
    }

    /// Whatever is read writes the very bytes that were read: no second spelling exists.
    #[test]
    fn arbitrary_bytes_are_canonical_or_refused(bytes in vec(any::<u8>(), 0..60)) {
        if let Ok(value) = Value::decode(&bytes) {
            prop_assert_eq!(value.encode(), bytes);
        }
    }

    #[test]
    fn one_changed_byte_is_another_value_or_refused(value in values(), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let mut bytes = value.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(other) = Value::decode(&bytes) {
            prop_assert_ne!(&other, &value);
            prop_assert_eq!(other.encode(), bytes);
        }
    }

    #[test]
    fn a_prefix_or_a_tail_is_refused(value in values(), tail in vec(any::<u8>(), 1..4), cut in any::<prop::sample::Index>()) {
        let bytes = value.encode();
        prop_assert!(Value::decode(&bytes[..cut.index(bytes.len())]).is_err());
        prop_assert!(Value::decode(&[bytes, tail].concat()).is_err());
    }

    /// Somebody else's CBOR reader reads the same structure.
    #[test]
    fn minicbor_reads_what_we_write(value in values()) {
        let bytes = value.encode();
        let mut decoder = minicbor::Decoder::new(&bytes);
        prop_assert_eq!(foreign(&mut decoder), value);
        prop_assert_eq!(decoder.position(), bytes.len());
    }

    #[test]
    fn certificates_round_trip(certificate in certificates()) {
        let bytes = certificate.to_value().encode();
        prop_assert_eq!(Certificate::from_value(Value::decode(&bytes).unwrap()).unwrap(), certificate);
    }

    #[test]
    fn a_certificate_has_exactly_its_fields(certificate in certificates(), field in 0..8_usize) {
        let Value::Map(map) = certificate.to_value() else { panic!("not a map") };
        let name = map.iter().nth(field).unwrap().0.to_owned();
        let mut missing = map.clone();
        missing.remove(&name);
        let mut more = map.clone();
        more.insert("note", "x");
        let mut other = map;
        other.insert(name, true);
        for wrong in [missing, more, other] {
            let refused = Certificate::from_value(Value::Map(wrong));
            prop_assert!(matches!(refused, Err(CertificateError::Shape { .. })), "accepted");
        }
    }
}

fn foreign(decoder: &mut minicbor::Decoder<'_>) -> Value {
    match decoder.datatype().unwrap() {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => Value::Uint(decoder.u64().unwrap()),
        Type::Bytes => Value::bytes(decoder.bytes().unwrap()),
        Type::String => Value::text(decoder.str().unwrap()),
        Type::Bool => Value::Bool(decoder.bool().unwrap()),
        Type::Array => {
            let length = decoder.array().unwrap().unwrap();
            Value::array((0..length).map(|_| foreign(decoder)).collect::<Vec<_>>())
        }
        Type::Map => {
            let length = decoder.map().unwrap().unwrap();
            Value::map(
                (0..length)
                    .map(|_| (decoder.str().unwrap().to_owned(), foreign(decoder)))
                    .collect::<Vec<_>>(),
            )
        }
        other => panic!("{other:?}"),
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

/// RFC 8949, appendix A, as far as the types exist here.
#[test]
fn examples_of_the_rfc() {
    for (hex, value) in [
        ("00", Value::Uint(0)),
        ("17", Value::Uint(23)),
        ("1818", Value::Uint(24)),
        ("1903e8", Value::Uint(1000)),
        ("1a000f4240", Value::Uint(1_000_000)),
        ("1bffffffffffffffff", Value::Uint(u64::MAX)),
        ("f4", Value::Bool(false)),
        ("f5", Value::Bool(true)),
        ("40", Value::bytes([])),
        ("4401020304", Value::bytes([1, 2, 3, 4])),
        ("60", Value::text("")),
        ("62c3bc", Value::text("\u{fc}")),
        ("80", Value::array([])),
        (
            "8301820203820405",
            Value::array([
                Value::Uint(1),
                Value::array([Value::Uint(2), Value::Uint(3)]),
                Value::array([Value::Uint(4), Value::Uint(5)]),
            ]),
        ),
        (
            "a26161016162820203",
            Value::map([
                ("a", Value::Uint(1)),
                ("b", Value::array([Value::Uint(2), Value::Uint(3)])),
            ]),
        ),
    ] {
        assert_eq!(value.encode(), bytes(hex), "{hex}");
        assert_eq!(Value::decode(&bytes(hex)).unwrap(), value, "{hex}");
    }
}

#[test]
fn other_spellings_and_other_types_are_refused() {
    for (hex, why) in [
        ("", "nothing"),
        ("1817", "23 in two bytes"),
        ("190017", "23 in three bytes"),
        ("1900ff", "255 in three bytes"),
        ("1a0000ffff", "65535 in five bytes"),
        ("1b00000000ffffffff", "2^32 - 1 in nine bytes"),
        ("5800", "a length in two bytes"),
        ("7800", "a length in two bytes"),
        ("9800", "a count in two bytes"),
        ("b800", "a count in two bytes"),
        ("a2616201616101", "keys not sorted"),
        ("a2626161016162 02", "a longer key first"),
        ("a2616101616102", "a key twice"),
        ("a10101", "a key that is no text"),
        ("a1410101", "a key of bytes"),
        ("5f4101ff", "indefinite bytes"),
        ("7f6161ff", "indefinite text"),
        ("9f01ff", "an indefinite array"),
        ("bf616101ff", "an indefinite map"),
        ("20", "a negative number"),
        ("c000", "a tag"),
        ("c24101", "a bignum"),
        ("f6", "null"),
        ("f7", "undefined"),
        ("f818", "a simple value"),
        ("f814", "false in two bytes"),
        ("f93c00", "a half float"),
        ("fa3f800000", "a float"),
        ("fb3ff0000000000000", "a double"),
        ("61ff", "text that is not UTF-8"),
        ("62c328", "text that is not UTF-8"),
        ("63eda080", "a surrogate"),
        ("1c", "a reserved length"),
        ("ff", "a break"),
        ("0000", "a second item"),
        ("42 01", "bytes cut short"),
        ("5bffffffffffffffff00", "a length beyond everything"),
        ("9bffffffffffffffff00", "a count beyond everything"),
        ("bbffffffffffffffff00", "a count beyond everything"),
    ] {
        let refused = Value::decode(&bytes(&hex.replace(' ', "")));
        assert!(
            matches!(refused, Err(CertificateError::Encoding { .. })),
            "{why}: {refused:?}"
        );
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| [vec![0x81; depth], vec![0x00]].concat();
    assert!(Value::decode(&nested(MAX_DEPTH)).is_ok());
    assert!(Value::decode(&nested(MAX_DEPTH + 1)).is_err());
    assert!(Value::decode(&vec![0x81; 1 << 20]).is_err());
}

#[test]
fn rationals_and_deltas_have_one_spelling() {
    let certificate = certificate_with(Rational::from(6));
    let value = certificate.to_value();
    let with = |field: &str, spelling: Value| {
        let Value::Map(mut map) = value.clone() else {
            panic!("not a map")
        };
        let Some(Value::Array(mechanisms)) = map.remove("mechanisms") else {
            panic!("no mechanisms")
        };
        let Some(Value::Map(mut mechanism)) = mechanisms.into_iter().next() else {
            panic!("no mechanism")
        };
        mechanism.insert(field, spelling);
        map.insert("mechanisms", Value::array([Value::Map(mechanism)]));
        Certificate::from_value(Value::Map(map))
    };
    let pair = |n: &[u8], d: &[u8]| Value::array([Value::bytes(n), Value::bytes(d)]);
    assert_eq!(with("sigma", pair(&[6], &[1])).unwrap(), certificate);
    for wrong in [
        pair(&[12], &[2]),
        pair(&[0, 6], &[1]),
        pair(&[6], &[0, 1]),
        pair(&[6], &[]),
        pair(&[6], &[0]),
        pair(&[], &[2]),
        Value::array([Value::bytes([6])]),
        Value::array([Value::bytes([6]), Value::bytes([1]), Value::bytes([1])]),
        Value::array([Value::Uint(6), Value::Uint(1)]),
        Value::Uint(6),
    ] {
        assert!(with("sigma", wrong.clone()).is_err(), "{wrong:?}");
    }
    let one = (1_u128 << 80).to_be_bytes();
    assert!(with("delta", Value::bytes(one)).is_ok());
    for wrong in [
        ((1_u128 << 80) + 1).to_be_bytes().to_vec(),
        vec![0; 15],
        vec![0; 17],
        vec![],
    ] {
        assert!(with("delta", Value::Bytes(wrong)).is_err());
    }
}

fn certificate_with(sigma: Rational) -> Certificate {
    let bounds = Bounds {
        step: 0,
        rows_per_person: 1,
        groups_per_person: 1,
        cells: 1,
        weighted: None,
    };
    let mechanism = Mechanism::new(
        Noise::DiscreteGaussian,
        Aggregate::Persons,
        1,
        &bounds,
        sigma,
    )
    .unwrap();
    let scan = Step {
        rule: "S0".to_owned(),
        op: "scan".to_owned(),
        inputs: vec![],
        table: Some("patient".to_owned()),
        rows: 1,
    };
    Certificate {
        dataset: EntryIndex(2),
        snapshot: EntryIndex(5),
        catalog: EntryIndex(3),
        policy: EntryIndex(4),
        unit: "person_id".to_owned(),
        steps: vec![scan],
        releases: vec![bounds],
        keys: [0; 32],
        mechanisms: vec![mechanism],
    }
}
