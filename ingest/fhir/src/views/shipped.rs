//! The tables that ship, said as views.
//!
//! The tables are filled by extractors that are compiled (see `resource`), which do the same several times as fast. A test
//! compares both over real exports; `docs/views.md` names the columns in which they differ, and why.

/// The definition of a table that ships, JSON.
pub fn shipped_view(table: &str) -> Option<&'static str> {
    Some(match table {
        "patient" => include_str!("../../views/shipped/patient.json"),
        "encounter" => include_str!("../../views/shipped/encounter.json"),
        "condition" => include_str!("../../views/shipped/condition.json"),
        "observation" => include_str!("../../views/shipped/observation.json"),
        "observation_component" => include_str!("../../views/shipped/observation_component.json"),
        "medication_request" => include_str!("../../views/shipped/medication_request.json"),
        "procedure" => include_str!("../../views/shipped/procedure.json"),
        "immunization" => include_str!("../../views/shipped/immunization.json"),
        "allergy_intolerance" => include_str!("../../views/shipped/allergy_intolerance.json"),
        "diagnostic_report" => include_str!("../../views/shipped/diagnostic_report.json"),
        _ => return None,
    })
}
