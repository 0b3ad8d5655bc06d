//! What every resource has, and the fields that many types share.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::date::{Impossible, Moment};
use crate::json::{Broken, Cursor};
use crate::reason::Reason;
use crate::reference::{Reference, Target};

/// What a clock may be ahead of ours.
const AHEAD: Duration = Duration::from_hours(24);

/// Whether a resource can be of this time, in microseconds: one that is dated by a wrong clock, years ahead, would stay whatever comes after it.
fn is_past(at: i64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let most = now.unwrap_or_default().saturating_add(AHEAD).as_micros();
    i128::from(at) <= i128::try_from(most).unwrap_or(i128::MAX)
}

/// The members that do not depend on the type.
#[derive(Debug, Default)]
pub(crate) struct Header<'a> {
    pub(crate) id: Option<Cow<'a, str>>,
    /// `meta.lastUpdated`, microseconds.
    pub(crate) last_updated: Option<i64>,
    pub(crate) subject: Reference<'a>,
    encounter: Reference<'a>,
    /// The contained resources, unread.
    pub(crate) contained: Option<&'a str>,
    /// The first thing that makes the row unusable although the line is well formed.
    pub(crate) flaw: Option<Reason>,
}

impl<'a> Header<'a> {
    /// Reads a member that does not depend on the type; passes over any other.
    pub(crate) fn member(&mut self, key: &str, c: &mut Cursor<'a>) -> Result<(), Broken> {
        match key {
            "id" => self.id = c.text()?,
            "subject" | "patient" => self.subject = Reference::read(c)?,
            // STU3 called it context.
            "encounter" | "context" => self.encounter = Reference::read(c)?,
            "contained" => self.contained = Some(c.raw()?),
            "meta" => {
                c.object(|c, key| {
                    match key {
                        "lastUpdated" => {
                            let text = c.text()?;
                            let moment = text.and_then(|text| Moment::parse(&text).ok());
                            let at = moment.and_then(|moment| moment.at);
                            self.last_updated = at.filter(|at| is_past(*at));
                        }
                        _ => c.skip()?,
                    }
                    Ok(())
                })?;
            }
            _ => c.skip()?,
        }
        Ok(())
    }

    /// The id of the encounter, where a resource of its own is meant.
    pub(crate) fn encounter(&self) -> Option<Cow<'a, str>> {
        match self.encounter.clone().target("Encounter") {
            Target::Id(id) => Some(id),
            _ => None,
        }
    }

    pub(crate) fn reject(&mut self, reason: Reason) {
        self.flaw.get_or_insert(reason);
    }

    /// The date on which the row rests: a present but impossible one makes the row unusable.
    pub(crate) fn date(&mut self, c: &mut Cursor<'a>) -> Result<Option<Moment>, Broken> {
        Ok(match c.text()?.map(|text| Moment::parse(&text)) {
            Some(Ok(moment)) => Some(moment),
            Some(Err(Impossible)) => {
                self.reject(Reason::ImpossibleDate);
                None
            }
            None => None,
        })
    }

    /// A `Period`: its start is a date on which the row rests, its end is a [`side_date`].
    pub(crate) fn period(
        &mut self,
        c: &mut Cursor<'a>,
    ) -> Result<(Option<Moment>, Option<Moment>), Broken> {
        let (mut start, mut end) = (None, None);
        c.object(|c, key| {
            match key {
                "start" => start = self.date(c)?,
                "end" => end = side_date(c)?,
                _ => c.skip()?,
            }
            Ok(())
        })?;
        Ok((start, end))
    }
}

/// A date without which the row still says what happened and when: an impossible one is missing.
pub(crate) fn side_date(c: &mut Cursor<'_>) -> Result<Option<Moment>, Broken> {
    Ok(c.text()?.and_then(|text| Moment::parse(&text).ok()))
}
