//! Failures are rationed: that a question failed at all can depend on the rows, and no price covers it.
//!
//! The engine bounds what one person's rows can take of time and memory, so that no question should fail for what is in them. Should one be
//! found that does, each failure tells a bit. After a few, nothing is answered until somebody has looked and brought a policy into force.

use crate::error::ReserveError;

/// Questions that may fail, or be given up, under one policy.
pub(crate) const FAILURES: usize = 10;

/// Questions under one policy that may have no ending at all when the ledger is opened: their processes died, or are still at work.
pub(crate) const UNANSWERED: usize = 100;

/// Refuses where the ration is used up.
pub(crate) fn check(failures: usize, unanswered: usize) -> Result<(), ReserveError> {
    if failures < FAILURES && unanswered < UNANSWERED {
        return Ok(());
    }
    Err(ReserveError::TooManyFailures {
        failures,
        unanswered,
    })
}
