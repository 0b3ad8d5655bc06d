//! `home.yaml`: what is around a home.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, fs};

use anyhow::Context;
use salus_lake::{Bucket, Retention};
use salus_ledger::Place;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::files;

const FILE: &str = "home.yaml";

/// Where else this home looks.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where the ledger is: address of a PostgreSQL schema, which may hold a password, or a directory, relative to the home where it is
    /// relative; `ledger/` when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<String>,
    /// Where the logs were that ended, written as that: what lies beside them is erased with the rest. Whoever deletes one may leave it here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<String>,
    /// Place of the lake in a bucket, `s3://BUCKET/PREFIX`; directories of the home when there is none. Credentials are not in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lake: Option<String>,
    /// Directory of the anchor; relative to the home where it is relative.
    pub anchor: PathBuf,
    /// C2SP tlog-policy file that says which witnesses must have signed before an answer leaves; relative to the home where it is relative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness_policy: Option<PathBuf>,
    /// What stays of the past of the lake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Kept>,
}

/// Which older snapshots stay: `salus vacuum` and each ingest remove the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Kept {
    /// So many of the newest, at least 1.
    pub snapshots: NonZeroU32,
    /// Those too that were the newest at some moment of so many days until now.
    pub days: u32,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            snapshots: NonZeroU32::MIN.saturating_add(1),
            days: 7,
        }
    }
}

impl Kept {
    /// The same for the lake, which waits for readers for `patience`.
    pub(crate) fn retention(self, patience: Duration) -> Retention {
        Retention {
            newest: usize::try_from(self.snapshots.get()).unwrap_or(usize::MAX),
            history: days(self.days),
            patience,
            dry_run: false,
        }
    }
}

/// So many days.
pub(crate) fn days(days: u32) -> Duration {
    Duration::from_hours(24) * days
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("lake", &self.lake)
            .field("anchor", &self.anchor)
            .field("witness_policy", &self.witness_policy)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Where the lake is, if it is in a bucket, with the credentials of the environment.
    pub(crate) fn bucket(&self) -> Result<Option<Bucket>, Failure> {
        let Some(address) = &self.lake else {
            return Ok(None);
        };
        // Names and values that are not text are no settings of ours.
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        let bucket = Bucket::s3(address, variables);
        bucket
            .map(Some)
            .map_err(|what| Failure::usage(format!("the lake's place: {what}")))
    }

    pub(crate) fn read(root: &Path) -> Result<Self, Failure> {
        let file = root.join(FILE);
        let text = fs::read_to_string(&file).with_context(|| {
            let file = file.display();
            format!("cannot read {file}, which names the anchor; put it back")
        })?;
        serde_yaml_ng::from_str(&text)
            .map_err(|what| Failure::usage(format!("{}: {what}", file.display())))
    }

    /// Where the ledger is, as it is written.
    pub(crate) fn address(&self) -> &str {
        self.ledger.as_deref().unwrap_or("ledger")
    }

    /// Where the ledger of the home at `root` is.
    pub(crate) fn place(&self, root: &Path) -> Result<Place, Failure> {
        place(root, self.address())
    }

    /// Where the logs of the home at `root` were that ended.
    pub(crate) fn ended(&self, root: &Path) -> Result<Vec<Place>, Failure> {
        self.ended.iter().map(|at| place(root, at)).collect()
    }

    pub(crate) fn write(&self, root: &Path) -> Result<(), Failure> {
        let text = serde_yaml_ng::to_string(self)?;
        files::replace(&root.join(FILE), text.as_bytes())
    }
}

fn place(root: &Path, written: &str) -> Result<Place, Failure> {
    if written.contains("://") {
        Ok(Place::parse(written)?)
    } else {
        Ok(Place::from(root.join(written)))
    }
}
