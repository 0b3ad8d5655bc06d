//! Access tokens: obtained when the first request needs one, renewed before they expire or when a
//! server no longer takes them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::auth::assertion::assertion;
use crate::auth::discovery::{Configuration, discover};
use crate::auth::secret::Secret;
use crate::auth::{Auth, BackendServices};
use crate::error::{BulkError, Trouble};
use crate::http::{Ask, Http};
use crate::patience::Patience;
use crate::text::clean;

const TOKEN: &str = "asking for an access token";

/// Lifetime of a token whose server does not say, as SMART recommends.
const USUAL: Duration = Duration::from_mins(5);

/// A token is renewed when less than this part of its life is left, and never later than ten seconds
/// before its end.
const SPARE: u32 = 10;

/// Hands out the current token.
#[derive(Debug)]
pub(crate) struct Authenticator {
    auth: Auth,
    base: Url,
    http: Arc<Http>,
    patience: Patience,
    state: tokio::sync::Mutex<State>,
    /// Tokens handed out lately, which no text may show.
    issued: Mutex<Vec<Secret>>,
}

/// A token in place of another.
#[derive(Debug)]
pub(crate) struct Renewed {
    pub(crate) secret: Secret,
    /// Whether it was obtained just now; if not, it may be stale too.
    pub(crate) new: bool,
}

#[derive(Debug, Default)]
struct State {
    configuration: Option<Configuration>,
    token: Option<Token>,
    /// The key that was accepted last.
    key: usize,
}

#[derive(Debug)]
struct Token {
    secret: Secret,
    renew_at: Instant,
}

impl Authenticator {
    pub(crate) fn new(auth: Auth, base: Url, http: Arc<Http>, patience: Patience) -> Self {
        let issued = match &auth {
            Auth::Bearer(token) => vec![token.clone()],
            _ => Vec::new(),
        };
        Self {
            auth,
            base,
            http,
            patience,
            state: tokio::sync::Mutex::default(),
            issued: Mutex::new(issued),
        }
    }

    /// The token to send, if there is to be one.
    pub(crate) async fn token(&self) -> Result<Option<Secret>, BulkError> {
        match &self.auth {
            Auth::None => Ok(None),
            Auth::Bearer(token) => Ok(Some(token.clone())),
            Auth::Backend(client) => {
                let mut state = self.state.lock().await;
                match &state.token {
                    Some(token) if Instant::now() < token.renew_at => {
                        Ok(Some(token.secret.clone()))
                    }
                    _ => self.obtain(client, &mut state).await.map(Some),
                }
            }
        }
    }

    /// A token other than the one that a server has `refused`; `None` if there cannot be another.
    /// Many requests may come with the same refused token: only the first of them obtains a new one.
    pub(crate) async fn renew(&self, refused: &Secret) -> Result<Option<Renewed>, BulkError> {
        let Auth::Backend(client) = &self.auth else {
            return Ok(None);
        };
        let mut state = self.state.lock().await;
        let other = state.token.as_ref().map(|token| token.secret.clone());
        if let Some(secret) = other.filter(|secret| secret != refused) {
            return Ok(Some(Renewed { secret, new: false }));
        }
        let secret = self.obtain(client, &mut state).await?;
        Ok(Some(Renewed { secret, new: true }))
    }

    /// `text` without any token that we know.
    pub(crate) fn scrub(&self, text: &str) -> String {
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = text.to_owned();
        for secret in issued.iter().filter(|secret| !secret.expose().is_empty()) {
            text = text.replace(secret.expose(), "[token]");
        }
        text
    }

    async fn obtain(
        &self,
        client: &BackendServices,
        state: &mut State,
    ) -> Result<Secret, BulkError> {
        let mut failures = 0;
        loop {
            let trouble = match self.attempt(client, state).await {
                Ok(token) => {
                    let secret = token.secret.clone();
                    state.token = Some(token);
                    let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
                    issued.push(secret.clone());
                    // Long exports renew often; what is older has expired.
                    if issued.len() > 8 {
                        issued.remove(0);
                    }
                    return Ok(secret);
                }
                Err(trouble) => trouble,
            };
            failures += 1;
            let pause = self.patience.next(trouble, failures)?;
            tokio::time::sleep(pause.1).await;
        }
    }

