//! Readers and vacuum: whoever reads the files of a snapshot keeps them until it is done.
//!
//! Two lock files of the home say who is at work. Readers share `.readers` for as long as they read, vacuum takes it alone.
//! `.turnstile` is passed on the way in: a vacuum that waits for readers holds it, so that those who come later wait behind it
//! and cannot keep it waiting for ever; it gives up after a while, so that a long question does not keep everybody out. Nobody
//! waits at the turnstile with a lock in hand that a vacuum waits for, except who reads twice, and then until the vacuum gives
//! up. Locks go with their process.
//!
//! Readers of other homes of a bucket are not known here: see docs/object-stores.md.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{At as _, Error, Result};
use crate::lake::Lake;
use crate::snapshot::Snapshot;

/// How often a lock is asked for.
const STEP: Duration = Duration::from_millis(10);
/// How long a reader waits for a vacuum: longer than a vacuum waits for readers, and than it usually works.
const PATIENCE: Duration = Duration::from_mins(15);

/// As long as it lives, no vacuum of this home removes a file.
#[derive(Debug)]
pub struct Reading {
    _readers: File,
}

/// As long as it lives, nobody of this home reads.
#[derive(Debug)]
pub(crate) struct Unread {
    _turnstile: File,
    _readers: File,
}

impl Lake {
    /// Keeps the files of all snapshots that there are until the result is dropped. Waits for a vacuum that is at work, and
    /// blocks the thread meanwhile.
    ///
    /// # Errors
    /// [`Error::Vacuuming`] when the vacuum takes too long.
    pub fn reading(&self) -> Result<Reading> {
        let places = self.places();
        let until = Instant::now() + PATIENCE;
        let turnstile = open(&places.turnstile)?;
        wait(|| turnstile.try_lock_shared(), until, &places.turnstile)?.ok_or(Error::Vacuuming)?;
        let readers = open(&places.readers)?;
        // Nobody but a vacuum keeps readers out, and none is past the turnstile.
        wait(|| readers.try_lock_shared(), until, &places.readers)?.ok_or(Error::Vacuuming)?;
        Ok(Reading { _readers: readers })
    }

    /// As [`Lake::reading`], and `snapshot` is one of those that there are.
    ///
    /// # Errors
    /// [`Error::Gone`] when it was removed since it was read.
    pub fn reading_of(&self, snapshot: &Snapshot) -> Result<Reading> {
        let reading = self.reading()?;
        match self.snapshot_at(snapshot.number) {
            Ok(found) if found == *snapshot => Ok(reading),
            Err(error @ Error::Remote(_)) => Err(error),
            _ => Err(Error::Gone),
        }
    }

    /// Waits until nobody reads, at most for `patience`, and keeps readers out.
    ///
    /// # Errors
    /// [`Error::BeingRead`] when somebody still reads then.
    pub(crate) async fn unread(&self, patience: Duration) -> Result<Unread> {
        let places = self.places().clone();
        let waiting = tokio::task::spawn_blocking(move || {
            let until = Instant::now() + patience;
            let turnstile = open(&places.turnstile)?;
            wait(|| turnstile.try_lock(), until, &places.turnstile)?.ok_or(Error::BeingRead)?;
            let readers = open(&places.readers)?;
            wait(|| readers.try_lock(), until, &places.readers)?.ok_or(Error::BeingRead)?;
            Ok(Unread {
                _turnstile: turnstile,
                _readers: readers,
            })
        });
        waiting
            .await
            .unwrap_or_else(|_| Err(Error::Corrupt("a waiting thread died".into())))
    }
}

/// Homes of before have no such file.
fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).at("open", path)
}

/// Asks for a lock until it is there, or `until`; the first time in any case.
fn wait(
    mut lock: impl FnMut() -> std::result::Result<(), TryLockError>,
    until: Instant,
    path: &Path,
) -> Result<Option<()>> {
    loop {
        match lock() {
            Ok(()) => return Ok(Some(())),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => return Ok(None),
            Err(TryLockError::WouldBlock) => std::thread::sleep(STEP),
            Err(TryLockError::Error(source)) => return Err(source).at("lock", path),
        }
    }
}
