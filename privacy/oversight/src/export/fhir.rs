//! FHIR R4 audit events, for an audit record repository.
//!
//! Each question is an AuditEvent after the Query profile of IHE Basic Audit Log Patterns 1.1.4. That profile is for queries that succeeded, so only
//! answered and repeated questions claim it in `meta.profile`; the others have the same form and an outcome that says what happened. The profile wants
//! the query in `entity:query` and allows no `detail` there: the log has no text, so the query is its salted commitment, and the figures of the
//! privacy loss stand in an entity of their own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use salus_ledger::StoredEntry;
use serde_json::{Map, Value, json};

use super::mechanism;
use crate::books::{Books, hex};
use crate::question::{OutcomeKind, Question};
use crate::time::instant;

/// The profile that answered and repeated questions follow.
pub const QUERY_PROFILE: &str =
    "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.Query";

const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";

/// Purposes of HL7 v3 ActReason that a question can have, as that code system displays them.
const PURPOSES: [(&str, &str); 8] = [
    ("PUBHLTH", "public health"),
    ("HRESCH", "healthcare research"),
    ("HOPERAT", "healthcare operations"),
    ("HQUALIMP", "health quality improvement"),
    ("HOUTCOMS", "health outcome measure"),
    ("POPHLTH", "population health"),
    ("HSYSADMIN", "health system administration"),
    ("HPRGRP", "health program reporting"),
];

/// One Bundle of type `collection` with an AuditEvent for each question.
pub fn fhir<'q>(log: &[StoredEntry], questions: impl IntoIterator<Item = &'q Question>) -> Value {
    let books = Books::of(log);
    let origin = books
        .genesis()
        .map_or("unknown", |genesis| genesis.origin.as_str());
    let entries: Vec<Value> = questions
        .into_iter()
        .map(|question| {
            let id = format!("entry-{}", question.entry);
            json!({
                "fullUrl": format!("https://{}/AuditEvent/{id}", in_url(origin)),
                "resource": event(question, origin, &id),
            })
        })
        .collect();
    json!({"resourceType": "Bundle", "type": "collection", "entry": entries})
}

fn event(question: &Question, origin: &str, id: &str) -> Value {
    let kind = question.outcome.kind();
    let purpose = json!([purpose(&question.purpose)]);
    let mut event = json!({
        "resourceType": "AuditEvent",
        "id": id,
        "type": coding("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest", "RESTful Operation"),
        "subtype": [coding("http://hl7.org/fhir/restful-interaction", "search", "search")],
        "action": "E",
        "recorded": instant(question.time),
        "outcomeDesc": described(question),
        "purposeOfEvent": purpose,
        "agent": [client(), server(origin), user(question, &purpose)],
        "source": {
            "site": text(origin),
            "observer": {"display": text(origin)},
            "type": [coding("http://terminology.hl7.org/CodeSystem/security-source-type", "4", "Application Server")],
        },
        "entity": [query(question), privacy(question)],
    });
    if let Some(fields) = event.as_object_mut() {
        // Without a code while nobody knows how it ends.
        if let Some(code) = outcome(kind) {
            fields.insert("outcome".to_owned(), json!(code));
        }
        if matches!(kind, OutcomeKind::Answered | OutcomeKind::Repeated) {
            fields.insert("meta".to_owned(), json!({"profile": [QUERY_PROFILE]}));
        }
    }
    event
}

/// Code of `audit-event-outcome`: success, minor failure (the client's) or serious failure.
fn outcome(kind: OutcomeKind) -> Option<&'static str> {
    match kind {
        OutcomeKind::Answered | OutcomeKind::Repeated => Some("0"),
        OutcomeKind::Refused | OutcomeKind::Dropped => Some("4"),
        OutcomeKind::Failed => Some("8"),
        OutcomeKind::Open => None,
    }
}

fn described(question: &Question) -> String {
    let entry = question
        .outcome
        .cites()
        .map_or_else(String::new, |entry| format!(", entry {entry}"));
    let rule = question
        .outcome
        .rule()
        .map_or_else(String::new, |rule| format!(" by the rule {}", text(rule)));
    format!("{}{entry}{rule}", question.outcome.kind())
}

/// The program that asked. The log does not say which, nor from where.
fn client() -> Value {
    json!({
        "type": {"coding": [coding(DICOM, "110153", "Source Role ID")]},
        "who": {"display": "the analyst's client, which the ledger does not record"},
        "requestor": false,
        "network": unknown_network(),
    })
}

