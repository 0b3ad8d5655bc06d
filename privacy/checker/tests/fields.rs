//! Each line of the table of fields is held to its word: every field of every entry is changed, the log hashed and
//! signed afresh by the right key, and the change must be found, or not, as the table says.

mod log;

use std::collections::BTreeSet;

use log::{Item, Log};
use salus_checker::{FIELDS, Field, Standing, audit};

/// Map keys and array positions from the entry down.
type Path = Vec<Part>;

#[derive(Clone, Debug)]
enum Part {
    Key(String),
    At(usize),
}

fn walk(item: &Item, here: &Path, visit: &mut dyn FnMut(&Path, &Item)) {
    visit(here, item);
    let below = |part: Part| [here.clone(), vec![part]].concat();
    match item {
        Item::Map(pairs) => {
            for (key, value) in pairs {
                walk(value, &below(Part::Key(key.clone())), visit);
            }
        }
        Item::Array(items) => {
            for (n, value) in items.iter().enumerate() {
                walk(value, &below(Part::At(n)), visit);
            }
        }
        _ => {}
    }
}

fn put(item: &mut Item, path: &[Part], new: Item) {
    let mut at = item;
    for part in path {
        at = match (at, part) {
            (Item::Map(pairs), Part::Key(key)) => {
                &mut pairs.iter_mut().find(|(k, _)| k == key).unwrap().1
            }
            (Item::Array(items), Part::At(n)) => &mut items[*n],
            _ => unreachable!(),
        };
    }
    *at = new;
}

/// The table's kind and path of a leaf.
fn named(kind: &str, path: &Path) -> (String, String) {
    let mut name = String::new();
    for part in path {
        match part {
            Part::Key(key) if name.is_empty() => name += key,
            Part::Key(key) => name = name + "." + key,
            Part::At(_) => name.push_str("[]"),
        }
    }
    match name.strip_prefix("body.") {
        Some(body) => {
            let rational = ["sensitivity2[]", "sigma[]"]
                .iter()
                .any(|end| body.ends_with(end));
            let body = if rational {
                body.strip_suffix("[]").unwrap()
            } else {
                body
            };
            (kind.to_owned(), body.to_owned())
        }
        None => ("entry".to_owned(), name),
    }
}

/// Other values of the same type, near and far, and every word that the format gives a meaning.
fn changes(item: &Item) -> Vec<Item> {
    const WORDS: [&str; 28] = [
        "",
        "discrete_gaussian",
        "discrete_laplace",
        "persons",
        "rows",
        "sum",
        "centred_sum",
        "centred_square",
        "values",
        "tree",
        "S0",
        "S0p",
        "S1",
        "S2",
        "S3",
        "S4",
        "S5",
        "S6",
        "S8",
        "RELEASE",
        "failed",
        "dropped",
        "claims",
        "space",
        "dataset",
        "analyst",
        "purpose",
        log::ORIGIN,
    ];
    let all = match item {
        Item::Uint(n) => [
            0,
            1,
            n.saturating_sub(1),
            n.saturating_add(1),
            n.saturating_mul(2),
            u64::MAX,
        ]
        .map(Item::Uint)
        .to_vec(),
        Item::Bytes(bytes) => {
            let mut first = bytes.clone();
            let mut last = bytes.clone();
            first.iter_mut().take(1).for_each(|byte| *byte ^= 1);
            last.iter_mut().rev().take(1).for_each(|byte| *byte ^= 1);
            vec![
                first,
                last,
                vec![0; bytes.len()],
                vec![],
                [bytes.as_slice(), &[0]].concat(),
                // Where this is a key, the log's own.
                log::signing_key(1).verifying_key().to_bytes().to_vec(),
            ]
            .into_iter()
            .map(Item::Bytes)
            .collect()
        }
        Item::True => vec![Item::False],
        Item::False => vec![Item::True],
        Item::Text(text) => WORDS
            .iter()
            .map(|word| log::text(word))
            .chain([log::text(&format!("{text}x"))])
            .collect(),
        _ => vec![],
    };
    all.into_iter().filter(|new| new != item).collect()
}

