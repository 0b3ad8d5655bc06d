//! The key that signs checkpoints, and its file.
//!
//! The file holds one line in the form that other note signers use:
//! `PRIVATE+KEY+<origin>+<key id>+<base64(0x01 || 32-byte seed)>`. Only its owner may read it.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::entry::{Approval, SignatureBytes, Statement};
use crate::note::{self, Checkpoint, Verifier};
use crate::{Error, Result};

const PREFIX: &str = "PRIVATE+KEY+";

/// Signs the checkpoints of one origin.
#[derive(Clone)]
pub struct Signer {
    key: SigningKey,
    verifier: Verifier,
}

/// Whether a name reads as what it is: 1 to 64 ASCII letters, digits, dots, hyphens, slashes or underscores.
pub fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

/// A new random key for the log `origin`, written to the new file `path` with mode 0600.
///
/// # Errors
///
/// [`Error::Refused`] if the file exists or `origin` cannot be a note's name (not empty, no white space, no `+`);
/// [`Error::Unavailable`] if it cannot be written.
pub fn generate(path: &Path, origin: &str) -> Result<Signer> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|_| Error::Unavailable("the operating system gives no randomness"))?;
    let signer = Signer::from_seed(origin, &seed)?;
    write_whole(path, &signer.private_text()).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Error::Refused("the key file exists already".to_owned())
        }
        _ => Error::Unavailable("the key file cannot be written"),
    })?;
    Ok(signer)
}

/// The key in the file `path`.
///
/// # Errors
///
/// [`Error::Unavailable`] if the file cannot be read; [`Error::Refused`] if others than its owner may read it, or if it holds no key.
pub fn load(path: &Path) -> Result<Signer> {
    let unreadable = |_| Error::Unavailable("the key file cannot be read");
    let mut file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Error::Refused(
            "the key file must be readable by its owner only (mode 0600)".to_owned(),
        ));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unreadable)?;
    Signer::parse(text.trim_end())
        .ok_or_else(|| Error::Refused("the key file holds no signing key".to_owned()))
}

/// Writes the file whole or not at all, and durably: a key that signs must not be lost.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce).map_err(std::io::Error::other)?;
    let draft = path.with_extension(format!("{:016x}.new", u64::from_be_bytes(nonce)));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            writeln!(file, "{text}")?;
            file.sync_all()
        })
        // A link never replaces.
        .and_then(|()| std::fs::hard_link(&draft, path));
    // Whatever cannot be removed is under a name that nobody reads.
    let _ = std::fs::remove_file(&draft);
    written?;
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => File::open(dir)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Whether `signature` is that of `public` over `message`, strictly: see [`Verifier::verify`].
pub(crate) fn verifies(public: &[u8; 32], message: &[u8], signature: &SignatureBytes) -> bool {
    let signature = Signature::from_bytes(signature);
    VerifyingKey::from_bytes(public).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

impl Signer {
    fn from_seed(origin: &str, seed: &[u8; 32]) -> Result<Self> {
        let key = SigningKey::from_bytes(seed);
        let verifier = Verifier::new(origin, &key.verifying_key().to_bytes()).map_err(|_| {
            Error::Refused(
                "an origin is not empty and has no white space and no plus sign".to_owned(),
            )
        })?;
        Ok(Self { key, verifier })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(PREFIX)?.splitn(3, '+');
        let (origin, id, key) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = BASE64.decode(key).ok()?;
        let (&kind, seed) = bytes.split_first()?;
        let signer = Self::from_seed(origin, seed.try_into().ok()?).ok()?;
        (kind == note::ED25519 && note::hex(signer.verifier.id()) == id).then_some(signer)
    }

    fn private_text(&self) -> String {
        let key = [&[note::ED25519], self.key.as_bytes().as_slice()].concat();
        format!(
            "{PREFIX}{}+{}+{}",
            self.origin(),
            note::hex(self.verifier.id()),
            BASE64.encode(key)
        )
    }

    /// The log that this key signs for.
    pub fn origin(&self) -> &str {
        self.verifier.name()
    }

    /// The public half.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The public half as text: `<origin>+<key id>+<base64>`.
    pub fn vkey(&self) -> String {
        self.verifier.to_string()
    }

    /// The same key for the log `origin`. What it signs names its log, so neither log's checkpoints are the other's.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if `origin` cannot be a note's name.
    pub(crate) fn of_log(&self, origin: &str) -> Result<Self> {
        Self::from_seed(origin, self.key.as_bytes())
    }

    /// The word of whoever holds this key for `statement`.
    pub fn approve(&self, statement: &Statement) -> Approval {
        Approval {
            officer: self.verifier.public(),
            signature: self.endorse(statement),
        }
    }

    /// The signature line of the witness that holds this key, over the text of a checkpoint, at `time` (seconds).
    pub(crate) fn cosign_message(&self, message: &[u8]) -> SignatureBytes {
        self.key.sign(message).to_bytes()
    }

    /// The signature over `statement`.
    pub(crate) fn endorse(&self, statement: &Statement) -> SignatureBytes {
        self.key.sign(statement.bytes()).to_bytes()
    }

    /// The checkpoint as a signed note.
    pub(crate) fn sign(&self, checkpoint: &Checkpoint) -> Vec<u8> {
        let text = checkpoint.text();
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        let blob = [self.verifier.id().as_slice(), &signature].concat();
        format!(
            "{text}\n\u{2014} {} {}\n",
            self.origin(),
            BASE64.encode(blob)
        )
        .into_bytes()
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Signer({})", self.verifier)
    }
}
