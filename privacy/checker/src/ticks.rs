//! Rule N1: the restricted log is anchored where a tick has passed, and nowhere else. So the first log is the same, but for salted hashes, whatever
//! the restricted log holds.

use crate::entry::Entry;
use crate::report::Finding;
use crate::tree::Hash;

/// The anchors so far.
#[derive(Default)]
pub(crate) struct Ticks {
    /// Whether there is a genesis that can be read.
    known: bool,
    every: Option<u64>,
    last: Option<u64>,
    before: Before,
    /// Index and commitment of each.
    pub(crate) anchors: Vec<(u64, Hash)>,
}

/// What the entry before is to this rule.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Before {
    #[default]
    Other,
    /// An anchor of a new tick.
    Anchor,
    /// An anchor of a tick that was not new, which a seal alone may follow.
    Repeated,
    /// It could not be read, and may have been an anchor.
    Unreadable,
}

impl Ticks {
    /// Seconds between ticks; `None` where there is no restricted log.
    pub(crate) fn every(&self) -> Option<u64> {
        self.every
    }

    pub(crate) fn check(
        &mut self,
        index: u64,
        dated: Option<(u64, &Entry)>,
        findings: &mut Vec<Finding>,
    ) {
        let Some((time, entry)) = dated else {
            self.before = Before::Unreadable;
            return;
        };
        if let (0, Entry::Genesis(genesis)) = (index, entry) {
            self.known = true;
            self.every = genesis.restricted;
        }
        let mut fail = |what: &str| findings.push(Finding::at(index, "N1", what));
        let before = std::mem::take(&mut self.before);
        let tick = self.every.and_then(|every| time.checked_div(every));
        if let Entry::Anchor { checkpoint, .. } = entry {
            self.anchors.push((index, *checkpoint));
        }
        let Some(tick) = tick else {
            // Without a genesis that can be read nobody knows.
            if matches!(entry, Entry::Anchor { .. }) && self.known && before != Before::Unreadable {
                fail("the genesis has no restricted log");
            }
            return;
        };
        let due = self.last.is_none_or(|last| tick > last);
        match entry {
            Entry::Seal(_) if before == Before::Other => {
                fail("an anchor is missing before the seal");
            }
            Entry::Seal(_) => {}
            _ if before == Before::Repeated => {
                fail("only a seal follows an anchor of a tick that is not new");
            }
            Entry::Anchor { tick: stated, .. } => {
                if *stated != tick {
                    fail("the tick is not that of the entry's time");
                }
                self.before = if due {
                    Before::Anchor
                } else {
                    Before::Repeated
                };
            }
            _ if due && index > 1 && before != Before::Unreadable => {
                fail("a tick has passed, and no anchor is before it");
            }
            _ => {}
        }
        if due && index > 1 {
            // Named once: the next entry of this tick is not to blame.
            self.last = Some(tick);
        }
    }
}
