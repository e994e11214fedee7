//! The boundary: an [`Error`] becomes the exception that CPython would raise.

use pyo3::exceptions::PyOSError;
use pyo3::{PyErr, Python, import_exception};

use crate::error::{Code, Error};
use crate::sys;

import_exception!(epollkit._errors, ClosedEpollError);
import_exception!(epollkit._errors, HarnessError);
import_exception!(epollkit._errors, WaitTimeout);
import_exception!(socket, gaierror);

impl From<Error> for PyErr {
    /// `OSError(errno, strerror)`: CPython picks the subclass and sets `errno`. What it was about
    /// goes into a note (PEP 678), so `args` stay as the stdlib has them.
    fn from(error: Error) -> Self {
        let raised = match error.code() {
            Code::Errno(errno) => PyOSError::new_err((errno, sys::strerror(errno))),
            Code::Resolver(code) => gaierror::new_err((code, sys::resolve::gai_strerror(code))),
        };
        match error.note() {
            Some(note) => Python::attach(|py| with_note(py, raised, note)),
            None => raised,
        }
    }
}

/// Adds a note; an exception that refuses it is replaced by its reason for that.
pub(super) fn with_note(py: Python<'_>, raised: PyErr, note: &str) -> PyErr {
    match raised.add_note(py, note) {
        Ok(()) => raised,
        Err(refused) => refused,
    }
}

/// What a closed `Epoll` answers: `EBADF`, as a `ValueError` too, since `select.epoll` raises that.
pub(super) fn closed_epoll() -> PyErr {
    ClosedEpollError::new_err((libc::EBADF, "I/O operation on closed epoll object"))
}

/// An [`Error`] of an `Epoll`, given whether the set is closed.
pub(super) fn of_epoll(error: Error, closed: bool) -> PyErr {
    if closed && error.is(libc::EBADF) {
        closed_epoll()
    } else {
        error.into()
    }
}

/// A lock's content, whether or not a thread panicked while it held it: what these locks guard is
/// whole at every step.
pub(super) fn ignore_poison<T>(locked: Result<T, std::sync::PoisonError<T>>) -> T {
    locked.unwrap_or_else(std::sync::PoisonError::into_inner)
}
