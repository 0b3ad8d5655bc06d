//! `salus ledger succeed` and `salus ledger recover`: the home's purse goes on in another log.
//!
//! The home turns to its new log in one step, the last: until then it has the old one, which answers nothing any more, and the same
//! command goes on from wherever it was interrupted.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use salus_ledger::anchor::SharedAnchor;
use salus_ledger::entry::Kind;
use salus_ledger::note::Verifier;
use salus_ledger::succession::{Build, Lost, after_loss, after_seal, approved};
use salus_ledger::{Body, Entry, Error, Evidence, Genesis, Ledger, Signer, key};
use salus_query::Policy;
use serde_json::json;

use super::budget::loss_json;
use super::init::RULES;
use crate::anchors;
use crate::arguments::{Format, Recover, Succeed};
use crate::failure::Failure;
use crate::files;
use crate::home::Home;
use crate::memory::Memory;
use crate::output::{Rows, print};
use crate::proposal::Paper;
use crate::settings::Settings;

/// Makes the log that goes on, and turns the home to it.
pub(crate) async fn succeed(home: &Home, asked: &Succeed, format: Format) -> Result<(), Failure> {
    let alone = home.lock_keys()?;
    let signer = key::load(&asked.key).map_err(refused)?;
    let present = Settings::read(home.root())?;
    let genesis = if asked.decision.is_empty() {
        after_seal(&sealed(home).await?, &build()).map_err(refused)?
    } else {
        let paper = Paper::together(&asked.decision)?;
        approved(paper.proposal, paper.approvals).map_err(refused)?
    };
    let before = genesis.predecessor.as_ref();
    let (origin, spent, named) = before
        .map(|before| (before.origin.clone(), before.spent, before.successor))
        .ok_or_else(|| Failure::usage("the decision is not of a log that goes on from another"))?;
    if signer.verifier().public() != named {
        return Err(Failure::usage(format!(
            "{} is not the key that was named for the successor; nothing was changed",
            asked.key.display()
        )));
    }
    let carried = policy_of(home, &origin);
    if carried.is_none() && !asked.default_policy {
        return Err(Failure::usage(
            "the policy that was in force is not here (policies/, past/): put it back, or go on under the default one with --default-policy; nothing was changed",
        ));
    }
    let before = match &asked.before_anchor {
        Some(dir) => anchors::place(dir)?,
        None => present.anchor.clone(),
    };
    let next = next_settings(&present, &signer, asked)?;
    home.keep_key(&asked.key, &signer)?;
    let conversion = genesis.conversion_delta;
    let ledger = begin(home, signer, genesis, &before, &next).await?;
    let policy = carried.is_some();
    apply_once(home, &ledger, carried).await?;
    home.books(&home.lake()?, &ledger).await?;
    let (name, vkey) = (ledger.genesis().origin.clone(), ledger.vkey());
    ledger.close().await?;
    next.write(home.root())?;
    drop(alone);
    // Writes the verifier key down.
    home.ledger().await?.close().await?;

    let mut rows = Rows::new(&["log", "goes on from", "spent (rho)", "verifier key"]);
    rows.push([
        name.clone(),
        origin.clone(),
        spent.rho.to_string(),
        vkey.clone(),
    ]);
    print(
        format,
        &rows,
        &json!({"origin": name, "predecessor": origin, "spent": loss_json(spent, conversion), "verifier_key": vkey, "policy_carried": policy}),
    );
    if format == Format::Table {
        println!("Give the verifier key to whoever checks, witnesses too.");
        if !policy {
            println!(
                "The policy of the log before is not here; the default one is in force. `salus policy apply FILE` brings another."
            );
        }
    }
    Ok(())
}

/// Writes down what is known of a lost log, for its officers to approve.
pub(crate) async fn recover(home: &Home, asked: &Recover, format: Format) -> Result<(), Failure> {
    let successor = verifier(&asked.successor)?;
    let entries = left(&asked.entries, &home.vkey()?).await?;
    let origin = origin(&entries)?;
    let seen = seen(home, &origin, &asked.seen)?;
    let place = match &asked.anchor {
        Some(dir) => anchors::place(dir)?,
        None => home.anchor_place()?,
    };
    let held = async || -> Result<Option<SharedAnchor>, Failure> {
        let anchor = home.anchor_at(&place)?;
        // An empty one holds nothing against a full purse.
        let empty = anchor.newest(1).await?.is_empty();
        Ok((!empty).then_some(anchor))
    };
    let (anchor, why) = match held().await {
        Ok(Some(anchor)) => (Some(anchor), String::new()),
        Ok(None) => (None, "it is empty".to_owned()),
        Err(failure) => (None, failure.message()),
    };
    if anchor.is_none() {
        eprintln!(
            "salus: no anchor can be read at {} ({why}), so how much was spent is not known, and the purse will be closed for good. If it can \
             still be put back, do that first; --anchor DIR names another",
            place.display()
        );
    }
    let lost = Lost {
        entries: &entries,
        anchor: anchor.as_deref(),
        seen: &seen,
    };
    let proposal = after_loss(&lost, &successor, &build())
        .await
        .map_err(refused)?;
    keep(&home.past(&origin), &entries, |dir| entries.write(dir))?;
    Paper::new(proposal).write_new(&asked.out, format)
}

