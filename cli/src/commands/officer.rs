//! `salus officer`: proposals, or entries where no approval is needed.

use std::path::Path;

use salus_ledger::note::Verifier;
use salus_ledger::{Error, Ledger};
use serde_json::json;

use crate::arguments::{Format, Names, Officer};
use crate::commands::officer_views::principal;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Rows, print};
use crate::proposal::Paper;

pub(crate) async fn run(root: &Path, command: &Officer, format: Format) -> Result<(), Failure> {
    let home = Home::at(root)?;
    if let Officer::Names(command) = command {
        return names(&home, command, format);
    }
    let ledger = home.ledger().await?;
    let done = match command {
        Officer::Names(_) => Ok(()),
        Officer::List => list(&ledger, format).await,
        Officer::Add { key, out } => add(&ledger, key, out.as_deref(), format).await,
        Officer::Retire { name, out } => retire(&ledger, name, out, format).await,
    };
    ledger.close().await?;
    done
}

fn names(home: &Home, command: &Names, format: Format) -> Result<(), Failure> {
    let names = home.names();
    let (mut rows, mut listed) = (Rows::new(&["pseudonym", "name"]), Vec::new());
    match command {
        Names::List => {
            for (pseudonym, name) in names.all()? {
                listed.push(json!({"pseudonym": pseudonym, "name": name}));
                rows.push([pseudonym, name.unwrap_or_else(|| "(erased)".into())]);
            }
            print(format, &rows, &json!({ "names": listed }));
        }
        Names::Erase { user } => {
            let pseudonym = principal(home, Some(user))?.unwrap_or_default();
            let known = names.erase(&pseudonym)?;
            rows.header = vec!["erased".into(), "was known".into()];
            rows.push([pseudonym.clone(), if known { "yes" } else { "no" }.into()]);
            print(format, &rows, &json!({"erased": pseudonym, "known": known}));
        }
    }
    Ok(())
}

async fn list(ledger: &Ledger, format: Format) -> Result<(), Failure> {
    let mut rows = Rows::new(&["officer", "public key"]);
    let mut json = Vec::new();
    for (public, name) in ledger.officers().await? {
        let key =
            Verifier::new(&name, &public).map_or_else(|_| String::new(), |key| key.to_string());
        json.push(json!({"name": name, "public_key": key}));
        rows.push([name, key]);
    }
    print(format, &rows, &json!({"officers": json}));
    Ok(())
}

async fn add(
    ledger: &Ledger,
    key: &str,
    out: Option<&Path>,
    format: Format,
) -> Result<(), Failure> {
    let verifier = Verifier::parse(key.trim()).map_err(|_| {
        Failure::usage(format!(
            "{key} is not a public key; `salus key new` prints one as NAME+ID+KEY"
        ))
    })?;
    let proposal = ledger.propose_officer(verifier.name(), verifier.public(), true);
    if let Some(out) = out {
        return Paper::new(proposal).write_new(out, format);
    }
    let entry = ledger
        .enter(proposal, Vec::new())
        .await
        .map_err(|error| match error {
            Error::Refused(what) => Failure::usage(format!(
                "{what}. With --out FILE it becomes a proposal; `salus proposal approve` adds an officer's approval to it"
            )),
            other => other.into(),
        })?;
    let mut rows = Rows::new(&["officer", "entry"]);
    rows.push([verifier.name().to_owned(), entry.to_string()]);
    print(
        format,
        &rows,
        &json!({"name": verifier.name(), "entry": entry.0}),
    );
    Ok(())
}

async fn retire(ledger: &Ledger, name: &str, out: &Path, format: Format) -> Result<(), Failure> {
    let officers = ledger.officers().await?;
    let Some((public, _)) = officers.iter().find(|(_, known)| known == name) else {
        return Err(Failure::usage(format!(
            "there is no officer {name}; `salus officer list` shows them"
        )));
    };
    Paper::new(ledger.propose_officer(name, *public, false)).write_new(out, format)
}
