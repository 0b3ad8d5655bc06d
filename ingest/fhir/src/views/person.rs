//! Which types of resources are about one person, and where they name her.
//!
//! <https://hl7.org/fhir/R4/compartmentdefinition-patient.html>, as far as one element names the one patient.

/// The types whose `subject` or `patient` it is.
const BY_SUBJECT: [&str; 57] = [
    "Account",
    "AdverseEvent",
    "AllergyIntolerance",
    "Basic",
    "BodyStructure",
    "CarePlan",
    "CareTeam",
    "ChargeItem",
    "Claim",
    "ClaimResponse",
    "ClinicalImpression",
    "Communication",
    "CommunicationRequest",
    "Composition",
    "Condition",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "DetectedIssue",
    "Device",
    "DeviceRequest",
    "DeviceUseStatement",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "EpisodeOfCare",
    "ExplanationOfBenefit",
    "FamilyMemberHistory",
    "Flag",
    "Goal",
    "GuidanceResponse",
    "ImagingStudy",
    "Immunization",
    "ImmunizationEvaluation",
    "ImmunizationRecommendation",
    "Invoice",
    "List",
    "MeasureReport",
    "Media",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "MedicationStatement",
    "MolecularSequence",
    "NutritionOrder",
    "Observation",
    "Procedure",
    "QuestionnaireResponse",
    "RelatedPerson",
    "RequestGroup",
    "RequestOrchestration",
    "RiskAssessment",
    "ServiceRequest",
    "Specimen",
    "SupplyDelivery",
    "SupplyRequest",
    "VisionPrescription",
    "Transport",
];

/// The types that name her elsewhere.
const ELSEWHERE: [(&str, &str); 4] = [
    ("Coverage", "beneficiary"),
    ("EnrollmentRequest", "candidate"),
    ("ResearchSubject", "individual"),
    ("Task", "for"),
];

/// Whether resources of this type are about one person, so that a view of them can fill a table.
pub(crate) fn is_about_person(kind: &str) -> bool {
    kind == "Patient"
        || BY_SUBJECT.contains(&kind)
        || ELSEWHERE.iter().any(|(known, _)| *known == kind)
}

/// Whether `member` of a resource of type `kind` names its person, beside `subject` and `patient`.
pub(crate) fn names_person(kind: &str, member: &str) -> bool {
    ELSEWHERE.contains(&(kind, member))
}
