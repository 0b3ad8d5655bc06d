//! When the restricted log is anchored in the first: rule N1.

use crate::entry::Body;

const REPEATED: &str = "N1: only a seal follows an anchor of a tick that is not new";
const MISSING: &str = "N1: an anchor is missing before it";

/// What the anchors so far say about the next entry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ticks {
    last: Option<u64>,
    /// Whether the entry before is an anchor.
    anchored: bool,
    /// Whether it is one of a tick that was not new.
    repeated: bool,
}

impl Ticks {
    /// Checks the entry at `index` of a log whose restricted log is anchored `every` so many seconds.
    ///
    /// # Errors
    ///
    /// Rule N1 and what is wrong.
    pub(crate) fn check(
        &mut self,
        every: Option<u64>,
        index: u64,
        time: u64,
        body: &Body,
    ) -> Result<(), &'static str> {
        let Some(tick) = every.and_then(|every| time.checked_div(every)) else {
            return match body {
                Body::Anchor(_) => Err("N1: the log has no restricted log"),
                _ => Ok(()),
            };
        };
        let due = self.last.is_none_or(|last| tick > last);
        let before = std::mem::take(&mut self.anchored);
        let repeated = std::mem::take(&mut self.repeated);
        match body {
            Body::Seal(_) if before => Ok(()),
            Body::Seal(_) => Err(MISSING),
            _ if repeated => Err(REPEATED),
            Body::Anchor(anchor) => {
                (self.last, self.anchored, self.repeated) = (Some(anchor.tick), true, !due);
                if anchor.tick == tick {
                    Ok(())
                } else {
                    Err("N1: the tick is not that of the time")
                }
            }
            _ if due && index > 1 => Err(MISSING),
            _ => Ok(()),
        }
    }
}
