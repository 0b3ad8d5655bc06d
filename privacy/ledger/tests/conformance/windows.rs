//! Windows: accounts of limits in one of their periods, which two officers open.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::join_all;
use salus_accounting::{Delta, Loss, Rho};
use salus_ledger::entry::{Body, Grant, Limit, Share, Statement};
use salus_ledger::{
    EntryIndex, Error, Fact, Ledger, Preview, Proposal, Reservation, ReserveError, Signer,
    Surroundings, key,
};

use super::support::{answer, price, question};
use super::{Case, Store, verified};

const DAY: u64 = 86_400;
const TODAY: u64 = 20_717;

/// Everybody's account of today.
const WINDOW: &str = "space/86400/20717:riverside";

fn questions(number: u64) -> Loss {
    Loss::from_rho(Rho::from_units(price().units() * number))
}

fn limit(of: Share, name: Option<&str>, seconds: Option<u64>, number: u64) -> Limit {
    Limit {
        of,
        name: name.map(str::to_owned),
        seconds,
        cap: questions(number),
    }
}

/// A ledger with two officers, a policy with these limits, and a clock.
struct Clinic {
    ledger: Ledger,
    officers: [Signer; 2],
    time: Arc<AtomicU64>,
    policy: EntryIndex,
}

fn surroundings(time: &Arc<AtomicU64>) -> Surroundings {
    let clock = Arc::clone(time);
    Surroundings {
        clock: Arc::new(move || clock.load(Ordering::SeqCst)),
        ..Surroundings::default()
    }
}

impl Clinic {
    async fn new(case: &Case<impl Store>, purse: u64, limits: Vec<Limit>) -> Self {
        let time = Arc::new(AtomicU64::new(TODAY * DAY + 100));
        let ledger = case.create_in(purse, surroundings(&time)).await;
        let officers = ["ada", "ben"]
            .map(|name| key::generate(&case.dir().join(format!("{name}.key")), name).unwrap());
        for who in &officers {
            let come = ledger.propose_officer(who.origin(), who.verifier().public(), true);
            ledger.enter(come, vec![]).await.unwrap();
        }
        let policy = EntryIndex(0);
        let mut clinic = Self {
            ledger,
            officers,
            time,
            policy,
        };
        clinic.apply(2, limits).await;
        clinic
    }

    async fn apply(&mut self, version: u64, limits: Vec<Limit>) {
        let fact = Fact::Policy {
            version,
            sha256: [9; 32],
            query_rho: price(),
            limits,
        };
        self.policy = self.ledger.record(fact).await.unwrap();
    }

    /// The same ledger, read and compared anew.
    async fn reopened(self, case: &Case<impl Store>) -> Self {
        verified(&self.ledger).await;
        self.ledger.close().await.unwrap();
        let around = surroundings(&self.time);
        Self {
            ledger: case.open_in(around).await.unwrap(),
            ..self
        }
    }

    fn asked(&self, plan: u8) -> Reservation {
        let mut asked = question();
        asked.plan.push(plan);
        asked.certificate.policy = self.policy;
        asked
    }

