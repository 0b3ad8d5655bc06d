//! The map in ARCHITECTURE.md is the territory: layers, the one place for each foreign engine, lints, lengths, links.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::files;

/// Which crates of ours a crate may name, dev-dependencies apart.
const LAYERS: &[(&str, &[&str])] = &[
    ("salus-accounting", &[]),
    ("salus-bulk", &[]),
    ("salus-checker", &[]),
    ("salus-lake", &[]),
    ("salus-certificate", &["salus-accounting"]),
    ("salus-mechanisms", &["salus-accounting"]),
    (
        "salus-ledger",
        &["salus-accounting", "salus-certificate", "salus-mechanisms"],
    ),
    (
        "salus-witness",
        &["salus-accounting", "salus-certificate", "salus-ledger"],
    ),
    (
        "salus-oversight",
        &["salus-accounting", "salus-certificate", "salus-ledger"],
    ),
    (
        "salus-query",
        &[
            "salus-lake",
            "salus-ledger",
            "salus-certificate",
            "salus-accounting",
        ],
    ),
    ("salus-linkage", &[]),
    ("salus-quality", &["salus-lake"]),
    ("salus-fhir", &["salus-lake", "salus-units", "salus-views"]),
    ("salus-synth", &["salus-lake"]),
    ("salus-units", &[]),
    ("salus-views", &[]),
    (
        "salus-server",
        &["salus-query", "salus-ledger", "salus-accounting"],
    ),
    (
        "salus-cli",
        &[
            "salus-linkage",
            "salus-query",
            "salus-quality",
            "salus-lake",
            "salus-ledger",
            "salus-certificate",
            "salus-accounting",
            "salus-checker",
            "salus-oversight",
            "salus-witness",
            "salus-bulk",
            "salus-views",
            "salus-fhir",
            "salus-synth",
            "salus-server",
        ],
    ),
];

/// What tests of a crate may name beyond that: the ledger is judged by the checker.
const IN_TESTS: &[(&str, &str)] = &[("salus-ledger", "salus-checker")];

const LONGEST_FILE: usize = 700;

fn root() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap())
        .join("..")
        .canonicalize()
        .unwrap()
}

/// A crate of the workspace, as Cargo itself reads it.
struct Member {
    name: String,
    folder: String,
    /// (name, kind), kind `null`, `dev` or `build`.
    dependencies: Vec<(String, Value)>,
}

fn members() -> Vec<Member> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let members: Vec<Member> = packages
        .iter()
        .map(|package| {
            let manifest = Path::new(package["manifest_path"].as_str().unwrap());
            let folder = manifest.parent().unwrap().canonicalize().unwrap();
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            Member {
                name: package["name"].as_str().unwrap().to_owned(),
                folder: folder
                    .strip_prefix(root())
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned(),
                dependencies: dependencies
                    .map(|d| (d["name"].as_str().unwrap().to_owned(), d["kind"].clone()))
                    .collect(),
            }
        })
        .collect();
    assert!(members.len() >= 11, "{}", members.len());
    members
}

/// Lines of Rust that are code: without comments and what they say about other crates.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|line| !line.trim().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = files(folder);
    found.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    found
}

/// Every file that a clone has: the sources, without what is built or downloaded.
fn tracked() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if matches!(name, ".git" | "target") {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Whether `word` is used as a path in code: `word::`, `use word`.
fn names_crate(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + word.len()..];
        let starts = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '"');
        starts && (after.starts_with("::") || after.starts_with(';') || after.starts_with(" as "))
    })
}

#[test]
fn layers_are_as_drawn() {
    let allowed: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let mut edges = 0;
    for member in members() {
        if member.folder == "benches" {
            continue;
        }
        let below = allowed
            .get(member.name.as_str())
            .unwrap_or_else(|| panic!("{} is not on the map", member.name));
        for (dependency, kind) in &member.dependencies {
            if !dependency.starts_with("salus-") {
                continue;
            }
            edges += 1;
            let in_tests =
                kind == "dev" && IN_TESTS.contains(&(member.name.as_str(), dependency.as_str()));
            assert!(
                below.contains(&dependency.as_str()) || in_tests,
                "{} must not know {dependency}",
                member.name
            );
        }
    }
    println!("{edges} edges between crates, all downwards");
    assert!(edges >= 15);
}

#[test]
fn one_engine_and_one_place_for_noise() {
    // Where each may be named; the benches need the plain engine as their floor.
    for (foreign, may) in [
        ("datafusion", &["engine/", "benches"][..]),
        ("opendp", &["privacy/mechanisms"][..]),
    ] {
        let mut named = 0;
        for member in members() {
            let may = may.iter().any(|folder| member.folder.starts_with(folder));
            let depends = member
                .dependencies
                .iter()
                .filter(|(name, _)| name == foreign || name.starts_with(&format!("{foreign}-")));
            assert!(
                may || depends.count() == 0,
                "{} depends on {foreign}",
                member.name
            );
            for file in rust_files(&root().join(&member.folder)) {
                if names_crate(&code(&file), foreign) {
                    named += 1;
                    assert!(may, "{} names {foreign}", file.display());
                }
            }
        }
        println!("{foreign}: named in {named} files, all where it may be");
        assert!(
            named > 0,
            "{foreign} was looked for in vain: this test sees nothing"
        );
    }
}

