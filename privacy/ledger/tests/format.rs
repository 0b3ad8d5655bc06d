//! The bytes of entries and receipts: one form each, fixed for ever.

mod support;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use proptest::prelude::*;
use salus_accounting::{Delta, Loss, Rho};
use salus_certificate::{EntryIndex, Value};
use salus_ledger::entry::{
    Abort, Body, Catalog, Dataset, Entry, Key, Limit, Movement, Policy, Reason, Refuse, Release,
    Reserve, Reuse, Share, Snapshot,
};
use salus_ledger::merkle::leaf_hash;
use salus_ledger::receipt::{self, ReceiptError};
use support::{answer, certificate, create, genesis, question};

/// One entry of each kind, and those that can have more.
#[expect(clippy::too_many_lines, reason = "one field a line")]
fn entries() -> Vec<Entry> {
    let limit = |of, name: Option<&str>, seconds| Limit {
        of,
        name: name.map(str::to_owned),
        seconds,
        cap: genesis(10).cap,
    };
    let hers = Movement {
        scope: "analyst:analyst-2".to_owned(),
        cap: genesis(10).cap,
        before: Loss::ZERO,
        after: Loss::from_rho(support::price()),
    };
    let loss = Loss::from_rho(support::price());
    let movement = Movement {
        scope: "space:riverside".to_owned(),
        cap: genesis(10).cap,
        before: Loss::ZERO,
        after: loss,
    };
    let reserve = Reserve {
        principal: "analyst-1".to_owned(),
        roles: vec!["analyst".to_owned(), "reviewer".to_owned()],
        purpose: "HRESCH".to_owned(),
        question: [1; 32],
        plan: [2; 32],
        certificate: certificate(),
        loss,
        accounts: vec![movement],
    };
    let dataset = "clinic".to_owned();
    let abort = |reason| {
        Body::Abort(Abort {
            reserve: EntryIndex(6),
            reason,
        })
    };
    let bodies = [
        Body::Genesis(genesis(10)),
        Body::Key(Key {
            public: [3; 32],
            signature: None,
        }),
        Body::Dataset(Dataset {
            dataset: dataset.clone(),
            unit: "person_id".to_owned(),
            space: "riverside".to_owned(),
            tables: None,
        }),
        Body::Catalog(Catalog {
            dataset: dataset.clone(),
            version: 1,
            sha256: [4; 32],
        }),
        Body::Policy(Policy {
            version: 1,
            sha256: [5; 32],
            query_rho: Rho::from_units(77),
            limits: vec![],
        }),
        Body::Snapshot(Snapshot {
            dataset,
            snapshot: 300,
            commitment: [6; 32],
        }),
        Body::Reserve(Box::new(reserve)),
        Body::Release(Release {
            reserve: EntryIndex(6),
            answer: [7; 32],
        }),
        abort(Reason::Failed),
        abort(Reason::Dropped),
        Body::Reuse(Reuse {
            principal: "analyst-2".to_owned(),
            roles: vec!["analyst".to_owned()],
            purpose: "PUBHLTH".to_owned(),
            question: [9; 32],
            release: EntryIndex(7),
            accounts: vec![],
        }),
        Body::Refuse(Refuse {
            principal: "analyst-1".to_owned(),
            purpose: "HRESCH".to_owned(),
            rule: "S2".to_owned(),
            question: [8; 32],
        }),
        Body::Policy(Policy {
            version: 3,
            sha256: [5; 32],
            query_rho: Rho::from_units(77),
            limits: vec![
                limit(Share::Space, None, Some(3600)),
                limit(Share::Analyst, Some("analyst-2"), None),
            ],
        }),
        Body::Reuse(Reuse {
            principal: "analyst-2".to_owned(),
            roles: vec![],
            purpose: "PUBHLTH".to_owned(),
            question: [9; 32],
            release: EntryIndex(7),
            accounts: vec![hers],
        }),
    ];
    bodies
        .into_iter()
        .map(|body| Entry {
            time: 1_700_000_000,
            body,
        })
        .collect()
}

