//! What a release costs and what an account holds.

use crate::{Delta, Rho};
use std::fmt;

/// Loss under delta-approximate rho-zCDP. Losses of releases made one after the other add up coordinate by coordinate,
/// also when each question depends on earlier answers (Whitehouse, Ramdas, Rogers, Wu 2023).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Loss {
    /// Concentrated loss.
    pub rho: Rho,
    /// Probability not covered by `rho`.
    pub delta: Delta,
}

impl Loss {
    /// No loss.
    pub const ZERO: Self = Self {
        rho: Rho::ZERO,
        delta: Delta::ZERO,
    };

    /// A loss in rho alone, as of Gaussian noise.
    pub const fn from_rho(rho: Rho) -> Self {
        Self {
            rho,
            delta: Delta::ZERO,
        }
    }

    /// The sum in both coordinates; `None` when one cannot be written down. Never wraps.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            rho: self.rho.checked_add(other.rho)?,
            delta: self.delta.checked_add(other.delta)?,
        })
    }

    /// The difference in both coordinates; `None` when one would be negative.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        Some(Self {
            rho: self.rho.checked_sub(other.rho)?,
            delta: self.delta.checked_sub(other.delta)?,
        })
    }

    /// Whether neither coordinate is above the cap's.
    pub fn fits_within(&self, cap: &Self) -> bool {
        self.rho <= cap.rho && self.delta <= cap.delta
    }
}

/// `rho 0.01` or `rho 0.01, delta 1e-6`, each rounded up.
impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rho {}", self.rho)?;
        if self.delta == Delta::ZERO {
            Ok(())
        } else {
            write!(f, ", delta {}", self.delta)
        }
    }
}
