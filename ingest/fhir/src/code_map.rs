//! Maps of local codes to standard ones, which the operator supplies.
//!
//! Two forms are read: CSV with the header `source_system,source_code,target_system,target_code,equivalence`, and FHIR
//! ConceptMap (R4 and R5) as JSON. A mapping is applied when its target says the same as its source, or something wider:
//! then what is counted under the target is true of every row. What is narrower, related or not there is left out and counted.
//!
//! A map is applied once to a coding, so that its result does not depend on an order: a target that is itself mapped on, be
//! it round a circle, is refused, and so are two targets of one source.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::coding::{Coded, canonical};
use crate::columns::LONGEST_TEXT;

/// Largest file of a map, in bytes: a million mappings.
const LARGEST: u64 = 256 << 20;
const HEADER: [&str; 5] = [
    "source_system",
    "source_code",
    "target_system",
    "target_code",
    "equivalence",
];

/// Why a code map is refused; the text names the place in the file and says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {what}")]
pub struct CodeMapError {
    file: String,
    what: String,
}

/// A code of a system; the system is empty for codes that come without one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Concept {
    system: Box<str>,
    code: Box<str>,
}

impl std::fmt::Display for Concept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}|{}", self.system, self.code)
    }
}

/// What a code is mapped to, and where that was said.
type Target = (Concept, String);

/// Mappings that may be applied, and the hashes of the files that they come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodeMap {
    /// By system, then by code: targets, and where they were given.
    targets: HashMap<Box<str>, HashMap<Box<str>, Target>>,
    /// SHA-256 of each file, in hexadecimal digits, in the order given.
    pub files: Vec<String>,
    /// Mappings that are neither equivalent nor wider.
    pub left_out: u64,
}

impl CodeMap {
    /// Reads and joins the maps in `files`; those named `.json` are ConceptMaps, all others CSV.
    ///
    /// # Errors
    /// [`CodeMapError`] for a file that cannot be read, a source with two targets, and a target that is a source.
    pub fn read(files: &[impl AsRef<Path>]) -> Result<Self, CodeMapError> {
        let mut map = Self::default();
        for path in files {
            let path = path.as_ref();
            let file = path.display().to_string();
            let failed = |what: String| CodeMapError {
                file: file.clone(),
                what,
            };
            let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
            if size.len() > LARGEST {
                return Err(failed(format!("is larger than {LARGEST} bytes; split it")));
            }
            let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.ends_with(".json") {
                map.add_concept_map(&bytes, &name).map_err(failed)?;
            } else {
                map.add_csv(&bytes, &name).map_err(failed)?;
            }
            map.files.push(hexadecimal(&Sha256::digest(&bytes)));
        }
        map.check_single_steps()?;
        Ok(map)
    }

    /// How many codes are mapped.
    pub fn len(&self) -> usize {
        self.targets.values().map(HashMap::len).sum()
    }

    /// Whether no code is mapped.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Code and system that stand for `given`, if it is mapped.
    pub(crate) fn target(&self, given: &Coded<'_>) -> Option<(&str, &str)> {
        let code = given.code.as_deref()?;
        let system = given.system.as_deref().unwrap_or_default();
        let (target, _) = self.targets.get(system)?.get(code)?;
        Some((&target.code, &target.system))
    }

    fn add_csv(&mut self, bytes: &[u8], name: &str) -> Result<(), String> {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(text);
        let header = reader.headers().map_err(|error| error.to_string())?;
        if header.iter().ne(HEADER) {
            return Err(format!("the first line must be {}", HEADER.join(",")));
        }
        for record in reader.records() {
            let record = record.map_err(|error| error.to_string())?;
            let line = record.position().map_or(0, csv::Position::line);
            let field = |at: usize| record.get(at).unwrap_or_default();
            let place = format!("{name} line {line}");
            self.add((field(0), field(1)), (field(2), field(3)), field(4), place)?;
        }
        Ok(())
    }

