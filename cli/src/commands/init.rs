//! `salus init`.

use std::path::{Path, PathBuf, absolute};

use anyhow::{Context, anyhow};
use salus_accounting::{Delta, Epsilon, Loss, Rho, rho_for_epsilon, split_delta};
use salus_lake::{Catalog, Lake};
use salus_ledger::{Genesis, Place, key};
use salus_query::Policy;
use serde_json::{Value, json};

use crate::anchors;
use crate::arguments::{Format, Init};
use crate::commands::budget::loss_json;
use crate::failure::Failure;
use crate::files;
use crate::home::{Home, witnesses};
use crate::output::{Rows, hex, print};
use crate::settings::Settings;

/// Version of the rules of admission that this build applies.
pub(super) const RULES: u64 = 1;

/// Seconds between the times at which the restricted log is anchored in the ledger.
const TICK: u64 = 3_600;

/// What is said of an anchor that does not lie apart.
const INSIDE: &str = "the anchor lies in the home, so a copy or a backup of the home copies it, and does not notice that it is one. Move it to a place that somebody else administers: `salus anchor set DIR` or `salus anchor set s3://BUCKET/PREFIX`; `salus init --anchor` puts it there at once";

pub(crate) async fn run(root: &Path, init: &Init, format: Format) -> Result<(), Failure> {
    let epsilon = parse_epsilon("--epsilon", &init.epsilon)?;
    let delta = Delta::parse_floor(&init.delta)
        .map_err(|e| Failure::usage(format!("--delta {}: {e}", init.delta)))?;
    if delta == Delta::ZERO || delta >= Delta::ONE {
        return Err(Failure::usage(
            "--delta must lie between 0 and 1, for instance 1e-6",
        ));
    }
    let ceiling_epsilon = match &init.ceiling_epsilon {
        Some(text) => parse_epsilon("--ceiling-epsilon", text)?,
        None => epsilon.clone(),
    };
    if ceiling_epsilon < epsilon {
        return Err(Failure::usage(
            "--ceiling-epsilon must not lie below --epsilon",
        ));
    }
    let (bookable, conversion) = split_delta(delta);
    let loss = |epsilon: &Epsilon| Loss {
        rho: rho_for_epsilon(epsilon, conversion),
        delta: bookable,
    };
    let cap = loss(&epsilon);
    if cap.rho == Rho::ZERO {
        return Err(Failure::usage("--epsilon is too small to buy anything"));
    }
    if i64::try_from(loss(&ceiling_epsilon).rho.units()).is_err() {
        return Err(Failure::usage(
            "--epsilon or --ceiling-epsilon is larger than the books can hold; 1000000 is more than anybody needs",
        ));
    }
    let origin = match &init.origin {
        Some(origin) => origin.clone(),
        None => format!("localhost/salus/{}", random_name()?),
    };

    let genesis = Genesis {
        origin: origin.clone(),
        space: init.space.clone(),
        ceiling: loss(&ceiling_epsilon),
        cap,
        conversion_delta: conversion,
        build: env!("CARGO_PKG_VERSION").to_owned(),
        rules: RULES,
        predecessor: None,
        restricted: Some(TICK),
    };
    let settings = settings(init)?;
    let home = Home::draft(root)?;
    let made = fill(&home, init, &settings, genesis).await;
    let vkey = match made {
        Ok(vkey) => vkey,
        Err(failure) => {
            home.discard();
            return Err(failure);
        }
    };
    let home = home.settle(root)?;

    let mut rows = Rows::new(&[
        "home",
        "origin",
        "identity space",
        "lifetime cap",
        "verifier key",
    ]);
    rows.push([
        root.display().to_string(),
        origin.clone(),
        init.space.clone(),
        format!("epsilon {}, delta {}", init.epsilon, init.delta),
        vkey.clone(),
    ]);
    let cap = loss_json(cap, conversion);
    let mut made = json!({"home": root, "origin": origin, "space": init.space, "cap": cap, "verifier_key": vkey});
    if !is_apart(&home, &settings.anchor) {
        match &mut made {
            Value::Object(fields) if format == Format::Json => {
                fields.insert("warning".to_owned(), json!(INSIDE));
            }
            _ => eprintln!("salus: {INSIDE}"),
        }
    }
    print(format, &rows, &made);
    if format == Format::Table {
        println!(
            "Give the verifier key to whoever is to check receipts, and keep {} apart from backups of the ledger.",
            home.key_file().display()
        );
    }
    Ok(())
}

