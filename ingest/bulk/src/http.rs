//! One request, with redirects followed by hand and answers read within bounds.

use std::time::{Duration, SystemTime};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode};
use url::Url;

use crate::auth::secret::Secret;
use crate::error::{BulkError, Retry, Trouble};
use crate::options::{Connection, Proxy};
use crate::outcome::Outcome;
use crate::text::{SHOWN, causes, clean, shown};
use crate::trust::Trust;

const REDIRECTS: usize = 5;

/// An error body is read no further than this.
const ERROR_BODY: usize = 64 << 10;

/// Our name in requests.
pub(crate) const USER_AGENT: &str = concat!("salus/", env!("CARGO_PKG_VERSION"));

/// A request.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    /// What is being done, for errors.
    pub(crate) doing: &'static str,
    pub(crate) method: Method,
    pub(crate) url: &'a Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Vec<u8>>,
    /// Whether the access token belongs to it, if it may go there.
    pub(crate) token: bool,
    /// Whether redirects are followed.
    pub(crate) follow: bool,
}

impl<'a> Ask<'a> {
    pub(crate) fn get(doing: &'static str, url: &'a Url, accept: &'static str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(reqwest::header::ACCEPT, HeaderValue::from_static(accept));
        Self {
            doing,
            method: Method::GET,
            url,
            headers,
            body: None,
            token: true,
            follow: true,
        }
    }
}

/// The head of an answer; the body is still to be read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response,
    /// Where it came from, after redirects.
    pub(crate) url: Url,
    /// Whether the access token went with the last request.
    pub(crate) carried: bool,
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn header(&self, name: impl reqwest::header::AsHeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Whether it is a page for people, whatever was asked for.
    pub(crate) fn is_web_page(&self) -> bool {
        let kind = self.header(CONTENT_TYPE).unwrap_or_default();
        kind.trim_start()
            .to_ascii_lowercase()
            .starts_with("text/html")
    }

    /// The pause that the server asks for: seconds, or a date.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let text = self.header(RETRY_AFTER)?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = httpdate::parse_http_date(text).ok()?;
        Some(date.duration_since(SystemTime::now()).unwrap_or_default())
    }
}

/// The connection pool and the rules of where it may be used.
#[derive(Debug)]
pub(crate) struct Http {
    client: Client,
    pub(crate) trust: Trust,
    answer_timeout: Duration,
}

