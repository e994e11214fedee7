#![expect(
    unsafe_code,
    reason = "owns descriptors: close(2) and BorrowedFd; fcntl, fstat, ioctl, open"
)]
//! Who owns a descriptor, and how it can be closed while others use it.
//!
//! [`Fd`] closes its descriptor when the last owner is gone. [`FdCell`] is the slot that a Python
//! object holds: any thread may call through it, any thread may close it once, and no call can
//! ever reach a descriptor number that the kernel has since given to somebody else.

use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use super::cvt;

/// An owned descriptor that can be given away while it is shared.
///
/// Invariant: `raw` was open when the `Fd` was made and nobody else closes it, so it stays open
/// until this value is dropped.
#[derive(Debug)]
pub struct Fd {
    raw: RawFd,
    disowned: AtomicBool,
}

impl Fd {
    /// Lends the descriptor for as long as this owner lives.
    #[inline]
    pub fn borrow(&self) -> BorrowedFd<'_> {
        // SAFETY: the type's invariant: open until `self` is dropped, and never -1.
        unsafe { BorrowedFd::borrow_raw(self.raw) }
    }

    /// Gives the descriptor to the caller: it will not be closed here.
    fn disown(&self) -> RawFd {
        self.disowned.store(true, Ordering::Release);
        self.raw
    }

    /// Closes now and says how it went. Never retried: after `EINTR` the number is already free
    /// and may be somebody else's (close(2)).
    fn close(self) -> io::Result<()> {
        let raw = self.disown();
        // SAFETY: owned by `self`, which is consumed and, being disowned, will not close it again.
        cvt(unsafe { libc::close(raw) }).map(drop)
    }
}

impl From<OwnedFd> for Fd {
    fn from(owned: OwnedFd) -> Self {
        Self {
            raw: owned.into_raw_fd(),
            disowned: AtomicBool::new(false),
        }
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        if !*self.disowned.get_mut() {
            // SAFETY: owned, and dropped only once. Nobody is left to be told of an error.
            unsafe { libc::close(self.raw) };
        }
    }
}

/// What [`FdCell::close`] did.
#[derive(Debug)]
pub enum Closed {
    /// The descriptor was closed; the kernel's word on it.
    Now(io::Result<()>),
    /// Calls that wait still share it. New calls get `EBADF`; the last waiter closes it.
    Deferred(Arc<Fd>),
    /// It was closed or detached before.
    Before,
}

/// A shared descriptor slot: open, then closed or detached once, from any thread.
///
/// A call that cannot sleep runs under the read lock ([`FdCell::with`]); a call that can sleep
/// takes a share first ([`FdCell::share`]), so that `close` never has to wait for it.
#[derive(Debug)]
pub struct FdCell {
    slot: RwLock<Option<Arc<Fd>>>,
    /// The number, for eyes that need no lock: nothing is done with it here.
    number: AtomicI32,
    /// The number was given away: it may well be open still, only not through this cell.
    detached: AtomicBool,
}

impl FdCell {
    /// An open cell.
    pub fn new(fd: OwnedFd) -> Self {
        Self {
            number: AtomicI32::new(fd.as_raw_fd()),
            slot: RwLock::new(Some(Arc::new(Fd::from(fd)))),
            detached: AtomicBool::new(false),
        }
    }

    /// A cell that is closed from the start.
    pub fn closed() -> Self {
        Self {
            slot: RwLock::new(None),
            number: AtomicI32::new(-1),
            detached: AtomicBool::new(false),
        }
    }

    /// Runs one call that cannot sleep.
    ///
    /// # Errors
    ///
    /// `EBADF` once closed, else what `call` gives.
    #[inline]
    pub fn with<R>(&self, call: impl FnOnce(BorrowedFd<'_>) -> io::Result<R>) -> io::Result<R> {
        match &*self.read() {
            Some(fd) => call(fd.borrow()),
            None => Err(closed()),
        }
    }

    /// The descriptor for several calls that cannot sleep: until the loan is dropped, `close` waits.
    /// A thread that holds one must not ask for another of the same cell.
    #[inline]
    pub fn lend(&self) -> Lent<'_> {
        Lent(self.read())
    }

    /// A share that keeps the descriptor open across a wait.
    ///
    /// # Errors
    ///
    /// `EBADF` once closed.
    pub fn share(&self) -> io::Result<Arc<Fd>> {
        self.read().clone().ok_or_else(closed)
    }