fn server(origin: &str) -> Value {
    json!({
        "type": {"coding": [coding(DICOM, "110152", "Destination Role ID")]},
        "who": {"identifier": {"value": text(origin)}, "display": "Salus"},
        "requestor": false,
        "network": unknown_network(),
    })
}

fn user(question: &Question, purpose: &Value) -> Value {
    let mut user = json!({
        "type": {"coding": [coding("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP", "information recipient")]},
        "who": {"identifier": {"value": text(&question.principal)}},
        "name": text(&question.principal),
        "requestor": true,
        "purposeOfUse": purpose,
    });
    let roles: Vec<Value> = question
        .roles
        .iter()
        .map(|role| json!({"text": text(role)}))
        .collect();
    if let Some(fields) = user.as_object_mut().filter(|_| !roles.is_empty()) {
        fields.insert("role".to_owned(), Value::Array(roles));
    }
    user
}

/// The profile demands the element; what it would hold is not in the ledger.
fn unknown_network() -> Value {
    json!({"_address": {"extension": [{
        "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
        "valueCode": "unknown",
    }]}})
}

fn query(question: &Question) -> Value {
    let commitment = format!("sha256:{}", hex(&question.question));
    json!({
        "type": coding("http://terminology.hl7.org/CodeSystem/audit-entity-type", "2", "System Object"),
        "role": coding("http://terminology.hl7.org/CodeSystem/object-role", "24", "Query"),
        "description": "Salted commitment to the question's text: SHA-256 of \"salus/commitment/v1\", a zero byte, the salt and the text, which lie outside the log.",
        "query": STANDARD.encode(commitment),
    })
}

/// Everything that `entity:query` may not hold. Its type differs from that of the query, of which the profile allows one.
fn privacy(question: &Question) -> Value {
    let mut details = vec![
        detail("ledger entry", &question.entry.to_string()),
        detail("entry kind", question.kind.name()),
        detail("outcome", &described(question)),
        detail("rho", &question.loss.rho.to_string()),
        detail(
            "rho in units of 2^-40",
            &question.loss.rho.units().to_string(),
        ),
        detail(
            "delta in units of 2^-80",
            &question.loss.delta.units().to_string(),
        ),
        detail("epsilon", &question.epsilon.to_string()),
        detail("delta of that epsilon", &question.delta.to_string()),
    ];
    let datasets = question.dataset.iter().chain(&question.parts);
    details.extend(datasets.map(|name| detail("dataset", name)));
    details.extend(
        question
            .snapshot
            .map(|number| detail("snapshot", &number.to_string())),
    );
    if let Some(purse) = question.purse {
        let units = |loss: salus_accounting::Loss| loss.rho.units().to_string();
        details.extend([
            detail("purse cap, rho units", &units(purse.cap)),
            detail("purse before, rho units", &units(purse.before)),
            detail("purse after, rho units", &units(purse.after)),
        ]);
    }
    if question.total() != question.loss {
        let units = question.incidents.rho.units().to_string();
        details.push(detail("added by incidents, rho units", &units));
    }
    details.extend(
        question
            .mechanisms
            .iter()
            .map(|one| detail("mechanism", &mechanism(one))),
    );
    json!({
        "type": coding("http://terminology.hl7.org/CodeSystem/audit-entity-type", "4", "Other"),
        "name": "privacy loss",
        "description": "What the question cost in differential privacy, from the Salus ledger.",
        "detail": details,
    })
}

fn detail(name: &str, value: &str) -> Value {
    json!({"type": name, "valueString": text(value)})
}

fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({"system": system, "code": code, "display": display})
}

fn purpose(code: &str) -> Value {
    let known = PURPOSES.iter().find(|(known, _)| *known == code);
    let mut concept = Map::new();
    if let Some((code, display)) = known {
        let coding = coding(ACT_REASON, code, display);
        concept.insert("coding".to_owned(), json!([coding]));
    }
    concept.insert("text".to_owned(), json!(text(code)));
    Value::Object(concept)
}

/// FHIR strings are not empty and hold no control characters.
fn text(value: &str) -> String {
    let clean: String = value
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if clean.trim().is_empty() {
        "(empty)".to_owned()
    } else {
        clean
    }
}

/// An origin is a URL without a scheme by custom, not by force.
fn in_url(origin: &str) -> String {
    use std::fmt::Write as _;
    let mut url = String::new();
    for byte in origin.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}
