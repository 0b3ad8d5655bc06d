//! Limits of the policy: each share of the purse is kept under the same lock as the purse, whoever asks, however often, in whatever order.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use salus_accounting::{Loss, Rho};
use salus_certificate::EntryIndex;
use salus_checker::{Evidence, audit};
use salus_ledger::entry::{Body, Kind, Limit, Share};
use salus_ledger::{Error, Fact, Ledger, Reservation, ReserveError};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use support::{answer, create, database, ledger_path, open, price, question, signer};

const DAY: u64 = 86_400;
/// 20,717 days after 1970-01-01.
const NOW: u64 = 20_717 * DAY + 100;

/// A limit of so many questions.
fn limit(of: Share, name: Option<&str>, seconds: Option<u64>, questions: u64) -> Limit {
    Limit {
        of,
        name: name.map(str::to_owned),
        seconds,
        cap: Loss::from_rho(Rho::from_units(price().units() * questions)),
    }
}

fn policy(version: u64, limits: Vec<Limit>) -> Fact {
    Fact::Policy {
        version,
        sha256: [9; 32],
        query_rho: price(),
        limits,
    }
}

/// A ledger for 100 questions whose policy is entry 6, and its clock.
async fn with(dir: &std::path::Path, limits: Vec<Limit>) -> (Ledger, Arc<AtomicU64>) {
    create(dir, 100).await.close().await.unwrap();
    let time = Arc::new(AtomicU64::new(NOW));
    let clock = Arc::clone(&time);
    let clock = Arc::new(move || clock.load(Ordering::SeqCst));
    let ledger = Ledger::open_at(&ledger_path(dir), signer(dir), clock)
        .await
        .unwrap();
    ledger.record(policy(2, limits)).await.unwrap();
    (ledger, time)
}

/// The question under the policy at `policy`; a plan of its own, so that it is no repetition.
fn asked(policy: u64, who: &str, plan: u8) -> Reservation {
    let mut asked = question();
    who.clone_into(&mut asked.principal);
    asked.plan.push(plan);
    asked.certificate.policy = EntryIndex(policy);
    asked
}

async fn ask(ledger: &Ledger, reservation: Reservation) -> Result<(), ReserveError> {
    answer(ledger.reserve(reservation).await?).await.unwrap();
    Ok(())
}

/// The account of the limit that does not let it through, and when its next period begins.
fn reached(result: Result<(), ReserveError>) -> (String, u64, Option<u64>) {
    match result {
        Err(ReserveError::LimitReached {
            scope,
            remaining,
            until,
        }) => (scope, remaining.rho.units() / price().units(), until),
        other => panic!("{other:?}"),
    }
}

async fn used(ledger: &Ledger) -> Vec<(String, Loss)> {
    let accounts = ledger.limits().await.unwrap().into_iter();
    accounts
        .map(|account| (account.scope, account.spent))
        .collect()
}

/// What the independent checker says of the whole log.
async fn sound(ledger: &Ledger) {
    ledger.audit_accounts().await.unwrap();
    let evidence = ledger.evidence().await.unwrap();
    let report = audit(&Evidence {
        entries: evidence.entries,
        leaves: Some(evidence.leaves),
        checkpoints: evidence.checkpoints,
        vkey: evidence.vkey,
    });
    assert!(report.holds(), "{}", report.to_text());
}