    /// The number, for the caller's eyes; -1 once closed, as the stdlib has it.
    #[inline]
    pub fn raw(&self) -> RawFd {
        self.number.load(Ordering::Acquire)
    }

    /// Whether `close` or `detach` has happened.
    pub fn is_closed(&self) -> bool {
        self.read().is_none()
    }

    /// Whether it was `detach`.
    pub fn is_detached(&self) -> bool {
        self.detached.load(Ordering::Acquire)
    }

    /// Closes the descriptor, once.
    pub fn close(&self) -> Closed {
        match self.take() {
            None => Closed::Before,
            Some(fd) => match Arc::try_unwrap(fd) {
                Ok(fd) => Closed::Now(fd.close()),
                Err(shared) => Closed::Deferred(shared),
            },
        }
    }

    /// Gives the open descriptor to the caller; the cell is closed from here on.
    pub fn detach(&self) -> Option<RawFd> {
        self.take().map(|fd| {
            self.detached.store(true, Ordering::Release);
            fd.disown()
        })
    }

    fn take(&self) -> Option<Arc<Fd>> {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        self.number.store(-1, Ordering::Release);
        slot.take()
    }

    #[inline]
    fn read(&self) -> RwLockReadGuard<'_, Option<Arc<Fd>>> {
        self.slot.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A loan of [`FdCell::lend`].
#[derive(Debug)]
pub struct Lent<'cell>(RwLockReadGuard<'cell, Option<Arc<Fd>>>);

impl Lent<'_> {
    /// The number, which is open and nobody else's while the loan lasts; `None` once closed.
    #[inline]
    pub fn raw(&self) -> Option<RawFd> {
        self.0.as_ref().map(|fd| fd.borrow().as_raw_fd())
    }
}

fn closed() -> io::Error {
    io::Error::from_raw_os_error(libc::EBADF)
}

/// Takes over a descriptor number that a user hands in (`fileno=`, `fromfd`).
///
/// # Errors
///
/// `EBADF` when the number is not open.
pub fn adopt(raw: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_GETFD reads one flag; the kernel checks the number.
    cvt(unsafe { libc::fcntl(raw, libc::F_GETFD) })?;
    // SAFETY: just seen open, so not -1. Ownership is the caller's word, as with the stdlib's
    // `fileno=`: it is documented there that the object closes it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Which file a number refers to, without holding it: device, inode and the kind of file.
///
/// A socket and a pipe have an inode of their own. What is anonymous to the kernel (an eventfd, an
/// epoll set, a timerfd) shares one, so those cannot be told from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: libc::dev_t,
    inode: libc::ino_t,
    mode: libc::mode_t,
}

impl Identity {
    /// fstat(2) of a number that is not owned: the kernel, not the caller, knows whether it is open.
    ///
    /// # Errors
    ///
    /// `EBADF` when it is not.
    pub fn of(raw: RawFd) -> io::Result<Self> {
        let mut seen = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: room for one `struct stat`.
        cvt(unsafe { libc::fstat(raw, seen.as_mut_ptr()) })?;
        // SAFETY: fstat(2) succeeded, so it has filled it in.
        let seen = unsafe { seen.assume_init_ref() };
        Ok(Self {
            device: seen.st_dev,
            inode: seen.st_ino,
            mode: seen.st_mode & libc::S_IFMT,
        })
    }

    /// Whether it is a socket.
    pub fn is_socket(self) -> bool {
        self.mode == libc::S_IFSOCK
    }
}

/// fcntl(2) `F_DUPFD_CLOEXEC`: another descriptor of the same open file.
///
/// # Errors
///
/// `EMFILE`.
pub fn duplicate(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    fd.try_clone_to_owned()
}

/// The same of a descriptor number that a user hands in and keeps.
///
/// # Errors
///
/// `EBADF` when the number is not open, `EMFILE`.
pub fn duplicate_raw(raw: RawFd) -> io::Result<OwnedFd> {
    // Lent for one call, so never closed here.
    let lent = ManuallyDrop::new(adopt(raw)?);
    duplicate(lent.as_fd())
}

/// Closes the descriptors of an `SCM_RIGHTS` message that nobody will get.
pub fn close_received(numbers: &[u8]) {
    for number in numbers.chunks_exact(size_of::<RawFd>()) {
        let raw = number.try_into().map_or(-1, RawFd::from_ne_bytes);
        drop(adopt(raw)); // EBADF, and nothing else to close, if it is none
    }
}

