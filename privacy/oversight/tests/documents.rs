//! Drawings and the report.

#![allow(missing_docs, reason = "tests")]

mod support;

use salus_accounting::Loss;
use salus_certificate::EntryIndex;
use salus_ledger::Body;
use salus_ledger::entry::Predecessor;
use salus_oversight::{Change, Cover, Difference, Period, Share, burn_down, burn_down_of, report};
use support::markup::well_formed;
use support::{DAY, Log, NEW_YEAR, eventful, loss};

#[test]
fn a_burn_down_has_a_point_for_each_entry_that_moves_it() {
    let log = eventful();
    let purse = burn_down_of(&log.entries, &Share::Purse);
    let points: Vec<(u64, Loss, &str)> = purse
        .points
        .iter()
        .map(|point| {
            (
                point.entry.0,
                point.spent,
                if point.cap == log.cap { "new" } else { "old" },
            )
        })
        .collect();
    let sum = |prices: &[&str]| {
        prices.iter().fold(Loss::ZERO, |sum, price| {
            sum.checked_add(loss(price)).unwrap()
        })
    };
    let expected = [
        (0, sum(&[]), "old"),
        (6, sum(&["0.1"]), "old"),
        (11, sum(&["0.1", "0.2"]), "old"),
        (13, sum(&["0.1", "0.2", "0.05"]), "old"),
        (17, sum(&["0.1", "0.2", "0.05"]), "new"),
        (18, sum(&["0.1", "0.2", "0.05", "0.01"]), "new"),
        (20, sum(&["0.1", "0.2", "0.05", "0.01", "0.3"]), "new"),
    ];
    assert_eq!(points, expected);
    assert_eq!(purse.spent(), log.spent);

    let shares: Vec<String> = burn_down(&log.entries)
        .iter()
        .map(|line| line.share.to_string())
        .collect();
    assert_eq!(
        shares,
        [
            "the purse",
            "dataset clinic",
            "analyst p-ada",
            "analyst p-bob"
        ]
    );
    // The incident counts as hers whose question it corrects.
    let ada = burn_down_of(&log.entries, &Share::Analyst("p-ada".into()));
    assert_eq!(ada.spent(), sum(&["0.1", "0.05", "0.01", "0.3"]));
    let nobody = burn_down_of(&log.entries, &Share::Analyst("p-eve".into()));
    assert_eq!(nobody.spent(), Loss::ZERO);
    assert_eq!(burn_down(&[]), []);
}

#[test]
fn a_period_of_a_burn_down_begins_with_what_was_spent_before() {
    let log = eventful();
    let february =
        burn_down_of(&log.entries, &Share::Purse).within(Some(NEW_YEAR + 31 * DAY), None);
    assert_eq!(february.points[0].entry, EntryIndex(11));
    assert_eq!(february.points[0].time, NEW_YEAR + 31 * DAY);
    assert_eq!(february.points.len(), 5);
    let none = burn_down_of(&log.entries, &Share::Purse).within(None, Some(1));
    assert_eq!(none.points, []);
}

#[test]
fn a_plot_for_a_terminal_keeps_to_its_size() {
    let purse = burn_down_of(&eventful().entries, &Share::Purse);
    let plot = purse.plot_text(60, 12);
    let lines: Vec<&str> = plot.lines().collect();
    assert_eq!(lines.len(), 12, "{plot}");
    assert!(
        lines[1..].iter().all(|line| line.chars().count() <= 60),
        "{plot}"
    );
    assert!(
        lines[11].contains("2026-01-01") && lines[11].ends_with("2026-02-11"),
        "{plot}"
    );
    assert!(plot.contains('█') && plot.contains('─'), "{plot}");
    assert!(
        plot.starts_with("the purse: rho 0.660001 spent of 2, which is epsilon "),
        "{plot}"
    );
    // The line rises from left to right: the last column is the highest.
    let heights = |column: usize| {
        lines[1..10]
            .iter()
            .filter(|line| matches!(line.chars().nth(column), Some('▁'..='█')))
            .count()
    };
    assert!(
        heights(59) > heights(45) && heights(45) > heights(12),
        "{plot}"
    );
    assert!(
        burn_down_of(&[], &Share::Purse)
            .plot_text(0, 0)
            .contains("no entries")
    );
    let alone = burn_down_of(&Log::only_genesis().entries, &Share::Purse).plot_text(1, 1);
    assert_eq!(alone.lines().count(), 5, "{alone}");
}

