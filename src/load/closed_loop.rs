//! `ClosedLoop`: each connection sends a message, reads it back, and only then sends the next.
//!
//! A closed loop measures a server as a patient client meets it: the offered rate follows the
//! replies, so a stall is seen once per connection and not by all who would have come meanwhile
//! (coordinated omission). For latency at a given rate, use an open loop.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::driver::{Driver, Report};
use crate::error::{Error, Failure, Op, Result};
use crate::net::Socket;
use crate::sys::eventfd::Waker;
use crate::sys::owner::Owner;
use crate::sys::thread;

const NAME: &str = "epollkit-load";

/// When a run ends. Without either: when it is stopped, or no connection is left.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limit {
    /// No message is started after so long.
    pub duration: Option<Duration>,
    /// So many messages, over all connections.
    pub messages: Option<u64>,
}

/// How a run ended.
type Ending = std::result::Result<Arc<Report>, Failure>;

/// What the run and its handle share.
#[derive(Debug)]
pub(super) struct Shared {
    stopping: AtomicBool,
    bell: Waker,
    progress: AtomicU64,
    ending: Mutex<Option<Ending>>,
    ended: Condvar,
}

impl Shared {
    fn new() -> Result<Self> {
        Ok(Self {
            stopping: AtomicBool::new(false),
            bell: Waker::new().op("eventfd")?,
            progress: AtomicU64::new(0),
            ending: Mutex::new(None),
            ended: Condvar::new(),
        })
    }

    pub(super) fn bell(&self) -> &Waker {
        &self.bell
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    pub(super) fn publish(&self, messages: u64) {
        self.progress.store(messages, Ordering::Relaxed);
    }

    fn end(&self, ran: std::result::Result<Result<Report>, String>) {
        let ending = match ran {
            Ok(Ok(report)) => Ok(Arc::new(report)),
            Ok(Err(error)) => Err(Failure::new(NAME, error)),
            Err(panic) => Err(Failure::new(NAME, panic)),
        };
        *self.lock() = Some(ending);
        self.ended.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Ending>> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run. Dropping it stops it; the sockets stay open.
#[derive(Debug)]
pub struct ClosedLoop {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<std::result::Result<(), String>>>>,
    owner: Owner,
}

impl ClosedLoop {
    /// Starts a run over `connections`, which must be connected streams and are the run's until it
    /// is over: a socket closed meanwhile is closed when the run lets go of it.
    ///
    /// # Errors
    ///
    /// `EINVAL` for an empty message, `EBADF` for a closed socket, `EEXIST` for one given twice,
    /// `EMFILE`, `ENFILE`; `EAGAIN` when no thread can be started.
    pub fn start(connections: &[Arc<Socket>], message: Vec<u8>, limit: Limit) -> Result<Self> {
        if message.is_empty() {
            return Err(Error::from_errno("load", libc::EINVAL).about("with an empty message"));
        }
        let shared = Arc::new(Shared::new()?);
        let driver = Driver::new(connections, message, limit, Arc::clone(&shared))?;
        let theirs = Arc::clone(&shared);
        let body = move || theirs.end(thread::caught(|| driver.run()));
        let thread =
            thread::spawn(NAME, body).map_err(|error| Error::from_io("pthread_create", &error))?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
            owner: Owner::here(),
        })
    }

    /// Messages completed so far.
    pub fn progress(&self) -> u64 {
        self.shared.progress.load(Ordering::Relaxed)
    }

    /// Whether the run is over.
    pub fn is_done(&self) -> bool {
        self.shared.lock().is_some()
    }

    /// Waits for the end of the run. False: the time is up.
    pub fn wait(&self, timeout: Duration) -> bool {
        let goes_on = |ending: &mut Option<Ending>| ending.is_none();
        let (ending, _) = self
            .shared
            .ended
            .wait_timeout_while(self.shared.lock(), timeout, goes_on)
            .unwrap_or_else(PoisonError::into_inner);
        ending.is_some()
    }

    /// The result; `None` while the run goes on. `Err`: the run itself broke.
    pub fn report(&self) -> Option<Ending> {
        self.shared.lock().clone()
    }

    /// Starts no more messages, gives those under way a quarter of a second, and waits for the end.
    ///
    /// # Errors
    ///
    /// None that an open eventfd gives.
    pub fn stop(&self) -> Result<()> {
        if !self.owner.is_here() {
            // A child of the process that started it has no such thread.
            return Ok(());
        }
        self.shared.stopping.store(true, Ordering::Relaxed);
        let rung = self.shared.bell.wake().op("eventfd");
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // What it has to say, it has said by `Shared::end`; unless it could not even start.
            if let Ok(Err(reason)) = thread.join() {
                self.shared.end(Err(reason));
            }
        }
        rung
    }
}

impl Drop for ClosedLoop {
    fn drop(&mut self) {
        // Nobody is left to be told.
        drop(self.stop());
    }
}
