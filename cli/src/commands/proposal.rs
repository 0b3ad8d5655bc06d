//! `salus proposal`.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use salus_ledger::{Body, Error, key};
use serde_json::json;

use crate::accounts;
use crate::arguments::{Format, Proposal};
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Rows, print};
use crate::proposal::{Paper, in_words};

pub(crate) async fn run(root: &Path, command: &Proposal, format: Format) -> Result<(), Failure> {
    match command {
        Proposal::Show { file } => {
            show(&Paper::read(file)?, format);
            Ok(())
        }
        Proposal::Approve {
            file,
            key,
            out,
            yes,
        } => approve(file, key, out.as_deref().unwrap_or(file), *yes, format),
        Proposal::Enter { files } => enter(&Home::at(root)?, files, format).await,
    }
}

fn show(paper: &Paper, format: Format) {
    let mut rows = Rows::new(&["log", "what", "approvals"]);
    rows.push([
        paper.proposal.origin().to_owned(),
        in_words(&paper.proposal),
        paper.approvals.len().to_string(),
    ]);
    print(format, &rows, &paper.json());
}

fn approve(file: &Path, key: &Path, out: &Path, yes: bool, format: Format) -> Result<(), Failure> {
    let mut paper = Paper::read(file)?;
    let officer = key::load(key).map_err(|error| match error {
        Error::Refused(what) => Failure::usage(format!("{}: {what}", key.display())),
        other => other.into(),
    })?;
    // What is signed is read first.
    show(&paper, format);
    if std::io::stdin().is_terminal() && !yes {
        eprint!("Approve this as {}? [y/N] ", officer.origin());
        let mut said = String::new();
        std::io::stdin()
            .read_line(&mut said)
            .map_err(anyhow::Error::from)?;
        if !matches!(said.trim(), "y" | "Y" | "yes") {
            return Err(Failure::usage("not approved; nothing was written"));
        }
    }
    paper.add(paper.proposal.approve(&officer));
    paper.write(out)?;
    if format == Format::Table {
        println!("Approved as {}, in {}.", officer.origin(), out.display());
    }
    Ok(())
}

async fn enter(home: &Home, files: &[PathBuf], format: Format) -> Result<(), Failure> {
    let paper = Paper::together(files)?;
    if matches!(paper.proposal.body(), Body::Genesis(_)) {
        return Err(Failure::usage(
            "this is of a log that goes on from a lost one: `salus ledger succeed --decision FILE --key KEY`",
        ));
    }
    let ledger = home.ledger().await?;
    if paper.proposal.origin() != ledger.genesis().origin {
        return Err(Failure::usage(format!(
            "the proposal is for the log {}, and this is {}",
            paper.proposal.origin(),
            ledger.genesis().origin
        )));
    }
    // What somebody else wrote may name staff, or nobody.
    if let Body::Grant(grant) = paper.proposal.body()
        && accounts::known(home, &grant.scope)? != grant.scope
    {
        return Err(Failure::usage(
            "the proposal names an analyst as she is called, and the log would keep that for ever; `salus grant propose --window` writes her pseudonym. Nothing was entered",
        ));
    }
    let what = in_words(&paper.proposal);
    let entered = ledger.enter(paper.proposal, paper.approvals).await;
    ledger.close().await?;
    let entry = entered.map_err(|error| match error {
        Error::Refused(what) => Failure::usage(format!("{what}; nothing was entered")),
        other => other.into(),
    })?;
    let mut rows = Rows::new(&["entry", "what"]);
    rows.push([entry.to_string(), what.clone()]);
    print(format, &rows, &json!({"entry": entry.0, "what": what}));
    Ok(())
}
