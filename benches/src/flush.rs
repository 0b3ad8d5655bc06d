//! The floor of the ledger: the same bytes appended to a file and flushed to the disk.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::Result;

/// A file that grows.
#[derive(Debug)]
pub struct Appended {
    file: File,
}

impl Appended {
    /// Creates the file.
    ///
    /// # Errors
    /// The file system's.
    pub fn new(path: &Path) -> Result<Self> {
        Ok(Self {
            file: File::create(path)?,
        })
    }

    /// Appends each record and flushes after each: once for RESERVE and once for RELEASE.
    ///
    /// # Errors
    /// The file system's.
    pub fn append(&mut self, records: &[Vec<u8>]) -> Result<()> {
        for record in records {
            self.file.write_all(record)?;
            self.file.sync_data()?;
        }
        Ok(())
    }
}
