//! `salus key`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use salus_bulk::{KeyAlgorithm, SigningKey, generate_key};
use salus_ledger::entry::{Body, Kind};
use salus_ledger::key;
use salus_ledger::note::Verifier;
use serde_json::json;

use crate::arguments::{ClientAlgorithm, Format, Key};
use crate::commands::export;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Rows, hex, print};

pub(crate) async fn run(root: &Path, command: &Key, format: Format) -> Result<(), Failure> {
    match command {
        Key::New { file, name } => new(file, name, format),
        Key::List => list(&Home::at(root)?, format).await,
        Key::Rotate => rotate(&Home::at(root)?, format).await,
        Key::Retire => retire(&Home::at(root)?, format).await,
        Key::Client { file, algorithm } => client(file, *algorithm, format),
        Key::Jwks { files } => jwks(files),
    }
}

fn new(file: &Path, name: &str, format: Format) -> Result<(), Failure> {
    if !key::is_plain_name(name) {
        return Err(Failure::usage(
            "--name: 1 to 64 letters, digits, dots, hyphens, slashes or underscores",
        ));
    }
    let signer = key::generate(file, name).map_err(|error| match error {
        salus_ledger::Error::Refused(what) => Failure::usage(format!("{}: {what}", file.display())),
        other => other.into(),
    })?;
    let mut rows = Rows::new(&["private key", "public key"]);
    rows.push([file.display().to_string(), signer.vkey()]);
    print(
        format,
        &rows,
        &json!({"file": file, "name": name, "public_key": signer.vkey()}),
    );
    if format == Format::Table {
        println!(
            "Keep the file to yourself; give the public key to whoever runs `salus officer add`."
        );
    }
    Ok(())
}

async fn list(home: &Home, format: Format) -> Result<(), Failure> {
    let ledger = home.ledger().await?;
    let origin = ledger.genesis().origin.clone();
    let keys: Vec<(u64, String)> = ledger
        .all_of(Kind::Key)
        .await?
        .into_iter()
        .filter_map(|stored| match stored.entry.body {
            Body::Key(key) => {
                let verifier = Verifier::new(&origin, &key.public).ok()?;
                Some((stored.index.0, verifier.to_string()))
            }
            _ => None,
        })
        .collect();
    ledger.close().await?;
    let mut rows = Rows::new(&["entry", "verifier key", ""]);
    let newest = keys.last().map(|(index, _)| *index);
    for (index, vkey) in &keys {
        let state = if Some(*index) == newest {
            "in force"
        } else {
            "replaced"
        };
        rows.push([index.to_string(), vkey.clone(), state.to_owned()]);
    }
    let json: Vec<_> = keys
        .iter()
        .map(|(index, vkey)| json!({"entry": index, "verifier_key": vkey, "in_force": Some(*index) == newest}))
        .collect();
    print(format, &rows, &json!({"keys": json}));
    Ok(())
}

/// The new key is on the disk, under a name of its own, before the ledger names it; from then on the ledger says which key is in force.
async fn rotate(home: &Home, format: Format) -> Result<(), Failure> {
    let alone = home.lock_keys()?;
    let ledger = home.ledger().await?;
    let mut nonce = [0_u8; 4];
    getrandom::fill(&mut nonce).map_err(|e| anyhow!("no randomness: {e}"))?;
    let file = home.later_key_file(&hex(&nonce));
    let signer = key::generate(&file, &ledger.genesis().origin)?;
    let rotated = ledger.rotate(signer.clone()).await;
    drop(alone);
    let entry = rotated.with_context(|| {
        format!(
            "whether {} is in force the ledger says; `salus key list` shows it",
            signer.vkey()
        )
    })?;
    // Writes the verifier key down.
    home.ledger().await?.close().await?;
    let mut rows = Rows::new(&["verifier key", "from entry"]);
    rows.push([signer.vkey(), entry.to_string()]);
    print(
        format,
        &rows,
        &json!({"verifier_key": signer.vkey(), "entry": entry.0}),
    );
    if format == Format::Table {
        println!(
            "Give the verifier key to whoever checks, witnesses too; receipts of before verify with the one they had."
        );
    }
    Ok(())
}

async fn retire(home: &Home, format: Format) -> Result<(), Failure> {
    let ledger = home.ledger().await?;
    let in_force = ledger.vkey();
    ledger.close().await?;
    let _alone = home.lock_keys()?;
    let mut removed = Vec::new();
    for (path, signer) in home.signers()? {
        if signer.vkey() != in_force {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            removed.push(path);
        }
    }
    let mut rows = Rows::new(&["removed"]);
    for path in &removed {
        rows.push([path.display().to_string()]);
    }
    print(format, &rows, &json!({"removed": removed}));
    Ok(())
}

fn client(file: &Path, algorithm: ClientAlgorithm, format: Format) -> Result<(), Failure> {
    let algorithm = match algorithm {
        ClientAlgorithm::Es384 => KeyAlgorithm::Es384,
        ClientAlgorithm::Rs384 => KeyAlgorithm::Rs384,
    };
    let key = generate_key(algorithm).map_err(export::failure)?;
    key.write(file).map_err(export::failure)?;
    let mut rows = Rows::new(&["private key", "key id", "algorithm"]);
    let name = key.algorithm().name();
    rows.push([file.display().to_string(), key.kid().into(), name.into()]);
    let json = json!({"file": file, "kid": key.kid(), "algorithm": name});
    print(format, &rows, &json);
    Ok(())
}

fn jwks(files: &[PathBuf]) -> Result<(), Failure> {
    let mut keys = Vec::new();
    for file in files {
        keys.extend(SigningKey::read(file).map_err(export::failure)?);
    }
    println!("{}", salus_bulk::jwks(&keys));
    Ok(())
}
