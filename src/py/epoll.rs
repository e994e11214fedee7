//! `Epoll`: the Python class.

use std::cell::Cell;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use pyo3::PyTraverseError;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::gc::PyVisit;
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyInt, PyList, PyTuple, PyWeakrefMethods, PyWeakrefReference};

use super::args::{self, Fileno, Mask, Seconds};
use super::error::{closed_epoll, ignore_poison, of_epoll};
use super::event::Events;
use super::hint;
use super::socket::Socket;
use crate::epoll::{self, Meaning, Registry, fd_of};
use crate::error::Result;
use crate::net;
use crate::sys::clock::Deadline;
use crate::sys::epoll::RawEvent;

/// What an event may name: enough to know later whether it has been closed.
#[derive(Debug)]
enum Source {
    /// A number; only the kernel knows.
    Number,
    /// One of our sockets.
    Native(Arc<net::Socket>),
    /// Any other object with `fileno()`, if it can be weakly referenced.
    Foreign(Py<PyWeakrefReference>),
}

impl Source {
    fn of(object: &Bound<'_, PyAny>) -> Self {
        if object.is_instance_of::<PyInt>() {
            return Self::Number;
        }
        if let Ok(socket) = object.cast::<Socket>() {
            return Self::Native(Arc::clone(socket.get().inner()));
        }
        PyWeakrefReference::new(object).map_or(Self::Number, |weak| Self::Foreign(weak.unbind()))
    }
}

/// A weak look at a foreign source: it has left if it says another number now, a negative one, or
/// fails to say one. If the object is gone nothing is known: the descriptor may live on without it.
fn has_left(py: Python<'_>, source: &Py<PyWeakrefReference>, number: RawFd) -> PyResult<bool> {
    let Some(object) = source.bind(py).upgrade() else {
        return Ok(false);
    };
    match object
        .call_method0("fileno")
        .and_then(|now| now.extract::<RawFd>())
    {
        Ok(now) => Ok(now != number),
        Err(error) if error.is_instance_of::<PyException>(py) => Ok(true),
        // KeyboardInterrupt and its like are not the source's word.
        Err(error) => Err(error),
    }
}

#[derive(Debug)]
struct Registration {
    mask: u32,
    data: Py<PyAny>,
    source: Source,
}

/// What `modify` does with the data.
enum NewData {
    Keep,
    Set(Py<PyAny>),
}

impl<'py> FromPyObject<'_, 'py> for NewData {
    type Error = PyErr;

    const INPUT_TYPE: PyStaticExpr = hint::ANY;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self::Set(object.to_owned().unbind()))
    }
}

thread_local! {
    /// Room for events, kept between waits: it is too large to be allocated for each.
    static SCRATCH: Cell<Vec<RawEvent>> = const { Cell::new(Vec::new()) };
}

/// FD_SETSIZE - 1: how many events the stdlib takes by default.
const DEFAULT_MAX_EVENTS: usize = 1023;
/// A thread keeps room for so many events between waits (48 KiB).
const KEPT_EVENTS: usize = 4096;
/// Larger requests are served in part, which epoll_wait(2) allows.
const MOST_EVENTS: usize = 1 << 20;

/// An epoll set: register descriptors, wait for what becomes ready.
///
/// A superset of `select.epoll`. Level-triggered by default; add EPOLLET, EPOLLONESHOT or
/// EPOLLEXCLUSIVE to the mask for the other modes. Any thread may register, wait and close.
///
/// Args:
///     sizehint: -1 or positive; the kernel ignores it.
///     flags: EPOLL_CLOEXEC, which is always on, or 0.
///
/// Raises:
///     ValueError: a sizehint of 0 or below -1.
///     OSError: EINVAL (an unknown flag), EMFILE, ENFILE, ENOMEM.
///
/// References:
///     epoll(7) https://man7.org/linux/man-pages/man7/epoll.7.html
#[pyclass(frozen, weakref, module = "epollkit")]
#[derive(Debug)]
pub(crate) struct Epoll {
    set: epoll::Epoll,
    registry: Mutex<Registry<Registration>>,
}

impl Epoll {
    fn owning(set: epoll::Epoll) -> Self {
        Self {
            set,
            registry: Mutex::new(Registry::default()),
        }
    }

