//! What a second program needs to verify the restricted log.

use std::fs;
use std::path::Path;

use crate::commitment::Opening;
use crate::error::{Error, Result};
use crate::evidence::Evidence;
use crate::key::Signer;
use crate::store::{Connection, restricted as store};

/// The restricted log as the store holds it, and what opens the first log's anchors. It is for those who may know how it grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestrictedEvidence {
    /// Entries, leaves, checkpoints and verifier key.
    pub log: Evidence,
    /// What opens the first log's anchors, by their index there; `None` where it is missing.
    pub anchors: Vec<(u64, Option<Opening>)>,
}

impl RestrictedEvidence {
    /// Writes what [`Evidence::write`] writes, and `anchors/<index, 9 digits>`: the salt of an anchor, 32 bytes, and the checkpoint that it commits to.
    ///
    /// # Errors
    ///
    /// As [`Evidence::write`].
    pub fn write(&self, dir: &Path) -> Result<()> {
        self.log.write(dir)?;
        let unwritable = |_| Error::Unavailable("the directory for the export cannot be written");
        let anchors = dir.join("anchors");
        fs::create_dir(&anchors).map_err(unwritable)?;
        for (index, opening) in &self.anchors {
            if let Some(opening) = opening {
                let content = [&opening.salt, opening.content.as_slice()].concat();
                fs::write(anchors.join(format!("{index:09}")), content).map_err(unwritable)?;
            }
        }
        Ok(())
    }
}

/// Reads it at one moment of the database.
pub(super) async fn collect(
    db: &mut Connection,
    signer: &Signer,
    origin: &str,
) -> Result<RestrictedEvidence> {
    let mut moment = db.moment().await?;
    let rows = store::entries(&mut moment).await?;
    let checkpoints = store::checkpoints(&mut moment).await?;
    let anchors = store::anchors(&mut moment).await?;
    moment.end().await?;
    let leaves = rows.iter().filter_map(|(_, leaf)| *leaf).collect();
    let log = Evidence {
        entries: rows.into_iter().map(|(bytes, _)| bytes).collect(),
        leaves,
        checkpoints: checkpoints.into_iter().map(|(_, note)| note).collect(),
        vkey: signer.of_log(origin)?.vkey(),
    };
    Ok(RestrictedEvidence { log, anchors })
}
