//! Making a ledger and its key, and the facts that questions rest on.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use salus_accounting::Rho;
use salus_certificate::EntryIndex;
use salus_ledger::{Error, Fact, Kind, Ledger, key};
use support::{create, genesis, open, refusal};

#[tokio::test]
async fn facts_need_their_dataset_and_a_dataset_comes_once() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 10).await;
    let elsewhere = Fact::Snapshot {
        dataset: "other".to_owned(),
        snapshot: 1,
        content: vec![],
    };
    let again = Fact::Dataset {
        dataset: "clinic".to_owned(),
        unit: "mother_id".to_owned(),
    };
    for fact in [elsewhere, again] {
        assert!(matches!(ledger.record(fact).await, Err(Error::Refused(_))));
    }
}

#[tokio::test]
async fn times_are_the_clocks() {
    let dir = tempfile::tempdir().unwrap();
    let signer = key::generate(&support::key_path(dir.path()), support::ORIGIN).unwrap();
    let seconds = Arc::new(AtomicU64::new(1_000));
    let clock = {
        let seconds = Arc::clone(&seconds);
        Arc::new(move || seconds.load(Ordering::Relaxed))
    };
    let path = support::ledger_path(dir.path());
    let ledger = Ledger::create_at(&path, signer, genesis(1), clock)
        .await
        .unwrap();
    seconds.store(2_000, Ordering::Relaxed);
    ledger.refuse(refusal()).await.unwrap();
    let times: Vec<u64> = ledger
        .entries()
        .await
        .unwrap()
        .iter()
        .map(|stored| stored.entry.time)
        .collect();
    assert_eq!(times, [1_000, 1_000, 2_000]);
}

#[tokio::test]
async fn a_ledger_is_created_once_with_its_own_key_and_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 10).await;
    let path = support::ledger_path(dir.path());
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for file in std::fs::read_dir(&path).unwrap() {
        let file = file.unwrap();
        assert!(
            file.file_name().to_str().unwrap().starts_with("ledger.db"),
            "{file:?}"
        );
        assert_eq!(mode(&file.path()), 0o600);
    }
    assert_eq!(mode(&support::key_path(dir.path())), 0o600);

    let again = Ledger::create(&path, support::signer(dir.path()), genesis(99)).await;
    assert!(matches!(again, Err(Error::Refused(_))));
    assert_eq!(ledger.genesis(), &genesis(10));
    drop(ledger);

    let other = key::generate(&dir.path().join("other.key"), support::ORIGIN).unwrap();
    assert!(matches!(
        Ledger::open(&path, other).await,
        Err(Error::Integrity(_))
    ));
    assert!(matches!(
        Ledger::open(&dir.path().join("nowhere"), support::signer(dir.path())).await,
        Err(Error::Unavailable(_))
    ));
    open(dir.path()).await.unwrap();
}

#[tokio::test]
async fn the_cap_stays_below_the_ceiling() {
    let dir = tempfile::tempdir().unwrap();
    let signer = key::generate(&support::key_path(dir.path()), support::ORIGIN).unwrap();
    let path = support::ledger_path(dir.path());
    let mut above = genesis(10);
    above.ceiling.rho = Rho::from_units(above.cap.rho.units() - 1);
    let mut unbounded = genesis(10);
    unbounded.ceiling.rho = Rho::from_units(u64::MAX);
    let mut elsewhere = genesis(10);
    elsewhere.origin = "other.example/ledger".to_owned();
    for genesis in [above, unbounded, elsewhere] {
        let refused = Ledger::create(&path, signer.clone(), genesis).await;
        assert!(matches!(refused, Err(Error::Refused(_))));
        assert!(!path.join("ledger.db").exists());
    }
}

#[tokio::test]
async fn a_key_file_that_others_can_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("signing.key");
    let signer = key::generate(&path, support::ORIGIN).unwrap();
    assert_eq!(key::load(&path).unwrap().vkey(), signer.vkey());
    assert!(matches!(
        key::generate(&path, support::ORIGIN),
        Err(Error::Refused(_))
    ));
    assert!(!format!("{signer:?}").contains("PRIVATE"));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(key::load(&path), Err(Error::Refused(_))));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    for spoiled in [
        text.replace("PRIVATE", "PUBLIC"),
        text.replace("salus", "sulas"),
        String::new(),
    ] {
        std::fs::write(&path, spoiled).unwrap();
        assert!(matches!(key::load(&path), Err(Error::Refused(_))));
    }
    for origin in ["", "with space", "with+plus", "line\nbreak"] {
        let refused = key::generate(&dir.path().join("other.key"), origin);
        assert!(matches!(refused, Err(Error::Refused(_))), "{origin:?}");
    }
}

#[tokio::test]
async fn two_who_create_at_once_make_one_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let path = support::ledger_path(dir.path());
    let signer = key::generate(&support::key_path(dir.path()), support::ORIGIN).unwrap();
    let both = (0..2).map(|_| Ledger::create(&path, signer.clone(), support::genesis(1)));
    let made = futures::future::join_all(both).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    drop(made);
    let ledger = open(dir.path()).await.unwrap();
    assert_eq!(
        ledger.newest(Kind::Key).await.unwrap().unwrap().index,
        EntryIndex(1)
    );
    assert_eq!(
        std::fs::read_dir(&path)
            .unwrap()
            .filter(|file| {
                file.as_ref()
                    .unwrap()
                    .path()
                    .extension()
                    .is_some_and(|extension| extension == "new")
            })
            .count(),
        0
    );
}
