//! A place in a bucket of an S3-compatible object store.

use std::fmt;
use std::fs::File;
use std::path::Path as LocalPath;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use datafusion::execution::object_store::ObjectStoreUrl;
use futures::TryStreamExt as _;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::client::SpawnedReqwestConnector;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ObjectStore, ObjectStoreExt as _, PutMode, RetryConfig, WriteMultipart,
};
use tokio::io::AsyncReadExt as _;
use tokio::runtime::Handle;

use crate::error::{Doing as _, Error, Result};
use crate::place::discreet::{Discreet, in_words};
use crate::place::io::Io;

/// How long a request is tried again while the server fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often at most.
const RETRIES: usize = 10;
/// Bytes of one part of an upload; a file that is no larger goes in one request.
const PART_BYTES: usize = 8 << 20;
/// Parts of one file that are on their way at once.
const PARTS: usize = 4;
/// How often something is published again when its fate is not known.
const TRIES: u32 = 6;

/// A bucket, and the part of it whose names begin with a prefix. Cheap to clone.
#[derive(Clone)]
pub struct Bucket {
    io: Arc<Io>,
    store: Arc<dyn ObjectStore>,
    /// The same, trying every request once.
    once: Arc<dyn ObjectStore>,
    address: String,
    prefix: Path,
    /// Under which a session of DataFusion knows this store.
    url: ObjectStoreUrl,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the client: it holds credentials.
        f.debug_tuple("Bucket").field(&self.address).finish()
    }
}

impl Bucket {
    /// The place at `address`, `s3://BUCKET/PREFIX`, with what `variables` say of endpoint, region and credentials: those
    /// that begin with `AWS_`, as the programs of the AWS name them.
    ///
    /// # Errors
    /// [`Error::Place`] when the address or a variable cannot be used. Nothing is asked of the server.
    pub fn s3(
        address: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        Self::s3_retrying(address, variables, PATIENCE)
    }

