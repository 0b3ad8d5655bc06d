//! A source's record of a person, as linkage compares it.

use serde_json::Value;

use crate::normal::{name, phone, sound, words};

/// Values of one kind that a record is compared by; a record with more is compared by the first ones.
const MOST: usize = 8;

/// A calendar date as it was written; not checked against the calendar, because errors are what is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date {
    /// Year.
    pub year: u16,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day, 1 to 31.
    pub day: u8,
}

impl Date {
    /// A whole date, `YYYY-MM-DD`; a year or month alone says too little.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.get(..10)?.splitn(3, '-');
        let mut number = |length: usize| {
            let part = parts.next()?;
            let digits = part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse::<u16>().ok())?
        };
        let (year, month, day) = (number(4)?, number(2)?, number(2)?);
        let valid = (1..=12).contains(&month) && (1..=31).contains(&day);
        Some(Self {
            year,
            month: u8::try_from(month).ok()?,
            day: u8::try_from(day).ok()?,
        })
        .filter(|_| valid)
    }
}

/// FHIR JSON of the elements that say who a person is, each as it came.
#[derive(Clone, Copy, Default)]
pub struct Elements<'a> {
    /// `Patient.name`.
    pub name: Option<&'a str>,
    /// `Patient.birthDate`.
    pub birth_date: Option<&'a str>,
    /// `Patient.gender`.
    pub sex: Option<&'a str>,
    /// `Patient.address`.
    pub address: Option<&'a str>,
    /// `Patient.telecom`.
    pub telecom: Option<&'a str>,
    /// `Patient.identifier`.
    pub identifier: Option<&'a str>,
    /// `Patient.link`.
    pub link: Option<&'a str>,
}

impl std::fmt::Debug for Elements<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Elements(…)")
    }
}

/// A record, normalised. What is missing is empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The number that stands for it.
    pub number: i64,
    /// Name of its source system.
    pub source: String,
    /// Its id there.
    pub id: String,
    pub(crate) family: Vec<String>,
    pub(crate) given: Vec<String>,
    pub(crate) family_sounds: Vec<String>,
    pub(crate) given_sounds: Vec<String>,
    pub(crate) birth: Option<Date>,
    pub(crate) sex: Option<bool>,
    pub(crate) postal: Vec<String>,
    pub(crate) line: Vec<String>,
    pub(crate) telecom: Vec<String>,
    /// System and value.
    pub(crate) identifiers: Vec<(String, String)>,
    /// Ids in the same source that the source says are the same person.
    pub(crate) same: Vec<String>,
}

/// Says nothing that identifies, so that no log does.
impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Record {
    /// Reads the elements; what cannot be read is missing.
    pub fn new(number: i64, source: &str, id: &str, elements: Elements<'_>) -> Self {
        let mut record = Self {
            number,
            source: source.into(),
            id: id.into(),
            birth: elements.birth_date.and_then(Date::parse),
            // Other and unknown are no evidence for or against anybody.
            sex: match elements.sex {
                Some("female") => Some(true),
                Some("male") => Some(false),
                _ => None,
            },
            ..Self::default()
        };
        each(elements.name, |it| record.read_name(it));
        each(elements.address, |it| record.read_address(it));
        each(elements.telecom, |it| {
            let system = it.get("system").and_then(Value::as_str);
            let value = text(it, "value");
            let said = match system {
                Some("email") => value.and_then(name),
                Some("url") => None,
                _ => value.and_then(phone),
            };
            add(&mut record.telecom, said);
        });
        each(elements.identifier, |it| {
            if let (Some(system), Some(value)) = (text(it, "system"), text(it, "value"))
                && let Some(value) = name(value)
                && record.identifiers.len() < 4 * MOST
            {
                record.identifiers.push((system.into(), value));
            }
        });
        each(elements.link, |it| {
            let other = it.get("other").and_then(|other| text(other, "reference"));
            let mut parts = other.unwrap_or_default().rsplit('/');
            if let (Some(id), Some("Patient")) = (parts.next(), parts.next()) {
                add(&mut record.same, Some(id.into()));
            }
        });
        record.identifiers.sort_unstable();
        record.identifiers.dedup();
        record.family_sounds = sounds(&record.family);
        record.given_sounds = sounds(&record.given);
        record
    }

    fn read_name(&mut self, it: &Value) {
        // DSTU2 had a list here.
        let mut family = None;
        match it.get("family") {
            Some(Value::Array(all)) => {
                family = all.iter().find_map(Value::as_str).map(str::to_owned);
            }
            Some(Value::String(one)) => family = Some(one.clone()),
            _ => {}
        }
        let mut given = match it.get("given") {
            Some(Value::Array(all)) => all.iter().find_map(Value::as_str),
            Some(Value::String(one)) => Some(one.as_str()),
            _ => None,
        };
        if family.is_none()
            && given.is_none()
            && let Some(whole) = text(it, "text")
        {
            let mut words = whole.split_whitespace();
            given = words.next();
            family = words.next_back().map(str::to_owned);
        }
        add(&mut self.family, family.as_deref().and_then(name));
        // Synthetic data number their names, and a middle name after the first one says little.
        add(&mut self.given, given.and_then(name));
    }

    fn read_address(&mut self, it: &Value) {
        let postal = text(it, "postalCode").and_then(name);
        // A code of nine digits is one of five and the house.
        add(
            &mut self.postal,
            postal.map(|code| code.chars().take(5).collect()),
        );
        let lines: Vec<&str> = match it.get("line") {
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(one)) => vec![one],
            _ => Vec::new(),
        };
        add(&mut self.line, lines.first().copied().and_then(words));
    }
}