    /// Locks the registry. No Python object may be made or dropped under this lock: either may run
    /// any Python code (garbage collection, a destructor), which may call this set again.
    fn registry(&self, py: Python<'_>) -> MutexGuard<'_, Registry<Registration>> {
        ignore_poison(self.registry.lock_py_attached(py))
    }

    fn raise(&self, error: crate::error::Error) -> PyErr {
        of_epoll(error, self.set.is_closed())
    }

    /// The data of a registration that is still live; of one that another object of the same set
    /// has made, None.
    pub(super) fn live_data(&self, py: Python<'_>, token: u64) -> PyResult<Option<Py<PyAny>>> {
        let (data, foreign) = {
            let registry = self.registry(py);
            let entry = match registry.resolve(token) {
                Meaning::Live(entry) => entry,
                Meaning::Stale => return Ok(None),
                Meaning::Foreign => return Ok(Some(py.None())),
            };
            let foreign = match &entry.source {
                Source::Native(socket) if socket.is_closed() && !socket.is_detached() => {
                    return Ok(None);
                }
                Source::Number | Source::Native(_) => None,
                Source::Foreign(source) => Some(source.clone_ref(py)),
            };
            (entry.data.clone_ref(py), foreign)
        };
        // Asked without the lock: fileno() is Python code.
        match foreign {
            Some(source) if has_left(py, &source, fd_of(token))? => Ok(None),
            _ => Ok(Some(data)),
        }
    }

    /// Waits, and hands the events to `read`.
    fn wait_then<R>(
        &self,
        py: Python<'_>,
        timeout: Option<Seconds>,
        max_events: isize,
        read: impl FnOnce(&[RawEvent]) -> R,
    ) -> PyResult<R> {
        let mut events = SCRATCH.take();
        let waited = self.wait_into(py, timeout, max_events, &mut events);
        let result = waited.map(|()| read(&events));
        if events.capacity() <= KEPT_EVENTS {
            SCRATCH.set(events);
        }
        result
    }

    /// epoll_wait(2) with Python's manners: GIL released if it may sleep, signals handled, the
    /// time-out kept across them.
    fn wait_into(
        &self,
        py: Python<'_>,
        timeout: Option<Seconds>,
        max_events: isize,
        events: &mut Vec<RawEvent>,
    ) -> PyResult<()> {
        let patience = args::patience(timeout);
        let max_events = match usize::try_from(max_events) {
            Ok(most) if most > 0 => most.min(MOST_EVENTS),
            _ if max_events == -1 => DEFAULT_MAX_EVENTS,
            _ => {
                let text = format!("maxevents must be greater than 0, got {max_events}");
                return Err(PyValueError::new_err(text));
            }
        };
        let deadline = Deadline::after(patience);
        let mut left = patience;
        loop {
            let waited: Result<()> = if left == Some(Duration::ZERO) {
                self.set.wait(events, max_events, left)
            } else {
                py.detach(|| self.set.wait(events, max_events, left))
            };
            match waited {
                Ok(()) => return Ok(()),
                Err(error) if error.is(libc::EINTR) => {
                    py.check_signals()?;
                    left = deadline.remaining();
                }
                Err(error) => return Err(self.raise(error)),
            }
        }
    }
}

#[pymethods]
impl Epoll {
    #[new]
    #[pyo3(signature = (sizehint = -1, flags = 0))]
    fn new(sizehint: i32, flags: i32) -> PyResult<Self> {
        if sizehint < -1 || sizehint == 0 {
            let text = format!("sizehint must be positive or -1, not {sizehint}");
            return Err(PyValueError::new_err(text));
        }
        Ok(Self::owning(epoll::Epoll::new(flags)?))
    }

    /// Take over an open epoll descriptor; the object closes it.
    ///
    /// Args:
    ///     fd: the descriptor's number.
    ///
    /// Raises:
    ///     OSError: EBADF.
    #[staticmethod]
    fn fromfd(fd: RawFd) -> PyResult<Self> {
        Ok(Self::owning(epoll::Epoll::from_raw_fd(fd)?))
    }

    /// Close the set. Threads that wait on it get ClosedEpollError at once. Closing again does
    /// nothing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let closed = self.set.close();
        // The data go after the lock has gone: dropping them may run Python code.
        let data = self.registry(py).clear();
        drop(data);
        Ok(closed?)
    }

    /// Whether the set has been closed.
    #[getter]
    fn closed(&self) -> bool {
        self.set.is_closed()
    }

    /// The set's own descriptor; readable while it has events, so sets can be nested.
    ///
    /// Raises:
    ///     ClosedEpollError: the set is closed.
    fn fileno(&self) -> PyResult<RawFd> {
        match self.set.fileno() {
            -1 => Err(closed_epoll()),
            fd => Ok(fd),
        }
    }

