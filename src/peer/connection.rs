//! `Connection`: one peer's stream, and what to do when it is ready.
//!
//! Rules
//! 1. Send first. Only what send(2) did not take is kept, and only then is `OUT` asked for.
//! 2. While something is kept, nothing is read: the memory of a connection is bounded by one chunk,
//!    and a client that does not read is made to wait by TCP itself.
//! 3. Edge-triggered, a read that comes back short has drained the socket: what arrives later is a
//!    new edge. Not so after `RDHUP`, `HUP` or `ERR`, whose edge is this one: then read to the end.
//! 4. Level-triggered, one recv(2) per report; the kernel asks again.
//! 5. Nobody starves: after [`BURST`] full reads (or sends) it is the others' turn, and an
//!    edge-triggered connection is *owed* the rest, since no edge will come for it.
//! 6. The end of input is the peer's half of the close. It is seen only when all that came before
//!    it has been answered, so to close then is to answer with FIN: nothing is unread, nothing unsent.
//!    An endless source goes on: its peer may have shut down only its own side.
//! 7. What epoll is asked for ([`Connection::interest`]) is a function of the state.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use super::counters::Tally;
use super::{Behaviour, Trigger};
use crate::epoll::{Epoll, EventFlags};
use crate::error::Result;
use crate::sys::socket;
use crate::sys::span::{Span, SpanMut};

/// Bytes per recv(2); one buffer serves all connections of a loop.
const CHUNK: usize = 64 * 1024;
/// Full reads, and full sends of a source, per connection and turn.
const BURST: usize = 8;

/// A failure, a hang-up or the end: read on until recv(2) says which.
const ENDING: EventFlags = EventFlags::RDHUP
    .union(EventFlags::HUP)
    .union(EventFlags::ERR);
/// Reasons to read.
const INPUT: EventFlags = ENDING.union(EventFlags::IN);
/// Reasons to write: an error is for whoever calls next.
const OUTPUT: EventFlags = EventFlags::OUT
    .union(EventFlags::HUP)
    .union(EventFlags::ERR);

/// What all connections of a loop work with.
#[derive(Debug)]
pub(super) struct Desk<B> {
    behaviour: B,
    trigger: Trigger,
    chunk: Box<[u8]>,
    pub(super) tally: Tally,
}

impl<B> Desk<B> {
    pub(super) fn new(behaviour: B, trigger: Trigger) -> Self {
        Self {
            behaviour,
            trigger,
            chunk: vec![0; CHUNK].into_boxed_slice(),
            tally: Tally::default(),
        }
    }

    fn burst(&self) -> usize {
        match self.trigger {
            Trigger::Level => 1,
            Trigger::Edge => BURST,
        }
    }

    /// What a connection is owed that could have gone on (rules 4 and 5).
    fn owed(&self, what: EventFlags) -> EventFlags {
        match self.trigger {
            Trigger::Level => EventFlags::empty(),
            Trigger::Edge => what,
        }
    }
}

/// What to do with a connection next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Wait for an event.
    Wait,
    /// Go on as if there had been this event.
    Resume(EventFlags),
    /// Close it.
    Close,
}

#[derive(Debug)]
pub(super) struct Connection<S> {
    token: u64,
    /// What send(2) did not take, from `rest_at` on. Empty (no allocation) nearly always.
    rest: Box<[u8]>,
    fd: OwnedFd,
    rest_at: u32,
    armed: EventFlags,
    /// What it is owed; if anything, it is in the loop's queue.
    pub(super) owed: EventFlags,
    input_ended: bool,
    state: S,
}

// A million of them must fit.
const _: () = assert!(size_of::<Connection<u64>>() <= 64);

impl<S: Default> Connection<S> {
    /// Puts a new connection into `epoll`.
    pub(super) fn open<B: Behaviour<State = S>>(
        fd: OwnedFd,
        token: u64,
        desk: &Desk<B>,
        epoll: &Epoll,
    ) -> Result<Self> {
        let mut connection = Self {
            token,
            rest: Box::default(),
            fd,
            rest_at: 0,
            armed: EventFlags::empty(),
            owed: EventFlags::empty(),
            input_ended: false,
            state: S::default(),
        };
        connection.armed = connection.interest(desk);
        epoll.add(connection.fd.as_raw_fd(), connection.armed.bits(), token)?;
        Ok(connection)
    }
}

impl<S> Connection<S> {
    pub(super) fn token(&self) -> u64 {
        self.token
    }

    /// Rule 7.
    fn interest<B: Behaviour<State = S>>(&self, desk: &Desk<B>) -> EventFlags {
        let mut interest = match desk.trigger {
            Trigger::Level => EventFlags::empty(),
            Trigger::Edge => EventFlags::ET,
        };
        if self.may_read() {
            interest |= EventFlags::IN | EventFlags::RDHUP;
        }
        if B::ENDLESS || self.is_holding() {
            interest |= EventFlags::OUT;
        }
        interest
    }

