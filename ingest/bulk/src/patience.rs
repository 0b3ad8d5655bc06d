//! How long to wait before the next attempt, and when to stop trying.

use std::time::Duration;

use crate::error::{BulkError, Retry, Trouble};
use crate::options::{Options, Pauses};

/// Bounds of pauses and attempts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) pauses: Pauses,
    /// Longest pause that a server may ask for.
    pub(crate) longest_asked: Duration,
    /// Attempts in all, at least 1.
    pub(crate) attempts: u32,
}

impl Patience {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            pauses: options.retries,
            longest_asked: options.polling.longest,
            attempts: options.attempts,
        }
    }

    /// After the `failures`-th failure in a row: what went wrong and how long to wait, or the error to
    /// end with.
    pub(crate) fn next(
        self,
        trouble: Trouble,
        failures: u32,
    ) -> Result<(BulkError, Duration), BulkError> {
        let asked = match trouble.retry {
            Retry::Never => return Err(trouble.error),
            Retry::Later => None,
            Retry::After(pause) => Some(pause),
        };
        if failures >= self.attempts {
            return Err(trouble.after(failures));
        }
        let pauses = match asked {
            None => self.pauses,
            Some(_) => Pauses {
                longest: self.longest_asked.max(self.pauses.longest),
                ..self.pauses
            },
        };
        Ok((trouble.error, pauses.pause(failures, asked)))
    }
}

impl Pauses {
    /// The pause before attempt `failures + 1`: what the server asked for, or else twice as long as
    /// the one before, and by chance up to a half shorter, so that clients that failed together do not
    /// come back together.
    pub(crate) fn pause(self, failures: u32, asked: Option<Duration>) -> Duration {
        let longest = self.longest.max(self.shortest);
        if let Some(asked) = asked {
            return asked.clamp(self.shortest, longest);
        }
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1).min(20));
        let pause = self.shortest.saturating_mul(doubled).min(longest);
        let chance = getrandom::u32().map_or(0.0, |drawn| f64::from(drawn) / f64::from(u32::MAX));
        let jittered = pause.mul_f64(1.0 - chance / 2.0);
        jittered.clamp(self.shortest, longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pauses() -> Pauses {
        Pauses {
            shortest: SECOND,
            longest: SECOND * 60,
        }
    }

    #[test]
    fn pauses_grow_within_bounds() {
        for failures in 1..100 {
            let most = SECOND * 2_u32.pow((failures - 1).min(6));
            for _ in 0..20 {
                let pause = pauses().pause(failures, None);
                assert!(pause >= SECOND && pause <= most.min(SECOND * 60));
                assert!(pause >= most.min(SECOND * 60) / 2);
            }
        }
    }

    #[test]
    fn the_servers_wish_is_bounded_both_ways() {
        assert_eq!(pauses().pause(1, Some(Duration::ZERO)), SECOND);
        assert_eq!(pauses().pause(1, Some(SECOND * 7)), SECOND * 7);
        assert_eq!(pauses().pause(1, Some(Duration::MAX)), SECOND * 60);
    }

    #[test]
    fn attempts_end() {
        let patience = Patience {
            pauses: pauses(),
            longest_asked: SECOND * 300,
            attempts: 2,
        };
        assert!(patience.next(Trouble::passing("x", "y"), 1).is_ok());
        let end = patience.next(Trouble::passing("x", "y"), 2).unwrap_err();
        assert_eq!(
            end.to_string(),
            "x: given up after 2 attempts; the last one: y"
        );
        let asked = |pause| Trouble {
            retry: Retry::After(pause),
            ..Trouble::passing("x", "y")
        };
        let pause = |asked| patience.next(asked, 1).unwrap().1;
        assert_eq!(pause(asked(SECOND * 120)), SECOND * 120);
        assert_eq!(pause(asked(SECOND * 1000)), SECOND * 300);
        let fatal = Trouble::from(BulkError::Options("z".into()));
        assert!(patience.next(fatal, 1).is_err());
    }
}
