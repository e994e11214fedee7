//! What a thread and its handle share: its turns and a board out, "stop" in, and a way to wait for a
//! turn.
//!
//! No wake-up is missed, and a turn without waiters pays one look at a number for it: the thread
//! publishes its turn, then looks for waiters; a waiter announces itself, then looks at the turn. All
//! four are sequentially consistent, so they have one order, and whichever side comes second sees
//! the first: either the thread sees the waiter, or the waiter sees the turn. A waiter that the
//! thread has seen holds the lock from its look until it sleeps, and the thread takes the lock before
//! it notifies, so the notification cannot fall in between.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The turns of a thread, with a board on which it puts up what others may know. Holds no descriptor
/// unless the board does: the thread may have a table of its own (`sys::table`).
#[derive(Debug)]
pub(crate) struct Turns<Board> {
    board: Board,
    taken: AtomicU64,
    waiters: AtomicUsize,
    stopping: AtomicBool,
    /// Whether the thread has ended: no turn will come any more.
    over: Mutex<bool>,
    turned: Condvar,
}

impl<Board> Turns<Board> {
    pub(crate) fn new(board: Board) -> Self {
        Self {
            board,
            taken: AtomicU64::new(0),
            waiters: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            over: Mutex::new(false),
            turned: Condvar::new(),
        }
    }

    #[inline]
    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    // The thread's side.

    /// Whether the thread is to end.
    #[inline]
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// A turn is over. Who sees it sees what was put up before.
    #[inline]
    pub(crate) fn advance(&self) {
        self.taken.fetch_add(1, Ordering::SeqCst);
        if self.waiters.load(Ordering::SeqCst) > 0 {
            drop(self.lock());
            self.turned.notify_all();
        }
    }

    fn end(&self) {
        *self.lock() = true;
        self.turned.notify_all();
    }

    // The handle's side.

    /// Tells the thread to end, at the end of this turn: whoever says so rings its bell, too.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the thread has ended.
    pub(crate) fn is_over(&self) -> bool {
        *self.lock()
    }

    /// How many turns are over.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::SeqCst)
    }

    /// Waits until so many turns are over. False: the time is up, or the thread has ended before.
    pub(crate) fn wait(&self, turns: u64, timeout: Duration) -> bool {
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let goes_on = |over: &mut bool| !*over && self.taken() < turns;
        drop(
            self.turned
                .wait_timeout_while(self.lock(), timeout, goes_on)
                .unwrap_or_else(PoisonError::into_inner),
        );
        self.waiters.fetch_sub(1, Ordering::SeqCst);
        self.taken() >= turns
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread holds it: however that ends, nobody goes on waiting for it.
#[derive(Debug)]
pub(crate) struct Over<Board>(pub(crate) Arc<Turns<Board>>);

impl<Board> Drop for Over<Board> {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const LONG: Duration = Duration::from_secs(5);

    #[test]
    fn no_turn_is_missed_by_who_waits_and_the_board_has_it() {
        let turns = Arc::new(Turns::new(AtomicU64::new(0)));
        let theirs = Arc::clone(&turns);
        let has_come =
            move |turn| theirs.wait(turn, LONG) && theirs.board().load(Ordering::Relaxed) >= turn;
        let follower = thread::spawn(move || (1..=2_000).all(has_come));
        for turn in 1..=2_000 {
            turns.board().store(turn, Ordering::Relaxed);
            turns.advance();
        }
        assert!(follower.join().unwrap());
        assert_eq!(turns.taken(), 2_000);
    }

    #[test]
    fn nobody_waits_for_a_thread_that_has_ended() {
        let turns = Arc::new(Turns::new(()));
        turns.advance();
        drop(Over(Arc::clone(&turns)));
        assert!(turns.is_over() && !turns.wait(2, LONG));
        // It had taken that one.
        assert!(turns.wait(1, LONG));
    }

    #[test]
    fn a_wait_ends_with_its_time() {
        let turns = Turns::new(());
        assert!(!turns.wait(1, Duration::from_millis(1)));
        assert!(turns.wait(0, Duration::ZERO));
    }
}
