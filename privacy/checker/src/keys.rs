//! Rule K1: each key of the log is endorsed by the key before it, so that whoever knows one knows those after it; and is nobody else's.

use std::collections::{BTreeMap, BTreeSet};

use crate::cbor::Value;
use crate::entry::Entry;
use crate::opening::Predecessor;
use crate::quantity::Fields;
use crate::report::{Finding, Malformed};
use crate::statements::Statement;
use crate::vkey::VerifierKey;

/// A key that signs checkpoints from here on.
pub(crate) struct Key {
    pub(crate) public: [u8; 32],
    signature: Option<[u8; 64]>,
    statement: Statement,
}

impl Key {
    pub(crate) fn of(body: Value<'_>) -> Result<Self, Malformed> {
        let statement = Statement::of("key", &body);
        let mut body = Fields::of(body, "key")?;
        let public = body.take("public")?.hash("public")?;
        let signature = match body.optional("signature") {
            Some(signature) => Some(signature.fixed("signature")?),
            None => None,
        };
        body.end()?;
        Ok(Key {
            public,
            signature,
            statement,
        })
    }
}

/// The keys of the log so far.
#[derive(Default)]
pub(crate) struct Keys {
    newest: Option<[u8; 32]>,
    /// Each with its first entry.
    all: BTreeMap<[u8; 32], u64>,
    /// Those of officers, and of the log before this one.
    others: BTreeSet<[u8; 32]>,
    /// An entry that could not be read stood since the newest key, and may have been one.
    unsure: bool,
}

impl Keys {
    pub(crate) fn check(
        &mut self,
        index: u64,
        entry: Option<&Entry>,
        origin: Option<&str>,
        findings: &mut Vec<Finding>,
    ) {
        let key = match entry {
            Some(Entry::Key(key)) => key,
            Some(Entry::Genesis(genesis)) if index == 0 => {
                let before = genesis.predecessor.iter();
                self.others.extend(before.flat_map(Predecessor::taken));
                return;
            }
            Some(Entry::Officer(officer)) => {
                self.others.insert(officer.public);
                return;
            }
            Some(_) => return,
            None => {
                self.unsure = true;
                return;
            }
        };
        let mut fail = |what: &str| findings.push(Finding::at(index, "K1", what));
        if let Some(first) = self.all.get(&key.public) {
            fail(&format!("the key is that of entry {first}"));
        }
        if self.others.contains(&key.public) {
            fail("the key is an officer's, or that of the log before this one");
        }
        match (&key.signature, self.newest) {
            (Some(_), _) if index <= 1 => fail("the first key is signed, and none is before it"),
            (None, _) if index > 1 => fail("no signature by the key before it"),
            (Some(signature), Some(before)) => {
                // Without a genesis that can be read nobody knows what was signed.
                let wrong =
                    origin.is_some_and(|origin| !key.statement.signed(origin, &before, signature));
                if wrong && !self.unsure {
                    fail("the signature is not that of the key before it");
                }
            }
            (Some(_), None) if !self.unsure => fail("no key is before it that could have signed"),
            _ => {}
        }
        self.all.entry(key.public).or_insert(index);
        // What fails is named once: the next key is held against this one.
        self.newest = Some(key.public);
        self.unsure = false;
    }

    /// True of a key that is the log's or an officer's, or was.
    pub(crate) fn is_taken(&self, public: &[u8; 32]) -> bool {
        self.all.contains_key(public) || self.others.contains(public)
    }

    /// True if a key entry puts this key in force at some time, under the log's origin.
    pub(crate) fn has(&self, key: &VerifierKey, origin: Option<&str>) -> bool {
        self.all.contains_key(key.public()) && origin.is_none_or(|origin| origin == key.name())
    }
}

/// The verifier keys of all `key` entries, the newest first, none of them checked: a receipt may be signed by any of them.
pub fn log_keys(entries: &[Vec<u8>]) -> Vec<VerifierKey> {
    let mut origin = None;
    let mut keys = Vec::new();
    for entry in entries {
        match Entry::decode(entry) {
            Ok(Entry::Genesis(genesis)) => {
                origin.get_or_insert(genesis.origin);
            }
            Ok(Entry::Key(key)) => keys.push(key.public),
            _ => {}
        }
    }
    let origin = origin.unwrap_or_default();
    keys.into_iter()
        .rev()
        .map(|public| VerifierKey::new(&origin, public))
        .collect()
}
