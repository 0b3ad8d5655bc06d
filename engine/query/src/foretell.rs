//! Errors that depend on the answer, foretold for an answer that is made up: each group has so many rows, and values lie evenly between their bounds.
//!
//! No data is read. Of proportions it is the worst case, because a made-up part is as large as its whole.

use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::prelude::SessionContext;
use salus_certificate::Mechanism;

use crate::answer::{Numbers, tables};
use crate::functions::grid::Grid;
use crate::interval::{self, Spread, deviations};
use crate::post::{Origin, Repetitions};
use crate::question::{Question, Sought};
use crate::release::{Contribution, Output, Release};

/// Groups that are made up, most: they are alike.
const GROUPS: usize = 2;

/// Rows of two answers whose errors are compared where nobody says how many there will be.
const FEW: u64 = 10_000;
const MANY: u64 = 1_000_000;

/// For each column of the answer half the width of its interval; nothing for what has no error, where another formula is exact, and where it depends on a
/// number of rows that nobody has said.
pub(crate) async fn foretold(
    question: &Question,
    mechanisms: &[Mechanism],
    context: &SessionContext,
    sought: &Sought,
) -> Result<Vec<Option<f64>>> {
    let open = |origin| match origin {
        Origin::Public => false,
        Origin::Derived => true,
        Origin::Released {
            release, column, ..
        } => matches!(
            question.output(release, column),
            Some(Output::Quantile { .. })
        ),
    };
    if !question.post.columns.iter().any(|c| open(c.origin)) {
        return Ok(vec![None; question.post.columns.len()]);
    }
    let made_up = |rows| MadeUp::of(question, mechanisms, rows);
    if let Some(rows) = sought.rows {
        return made_up(rows).half_widths(context, sought.level).await;
    }
    // How far apart the values of a quantile's rows lie depends on their number, whatever noise does to it.
    let has_trees = question.releases.iter().any(|part| {
        let mut contributions = part.release.contributions.iter();
        contributions.any(|contribution| matches!(contribution, Contribution::Leaf { .. }))
    });
    if has_trees {
        return Ok(vec![None; question.post.columns.len()]);
    }
    let few = made_up(FEW).half_widths(context, sought.level).await?;
    let many = made_up(MANY).half_widths(context, sought.level).await?;
    // The same draws: what does not depend on the number of rows is the same, but for rounding.
    let same = |(few, many): (Option<f64>, Option<f64>)| {
        let (few, many) = (few?, many?);
        ((few - many).abs() <= 1e-6 * many.abs()).then_some(few.max(many))
    };
    Ok(few.into_iter().zip(many).map(same).collect())
}

/// An answer that nobody gave.
struct MadeUp<'a> {
    question: &'a Question,
    spreads: Vec<Spread>,
    keys: Vec<Vec<Vec<ScalarValue>>>,
    columns: Vec<Vec<i128>>,
}

impl<'a> MadeUp<'a> {
    fn of(question: &'a Question, mechanisms: &[Mechanism], rows: u64) -> Self {
        let mut columns = Vec::new();
        let mut keys = Vec::new();
        for part in &question.releases {
            let of_release = groups(&part.release);
            for contribution in &part.release.contributions {
                let one = numbers(contribution, rows);
                columns.push(one.repeat(of_release.len()));
            }
            keys.push(of_release);
        }
        Self {
            question,
            spreads: question.spreads(mechanisms),
            keys,
            columns,
        }
    }

    async fn half_widths(&self, context: &SessionContext, level: f64) -> Result<Vec<Option<f64>>> {
        let post = &self.question.post;
        let tables =
            |columns: &[Vec<i128>]| tables(self.question, columns, &self.keys, &self.spreads);
        let numbers = tables(&self.columns)?;
        let rows = post.answer(context, numbers.clone()).await?;
        let mut widest: Vec<Option<f64>> = vec![None; post.columns.len()];
        let mut wider = |column: usize, width: Option<f64>| {
            if let (Some(place), Some(width)) = (widest.get_mut(column), width) {
                *place = Some(place.unwrap_or_default().max(width));
            }
        };
        if post.computes() {
            let repetitions =
                Repetitions::draw_from([0; 32], &self.columns, &self.spreads, tables)?;
            let samples = post.repeat(context, numbers, &repetitions, &rows).await?;
            for row in &samples {
                for (column, samples) in row.iter().enumerate() {
                    // Where some repetitions give no number, nothing bounds it.
                    let all = samples.len() == repetitions.count();
                    let deviation = interval::deviation(samples).filter(|_| all);
                    wider(column, deviation.map(|d| d * deviations(level)));
                }
            }
        }
        for (column, shown) in post.columns.iter().enumerate() {
            if let Origin::Released {
                release,
                column: of_release,
                ..
            } = shown.origin
                && let Some(output @ Output::Quantile { .. }) =
                    self.question.output(release, of_release)
            {
                wider(column, self.half_width(release, output, level));
            }
        }
        Ok(widest)
    }

    fn half_width(&self, release: usize, output: &Output, level: f64) -> Option<f64> {
        let part = self.question.mechanisms_of(release);
        let numbers = Numbers {
            release: &self.question.releases.get(release)?.release,
            columns: self.columns.get(part.clone())?,
            spreads: self.spreads.get(part)?,
        };
        let (low, high) = numbers.bar(output, 0);
        let half = (high - low) / 2.0 * deviations(level) / interval::Z;
        half.is_finite().then_some(half)
    }
}

/// Keys of the groups: the first of those that are public, and one that is not known otherwise.
fn groups(release: &Release) -> Vec<Vec<ScalarValue>> {
    let cells = &release.cells;
    if cells.are_public() {
        let some = 0..cells.len().min(GROUPS);
        return some.map(|cell| cells.values_at(cell)).collect();
    }
    let null = |kind| ScalarValue::try_from(kind).unwrap_or(ScalarValue::Null);
    vec![cells.types().iter().map(null).collect()]
}

/// What a mechanism's numbers in a group are without noise.
fn numbers(contribution: &Contribution, rows: u64) -> Vec<i128> {
    let n = i128::from(rows);
    match contribution {
        Contribution::Persons(_) | Contribution::Rows(_) | Contribution::Value(_) => vec![n],
        Contribution::Sum { grid, .. } => vec![n.saturating_mul(middle(*grid))],
        // Around the middle of the range.
        Contribution::CentredSum { .. } => vec![0],
        // Evenly between the ends of a range of width w, (2X − LO − HI)² is w² / 3 on average.
        Contribution::CentredSquare { grid, .. } => {
            let width = i128::from(grid.width());
            vec![n.saturating_mul(width.saturating_mul(width)) / 3]
        }
        Contribution::Leaf { tree, .. } => tree.evenly(rows),
    }
}

fn middle(grid: Grid) -> i128 {
    i128::midpoint(grid.low.into(), grid.high.into())
}
