//! The files of an export.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use salus_lake::Scratch;

use crate::chunk::Origin;
use crate::error::IngestError;

/// One NDJSON file.
#[derive(Debug, Clone)]
pub(crate) struct ExportFile {
    pub(crate) content: Content,
    /// Relative to the export's directory, with slashes.
    pub(crate) name: String,
    /// As it lies on disk.
    pub(crate) bytes: u64,
    pub(crate) compressed: bool,
}

/// Where the bytes of a file are.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Path(PathBuf),
    /// Lines that came from quarantine, sealed.
    Scratch(Arc<File>, Box<Scratch>),
}

/// An export on disk.
#[derive(Debug, Clone)]
pub(crate) struct Export {
    /// In the order in which they are read: names with "patient" in them first, then by name.
    pub(crate) files: Vec<ExportFile>,
    /// Other files, which are not read.
    pub(crate) ignored: Vec<String>,
    /// By line: the file and the line that it came from, where that is not this export.
    pub(crate) places: Option<Arc<Vec<(String, u64)>>>,
}

impl Export {
    /// An export of these files.
    pub(crate) fn of(files: Vec<ExportFile>) -> Self {
        Self {
            files,
            ignored: Vec::new(),
            places: None,
        }
    }

    /// Lists `dir` and what is below it.
    ///
    /// # Errors
    /// [`IngestError::NothingFound`] when there is no NDJSON at all.
    pub(crate) fn list(dir: &Path) -> Result<Self, IngestError> {
        let mut export = Self::of(Vec::new());
        export.add(dir, "")?;
        if export.files.is_empty() {
            return Err(IngestError::NothingFound(dir.to_owned()));
        }
        Ok(export.in_order())
    }

    /// Lists several directories, whose names come before those of their files. There may be nothing in them.
    pub(crate) fn list_all(dirs: &[PathBuf]) -> Result<Self, IngestError> {
        let mut export = Self::of(Vec::new());
        for dir in dirs {
            let name = dir.file_name().unwrap_or_default().to_string_lossy();
            export.add(dir, &format!("{name}/"))?;
        }
        Ok(export.in_order())
    }

    fn in_order(self) -> Self {
        let mut export = self;
        export.files.sort_by(|a, b| {
            let order = |file: &ExportFile| (!about_patients(&file.name), file.name.clone());
            order(a).cmp(&order(b))
        });
        export.ignored.sort();
        export
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The file and the line as the operator knows them.
    pub(crate) fn place(&self, origin: Origin) -> (String, u64) {
        if let Some(places) = &self.places {
            let line = usize::try_from(origin.line).ok();
            let place = line.and_then(|line| places.get(line.checked_sub(1)?));
            return place.cloned().unwrap_or_default();
        }
        let file = usize::try_from(origin.file).ok();
        let name = file
            .and_then(|file| self.files.get(file))
            .map(|file| file.name.clone());
        (name.unwrap_or_default(), origin.line)
    }

    /// A guess at the number of lines, for sizing tables that only save work.
    pub(crate) fn estimated_lines(&self) -> u64 {
        let size = |file: &ExportFile| file.bytes * if file.compressed { 12 } else { 1 };
        self.files.iter().map(size).sum::<u64>() / 512
    }

    fn add(&mut self, dir: &Path, prefix: &str) -> Result<(), IngestError> {
        let failed = |source| IngestError::Source {
            path: dir.to_owned(),
            source,
        };
        for entry in fs::read_dir(dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            // A link to a file is as good as the file; a link to a directory may lead round.
            if entry.file_type().map_err(failed)?.is_dir() {
                self.add(&entry.path(), &format!("{name}/"))?;
                continue;
            }
            let metadata = fs::metadata(entry.path()).map_err(failed)?;
            match (metadata.is_file(), ndjson(&name)) {
                (true, Some(compressed)) => self.files.push(ExportFile {
                    content: Content::Path(entry.path()),
                    name,
                    bytes: metadata.len(),
                    compressed,
                }),
                _ => self.ignored.push(name),
            }
        }
        Ok(())
    }
}

impl ExportFile {
    /// Opens the file; `read` counts the bytes that have come from disk.
    pub(crate) fn open(&self, read: Arc<AtomicU64>) -> Result<Box<dyn Read + Send>, IngestError> {
        self.decoded(read).map_err(|source| self.failed(source))
    }

