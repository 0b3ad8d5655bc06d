//! Faults that the record-and-replay test plants, to show that it would find them. Outside of tests none can be planted, and asking is free.

/// A way to break a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// k + 1 rows of a person count.
    OneRowMore,
    /// All groups of a person count, whatever L0.
    AllGroups,
    /// Weighted persons count whole in every group.
    WholeWeights,
    /// What an outer join may leave empty is taken for one value per person.
    OneValueAfterOuterJoin,
    /// A renamed column keeps what was known of the column that had its new name before.
    StaleAfterRename,
    /// Values are rounded but not clamped.
    NoClamp,
    /// Values are clamped and then rounded, to steps that the bounds are no multiples of.
    ClampBeforeRounding,
    /// Sums and averages of floats are taken for exact.
    FloatSums,
    /// Rows that tie are told apart by where they stand in their file.
    TiesByPlace,
    /// The threshold is sized as if it did not stand on the minimum.
    ThresholdWithoutMinimum,
}

#[cfg(not(test))]
pub(crate) const fn planted(_: Fault) -> bool {
    false
}

#[cfg(test)]
pub(crate) use planting::{plant, planted};

#[cfg(test)]
mod planting {
    use std::cell::Cell;

    use super::Fault;

    thread_local! {
        static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    pub(crate) fn planted(fault: Fault) -> bool {
        PLANTED.get() == Some(fault)
    }

    /// Plants a fault in this thread.
    pub(crate) fn plant(fault: Option<Fault>) {
        PLANTED.set(fault);
    }
}
