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
    /// Most delta that one question may cost.
    #[serde(default = "query_max_delta")]
    pub query_max_delta: String,
    /// What a question about keys that are not public costs in delta when the analyst names no price.
    #[serde(default = "query_default_delta")]
    pub query_default_delta: String,
    /// Persons that a group must have to be answered, where its key is not public.
    #[serde(default = "minimum_persons")]
    pub minimum_persons: u64,
}

fn query_max_delta() -> String {
    "1e-7".to_owned()
}

fn query_default_delta() -> String {
    "1e-8".to_owned()
}

fn minimum_persons() -> u64 {
    5
}

impl Policy {
    /// The policy that `salus init` writes.
    pub fn default_yaml() -> &'static str {
        "# Salus policy. Each version is recorded in the ledger.\n\
         version: 1\n\
         # Most that one question may cost, as the epsilon it is shown with.\n\
         query_max_epsilon: \"10\"\n\
         # What a question costs when the analyst names no price.\n\
         query_default_epsilon: \"0.1\"\n\
         # Most delta that one question may cost, and what one about keys that are not public costs when none is named.\n\
         query_max_delta: \"1e-7\"\n\
         query_default_delta: \"1e-8\"\n\
         # Persons that a group must have to be answered, where its key is not public.\n\
         minimum_persons: 5\n"
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
        for (name, delta) in [
            ("query_max_delta", &policy.query_max_delta),
            ("query_default_delta", &policy.query_default_delta),
        ] {
            Delta::parse_floor(delta).map_err(|e| format!("{name}: {e}"))?;
        }
        if policy.minimum_persons == 0 {
            return Err("minimum_persons: at least 1".to_owned());
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

    /// Most and usual delta of a question.
    pub fn query_deltas(&self) -> Result<(Delta, Delta), AccountingError> {
        let most = Delta::parse_floor(&self.query_max_delta)?;
        let usual = Delta::parse_floor(&self.query_default_delta)?;
        Ok((most, usual.min(most)))
    }

    /// The default price in rho.
    pub fn query_default_rho(&self, conversion_delta: Delta) -> Result<Rho, AccountingError> {
        Ok(rho_for_epsilon(
            &Epsilon::parse(&self.query_default_epsilon)?,
            conversion_delta,
        ))
    }
}
