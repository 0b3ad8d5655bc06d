//! The policy: what one question may cost. Caps live in the ledger.

use salus_accounting::{AccountingError, Delta, Epsilon, Rho, rho_for_epsilon};
use serde::{Deserialize, Serialize};

/// A policy file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Version of this policy; the ledger records each.
    pub version: u64,
    /// Most that one question may cost, as the epsilon it is shown with.
    pub query_max_epsilon: String,
    /// What a question costs when the analyst names no price.
    pub query_default_epsilon: String,
}

impl Policy {
    /// The policy that `salus init` writes.
    pub fn default_yaml() -> &'static str {
        "# Salus policy. Each version is recorded in the ledger.\n\
         version: 1\n\
         # Most that one question may cost, as the epsilon it is shown with.\n\
         query_max_epsilon: \"10\"\n\
         # What a question costs when the analyst names no price.\n\
         query_default_epsilon: \"0.1\"\n"
    }

    /// Reads and validates a policy.
    pub fn parse(yaml: &str) -> Result<Self, String> {
        let policy: Self = serde_yaml_ng::from_str(yaml).map_err(|e| e.to_string())?;
        for (name, epsilon) in [
            ("query_max_epsilon", &policy.query_max_epsilon),
            ("query_default_epsilon", &policy.query_default_epsilon),
        ] {
            Epsilon::parse(epsilon).map_err(|e| format!("{name}: {e}"))?;
        }
        Ok(policy)
    }

    /// The maximum in rho.
    pub fn query_max_rho(&self, conversion_delta: Delta) -> Result<Rho, AccountingError> {
        Ok(rho_for_epsilon(
            &Epsilon::parse(&self.query_max_epsilon)?,
            conversion_delta,
        ))
    }

    /// The default price in rho.
    pub fn query_default_rho(&self, conversion_delta: Delta) -> Result<Rho, AccountingError> {
        Ok(rho_for_epsilon(
            &Epsilon::parse(&self.query_default_epsilon)?,
            conversion_delta,
        ))
    }
}
