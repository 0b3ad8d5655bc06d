//! Consents: who does not want to be part of analytics.
//!
//! Read from R4 (`provision.type`) and R5 (`decision`). Of a patient's consents in an export the latest counts, by the moment
//! at which it was given, then by version. An active `deny` about privacy or research keeps the person out; only an active
//! `permit` that is later, also than a denial of an earlier export, lets her in again. A denial that merely ends (another status, a period in the past) changes
//! nothing: who was kept out stays out until she says otherwise.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::chunk::Origin;
use crate::date::Moment;
use crate::json::{Broken, Cursor};
use crate::reference::{Reference, Target};

/// Scopes of consents about the use of data, of <http://terminology.hl7.org/CodeSystem/consentscope>.
const ABOUT_DATA: [&str; 2] = ["patient-privacy", "research"];

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// What a patient has decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Deny,
    Permit,
}

/// One active consent about the use of data.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Consent {
    /// The patient's id; `None` when she is named in a way that is not understood.
    pub(crate) patient: Option<Box<str>>,
    pub(crate) decision: Decision,
    /// When it was given, and when its version was stored: microseconds since 1970.
    given: (Option<i64>, Option<i64>),
}

/// The consent on a line, if it is one that decides.
pub(crate) fn consent(bytes: &[u8]) -> Option<Consent> {
    let text = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).ok()?;
    let mut c = Cursor::new(text);
    let (mut kind, mut active, mut patient, mut decision) = (false, false, None, None);
    let (mut has_scope, mut about) = (false, false);
    let (mut given, mut version) = (None, None);
    let object = c.object(|c, key| {
        match key {
            "resourceType" => kind = c.text()?.as_deref() == Some("Consent"),
            "status" => active = c.text()?.as_deref() == Some("active"),
            "patient" | "subject" => {
                if let Target::Id(id) = Reference::read(c)?.target("Patient") {
                    patient = Some(Box::from(id.as_ref()));
                }
            }
            "scope" => {
                has_scope = true;
                about = codes(c)?;
            }
            "decision" => decision = c.text()?.as_deref().and_then(decided).or(decision),
            "provision" => c.each(|c| {
                c.object(|c, key| {
                    match key {
                        "type" => decision = decision.or(c.text()?.as_deref().and_then(decided)),
                        _ => c.skip()?,
                    }
                    Ok(())
                })
                .map(drop)
            })?,
            "dateTime" | "date" => given = moment(c)?,
            "meta" => {
                c.object(|c, key| {
                    match key {
                        "lastUpdated" => version = moment(c)?,
                        _ => c.skip()?,
                    }
                    Ok(())
                })?;
            }
            _ => c.skip()?,
        }
        Ok(())
    });
    let whole = object.and_then(|object| c.end().map(|()| object)) == Ok(true);
    // R5 has no scope any more.
    let about_data = about || !has_scope;
    let decides = whole && kind && active && about_data;
    Some(Consent {
        patient,
        decision: decision.filter(|_| decides)?,
        given: (given, version),
    })
}

/// Microseconds since 1970 of a date; of one without a time, those of its first day.
fn moment(c: &mut Cursor<'_>) -> Result<Option<i64>, Broken> {
    let moment = c.text()?.and_then(|text| Moment::parse(&text).ok());
    Ok(moment.map(|moment| moment.at.unwrap_or(i64::from(moment.day) * MICROS_PER_DAY)))
}

fn decided(word: &str) -> Option<Decision> {
    match word {
        "deny" => Some(Decision::Deny),
        "permit" => Some(Decision::Permit),
        _ => None,
    }
}

/// Whether a concept has one of the codes of [`ABOUT_DATA`].
fn codes(c: &mut Cursor<'_>) -> Result<bool, Broken> {
    let mut any = false;
    c.object(|c, key| {
        if key != "coding" {
            return c.skip();
        }
        c.each(|c| {
            c.object(|c, key| {
                match key {
                    "code" => {
                        let code = c.text()?;
                        any |= code.is_some_and(|code| ABOUT_DATA.contains(&code.as_ref()));
                    }
                    _ => c.skip()?,
                }
                Ok(())
            })
            .map(drop)
        })
    })?;
    Ok(any)
}