#[tokio::test]
async fn each_analyst_has_her_own_limit_and_nothing_is_spent_beyond_it() {
    let dir = tempfile::tempdir().unwrap();
    let limits = vec![
        limit(Share::Analyst, None, None, 2),
        limit(Share::Analyst, Some("lead"), None, 3),
    ];
    let (ledger, _) = with(dir.path(), limits).await;
    for (who, questions) in [("a", 2), ("b", 2), ("lead", 3)] {
        for n in 0..questions {
            ask(&ledger, asked(6, who, n)).await.unwrap();
        }
        let before = ledger.account().await.unwrap();
        let (scope, remaining, until) = reached(ask(&ledger, asked(6, who, 9)).await);
        assert_eq!(
            (scope, remaining, until),
            (format!("analyst:{who}"), 0, None)
        );
        assert_eq!(ledger.account().await.unwrap(), before, "nothing was spent");
        let refused = ledger.newest(Kind::Refuse).await.unwrap().unwrap();
        let Body::Refuse(refused) = refused.entry.body else {
            panic!("not a refusal")
        };
        assert_eq!(
            (refused.rule.as_str(), refused.principal.as_str()),
            ("limit", who)
        );
    }
    let spent = |questions: u64| Loss::from_rho(Rho::from_units(price().units() * questions));
    let accounts = [("analyst:a", 2), ("analyst:b", 2), ("analyst:lead", 3)];
    let accounts = accounts.map(|(scope, questions)| (scope.to_owned(), spent(questions)));
    assert_eq!(used(&ledger).await, accounts);
    sound(&ledger).await;
    ledger.close().await.unwrap();
    let again = open(dir.path()).await.unwrap();
    reached(ask(&again, asked(6, "a", 9)).await);
    assert_eq!(used(&again).await, accounts);
    again.close().await.unwrap();

    let mut db = SqliteConnectOptions::new()
        .filename(database(dir.path()))
        .connect()
        .await
        .unwrap();
    for forbidden in [
        "UPDATE quotas SET spent_rho = 0",
        "UPDATE quotas SET scope = 'analyst:z' WHERE scope = 'analyst:a'",
        "INSERT OR REPLACE INTO quotas VALUES ('analyst:a', 0, zeroblob(16))",
        "DELETE FROM quotas",
    ] {
        let refused = sqlx::query(forbidden).execute(&mut db).await;
        assert!(refused.is_err(), "{forbidden}: {refused:?}");
    }
    // Used up by somebody with the file at hand: the store is not what the log says.
    sqlx::query("UPDATE quotas SET spent_rho = spent_rho + 1")
        .execute(&mut db)
        .await
        .unwrap();
    db.close().await.unwrap();
    assert!(matches!(open(dir.path()).await, Err(Error::Integrity(_))));
}

#[tokio::test]
async fn a_part_of_a_dataset_is_charged_beside_it_and_the_purse_once() {
    let dir = tempfile::tempdir().unwrap();
    let limits = vec![
        limit(Share::Dataset, None, None, 5),
        limit(Share::Dataset, Some("claims"), Some(DAY), 2),
    ];
    let (ledger, _) = with(dir.path(), limits).await;
    let table = question().certificate.steps[0].table.clone().unwrap();
    let part = |name: &str, tables: &[&str]| Fact::Part {
        part: name.to_owned(),
        of: "clinic".to_owned(),
        tables: tables.iter().map(|table| (*table).to_owned()).collect(),
    };
    ledger.record(part("claims", &["coverage"])).await.unwrap();
    ask(&ledger, asked(6, "ada", 1)).await.unwrap();
    // From now on the table is in two parts, of which one has a limit of its own in place of everybody's.
    ledger
        .record(part("claims", &[&table, "coverage", &table]))
        .await
        .unwrap();
    ledger.record(part("billing", &[&table])).await.unwrap();
    ask(&ledger, asked(6, "ada", 2)).await.unwrap();
    ask(&ledger, asked(6, "ada", 3)).await.unwrap();
    let spent = |questions: u64| Loss::from_rho(Rho::from_units(price().units() * questions));
    let day = format!("dataset/{DAY}/20717:claims");
    let counted = [
        (day.clone(), spent(2)),
        ("dataset:billing".to_owned(), spent(2)),
        ("dataset:claims".to_owned(), spent(2)),
        ("dataset:clinic".to_owned(), spent(3)),
    ];
    assert_eq!(used(&ledger).await, counted);
    assert_eq!(ledger.account().await.unwrap().spent, spent(3));
    assert_eq!(reached(ask(&ledger, asked(6, "ben", 4)).await).0, day);
    // A part that ended counts nothing any more.
    ledger.record(part("claims", &[])).await.unwrap();
    ask(&ledger, asked(6, "ben", 5)).await.unwrap();
    assert_eq!(used(&ledger).await[2].1, spent(2));
    // It is charged beside its whole, never in its place.
    let facts = ledger.entries().await.unwrap();
    let part = facts.iter().rfind(
        |stored| matches!(&stored.entry.body, Body::Dataset(part) if part.dataset == "billing"),
    );
    let mut instead = asked(6, "ben", 6);
    instead.certificate.dataset = part.unwrap().index;
    let refused = ask(&ledger, instead).await;
    assert!(
        matches!(&refused, Err(ReserveError::Ledger(Error::Refused(why))) if why.starts_with("F3")),
        "{refused:?}"
    );
    let part = |name: &str, tables: &[&str]| Fact::Part {
        part: name.to_owned(),
        of: "clinic".to_owned(),
        tables: tables.iter().map(|table| (*table).to_owned()).collect(),
    };
    for (name, of) in [("clinic", "clinic"), ("claims", "elsewhere")] {
        let mut wrong = part(name, &[&table]);
        if let Fact::Part { of: whole, .. } = &mut wrong {
            of.clone_into(whole);
        }
        assert!(matches!(ledger.record(wrong).await, Err(Error::Refused(_))));
    }
    sound(&ledger).await;
}

