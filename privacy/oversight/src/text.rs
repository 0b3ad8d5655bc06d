//! The two ways in which text leaves: for a terminal, and for a page.

/// Text on one line, as it may be printed: control characters, which could move the cursor or change colours, and direction overrides, which make a name
/// read as another, become visible.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(visible).collect()
}

fn visible(c: char) -> char {
    match c {
        '\n' | '\t' => ' ',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// Text as it stands between tags and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars().map(visible) {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::{escape, plain};

    #[test]
    fn nothing_of_markup_is_left() {
        assert_eq!(
            escape("<script>alert('x')</script> & \"y\"\u{0}\u{202e}"),
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;y&quot;\u{fffd}\u{fffd}"
        );
        assert_eq!(escape("Ärztin 43 µg"), "Ärztin 43 µg");
    }

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(
            plain("a\u{1b}[31m\r\nb\u{9b}2J"),
            "a\u{fffd}[31m\u{fffd} b\u{fffd}2J"
        );
    }
}
