//! The `salus` command as people and scripts meet it: the real binary, real files, real processes.
//!
//! One binary for all topics, because linking it takes longer than running most of them.

#[path = "main/architecture.rs"]
mod architecture;
#[path = "main/buckets.rs"]
mod buckets;
#[path = "main/budget.rs"]
mod budget;
#[path = "main/canary.rs"]
mod canary;
#[path = "main/commands.rs"]
mod commands;
#[path = "main/copies.rs"]
mod copies;
#[path = "main/crash.rs"]
mod crash;
#[path = "main/failures.rs"]
mod failures;
#[path = "main/formats.rs"]
mod formats;
#[path = "main/identity.rs"]
mod identity;
#[path = "main/killed_acts.rs"]
mod killed_acts;
#[path = "main/names.rs"]
mod names;
#[path = "main/nightly.rs"]
mod nightly;
#[path = "main/officers.rs"]
mod officers;
#[path = "main/oversight.rs"]
mod oversight;
#[path = "main/policy.rs"]
mod policy;
#[path = "main/prices.rs"]
mod prices;
#[path = "main/quality.rs"]
mod quality;
#[path = "main/questions.rs"]
mod questions;
#[path = "main/real_data.rs"]
mod real_data;
#[path = "main/receipts.rs"]
mod receipts;
#[path = "main/records.rs"]
mod records;
#[path = "main/rollback.rs"]
mod rollback;
#[path = "main/serve/mod.rs"]
mod serve;
#[path = "main/servers.rs"]
mod servers;
#[path = "main/succession.rs"]
mod succession;
#[path = "main/support.rs"]
mod support;
#[path = "main/tamper.rs"]
mod tamper;
#[path = "main/terms.rs"]
mod terms;
#[path = "main/truth.rs"]
mod truth;
#[path = "main/vacuum.rs"]
mod vacuum;
#[path = "main/views.rs"]
mod views;
#[path = "main/witnesses.rs"]
mod witnesses;
