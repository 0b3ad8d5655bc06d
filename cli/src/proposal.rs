//! Proposals as files that officers hand around.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use salus_ledger::entry::{Approval, Body, Genesis};
use salus_ledger::note::Checkpoint;
use salus_ledger::{Opening, Proposal};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::arguments::Format;
use crate::failure::Failure;
use crate::files;
use crate::output::{Rows, print};

/// A proposal and the approvals it has so far.
pub(crate) struct Paper {
    pub(crate) proposal: Proposal,
    pub(crate) approvals: Vec<Approval>,
}

/// As it stands in the file. `what` is for people; what counts is `statement`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    what: String,
    statement: String,
    #[serde(default)]
    texts: Vec<Text>,
    #[serde(default)]
    approvals: Vec<Signed>,
}

/// A text that the entry commits to.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    name: String,
    content: String,
    salt: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    officer: String,
    signature: String,
}

impl Paper {
    pub(crate) fn new(proposal: Proposal) -> Self {
        Self {
            proposal,
            approvals: Vec::new(),
        }
    }

    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |what: &str| Failure::usage(format!("{}: {what}", path.display()));
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let written: Written =
            serde_json::from_str(&text).map_err(|_| wrong("it is not a proposal"))?;
        let statement = BASE64
            .decode(&written.statement)
            .map_err(|_| wrong("its statement is not base64"))?;
        let mut openings = Vec::new();
        for text in written.texts {
            let salt = BASE64
                .decode(&text.salt)
                .ok()
                .and_then(|salt| salt.try_into().ok())
                .ok_or_else(|| wrong("a salt is not 32 bytes in base64"))?;
            let content = text.content.into_bytes();
            openings.push((text.name, Opening { salt, content }));
        }
        let proposal = Proposal::read(&statement, openings)
            .map_err(|what| wrong(&format!("its statement is none: {what}")))?;
        if !texts_hold(&proposal) {
            return Err(wrong(
                "a text in it is not the one that the statement commits to; it was changed",
            ));
        }
        if written.what != in_words(&proposal) {
            return Err(wrong(&format!(
                "its words are not what its statement says, which is: {}",
                in_words(&proposal)
            )));
        }
        let mut approvals = Vec::new();
        for signed in written.approvals {
            let officer = BASE64.decode(&signed.officer).ok();
            let signature = BASE64.decode(&signed.signature).ok();
            let (Some(officer), Some(signature)) = (
                officer.and_then(|bytes| bytes.try_into().ok()),
                signature.and_then(|bytes| bytes.try_into().ok()),
            ) else {
                return Err(wrong("an approval in it cannot be read"));
            };
            let approval = Approval { officer, signature };
            if !proposal.is_approved_by(&approval) {
                return Err(wrong("an approval in it is of something else"));
            }
            approvals.push(approval);
        }
        Ok(Self {
            proposal,
            approvals,
        })
    }

    /// One proposal, of which each file has some approvals.
    pub(crate) fn together(files: &[PathBuf]) -> Result<Self, Failure> {
        let mut whole: Option<Self> = None;
        for file in files {
            let paper = Self::read(file)?;
            match &mut whole {
                None => whole = Some(paper),
                Some(whole) if whole.proposal == paper.proposal => {
                    for approval in paper.approvals {
                        whole.add(approval);
                    }
                }
                Some(_) => {
                    return Err(Failure::usage(format!(
                        "{} is another proposal than {}",
                        file.display(),
                        files
                            .first()
                            .map_or(Path::new(""), PathBuf::as_path)
                            .display()
                    )));
                }
            }
        }
        whole.ok_or_else(|| Failure::usage("name the proposal"))
    }

    fn text(&self) -> Result<String, Failure> {
        let texts = self.proposal.openings().iter();
        let written = Written {
            what: in_words(&self.proposal),
            statement: BASE64.encode(self.proposal.statement().bytes()),
            texts: texts
                .map(|(name, opening)| Text {
                    name: name.clone(),
                    content: String::from_utf8_lossy(&opening.content).into_owned(),
                    salt: BASE64.encode(opening.salt),
                })
                .collect(),
            approvals: self
                .approvals
                .iter()
                .map(|approval| Signed {
                    officer: BASE64.encode(approval.officer),
                    signature: BASE64.encode(approval.signature),
                })
                .collect(),
        };
        Ok(serde_json::to_string_pretty(&written)? + "\n")
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        files::replace(path, self.text()?.as_bytes())
    }

    /// Writes a proposal that has just been made.
    pub(crate) fn write_new(&self, path: &Path, format: Format) -> Result<(), Failure> {
        if path.exists() {
            return Err(Failure::usage(format!(
                "{} exists; nothing was overwritten",
                path.display()
            )));
        }
        self.write(path)?;
        let what = in_words(&self.proposal);
        let mut rows = Rows::new(&["proposal", "what"]);
        rows.push([path.display().to_string(), what.clone()]);
        print(format, &rows, &json!({"proposal": path, "what": what}));
        if format == Format::Table {
            let then = match self.proposal.body() {
                Body::Genesis(_) => "salus ledger succeed --decision",
                _ => "salus proposal enter",
            };
            println!(
                "Two officers approve it with `salus proposal approve {}`; then `{then}`.",
                path.display()
            );
        }
        Ok(())
    }

    /// Adds an approval, once for each officer.
    pub(crate) fn add(&mut self, approval: Approval) {
        self.approvals
            .retain(|known| known.officer != approval.officer);
        self.approvals.push(approval);
    }

    pub(crate) fn json(&self) -> Value {
        let keys: Vec<String> = self
            .approvals
            .iter()
            .map(|approval| key_text(&approval.officer))
            .collect();
        json!({"origin": self.proposal.origin(), "what": in_words(&self.proposal), "approvals": keys})
    }
}

