//! Rule E2: what a genesis says of the log before it holds together.

use std::collections::BTreeSet;

use crate::authority::Authority;
use crate::entry::{Genesis, Predecessor, TWO};
use crate::note::{Checkpoint, Verifier};

/// Whether a log may open with this genesis.
///
/// # Errors
///
/// The rule and what is wrong.
pub(crate) fn check(genesis: &Genesis) -> Result<(), String> {
    let Some(before) = &genesis.predecessor else {
        return Ok(());
    };
    holds_together(genesis, before).map_err(|what| format!("E2: {what}"))?;
    if before.read.is_some() && before.approvals.len() < TWO {
        return Err("E2: two officers of the lost log must approve it".to_owned());
    }
    Authority::of(genesis).check_genesis(genesis)
}

fn holds_together(genesis: &Genesis, before: &Predecessor) -> Result<(), &'static str> {
    if before.origin == genesis.origin {
        return Err("a log does not go on from itself");
    }
    let verifier = Verifier::new(&before.origin, &before.public)
        .map_err(|_| "the log before it has no name, or no key")?;
    let signed = Checkpoint::open(&before.checkpoint, &verifier)
        .map_err(|_| "the checkpoint is not signed by the key of the log before it")?;
    if signed.size < 2
        || before
            .read
            .is_some_and(|read| !(2..=signed.size).contains(&read))
    {
        return Err("there are not so many entries");
    }
    let mut keys = before.officers.iter().map(|heir| heir.public);
    if !keys.clone().is_sorted_by(|one, next| one < next) || before.officers.len() < TWO {
        return Err("the officers are fewer than two, or not in order");
    }
    let names: BTreeSet<&str> = before
        .officers
        .iter()
        .map(|heir| heir.name.as_str())
        .collect();
    if names.len() < before.officers.len() || names.contains("") {
        return Err("two officers have one name, or one has none");
    }
    let log_keys = [before.public, before.successor];
    if before.public == before.successor || keys.any(|key| log_keys.contains(&key)) {
        return Err("a key has two offices");
    }
    let mut scopes = before.limits.iter().map(|limit| limit.scope.as_str());
    let first = scopes.next();
    if first.is_some()
        && !before
            .limits
            .is_sorted_by(|one, next| one.scope < next.scope)
    {
        return Err("the limits are not in order");
    }
    Ok(())
}
