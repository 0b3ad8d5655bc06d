//! The policy: what one question may cost, and how the purse is shared out. The lifetime cap lives in the ledger's genesis.

use salus_accounting::{AccountingError, Delta, Epsilon, Loss, Rho, rho_for_epsilon};
use salus_lake::Catalog;
use salus_ledger::Fact;
use salus_ledger::entry::{Limit, Share};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::books::DATASET;
use crate::purpose::PURPOSES;

/// A policy file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Number of this policy; each has a higher one than that before it.
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
    /// Answers leave only at multiples of so many milliseconds after the question came, so that their time tells little of the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_grid_milliseconds: Option<u64>,
    /// Caps below the lifetime cap.
    #[serde(default)]
    pub limits: Vec<LimitRule>,
}

/// A limit as a policy file states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitRule {
    /// `analyst`, `dataset`, `purpose` or `space`.
    pub of: String,
    /// Whose limit it is; without a name, each one's who has none of her own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Length of its periods in days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u64>,
    /// Length of its periods in hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<u64>,
    /// Most that it lets through, as the epsilon it is shown with.
    pub epsilon: String,
    /// Most delta that it lets through; what the lifetime cap holds when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<String>,
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
        include_str!("policy.yaml")
    }

    /// Reads and validates a policy.
    ///
    /// # Errors
    ///
    /// The field and what is wrong with it.
    pub fn parse(yaml: &str) -> Result<Self, String> {
        let policy: Self = serde_yaml_ng::from_str(yaml).map_err(|e| e.to_string())?;
        let epsilon =
            |name: &str, text: &str| Epsilon::parse(text).map_err(|e| format!("{name}: {e}"));
        epsilon("query_max_epsilon", &policy.query_max_epsilon)?;
        epsilon("query_default_epsilon", &policy.query_default_epsilon)?;
        for (name, delta) in [
            ("query_max_delta", &policy.query_max_delta),
            ("query_default_delta", &policy.query_default_delta),
        ] {
            Delta::parse_floor(delta).map_err(|e| format!("{name}: {e}"))?;
        }
        if policy
            .answer_grid_milliseconds
            .is_some_and(|grid| !(1..=3_600_000).contains(&grid))
        {
            return Err("answer_grid_milliseconds: from 1 to 3600000".to_owned());
        }
        if policy.minimum_persons == 0 {
            return Err("minimum_persons: at least 1".to_owned());
        }
        // Losses do not matter to whether the limits can stand beside each other.
        let limits = policy.limits(Delta::ONE, &str::to_owned)?;
        Limit::check(&limits).map_err(|what| format!("limits: {what}"))?;
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

    /// The default price in rho, which is no dearer than the maximum.
    pub fn query_default_rho(&self, conversion_delta: Delta) -> Result<Rho, AccountingError> {
        let usual = Epsilon::parse(&self.query_default_epsilon)?;
        let most = self.query_max_rho(conversion_delta)?;
        Ok(rho_for_epsilon(&usual, conversion_delta).min(most))
    }

    /// What the ledger records of the policy whose file reads `yaml`. Analysts stand in the ledger under the name that `pseudonym` gives them.
    ///
    /// # Errors
    ///
    /// The field and what is wrong with it.
    pub fn fact(
        &self,
        yaml: &str,
        conversion_delta: Delta,
        pseudonym: &dyn Fn(&str) -> String,
    ) -> Result<Fact, String> {
        let query_rho = self.query_max_rho(conversion_delta);
        Ok(Fact::Policy {
            version: self.version,
            sha256: Sha256::digest(yaml.as_bytes()).into(),
            query_rho: query_rho.map_err(|e| format!("query_max_epsilon: {e}"))?,
            limits: self.limits(conversion_delta, pseudonym)?,
        })
    }

    /// Whether each dataset that a limit names is the lake or a part of it.
    ///
    /// # Errors
    ///
    /// The limit and the names there are.
    pub fn check_datasets(&self, catalog: &Catalog) -> Result<(), String> {
        for (n, rule) in self.limits.iter().enumerate() {
            let of_dataset = Share::from_name(&rule.of) == Some(Share::Dataset);
            if let Some(name) = rule.name.as_ref().filter(|_| of_dataset) {
                check_dataset(name, catalog)
                    .map_err(|what| format!("limits, number {}: {what}", n + 1))?;
            }
        }
        Ok(())
    }

    fn limits(
        &self,
        conversion_delta: Delta,
        pseudonym: &dyn Fn(&str) -> String,
    ) -> Result<Vec<Limit>, String> {
        let read = |(n, rule): (usize, &LimitRule)| {
            rule.read(conversion_delta, pseudonym)
                .map_err(|what| format!("limits, number {}: {what}", n + 1))
        };
        self.limits.iter().enumerate().map(read).collect()
    }
}

