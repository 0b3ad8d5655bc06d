//! The layout of a record: names and nesting are the registry's.

#![allow(clippy::struct_field_names, reason = "the registry's names")]

use std::collections::BTreeMap;

use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Record {
    pub(super) url_slug: String,
    pub(super) deployment: Tiers,
}

#[derive(Serialize)]
pub(super) struct Tiers {
    pub(super) basic: Basic,
    pub(super) dp_variant: Variant,
    pub(super) privacy_loss: PrivacyLoss,
    pub(super) deployment_model: Model,
    pub(super) implementation: Implementation,
    pub(super) administrative: Administrative,
}

#[derive(Serialize)]
pub(super) struct Basic {
    pub(super) name: String,
    pub(super) data_curators: Vec<Curator>,
    pub(super) description: String,
    pub(super) intended_use: String,
    pub(super) data_product_type: String,
    pub(super) data_product_region: String,
    pub(super) data_product_sector: String,
    pub(super) publication_date: String,
}

#[derive(Serialize)]
pub(super) struct Curator {
    pub(super) data_curator_name: String,
    pub(super) data_curator_type: String,
}

#[derive(Serialize)]
pub(super) struct Variant {
    pub(super) variant_name: String,
    pub(super) data_domain: String,
    pub(super) unprotected_quantities: String,
}

#[derive(Serialize)]
pub(super) struct PrivacyLoss {
    pub(super) privacy_unit: String,
    pub(super) privacy_unit_details: String,
    pub(super) privacy_parameters: Parameters,
    pub(super) privacy_parameters_details: String,
}

/// Numbers as the registry wants them; the exact units stand in the details beside them.
#[derive(Serialize)]
pub(super) struct Parameters {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) epsilon: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rho: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delta: Option<f64>,
}

#[derive(Serialize)]
pub(super) struct Model {
    pub(super) model_name: String,
    pub(super) actors: String,
    pub(super) release_type: String,
    pub(super) release_type_details: String,
    pub(super) data_source_type: String,
    pub(super) data_source_type_details: String,
    pub(super) access_type: String,
    pub(super) access_type_details: String,
}

#[derive(Serialize)]
pub(super) struct Implementation {
    pub(super) preprocessing_and_hyperparameter_tuning: String,
    pub(super) mechanisms: String,
    pub(super) composition: String,
    pub(super) post_processing: String,
    pub(super) justification: String,
}

#[derive(Serialize)]
pub(super) struct Administrative {
    pub(super) evidence_sources: BTreeMap<String, Evidence>,
    pub(super) status: String,
    pub(super) registry_authors: Vec<String>,
    pub(super) tier: u8,
}

#[derive(Serialize)]
pub(super) struct Evidence {
    pub(super) evidence_source_type: String,
    pub(super) citation: Citation,
}

#[derive(Serialize)]
pub(super) struct Citation {
    pub(super) title: String,
    pub(super) url: String,
}