fn sounds(names: &[String]) -> Vec<String> {
    let mut sounds = Vec::new();
    for name in names {
        add(&mut sounds, Some(sound(name)));
    }
    sounds
}

fn add(list: &mut Vec<String>, value: Option<String>) {
    if let Some(value) = value.filter(|value| list.len() < MOST && !list.contains(value)) {
        list.push(value);
    }
}

fn text<'v>(it: &'v Value, key: &str) -> Option<&'v str> {
    it.get(key).and_then(Value::as_str)
}

fn each(json: Option<&str>, mut item: impl FnMut(&Value)) {
    match json.and_then(|json| serde_json::from_str::<Value>(json).ok()) {
        Some(Value::Array(all)) => all.iter().take(4 * MOST).for_each(item),
        Some(one @ Value::Object(_)) => item(&one),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_several_versions_of_fhir() {
        let elements = Elements {
            name: Some(
                r#"[{"use":"official","family":"García","given":["Ana","María"]},{"use":"maiden","family":["Soto"]}]"#,
            ),
            birth_date: Some("1980-02-01"),
            sex: Some("female"),
            address: Some(r#"{"line":["12 Main St."],"postalCode":"02138-1234"}"#),
            telecom: Some(
                r#"[{"system":"phone","value":"617-555-0142"},{"system":"email","value":"A@b.example"}]"#,
            ),
            identifier: Some(r#"[{"system":"urn:x","value":"1-2"},{"value":"no system"}]"#),
            link: Some(
                r#"[{"other":{"reference":"https://a.example/Patient/7"},"type":"replaced-by"},{"other":{"reference":"RelatedPerson/8"}}]"#,
            ),
        };
        let record = Record::new(1, "a", "x", elements);
        assert_eq!(record.family, ["garcia", "soto"]);
        assert_eq!(record.given, ["ana"]);
        assert_eq!(record.postal, ["02138"]);
        assert_eq!(record.line, ["12 main st"]);
        assert_eq!(record.telecom, ["175550142", "abexample"]);
        assert_eq!(record.identifiers, [("urn:x".into(), "12".into())]);
        assert_eq!(record.same, ["7"]);
        assert!(!format!("{record:?} {elements:?}").contains("garcia"));
    }

    #[test]
    fn what_cannot_be_read_is_missing() {
        for hostile in [
            "",
            "null",
            "3",
            "[[[[",
            r#"[{"family":3,"given":{"a":1}}]"#,
            r#"{"text":" "}"#,
        ] {
            let elements = Elements {
                name: Some(hostile),
                address: Some(hostile),
                telecom: Some(hostile),
                identifier: Some(hostile),
                link: Some(hostile),
                birth_date: Some(hostile),
                sex: Some(hostile),
            };
            let record = Record::new(1, "a", "x", elements);
            assert!(record.family.is_empty() && record.birth.is_none() && record.same.is_empty());
        }
        for date in [
            "1980",
            "1980-13-01",
            "1980-02-00",
            "80-02-01",
            "1980/02/01",
            "１980-02-01",
        ] {
            assert_eq!(Date::parse(date), None, "{date}");
        }
        assert!(Date::parse("1980-02-31").is_some());
    }
}
