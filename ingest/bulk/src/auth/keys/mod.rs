//! The keys a client signs with: read from PEM (PKCS#8) or JWK files, made new, and published as a
//! JWK Set of public halves.
//!
//! A key is kept as PKCS#8 PEM, whatever form it came in. Its id (`kid`) is the one in the JWK, or
//! else its RFC 7638 thumbprint, so that the id of a PEM file is the same in every process.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeyPairComponents, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, JwkSet, KeyOperations, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::error::BulkError;

/// How assertions are signed. SMART requires servers to know both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// ECDSA on P-384 with SHA-384.
    Es384,
}

impl KeyAlgorithm {
    /// As JSON Web Algorithms names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs384 => "RS384",
            Self::Es384 => "ES384",
        }
    }

    pub(crate) fn jwa(self) -> Algorithm {
        match self {
            Self::Rs384 => Algorithm::RS384,
            Self::Es384 => Algorithm::ES384,
        }
    }
}

/// A private key with its id. `Debug` shows the id and the algorithm.
#[derive(Clone)]
pub struct SigningKey {
    kid: String,
    algorithm: KeyAlgorithm,
    pub(crate) encoding: EncodingKey,
    public: Jwk,
    pem: Zeroizing<String>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// Makes a new key: RSA of 3072 bits, or P-384.
///
/// # Errors
/// [`BulkError::Key`] if the system gives no randomness.
pub fn generate_key(algorithm: KeyAlgorithm) -> Result<SigningKey, BulkError> {
    let failed = |_| BulkError::Key("the system could not make a key".into());
    let pem = match algorithm {
        KeyAlgorithm::Rs384 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa3072).map_err(failed)?;
            let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
            pem(der.as_ref())
        }
        KeyAlgorithm::Es384 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map_err(failed)?;
            pem(pair.to_pkcs8v1().map_err(failed)?.as_ref())
        }
    };
    SigningKey::from_pem(&pem)
}

/// The public halves as a JWK Set, to be registered with a server or served at a JWKS URL.
pub fn jwks(keys: &[SigningKey]) -> String {
    let set = JwkSet {
        keys: keys.iter().map(|key| key.public.clone()).collect(),
    };
    // Strings and lists of strings: serialisation cannot fail.
    serde_json::to_string_pretty(&set).unwrap_or_default()
}

impl SigningKey {
    /// The id of the key in the JWK Set.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// How it signs.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The private key as PKCS#8 PEM. Whoever has it can be this client.
    pub fn to_pem(&self) -> Zeroizing<String> {
        self.pem.clone()
    }

    /// Writes the private key to a new file that only its owner may read.
    ///
    /// # Errors
    /// [`BulkError::Store`], also if the file exists: a key is never overwritten.
    pub fn write(&self, path: &Path) -> Result<(), BulkError> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        options
            .open(path)
            .and_then(|mut file| {
                file.write_all(self.pem.as_bytes())?;
                file.sync_all()
            })
            .map_err(BulkError::store(path))
    }

    /// Reads a file: one PKCS#8 PEM key, one JWK, or a JWK Set with private keys.
    ///
    /// # Errors
    /// [`BulkError::Key`] with what would be accepted.
    pub fn read(path: &Path) -> Result<Vec<Self>, BulkError> {
        let text = fs::read_to_string(path).map_err(BulkError::store(path))?;
        let text = Zeroizing::new(text);
        let keys = if text.trim_start().starts_with('{') {
            Self::from_jwk(&text)
        } else {
            Self::from_pem(&text).map(|key| vec![key])
        };
        keys.map_err(|error| match error {
            BulkError::Key(what) => BulkError::Key(format!("{}: {what}", path.display())),
            other => other,
        })
    }

    /// A key from PKCS#8 PEM (`BEGIN PRIVATE KEY`); PKCS#1 RSA is understood too.
    ///
    /// # Errors
    /// [`BulkError::Key`] unless it is RSA of at least 2048 bits or P-384.
    pub fn from_pem(text: &str) -> Result<Self, BulkError> {
        if text.contains("BEGIN EC PRIVATE KEY") || text.contains("BEGIN ENCRYPTED") {
            let hint = "convert it with `openssl pkcs8 -topk8 -nocrypt`";
            return Err(BulkError::Key(format!("not a plain PKCS#8 key: {hint}")));
        }
        let bytes = text.as_bytes();
        let (algorithm, encoding) = EncodingKey::from_rsa_pem(bytes)
            .map(|key| (KeyAlgorithm::Rs384, key))
            .or_else(|_| EncodingKey::from_ec_pem(bytes).map(|key| (KeyAlgorithm::Es384, key)))
            .map_err(|_| BulkError::Key("neither PEM (PKCS#8, RSA or P-384) nor a JWK".into()))?;
        Self::new(algorithm, encoding, text, None)
    }

    /// Private keys from a JWK or a JWK Set, in the order of the text. In a set, keys of other
    /// algorithms are passed over.
    ///
    /// # Errors
    /// [`BulkError::Key`] if no key can be used.
    pub fn from_jwk(text: &str) -> Result<Vec<Self>, BulkError> {
        let broken = || BulkError::Key("not a JSON Web Key".into());
        if let Ok(set) = serde_json::from_str::<PrivateJwkSet>(text) {
            let usable = set.keys.iter().filter_map(|key| key.signing_key().ok());
            let keys: Vec<Self> = usable.collect();
            return match (keys.is_empty(), set.keys.first()) {
                (false, _) => Ok(keys),
                (true, Some(first)) => Err(first.signing_key().err().unwrap_or_else(broken)),
                (true, None) => Err(BulkError::Key("the JWK Set is empty".into())),
            };
        }
        let key: PrivateJwk = serde_json::from_str(text).map_err(|_| broken())?;
        Ok(vec![key.signing_key()?])
    }

    fn new(
        algorithm: KeyAlgorithm,
        encoding: EncodingKey,
        text: &str,
        kid: Option<String>,
    ) -> Result<Self, BulkError> {
        let unusable = |_| {
            BulkError::Key(
                "only RSA of 2048 to 8192 bits (RS384) and P-384 (ES384) can sign".into(),
            )
        };
        // A key that cannot sign is found out now, not in the middle of an export.
        jsonwebtoken::encode(
            &jsonwebtoken::Header::new(algorithm.jwa()),
            &serde_json::json!({}),
            &encoding,
        )
        .map_err(unusable)?;
        let mut public = Jwk::from_encoding_key(&encoding, algorithm.jwa()).map_err(unusable)?;
        let kid = match kid {
            Some(kid) => kid,
            None => public
                .thumbprint(ThumbprintHash::SHA256)
                .map_err(unusable)?,
        };
        public.common.key_id = Some(kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        public.common.key_operations = Some(vec![KeyOperations::Verify]);
        Ok(Self {
            kid,
            algorithm,
            encoding,
            public,
            pem: Zeroizing::new(text.to_owned()),
        })
    }
}

