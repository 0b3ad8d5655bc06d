//! `salus witness`.

use std::fs;
use std::path::Path;

use anyhow::Context;
use salus_ledger::key;
use salus_ledger::note::Verifier;
use salus_witness::{Witness, serve};
use serde_json::json;
use tokio::net::TcpListener;

use crate::arguments::{self, Format};
use crate::failure::Failure;
use crate::output::{Rows, print};

pub(crate) async fn run(
    _: &Path,
    command: &arguments::Witness,
    format: Format,
) -> Result<(), Failure> {
    let arguments::Witness::Serve {
        key,
        state,
        log,
        listen,
    } = command;
    let mut logs = Vec::new();
    for text in log {
        let vkey = fs::read_to_string(text).unwrap_or_else(|_| text.clone());
        let vkey = Verifier::parse(vkey.trim()).map_err(|_| {
            Failure::usage(format!(
                "--log {text}: not a verifier key, nor a file with one"
            ))
        })?;
        logs.push(vkey);
    }
    let signer = key::load(key).map_err(|error| match error {
        salus_ledger::Error::Refused(what) => Failure::usage(format!("{}: {what}", key.display())),
        other => other.into(),
    })?;
    let witness = Witness::new(state, signer, logs).map_err(anyhow::Error::from)?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen at {listen}"))?;
    let (address, name) = (listener.local_addr()?, witness.key().to_string());
    let url = format!("http://{address}");
    let mut rows = Rows::new(&["witness key", "address"]);
    rows.push([name.clone(), url.clone()]);
    print(format, &rows, &json!({"witness_key": name, "url": url}));
    serve(witness, listener, async {
        // Without the signal it serves until it is killed, which harms nothing.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
    .await?;
    Ok(())
}
