//! Keeps one step of parallel work in the order of the chunks: whoever is done lets the next one
//! go on. Person ids follow the order of the export this way, whatever the number of workers.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, PoisonError};

#[derive(Debug, Default)]
pub(crate) struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// Chunks that are through before their turn.
    through: BTreeSet<u64>,
}

/// The turn of one chunk. Dropping it, even on an error, lets later chunks pass.
#[derive(Debug)]
pub(crate) struct Turn<'t> {
    turns: &'t Turns,
    number: u64,
}

impl Turns {
    /// The turn of the chunk `number`; each number is asked for once.
    pub(crate) fn of(&self, number: u64) -> Turn<'_> {
        Turn {
            turns: self,
            number,
        }
    }
}

impl Turn<'_> {
    /// Waits until every earlier chunk is through.
    pub(crate) fn wait(&self) {
        let mut state = self
            .turns
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while state.next != self.number {
            state = self
                .turns
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self
            .turns
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.through.insert(self.number);
        loop {
            let next = state.next;
            if !state.through.remove(&next) {
                break;
            }
            state.next += 1;
        }
        self.turns.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_happen_in_order_whoever_is_first() {
        let turns = Turns::default();
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for number in (0..20_u64).rev() {
                let (turns, order) = (&turns, &order);
                scope.spawn(move || {
                    let turn = turns.of(number);
                    // Some chunks have nothing to do in order and never wait.
                    if number % 3 != 0 {
                        turn.wait();
                        order.lock().expect("no panic").push(number);
                    }
                });
            }
        });
        let order = order.into_inner().expect("no panic");
        assert_eq!(order.len(), 13);
        assert!(order.is_sorted());
    }
}