/// Leaf hashes of [`entries`], written down once. Kinds and meanings are never changed: if one of these changes, old ledgers can no
/// longer be read.
const LEAVES: [&str; 14] = [
    "I9l51bO9kphctZHNTPY8cSZAlwFJ49TMTZ2sMilGRAk=",
    "BMjb1opS07yhZMWYmmUNZ0oFm+uSp4SFz3U/MIEdng0=",
    "F2VAEjxRaq3DvkG2O1dJBtDB5fkgJNXbyA/C483h2oo=",
    "/JQiw5RRIUrywL/SLTWjGEmRZ/kzM9YYnbEjVJxkgig=",
    "5ncBQ5kpErXY9dOFXqUyI4034tFYV2gtEzVHHxMW2OQ=",
    "nHALFOpq3kajl3fmeFRxe1Vu2oxcjCWyQ3KL6xAjpDM=",
    "6B8uD5VO7PgPae2sUXluA8aZxY20WNE3g44oMX9bIJI=",
    "NlkOFcknhVzrFQPldaUTvcxXHjYLzZsN1CDWghIjYgc=",
    "RPYzCn310fZtsDChFj4bZp+wV4IAUoF3panl4TKIFOI=",
    "hUuvc/EOlLYpzIyXZoQFtP0SBRk0OTidP53dJnMTIzk=",
    "aOvKkDaDUWntBzZaE42ObzcDkzDROKqi5jku5RJPsww=",
    "FxGBhmqeRFHDomRwjOgPFLufC8KKJYqAW7qzJo/7zvE=",
    "VmUEGYyd0Vg8O3rBN2V+25/eCBblyZJHx//fZwffCHQ=",
    "sytJcOl7x9fz0xTKM8K/LerNUyOqBuMa8L2Mpf9QHaY=",
];

#[test]
fn the_bytes_of_every_kind_are_fixed() {
    let leaves: Vec<String> = entries()
        .iter()
        .map(|entry| BASE64.encode(leaf_hash(&entry.encode())))
        .collect();
    assert_eq!(leaves, LEAVES);
}

#[test]
fn a_short_entry_byte_by_byte() {
    let abort = Body::Abort(Abort {
        reserve: EntryIndex(6),
        reason: Reason::Failed,
    });
    let expected = [
        b"\xa4".as_slice(),
        b"\x61v\x01",
        b"\x64body\xa2",
        b"\x66reason\x66failed",
        b"\x67reserve\x06",
        b"\x64kind\x65abort",
        b"\x64time\x19\x03\xe8",
    ];
    assert_eq!(
        Entry {
            time: 1000,
            body: abort
        }
        .encode(),
        expected.concat()
    );
}

#[test]
fn every_kind_round_trips_and_every_changed_byte_is_another_entry_or_none() {
    for entry in entries() {
        let bytes = entry.encode();
        assert_eq!(Entry::decode(&bytes).unwrap(), entry);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                if let Ok(other) = Entry::decode(&changed) {
                    assert_ne!(other, entry);
                    assert_eq!(other.encode(), changed);
                }
            }
        }
    }
}

