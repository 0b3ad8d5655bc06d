//! The report as one JSON object.

use std::fmt::Write as _;

use crate::fields::OUTSIDE;
use crate::json::Json;
use crate::quantity::Loss;
use crate::records::{
    GrantRecord, IncidentRecord, OfficerRecord, OpeningRecord, ReviewRecord, SealRecord,
};
use crate::report::{Finding, Report};
use crate::restricted::RestrictedReport;
use crate::tree::Hash;

impl Report {
    /// The report as one JSON object. Quantities are decimal text: they do not fit a double.
    pub fn to_json(&self) -> String {
        let findings = self.findings.iter().map(finding);
        let totals = self.totals.iter().map(|total| {
            Json::object([
                ("scope", Json::text(total.scope.clone())),
                ("reserves", Json::Number(total.reserves)),
                ("spent", loss(total.spent)),
                ("cap", loss(total.cap)),
            ])
        });
        let attested = self.attested.iter().map(|field| {
            Json::object([
                (
                    "field",
                    Json::text(format!("{}.{}", field.kind, field.path)),
                ),
                ("note", Json::text(field.note)),
            ])
        });
        let head = self.head.map_or(Json::Null, |(size, root)| {
            Json::object([
                ("size", Json::Number(size)),
                ("root", Json::text(hex(&root))),
            ])
        });
        let witnessed = self.witnessed.as_ref().map_or(Json::Null, |witnesses| {
            Json::array(witnesses.iter().map(|witnessed| {
                Json::object([
                    ("witness", Json::text(witnessed.witness.clone())),
                    ("key", Json::text(witnessed.key.clone())),
                    ("time", Json::Number(witnessed.time)),
                ])
            }))
        });
        Json::object([
            ("holds", Json::Bool(self.holds())),
            ("entries", Json::Number(self.entries)),
            ("checkpoints", Json::Number(self.checkpoints)),
            ("head", head),
            ("findings", Json::array(findings)),
            ("totals", Json::array(totals)),
            ("cap", self.cap.map_or(Json::Null, loss)),
            ("grants", Json::array(self.grants.iter().map(grant))),
            (
                "incidents",
                Json::array(self.incidents.iter().map(incident)),
            ),
            ("officers", Json::array(self.officers.iter().map(officer))),
            ("reviews", Json::array(self.reviews.iter().map(review))),
            ("opening", self.opening.as_ref().map_or(Json::Null, opening)),
            ("sealed", self.sealed.as_ref().map_or(Json::Null, seal)),
            ("witnessed", witnessed),
            (
                "restricted",
                self.restricted.as_ref().map_or(Json::Null, restricted),
            ),
            (
                "kinds",
                Json::object(self.kinds.iter().map(|(kind, n)| (*kind, Json::Number(*n)))),
            ),
            (
                "open",
                Json::array(self.open.iter().copied().map(Json::Number)),
            ),
            ("attested", Json::array(attested)),
            (
                "outside",
                Json::array(OUTSIDE.iter().map(|line| Json::text(*line))),
            ),
        ])
        .to_string()
    }
}

fn finding(finding: &Finding) -> Json {
    Json::object([
        ("index", finding.index.map_or(Json::Null, Json::Number)),
        ("rule", Json::text(finding.rule)),
        ("what", Json::text(finding.what.clone())),
    ])
}

fn restricted(report: &RestrictedReport) -> Json {
    let kinds = report.kinds.iter();
    Json::object([
        ("entries", Json::Number(report.entries)),
        ("findings", Json::array(report.findings.iter().map(finding))),
        ("anchors", Json::Number(report.anchors)),
        (
            "head",
            report.head.map_or(Json::Null, |(size, root)| {
                Json::object([
                    ("size", Json::Number(size)),
                    ("root", Json::text(hex(&root))),
                ])
            }),
        ),
        (
            "kinds",
            Json::object(kinds.map(|(kind, n)| (*kind, Json::Number(*n)))),
        ),
        (
            "open",
            Json::array(report.open.iter().copied().map(Json::Number)),
        ),
    ])
}

fn loss(loss: Loss) -> Json {
    Json::object([
        ("rho", Json::text(loss.rho_decimal())),
        ("delta", Json::text(loss.delta_decimal())),
        ("rho_units", Json::text(loss.rho.to_string())),
        ("delta_units", Json::text(loss.delta.to_string())),
    ])
}

fn names(by: &[String]) -> Json {
    Json::array(by.iter().map(|name| Json::text(name.clone())))
}

fn officer(record: &OfficerRecord) -> Json {
    Json::object([
        ("name", Json::text(record.name.clone())),
        ("public", Json::text(hex(&record.public))),
        ("since", Json::Number(record.since)),
        ("self_named", Json::Bool(record.self_named)),
        ("active", Json::Bool(record.until.is_none())),
        ("until", record.until.map_or(Json::Null, Json::Number)),
    ])
}

fn grant(record: &GrantRecord) -> Json {
    Json::object([
        ("entry", Json::Number(record.entry)),
        ("scope", Json::text(record.scope.clone())),
        ("old", loss(record.old)),
        ("new", loss(record.new)),
        ("approved_by", names(&record.approved_by)),
    ])
}

fn review(record: &ReviewRecord) -> Json {
    Json::object([
        ("entry", Json::Number(record.entry)),
        ("principal", Json::text(record.principal.clone())),
        ("from", Json::Number(record.from)),
        ("to", Json::Number(record.to)),
        ("approved_by", names(&record.approved_by)),
    ])
}

fn incident(record: &IncidentRecord) -> Json {
    Json::object([
        ("entry", Json::Number(record.entry)),
        ("reserve", Json::Number(record.reserve)),
        ("loss", loss(record.loss)),
        ("approved_by", names(&record.approved_by)),
    ])
}

fn accounts(limits: &[(String, Loss)]) -> Json {
    Json::array(limits.iter().map(|(scope, spent)| {
        Json::object([
            ("scope", Json::text(scope.clone())),
            ("spent", loss(*spent)),
        ])
    }))
}

fn opening(record: &OpeningRecord) -> Json {
    Json::object([
        ("origin", Json::text(record.origin.clone())),
        ("size", record.size.map_or(Json::Null, Json::Number)),
        ("read", record.read.map_or(Json::Null, Json::Number)),
        ("spent", loss(record.spent)),
        ("limits", accounts(&record.limits)),
        ("approved_by", names(&record.approved_by)),
        ("compared", Json::Bool(record.compared)),
    ])
}

fn seal(record: &SealRecord) -> Json {
    Json::object([
        ("entry", Json::Number(record.entry)),
        ("successor", Json::text(record.successor.clone())),
        ("public", Json::text(hex(&record.public))),
        ("cap", loss(record.cap)),
        ("spent", loss(record.spent)),
        ("limits", accounts(&record.limits)),
        ("approved_by", names(&record.approved_by)),
    ])
}

pub(crate) fn hex(hash: &Hash) -> String {
    hash.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
