//! From an answer to the wire. Nothing is rounded on the way but what people are shown, and that against us.

use salus_accounting::{Delta, Loss, Noise, Rho, epsilon_of, total_delta};
use salus_query::{Admission, Answer, Asked, ColumnType, Expected, Quote, Terms};
use serde_json::Value;

use crate::proto;
use crate::proto::cell::Value as Is;

/// An answer with what it cost, at this conversion delta; `verifier_key` is the one that its receipt holds under.
pub(crate) fn answer(asked: &Asked, conversion: Delta, verifier_key: String) -> proto::Answer {
    let Asked {
        answer,
        types,
        published,
        terms,
    } = asked;
    let columns = answer.columns.iter().zip(types);
    proto::Answer {
        columns: columns
            .map(|(name, kind)| proto::Column {
                name: name.clone(),
                r#type: column_type(*kind).into(),
            })
            .collect(),
        rows: (0..answer.rows.len())
            .map(|at| row(answer, types, at))
            .collect(),
        confidence: answer.confidence,
        cost: Some(cost(published.cost, terms, conversion)),
        remaining: Some(loss(published.remaining, conversion)),
        bounds: Some(bounds(terms)),
        entry: published.entry.0,
        reuse: published.reused.map(|entry| entry.0),
        receipt: published.receipt.clone().into_bytes(),
        verifier_key,
    }
}

fn column_type(kind: ColumnType) -> proto::ColumnType {
    match kind {
        ColumnType::Boolean => proto::ColumnType::Boolean,
        ColumnType::Integer => proto::ColumnType::Integer,
        ColumnType::Number => proto::ColumnType::Number,
        ColumnType::Text => proto::ColumnType::Text,
        ColumnType::Date => proto::ColumnType::Date,
        ColumnType::Timestamp => proto::ColumnType::Timestamp,
    }
}

fn row(answer: &Answer, types: &[ColumnType], at: usize) -> proto::Row {
    let of = |column: usize| proto::Cell {
        value: answer.rows[at]
            .get(column)
            .zip(types.get(column))
            .and_then(|(value, kind)| cell(value, *kind)),
        standard_error: answer
            .standard_errors
            .get(at)
            .and_then(|row| *row.get(column)?),
        interval: answer
            .intervals
            .get(at)
            .and_then(|row| *row.get(column)?)
            .map(|[low, high]| proto::Interval { low, high }),
    };
    proto::Row {
        cells: (0..answer.columns.len()).map(of).collect(),
    }
}

/// A value as the receipt proves it; `None` is NULL.
fn cell(value: &Value, kind: ColumnType) -> Option<Is> {
    match value {
        Value::Null => None,
        Value::Bool(truth) => Some(Is::Boolean(*truth)),
        Value::String(text) => Some(Is::Text(text.clone())),
        Value::Number(number) => match (number.as_i64(), kind) {
            (Some(whole), ColumnType::Integer) => Some(Is::Integer(whole)),
            _ => number.as_f64().map(Is::Number),
        },
        // No cell of an answer is one.
        Value::Array(_) | Value::Object(_) => Some(Is::Text(value.to_string())),
    }
}

