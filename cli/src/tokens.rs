//! The tokens of a home: `tokens.yaml`, readable by its owner only. It holds no token, only the SHA-256 of each.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use salus_server::token::{self, Digest, Token};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::files;
use crate::output::hex;

/// A token that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    /// The first digits of its digest, to name it by.
    pub id: String,
    /// Who bears it.
    pub user: String,
    /// SHA-256 of the token, in hexadecimal digits.
    pub sha256: String,
    /// When it was made, in seconds since 1970-01-01T00:00:00Z.
    pub made: u64,
}

impl Known {
    fn digest(&self) -> Option<Digest> {
        let digits = |at: usize| self.sha256.get(2 * at..2 * at + 2);
        let mut digest = [0; 32];
        for (at, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(digits(at)?, 16).ok()?;
        }
        (self.sha256.len() == 64).then_some(digest)
    }
}

/// The tokens of the home at a root.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    file: PathBuf,
}

impl Tokens {
    pub(crate) fn of(root: &Path) -> Self {
        Self {
            file: root.join("tokens.yaml"),
        }
    }

    /// Those that are known, in the order in which they were made.
    pub(crate) fn list(&self) -> Result<Vec<Known>, Failure> {
        let text = match fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(anyhow!(error)
                    .context(format!("cannot read {}", self.file.display()))
                    .into());
            }
        };
        let known: Vec<Known> = serde_yaml_ng::from_str(&text)
            .with_context(|| format!("{} cannot be read", self.file.display()))?;
        match known.iter().find(|known| known.digest().is_none()) {
            None => Ok(known),
            Some(bad) => Err(anyhow!(
                "{}: the sha256 of token {} is none",
                self.file.display(),
                bad.id
            )
            .into()),
        }
    }

    /// The user who bears this token.
    pub(crate) fn user_of(&self, presented: &str) -> Result<Option<String>, Failure> {
        let known = self.list()?.into_iter();
        let known = known.filter_map(|known| Some((known.digest()?, known.user)));
        Ok(token::bearer(known, presented))
    }

    /// Makes a token for a user.
    pub(crate) fn add(&self, user: &str, now: u64) -> Result<(Known, Token), Failure> {
        let token = Token::draw().context("no randomness")?;
        let sha256 = hex(&token.digest());
        let made = Known {
            id: sha256.chars().take(8).collect(),
            user: user.to_owned(),
            sha256,
            made: now,
        };
        self.change(|known| {
            if known.iter().any(|other| other.id == made.id) {
                return Err(anyhow!("a token of this id is known; make another").into());
            }
            known.push(made.clone());
            Ok(())
        })?;
        Ok((made, token))
    }

    /// Forgets a token.
    pub(crate) fn revoke(&self, id: &str) -> Result<Known, Failure> {
        let mut revoked = None;
        self.change(|known| {
            let at = known.iter().position(|known| known.id == id);
            let at = at.ok_or_else(|| {
                Failure::usage(format!(
                    "no token has the id {id}; `salus serve token list` shows them"
                ))
            })?;
            revoked = Some(known.remove(at));
            Ok(())
        })?;
        revoked.ok_or_else(|| anyhow!("nothing was revoked").into())
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Vec<Known>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let _alone = files::lock(&self.file.with_extension("lock"))?;
        let mut known = self.list()?;
        change(&mut known)?;
        files::replace(&self.file, serde_yaml_ng::to_string(&known)?.as_bytes())
    }
}
