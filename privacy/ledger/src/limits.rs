//! The policy's limits, kept under the same lock as the purse: all of them let a question through, or it is refused.

use salus_accounting::Loss;
use salus_certificate::EntryIndex;

use crate::caps::Caps;
use crate::entry::{Asker, Limit, Movement};
use crate::error::{Error, ReserveError};
use crate::store::{self, Session};

/// The limits that are asked, and the caps that are in force of them.
pub(crate) struct Rules<'a> {
    pub(crate) limits: &'a [Limit],
    /// The entry of the policy that has them.
    pub(crate) policy: EntryIndex,
    pub(crate) caps: &'a Caps,
}

/// What `loss` does to the accounts of the limits that count for `asker`.
///
/// # Errors
///
/// [`ReserveError::LimitReached`] for the first that does not let it through. Nothing is written either way.
pub(crate) async fn movements(
    db: &mut dyn Session,
    rules: &Rules<'_>,
    asker: Asker<'_>,
    loss: Loss,
) -> Result<Vec<Movement>, ReserveError> {
    let mut movements = Vec::new();
    for (scope, limit) in Limit::in_force(rules.limits, asker) {
        let cap = rules.caps.of_limit(&scope, limit, rules.policy);
        // Not every database can keep it, and others share the transaction in which that would be found.
        if scope.contains('\0') {
            let why = "a name with a NUL cannot have a limit";
            return Err(Error::Refused(why.to_owned()).into());
        }
        let before = store::quota(db, &scope).await?;
        let after = before
            .checked_add(loss)
            .filter(|after| after.fits_within(&cap));
        let Some(after) = after else {
            return Err(ReserveError::LimitReached {
                scope,
                remaining: left(cap, before),
                until: limit.next_period(asker.time),
            });
        };
        movements.push(Movement {
            scope,
            cap,
            before,
            after,
        });
    }
    Ok(movements)
}

/// Writes the movements of limits.
pub(crate) async fn book(db: &mut dyn Session, movements: &[Movement]) -> Result<(), Error> {
    for movement in movements {
        store::charge_quota(db, &movement.scope, movement.after).await?;
    }
    Ok(())
}

/// What is left under a cap; nothing where a later policy set it below what had been let through.
pub(crate) fn left(cap: Loss, spent: Loss) -> Loss {
    Loss {
        rho: cap.rho.checked_sub(spent.rho).unwrap_or_default(),
        delta: cap.delta.checked_sub(spent.delta).unwrap_or_default(),
    }
}
