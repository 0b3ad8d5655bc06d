//! A record for the OpenDP registry of differential privacy deployments, one YAML document in the layout of its data,
//! `opendp/deployments-registry-data` on GitHub.
//!
//! The ledger knows the loss, its unit, the mechanisms and the dates. It knows neither who runs it nor what for, so that much has to be said by the
//! curator, in [`Deployment`]; what is not said is marked as unknown in the record, and listed at its head.

mod layout;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use salus_accounting::{Delta, Loss};
use salus_ledger::{Body, StoredEntry};

use layout::{
    Administrative, Basic, Citation, Curator, Evidence, Implementation, Model, Parameters,
    PrivacyLoss, Record, Tiers, Variant,
};

use crate::books::{Books, shown_delta, shown_epsilon};
use crate::burn_down::{Share, burn_down_of};
use crate::question::{OutcomeKind, of_books};
use crate::time::day;

/// What a ledger cannot know about the deployment. Everything may be left out, and is then marked as unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployment {
    /// Name of the data product.
    pub name: Option<String>,
    /// Who publishes it.
    pub curator: Option<String>,
    /// What kind of body that is; the registry has `Government`, `Industry`, `Nonprofit` and others.
    pub curator_type: Option<String>,
    /// What it is, in a few sentences.
    pub description: Option<String>,
    /// What it is meant for.
    pub intended_use: Option<String>,
    /// Which region the data describe.
    pub region: Option<String>,
    /// The registry has `Healthcare`, among others; that is taken where nothing is said.
    pub sector: Option<String>,
    /// Where evidence can be found: title and address.
    pub evidence: Option<(String, String)>,
    /// Who fills in the record.
    pub authors: Vec<String>,
}

const NOT_PUBLISHED: &str = "NOT PUBLISHED, for no question has been answered";
const UNKNOWN: &str = "NOT KNOWN FROM THE LEDGER: to be filled in by the curator";

/// The record, as a draft. Its privacy parameters are the cap in force: what all answers together may ever cost while it stands.
///
/// # Errors
///
/// As `serde_yaml_ng` writes: none are known for texts and numbers.
pub fn registry(
    log: &[StoredEntry],
    deployment: &Deployment,
) -> Result<String, serde_yaml_ng::Error> {
    let facts = Facts::of(log);
    let mut unknown = Vec::new();
    let record = record(&facts, deployment, &mut unknown);
    let yaml = for_yaml_1_1(&serde_yaml_ng::to_string(&record)?);
    Ok(format!("{}\n{yaml}", head(&facts, &unknown)))
}

