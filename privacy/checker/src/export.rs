//! Reads the static files that `salus ledger export` writes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::audit::Evidence;
use crate::note::{Checkpoint, Note};
use crate::report::Finding;
use crate::restricted::Restricted;
use crate::tree::Hash;

/// Digits of the index or size in a file's name.
const DIGITS: usize = 9;
/// Most missing entries in a row that are filled in, so that one file name cannot claim all memory.
const HOLES: usize = 1_000_000;

/// Why there is nothing to audit.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file or directory cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory is not laid out as an export.
    #[error("{}: {what}", path.display())]
    Layout {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// An export as read.
#[derive(Debug)]
pub struct Export {
    /// For [`audit`](crate::audit).
    pub evidence: Evidence,
    /// Rule T2 where a checkpoint's file is named after another size than the one it states.
    pub misnamed: Vec<Finding>,
}

/// Reads `entries/<index>.cbor`, `checkpoints/<size>`, `ledger.vkey` and, if it is there, `leaves`.
/// An index without a file, below the largest that has one, becomes an entry without bytes.
///
/// # Errors
/// [`ExportError`] if a file cannot be read or has no place in the layout.
pub fn read_export(directory: &Path) -> Result<Export, ExportError> {
    let entries = numbered(&directory.join("entries"), ".cbor")?;
    let signed = numbered(&directory.join("checkpoints"), "")?;
    let vkey_path = directory.join("ledger.vkey");
    let vkey = String::from_utf8(read(&vkey_path)?).map_err(|_| ExportError::Layout {
        path: vkey_path,
        what: "not text",
    })?;
    let leaves_path = directory.join("leaves");
    let leaves = match fs::read(&leaves_path) {
        Ok(bytes) => Some(leaves(&leaves_path, &bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => {
            let path = leaves_path;
            return Err(ExportError::Read { path, source });
        }
    };
    let misnamed = signed
        .iter()
        .filter_map(|(named, bytes)| {
            let note = Note::parse(bytes).ok()?;
            let size = Checkpoint::parse(note.text()).ok()?.size;
            let what = format!("checkpoint of size {size}: its file is named {named:09}");
            let index = size.checked_sub(1);
            (size != *named).then_some(Finding {
                index,
                rule: "T2",
                what,
            })
        })
        .collect();
    let mut dense = Vec::new();
    for (index, bytes) in entries {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        if index.saturating_sub(dense.len()) > HOLES {
            return Err(ExportError::Layout {
                path: directory.join("entries"),
                what: "more than a million entries in a row are missing",
            });
        }
        while dense.len() < index {
            dense.push(Vec::new());
        }
        dense.push(bytes);
    }
    let evidence = Evidence {
        entries: dense,
        leaves,
        checkpoints: signed.into_values().collect(),
        vkey,
    };
    Ok(Export { evidence, misnamed })
}

/// The files of an exported restricted log.
#[derive(Debug, Clone, Default)]
pub struct RestrictedExport {
    /// The log, and what opens the anchors.
    pub restricted: Restricted,
    /// Checkpoints of it that are filed under another size.
    pub misnamed: Vec<Finding>,
}

/// Reads what `salus ledger restricted export` wrote: the files of [`read_export`], and `anchors/<index, 9 digits>`.
///
/// # Errors
///
/// As [`read_export`].
pub fn read_restricted(directory: &Path) -> Result<RestrictedExport, ExportError> {
    let export = read_export(directory)?;
    let misnamed = export.misnamed.into_iter().map(|finding| Finding {
        index: None,
        rule: finding.rule,
        what: format!("restricted log: {}", finding.what),
    });
    Ok(RestrictedExport {
        restricted: Restricted {
            log: export.evidence,
            anchors: numbered(&directory.join("anchors"), "")?,
        },
        misnamed: misnamed.collect(),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, ExportError> {
    fs::read(path).map_err(|source| ExportError::Read {
        path: path.to_owned(),
        source,
    })
}

/// The files of a directory that holds nothing but `<nine digits><suffix>`.
fn numbered(directory: &Path, suffix: &str) -> Result<BTreeMap<u64, Vec<u8>>, ExportError> {
    let failed = |source| ExportError::Read {
        path: directory.to_owned(),
        source,
    };
    let mut files = BTreeMap::new();
    for file in fs::read_dir(directory).map_err(failed)? {
        let path = file.map_err(failed)?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(suffix))
            .filter(|digits| digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok());
        let Some(number) = number else {
            let what = "no file of this name belongs here";
            return Err(ExportError::Layout { path, what });
        };
        files.insert(number, read(&path)?);
    }
    Ok(files)
}

fn leaves(path: &Path, bytes: &[u8]) -> Result<Vec<Hash>, ExportError> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if rest.is_empty() {
        Ok(hashes.to_vec())
    } else {
        Err(ExportError::Layout {
            path: path.to_owned(),
            what: "not a whole number of 32-byte hashes",
        })
    }
}
