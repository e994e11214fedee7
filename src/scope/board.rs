//! The thread's board ([`crate::worker::Turns`]): records, and numbers. A round is a turn.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::pace::Pace;
use super::ring::Ring;
use super::sample::Sample;

/// What the thread has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Looks at all sources.
    pub rounds: u64,
    /// Rounds that the thread was too late for.
    pub missed: u64,
    /// Records written.
    pub records: u64,
    /// Records lost, the oldest first, because the ring was full.
    pub dropped: u64,
    /// The longest time between the beginnings of two rounds, in nanoseconds.
    pub largest_gap_ns: u64,
}

#[derive(Debug)]
pub(super) struct Board {
    ring: Mutex<Ring<Sample>>,
    begun: AtomicU64,
    missed: AtomicU64,
    records: AtomicU64,
    dropped: AtomicU64,
    largest_gap_ns: AtomicU64,
}

impl Board {
    pub(super) fn new(ring: Ring<Sample>) -> Self {
        Self {
            ring: Mutex::new(ring),
            begun: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            records: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            largest_gap_ns: AtomicU64::new(0),
        }
    }

    // The thread's side. It is the only writer of the numbers.

    /// A round begins: what happened before is seen in it.
    pub(super) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn record(&self, sample: Sample) {
        let lost = self.ring().push(sample);
        self.records.fetch_add(1, Ordering::Relaxed);
        self.dropped.fetch_add(u64::from(lost), Ordering::Relaxed);
    }

    /// A round is about to be over.
    pub(super) fn publish(&self, pace: &Pace) {
        self.missed.store(pace.missed(), Ordering::Relaxed);
        self.largest_gap_ns
            .store(pace.largest_gap(), Ordering::Relaxed);
    }

    // The handle's side.

    pub(super) fn samples(&self) -> Vec<Sample> {
        self.ring().contents()
    }

    pub(super) fn discard(&self) {
        self.ring().discard();
    }

    /// The numbers of so many rounds, which have been seen, or later ones: nothing of these is missing.
    pub(super) fn counters(&self, rounds: u64) -> Counters {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Counters {
            rounds,
            missed: get(&self.missed),
            records: get(&self.records),
            dropped: get(&self.dropped),
            largest_gap_ns: get(&self.largest_gap_ns),
        }
    }

    /// The number of the round by which `rounds` more, all begun from now on, are over.
    pub(super) fn round_after(&self, rounds: u64) -> u64 {
        self.begun.load(Ordering::SeqCst).saturating_add(rounds)
    }

    fn ring(&self) -> MutexGuard<'_, Ring<Sample>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Board {
        Board::new(Ring::new(4).unwrap())
    }

    #[test]
    fn a_round_under_way_does_not_count() {
        let board = board();
        assert_eq!(board.round_after(1), 1);
        board.begin();
        // That one may have looked already.
        assert_eq!(board.round_after(1), 2);
        assert_eq!(board.round_after(u64::MAX), u64::MAX);
    }

    #[test]
    fn what_the_ring_loses_is_counted() {
        let board = board();
        for t_ns in 0..10 {
            board.record(Sample {
                t_ns,
                reading: None,
                source: 0,
            });
        }
        let counters = board.counters(1);
        assert_eq!((counters.records, counters.dropped), (10, 6));
        assert_eq!(board.samples().len(), 4);
        board.discard();
        assert!(board.samples().is_empty());
        assert_eq!(board.counters(1), counters);
    }
}
