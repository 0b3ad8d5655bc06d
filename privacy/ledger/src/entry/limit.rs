//! Limits: caps below the lifetime cap, on what one analyst, one dataset or one purpose may take, for good or in each period.
//!
//! The lifetime cap is the guarantee. Limits share it out, so that one careless script does not leave nothing for the others.

use std::collections::BTreeSet;

use salus_accounting::Loss;
use salus_certificate::{CertificateError, Fields, Value, loss_value};

use super::encoding::wrong;
use crate::note::parse_decimal;

/// Why a window is not granted, see [`Limit::is_plain`].
pub(crate) const UNREADABLE: &str =
    "a name in an account that is granted a window is 1 to 128 visible ASCII characters";

/// Longest name of an account that is granted a window, in bytes.
const LONGEST_NAME: usize = 128;

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Share {
    /// Everything that is asked of the identity space. Only in periods: for good it would be the cap itself.
    Space,
    /// What is asked of one dataset.
    Dataset,
    /// What one analyst asks. Answers that are given once more count, too: they cost no privacy, but they are hers.
    Analyst,
    /// What is asked for one purpose.
    Purpose,
}

/// A cap on a share of the purse. It counts from the policy that brings it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// What is counted.
    pub of: Share,
    /// Whose limit it is; without a name, each has one of this size who has none of her own.
    pub name: Option<String>,
    /// Length of the periods, from 1970-01-01T00:00:00Z on; without one, for good.
    pub seconds: Option<u64>,
    /// Most that it lets through, in each period.
    pub cap: Loss,
}

/// What an entry is counted under.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) space: &'a str,
    /// The dataset, then the parts of it that are touched, ascending.
    pub(crate) datasets: &'a [&'a str],
    pub(crate) principal: &'a str,
    pub(crate) purpose: &'a str,
    pub(crate) time: u64,
}

impl Share {
    const ALL: [Self; 4] = [Self::Space, Self::Dataset, Self::Analyst, Self::Purpose];

    /// The name in the ledger's format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Space => "space",
            Self::Dataset => "dataset",
            Self::Analyst => "analyst",
            Self::Purpose => "purpose",
        }
    }

    /// The share of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|share| share.name() == name)
    }

    /// Whom it counts: one name, or those of all datasets.
    fn of<'a>(self, asker: &Asker<'a>) -> Vec<&'a str> {
        match self {
            Self::Space => vec![asker.space],
            Self::Dataset => asker.datasets.to_vec(),
            Self::Analyst => vec![asker.principal],
            Self::Purpose => vec![asker.purpose],
        }
    }
}

impl Limit {
    /// Name of the account that this limit keeps for `name` at `time`. Only what follows the first colon is anybody's choice.
    fn scope(&self, name: &str, time: u64) -> String {
        let share = self.of.name();
        match self.seconds {
            None => format!("{share}:{name}"),
            Some(seconds) => {
                let period = time.checked_div(seconds).unwrap_or_default();
                format!("{share}/{seconds}/{period}:{name}")
            }
        }
    }

    /// When the period after that of `time` begins.
    pub(crate) fn next_period(&self, time: u64) -> Option<u64> {
        let seconds = self.seconds?;
        let period = time.checked_div(seconds)?;
        period.checked_add(1)?.checked_mul(seconds)
    }

