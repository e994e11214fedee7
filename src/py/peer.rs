//! `Peer`: a native endpoint as a Python handle. `epollkit.serve` has the functions that start one.

use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{type_hint_identifier, type_hint_subscript};

use super::address::{Address, Target, address_to_py};
use super::args::{self, Seconds};
use super::error::{WaitTimeout, not_for_pickle};
use super::objects::{object_of_kind, text_of};
use super::resolve::{Patience, first_of};
use super::wait::signal_slice;
use crate::net::Addr;
use crate::peer::{self, Handle, Options, Service, Snapshot, Trigger};
use crate::sys::clock::Deadline;

/// How long `wait_until` waits unless told otherwise.
const DEFAULT_TIMEOUT: Seconds = Seconds::Length(Duration::from_secs(5));

/// Start a native peer. `epollkit.serve.echo` and its siblings call this.
///
/// Args:
///     service: "echo", "discard" or "chargen".
///     address: (host, port) or a Unix name.
///     trigger: "edge" or "level".
///     max_connections: at most so many at a time; None for as many as there are descriptors.
///     backlog: for listen(2).
///
/// Raises:
///     OSError: EADDRINUSE, EADDRNOTAVAIL, EACCES, EMFILE, ...; the address is in a note.
///     ValueError: an unknown service or trigger, a max_connections below 1.
#[pyfunction]
#[pyo3(signature = (service: "str", address, *, trigger: "str" = "edge", max_connections = None, backlog = 4096))]
pub(crate) fn serve(
    py: Python<'_>,
    service: &str,
    address: Address<'_>,
    trigger: &str,
    max_connections: Option<i64>,
    backlog: i32,
) -> PyResult<Peer> {
    let service = match service {
        "echo" => Service::Echo,
        "discard" => Service::Discard,
        "chargen" => Service::Chargen,
        other => {
            return Err(unknown(
                "service",
                "\"echo\", \"discard\" or \"chargen\"",
                other,
            ));
        }
    };
    let trigger = match trigger {
        "edge" => Trigger::Edge,
        "level" => Trigger::Level,
        other => return Err(unknown("trigger", "\"edge\" or \"level\"", other)),
    };
    let max_connections = match max_connections {
        None => None,
        Some(most) => match usize::try_from(most) {
            Ok(most) if most > 0 => Some(most),
            _ => return Err(unknown("max_connections", "at least 1, or None", most)),
        },
    };
    let address = match address.target("serve")? {
        Target::Known(address) => address,
        Target::Named(host, port) => {
            first_of(py, &host, port, libc::AF_UNSPEC, Patience::of(None))?
        }
    };
    let options = Options {
        trigger,
        max_connections,
        backlog,
    };
    // Waits for the thread to be ready.
    let handle = py.detach(|| peer::serve(service, &address, options))?;
    Ok(Peer { handle })
}

fn unknown(argument: &str, expected: &str, given: impl std::fmt::Debug) -> PyErr {
    PyValueError::new_err(format!("{argument} must be {expected}, not {given:?}"))
}

/// A native peer: an event loop on a thread of its own, without the GIL.
///
/// A context manager; leaving it closes the peer and its connections and raises what had gone
/// wrong in its thread.
#[pyclass(frozen, weakref, module = "epollkit")]
#[derive(Debug)]
pub(crate) struct Peer {
    handle: Handle,
}

impl Peer {
    fn ip(&self) -> Option<std::net::SocketAddr> {
        match self.handle.address() {
            Addr::Ip(address) => Some(*address),
            Addr::Unix(_) | Addr::Other(_) => None,
        }
    }
}

/// The time-out of `wait_until`, naming the predicate.
fn waited_in_vain(predicate: &Bound<'_, PyAny>, seen: Py<Counters>, since: Instant) -> PyErr {
    let elapsed = since.elapsed().as_secs_f64();
    match predicate.repr() {
        Ok(text) => WaitTimeout::new_err((text.to_string(), seen, elapsed)),
        Err(error) => error,
    }
}