    /// As [`Bucket::s3`]; a request that the server fails is tried again for about `patience`.
    pub fn s3_retrying(
        address: &str,
        variables: impl IntoIterator<Item = (String, String)>,
        patience: Duration,
    ) -> Result<Self> {
        let (bucket, prefix) = parse(address)?;
        let io = Arc::new(Io::start()?);
        let mut builder = AmazonS3Builder::new();
        for (name, value) in variables {
            let known = name
                .starts_with("AWS_")
                .then(|| name.to_ascii_lowercase().parse().ok())
                .flatten();
            if let Some(key) = known {
                builder = builder.with_config(key, value);
            }
        }
        let builder = builder
            .with_bucket_name(bucket)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_http_connector(SpawnedReqwestConnector::new(io.handle().clone()));
        let store = |max_retries| -> Result<Arc<dyn ObjectStore>> {
            let retry = RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries,
                retry_timeout: patience,
            };
            // The library's words may quote a variable.
            let store = builder.clone().with_retry(retry).build().map_err(|_| {
                Error::Place(
                    "the AWS_* variables do not describe an object store: AWS_REGION, AWS_ENDPOINT, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_ALLOW_HTTP=true for an endpoint without TLS".into(),
                )
            })?;
            Ok(Arc::new(Discreet::new(store, Arc::clone(&io))))
        };
        let (store, once) = (store(RETRIES)?, store(0)?);
        let mut name = [0; 8];
        getrandom::fill(&mut name).doing("draw a name")?;
        let url = format!("lake://{:016x}", u64::from_le_bytes(name));
        Ok(Self {
            store,
            once,
            address: address.trim_end_matches('/').into(),
            prefix,
            url: ObjectStoreUrl::parse(url).doing("name an object store")?,
            io,
        })
    }

    /// The address, which holds no credentials.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The object `name`, whose parts are separated by slashes.
    pub(crate) fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), Path::join)
    }

    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    pub(crate) fn url(&self) -> &ObjectStoreUrl {
        &self.url
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.io.handle()
    }

    /// Refuses a store that would let two writers commit at once.
    ///
    /// # Errors
    /// [`Error::Place`] when creating an object a second time succeeds, or part of an object cannot be read.
    pub(crate) fn probe(&self) -> Result<()> {
        let mut name = [0; 8];
        getrandom::fill(&mut name).doing("draw a name")?;
        let at = self.path(&format!("_probe-{:016x}", u64::from_le_bytes(name)));
        let (once, store) = (Arc::clone(&self.once), Arc::clone(&self.store));
        let outcome = self.io.wait(async move {
            let first = create(&*store, &at, b"first").await;
            let second = create(&*once, &at, b"second").await;
            let part = store.get_range(&at, 1..3).await;
            let removed = store.delete(&at).await;
            first.map_err(|error| remote("create an object", &error))?;
            let refused = matches!(second, Err(object_store::Error::AlreadyExists { .. }));
            let part = part.map_err(|error| remote("read a part of an object", &error))?;
            removed.map_err(|error| remote("delete an object", &error))?;
            Ok((refused, part))
        });
        let (refused, part) = outcome?;
        if !refused {
            return Err(Error::Place(
                "the object store ignores conditional writes (If-None-Match), so two writers could destroy each other's work; use one that honours them".into(),
            ));
        }
        if part.as_ref() != b"ir" {
            return Err(Error::Place(
                "the object store does not give parts of objects (Range); use one that does".into(),
            ));
        }
        Ok(())
    }

    /// Makes the object `at` appear with these bytes, if there is none; whether it was this call that did.
    ///
    /// # Errors
    /// After any error it may have appeared, or may yet.
    pub(crate) fn publish(&self, at: Path, bytes: &[u8]) -> Result<bool> {
        let (once, store) = (Arc::clone(&self.once), Arc::clone(&self.store));
        let bytes = bytes.to_vec();
        self.io.wait(async move {
            let mut tries = 0;
            loop {
                let Err(error) = create(&*once, &at, &bytes).await else {
                    return Ok(true);
                };
                let refused = matches!(error, object_store::Error::AlreadyExists { .. });
                // Only of the very first request can it be said that nothing of ours can have come before it.
                let refused = refused && tries == 0;
                match read(&*store, &at).await {
                    // An answer that was lost looks like somebody else's success.
                    Ok(found) if found == bytes => return Ok(true),
                    Ok(found) if refused || !found.is_empty() => return Ok(false),
                    Ok(_) => {
                        return Err(Error::Remote(
                            "write: it is not known whether this was committed, for its snapshot was removed since; do it again, nothing is added twice".into(),
                        ));
                    }
                    Err(object_store::Error::NotFound { .. }) if tries < TRIES => {}
                    Err(_) => return Err(remote("write", &error)),
                }
                tokio::time::sleep(Duration::from_millis(100 << tries)).await;
                tries += 1;
            }
        })
    }

    /// Overwrites `at` with nothing.
    pub(crate) fn empty(&self, at: Path) -> Result<()> {
        let store = Arc::clone(&self.store);
        self.io.wait(async move {
            let emptied = store.put(&at, Vec::new().into()).await;
            emptied.map(|_| ()).map_err(|error| remote("write", &error))
        })
    }

    /// The whole of a small object; `None` when there is none.
    pub(crate) fn read(&self, at: Path) -> Result<Option<Vec<u8>>> {
        let store = Arc::clone(&self.store);
        self.io.wait(async move {
            match read(&*store, &at).await {
                Ok(bytes) => Ok(Some(bytes)),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(remote("read", &error)),
            }
        })
    }

    /// When an object was written, by the clock of the store.
    pub(crate) fn written(&self, at: Path) -> Result<SystemTime> {
        let store = Arc::clone(&self.store);
        self.io.wait(async move {
            let found = store.head(&at).await;
            found
                .map(|found| found.last_modified.into())
                .map_err(|error| remote("read", &error))
        })
    }

    /// Names and sizes of the objects directly under `folder`.
    pub(crate) fn list(&self, folder: Path) -> Result<Vec<(String, u64)>> {
        let store = Arc::clone(&self.store);
        self.io.wait(async move {
            let listed = store.list_with_delimiter(Some(&folder)).await;
            let objects = listed.map_err(|error| remote("list", &error))?.objects;
            let named = |object: object_store::ObjectMeta| {
                Some((object.location.filename()?.to_owned(), object.size))
            };
            Ok(objects.into_iter().filter_map(named).collect())
        })
    }

    /// Removes objects; one that is not there is no error.
    pub(crate) fn remove(&self, objects: Vec<Path>) -> Result<()> {
        let store = Arc::clone(&self.store);
        self.io.wait(async move {
            let objects = futures::stream::iter(objects.into_iter().map(Ok));
            let removed = store.delete_stream(Box::pin(objects));
            let outcome = removed.try_for_each(|_| async { Ok(()) }).await;
            match outcome {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(remote("delete", &error)),
            }
        })
    }

    /// Removes an object if that is possible at once.
    pub(crate) fn abandon(&self, at: Path) {
        let once = Arc::clone(&self.once);
        let removed = async move {
            let removed = once.delete(&at).await;
            removed.map_err(|error| remote("delete", &error))
        };
        // A later vacuum has it, if not this.
        let _ = self.io.wait(removed);
    }

    /// Copies a local file; it is durable and whole when this returns.
    pub(crate) fn upload(&self, file: &LocalPath, at: Path) -> Result<()> {
        let local = |source| Error::Storage {
            what: format!("read {}", file.display()),
            source,
        };
        let size = file.metadata().map_err(local)?.len();
        let file = File::open(file).map_err(local)?;
        let store = Arc::clone(&self.store);
        self.io
            .wait(async move { upload(&*store, file, size, &at).await })
    }
}

