//! Lines that cannot be decided when they are read.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::chunk::Origin;
use crate::error::IngestError;
use crate::key::fingerprint;
use crate::resource::Line;
use crate::spool::Spool;

/// Parts that versions of resources are spread over, so that one part fits into memory.
const PARTS: usize = 64;

/// Fingerprint of type and id.
type Name = [u8; 16];
/// `meta.lastUpdated`, then the place in the order of reading.
type Version = (Option<i64>, Origin);

/// The two kinds of waiting lines.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Lines whose subject or medication is not known yet.
    referring: Mutex<Spool>,
    /// Lines of resources of which there may be several versions.
    versions: Vec<Mutex<Option<Spool>>>,
    dir: Option<std::path::PathBuf>,
}

impl Waiting {
    pub(crate) fn new(dir: Option<&Path>) -> Result<Self, IngestError> {
        Ok(Self {
            referring: Mutex::new(Spool::new(dir).map_err(IngestError::Spool)?),
            versions: (0..PARTS).map(|_| Mutex::new(None)).collect(),
            dir: dir.map(Path::to_owned),
        })
    }

    /// Keeps a line until everything it may refer to has been read.
    pub(crate) fn refers(&self, origin: Origin, line: &[u8]) -> Result<(), IngestError> {
        let mut spool = self
            .referring
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        spool.push(origin, line).map_err(IngestError::Spool)
    }

    /// Keeps a line until all versions of its resource have been read.
    pub(crate) fn version(
        &self,
        (kind, id): (&str, &str),
        origin: Origin,
        line: &[u8],
    ) -> Result<(), IngestError> {
        let part = usize::from(fingerprint(&[kind, id])[0]) % PARTS;
        let mut slot = self.versions[part]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let spool = match slot.as_mut() {
            Some(spool) => spool,
            None => slot.insert(Spool::new(self.dir.as_deref()).map_err(IngestError::Spool)?),
        };
        spool.push(origin, line).map_err(IngestError::Spool)
    }

    /// Decides between versions: the latest joins the lines that refer, `superseded` gets the
    /// others. The latest is the one with the latest `meta.lastUpdated`, then the last one read.
    pub(crate) fn settle_versions(
        &mut self,
        mut superseded: impl FnMut(Origin, &[u8]) -> Result<(), IngestError>,
    ) -> Result<(), IngestError> {
        for slot in &mut self.versions {
            let Some(mut spool) = slot
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
            else {
                continue;
            };
            let mut latest: HashMap<Name, Version> = HashMap::new();
            spool.read::<IngestError>(|chunk| {
                for (origin, bytes) in chunk.lines() {
                    if let Some((name, version)) = version_of(origin, bytes) {
                        let known = latest.entry(name).or_insert(version);
                        *known = version.max(*known);
                    }
                }
                Ok(())
            })?;
            spool.read::<IngestError>(|chunk| {
                for (origin, bytes) in chunk.lines() {
                    let lost = version_of(origin, bytes)
                        .is_some_and(|(name, version)| latest.get(&name) != Some(&version));
                    if lost {
                        superseded(origin, bytes)?;
                    } else {
                        self.referring
                            .get_mut()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(origin, bytes)
                            .map_err(IngestError::Spool)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// The lines that are left, to be read back.
    pub(crate) fn into_rest(self) -> Spool {
        self.referring
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn version_of(origin: Origin, bytes: &[u8]) -> Option<(Name, Version)> {
    let line = Line::parse(bytes).ok()?;
    let id = line.header.id.as_deref()?;
    Some((
        fingerprint(&[&line.kind, id]),
        (line.header.last_updated, origin),
    ))
}
