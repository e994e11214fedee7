//! What the thread and its handle share: records and numbers out, "stop" in, and a way to wait for
//! rounds.
//!
//! No wake-up is missed, and a round without waiters pays one look at a number for it: the thread
//! publishes its round, then looks for waiters; a waiter announces itself, then looks at the rounds,
//! all in one order (`SeqCst`). A waiter that the thread has seen holds the lock from its look until
//! it sleeps, and the thread takes the lock before it notifies.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
    stopping: AtomicBool,
    ring: Mutex<Ring<Sample>>,
    begun: AtomicU64,
    rounds: AtomicU64,
    missed: AtomicU64,
    records: AtomicU64,
    dropped: AtomicU64,
    largest_gap_ns: AtomicU64,
    waiters: AtomicUsize,
    /// Whether the thread has ended: no round will come any more.
    over: Mutex<bool>,
    turned: Condvar,
}

impl Board {
    pub(super) fn new(ring: Ring<Sample>) -> Self {
        Self {
            stopping: AtomicBool::new(false),
            ring: Mutex::new(ring),
            begun: AtomicU64::new(0),
            rounds: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            records: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            largest_gap_ns: AtomicU64::new(0),
            waiters: AtomicUsize::new(0),
            over: Mutex::new(false),
            turned: Condvar::new(),
        }
    }

    // The thread's side. It is the only writer of the numbers.

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// A round begins: what happened before is seen in it.
    pub(super) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn record(&self, sample: Sample) {
        let lost = self.ring().push(sample);
        self.records.fetch_add(1, Ordering::Relaxed);
        self.dropped.fetch_add(u64::from(lost), Ordering::Relaxed);
    }

    /// A round is over.
    pub(super) fn publish(&self, pace: &Pace) {
        self.missed.store(pace.missed(), Ordering::Relaxed);
        self.largest_gap_ns
            .store(pace.largest_gap(), Ordering::Relaxed);
        self.rounds.fetch_add(1, Ordering::SeqCst);
        if self.waiters.load(Ordering::SeqCst) > 0 {
            drop(self.over());
            self.turned.notify_all();
        }
    }

    pub(super) fn end(&self) {
        *self.over() = true;
        self.turned.notify_all();
    }

    // The handle's side.

    /// Tells the thread to end; whoever says so rings its bell, too.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        *self.over()
    }

    pub(super) fn samples(&self) -> Vec<Sample> {
        self.ring().contents()
    }

    pub(super) fn discard(&self) {
        self.ring().discard();
    }

    pub(super) fn counters(&self) -> Counters {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        // Before the others, which are at least as new: nothing of these rounds is missing.
        let rounds = self.rounds.load(Ordering::SeqCst);
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

    /// Waits until that round is over. False: the time is up, or the thread has ended before.
    pub(super) fn wait_round(&self, round: u64, timeout: Duration) -> bool {
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let is_taken = || self.rounds.load(Ordering::SeqCst) >= round;
        drop(
            self.turned
                .wait_timeout_while(self.over(), timeout, |over| !*over && !is_taken())
                .unwrap_or_else(PoisonError::into_inner),
        );
        self.waiters.fetch_sub(1, Ordering::SeqCst);
        is_taken()
    }

    fn ring(&self) -> MutexGuard<'_, Ring<Sample>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn over(&self) -> MutexGuard<'_, bool> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    const LONG: Duration = Duration::from_secs(5);

    fn board() -> Board {
        Board::new(Ring::new(4).unwrap())
    }

    #[test]
    fn a_round_under_way_does_not_count() {
        let board = board();
        let pace = Pace::new(1, 0);
        board.begin();
        let round = board.round_after(1);
        board.publish(&pace);
        assert!(!board.wait_round(round, Duration::from_millis(1)));
        board.begin();
        board.publish(&pace);
        assert!(board.wait_round(round, Duration::ZERO));
    }

    #[test]
    fn no_round_is_missed_by_who_waits() {
        let board = Arc::new(board());
        let theirs = Arc::clone(&board);
        let follower =
            thread::spawn(move || (1..=2_000).all(|round| theirs.wait_round(round, LONG)));
        let pace = Pace::new(1, 0);
        for _ in 0..2_000 {
            board.begin();
            board.publish(&pace);
        }
        assert!(follower.join().unwrap());
    }

    #[test]
    fn nobody_waits_for_a_thread_that_has_ended() {
        let board = board();
        board.end();
        assert!(!board.wait_round(1, LONG) && board.is_over());
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
        let counters = board.counters();
        assert_eq!((counters.records, counters.dropped), (10, 6));
        assert_eq!(board.samples().len(), 4);
        board.discard();
        assert!(board.samples().is_empty());
        assert_eq!(board.counters(), counters);
    }
}
