//! `Driver`: the event loop of a closed-loop run.
//!
//! A message costs one send(2), one recv(2), one look at the clock, and its share of an
//! epoll_wait(2). The time at which a reply is complete is the time at which the next message
//! starts.
//!
//! Rules
//! 1. A lane reads while it writes: an echo that cannot send its reply stops reading (and rightly
//!    so), and a message larger than all the buffers in between would never get through.
//! 2. More bytes than were sent cannot be an echo: the lane is out of step and drops out.
//! 3. At the end no message is started, and those under way are waited for, so that the sockets are
//!    left clean; after [`GRACE`] they count as unfinished.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Histogram;
use super::closed_loop::{Limit, Shared};
use crate::epoll::{Epoll, EventFlags};
use crate::error::Result;
use crate::net::Socket;
use crate::sys::epoll::RawEvent;
use crate::sys::fd::Fd;
use crate::sys::socket;
use crate::sys::span::{Span, SpanMut};

const EVENTS_PER_TURN: usize = 1024;
const CHUNK: usize = 64 * 1024;
/// Longer than any healthy server takes for what is under way.
const GRACE: Duration = Duration::from_millis(250);
// No lane has that number; u64::MAX is the set's own.
const BELL: u64 = u64::MAX - 1;

const READING: EventFlags = EventFlags::IN
    .union(EventFlags::RDHUP)
    .union(EventFlags::ET);
const WRITING: EventFlags = READING.union(EventFlags::OUT);
const ENDING: EventFlags = EventFlags::RDHUP
    .union(EventFlags::HUP)
    .union(EventFlags::ERR);

/// What a run has seen.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Messages sent and read back.
    pub messages: u64,
    /// Replies that were not the message.
    pub mismatched: u64,
    /// Connections that the peer ended in the middle of a message.
    pub eof: u64,
    /// Connections that an error ended, by errno.
    pub errors: BTreeMap<i32, u64>,
    /// Messages that were still under way at the end.
    pub unfinished: u64,
    /// From the first message's start to the last reply.
    pub elapsed: Duration,
    /// Of each message, from its first send(2) to the last byte of its reply.
    pub histogram: Histogram,
}

/// Why a lane drops out.
#[derive(Debug)]
enum Exit {
    Ended,
    OutOfStep,
    Failed(io::Error),
}

impl From<io::Error> for Exit {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// One connection. `received <= sent <= message.len()`; both are 0 between messages.
#[derive(Debug)]
struct Lane {
    fd: Arc<Fd>,
    sent: usize,
    received: usize,
    started: Instant,
    armed: EventFlags,
    differs: bool,
    under_way: bool,
}

#[derive(Debug)]
pub(super) struct Driver {
    epoll: Epoll,
    shared: Arc<Shared>,
    lanes: Vec<Lane>,
    message: Vec<u8>,
    chunk: Vec<u8>,
    /// Messages that may still be started.
    budget: u64,
    duration: Option<Duration>,
    /// When to start no more.
    deadline: Option<Instant>,
    /// When to wait no longer (rule 3).
    end: Option<Instant>,
    under_way: u64,
    now: Instant,
    report: Report,
}

impl Driver {
    pub(super) fn new(
        connections: &[Arc<Socket>],
        message: Vec<u8>,
        limit: Limit,
        shared: Arc<Shared>,
    ) -> Result<Self> {
        let epoll = Epoll::new(0)?;
        let bell = shared.bell().as_fd().as_raw_fd();
        epoll.add(bell, (EventFlags::IN | EventFlags::ET).bits(), BELL)?;
        let now = Instant::now();
        let mut lanes = Vec::with_capacity(connections.len());
        for (number, socket) in connections.iter().enumerate() {
            let fd = socket.share()?;
            epoll.add(fd.borrow().as_raw_fd(), READING.bits(), number as u64)?;
            lanes.push(Lane {
                fd,
                sent: 0,
                received: 0,
                started: now,
                armed: READING,
                differs: false,
                under_way: false,
            });
        }
        Ok(Self {
            epoll,
            shared,
            lanes,
            message,
            chunk: vec![0; CHUNK],
            budget: limit.messages.unwrap_or(u64::MAX),
            duration: limit.duration,
            deadline: None,
            end: None,
            under_way: 0,
            now,
            report: Report::default(),
        })
    }

    /// Runs to the end.
    pub(super) fn run(mut self) -> Result<Report> {
        let started = Instant::now();
        // What the clock cannot hold is never.
        self.deadline = self
            .duration
            .and_then(|duration| started.checked_add(duration));
        for number in 0..self.lanes.len() {
            self.now = Instant::now();
            let begun = self.begin(number);
            self.settle(number, begun)?;
        }
        let mut events = Vec::with_capacity(EVENTS_PER_TURN);
        while self.under_way > 0 && self.end.is_none_or(|end| self.now < end) {
            self.turn(&mut events)?;
        }
        self.report.unfinished = self.under_way;
        self.report.elapsed = self.now.saturating_duration_since(started);
        Ok(self.report)
    }

