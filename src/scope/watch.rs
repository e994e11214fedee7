//! One look at all sources.

use std::io;
use std::time::Duration;

use super::sample::{Reading, Sample};
use super::source::{Hold, Source};
use crate::error::Result;
use crate::poll::{self, PollFd};
use crate::sys::{clock, socket};

/// What the level is asked about; ERR, HUP and NVAL come unasked.
const ASKED: u16 = (libc::POLLIN | libc::POLLPRI | libc::POLLOUT | libc::POLLRDHUP).cast_unsigned();
const NOT_OPEN: u16 = libc::POLLNVAL.cast_unsigned();

/// The sources that are open as far as is known, and what was last seen of each.
#[derive(Debug)]
pub(super) struct Watch {
    watched: Vec<Watched>,
    /// Kept from round to round.
    levels: Vec<PollFd>,
}

impl Watch {
    pub(super) fn new(sources: Vec<Source>) -> Self {
        let levels = Vec::with_capacity(sources.len());
        let watched = (0..).zip(sources).map(Watched::new).collect();
        Self { watched, levels }
    }

    /// Looks at each source, and calls `record` for those that are new, changed or gone.
    ///
    /// # Errors
    ///
    /// Of poll(2): `EINVAL` for more sources than `RLIMIT_NOFILE`, `ENOMEM`.
    pub(super) fn look(&mut self, mut record: impl FnMut(Sample)) -> Result<()> {
        self.ask_for_levels()?;
        let mut levels = self.levels.iter();
        self.watched.retain_mut(|watched| {
            let level = levels.next().map_or(NOT_OPEN, |entry| entry.found());
            let reading = watched.read(level);
            let changed = reading.is_none() || reading != watched.last;
            if changed {
                watched.last = reading;
                record(Sample {
                    t_ns: clock::monotonic_ns(),
                    reading,
                    source: watched.source_index,
                });
            }
            reading.is_some()
        });
        Ok(())
    }

    /// One poll(2) for all, which are held meanwhile.
    fn ask_for_levels(&mut self) -> Result<()> {
        let holds: Vec<Hold<'_>> = self.watched.iter().map(|each| each.source.hold()).collect();
        // The kernel skips a negative number.
        let entry = |hold: &Hold<'_>| PollFd::new(hold.raw().unwrap_or(-1), ASKED);
        self.levels.clear();
        self.levels.extend(holds.iter().map(entry));
        loop {
            match poll::wait(&mut self.levels, Some(Duration::ZERO)) {
                Err(error) if error.is(libc::EINTR) => {}
                asked => return asked.map(drop),
            }
        }
    }
}

#[derive(Debug)]
struct Watched {
    source: Source,
    source_index: u16,
    asks: Asks,
    last: Option<Reading>,
}

impl Watched {
    fn new((source_index, source): (u16, Source)) -> Self {
        Self {
            asks: Asks::of(&source),
            source,
            source_index,
            last: None,
        }
    }

    /// What there is to see; `None`: closed.
    fn read(&mut self, level: u16) -> Option<Reading> {
        if level & NOT_OPEN != 0 {
            return None;
        }
        let hold = self.source.hold();
        let raw = hold.raw()?;
        let reading = Reading {
            flags: level,
            inq: self.asks.inq.ask(|| socket::inq_of(raw)).map(count),
            outq: self.asks.outq.ask(|| socket::outq_of(raw)).map(count),
            state: self.asks.state.ask(|| socket::tcp_state_of(raw)),
        };
        self.source.is_the_same().then_some(reading)
    }
}

/// The kernel counts in an int.
fn count(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Which questions a source has answers to. Found out by asking; what it cannot answer is not asked
/// again.
#[derive(Debug)]
struct Asks {
    inq: Ask,
    outq: Ask,
    state: Ask,
}

#[derive(Debug)]
struct Ask {
    makes_sense: bool,
}

impl Asks {
    fn of(source: &Source) -> Self {
        let ask = |makes_sense| Ask { makes_sense };
        Self {
            inq: ask(true), // a pipe has a queue, too
            outq: ask(source.is_socket()),
            state: ask(source.is_socket()),
        }
    }
}

impl Ask {
    fn ask<T>(&mut self, call: impl FnOnce() -> io::Result<T>) -> Option<T> {
        if !self.makes_sense {
            return None;
        }
        let answer = call();
        // Another error may pass: EINVAL while a socket listens, EBADF when it was just closed.
        let not_such_a_file = [
            libc::ENOTTY,
            libc::EOPNOTSUPP,
            libc::ENOPROTOOPT,
            libc::ENOTSOCK,
        ];
        if let Err(error) = &answer {
            let errno = error.raw_os_error().unwrap_or(0);
            self.makes_sense = !not_such_a_file.contains(&errno);
        }
        answer.ok()
    }
}
