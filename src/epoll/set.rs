//! `Epoll`: an interest list in the kernel, and the list of what is ready in it.
//!
//! Facts about epoll that decide how it must be used
//!
//! - An entry is keyed by (descriptor number, open file), and it holds the file weakly. Closing
//!   *the last* descriptor of the file removes the entry. Closing the registered number while a
//!   duplicate lives does not: the events go on under a number that is closed, and neither MOD
//!   nor DEL can reach the entry any more (`EBADF`), until the duplicate is closed too (epoll(7),
//!   Q6). [`super::Registry`] recognises such events; `EPOLLONESHOT` ends them after one.
//! - Level-triggered: `wait` reports while the condition holds. The kernel puts each reported entry
//!   back on the ready list and looks again at the next wait.
//! - Edge-triggered (`EPOLLET`): `wait` reports when something *happened*. That is more than "the
//!   level rose": on Linux each arrival is news, even while older data is unread. And it is less
//!   than "there is data": what was not read is not reported again. So read until `EAGAIN`, or, on
//!   a stream, until a read comes back short, and treat any event as a hint.
//! - The whole readiness is reported, not what changed: an arrival on an idle socket watched for
//!   `IN | OUT` gives both.
//! - `EPOLLONESHOT` disarms the entry after one report, `ERR` and `HUP` included, until MOD; and
//!   MOD looks at once, so nothing that happened in between is lost. With several threads in
//!   `wait` it is what keeps two of them off the same socket.
//! - `ERR` and `HUP` come unasked. A socket with nothing but a hang-up to report spins a
//!   level-triggered loop that ignores it.
//! - One waiter takes at most `max_events`; the ready list rotates, so a small maximum is fair.
//! - close(2) does not wake a thread that waits. [`Epoll::close`] does: it puts a ringing eventfd
//!   into the set, so every waiter returns, finds the set closed, and the last one closes it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Error, Op, Result};
use crate::sys::epoll::{self, Op as Ctl, RawEvent};
use crate::sys::eventfd::Waker;
use crate::sys::fd::{self, Closed, Fd, FdCell};
use crate::sys::owner::Owner;

/// The token of the bell that [`Epoll::close`] rings. No registration may have it.
const BELL: u64 = u64::MAX;

/// An epoll set. Any thread may change it, wait on it, and close it.
#[derive(Debug)]
pub struct Epoll {
    cell: FdCell,
    /// Rung by `close`; kept until the last waiter has left.
    bell: Mutex<Option<Waker>>,
    owner: Owner,
}

impl Epoll {
    /// epoll_create1(2); `EPOLL_CLOEXEC` is always set.
    ///
    /// # Errors
    ///
    /// `EINVAL` (an unknown flag), `EMFILE`, `ENFILE`, `ENOMEM`.
    pub fn new(flags: i32) -> Result<Self> {
        Ok(Self::owning(FdCell::new(
            epoll::create(flags).op("epoll_create1")?,
        )))
    }

    /// Takes over an open epoll descriptor.
    ///
    /// # Errors
    ///
    /// `EBADF` when the number is not open.
    pub fn from_raw_fd(raw: RawFd) -> Result<Self> {
        Ok(Self::owning(FdCell::new(fd::adopt(raw).op("fromfd")?)))
    }

    fn owning(cell: FdCell) -> Self {
        Self {
            cell,
            bell: Mutex::new(None),
            owner: Owner::here(),
        }
    }

    /// `EPOLL_CTL_ADD`.
    ///
    /// # Errors
    ///
    /// `EEXIST`, `EBADF`, `EPERM` (a regular file or directory), `EINVAL` (itself; a flag that
    /// `EPOLLEXCLUSIVE` does not go with), `ELOOP`, `ENOSPC`, `ENOMEM`.
    #[inline]
    pub fn add(&self, fd: RawFd, flags: u32, token: u64) -> Result<()> {
        self.ctl(Ctl::Add, fd, flags, token)
    }

    /// `EPOLL_CTL_DEL`.
    ///
    /// # Errors
    ///
    /// `ENOENT`, `EBADF` (the number is closed: see the module's first fact).
    #[inline]
    pub fn delete(&self, fd: RawFd) -> Result<()> {
        self.ctl(Ctl::Delete, fd, 0, 0)
    }

