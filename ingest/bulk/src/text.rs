//! Text of others, made fit to be shown.

use url::Url;

/// Longest text of a server that is shown.
pub(crate) const SHOWN: usize = 600;

/// `text` in one line of at most `longest` bytes: control characters and runs of white space become
/// one space, and whatever looks like a signed token (three base64url parts) becomes `[token]`.
pub(crate) fn clean(text: &str, longest: usize) -> String {
    let mut shown = String::new();
    // Reading a bounded part is enough: what is dropped can only be white space and tokens.
    for word in text
        .split(|c: char| c.is_whitespace() || c.is_control() || invisible(c))
        .filter(|word| !word.is_empty())
        .take(longest)
    {
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(&without_tokens(word));
        if shown.len() > longest {
            let mut end = longest;
            while !shown.is_char_boundary(end) {
                end -= 1;
            }
            shown.truncate(end);
            shown.push('…');
            break;
        }
    }
    shown
}

/// Characters that change how a line is displayed without being control characters.
fn invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A JSON Web Token begins with `eyJ` and has dots between base64url parts.
fn without_tokens(word: &str) -> String {
    let mut shown = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(at) = rest.find("eyJ") {
        let (before, token) = rest.split_at(at);
        let end = token
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=')))
            .unwrap_or(token.len());
        shown.push_str(before);
        if token[..end].matches('.').count() >= 2 {
            shown.push_str("[token]");
        } else {
            shown.push_str(&token[..end]);
        }
        rest = &token[end..];
    }
    shown.push_str(rest);
    shown
}

/// An address as it may be shown: a signed link carries its signature in the query.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let hidden = url.query().is_some();
    url.set_query(None);
    url.set_fragment(None);
    // Neither fails for http and https.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let text = clean(url.as_str(), SHOWN);
    if hidden { format!("{text}?…") } else { text }
}

/// An error with its causes, in one line, without addresses.
pub(crate) fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    clean(&text, SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shown_text_is_one_bounded_line(text in "(\\PC|[\\x00-\\x1f]|\\s|eyJ|[.]){0,400}", longest in 0_usize..300) {
            let shown = clean(&text, longest);
            prop_assert!(shown.len() <= longest + "…".len());
            prop_assert!(!shown.contains(|c: char| c.is_control()));
        }
    }

    #[test]
    fn control_characters_and_length_are_bounded() {
        assert_eq!(
            clean("a\r\n\u{1b}[31mb\0c  d\u{202e}e", 100),
            "a [31mb c d e"
        );
        assert_eq!(clean(&"é".repeat(1000), 11), format!("{}…", "é".repeat(5)));
        assert_eq!(clean("  ", 10), "");
    }

    #[test]
    fn tokens_are_not_shown() {
        let token = "eyJhbGciOiJSUzM4NCJ9.eyJpc3MiOiJ4In0.c2ln-bmF0_dXJl";
        assert_eq!(clean(&format!("bad \"{token}\"!"), 100), "bad \"[token]\"!");
        assert_eq!(clean(&format!("{token},{token}"), 100), "[token],[token]");
        // The path of the SMART reference server holds base64, which is no token.
        assert_eq!(clean("/eyJlcnIiOiIifQ/fhir", 100), "/eyJlcnIiOiIifQ/fhir");
    }

    #[test]
    fn addresses_are_shown_without_query_and_password() {
        let url = Url::parse("https://u:p@a.org/f/1.ndjson?X-Signature=s#t").unwrap();
        assert_eq!(shown(&url), "https://a.org/f/1.ndjson?…");
    }
}
