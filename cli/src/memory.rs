//! What this user has seen of ledgers: the newest checkpoint of each, kept apart from every home.
//!
//! A home that was put back to an earlier state with its anchor tells nothing of it. Whoever was given an answer after that state does:
//! the checkpoint of her receipt is not of the ledger that is there now.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use salus_checker::{Checkpoint, Note, verify_consistency};
use salus_ledger::Ledger;
use sha2::{Digest, Sha256};

use crate::arguments::Format;
use crate::failure::Failure;
use crate::files;
use crate::output::hex;

/// The state directory of the user: `$XDG_STATE_HOME`, else `~/.local/state`.
fn directory() -> Option<PathBuf> {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let state = named("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| Some(PathBuf::from(named("HOME")?).join(".local/state")))?;
    Some(state.join("salus"))
}

/// The newest checkpoint of the log `origin` that this user has seen.
pub(crate) struct Memory {
    file: Option<PathBuf>,
    seen: Option<Seen>,
}

/// A checkpoint that this user was given.
struct Seen {
    checkpoint: Checkpoint,
    /// As it was signed.
    note: Vec<u8>,
}

impl Memory {
    pub(crate) fn of(origin: &str) -> Result<Self, Failure> {
        let name = hex(&Sha256::digest(origin));
        let file = directory().map(|dir| dir.join(name));
        let text = match &file {
            Some(file) if file.exists() => Some(
                fs::read_to_string(file)
                    .with_context(|| format!("cannot read {}", file.display()))?,
            ),
            _ => None,
        };
        let seen = match (text, &file) {
            (Some(text), Some(file)) => {
                let checkpoint = parse(text.as_bytes()).map_err(|_| {
                    Failure::Integrity(format!(
                        "{} is damaged; it is what you have seen of the ledger {origin}. Remove it if you know that no backup was restored",
                        file.display()
                    ))
                })?;
                let note = text.into_bytes();
                Some(Seen { checkpoint, note })
            }
            _ => None,
        };
        Ok(Self { file, seen })
    }

    /// The checkpoint as it was signed.
    pub(crate) fn note(self) -> Option<Vec<u8>> {
        self.seen.map(|seen| seen.note)
    }

    /// Whether the ledger still has what this user has seen of it.
    pub(crate) async fn check(&self, ledger: &Ledger) -> Result<(), Failure> {
        let Some(Seen {
            checkpoint: seen, ..
        }) = &self.seen
        else {
            return Ok(());
        };
        let newest = ledger.newest_checkpoint().await?;
        let newest = parse(&newest)?;
        if newest.size < seen.size {
            return Err(Failure::Integrity(format!(
                "the ledger was put back to an earlier state: you were given an answer when it had {} entries, and now it has {}. \
                 Put the newest state back; what was spent since is not given back",
                seen.size, newest.size
            )));
        }
        expect_prefix(ledger, seen, &newest).await
    }

    /// Verifies the receipt's checkpoint against what is remembered, and remembers the newer.
    pub(crate) async fn learn(
        &self,
        ledger: &Ledger,
        receipt: &salus_checker::Receipt,
    ) -> Result<(), Failure> {
        let given = parse(&receipt.checkpoint)?;
        if let Some(Seen {
            checkpoint: seen, ..
        }) = &self.seen
        {
            // Somebody else may have been answered in between.
            let (old, new) = if seen.size <= given.size {
                (seen, &given)
            } else {
                (&given, seen)
            };
            expect_prefix(ledger, old, new).await?;
            if seen.size >= given.size {
                return Ok(());
            }
        }
        let remembered = match &self.file {
            Some(file) => remember(file, &given, &receipt.checkpoint),
            None => Err(Failure::usage("neither XDG_STATE_HOME nor HOME is set")),
        };
        if let Err(failure) = remembered {
            failure.report(Format::Table);
            eprintln!(
                "salus: this answer's checkpoint is not remembered; a ledger that is put back to before it will not be noticed here"
            );
        }
        Ok(())
    }
}

async fn expect_prefix(ledger: &Ledger, old: &Checkpoint, new: &Checkpoint) -> Result<(), Failure> {
    let proof = ledger.consistency(old.size, new.size).await?;
    let holds = verify_consistency(old.size, new.size, &old.root, &new.root, &proof);
    if holds {
        return Ok(());
    }
    Err(Failure::Integrity(format!(
        "this is not the ledger that you were given an answer from: its first {} entries are others. It was put back to an earlier \
         state and went on from there, or was replaced by another of the same origin",
        old.size
    )))
}

fn parse(note: &[u8]) -> Result<Checkpoint, Failure> {
    let note = Note::parse(note).map_err(|what| Failure::Integrity(what.to_string()))?;
    Checkpoint::parse(note.text()).map_err(|what| Failure::Integrity(what.to_string()))
}

/// The newest that anybody of this user's processes was given.
fn remember(file: &Path, given: &Checkpoint, note: &[u8]) -> Result<(), Failure> {
    if let Some(dir) = file.parent() {
        files::private_dir(dir)?;
    }
    let _lock = files::lock(&file.with_extension("lock"))?;
    let newer = fs::read(file)
        .ok()
        .and_then(|known| parse(&known).ok())
        .is_some_and(|known| known.size >= given.size);
    if newer {
        return Ok(());
    }
    files::replace(file, note)
}

/// Checks a receipt as anybody would who was given it, by the program that shares nothing with the ledger.
///
/// `vkeys` are the keys of the log: which of them signed depends on when, and is said.
pub(crate) fn verify(
    text: &str,
    vkeys: &[String],
) -> Result<(salus_checker::Receipt, String), Failure> {
    let mut why = "there is no verifier key".to_owned();
    for vkey in vkeys.iter().rev() {
        match salus_checker::verify_receipt(text, vkey) {
            Ok(receipt) => return Ok((receipt, vkey.clone())),
            Err(finding) => why = finding.to_string(),
        }
    }
    Err(Failure::Integrity(format!(
        "the receipt of the answer does not hold, so the answer is not shown: {why}"
    )))
}
