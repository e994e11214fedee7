//! `select`: the Python function.

use std::os::fd::RawFd;
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyList};
use pyo3::{type_hint_identifier, type_hint_subscript};

use super::args::{Fileno, Seconds};
use super::hint;
use super::objects::object_of_kind;
use crate::poll::{FD_SETSIZE, FdSet, FdSets};
use crate::sys::clock::Deadline;

object_of_kind!(/// What to wait for.
SourcesArg, type_hint_subscript!(
    type_hint_identifier!("collections.abc", "Iterable"),
    hint::ANY
));

/// What is ready.
pub(crate) struct Ready<'py>(Bound<'py, PyList>);

impl<'py> IntoPyObject<'py> for Ready<'py> {
    type Target = PyList;
    type Output = Bound<'py, PyList>;
    type Error = PyErr;

    const OUTPUT_TYPE: PyStaticExpr =
        type_hint_subscript!(type_hint_identifier!("builtins", "list"), hint::ANY);

    fn into_pyobject(self, _py: Python<'py>) -> PyResult<Self::Output> {
        Ok(self.0)
    }
}

/// One of the three arguments: its objects, each with the number that it had when it was asked.
struct Sources<'py>(Vec<(Bound<'py, PyAny>, RawFd)>);

impl<'py> Sources<'py> {
    /// Asks every object for its number. That may be Python code, which may change the very list
    /// that is read here: then its length is looked at anew.
    fn of(objects: &Bound<'py, PyAny>, set: &mut FdSet) -> PyResult<Self> {
        let made;
        let list = if let Ok(list) = objects.cast::<PyList>() {
            list
        } else {
            made = listed(objects)?;
            &made
        };
        let mut length = list.len();
        let mut sources = Vec::with_capacity(length.min(FD_SETSIZE));
        while sources.len() < length {
            // The stdlib's limit, and the end of a list that grows while it is read.
            if sources.len() == FD_SETSIZE {
                return Err(PyValueError::new_err(format!(
                    "too many file descriptors in select(): at most FD_SETSIZE ({FD_SETSIZE})"
                )));
            }
            let object = list.get_item(sources.len())?;
            let fd = if let Some(fd) = plain_number(&object) {
                fd
            } else {
                let Fileno(fd) = object.extract()?;
                length = list.len();
                fd
            };
            if !set.insert(fd) {
                return Err(PyValueError::new_err(format!(
                    "filedescriptor out of range in select(): {fd} is not below FD_SETSIZE \
                     ({FD_SETSIZE}); use epollkit.Poll or epollkit.Epoll, which have no such limit"
                )));
            }
            sources.push((object, fd));
        }
        Ok(Self(sources))
    }

    /// Those that are ready, in the order in which they were given.
    fn ready(mut self, py: Python<'py>, set: &FdSet) -> PyResult<Ready<'py>> {
        self.0.retain(|(_, fd)| set.contains(*fd));
        let objects = self.0.into_iter().map(|(object, _)| object);
        PyList::new(py, objects).map(Ready)
    }
}

/// The common case, in which no Python code runs and nothing is wrong.
#[inline]
fn plain_number(object: &Bound<'_, PyAny>) -> Option<RawFd> {
    let number = object.cast_exact::<PyInt>().ok()?;
    number.extract().ok().filter(|fd| *fd >= 0)
}

/// Any iterable as a list; what is none gets the stdlib's error.
fn listed<'py>(objects: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    let py = objects.py();
    let items = objects.try_iter().map_err(|error| {
        if error.is_instance_of::<PyTypeError>(py) {
            PyTypeError::new_err("arguments 1-3 must be sequences")
        } else {
            error
        }
    })?;
    let list = PyList::empty(py);
    for item in items {
        list.append(item?)?;
    }
    Ok(list)
}

/// Wait with select(2) until some of these are ready.
///
/// As `select.select`. The arguments stay as they are. select(2) cannot name a descriptor of 1024
/// or above; `Poll` and `Epoll` can.
///
/// Args:
///     rlist: wait until readable. An iterable of ints, or of objects with `fileno()`.
///     wlist: wait until writable.
///     xlist: wait for out-of-band data.
///     timeout: seconds, to the nanosecond; None for ever, 0 for a look.
///
/// Returns:
///     Three new lists: those objects of each argument that are ready, in its order; all empty when
///     the time is up.
///
/// Raises:
///     ValueError: a descriptor that is negative, or not below FD_SETSIZE (1024); a negative
///         time-out.
///     TypeError: not an iterable, or in it neither an int nor an object with `fileno()`.
///     OSError: EBADF, a number that is not open. Linux overlooks it if no number as great has ever
///         been open in this process (select(2), BUGS); `Poll` reports POLLNVAL.
///
/// References:
///     select(2) https://man7.org/linux/man-pages/man2/select.2.html
#[pyfunction]
#[pyo3(signature = (rlist, wlist, xlist, timeout = None))]
pub(crate) fn select<'py>(
    py: Python<'py>,
    rlist: SourcesArg<'py>,
    wlist: SourcesArg<'py>,
    xlist: SourcesArg<'py>,
    timeout: Option<Seconds>,
) -> PyResult<(Ready<'py>, Ready<'py>, Ready<'py>)> {
    let patience = match timeout {
        Some(Seconds::Negative) => {
            return Err(PyValueError::new_err("timeout must be non-negative"));
        }
        Some(Seconds::Length(length)) => Some(length),
        None => None,
    };
    let mut sets = FdSets::default();
    let readers = Sources::of(&rlist.0, &mut sets.read)?;
    let writers = Sources::of(&wlist.0, &mut sets.write)?;
    let others = Sources::of(&xlist.0, &mut sets.except)?;
    wait(py, &mut sets, patience)?;
    Ok((
        readers.ready(py, &sets.read)?,
        writers.ready(py, &sets.write)?,
        others.ready(py, &sets.except)?,
    ))
}

/// select(2) with Python's manners: GIL released if it may sleep, signals handled, the time-out kept
/// across them.
fn wait(py: Python<'_>, sets: &mut FdSets, patience: Option<Duration>) -> PyResult<()> {
    let deadline = Deadline::after(patience);
    let mut left = patience;
    loop {
        let waited = if left == Some(Duration::ZERO) {
            sets.wait(left)
        } else {
            py.detach(|| sets.wait(left))
        };
        match waited {
            Ok(()) => return Ok(()),
            Err(error) if error.is(libc::EINTR) => {
                py.check_signals()?;
                left = deadline.remaining();
            }
            Err(error) => return Err(error.into()),
        }
    }
}