#[pymethods]
impl Peer {
    /// Where it listens, ready for `connect`: (host, port), (host, port, flowinfo, scope_id), or a
    /// Unix name.
    #[getter]
    fn address<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        address_to_py(py, Some(self.handle.address()))
    }

    /// The IP address, or None for a Unix socket.
    #[getter]
    fn host(&self) -> Option<String> {
        self.ip().map(|address| address.ip().to_string())
    }

    /// The port, or None for a Unix socket.
    #[getter]
    fn port(&self) -> Option<u16> {
        self.ip().map(|address| address.port())
    }

    /// Its counters, as of the last turn of its loop.
    #[getter]
    fn counters(&self) -> Counters {
        self.handle.snapshot().into()
    }

    /// Whether its loop has ended.
    #[getter]
    fn closed(&self) -> bool {
        self.handle.is_over()
    }

    /// `scheme://host:port`, or `scheme+unix:path` for a Unix socket.
    #[pyo3(signature = (scheme = "tcp"))]
    fn url(&self, scheme: &str) -> String {
        match self.handle.address() {
            Addr::Ip(address) => format!("{scheme}://{address}"),
            other => format!("{scheme}+{other}"),
        }
    }

    /// Wait until the counters say what you want to see. Asked after each turn of the loop: no
    /// sleeping, no missed state.
    ///
    /// Args:
    ///     predicate: called with `Counters`; true ends the wait.
    ///     timeout: seconds; None for ever.
    ///
    /// Returns:
    ///     The Counters that satisfied it.
    ///
    /// Raises:
    ///     WaitTimeout: not within the time, or the peer has ended; has the last counters seen.
    #[pyo3(signature = (predicate, timeout = Some(DEFAULT_TIMEOUT)))]
    fn wait_until(
        &self,
        py: Python<'_>,
        predicate: PredicateArg<'_>,
        timeout: Option<Seconds>,
    ) -> PyResult<Py<Counters>> {
        let predicate = &predicate.0;
        let since = Instant::now();
        let deadline = Deadline::after(args::timeout(timeout)?);
        let mut snapshot = self.handle.snapshot();
        loop {
            // Looked at before the counters: what they say at the end is the last word.
            let over = self.handle.is_over();
            let counters = Py::new(py, Counters::from(snapshot))?;
            if predicate.call1((counters.clone_ref(py),))?.is_truthy()? {
                return Ok(counters);
            }
            if over || deadline.has_passed() {
                return Err(waited_in_vain(predicate, counters, since));
            }
            let slice = signal_slice(deadline);
            snapshot = py.detach(|| self.handle.wait_turn(snapshot.turns, slice));
            py.check_signals()?;
        }
    }

    /// Stop the loop, close its connections and join its thread. Closing again does nothing new.
    ///
    /// Raises:
    ///     HarnessError: the thread had panicked or its loop had failed; carries the reason.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| self.handle.stop())?)
    }

    #[pyo3(signature = () -> "str | tuple[object, ...]")]
    fn __reduce__(&self) -> PyResult<()> {
        Err(not_for_pickle("Peer"))
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception: "object") -> "None")]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self) -> String {
        let open = self.handle.snapshot().open;
        let state = if self.handle.is_over() {
            "closed"
        } else {
            "listening"
        };
        format!(
            "<epollkit.Peer {state} {} open={open}>",
            self.handle.address()
        )
    }
}

object_of_kind!(/// Says of `Counters` whether they are what is waited for.
PredicateArg, type_hint_subscript!(
    type_hint_identifier!("collections.abc", "Callable"),
    PyStaticExpr::List { elts: &[<Counters as pyo3::PyTypeInfo>::TYPE_HINT] },
    type_hint_identifier!("builtins", "object")
));

/// What a peer has counted so far. Read in one go; later numbers need a new one.
#[pyclass(frozen, eq, get_all, module = "epollkit")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Connections accepted.
    accepted: u64,
    /// Connections open.
    open: u64,
    /// Connections closed, by whichever side.
    closed: u64,
    /// Bytes that recv(2) gave.
    bytes_received: u64,
    /// Bytes that send(2) took.
    bytes_sent: u64,
    /// Times that send(2) took less than it was offered, so that the rest waited for EPOLLOUT.
    short_sends: u64,
    /// Times that accept4(2) found no descriptor (EMFILE, ENFILE) or no memory.
    accept_emfile: u64,
    /// Other survivable errors of accept4(2): ECONNABORTED, EPERM, ...
    accept_errors: u64,
    /// The listener is disarmed: the limit is reached, or descriptors have run out.
    accept_paused: bool,
    /// Connections that an error ended: ECONNRESET, EPIPE, ...
    connection_errors: u64,
    /// Turns of the event loop.
    turns: u64,
}

impl From<Snapshot> for Counters {
    fn from(seen: Snapshot) -> Self {
        Self {
            accepted: seen.accepted,
            open: seen.open,
            closed: seen.closed,
            bytes_received: seen.bytes_received,
            bytes_sent: seen.bytes_sent,
            short_sends: seen.short_sends,
            accept_emfile: seen.accept_emfile,
            accept_errors: seen.accept_errors,
            accept_paused: seen.accept_paused,
            connection_errors: seen.connection_errors,
            turns: seen.turns,
        }
    }
}

#[pymethods]
impl Counters {
    fn __repr__(&self) -> String {
        text_of(self)
    }
}
