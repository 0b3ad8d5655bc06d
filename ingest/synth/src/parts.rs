//! Files as a bulk server gives them: `Observation.000.ndjson`, a new part when one is full.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;

use crate::error::{Error, Result};

/// How files are compressed. The level is fixed, so that equal populations are equal files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// `.ndjson`.
    #[default]
    None,
    /// `.ndjson.gz`.
    Gzip,
    /// `.ndjson.zst`.
    Zstd,
}

impl Compression {
    const fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }
}

/// Until all files are whole they end in this, so that no reader takes half a population for one.
const PARTIAL: &str = ".partial";

enum Sink {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

impl Sink {
    fn create(path: &Path, compression: Compression) -> io::Result<Self> {
        let file = BufWriter::with_capacity(1 << 17, File::create(path)?);
        Ok(match compression {
            Compression::None => Self::Plain(file),
            Compression::Gzip => Self::Gzip(GzEncoder::new(file, flate2::Compression::new(4))),
            Compression::Zstd => Self::Zstd(zstd::Encoder::new(file, 3)?),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(sink) => sink.write_all(bytes),
            Self::Gzip(sink) => sink.write_all(bytes),
            Self::Zstd(sink) => sink.write_all(bytes),
        }
    }

    fn finish(self) -> io::Result<()> {
        let mut file = match self {
            Self::Plain(file) => file,
            Self::Gzip(sink) => sink.finish()?,
            Self::Zstd(sink) => sink.finish()?,
        };
        file.flush()
    }
}

/// The parts of one resource type.
pub(crate) struct Parts {
    directory: PathBuf,
    name: &'static str,
    compression: Compression,
    /// A part is closed before a line would take it above this many bytes, counted before
    /// compression.
    limit: u64,
    open: Option<(Sink, PathBuf, u64)>,
    names: Vec<String>,
}

impl Parts {
    pub(crate) fn new(
        directory: &Path,
        name: &'static str,
        compression: Compression,
        limit: u64,
    ) -> Self {
        Self {
            directory: directory.to_owned(),
            name,
            compression,
            limit,
            open: None,
            names: Vec::new(),
        }
    }

    /// Writes whole lines. Where parts end depends on the lines alone, not on how they are cut into
    /// calls.
    pub(crate) fn write(&mut self, mut lines: &[u8]) -> Result<()> {
        while !lines.is_empty() {
            let (mut sink, path, used) = match self.open.take() {
                Some(open) => open,
                None => self.next()?,
            };
            let room = usize::try_from(self.limit.saturating_sub(used)).unwrap_or(usize::MAX);
            let fits = if room >= lines.len() {
                lines.len()
            } else {
                let whole = memchr::memrchr(b'\n', &lines[..room]).map_or(0, |end| end + 1);
                // A line longer than a part gets a part of its own.
                if whole == 0 && used == 0 {
                    memchr::memchr(b'\n', lines).map_or(lines.len(), |end| end + 1)
                } else {
                    whole
                }
            };
            let (now, later) = lines.split_at(fits);
            sink.write(now).map_err(|source| Error::Io {
                path: path.clone(),
                source,
            })?;
            lines = later;
            if lines.is_empty() {
                self.open = Some((sink, path, used + fits as u64));
            } else {
                sink.finish().map_err(|source| Error::Io { path, source })?;
            }
        }
        Ok(())
    }

    /// Closes the last part and tells the names of all, still without having renamed them.
    pub(crate) fn finish(mut self) -> Result<Vec<String>> {
        if let Some((sink, path, _)) = self.open.take() {
            sink.finish().map_err(|source| Error::Io { path, source })?;
        }
        Ok(self.names)
    }

    fn next(&mut self) -> Result<(Sink, PathBuf, u64)> {
        let name = format!(
            "{}.{:03}.ndjson{}",
            self.name,
            self.names.len(),
            self.compression.suffix()
        );
        let path = self.directory.join(format!("{name}{PARTIAL}"));
        let sink = Sink::create(&path, self.compression).map_err(|source| Error::Io {
            path: path.clone(),
            source,
        })?;
        self.names.push(name);
        Ok((sink, path, 0))
    }
}

/// Makes the directory ready: creates it, refuses one with NDJSON in it, clears what an interrupted
/// run left.
pub(crate) fn prepare(directory: &Path) -> Result<()> {
    let failed = |source| Error::Io {
        path: directory.to_owned(),
        source,
    };
    fs::create_dir_all(directory).map_err(failed)?;
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(whole) = name.strip_suffix(PARTIAL).filter(|whole| is_ndjson(whole)) {
            debug_assert!(!whole.is_empty());
            fs::remove_file(&path).map_err(|source| Error::Io {
                path: path.clone(),
                source,
            })?;
        } else if is_ndjson(&name) {
            return Err(Error::NotEmpty(directory.to_owned()));
        }
    }
    Ok(())
}

/// Gives finished files their names.
pub(crate) fn publish(directory: &Path, names: &[String]) -> Result<()> {
    for name in names {
        let path = directory.join(name);
        fs::rename(directory.join(format!("{name}{PARTIAL}")), &path)
            .map_err(|source| Error::Io { path, source })?;
    }
    Ok(())
}

fn is_ndjson(name: &str) -> bool {
    [Compression::None, Compression::Gzip, Compression::Zstd]
        .iter()
        .any(|one| name.ends_with(&format!(".ndjson{}", one.suffix())))
}
