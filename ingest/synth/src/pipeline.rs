//! Chunks of persons made by two threads and taken in order: the output never shows how many
//! threads there were.

use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Most threads that make chunks.
const THREADS: u64 = 2;
/// Chunks that may wait for each thread's turn: bounds memory.
const WAITING: usize = 2;

/// Cuts 0..`persons` into chunks, calls `make` for each on one of the threads and `take` in order
/// on this one. Stops at the first error of `take`.
pub(crate) fn in_order<T: Send, E>(
    persons: u64,
    chunk: u64,
    make: impl Fn(Range<u64>) -> T + Sync,
    mut take: impl FnMut(Range<u64>, T) -> Result<(), E>,
) -> Result<(), E> {
    let chunks = persons.div_ceil(chunk);
    let available = thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let threads = THREADS.min(available).min(chunks).max(1);
    let range = |number: u64| number * chunk..((number + 1) * chunk).min(persons);
    let work = |first: u64, sender: SyncSender<T>| {
        let mut number = first;
        while number < chunks && sender.send(make(range(number))).is_ok() {
            number += threads;
        }
    };
    thread::scope(|scope| {
        let receivers: Vec<Receiver<T>> = (0..threads)
            .map(|first| {
                let (sender, receiver) = sync_channel(WAITING);
                let work = &work;
                scope.spawn(move || work(first, sender));
                receiver
            })
            .collect();
        for (number, receiver) in (0..chunks).zip(receivers.iter().cycle()) {
            // A closed channel means that the thread panicked; the scope passes the panic on.
            let Ok(chunk) = receiver.recv() else { break };
            take(range(number), chunk)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_arrive_in_order_and_cover_everything_once() {
        for persons in [0, 1, 9, 10, 11, 95] {
            let mut seen = Vec::new();
            let made = in_order(persons, 10, Iterator::collect::<Vec<_>>, |range, made| {
                assert_eq!(range.collect::<Vec<_>>(), made);
                seen.extend(made);
                Ok::<(), ()>(())
            });
            assert_eq!(made, Ok(()));
            assert_eq!(seen, (0..persons).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_error_stops_the_threads() {
        let stopped = in_order(
            u64::MAX / 2,
            1,
            |range| range.start,
            |_, number| if number == 5 { Err(number) } else { Ok(()) },
        );
        assert_eq!(stopped, Err(5));
    }
}
