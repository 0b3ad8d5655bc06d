//! Who we are: nothing, a fixed bearer token, or SMART Backend Services.

pub(crate) mod assertion;
pub(crate) mod discovery;
pub(crate) mod keys;
pub(crate) mod secret;
pub(crate) mod token;

use url::Url;

use keys::SigningKey;
use secret::Secret;

/// How to prove who we are.
#[derive(Debug, Clone)]
pub enum Auth {
    /// The server is open.
    None,
    /// A token that somebody else obtained and renews.
    Bearer(Secret),
    /// SMART Backend Services: `client_credentials` with a signed assertion.
    Backend(Box<BackendServices>),
}

/// A client registered for SMART Backend Services (SMART App Launch 2.2).
#[derive(Debug, Clone)]
pub struct BackendServices {
    /// The id that the server gave at registration.
    pub client_id: String,
    /// The keys, the newest first. The next one is tried when the server does not know the first yet,
    /// or any more; that is how keys are rotated without a gap.
    pub keys: Vec<SigningKey>,
    /// The token endpoint, unless it is to be discovered.
    pub token_url: Option<Url>,
    /// The scopes to ask for; by default everything the server grants to read, in the version of
    /// SMART scopes that it understands.
    pub scope: Option<String>,
    /// Where the public keys are served, if that address was registered; named in each assertion.
    pub jwks_url: Option<Url>,
}

impl BackendServices {
    /// A client that discovers the rest.
    pub fn new(client_id: impl Into<String>, keys: Vec<SigningKey>) -> Self {
        Self {
            client_id: client_id.into(),
            keys,
            token_url: None,
            scope: None,
            jwks_url: None,
        }
    }
}