/// Of two who have another catalog each, the parts in force are those of the newest: nobody's question comes in between.
#[tokio::test]
async fn a_catalog_and_its_parts_change_together() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, _) = with(dir.path(), vec![limit(Share::Dataset, None, None, 5)]).await;
    let table = question().certificate.steps[0].table.clone().unwrap();
    let described = |version: u64, parts: &[&str]| Fact::Catalog {
        dataset: "clinic".to_owned(),
        version,
        sha256: [9; 32],
        parts: parts
            .iter()
            .map(|part| ((*part).to_owned(), vec![table.clone()]))
            .collect(),
    };
    let before = ledger.size().await.unwrap();
    let catalog = ledger.record(described(2, &["x", "y"])).await.unwrap();
    // Two parts, and the catalog last.
    assert_eq!(catalog.0, before + 2);
    assert_eq!(ledger.size().await.unwrap(), before + 3);
    let under = |catalog: EntryIndex, plan: u8| {
        let mut asked = asked(6, "ada", plan);
        asked.certificate.catalog = catalog;
        asked
    };
    ask(&ledger, under(catalog, 1)).await.unwrap();
    // The other catalog has one of the parts: the other ends.
    let newer = ledger.record(described(3, &["y"])).await.unwrap();
    assert_eq!(newer.0, before + 3 + 2 + 1);
    assert!(matches!(
        ask(&ledger, under(catalog, 2)).await,
        Err(ReserveError::Ledger(Error::Stale))
    ));
    ask(&ledger, under(newer, 2)).await.unwrap();
    let times: Vec<u64> = used(&ledger)
        .await
        .iter()
        .map(|(_, spent)| spent.rho.units() / price().units())
        .collect();
    assert_eq!(times, [2, 1, 2], "clinic, x, y");
    sound(&ledger).await;
}

#[tokio::test]
async fn a_period_ends_and_the_next_begins_with_nothing_spent() {
    let dir = tempfile::tempdir().unwrap();
    let limits = vec![
        limit(Share::Space, None, Some(DAY), 1),
        limit(Share::Dataset, None, None, 3),
        limit(Share::Purpose, Some("HRESCH"), Some(7 * DAY), 2),
    ];
    let (ledger, time) = with(dir.path(), limits).await;
    let tomorrow = (NOW / DAY + 1) * DAY;
    ask(&ledger, asked(6, "a", 0)).await.unwrap();
    time.store(tomorrow - 1, Ordering::SeqCst);
    let (scope, _, until) = reached(ask(&ledger, asked(6, "b", 1)).await);
    assert_eq!(
        (scope.as_str(), until),
        ("space/86400/20717:riverside", Some(tomorrow))
    );
    time.store(tomorrow, Ordering::SeqCst);
    ask(&ledger, asked(6, "b", 1)).await.unwrap();
    // A clock that is set back opens no new period.
    time.store(NOW, Ordering::SeqCst);
    assert_eq!(
        reached(ask(&ledger, asked(6, "c", 2)).await).0,
        "space/86400/20717:riverside"
    );
    time.store(tomorrow + DAY, Ordering::SeqCst);
    let week = reached(ask(&ledger, asked(6, "c", 2)).await);
    assert_eq!(week.0, "purpose/604800/2959:HRESCH");
    let mut other = asked(6, "c", 2);
    other.purpose = "PUBHLTH".to_owned();
    ask(&ledger, other).await.unwrap();
    time.store(tomorrow + 9 * DAY, Ordering::SeqCst);
    assert_eq!(
        reached(ask(&ledger, asked(6, "c", 3)).await).0,
        "dataset:clinic"
    );
    sound(&ledger).await;
}