/// The public key that was printed as NAME+ID+KEY.
pub(crate) fn verifier(text: &str) -> Result<Verifier, Failure> {
    Verifier::parse(text.trim()).map_err(|_| {
        Failure::usage(format!(
            "{text} is not a public key; `salus key new FILE --name ORIGIN` makes the successor's and prints it as NAME+ID+KEY"
        ))
    })
}

fn build() -> Build {
    Build {
        build: env!("CARGO_PKG_VERSION").to_owned(),
        rules: RULES,
    }
}

/// The whole sealed log, which is kept before anything else happens.
async fn sealed(home: &Home) -> Result<Evidence, Failure> {
    let ledger = home.ledger().await?;
    let evidence = ledger.evidence().await?;
    let beside = match ledger.genesis().restricted {
        Some(_) => Some(ledger.restricted()?.evidence().await?),
        None => None,
    };
    ledger.close().await?;
    let ends = evidence.entries.last().map(|bytes| Entry::decode(bytes));
    if !matches!(ends, Some(Ok(entry)) if matches!(entry.body, Body::Seal(_))) {
        return Err(Failure::usage(
            "this log is not sealed: `salus ledger seal` proposes it, and its officers approve. If the ledger is lost, see `salus ledger recover`",
        ));
    }
    let place = home.past(&origin(&evidence)?);
    if let Some(beside) = beside {
        keep(&restricted(&place), &beside.log, |dir| beside.write(dir))?;
    }
    keep(&place, &evidence, |dir| evidence.write(dir))?;
    Ok(evidence)
}

/// A name beside a kept log's that no log has: those begin with `log.`.
fn beside(past: &Path, what: &str) -> PathBuf {
    let mut name = OsString::from(what);
    name.push(".");
    name.push(past.file_name().unwrap_or_default());
    past.with_file_name(name)
}

/// Where its restricted log is kept.
fn restricted(past: &Path) -> PathBuf {
    beside(past, "restricted")
}

/// Keeps a log, whole or not at all, over what was kept of its beginning. A longer one that was kept stays.
fn keep(
    place: &Path,
    log: &Evidence,
    write: impl Fn(&Path) -> salus_ledger::Result<()>,
) -> Result<(), Failure> {
    let unwritten = || format!("cannot write {}", place.display());
    if let Some(dir) = place.parent() {
        files::private_dir(dir)?;
    }
    if place.exists() {
        let kept = Evidence::load(place)?;
        let shared = kept.entries.len().min(log.entries.len());
        if kept.entries[..shared] != log.entries[..shared] {
            return Err(Failure::Integrity(format!(
                "{} is another history of this log: it was rewritten after one of them. Keep both, and move that directory away to go on",
                place.display()
            )));
        }
        if kept.entries.len() > log.entries.len() {
            return Ok(());
        }
    }
    let draft = beside(place, "new");
    let removed = |dir: &Path| match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    removed(&draft).with_context(unwritten)?;
    write(&draft)?;
    removed(place)
        .and_then(|()| fs::rename(&draft, place))
        .and_then(|()| files::sync_parent(place))
        .with_context(unwritten)?;
    Ok(())
}

/// An export, or the directory of a database.
async fn left(dir: &Path, vkey: &str) -> Result<Evidence, Failure> {
    if dir.join("entries").is_dir() {
        return Ok(Evidence::load(dir)?);
    }
    if !dir.join("ledger.db").is_file() {
        return Err(Failure::usage(format!(
            "{} holds neither an exported log nor a ledger.db",
            dir.display()
        )));
    }
    Ok(Evidence::read(dir, vkey).await?)
}

fn origin(evidence: &Evidence) -> Result<String, Failure> {
    let first = evidence.entries.first().map(|bytes| Entry::decode(bytes));
    match first {
        Some(Ok(entry)) => match entry.body {
            Body::Genesis(genesis) => Ok(genesis.origin),
            _ => Err(Failure::Integrity("entry 0 is not the genesis".to_owned())),
        },
        _ => Err(Failure::Integrity("there is no genesis".to_owned())),
    }
}

