//! `Race`: one connection to a host with several addresses (RFC 8305, "happy eyeballs").
//!
//! Addresses alternate between the families, the resolver's first choice first. A new attempt
//! starts when the last one has failed or has had 250 ms; the first that connects wins and the
//! others are closed. One deadline holds for the whole race.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::connect::Options;
use super::dialer::{Dialer, Outcome};
use super::{Addr, Socket};
use crate::error::{Error, Result};
use crate::sys::clock::Deadline;

/// RFC 8305 section 5: "Connection Attempt Delay", the recommended value.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// A race under way.
#[derive(Debug)]
pub struct Race {
    dialer: Dialer,
    waiting: VecDeque<Addr>,
    deadline: Deadline,
    next_start: Instant,
    ended: VecDeque<Outcome>,
    failures: Vec<Error>,
    unfinished: String,
}

/// A race that nobody has won.
#[derive(Debug)]
pub struct Lost {
    /// `ETIMEDOUT`, where the deadline ended it.
    pub late: Option<Error>,
    /// Why attempts failed, in the order in which they did.
    pub failures: Vec<Error>,
}

impl Race {
    /// Prepares a race between `addresses`; `deadline` ends it.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE` from epoll_create1(2).
    pub fn new(addresses: Vec<Addr>, options: Options, deadline: Deadline) -> Result<Self> {
        let unfinished = addresses
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        Ok(Self {
            dialer: Dialer::new(None, options)
                .map_err(|error| error.about(format_args!("to connect {unfinished}")))?,
            waiting: interleave(addresses),
            deadline,
            next_start: Instant::now(),
            ended: VecDeque::new(),
            failures: Vec::new(),
            unfinished,
        })
    }

    /// Runs until a signal arrives or the race is decided. `None`: call again.
    ///
    /// # Errors
    ///
    /// When no address is left or the deadline has passed.
    pub fn turn(&mut self) -> std::result::Result<Option<Socket>, Lost> {
        loop {
            let now = Instant::now();
            if now >= self.next_start || self.dialer.pending() == 0 {
                self.start_next(now);
            }
            while let Some(outcome) = self.ended.pop_front() {
                match outcome.result {
                    Ok(socket) => return Ok(Some(socket)),
                    Err(error) => {
                        self.failures.push(error);
                        self.next_start = now;
                    }
                }
            }
            if self.deadline.has_passed() {
                let late = self.late();
                return Err(self.lost(Some(late)));
            }
            if self.dialer.pending() == 0 {
                if self.waiting.is_empty() {
                    return Err(self.lost(None));
                }
                continue;
            }
            match self.dialer.turn(self.patience(now), &mut self.ended) {
                Ok(()) => {}
                Err(error) if error.is(libc::EINTR) => return Ok(None),
                Err(error) => {
                    self.failures.push(error);
                    return Err(self.lost(None));
                }
            }
        }
    }

    fn start_next(&mut self, now: Instant) {
        if let Some(address) = self.waiting.pop_front() {
            self.ended.extend(self.dialer.submit(0, address));
            self.next_start = now + ATTEMPT_DELAY;
        }
    }

    /// How long to wait for the attempts under way: until the next start or the deadline.
    fn patience(&self, now: Instant) -> Option<Duration> {
        let start = self.next_start.saturating_duration_since(now);
        match (self.deadline.remaining(), self.waiting.is_empty()) {
            (left, true) => left,
            (Some(left), false) => Some(left.min(start)),
            (None, false) => Some(start),
        }
    }

    fn late(&self) -> Error {
        Error::from_errno("connect", libc::ETIMEDOUT).about(format_args!(
            "{} (the time-out has passed)",
            self.unfinished
        ))
    }

    fn lost(&mut self, late: Option<Error>) -> Lost {
        Lost {
            late,
            failures: std::mem::take(&mut self.failures),
        }
    }
}

/// RFC 8305 section 4: alternate the families, beginning with that of the first address.
fn interleave(addresses: Vec<Addr>) -> VecDeque<Addr> {
    let Some(first) = addresses.first().map(Addr::family) else {
        return VecDeque::new();
    };
    let (same, other): (VecDeque<_>, VecDeque<_>) = addresses
        .into_iter()
        .partition(|address| address.family() == first);
    let mut queues = [same, other];
    let mut mixed = VecDeque::new();
    let mut turn = 0;
    while queues.iter().any(|queue| !queue.is_empty()) {
        mixed.extend(queues[turn % 2].pop_front());
        turn += 1;
    }
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate_in_the_resolvers_order() {
        let parse = |text: &str| Addr::Ip(text.parse().unwrap());
        let given = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"]
            .map(parse)
            .to_vec();
        let mixed: Vec<String> = interleave(given).iter().map(ToString::to_string).collect();
        assert_eq!(mixed, ["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]);
        assert!(interleave(Vec::new()).is_empty());
    }
}