/// The log with one item changed.
fn changed(log: &Log, index: usize, path: &[Part], new: Item) -> Log {
    let mut log = log.clone();
    put(&mut log.entries[index], path, new);
    log
}

/// True of what is no part of the statement that it signs.
fn is_signature(path: &[Part]) -> bool {
    path.iter()
        .any(|part| matches!(part, Part::Key(key) if key == "signature" || key == "approvals"))
}

fn kind(entry: &Item) -> String {
    match entry.clone().at("kind") {
        Item::Text(kind) => kind.clone(),
        _ => unreachable!(),
    }
}

fn line(field: &(String, String)) -> &'static Field {
    FIELDS
        .iter()
        .find(|line| line.kind == field.0 && line.path == field.1)
        .unwrap_or_else(|| panic!("{field:?} is not in the table"))
}

#[test]
fn the_sample_holds() {
    let log = Log::sample();
    let report = audit(&log.evidence());
    assert!(report.holds(), "{}", report.to_text());
    assert_eq!(report.entries, 23);
    assert_eq!(report.kinds["reserve"], 6);
    assert_eq!(report.open, [12, 17, 20]);
    assert_eq!(report.checkpoints, 2);
    assert_eq!(report.head.unwrap().0, 23);
    let [total] = report.totals.as_slice() else {
        panic!("one scope")
    };
    assert_eq!(total.scope, "space:county");
    assert_eq!(
        (total.spent.rho, total.spent.delta),
        (log.spent(), 6 * log::DELTA)
    );
    assert_eq!(total.reserves, 6);
    assert!(
        report
            .attested
            .iter()
            .any(|field| field.path == "principal")
    );
}

/// The kinds that keys and officers sign.
const SIGNED: [&str; 5] = ["key", "officer", "grant", "review", "incident"];

#[test]
fn every_changed_field_is_found_or_listed_as_attested() {
    let log = Log::with_parts();
    // The first reserve, the last without limits and two with them: the others have the same fields.
    let changed =
        |index: &usize| kind(&log.entries[*index]) != "reserve" || [10, 21, 25, 35].contains(index);
    let changed = (0..log.entries.len()).filter(changed).collect();
    let table = FIELDS.iter().filter(|line| {
        !SIGNED.contains(&line.kind) && !is_of_succession(line) && !is_of_anchors(line)
    });
    hold_to_their_word(&log, changed, table.collect());
}

/// Whoever signs does so again after the change: what is left is what no rule finds when all work together.
#[test]
fn every_changed_field_that_is_signed_is_found_or_listed_as_attested() {
    let log = Log::with_windows();
    // And the genesis, on which they rest.
    let changed =
        |index: &usize| *index == 0 || SIGNED.contains(&kind(&log.entries[*index]).as_str());
    let changed = (0..log.entries.len()).filter(changed).collect();
    let table = FIELDS.iter().filter(|line| SIGNED.contains(&line.kind));
    hold_to_their_word(&log, changed, table.collect());
}

/// What a log says of the one before it, and of its own end.
fn is_of_succession(line: &Field) -> bool {
    let before = ["predecessor.", "approvals"];
    line.kind == "seal"
        || (line.kind == "genesis" && before.iter().any(|start| line.path.starts_with(start)))
}

/// What a log says of its restricted log.
fn is_of_anchors(line: &Field) -> bool {
    line.kind == "anchor" || (line.kind, line.path) == ("genesis", "restricted")
}

#[test]
fn every_changed_field_of_an_anchor_is_found_or_listed_as_attested() {
    let mut log = log::restricted::Pair::sample().first;
    // And a question, which holds the genesis to the rest of its words.
    let (mut spent, most) = (0, 1 << 40);
    for entry in [
        log::catalog("ehr", 1),
        log::policy(1, most),
        log::snapshot("ehr", 1),
        log::reserve([3, 10, 8, 9], &mut spent),
    ] {
        log.push(log::restricted::at(
            entry,
            log::restricted::NOW + 9 * log::restricted::EVERY,
        ));
    }
    let table = FIELDS.iter().filter(|line| is_of_anchors(line));
    hold_to_their_word(&log, vec![0, 2, 4, 6], table.collect());
}