/// Checkpoints of the log that somebody kept: this user, the receipts of the home, whoever was asked.
fn seen(home: &Home, origin: &str, named: &[PathBuf]) -> Result<Vec<Vec<u8>>, Failure> {
    let mut seen: Vec<Vec<u8>> = Memory::of(origin)?.note().into_iter().collect();
    for file in named {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let note = checkpoint(&bytes);
        if !is_of(note, origin) {
            return Err(Failure::usage(format!(
                "{} is no checkpoint or receipt of {origin}",
                file.display()
            )));
        }
        seen.push(note.to_vec());
    }
    let receipts = home.receipts();
    // One that cannot be read may be the newest.
    let files =
        files::below(&receipts).with_context(|| format!("cannot read {}", receipts.display()))?;
    for file in files {
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let note = checkpoint(&bytes);
        if is_of(note, origin) {
            seen.push(note.to_vec());
        }
    }
    Ok(seen)
}

/// The checkpoint of a receipt, which follows its first empty line; anything else as it is.
fn checkpoint(bytes: &[u8]) -> &[u8] {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n");
    match end {
        Some(end) if bytes.starts_with(b"c2sp.org/tlog-proof@") => &bytes[end + 2..],
        _ => bytes,
    }
}

fn is_of(note: &[u8], origin: &str) -> bool {
    note.strip_prefix(origin.as_bytes())
        .is_some_and(|rest| rest.first() == Some(&b'\n'))
}

/// Where the new log is: names that a second call of the same key finds again.
fn next_settings(
    present: &Settings,
    signer: &Signer,
    asked: &Succeed,
) -> Result<Settings, Failure> {
    let vkey = signer.vkey();
    let id = vkey.split('+').nth(1).unwrap_or("next").to_owned();
    let anchor = if let Some(dir) = &asked.anchor {
        anchors::place(dir)?
    } else {
        let mut beside = present.anchor.clone().into_os_string();
        beside.push(format!("-{id}"));
        beside.into()
    };
    if asked.ledger.is_none()
        && present
            .ledger
            .as_deref()
            .is_some_and(|at| at.contains("://"))
    {
        return Err(Failure::usage(
            "the ledger is in PostgreSQL: name the schema of the one that goes on, --ledger postgres://…?schema=…",
        ));
    }
    let ledger = asked
        .ledger
        .clone()
        .unwrap_or_else(|| format!("ledger-{id}"));
    let mut ended = present.ended.clone();
    if present.address() != ledger {
        ended.push(present.address().to_owned());
    }
    Ok(Settings {
        ledger: Some(ledger),
        ended,
        anchor,
        ..present.clone()
    })
}

/// Makes the log, takes the place after the one before in its anchor, and opens it.
async fn begin(
    home: &Home,
    signer: Signer,
    genesis: Genesis,
    before: &Path,
    next: &Settings,
) -> Result<Ledger, Failure> {
    let place = next.place(home.root())?;
    let before = home.anchor_at(before)?;
    // Witnesses cannot know it yet.
    let around = salus_ledger::Surroundings {
        anchor: Some(home.anchor_at(&next.anchor)?),
        ..Default::default()
    };
    let ledger = Ledger::succeed(&place, signer, genesis, around, Some(before))
        .await
        .map_err(refused)?;
    // One that was begun before may have been put back since.
    Memory::of(&ledger.genesis().origin)?.check(&ledger).await?;
    Ok(ledger)
}

/// The policy that was in force in the log before, as what is kept of that log and of policies says.
fn policy_of(home: &Home, origin: &str) -> Option<String> {
    let kept = Evidence::load(&home.past(origin)).ok()?;
    let recorded = kept.entries.iter().rev().find_map(|bytes| {
        let Body::Policy(policy) = Entry::decode(bytes).ok()?.body else {
            return None;
        };
        Some(policy.sha256)
    });
    home.policy_text(&recorded?).ok()
}

/// Brings a policy into force, unless that was done.
async fn apply_once(home: &Home, ledger: &Ledger, carried: Option<String>) -> Result<(), Failure> {
    if ledger.newest(Kind::Policy).await?.is_some() {
        return Ok(());
    }
    let text = carried.unwrap_or_else(|| Policy::default_yaml().to_owned());
    let policy = Policy::parse(&text).map_err(Failure::usage)?;
    home.apply_policy(ledger, &policy, &text).await?;
    Ok(())
}

fn refused(error: Error) -> Failure {
    match error {
        Error::Refused(what) => Failure::usage(format!("{what}; nothing was changed")),
        other => other.into(),
    }
}
