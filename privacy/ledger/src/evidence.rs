//! What a second program needs to verify the log: bytes, hashes and signed notes, as they stand.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use salus_certificate::Hash;

use crate::entry::{Body, Kind};
use crate::error::{Error, Result};
use crate::merkle::{Frontier, leaf_hash};
use crate::note::Checkpoint;
use crate::store::{self, Connection, Place};
use crate::tiles;

/// Entries that every log begins with, and that no two logs share: genesis and first key.
pub(crate) const BEGINNING: u64 = 2;

/// The log as the store holds it, unchecked: a verifier that shares nothing with this program is to judge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Bytes of the entries, by index.
    pub entries: Vec<Vec<u8>>,
    /// Leaf hashes as stored.
    pub leaves: Vec<Hash>,
    /// Every checkpoint that was signed, by size.
    pub checkpoints: Vec<Vec<u8>>,
    /// The verifier key.
    pub vkey: String,
}

impl Evidence {
    /// Reads the evidence of the ledger in `place` without opening the ledger: for a log that [`crate::Ledger::open`] refuses.
    ///
    /// # Errors
    ///
    /// [`Error::Integrity`] if the database cannot even be read, [`Error::Unavailable`] if there is none.
    pub async fn read(place: impl Into<Place>, vkey: &str) -> Result<Self> {
        let mut db = Connection::open_unchecked(&place.into()).await?;
        let evidence = collect(&mut db, vkey.to_owned()).await;
        db.close().await?;
        evidence
    }

    /// Reads what [`Evidence::write`] wrote, unchecked like everything here.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if `dir` is no such directory or cannot be read, [`Error::Integrity`] if an entry in it is missing.
    pub fn load(dir: &Path) -> Result<Self> {
        let unreadable = |_| Error::Unavailable("the exported log cannot be read");
        let entries = numbered(&dir.join("entries")).map_err(unreadable)?;
        if entries
            .iter()
            .zip(0..)
            .any(|((number, _), at)| *number != at)
        {
            return Err(Error::Integrity(
                "an entry of the exported log is missing".to_owned(),
            ));
        }
        let leaves = fs::read(dir.join("leaves")).map_err(unreadable)?;
        let (leaves, rest) = leaves.as_chunks();
        if !rest.is_empty() {
            return Err(Error::Integrity(
                "the leaves of the exported log are cut".to_owned(),
            ));
        }
        let vkey = fs::read_to_string(dir.join("ledger.vkey")).map_err(unreadable)?;
        let bytes =
            |files: Vec<(u64, Vec<u8>)>| files.into_iter().map(|(_, bytes)| bytes).collect();
        Ok(Self {
            entries: bytes(entries),
            leaves: leaves.to_vec(),
            checkpoints: bytes(numbered(&dir.join("checkpoints")).map_err(unreadable)?),
            vkey: vkey.trim().to_owned(),
        })
    }

    /// What [`crate::Ledger::beginning`] is of this log. None where there are not so many entries.
    pub fn beginning(&self) -> Option<Hash> {
        let mut frontier = Frontier::default();
        for entry in self.entries.iter().zip(0..BEGINNING) {
            frontier.append(leaf_hash(entry.0));
        }
        (frontier.size() == BEGINNING).then(|| frontier.root())
    }

    /// Writes `entries/<index>.cbor`, `checkpoints/<size>`, `leaves` and `ledger.vkey`, and the same log as C2SP tlog-tiles, into the new or empty directory `dir`.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if `dir` has something in it, [`Error::Unavailable`] if it cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let unwritable = |_| Error::Unavailable("the directory for the export cannot be written");
        fs::create_dir_all(dir).map_err(unwritable)?;
        if fs::read_dir(dir).map_err(unwritable)?.next().is_some() {
            return Err(Error::Refused(
                "the directory for the export is not empty".to_owned(),
            ));
        }
        let (entries, checkpoints) = (dir.join("entries"), dir.join("checkpoints"));
        fs::create_dir(&entries).map_err(unwritable)?;
        fs::create_dir(&checkpoints).map_err(unwritable)?;
        for (index, bytes) in self.entries.iter().enumerate() {
            write_file(&entries.join(format!("{index:09}.cbor")), bytes).map_err(unwritable)?;
        }
        for note in &self.checkpoints {
            let size = Checkpoint::stated_size(note)
                .ok_or_else(|| Error::Integrity("a checkpoint states no size".to_owned()))?;
            write_file(&checkpoints.join(format!("{size:09}")), note).map_err(unwritable)?;
        }
        let bundles = tiles::bundles(&self.entries)
            .ok_or_else(|| Error::Integrity("an entry is longer than 65,535 bytes".to_owned()))?;
        for (path, content) in tiles::hashes(&self.leaves).into_iter().chain(bundles) {
            let path = dir.join(path);
            let folder = path.parent().unwrap_or(dir);
            fs::create_dir_all(folder).map_err(unwritable)?;
            write_file(&path, &content).map_err(unwritable)?;
        }
        if let Some(newest) = self.checkpoints.last() {
            write_file(&dir.join("checkpoint"), newest).map_err(unwritable)?;
        }
        write_file(&dir.join("leaves"), &self.leaves.concat()).map_err(unwritable)?;
        write_file(
            &dir.join("ledger.vkey"),
            format!("{}\n", self.vkey).as_bytes(),
        )
        .map_err(unwritable)
    }
}

/// The public key that the log puts into force last, unchecked: to find the file of its private half.
///
/// # Errors
///
/// [`Error::Integrity`] or [`Error::Unavailable`] if there is none to be read.
pub async fn key_in_force(place: impl Into<Place>) -> Result<[u8; 32]> {
    let mut db = Connection::open_unchecked(&place.into()).await?;
    let newest = store::newest(&mut db, Kind::Key).await;
    db.close().await?;
    match newest?.map(|stored| stored.entry.body) {
        Some(Body::Key(key)) => Ok(key.public),
        _ => Err(Error::Integrity("there is no key".to_owned())),
    }
}

/// Reads the evidence at one moment of the database.
pub(crate) async fn collect(db: &mut Connection, vkey: String) -> Result<Evidence> {
    let mut moment = db.moment().await?;
    let evidence = Evidence {
        entries: store::raw_bytes(&mut moment).await?,
        leaves: store::leaves(&mut moment).await?,
        checkpoints: store::checkpoints(&mut moment)
            .await?
            .into_iter()
            .map(|(_, note)| note)
            .collect(),
        vkey,
    };
    moment.end().await?;
    Ok(evidence)
}

/// The files of a directory whose names begin with a number, in its order.
fn numbered(dir: &Path) -> std::io::Result<Vec<(u64, Vec<u8>)>> {
    let mut files = Vec::new();
    for file in fs::read_dir(dir)? {
        let path = file?.path();
        let number = path.file_stem().and_then(|name| name.to_str());
        if let Some(number) = number.and_then(|name| name.parse().ok()) {
            files.push((number, fs::read(&path)?));
        }
    }
    files.sort_unstable_by_key(|(number, _)| *number);
    Ok(files)
}

fn write_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    File::create_new(path)?.write_all(bytes)
}