/// The first and the last entry of a log that goes on from another and ends.
#[test]
fn every_changed_field_of_a_succession_is_found_or_listed_as_attested() {
    let log = Log::after_loss();
    let table = FIELDS.iter().filter(|line| is_of_succession(line));
    hold_to_their_word(&log, vec![0, log.entries.len() - 1], table.collect());
}

/// Changes every field of these entries, and holds each line that is met to its letter; those of `table` must be met.
fn hold_to_their_word(log: &Log, indices: Vec<usize>, table: Vec<&Field>) {
    let mut met: BTreeSet<(String, String)> = BTreeSet::new();
    // Limited fields must show both: a change that is found and one that is not.
    let mut found: BTreeSet<(String, String)> = BTreeSet::new();
    let mut silent: BTreeSet<(String, String)> = BTreeSet::new();
    for index in indices {
        let entry = &log.entries[index];
        let mut leaves = Vec::new();
        walk(entry, &vec![], &mut |path, item| {
            leaves.push((path.clone(), item.clone()));
        });
        for (path, item) in leaves {
            for new in changes(&item) {
                let field = named(&kind(entry), &path);
                let line = line(&field);
                met.insert(field.clone());
                let mut log = changed(log, index, &path, new.clone());
                log.signed_anew(index, is_signature(&path));
                let report = audit(&log.evidence());
                let say = || format!("entry {index} {path:?} = {new:?}:\n{}", report.to_text());
                let by_rule = report.findings.iter().any(|f| line.rules.contains(&f.rule));
                let by_form = report
                    .findings
                    .iter()
                    .any(|f| f.rule == "F1" && f.index == Some(index as u64));
                match line.standing {
                    Standing::Recomputed => assert!(by_rule || by_form, "{}", say()),
                    Standing::Limited => assert!(by_rule || by_form || report.holds(), "{}", say()),
                    Standing::Attested => assert!(by_form || report.holds(), "{}", say()),
                }
                if by_rule {
                    found.insert(field.clone());
                }
                if report.holds() {
                    silent.insert(field);
                }
            }
        }
    }
    for line in table {
        let field = (line.kind.to_owned(), line.path.to_owned());
        assert!(
            met.contains(&field),
            "{field:?} is in the table and in no entry"
        );
        let expected = match line.standing {
            Standing::Recomputed => (true, false),
            Standing::Limited => (true, true),
            Standing::Attested => (false, true),
        };
        let shown = (found.contains(&field), silent.contains(&field));
        assert_eq!(shown, expected, "{field:?}: (found, silent)");
    }
}

