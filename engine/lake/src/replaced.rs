//! Which parent rows an ingest replaced, so that their old children go with them, and which it left out, so that their new
//! children stay out.
//!
//! The commit of a parent table notes the key of every such row; the commit of the child table reads the notes
//! back, person by person, while it passes the same persons in the same order. Neither holds more than one person.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::error::{At as _, Result};
use crate::files;
use crate::keys::Key;

/// Bytes of one note: person and row id, little-endian.
const NOTE: usize = 16;

/// Writes notes in ascending order of key.
#[derive(Debug)]
pub(crate) struct Notes {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Notes {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        Ok(Self {
            path: path.into(),
            file: BufWriter::new(files::private_file(path)?),
        })
    }

    pub(crate) fn push(&mut self, (person, id, _): Key) -> Result<()> {
        let mut note = [0; NOTE];
        note[..8].copy_from_slice(&person.to_le_bytes());
        note[8..].copy_from_slice(&id.to_le_bytes());
        self.file.write_all(&note).at("write", &self.path)
    }

    /// The notes, to be read from the start.
    pub(crate) fn into_replaced(mut self) -> Result<Replaced> {
        self.file.flush().at("write", &self.path)?;
        let file = BufReader::new(File::open(&self.path).at("open", &self.path)?);
        let mut replaced = Replaced {
            path: self.path,
            file,
            next: None,
            person: 0,
            ids: HashSet::new(),
        };
        replaced.next = replaced.read()?;
        Ok(replaced)
    }
}

/// What becomes of the rows of a parent table.
#[derive(Debug)]
pub(crate) struct ParentNotes {
    /// Existing rows that were replaced or removed: their children go.
    pub(crate) replaced: Notes,
    /// Staged rows that are out of date: theirs stay out.
    pub(crate) outdated: Notes,
}

impl ParentNotes {
    /// Notes that begin with `path`.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        Ok(Self {
            replaced: Notes::create(&path.with_extension("replaced"))?,
            outdated: Notes::create(&path.with_extension("outdated"))?,
        })
    }

    /// The same for the child table, whose `column` points to the parent.
    pub(crate) fn into_parents(self, column: usize) -> Result<Parents> {
        Ok(Parents {
            replaced: self.replaced.into_replaced()?,
            outdated: self.outdated.into_replaced()?,
            column,
        })
    }
}

/// What became of the rows of a parent table, for the child table.
#[derive(Debug)]
pub(crate) struct Parents {
    pub(crate) replaced: Replaced,
    pub(crate) outdated: Replaced,
    /// The column that points to the parent.
    pub(crate) column: usize,
}

/// Reads notes back.
#[derive(Debug)]
pub(crate) struct Replaced {
    path: PathBuf,
    file: BufReader<File>,
    next: Option<(i64, i64)>,
    person: i64,
    ids: HashSet<i64>,
}

impl Replaced {
    /// The next person with notes that were not yet passed.
    pub(crate) fn next_person(&self) -> Option<i64> {
        self.next.map(|(person, _)| person)
    }

    /// Whether the parent row `id` of `person` was replaced. Persons must be asked for in ascending order.
    pub(crate) fn contains(&mut self, person: i64, id: i64) -> Result<bool> {
        self.pass(person)?;
        Ok(self.person == person && self.ids.contains(&id))
    }

    /// Moves on until every note up to `person` was read.
    pub(crate) fn pass(&mut self, person: i64) -> Result<()> {
        while let Some((noted, id)) = self.next
            && noted <= person
        {
            if noted != self.person {
                self.person = noted;
                self.ids.clear();
            }
            self.ids.insert(id);
            self.next = self.read()?;
        }
        Ok(())
    }

    fn read(&mut self) -> Result<Option<(i64, i64)>> {
        let mut note = [0; NOTE];
        match self.file.read_exact(&mut note) {
            Ok(()) => {
                let (person, id) = note.split_at(8);
                let number = |bytes: &[u8]| bytes.try_into().map_or(0, i64::from_le_bytes);
                Ok(Some((number(person), number(id))))
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error).at("read", &self.path),
        }
    }
}