#[derive(Deserialize)]
struct PrivateJwkSet {
    keys: Vec<PrivateJwk>,
}

/// The members of RFC 7518 sections 6.2 and 6.3 that a private signing key has.
#[derive(Deserialize)]
struct PrivateJwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    #[serde(flatten)]
    numbers: std::collections::BTreeMap<String, serde_json::Value>,
}

impl PrivateJwk {
    fn number(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, BulkError> {
        self.numbers
            .get(name)
            .and_then(|value| value.as_str())
            .and_then(|text| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok())
            .map(Zeroizing::new)
            .ok_or_else(|| {
                BulkError::Key(format!(
                    "the JWK has no usable `{name}`; a private key with all its members is needed"
                ))
            })
    }

    fn signing_key(&self) -> Result<SigningKey, BulkError> {
        let broken = |_| BulkError::Key("the members of the JWK contradict each other".into());
        let unspecified = |_| BulkError::Key("the members of the JWK contradict each other".into());
        let (algorithm, pem) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                let components = KeyPairComponents {
                    public_key: PublicKeyComponents {
                        n: self.number("n")?,
                        e: self.number("e")?,
                    },
                    d: self.number("d")?,
                    p: self.number("p")?,
                    q: self.number("q")?,
                    dP: self.number("dp")?,
                    dQ: self.number("dq")?,
                    qInv: self.number("qi")?,
                };
                let pair = RsaKeyPair::from_components(&components).map_err(broken)?;
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(unspecified)?;
                (KeyAlgorithm::Rs384, pem(der.as_ref()))
            }
            ("EC", Some("P-384")) => {
                let mut point = vec![4];
                point.extend_from_slice(&self.number("x")?);
                point.extend_from_slice(&self.number("y")?);
                let pair = EcdsaKeyPair::from_private_key_and_public_key(
                    &ECDSA_P384_SHA384_FIXED_SIGNING,
                    &self.number("d")?,
                    &point,
                )
                .map_err(broken)?;
                let der = pair.to_pkcs8v1().map_err(unspecified)?;
                (KeyAlgorithm::Es384, pem(der.as_ref()))
            }
            _ => {
                let only = "only RSA (RS384) and P-384 (ES384) keys can sign";
                return Err(BulkError::Key(only.into()));
            }
        };
        if let Some(alg) = self.alg.as_deref().filter(|alg| *alg != algorithm.name()) {
            let alg = crate::text::clean(alg, 20);
            let need = algorithm.name();
            return Err(BulkError::Key(format!("the JWK is for {alg}, not {need}")));
        }
        let key = SigningKey::from_pem(&pem)?;
        let kid = self.kid.clone().filter(|kid| !kid.is_empty());
        SigningKey::new(algorithm, key.encoding, &pem, kid)
    }
}

fn pem(pkcs8: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(pkcs8));
    let mut text = Zeroizing::new(String::from("-----BEGIN PRIVATE KEY-----\n"));
    for line in body.as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text.push_str("-----END PRIVATE KEY-----\n");
    text
}

#[cfg(test)]
mod tests;
