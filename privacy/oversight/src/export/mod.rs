//! The same questions in forms that other programs read.

mod csv;
mod fhir;
mod json;
mod registry;

pub use csv::csv;
pub use fhir::{QUERY_PROFILE, fhir};
pub use json::json;
pub use registry::{Deployment, registry};

use salus_certificate::Mechanism;

/// A mechanism in a few words: `discrete_gaussian persons sigma 50`.
fn mechanism(mechanism: &Mechanism) -> String {
    let sigma = mechanism.sigma.to_decimal_string(3);
    format!(
        "{} {} sigma {}",
        mechanism.kind.name(),
        mechanism.aggregate.name(),
        sigma.trim_end_matches('0').trim_end_matches('.')
    )
}