    /// epoll_ctl(EPOLL_CTL_ADD): watch a source.
    ///
    /// The kernel holds the open file weakly: closing its last descriptor ends the registration,
    /// closing one of several does not, and events then go on under a number that is closed.
    ///
    /// Args:
    ///     fd: an int, or an object with `fileno()`.
    ///     eventmask: EPOLL* bits; EPOLLIN | EPOLLPRI | EPOLLOUT by default. EPOLLERR and EPOLLHUP
    ///         are reported unasked.
    ///     data: any object; comes back as `Event.data`.
    ///
    /// Raises:
    ///     FileExistsError: EEXIST, registered already.
    ///     PermissionError: EPERM, a file that cannot be waited for (a regular file).
    ///     OSError: EBADF; EINVAL (the set itself, EPOLLEXCLUSIVE with EPOLLONESHOT); ELOOP;
    ///         ENOSPC (/proc/sys/fs/epoll/max_user_watches).
    ///     TypeError, ValueError: no descriptor, or a negative one.
    ///
    /// References:
    ///     epoll_ctl(2) https://man7.org/linux/man-pages/man2/epoll_ctl.2.html
    #[pyo3(signature = (fd, eventmask = Mask(DEFAULT_MASK), *, data = None))]
    fn register(
        &self,
        py: Python<'_>,
        fd: Watched,
        eventmask: Mask,
        data: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let Watched { number, source } = fd;
        let data = data.unwrap_or_else(|| py.None());
        let entry = Registration {
            mask: eventmask.0,
            data,
            source,
        };
        let mut registry = self.registry(py);
        let token = registry.next_token(number);
        self.set
            .add(number, eventmask.0, token)
            .map_err(|error| self.raise(error))?;
        let replaced = registry.insert(number, entry);
        drop(registry);
        drop(replaced);
        Ok(())
    }

    /// epoll_ctl(EPOLL_CTL_MOD): change what is watched for. Re-arms a one-shot, and reports at
    /// once what is ready already, with EPOLLET too.
    ///
    /// Args:
    ///     fd: as for `register`.
    ///     eventmask: the new mask, all of it.
    ///     data: the new data; left out, the data stay.
    ///
    /// Raises:
    ///     FileNotFoundError: ENOENT, not registered.
    ///     OSError: EBADF, EINVAL (EPOLLEXCLUSIVE cannot be modified).
    #[pyo3(signature = (fd, eventmask, *, data = NewData::Keep))]
    fn modify(&self, py: Python<'_>, fd: Watched, eventmask: Mask, data: NewData) -> PyResult<()> {
        let Watched { number, source } = fd;
        let mut registry = self.registry(py);
        let fresh = registry.next_token(number);
        let known = registry.get_mut(number);
        let token = known.as_ref().map_or(fresh, |(token, _)| *token);
        self.set
            .modify(number, eventmask.0, token)
            .map_err(|error| self.raise(error))?;
        let replaced = match (known, data) {
            (Some((_, entry)), data) => {
                let data = match data {
                    NewData::Keep => None,
                    NewData::Set(data) => Some(std::mem::replace(&mut entry.data, data)),
                };
                entry.mask = eventmask.0;
                (data, Some(std::mem::replace(&mut entry.source, source)))
            }
            // Registered through another object of the same set (fromfd, fork).
            (None, data) => {
                let data = match data {
                    NewData::Keep => py.None(),
                    NewData::Set(data) => data,
                };
                registry.insert(
                    number,
                    Registration {
                        mask: eventmask.0,
                        data,
                        source,
                    },
                );
                (None, None)
            }
        };
        drop(registry);
        drop(replaced);
        Ok(())
    }

    /// `modify` with the mask that it has: arms a one-shot again.
    ///
    /// Args:
    ///     fd: as for `register`.
    ///
    /// Raises:
    ///     FileNotFoundError: ENOENT, not registered here.
    ///     OSError: as `modify`.
    fn rearm(&self, py: Python<'_>, fd: Fileno) -> PyResult<()> {
        self.must_be_open()?;
        let mut registry = self.registry(py);
        let Some((token, entry)) = registry.get_mut(fd.0) else {
            return Err(crate::error::Error::from_errno("epoll_ctl", libc::ENOENT).into());
        };
        self.set
            .modify(fd.0, entry.mask, token)
            .map_err(|error| self.raise(error))
    }

