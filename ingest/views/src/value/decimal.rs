//! Decimals from their text.

use rust_decimal::Decimal;

/// Reads a JSON number exactly: at most 28 digits, the scale kept. `None` when it does not fit.
pub(crate) fn parse(text: &str) -> Option<Decimal> {
    if text.contains(['e', 'E']) {
        Decimal::from_scientific(text).ok()
    } else {
        Decimal::from_str_exact(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_scale_is_kept() {
        for text in ["1.50", "0", "-3.000", "12345678901234567890.12345678"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        assert_eq!(parse("1.5e3").unwrap(), parse("1500").unwrap());
        assert!(parse(&"9".repeat(40)).is_none());
        assert!(parse("1e400").is_none());
        assert!(parse(&format!("0.{}", "1".repeat(40))).is_none());
    }
}
