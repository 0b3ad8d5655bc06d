//! What changed in the rules: facts, keys, officers, grants; and who looked: reviews, incidents.

use salus_ledger::{Body, StoredEntry};

use super::Source;
use super::page::Page;
use crate::books::hex;
use crate::time::instant;

pub(super) fn write(page: &mut Page, source: &Source<'_>) {
    page.section("changes", "What changed", true);
    let rows = lines(source, changed);
    if rows.is_empty() {
        page.nothing("Nothing changed in this period.");
    } else {
        page.table(
            "Facts, policies, keys, officers and grants",
            &["#Entry", "Time", "Kind", "~What"],
            &rows,
        );
    }
    page.section("reviews", "Reviews and incidents", false);
    let rows = lines(source, looked);
    if rows.is_empty() {
        page.nothing("No review and no incident was entered in this period.");
    } else {
        page.table(
            "Who has looked, and what went wrong",
            &["#Entry", "Time", "Kind", "~What"],
            &rows,
        );
        page.paragraph("What was found, and what happened, is committed to in the entry and lies outside the log.");
    }
}

fn lines(source: &Source<'_>, what: impl Fn(&StoredEntry) -> Option<String>) -> Vec<Vec<String>> {
    let rows = source.entries().filter_map(|stored| {
        Some(vec![
            stored.index.to_string(),
            instant(stored.entry.time),
            stored.entry.body.kind().name().to_owned(),
            what(stored)?,
        ])
    });
    rows.collect()
}

fn changed(stored: &StoredEntry) -> Option<String> {
    Some(match &stored.entry.body {
        Body::Genesis(genesis) => {
            let begins = format!(
                "the ledger of {} begins, with a cap of {} and a ceiling of {}; made by {}, rules {}",
                genesis.space, genesis.cap, genesis.ceiling, genesis.build, genesis.rules
            );
            match &genesis.predecessor {
                None => begins,
                Some(before) => format!(
                    "{begins}; it goes on from {}, which was {}, with {} spent",
                    before.origin,
                    if before.read.is_some() {
                        "lost"
                    } else {
                        "sealed"
                    },
                    before.spent
                ),
            }
        }
        Body::Seal(seal) => format!(
            "the ledger ends; {} goes on from {}; {} officers approved",
            seal.successor.origin,
            seal.totals
                .as_ref()
                .map_or_else(not_yet, |totals| totals.spent.to_string()),
            seal.approvals.len()
        ),
        Body::Key(key) => format!(
            "checkpoints are signed by the key {} from here on",
            hex(&key.public)
        ),
        Body::Dataset(dataset) => {
            format!(
                "dataset {}, persons are named by {}",
                dataset.dataset, dataset.unit
            )
        }
        Body::Catalog(catalog) => format!(
            "catalog of {}, version {}, SHA-256 {}",
            catalog.dataset,
            catalog.version,
            hex(&catalog.sha256)
        ),
        Body::Policy(policy) => format!(
            "policy version {}: one question costs at most rho {}, {} limits, SHA-256 {}",
            policy.version,
            policy.query_rho,
            policy.limits.len(),
            hex(&policy.sha256)
        ),
        Body::Snapshot(snapshot) => {
            format!("snapshot {} of {}", snapshot.snapshot, snapshot.dataset)
        }
        Body::Officer(officer) => format!(
            "officer {} {}; key {}, {} approvals",
            officer.name,
            if officer.active {
                "approves from here on"
            } else {
                "no longer approves"
            },
            hex(&officer.public),
            officer.approvals.len()
        ),
        Body::Grant(grant) => format!(
            "the cap of {} goes from {} to {}; {} officers approved",
            grant.scope,
            grant.old,
            grant.new,
            grant.approvals.len()
        ),
        _ => return None,
    })
}

/// Of a seal that has not been entered, which no log holds.
fn not_yet() -> String {
    "what is not known yet".to_owned()
}

fn looked(stored: &StoredEntry) -> Option<String> {
    Some(match &stored.entry.body {
        Body::Review(review) => format!(
            "{} looked at the entries {} to {}; {}",
            review.principal,
            review.from,
            review.to,
            approved(review.approvals.len())
        ),
        Body::Incident(incident) => format!(
            "the price of entry {} was too low by {}; it was taken from the purse; {}",
            incident.reserve,
            incident.loss,
            approved(incident.approvals.len())
        ),
        _ => return None,
    })
}

fn approved(approvals: usize) -> String {
    match approvals {
        0 => "not signed by an officer".to_owned(),
        1 => "signed by 1 officer".to_owned(),
        more => format!("signed by {more} officers"),
    }
}
