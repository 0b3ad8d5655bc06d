//! The witness protocol over HTTP: `POST /add-checkpoint`.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use tokio::net::TcpListener;

use crate::{Refused, Request, Witness};

/// Longest body, in bytes: a proof and a checkpoint are some 4 kB.
const LONGEST: usize = 64 << 10;

/// Serves `witness` until `end` resolves.
///
/// # Errors
///
/// Those of the socket.
pub async fn serve(
    witness: Witness,
    listener: TcpListener,
    end: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .layer(DefaultBodyLimit::max(LONGEST))
        .with_state(Arc::new(witness));
    axum::serve(listener, router)
        .with_graceful_shutdown(end)
        .await
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: Bytes) -> Response {
    let Some(request) = Request::decode(&body) else {
        return refuse(&Refused::Malformed("not a request to a witness"));
    };
    // It waits for the disk.
    let signed = tokio::task::spawn_blocking(move || witness.cosign(&request)).await;
    match signed {
        Ok(Ok(line)) => line.into_response(),
        Ok(Err(refused)) => refuse(&refused),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn refuse(refused: &Refused) -> Response {
    let status = match refused {
        Refused::Malformed(_) => StatusCode::BAD_REQUEST,
        Refused::UnknownLog => StatusCode::NOT_FOUND,
        Refused::Unsigned => StatusCode::FORBIDDEN,
        Refused::Stale(size) => {
            let kind = [(header::CONTENT_TYPE, "text/x.tlog.size")];
            return (StatusCode::CONFLICT, kind, format!("{size}\n")).into_response();
        }
        Refused::Forked => StatusCode::CONFLICT,
        Refused::NotExtended => StatusCode::UNPROCESSABLE_ENTITY,
        Refused::Forgetful(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, format!("{refused}\n")).into_response()
}