async fn upload(store: &dyn ObjectStore, file: File, size: u64, at: &Path) -> Result<()> {
    let failed = |error: object_store::Error| remote("write", &error);
    let local = |source| Error::Storage {
        what: "read a file that is being uploaded".into(),
        source,
    };
    let mut file = tokio::fs::File::from_std(file);
    if size <= PART_BYTES as u64 {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).await.map_err(local)?;
        return store
            .put(at, bytes.into())
            .await
            .map(|_| ())
            .map_err(failed);
    }
    let upload = store.put_multipart(at).await.map_err(failed)?;
    let mut parts = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
    let sent = async {
        let mut left = size;
        while left > 0 {
            let mut bytes = Vec::with_capacity(PART_BYTES);
            let read = (&mut file).take(PART_BYTES as u64);
            { read }.read_to_end(&mut bytes).await.map_err(local)?;
            if bytes.is_empty() {
                return Err(local(std::io::ErrorKind::UnexpectedEof.into()));
            }
            left = left.saturating_sub(bytes.len() as u64);
            parts.wait_for_capacity(PARTS).await.map_err(failed)?;
            parts.put(bytes.into());
        }
        Ok(())
    };
    match sent.await {
        Ok(()) => parts.finish().await.map(|_| ()).map_err(failed),
        Err(error) => {
            // Parts that stay are the server's to clear away; the first error is the one to tell.
            let _ = parts.abort().await;
            Err(error)
        }
    }
}

async fn create(store: &dyn ObjectStore, at: &Path, bytes: &[u8]) -> object_store::Result<()> {
    let payload = bytes.to_vec().into();
    let put = store.put_opts(at, payload, PutMode::Create.into()).await;
    put.map(|_| ())
}

async fn read(store: &dyn ObjectStore, at: &Path) -> object_store::Result<Vec<u8>> {
    Ok(store.get(at).await?.bytes().await?.into())
}

/// What an object store did not do.
pub(crate) fn remote(what: &str, error: &object_store::Error) -> Error {
    Error::Remote(format!("{what}: {}", in_words(error)))
}

/// Bucket and prefix of an address.
fn parse(address: &str) -> Result<(&str, Path)> {
    let wrong = || {
        Error::Place(
            "a place in a bucket is s3://BUCKET/PREFIX; the prefix has letters, digits, dots, dashes, underscores and slashes".into(),
        )
    };
    let rest = address.strip_prefix("s3://").ok_or_else(wrong)?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_end_matches('/');
    let plain = |part: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        !part.is_empty() && part != "." && part != ".." && part.bytes().all(fits)
    };
    if !plain(bucket) || !(prefix.is_empty() || prefix.split('/').all(plain)) {
        return Err(wrong());
    }
    Ok((bucket, Path::from(prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_bucket_and_a_plain_prefix() {
        let parsed = |address| parse(address).map(|(bucket, prefix)| (bucket, prefix.to_string()));
        assert_eq!(parsed("s3://b/a/lake/").unwrap(), ("b", "a/lake".into()));
        assert_eq!(parsed("s3://b").unwrap(), ("b", String::new()));
        for wrong in [
            "b/a",
            "s3://",
            "s3:///a",
            "https://b/a",
            "s3://b/a//c",
            "s3://b/../c",
            "s3://b/a b",
            "s3://key:secret@b/a",
            "s3://b/a?x=1",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
