//! `Sampler`: the thread that looks, and its handle.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

use super::board::{Board, Counters};
use super::pace::Pace;
use super::ring::Ring;
use super::sample::Sample;
use super::source::Source;
use super::watch::Watch;
use crate::error::{Error, Failure, Op, Result};
use crate::poll::{self, PollFd};
use crate::sys::eventfd::Waker;
use crate::sys::{clock, fork, thread};
use crate::worker::{Over, Turns, Worker};

/// Sources of one sampler, at most: a round looks at each, so more would be a low rate.
pub const MOST_SOURCES: usize = 256;
/// Records of one sampler, at most: half a GiB.
pub const MOST_RECORDS: usize = 1 << 24;
/// Less than a look at one source takes.
pub const SHORTEST_INTERVAL: Duration = Duration::from_micros(1);

const NAME: &str = "epollkit-scope";

/// A thread that looks at its sources at a fixed rate and records what changes. Dropping it stops it.
///
/// It stays in the process's descriptor table, whose numbers it looks at.
#[derive(Debug)]
pub struct Sampler {
    worker: Worker<Board>,
}

impl Sampler {
    /// Starts to sample, with room for `capacity` records. When it returns, the first round is over:
    /// each source has its first record, and what changes from here on is seen.
    ///
    /// # Errors
    ///
    /// `EINVAL` for no source or too many, one given twice, an interval too short, a capacity of 0 or
    /// too large; `ENOMEM`, `EMFILE`, `ENFILE`; `EAGAIN` when no thread can be started.
    pub fn start(sources: Vec<Source>, interval: Duration, capacity: usize) -> Result<Self> {
        check(&sources, interval, capacity)?;
        let no_memory = |_| Error::from_errno("sample", libc::ENOMEM);
        let ring = Ring::new(capacity).map_err(no_memory)?;
        fork::install().op("pthread_atfork")?;
        let turns = Arc::new(Turns::new(Board::new(ring)));
        let bell = Arc::new(Waker::new().op("eventfd")?);
        let (theirs, their_bell) = (Over(Arc::clone(&turns)), Arc::clone(&bell));
        let body = move || run(&theirs.0, &their_bell, Watch::new(sources), interval);
        let thread =
            thread::spawn(NAME, body).map_err(|error| Error::from_io("pthread_create", &error))?;
        // Again and again, since the first round may be late on a busy machine.
        while !turns.wait(1, Duration::from_secs(1)) && !turns.is_over() {}
        Ok(Self {
            worker: Worker::new(NAME, thread, turns, bell),
        })
    }

    /// What the ring holds, oldest first. The copy is made under the lock that the thread writes
    /// under, so a large one makes it miss rounds. In a child of the process that started it: nothing.
    pub fn samples(&self) -> Vec<Sample> {
        if self.worker.is_here() {
            self.board().samples()
        } else {
            Vec::new()
        }
    }

    /// Its numbers, as of the last round.
    pub fn counters(&self) -> Counters {
        self.board().counters(self.worker.turns().taken())
    }

    /// The number of the round by which `rounds` more, all begun from now on, are over.
    pub fn round_after(&self, rounds: u64) -> u64 {
        self.board().round_after(rounds)
    }

    /// Waits until that round is over. False: the time is up, or [`Sampler::is_over`].
    pub fn wait_round(&self, round: u64, timeout: Duration) -> bool {
        self.worker.is_here() && self.worker.turns().wait(round, timeout)
    }

    /// Whether no round will come any more: it was stopped, or has broken, as [`Sampler::stop`] will
    /// tell; or its thread is another process's.
    pub fn is_over(&self) -> bool {
        !self.worker.is_here() || self.worker.turns().is_over()
    }

    /// Ends the thread and waits for it; the records stay. Again: the same answer. In a child of the
    /// process that started it there is no thread, and nothing is done.
    ///
    /// # Errors
    ///
    /// Why the thread had ended on its own: a panic, or an error that it could not survive.
    pub fn stop(&self) -> std::result::Result<(), Failure> {
        self.worker.stop()
    }

    /// [`Sampler::stop`], and lets the records go.
    ///
    /// # Errors
    ///
    /// As [`Sampler::stop`].
    pub fn close(&self) -> std::result::Result<(), Failure> {
        let stopped = self.stop();
        if self.worker.is_here() {
            self.board().discard();
        }
        stopped
    }

    fn board(&self) -> &Board {
        self.worker.turns().board()
    }
}

fn check(sources: &[Source], interval: Duration, capacity: usize) -> Result<()> {
    let refuse = |what: &str| Err(Error::from_errno("sample", libc::EINVAL).about(what));
    if sources.is_empty() || sources.len() > MOST_SOURCES {
        return refuse(&format!("no source, or more than {MOST_SOURCES}"));
    }
    if interval < SHORTEST_INTERVAL {
        return refuse("more often than each microsecond");
    }
    if capacity == 0 || capacity > MOST_RECORDS {
        return refuse("into no room, or too much");
    }
    // A cell must not be lent twice at a time.
    let mut numbers: Vec<_> = sources.iter().map(Source::fileno).collect();
    numbers.sort_unstable();
    match numbers.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => refuse(&format!("fd {} twice", pair[0])),
        None => Ok(()),
    }
}

/// The thread's life.
fn run(turns: &Turns<Board>, bell: &Waker, mut watch: Watch, interval: Duration) -> Result<()> {
    let board = turns.board();
    // The kernel's 50 us would be a whole interval.
    thread::set_timer_slack(1).op("prctl")?;
    let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
    let mut pace = Pace::new(interval, clock::monotonic_ns());
    while !turns.is_stopping() {
        match pace.left(clock::monotonic_ns()) {
            0 => {
                // Of the locks that are held in it a child would inherit a copy that stays locked.
                let section = fork::section();
                pace.begin(clock::monotonic_ns());
                board.begin();
                watch.look(|sample| board.record(sample))?;
                drop(section);
                board.publish(&pace);
                turns.advance();
            }
            left => sleep(bell, Duration::from_nanos(left))?,
        }
    }
    Ok(())
}

/// Until the time has come or the bell rings.
fn sleep(bell: &Waker, left: Duration) -> Result<()> {
    let mut entry = [PollFd::new(
        bell.as_fd().as_raw_fd(),
        libc::POLLIN.cast_unsigned(),
    )];
    match poll::wait(&mut entry, Some(left)) {
        Err(error) if error.is(libc::EINTR) => Ok(()), // what is left is asked anew
        waited => waited.map(drop),
    }
}
