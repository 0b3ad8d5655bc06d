//! Who pseudonyms are, for as long as that may be known.
//!
//! The logs hold pseudonyms alone. Names lie apart from them, one file for each pseudonym, so that one is erased without touching another.
//! What was erased stays so when she acts again: her file is there and empty. Nothing in a log, and no proof, rests on these files.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::failure::Failure;
use crate::files;
use crate::proposal::plain;

/// The names of a home's pseudonyms.
#[derive(Debug)]
pub(crate) struct Names {
    dir: PathBuf,
}

/// A pseudonym and its name, unless that was erased.
pub(crate) type Known = (String, Option<String>);

impl Names {
    pub(crate) fn in_dir(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Writes down whose pseudonym it is, unless that is known or was erased.
    pub(crate) fn learn(&self, pseudonym: &str, name: &str) -> Result<(), Failure> {
        let file = self.dir.join(pseudonym);
        if file.exists() {
            return Ok(());
        }
        files::private_dir(&self.dir)?;
        match files::create(&file, name.as_bytes()) {
            // Another process of hers was first.
            Err(_) if file.exists() => Ok(()),
            written => written,
        }
    }

    /// Who it is, as a terminal may show it.
    pub(crate) fn name(&self, pseudonym: &str) -> Option<String> {
        if !is_pseudonym(pseudonym) {
            return None;
        }
        let name = fs::read_to_string(self.dir.join(pseudonym)).ok()?;
        (!name.is_empty()).then(|| plain(&name))
    }

    /// Name and pseudonym where the name is known, else what stands in the log.
    pub(crate) fn who(&self, pseudonym: &str) -> String {
        match self.name(pseudonym) {
            Some(name) => format!("{name} ({pseudonym})"),
            None => pseudonym.to_owned(),
        }
    }

    /// All pseudonyms that were used here, in order.
    pub(crate) fn all(&self) -> Result<Vec<Known>, Failure> {
        let files = files::below(&self.dir)
            .with_context(|| format!("cannot read {}", self.dir.display()))?;
        let names = files.iter().filter_map(|file| file.file_name()?.to_str());
        let mut known: Vec<Known> = names
            .filter(|name| is_pseudonym(name))
            .map(|pseudonym| (pseudonym.to_owned(), self.name(pseudonym)))
            .collect();
        known.sort();
        Ok(known)
    }

    /// Erases the name, and keeps it from being learnt again; `false` if none was known.
    pub(crate) fn erase(&self, pseudonym: &str) -> Result<bool, Failure> {
        if !is_pseudonym(pseudonym) {
            return Err(Failure::usage(format!(
                "{pseudonym} is no pseudonym; `salus officer names list` shows them"
            )));
        }
        let known = self.name(pseudonym).is_some();
        files::replace_in(&self.dir.join(pseudonym), b"")?;
        // What a process that was killed had not given its name yet.
        let drafts = format!("{pseudonym}.");
        for file in files::below(&self.dir).context("cannot read the names")? {
            let name = file.file_name().and_then(|name| name.to_str());
            if name.is_some_and(|name| name.starts_with(&drafts)) {
                fs::remove_file(&file)
                    .with_context(|| format!("cannot remove {}", file.display()))?;
            }
        }
        Ok(known)
    }
}

/// Anything else may lead anywhere.
fn is_pseudonym(text: &str) -> bool {
    text.strip_prefix("p-").is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}