/// Whether the anchor is anywhere but in the home, with which it would be copied and put back.
fn is_apart(home: &Home, anchor: &Path) -> bool {
    anchors::is_address(anchor) || !home.root().join(anchor).starts_with(home.root())
}

/// What is around the home, checked before anything is made.
fn settings(init: &Init) -> Result<Settings, Failure> {
    let whole =
        |path: &Path| absolute(path).with_context(|| format!("cannot use {}", path.display()));
    let anchor = match &init.anchor {
        Some(dir) => anchors::place(dir)?,
        None => PathBuf::from("anchor"),
    };
    let used = std::fs::read_dir(&anchor).is_ok_and(|mut files| files.next().is_some());
    if init.anchor.is_some() && used {
        return Err(Failure::usage(format!(
            "{} is not empty; an anchor begins in an empty directory, and each ledger has one of its own",
            anchor.display()
        )));
    }
    let witness_policy = match &init.witness_policy {
        Some(file) => {
            witnesses(file)?;
            Some(whole(file)?)
        }
        None => None,
    };
    if let Some(address) = &init.ledger {
        if !address.contains("://") {
            return Err(Failure::usage(
                "--ledger is the address of a schema, as in postgres://salus@db.example/salus?schema=riverside",
            ));
        }
        Place::parse(address)?;
    }
    let settings = Settings {
        ended: Vec::new(),
        ledger: init.ledger.clone(),
        lake: init.lake.clone(),
        anchor,
        witness_policy,
        retention: None,
    };
    settings.bucket()?;
    Ok(settings)
}

/// Puts everything into a new home, and gives the verifier key of its ledger.
async fn fill(
    home: &Home,
    init: &Init,
    settings: &Settings,
    genesis: Genesis,
) -> Result<String, Failure> {
    let signer = key::generate(&home.key_file(), &genesis.origin)?;
    files::create(&home.vkey_file(), format!("{}\n", signer.vkey()).as_bytes())?;
    home.write_pseudonym_key()?;
    let text = Policy::default_yaml().replace(
        "query_max_epsilon: \"10\"",
        &format!("query_max_epsilon: \"{}\"", init.epsilon),
    );
    let policy = Policy::parse(&text).map_err(|what| anyhow!("policy: {what}"))?;
    let bucket = settings.bucket()?;
    let catalog = Catalog::default_yaml();
    let lake = Lake::create_at(home.root(), catalog, None, bucket.as_ref())?;
    settings.write(home.root())?;
    let ledger = home.create_ledger(signer, genesis).await?;
    home.apply_policy(&ledger, &policy, &text).await?;
    home.books(&lake, &ledger).await?;
    let vkey = ledger.vkey();
    ledger.close().await?;
    Ok(vkey)
}

fn parse_epsilon(name: &str, text: &str) -> Result<Epsilon, Failure> {
    let epsilon =
        Epsilon::parse(text).map_err(|e| Failure::usage(format!("{name} {text}: {e}")))?;
    if epsilon == Epsilon::ZERO {
        return Err(Failure::usage(format!("{name} must be above 0")));
    }
    Ok(epsilon)
}

fn random_name() -> Result<String, Failure> {
    let mut bytes = [0_u8; 4];
    getrandom::fill(&mut bytes).map_err(|e| anyhow!("no randomness: {e}"))?;
    Ok(hex(&bytes))
}