/// A public key without a name.
pub(crate) fn key_text(public: &[u8; 32]) -> String {
    BASE64.encode(public)
}

/// Text as a terminal shows it and nothing else: what moves, hides or turns other text around is spelt out.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let hides = c.is_control()
                || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
            let shown: Vec<char> = if hides || c == '"' {
                c.escape_unicode().collect()
            } else {
                vec![c]
            };
            shown
        })
        .collect()
}

/// What the statement says, from its bytes and nothing else.
pub(crate) fn in_words(proposal: &Proposal) -> String {
    let text = |name: &str| {
        let opening = proposal.openings().iter().find(|(known, _)| known == name);
        opening.map_or_else(String::new, |(_, opening)| {
            let text = String::from_utf8_lossy(&opening.content);
            format!("; it says \"{}\"", plain(&text))
        })
    };
    match proposal.body() {
        Body::Officer(officer) if officer.active => {
            format!(
                "OFFICER: {} approves from here on, with the key {}",
                plain(&officer.name),
                key_text(&officer.public)
            )
        }
        Body::Officer(officer) => format!(
            "OFFICER: {} no longer approves, with the key {}",
            plain(&officer.name),
            key_text(&officer.public)
        ),
        Body::Grant(grant) => format!(
            "GRANT: raise the cap of {}{} from rho {} and delta {} to rho {} and delta {}, until {}{}",
            plain(&grant.scope),
            period(&grant.scope),
            grant.old.rho,
            grant.old.delta,
            grant.new.rho,
            grant.new.delta,
            crate::output::time(grant.expires),
            text("reason")
        ),
        Body::Review(review) => format!(
            "REVIEW: entries {} to {} were looked at{}",
            review.from,
            review.to,
            text("note")
        ),
        Body::Seal(seal) => format!(
            "SEAL: this log ends, and {} goes on from it with the first key {}, until {}{}",
            plain(&seal.successor.origin),
            key_text(&seal.successor.public),
            crate::output::time(seal.expires),
            text("reason")
        ),
        Body::Genesis(genesis) => opening(genesis),
        other => format!("an entry of the kind {}", other.kind()),
    }
}

/// When the period of an account is, where it has one.
fn period(scope: &str) -> String {
    let share = scope.split_once(':').map_or(scope, |(share, _)| share);
    let parts: Vec<&str> = share.split('/').collect();
    let [_, seconds, number] = parts.as_slice() else {
        return String::new();
    };
    let bounds = seconds.parse::<u64>().ok().zip(number.parse::<u64>().ok());
    let bounds = bounds.and_then(|(seconds, number)| {
        let from = number.checked_mul(seconds)?;
        Some((from, from.checked_add(seconds)?))
    });
    bounds.map_or_else(String::new, |(from, to)| {
        let time = crate::output::time;
        format!(" (from {} to before {})", time(from), time(to))
    })
}

/// A log that goes on from one that was lost.
fn opening(genesis: &Genesis) -> String {
    let Some(before) = &genesis.predecessor else {
        return format!("GENESIS: {} begins", plain(&genesis.origin));
    };
    let officers: Vec<String> = before
        .officers
        .iter()
        .map(|heir| format!("{} ({})", plain(&heir.name), key_text(&heir.public)))
        .collect();
    let signed = Checkpoint::stated_size(&before.checkpoint);
    let purse = if before.spent == genesis.ceiling {
        "the purse is CLOSED for good: how much was spent is not known".to_owned()
    } else {
        format!(
            "the purse opens with rho {} and delta {} spent, of a cap of rho {} and delta {}",
            before.spent.rho, before.spent.delta, genesis.cap.rho, genesis.cap.delta
        )
    };
    format!(
        "RECOVERY: {} is lost and answers nothing any more; {} goes on from it for {} with the first key {}; {purse}; the ceiling is rho {} and delta {}; \
         known are its first {} entries and a checkpoint of {}; {} limits go on; its officers are {}",
        plain(&before.origin),
        plain(&genesis.origin),
        plain(&genesis.space),
        key_text(&before.successor),
        genesis.ceiling.rho,
        genesis.ceiling.delta,
        before.read.unwrap_or(0),
        signed.unwrap_or(0),
        before.limits.len(),
        officers.join(", ")
    )
}

/// Whether each text is the one that the statement commits to, so that nobody approves another than she read.
fn texts_hold(proposal: &Proposal) -> bool {
    let committed = match proposal.body() {
        Body::Grant(grant) => vec![("reason", grant.reason)],
        Body::Review(review) => vec![("note", review.note)],
        Body::Seal(seal) => vec![("reason", seal.reason)],
        _ => vec![],
    };
    proposal.openings().len() == committed.len()
        && committed.iter().all(|(name, hash)| {
            let mut openings = proposal.openings().iter();
            openings.any(|(known, opening)| known == name && opening.commitment() == *hash)
        })
}
