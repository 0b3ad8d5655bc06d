//! What is asked for: level and parameters of an export, checked before anything is sent.

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use crate::auth::discovery::below;
use crate::error::BulkError;

/// Whose data are exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// Everything on the server: `[base]/$export`.
    System,
    /// The compartments of all patients: `[base]/Patient/$export`.
    Patient,
    /// The compartments of the members of a Group, by its id: `[base]/Group/[id]/$export`.
    Group(String),
}

/// An export request. It holds no secret and is kept in the job's directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The FHIR base.
    pub base: Url,
    /// Whose data.
    pub level: Level,
    /// Resources changed after this instant, as the server's `transactionTime` gave it.
    pub since: Option<String>,
    /// Resources changed before this instant.
    pub until: Option<String>,
    /// Resource types; all if empty.
    pub types: Vec<String>,
    /// Search queries that narrow a type, such as `Observation?category=laboratory`.
    pub type_filters: Vec<String>,
    /// Elements that are enough, such as `id` or `Patient.birthDate`.
    pub elements: Vec<String>,
    /// `LatestProvenanceResources`, `RelevantProvenanceResources`, or `_` and a name of the server's.
    pub include_associated_data: Vec<String>,
    /// The format; NDJSON, in one of its three names.
    pub output_format: Option<String>,
    /// A resource type whose instances the files are organised by.
    pub organize_output_by: Option<String>,
    /// Whether the server may hand out the manifest in pages, before the export is complete.
    pub allow_partial_manifests: bool,
    /// Patients, such as `Patient/123`; asks with POST, so that no address names them.
    pub patients: Vec<String>,
    /// Whether to ask with POST and a Parameters resource in any case.
    pub post: bool,
    /// Parameters of a whole address that have no member above; sent as they are, with GET.
    pub extra: Vec<(String, String)>,
}

impl Request {
    /// Everything at `level`.
    ///
    /// # Errors
    /// [`BulkError::Options`] if `base` is no http address.
    pub fn new(base: &str, level: Level) -> Result<Self, BulkError> {
        let base = address(base)?;
        Ok(Self {
            base,
            level,
            since: None,
            until: None,
            types: Vec::new(),
            type_filters: Vec::new(),
            elements: Vec::new(),
            include_associated_data: Vec::new(),
            output_format: None,
            organize_output_by: None,
            allow_partial_manifests: false,
            patients: Vec::new(),
            post: false,
            extra: Vec::new(),
        })
    }

    /// The request that a whole kick-off address makes, such as
    /// `https://example.org/fhir/Group/7/$export?_type=Patient`.
    ///
    /// # Errors
    /// [`BulkError::Options`] if it does not lead to `$export`.
    pub fn from_url(text: &str) -> Result<Self, BulkError> {
        let url = address(text)?;
        let path = url.path().replace("%24", "$");
        let Some(before) = path.trim_end_matches('/').strip_suffix("/$export") else {
            return wrong("a kick-off address ends in /$export");
        };
        let mut segments = before.rsplit('/');
        let (last, second) = (segments.next(), segments.next());
        let (base, level) = match (second, last) {
            (_, Some("Patient")) => (before.strip_suffix("/Patient"), Level::Patient),
            (Some("Group"), Some(id)) => (
                before.strip_suffix(&format!("/Group/{id}")),
                Level::Group(id.to_owned()),
            ),
            _ => (Some(before), Level::System),
        };
        let mut base_url = url.clone();
        base_url.set_query(None);
        base_url.set_path(base.unwrap_or_default());
        let mut request = Self::new(base_url.as_str(), level)?;
        for (name, value) in url.query_pairs() {
            request.set(&name, &value)?;
        }
        request.check()?;
        Ok(request)
    }

