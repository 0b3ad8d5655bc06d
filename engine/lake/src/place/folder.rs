//! A folder of files that are written once.

use std::fs::File;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arrow::datatypes::SchemaRef;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderBuilder, ParquetRecordBatchReaderBuilder};

use crate::error::{At as _, Doing as _, Error, Result};
use crate::files;
use crate::merge::Batches;
use crate::place::{Bucket, remote_rows};
use crate::vault::Vault;
use crate::versions::VERSION;

/// A directory, or the objects of a bucket under one name.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    /// Where files are written; without a bucket also where they stay.
    dir: PathBuf,
    remote: Option<Remote>,
}

#[derive(Debug, Clone)]
struct Remote {
    bucket: Bucket,
    at: Path,
}

impl Folder {
    /// The directory `dir`.
    pub(crate) fn local(dir: PathBuf) -> Self {
        Self { dir, remote: None }
    }

    /// The folder `name` of `bucket`; files are written in `spool` first.
    pub(crate) fn remote(bucket: &Bucket, name: &str, spool: &LocalPath) -> Self {
        Self {
            dir: spool.join(name),
            remote: Some(Remote {
                bucket: bucket.clone(),
                at: bucket.path(name),
            }),
        }
    }

    /// The directory that holds the files, if one does.
    pub(crate) fn directory(&self) -> Option<&LocalPath> {
        self.remote.is_none().then_some(self.dir.as_path())
    }

    /// The store that holds the files and their place in it, if one does.
    pub(crate) fn objects(&self) -> Option<(&Arc<dyn ObjectStore>, &Path)> {
        let remote = self.remote.as_ref()?;
        Some((remote.bucket.store(), &remote.at))
    }

    /// Begins a new file.
    pub(crate) fn create(&self, name: &str) -> Result<File> {
        if self.remote.is_some() {
            files::private_dir(&self.dir)?;
        }
        files::private_file(&self.dir.join(name))
    }

    /// Makes a written file durable, its name in a directory aside, and tells its bytes.
    pub(crate) fn finish(&self, name: &str, file: &File) -> Result<u64> {
        let path = self.dir.join(name);
        let size = file.metadata().at("read", &path)?.len();
        match &self.remote {
            None => file.sync_all().at("sync", &path)?,
            Some(remote) => {
                remote.bucket.upload(&path, remote.at.clone().join(name))?;
                std::fs::remove_file(&path).at("remove", &path)?;
            }
        }
        Ok(size)
    }

    /// Makes the names of finished and of removed files durable.
    pub(crate) fn sync(&self) -> Result<()> {
        match self.remote {
            None => files::sync_dir(&self.dir),
            Some(_) => Ok(()),
        }
    }

    /// Makes a small file appear whole, durably, under a name that none has.
    ///
    /// # Errors
    /// [`Error::Overtaken`] when another writer was first. In a directory that cannot be: its writer holds the lock.
    pub(crate) fn publish(&self, name: &str, bytes: &[u8]) -> Result<()> {
        match &self.remote {
            None => files::write_atomic(&self.dir.join(name), bytes),
            Some(remote) => {
                let ours = remote.bucket.publish(remote.at.clone().join(name), bytes)?;
                ours.then_some(()).ok_or(Error::Overtaken)
            }
        }
    }

    /// As [`Folder::publish`], where no lock is held: also in a directory one of two is first.
    pub(crate) fn publish_once(&self, name: &str, bytes: &[u8]) -> Result<()> {
        if self.remote.is_some() {
            return self.publish(name, bytes);
        }
        files::private_dir(&self.dir)?;
        let ours = files::create_atomic(&self.dir.join(name), bytes)?;
        ours.then_some(()).ok_or(Error::Overtaken)
    }

    /// Takes away what was published. In a bucket the name stays taken, by an object without bytes: nobody can publish under
    /// it a second time.
    pub(crate) fn retire(&self, name: &str) -> Result<()> {
        let path = self.dir.join(name);
        match &self.remote {
            None => std::fs::remove_file(&path).at("remove", &path),
            Some(remote) => remote.bucket.empty(remote.at.clone().join(name)),
        }
    }

    /// Names of the files that were published and not retired.
    pub(crate) fn published(&self) -> Result<Vec<String>> {
        let listed = self.list()?.into_iter();
        let retired = |size| self.remote.is_some() && size == 0;
        let live = listed.filter(|(_, size)| !retired(*size));
        Ok(live.map(|(name, _)| name).collect())
    }

