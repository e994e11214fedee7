//! `Poll`: the Python class.

use std::cell::Cell;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use pyo3::exceptions::{PyKeyError, PyOverflowError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyInt, PyList};
use pyo3::{type_hint_identifier, type_hint_subscript};

use super::args::{self, Fileno, Seconds};
use super::error::{ignore_poison, not_for_pickle};
use super::hint;
use super::objects::PollMask;
use crate::error::Error;
use crate::poll::{self, PollFd, PollSet};
use crate::sys::clock::Deadline;

/// `POLL*` bits as `struct pollfd` holds them: an int of 16 bits without sign, with the stdlib's
/// errors for others.
#[derive(Clone, Copy, Debug)]
struct Events(u16);

const DEFAULT_EVENTS: u16 = (libc::POLLIN | libc::POLLPRI | libc::POLLOUT).cast_unsigned();

impl<'py> FromPyObject<'_, 'py> for Events {
    type Error = PyErr;

    const INPUT_TYPE: PyStaticExpr = hint::INT;

    #[inline]
    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bits) = object.extract::<u16>() {
            return Ok(Self(bits));
        }
        let Ok(number) = object.cast::<PyInt>() else {
            let kind = object.get_type().name()?;
            let text = format!("event mask must be an int, not {kind}");
            return Err(PyTypeError::new_err(text));
        };
        let text = format!(
            "event mask must be in 0..65535 (POLL* bits), not {}",
            number.str()?
        );
        if number.lt(0)? {
            Err(PyValueError::new_err(text))
        } else {
            Err(PyOverflowError::new_err(text))
        }
    }
}

/// Milliseconds, as the stdlib's `poll` counts them: what is negative waits for ever.
#[derive(Clone, Copy, Debug)]
enum Milliseconds {
    Negative,
    Length(Duration),
}

impl Milliseconds {
    /// poll(2) counts milliseconds in a C int, and so does the stdlib.
    const MOST: i32 = i32::MAX;

    fn out_of_range() -> PyErr {
        PyOverflowError::new_err(format!(
            "timeout out of range: at most {} milliseconds (24.8 days); None waits for ever",
            Self::MOST
        ))
    }
}

impl<'py> FromPyObject<'_, 'py> for Milliseconds {
    type Error = PyErr;

    const INPUT_TYPE: PyStaticExpr = hint::FLOAT;

    #[inline]
    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        // First, for poll(0): by way of a float an int would cost an object more.
        if let Ok(number) = object.cast::<PyInt>() {
            let number = number.extract::<i64>()?;
            return match u64::try_from(number) {
                Ok(length) if i32::try_from(number).is_ok() => {
                    Ok(Self::Length(Duration::from_millis(length)))
                }
                Ok(_) => Err(Self::out_of_range()),
                Err(_) => Ok(Self::Negative),
            };
        }
        let number = object.extract::<f64>()?;
        if number.is_nan() {
            return Err(PyValueError::new_err("Invalid value NaN (not a number)"));
        }
        if number < 0.0 && number.is_finite() {
            return Ok(Self::Negative);
        }
        if number.abs() > f64::from(Self::MOST) {
            return Err(Self::out_of_range());
        }
        // Up, as CPython rounds time-outs: what is more than nothing must not become nothing.
        let nanoseconds = (number * 1e6).ceil();
        Duration::try_from_secs_f64(nanoseconds / 1e9)
            .map(Self::Length)
            .map_err(|_| Self::out_of_range())
    }
}

/// A list of (fd, `PollFlags`).
struct Flagged<'py>(Bound<'py, PyList>);

impl<'py> IntoPyObject<'py> for Flagged<'py> {
    type Target = PyList;
    type Output = Bound<'py, PyList>;
    type Error = PyErr;

    const OUTPUT_TYPE: PyStaticExpr = type_hint_subscript!(
        type_hint_identifier!("builtins", "list"),
        type_hint_subscript!(
            type_hint_identifier!("builtins", "tuple"),
            hint::INT,
            hint::POLL_FLAGS
        )
    );

    fn into_pyobject(self, _py: Python<'py>) -> PyResult<Self::Output> {
        Ok(self.0)
    }
}

thread_local! {
    /// Room for a copy of the set, kept between waits.
    static SCRATCH: Cell<Vec<PollFd>> = const { Cell::new(Vec::new()) };
}

/// A thread keeps room for so many entries between waits (32 KiB).
const KEPT_ENTRIES: usize = 4096;

/// One wait at a time, as in the stdlib.
struct Turn<'poll>(&'poll AtomicBool);

