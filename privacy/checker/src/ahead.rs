//! Work on each item by itself, on all processors, whose results are taken in order.
//!
//! What an audit finds does not depend on the number of threads: whatever rests on what stood before is done where results are taken.

use std::sync::mpsc::sync_channel;
use std::thread;

/// Items that are handed over at once: so many that handing over costs nothing beside the work.
const CHUNK: usize = 256;
/// Chunks of each thread that wait to be taken. It bounds the memory: work does not run far ahead.
const WAITING: usize = 4;
/// Most threads. Whoever takes the results is alone, and would not keep up with more.
const THREADS: usize = 8;

/// Calls `work` for each item with its index, on several threads, and `take` for each result, on this one and in order.
/// Where the system gives no thread, this one works too.
pub(crate) fn in_order<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(u64, &T) -> R + Sync,
    mut take: impl FnMut(u64, R),
) {
    let results = |first: u64, chunk: &[T]| -> Vec<R> {
        let each = (first..).zip(chunk);
        each.map(|(index, item)| work(index, item)).collect()
    };
    let chunks = || (0_u64..).step_by(CHUNK).zip(items.chunks(CHUNK));
    let alone = items.len() <= CHUNK;
    // Asking how many processors there are takes longer than a short log.
    let threads = if alone {
        1
    } else {
        thread::available_parallelism().map_or(1, |most| most.get().min(THREADS))
    };
    thread::scope(|scope| {
        let (results, chunks) = (&results, &chunks);
        let start = |lane| {
            let (done, handed) = sync_channel(WAITING);
            let share = move || {
                for (first, chunk) in chunks().skip(lane).step_by(threads) {
                    if done.send(results(first, chunk)).is_err() {
                        return;
                    }
                }
            };
            let started = thread::Builder::new().spawn_scoped(scope, share);
            started.ok().map(|_| handed)
        };
        let lanes: Vec<_> = (0..threads)
            .map(|lane| if alone { None } else { start(lane) })
            .collect();
        for ((first, chunk), lane) in chunks().zip(lanes.iter().cycle()) {
            let handed = lane.as_ref().and_then(|handed| handed.recv().ok());
            let here = handed.unwrap_or_else(|| results(first, chunk));
            for (index, result) in (first..).zip(here) {
                take(index, result);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, in_order};

    #[test]
    fn every_result_is_taken_once_and_in_order() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 40 * CHUNK + 7] {
            let items: Vec<u64> = (0..length as u64).map(|n| n * 3).collect();
            let mut taken = Vec::new();
            in_order(
                &items,
                |index, item| (index, item + 1),
                |at, (index, result)| {
                    assert_eq!(at, index);
                    taken.push(result);
                },
            );
            let expected: Vec<u64> = items.iter().map(|item| item + 1).collect();
            assert_eq!(taken, expected, "{length}");
        }
    }

    #[test]
    fn slow_items_do_not_overtake() {
        let items: Vec<u64> = (0..10 * CHUNK as u64).collect();
        let mut next = 0;
        let work = |index: u64, item: &u64| {
            if index.is_multiple_of(512) {
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            *item
        };
        in_order(&items, work, |_, item| {
            assert_eq!(item, next);
            next += 1;
        });
        assert_eq!(next, items.len() as u64);
    }
}
