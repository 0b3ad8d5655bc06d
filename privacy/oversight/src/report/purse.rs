//! Cap, spent, remaining.

use salus_accounting::Loss;

use super::Source;
use super::page::Page;
use crate::books::{left, shown_epsilon};
use crate::burn_down::Share;

pub(super) fn write(page: &mut Page, source: &Source<'_>) {
    page.section("purse", "The purse", false);
    let purse = source.purse();
    let Some(last) = purse.points.last() else {
        page.nothing("Nothing was spent, for there is no purse in this period.");
        return;
    };
    let (spent, cap) = (last.spent, last.cap);
    let before = source.period.since.map_or(Loss::ZERO, |since| {
        let mut before = purse.points.iter().filter(|point| point.time < since);
        before.next_back().map_or(Loss::ZERO, |point| point.spent)
    });
    let in_period = left(spent, before);
    let remaining = left(cap, spent);
    let epsilon = |loss: Loss| format!("epsilon {}", shown_epsilon(loss, source.conversion()));
    page.figures(&[
        ("Cap in force", format!("rho {}", cap.rho), epsilon(cap)),
        ("Spent in all", format!("rho {}", spent.rho), epsilon(spent)),
        (
            "Spent in this period",
            format!("rho {}", in_period.rho),
            epsilon(in_period),
        ),
        (
            "Remaining",
            format!("rho {}", remaining.rho.to_floor_string()),
            format!("one question that took it all: {}", epsilon(remaining)),
        ),
    ]);
    page.drawing(&purse.within(source.period.since, None).plot_svg());
    page.paragraph("Rhos add up, epsilons do not: epsilon grows like the square root of rho, so what was spent and what remains are not the cap when added as epsilons. What was spent is rounded up, what remains is rounded down.");
    if !spent.fits_within(&cap) {
        page.paragraph("More was spent than the cap allows: an incident corrected a price that was too low. The guarantee is that of what was spent.");
    }
    exact(
        page,
        &[
            ("cap in force", cap),
            ("spent in all", spent),
            ("spent in this period", in_period),
            ("remaining", remaining),
        ],
    );
    shares(page, source);
}

fn exact(page: &mut Page, figures: &[(&str, Loss)]) {
    let rows: Vec<Vec<String>> = figures
        .iter()
        .map(|(name, loss)| {
            vec![
                (*name).to_owned(),
                loss.rho.units().to_string(),
                loss.delta.units().to_string(),
            ]
        })
        .collect();
    page.table(
        "The same exactly, as the books keep it",
        &["", "#rho, in units of 2^-40", "#delta, in units of 2^-80"],
        &rows,
    );
}

/// What datasets and analysts have taken by the end of the period.
fn shares(page: &mut Page, source: &Source<'_>) {
    let mut rows = Vec::new();
    for line in &source.lines {
        let line = line.within(None, source.period.until);
        if line.share != Share::Purse && line.spent() != Loss::ZERO {
            let mut row = vec![line.share.to_string()];
            row.extend(source.shown(line.spent()));
            rows.push(row);
        }
    }
    if !rows.is_empty() {
        page.table(
            "Who took what from it, since the ledger began",
            &["Share", "#Rho", "#Shown as epsilon"],
            &rows,
        );
    }
}
