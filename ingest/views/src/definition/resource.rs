//! Names of resource types, to tell a misspelt one.
//!
//! A name that is not listed may be of another version of FHIR. One that is almost a listed one is
//! a mistake: it would give an empty table.

/// The resource types of FHIR R4 with names long enough to be misspelt.
const TYPES: &[&str] = &[
    "Account",
    "ActivityDefinition",
    "AdverseEvent",
    "AllergyIntolerance",
    "Appointment",
    "AppointmentResponse",
    "AuditEvent",
    "Binary",
    "BodyStructure",
    "Bundle",
    "CapabilityStatement",
    "CarePlan",
    "CareTeam",
    "ChargeItem",
    "ClaimResponse",
    "ClinicalImpression",
    "CodeSystem",
    "Communication",
    "CommunicationRequest",
    "Composition",
    "ConceptMap",
    "Condition",
    "Consent",
    "Contract",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "DetectedIssue",
    "Device",
    "DeviceDefinition",
    "DeviceMetric",
    "DeviceRequest",
    "DeviceUseStatement",
    "DiagnosticReport",
    "DocumentManifest",
    "DocumentReference",
    "Encounter",
    "Endpoint",
    "EnrollmentRequest",
    "EnrollmentResponse",
    "EpisodeOfCare",
    "ExplanationOfBenefit",
    "FamilyMemberHistory",
    "GuidanceResponse",
    "HealthcareService",
    "ImagingStudy",
    "Immunization",
    "ImmunizationEvaluation",
    "ImmunizationRecommendation",
    "InsurancePlan",
    "Invoice",
    "Library",
    "Location",
    "Measure",
    "MeasureReport",
    "Medication",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationKnowledge",
    "MedicationRequest",
    "MedicationStatement",
    "MolecularSequence",
    "NutritionOrder",
    "Observation",
    "OperationOutcome",
    "Organization",
    "OrganizationAffiliation",
    "Parameters",
    "Patient",
    "PaymentNotice",
    "PaymentReconciliation",
    "Person",
    "PlanDefinition",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "Questionnaire",
    "QuestionnaireResponse",
    "RelatedPerson",
    "RequestGroup",
    "ResearchStudy",
    "ResearchSubject",
    "RiskAssessment",
    "Schedule",
    "ServiceRequest",
    "Specimen",
    "StructureDefinition",
    "Subscription",
    "Substance",
    "SupplyDelivery",
    "SupplyRequest",
    "TestReport",
    "TestScript",
    "ValueSet",
    "VisionPrescription",
];

/// The resource type that a name is almost.
pub(super) fn almost(name: &str) -> Option<&'static str> {
    if TYPES.contains(&name) {
        return None;
    }
    let near = |known: &&&str| {
        let apart = strsim::osa_distance(&known.to_lowercase(), &name.to_lowercase());
        apart <= if known.len() < 8 { 1 } else { 2 }
    };
    TYPES.iter().find(near).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_types_are_told_from_unknown_ones() {
        assert_eq!(almost("Pateint"), Some("Patient"));
        assert_eq!(almost("Observations"), Some("Observation"));
        assert_eq!(almost("Questionaire"), Some("Questionnaire"));
        assert_eq!(almost("Medicationrequest"), Some("MedicationRequest"));
        for known in TYPES {
            assert_eq!(almost(known), None);
        }
        // Types of other versions.
        for other in [
            "ActorDefinition",
            "ArtifactAssessment",
            "Basic",
            "BiologicallyDerivedProduct",
            "CatalogEntry",
            "ChargeItemDefinition",
            "Citation",
            "Claim",
            "ClinicalUseDefinition",
            "ConditionDefinition",
            "DeviceAlert",
            "DeviceAssociation",
            "DeviceDispense",
            "DeviceUsage",
            "EncounterHistory",
            "EventDefinition",
            "Evidence",
            "EvidenceReport",
            "EvidenceVariable",
            "ExampleScenario",
            "Flag",
            "FormularyItem",
            "GenomicStudy",
            "Goal",
            "GraphDefinition",
            "Group",
            "ImagingSelection",
            "ImplementationGuide",
            "Ingredient",
            "InventoryItem",
            "InventoryReport",
            "Linkage",
            "List",
            "ManufacturedItemDefinition",
            "Media",
            "MedicinalProductDefinition",
            "MessageDefinition",
            "MessageHeader",
            "NamingSystem",
            "NutritionIntake",
            "NutritionProduct",
            "ObservationDefinition",
            "OperationDefinition",
            "PackagedProductDefinition",
            "Permission",
            "PersonalRelationship",
            "RegulatedAuthorization",
            "RequestOrchestration",
            "Requirements",
            "ResearchDefinition",
            "SearchParameter",
            "Sequence",
            "Slot",
            "SpecimenDefinition",
            "StructureMap",
            "SubscriptionStatus",
            "SubscriptionTopic",
            "SubstanceDefinition",
            "SubstanceProtein",
            "Task",
            "TerminologyCapabilities",
            "TestPlan",
            "Transport",
            "VerificationResult",
            "ViewDefinition",
        ] {
            assert_eq!(almost(other), None, "{other}");
        }
    }
}
