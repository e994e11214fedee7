//! `Dialer`: many connection attempts in one event loop, each with its own time-out.
//!
//! The caller submits attempts and turns the loop; outcomes come out as they end. Every attempt
//! has the same time-out, so the oldest is always the next to expire and a queue is timer enough.
//!
//! On loopback and on fast networks the handshake is over when connect(2) returns. So each attempt
//! is asked once before it is put into the epoll set: a getpeername(2) more where it was too early,
//! two epoll_ctl(2) less where it was not.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use slab::Slab;

use super::connect::{Connecting, Options, Progress};
use super::socket::open_number;
use super::{Addr, Socket};
use crate::epoll::{Epoll, EventFlags};
use crate::error::Result;
use crate::sys::epoll::RawEvent;

const EVENTS_PER_TURN: usize = 1024;

/// How one attempt ended.
#[derive(Debug)]
pub struct Outcome {
    /// The number that [`Dialer::submit`] was given.
    pub tag: usize,
    /// The connected socket, or why there is none; the address is in the error's note.
    pub result: Result<Socket>,
    /// From submission to the outcome.
    pub elapsed: Duration,
}

#[derive(Debug)]
struct Attempt {
    tag: usize,
    started: Instant,
    connecting: Connecting,
}

/// A place in the expiry queue, which is in the order of `started`. That also tells a slot that has
/// been given to a later attempt.
#[derive(Debug)]
struct Expiry {
    slot: usize,
    started: Instant,
}

/// Connection attempts under way.
#[derive(Debug)]
pub struct Dialer {
    epoll: Arc<Epoll>,
    events: Vec<RawEvent>,
    attempts: Slab<Attempt>,
    expiries: VecDeque<Expiry>,
    timeout: Option<Duration>,
    options: Options,
}

impl Dialer {
    /// An idle dialer; `timeout` holds for each attempt.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE` from epoll_create1(2).
    pub fn new(timeout: Option<Duration>, options: Options) -> Result<Self> {
        Ok(Self {
            epoll: Arc::new(Epoll::new(0)?),
            events: Vec::new(),
            attempts: Slab::new(),
            expiries: VecDeque::new(),
            timeout,
            options,
        })
    }

    /// The dialer's epoll set: to close it ends a turn that another thread waits in, with `EBADF`.
    pub fn epoll(&self) -> Arc<Epoll> {
        Arc::clone(&self.epoll)
    }

    /// How many attempts have not ended.
    pub fn pending(&self) -> usize {
        self.attempts.len()
    }

    /// Starts one attempt. Those that end at once give their outcome here.
    pub fn submit(&mut self, tag: usize, address: Addr) -> Option<Outcome> {
        self.submit_since(tag, address, Instant::now())
    }

    /// Starts one attempt whose time has been running since `started`, as when its name had to be
    /// looked up first.
    pub fn submit_since(&mut self, tag: usize, address: Addr, started: Instant) -> Option<Outcome> {
        let result = Connecting::start(address, &self.options).and_then(|mut connecting| {
            match connecting.check()? {
                Progress::Connected => Ok(Some(connecting.into_socket())),
                Progress::Pending => {
                    let slot = self.attempts.vacant_key();
                    self.watch(slot, connecting.socket())?;
                    self.attempts.insert(Attempt {
                        tag,
                        started,
                        connecting,
                    });
                    // Nearly always at the end.
                    let place = self
                        .expiries
                        .partition_point(|expiry| expiry.started <= started);
                    self.expiries.insert(place, Expiry { slot, started });
                    Ok(None)
                }
            }
        });
        result.transpose().map(|result| Outcome {
            tag,
            result,
            elapsed: started.elapsed(),
        })
    }

    /// One-shot, so that a socket handed to the caller can stay in the set: it reports no more.
    fn watch(&self, slot: usize, socket: &Socket) -> Result<()> {
        let interest = EventFlags::OUT | EventFlags::ONESHOT;
        self.epoll
            .add(open_number(socket)?, interest.bits(), slot as u64)
    }

    /// Waits for attempts to end, at most for `wait`, and appends their outcomes.
    ///
    /// # Errors
    ///
    /// `EINTR` when a signal arrived; nothing is lost by it.
    pub fn turn(&mut self, wait: Option<Duration>, ended: &mut VecDeque<Outcome>) -> Result<()> {
        let wait = match (wait, self.next_expiry()) {
            (Some(wait), Some(expiry)) => Some(wait.min(expiry)),
            (wait, expiry) => wait.or(expiry),
        };
        let mut events = std::mem::take(&mut self.events);
        let waited = self.epoll.wait(&mut events, EVENTS_PER_TURN, wait);
        for event in &events {
            // The token is a slot's number, so it fits.
            #[expect(clippy::cast_possible_truncation, reason = "was a usize")]
            self.settle(event.token() as usize, ended);
        }
        events.clear();
        self.events = events;
        self.expire(ended);
        waited
    }

    /// The kernel says that this attempt is decided.
    fn settle(&mut self, slot: usize, ended: &mut VecDeque<Outcome>) {
        let Some(attempt) = self.attempts.get_mut(slot) else {
            return;
        };
        let result = match attempt.connecting.check() {
            Ok(Progress::Connected) => Ok(()),
            Err(error) => Err(error),
            Ok(Progress::Pending) => {
                // Spurious: arm the one-shot anew.
                let again = open_number(attempt.connecting.socket()).and_then(|fd| {
                    let interest = EventFlags::OUT | EventFlags::ONESHOT;
                    self.epoll.modify(fd, interest.bits(), slot as u64)
                });
                match again {
                    Ok(()) => return,
                    Err(error) => Err(error),
                }
            }
        };
        let attempt = self.attempts.remove(slot);
        ended.push_back(Outcome {
            tag: attempt.tag,
            elapsed: attempt.started.elapsed(),
            result: result.map(|()| attempt.connecting.into_socket()),
        });
    }

    /// Time until the oldest attempt expires.
    fn next_expiry(&mut self) -> Option<Duration> {
        let timeout = self.timeout?;
        while let Some(oldest) = self.expiries.front() {
            if self.is_pending(oldest) {
                return Some(timeout.saturating_sub(oldest.started.elapsed()));
            }
            self.expiries.pop_front();
        }
        None
    }

    fn is_pending(&self, expiry: &Expiry) -> bool {
        self.attempts
            .get(expiry.slot)
            .is_some_and(|attempt| attempt.started == expiry.started)
    }

    fn expire(&mut self, ended: &mut VecDeque<Outcome>) {
        let Some(timeout) = self.timeout else { return };
        while self.next_expiry().is_some_and(|left| left.is_zero()) {
            let Some(oldest) = self.expiries.pop_front() else {
                return;
            };
            let attempt = self.attempts.remove(oldest.slot);
            ended.push_back(Outcome {
                tag: attempt.tag,
                elapsed: attempt.started.elapsed(),
                result: Err(attempt.connecting.timed_out(timeout)),
            });
        }
    }
}