    async fn attempt(&self, client: &BackendServices, state: &mut State) -> Result<Token, Trouble> {
        let configuration = match (&state.configuration, &client.token_url) {
            (Some(known), _) => known.clone(),
            (None, Some(url)) => Configuration::fixed(url),
            (None, None) => discover(&self.http, &self.base).await?,
        };
        state.configuration = Some(configuration.clone());
        let endpoint = self
            .base
            .join(&configuration.token_endpoint)
            .map_err(|_| BulkError::Authorization("the token endpoint is no address".into()))?;
        self.http.trust.token_endpoint(&endpoint)?;

        let usable = |key: usize| configuration.accepts(client.keys[key].algorithm());
        let mut candidates: Vec<usize> =
            (0..client.keys.len()).filter(|key| usable(*key)).collect();
        // The key that worked goes first, so that an old one is not announced anew at each renewal.
        candidates.sort_by_key(|key| (*key != state.key, *key));
        let mut refused = None;
        for key in candidates.into_iter().take(2) {
            match self
                .exchange(client, &configuration, &endpoint, key)
                .await?
            {
                Ok(token) => {
                    state.key = key;
                    return Ok(token);
                }
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        let none = || BulkError::Authorization("the server accepts none of our key types".into());
        Err(refused.unwrap_or_else(none).into())
    }

    /// One exchange with one key. The inner error is a refusal that another key may overcome.
    async fn exchange(
        &self,
        client: &BackendServices,
        configuration: &Configuration,
        endpoint: &Url,
        key: usize,
    ) -> Result<Result<Token, BulkError>, Trouble> {
        let usual = if configuration.scopes_v2 {
            "system/*.rs"
        } else {
            "system/*.read"
        };
        let assertion = assertion(
            &client.client_id,
            &configuration.token_endpoint,
            &client.keys[key],
            client.jwks_url.as_ref(),
        )?;
        let body = Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("scope", client.scope.as_deref().unwrap_or(usual))
            .append_pair(
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            )
            .append_pair("client_assertion", assertion.expose())
            .finish();
        let mut ask = Ask::get(TOKEN, endpoint, "application/json");
        ask.method = reqwest::Method::POST;
        ask.headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        ask.body = Some(body.into_bytes());
        ask.token = false;
        ask.follow = false;
        let answer = self.http.send(&ask, None).await?;
        let status = answer.status();
        if status.is_server_error() || status.as_u16() == 429 {
            return Err(self
                .http
                .refusal(TOKEN, answer, |text| {
                    text.replace(assertion.expose(), "[token]")
                })
                .await);
        }
        let received = Instant::now();
        let body = self.http.body(TOKEN, answer.response, 1 << 20).await?;
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            let token = Token::read(&value, received);
            return token.map(Ok).map_err(Into::into);
        }
        let code = clean(value["error"].as_str().unwrap_or_default(), 60);
        let description = value["error_description"].as_str().unwrap_or_default();
        // A server may quote what we sent.
        let description = description.replace(assertion.expose(), "[token]");
        let detail = match (code.as_str(), clean(&description, 400)) {
            ("", _) => String::new(),
            (code, description) if description.is_empty() => format!(": {code}"),
            (code, description) => format!(": {code}: {description}"),
        };
        let kid = client.keys[key].kid();
        let error = BulkError::Authorization(format!(
            "the token endpoint answered {} to key {kid}{detail}",
            status.as_u16()
        ));
        // An unknown key is `invalid_client`; the SMART reference server says `invalid_grant`.
        match code.as_str() {
            "invalid_client" | "invalid_grant" => Ok(Err(error)),
            _ if status.as_u16() == 401 => Ok(Err(error)),
            _ => Err(error.into()),
        }
    }
}

impl Token {
    fn read(value: &Value, received: Instant) -> Result<Self, BulkError> {
        let wrong = |what: &str| BulkError::Authorization(format!("the token answer {what}"));
        let kind = value["token_type"].as_str().unwrap_or("bearer");
        if !kind.eq_ignore_ascii_case("bearer") {
            return Err(wrong("is not for a bearer token"));
        }
        let token = value["access_token"].as_str().unwrap_or_default();
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(wrong("holds no usable access token"));
        }
        // A number, or a number in quotation marks.
        let seconds = value["expires_in"].as_f64();
        let seconds = seconds.or_else(|| value["expires_in"].as_str()?.parse().ok());
        let life = seconds
            .filter(|seconds| *seconds > 0.0)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds.min(1e9)).ok())
            .unwrap_or(USUAL);
        let spare = (life / SPARE).max(Duration::from_secs(10)).min(life / 2);
        Ok(Self {
            secret: Secret::new(token),
            renew_at: received + life.saturating_sub(spare),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lifetimes_are_read_with_tolerance() {
        let now = Instant::now();
        let life = |value: Value| {
            let answer = json!({"access_token": "t", "token_type": "Bearer", "expires_in": value});
            Token::read(&answer, now).unwrap().renew_at - now
        };
        assert_eq!(life(json!(300)), Duration::from_secs(270));
        assert_eq!(life(json!("300")), Duration::from_secs(270));
        assert_eq!(life(json!(4)), Duration::from_secs(2));
        for odd in [json!(null), json!(-1), json!("soon"), json!(0)] {
            assert_eq!(life(odd), Duration::from_secs(270));
        }
        assert!(life(json!(1e300)) > Duration::from_hours(1));
    }

    #[test]
    fn odd_answers_are_refused_without_showing_them() {
        for answer in [
            json!({}),
            json!({"access_token": ""}),
            json!({"access_token": "secret\r\nHost: evil"}),
            json!({"access_token": "secret", "token_type": "mac"}),
        ] {
            let error = Token::read(&answer, Instant::now()).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
