//! For a page: one SVG element that needs nothing else, follows light and dark, and says in words what it shows.

use std::fmt::Write as _;

use super::{BurnDown, Frame, Point};
use crate::books::shown_epsilon;
use crate::text::escape;
use crate::time::day;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 700.0;
/// Where the last point stands, so that what it holds is seen.
const LAST: f64 = 694.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 246.0;

/// More steps than this cannot be told apart at the width of a page.
const MOST_STEPS: usize = 600;

/// Colours are written out: viewers other than browsers know neither variables nor media queries, and show the first ones.
const STYLE: &str = "\
.salus-plot{font-family:system-ui,sans-serif;font-size:13px}\
.salus-plot .small{font-size:11px}\
.salus-plot text{fill:#1c2430}\
.salus-plot .grid{stroke:#d5dbe3;stroke-width:1}\
.salus-plot .axis{stroke:#1c2430;stroke-width:1;fill:none}\
.salus-plot .spent{stroke:#0b5cad;stroke-width:2;stroke-linejoin:round;fill:none}\
.salus-plot .area{fill:#0b5cad;fill-opacity:.13;stroke:none}\
.salus-plot .cap{stroke:#b3261e;stroke-width:2;stroke-dasharray:7 4;fill:none}\
.salus-plot .cap-name{fill:#b3261e}\
@media screen and (prefers-color-scheme:dark){\
.salus-plot text{fill:#e6eaf0}\
.salus-plot .grid{stroke:#3a434f}\
.salus-plot .axis{stroke:#e6eaf0}\
.salus-plot .spent{stroke:#6cb2ff}\
.salus-plot .area{fill:#6cb2ff;fill-opacity:.17}\
.salus-plot .cap{stroke:#ff8a80}\
.salus-plot .cap-name{fill:#ff8a80}}";

impl BurnDown {
    /// The line of what was spent with the cap above it, as one `<svg>` element. Title, description and axes say in words what is drawn; names are
    /// escaped; there is no script and nothing is loaded. Ids are made from the share, so that several can stand on one page.
    pub fn plot_svg(&self) -> String {
        let id = self.id();
        let caption = escape(&capital(&self.caption()));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"salus-plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"100%\" role=\"img\" \
             aria-labelledby=\"{id}-title {id}-desc\"><title id=\"{id}-title\">Spending of {}</title><desc id=\"{id}-desc\">{caption}.</desc><style>{STYLE}</style>",
            escape(&self.share.to_string())
        );
        let _ = write!(
            svg,
            "<text x=\"{LEFT}\" y=\"20\" font-weight=\"600\">{}</text>",
            escape(&short(&capital(&self.share.to_string())))
        );
        if let Some(last) = self.points.last() {
            let frame = Frame::of(&self.points);
            axes(&mut svg, &frame);
            lines(&mut svg, &frame, &thinned(&self.points));
            self.labels(&mut svg, &frame, last);
        } else {
            let _ = write!(svg, "<text x=\"{LEFT}\" y=\"140\">No entries.</text>");
        }
        svg.push_str("</svg>");
        svg
    }

    /// A name that no other share on the page has, of letters and digits alone.
    fn id(&self) -> String {
        let name = self.share.to_string();
        format!("salus-{}", crate::books::hex(name.as_bytes()))
    }

    /// What the cap and the last of the spending are, in rho and as epsilon.
    fn labels(&self, svg: &mut String, frame: &Frame, last: &Point) {
        let cap = high(frame.up(last.cap));
        let _ = write!(
            svg,
            "<text class=\"cap-name small\" x=\"{RIGHT}\" y=\"{:.1}\" text-anchor=\"end\">cap: rho {}, epsilon {}</text>",
            cap - 6.0,
            last.cap.rho,
            shown_epsilon(last.cap, self.conversion)
        );
        let spent = high(frame.up(last.spent));
        // Where both are near each other the lower label moves below its line.
        let y = if spent - cap < 22.0 {
            spent + 16.0
        } else {
            spent - 6.0
        };
        let _ = write!(
            svg,
            "<text class=\"small\" x=\"{RIGHT}\" y=\"{y:.1}\" text-anchor=\"end\">spent: rho {}, epsilon {}</text>",
            last.spent.rho,
            last.epsilon(self.conversion)
        );
    }
}

fn axes(svg: &mut String, frame: &Frame) {
    for quarter in 0..=4_u8 {
        let part = f64::from(quarter) / 4.0;
        let y = high(part);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\"/>\
             <text class=\"small\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            y + 4.0,
            tick(frame.top * part)
        );
    }
    let _ = write!(
        svg,
        "<path class=\"axis\" d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\"/>\
         <text class=\"small\" x=\"{LEFT}\" y=\"{:.1}\">{}</text>\
         <text class=\"small\" x=\"{RIGHT}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">time (UTC, as the entries state it)</text>\
         <text transform=\"translate(18 {:.1}) rotate(-90)\" text-anchor=\"middle\">rho spent</text>",
        BOTTOM + 18.0,
        day(frame.from),
        BOTTOM + 18.0,
        day(frame.to),
        f64::midpoint(LEFT, RIGHT),
        BOTTOM + 38.0,
        f64::midpoint(TOP, BOTTOM)
    );
}

fn lines(svg: &mut String, frame: &Frame, points: &[Point]) {
    let spent = steps(frame, points, |point| frame.up(point.spent));
    let cap = steps(frame, points, |point| frame.up(point.cap));
    // The area closes down to the axis, from where the line begins.
    let _ = write!(
        svg,
        "<path class=\"area\" d=\"M{LEFT} {BOTTOM}L{spent}V{BOTTOM}Z\"/><path class=\"spent\" d=\"M{spent}\"/><path class=\"cap\" d=\"M{cap}\"/>"
    );
}

/// A line that stays where it is until the next point, and goes on to the right edge.
fn steps(frame: &Frame, points: &[Point], part: impl Fn(&Point) -> f64) -> String {
    let mut path = String::new();
    for (i, point) in points.iter().enumerate() {
        let x = LEFT + (LAST - LEFT) * frame.across(point.time);
        let y = high(part(point));
        if i == 0 {
            let _ = write!(path, "{x:.1} {y:.1}");
        } else {
            let _ = write!(path, "H{x:.1}V{y:.1}");
        }
    }
    let _ = write!(path, "H{RIGHT}");
    path
}

fn high(part: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * part
}

/// So many points that no step that can be seen is lost: the last of each stretch, and each change of the cap.
fn thinned(points: &[Point]) -> Vec<Point> {
    if points.len() <= MOST_STEPS {
        return points.to_vec();
    }
    let stride = points.len().div_ceil(MOST_STEPS);
    let mut kept = Vec::new();
    let mut cap = None;
    let end = points.len().saturating_sub(1);
    for (i, point) in points.iter().enumerate() {
        if cap != Some(point.cap) || i.is_multiple_of(stride) || i == end {
            kept.push(*point);
        }
        cap = Some(point.cap);
    }
    kept
}

fn tick(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() { "0" } else { text }.to_owned()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

/// A name that fits above the plot; the title has it in full.
fn short(name: &str) -> String {
    const MOST: usize = 80;
    if name.chars().count() <= MOST {
        name.to_owned()
    } else {
        name.chars().take(MOST).chain(['…']).collect()
    }
}
