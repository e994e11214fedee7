//! The boundary: an [`Error`] becomes the exception that CPython would raise.

use pyo3::exceptions::{
    PyBlockingIOError, PyBrokenPipeError, PyChildProcessError, PyConnectionAbortedError,
    PyConnectionRefusedError, PyConnectionResetError, PyFileExistsError, PyFileNotFoundError,
    PyInterruptedError, PyIsADirectoryError, PyNotADirectoryError, PyOSError, PyPermissionError,
    PyProcessLookupError, PyTimeoutError, PyTypeError,
};
use pyo3::{PyErr, Python, import_exception};

use crate::error::{Code, Error, Failure};
use crate::sys;

import_exception!(epollkit._errors, ClosedEpollError);
import_exception!(epollkit._errors, HarnessError);
import_exception!(epollkit._errors, WaitTimeout);
import_exception!(socket, gaierror);

impl From<Error> for PyErr {
    /// `OSError(errno, strerror)`, of the subclass that CPython has for it. What it was about goes
    /// into a note (PEP 678), so `args` stay as the stdlib has them.
    fn from(error: Error) -> Self {
        let raised = match error.code() {
            Code::Errno(errno) => os_error(errno),
            Code::Resolver(code) => gaierror::new_err((code, sys::resolve::gai_strerror(code))),
        };
        match error.note() {
            Some(note) => Python::attach(|py| with_note(py, raised, note)),
            None => raised,
        }
    }
}

impl From<Failure> for PyErr {
    /// `HarnessError`: a native thread of ours broke.
    fn from(failure: Failure) -> Self {
        HarnessError::new_err(failure.to_string())
    }
}

/// The subclass is named here, though `OSError` would become it by itself: before Python 3.12 that
/// happens when a Python handler takes the exception, and what is compiled (Cython's `except`) looks
/// at the class that was raised.
fn os_error(errno: i32) -> PyErr {
    let args = (errno, sys::strerror(errno));
    match errno {
        libc::EAGAIN | libc::EALREADY | libc::EINPROGRESS => PyBlockingIOError::new_err(args),
        libc::EPIPE | libc::ESHUTDOWN => PyBrokenPipeError::new_err(args),
        libc::ECHILD => PyChildProcessError::new_err(args),
        libc::ECONNABORTED => PyConnectionAbortedError::new_err(args),
        libc::ECONNREFUSED => PyConnectionRefusedError::new_err(args),
        libc::ECONNRESET => PyConnectionResetError::new_err(args),
        libc::EEXIST => PyFileExistsError::new_err(args),
        libc::ENOENT => PyFileNotFoundError::new_err(args),
        libc::EINTR => PyInterruptedError::new_err(args),
        libc::EISDIR => PyIsADirectoryError::new_err(args),
        libc::ENOTDIR => PyNotADirectoryError::new_err(args),
        libc::EACCES | libc::EPERM => PyPermissionError::new_err(args),
        libc::ESRCH => PyProcessLookupError::new_err(args),
        libc::ETIMEDOUT => PyTimeoutError::new_err(args),
        _ => PyOSError::new_err(args),
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

/// For what is about a descriptor or a thread of this process: another has no use for it.
pub(super) fn not_for_pickle(class: &str) -> PyErr {
    PyTypeError::new_err(format!("cannot pickle 'epollkit.{class}' object"))
}

/// A lock's content, whether or not a thread panicked while it held it: what these locks guard is
/// whole at every step.
pub(super) fn ignore_poison<T>(locked: Result<T, std::sync::PoisonError<T>>) -> T {
    locked.unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyo3::prelude::*;

    /// Every errno that Python has a name for.
    fn known_errnos(py: Python<'_>) -> Vec<i32> {
        let names = py.import("errno").unwrap().getattr("errorcode").unwrap();
        names
            .try_iter()
            .unwrap()
            .map(|errno| errno.unwrap().extract().unwrap())
            .collect()
    }

    #[test]
    fn every_errno_becomes_what_cpython_raises() {
        Python::initialize();
        Python::attach(|py| {
            let errnos = known_errnos(py);
            assert!(errnos.len() > 100);
            for errno in errnos {
                let text = py
                    .import("os")
                    .unwrap()
                    .call_method1("strerror", (errno,))
                    .unwrap();
                let expected = py.get_type::<PyOSError>().call1((errno, text)).unwrap();
                let raised = PyErr::from(Error::from_errno("connect", errno));
                let value = raised.value(py);
                assert!(
                    value.get_type().is(expected.get_type()),
                    "{errno}: {value:?}"
                );
                let args = |of: &Bound<'_, PyAny>| of.getattr("args").unwrap().to_string();
                assert_eq!(args(value.as_any()), args(&expected));
            }
        });
    }

    #[test]
    fn what_it_was_about_is_a_note() {
        Python::initialize();
        Python::attach(|py| {
            let error = Error::from_errno("connect", libc::ECONNREFUSED).about("127.0.0.1:9");
            let raised = PyErr::from(error);
            let notes: Vec<String> = raised
                .value(py)
                .getattr("__notes__")
                .unwrap()
                .extract()
                .unwrap();
            assert_eq!(notes, ["connect 127.0.0.1:9"]);
        });
    }

    #[test]
    fn a_resolvers_code_becomes_gaierror() {
        Python::initialize();
        Python::attach(|py| {
            let raised = PyErr::from(Error::from_resolver(libc::EAI_NONAME));
            assert!(raised.is_instance_of::<gaierror>(py));
            let errno: i32 = raised
                .value(py)
                .getattr("errno")
                .unwrap()
                .extract()
                .unwrap();
            assert_eq!(errno, libc::EAI_NONAME);
        });
    }
}
