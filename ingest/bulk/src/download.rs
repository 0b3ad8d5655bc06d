//! One file: attempts until it is whole, has expired, or cannot be had.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderValue,
    IF_RANGE, LAST_MODIFIED, RANGE,
};
use serde_json::json;

use crate::check::Fault;
use crate::context::Context;
use crate::error::{BulkError, Retry, Trouble};
use crate::http::{Answer, Ask};
use crate::journal::Complete;
use crate::listing::{Listed, key};
use crate::manifest::Section;
use crate::partial::{Partial, Unfinished, Version, Whole};

const DOWNLOAD: &str = "downloading a file";

/// An attempt that brought this many bytes more than any before counts as progress.
const PROGRESS: u64 = 64 << 10;

/// How an attempt, or all of them, ended.
pub(crate) enum Fetched<T> {
    Whole(T),
    /// The link is no longer good; what the server said.
    Expired(String),
}

/// Downloads one file to its place below `dir`.
///
/// # Errors
/// What the server said, [`BulkError::Unavailable`], [`BulkError::TooLarge`] or [`BulkError::Store`].
pub(crate) async fn fetch(
    context: &Context,
    dir: &Path,
    file: &Listed,
) -> Result<Fetched<Complete>, BulkError> {
    let place = dir.join(&file.name);
    let limit = context.options.largest_file;
    let mut partial = context
        .blocking(move || Partial::open(&place, limit))
        .await??;
    let (mut failures, mut furthest) = (0, partial.bytes());
    let mut short = None;
    loop {
        let bytes = partial.bytes();
        context.event(
            "download_request",
            &json!({"file": file.name, "from": bytes}),
        );
        let trouble = match attempt(context, file, &mut partial).await {
            Ok(Fetched::Expired(text)) => return Ok(Fetched::Expired(text)),
            Err(trouble) => {
                if partial.version.is_none() {
                    partial.restart()?;
                }
                trouble
            }
            Ok(Fetched::Whole(())) => match context.blocking(move || partial.finish()).await? {
                Ok(whole) if !wrong(context, file, &whole, &mut short) => {
                    return complete(context, dir, file, whole)
                        .await
                        .map(Fetched::Whole);
                }
                Ok(_) => {
                    let place = dir.join(&file.name);
                    partial = context
                        .blocking(move || Partial::open(&place, limit))
                        .await??;
                    partial.restart()?;
                    Trouble::passing(DOWNLOAD, "not the resources that the manifest announces")
                }
                Err(unfinished) => {
                    let (why, again) = *unfinished;
                    partial = again;
                    partial.restart()?;
                    match why {
                        Unfinished::Store(error) => return Err(error),
                        Unfinished::Fault(fault) => trouble(file, limit, fault),
                    }
                }
            },
        };
        if let BulkError::TooLarge { .. } = trouble.error {
            partial.restart()?;
        }
        failures += 1;
        if partial.bytes() >= furthest + PROGRESS {
            furthest = partial.bytes();
            failures = 1;
        }
        context.retry("download_error", trouble, failures).await?;
    }
}

/// Whether what arrived whole is not what was to arrive.
fn wrong(context: &Context, file: &Listed, whole: &Whole, seen: &mut Option<u64>) -> bool {
    // Some servers answer 200 with an error in place of the file.
    let other = |kind: &String| kind != "OperationOutcome";
    let error = file.entry.section == Section::Output
        && file.entry.kind.as_ref().is_some_and(other)
        && whole.checked.outcome;
    error || too_short(context, file, whole, seen)
}

/// Whether the file lacks resources that the manifest announces. Where nothing else marks the end of
/// a body, that is the only sign that it was cut off after a line; but some servers announce wrong
/// numbers. So a short file is fetched once more, and if it is as short again, numbers of this server
/// are no longer believed. Bytes are not compared: what is compressed anew may differ in them.
fn too_short(context: &Context, file: &Listed, whole: &Whole, seen: &mut Option<u64>) -> bool {
    let short = file
        .entry
        .count
        .is_some_and(|count| whole.checked.resources < count);
    if !short || !context.counts_hold() {
        return false;
    }
    if *seen == Some(whole.checked.resources) {
        context.doubt_counts();
        return false;
    }
    *seen = Some(whole.checked.resources);
    true
}

