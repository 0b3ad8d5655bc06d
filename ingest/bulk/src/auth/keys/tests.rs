use super::*;
use serde_json::{Value, json};

fn set(keys: &[SigningKey]) -> Value {
    serde_json::from_str(&jwks(keys)).unwrap()
}

#[test]
fn generated_keys_are_published_without_their_secret() {
    for (algorithm, members) in [
        (
            KeyAlgorithm::Rs384,
            vec!["alg", "e", "key_ops", "kid", "kty", "n", "use"],
        ),
        (
            KeyAlgorithm::Es384,
            vec!["alg", "crv", "key_ops", "kid", "kty", "use", "x", "y"],
        ),
    ] {
        let key = generate_key(algorithm).unwrap();
        let set = set(std::slice::from_ref(&key));
        let public = set["keys"][0].as_object().unwrap();
        let mut names: Vec<&str> = public.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, members);
        assert_eq!(public["alg"], algorithm.name());
        assert_eq!(public["kid"], key.kid());
        assert_eq!(public["key_ops"], json!(["verify"]));
        // Another process that reads the same file has the same id.
        let again = SigningKey::from_pem(&key.to_pem()).unwrap();
        assert_eq!((again.kid(), again.algorithm()), (key.kid(), algorithm));
        assert!(!format!("{key:?}").contains("PRIVATE"));
    }
}

#[test]
fn two_keys_have_two_ids() {
    let keys = [
        generate_key(KeyAlgorithm::Es384).unwrap(),
        generate_key(KeyAlgorithm::Es384).unwrap(),
    ];
    assert_ne!(keys[0].kid(), keys[1].kid());
    assert_eq!(set(&keys)["keys"].as_array().unwrap().len(), 2);
}

#[test]
fn a_key_file_is_private_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("client.pem");
    let key = generate_key(KeyAlgorithm::Es384).unwrap();
    key.write(&path).unwrap();
    assert!(key.write(&path).is_err());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    let read = SigningKey::read(&path).unwrap();
    assert_eq!(read[0].kid(), key.kid());
}

/// A private JWK of the key, as other tools write it.
fn es384_jwk(kid: &str) -> (SigningKey, Value) {
    use aws_lc_rs::encoding::{AsBigEndian as _, EcPrivateKeyBin};
    let key = generate_key(KeyAlgorithm::Es384).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, key.encoding.as_bytes())
        .unwrap();
    let secret: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().unwrap();
    let mut jwk = set(std::slice::from_ref(&key))["keys"][0].clone();
    jwk["d"] = json!(URL_SAFE_NO_PAD.encode(secret.as_ref()));
    jwk["kid"] = json!(kid);
    jwk["key_ops"] = json!(["sign"]);
    jwk["ext"] = json!(true);
    (key, jwk)
}

#[test]
fn jwk_files_keep_their_id() {
    let (key, jwk) = es384_jwk("my-key");
    let read = SigningKey::from_jwk(&jwk.to_string()).unwrap();
    assert_eq!(read[0].kid(), "my-key");
    let publish = |key: &SigningKey| set(std::slice::from_ref(key))["keys"][0]["x"].clone();
    assert_eq!(publish(&read[0]), publish(&key));
    // A set with private and public halves, as some tools write them.
    let mut public = jwk.clone();
    public.as_object_mut().unwrap().remove("d");
    let both = json!({"keys": [public, jwk]});
    assert_eq!(SigningKey::from_jwk(&both.to_string()).unwrap().len(), 1);
}

#[test]
fn rsa_jwks_of_the_specification_are_read() {
    // RFC 7517, appendix A.2, without its `alg`, which is RS256.
    let jwk = include_str!("rfc7517-a2.json");
    let read = SigningKey::from_jwk(jwk).unwrap();
    assert_eq!(read[0].algorithm(), KeyAlgorithm::Rs384);
    // RFC 7638, section 3.1, gives the thumbprint of this very key.
    let without = jwk.replace("\"kid\":\"2011-04-29\",", "");
    let read = SigningKey::from_jwk(&without).unwrap();
    assert_eq!(read[0].kid(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

#[test]
fn what_cannot_sign_is_refused_without_showing_it() {
    let (_, jwk) = es384_jwk("k");
    let change = |name: &str, value: Value| {
        let mut changed = jwk.clone();
        changed[name] = value;
        changed.to_string()
    };
    for text in [
        String::new(),
        "{".into(),
        "{}".into(),
        "{\"keys\":[]}".into(),
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".into(),
        "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n".into(),
        change("crv", json!("P-256")),
        change("alg", json!("ES256")),
        change("x", jwk["y"].clone()),
        change("d", json!(null)),
        change("kty", json!("oct")),
    ] {
        let found = if text.starts_with('{') {
            SigningKey::from_jwk(&text).map(drop)
        } else {
            SigningKey::from_pem(&text).map(drop)
        };
        let error = found.unwrap_err().to_string();
        assert!(!error.contains(jwk["d"].as_str().unwrap()), "{error}");
    }
}
