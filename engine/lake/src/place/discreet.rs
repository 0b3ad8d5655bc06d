//! An object store whose errors say what happened and quote nothing.
//!
//! What a server answers may name the access key or the request that was signed, and libraries put the answer into their
//! errors. So every error is replaced here, before the query engine or the Delta log can pass it on: by its kind and the
//! status of the answer.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::place::io::Io;

const FORBIDDEN: &str = "it does not permit this; look at the credentials, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and at what they may do";

/// The store inside, with other errors, and the threads that it needs: a session of DataFusion may keep it longer than anybody
/// keeps the lake.
pub(super) struct Discreet<S> {
    store: S,
    _io: Arc<Io>,
}

impl<S> Discreet<S> {
    pub(super) fn new(store: S, io: Arc<Io>) -> Self {
        Self { store, _io: io }
    }
}

impl<S> fmt::Debug for Discreet<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("object store")
    }
}

impl<S> fmt::Display for Discreet<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("object store")
    }
}

#[async_trait]
impl<S: ObjectStore> ObjectStore for Discreet<S> {
    async fn put_opts(&self, at: &Path, bytes: PutPayload, how: PutOptions) -> Result<PutResult> {
        self.store.put_opts(at, bytes, how).await.map_err(plain)
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(at, how).await.map_err(plain)
    }

    async fn get_opts(&self, at: &Path, how: GetOptions) -> Result<GetResult> {
        self.store.get_opts(at, how).await.map_err(plain)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let deleted = self.store.delete_stream(locations);
        deleted.map(|path| path.map_err(plain)).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let listed = self.store.list(prefix);
        listed.map(|object| object.map_err(plain)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await.map_err(plain)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, how).await.map_err(plain)
    }
}

/// The same kind of error in words of our own.
pub(super) fn plain(error: Error) -> Error {
    const STORE: &str = "lake";
    let source = Box::new(Answer(in_words(&error)));
    match error {
        Error::NotFound { path, .. } => Error::NotFound { path, source },
        Error::AlreadyExists { path, .. } => Error::AlreadyExists { path, source },
        Error::Precondition { path, .. } => Error::Precondition { path, source },
        Error::NotModified { path, .. } => Error::NotModified { path, source },
        Error::PermissionDenied { path, .. } => Error::PermissionDenied { path, source },
        Error::Unauthenticated { path, .. } => Error::Unauthenticated { path, source },
        _ => Error::Generic {
            store: STORE,
            source,
        },
    }
}

/// What went wrong and what to look at.
pub(super) fn in_words(error: &Error) -> String {
    match error {
        Error::NotFound { .. } => "there is no such object or bucket".into(),
        Error::AlreadyExists { .. } | Error::Precondition { .. } => {
            "there is such an object already".into()
        }
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => FORBIDDEN.into(),
        other => answer(other).unwrap_or_else(|| match status(&other.to_string()) {
            Some(401 | 403) => FORBIDDEN.into(),
            Some(status) => format!("it answered with status {status}"),
            None => "it did not answer in time, or cannot be reached".into(),
        }),
    }
}

/// The words that [`plain`] left.
fn answer(error: &Error) -> Option<String> {
    let source = std::error::Error::source(error)?;
    source
        .downcast_ref::<Answer>()
        .map(|answer| answer.0.clone())
}

/// The HTTP status that the library names.
fn status(text: &str) -> Option<u16> {
    let (_, after) = text.split_once("status code: ")?;
    after.get(..3)?.parse().ok()
}

#[derive(Debug)]
struct Answer(String);

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Answer {}
