//! Canonical text without its meaning: brackets, strings, and what stands outside of them.

/// The bytes of `text` that stand in no bracket and no string, with their places; of a bracket only the opening one.
struct Top<'t> {
    text: &'t [u8],
    at: usize,
}

impl Iterator for Top<'_> {
    type Item = (usize, u8);

    fn next(&mut self) -> Option<(usize, u8)> {
        let here = self.at;
        let byte = *self.text.get(here)?;
        self.at = match byte {
            // A bracket that is never closed takes the rest.
            b'(' | b'[' | b'{' => close(self.text, here).map_or(self.text.len(), after),
            _ => skip(self.text, here),
        };
        Some((here, byte))
    }
}

fn after(place: usize) -> usize {
    place.saturating_add(1)
}

/// The place after the string, the character literal or the byte at `here`.
fn skip(text: &[u8], here: usize) -> usize {
    match text.get(here) {
        Some(b'"') => {
            let mut at = after(here);
            while let Some(byte) = text.get(at) {
                match byte {
                    b'"' => return after(at),
                    b'\\' => at = after(after(at)),
                    _ => at = after(at),
                }
            }
            text.len()
        }
        // `'('` is a character; a lone quote is not.
        Some(b'\'') => {
            let start = after(here);
            let escaped = text.get(start) == Some(&b'\\');
            let from = if escaped {
                after(after(start))
            } else {
                after(start)
            };
            // Longest: '\u{10ffff}'.
            let end = (from..from.saturating_add(10)).find(|at| text.get(*at) == Some(&b'\''));
            match end {
                Some(end) if escaped || end <= from.saturating_add(3) => after(end),
                _ => after(here),
            }
        }
        _ => after(here),
    }
}

/// The place of the bracket that closes the one at `open`.
fn close(text: &[u8], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = open;
    loop {
        match text.get(at)? {
            b'(' | b'[' | b'{' => depth = depth.saturating_add(1),
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
        at = skip(text, at);
    }
}

fn top(text: &str) -> Top<'_> {
    Top {
        text: text.as_bytes(),
        at: 0,
    }
}

/// `text` cut at each `separator` outside of brackets and strings; one empty piece for no text.
pub(super) fn pieces<'t>(text: &'t str, separator: &str) -> Vec<&'t str> {
    pieces_before(text, separator, |_| true)
}

/// The same, but cut only where `begins` holds for what follows the separator.
pub(super) fn pieces_before<'t>(
    text: &'t str,
    separator: &str,
    begins: impl Fn(&str) -> bool,
) -> Vec<&'t str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for (at, _) in top(text) {
        if at < start {
            continue;
        }
        let follows = text.get(at..).and_then(|rest| rest.strip_prefix(separator));
        if let Some(follows) = follows.filter(|follows| begins(follows)) {
            pieces.push(text.get(start..at).unwrap_or_default());
            start = text.len().saturating_sub(follows.len());
        }
    }
    pieces.push(text.get(start..).unwrap_or_default());
    pieces
}

/// `text` before and after the first `separator` outside of brackets and strings.
pub(super) fn halves<'t>(text: &'t str, separator: &str) -> Option<(&'t str, &'t str)> {
    let (at, _) = top(text).find(|(at, _)| {
        let rest = text.get(*at..);
        rest.is_some_and(|rest| rest.starts_with(separator))
    })?;
    let right = text.get(at..)?.strip_prefix(separator)?;
    Some((text.get(..at)?, right))
}

/// `head (below)`: the head, and what stands in the last bracket, which must end the text.
pub(super) fn head_and_last(text: &str) -> Option<(&str, &str)> {
    let (open, _) = top(text).filter(|(_, byte)| *byte == b'(').last()?;
    let end = close(text.as_bytes(), open)?;
    if after(end) != text.len() {
        return None;
    }
    let head = text.get(..open)?;
    Some((
        head.strip_suffix(' ').unwrap_or(head),
        text.get(after(open)..end)?,
    ))
}

/// What stands in the brackets of `Name(…)`.
pub(super) fn within<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let rest = text.strip_prefix(name)?.strip_prefix('(')?;
    let open = name.len();
    (close(text.as_bytes(), open)? == text.len().checked_sub(1)?)
        .then(|| rest.strip_suffix(')'))
        .flatten()
}

/// The fields of `Name(Name { a: …, b: … })`, whichever they are.
pub(super) fn fields<'t>(text: &'t str, name: &str) -> Option<Vec<(&'t str, &'t str)>> {
    let inner = within(text, name)?.strip_prefix(name)?;
    let inner = inner.strip_prefix(" {")?.strip_suffix('}')?.trim();
    let fields = pieces(inner, ", ").into_iter();
    Some(fields.filter_map(|field| field.split_once(": ")).collect())
}

/// Text cut into brackets and what stands between them.
pub(super) fn brackets(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, byte) in top(text) {
        if !matches!(byte, b'(' | b'[' | b'{') {
            continue;
        }
        let Some(end) = close(text.as_bytes(), at) else {
            break;
        };
        let before = text.get(start..after(at)).unwrap_or_default();
        parts.push(Part::Text(before));
        parts.push(Part::Inside(text.get(after(at)..end).unwrap_or_default()));
        start = end;
    }
    parts.push(Part::Text(text.get(start..).unwrap_or_default()));
    parts
}

/// A piece of text around or within brackets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'t> {
    /// Outside, with the bracket that closes before and the one that opens after.
    Text(&'t str),
    /// Inside of one pair.
    Inside(&'t str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_outside_separates() {
        assert_eq!(
            pieces("a, b(c, d), \"e, f\", [g, h]", ", "),
            ["a", "b(c, d)", "\"e, f\"", "[g, h]"]
        );
        assert_eq!(pieces("", ", "), [""]);
        assert_eq!(
            halves("f(a by b) by c by d", " by "),
            Some(("f(a by b)", "c by d"))
        );
        assert_eq!(halves("(a by b)", " by "), None);
    }

    #[test]
    fn strings_and_characters_hide_brackets() {
        assert_eq!(
            pieces("x(\"a)\\\", b\", c), d", ", "),
            ["x(\"a)\\\", b\", c)", "d"]
        );
        assert_eq!(
            pieces("Some('('), 'x', '\\'', it's, (b)", ", "),
            ["Some('(')", "'x'", "'\\''", "it's", "(b)"]
        );
    }

    #[test]
    fn the_last_bracket_is_what_lies_below() {
        assert_eq!(
            head_and_last("filter f(a) (scan t (x))"),
            Some(("filter f(a)", "scan t (x)"))
        );
        assert_eq!(head_and_last("project  (x)"), Some(("project ", "x")));
        assert_eq!(head_and_last("f(a) b"), None);
        assert_eq!(head_and_last("f(a"), None);
    }

    #[test]
    fn fields_are_read_by_name() {
        let text = "InList(InList { expr: C(1), list: [a, b], negated: false })";
        let read = fields(text, "InList").unwrap();
        assert_eq!(
            read,
            [("expr", "C(1)"), ("list", "[a, b]"), ("negated", "false")]
        );
        assert_eq!(fields("InList(InList { }) x", "InList"), None);
    }

    #[test]
    fn brackets_fall_apart_and_come_together() {
        let parts = brackets("Case(a, b) { c }");
        assert_eq!(
            parts,
            [
                Part::Text("Case("),
                Part::Inside("a, b"),
                Part::Text(") {"),
                Part::Inside(" c "),
                Part::Text("}")
            ]
        );
    }
}