    /// Sets a parameter by the name it has in an address. Lists grow.
    ///
    /// # Errors
    /// [`BulkError::Options`] if the value is not of the parameter's type.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), BulkError> {
        let list = || {
            let items = value.split(',').map(str::trim);
            items.filter(|item| !item.is_empty()).map(str::to_owned)
        };
        let text = || Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        match name {
            "_since" => self.since = text(),
            "_until" => self.until = text(),
            "_type" => self.types.extend(list()),
            "_typeFilter" => self.type_filters.extend(text()),
            "_elements" => self.elements.extend(list()),
            "includeAssociatedData" => self.include_associated_data.extend(list()),
            "_outputFormat" => self.output_format = text(),
            "organizeOutputBy" => self.organize_output_by = text(),
            "allowPartialManifests" => match value {
                "true" => self.allow_partial_manifests = true,
                "false" => self.allow_partial_manifests = false,
                _ => return wrong("allowPartialManifests is true or false"),
            },
            "patient" => self.patients.extend(list()),
            _ => self.extra.push((name.to_owned(), value.to_owned())),
        }
        Ok(())
    }

    /// The same request for what changed since an export: its `transactionTime` becomes `_since`.
    ///
    /// # Errors
    /// [`BulkError::Options`] if the export has none; then everything must be exported again.
    pub fn following(&self, export: &crate::Export) -> Result<Self, BulkError> {
        let Some(time) = &export.transaction_time else {
            return wrong("the last export has no transactionTime to go on from");
        };
        let mut request = self.clone();
        request.since = Some(time.clone());
        request.check()?;
        Ok(request)
    }

    /// Whether the request makes sense.
    ///
    /// # Errors
    /// [`BulkError::Options`] with what does not.
    pub fn check(&self) -> Result<(), BulkError> {
        for (name, time) in [("_since", &self.since), ("_until", &self.until)] {
            if time
                .as_ref()
                .is_some_and(|time| DateTime::parse_from_rfc3339(time).is_err())
            {
                return wrong(&format!(
                    "{name} is an instant with date, time and offset, such as 2026-01-31T00:00:00Z"
                ));
            }
        }
        if let Level::Group(id) = &self.level
            && !logical_id(id)
        {
            return wrong("a Group id has up to 64 letters, digits, hyphens and dots");
        }
        if let Some(odd) = self.types.iter().find(|name| !resource_type(name)) {
            return wrong(&format!(
                "{} is no resource type",
                crate::text::clean(odd, 80)
            ));
        }
        for filter in &self.type_filters {
            check_filter(filter)?;
        }
        if self.elements.iter().any(|element| element.contains('&')) {
            return wrong("_elements names elements such as id or Patient.birthDate");
        }
        let provenance = ["LatestProvenanceResources", "RelevantProvenanceResources"];
        let known = |value: &String| provenance.contains(&value.as_str()) || value.starts_with('_');
        if !self.include_associated_data.iter().all(known) {
            return wrong(
                "includeAssociatedData is LatestProvenanceResources, RelevantProvenanceResources, \
                 or a name of the server's that begins with _",
            );
        }
        let formats = ["application/fhir+ndjson", "application/ndjson", "ndjson"];
        if self
            .output_format
            .as_ref()
            .is_some_and(|format| !formats.contains(&format.as_str()))
        {
            return wrong("only NDJSON can be read: _outputFormat is application/fhir+ndjson");
        }
        if self
            .organize_output_by
            .as_ref()
            .is_some_and(|name| !resource_type(name))
        {
            return wrong("organizeOutputBy is a resource type");
        }
        if !self.patients.is_empty() && self.level == Level::System {
            return wrong("patients can be named in a patient or group export");
        }
        let reference = |patient: &String| {
            let id = patient.strip_prefix("Patient/").unwrap_or(patient);
            logical_id(id)
        };
        if !self.patients.iter().all(reference) {
            return wrong("a patient is named as Patient/ and an id");
        }
        if self.posts() && !self.extra.is_empty() {
            return wrong(
                "parameters of an address that are not known here cannot be sent with POST",
            );
        }
        Ok(())
    }

    /// Whether it is sent with POST.
    pub fn posts(&self) -> bool {
        self.post || !self.patients.is_empty()
    }

    fn endpoint(&self) -> Url {
        match &self.level {
            Level::System => below(&self.base, "$export"),
            Level::Patient => below(&self.base, "Patient/$export"),
            Level::Group(id) => below(&self.base, &format!("Group/{id}/$export")),
        }
    }

    /// Parameters other than patients, in their order, lists that may be joined joined.
    fn parameters(&self) -> Vec<(&str, &'static str, String)> {
        let mut all = Vec::new();
        let mut add = |name, kind, value: String| {
            if !value.is_empty() {
                all.push((name, kind, value));
            }
        };
        add(
            "_outputFormat",
            "valueString",
            self.output_format.clone().unwrap_or_default(),
        );
        add(
            "_since",
            "valueInstant",
            self.since.clone().unwrap_or_default(),
        );
        add(
            "_until",
            "valueInstant",
            self.until.clone().unwrap_or_default(),
        );
        add("_type", "valueString", self.types.join(","));
        add("_elements", "valueString", self.elements.join(","));
        for filter in &self.type_filters {
            // A comma can belong to a query: filters are repeated, not joined.
            add("_typeFilter", "valueString", filter.clone());
        }
        add(
            "includeAssociatedData",
            "valueString",
            self.include_associated_data.join(","),
        );
        add(
            "organizeOutputBy",
            "valueString",
            self.organize_output_by.clone().unwrap_or_default(),
        );
        all
    }

    /// The address to ask, with every parameter unless they go into a body.
    pub(crate) fn url(&self) -> Url {
        let mut url = self.endpoint();
        if self.posts() {
            return url;
        }
        let parameters = self.parameters();
        let flag = self.allow_partial_manifests;
        if parameters.is_empty() && self.extra.is_empty() && !flag {
            return url;
        }
        let mut query = url.query_pairs_mut();
        for (name, _, value) in &parameters {
            query.append_pair(name, value);
        }
        if flag {
            query.append_pair("allowPartialManifests", "true");
        }
        for (name, value) in &self.extra {
            query.append_pair(name, value);
        }
        drop(query);
        url
    }

    /// The Parameters resource of a POST.
    pub(crate) fn body(&self) -> Option<Value> {
        if !self.posts() {
            return None;
        }
        let parameters = self.parameters();
        let parameters = parameters.into_iter();
        let mut all: Vec<Value> = parameters
            .map(|(name, kind, value)| json!({"name": name, kind: value}))
            .collect();
        if self.allow_partial_manifests {
            all.push(json!({"name": "allowPartialManifests", "valueBoolean": true}));
        }
        for patient in &self.patients {
            let id = patient.strip_prefix("Patient/").unwrap_or(patient);
            let reference = format!("Patient/{id}");
            all.push(json!({"name": "patient", "valueReference": {"reference": reference}}));
        }
        Some(json!({"resourceType": "Parameters", "parameter": all}))
    }

    /// The parameters for a log that must not name patients: filters only by their type, patients by
    /// their number.
    pub(crate) fn described(&self) -> Value {
        let types = self.type_filters.iter();
        let filters: Vec<&str> = types
            .filter_map(|filter| filter.split('?').next())
            .collect();
        let extra: Vec<&str> = self.extra.iter().map(|(name, _)| name.as_str()).collect();
        json!({
            "_since": self.since,
            "_until": self.until,
            "_type": self.types,
            "_typeFilter": filters,
            "_elements": self.elements,
            "includeAssociatedData": self.include_associated_data,
            "_outputFormat": self.output_format,
            "organizeOutputBy": self.organize_output_by,
            "allowPartialManifests": self.allow_partial_manifests,
            "patients": self.patients.len(),
            "other": extra,
        })
    }
}

