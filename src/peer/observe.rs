//! What the loop and its handle share: numbers out, "stop" in, and a way to wait for the next turn.
//!
//! No wake-up is missed, and no turn pays for it: the loop publishes its turn, then looks for
//! waiters; a waiter announces itself, then looks at the turn. All four are sequentially
//! consistent, so they have one order, and whichever side comes second sees the first: either the
//! loop sees the waiter, or the waiter sees the turn. A waiter that the loop has seen holds the
//! lock from its look until it sleeps, and the loop takes the lock before it notifies, so the
//! notification cannot fall in between.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::counters::{Counters, Snapshot, Tally};
/// Holds no descriptor: the loop's thread has a table of its own (`sys::table`).
#[derive(Debug, Default)]
pub(super) struct Observed {
    counters: Counters,
    stopping: AtomicBool,
    waiters: AtomicUsize,
    /// Whether the loop has ended: no turn will come any more.
    over: Mutex<bool>,
    turned: Condvar,
}

impl Observed {
    /// Whether the loop is to end.
    #[inline]
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Tells the loop to end, at the end of this turn: whoever says so rings its bell, too.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// The loop's: a turn is over.
    #[inline]
    pub(super) fn publish(&self, tally: &Tally) {
        self.counters.publish(tally);
        if self.waiters.load(Ordering::SeqCst) > 0 {
            drop(self.lock());
            self.turned.notify_all();
        }
    }

    /// The loop's, or what is left of it: there will be no more turns.
    pub(super) fn end(&self) {
        *self.lock() = true;
        self.turned.notify_all();
    }

    pub(super) fn is_over(&self) -> bool {
        *self.lock()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.counters.snapshot()
    }

    /// Waits for a turn after `seen`, the end of the loop, or the time-out.
    pub(super) fn wait_turn(&self, seen: u64, timeout: Duration) -> Snapshot {
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let no_news = |over: &mut bool| !*over && self.counters.turns() <= seen;
        drop(
            self.turned
                .wait_timeout_while(self.lock(), timeout, no_news)
                .unwrap_or_else(PoisonError::into_inner),
        );
        self.waiters.fetch_sub(1, Ordering::SeqCst);
        self.snapshot()
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    const LONG: Duration = Duration::from_secs(5);

    #[test]
    fn no_turn_is_missed() {
        let observed = Arc::new(Observed::default());
        let waiter = Arc::clone(&observed);
        let follower = thread::spawn(move || {
            let mut seen = 0;
            while seen < 2_000 {
                let next = waiter.wait_turn(seen, LONG).turns;
                assert!(next > seen);
                seen = next;
            }
        });
        for turns in 1..=2_000 {
            observed.publish(&Tally {
                turns,
                ..Tally::default()
            });
        }
        follower.join().unwrap();
    }

    #[test]
    fn nobody_waits_for_a_loop_that_has_ended() {
        let observed = Observed::default();
        observed.end();
        assert_eq!(observed.wait_turn(0, LONG).turns, 0);
        assert!(observed.is_over());
    }

    #[test]
    fn a_wait_ends_with_its_time() {
        let observed = Observed::default();
        let nothing = observed.wait_turn(0, Duration::from_millis(1));
        assert_eq!(nothing.turns, 0);
    }
}
