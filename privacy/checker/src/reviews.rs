//! Rule R1: what was looked at is what stands there.

use crate::align::Aligned;
use crate::cbor::Value;
use crate::entry::Entry;
use crate::quantity::Fields;
use crate::records::ReviewRecord;
use crate::report::{Finding, Malformed};
use crate::statements::{Approved, Statement};
use crate::tree::{Hash, roots_at};

/// Somebody has looked at entries.
pub(crate) struct Review {
    principal: String,
    pub(crate) from: u64,
    pub(crate) to: u64,
    root: Hash,
    pub(crate) approved: Approved,
}

impl Review {
    pub(crate) fn of(body: Value<'_>) -> Result<Self, Malformed> {
        let statement = Statement::of("review", &body);
        let mut body = Fields::of(body, "review")?;
        let review = Review {
            principal: body.take("principal")?.text("principal")?.to_owned(),
            from: body.take("from")?.uint("from")?,
            to: body.take("to")?.uint("to")?,
            root: body.take("root")?.hash("root")?,
            approved: Approved::of(statement, body.optional("approvals"), 1)?,
        };
        body.take("note")?.hash("note")?;
        body.end()?;
        Ok(review)
    }
}

/// The reviews so far. Their roots are held against the entries at the end, all in one pass.
#[derive(Default)]
pub(crate) struct Reviews {
    /// Size, root, and the review that states it.
    stated: Vec<(u64, Hash, u64)>,
    records: Vec<ReviewRecord>,
}

impl Reviews {
    pub(crate) fn check(
        &mut self,
        index: u64,
        entry: Option<&Entry>,
        approved_by: &[String],
        findings: &mut Vec<Finding>,
    ) {
        let Some(Entry::Review(review)) = entry else {
            return;
        };
        let &Review { from, to, root, .. } = &**review;
        if from > to {
            findings.push(Finding::at(index, "R1", "from is after to"));
        }
        // Of what is not earlier there is no root; rule F3 has said so.
        if to < index {
            self.stated.push((to.saturating_add(1), root, index));
        }
        self.records.push(ReviewRecord {
            entry: index,
            principal: review.principal.clone(),
            from,
            to,
            approved_by: approved_by.to_vec(),
        });
    }

    /// Compares the roots.
    pub(crate) fn close(
        mut self,
        aligned: &Aligned<'_>,
        findings: &mut Vec<Finding>,
    ) -> Vec<ReviewRecord> {
        self.stated.sort_unstable();
        let sizes = || self.stated.iter().map(|(size, ..)| *size);
        let bytes = roots_at(sizes(), aligned.hashes.iter().copied());
        // Where the stored hashes give the root, the changed entry has been named by its leaf hash.
        let stated = self.stated.iter().map(|(_, root, _)| Some(*root));
        let leaves = match aligned.stored {
            Some(stored) if !stated.eq(bytes.iter().copied()) => {
                roots_at(sizes(), stored.iter().copied().map(Some))
            }
            _ => vec![None; bytes.len()],
        };
        for ((_, root, index), found) in self.stated.iter().zip(bytes.into_iter().zip(leaves)) {
            let holds = match found {
                // Bytes are missing, which has been named, and no leaf hashes stand for them.
                (None, None) => true,
                (bytes, leaf) => bytes == Some(*root) || leaf == Some(*root),
            };
            if !holds {
                let what = "the root is not that of the entries it covers";
                findings.push(Finding::at(*index, "R1", what));
            }
        }
        self.records
    }
}
