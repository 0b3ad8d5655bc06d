//! Where an anchor is: a directory, or a bucket of an S3-compatible object store.
//!
//! In a bucket a record is an object, `<name / 1000>/<name % 1000>` in 17 and 3 digits under the prefix, as in a directory. It is created by a
//! conditional write (`If-None-Match: *`) and never changed; nothing is deleted, so the credentials need no right to delete. A store that
//! ignores the condition is refused when the anchor begins there. Credentials are the `AWS_*` variables of the environment.

use std::fmt;
use std::path::{Path, PathBuf, absolute};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path as Name;
use object_store::{
    BackoffConfig, Error as Failed, ObjectStore, ObjectStoreExt as _, PutMode, RetryConfig,
};
use salus_ledger::anchor::{Anchor, Directory, SharedAnchor};
use salus_ledger::{Error, Result};

use crate::failure::Failure;

/// Records in one folder, so that the newest is found without listing all of them.
const FOLDER: u64 = 1000;
/// Longest record, in bytes.
const LONGEST: u64 = 1 << 20;
/// How often a record is created again when its fate is not known.
const TRIES: u32 = 6;
/// How long a request is tried again while the server fails.
const PATIENCE: Duration = Duration::from_secs(30);

const UNWRITABLE: Error = Error::Unavailable("the anchor's object store cannot be written");
const UNREADABLE: Error = Error::Unavailable("the anchor's object store cannot be read");
const UNCONDITIONAL: Error = Error::Unavailable(
    "the anchor's object store ignores conditional writes (If-None-Match), so records could be replaced; use one that honours them",
);

/// The anchor at `place`: `s3://BUCKET/PREFIX`, or a directory, relative to `root` where it is relative.
pub(crate) fn open(root: &Path, place: &Path) -> std::result::Result<SharedAnchor, Failure> {
    match address(place) {
        Some(address) => Ok(Arc::new(Bucket::at(address, std::env::vars_os())?)),
        None => Ok(Arc::new(Directory::at(&root.join(place))?)),
    }
}

/// The place that a user names, as it is kept.
pub(crate) fn place(named: &Path) -> std::result::Result<PathBuf, Failure> {
    if address(named).is_some() {
        return Ok(named.to_owned());
    }
    Ok(absolute(named).with_context(|| format!("cannot use {}", named.display()))?)
}

/// Whether it is in a bucket.
pub(crate) fn is_address(place: &Path) -> bool {
    address(place).is_some()
}

fn address(place: &Path) -> Option<&str> {
    place.to_str().filter(|text| text.starts_with("s3://"))
}

/// An anchor in a bucket.
struct Bucket {
    store: Arc<dyn ObjectStore>,
    /// The same, trying every request once: a request that is sent again may meet itself.
    once: Arc<dyn ObjectStore>,
    address: String,
    prefix: Name,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the client: it holds credentials.
        f.debug_tuple("Bucket").field(&self.address).finish()
    }
}

