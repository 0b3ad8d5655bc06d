//! Where tokens are given: `.well-known/smart-configuration`, or the capability statement of servers
//! that have none.

use reqwest::StatusCode;
use serde_json::Value;
use url::Url;

use crate::auth::keys::KeyAlgorithm;
use crate::error::{BulkError, Trouble};
use crate::http::{Ask, Http};

const DISCOVERY: &str = "discovering the token endpoint";

/// Capability statements of large servers have several megabytes.
const LARGEST: usize = 32 << 20;

const OAUTH_URIS: &str = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris";

/// What a server says about its tokens.
#[derive(Debug, Clone)]
pub(crate) struct Configuration {
    /// Exactly as published: it is the audience of assertions.
    pub(crate) token_endpoint: String,
    /// Whether the server understands `system/*.rs`; `system/*.read` otherwise.
    pub(crate) scopes_v2: bool,
    /// Algorithms it accepts for assertions; empty if it does not say.
    algorithms: Vec<String>,
}

impl Configuration {
    /// For a token endpoint that is known beforehand.
    pub(crate) fn fixed(token_url: &Url) -> Self {
        Self {
            token_endpoint: token_url.as_str().to_owned(),
            scopes_v2: false,
            algorithms: Vec::new(),
        }
    }

    /// Whether a key of this algorithm is worth trying.
    pub(crate) fn accepts(&self, algorithm: KeyAlgorithm) -> bool {
        self.algorithms.is_empty() || self.algorithms.iter().any(|name| name == algorithm.name())
    }

    fn from_smart(value: &Value) -> Option<Self> {
        let list = |name: &str| -> Vec<String> {
            let values = value.get(name).and_then(Value::as_array);
            let texts = values.into_iter().flatten().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        };
        let scopes = list("scopes_supported");
        let capability = list("capabilities")
            .iter()
            .any(|name| name == "permission-v2");
        let endpoint = value.get("token_endpoint")?.as_str()?;
        (!endpoint.is_empty()).then(|| Self {
            token_endpoint: endpoint.to_owned(),
            scopes_v2: v2(&scopes).unwrap_or(capability),
            algorithms: list("token_endpoint_auth_signing_alg_values_supported"),
        })
    }

    /// The extension of SMART App Launch 1.0 in a CapabilityStatement.
    fn from_capability(value: &Value) -> Option<Self> {
        let rest = value.get("rest")?.as_array()?.iter();
        let mut extensions = rest
            .filter_map(|rest| rest["security"]["extension"].as_array())
            .flatten()
            .filter(|extension| extension["url"] == OAUTH_URIS)
            .filter_map(|extension| extension["extension"].as_array())
            .flatten();
        let token = extensions.find(|extension| extension["url"] == "token")?;
        let endpoint = token["valueUri"].as_str().filter(|text| !text.is_empty())?;
        Some(Self {
            token_endpoint: endpoint.to_owned(),
            scopes_v2: false,
            algorithms: Vec::new(),
        })
    }
}

/// Whether the scopes for a backend service are of version 2, if the server lists any. A server that
/// lists both is asked in the older form, which more servers have been tried with.
fn v2(scopes: &[String]) -> Option<bool> {
    let system = scopes
        .iter()
        .filter_map(|scope| scope.strip_prefix("system/"));
    let actions: Vec<&str> = system
        .filter_map(|scope| Some(scope.rsplit_once('.')?.1))
        .collect();
    if actions.is_empty() {
        return None;
    }
    let old = |action: &&str| matches!(*action, "read" | "write" | "*");
    Some(!actions.iter().any(old))
}

/// Asks the server at `base`.
///
/// # Errors
/// A failure that may pass, or [`BulkError::Authorization`] if the server publishes no endpoint.
pub(crate) async fn discover(http: &Http, base: &Url) -> Result<Configuration, Trouble> {
    let well_known = below(base, ".well-known/smart-configuration");
    let smart = fetch(http, &well_known, "application/json").await?;
    if let Some(found) = smart.as_ref().and_then(Configuration::from_smart) {
        return Ok(found);
    }
    let metadata = below(base, "metadata");
    let capability = fetch(http, &metadata, "application/fhir+json, application/json").await?;
    let found = capability.as_ref().and_then(Configuration::from_capability);
    found.ok_or_else(|| {
        let text = "the server publishes no token endpoint, neither in \
                    .well-known/smart-configuration nor in its capability statement; name it";
        BulkError::Authorization(text.into()).into()
    })
}

/// The JSON at `url`, or `None` if there is none.
async fn fetch(http: &Http, url: &Url, accept: &'static str) -> Result<Option<Value>, Trouble> {
    let mut ask = Ask::get(DISCOVERY, url, accept);
    ask.token = false;
    let answer = http.send(&ask, None).await?;
    match answer.status() {
        StatusCode::OK => {
            let body = http.body(DISCOVERY, answer.response, LARGEST).await?;
            Ok(serde_json::from_slice(&body).ok())
        }
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Err(http.refusal(DISCOVERY, answer, str::to_owned).await)
        }
        _ => Ok(None),
    }
}

/// An address below the base, which may or may not end in a slash.
pub(crate) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    let joined = format!("{}/{path}", base.path().trim_end_matches('/'));
    url.set_path(&joined);
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scopes_follow_what_the_server_lists() {
        let v2 = |scopes: &[&str], capabilities: &[&str]| {
            let value = json!({
                "token_endpoint": "https://a.org/token",
                "scopes_supported": scopes,
                "capabilities": capabilities,
            });
            Configuration::from_smart(&value).unwrap().scopes_v2
        };
        assert!(v2(&["openid", "system/*.rs"], &[]));
        assert!(v2(&["system/Patient.rs"], &["permission-v1"]));
        assert!(!v2(&["system/*.read", "system/*.rs"], &["permission-v2"]));
        assert!(v2(&["openid"], &["permission-v2"]));
        assert!(!v2(&[], &[]));
    }

    #[test]
    fn capability_statements_are_understood() {
        let value = json!({"resourceType": "CapabilityStatement", "rest": [{"security": {"extension": [
            {"url": "http://other"},
            {"url": OAUTH_URIS, "extension": [
                {"url": "authorize", "valueUri": "https://a.org/authorize"},
                {"url": "token", "valueUri": "https://a.org/token"}]}]}}]});
        let found = Configuration::from_capability(&value).unwrap();
        assert_eq!(found.token_endpoint, "https://a.org/token");
        assert!(Configuration::from_capability(&json!({"rest": [{}]})).is_none());
        assert!(Configuration::from_smart(&json!({"token_endpoint": ""})).is_none());
    }

    #[test]
    fn addresses_below_the_base() {
        for base in ["https://a.org/fhir", "https://a.org/fhir/"] {
            let base = Url::parse(base).unwrap();
            assert_eq!(
                below(&base, "Patient/$export").as_str(),
                "https://a.org/fhir/Patient/$export"
            );
        }
    }
}
