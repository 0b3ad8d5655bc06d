use super::*;

const DAY: &str = "2026-01-01T00:00:00Z";
const NEXT: &str = "2026-01-02T00:00:00+00:00";

fn entry(kind: &str, url: &str) -> Entry {
    Entry {
        section: Section::Output,
        kind: Some(kind.to_owned()).filter(|kind| !kind.is_empty()),
        url: Url::parse("https://a.org/f/").unwrap().join(url).unwrap(),
        count: None,
    }
}

fn listing(time: &str, generation: u32, files: &[(&str, &str)]) -> Listing {
    let page = Page {
        transaction_time: Some(time.into()),
        requires_token: true,
        entries: files.iter().map(|(kind, url)| entry(kind, url)).collect(),
        next: None,
    };
    Listing::new(vec![page], generation, 1)
}

fn names(listing: &Listing) -> Vec<&str> {
    listing
        .files
        .iter()
        .map(|file| file.name.as_str())
        .collect()
}

fn links(listing: &Listing) -> Vec<&str> {
    let links = listing.files.iter().map(|file| file.entry.url.as_str());
    links.map(|link| link.rsplit('/').next().unwrap()).collect()
}

#[test]
fn an_address_is_one_file() {
    let files = [
        ("Patient", "1"),
        ("", "2"),
        ("Patient", "1"),
        ("Patient", "3"),
    ];
    let listing = listing(DAY, 1, &files);
    assert_eq!(
        names(&listing),
        [
            "output/Patient.1.00001.ndjson",
            "output/resources.1.00002.ndjson",
            "output/Patient.1.00003.ndjson"
        ]
    );
}

#[test]
fn fresh_links_keep_their_names() {
    let files = [("Patient", "1?s=a"), ("Patient", "2?s=b"), ("Device", "3")];
    let old = listing(DAY, 1, &files);
    let signed = [("Patient", "1?s=c"), ("Patient", "2?s=d"), ("Device", "3")];
    let renewed = old.renewed(&listing(DAY, 9, &signed)).unwrap();
    assert_eq!(names(&renewed), names(&old));
    assert_eq!(links(&renewed), ["1?s=c", "2?s=d", "3"]);
    // Another order, known by the address.
    let shuffled = [("Patient", "2?s=d"), ("Device", "3"), ("Patient", "1?s=c")];
    let renewed = old.renewed(&listing(DAY, 9, &shuffled)).unwrap();
    assert_eq!(links(&renewed), ["1?s=c", "2?s=d", "3"]);
    // Two moved to addresses that were nowhere, known by their place.
    let moved = [("Patient", "x"), ("Patient", "2"), ("Device", "y")];
    let renewed = old.renewed(&listing(DAY, 9, &moved)).unwrap();
    assert_eq!(links(&renewed), ["x", "2", "y"]);
    assert_eq!(names(&renewed), names(&old));
}

#[test]
fn a_query_can_tell_files_apart() {
    let old = listing(DAY, 1, &[("Patient", "f?n=1"), ("Patient", "f?n=2")]);
    let shuffled = listing(DAY, 1, &[("Patient", "f?n=2"), ("Patient", "f?n=1")]);
    assert_eq!(links(&old.renewed(&shuffled).unwrap()), ["f?n=1", "f?n=2"]);
}

#[test]
fn a_different_manifest_is_not_mistaken() {
    let old = listing(DAY, 1, &[("Patient", "1"), ("Device", "2")]);
    let mut again = old.clone();
    again.kickoff = 2;
    assert!(
        old.renewed(&again).is_none(),
        "another kick-off is another export"
    );
    for (time, files) in [
        (NEXT, vec![("Patient", "1"), ("Device", "2")]),
        (DAY, vec![("Patient", "1")]),
        (DAY, vec![("Patient", "1"), ("Claim", "2")]),
        (DAY, vec![("Device", "x"), ("Patient", "y")]),
    ] {
        assert!(
            old.renewed(&listing(time, 1, &files)).is_none(),
            "{files:?}"
        );
    }
}

#[test]
fn whole_types_survive_a_new_export() {
    let files = [
        ("Patient", "1"),
        ("Device", "2"),
        ("Device", "3"),
        ("Claim", "4"),
    ];
    let old = listing(DAY, 1, &files);
    let complete: HashSet<String> = [0, 1, 3].map(|at| old.files[at].name.clone()).into();
    let files = [("Patient", "5"), ("Device", "6"), ("Goal", "7")];
    let new = listing(NEXT, 2, &files);
    let merged = old.succeeded_by(new.clone(), |name| complete.contains(name));
    assert_eq!(
        names(&merged),
        [
            "output/Device.2.00002.ndjson",
            "output/Goal.2.00003.ndjson",
            "output/Patient.1.00001.ndjson",
            "output/Claim.1.00004.ndjson"
        ]
    );
    assert_eq!(
        merged.instant().as_deref(),
        Some(DAY),
        "the earlier instant counts"
    );
    assert_eq!(new.instant().as_deref(), Some(NEXT));
    assert_eq!(old.succeeded_by(new.clone(), |_| false), new);
    // Mixed files belong to no type: all of them are fetched again.
    let mixed = listing(DAY, 1, &[("Patient", "1"), ("", "2")]);
    assert_eq!(mixed.succeeded_by(new.clone(), |_| true), new);
}
