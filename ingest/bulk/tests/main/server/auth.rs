//! The authorisation server: discovery, assertions that are really verified, tokens that are used up.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::http::Response;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::{Seen, Server, answer};

/// A registered client.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) id: String,
    /// The registered key set, as the client published it.
    pub(crate) jwks: String,
    /// Requests that a token is good for: an end that no clock brings about.
    pub(crate) uses: u32,
    /// What a token request must ask for.
    pub(crate) scope: &'static str,
}

pub(super) fn discovery(server: &Server, seen: &Seen) -> Response<Body> {
    let state = server.with();
    let (found, missing) = if seen.path.ends_with("/metadata") {
        (state.metadata.clone(), Value::Null)
    } else {
        let own = json!({"token_endpoint": format!("{}/auth/token", server.origin()),
            "scopes_supported": ["system/*.rs"], "capabilities": ["permission-v2"]});
        (state.smart.clone(), own)
    };
    match found.unwrap_or(missing) {
        Value::Null => answer(404, &[], Body::empty()),
        found => answer(
            200,
            &[("content-type", "application/json")],
            Body::from(found.to_string()),
        ),
    }
}

pub(super) fn authorised(server: &Server, seen: &Seen) -> bool {
    let mut state = server.with();
    if state.client.is_none() && state.tokens.is_empty() {
        return true;
    }
    let token = seen
        .header("authorization")
        .and_then(|text| text.strip_prefix("Bearer "));
    let left = token.and_then(|token| state.tokens.get_mut(token));
    let Some(left) = left.filter(|left| **left > 0) else {
        return false;
    };
    *left -= 1;
    true
}

pub(super) fn token(server: &Server, seen: &Seen) -> Response<Body> {
    match exchange(server, seen) {
        Ok(value) => answer(
            200,
            &[("content-type", "application/json")],
            Body::from(value.to_string()),
        ),
        Err((error, why)) => {
            // Quotes what it was sent, as some servers do: the client must not pass that on.
            let value =
                json!({"error": error, "error_description": format!("{why}: {}", seen.body)});
            answer(
                if error == "invalid_client" { 401 } else { 400 },
                &[],
                Body::from(value.to_string()),
            )
        }
    }
}

fn exchange(server: &Server, seen: &Seen) -> Result<Value, (&'static str, &'static str)> {
    let form: std::collections::HashMap<String, String> =
        url::form_urlencoded::parse(seen.body.as_bytes())
            .into_owned()
            .collect();
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    let mut state = server.with();
    let client = state
        .client
        .clone()
        .ok_or(("invalid_client", "nobody is registered"))?;
    if seen.header("content-type") != Some("application/x-www-form-urlencoded") {
        return Err(("invalid_request", "form_content_type_required"));
    }
    if field("grant_type") != "client_credentials" {
        return Err(("unsupported_grant_type", "grant_type"));
    }
    if field("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
        return Err(("invalid_request", "client_assertion_type"));
    }
    if field("scope") != client.scope {
        return Err(("invalid_scope", "scope"));
    }
    let assertion = field("client_assertion");
    let header =
        jsonwebtoken::decode_header(assertion).map_err(|_| ("invalid_request", "header"))?;
    if header.typ.as_deref() != Some("JWT") {
        return Err(("invalid_request", "typ"));
    }
    if !matches!(header.alg, Algorithm::RS384 | Algorithm::ES384) {
        return Err(("invalid_request", "alg"));
    }
    let keys: JwkSet = serde_json::from_str(&client.jwks).unwrap();
    let kid = header.kid.ok_or(("invalid_request", "kid"))?;
    let key = keys.find(&kid).ok_or(("invalid_client", "unknown key"))?;
    let key = DecodingKey::from_jwk(key).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.leeway = 0;
    validation.set_audience(&[format!("{}/auth/token", server.origin())]);
    validation.set_issuer(&[&client.id]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    let claims = jsonwebtoken::decode::<Value>(assertion, &key, &validation)
        .map_err(|_| ("invalid_client", "signature or claims"))?
        .claims;
    if claims["sub"] != client.id.as_str() {
        return Err(("invalid_client", "sub"));
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    if claims["exp"].as_u64().is_none_or(|exp| exp > now + 300) {
        return Err(("invalid_client", "exp is more than five minutes away"));
    }
    let jti = claims["jti"]
        .as_str()
        .filter(|jti| jti.len() >= 16)
        .ok_or(("invalid_request", "jti"))?;
    if !state.jtis.insert(jti.to_owned()) {
        return Err(("invalid_client", "jti was used before"));
    }
    let token = format!("opaque-token-{}", state.jtis.len());
    state.tokens.insert(token.clone(), client.uses);
    // Says more than it grants, so that its end comes in the middle.
    Ok(
        json!({"access_token": token, "token_type": "bearer", "expires_in": 300, "scope": client.scope}),
    )
}