/// The decisions of an export. Shared by all workers of the first pass.
#[derive(Debug, Default)]
pub(crate) struct Consents {
    latest: Mutex<HashMap<Box<str>, (Key, Decision)>>,
}

/// What makes a consent the latest: date, version, and then the place in the order of reading.
type Key = (Option<i64>, Option<i64>, Origin);

impl Consents {
    pub(crate) fn note(&self, origin: Origin, consent: Consent) {
        let Some(patient) = consent.patient else {
            return;
        };
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (consent.given.0, consent.given.1, origin);
        let known = latest.entry(patient).or_insert((key, consent.decision));
        if known.0 < key {
            *known = (key, consent.decision);
        }
    }

    /// Patients with their decision and its moment, in the order of their ids.
    pub(crate) fn into_decisions(self) -> Vec<(Box<str>, Decision, Option<i64>)> {
        let latest = self.latest.into_inner();
        let latest = latest.unwrap_or_else(PoisonError::into_inner);
        let mut decisions: Vec<_> = latest
            .into_iter()
            .map(|(patient, ((given, version, _), decision))| {
                (patient, decision, given.or(version))
            })
            .collect();
        decisions.sort_by(|a, b| a.0.cmp(&b.0));
        decisions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENY: &str = r#"{"resourceType":"Consent","id":"c","meta":{"lastUpdated":"2024-05-01T10:00:00Z"},"status":"active","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},"patient":{"reference":"Patient/p"},"dateTime":"2024-04-30","provision":{"type":"deny","provision":[{"type":"permit"}]}}"#;

    #[test]
    fn denials_of_both_versions_are_read() {
        let read = consent(DENY.as_bytes()).expect("a consent");
        assert_eq!(
            (read.patient.as_deref(), read.decision),
            (Some("p"), Decision::Deny)
        );
        let r5 = r#"{"resourceType":"Consent","status":"active","subject":{"reference":"Patient/p"},"decision":"permit","provision":[{"period":{}}]}"#;
        assert_eq!(
            consent(r5.as_bytes()).expect("a consent").decision,
            Decision::Permit
        );
        for (from, to) in [
            (r#""active""#, r#""inactive""#),
            ("Consent\",\"id", "Contract\",\"id"),
            (r#""patient-privacy""#, r#""adr""#),
            (r#"{"type":"deny","#, "{"),
            ("]}}", "]}"),
        ] {
            assert_eq!(consent(DENY.replace(from, to).as_bytes()), None, "{to}");
        }
    }

    #[test]
    fn a_denial_of_whom_is_not_understood_is_still_one() {
        for (from, to) in [
            ("Patient/p", "Group/p"),
            ("Patient/p", "#p"),
            (r#""reference""#, r#""display""#),
        ] {
            let read = consent(DENY.replace(from, to).as_bytes()).expect("a consent");
            assert_eq!((read.patient, read.decision), (None, Decision::Deny));
        }
    }

    #[test]
    fn the_latest_decision_counts_whatever_the_order() {
        let permit = DENY.replace(r#"{"type":"deny","#, r#"{"type":"permit","#);
        let later = permit.replace("2024-04-30", "2024-05-30");
        let lines = [DENY, later.as_str(), permit.as_str()];
        for order in [[0, 1, 2], [1, 0, 2], [2, 1, 0]] {
            let consents = Consents::default();
            for (line, at) in (1..).zip(order) {
                consents.note(
                    Origin { file: 0, line },
                    consent(lines[at].as_bytes()).expect("a consent"),
                );
            }
            assert_eq!(
                consents.into_decisions(),
                [("p".into(), Decision::Permit, Some(19_873 * MICROS_PER_DAY))]
            );
        }
    }
}
