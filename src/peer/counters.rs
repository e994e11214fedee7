//! What a peer counts.
//!
//! The loop counts in plain numbers ([`Tally`]) and publishes them once per turn ([`Counters`]).
//! It is the only writer, so a store is enough, and no reader ever slows it down.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The loop's own numbers.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) accepted: u64,
    pub(super) closed: u64,
    pub(super) bytes_received: u64,
    pub(super) bytes_sent: u64,
    pub(super) short_sends: u64,
    pub(super) accept_emfile: u64,
    pub(super) accept_errors: u64,
    pub(super) accept_paused: bool,
    pub(super) connection_errors: u64,
}

/// The published numbers.
#[derive(Debug, Default)]
pub(super) struct Counters {
    accepted: AtomicU64,
    closed: AtomicU64,
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
    short_sends: AtomicU64,
    accept_emfile: AtomicU64,
    accept_errors: AtomicU64,
    accept_paused: AtomicBool,
    connection_errors: AtomicU64,
}

/// A peer's numbers as they were at the end of turn `turns`, or later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections open now.
    pub open: u64,
    /// Connections closed, by whichever side.
    pub closed: u64,
    /// Bytes that recv(2) gave.
    pub bytes_received: u64,
    /// Bytes that send(2) took.
    pub bytes_sent: u64,
    /// Times that send(2) took less than it was offered, so that the rest waits for `EPOLLOUT`.
    pub short_sends: u64,
    /// Times that accept4(2) had no descriptor or no memory for a client that waited.
    pub accept_emfile: u64,
    /// Other survivable errors of accept4(2): `ECONNABORTED`, `EPERM`, ...
    pub accept_errors: u64,
    /// The listener is disarmed: at the connection limit, or out of descriptors.
    pub accept_paused: bool,
    /// Connections that an error ended: `ECONNRESET`, `EPIPE`, ... A chargen connection has no
    /// other end.
    pub connection_errors: u64,
    /// Turns of the event loop: the sequence number of this snapshot.
    pub turns: u64,
}

impl Counters {
    /// Puts a turn's numbers where they are seen, before the turn is ([`Turns::advance`]): who sees
    /// that sees these.
    ///
    /// [`Turns::advance`]: crate::worker::Turns::advance
    pub(super) fn publish(&self, tally: &Tally) {
        let put = |counter: &AtomicU64, value| counter.store(value, Ordering::Relaxed);
        put(&self.closed, tally.closed);
        put(&self.accepted, tally.accepted);
        put(&self.bytes_received, tally.bytes_received);
        put(&self.bytes_sent, tally.bytes_sent);
        put(&self.short_sends, tally.short_sends);
        put(&self.accept_emfile, tally.accept_emfile);
        put(&self.accept_errors, tally.accept_errors);
        put(&self.connection_errors, tally.connection_errors);
        self.accept_paused
            .store(tally.accept_paused, Ordering::Relaxed);
    }

    /// The numbers of turn `turns`, which has been seen, or later ones.
    pub(super) fn snapshot(&self, turns: u64) -> Snapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let accepted = get(&self.accepted);
        let closed = get(&self.closed);
        Snapshot {
            accepted,
            open: accepted.saturating_sub(closed),
            closed,
            bytes_received: get(&self.bytes_received),
            bytes_sent: get(&self.bytes_sent),
            short_sends: get(&self.short_sends),
            accept_emfile: get(&self.accept_emfile),
            accept_errors: get(&self.accept_errors),
            accept_paused: self.accept_paused.load(Ordering::Relaxed),
            connection_errors: get(&self.connection_errors),
            turns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_what_was_published() {
        let counters = Counters::default();
        assert_eq!(counters.snapshot(0), Snapshot::default());
        counters.publish(&Tally {
            accepted: 5,
            closed: 3,
            accept_paused: true,
            ..Tally::default()
        });
        let seen = counters.snapshot(9);
        assert_eq!((seen.accepted, seen.closed, seen.open), (5, 3, 2));
        assert_eq!((seen.turns, seen.accept_paused), (9, true));
    }
}