/// ioctl(2) `FIONBIO`: sets or clears `O_NONBLOCK`, which belongs to the open file. One call where
/// fcntl(2) takes two.
///
/// # Errors
///
/// None for an open socket.
pub fn set_nonblocking(fd: BorrowedFd<'_>, nonblocking: bool) -> io::Result<()> {
    let value = libc::c_int::from(nonblocking);
    // SAFETY: the request reads one int.
    cvt(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONBIO, &raw const value) }).map(drop)
}

/// fcntl(2) `F_GETFD`: whether children that are made by execve(2) get the descriptor.
///
/// # Errors
///
/// None for an open descriptor.
pub fn is_inheritable(fd: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: reads the flags of an open descriptor.
    let flags = cvt(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) })?;
    Ok(flags & libc::FD_CLOEXEC == 0)
}

/// fcntl(2) `F_SETFD`: sets or clears `FD_CLOEXEC`, the only flag there is.
///
/// # Errors
///
/// None for an open descriptor.
pub fn set_inheritable(fd: BorrowedFd<'_>, inheritable: bool) -> io::Result<()> {
    let flags = if inheritable { 0 } else { libc::FD_CLOEXEC };
    // SAFETY: F_SETFD takes an int of flags.
    cvt(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, flags) }).map(drop)
}

/// fcntl(2) `F_GETFL`: whether the open file is in blocking mode.
///
/// # Errors
///
/// None for an open descriptor.
pub fn is_blocking(fd: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: reads the flags of an open descriptor.
    let flags = cvt(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    Ok(flags & libc::O_NONBLOCK == 0)
}

/// Any open descriptor of no importance: held in reserve for the day there are no others.
///
/// # Errors
///
/// `EMFILE` or `ENFILE` when there is none to be had.
pub fn spare() -> io::Result<OwnedFd> {
    // SAFETY: a constant path and constant flags.
    let raw = cvt(unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) })?;
    // SAFETY: just returned by open(2).
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell() -> FdCell {
        FdCell::new(spare().unwrap())
    }

    #[test]
    fn a_closed_cell_answers_ebadf() {
        let cell = cell();
        assert!(cell.raw() >= 0);
        assert!(matches!(cell.close(), Closed::Now(Ok(()))));
        assert!(matches!(cell.close(), Closed::Before));
        assert_eq!(cell.raw(), -1);
        let error = cell.with(|_| Ok(())).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
    }

    #[test]
    fn a_share_keeps_the_descriptor_open_past_close() {
        let cell = cell();
        let share = cell.share().unwrap();
        assert!(matches!(cell.close(), Closed::Deferred(_)));
        assert!(duplicate(share.borrow()).is_ok());
        let raw = share.borrow().as_raw_fd();
        drop(share);
        assert_eq!(adopt(raw).unwrap_err().raw_os_error(), Some(libc::EBADF));
    }

    #[test]
    fn a_loan_says_whether_there_is_something_to_lend() {
        let cell = cell();
        assert_eq!(cell.lend().raw(), Some(cell.raw()));
        cell.close();
        assert_eq!(cell.lend().raw(), None);
    }

    #[test]
    fn close_waits_for_a_loan_and_closes_then() {
        let cell = Arc::new(cell());
        let loan = cell.lend();
        let raw = loan.raw().unwrap();
        let theirs = Arc::clone(&cell);
        let closer = std::thread::spawn(move || matches!(theirs.close(), Closed::Now(Ok(()))));
        // However far the closer has come, the number is open.
        assert!(Identity::of(raw).is_ok());
        drop(loan);
        assert!(closer.join().unwrap());
        assert!(cell.lend().raw().is_none());
    }

    #[test]
    fn an_identity_is_the_files_not_the_numbers() {
        let one = std::os::unix::net::UnixStream::pair().unwrap();
        let of = |fd: BorrowedFd<'_>| Identity::of(fd.as_raw_fd()).unwrap();
        let again = duplicate(one.0.as_fd()).unwrap();
        assert_eq!(of(one.0.as_fd()), of(again.as_fd()));
        assert_ne!(of(one.0.as_fd()), of(one.1.as_fd()));
        assert!(of(one.0.as_fd()).is_socket() && !of(spare().unwrap().as_fd()).is_socket());
        let error = Identity::of(-1).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
    }

    #[test]
    fn a_detached_descriptor_stays_open_and_is_the_callers() {
        let cell = cell();
        let raw = cell.detach().unwrap();
        drop(cell);
        drop(adopt(raw).unwrap());
    }
}