    /// Asks so often; how many questions were let through.
    async fn ask(&self, times: u8) -> usize {
        let mut passed = 0;
        for plan in 0..times {
            match self.ledger.reserve(self.asked(plan)).await {
                Ok(charge) => {
                    answer(charge).await.unwrap();
                    passed += 1;
                }
                Err(ReserveError::LimitReached { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        passed
    }

    async fn propose(&self, scope: &str, number: u64) -> Proposal {
        let cap = questions(number);
        let proposal = self.ledger.propose_window(scope, cap, u64::MAX, "the flu");
        proposal.await.unwrap()
    }

    async fn enter(&self, proposal: Proposal) -> Result<EntryIndex, Error> {
        let by = self.officers.iter();
        let approvals = by.map(|who| proposal.approve(who)).collect();
        self.ledger.enter(proposal, approvals).await
    }

    async fn open(&self, scope: &str, number: u64) {
        self.enter(self.propose(scope, number).await).await.unwrap();
    }

    async fn raise_purse(&self, number: u64) {
        let cap = Loss {
            rho: questions(number).rho,
            delta: Delta::parse_floor("1e-6").unwrap(),
        };
        let raise = self.ledger.propose_grant(cap, u64::MAX, "").await.unwrap();
        self.enter(raise).await.unwrap();
    }

    /// Caps of the purse and of a window, in questions.
    async fn caps(&self, scope: &str) -> (u64, u64) {
        let number = |cap: Loss| cap.rho.units() / price().units();
        let purse = self.ledger.account().await.unwrap().cap;
        let window = self.ledger.window(scope).await.unwrap().unwrap().cap;
        (number(purse), number(window))
    }
}

/// The same proposal, otherwise.
fn edited(proposal: &Proposal, edit: impl FnOnce(&mut Grant)) -> Proposal {
    let Body::Grant(mut grant) = proposal.body().clone() else {
        panic!("no grant")
    };
    edit(&mut grant);
    let statement = Statement::of(proposal.origin(), &Body::Grant(grant));
    Proposal::read(statement.bytes(), proposal.openings().to_vec()).unwrap()
}

fn refused(result: Result<EntryIndex, Error>, why: &str) {
    match result {
        Err(Error::Refused(what)) => assert!(what.contains(why), "{why}: {what}"),
        other => panic!("{why}: {other:?}"),
    }
}

pub async fn two_officers_open_a_window(case: &Case<impl Store>) {
    let closed = vec![limit(Share::Space, None, Some(DAY), 0)];
    let clinic = Clinic::new(case, 10, closed).await;
    assert_eq!(clinic.ask(2).await, 0);
    assert!(clinic.ledger.limits().await.unwrap().is_empty());
    let known = clinic.ledger.windows().await.unwrap();
    assert_eq!(known[0].scope, WINDOW);

    let wanted = clinic.propose(WINDOW, 2).await;
    let [ada, ben] = &clinic.officers;
    let by = |who: &[&Signer]| who.iter().map(|who| wanted.approve(who)).collect();
    let enter = |approvals| clinic.ledger.enter(wanted.clone(), approvals);
    refused(enter(by(&[])).await, "G1: two officers");
    refused(enter(by(&[ada])).await, "G1: two officers");
    refused(enter(by(&[ben, ben])).await, "A1");
    // Approved for another account.
    let other = edited(&wanted, |grant| {
        grant.scope = "space/86400/20718:riverside".into();
    });
    let moved = [ada, ben].map(|who| other.approve(who)).to_vec();
    refused(enter(moved).await, "A1");
    assert_eq!(clinic.ask(2).await, 0);

    enter(by(&[ada, ben])).await.unwrap();
    let foretold = clinic.ledger.preview(clinic.asked(0), true).await.unwrap();
    assert_eq!(foretold, Preview::Admitted);
    assert_eq!(clinic.ask(4).await, 2);
    let [account] = &clinic.ledger.limits().await.unwrap()[..] else {
        panic!("one account")
    };
    assert_eq!(account.scope, WINDOW);
    assert_eq!((account.cap, account.spent), (questions(2), questions(2)));
    assert_eq!(account.remaining(), Loss::ZERO);
    let again = [ada, ben].map(|who| wanted.approve(who)).to_vec();
    refused(clinic.ledger.enter(wanted, again).await, "G1");

    let clinic = clinic.reopened(case).await;
    let foretold = clinic.ledger.preview(clinic.asked(9), true).await.unwrap();
    assert!(matches!(foretold, Preview::Declined(_)), "{foretold:?}");
    assert_eq!(clinic.ask(1).await, 0);
    clinic.open(WINDOW, 3).await;
    assert_eq!(clinic.ask(2).await, 1);
    clinic.reopened(case).await;
}

/// What is no account of a window of the policy below.
const NO_WINDOWS: [&str; 22] = [
    // Another name of the same account.
    "space/86400/20717:Riverside",
    "space/86400/20717:",
    "space/86400/20717",
    "space/086400/20717:riverside",
    "space/+86400/20717:riverside",
    "space/86400/020717:riverside",
    "space/86400/20717/0:riverside",
    "space/86400/:riverside",
    "space//20717:riverside",
    "Space/86400/20717:riverside",
    " space/86400/20717:riverside",
    // Of no period, of another, of nobody.
    "purpose:HRESCH",
    "purpose/86400/20717:HRESCH",
    "analyst/86400/20717:analyst-1",
    "analyst/604800/2959",
    "dataset/86400/20717:clinic",
    "everything/86400/20717:riverside",
    "space:elsewhere",
    "riverside",
    "",
    "space/99999999999999999999/1:riverside",
    "space/86400/-1:riverside",
];

/// What is no window, or no more than it holds, is not entered, and the rule is named.
pub async fn a_grant_is_of_a_window_that_there_is(case: &Case<impl Store>) {
    let limits = vec![
        limit(Share::Space, None, Some(DAY), 0),
        limit(Share::Analyst, None, Some(7 * DAY), 1),
        limit(Share::Analyst, Some("lead"), Some(DAY), 2),
        limit(Share::Purpose, None, None, 5),
    ];
    let clinic = Clinic::new(case, 4, limits).await;
    let wanted = clinic.propose(WINDOW, 2).await;
    let unknown = "G1: no limit in force";
    for scope in NO_WINDOWS {
        let wrong = edited(&wanted, |grant| scope.clone_into(&mut grant.scope));
        refused(clinic.enter(wrong).await, unknown);
        assert_eq!(clinic.ledger.window(scope).await.unwrap(), None, "{scope}");
    }
    let over = "G1: the period of the account";
    for period in [
        0,
        TODAY - 1,
        u64::MAX / DAY,
        u64::MAX / DAY + 1,
        u64::MAX - 1,
        u64::MAX,
    ] {
        let wrong = edited(&wanted, |grant| {
            grant.scope = format!("space/86400/{period}:riverside");
        });
        refused(clinic.enter(wrong).await, over);
    }
    let hers = edited(&wanted, |grant| {
        "analyst/604800/2959:a\0b".clone_into(&mut grant.scope);
        grant.old = questions(1);
    });
    refused(clinic.enter(hers).await, "NUL");
    // What reads as something else, or as more, than it is.
    let long = "n".repeat(129);
    for name in [
        "",
        "Eve Smith",
        " eve",
        "eve\u{202e}",
        "\u{435}ve",
        "a\tb",
        &long,
    ] {
        let account = format!("analyst/604800/2959:{name}");
        let hers = edited(&wanted, |grant| {
            account.clone_into(&mut grant.scope);
            grant.old = questions(1);
        });
        refused(clinic.enter(hers).await, "visible ASCII");
        let cap = questions(2);
        let proposed = clinic.ledger.propose_window(&account, cap, u64::MAX, "");
        refused(proposed.await.map(|_| EntryIndex(0)), "visible ASCII");
    }
    let change = async |rule: &str, edit: &dyn Fn(&mut Grant)| {
        refused(clinic.enter(edited(&wanted, edit)).await, rule);
    };
    let in_force = "G1: the cap in force is another";
    change(in_force, &|grant| grant.old = questions(1)).await;
    change("G1: a grant raises", &|grant| grant.new = grant.old).await;
    change("G1: the grant has expired", &|grant| {
        grant.expires = TODAY * DAY + 99;
    })
    .await;
    // Above the purse by one unit, in either.
    let above = "G1: the cap of the window would pass that of the purse";
    let purse = clinic.ledger.account().await.unwrap().cap;
    let more = Rho::from_units(purse.rho.units() + 1);
    change(above, &|grant| grant.new.rho = more).await;
    let delta = Delta::from_units(purse.delta.units() + 1).unwrap();
    change(above, &|grant| grant.new.delta = delta).await;
    // Another's limit, at the cap that it has.
    let lead = "analyst/86400/20717:lead";
    change(in_force, &|grant| lead.clone_into(&mut grant.scope)).await;
    assert_eq!(
        clinic
            .ledger
            .all_of(salus_ledger::entry::Kind::Grant)
            .await
            .unwrap(),
        []
    );
    // And a nonce once, whatever is granted.
    let nonce = [7; 16];
    clinic
        .enter(edited(&wanted, |grant| grant.nonce = nonce))
        .await
        .unwrap();
    let second = clinic.propose(lead, 3).await;
    let second = edited(&second, |grant| grant.nonce = nonce);
    refused(
        clinic.enter(second).await,
        "G1: the grant was entered before",
    );
    // As much as the purse, and no more.
    let rest = clinic.propose(WINDOW, 4).await;
    clinic
        .enter(edited(&rest, |grant| grant.new = purse))
        .await
        .unwrap();
    clinic.reopened(case).await;
}

/// Grants of the purse and of windows, in any order: each cap is that of the last grant of its own.
pub async fn purse_and_windows_keep_caps_of_their_own(case: &Case<impl Store>) {
    let limits = vec![
        limit(Share::Space, None, Some(DAY), 1),
        limit(Share::Analyst, None, Some(DAY), 1),
    ];
    let hers = "analyst/86400/20717:analyst-1";
    let mut clinic = Clinic::new(case, 4, limits).await;
    clinic.open(WINDOW, 3).await;
    assert_eq!(clinic.caps(WINDOW).await, (4, 3));
    assert_eq!(clinic.ask(2).await, 1, "her own limit");
    clinic = clinic.reopened(case).await;
    clinic.raise_purse(5).await;
    assert_eq!(clinic.caps(WINDOW).await, (5, 3));
    clinic = clinic.reopened(case).await;
    clinic.open(hers, 5).await;
    assert_eq!(clinic.caps(WINDOW).await, (5, 3));
    assert_eq!(clinic.caps(hers).await, (5, 5));
    assert_eq!(clinic.ask(4).await, 2);
    clinic.raise_purse(6).await;
    clinic.open(WINDOW, 6).await;
    clinic.open(hers, 6).await;
    assert_eq!(clinic.caps(WINDOW).await, (6, 6));
    clinic = clinic.reopened(case).await;
    assert_eq!(clinic.caps(hers).await, (6, 6));
    assert_eq!(clinic.ask(3).await, 3);
    // Now the purse itself is empty, and no window opens it.
    let empty = clinic.ledger.reserve(clinic.asked(9)).await;
    assert!(matches!(empty, Err(ReserveError::BudgetExhausted { .. })));
    clinic.reopened(case).await;
}

pub async fn a_window_opens_in_its_period_and_under_its_policy(case: &Case<impl Store>) {
    let closed = || vec![limit(Share::Space, None, Some(DAY), 0)];
    let mut clinic = Clinic::new(case, 10, closed()).await;
    let tomorrow = "space/86400/20718:riverside";
    clinic.open(tomorrow, 1).await;
    assert_eq!(clinic.ask(1).await, 0);
    let listed = clinic.ledger.limits().await.unwrap();
    assert_eq!(listed[0].scope, tomorrow);
    clinic = clinic.reopened(case).await;
    clinic.time.fetch_add(DAY, Ordering::SeqCst);
    assert_eq!(clinic.ask(2).await, 1);
    clinic.time.fetch_add(DAY, Ordering::SeqCst);
    assert_eq!(clinic.ask(1).await, 0);
    assert!(clinic.ledger.limits().await.unwrap().is_empty());

    // A new policy says everything anew, also where it says the same.
    let today = "space/86400/20719:riverside";
    clinic.open(today, 3).await;
    let waiting = clinic.propose(today, 5).await;
    assert_eq!(clinic.ask(1).await, 1);
    clinic.apply(3, closed()).await;
    assert_eq!(clinic.ask(1).await, 0);
    assert_eq!(clinic.caps(today).await, (10, 0));
    refused(clinic.enter(waiting).await, "G1: the cap in force");
    clinic = clinic.reopened(case).await;
    assert_eq!(clinic.ask(1).await, 0);
    // What was let through is not forgotten.
    clinic.open(today, 2).await;
    assert_eq!(clinic.ask(2).await, 1);
    clinic.apply(4, vec![]).await;
    let refusal = clinic
        .ledger
        .propose_window(today, questions(3), u64::MAX, "");
    assert!(matches!(refusal.await, Err(Error::Refused(_))));
    assert_eq!(clinic.ask(1).await, 1, "no limit");
    clinic.reopened(case).await;
}

/// Grants, questions and policies at once, from two processes: what passes is what is granted.
pub async fn grants_race_with_questions_and_policies(case: &Case<impl Store>) {
    let closed = || vec![limit(Share::Space, None, Some(DAY), 0)];
    let mut clinic = Clinic::new(case, 40, closed()).await;
    let other = case.open_in(surroundings(&clinic.time)).await.unwrap();
    let reserve = async |plan: u8| {
        let ledger = if plan.is_multiple_of(2) {
            &clinic.ledger
        } else {
            &other
        };
        match ledger.reserve(clinic.asked(plan)).await {
            Ok(charge) => {
                std::mem::forget(charge);
                1
            }
            Err(ReserveError::LimitReached { .. }) => 0,
            Err(unexpected) => panic!("{unexpected:?}"),
        }
    };
    let mut passed = 0;
    for round in 1..=3 {
        let grant = clinic.propose(WINDOW, 2 * round).await;
        let plans = (0..12).map(reserve);
        let (entered, some) = futures::join!(clinic.enter(grant), join_all(plans));
        entered.unwrap();
        passed += some.iter().sum::<u64>();
        assert!(passed <= 2 * round, "{passed}");
        // Both know of it, and nothing is left over.
        passed += join_all((0..4).map(reserve)).await.iter().sum::<u64>();
        assert_eq!(passed, 2 * round);
    }
    // Of a grant and a policy one is first: then the window is as the last of them says.
    let grant = clinic.propose(WINDOW, 8).await;
    let policy = Fact::Policy {
        version: 3,
        sha256: [9; 32],
        query_rho: price(),
        limits: closed(),
    };
    let (entered, policy) = futures::join!(clinic.enter(grant), other.record(policy));
    let policy = policy.unwrap();
    match entered {
        Ok(entered) => assert!(entered < policy),
        refusal => refused(refusal, "G1: the cap in force"),
    }
    clinic.policy = policy;
    assert_eq!(clinic.caps(WINDOW).await.1, 0);
    assert_eq!(clinic.ask(1).await, 0);
    other.close().await.unwrap();
    clinic.reopened(case).await;
}