    /// epoll_ctl(EPOLL_CTL_DEL): stop watching. Events of this registration that a wait has
    /// delivered already are left out from here on.
    ///
    /// Args:
    ///     fd: as for `register`.
    ///
    /// Raises:
    ///     FileNotFoundError: ENOENT, not registered.
    ///     OSError: EBADF, the number is closed.
    fn unregister(&self, py: Python<'_>, fd: Fileno) -> PyResult<()> {
        let mut registry = self.registry(py);
        let deleted = self.set.delete(fd.0).map_err(|error| self.raise(error));
        // On an error, too: the kernel has no such registration, or none that can be reached.
        let entry = registry.remove(fd.0);
        drop(registry);
        drop(entry);
        deleted
    }

    /// Wait for events, as `select.epoll.poll`.
    ///
    /// Args:
    ///     timeout: seconds, to the nanosecond; None or negative for ever.
    ///     maxevents: at most so many; -1 for 1023.
    ///
    /// Returns:
    ///     List of (fd, mask), empty when the time is up; order unspecified. As the kernel
    ///     reports them: `wait` also leaves out what is stale.
    ///
    /// Raises:
    ///     ClosedEpollError: the set is closed, before or during the wait.
    ///     ValueError: maxevents of 0 or below -1.
    ///
    /// References:
    ///     epoll_pwait2(2) https://man7.org/linux/man-pages/man2/epoll_pwait2.2.html
    #[pyo3(signature = (timeout = None, maxevents = -1) -> "list[tuple[int, int]]")]
    fn poll<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<Seconds>,
        maxevents: isize,
    ) -> PyResult<Bound<'py, PyList>> {
        self.wait_then(py, timeout, maxevents, |events| {
            let pair = |event: &RawEvent| (fd_of(event.token()), event.flags());
            PyList::new(py, events.iter().map(pair))
        })?
    }

    /// Wait for events that carry their data.
    ///
    /// Args:
    ///     timeout: seconds, to the nanosecond; None or negative for ever.
    ///     maxevents: at most so many; -1 for 1023.
    ///
    /// Returns:
    ///     Events, empty when the time is up; order unspecified. An event becomes an object when
    ///     it is touched. One whose registration is gone by then, or whose source is closed, is
    ///     left out.
    ///
    /// Raises:
    ///     ClosedEpollError: the set is closed, before or during the wait.
    ///     ValueError: maxevents of 0 or below -1.
    #[pyo3(signature = (timeout = None, maxevents = -1))]
    fn wait(
        slf: &Bound<'_, Self>,
        timeout: Option<Seconds>,
        maxevents: isize,
    ) -> PyResult<Py<Events>> {
        let py = slf.py();
        slf.get()
            .wait_then(py, timeout, maxevents, |events| Events::of(slf, events))?
    }

    fn __enter__(slf: Py<Self>) -> PyResult<Py<Self>> {
        slf.get().must_be_open()?;
        Ok(slf)
    }

    #[pyo3(signature = (*_exception: "object") -> "None")]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        match self.set.fileno() {
            -1 => "<epollkit.Epoll closed>".to_owned(),
            fd => {
                let registered = self.registry(py).entries().count();
                format!("<epollkit.Epoll fd={fd} registered={registered}>")
            }
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> std::result::Result<(), PyTraverseError> {
        // A registry that is in use right now is reachable, so it need not be looked at.
        let Ok(registry) = self.registry.try_lock() else {
            return Ok(());
        };
        for entry in registry.entries() {
            visit.call(&entry.data)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let data = self
            .registry
            .try_lock()
            .map(|mut registry| registry.clear());
        drop(data);
    }
}

impl Epoll {
    fn must_be_open(&self) -> PyResult<()> {
        if self.set.is_closed() {
            Err(closed_epoll())
        } else {
            Ok(())
        }
    }
}

const DEFAULT_MASK: u32 = (libc::EPOLLIN | libc::EPOLLPRI | libc::EPOLLOUT).cast_unsigned();

/// A descriptor number, and what to remember of where it came from.
struct Watched {
    number: RawFd,
    source: Source,
}

impl<'py> FromPyObject<'_, 'py> for Watched {
    type Error = PyErr;

    const INPUT_TYPE: PyStaticExpr = hint::FILE_DESCRIPTOR_LIKE;

    #[inline]
    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let number = object.extract::<Fileno>()?.0;
        Ok(Self {
            number,
            source: Source::of(&object),
        })
    }
}