    pub(crate) fn failed(&self, source: io::Error) -> IngestError {
        let path = match &self.content {
            Content::Path(path) => path.clone(),
            Content::Scratch(..) => PathBuf::from(&self.name),
        };
        IngestError::Source { path, source }
    }

    /// The content decides: servers have been seen that compress without saying so in the name.
    fn decoded(&self, read: Arc<AtomicU64>) -> io::Result<Box<dyn Read + Send>> {
        let mut file = match &self.content {
            Content::Path(path) => File::open(path)?,
            Content::Scratch(file, key) => {
                let mut again = file.try_clone()?;
                again.rewind()?;
                return Ok(Box::new(key.reader(BufReader::new(again))));
            }
        };
        let mut magic = [0; 4];
        let mut known = 0;
        while known < magic.len() {
            match file.read(&mut magic[known..])? {
                0 => break,
                some => known += some,
            }
        }
        let whole = io::Cursor::new(magic[..known].to_vec()).chain(file);
        let counted = Counted { inner: whole, read };
        Ok(match magic[..known] {
            [0x1f, 0x8b, ..] => {
                let buffered = BufReader::with_capacity(1 << 18, counted);
                Box::new(flate2::bufread::MultiGzDecoder::new(buffered))
            }
            [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::Decoder::new(counted)?),
            _ => Box::new(counted),
        })
    }
}

struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let some = self.inner.read(buffer)?;
        self.read.fetch_add(some as u64, Ordering::Relaxed);
        Ok(some)
    }
}

/// Whether the name is that of an NDJSON file, and then whether of a compressed one.
fn ndjson(name: &str) -> Option<bool> {
    let name = name.to_ascii_lowercase();
    let hidden = name
        .rsplit('/')
        .next()
        .is_some_and(|name| name.starts_with('.'));
    let packed = [".gz", ".gzip", ".zst", ".zstd"];
    let plain = packed
        .iter()
        .find_map(|extension| name.strip_suffix(extension));
    let stem = plain.unwrap_or(&name);
    let lines = [".ndjson", ".jsonl"].iter().any(|end| stem.ends_with(end));
    (lines && !hidden).then_some(plain.is_some())
}

fn about_patients(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.to_ascii_lowercase().contains("patient")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_bulk_servers_give_them() {
        for (name, expected) in [
            ("Patient.000.ndjson", Some(false)),
            ("1.Patient.ndjson.gz", Some(true)),
            ("a/Observation-00001.ndjson.zst", Some(true)),
            ("f3a9.JSONL", Some(false)),
            ("COUNTS.json", None),
            ("log.ndjson.txt", None),
            (".Patient.ndjson.swp", None),
            ("a/.Patient.ndjson", None),
            ("patient.ndjson.gz.part", None),
        ] {
            assert_eq!(ndjson(name), expected, "{name}");
        }
    }

    #[test]
    fn patients_come_first_then_names() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("b")).expect("a directory");
        for name in [
            "Condition.ndjson",
            "b/1.Patient.ndjson",
            "Patient.ndjson",
            "b/A.ndjson",
            "manifest.json",
        ] {
            fs::write(dir.path().join(name), "x\n").expect("a file");
        }
        let export = Export::list(dir.path()).expect("an export");
        let names: Vec<_> = export.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "Patient.ndjson",
                "b/1.Patient.ndjson",
                "Condition.ndjson",
                "b/A.ndjson"
            ]
        );
        assert_eq!(export.ignored, ["manifest.json"]);
        assert_eq!(export.bytes(), 8);
        let empty = tempfile::tempdir().expect("a directory");
        assert!(matches!(
            Export::list(empty.path()),
            Err(IngestError::NothingFound(_))
        ));
    }
}