/// The name under which the ledger counts `name` of this share, which is one that occurs.
///
/// # Errors
///
/// Which names there are.
pub fn limited(
    of: Share,
    name: &str,
    catalog: &Catalog,
    pseudonym: &dyn Fn(&str) -> String,
) -> Result<String, String> {
    if of == Share::Dataset {
        check_dataset(name, catalog)?;
    }
    named(of, name, pseudonym)
}

fn check_dataset(name: &str, catalog: &Catalog) -> Result<(), String> {
    if name == DATASET || catalog.datasets.contains_key(name) {
        return Ok(());
    }
    let parts = catalog.datasets.keys().map(|part| format!(", {part:?}"));
    let parts: String = parts.collect();
    Err(format!(
        "name: {name:?} never occurs; use {DATASET:?}{parts}; catalog.yaml says what they are"
    ))
}

/// The name under which the ledger counts. A limit for a name that never occurs would limit nothing.
fn named(of: Share, name: &str, pseudonym: &dyn Fn(&str) -> String) -> Result<String, String> {
    let unknown = |known: &str| Err(format!("name: {name:?} never occurs; use {known}"));
    match of {
        Share::Analyst if name.trim().is_empty() || name.trim() != name => {
            unknown("a user's name without blanks around it")
        }
        Share::Analyst => Ok(pseudonym(name)),
        Share::Purpose if !PURPOSES.contains(&name) => {
            unknown(&format!("one of {}", PURPOSES.join(", ")))
        }
        Share::Purpose | Share::Dataset | Share::Space => Ok(name.to_owned()),
    }
}

impl LimitRule {
    fn read(
        &self,
        conversion_delta: Delta,
        pseudonym: &dyn Fn(&str) -> String,
    ) -> Result<Limit, String> {
        let of = Share::from_name(&self.of).ok_or_else(|| {
            format!(
                "of: {:?} is none of analyst, dataset, purpose, space",
                self.of
            )
        })?;
        let seconds = match (self.days, self.hours) {
            (None, None) => None,
            (Some(days), None) => Some(days.checked_mul(86_400).ok_or("days: too many")?),
            (None, Some(hours)) => Some(hours.checked_mul(3_600).ok_or("hours: too many")?),
            (Some(_), Some(_)) => return Err("days and hours: only one of them".to_owned()),
        };
        let epsilon = Epsilon::parse(&self.epsilon).map_err(|e| format!("epsilon: {e}"))?;
        // The smallest losses are shown as epsilon 0 as well; a limit of 0 is closed, and lets none through.
        let rho = if epsilon == Epsilon::ZERO {
            Rho::ZERO
        } else {
            rho_for_epsilon(&epsilon, conversion_delta)
        };
        let delta = self
            .delta
            .as_deref()
            .map_or(Ok(Delta::ONE), Delta::parse_floor);
        Ok(Limit {
            of,
            name: self
                .name
                .as_deref()
                .map(|name| named(of, name, pseudonym))
                .transpose()?,
            seconds,
            cap: Loss {
                rho,
                delta: delta.map_err(|e| format!("delta: {e}"))?,
            },
        })
    }
}