    /// The bytes of a small file.
    pub(crate) fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.dir.join(name);
        match &self.remote {
            None => std::fs::read(&path).at("read", &path),
            Some(remote) => {
                let found = remote.bucket.read(remote.at.clone().join(name))?;
                found.ok_or_else(|| Error::Remote(format!("there is no {name}")))
            }
        }
    }

    /// The same, where there may be none.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.dir.join(name);
        match &self.remote {
            None => match std::fs::read(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                read => read.map(Some).at("read", &path),
            },
            Some(remote) => remote.bucket.read(remote.at.clone().join(name)),
        }
    }

    /// When a file was written, by the clock of its place.
    pub(crate) fn written(&self, name: &str) -> Result<SystemTime> {
        let path = self.dir.join(name);
        match &self.remote {
            None => std::fs::metadata(&path)
                .and_then(|found| found.modified())
                .at("read", &path),
            Some(remote) => remote.bucket.written(remote.at.clone().join(name)),
        }
    }

    /// Names and bytes of the files; those of directories inside are left out.
    pub(crate) fn list(&self) -> Result<Vec<(String, u64)>> {
        if let Some(remote) = &self.remote {
            return remote.bucket.list(remote.at.clone());
        }
        let mut listed = Vec::new();
        for entry in std::fs::read_dir(&self.dir).at("list", &self.dir)? {
            let entry = entry.at("list", &self.dir)?;
            let found = entry.metadata().at("read", &entry.path())?;
            if let (true, Ok(name)) = (found.is_file(), entry.file_name().into_string()) {
                listed.push((name, found.len()));
            }
        }
        Ok(listed)
    }

    /// Removes files.
    pub(crate) fn remove(&self, names: &[String]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        if let Some(remote) = &self.remote {
            let objects = names
                .iter()
                .map(|name| remote.at.clone().join(name.as_str()));
            return remote.bucket.remove(objects.collect());
        }
        for name in names {
            let path = self.dir.join(name);
            std::fs::remove_file(&path).at("remove", &path)?;
        }
        files::sync_dir(&self.dir)
    }

    /// Removes a file of a transaction that gave up, finished or not, as far as that is possible.
    pub(crate) fn abandon(&self, name: &str) {
        let _ = std::fs::remove_file(self.dir.join(name));
        if let Some(remote) = &self.remote {
            remote.bucket.abandon(remote.at.clone().join(name));
        }
    }

    /// The first `columns` columns of a Parquet file or all of them, `rows` rows at a time, and the schema of all. From a
    /// bucket only the bytes of these columns come.
    pub(crate) fn rows(
        &self,
        name: &str,
        vault: &Vault,
        columns: Option<usize>,
        rows: usize,
    ) -> Result<(SchemaRef, Batches)> {
        const STEP: &str = "read a Parquet file";
        if let Some(remote) = &self.remote {
            let at = remote.at.clone().join(name);
            return remote_rows::rows(&remote.bucket, at, vault, columns, rows);
        }
        let path = self.dir.join(name);
        let file = File::open(&path).at("open", &path)?;
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, vault.reading());
        let builder = narrowed(builder.doing(STEP)?, columns, rows);
        let schema = SchemaRef::clone(builder.schema());
        let reader = builder.build().doing(STEP)?;
        Ok((schema, Box::new(reader.map(|batch| batch.doing(STEP)))))
    }

    /// A file for a scan of DataFusion, and the store to find it in.
    pub(crate) fn scanned(&self, name: &str, size: u64) -> PartitionedFile {
        match &self.remote {
            None => PartitionedFile::new(self.dir.join(name).to_string_lossy(), size),
            Some(remote) => PartitionedFile::new(remote.at.clone().join(name), size),
        }
    }

    /// Under which url a session finds the store of [`Folder::scanned`].
    pub(crate) fn url(&self) -> ObjectStoreUrl {
        match &self.remote {
            None => ObjectStoreUrl::local_filesystem(),
            Some(remote) => remote.bucket.url().clone(),
        }
    }
}

/// As few columns as are asked for, and the version, where there is one.
pub(super) fn narrowed<T>(
    builder: ArrowReaderBuilder<T>,
    columns: Option<usize>,
    rows: usize,
) -> ArrowReaderBuilder<T> {
    let builder = builder.with_batch_size(rows);
    match columns {
        None => builder,
        Some(columns) => {
            let schema = builder.parquet_schema();
            let mut all = schema.columns().iter();
            let version = all.position(|column| column.name() == VERSION);
            let mask = ProjectionMask::leaves(schema, (0..columns).chain(version));
            builder.with_projection(mask)
        }
    }
}
