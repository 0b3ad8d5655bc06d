//! The kick-off request, and its end: DELETE.

use reqwest::header::{CONTENT_LOCATION, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::json;
use url::Url;

use crate::context::Context;
use crate::error::{BulkError, Trouble};
use crate::http::{Ask, USER_AGENT};
use crate::outcome::Outcome;
use crate::request::Request;

const KICK_OFF: &str = "kicking off the export";
const CANCEL: &str = "cancelling the export";

/// Asks the server to export, until it accepts or says why not.
///
/// # Errors
/// What the server said, or [`BulkError::Unavailable`].
pub(crate) async fn kick_off(context: &Context, request: &Request) -> Result<Url, BulkError> {
    context.event(
        "kickoff",
        &json!({
            "softwareName": USER_AGENT,
            "method": if request.posts() { "POST" } else { "GET" },
            "level": match request.level {
                crate::Level::System => "system",
                crate::Level::Patient => "patient",
                crate::Level::Group(_) => "group",
            },
            "requestParameters": request.described(),
        }),
    );
    let mut failures = 0;
    loop {
        let trouble = match attempt(context, request).await {
            Ok(url) => return Ok(url),
            Err(trouble) => trouble,
        };
        failures += 1;
        context.retry("kickoff_error", trouble, failures).await?;
    }
}

async fn attempt(context: &Context, request: &Request) -> Result<Url, Trouble> {
    let url = request.url();
    let mut ask = Ask::get(KICK_OFF, &url, "application/fhir+json");
    let prefer = if context.options.lenient {
        "respond-async, handling=lenient"
    } else {
        "respond-async"
    };
    ask.headers.insert(
        HeaderName::from_static("prefer"),
        HeaderValue::from_static(prefer),
    );
    if let Some(body) = request.body() {
        ask.method = Method::POST;
        ask.headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/fhir+json"),
        );
        ask.body = Some(body.to_string().into_bytes());
    }
    let answer = context.transport.send(&ask).await?;
    if !answer.status().is_success() {
        return Err(context.transport.refusal(KICK_OFF, answer).await);
    }
    let location = answer.header(CONTENT_LOCATION).map(str::trim);
    if let Some(location) = location.filter(|text| !text.is_empty()) {
        return answer.url.join(location).map_err(|_| {
            let text = "the Content-Location is no address".into();
            BulkError::Protocol {
                doing: KICK_OFF,
                text,
            }
            .into()
        });
    }
    let status = answer.status().as_u16();
    let body = context
        .transport
        .body(KICK_OFF, answer.response, 64 << 10)
        .await;
    let outcome = body.ok().and_then(|body| Outcome::parse(&body));
    let said = outcome.map(|outcome| format!("; it said: {}", outcome.text()));
    let text = format!(
        "the server answered {status} without a Content-Location, so there is nothing to ask for{}",
        context.transport.clean(&said.unwrap_or_default(), 700)
    );
    Err(BulkError::Protocol {
        doing: KICK_OFF,
        text,
    }
    .into())
}

/// Tells the server that the job is no longer wanted. A job that is gone already is cancelled too.
///
/// # Errors
/// What the server said, or [`BulkError::Unavailable`].
pub(crate) async fn delete(context: &Context, status_url: &Url) -> Result<(), BulkError> {
    let mut failures = 0;
    loop {
        let mut ask = Ask::get(CANCEL, status_url, "application/fhir+json");
        ask.method = Method::DELETE;
        let trouble = match context.transport.send(&ask).await {
            Ok(answer) if answer.status().is_success() || gone(answer.status()) => return Ok(()),
            Ok(answer) => context.transport.refusal(CANCEL, answer).await,
            Err(trouble) => trouble,
        };
        failures += 1;
        context.retry("cancel_error", trouble, failures).await?;
    }
}

fn gone(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
}