/// Exact decimal text: a unit of rho is 2^-40, which has 40 digits.
pub(crate) fn rho(rho: Rho) -> String {
    let text = rho.to_rational().to_decimal_string(40);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A loss, and the epsilon and delta that follow from it.
pub(crate) fn loss(of: Loss, conversion: Delta) -> proto::Loss {
    let nothing = of == Loss::ZERO;
    let text = |text: String| if nothing { "0".to_owned() } else { text };
    proto::Loss {
        rho: rho(of.rho),
        epsilon: text(epsilon_of(of.rho, conversion).to_decimal_string(6)),
        delta: text(total_delta(of.delta, conversion).to_string()),
    }
}

/// The cost of a question; where it has no delta of its own, as the epsilon that it has without any.
pub(crate) fn cost(of: Loss, terms: &Terms, conversion: Delta) -> proto::Loss {
    match terms.pure_epsilon {
        Some(pure) if of != Loss::ZERO => proto::Loss {
            rho: rho(of.rho),
            epsilon: format!("{pure:.6}"),
            delta: "0".to_owned(),
        },
        _ => loss(of, conversion),
    }
}

pub(crate) fn bounds(terms: &Terms) -> proto::Bounds {
    let thresholds = terms.thresholds.iter();
    proto::Bounds {
        rows_per_person: terms.rows_per_person,
        groups_per_person: terms.groups_per_person,
        weighted_groups: terms.weighted_groups,
        thresholds: thresholds
            .map(|&(minimum_persons, above)| proto::Threshold {
                minimum_persons,
                above,
            })
            .collect(),
        leaves_groups_out: terms.leaves_groups_out,
    }
}

/// What a question would cost. `declined` says what Ask would say.
pub(crate) fn quote(
    quote: Quote,
    conversion: Delta,
    declined: impl FnOnce(salus_query::AskError) -> tonic::Status,
) -> proto::Quote {
    use proto::admission::Outcome;
    let errors = quote.errors.into_iter();
    let outcome = match quote.admission {
        Admission::Paid => Outcome::Paid(proto::Paid {}),
        Admission::Known(entry) => Outcome::KnownEntry(entry),
        Admission::Declined(why) => {
            let status = declined(why);
            Outcome::Declined(proto::Declined {
                code: status.code().into(),
                message: status.message().to_owned(),
            })
        }
    };
    proto::Quote {
        cost: Some(cost(quote.cost, &quote.terms, conversion)),
        admission: Some(proto::Admission {
            outcome: Some(outcome),
        }),
        remaining: Some(loss(quote.remaining, conversion)),
        cells: u64::try_from(quote.cells).unwrap_or(u64::MAX),
        bounds: Some(bounds(&quote.terms)),
        errors: errors
            .map(|(column, error)| {
                let (half_width, rows) = match error {
                    Expected::HalfWidth(half) => (Some(half), None),
                    Expected::Rows(rows) => (None, Some(rows)),
                    Expected::Open => (None, None),
                };
                proto::ForetoldError {
                    column,
                    half_width,
                    rows,
                }
            })
            .collect(),
    }
}

/// How a question is bounded, in plain words.
pub(crate) fn explanation(quote: &Quote, conversion: Delta) -> proto::Explanation {
    let steps = quote.steps_in_words().into_iter();
    let lines = quote.in_words().into_iter();
    let noise = quote.noise.iter();
    proto::Explanation {
        steps: steps
            .map(|(rule, words)| proto::Step {
                rule: rule.to_owned(),
                words,
            })
            .collect(),
        // Noise is said in numbers.
        lines: lines
            .filter(|(about, _)| *about != "noise")
            .map(|(about, words)| proto::Line {
                about: about.to_owned(),
                words,
            })
            .collect(),
        noise: noise
            .map(|noise| proto::NoiseTerm {
                release: noise.release,
                aggregate: noise.aggregate.to_owned(),
                noise: match noise.kind {
                    Noise::DiscreteGaussian => proto::Noise::Gaussian.into(),
                    Noise::DiscreteLaplace => proto::Noise::Laplace.into(),
                },
                sensitivity: noise.sensitivity,
                sigma: noise.sigma,
                rho: rho(noise.rho),
            })
            .collect(),
        cost: Some(cost(quote.cost, &quote.terms, conversion)),
    }
}

/// An account of the books.
pub(crate) fn account(account: &salus_ledger::Account) -> proto::Account {
    let of = |of| Some(loss(of, account.conversion_delta));
    proto::Account {
        name: account.scope.clone(),
        cap: of(account.cap),
        spent: of(account.spent),
        remaining: of(account.remaining()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rho_is_exact_to_its_last_unit() {
        for (text, shown) in [
            ("0", "0"),
            ("1", "1"),
            ("10", "10"),
            ("0.5", "0.5"),
            // One unit.
            (
                "0.00000000000091",
                "0.0000000000009094947017729282379150390625",
            ),
        ] {
            let parsed = Rho::parse_floor(text).unwrap();
            assert_eq!(rho(parsed), shown);
            assert_eq!(Rho::parse_floor(&rho(parsed)), Ok(parsed));
        }
    }

    #[test]
    fn cells_have_the_type_of_their_column() {
        let of = |value, kind| cell(&value, kind);
        assert_eq!(of(json!(null), ColumnType::Integer), None);
        assert_eq!(of(json!(-3), ColumnType::Integer), Some(Is::Integer(-3)));
        assert_eq!(of(json!(3), ColumnType::Number), Some(Is::Number(3.0)));
        assert_eq!(of(json!(0.25), ColumnType::Number), Some(Is::Number(0.25)));
        assert_eq!(
            of(json!(true), ColumnType::Boolean),
            Some(Is::Boolean(true))
        );
        let far = json!("18446744073709551615");
        assert!(matches!(of(far, ColumnType::Integer), Some(Is::Text(_))));
        let day = json!("2024-02-29");
        assert_eq!(
            of(day, ColumnType::Date),
            Some(Is::Text("2024-02-29".to_owned()))
        );
    }
}
