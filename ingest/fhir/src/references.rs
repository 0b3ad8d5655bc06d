//! What lines refer to on other lines: persons by a business identifier, medications by id.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use crate::chunk::{Chunk, Origin};
use crate::coding::Coded;
use crate::error::IngestError;
use crate::json::Cursor;
use crate::key::fingerprint;
use crate::reference::Identifier;
use crate::resource::Header;
use crate::workers::Worker;

/// The key of an identifier.
pub(crate) fn identifier_key(identifier: &Identifier<'_>) -> [u8; 16] {
    fingerprint(&[&identifier.system, &identifier.value])
}

/// Identifiers that lines name a person by, and whose they are. Only those that are asked for are
/// kept, so an export that refers by id costs nothing.
#[derive(Debug, Default)]
pub(crate) struct Identifiers {
    wanted: Mutex<HashSet<[u8; 16]>>,
    found: HashMap<[u8; 16], Bearer>,
}

/// Who bears an identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bearer {
    /// The patient with this id.
    One(Box<str>),
    /// Patients with different ids.
    Several,
}

impl Identifiers {
    pub(crate) fn want(&self, identifier: &Identifier<'_>) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.insert(identifier_key(identifier));
    }

    pub(crate) fn any_wanted(&self) -> bool {
        !self
            .wanted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    pub(crate) fn bearer(&self, identifier: &Identifier<'_>) -> Option<&Bearer> {
        self.found.get(&identifier_key(identifier))
    }

    /// The worker of a pass over the Patient lines; [`Identifiers::learn`] takes what it found.
    pub(crate) fn search(&self) -> IdentifierSearch {
        IdentifierSearch {
            wanted: self
                .wanted
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            found: Vec::new(),
        }
    }

    pub(crate) fn learn(&mut self, search: IdentifierSearch) {
        for (key, id) in search.found {
            let bearer = self
                .found
                .entry(key)
                .or_insert_with(|| Bearer::One(id.clone()));
            if *bearer != Bearer::One(id) {
                *bearer = Bearer::Several;
            }
        }
    }
}

/// Looks for the wanted identifiers in Patient lines.
#[derive(Debug)]
pub(crate) struct IdentifierSearch {
    wanted: HashSet<[u8; 16]>,
    found: Vec<([u8; 16], Box<str>)>,
}

impl Worker for IdentifierSearch {
    fn work(&mut self, chunk: &Chunk) -> Result<(), IngestError> {
        for (_, line) in chunk.lines() {
            let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            let Ok(text) = std::str::from_utf8(line) else {
                continue;
            };
            let (mut id, mut patient, mut keys) = (None, false, Vec::new());
            let read = Cursor::new(text).object(|c, key| {
                match key {
                    "resourceType" => patient = c.text()?.as_deref() == Some("Patient"),
                    "id" => id = c.text()?,
                    "identifier" => c.each(|c| {
                        keys.extend(Identifier::read(c)?.as_ref().map(identifier_key));
                        Ok(())
                    })?,
                    _ => c.skip()?,
                }
                Ok(())
            });
            if let (Ok(true), true, Some(id)) = (read, patient, id) {
                keys.retain(|key| self.wanted.contains(key));
                let named = keys.into_iter().map(|key| (key, Box::from(id.as_ref())));
                self.found.extend(named);
            }
        }
        Ok(())
    }
}

/// The codes of the Medication resources of an export. Each costs some sixty bytes; codes that
/// repeat are kept once.
#[derive(Debug, Default)]
pub(crate) struct Medications {
    inner: Mutex<MedicationIndex>,
}

#[derive(Debug, Default)]
struct MedicationIndex {
    by_id: HashMap<[u8; 16], Entry>,
    codes: HashMap<(Box<str>, Option<Box<str>>), u32>,
    list: Vec<(Box<str>, Option<Box<str>>)>,
}

#[derive(Debug)]
struct Entry {
    code: Option<u32>,
    /// Of several versions the latest counts, whatever order the workers met them in.
    version: (Option<i64>, Origin),
}

impl Medications {
    pub(crate) fn note(&self, header: &Header<'_>, origin: Origin, coded: &Coded<'_>) {
        let Some(id) = &header.id else {
            return;
        };
        let mut index = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let version = (header.last_updated, origin);
        let key = fingerprint(&[id]);
        if index
            .by_id
            .get(&key)
            .is_some_and(|known| known.version > version)
        {
            return;
        }
        let code = coded
            .code
            .as_deref()
            .map(|code| index.intern(code, coded.system.as_deref()));
        index.by_id.insert(key, Entry { code, version });
    }

    /// The code of the medication with this id.
    pub(crate) fn code(&self, id: &str) -> Option<Coded<'static>> {
        let index = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let number = index.by_id.get(&fingerprint(&[id]))?.code?;
        let (code, system) = index.list.get(usize::try_from(number).ok()?)?;
        Some(Coded::known(
            code.to_string(),
            system.as_deref().map(str::to_owned),
        ))
    }
}

impl MedicationIndex {
    fn intern(&mut self, code: &str, system: Option<&str>) -> u32 {
        let pair = (Box::from(code), system.map(Box::from));
        let next = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        let list = &mut self.list;
        *self.codes.entry(pair).or_insert_with_key(|pair| {
            list.push(pair.clone());
            next
        })
    }
}