    /// `EPOLL_CTL_MOD`. Also re-arms a one-shot and fires an edge for what is ready already.
    ///
    /// # Errors
    ///
    /// `ENOENT`, `EBADF`, `EINVAL` (`EPOLLEXCLUSIVE`).
    #[inline]
    pub fn modify(&self, fd: RawFd, flags: u32, token: u64) -> Result<()> {
        self.ctl(Ctl::Modify, fd, flags, token)
    }

    fn ctl(&self, op: Ctl, fd: RawFd, flags: u32, token: u64) -> Result<()> {
        self.cell
            .with(|epoll| epoll::ctl(epoll, op, fd, flags, token))
            .op("epoll_ctl")
    }

    /// epoll_wait(2), epoll_pwait2(2): puts at most `max_events` events in place of what `events`
    /// held, none when the time is up. `None` waits for ever.
    ///
    /// # Errors
    ///
    /// `EINTR` when a signal arrived, or when there was nothing but the bell of somebody who has
    /// closed another descriptor of this set (dup): go on waiting. `EBADF` when the set is closed,
    /// before or during the wait.
    #[inline]
    pub fn wait(
        &self,
        events: &mut Vec<RawEvent>,
        max_events: usize,
        timeout: Option<Duration>,
    ) -> Result<()> {
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            self.cell
                .with(|epoll| epoll::wait(epoll, events, max_events, timeout))
                .op("epoll_wait")?;
            return without_bell(events);
        }
        let shared = self.cell.share().op("epoll_wait")?;
        let waited = epoll::wait(shared.borrow(), events, max_events, timeout);
        if self.cell.is_closed() {
            events.clear();
            self.leave(shared)?;
            return Err(Error::from_errno("epoll_wait", libc::EBADF));
        }
        waited.op("epoll_wait")?;
        without_bell(events)
    }

    /// Closes the set, once, and makes every waiter return `EBADF`.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE` when there are waiters and no descriptor is left for the bell. The set
    /// is closed for new calls all the same.
    pub fn close(&self) -> Result<()> {
        match self.cell.close() {
            Closed::Now(result) => result.op("close"),
            Closed::Before => Ok(()),
            // The waiters stayed behind in the parent, whose set this still is.
            Closed::Deferred(_) if !self.owner.is_here() => Ok(()),
            Closed::Deferred(shared) => {
                let rung = self.ring(shared.borrow());
                self.leave(shared)?;
                rung
            }
        }
    }

    fn ring(&self, epoll: BorrowedFd<'_>) -> Result<()> {
        let waker = Waker::new().op("eventfd")?;
        waker.wake().op("eventfd")?;
        let raw = waker.as_fd().as_raw_fd();
        *self.bell() = Some(waker);
        epoll::ctl(epoll, Ctl::Add, raw, super::EventFlags::IN.bits(), BELL).op("epoll_ctl")
    }

    /// Gives a share back. The last to leave takes the bell out of the set, which others may still
    /// hold (dup, fork), and closes it.
    fn leave(&self, shared: Arc<Fd>) -> Result<()> {
        let Some(last) = Arc::into_inner(shared) else {
            return Ok(());
        };
        let Some(waker) = self.bell().take() else {
            return Ok(());
        };
        epoll::ctl(last.borrow(), Ctl::Delete, waker.as_fd().as_raw_fd(), 0, 0).op("epoll_ctl")
    }

    fn bell(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.bell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The descriptor's number; -1 once closed.
    pub fn fileno(&self) -> RawFd {
        self.cell.raw()
    }

    /// Whether [`Epoll::close`] has been called.
    pub fn is_closed(&self) -> bool {
        self.cell.is_closed()
    }
}

/// Takes out the bell of another owner of the set. If there was nothing else, nothing has happened.
#[inline]
fn without_bell(events: &mut Vec<RawEvent>) -> Result<()> {
    if events.iter().all(|event| event.token() != BELL) {
        return Ok(());
    }
    events.retain(|event| event.token() != BELL);
    if events.is_empty() {
        Err(Error::from_errno("epoll_wait", libc::EINTR))
    } else {
        Ok(())
    }
}