    /// Whether the limits can stand in one policy.
    ///
    /// # Errors
    ///
    /// What is wrong, in words of the ledger's format.
    pub fn check(limits: &[Self]) -> Result<(), &'static str> {
        let mut seen = BTreeSet::new();
        for limit in limits {
            if limit.seconds == Some(0) {
                return Err("a period of no length");
            }
            if limit.of == Share::Space && (limit.seconds.is_none() || limit.name.is_some()) {
                return Err("a limit of the space needs a period and takes no name");
            }
            if !seen.insert((limit.of, &limit.name, limit.seconds)) {
                return Err("two limits of the same share, name and period");
            }
        }
        Ok(())
    }

    /// The limits that count for an asker, in the policy's order, by the accounts they keep. One with her name stands for the nameless one.
    pub(crate) fn in_force<'l>(
        limits: &'l [Self],
        asker: Asker<'l>,
    ) -> impl Iterator<Item = (String, &'l Self)> {
        limits.iter().flat_map(move |limit| {
            let names = limit.of.of(&asker).into_iter();
            names
                .filter(move |name| limit.counts(name, limits))
                .map(move |name| (limit.scope(name, asker.time), limit))
        })
    }

    /// Whether this one of `limits` counts for the analyst, dataset or purpose of this name.
    fn counts(&self, name: &str, limits: &[Self]) -> bool {
        let named = |limit: &Self| limit.name.as_deref() == Some(name);
        let rivals = |other: &&Self| (other.of, other.seconds) == (self.of, self.seconds);
        named(self) || (self.name.is_none() && !limits.iter().filter(rivals).any(named))
    }

    /// The limit in force whose account, at `time`, is `scope`.
    pub(crate) fn of_scope<'l>(limits: &'l [Self], scope: &str, time: u64) -> Option<&'l Self> {
        let (_, name) = scope.split_once(':')?;
        let of_scope =
            |limit: &&Self| limit.counts(name, limits) && limit.scope(name, time) == scope;
        limits.iter().find(of_scope)
    }

    /// The account that this limit keeps at `time` for the one whom it names, or for the space.
    pub(crate) fn own_account(&self, space: &str, time: u64) -> Option<String> {
        let name = match self.of {
            Share::Space => Some(space),
            _ => self.name.as_deref(),
        };
        name.map(|name| self.scope(name, time))
    }

    /// The limit in force that keeps the account `scope` in a period that is not over at `time`. Every account has one name.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(crate) fn of_window<'l>(
        limits: &'l [Self],
        space: &str,
        scope: &str,
        time: u64,
    ) -> Result<&'l Self, &'static str> {
        let unknown = "no limit in force that has periods keeps the account";
        let (share, name) = scope.split_once(':').ok_or(unknown)?;
        let mut parts = share.split('/');
        let (Some(of), Some(seconds), Some(period), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(unknown);
        };
        let of = Share::from_name(of).ok_or(unknown)?;
        let seconds = parse_decimal(seconds).ok_or(unknown)?;
        let period = parse_decimal(period).ok_or(unknown)?;
        let keeps = |limit: &&Self| {
            (limit.of, limit.seconds) == (of, Some(seconds)) && limit.counts(name, limits)
        };
        let limit = limits.iter().find(keeps).ok_or(unknown)?;
        // The space has one name alone.
        if of == Share::Space && name != space {
            return Err(unknown);
        }
        let next = period.checked_add(1);
        match next.and_then(|next| next.checked_mul(seconds)) {
            Some(end) if time < end => Ok(limit),
            _ => Err("the period of the account is over, or never ends"),
        }
    }

    /// Whether the name in the account `scope` is one that may be entered: what officers read is then what stands there. The space's own
    /// may be any.
    pub(crate) fn is_plain(scope: &str) -> bool {
        let (share, name) = scope.split_once(':').unwrap_or((scope, ""));
        let of_space = share.split('/').next() == Some(Share::Space.name());
        of_space
            || (1..=LONGEST_NAME).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_graphic())
    }

    pub(super) fn to_value(&self) -> Value {
        let name = self.name.iter().map(|name| ("name", Value::text(name)));
        let seconds = self.seconds.iter().map(|s| ("seconds", Value::Uint(*s)));
        Value::map(
            [
                ("of", Value::text(self.of.name())),
                ("cap", loss_value(&self.cap)),
            ]
            .into_iter()
            .chain(name)
            .chain(seconds),
        )
    }

    pub(super) fn from_value(value: Value) -> Result<Self, CertificateError> {
        let mut fields = Fields::of("limit", value)?;
        let of = Share::from_name(&fields.text("of")?);
        let limit = Self {
            of: of.ok_or(wrong("of", "is not a known share"))?,
            name: fields.optional_text("name")?,
            seconds: fields.optional_uint("seconds")?,
            cap: fields.loss("cap")?,
        };
        fields.finish()?;
        Ok(limit)
    }
}
