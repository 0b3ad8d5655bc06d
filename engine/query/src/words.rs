//! Plain words, the same through every door: how a question is bounded, what its noise is, and why there is no answer.

use chrono::DateTime;
use salus_accounting::Noise as Kind;

use crate::gate::AskError;
use crate::quote::{Quote, Values};
use crate::refusal::Refusal;
use crate::terms::Terms;

/// A line of an explanation: what it is about, in a word, and what is said.
pub type Line = (&'static str, String);

impl Quote {
    /// The derivation bottom-up: the rule of each step, and what it means.
    pub fn steps_in_words(&self) -> Vec<(&str, String)> {
        let steps = self.derivation.iter();
        steps
            .map(|(rule, what, most)| (rule.as_str(), step(rule, what, *most)))
            .collect()
    }

    /// What one person can do to the answer, which groups are shown, and the noise of each mechanism.
    pub fn in_words(&self) -> Vec<Line> {
        let terms = &self.terms;
        let mut lines = vec![(
            "bounds",
            format!(
                "one person counts in at most {} groups of a release, with at most {} rows in each",
                terms.groups_per_person, terms.rows_per_person
            ),
        )];
        if terms.scales_rows {
            let most = terms.rows_per_person;
            let words = format!(
                "who has more than {most} rows in a group counts there with {most} of them in the mean; --rows-per-person K counts more, with more noise"
            );
            lines.push(("bias", words));
        }
        if terms.leaves_groups_out && terms.weighted_groups.is_none() {
            let words = "who is in more groups than that counts in some of them only, so numbers are too small where persons are in many; --weigh or --groups-per-person L";
            lines.push(("bias", words.to_owned()));
        }
        lines.extend(terms.weighted_groups.map(|most| {
            let whole = terms.groups_per_person;
            let words = format!(
                "who is in n of more than {whole} groups counts in up to {most} of them as the square root of {whole} / n"
            );
            ("weights", words)
        }));
        lines.extend(terms.hidden_groups());
        let mut said: Vec<Values> = Vec::new();
        for noise in &self.noise {
            let Some(values) = noise.values.filter(|values| !said.contains(values)) else {
                continue;
            };
            said.push(values);
            let words = format!(
                "release {}, {}: what is below {} or above {} counts as that, in steps of {}",
                noise.release + 1,
                noise.aggregate,
                values.low,
                values.high,
                values.step
            );
            lines.push(("values", words));
        }
        lines.extend(self.noise.iter().map(|noise| {
            let (norm, distribution) = match noise.kind {
                Kind::DiscreteGaussian => ("L2", "discrete Gaussian of sigma"),
                Kind::DiscreteLaplace => ("L1", "discrete Laplace of scale"),
            };
            let words = format!(
                "release {}, {}: one person moves it by at most {} ({norm}, grid units); {distribution} {}, rho {}",
                noise.release + 1,
                noise.aggregate,
                figure(noise.sensitivity),
                figure(noise.sigma),
                noise.rho
            );
            ("noise", words)
        }));
        if self.averages_rows() {
            let words = "averaging each person first lowers the noise: SELECT AVG(m) FROM (SELECT person_id, AVG(x) AS m … GROUP BY person_id); it is then the mean over persons";
            lines.push(("hint", words.to_owned()));
        }
        if self.divides_whole_numbers {
            let words = "a whole number divided by a whole number is one too, so that 3 / 4 is 0: write a * 1.0 / b for a share";
            lines.push(("hint", words.to_owned()));
        }
        lines
    }
}

impl Terms {
    /// Which groups are not shown, where keys are not public.
    pub fn hidden_groups(&self) -> Vec<Line> {
        let thresholds = self.thresholds.iter();
        let lines = thresholds.map(|(minimum, tau)| {
            let words = format!(
                "are not public: groups of at least {minimum} persons are shown when their noisy number of persons is above {tau}; all others are left out"
            );
            ("keys", words)
        });
        lines.collect()
    }
}

fn step(rule: &str, what: &str, most: u64) -> String {
    let rows = match most {
        0 => "no bound on a person's rows is known".to_owned(),
        1 => "one row of a person at most".to_owned(),
        most => format!("{most} rows of a person at most"),
    };
    match rule {
        "S0" => format!("reads {what}: {rows}, which the lake enforces"),
        "S0p" => format!("reads {what}, which is public"),
        "S1" => format!("filters and computes row by row: {rows}"),
        "S2" => format!("joins rows of the same person ({what}): {rows}"),
        "S3" => format!("joins with public rows ({what}): {rows}"),
        "S4" => format!("brings a person's rows together ({what}): {rows}"),
        "S5" => format!("looks at other rows of the same person: {rows}"),
        "S6" => format!("puts a person's rows of several sources together: {rows}"),
        "RELEASE" => format!("is released with noise: {rows} counts in one group").replace(
            "rows of a person at most counts",
            "rows of a person at most count",
        ),
        other => format!("{other} {what}: {rows}"),
    }
}

/// A number with as many digits as are of use beside its error bar.
pub fn figure(x: f64) -> String {
    if x.fract() == 0.0 || x.abs() >= 10_000.0 {
        format!("{x:.0}")
    } else if x.abs() >= 100.0 {
        format!("{x:.1}")
    } else {
        format!("{x:.3}")
    }
}

/// Why there is no answer, by what the asker does next.
#[derive(Debug)]
pub enum Said {
    /// A rule, or the policy's most for one question, forbids it: ask otherwise.
    Refused(Refusal),
    /// Purse, limit or ration do not let it through: wait, or have them changed.
    Exhausted(String),
    /// The ledger contradicts itself: nothing is answered.
    Integrity(String),
    /// Anything else, as it stands.
    Other(AskError),
}

impl AskError {
    /// The words of every door for this. They depend on question, books and policy alone.
    pub fn said(self) -> Said {
        match self {
            Self::Refused(refusal) => Said::Refused(refusal),
            Self::Exhausted { remaining } => Said::Exhausted(format!(
                "{self}, which is rho {} and delta {}; `salus budget show` says more",
                remaining.rho.to_floor_string(),
                remaining.delta
            )),
            Self::TooManyFailures { .. } => Said::Exhausted(self.to_string()),
            Self::LimitReached {
                ref scope,
                remaining,
                until,
            } => {
                let (what, whom) = limit(scope);
                let left = remaining.rho.to_floor_string();
                let again = until
                    .and_then(|until| i64::try_from(until).ok())
                    .and_then(|until| DateTime::from_timestamp(until, 0))
                    .map_or_else(
                        || "`salus policy apply` can raise it".to_owned(),
                        |until| {
                            format!(
                                "its next period begins at {}, and two officers can open this one further (`salus grant propose --window`)",
                                until.to_rfc3339()
                            )
                        },
                    );
                Said::Exhausted(format!(
                    "{self}. It is {what}{whom}, and rho {left} is left in it; {again}. Nothing was spent"
                ))
            }
            Self::TooDear { .. } | Self::TooMuchDelta { .. } => Said::Refused(Refusal::new(
                "price",
                "the price",
                self.to_string(),
                "ask at a smaller price or with a larger --within, or have the policy changed",
            )),
            Self::Ledger(salus_ledger::Error::Integrity(what)) => Said::Integrity(format!(
                "ledger integrity: {what}. Nothing is answered; run `salus ledger verify` and keep the home as it is"
            )),
            other => Said::Other(other),
        }
    }
}

/// What a limit's account stands for: whose it is, and for how long.
fn limit(scope: &str) -> (&'static str, String) {
    let account = scope.split_once(':').map_or(scope, |(account, _)| account);
    let mut parts = account.split('/');
    let what = match parts.next() {
        Some("analyst") => "one analyst's",
        Some("dataset") => "one dataset's",
        Some("purpose") => "one purpose's",
        _ => "everybody's together",
    };
    let seconds = parts.next().and_then(|seconds| seconds.parse::<u64>().ok());
    let period = seconds.map(|seconds| match (seconds % 86_400, seconds / 86_400) {
        (0, days) => format!(" for every {days} days"),
        _ => format!(" for every {} hours", seconds / 3_600),
    });
    (what, period.unwrap_or_default())
}
