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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::keys::{KeyAlgorithm, generate_key, jwks};
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
    use serde_json::Value;
    use url::Url;

    #[test]
    fn an_assertion_holds_what_smart_asks_for() {
        let audience = "https://a.org:443/auth/token?x=Y";
        let served = Url::parse("https://b.org/jwks.json").unwrap();
        for algorithm in [KeyAlgorithm::Rs384, KeyAlgorithm::Es384] {
            let key = generate_key(algorithm).unwrap();
            let set: JwkSet = serde_json::from_str(&jwks(std::slice::from_ref(&key))).unwrap();
            for jwks_url in [None, Some(&served)] {
                let token = assertion("the-client", audience, &key, jwks_url).unwrap();
                let header = decode_header(token.expose()).unwrap();
                assert_eq!(header.alg, algorithm.jwa());
                assert_eq!(header.typ.as_deref(), Some("JWT"));
                assert_eq!(header.kid.as_deref(), Some(key.kid()));
                assert_eq!(header.jku.as_deref(), jwks_url.map(Url::as_str));
                let public = DecodingKey::from_jwk(set.find(key.kid()).unwrap()).unwrap();
                let mut validation = Validation::new(algorithm.jwa());
                validation.set_audience(&[audience]);
                let claims: Value = decode(token.expose(), &public, &validation).unwrap().claims;
                assert_eq!(
                    (&claims["iss"], &claims["sub"]),
                    (&claims["sub"], &"the-client".into())
                );
                let now = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap()
                    .as_secs();
                let life = claims["exp"].as_u64().unwrap() - now;
                assert!((200..=300).contains(&life), "{life}");
                assert_eq!(
                    claims["jti"].as_str().unwrap().len(),
                    22,
                    "16 bytes by chance"
                );
            }
        }
    }
}