#[tokio::test]
async fn a_repeated_answer_counts_for_the_analyst_alone() {
    let dir = tempfile::tempdir().unwrap();
    let limits = vec![
        limit(Share::Space, None, Some(DAY), 1),
        limit(Share::Analyst, None, None, 2),
    ];
    let (ledger, _) = with(dir.path(), limits).await;
    ask(&ledger, asked(6, "a", 0)).await.unwrap();
    let repeat = async |who: &str| ledger.reuse(asked(6, who, 0)).await;
    for who in ["a", "b", "b"] {
        let again = repeat(who).await.unwrap().unwrap();
        assert_eq!(again.cost, Loss::ZERO);
    }
    // No more for them; and what would be paid for anew is beyond it too.
    for who in ["a", "b"] {
        assert_eq!(repeat(who).await.unwrap(), None);
        let scope = reached(ask(&ledger, asked(6, who, 0)).await).0;
        assert!(scope.starts_with("space/") || scope == format!("analyst:{who}"));
    }
    repeat("c").await.unwrap().unwrap();
    sound(&ledger).await;
}

#[tokio::test]
async fn a_later_policy_goes_on_from_what_was_let_through() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, _) = with(dir.path(), vec![limit(Share::Analyst, None, None, 2)]).await;
    ask(&ledger, asked(6, "a", 0)).await.unwrap();
    ask(&ledger, asked(6, "a", 1)).await.unwrap();
    let record = async |version, limits| ledger.record(policy(version, limits)).await;
    // Below what she has used: nothing more, and nothing breaks.
    let at = record(3, vec![limit(Share::Analyst, None, None, 1)])
        .await
        .unwrap();
    assert_eq!(reached(ask(&ledger, asked(at.0, "a", 2)).await).1, 0);
    let at = record(4, vec![limit(Share::Analyst, Some("a"), None, 3)])
        .await
        .unwrap();
    ask(&ledger, asked(at.0, "a", 2)).await.unwrap();
    reached(ask(&ledger, asked(at.0, "a", 3)).await);
    // An older number, and limits of no meaning, do not come into force.
    for (version, limits) in [
        (4, vec![]),
        (1, vec![]),
        (5, vec![limit(Share::Space, None, None, 1)]),
        (5, vec![limit(Share::Analyst, None, Some(0), 1)]),
        (
            5,
            vec![
                limit(Share::Analyst, None, None, 1),
                limit(Share::Analyst, None, None, 2),
            ],
        ),
    ] {
        let refused = record(version, limits).await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    }
    reached(ask(&ledger, asked(at.0, "a", 3)).await);
    sound(&ledger).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_race_exactly_as_many_pass_as_the_limit_holds() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, _) = with(dir.path(), vec![limit(Share::Analyst, None, Some(DAY), 7)]).await;
    let mut racing = tokio::task::JoinSet::new();
    for n in 0..40 {
        let ledger = ledger.clone();
        racing.spawn(async move { ask(&ledger, asked(6, "a", n)).await.is_ok() });
    }
    let passed = racing
        .join_all()
        .await
        .into_iter()
        .filter(|passed| *passed)
        .count();
    assert_eq!(passed, 7);
    sound(&ledger).await;
}

#[tokio::test]
async fn a_certificate_that_fits_no_entry_moves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, _) = with(dir.path(), vec![limit(Share::Analyst, None, None, 50)]).await;
    let mut long = asked(6, "alice", 1);
    let step = long.certificate.steps[1].clone();
    let steps = &mut long.certificate.steps;
    steps[1].op = "x".repeat(70_000);
    assert_ne!(steps[1], step);
    // Asked together they share a transaction, which is not rolled back for the one.
    let small = (0..4).map(|plan| ask(&ledger, asked(6, "alice", 2 + plan)));
    let (refused, paid) = tokio::join!(ledger.reserve(long), futures::future::join_all(small));
    assert!(matches!(refused, Err(ReserveError::TooLong)), "{refused:?}");
    assert!(paid.iter().all(Result::is_ok), "{paid:?}");
    ledger.audit_accounts().await.unwrap();
    let limits = ledger.limits().await.unwrap();
    assert_eq!(limits[0].spent.rho.units(), 4 * price().units());
    ledger.close().await.unwrap();
    support::open(dir.path()).await.unwrap();
}
