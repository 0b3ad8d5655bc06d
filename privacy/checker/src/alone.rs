//! What can be said of an entry by itself, whatever stands before it: most of the work of an audit.

use crate::derivation;
use crate::entry::Entry;
use crate::price;
use crate::report::Finding;

/// One entry, and where it fails rules F1 and P1 to P5 by itself.
pub(crate) struct Alone {
    /// `None` where rule F1 has failed.
    pub(crate) entry: Option<Entry>,
    /// What it says its time is.
    pub(crate) time: u64,
    pub(crate) findings: Vec<Finding>,
}

impl Alone {
    /// Reads the entry; `None` stands for bytes that are missing.
    pub(crate) fn of(index: u64, bytes: Option<&[u8]>) -> Self {
        let mut findings = Vec::new();
        let decoded = match bytes.map(Entry::dated) {
            Some(Ok(dated)) => Ok(dated),
            Some(Err(malformed)) => Err(malformed.0),
            None => Err("no bytes".to_owned()),
        };
        let mut time = 0;
        let entry = match decoded {
            Ok((stated, entry)) => {
                time = stated;
                Some(entry)
            }
            Err(what) => {
                findings.push(Finding::at(index, "F1", what));
                None
            }
        };
        if let Some(Entry::Reserve(reserve)) = &entry {
            derivation::check(index, &reserve.certificate, &mut findings);
            price::check(index, reserve, &mut findings);
        }
        Alone {
            entry,
            time,
            findings,
        }
    }
}
