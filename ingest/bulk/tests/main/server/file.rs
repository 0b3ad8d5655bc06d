//! Files, with everything that can go wrong on the way.

use std::convert::Infallible;
use std::io::Write as _;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Response;
use futures::StreamExt as _;
use futures::stream;

use super::{Fault, Seen, Server, answer, refuse};

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn serve(server: &Server, seen: &Seen, fault: Option<&Fault>) -> Response<Body> {
    let mut state = server.with();
    let name = seen.path.split("/bulkfiles/").nth(1).unwrap_or_default();
    let at: usize = name
        .split('.')
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(usize::MAX);
    let epoch = name
        .split_once("epoch=")
        .and_then(|(_, epoch)| epoch.split('&').next()?.parse().ok());
    if epoch != Some(state.epoch) {
        drop(state);
        return refuse(410, "not-found", "the file expired");
    }
    let Some(file) = state.files.get(at).cloned() else {
        drop(state);
        return refuse(404, "not-found", "no such file");
    };
    state.served += 1;
    if state.expire_after == Some(state.served) {
        state.epoch += 1;
        state.expire_after = None;
    }
    let wants = seen
        .header("accept-encoding")
        .is_some_and(|text| text.contains("gzip"));
    let packed = state.gzip && wants;
    let body = if packed { gzip(&file.body) } else { file.body };
    let tag = format!("\"{at}-{packed}-{}\"", body.len());
    let mut headers = vec![("content-type", "application/fhir+ndjson".to_owned())];
    if packed {
        headers.push(("content-encoding", "gzip".into()));
    }
    let mut from = 0;
    if state.ranges {
        headers.push(("etag", tag.clone()));
        let range = seen
            .header("range")
            .and_then(|text| text.strip_prefix("bytes="));
        let range = range.and_then(|text| text.strip_suffix('-')?.parse::<usize>().ok());
        if let Some(start) = range.filter(|_| seen.header("if-range") == Some(&tag)) {
            from = start;
            headers.push((
                "content-range",
                format!("bytes {start}-{}/{}", body.len() - 1, body.len()),
            ));
        }
    }
    let rest = Bytes::from(body).slice(from..);
    let status = if from > 0 { 206 } else { 200 };
    let whole = rest.len();
    let (body, length) = match fault {
        Some(Fault::Cut(after)) => (cut(rest.slice(..(*after).min(whole))), Some(whole)),
        Some(Fault::Drip) => {
            let drops = stream::iter(rest).then(|byte| async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok::<_, Infallible>(Bytes::copy_from_slice(&[byte]))
            });
            (Body::from_stream(drops), Some(whole))
        }
        Some(Fault::Endless) => {
            let flood =
                stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b' '; 4096])));
            (Body::from_stream(flood), None)
        }
        _ => (Body::from(rest), Some(whole)),
    };
    if let Some(length) = length {
        headers.push(("content-length", length.to_string()));
    }
    let headers: Vec<(&str, &str)> = headers.iter().map(|(k, v)| (*k, v.as_str())).collect();
    answer(status, &headers, body)
}

/// What comes before the connection breaks.
fn cut(head: Bytes) -> Body {
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    // A breath between the two, so that what was sent arrives.
    let end = stream::once(async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err::<Bytes, _>(broken)
    });
    Body::from_stream(stream::once(async move { Ok(head) }).chain(end))
}
