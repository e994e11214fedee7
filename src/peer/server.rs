//! `Server`: the event loop of a peer.
//!
//! One turn: wait, resume the connections that are owed something, attend to the events, accept,
//! settle the listener, publish the numbers. A message costs one recv(2), one send(2), and its
//! share of an epoll_wait(2).
//!
//! A token is a slab slot and a generation. A connection closed earlier in a batch leaves its slot
//! to another, with another generation: its later events find nobody.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;

use super::acceptor::Acceptor;
use super::connection::{Connection, Desk, Next};
use super::counters::Counters;
use super::{Behaviour, Options};
use crate::epoll::{Epoll, EventFlags};
use crate::error::Result;
use crate::net::Socket;
use crate::sys::epoll::RawEvent;
use crate::worker::Turns;

const EVENTS_PER_TURN: usize = 1024;
/// A flood of clients must not keep those who are in from being served.
const ACCEPTS_PER_TURN: usize = 256;

// No slot can be that high; u64::MAX is the set's own.
const LISTENER: u64 = u64::MAX - 1;
const BELL: u64 = u64::MAX - 2;

#[derive(Debug)]
pub(super) struct Server<B: Behaviour> {
    // First, so that it is closed first: it is quicker to drop a set than to leave it one by one.
    epoll: Epoll,
    events: Vec<RawEvent>,
    acceptor: Acceptor,
    connections: Slab<Connection<B::State>>,
    generation: u32,
    /// Tokens of the connections that are owed something.
    queue: Vec<u64>,
    /// The listener has something. Looked at last: who leaves in a turn makes room in that turn.
    listener_ready: bool,
    desk: Desk<B>,
    /// Open for as long as it is in the set.
    _bell: OwnedFd,
    turns: Arc<Turns<Counters>>,
}

impl<B: Behaviour> Server<B> {
    pub(super) fn new(
        behaviour: B,
        listener: Socket,
        bell: OwnedFd,
        options: Options,
        turns: Arc<Turns<Counters>>,
    ) -> Result<Self> {
        let epoll = Epoll::new(0)?;
        epoll.add(bell.as_raw_fd(), EventFlags::IN.bits(), BELL)?;
        let limit = options.max_connections.unwrap_or(usize::MAX);
        let acceptor = Acceptor::new(listener, limit, &epoll, LISTENER)?;
        Ok(Self {
            epoll,
            events: Vec::with_capacity(EVENTS_PER_TURN),
            acceptor,
            connections: Slab::new(),
            generation: 0,
            queue: Vec::new(),
            listener_ready: false,
            desk: Desk::new(behaviour, options.trigger),
            _bell: bell,
            turns,
        })
    }

    /// Serves until it is told to stop.
    ///
    /// # Errors
    ///
    /// What no connection is to blame for: the listener or the epoll set is broken.
    pub(super) fn run(&mut self) -> Result<()> {
        while !self.turns.is_stopping() {
            self.turn()?;
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<()> {
        let patience = if self.queue.is_empty() {
            self.acceptor.patience()
        } else {
            Some(Duration::ZERO)
        };
        let mut events = std::mem::take(&mut self.events);
        match self.epoll.wait(&mut events, EVENTS_PER_TURN, patience) {
            Err(error) if !error.is(libc::EINTR) => return Err(error),
            _ => {}
        }
        let closed_before = self.desk.tally.closed;
        self.resume();
        self.attend(&events);
        self.events = events;
        if std::mem::take(&mut self.listener_ready) {
            self.accept()?;
        }
        let closed = self.desk.tally.closed > closed_before;
        self.acceptor
            .settle(self.connections.len(), closed, &self.epoll)?;
        self.publish();
        Ok(())
    }

    fn publish(&mut self) {
        self.desk.tally.accept_paused = self.acceptor.is_paused();
        self.turns.board().publish(&self.desk.tally);
        self.turns.advance();
    }

    /// The queue of the last turn; who is owed more joins that of the next.
    fn resume(&mut self) {
        for token in std::mem::take(&mut self.queue) {
            if let Some(connection) = find(&mut self.connections, token) {
                let owed = std::mem::replace(&mut connection.owed, EventFlags::empty());
                self.serve(token, owed);
            }
        }
    }

    fn attend(&mut self, events: &[RawEvent]) {
        for event in events {
            match event.token() {
                LISTENER => self.listener_ready = true,
                // Left ringing: the loop ends.
                BELL => {}
                token => self.serve(token, EventFlags::from_bits_retain(event.flags())),
            }
            // A turn with many busy connections is long.
            if self.turns.is_stopping() {
                return;
            }
        }
    }

    /// Lets one connection do what it can.
    #[inline]
    fn serve(&mut self, token: u64, ready: EventFlags) {
        let Some(connection) = find(&mut self.connections, token) else {
            return;
        };
        if !connection.owed.is_empty() {
            // It is in the queue, and its turn comes.
            connection.owed |= ready;
            return;
        }
        let healthy = match connection.pump(ready, &mut self.desk) {
            Ok(Next::Close) => return self.close(token),
            Ok(Next::Resume(owed)) => {
                connection.owed = owed;
                self.queue.push(token);
                connection.arm(&self.desk, &self.epoll).is_ok()
            }
            Ok(Next::Wait) => connection.arm(&self.desk, &self.epoll).is_ok(),
            Err(_) => false,
        };
        if !healthy {
            self.desk.tally.connection_errors += 1;
            self.close(token);
        }
    }

    fn close(&mut self, token: u64) {
        if let Some(connection) = self.connections.try_remove(slot_of(token)) {
            self.desk.tally.closed += 1;
            if connection.close(&self.epoll).is_err() {
                self.desk.tally.connection_errors += 1;
            }
        }
    }

    fn accept(&mut self) -> Result<()> {
        for _ in 0..ACCEPTS_PER_TURN {
            let open = self.connections.len();
            match self.acceptor.accept(open, &mut self.desk.tally)? {
                Some(fd) => self.admit(fd),
                None => break,
            }
        }
        Ok(())
    }

    fn admit(&mut self, fd: OwnedFd) {
        self.generation = self.generation.wrapping_add(1);
        let slot = self.connections.vacant_entry();
        let token = u64::from(self.generation) << 32 | slot.key() as u64;
        match Connection::open(fd, token, &self.desk, &self.epoll) {
            Ok(connection) => {
                slot.insert(connection);
                self.desk.tally.accepted += 1;
            }
            // ENOSPC, ENOMEM: the set takes no more, so the connection is closed again.
            Err(_) => self.desk.tally.accept_errors += 1,
        }
    }
}

impl<B: Behaviour> Drop for Server<B> {
    /// Whatever ends the loop closes its connections. Seen when the thread is over.
    fn drop(&mut self) {
        self.desk.tally.closed += self.connections.len() as u64;
        self.turns.board().publish(&self.desk.tally);
    }
}

fn find<S>(connections: &mut Slab<Connection<S>>, token: u64) -> Option<&mut Connection<S>> {
    connections
        .get_mut(slot_of(token))
        .filter(|connection| connection.token() == token)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low half is the slot, which was a usize"
)]
fn slot_of(token: u64) -> usize {
    token as u32 as usize
}