    fn turn(&mut self, events: &mut Vec<RawEvent>) -> Result<()> {
        let patience = self
            .end
            .or(self.deadline)
            .map(|until| until.saturating_duration_since(self.now));
        match self.epoll.wait(events, EVENTS_PER_TURN, patience) {
            Err(error) if !error.is(libc::EINTR) => return Err(error),
            _ => {}
        }
        let before = self.report.messages;
        for event in &*events {
            if event.token() == BELL {
                continue;
            }
            // The token is a lane's number, so it fits.
            #[expect(clippy::cast_possible_truncation, reason = "was a usize")]
            let number = event.token() as usize;
            let went = self.attend(number, EventFlags::from_bits_retain(event.flags()));
            self.settle(number, went)?;
        }
        if self.report.messages == before {
            self.now = Instant::now();
        }
        self.shared.publish(self.report.messages);
        let is_late = self.deadline.is_some_and(|deadline| self.now >= deadline);
        if self.end.is_none() && (is_late || self.shared.is_stopping()) {
            self.budget = 0;
            self.end = Some(self.now + GRACE);
        }
        Ok(())
    }

    fn attend(&mut self, number: usize, ready: EventFlags) -> std::result::Result<(), Exit> {
        let lane = &self.lanes[number];
        let is_writing = lane.under_way && lane.sent < self.message.len();
        if is_writing && ready.intersects(EventFlags::OUT) {
            self.push(number)?;
        }
        if ready.intersects(READING | ENDING) {
            self.pull(number, ready)?;
        }
        Ok(())
    }

    /// Starts the next message, if there is to be one.
    fn begin(&mut self, number: usize) -> std::result::Result<(), Exit> {
        let lane = &mut self.lanes[number];
        (lane.sent, lane.received, lane.differs) = (0, 0, false);
        let may_start = self.budget > 0 && self.deadline.is_none_or(|deadline| self.now < deadline);
        if lane.under_way != may_start {
            lane.under_way = may_start;
            self.under_way = if may_start {
                self.under_way + 1
            } else {
                self.under_way - 1
            };
        }
        if !may_start {
            return Ok(());
        }
        self.budget -= 1;
        lane.started = self.now;
        self.push(number)
    }

    /// Sends; asks for `OUT` only while there is a rest.
    fn push(&mut self, number: usize) -> std::result::Result<(), Exit> {
        let lane = &mut self.lanes[number];
        let left = &self.message[lane.sent..];
        let sent = match socket::send(lane.fd.borrow(), Span::of(left), 0) {
            Ok(sent) => sent,
            Err(error) => match error.raw_os_error() {
                Some(libc::EAGAIN | libc::EINTR) => 0,
                _ => return Err(error.into()),
            },
        };
        lane.sent += sent;
        let interest = if sent < left.len() { WRITING } else { READING };
        if interest != lane.armed {
            let raw = lane.fd.borrow().as_raw_fd();
            self.epoll
                .modify(raw, interest.bits(), number as u64)
                .map_err(|_| Exit::Failed(io::Error::from_raw_os_error(libc::ENOMEM)))?;
            lane.armed = interest;
        }
        Ok(())
    }

    /// Receives until drained: a short read, unless the stream is ending.
    fn pull(&mut self, number: usize, why: EventFlags) -> std::result::Result<(), Exit> {
        loop {
            let fd = self.lanes[number].fd.borrow();
            let received = match socket::recv(fd, SpanMut::of_bytes(&mut self.chunk), 0) {
                Ok(0) => return Err(Exit::Ended),
                Ok(received) => received,
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN) => return Ok(()),
                    Some(libc::EINTR) => continue,
                    _ => return Err(error.into()),
                },
            };
            self.absorb(number, received)?;
            if received < CHUNK && !why.intersects(ENDING) {
                return Ok(());
            }
        }
    }

    /// Takes in a piece of the reply.
    fn absorb(&mut self, number: usize, received: usize) -> std::result::Result<(), Exit> {
        let lane = &mut self.lanes[number];
        let upto = lane.received + received;
        if upto > lane.sent {
            return Err(Exit::OutOfStep);
        }
        lane.differs |= self.chunk[..received] != self.message[lane.received..upto];
        lane.received = upto;
        if upto < self.message.len() {
            return Ok(());
        }
        self.now = Instant::now();
        let latency = self.now.saturating_duration_since(lane.started);
        self.report.histogram.record(latency);
        self.report.messages += 1;
        self.report.mismatched += u64::from(lane.differs);
        self.begin(number)
    }

    /// Takes a lane that dropped out off the road; its socket stays open.
    fn settle(&mut self, number: usize, went: std::result::Result<(), Exit>) -> Result<()> {
        let Err(why) = went else { return Ok(()) };
        let lane = &mut self.lanes[number];
        let was_under_way = std::mem::take(&mut lane.under_way);
        self.epoll.delete(lane.fd.borrow().as_raw_fd())?;
        self.under_way -= u64::from(was_under_way);
        match why {
            Exit::OutOfStep => self.report.mismatched += 1,
            // It had done its part.
            _ if !was_under_way => {}
            Exit::Ended => self.report.eof += 1,
            Exit::Failed(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                *self.report.errors.entry(errno).or_default() += 1;
            }
        }
        Ok(())
    }
}
