//! `SET salus.epsilon = 0.5; SELECT …`: what the command line says with options, for clients that can only send SQL.

use salus_accounting::{Delta, Epsilon, Noise, Rational, Rho};

use crate::gate::{Asking, Price};
use crate::refusal::Refusal;

const NAMES: &str = "epsilon, rho, within, confidence, delta, rows_per_person, groups_per_person, expect_rows, weigh, noise, fresh";

/// The asking with what stands before the question, and the question alone.
///
/// # Errors
/// A setting that is not known, or whose value cannot be read. Other SET statements are left for the parser, which refuses them.
pub(crate) fn with_settings(asking: &Asking, sql: &str) -> Result<(Asking, String), Refusal> {
    let mut asking = asking.clone();
    let mut rest = sql;
    while let Some((name, value, after)) = setting(rest) {
        apply(&mut asking, &name, value)?;
        rest = after;
    }
    Ok((asking, rest.to_owned()))
}

/// Whether intervals of this level can be told from certainty.
pub(crate) fn is_confidence(level: &Rational) -> bool {
    let most = Rational::from_ratio(999_999, 1_000_000);
    !level.is_zero() && most.is_some_and(|most| *level <= most)
}

/// Name and value of a leading `SET salus.name = value;`, and what follows it.
fn setting(sql: &str) -> Option<(String, &str, &str)> {
    let (statement, after) = sql.trim_start().split_once(';')?;
    let (set, rest) = statement.split_once(char::is_whitespace)?;
    let (name, value) = rest
        .split_once('=')
        .or_else(|| rest.split_once(" TO "))
        .or_else(|| rest.split_once(" to "))?;
    let name = name.trim().to_ascii_lowercase();
    let name = name.strip_prefix("salus.")?;
    let value = value.trim().trim_matches('\'');
    set.eq_ignore_ascii_case("set")
        .then(|| (name.to_owned(), value, after))
}

fn apply(asking: &mut Asking, name: &str, value: &str) -> Result<(), Refusal> {
    let refuse = |message: String| {
        Refusal::new(
            "statement",
            format!("SET salus.{name} = {value}"),
            message,
            format!("settings are {NAMES}"),
        )
    };
    let unread = |e: salus_accounting::AccountingError| refuse(e.to_string());
    let whole = || {
        let number = value.parse::<u64>();
        number.map_err(|_| refuse("this is not a whole number".to_owned()))
    };
    let truth = || match value.to_ascii_lowercase().as_str() {
        "true" | "on" => Ok(true),
        "false" | "off" => Ok(false),
        _ => Err(refuse("this is neither true nor false".to_owned())),
    };
    match name {
        "epsilon" => asking.price = Price::Epsilon(Epsilon::parse(value).map_err(unread)?),
        "rho" => asking.price = Price::Rho(Rho::parse_floor(value).map_err(unread)?),
        "within" => asking.price = Price::Within(Rational::parse(value).map_err(unread)?),
        "confidence" => {
            let level = Rational::parse(value).map_err(unread)?;
            if !is_confidence(&level) {
                return Err(refuse(
                    "this is no probability between 0 and 0.999999".to_owned(),
                ));
            }
            asking.confidence = level;
        }
        "delta" => asking.delta = Some(Delta::parse_floor(value).map_err(unread)?),
        "rows_per_person" => asking.rows_per_person = Some(whole()?),
        "groups_per_person" => asking.groups_per_person = Some(whole()?),
        "expect_rows" => asking.expected_rows = Some(whole()?.max(1)),
        "weigh" => asking.weigh = truth()?,
        "fresh" => asking.fresh = truth()?,
        "noise" => {
            asking.noise = match value.to_ascii_lowercase().as_str() {
                "gaussian" => Noise::DiscreteGaussian,
                "laplace" => Noise::DiscreteLaplace,
                _ => return Err(refuse("this is neither gaussian nor laplace".to_owned())),
            }
        }
        _ => return Err(refuse("there is no such setting".to_owned())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking() -> Asking {
        crate::replay::support::asking(Price::Default)
    }

    #[test]
    fn settings_before_a_question_are_its_options() {
        let sql = "SET salus.epsilon = 0.5;\n set SALUS.Noise TO 'laplace'; SET salus.rows_per_person=3; SELECT 1; SELECT 2";
        let (asked, rest) = with_settings(&asking(), sql).unwrap();
        assert_eq!(asked.price, Price::Epsilon(Epsilon::parse("0.5").unwrap()));
        assert_eq!(asked.noise, Noise::DiscreteLaplace);
        assert_eq!(asked.rows_per_person, Some(3));
        assert_eq!(rest, " SELECT 1; SELECT 2");
    }

    #[test]
    fn what_is_no_setting_of_ours_is_left_as_it_is() {
        for sql in [
            "SELECT 1",
            "SET datafusion.execution.batch_size = 1; SELECT 1",
            "SELECT ';' FROM t; SELECT 1",
            "SETTING salus.epsilon = 1; SELECT 1",
        ] {
            let (asked, rest) = with_settings(&asking(), sql).unwrap();
            assert_eq!((asked, rest.as_str()), (asking(), sql));
        }
    }

    #[test]
    fn a_setting_that_cannot_be_read_is_refused() {
        for setting in [
            "epsilon = much",
            "principal = 'alice'",
            "rows_per_person = -1",
            "weigh = perhaps",
            "noise = cauchy",
            "confidence = 1",
            "confidence = 0.99999999999999999",
            "user = x",
        ] {
            let sql = format!("SET salus.{setting}; SELECT 1");
            let refusal = with_settings(&asking(), &sql).unwrap_err();
            assert_eq!(refusal.rule, "statement", "{setting}");
        }
    }
}
