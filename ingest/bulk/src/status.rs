//! Waiting for the manifest, page by page.

use std::collections::HashSet;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::EXPIRES;
use serde_json::json;
use url::Url;

use crate::context::Context;
use crate::error::{BulkError, Retry, Trouble};
use crate::http::{Answer, Ask};
use crate::manifest::Page;
use crate::outcome::Outcome;

const STATUS: &str = "asking for the status";

/// A page of a manifest that lists three hundred thousand files has some 60 MB.
const LARGEST_MANIFEST: usize = 64 << 20;

const MOST_PAGES: usize = 100_000;

const MOST_FILES: usize = 2_000_000;

/// How waiting ended.
pub(crate) enum Status {
    /// The export is ready; the pages of its manifest.
    Ready(Vec<Page>),
    /// The server does not know the job, or no longer; what it said.
    Gone(String),
}

/// What one look at a page told.
enum Look {
    /// A page that is final: the export is ready, or the page has a successor.
    Page(Page),
    /// Not yet; the pause the server asks for, and what it says.
    Later(Option<Duration>, Option<String>),
    Gone(String),
}

/// Asks until every page of the manifest is there. With `partial`, a page that comes before the export
/// is ready counts as soon as it links to the next one: it will not change any more.
///
/// # Errors
/// What the server said, or [`BulkError::Unavailable`].
pub(crate) async fn wait(
    context: &Context,
    status_url: &Url,
    partial: bool,
) -> Result<Status, BulkError> {
    let mut url = status_url.clone();
    let mut seen = HashSet::from([url.clone()]);
    let mut pages: Vec<Page> = Vec::new();
    let (mut failures, mut looks, mut files) = (0, 0, 0);
    loop {
        match look(context, &url, partial).await {
            Err(trouble) => {
                failures += 1;
                context.retry("status_error", trouble, failures).await?;
                continue;
            }
            Ok(Look::Gone(text)) => {
                context.event("status_error", &json!({"code": "gone"}));
                return Ok(Status::Gone(text));
            }
            Ok(Look::Later(asked, said)) => {
                looks += 1;
                let pause = context.options.polling.pause(looks, asked);
                context.progress.waiting(said.as_deref(), pause);
                tokio::time::sleep(pause).await;
            }
            Ok(Look::Page(page)) => {
                looks = 0;
                let next = page.next.clone();
                files += page.entries.len();
                context.event(
                    "status_page_complete",
                    &json!({"files": page.entries.len()}),
                );
                pages.push(page);
                let Some(next) = next else {
                    return Ok(Status::Ready(pages));
                };
                if !seen.insert(next.clone()) || pages.len() > MOST_PAGES || files > MOST_FILES {
                    return Err(BulkError::Protocol {
                        doing: STATUS,
                        text: "the pages of the manifest have no end".into(),
                    });
                }
                url = next;
            }
        }
        failures = 0;
    }
}

async fn look(context: &Context, url: &Url, partial: bool) -> Result<Look, Trouble> {
    let ask = Ask::get(STATUS, url, "application/json");
    let answer = context.transport.send(&ask).await?;
    match answer.status() {
        StatusCode::OK => {
            let expires = answer
                .header(EXPIRES)
                .map(|text| crate::text::clean(text, 60));
            let page = page(context, answer).await?;
            context.event(
                "status_complete",
                &json!({"transactionTime": page.transaction_time, "expires": expires}),
            );
            Ok(Look::Page(page))
        }
        StatusCode::ACCEPTED => {
            let asked = answer.retry_after();
            let said = answer.header("x-progress");
            let said = said.map(|text| context.transport.clean(text, 100));
            let said = said.filter(|text| !text.is_empty());
            context.event(
                "status_progress",
                &json!({"xProgress": said, "retryAfter": asked.map(|pause| pause.as_secs())}),
            );
            if partial
                && let Ok(page) = page(context, answer).await
                && page.next.is_some()
            {
                return Ok(Look::Page(page));
            }
            Ok(Look::Later(asked, said))
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            let trouble = context.transport.refusal(STATUS, answer).await;
            match trouble.retry {
                Retry::Never => Ok(Look::Gone(trouble.error.to_string())),
                _ => Err(trouble),
            }
        }
        _ => Err(context.transport.refusal(STATUS, answer).await),
    }
}

async fn page(context: &Context, answer: Answer) -> Result<Page, Trouble> {
    let url = answer.url.clone();
    let body = context
        .transport
        .body(STATUS, answer.response, LARGEST_MANIFEST)
        .await?;
    if body.trim_ascii_start().starts_with(b"<") {
        return Err(Trouble::passing(STATUS, "a web page instead of a manifest"));
    }
    Page::read(&body, &url).map_err(|error| match Outcome::parse(&body) {
        // An error under a status that says otherwise.
        Some(_) => context.transport.refused(STATUS, StatusCode::OK, &body),
        None => error.into(),
    })
}
