//! Rule E2: what a genesis says of the log before it holds together, and the first key is the one that was named.

use std::collections::BTreeSet;

use crate::cbor::Value;
use crate::entry::{Entry, Genesis};
use crate::note::{Checkpoint, Note, NoteError};
use crate::quantity::{Fields, Loss};
use crate::records::OpeningRecord;
use crate::report::{Finding, Malformed};
use crate::seal::{Carried, carried, pairs};
use crate::vkey::VerifierKey;

/// The log that this one goes on from.
pub(crate) struct Predecessor {
    pub(crate) origin: String,
    pub(crate) public: [u8; 32],
    checkpoint: Vec<u8>,
    /// Of a lost log, how many of its entries were read.
    pub(crate) read: Option<u64>,
    pub(crate) successor: [u8; 32],
    pub(crate) spent: Loss,
    pub(crate) limits: Vec<Carried>,
    pub(crate) officers: Vec<([u8; 32], String)>,
}

impl Predecessor {
    pub(crate) fn of(value: Value<'_>) -> Result<Self, Malformed> {
        let mut fields = Fields::of(value, "predecessor")?;
        let read = match fields.optional("read") {
            Some(read) => Some(read.uint("read")?),
            None => None,
        };
        let officers = fields.take("officers")?.array("officers")?;
        if officers.len() < 2 {
            return Err(Malformed("officers: fewer than 2".to_owned()));
        }
        let predecessor = Predecessor {
            origin: fields.take("origin")?.text("origin")?.to_owned(),
            public: fields.take("public")?.hash("public")?,
            checkpoint: fields.take("checkpoint")?.bytes("checkpoint")?.to_vec(),
            read,
            successor: fields.take("successor")?.hash("successor")?,
            spent: fields.take("spent")?.loss("spent")?,
            limits: carried(fields.optional("limits"))?,
            officers: officers
                .into_iter()
                .map(officer)
                .collect::<Result<_, _>>()?,
        };
        fields.end()?;
        Ok(predecessor)
    }

    /// What its newest checkpoint signs.
    pub(crate) fn head(&self) -> Result<Checkpoint, NoteError> {
        let note = Note::parse(&self.checkpoint)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        note.verify(&VerifierKey::new(&self.origin, self.public))?;
        Ok(checkpoint)
    }

    /// Keys that are nobody's from here on: those of the log before this one and of its officers.
    pub(crate) fn taken(&self) -> impl Iterator<Item = [u8; 32]> {
        let officers = self.officers.iter().map(|(public, _)| *public);
        officers.chain([self.public])
    }
}

fn officer(value: Value<'_>) -> Result<([u8; 32], String), Malformed> {
    let mut fields = Fields::of(value, "officers")?;
    let public = fields.take("public")?.hash("public")?;
    let name = fields.take("name")?.text("name")?.to_owned();
    fields.end()?;
    Ok((public, name))
}

/// How the log opens.
#[derive(Default)]
pub(crate) struct Opening {
    successor: Option<[u8; 32]>,
    record: Option<OpeningRecord>,
}

impl Opening {
    pub(crate) fn check(
        &mut self,
        index: u64,
        entry: Option<&Entry>,
        approved_by: &[String],
        findings: &mut Vec<Finding>,
    ) {
        match entry {
            Some(Entry::Genesis(genesis)) if index == 0 => {
                if let Some(before) = &genesis.predecessor {
                    self.open(genesis, before, findings);
                    if let Some(record) = &mut self.record {
                        record.approved_by = approved_by.to_vec();
                    }
                }
            }
            Some(Entry::Key(key))
                if index == 1 && self.successor.is_some_and(|named| named != key.public) =>
            {
                let what = "the key is not the one that was named for the successor";
                findings.push(Finding::at(1, "E2", what));
            }
            _ => {}
        }
    }

    fn open(&mut self, genesis: &Genesis, before: &Predecessor, findings: &mut Vec<Finding>) {
        let mut fail = |what: String| findings.push(Finding::at(0, "E2", what));
        if before.origin == genesis.origin {
            fail("the log goes on from itself".to_owned());
        }
        let head = match before.head() {
            Ok(head) if head.origin == before.origin => Some(head),
            Ok(head) => {
                fail(format!("the checkpoint is of {:?}", head.origin));
                None
            }
            Err(error) => {
                fail(format!("the checkpoint: {error}"));
                None
            }
        };
        let size = head.as_ref().map_or(u64::MAX, |head| head.size);
        if size < 2 || before.read.is_some_and(|read| read < 2 || read > size) {
            fail("there are not so many entries".to_owned());
        }
        let keys = || before.officers.iter().map(|(public, _)| *public);
        if !keys().is_sorted_by(|one, next| one < next) {
            fail("the officers are not in order, each once".to_owned());
        }
        let names: BTreeSet<&str> = before.officers.iter().map(|(_, name)| &**name).collect();
        if names.len() < before.officers.len() || names.contains("") {
            fail("two officers have one name, or one has none".to_owned());
        }
        if before.taken().any(|key| key == before.successor)
            || keys().any(|key| key == before.public)
        {
            fail("a key has two offices".to_owned());
        }
        if !before
            .limits
            .is_sorted_by(|one, next| one.scope < next.scope)
        {
            fail("the limits are not in order, each once".to_owned());
        }
        self.successor = Some(before.successor);
        self.record = Some(OpeningRecord {
            origin: before.origin.clone(),
            size: head.map(|head| head.size),
            read: before.read,
            spent: before.spent,
            limits: pairs(&before.limits),
            approved_by: Vec::new(),
            compared: false,
        });
    }

    pub(crate) fn close(self) -> Option<OpeningRecord> {
        self.record
    }
}