    fn add_concept_map(&mut self, bytes: &[u8], name: &str) -> Result<(), String> {
        let map: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if map["resourceType"] != "ConceptMap" {
            return Err("is JSON, but no FHIR ConceptMap".into());
        }
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        // R5 may add `|version`; R4 keeps it beside.
        let uri = |value: &Value| {
            let uri = value.as_str().unwrap_or_default();
            uri.split('|').next().unwrap_or_default().to_owned()
        };
        for (at, group) in list(&map["group"]).iter().enumerate() {
            let (source, target) = (uri(&group["source"]), uri(&group["target"]));
            for (index, element) in list(&group["element"]).iter().enumerate() {
                let code = element["code"].as_str().unwrap_or_default();
                for to in list(&element["target"]) {
                    let said = to["equivalence"].as_str().or(to["relationship"].as_str());
                    let Some(to) = to["code"].as_str() else {
                        self.left_out += 1;
                        continue;
                    };
                    let place = format!("{name} group[{at}].element[{index}]");
                    self.add(
                        (&source, code),
                        (&target, to),
                        said.unwrap_or_default(),
                        place,
                    )?;
                }
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        source: (&str, &str),
        target: (&str, &str),
        equivalence: &str,
        place: String,
    ) -> Result<(), String> {
        let concept = |(system, code): (&str, &str)| Concept {
            system: canonical(Cow::Borrowed(system)).into(),
            code: code.into(),
        };
        let (source, target) = (concept(source), concept(target));
        match equivalence {
            "equal" | "equivalent" | "wider" | "source-is-narrower-than-target" => {}
            "relatedto"
            | "subsumes"
            | "narrower"
            | "specializes"
            | "inexact"
            | "unmatched"
            | "disjoint"
            | "related-to"
            | "source-is-broader-than-target"
            | "not-related-to" => {
                self.left_out += 1;
                return Ok(());
            }
            other => {
                return Err(format!(
                    "{place}: \"{other:.40}\" is no equivalence of FHIR"
                ));
            }
        }
        let whole = |concept: &Concept| {
            !concept.code.is_empty()
                && concept.code.len() <= LONGEST_TEXT
                && concept.system.len() <= LONGEST_TEXT
        };
        if !whole(&source) || !whole(&target) || target.system.is_empty() {
            return Err(format!(
                "{place}: a mapping needs both codes and the system of the target, none longer than {LONGEST_TEXT} bytes"
            ));
        }
        let codes = self.targets.entry(source.system.clone()).or_default();
        match codes.entry(source.code.clone()) {
            Entry::Occupied(there) if there.get().0 != target => Err(format!(
                "{place}: {source} is mapped to {target} here and to {} in {}; keep one of them",
                there.get().0,
                there.get().1
            )),
            Entry::Occupied(_) => Ok(()),
            Entry::Vacant(free) => {
                free.insert((target, place));
                Ok(())
            }
        }
    }

    /// Refuses targets that are mapped on.
    fn check_single_steps(&self) -> Result<(), CodeMapError> {
        for (system, codes) in &self.targets {
            for (code, (target, place)) in codes {
                let on = self
                    .targets
                    .get(&target.system)
                    .and_then(|codes| codes.get(&target.code));
                if let Some((end, where_on)) = on {
                    let round = end.system == *system && end.code == *code;
                    let advice = if round || target == end {
                        "that is a circle: remove one of them".to_owned()
                    } else {
                        format!("map {system}|{code} to {end} itself, or remove one of them")
                    };
                    return Err(CodeMapError {
                        file: place.clone(),
                        what: format!(
                            "{system}|{code} is mapped to {target}, which {where_on} maps to {end}; {advice}"
                        ),
                    });
                }
            }
        }
        Ok(())
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coding::LOINC;

    const TOP: &str = "source_system,source_code,target_system,target_code,equivalence\n";

    fn read(files: &[(&str, String)]) -> Result<CodeMap, String> {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<_> = files
            .iter()
            .map(|(name, text)| {
                let path = dir.path().join(name);
                std::fs::write(&path, text).unwrap();
                path
            })
            .collect();
        CodeMap::read(&paths).map_err(|error| error.to_string())
    }

    fn csv(lines: &str) -> (&'static str, String) {
        ("map.csv", format!("{TOP}{lines}"))
    }

    fn mapped(map: &CodeMap, system: Option<&str>, code: &str) -> Option<(String, String)> {
        let given = Coded::known(code.into(), system.map(str::to_owned));
        let (code, system) = map.target(&given)?;
        Some((system.into(), code.into()))
    }

    #[test]
    fn csv_and_concept_map_say_the_same() {
        let json = r#"{"resourceType":"ConceptMap","group":[{"source":"urn:lab","target":"http://loinc.org","element":[
            {"code":"GLU","target":[{"code":"2345-7","equivalence":"equivalent"}]},
            {"code":"X","target":[{"code":"1-8","relationship":"source-is-narrower-than-target"}]},
            {"code":"Y","target":[{"code":"2-6","equivalence":"narrower"}]},
            {"code":"Z","noMap":true,"target":[{"equivalence":"unmatched"}]}]}]}"#;
        let lines = "urn:lab,GLU,urn:oid:2.16.840.1.113883.6.1,2345-7,equal\nurn:lab,X,http://loinc.org,1-8,wider\n\
                     urn:lab,Y,http://loinc.org,2-6,relatedto\n,HBA1C,http://loinc.org,4548-4,equal\n";
        let glucose = Some((LOINC.to_owned(), "2345-7".to_owned()));
        let from_json = read(&[("map.json", json.into())]).unwrap();
        assert_eq!(mapped(&from_json, Some("urn:lab"), "GLU"), glucose);
        assert_eq!((from_json.len(), from_json.left_out), (2, 2));
        let from_csv = read(&[csv(lines)]).unwrap();
        assert_eq!(mapped(&from_csv, Some("urn:lab"), "GLU"), glucose);
        assert_eq!(mapped(&from_csv, None, "HBA1C").unwrap().1, "4548-4");
        assert_eq!(mapped(&from_csv, Some("urn:lab"), "Y"), None);
        assert_eq!(mapped(&from_csv, Some("urn:other"), "GLU"), None);
        assert_eq!((from_csv.len(), from_csv.left_out), (3, 1));
        // Said twice alike is no conflict, in one file or two.
        let both = read(&[("map.json", json.into()), csv(lines)]).unwrap();
        assert_eq!((both.len(), both.files.len()), (3, 2));
        assert_ne!(both.files[0], both.files[1]);
    }

    #[test]
    fn conflicts_and_circles_are_refused_by_name() {
        for (lines, said) in [
            (
                "l,A,s,1,equal\nl,A,s,2,equal\n",
                "l|A is mapped to s|2 here and to s|1 in map.csv line 2",
            ),
            ("l,A,m,B,equal\nm,B,l,A,equal\n", "circle"),
            ("l,A,l,A,equal\n", "circle"),
            ("l,A,m,B,equal\nm,B,s,C,equal\n", "map l|A to s|C itself"),
            ("l,A,s,,equal\n", "needs both codes"),
            ("l,A,,C,equal\n", "needs both codes"),
            ("l,A,s,C,sameish\n", "no equivalence"),
            ("l,A,s,C\n", "record 1"),
        ] {
            let error = read(&[csv(lines)]).unwrap_err();
            assert!(error.contains(said), "{lines}: {error}");
            assert!(error.contains("map.csv"), "{error}");
        }
        let other = ("other.csv", format!("{TOP}l,A,s,2,equal\n"));
        let error = read(&[csv("l,A,s,1,equal\n"), other]).unwrap_err();
        assert!(
            error.contains("other.csv line 2") && error.contains("map.csv line 2"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_map_is_refused() {
        for (name, text) in [
            ("map.csv", "code,target\n"),
            ("map.csv", ""),
            ("map.json", "{\"resourceType\":\"Patient\"}"),
            ("map.json", "[]"),
            ("map.json", "{"),
            ("map.csv", "\u{0}\u{1}"),
        ] {
            assert!(read(&[(name, text.to_owned())]).is_err(), "{text:?}");
        }
        assert!(CodeMap::read(&["nowhere.csv"]).is_err());
        let long = format!("l,{},s,C,equal\n", "x".repeat(300));
        assert!(read(&[csv(&long)]).is_err());
    }
}