async fn complete(
    context: &Context,
    dir: &Path,
    file: &Listed,
    whole: Whole,
) -> Result<Complete, BulkError> {
    let suffix = if whole.checked.gzip { ".gz" } else { "" };
    let path = format!("{}{suffix}", file.name);
    let target = dir.join(&path);
    let checked = context.blocking(move || whole.rename(&target)).await??;
    context.event(
        "download_complete",
        &json!({"file": path, "resourceCount": checked.resources, "fileSize": checked.bytes}),
    );
    context.progress.completed(&path, checked.bytes);
    Ok(Complete {
        name: file.name.clone(),
        path,
        bytes: checked.bytes,
        sha256: checked.sha256,
        resources: checked.resources,
    })
}

async fn attempt(
    context: &Context,
    file: &Listed,
    partial: &mut Partial,
) -> Result<Fetched<()>, Trouble> {
    let from = partial.bytes();
    let mut ask = Ask::get(DOWNLOAD, &file.entry.url, "application/fhir+ndjson");
    ask.token = file.requires_token;
    ask.headers
        .insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    let resumable = partial.version.as_ref();
    let resumable = resumable.filter(|version| version.key == key(&file.entry.url));
    if let (1.., Some(version)) = (from, resumable) {
        let range = HeaderValue::from_str(&format!("bytes={from}-"));
        let validator = HeaderValue::from_str(&version.validator);
        if let (Ok(range), Ok(validator)) = (range, validator) {
            ask.headers.insert(RANGE, range);
            ask.headers.insert(IF_RANGE, validator);
        }
    }
    let answer = context.transport.send(&ask).await?;
    match answer.status() {
        StatusCode::OK => {
            partial.restart()?;
            partial.version = version(&answer, file);
        }
        StatusCode::PARTIAL_CONTENT if continues(&answer, partial) => {}
        StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
            partial.restart()?;
            return Err(Trouble::passing(
                DOWNLOAD,
                "the server sends another part than asked for",
            ));
        }
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE => {
            // Asked without the token it needs, a server elsewhere says 403 for ever.
            let needless = !file.requires_token || answer.carried;
            let expired = needless || answer.status() != StatusCode::FORBIDDEN;
            let trouble = context.transport.refusal(DOWNLOAD, answer).await;
            let stays = trouble.retry == Retry::Never;
            return if expired && stays {
                Ok(Fetched::Expired(trouble.error.to_string()))
            } else {
                Err(trouble)
            };
        }
        status => {
            let mut trouble = context.transport.refusal(DOWNLOAD, answer).await;
            if status.is_server_error() && trouble.retry == Retry::Never {
                trouble.retry = Retry::Later;
            }
            return Err(trouble);
        }
    }
    body(context, answer, file, partial).await
}

