//! Forms for other programs: exact figures, and what profiles and registries demand.

#![allow(missing_docs, reason = "tests")]

mod support;

use base64::Engine as _;
use salus_oversight::{Deployment, QUERY_PROFILE, csv, fhir, json, questions, registry};
use serde_json::Value;
use support::markup::records;
use support::{Log, eventful, loss};

#[test]
fn the_table_has_exact_units() {
    let log = eventful();
    let all = questions(&log.entries);
    let records = records(&csv(&all));
    let column = |name: &str| records[0].iter().position(|cell| cell == name).unwrap();
    let answered = &records[1];
    assert_eq!(
        answered[column("rho_units")],
        loss("0.1").rho.units().to_string()
    );
    assert_eq!(
        answered[column("incident_rho_units")],
        loss("0.01").rho.units().to_string()
    );
    assert_eq!(answered[column("outcome")], "answered");
    assert_eq!(
        answered[column("mechanisms")],
        "discrete_gaussian persons sigma 12.5; discrete_laplace persons sigma 12.5"
    );
    assert_eq!(records[3][column("rule")], "S2");
    let spent: u64 = records[1..]
        .iter()
        .flat_map(|record| {
            [
                &record[column("rho_units")],
                &record[column("incident_rho_units")],
            ]
        })
        .map(|cell| cell.parse::<u64>().unwrap())
        .sum();
    assert_eq!(spent, log.spent.rho.units());
    // A selection is written as well.
    assert_eq!(
        csv(all.iter().filter(|question| question.principal == "p-ada"))
            .lines()
            .count(),
        4
    );
}

#[test]
fn the_document_has_exact_units_too() {
    let log = eventful();
    let all = questions(&log.entries);
    let document = json(&log.entries, &all);
    assert_eq!(document["origin"], "riverside.example/ledger");
    assert_eq!(document["questions"].as_array().unwrap().len(), all.len());
    let first = &document["questions"][0];
    assert_eq!(
        first["loss"]["rho_units"],
        loss("0.1").rho.units().to_string()
    );
    assert_eq!(first["purse"]["cap"]["rho"], "1");
    assert_eq!(document["questions"][1]["outcome"]["paid_by"], 6);
    assert_eq!(document["questions"][2]["outcome"]["rule"], "S2");
    assert_eq!(json(&[], &[])["origin"], Value::Null);
}

/// What the Query profile of IHE BALP 1.1.4 demands (IHE.BasicAudit.Query), and FHIR R4 of each AuditEvent.
fn conforms(event: &Value) {
    assert_eq!(event["resourceType"], "AuditEvent");
    assert_eq!(event["type"]["code"], "rest");
    assert_eq!(event["subtype"][0]["code"], "search");
    assert_eq!(event["action"], "E");
    assert!(event["recorded"].as_str().unwrap().ends_with('Z'));
    let agents = event["agent"].as_array().unwrap();
    let of = |code: &str| {
        let own: Vec<&Value> = agents
            .iter()
            .filter(|agent| agent["type"]["coding"][0]["code"] == code)
            .collect();
        assert_eq!(own.len(), 1, "{code}");
        own[0]
    };
    for code in ["110153", "110152"] {
        let agent = of(code);
        assert!(
            agent["who"].is_object() && agent["network"].is_object() && agent["media"].is_null()
        );
        assert_eq!(agent["requestor"], false);
    }
    let user = of("IRCP");
    assert_eq!(user["requestor"], true);
    assert!(user["who"].is_object() && user["network"].is_null() && user["media"].is_null());
    assert!(event["source"]["observer"].is_object());
    let entities = event["entity"].as_array().unwrap();
    let queries: Vec<&Value> = entities
        .iter()
        .filter(|entity| entity["type"]["code"] == "2")
        .collect();
    assert_eq!(queries.len(), 1);
    let query = queries[0];
    assert_eq!(query["role"]["code"], "24");
    for absent in ["what", "lifecycle", "detail", "name"] {
        assert!(query[absent].is_null(), "{absent}");
    }
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(query["query"].as_str().unwrap())
        .unwrap();
    assert!(decoded.starts_with(b"sha256:") && decoded.len() == 7 + 64);
    for entity in entities {
        // sev-1: a name or a query, not both.
        assert!(entity["name"].is_null() || entity["query"].is_null());
        for detail in entity["detail"].as_array().into_iter().flatten() {
            assert!(!detail["type"].as_str().unwrap().is_empty());
            assert!(!detail["valueString"].as_str().unwrap().is_empty());
        }
    }
    // The profile is for queries that succeeded.
    let claims = event["meta"]["profile"][0] == QUERY_PROFILE;
    assert_eq!(claims, event["outcome"] == "0");
}