    /// Tells epoll what has changed. `EPOLL_CTL_MOD` looks at once, so no edge is lost by it.
    #[inline]
    pub(super) fn arm<B: Behaviour<State = S>>(
        &mut self,
        desk: &Desk<B>,
        epoll: &Epoll,
    ) -> Result<()> {
        let interest = self.interest(desk);
        if interest != self.armed {
            epoll.modify(self.fd.as_raw_fd(), interest.bits(), self.token)?;
            self.armed = interest;
        }
        Ok(())
    }

    /// Out of the set, then closed. After fork(2) a child may hold the file, and only then would
    /// close(2) alone leave the entry behind, to report under a token that nobody knows.
    pub(super) fn close(self, epoll: &Epoll) -> Result<()> {
        epoll.delete(self.fd.as_raw_fd())
    }

    fn is_holding(&self) -> bool {
        !self.rest.is_empty()
    }

    fn may_read(&self) -> bool {
        !self.input_ended && !self.is_holding()
    }

    /// Does what `ready` allows.
    ///
    /// # Errors
    ///
    /// What ended the connection: `ECONNRESET`, `EPIPE`, ...
    #[inline]
    pub(super) fn pump<B: Behaviour<State = S>>(
        &mut self,
        ready: EventFlags,
        desk: &mut Desk<B>,
    ) -> io::Result<Next> {
        let mut owed = EventFlags::empty();
        if (B::ENDLESS || self.is_holding()) && ready.intersects(OUTPUT) {
            owed |= self.write(desk)?;
        }
        if self.may_read() && ready.intersects(INPUT) {
            owed |= self.read(ready & INPUT, desk)?;
        }
        Ok(if self.input_ended && !B::ENDLESS {
            Next::Close
        } else if owed.is_empty() {
            Next::Wait
        } else {
            Next::Resume(owed)
        })
    }

    /// Sends what is kept, then the source, as long as the kernel takes it.
    fn write<B: Behaviour<State = S>>(&mut self, desk: &mut Desk<B>) -> io::Result<EventFlags> {
        if self.is_holding() && !self.flush(&mut desk.tally)? {
            return Ok(EventFlags::empty());
        }
        if !B::ENDLESS {
            return Ok(EventFlags::empty());
        }
        for _ in 0..desk.burst() {
            let source = desk.behaviour.source(&self.state);
            let offered = source.len();
            let sent = send(&self.fd, source, &mut desk.tally)?;
            desk.behaviour.advance(&mut self.state, sent);
            if sent < offered {
                return Ok(EventFlags::empty());
            }
        }
        Ok(desk.owed(EventFlags::OUT))
    }

    /// Sends what is kept. True: all of it.
    fn flush(&mut self, tally: &mut Tally) -> io::Result<bool> {
        let rest = &self.rest[self.rest_at as usize..];
        let left = rest.len();
        let sent = send(&self.fd, rest, tally)?;
        if sent == left {
            self.rest = Box::default();
            self.rest_at = 0;
            return Ok(true);
        }
        // At most CHUNK, so it fits.
        self.rest_at += u32::try_from(sent).unwrap_or(u32::MAX);
        Ok(false)
    }

    /// Receives and answers.
    #[inline]
    fn read<B: Behaviour<State = S>>(
        &mut self,
        why: EventFlags,
        desk: &mut Desk<B>,
    ) -> io::Result<EventFlags> {
        let flags = if B::LOOKS { 0 } else { libc::MSG_TRUNC };
        for _ in 0..desk.burst() {
            let received =
                match socket::recv(self.fd.as_fd(), SpanMut::of_bytes(&mut desk.chunk), flags) {
                    Ok(0) => {
                        self.input_ended = true;
                        return Ok(EventFlags::empty());
                    }
                    Ok(received) => received,
                    Err(error) => match error.raw_os_error() {
                        Some(libc::EAGAIN) => return Ok(EventFlags::empty()),
                        Some(libc::EINTR) => continue,
                        _ => return Err(error),
                    },
                };
            desk.tally.bytes_received += received as u64;
            let chunk = &desk.chunk[..received];
            let reply = desk.behaviour.reply(&mut self.state, chunk);
            if !reply.is_empty() {
                let sent = send(&self.fd, reply, &mut desk.tally)?;
                if sent < reply.len() {
                    self.rest = Box::from(&reply[sent..]);
                    return Ok(EventFlags::empty());
                }
            }
            if received < CHUNK && !why.intersects(ENDING) {
                return Ok(EventFlags::empty());
            }
        }
        Ok(desk.owed(why))
    }
}

/// send(2): how much the kernel took.
#[inline]
fn send(fd: &OwnedFd, bytes: &[u8], tally: &mut Tally) -> io::Result<usize> {
    let sent = loop {
        match socket::send(fd.as_fd(), Span::of(bytes), 0) {
            Ok(sent) => break sent,
            Err(error) => match error.raw_os_error() {
                Some(libc::EAGAIN) => break 0,
                Some(libc::EINTR) => {}
                _ => return Err(error),
            },
        }
    };
    tally.bytes_sent += sent as u64;
    tally.short_sends += u64::from(sent < bytes.len());
    Ok(sent)
}
