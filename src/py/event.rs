//! `Events` and `Event`: what `Epoll.wait` delivered, read as lazily as it can be.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::PyTraverseError;
use pyo3::exceptions::PyIndexError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::epoll::Epoll;
use super::error::not_for_pickle;
use super::objects::EventMask;
use crate::epoll::{EventFlags, fd_of};
use crate::sys::epoll::RawEvent;

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
    fn flags(&self) -> EventMask {
        EventMask(self.flags.bits())
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

    #[pyo3(signature = () -> "str | tuple[object, ...]")]
    fn __reduce__(&self) -> PyResult<()> {
        Err(not_for_pickle("Event"))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.data)
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

    fn event(&self, py: Python<'_>, raw: RawEvent) -> PyResult<Option<Event>> {
        let Some(epoll) = &self.epoll else {
            return Ok(None);
        };
        let data = epoll.get().live_data(py, raw.token())?;
        let (fd, flags) = (
            fd_of(raw.token()),
            EventFlags::from_bits_retain(raw.flags()),
        );
        Ok(data.map(|data| Event { fd, data, flags }))
    }

    /// The events that are live now.
    fn live(&self, py: Python<'_>) -> PyResult<Vec<Event>> {
        self.raw
            .iter()
            .filter_map(|raw| self.event(py, *raw).transpose())
            .collect()
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
    fn stale(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.raw.len() - self.__len__(py)?)
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        let Some(epoll) = &self.epoll else {
            return Ok(0);
        };
        let mut live = 0;
        for raw in &self.raw {
            live += usize::from(epoll.get().live_data(py, raw.token())?.is_some());
        }
        Ok(live)
    }

    fn __iter__(slf: Py<Self>) -> EventIterator {
        EventIterator {
            events: slf,
            next: AtomicUsize::new(0),
        }
    }

    fn __getitem__(&self, py: Python<'_>, index: isize) -> PyResult<Event> {
        let mut live = self.live(py)?;
        let at = if index < 0 {
            live.len().checked_add_signed(index)
        } else {
            index.try_into().ok()
        };
        match at {
            Some(at) if at < live.len() => Ok(live.swap_remove(at)),
            _ => Err(PyIndexError::new_err("Events index out of range")),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let texts: PyResult<Vec<_>> = self
            .live(py)?
            .iter()
            .map(|event| event.__repr__(py))
            .collect();
        Ok(format!("<epollkit.Events [{}]>", texts?.join(", ")))
    }

    #[pyo3(signature = () -> "str | tuple[object, ...]")]
    fn __reduce__(&self) -> PyResult<()> {
        Err(not_for_pickle("Events"))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.epoll)
    }
}

/// Iterates over the live events of an `Events`.
#[pyclass(frozen, module = "epollkit._epollkit")]
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

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Event>> {
        let events = self.events.get();
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(raw) = events.raw.get(at) else {
                return Ok(None);
            };
            if let Some(event) = events.event(py, *raw)? {
                return Ok(Some(event));
            }
        }
    }

    #[pyo3(signature = () -> "str | tuple[object, ...]")]
    fn __reduce__(&self) -> PyResult<()> {
        Err(not_for_pickle("EventIterator"))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.events)
    }
}
