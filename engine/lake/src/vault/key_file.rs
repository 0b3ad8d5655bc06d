//! Master keys in a file of their owner.
//!
//! One key on each line, `name base64`, the newest last: it wraps the keys of new files, the others still open old ones. To
//! change the key, a line is added; a file that is rewritten takes the new key.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{KEY_BYTES, KeyProvider};
use crate::error::{At as _, Doing as _, Error, Result};
use crate::files;

/// The default [`KeyProvider`].
pub struct KeyFile {
    path: PathBuf,
    keys: Vec<(String, LessSafeKey)>,
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl KeyFile {
    /// Creates `path` with one new key, readable by its owner alone, durably.
    ///
    /// # Errors
    /// [`Error::Storage`] when it exists already: a lost key is a lost lake, so none is ever written over.
    pub fn create(path: &Path) -> Result<Self> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(key.as_mut()).doing("draw a key")?;
        let line = Zeroizing::new(format!("{} {}\n", name_of(&key), STANDARD.encode(*key)));
        if let Some(dir) = path.parent() {
            files::private_dir(dir)?;
        }
        let mut file = files::private_file(path)?;
        file.write_all(line.as_bytes())
            .and_then(|()| file.sync_all())
            .at("write", path)?;
        if let Some(dir) = path.parent() {
            files::sync_dir(dir)?;
        }
        Self::open(path)
    }

    /// Reads the keys in `path`.
    ///
    /// # Errors
    /// [`Error::Key`] when it is missing or does not hold keys.
    pub fn open(path: &Path) -> Result<Self> {
        let wrong = |what: &str| Error::Key(format!("{}: {what}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| {
            wrong(&format!("{error}; without its key file a lake cannot be read: put it back from where you keep it"))
        })?;
        let text = Zeroizing::new(text);
        let mut keys = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let key = line.split_once(' ').and_then(|(name, key)| {
                let bytes = Zeroizing::new(STANDARD.decode(key.trim()).ok()?);
                let unbound = UnboundKey::new(&AES_256_GCM, &bytes).ok()?;
                Some((name.to_owned(), LessSafeKey::new(unbound)))
            });
            keys.push(key.ok_or_else(|| wrong("a line is not a name and 32 bytes in base64"))?);
        }
        if keys.is_empty() {
            return Err(wrong("there is no key in it"));
        }
        Ok(Self {
            path: path.into(),
            keys,
        })
    }

    fn newest(&self) -> Result<&(String, LessSafeKey)> {
        let newest = self.keys.last();
        newest.ok_or_else(|| Error::Key("there is no key".into()))
    }
}

/// Tells keys apart without telling them: the start of a hash.
fn name_of(key: &[u8; KEY_BYTES]) -> String {
    let digest = Sha256::new()
        .chain_update("salus lake key\0")
        .chain_update(key)
        .finalize();
    let (start, _) = digest.split_at(4);
    let number = start
        .iter()
        .fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
    format!("lake-{number:08x}")
}

impl KeyProvider for KeyFile {
    fn name(&self) -> String {
        self.keys
            .last()
            .map(|(name, _)| name.clone())
            .unwrap_or_default()
    }

    /// Nonce, ciphertext and tag in base64; the key's name is authenticated with them.
    fn wrap(&self, key: &[u8; KEY_BYTES]) -> Result<String> {
        let (name, master) = self.newest()?;
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).doing("draw a nonce")?;
        let mut sealed = key.to_vec();
        master
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(name.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| Error::Key("a file's key cannot be wrapped".into()))?;
        Ok(STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    fn unwrap(&self, wrapped: &str, name: &str) -> Result<[u8; KEY_BYTES]> {
        let other = || {
            Error::Key(format!(
                "{} does not hold the key {name} that the lake was sealed with",
                self.path.display()
            ))
        };
        let (_, master) = self
            .keys
            .iter()
            .find(|(known, _)| known == name)
            .ok_or_else(other)?;
        let damaged = || {
            Error::Key(format!(
                "a file's key does not open with {name}: the file or the key was changed"
            ))
        };
        let bytes = STANDARD.decode(wrapped).map_err(|_| damaged())?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let key = master.open_in_place(nonce, Aad::from(name.as_bytes()), &mut sealed);
        let key = key.map_err(|_| damaged())?;
        <[u8; KEY_BYTES]>::try_from(&*key).map_err(|_| damaged())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_and_unwraps_also_after_a_change_of_key() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("keys/lake.key");
        let first = KeyFile::create(&path).expect("a key");
        assert!(KeyFile::create(&path).is_err(), "a key was written over");
        let wrapped = first.wrap(&[7; KEY_BYTES]).expect("wrapped");
        assert_ne!(wrapped, first.wrap(&[7; KEY_BYTES]).expect("wrapped"));

        let other = KeyFile::create(&dir.path().join("other.key")).expect("a key");
        assert!(other.unwrap(&wrapped, &first.name()).is_err());
        let both = [&path, &dir.path().join("other.key")]
            .map(|path| std::fs::read_to_string(path).expect("a file"));
        std::fs::write(&path, both.concat()).expect("a file");
        let changed = KeyFile::open(&path).expect("two keys");
        assert_eq!(changed.name(), other.name());
        assert_eq!(
            changed
                .unwrap(&wrapped, &first.name())
                .expect("the old key"),
            [7; KEY_BYTES]
        );
        assert!(changed.unwrap(&wrapped, &other.name()).is_err());
    }

    #[test]
    fn a_changed_wrapping_opens_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let keys = KeyFile::create(&dir.path().join("lake.key")).expect("a key");
        let wrapped = STANDARD
            .decode(keys.wrap(&[7; KEY_BYTES]).expect("wrapped"))
            .expect("base64");
        for at in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[at] ^= 1;
            assert!(
                keys.unwrap(&STANDARD.encode(changed), &keys.name())
                    .is_err(),
                "byte {at}"
            );
        }
        assert!(keys.unwrap("", &keys.name()).is_err());
        assert!(
            keys.unwrap(&STANDARD.encode(&wrapped), "lake-00000000")
                .is_err()
        );
    }

    #[test]
    fn what_is_no_key_file_is_refused_without_quoting_it() {
        let dir = tempfile::tempdir().expect("a directory");
        for text in ["", "\n", "secret", "name c2hvcnQ=\n", "name\n"] {
            let path = dir.path().join("lake.key");
            std::fs::write(&path, text).expect("a file");
            let error = KeyFile::open(&path).expect_err("no key").to_string();
            assert!(
                !error.contains("c2hvcnQ") && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
