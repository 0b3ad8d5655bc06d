//! Encryption at rest: whatever of a person lies on disk is sealed.
//!
//! Tables, identity index and quarantine are Parquet files under modular encryption (AES-256-GCM, footer and all columns).
//! Every file has a key of its own, which stands in the file's key metadata, wrapped by the master key of a
//! [`KeyProvider`], in the format that parquet-mr and Arrow C++ call key material; so any reader of encrypted Parquet opens
//! the files when it is given the master key, and nothing does without. What a transaction writes for itself (sorted runs)
//! is sealed with a key that never leaves the process.
//!
//! # Guarantee
//! Without the master key nothing of a row can be read from the files, and a changed byte of a file is an error. The names,
//! sizes and number of files, and the row counts that a snapshot holds, are not hidden.

mod key_file;
mod material;
mod sealed;

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::common::DataFusionError;
use datafusion::config::EncryptionFactoryOptions;
use datafusion::execution::parquet_encryption::EncryptionFactory;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::encryption::decrypt::{FileDecryptionProperties, KeyRetriever};
use parquet::encryption::encrypt::FileEncryptionProperties;
use parquet::errors::ParquetError;

use crate::error::{Doing as _, Error, Result};

pub use key_file::KeyFile;
pub use sealed::{Scratch, ScratchReader, ScratchWriter};

/// Bytes of a key: AES-256.
pub const KEY_BYTES: usize = 32;

/// Who holds the master key: a file, or a key management service.
///
/// Both calls may be made from any thread and at any time; an implementation that asks over a network keeps what it was told.
pub trait KeyProvider: fmt::Debug + Send + Sync {
    /// Name of the master key that [`KeyProvider::wrap`] uses now: public, it stands in every file.
    fn name(&self) -> String;

    /// Encrypts the key of one file.
    fn wrap(&self, key: &[u8; KEY_BYTES]) -> Result<String>;

    /// The key of a file that was wrapped by the master key `name`.
    ///
    /// # Errors
    /// [`Error::Key`] when that master key is not here, or is not the one that wrapped it.
    fn unwrap(&self, wrapped: &str, name: &str) -> Result<[u8; KEY_BYTES]>;
}

/// Seals and opens the files of a lake.
#[derive(Clone)]
pub(crate) struct Vault {
    keys: Arc<dyn KeyProvider>,
    open: Arc<FileDecryptionProperties>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl Vault {
    pub(crate) fn new(keys: Arc<dyn KeyProvider>) -> Result<Self> {
        let retriever = Arc::new(Retriever(Arc::clone(&keys)));
        let open = FileDecryptionProperties::with_key_retriever(retriever).build();
        Ok(Self {
            keys,
            open: open.doing("prepare decryption")?,
        })
    }

    /// Properties of one new file, with a key of its own.
    pub(crate) fn seal(&self) -> Result<Arc<FileEncryptionProperties>> {
        const STEP: &str = "prepare encryption";
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).doing(STEP)?;
        let material = material::render(&self.keys.name(), &self.keys.wrap(&key)?).doing(STEP)?;
        let builder = FileEncryptionProperties::builder(key.to_vec());
        builder
            .with_footer_key_metadata(material)
            .build()
            .doing(STEP)
    }

    /// How a file of the lake is opened.
    pub(crate) fn reading(&self) -> ArrowReaderOptions {
        ArrowReaderOptions::new().with_file_decryption_properties(Arc::clone(&self.open))
    }

    /// Name of the master key that new files take.
    pub(crate) fn name(&self) -> String {
        self.keys.name()
    }

    /// The master key's name, and `key` as it wrapped it.
    pub(crate) fn wrap(&self, key: &[u8; KEY_BYTES]) -> Result<(String, String)> {
        Ok((self.keys.name(), self.keys.wrap(key)?))
    }

    /// The key that the master key `name` wrapped.
    ///
    /// # Errors
    /// [`Error::Key`] when it is not here, or is not the one.
    pub(crate) fn unwrap(&self, wrapped: &str, name: &str) -> Result<[u8; KEY_BYTES]> {
        self.keys.unwrap(wrapped, name)
    }

    /// The master key's name, and a random key of no use that it wrapped.
    pub(crate) fn proof(&self) -> Result<(String, String)> {
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).doing("draw a key")?;
        self.wrap(&key)
    }

    /// Whether the master key `name` is here and is the one that wrapped `proof`.
    ///
    /// # Errors
    /// [`Error::Key`] when not.
    pub(crate) fn prove(&self, name: &str, proof: &str) -> Result<()> {
        self.unwrap(proof, name).map(|_| ())
    }

    /// Whether the master key opens what it wraps: asked before anything is written or read.
    pub(crate) fn check(&self) -> Result<()> {
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).doing("draw a key")?;
        let same = self
            .keys
            .unwrap(&self.keys.wrap(&key)?, &self.keys.name())?
            == key;
        same.then_some(())
            .ok_or_else(|| Error::Key("the key provider does not open what it wraps".into()))
    }
}

/// Finds a file's key from its metadata.
struct Retriever(Arc<dyn KeyProvider>);

impl KeyRetriever for Retriever {
    fn retrieve_key(&self, metadata: &[u8]) -> parquet::errors::Result<Vec<u8>> {
        let external = |error: Error| ParquetError::External(Box::new(error));
        let (name, wrapped) = material::parse(metadata).map_err(external)?;
        let key = self.0.unwrap(&wrapped, &name).map_err(external)?;
        Ok(key.to_vec())
    }
}

/// DataFusion asks once for each file that it opens.
#[async_trait]
impl EncryptionFactory for Vault {
    async fn get_file_encryption_properties(
        &self,
        _config: &EncryptionFactoryOptions,
        _schema: &SchemaRef,
        _path: &object_store::path::Path,
    ) -> Result<Option<Arc<FileEncryptionProperties>>, DataFusionError> {
        let sealed = self.seal();
        sealed
            .map(Some)
            .map_err(|error| DataFusionError::External(Box::new(error)))
    }

    async fn get_file_decryption_properties(
        &self,
        _config: &EncryptionFactoryOptions,
        _path: &object_store::path::Path,
    ) -> Result<Option<Arc<FileDecryptionProperties>>, DataFusionError> {
        Ok(Some(Arc::clone(&self.open)))
    }
}