/// Search result parameters make no sense in a filter, and the specification forbids them.
fn check_filter(filter: &str) -> Result<(), BulkError> {
    let Some((kind, query)) = filter.split_once('?') else {
        return wrong("a _typeFilter is a type, a question mark and a search query");
    };
    if !resource_type(kind) || query.is_empty() {
        return wrong("a _typeFilter is a type, a question mark and a search query");
    }
    let forbidden = [
        "_include",
        "_revinclude",
        "_sort",
        "_count",
        "_total",
        "_summary",
        "_elements",
        "_contained",
        "_containedType",
        "_maxresults",
        "_score",
        "_format",
        "_pretty",
    ];
    for (name, _) in url::form_urlencoded::parse(query.as_bytes()) {
        let name = name.split(':').next().unwrap_or_default().trim();
        if forbidden.contains(&name) {
            return wrong(&format!("{name} is not allowed in a _typeFilter"));
        }
    }
    Ok(())
}

fn address(text: &str) -> Result<Url, BulkError> {
    let Ok(url) = Url::parse(text) else {
        return wrong("the FHIR base is an address such as https://example.org/fhir");
    };
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return wrong("the FHIR base is an http or https address");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("the FHIR base holds a password; use a bearer token or Backend Services");
    }
    Ok(url)
}

fn wrong<T>(text: &str) -> Result<T, BulkError> {
    Err(BulkError::Options(text.into()))
}

/// Whether `name` has the form of a resource type.
pub(crate) fn resource_type(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphabetic())
}

fn logical_id(id: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    (1..=64).contains(&id.len()) && id.bytes().all(allowed) && id.bytes().any(|b| b != b'.')
}

#[cfg(test)]
mod tests;