#[test]
fn an_entry_has_exactly_the_fields_of_its_kind() {
    for entry in entries() {
        let Value::Map(whole) = Value::decode(&entry.encode()).unwrap() else {
            panic!("not a map")
        };
        let Some(Value::Map(body)) = whole.get("body").cloned() else {
            panic!("no body")
        };
        let with_body = |body| {
            let mut entry = whole.clone();
            entry.insert("body", Value::Map(body));
            Entry::decode(&Value::Map(entry).encode())
        };
        assert!(with_body(body.clone()).is_ok());
        for (name, _) in body.iter() {
            let mut missing = body.clone();
            missing.remove(name);
            let optional =
                name == "limits" || (name == "accounts" && matches!(entry.body, Body::Reuse(_)));
            assert_eq!(with_body(missing).is_ok(), optional, "{name} missing");
            if optional {
                let mut empty = body.clone();
                empty.insert(name, Value::array([]));
                assert!(with_body(empty).is_err(), "{name} empty");
            }
            let mut other = body.clone();
            other.insert(name, false);
            assert!(with_body(other).is_err(), "{name} of another type");
        }
        let mut more = body.clone();
        more.insert("note", 1);
        assert!(with_body(more).is_err());

        let with = |name: &str, value: Value| {
            let mut entry = whole.clone();
            entry.insert(name, value);
            Entry::decode(&Value::Map(entry).encode())
        };
        assert!(with("v", Value::Uint(2)).is_err());
        assert!(with("kind", Value::text("grant")).is_err());
        assert!(with("note", Value::Uint(1)).is_err());
        assert!(with("time", Value::text("now")).is_err());
        assert!(with("time", Value::Uint(u64::MAX)).is_ok());
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(entry) = Entry::decode(&bytes) {
            prop_assert_eq!(entry.encode(), bytes);
        }
    }

    #[test]
    fn policies_round_trip(version in any::<u64>(), sha256 in any::<[u8; 32]>(), rho in any::<u64>(), time in any::<u64>()) {
        let body = Body::Policy(Policy { version, sha256, query_rho: Rho::from_units(rho), limits: vec![] });
        let entry = Entry { time, body };
        prop_assert_eq!(Entry::decode(&entry.encode()).unwrap(), entry);
    }

    #[test]
    fn balances_round_trip(units in any::<[u64; 4]>(), delta in 0..=(1_u128 << 80), texts in any::<[String; 3]>()) {
        let mut entry = entries().swap_remove(6);
        let Body::Reserve(reserve) = &mut entry.body else { panic!("not a reserve") };
        let [principal, purpose, scope] = texts;
        (reserve.principal, reserve.purpose) = (principal, purpose);
        let losses = units.map(|units| Loss { rho: Rho::from_units(units), delta: Delta::from_units(delta).unwrap() });
        let [loss, cap, before, after] = losses;
        reserve.loss = loss;
        reserve.accounts = vec![Movement { scope, cap, before, after }; 2];
        prop_assert_eq!(Entry::decode(&entry.encode()).unwrap(), entry);
    }
}

#[tokio::test]
async fn a_receipt_holds_for_its_own_bytes_only() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 10).await;
    let published = answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    let vkey = ledger.vkey();
    let text = published.receipt;
    let opened = receipt::verify(&text, &vkey).unwrap();
    for (at, byte) in text.bytes().enumerate() {
        let mut changed = text.clone().into_bytes();
        changed[at] = if byte == b'A' { b'B' } else { b'A' };
        if let Ok(changed) = String::from_utf8(changed) {
            assert!(receipt::verify(&changed, &vkey).is_err(), "byte {at}");
        }
        if text.is_char_boundary(at) {
            assert!(receipt::verify(&text[..at], &vkey).is_err(), "cut at {at}");
        }
    }
    for tail in ["\n", "x", "A\n"] {
        assert!(receipt::verify(&format!("{text}{tail}"), &vkey).is_err());
    }

    // Another answer with the same entry and proof.
    let line = text.lines().nth(1).unwrap();
    let extra = BASE64.decode(line.strip_prefix("extra ").unwrap()).unwrap();
    let Value::Map(mut extra) = Value::decode(&extra).unwrap() else {
        panic!("not a map")
    };
    extra.insert("answer", Value::bytes(*b"better numbers"));
    let forged = text.replace(
        line,
        &format!(
            "extra {}",
            BASE64.encode(Value::Map(extra.clone()).encode())
        ),
    );
    assert_eq!(
        receipt::verify(&forged, &vkey),
        Err(ReceiptError::OtherAnswer)
    );
    extra.insert("note", 1);
    let forged = text.replace(
        line,
        &format!("extra {}", BASE64.encode(Value::Map(extra).encode())),
    );
    assert!(matches!(
        receipt::verify(&forged, &vkey),
        Err(ReceiptError::Malformed(_))
    ));

    // Another log's key.
    let other = tempfile::tempdir().unwrap();
    let other = create(other.path(), 1).await.vkey();
    assert!(matches!(
        receipt::verify(&text, &other),
        Err(ReceiptError::Checkpoint(_))
    ));
    assert_eq!(receipt::verify(&text, "no key"), Err(ReceiptError::Key));

    // The receipt stays good while the log grows, and for each of many answers that share a checkpoint.
    let asked = (0..7).map(|_| async {
        answer(ledger.reserve(question()).await.unwrap())
            .await
            .unwrap()
    });
    for published in futures::future::join_all(asked).await {
        let opened = receipt::verify(&published.receipt, &vkey).unwrap();
        assert_eq!(
            (opened.entry, opened.reserve),
            (published.entry, published.reserve)
        );
        assert_eq!(opened.answer, published.answer);
    }
    assert_eq!(receipt::verify(&text, &vkey).unwrap(), opened);
}