/// The letter of a field says what holds if those who sign work together. Without them nothing of it can be changed.
#[test]
fn what_officers_and_keys_have_signed_cannot_be_changed_without_them() {
    let logs = [Log::with_windows(), Log::after_loss()];
    let mut seen = BTreeSet::new();
    let entries = logs.iter().flat_map(|log| {
        let entries = log.entries.iter().enumerate();
        entries.map(move |(index, entry)| (log, index, entry))
    });
    for (log, index, entry) in entries {
        let mut leaves = Vec::new();
        walk(entry, &vec![], &mut |path, item| {
            leaves.push((path.clone(), item.clone()));
        });
        let rule = match kind(entry).as_str() {
            "key" => "K1",
            _ => "A1",
        };
        if !leaves.iter().any(|(path, _)| is_signature(path)) {
            continue;
        }
        for (path, item) in leaves {
            // The version has one value; kind and time stand outside of the body.
            let of_body = matches!(path.first(), Some(Part::Key(key)) if key == "body");
            if !of_body || is_signature(&path) {
                continue;
            }
            // What a seal adds up to is no part of what is signed, and recomputed.
            let totals = matches!(path.get(1), Some(Part::Key(key)) if key == "totals");
            let rule = if totals { "E1" } else { rule };
            for new in changes(&item) {
                let report = audit(&changed(log, index, &path, new.clone()).evidence());
                let named = |f: &salus_checker::Finding| {
                    f.index == Some(index as u64) && [rule, "F1"].contains(&f.rule)
                };
                assert!(
                    report.findings.iter().any(named),
                    "entry {index} {path:?} = {new:?}:\n{}",
                    report.to_text()
                );
                seen.insert(kind(entry));
            }
        }
    }
    let all = [
        "genesis", "grant", "incident", "key", "officer", "review", "seal",
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn a_field_of_another_type_a_missing_or_an_unknown_field_is_found_by_f1() {
    let fails = |log: &Log, index: usize, rule: &str, what: &str| {
        let report = audit(&log.evidence());
        let at = |f: &salus_checker::Finding| f.index == Some(index as u64) && f.rule == rule;
        assert!(
            report.findings.iter().any(at),
            "entry {index}, {what}:\n{}",
            report.to_text()
        );
    };
    // One entry of each kind is enough here, and one more of those that may be signed.
    let mut kinds = BTreeSet::new();
    let (limits, oversight, succession) =
        (Log::with_limits(), Log::with_oversight(), Log::after_loss());
    let of_limits = limits.entries.iter().enumerate().map(|at| (&limits, at));
    let of_oversight = oversight.entries.iter().enumerate();
    let of_oversight = of_oversight.map(|at| (&oversight, at));
    let of_succession = succession.entries.iter().enumerate();
    let of_succession = of_succession.map(|at| (&succession, at));
    for (log, (index, entry)) in of_limits.chain(of_oversight).chain(of_succession) {
        let signed = (std::ptr::eq(log, &raw const oversight) && [9, 12].contains(&index))
            || (std::ptr::eq(log, &raw const succession) && index == 0);
        if !kinds.insert(kind(entry)) && !signed {
            continue;
        }
        let mut nodes = Vec::new();
        walk(entry, &vec![], &mut |path, item| {
            nodes.push((path.clone(), item.clone()));
        });
        for (path, item) in nodes {
            let change = |new: Item| {
                let mut log = log.clone();
                put(&mut log.entries[index], &path, new);
                log
            };
            let other = match item {
                Item::True | Item::False => Item::Uint(0),
                _ => Item::True,
            };
            let what = format!("{path:?} {other:?}");
            fails(&change(other), index, "F1", &what);
            let Item::Map(pairs) = item else { continue };
            let mut more = pairs.clone();
            more.push(("zz".to_owned(), Item::Uint(0)));
            fails(
                &change(Item::Map(more)),
                index,
                "F1",
                &format!("{path:?} with zz"),
            );
            for (n, (key, _)) in pairs.iter().enumerate() {
                let mut fewer = pairs.clone();
                fewer.remove(n);
                // Optional fields: a scan has a table, unknown keys have a threshold, weighted persons a weight, and the limits of a policy are charged.
                let rule = match key.as_str() {
                    // Its own test removes them where they matter.
                    "limits" | "seconds" => continue,
                    "name" if kind(entry) == "policy" => continue,
                    // Reviews and incidents need not be approved.
                    "approvals" if ["review", "incident"].contains(&kind(entry).as_str()) => {
                        continue;
                    }
                    "approvals" if kind(entry) == "officer" => "O1",
                    "signature" if kind(entry) == "key" => "K1",
                    "accounts" if kind(entry) == "reuse" => "B3",
                    "table" => "P1",
                    "threshold" | "weighted" => "P3",
                    _ => "F1",
                };
                fails(
                    &change(Item::Map(fewer)),
                    index,
                    rule,
                    &format!("{path:?} without {key}"),
                );
            }
        }
    }
    assert_eq!(kinds.len(), 16);
}

/// The document's table is the code's.
#[test]
fn the_document_has_every_field() {
    // At run time: the build may be older than the place it stands in now.
    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let path = std::path::Path::new(&here).join("../../docs/proofs/checker-rules.md");
    let document = std::fs::read_to_string(path).unwrap();
    let rows: Vec<&str> = document
        .lines()
        .skip_while(|line| !line.starts_with("| kind | field |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    let expected: Vec<String> = FIELDS
        .iter()
        .map(|f| {
            let (letter, rules) = (f.standing.letter(), f.rules.join(", "));
            format!(
                "| {} | `{}` | {letter} | {rules} | {} |",
                f.kind, f.path, f.note
            )
        })
        .collect();
    assert_eq!(rows, expected, "\n{}\n", expected.join("\n"));
}
