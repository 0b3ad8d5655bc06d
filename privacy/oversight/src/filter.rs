//! Which questions, or which entries, an officer wants to see.

use std::collections::BTreeMap;

use salus_ledger::{Body, Kind, StoredEntry};

use crate::error::{Error, Result};
use crate::question::{OutcomeKind, Question, questions};
use crate::time;

/// What is asked for; whatever is not set lets everything through. Names are compared letter by letter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Who asked, by pseudonym; of a review, who looked.
    pub principal: Option<String>,
    /// Name of the dataset.
    pub dataset: Option<String>,
    /// The purpose.
    pub purpose: Option<String>,
    /// First second, included.
    pub since: Option<u64>,
    /// Second at which it ends, not included.
    pub until: Option<u64>,
    /// What became of the question.
    pub outcome: Option<OutcomeKind>,
    /// Kind of the entry.
    pub kind: Option<Kind>,
}

impl Filter {
    /// From a day's first second, or from an instant on.
    ///
    /// # Errors
    ///
    /// [`Error::Time`].
    pub fn since(mut self, text: &str) -> Result<Self> {
        self.since = Some(time::since(text)?);
        Ok(self)
    }

    /// To the end of a day, or up to an instant.
    ///
    /// # Errors
    ///
    /// [`Error::Time`].
    pub fn until(mut self, text: &str) -> Result<Self> {
        self.until = Some(time::until(text)?);
        Ok(self)
    }

    /// Only questions that ended so.
    ///
    /// # Errors
    ///
    /// [`Error::Outcome`].
    pub fn outcome(mut self, text: &str) -> Result<Self> {
        self.outcome = Some(text.parse()?);
        Ok(self)
    }

    /// Only entries of this kind.
    ///
    /// # Errors
    ///
    /// [`Error::Kind`].
    pub fn kind(mut self, text: &str) -> Result<Self> {
        let known = Kind::ALL.into_iter().find(|kind| kind.name() == text);
        self.kind = Some(known.ok_or_else(|| Error::Kind(text.to_owned()))?);
        Ok(self)
    }

    /// The questions that match, in their order.
    pub fn select<'q>(&self, questions: &'q [Question]) -> Vec<&'q Question> {
        questions
            .iter()
            .filter(|question| self.matches(question))
            .collect()
    }

    /// Whether a question matches.
    pub fn matches(&self, question: &Question) -> bool {
        self.covers(question.time)
            && self.kind.is_none_or(|kind| kind == question.kind)
            && self.is_about(question)
    }

    /// The entries of the log that match, in their order. A release, an abort and an incident belong to the question they cite. An entry that belongs
    /// to none has no purpose and no outcome, and matches only where none is asked for.
    pub fn entries<'l>(&self, log: &'l [StoredEntry]) -> Vec<&'l StoredEntry> {
        let questions = questions(log);
        let by_entry: BTreeMap<u64, &Question> = questions
            .iter()
            .map(|question| (question.entry.0, question))
            .collect();
        log.iter()
            .filter(|stored| self.matches_entry(stored, &by_entry))
            .collect()
    }

    fn matches_entry(&self, stored: &StoredEntry, questions: &BTreeMap<u64, &Question>) -> bool {
        let body = &stored.entry.body;
        if !self.covers(stored.entry.time) || self.kind.is_some_and(|kind| kind != body.kind()) {
            return false;
        }
        let cited = match body {
            Body::Reserve(_) | Body::Reuse(_) | Body::Refuse(_) => Some(stored.index),
            Body::Release(release) => Some(release.reserve),
            Body::Abort(abort) => Some(abort.reserve),
            Body::Incident(incident) => Some(incident.reserve),
            _ => None,
        };
        if let Some(question) = cited.and_then(|index| questions.get(&index.0)) {
            return self.is_about(question);
        }
        let principal = match body {
            Body::Review(review) => Some(review.principal.as_str()),
            _ => None,
        };
        wanted(self.principal.as_deref(), principal)
            && wanted(self.dataset.as_deref(), body.dataset())
            && self.purpose.is_none()
            && self.outcome.is_none()
    }

    fn covers(&self, time: u64) -> bool {
        self.since.is_none_or(|since| since <= time) && self.until.is_none_or(|until| time < until)
    }

    fn is_about(&self, question: &Question) -> bool {
        wanted(self.principal.as_deref(), Some(&question.principal))
            && wanted(self.purpose.as_deref(), Some(&question.purpose))
            && (wanted(self.dataset.as_deref(), question.dataset.as_deref())
                || self
                    .dataset
                    .as_ref()
                    .is_some_and(|name| question.parts.contains(name)))
            && self
                .outcome
                .is_none_or(|outcome| outcome == question.outcome.kind())
    }
}

fn wanted(asked: Option<&str>, found: Option<&str>) -> bool {
    asked.is_none_or(|asked| found == Some(asked))
}
