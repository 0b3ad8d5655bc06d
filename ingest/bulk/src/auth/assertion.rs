//! The one-time token a client proves itself with (SMART client-confidential-asymmetric, RFC 7523).

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Header;
use serde::Serialize;
use url::Url;

use crate::auth::keys::SigningKey;
use crate::auth::secret::Secret;
use crate::error::BulkError;

/// Seconds an assertion lives. SMART allows five minutes; a minute is left for a server whose clock
/// is behind ours. The reference server gives tokens that live no longer than the assertion.
const LIFETIME: u64 = 240;

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: u64,
    jti: String,
}

/// A fresh assertion of `client_id` for the token endpoint `audience`, signed with `key`. The audience
/// is the text that the server published: normalising it could make it another one.
///
/// # Errors
/// [`BulkError::Key`] if the key cannot sign.
pub(crate) fn assertion(
    client_id: &str,
    audience: &str,
    key: &SigningKey,
    jwks_url: Option<&Url>,
) -> Result<Secret, BulkError> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce)
        .map_err(|_| BulkError::Key("the system gives no randomness".into()))?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let claims = Claims {
        iss: client_id,
        sub: client_id,
        aud: audience,
        exp: now + LIFETIME,
        jti: URL_SAFE_NO_PAD.encode(nonce),
    };
    let mut header = Header::new(key.algorithm().jwa());
    header.typ = Some("JWT".into());
    header.kid = Some(key.kid().to_owned());
    header.jku = jwks_url.map(Url::to_string);
    jsonwebtoken::encode(&header, &claims, &key.encoding)
        .map(Secret::new)
        .map_err(|_| BulkError::Key(format!("the key {} cannot sign", key.kid())))
}