async fn body(
    context: &Context,
    mut answer: Answer,
    file: &Listed,
    partial: &mut Partial,
) -> Result<Fetched<()>, Trouble> {
    let limit = context.options.largest_file;
    if answer.is_web_page() {
        return Err(Trouble::passing(DOWNLOAD, "a web page instead of a file"));
    }
    let encoding = encoding(&answer);
    if encoding.as_ref().is_some_and(|encoding| encoding != "gzip") {
        let text = "the file is compressed in a way that was not asked for".into();
        return Err(BulkError::Protocol {
            doing: DOWNLOAD,
            text,
        }
        .into());
    }
    let announced = answer
        .header(CONTENT_LENGTH)
        .and_then(|text| text.parse::<u64>().ok());
    let total = announced.map(|more| partial.bytes().saturating_add(more));
    if total.is_some_and(|total| total > limit) {
        return Err(trouble(file, limit, Fault::TooLarge));
    }
    let connection = &context.options.connection;
    let mut window = Window::new(connection.read_timeout, connection.least_bytes);
    loop {
        let next = tokio::time::timeout(connection.read_timeout, answer.response.chunk()).await;
        let chunk = match next {
            Err(_) => return Err(Trouble::passing(DOWNLOAD, "the server has fallen silent")),
            Ok(Err(error)) => return Err(Trouble::passing(DOWNLOAD, crate::text::causes(error))),
            Ok(Ok(None)) => break,
            Ok(Ok(Some(chunk))) => chunk,
        };
        match partial.append(&chunk) {
            Ok(()) => {}
            Err(Unfinished::Store(error)) => return Err(error.into()),
            Err(Unfinished::Fault(fault)) => {
                partial.restart()?;
                return Err(trouble(file, limit, fault));
            }
        }
        context.progress.received(chunk.len() as u64);
        if partial.note_is_due() {
            partial.note()?;
        }
        if !window.lively(chunk.len()) {
            return Err(Trouble::passing(DOWNLOAD, "the server sends too slowly"));
        }
    }
    match total {
        Some(total) if total != partial.bytes() => {
            Err(Trouble::passing(DOWNLOAD, "the file was cut off"))
        }
        _ => Ok(Fetched::Whole(())),
    }
}

/// What a later attempt can hold on to.
fn version(answer: &Answer, file: &Listed) -> Option<Version> {
    let tag = answer.header(ETAG).filter(|tag| tag.starts_with('"'));
    // A date tells versions apart only if it is older than the clock's grain (RFC 9110, 8.8.2.2).
    let modified = answer.header(LAST_MODIFIED).filter(|text| {
        let date = |text| httpdate::parse_http_date(text).ok();
        let age = date(text).zip(answer.header(DATE).and_then(date));
        age.is_some_and(|(modified, now): (SystemTime, SystemTime)| {
            now.duration_since(modified)
                .is_ok_and(|age| age >= Duration::from_mins(1))
        })
    });
    Some(Version {
        validator: tag.or(modified)?.to_owned(),
        key: key(&file.entry.url),
        encoding: encoding(answer),
    })
}

fn encoding(answer: &Answer) -> Option<String> {
    let encoding = answer.header(CONTENT_ENCODING)?.trim().to_ascii_lowercase();
    match encoding.as_str() {
        "" | "identity" => None,
        "x-gzip" => Some("gzip".into()),
        _ => Some(encoding),
    }
}

/// Whether a partial answer begins where the temporary ends, in the same version.
fn continues(answer: &Answer, partial: &Partial) -> bool {
    let Some(version) = &partial.version else {
        return false;
    };
    let range = answer
        .header(CONTENT_RANGE)
        .and_then(|text| text.strip_prefix("bytes "));
    let begins = range.and_then(|range| range.split('-').next()?.trim().parse().ok());
    let tag = answer.header(ETAG);
    let same =
        !version.validator.starts_with('"') || tag.is_none_or(|tag| tag == version.validator);
    begins == Some(partial.bytes()) && same && encoding(answer) == version.encoding
}

fn trouble(file: &Listed, limit: u64, fault: Fault) -> Trouble {
    match fault {
        Fault::Damaged(what) => Trouble::passing(DOWNLOAD, what),
        Fault::TooLarge => BulkError::TooLarge {
            what: file.name.clone(),
            limit,
        }
        .into(),
    }
}

/// Notices a server that drips.
struct Window {
    length: Duration,
    least: u64,
    since: Instant,
    bytes: u64,
}

impl Window {
    fn new(length: Duration, least: u64) -> Self {
        Self {
            length,
            least,
            since: Instant::now(),
            bytes: 0,
        }
    }

    fn lively(&mut self, bytes: usize) -> bool {
        self.bytes += bytes as u64;
        if self.since.elapsed() < self.length {
            return true;
        }
        let enough = self.bytes >= self.least;
        self.since = Instant::now();
        self.bytes = 0;
        enough
    }
}