#[test]
fn the_checker_knows_nothing_of_ours() {
    let checker = members()
        .into_iter()
        .find(|m| m.name == "salus-checker")
        .unwrap();
    assert_eq!(checker.folder, "privacy/checker");
    for (dependency, _) in &checker.dependencies {
        assert!(
            !dependency.starts_with("salus"),
            "the checker depends on {dependency}"
        );
    }
    let sources = rust_files(&root().join(&checker.folder));
    assert!(!sources.is_empty());
    for file in sources {
        let code = code(&file);
        for other in LAYERS.iter().map(|(name, _)| name.replace('-', "_")) {
            let itself = other == "salus_checker";
            assert!(
                itself || !names_crate(&code, &other),
                "{} names {other}",
                file.display()
            );
        }
        // Its own tests share a file by a path that stays within the crate.
        let outside = |path: &str| {
            let place = file.parent().unwrap().join(path).canonicalize().unwrap();
            !place.starts_with(root().join(&checker.folder))
        };
        let paths = code.split("#[path = \"").skip(1);
        let borrows = paths.filter_map(|rest| rest.split('"').next()).any(outside);
        assert!(
            !code.contains("include!(") && !borrows,
            "{} borrows source from elsewhere",
            file.display()
        );
    }
}

#[test]
fn unsafe_is_forbidden_everywhere() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let lints = workspace
        .split("[workspace.lints.rust]")
        .nth(1)
        .unwrap()
        .split("\n[")
        .next()
        .unwrap();
    assert!(
        lints
            .lines()
            .any(|line| line.trim() == "unsafe_code = \"forbid\"")
    );
    for member in members() {
        let manifest = fs::read_to_string(root().join(&member.folder).join("Cargo.toml")).unwrap();
        let own = manifest.split("\n[lints]\n").nth(1).unwrap_or_default();
        assert!(
            own.trim_start().starts_with("workspace = true"),
            "{} does not take the workspace's lints",
            member.name
        );
    }
}

#[test]
fn files_hold_one_idea() {
    let (mut longest, mut which) = (0, PathBuf::new());
    for member in members() {
        for file in rust_files(&root().join(&member.folder)) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            assert!(
                lines <= LONGEST_FILE,
                "{} has {lines} lines",
                file.display()
            );
            if lines > longest {
                (longest, which) = (lines, file);
            }
        }
    }
    println!(
        "the longest file has {longest} lines: {}",
        which.strip_prefix(root()).unwrap().display()
    );
    assert!(longest > 100);
}

/// Targets of `[text](target)` that are files.
fn links(markdown: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            let target = line[at + 2..].split(')').next().unwrap_or_default();
            let target = target
                .split(' ')
                .next()
                .unwrap_or_default()
                .split('#')
                .next();
            let target = target.unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                found.push(target.to_owned());
            }
        }
    }
    found
}

#[test]
fn links_lead_somewhere() {
    assert_eq!(
        links("see [a](b.md#c) and [d](https://e.f) and [g](h/i.rs \"t\")"),
        ["b.md", "h/i.rs"]
    );
    for page in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        assert!(root().join(page).exists(), "{page} is missing");
    }
    let mut seen = 0;
    for page in tracked()
        .iter()
        .filter(|file| file.extension().is_some_and(|e| e == "md"))
    {
        for link in links(&fs::read_to_string(page).unwrap()) {
            seen += 1;
            let target = page.parent().unwrap().join(&link);
            assert!(
                target.exists(),
                "{}: {link} leads nowhere",
                page.strip_prefix(root()).unwrap().display()
            );
        }
    }
    println!("{seen} links lead somewhere");
    assert!(seen >= 10);
}

#[test]
fn every_invariant_names_its_test() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section = page.split("\n## Invariants").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    for number in 1..=8 {
        let item = section
            .lines()
            .find(|line| line.starts_with(&format!("{number}. **")))
            .unwrap_or_else(|| panic!("invariant {number} is missing"));
        let tests = item.contains("/tests") || item.contains("compile-fail");
        assert!(tests, "no test is named: {item}");
    }
}

#[test]
fn hazards_name_tests_that_exist() {
    let page = fs::read_to_string(root().join("docs/hazards.md")).unwrap();
    let sources: Vec<String> = tracked()
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let mut seen = 0;
    for row in page.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let tests = row.rsplit('|').nth(1).unwrap();
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test is named: {row}");
        for name in names {
            let declared = format!("fn {name}(");
            assert!(
                sources.iter().any(|source| source.contains(&declared)),
                "{name} does not exist: {row}"
            );
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn no_file_names_a_machine() {
    // Put together here, so that this file does not name one.
    let places: Vec<String> = [
        ["/wo", "rk/"],
        ["/ro", "ot/"],
        ["/Us", "ers/"],
        ["local", "host:"],
    ]
    .iter()
    .map(|parts| parts.concat())
    .collect();
    let mut seen = 0;
    for file in tracked() {
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        seen += 1;
        for place in &places {
            assert!(
                !text.contains(place.as_str()),
                "{} names {place}",
                file.display()
            );
        }
        if file.file_name().is_some_and(|name| name == "Cargo.lock") {
            for source in text.lines().filter(|line| line.starts_with("source = ")) {
                assert_eq!(
                    source,
                    "source = \"registry+https://github.com/rust-lang/crates.io-index\""
                );
            }
        }
    }
    println!("{seen} files name no machine");
    assert!(seen > 100);
}