impl Bucket {
    fn at(
        address: &str,
        variables: impl IntoIterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
    ) -> std::result::Result<Self, Failure> {
        let (bucket, prefix) = parse(address).ok_or_else(|| {
            Failure::usage(format!(
                "{address}: an anchor in a bucket is s3://BUCKET/PREFIX; the prefix has letters, digits, dots, dashes, underscores and slashes"
            ))
        })?;
        let mut builder = AmazonS3Builder::new();
        for (name, value) in variables {
            let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
                continue;
            };
            let key = name
                .starts_with("AWS_")
                .then(|| name.to_ascii_lowercase().parse().ok());
            if let Some(key) = key.flatten() {
                builder = builder.with_config(key, value);
            }
        }
        let builder = builder
            .with_bucket_name(bucket)
            .with_conditional_put(S3ConditionalPut::ETagMatch);
        let store = |max_retries| {
            let retry = RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries,
                retry_timeout: PATIENCE,
            };
            // The library's words may quote a variable.
            builder.clone().with_retry(retry).build().map_err(|_| {
                Failure::usage(
                    "the AWS_* variables do not describe an object store for the anchor: AWS_REGION, AWS_ENDPOINT, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
                )
            })
        };
        Ok(Self {
            store: Arc::new(store(10)?),
            once: Arc::new(store(0)?),
            address: address.to_owned(),
            prefix,
        })
    }

    fn folder(&self, number: u64) -> Name {
        self.prefix.clone().join(format!("{:017}", number / FOLDER))
    }

    fn object(&self, number: u64) -> Name {
        self.folder(number).join(format!("{:03}", number % FOLDER))
    }

    async fn find_newest(&self, most: usize) -> Result<Vec<u64>> {
        // No order is taken for granted: some stores list in none.
        let listed = self.store.list_with_delimiter(Some(&self.prefix)).await;
        let folders = listed.map_err(|_| UNREADABLE)?.common_prefixes;
        let mut folders: Vec<u64> = folders
            .iter()
            .filter_map(|folder| number(folder, 17))
            .collect();
        folders.sort_unstable();
        let mut names = Vec::new();
        for folder in folders.into_iter().rev() {
            if names.len() >= most {
                break;
            }
            let impossible = Error::Unavailable("the anchor holds an impossible number");
            let start = folder.checked_mul(FOLDER).ok_or(impossible)?;
            let folder = self.folder(start);
            let listed = self.store.list_with_delimiter(Some(&folder)).await;
            let objects = listed.map_err(|_| UNREADABLE)?.objects;
            let here = objects
                .iter()
                .filter_map(|object| start.checked_add(number(&object.location, 3)?));
            let mut here: Vec<u64> = here.collect();
            here.sort_unstable();
            names.extend(here.into_iter().rev());
        }
        names.truncate(most);
        Ok(names)
    }

    async fn read(&self, number: u64) -> Result<Option<Vec<u8>>> {
        match self.store.get(&self.object(number)).await {
            Ok(found) if found.meta.size > LONGEST => {
                Err(Error::Unavailable("a record of the anchor is too long"))
            }
            Ok(found) => Ok(Some(found.bytes().await.map_err(|_| UNREADABLE)?.into())),
            Err(Failed::NotFound { .. }) => Ok(None),
            Err(_) => Err(UNREADABLE),
        }
    }

    async fn put(&self, number: u64, record: &[u8]) -> object_store::Result<()> {
        let (name, payload) = (self.object(number), record.to_vec().into());
        let put = self.once.put_opts(&name, payload, PutMode::Create.into());
        put.await.map(|_| ())
    }

    async fn publish(&self, number: u64, record: &[u8]) -> Result<bool> {
        for tries in 0..TRIES {
            if self.put(number, record).await.is_ok() {
                return self.is_kept(number, record).await;
            }
            // Somebody was first; or the answer to this very request was lost, and it looks like that.
            match self.read(number).await? {
                Some(found) if found == record => return self.is_kept(number, record).await,
                Some(_) => return Ok(false),
                None => {}
            }
            tokio::time::sleep(Duration::from_millis(100 << tries)).await;
        }
        Err(UNWRITABLE)
    }

    /// Whether the first record of an anchor stays when another is put in its place. A store that lets it be replaced is no place for one.
    async fn is_kept(&self, number: u64, record: &[u8]) -> Result<bool> {
        if number > 0 {
            return Ok(true);
        }
        match self.put(number, b"").await {
            Err(Failed::AlreadyExists { .. }) => Ok(true),
            Ok(()) => Err(UNCONDITIONAL),
            // Nothing is known of the second; what is there says enough.
            Err(_) => match self.read(number).await? {
                Some(found) if found == record => Ok(true),
                _ => Err(UNCONDITIONAL),
            },
        }
    }
}

/// The number of so many digits that a name ends with.
fn number(name: &Name, digits: usize) -> Option<u64> {
    let last = name.filename()?;
    let plain = last.len() == digits && last.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| last.parse().ok()).flatten()
}

/// Bucket and prefix of an address.
fn parse(address: &str) -> Option<(&str, Name)> {
    let rest = address.strip_prefix("s3://")?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_end_matches('/');
    let plain = |part: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        !part.is_empty() && part != "." && part != ".." && part.bytes().all(fits)
    };
    let is_plain = plain(bucket) && (prefix.is_empty() || prefix.split('/').all(plain));
    is_plain.then(|| (bucket, Name::from(prefix)))
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

impl Anchor for Bucket {
    fn newest(&self, most: usize) -> Answer<'_, Vec<u64>> {
        Box::pin(self.find_newest(most))
    }

    fn get(&self, after: u64) -> Answer<'_, Option<Vec<u8>>> {
        Box::pin(self.read(after))
    }

    fn create<'a>(&'a self, after: u64, record: &'a [u8]) -> Answer<'a, bool> {
        Box::pin(self.publish(after, record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_bucket_and_a_plain_prefix() {
        let parsed = |address| parse(address).map(|(bucket, prefix)| (bucket, prefix.to_string()));
        assert_eq!(parsed("s3://b/a/anchor/"), Some(("b", "a/anchor".into())));
        assert_eq!(parsed("s3://b"), Some(("b", String::new())));
        for wrong in [
            "b/a",
            "s3://",
            "s3://b/../c",
            "s3://key:secret@b/a",
            "s3://b/a//c",
        ] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
        // A directory may be called anything else.
        assert_eq!(address(Path::new("/mnt/s3:/b")), None);
    }
}
