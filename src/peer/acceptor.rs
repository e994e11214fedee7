//! `Acceptor`: the listener, and when not to listen.
//!
//! | state     | seen                                     | done                     | next      |
//! |-----------|------------------------------------------|--------------------------|-----------|
//! | accepting | a connection                             | hand it over             | accepting |
//! | accepting | `EAGAIN`                                 | wait                     | accepting |
//! | accepting | as many open as may be                   | disarm                   | full      |
//! | accepting | `EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`  | drop the reserve, again: |           |
//! |           | - a connection, or another error         | hand it over, disarm     | starved   |
//! |           | - `EAGAIN`: nobody was waiting           | take the reserve back    | accepting |
//! | accepting | an error of that one connection          | count it, accept on      | accepting |
//! | accepting | any other error                          | give up                  | (end)     |
//! | full      | fewer open                               | arm                      | accepting |
//! | starved   | one of ours closed, or a tick has passed | open the reserve, arm    | accepting |
//! | starved   | and that failed                          | wait on                  | starved   |
//!
//! Rules
//! 1. The limit counts before accept4(2): a client over it waits in the backlog and sees nothing.
//! 2. A connection that cannot be accepted stays in the queue, and a level-triggered listener goes
//!    on reporting it (epoll(7)): so without descriptors the listener is disarmed, not polled.
//! 3. The reserve is one descriptor that is held for that day. It is spent on a connection, and its
//!    return is the proof that there are descriptors again. They may be freed elsewhere in the
//!    process, where nothing tells us: hence the tick.
//! 4. accept4(2) takes a descriptor before it looks at the queue, so `EMFILE` alone does not mean
//!    that anybody is waiting. The call without the reserve tells.
//! 5. Arming looks at once (`EPOLL_CTL_MOD`), so the queue that has built up is drained.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::counters::Tally;
use crate::epoll::{Epoll, EventFlags};
use crate::error::{Error, Result};
use crate::net::Socket;
use crate::sys;

/// How often to look for a free descriptor while starved.
const TICK: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Accepting,
    Full,
    Starved { next_try: Instant },
}

#[derive(Debug)]
pub(super) struct Acceptor {
    listener: Socket,
    token: u64,
    limit: usize,
    reserve: Option<OwnedFd>,
    state: State,
    armed: bool,
}

impl Acceptor {
    /// Puts `listener` into `epoll`, under `token`.
    pub(super) fn new(listener: Socket, limit: usize, epoll: &Epoll, token: u64) -> Result<Self> {
        let reserve = sys::fd::spare().map_err(|error| Error::from_io("open", &error))?;
        epoll.add(listener.fileno(), EventFlags::IN.bits(), token)?;
        Ok(Self {
            listener,
            token,
            limit,
            reserve: Some(reserve),
            state: State::Accepting,
            armed: true,
        })
    }

    /// The next connection, with `open` of them open. `None`: not now.
    pub(super) fn accept(&mut self, open: usize, tally: &mut Tally) -> Result<Option<OwnedFd>> {
        while self.state == State::Accepting {
            if open >= self.limit {
                self.state = State::Full;
                break;
            }
            let error = match self.listener.call("accept4", sys::socket::accept) {
                Ok(connection) => return Ok(Some(connection)),
                Err(error) => error,
            };
            if error.is(libc::EAGAIN) {
                break;
            } else if is_shortage(&error) {
                return Ok(self.spend_reserve(tally));
            } else if !concerns_one_connection(&error) {
                return Err(error);
            }
            tally.accept_errors += 1;
        }
        Ok(None)
    }

    /// Spends the reserve on one more connection, if there is one (rule 4).
    fn spend_reserve(&mut self, tally: &mut Tally) -> Option<OwnedFd> {
        self.reserve = None;
        let accepted = self.listener.call("accept4", sys::socket::accept);
        if matches!(&accepted, Err(error) if error.is(libc::EAGAIN)) {
            self.restock();
            return None;
        }
        tally.accept_emfile += 1;
        self.starve();
        accepted.ok()
    }

    fn starve(&mut self) {
        self.state = State::Starved {
            next_try: Instant::now() + TICK,
        };
    }

    /// Takes a reserve; without one, it is to be tried again.
    fn restock(&mut self) {
        match sys::fd::spare() {
            Ok(reserve) => {
                self.reserve = Some(reserve);
                self.state = State::Accepting;
            }
            Err(_) => self.starve(),
        }
    }

    /// The end of a turn: leaves `full` and `starved` if it can, and arms the listener accordingly.
    pub(super) fn settle(&mut self, open: usize, closed: bool, epoll: &Epoll) -> Result<()> {
        match self.state {
            State::Full if open < self.limit => self.state = State::Accepting,
            State::Starved { next_try } if closed || Instant::now() >= next_try => {
                self.restock();
            }
            State::Accepting | State::Full | State::Starved { .. } => {}
        }
        let armed = self.state == State::Accepting;
        if armed != self.armed {
            let interest = if armed {
                EventFlags::IN
            } else {
                EventFlags::empty()
            };
            epoll.modify(self.listener.fileno(), interest.bits(), self.token)?;
            self.armed = armed;
        }
        Ok(())
    }

    /// Whether clients have to wait.
    pub(super) fn is_paused(&self) -> bool {
        !self.armed
    }

    /// How long the loop may sleep.
    pub(super) fn patience(&self) -> Option<Duration> {
        matches!(self.state, State::Starved { .. }).then_some(TICK)
    }
}

/// Not enough of something that comes back when others are done with it.
fn is_shortage(error: &Error) -> bool {
    [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM]
        .iter()
        .any(|&errno| error.is(errno))
}

/// accept(2): Linux passes on what went wrong with the new socket, and a firewall may forbid it;
/// none of it says anything about the listener.
fn concerns_one_connection(error: &Error) -> bool {
    [
        libc::ECONNABORTED,
        libc::EHOSTDOWN,
        libc::EHOSTUNREACH,
        libc::EINTR,
        libc::ENETDOWN,
        libc::ENETUNREACH,
        libc::ENONET,
        libc::ENOPROTOOPT,
        libc::EOPNOTSUPP,
        libc::EPERM,
        libc::EPROTO,
        libc::ETIMEDOUT,
    ]
    .iter()
    .any(|&errno| error.is(errno))
}
