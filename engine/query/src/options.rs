//! What may be said beside a question, the same through every door: decimal text where a number is a price, because no float enters the books.

use std::fmt;

use salus_accounting::{Delta, Epsilon, Noise, Rational, Rho};

use crate::gate::{Asking, Price, Subject};
use crate::purpose::PURPOSES;
use crate::settings::is_confidence;

/// Options of a question as people and programs write them. What is `None` is the policy's, or the catalog's, to say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Price as the epsilon it is shown with, decimal text. At most one of epsilon, rho and within.
    pub epsilon: Option<String>,
    /// Price as zCDP, decimal text.
    pub rho: Option<String>,
    /// Price as the least that puts every number within so much of its noiseless value, decimal text.
    pub within: Option<String>,
    /// Probability with which `within` and foretold errors hold, decimal text; 0.95 when nothing is said.
    pub confidence: Option<String>,
    /// Price in delta of keys that are not public, decimal text.
    pub delta: Option<String>,
    /// Rows to expect in each group, from 1.
    pub expect_rows: Option<u64>,
    /// Rows of one person that count in one group.
    pub rows_per_person: Option<u64>,
    /// Groups that one person counts in.
    pub groups_per_person: Option<u64>,
    /// Whether persons in more groups than that are weighted instead of cut.
    pub weigh: bool,
    /// The distribution of the noise.
    pub noise: Noise,
    /// Whether to pay for new noise.
    pub fresh: bool,
    /// The asker's own name for the request.
    pub retry_key: Option<String>,
}

/// An option that cannot be meant as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Its name, in the form of [`Options`]' fields; or `purpose`.
    pub option: &'static str,
    /// What was said.
    pub value: String,
    /// What is wrong with it.
    pub why: String,
}

impl Malformed {
    fn new(option: &'static str, value: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self {
            option,
            value: value.to_string(),
            why: why.to_string(),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.option, self.value, self.why)
    }
}

impl std::error::Error for Malformed {}

impl Options {
    /// The asking of an analyst under these options, for the numbers of a question.
    ///
    /// `principal` is her pseudonym; `purpose` an HL7 PurposeOfUse code in any case.
    ///
    /// # Errors
    /// The first option that cannot be read, or contradicts another.
    pub fn asking(&self, principal: String, purpose: &str) -> Result<Asking, Malformed> {
        let code = purpose.to_uppercase();
        if !PURPOSES.contains(&code.as_str()) {
            let why = format!("use one of {}", PURPOSES.join(", "));
            return Err(Malformed::new("purpose", purpose, why));
        }
        let confidence = self.confidence.as_deref().unwrap_or("0.95");
        let wrong = |why: &dyn fmt::Display| Malformed::new("confidence", confidence, why);
        let level = Rational::parse(confidence).map_err(|e| wrong(&e))?;
        if !is_confidence(&level) {
            let why = "give a probability between 0 and 0.999999, such as 0.95";
            return Err(wrong(&why));
        }
        if self.expect_rows == Some(0) {
            return Err(Malformed::new("expect_rows", 0, "give a number from 1"));
        }
        let delta = self
            .delta
            .as_deref()
            .map(|text| Delta::parse_floor(text).map_err(|e| Malformed::new("delta", text, e)));
        Ok(Asking {
            principal,
            roles: vec!["analyst".to_owned()],
            purpose: code,
            subject: Subject::Numbers,
            price: self.price()?,
            delta: delta.transpose()?,
            rows_per_person: self.rows_per_person,
            groups_per_person: self.groups_per_person,
            weigh: self.weigh,
            noise: self.noise,
            confidence: level,
            expected_rows: self.expect_rows,
            retry: self.retry_key.clone(),
            fresh: self.fresh,
        })
    }