#[test]
fn audit_events_follow_the_profile() {
    let log = eventful();
    let all = questions(&log.entries);
    let bundle = fhir(&log.entries, &all);
    assert_eq!(
        (&bundle["resourceType"], &bundle["type"]),
        (&"Bundle".into(), &"collection".into())
    );
    let events = bundle["entry"].as_array().unwrap();
    assert_eq!(events.len(), all.len());
    for entry in events {
        conforms(&entry["resource"]);
        let url = entry["fullUrl"].as_str().unwrap();
        assert!(url.ends_with(entry["resource"]["id"].as_str().unwrap()));
    }
    let outcomes: Vec<&Value> = events
        .iter()
        .map(|entry| &entry["resource"]["outcome"])
        .collect();
    assert_eq!(
        outcomes,
        [
            &Value::from("0"),
            &"0".into(),
            &"4".into(),
            &"4".into(),
            &"8".into(),
            &"4".into(),
            &Value::Null
        ]
    );
    let first = &events[0]["resource"];
    assert_eq!(first["purposeOfEvent"][0]["coding"][0]["code"], "HRESCH");
    let details = first["entity"][1]["detail"].as_array().unwrap();
    let rho = details
        .iter()
        .find(|detail| detail["type"] == "rho in units of 2^-40")
        .unwrap();
    assert_eq!(rho["valueString"], loss("0.1").rho.units().to_string());
    // A purpose that the code system does not have is text.
    let mut odd = Log::new();
    odd.answered("p", "CURIOSITY", loss("0.1"));
    let event = &fhir(&odd.entries, &questions(&odd.entries))["entry"][0]["resource"];
    assert_eq!(
        event["purposeOfEvent"],
        serde_json::json!([{"text": "CURIOSITY"}])
    );
    // Names may be missing, strings may not.
    let mut empty = Log::new();
    empty.answered("", "", loss("0.1"));
    conforms(&fhir(&empty.entries, &questions(&empty.entries))["entry"][0]["resource"]);
}

#[test]
fn the_registry_record_says_what_is_not_known() {
    let log = eventful();
    let yaml = registry(&log.entries, &Deployment::default()).unwrap();
    assert!(yaml.starts_with("# Draft for the OpenDP deployments registry"));
    assert!(
        yaml.contains("# Not known from the ledger: the curator, the curator's kind, "),
        "{yaml}"
    );
    let read: serde_yaml_ng::Value = serde_yaml_ng::from_str(&yaml).unwrap();
    let deployment = &read["deployment"];
    assert!(
        deployment["basic"]["data_curators"][0]["data_curator_name"]
            .as_str()
            .unwrap()
            .starts_with("NOT KNOWN")
    );
    assert_eq!(
        deployment["basic"]["publication_date"].as_str(),
        Some("2026-01-01")
    );
    assert_eq!(
        deployment["dp_variant"]["variant_name"].as_str(),
        Some("Zero-concentrated DP")
    );
    assert_eq!(
        deployment["privacy_loss"]["privacy_unit"].as_str(),
        Some("Person-level")
    );
    assert_eq!(
        deployment["privacy_loss"]["privacy_parameters"]["rho"].as_f64(),
        Some(2.0)
    );
    assert!(
        deployment["privacy_loss"]["privacy_parameters"]["epsilon"]
            .as_f64()
            .unwrap()
            > 1.0
    );
    assert_eq!(
        deployment["deployment_model"]["access_type"].as_str(),
        Some("Interactive")
    );
    // For readers of YAML 1.1, of whom the registry is one.
    assert!(
        yaml.contains("\n    publication_date: '2026-01-01'\n"),
        "{yaml}"
    );
    assert!(yaml.contains("\n      delta: 1.0e-6\n"), "{yaml}");
    assert_eq!(
        deployment["administrative"]["status"].as_str(),
        Some("Draft")
    );
    assert!(
        deployment["implementation"]["mechanisms"]
            .as_str()
            .unwrap()
            .contains("discrete_gaussian of persons: 1 released")
    );

    let said = Deployment {
        name: Some("Riverside statistics".into()),
        curator: Some("Riverside Hospital".into()),
        curator_type: Some("Nonprofit".into()),
        description: Some("d".into()),
        intended_use: Some("u".into()),
        region: Some("Riverside".into()),
        sector: None,
        evidence: Some(("Ledger".into(), "https://riverside.example/ledger".into())),
        authors: vec!["Officer".into()],
    };
    let yaml = registry(&log.entries, &said).unwrap();
    assert!(!yaml.contains("# Not known from the ledger"), "{yaml}");
    assert!(yaml.contains("url_slug: riverside-statistics-riverside-hospital"));
    assert!(registry(&[], &said).unwrap().contains("no genesis"));
}
