//! For a terminal.

use std::fmt::Write as _;

use super::{BurnDown, Frame};
use crate::text::plain;
use crate::time::day;

const LEAST: (usize, usize) = (24, 5);
const LABEL: usize = 9;
const BLOCKS: [char; 8] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇'];

impl BurnDown {
    /// The line of what was spent as a plot of `width` by `height` characters, axes and caption included, with the cap above it. Small sizes are
    /// raised to 24 by 5. Times are days in UTC.
    pub fn plot_text(&self, width: usize, height: usize) -> String {
        let (width, height) = (width.max(LEAST.0), height.max(LEAST.1));
        let caption = plain(&self.caption());
        if self.points.is_empty() {
            return format!("{caption}\n(no entries)\n");
        }
        let frame = Frame::of(&self.points);
        let columns = width.saturating_sub(LABEL).saturating_sub(2).max(1);
        let rows = height.saturating_sub(3).max(2);
        let heights = self.by_column(&frame, columns);
        let mut text = format!("{caption}\n");
        for row in (0..rows).rev() {
            let label = if row == rows.saturating_sub(1) {
                format!("{:.4}", frame.top)
            } else if row == 0 {
                "0".to_owned()
            } else {
                String::new()
            };
            let line = heights.iter().map(|(spent, cap)| {
                match eighths(*spent, rows).saturating_sub(row.saturating_mul(8)) {
                    0 if (*cap > 0.0) && cell(*cap, rows) == row => '─',
                    eighths => BLOCKS.get(eighths).copied().unwrap_or('█'),
                }
            });
            let line: String = line.collect();
            text.push_str(format!("{label:>LABEL$} │{line}").trim_end());
            text.push('\n');
        }
        let axis = "─".repeat(columns);
        let _ = writeln!(text, "{:>LABEL$} └{axis}", "");
        let (from, to) = (day(frame.from), day(frame.to));
        let gap = columns.saturating_sub(from.len()).saturating_sub(to.len());
        let gap = " ".repeat(gap.max(1));
        let _ = writeln!(text, "{:>LABEL$}  {from}{gap}{to}", "rho");
        text
    }

    /// What was spent and the cap at the end of each column's time, as parts of the frame's height.
    fn by_column(&self, frame: &Frame, columns: usize) -> Vec<(f64, f64)> {
        let mut heights: Vec<Option<(f64, f64)>> = vec![None; columns];
        for point in &self.points {
            let place = cell(frame.across(point.time), columns);
            if let Some(height) = heights.get_mut(place) {
                *height = Some((frame.up(point.spent), frame.up(point.cap)));
            }
        }
        let mut last = (0.0, 0.0);
        let held = heights.into_iter().map(|height| {
            last = height.unwrap_or(last);
            last
        });
        held.collect()
    }
}

/// The character in which a part of the whole falls.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a part between 0 and 1 of a terminal's size"
)]
fn cell(part: f64, cells: usize) -> usize {
    let last = cells.saturating_sub(1);
    ((part * last as f64).round() as usize).min(last)
}

/// A height in eighths of a row; what is not zero is seen.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a part between 0 and 1 of a terminal's size"
)]
fn eighths(part: f64, rows: usize) -> usize {
    let most = rows.saturating_mul(8);
    let height = ((part * most as f64).round() as usize).min(most);
    if part > 0.0 { height.max(1) } else { 0 }
}
