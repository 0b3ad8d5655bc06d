//! Fingerprints: two independent 64-bit halves, so that a pair is never found by chance, and sums of them, so that one part can be taken out again.

use std::hash::{DefaultHasher, Hash, Hasher};

/// The fingerprint of a part. Sums wrap; the same parts in any order have the same sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Print(u128);

impl Print {
    pub(super) fn of(content: &impl Hash) -> Self {
        let half = |salt: u8| {
            // The default hasher has fixed keys: the same log gives the same pairs in the same order.
            let mut hasher = DefaultHasher::new();
            salt.hash(&mut hasher);
            content.hash(&mut hasher);
            u128::from(hasher.finish())
        };
        Self((half(0) << 64) | half(1))
    }

    #[must_use]
    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    #[must_use]
    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }
}

impl std::iter::Sum for Print {
    fn sum<I: Iterator<Item = Self>>(prints: I) -> Self {
        prints.fold(Self::default(), Self::with)
    }
}