impl Http {
    pub(crate) fn new(base: &Url, connection: &Connection) -> Result<Self, BulkError> {
        let wrong = |what: &'static str| move |_| BulkError::Options(format!("{what} is unusable"));
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // Another crate may switch these features on; a file must arrive as it was sent.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .connect_timeout(connection.connect_timeout)
            .read_timeout(connection.read_timeout);
        builder = match &connection.proxy {
            Proxy::Environment => builder,
            Proxy::None => builder.no_proxy(),
            Proxy::Url(url) => {
                let proxy = reqwest::Proxy::all(url.expose());
                builder.proxy(proxy.map_err(wrong("the proxy's address"))?)
            }
        };
        for root in &connection.roots {
            let certificates = reqwest::Certificate::from_pem_bundle(root)
                .map_err(wrong("a TLS root certificate"))?;
            if certificates.is_empty() {
                let text = "a TLS root file holds no PEM certificate";
                return Err(BulkError::Options(text.into()));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        if let Some(identity) = &connection.identity {
            let identity = reqwest::Identity::from_pem(identity.expose().as_bytes());
            builder = builder.identity(identity.map_err(wrong("the TLS client identity"))?);
        }
        Ok(Self {
            client: builder.build().map_err(wrong("the TLS configuration"))?,
            trust: Trust::new(base, connection),
            answer_timeout: connection.answer_timeout,
        })
    }

    /// Sends a request and follows redirects. The token goes only where [`Trust::carries`] allows it,
    /// and never again once a redirect has changed scheme, host or port.
    pub(crate) async fn send(
        &self,
        ask: &Ask<'_>,
        token: Option<&Secret>,
    ) -> Result<Answer, Trouble> {
        let mut url = ask.url.clone();
        let mut method = ask.method.clone();
        let mut at_home = true;
        for _ in 0..=REDIRECTS {
            self.trust.permits(&url)?;
            without_password(&mut url);
            let token = token.filter(|_| at_home && ask.token && self.trust.carries(&url));
            let body = ask.body.as_ref().filter(|_| method == ask.method);
            let response = self.once(ask, &method, &url, body, token).await?;
            let location = response.headers().get(LOCATION);
            let Some(location) = location.filter(|_| redirects(response.status())) else {
                return Ok(Answer {
                    response,
                    url,
                    carried: token.is_some(),
                });
            };
            let next = location
                .to_str()
                .ok()
                .and_then(|location| url.join(location).ok())
                .ok_or_else(|| BulkError::Protocol {
                    doing: ask.doing,
                    text: "a redirect leads nowhere".into(),
                })?;
            let moved = next.origin() != url.origin();
            let status = response.status();
            if status == StatusCode::SEE_OTHER {
                method = Method::GET;
            }
            // What we send may name patients or be a secret: it goes where it was addressed to.
            let sends = method != Method::GET;
            let changes = matches!(status.as_u16(), 301 | 302);
            if !ask.follow || (sends && (moved || changes)) {
                let to = shown(&next);
                let text = format!("{}: not redirected to {to}", ask.doing);
                return Err(BulkError::NotAllowed(text).into());
            }
            at_home &= !moved;
            url = next;
        }
        Err(BulkError::Protocol {
            doing: ask.doing,
            text: format!("more than {REDIRECTS} redirects"),
        }
        .into())
    }

    async fn once(
        &self,
        ask: &Ask<'_>,
        method: &Method,
        url: &Url,
        body: Option<&Vec<u8>>,
        token: Option<&Secret>,
    ) -> Result<Response, Trouble> {
        let mut request = self.client.request(method.clone(), url.clone());
        request = request.headers(ask.headers.clone());
        if let Some(body) = body {
            request = request.body(body.clone());
        }
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                .map_err(|_| BulkError::Authorization("the token is not visible ASCII".into()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let answer = tokio::time::timeout(self.answer_timeout, request.send()).await;
        answer
            .map_err(|_| Trouble::passing(ask.doing, "no answer in time"))?
            .map_err(|error| Trouble::passing(ask.doing, causes(error)))
    }

    /// The whole body, if it is not larger than `limit`.
    pub(crate) async fn body(
        &self,
        doing: &'static str,
        response: Response,
        limit: usize,
    ) -> Result<Vec<u8>, Trouble> {
        match tokio::time::timeout(self.answer_timeout, head(response, limit + 1)).await {
            Err(_) => Err(Trouble::passing(doing, "the answer does not end")),
            Ok(Err(error)) => Err(Trouble::passing(doing, causes(error))),
            Ok(Ok(body)) if body.len() > limit => Err(BulkError::TooLarge {
                what: format!("{doing}: the answer"),
                limit: limit as u64,
            }
            .into()),
            Ok(Ok(body)) => Ok(body),
        }
    }

    /// What an answer other than success means. `scrub` takes out of its body what may not be shown,
    /// before anything is cut off: half a token is a secret too.
    pub(crate) async fn refusal(
        &self,
        doing: &'static str,
        answer: Answer,
        scrub: impl Fn(&str) -> String,
    ) -> Trouble {
        let status = answer.status();
        let asked = answer.retry_after();
        let page = answer.is_web_page();
        let body = head(answer.response, ERROR_BODY);
        let body = tokio::time::timeout(self.answer_timeout, body).await;
        let body = body.ok().and_then(Result::ok).unwrap_or_default();
        let body = scrub(&String::from_utf8_lossy(&body));
        refused(doing, status, asked, page, body.as_bytes())
    }
}

/// What `status` with `body` means.
pub(crate) fn refused(
    doing: &'static str,
    status: StatusCode,
    asked: Option<Duration>,
    page: bool,
    body: &[u8],
) -> Trouble {
    let outcome = Outcome::parse(body);
    let passes = match status.as_u16() {
        408 | 425 | 429 | 502 | 503 | 504 => true,
        500.. => outcome.as_ref().is_none_or(Outcome::transient),
        _ => outcome.as_ref().is_some_and(Outcome::transient),
    };
    let text = match &outcome {
        Some(outcome) => outcome.text(),
        None if page || body.trim_ascii_start().starts_with(b"<") => {
            "a web page instead of a FHIR answer".into()
        }
        None => clean(&String::from_utf8_lossy(body), SHOWN),
    };
    let text = if text.is_empty() {
        text
    } else {
        format!(": {text}")
    };
    Trouble {
        error: BulkError::Refused {
            doing,
            status: status.as_u16(),
            text,
        },
        retry: match (passes, asked) {
            (false, _) => Retry::Never,
            (true, None) => Retry::Later,
            (true, Some(pause)) => Retry::After(pause),
        },
    }
}

fn redirects(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// An address can carry a name and a password, which would be sent as an `Authorization` header.
fn without_password(url: &mut Url) {
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

/// The first `limit` bytes of a body, at most.
async fn head(mut response: Response, limit: usize) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = limit - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == limit {
            break;
        }
    }
    Ok(body)
}