#[test]
fn a_drawing_says_what_it_shows_and_needs_nothing() {
    let svg = burn_down_of(&eventful().entries, &Share::Purse).plot_svg();
    well_formed(&svg);
    for part in [
        "role=\"img\"",
        "<title id=",
        "<desc id=",
        "class=\"cap\"",
        "class=\"spent\"",
        "rho spent",
        "2026-02-11",
        "prefers-color-scheme:dark",
    ] {
        assert!(svg.contains(part), "{part}: {svg}");
    }
    for part in ["<script", "href", "url(", "NaN", "inf"] {
        assert!(!svg.contains(part), "{part}: {svg}");
    }
    for odd in [&[][..], &Log::only_genesis().entries] {
        let svg = burn_down_of(odd, &Share::Purse).plot_svg();
        well_formed(&svg);
        assert!(!svg.contains("NaN"), "{svg}");
    }
}

#[test]
fn the_report_has_every_section_and_its_figures() {
    let log = eventful();
    let cover = Cover {
        operator: Some("Riverside Hospital".into()),
        prepared: Some(NEW_YEAR + 60 * DAY),
        vkey: Some("riverside.example/ledger+0+key".into()),
        differences: Some(vec![]),
    };
    let html = report(&log.entries, Period::default(), &cover);
    well_formed(&html);
    for part in [
        "What is guaranteed",
        "The purse",
        "Who asked, and what for",
        "What changed",
        "Reviews and incidents",
        "How to check this yourself",
        "What is attested only",
        "salus-audit",
        "@media print",
        "prefers-color-scheme: dark",
        "prepared 2026-03-02T00:00:00Z",
        "officer medical director approves from here on",
        "the cap of space:riverside goes from",
        "p-eve looked at the entries 0 to 10",
        "the price of entry 6 was too low",
        "None were found.",
        "<svg",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(html.contains(&log.spent.rho.units().to_string()));
    for part in ["<script", "href=", "src=", "@import", "url("] {
        assert!(!html.contains(part), "{part}");
    }
    assert_eq!(
        html,
        report(&log.entries, Period::default(), &cover),
        "the same bytes"
    );

    // February: nothing was refused, what was spent before is not counted as of this month.
    let february = Period::parse(Some("2026-02-01"), Some("2026-02-28")).unwrap();
    let html = report(&log.entries, february, &Cover::default());
    well_formed(&html);
    let spent = log
        .spent
        .checked_sub(loss("0.1").checked_add(loss("0.2")).unwrap())
        .unwrap();
    assert!(html.contains(&format!(
        "<td>spent in this period</td><td class=\"number\">{}</td>",
        spent.rho.units()
    )));
    assert!(html.contains("No question was refused in this period."));
    assert!(html.contains("from 2026-02-01T00:00:00Z to before 2026-03-01T00:00:00Z"));
    // Before anything was asked.
    let january = Period::parse(None, Some("2025-12-31")).unwrap();
    assert!(report(&log.entries, january, &Cover::default()).contains("No question was asked"));
}

#[test]
fn the_report_of_nothing_says_so() {
    for log in [&[][..], &Log::only_genesis().entries] {
        let html = report(log, Period::default(), &Cover::default());
        well_formed(&html);
        assert!(html.contains("No question was asked in this period."));
        assert!(!html.contains("NaN"));
    }
}

#[test]
fn pairs_are_reported_without_their_predicate() {
    let log = eventful();
    let pair = Difference {
        first: EntryIndex(6),
        second: EntryIndex(11),
        principal: "p-ada".into(),
        change: Change::Condition,
        words: "name = 'Jane Doe'".into(),
    };
    let cover = Cover {
        differences: Some(vec![pair]),
        ..Cover::default()
    };
    let html = report(&log.entries, Period::default(), &cover);
    assert!(html.contains("<td>a condition</td>") && !html.contains("Jane Doe"));
}

#[test]
fn a_log_that_goes_on_burns_down_from_where_the_one_before_it_ended() {
    let mut log = eventful();
    let Body::Genesis(genesis) = &mut log.entries[0].entry.body else {
        panic!("no genesis")
    };
    genesis.predecessor = Some(Box::new(Predecessor {
        origin: "salus.example/before".to_owned(),
        public: [1; 32],
        checkpoint: Vec::new(),
        read: None,
        successor: [2; 32],
        spent: loss("0.5"),
        limits: Vec::new(),
        officers: Vec::new(),
        approvals: Vec::new(),
    }));
    let purse = burn_down_of(&log.entries, &Share::Purse);
    assert_eq!(purse.points[0].spent, loss("0.5"));
    assert_eq!(purse.spent(), loss("0.5").checked_add(log.spent).unwrap());
    // Of an analyst it counts what she asked of this log.
    let ada = burn_down_of(&log.entries, &Share::Analyst("p-ada".into()));
    assert_eq!(ada.points[0].spent, Loss::ZERO);
}
