//! Salted commitments: what an entry says about text that must not stand in it.

use salus_certificate::Hash;
use sha2::{Digest, Sha256};

use crate::Error;

const DOMAIN: &[u8] = b"salus/commitment/v1\0";

/// 32 random bytes, fresh for each commitment: questions, keys and answers are guessable, salts are not.
pub(crate) type Salt = [u8; 32];

/// `SHA-256("salus/commitment/v1" || 0x00 || salt || content)`.
pub fn commit(salt: &[u8; 32], content: &[u8]) -> Hash {
    Sha256::new()
        .chain_update(DOMAIN)
        .chain_update(salt)
        .chain_update(content)
        .finalize()
        .into()
}

/// What opens a commitment. Kept beside the log, where it can be erased.
#[derive(Clone, PartialEq, Eq)]
pub struct Opening {
    /// The salt.
    pub salt: Salt,
    /// The content.
    pub content: Vec<u8>,
}

impl Opening {
    /// `content` with a fresh salt.
    pub(crate) fn fresh(content: Vec<u8>) -> Result<Self, Error> {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt)
            .map_err(|_| Error::Unavailable("the operating system gives no randomness"))?;
        Ok(Self { salt, content })
    }

    /// The commitment that this opens.
    pub fn commitment(&self) -> Hash {
        commit(&self.salt, &self.content)
    }
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Opening").finish_non_exhaustive()
    }
}
