//! A snapshot: the named set of table versions that a query is bound to.
//!
//! It pins the files themselves, not only Delta versions, so an ingest that died half-way leaves nothing that a query
//! could see. The JSON file of a snapshot is written last and atomically; its appearance is what makes an ingest visible.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::catalog::ColumnType;
use crate::error::{Error, Result};
use crate::lanes::Lanes;
use crate::place::Folder;
use crate::quarantine::QuarantineFile;

/// A named, immutable state of the lake. It tells file sizes and row counts: for operators and the engine, never for analysts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// 1 for the first; each later one is one more.
    pub number: u64,
    /// Every table of [`crate::TABLES`], and those of the views that there were when it was made.
    pub tables: BTreeMap<String, TableVersion>,
    /// The identity index as of this snapshot.
    pub identity: IdentityVersion,
    /// Quarantine files as of this snapshot, oldest first.
    pub quarantine: Vec<QuarantineFile>,
    /// SHA-256 of every code map that rows were read with, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub code_maps: BTreeSet<String>,
}

/// The state of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableVersion {
    /// Rows of all files.
    pub rows: u64,
    /// SHA-256 of the view's definition that made the rows; none for tables that ship.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    /// Types of the view's columns, in their order; none for tables that ship.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<ColumnType>,
    /// The cap on one person's rows that was enforced when the files were written.
    pub max_rows_per_person: u64,
    /// The files in the order of `person_id`; no person is in two of them.
    pub files: Vec<FileRef>,
}

/// One Parquet file of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRef {
    /// Path relative to the table's directory.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Rows.
    pub rows: u64,
    /// Smallest `person_id` of the file.
    pub first_person: i64,
    /// Largest `person_id` of the file.
    pub last_person: i64,
    /// Rows at which a scan may cut the file.
    pub lanes: Lanes,
}

/// The identity index: its files and the next free `person_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityVersion {
    /// The next `person_id` that will be assigned; the first person ever is 1.
    pub next_person: i64,
    /// Files relative to the identity directory, oldest first.
    pub files: Vec<SideFile>,
    /// Who is kept out of the tables, if anybody; in the same directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<SideFile>,
    /// Direct identifiers, oldest first; in the same directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub direct: Vec<SideFile>,
    /// Which numbers are one person, and what is still to be decided; in the same directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<SideFile>,
    /// Rows of `patient` of everybody who is linked, by number; in the same directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<SideFile>,
    /// What was linked and split, oldest first; in the same directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<SideFile>,
}

impl IdentityVersion {
    /// All files that this version needs.
    pub(crate) fn all(&self) -> impl Iterator<Item = &SideFile> {
        let single = [&self.withheld, &self.links, &self.members];
        let lists = [&self.files, &self.direct, &self.events];
        lists
            .into_iter()
            .flatten()
            .chain(single.into_iter().flatten())
    }
}

impl Default for IdentityVersion {
    fn default() -> Self {
        Self {
            next_person: 1,
            files: Vec::new(),
            withheld: None,
            direct: Vec::new(),
            links: None,
            members: None,
            events: Vec::new(),
        }
    }
}

/// A file beside the tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SideFile {
    /// Path relative to its directory.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Records.
    pub records: u64,
}

impl Snapshot {
    /// The bytes that the ledger commits to (salted, because they tell row counts): compact JSON with sorted keys.
    ///
    /// # Guarantee
    /// Equal snapshots have equal bytes, and the bytes of the file on disk are these.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        // serde_json cannot fail here: every map key is text and there is no float.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// The newest snapshot in `folder`.
pub(crate) fn newest(folder: &Folder) -> Result<Option<Snapshot>> {
    let mut number = numbers(folder)?.pop();
    while let Some(found) = number {
        let snapshot = read(folder, found);
        if snapshot.is_ok() {
            return snapshot.map(Some);
        }
        // It may have been the newest when we looked, and be gone for a newer one.
        number = numbers(folder)?.pop();
        if number <= Some(found) {
            return snapshot.map(Some);
        }
    }
    Ok(None)
}

/// The snapshot `number` in `folder`.
pub(crate) fn read(folder: &Folder, number: u64) -> Result<Snapshot> {
    let bytes = folder.bytes(&file_name(number))?;
    let snapshot: Snapshot = serde_json::from_slice(&bytes)
        .map_err(|_| Error::Corrupt(format!("snapshot {number} cannot be read, or was removed")))?;
    if snapshot.number != number {
        return Err(Error::Corrupt(format!(
            "snapshot {number} has another number inside"
        )));
    }
    Ok(snapshot)
}

/// Makes `snapshot` visible: after this returns it survives a power cut.
///
/// # Errors
/// [`Error::Overtaken`] when there is one with its number. After any other error it may become visible all the same.
pub(crate) fn publish(folder: &Folder, snapshot: &Snapshot) -> Result<()> {
    folder.publish(&file_name(snapshot.number), &snapshot.canonical_bytes())
}

/// The directory of a table. One that a view fills has another one for each definition: its rows are other rows.
pub(crate) fn directory(table: &str, view: Option<&str>) -> String {
    match view {
        Some(sha256) => format!("{table}-{}", sha256.chars().take(12).collect::<String>()),
        None => table.into(),
    }
}

/// Numbers of all snapshots in `folder`, ascending.
pub(crate) fn numbers(folder: &Folder) -> Result<Vec<u64>> {
    let published = folder.published()?;
    let number = |name: &String| name.strip_suffix(".json")?.parse().ok();
    let mut numbers: Vec<u64> = published.iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

pub(crate) fn file_name(number: u64) -> String {
    // Padded, so that a directory listing is in order.
    format!("{number:010}.json")
}