impl<'poll> Turn<'poll> {
    fn take(busy: &'poll AtomicBool) -> PyResult<Self> {
        if busy.swap(true, Ordering::Acquire) {
            return Err(PyRuntimeError::new_err("concurrent poll() invocation"));
        }
        Ok(Self(busy))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A set of descriptors to ask poll(2) about.
///
/// A superset of `select.poll()`. The set lives in this process and holds numbers, not files: the
/// kernel looks at each of them at each wait, so a wait costs as much as there are entries. `Epoll`
/// costs as much as there are events. A number that is closed is no error but an event, POLLNVAL.
///
/// `poll` counts its time-out in milliseconds, as poll(2) and the stdlib do; `wait` in seconds, as
/// everything else here. Any thread may change the set while another waits; the wait goes on with
/// the set as it was, and the next one sees the change.
///
/// References:
///     poll(2) https://man7.org/linux/man-pages/man2/poll.2.html
#[pyclass(frozen, weakref, module = "epollkit")]
#[derive(Debug, Default)]
pub(crate) struct Poll {
    set: Mutex<PollSet>,
    busy: AtomicBool,
}

impl Poll {
    #[inline]
    fn set(&self, py: Python<'_>) -> MutexGuard<'_, PollSet> {
        ignore_poison(self.set.lock_py_attached(py))
    }

    /// Waits, and makes a list of what `pair` makes of each entry that has something.
    fn wait_then<'py, T: IntoPyObject<'py>>(
        &self,
        py: Python<'py>,
        patience: Option<Duration>,
        pair: impl Fn(RawFd, u16) -> T,
    ) -> PyResult<Bound<'py, PyList>> {
        let mut entries = SCRATCH.take();
        let waited = self.wait_on(py, patience, &mut entries);
        let result = waited.and_then(|()| {
            let pairs = entries.iter().map(|entry| pair(entry.fd(), entry.found()));
            PyList::new(py, pairs)
        });
        if entries.capacity() <= KEPT_ENTRIES {
            SCRATCH.set(entries);
        }
        result
    }

    /// ppoll(2) with Python's manners: GIL released if it may sleep, signals handled, the time-out
    /// kept across them. Leaves the entries that have something.
    fn wait_on(
        &self,
        py: Python<'_>,
        patience: Option<Duration>,
        entries: &mut Vec<PollFd>,
    ) -> PyResult<()> {
        let _turn = Turn::take(&self.busy)?;
        self.set(py).copy_into(entries);
        let deadline = Deadline::after(patience);
        let mut left = patience;
        loop {
            let waited = if left == Some(Duration::ZERO) {
                poll::wait(entries, left)
            } else {
                py.detach(|| poll::wait(entries, left))
            };
            match waited {
                Ok(ready) => {
                    if ready < entries.len() {
                        entries.retain(|entry| entry.found() != 0);
                    }
                    return Ok(());
                }
                Err(error) if error.is(libc::EINTR) => {
                    py.check_signals()?;
                    left = deadline.remaining();
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[pymethods]
impl Poll {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Put a source into the set. If it is there already, only its mask changes.
    ///
    /// Args:
    ///     fd: an int, or an object with `fileno()`. The number need not be open.
    ///     eventmask: POLL* bits; POLLIN | POLLPRI | POLLOUT by default. POLLERR, POLLHUP and
    ///         POLLNVAL are reported unasked.
    ///
    /// Raises:
    ///     TypeError, ValueError: no descriptor, or a negative one; a negative mask.
    ///     OverflowError: a mask of more than 16 bits.
    #[pyo3(signature = (fd, eventmask = Events(DEFAULT_EVENTS)))]
    fn register(&self, py: Python<'_>, fd: Fileno, eventmask: Events) {
        self.set(py).register(fd.0, eventmask.0);
    }

    /// Change what a source is asked about.
    ///
    /// Args:
    ///     fd: as for `register`.
    ///     eventmask: the new mask, all of it.
    ///
    /// Raises:
    ///     FileNotFoundError: ENOENT, not in the set.
    ///     TypeError, ValueError, OverflowError: as `register`.
    fn modify(&self, py: Python<'_>, fd: Fileno, eventmask: Events) -> PyResult<()> {
        if self.set(py).modify(fd.0, eventmask.0) {
            Ok(())
        } else {
            Err(Error::from_errno("poll", libc::ENOENT).into())
        }
    }

    /// Take a source out of the set.
    ///
    /// Args:
    ///     fd: as for `register`.
    ///
    /// Raises:
    ///     KeyError: not in the set.
    ///     TypeError, ValueError: no descriptor, or a negative one.
    fn unregister(&self, py: Python<'_>, fd: Fileno) -> PyResult<()> {
        if self.set(py).unregister(fd.0) {
            Ok(())
        } else {
            Err(PyKeyError::new_err(fd.0))
        }
    }

    /// Wait for events, as the stdlib's `poll`.
    ///
    /// Args:
    ///     timeout: milliseconds, fractions included, to the nanosecond; None or negative for ever.
    ///
    /// Returns:
    ///     List of (fd, mask) in the order of registration, empty when the time is up.
    ///
    /// Raises:
    ///     RuntimeError: another thread, or the code that this wait has interrupted, waits on this
    ///         object.
    ///     OSError: EINVAL, more entries than RLIMIT_NOFILE; ENOMEM.
    ///     OverflowError: more than 2**31 - 1 milliseconds.
    ///     ValueError: a time-out that is not a number.
    ///
    /// References:
    ///     ppoll(2) https://man7.org/linux/man-pages/man2/ppoll.2.html
    #[pyo3(signature = (timeout = None) -> "list[tuple[int, int]]")]
    fn poll<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<Milliseconds>,
    ) -> PyResult<Bound<'py, PyList>> {
        let patience = match timeout {
            Some(Milliseconds::Length(length)) => Some(length),
            Some(Milliseconds::Negative) | None => None,
        };
        self.wait_then(py, patience, |fd, found| (fd, found))
    }

    /// Wait for events whose masks print their names.
    ///
    /// Args:
    ///     timeout: seconds, to the nanosecond; None or negative for ever.
    ///
    /// Returns:
    ///     List of (fd, PollFlags) in the order of registration, empty when the time is up.
    ///
    /// Raises:
    ///     RuntimeError, OSError, ValueError: as `poll`.
    ///     OverflowError: more than 292 years.
    #[pyo3(signature = (timeout = None))]
    fn wait<'py>(&self, py: Python<'py>, timeout: Option<Seconds>) -> PyResult<Flagged<'py>> {
        let patience = args::patience(timeout);
        self.wait_then(py, patience, |fd, found| (fd, PollMask(found)))
            .map(Flagged)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("<epollkit.Poll registered={}>", self.set(py).len())
    }

    #[pyo3(signature = () -> "str | tuple[object, ...]")]
    fn __reduce__(&self) -> PyResult<()> {
        Err(not_for_pickle("Poll"))
    }
}