/// The registry's tools read YAML 1.1, in which a bare date is no text and `1e-6` is no number. Keys of the record stand four and six spaces deep, and
/// texts of several lines deeper than their key, so no text can be taken for either.
fn for_yaml_1_1(yaml: &str) -> String {
    let mut among_parameters = false;
    let mut text = String::with_capacity(yaml.len());
    for line in yaml.lines() {
        if line.starts_with("    ") && !line.starts_with("     ") {
            among_parameters = line == "    privacy_parameters:";
        }
        match line.split_once(": ") {
            Some(("    publication_date", date)) if !date.starts_with('\'') => {
                let _ = write!(text, "    publication_date: '{date}'");
            }
            Some((name, number)) if among_parameters && !number.contains('.') => {
                let _ = write!(text, "{name}: {}", number.replacen('e', ".0e", 1));
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

fn head(facts: &Facts, unknown: &[&str]) -> String {
    let mut lines = vec![
        "# Draft for the OpenDP deployments registry, made from a Salus ledger.".to_owned(),
        "# From the ledger, and recomputed by salus-audit: parameters, unit, mechanisms, composition, counts.".to_owned(),
        "# Attested only: times, that the bounds of each certificate were executed, that there is no second ledger.".to_owned(),
    ];
    if !unknown.is_empty() {
        lines.push(format!(
            "# Not known from the ledger: {}.",
            unknown.join(", ")
        ));
    }
    if facts.space.is_empty() {
        lines.push("# The list of entries has no genesis: no parameter can be stated.".to_owned());
    }
    lines.join("\n")
}

/// What the ledger says.
struct Facts {
    space: String,
    units: Vec<String>,
    datasets: Vec<String>,
    cap: Loss,
    ceiling: Loss,
    spent: Loss,
    conversion: Delta,
    first: Option<u64>,
    last: Option<u64>,
    snapshots: u64,
    outcomes: BTreeMap<OutcomeKind, u64>,
    mechanisms: BTreeMap<String, u64>,
    with_threshold: bool,
    limits: usize,
}

impl Facts {
    fn of(log: &[StoredEntry]) -> Self {
        let books = Books::of(log);
        let purse = burn_down_of(log, &Share::Purse);
        let mut facts = Self {
            space: books
                .genesis()
                .map_or_else(String::new, |genesis| genesis.space.clone()),
            units: Vec::new(),
            datasets: Vec::new(),
            cap: purse.cap(),
            ceiling: books
                .genesis()
                .map(|genesis| genesis.ceiling)
                .unwrap_or_default(),
            spent: purse.spent(),
            conversion: books.conversion(),
            first: None,
            last: None,
            snapshots: 0,
            outcomes: BTreeMap::new(),
            mechanisms: BTreeMap::new(),
            with_threshold: false,
            limits: 0,
        };
        for stored in log {
            match &stored.entry.body {
                Body::Dataset(dataset) => {
                    facts.datasets.push(dataset.dataset.clone());
                    facts.units.push(dataset.unit.clone());
                }
                Body::Snapshot(_) => facts.snapshots = facts.snapshots.saturating_add(1),
                Body::Policy(policy) => facts.limits = policy.limits.len(),
                _ => {}
            }
        }
        for question in of_books(&books) {
            let kind = question.outcome.kind();
            count(facts.outcomes.entry(kind).or_default());
            if kind == OutcomeKind::Answered {
                facts.first = facts.first.or(Some(question.time));
                facts.last = Some(question.time);
                for mechanism in &question.mechanisms {
                    let name = format!(
                        "{} of {}",
                        mechanism.kind.name(),
                        mechanism.aggregate.name()
                    );
                    count(facts.mechanisms.entry(name).or_default());
                    facts.with_threshold |= mechanism.threshold.is_some();
                }
            }
        }
        facts
    }

    fn number(&self, kind: OutcomeKind) -> u64 {
        self.outcomes.get(&kind).copied().unwrap_or_default()
    }
}

fn count(number: &mut u64) {
    *number = number.saturating_add(1);
}

fn record(facts: &Facts, said: &Deployment, unknown: &mut Vec<&'static str>) -> Record {
    let mut or_unknown = |value: &Option<String>, name: &'static str| {
        value.clone().unwrap_or_else(|| {
            unknown.push(name);
            UNKNOWN.to_owned()
        })
    };
    let name = said
        .name
        .clone()
        .unwrap_or_else(|| format!("Questions to {}", facts.space));
    let curator = or_unknown(&said.curator, "the curator");
    let basic = Basic {
        data_curators: vec![Curator {
            data_curator_name: curator,
            data_curator_type: or_unknown(&said.curator_type, "the curator's kind"),
        }],
        description: or_unknown(&said.description, "a description"),
        intended_use: or_unknown(&said.intended_use, "the intended use"),
        data_product_type: "SQL queries".to_owned(),
        data_product_region: or_unknown(&said.region, "the region"),
        data_product_sector: said
            .sector
            .clone()
            .unwrap_or_else(|| "Healthcare".to_owned()),
        publication_date: facts.first.map_or_else(|| NOT_PUBLISHED.to_owned(), day),
        name: name.clone(),
    };
    let authors = if said.authors.is_empty() {
        vec![or_unknown(&None, "who fills in the record")]
    } else {
        said.authors.clone()
    };
    let evidence = said.evidence.clone().map(|(title, url)| Evidence {
        evidence_source_type: "Authorized organizational attestation".to_owned(),
        citation: Citation { title, url },
    });
    if evidence.is_none() {
        unknown.push("sources of evidence");
    }
    Record {
        url_slug: slug(&[&name, said.curator.as_deref().unwrap_or_default()]),
        deployment: Tiers {
            basic,
            dp_variant: variant(facts),
            privacy_loss: privacy_loss(facts),
            deployment_model: model(facts),
            implementation: implementation(facts),
            administrative: Administrative {
                evidence_sources: evidence
                    .map(|evidence| ("page".to_owned(), evidence))
                    .into_iter()
                    .collect(),
                status: "Draft".to_owned(),
                registry_authors: authors,
                // With what is missing it is no complete description.
                tier: if unknown.is_empty() { 3 } else { 2 },
            },
        },
    }
}

fn variant(facts: &Facts) -> Variant {
    Variant {
        variant_name: "Zero-concentrated DP".to_owned(),
        data_domain: format!(
            "Health records of one linked population ({}), in the datasets {}. Which tables and columns, and within which bounds, is in the catalogs whose hashes are in the ledger.",
            facts.space,
            listed(&facts.datasets)
        ),
        unprotected_quantities: "Group keys that the catalog declares as public, the questions' texts to whoever may read them, prices, times and refusals. No statistic of the records is shown without noise.".to_owned(),
    }
}

fn privacy_loss(facts: &Facts) -> PrivacyLoss {
    PrivacyLoss {
        privacy_unit: "Person-level".to_owned(),
        privacy_unit_details: format!(
            "Neighbouring datasets differ in all rows of one linked person, in all tables and over all time; a person is what {} says after record linkage. Two records of one person that were not linked count as two persons.",
            listed(&facts.units)
        ),
        privacy_parameters: Parameters {
            epsilon: shown_epsilon(facts.cap, facts.conversion)
                .to_string()
                .parse()
                .ok(),
            rho: facts.cap.rho.to_string().parse().ok(),
            delta: shown_delta(facts.cap, facts.conversion)
                .to_string()
                .parse()
                .ok(),
        },
        privacy_parameters_details: format!(
            "The lifetime cap in force: rho {} units of 2^-40 and delta {} units of 2^-80, never more than rho {} and delta {}. Spent so far: rho {} units and delta {} units, epsilon {}. Epsilon is what rho is shown as at a conversion delta of {}.",
            facts.cap.rho.units(),
            facts.cap.delta.units(),
            facts.ceiling.rho,
            facts.ceiling.delta,
            facts.spent.rho.units(),
            facts.spent.delta.units(),
            shown_epsilon(facts.spent, facts.conversion),
            facts.conversion
        ),
    }
}

fn model(facts: &Facts) -> Model {
    let period = match (facts.first, facts.last) {
        (Some(first), Some(last)) => format!(", from {} to {}", day(first), day(last)),
        _ => String::new(),
    };
    Model {
        model_name: "Central".to_owned(),
        actors: "The operator holds the records and is trusted with them. Analysts ask in SQL and see noisy answers only. Anybody with the exported ledger and the verifier key can recompute every price.".to_owned(),
        release_type: "Many releases".to_owned(),
        release_type_details: format!(
            "Questions: {} answered{period}, {} repeated without cost, {} refused, {} failed, {} dropped, {} open. What was spent is never refunded and the budget does not reset.",
            facts.number(OutcomeKind::Answered),
            facts.number(OutcomeKind::Repeated),
            facts.number(OutcomeKind::Refused),
            facts.number(OutcomeKind::Failed),
            facts.number(OutcomeKind::Dropped),
            facts.number(OutcomeKind::Open),
        ),
        data_source_type: if facts.snapshots > 1 { "Dynamic" } else { "Static" }.to_owned(),
        data_source_type_details: format!("Snapshots so far: {}; all of them share one budget.", facts.snapshots),
        access_type: "Interactive".to_owned(),
        access_type_details: format!(
            "All analysts share the one lifetime cap, so it holds also where they collude. Limits that share it out: {}.",
            facts.limits
        ),
    }
}

fn implementation(facts: &Facts) -> Implementation {
    let mechanisms = facts.mechanisms.iter();
    let mut mechanisms: Vec<String> = mechanisms
        .map(|(name, number)| format!("- {name}: {number} released"))
        .collect();
    if facts.with_threshold {
        mechanisms.push(
            "- where keys are not public, groups are answered above a threshold, priced in delta"
                .to_owned(),
        );
    }
    mechanisms.push("- discrete noise, sampled exactly in integers; no floating point enters noise or accounting".to_owned());
    mechanisms.push("- each answer is paid before a record is read".to_owned());
    Implementation {
        preprocessing_and_hyperparameter_tuning: UNKNOWN.to_owned(),
        mechanisms: mechanisms.join("\n"),
        composition: "Losses under zero-concentrated differential privacy add up, also where a question depends on earlier answers; deltas of thresholds add up beside them. The sum is kept in whole units in an append-only Merkle tree log.".to_owned(),
        post_processing: "Whatever a question computes from released numbers.".to_owned(),
        justification: UNKNOWN.to_owned(),
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "(none)".to_owned()
    } else {
        names.join(", ")
    }
}

fn slug(parts: &[&str]) -> String {
    let joined = parts.join(" ").to_lowercase();
    let words = joined.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}