    fn price(&self) -> Result<Price, Malformed> {
        let nothing = |option, text: &str| {
            let why = "the price, or the error, must be above 0";
            Err(Malformed::new(option, text, why))
        };
        let said = [
            ("epsilon", &self.epsilon),
            ("rho", &self.rho),
            ("within", &self.within),
        ];
        let mut said = said
            .into_iter()
            .filter_map(|(option, text)| Some((option, text.as_deref()?)));
        let Some((option, text)) = said.next() else {
            return Ok(Price::Default);
        };
        if let Some((other, text)) = said.next() {
            let why = format!("{option} was given as well; a question has one price");
            return Err(Malformed::new(other, text, why));
        }
        let unread = |e: salus_accounting::AccountingError| Malformed::new(option, text, e);
        match option {
            "within" => match Rational::parse(text).map_err(unread)? {
                error if error.is_zero() => nothing(option, text),
                error => Ok(Price::Within(error)),
            },
            "rho" => match Rho::parse_floor(text).map_err(unread)? {
                Rho::ZERO => nothing(option, text),
                rho => Ok(Price::Rho(rho)),
            },
            _ => match Epsilon::parse(text).map_err(unread)? {
                epsilon if epsilon == Epsilon::ZERO => nothing(option, text),
                epsilon => Ok(Price::Epsilon(epsilon)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::unnecessary_wraps, reason = "the options hold it so")]
    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn what_is_said_is_what_is_asked() {
        let options = Options {
            rho: text("0.25"),
            confidence: text("0.9"),
            delta: text("1e-9"),
            expect_rows: Some(7),
            weigh: true,
            retry_key: text("monday"),
            ..Options::default()
        };
        let asking = options.asking("p-1".to_owned(), "hresch").unwrap();
        assert_eq!(asking.purpose, "HRESCH");
        assert_eq!(asking.price, Price::Rho(Rho::parse_floor("0.25").unwrap()));
        assert_eq!(asking.confidence, Rational::parse("0.9").unwrap());
        assert_eq!(asking.delta, Some(Delta::parse_floor("1e-9").unwrap()));
        assert_eq!(asking.expected_rows, Some(7));
        assert_eq!(asking.retry.as_deref(), Some("monday"));
        assert!(asking.weigh && !asking.fresh);
        let usual = Options::default().asking(String::new(), "PUBHLTH").unwrap();
        assert_eq!(usual.price, Price::Default);
        assert_eq!(usual.confidence, Rational::parse("0.95").unwrap());
    }

    #[test]
    fn what_cannot_be_meant_names_its_option() {
        let wrong = |options: Options| options.asking(String::new(), "PUBHLTH").unwrap_err().option;
        let usual = Options::default;
        for zero in ["0", "0.0"] {
            assert_eq!(
                wrong(Options {
                    epsilon: text(zero),
                    ..usual()
                }),
                "epsilon"
            );
            assert_eq!(
                wrong(Options {
                    rho: text(zero),
                    ..usual()
                }),
                "rho"
            );
            assert_eq!(
                wrong(Options {
                    within: text(zero),
                    ..usual()
                }),
                "within"
            );
        }
        assert_eq!(
            wrong(Options {
                epsilon: text("NaN"),
                ..usual()
            }),
            "epsilon"
        );
        assert_eq!(
            wrong(Options {
                rho: text("-1"),
                ..usual()
            }),
            "rho"
        );
        assert_eq!(
            wrong(Options {
                delta: text("much"),
                ..usual()
            }),
            "delta"
        );
        assert_eq!(
            wrong(Options {
                confidence: text("1"),
                ..usual()
            }),
            "confidence"
        );
        assert_eq!(
            wrong(Options {
                expect_rows: Some(0),
                ..usual()
            }),
            "expect_rows"
        );
        let two = Options {
            epsilon: text("1"),
            within: text("5"),
            ..usual()
        };
        assert_eq!(wrong(two), "within");
        let treatment = usual().asking(String::new(), "TREAT").unwrap_err();
        assert_eq!(treatment.option, "purpose");
    }
}
