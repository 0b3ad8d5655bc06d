//! The memory of a witness: for each log the checkpoint that it signed last.

use std::fmt::Write as _;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use salus_ledger::Signer;
use salus_ledger::cosign::{WitnessKey, note_parts};
use salus_ledger::merkle::{empty_root, verify_consistency};
use salus_ledger::note::{Checkpoint, NoteError, Verifier};
use sha2::{Digest as _, Sha256};

use crate::Request;

/// Why a witness does not sign. The status codes are those of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// 400
    #[error("the request is malformed: {0}")]
    Malformed(&'static str),
    /// 404
    #[error("the witness does not know this log")]
    UnknownLog,
    /// 403
    #[error("the checkpoint is not signed by a known key of the log")]
    Unsigned,
    /// 409, with the size.
    #[error("the witness signed {0} entries last")]
    Stale(u64),
    /// 409
    #[error("the witness signed another history of this log")]
    Forked,
    /// 422
    #[error("the proof does not show that the log was only added to")]
    NotExtended,
    /// 500
    #[error("the witness cannot remember: {0}")]
    Forgetful(&'static str),
}

/// Signs what extends what it has signed.
#[derive(Debug)]
pub struct Witness {
    dir: PathBuf,
    signer: Signer,
    /// Keys of the logs that it signs for; several of one origin where a log has replaced its key.
    logs: Vec<Verifier>,
    /// One at a time: what is signed next depends on what was signed last.
    turn: Mutex<()>,
    _lock: File,
}

impl Witness {
    /// A witness that remembers in the directory `dir` and signs for these logs.
    ///
    /// # Errors
    ///
    /// [`Refused::Forgetful`] if the directory cannot be made.
    pub fn new(dir: &Path, signer: Signer, logs: Vec<Verifier>) -> Result<Self, Refused> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|_| Refused::Forgetful("its directory cannot be made"))?;
        // Two of one memory could sign two histories. The lock goes with the process.
        let lock = File::create(dir.join("lock"))
            .map_err(|_| Refused::Forgetful("its directory cannot be written"))?;
        lock.try_lock()
            .map_err(|_| Refused::Forgetful("another witness has this directory"))?;
        Ok(Self {
            _lock: lock,
            dir: dir.to_owned(),
            signer,
            logs,
            turn: Mutex::new(()),
        })
    }

    /// The key that it signs with.
    pub fn key(&self) -> WitnessKey {
        WitnessKey::of(&self.signer)
    }

    /// Signs the checkpoint of the request if it extends the one signed last, which it then is. Durable before it returns.
    ///
    /// # Errors
    ///
    /// A [`Refused`] that says why not.
    pub fn cosign(&self, request: &Request) -> Result<String, Refused> {
        let (text, _) = note_parts(request.note.as_bytes())
            .map_err(|_| Refused::Malformed("the checkpoint is no note"))?;
        let checkpoint = self.open(&text, request.note.as_bytes())?;
        let root_of_none = checkpoint.size != 0 || checkpoint.root == empty_root();
        if request.old > checkpoint.size || !root_of_none {
            return Err(Refused::Malformed("the sizes do not go together"));
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self.last(&checkpoint.origin)?;
        let size = last.as_ref().map_or(0, |last| last.size);
        if request.old != size {
            return Err(Refused::Stale(size));
        }
        match last {
            Some(last) if size > 0 => {
                if size == checkpoint.size && last.root != checkpoint.root {
                    return Err(Refused::Forked);
                }
                let extends = verify_consistency(
                    size,
                    checkpoint.size,
                    &last.root,
                    &checkpoint.root,
                    &request.proof,
                );
                if !extends {
                    return Err(Refused::NotExtended);
                }
            }
            _ if request.proof.is_empty() => {}
            _ => return Err(Refused::NotExtended),
        }
        self.remember(&checkpoint.origin, &text)?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        Ok(self.signer.cosign(&text, now))
    }

    /// The checkpoint, signed by a key of the log that its first line names.
    fn open(&self, text: &str, note: &[u8]) -> Result<Checkpoint, Refused> {
        let origin = text.split('\n').next().unwrap_or_default();
        let mut known = false;
        for log in self.logs.iter().filter(|log| log.name() == origin) {
            known = true;
            match Checkpoint::open(note, log) {
                Ok(checkpoint) => return Ok(checkpoint),
                Err(NoteError::Malformed(what)) => return Err(Refused::Malformed(what)),
                Err(_) => {}
            }
        }
        Err(if known {
            Refused::Unsigned
        } else {
            Refused::UnknownLog
        })
    }

    fn file(&self, origin: &str) -> PathBuf {
        let name = Sha256::digest(origin)
            .iter()
            .fold(String::new(), |mut name, byte| {
                // Writing to a String cannot fail.
                let _ = write!(name, "{byte:02x}");
                name
            });
        self.dir.join(name)
    }

    fn last(&self, origin: &str) -> Result<Option<Checkpoint>, Refused> {
        match std::fs::read_to_string(self.file(origin)) {
            Ok(text) => Checkpoint::read(&text)
                .map(Some)
                .map_err(|_| Refused::Forgetful("what it remembers is damaged")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(_) => Err(Refused::Forgetful("what it remembers cannot be read")),
        }
    }

    /// Whole or not at all, and on the disk before the signature leaves.
    fn remember(&self, origin: &str, text: &str) -> Result<(), Refused> {
        let file = self.file(origin);
        let draft = file.with_extension("new");
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| std::fs::rename(&draft, &file))
            .and_then(|()| File::open(&self.dir)?.sync_all());
        written.map_err(|_| Refused::Forgetful("its directory cannot be written"))
    }
}
