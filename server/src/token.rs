//! Bearer tokens: drawn once, shown once, kept as their SHA-256.
//!
//! A token is 256 random bits, so its plain digest is as good as a slow one: there is nothing to guess.
//!
//! ```
//! use salus_server::token::{Token, bearer};
//!
//! let (ada, ben) = (Token::draw().unwrap(), Token::draw().unwrap());
//! let known = [(ada.digest(), "ada"), (ben.digest(), "ben")];
//! assert_eq!(bearer(known, ben.reveal()), Some("ben"));
//! assert_eq!(bearer(known, "salus_guess"), None);
//! ```

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// What scanners for leaked secrets can know it by.
const PREFIX: &str = "salus_";

/// SHA-256 of a token.
pub type Digest = [u8; 32];

/// A token that was just drawn. `Debug` does not show it.
pub struct Token(String);

impl Token {
    /// Draws 256 bits.
    ///
    /// # Errors
    /// If the operating system has no randomness.
    pub fn draw() -> std::io::Result<Self> {
        let mut bits = [0_u8; 32];
        getrandom::fill(&mut bits).map_err(std::io::Error::other)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bits))))
    }

    /// The token as its bearer sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn digest(&self) -> Digest {
        digest(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

fn digest(token: &str) -> Digest {
    Sha256::digest(token).into()
}

/// Who bears the token that was presented, among those who are known by the digests of theirs.
///
/// # Guarantee
/// Every digest is compared in full, so the time it takes depends on their number alone.
pub fn bearer<T>(known: impl IntoIterator<Item = (Digest, T)>, presented: &str) -> Option<T> {
    let presented = digest(presented);
    known.into_iter().fold(None, |found, (digest, who)| {
        if bool::from(digest.ct_eq(&presented)) {
            Some(who)
        } else {
            found
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_drawn_anew_and_not_shown() {
        let (one, other) = (Token::draw().unwrap(), Token::draw().unwrap());
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(one.reveal().len(), PREFIX.len() + 43);
        assert!(!format!("{one:?}").contains(one.reveal()));
    }

    #[test]
    fn a_token_is_known_whole_or_not_at_all() {
        let token = Token::draw().unwrap();
        let known = || [([7; 32], "nobody"), (token.digest(), "ada")];
        assert_eq!(bearer(known(), token.reveal()), Some("ada"));
        let text = token.reveal();
        for wrong in [
            "",
            PREFIX,
            &text[1..],
            &text[..text.len() - 1],
            &text.to_uppercase(),
        ] {
            assert_eq!(bearer(known(), wrong), None, "{wrong}");
        }
        // What is kept is not what is presented.
        let kept = URL_SAFE_NO_PAD.encode(token.digest());
        assert_eq!(bearer(known(), &format!("{PREFIX}{kept}")), None);
    }
}
