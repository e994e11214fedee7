//! `Events` and `Event`: what `Epoll.wait` delivered, read as lazily as it can be.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::exceptions::PyIndexError;
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::epoll::Epoll;
use super::hint;
use crate::epoll::{EventFlags, fd_of};
use crate::sys::epoll::RawEvent;

/// A mask as an `epollkit.EventFlags`.
#[derive(Clone, Copy, Debug)]
struct Flags(u32);

impl<'py> IntoPyObject<'py> for Flags {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    const OUTPUT_TYPE: PyStaticExpr = hint::EVENT_FLAGS;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        CLASS
            .import(py, "epollkit._flags", "EventFlags")?
            .call1((self.0,))
    }
}

/// One readiness event.
#[pyclass(frozen, module = "epollkit")]
#[derive(Debug)]
pub(crate) struct Event {
    /// The number that was registered.
    #[pyo3(get)]
    fd: RawFd,
    /// What was attached with `register(..., data=...)`.
    #[pyo3(get)]
    data: Py<PyAny>,
    flags: EventFlags,
}

#[pymethods]
impl Event {
    /// All that is ready, as `EventFlags`; more than was asked for, since ERR and HUP come unasked.
    #[getter]
    fn flags(&self) -> Flags {
        Flags(self.flags.bits())
    }

    /// EPOLLIN: data, end of stream, a connection to accept, or an error.
    #[getter]
    fn is_readable(&self) -> bool {
        self.flags.contains(EventFlags::IN)
    }

    /// EPOLLOUT: room in the send buffer, a finished connect, or an error.
    #[getter]
    fn is_writable(&self) -> bool {
        self.flags.contains(EventFlags::OUT)
    }

    /// EPOLLPRI: out-of-band data.
    #[getter]
    fn is_priority(&self) -> bool {
        self.flags.contains(EventFlags::PRI)
    }

    /// EPOLLERR: an error is pending; `Socket.error()` tells which.
    #[getter]
    fn is_error(&self) -> bool {
        self.flags.contains(EventFlags::ERR)
    }

    /// EPOLLHUP: both directions are shut down.
    #[getter]
    fn is_hangup(&self) -> bool {
        self.flags.contains(EventFlags::HUP)
    }

    /// EPOLLRDHUP (if it was asked for) or EPOLLHUP: the peer will send no more.
    #[getter]
    fn is_read_closed(&self) -> bool {
        self.flags.intersects(EventFlags::RDHUP | EventFlags::HUP)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let data = self.data.bind(py);
        let data = if data.is_none() {
            String::new()
        } else {
            format!(" data={}", data.repr()?)
        };
        let mut names = String::new();
        bitflags::parser::to_writer(&self.flags, &mut names).unwrap_or_default();
        Ok(format!(
            "<epollkit.Event fd={} {}{data}>",
            self.fd,
            names.replace(" | ", "|")
        ))
    }
}

/// What one `Epoll.wait` delivered.
///
/// Sized, iterable, indexable. An event becomes a Python object when it is touched; one whose
/// registration has been removed, or whose source has been closed, since the wait is left out.
#[pyclass(frozen, module = "epollkit")]
#[derive(Debug)]
pub(crate) struct Events {
    /// `None` where there are no events.
    epoll: Option<Py<Epoll>>,
    raw: Box<[RawEvent]>,
}

impl Events {
    pub(super) fn of(epoll: &Bound<'_, Epoll>, raw: &[RawEvent]) -> PyResult<Py<Self>> {
        // Nothing distinguishes one empty result from another, and loops that poll make many.
        static EMPTY: PyOnceLock<Py<Events>> = PyOnceLock::new();
        let py = epoll.py();
        if raw.is_empty() {
            let nothing = || {
                Py::new(
                    py,
                    Self {
                        epoll: None,
                        raw: Box::default(),
                    },
                )
            };
            return Ok(EMPTY.get_or_try_init(py, nothing)?.clone_ref(py));
        }
        Py::new(
            py,
            Self {
                epoll: Some(epoll.clone().unbind()),
                raw: raw.into(),
            },
        )
    }

    fn live_data(&self, py: Python<'_>, raw: RawEvent) -> Option<Py<PyAny>> {
        self.epoll.as_ref()?.get().live_data(py, raw.token())
    }

    fn event(&self, py: Python<'_>, raw: RawEvent) -> Option<Event> {
        let data = self.live_data(py, raw)?;
        let flags = EventFlags::from_bits_retain(raw.flags());
        Some(Event {
            fd: fd_of(raw.token()),
            data,
            flags,
        })
    }

    fn live<'a>(&'a self, py: Python<'a>) -> impl Iterator<Item = Event> + 'a {
        self.raw.iter().filter_map(move |raw| self.event(py, *raw))
    }
}

#[pymethods]
impl Events {
    /// How many events epoll_wait(2) delivered, stale ones included.
    #[getter]
    fn delivered(&self) -> usize {
        self.raw.len()
    }

    /// How many of them are stale by now: unregistered, replaced or closed.
    #[getter]
    fn stale(&self, py: Python<'_>) -> usize {
        self.raw.len() - self.__len__(py)
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        let is_live = |raw: &&RawEvent| self.live_data(py, **raw).is_some();
        self.raw.iter().filter(is_live).count()
    }

    fn __iter__(slf: Py<Self>) -> EventIterator {
        EventIterator {
            events: slf,
            next: AtomicUsize::new(0),
        }
    }

    fn __getitem__(&self, py: Python<'_>, index: isize) -> PyResult<Event> {
        let from_start = usize::try_from(index)
            .ok()
            .or_else(|| self.__len__(py).checked_sub(index.unsigned_abs()));
        from_start
            .and_then(|at| self.live(py).nth(at))
            .ok_or_else(|| PyIndexError::new_err("Events index out of range"))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let texts: Vec<_> = self
            .live(py)
            .map(|event| event.__repr__(py))
            .collect::<PyResult<_>>()?;
        Ok(format!("<epollkit.Events [{}]>", texts.join(", ")))
    }
}

/// Iterates over the live events of an `Events`.
#[pyclass(frozen, module = "epollkit")]
#[derive(Debug)]
pub(crate) struct EventIterator {
    events: Py<Events>,
    next: AtomicUsize,
}

#[pymethods]
impl EventIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> Option<Event> {
        let events = self.events.get();
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            if let Some(event) = events.event(py, *events.raw.get(at)?) {
                return Some(event);
            }
        }
    }
}
