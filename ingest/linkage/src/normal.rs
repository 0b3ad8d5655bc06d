//! One writing for what people write in several.

use rphonetic::{DoubleMetaphone, Encoder as _};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Letters of a name that are looked at. A longer one is not a name.
const LONGEST: usize = 64;
/// Bytes of any text that are looked at.
const LONGEST_TEXT: usize = 4096;

/// Lower-case letters and digits without diacritics: `Müller-Lüdenscheidt` is `mullerludenscheidt`, as is `MULLER LUDENSCHEIDT`.
pub(crate) fn name(text: &str) -> Option<String> {
    let folded: String = letters(text).take(LONGEST).collect();
    (!folded.is_empty()).then_some(folded)
}

/// As [`name`], with the words apart and in order: `12 Main St.` and `Main St 12` are the same.
pub(crate) fn words(text: &str) -> Option<String> {
    let mut words: Vec<String> = head(text)
        .split(|c: char| !c.is_alphanumeric())
        .filter_map(name)
        .collect();
    words.sort_unstable();
    let joined = words.join(" ");
    (!joined.is_empty()).then_some(joined)
}

/// The digits of a telephone number, without the prefix of a country: the last nine. Fewer than seven are none.
pub(crate) fn phone(text: &str) -> Option<String> {
    let digits: Vec<char> = head(text).chars().filter(char::is_ascii_digit).collect();
    let start = digits.len().saturating_sub(9);
    (digits.len() >= 7).then(|| digits.get(start..).unwrap_or_default().iter().collect())
}

/// How a folded name sounds: Double Metaphone (Philips 2000) of its Latin letters, or the name itself in other scripts.
pub(crate) fn sound(folded: &str) -> String {
    let latin: String = folded.chars().filter(char::is_ascii_alphabetic).collect();
    let code = if latin.is_empty() {
        String::new()
    } else {
        DoubleMetaphone::default().encode(&latin)
    };
    if code.is_empty() {
        folded.to_owned()
    } else {
        code
    }
}

fn letters(text: &str) -> impl Iterator<Item = char> + '_ {
    head(text)
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .flat_map(|c| {
            plain(c)
                .chars()
                .chain(plain(c).is_empty().then_some(c))
                .collect::<Vec<_>>()
        })
        .filter(|c| c.is_alphanumeric())
}

/// Letters that Unicode does not take apart. <https://www.unicode.org/reports/tr36/> has the idea.
fn plain(c: char) -> &'static str {
    match c {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'ı' => "i",
        'ħ' => "h",
        _ => "",
    }
}

/// The start of a text, cut at a border of characters.
pub(crate) fn head(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST_TEXT))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writings_of_one_name_are_one() {
        assert_eq!(name("Müller-Lüdenscheidt"), name(" MULLER LUDENSCHEIDT"));
        assert_eq!(name("Jose\u{301}"), name("José"));
        assert_eq!(name("Straße").as_deref(), Some("strasse"));
        assert_eq!(name("Łukasz").as_deref(), Some("lukasz"));
        assert_eq!(name("O'Brien"), name("OBrien"));
        assert_ne!(name("محمد"), name("أحمد"));
        assert_eq!(name(" -'. "), None);
        assert_eq!(name("\u{301}"), None);
        assert_eq!(words("12 Main St."), words("main st 12"));
    }

    #[test]
    fn telephone_numbers_without_their_country() {
        assert_eq!(phone("+1 (617) 555-0142").as_deref(), Some("175550142"));
        assert_eq!(phone("617.555.0142").as_deref(), Some("175550142"));
        assert_eq!(phone("911"), None);
    }

    #[test]
    fn hostile_texts_cost_no_more_than_others() {
        let long = "ä".repeat(5_000_000);
        assert_eq!(name(&long).map(|name| name.len()), Some(LONGEST));
        for text in [
            "",
            "\u{0}",
            "\u{202e}abc",
            "ﷺ",
            "𝕁𝕠𝕙𝕟",
            "a\u{300}\u{301}\u{302}",
            "İ",
            "🙂",
        ] {
            let _ = name(text).map(|name| sound(&name));
        }
        assert_eq!(name("𝕁𝕠𝕙𝕟").as_deref(), Some("john"));
        assert_eq!(sound("smith"), sound("smyth"));
        assert_eq!(sound("محمد"), "محمد");
    }
}
