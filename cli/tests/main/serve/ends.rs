//! Callers that go, servers that stop, and more callers than there is room for.

use std::time::{Duration, Instant};

use salus_server::proto::{Busy, Options};
use tonic::Code;

use super::{Server, apply, detail, epsilon, question, runtime, token};
use crate::support::{Home, PERSONS};

/// Answers leave this long after their questions came.
const GRID: &str = "answer_grid_milliseconds: 2500";

/// A home where every answer takes so long that there is time to be gone.
fn slow() -> Home {
    let home = Home::populated(&["--epsilon", "5"], 20);
    apply(&home, 2, GRID);
    home
}

fn keyed(key: &str) -> Options {
    Options {
        fresh: true,
        retry_key: Some(key.to_owned()),
        ..epsilon("0.1")
    }
}

/// Waits until so many entries of a kind are in the ledger.
fn wait_for(home: &Home, kind: &str, many: usize) {
    let begun = Instant::now();
    loop {
        let entries = home.entries();
        let found = entries.iter().filter(|entry| entry["kind"] == kind).count();
        if found >= many {
            return;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{entries:#?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn who_disconnects_cancels_nothing_and_reads_the_answer_later() {
    let home = slow();
    let server = Server::of(&home, &[]);
    let (_, token) = token(&home, "alice");
    let asking = runtime().spawn(
        server
            .client(&token)
            .asked(question(PERSONS, keyed("lost"))),
    );
    wait_for(&home, "reserve", 1);
    // The future takes its stream and its connection with it.
    asking.abort();
    // On a busy machine the answer may have come before.
    if let Err(left) = runtime().block_on(asking) {
        assert!(left.is_cancelled());
    }
    let spent = home.budget("spent");
    assert!(spent > 0);
    wait_for(&home, "release", 1);
    let entries = home.entries();
    let of = |kind: &str| entries.iter().filter(|entry| entry["kind"] == kind).count();
    assert_eq!((of("reserve"), of("release"), of("abort")), (1, 1, 0));
    let answer = server.client(&token).ask(PERSONS, keyed("lost")).unwrap();
    let released = entries.iter().find(|entry| entry["kind"] == "release");
    assert_eq!(released.unwrap()["entry"].as_u64(), Some(answer.entry));
    assert_eq!(home.budget("spent"), spent, "it was paid once");
    // A deadline of the client's is no other.
    let mut hurried = server.client(&token);
    let mut request = hurried.request(question(PERSONS, keyed("late")));
    request.set_timeout(Duration::from_millis(1500));
    let late = runtime().block_on(hurried.stub.ask(request)).unwrap_err();
    assert!(
        matches!(late.code(), Code::DeadlineExceeded | Code::Cancelled),
        "{late:?}"
    );
    wait_for(&home, "release", 2);
    home.run(&["ledger", "verify"]).exits(0);
}

#[test]
fn a_server_that_stops_finishes_what_it_took() {
    let home = slow();
    let mut server = Server::of(&home, &[]);
    let (_, token) = token(&home, "alice");
    let client = server.client(&token);
    let waiting = runtime().spawn(client.clone().asked(question(PERSONS, keyed("waits"))));
    let gone = runtime().spawn(
        server
            .client(&token)
            .asked(question(PERSONS, keyed("gone"))),
    );
    wait_for(&home, "reserve", 2);
    gone.abort();
    server.terminate();
    let answer = runtime().block_on(waiting).unwrap().unwrap();
    assert_eq!(answer.rows.len(), 1);
    assert!(server.ended().success(), "{}", server.said());
    let entries = home.entries();
    let of = |kind: &str| entries.iter().filter(|entry| entry["kind"] == kind).count();
    assert_eq!((of("reserve"), of("release"), of("abort")), (2, 2, 0));
    let late = server.client(&token).ask(PERSONS, epsilon("0.1"));
    assert_eq!(late.unwrap_err().code(), Code::Unavailable);
    home.run(&["ledger", "verify"]).exits(0);
}

#[test]
fn more_questions_than_there_is_room_for_are_refused_at_no_cost() {
    let home = slow();
    let server = Server::of(&home, &["--at-work", "1", "--waiting", "1"]);
    let client = server.client(&token(&home, "alice").1);
    let ask = |key: &str| runtime().spawn(client.clone().asked(question(PERSONS, keyed(key))));
    let first = ask("first");
    wait_for(&home, "reserve", 1);
    let asked: Vec<_> = ["second", "third", "fourth"].into_iter().map(ask).collect();
    let outcomes = asked
        .into_iter()
        .map(|asked| runtime().block_on(asked).unwrap());
    let (answered, refused): (Vec<_>, Vec<_>) = outcomes.partition(Result::is_ok);
    runtime().block_on(first).unwrap().unwrap();
    assert!(!answered.is_empty() && !refused.is_empty());
    for refused in &refused {
        let busy = refused.as_ref().unwrap_err();
        assert_eq!(busy.code(), Code::ResourceExhausted);
        let detail: Busy = detail(busy, "Busy");
        assert_eq!((detail.at_work, detail.waiting), (1, 1));
    }
    let entries = home.entries();
    let reserved = entries.iter().filter(|entry| entry["kind"] == "reserve");
    assert_eq!(reserved.count(), 1 + answered.len());
}
