//! Accounts that are kept in periods, as their names say.

/// The account of a limit in one of its periods: `of/seconds/period:name`.
pub(crate) struct Window<'s> {
    pub(crate) of: &'s str,
    pub(crate) seconds: u64,
    period: u64,
    /// What follows the first colon, if there is one.
    pub(crate) name: Option<&'s str>,
}

impl<'s> Window<'s> {
    /// `None` of an account that is kept for good.
    pub(crate) fn of(scope: &'s str) -> Option<Self> {
        let (share, name) = match scope.split_once(':') {
            Some((share, name)) => (share, Some(name)),
            None => (scope, None),
        };
        let parts: Vec<&str> = share.split('/').collect();
        let number = |text: &str| {
            let number: u64 = text.parse().ok()?;
            (number.to_string() == text).then_some(number)
        };
        let [of, seconds, period] = parts.as_slice() else {
            return None;
        };
        Some(Self {
            of,
            seconds: number(seconds)?,
            period: number(period)?,
            name,
        })
    }

    /// First second after its period; `None` where that is beyond all times.
    pub(crate) fn end(&self) -> Option<u64> {
        let next = self.period.checked_add(1);
        next.and_then(|next| next.checked_mul(self.seconds))
    }
}

/// True of an account that counts for good, or in a period that has not ended at `time`.
pub(crate) fn still_counts(scope: &str, time: u64) -> bool {
    let end = Window::of(scope).and_then(|window| window.end());
    end.is_none_or(|end| time < end)
}

#[cfg(test)]
mod tests {
    use super::still_counts;

    #[test]
    fn a_period_that_has_ended_does_not_count() {
        for (scope, counts) in [
            ("analyst:ada", true),
            ("analyst/10/6:ada", false),
            ("analyst/10/7:ada", true),
            ("analyst/10/6:a/b:c", false),
            ("analyst/10/06:ada", true),
            ("analyst/+10/6:ada", true),
            ("analyst/10/6/1:ada", true),
            ("analyst/10/18446744073709551615:ada", true),
            ("ada", true),
        ] {
            assert_eq!(still_counts(scope, 70), counts, "{scope}");
        }
    }
}
