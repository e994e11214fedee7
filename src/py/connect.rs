//! `connect` and `connect_many`: one connection before a deadline, and thousands in one loop.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use pyo3::PyTraverseError;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyIterator, PyTuple};

use super::args::{self, Address, Seconds, SocketOptions, Target};
use super::error::{ignore_poison, not_for_pickle, with_note};
use super::objects::AddressesArg;
use super::recv::os_error;
use super::socket::Socket;
use crate::error::Error;
use crate::net::{self, Addr, Dialer, Outcome, Race, Resolving};
use crate::sys::clock::Deadline;

/// How long a wait for the resolver goes on before signals are looked at: its condition variable,
/// unlike a system call, is not interrupted by them.
const RESOLVER_SLICE: Duration = Duration::from_millis(50);

/// Connect to an address or a host, within one deadline.
///
/// Resolves the name, then tries its addresses with RFC 8305's "happy eyeballs": families
/// alternate, a new attempt starts every 250 ms or as soon as one fails, the first that connects
/// wins. Ctrl-C ends it at once.
///
/// Args:
///     address: (host, port), (host, port, flowinfo, scope_id), or a Unix name.
///     timeout: seconds for all of it, the name included; None for as long as the kernel tries.
///     source_address: connect from here; port 0 is chosen at connect time.
///     options: (level, optname, int | bytes) triples, set before connect(2).
///
/// Returns:
///     A connected socket with time-out 0.0.
///
/// Raises:
///     ConnectionRefusedError: ECONNREFUSED, nobody listens there.
///     TimeoutError: ETIMEDOUT, the deadline has passed, or the kernel gave up.
///     OSError: ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL (no port left), EMFILE, ...; the address
///         is in a note (PEP 678), and of several attempts each has a note.
///     socket.gaierror: the name is not known.
///     ValueError: a negative time-out.
///
/// References:
///     RFC 8305 https://www.rfc-editor.org/rfc/rfc8305
#[pyfunction]
#[pyo3(signature = (address, timeout = None, *, source_address = None, options = SocketOptions::default()))]
pub(crate) fn connect(
    py: Python<'_>,
    address: Address<'_>,
    timeout: Option<Seconds>,
    source_address: Option<Address<'_>>,
    options: SocketOptions,
) -> PyResult<Socket> {
    let deadline = Deadline::after(args::timeout(timeout)?);
    let target = address.target("connect")?;
    let options = args::connect_options(Some(&target), source_address.as_ref(), options)?;
    let addresses = match target {
        Target::Known(addr) => vec![addr],
        Target::Named(host, port) => resolve_by(py, &host, port, deadline)?,
    };
    let mut race = Race::new(addresses, options, deadline)?;
    loop {
        match py.detach(|| race.turn()) {
            Ok(Some(socket)) => return Ok(Socket::wrap(socket, Some(Duration::ZERO))),
            Ok(None) => py.check_signals()?,
            Err(failures) => return Err(all_failed(py, failures)),
        }
    }
}

fn resolve_by(py: Python<'_>, host: &str, port: u16, deadline: Deadline) -> PyResult<Vec<Addr>> {
    let mut resolving = Resolving::start(host, port, libc::AF_UNSPEC)?;
    loop {
        let left = deadline.remaining();
        let slice = left.map_or(RESOLVER_SLICE, |left| left.min(RESOLVER_SLICE));
        if let Some(found) = py.detach(|| resolving.wait(slice))? {
            return Ok(found);
        }
        py.check_signals()?;
        if deadline.has_passed() {
            let late = Error::from_errno("getaddrinfo", libc::ETIMEDOUT);
            return Err(late
                .about(format_args!("{host:?} (the time-out has passed)"))
                .into());
        }
    }
}

/// The first error is raised; the others are its notes.
fn all_failed(py: Python<'_>, failures: Vec<Error>) -> PyErr {
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else {
        return Error::from_resolver(libc::EAI_NONAME).into();
    };
    failures.fold(first.into(), |raised, error| {
        with_note(py, raised, &error.to_string())
    })
}

/// Connect to many addresses in one native loop.
///
/// Args:
///     addresses: any iterable; it is read as room becomes free, so it may be long.
///     timeout: seconds for each attempt; None for as long as the kernel tries (about 2 minutes).
///     concurrency: at most so many attempts at the same time.
///     source_address: connect from here; port 0 is chosen at connect time.
///     options: (level, optname, int | bytes) triples, set before connect(2).
///
/// Returns:
///     An iterator of `ConnectResult`, one for each address, in the order in which they end. A
///     failed attempt is a result, never an exception; a malformed address is an exception.
///
/// Raises:
///     ValueError: a negative time-out, a concurrency below 1.
#[pyfunction]
#[pyo3(signature = (addresses, *, timeout = None, concurrency = 1024, source_address = None, options = SocketOptions::default()))]
pub(crate) fn connect_many(
    addresses: AddressesArg<'_>,
    timeout: Option<Seconds>,
    concurrency: usize,
    source_address: Option<Address<'_>>,
    options: SocketOptions,
) -> PyResult<ConnectMany> {
    if concurrency == 0 {
        return Err(PyValueError::new_err(
            "connect_many(): concurrency must be at least 1, not 0",
        ));
    }
    let options = args::connect_options(None, source_address.as_ref(), options)?;
    let work = Work {
        dialer: Dialer::new(args::timeout(timeout)?, options)?,
        addresses: Some(addresses.0.try_iter()?.unbind()),
        concurrency,
        given: HashMap::new(),
        next_index: 0,
        known_names: HashMap::new(),
        ended: VecDeque::new(),
    };
    Ok(ConnectMany {
        work: Mutex::new(Some(work)),
    })
}

/// How many addresses are read from Python before the loop turns.
const BATCH: usize = 64;

struct Work {
    dialer: Dialer,
    /// `None` once exhausted.
    addresses: Option<Py<PyIterator>>,
    concurrency: usize,
    given: HashMap<usize, Py<PyAny>>,
    next_index: usize,
    known_names: HashMap<(String, u16), crate::error::Result<Addr>>,
    ended: VecDeque<Outcome>,
}

impl Work {
    /// The next result; None when all have ended.
    fn next(&mut self, py: Python<'_>) -> PyResult<Option<ConnectResult>> {
        loop {
            if let Some(outcome) = self.ended.pop_front() {
                return self.result(py, outcome).map(Some);
            }
            let batch = self.read_batch(py)?;
            if batch.is_empty() && self.dialer.pending() == 0 {
                return Ok(None);
            }
            match py.detach(|| start_and_turn(&mut self.dialer, batch, &mut self.ended)) {
                Ok(()) => {}
                Err(error) if error.is(libc::EINTR) => py.check_signals()?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads as many addresses as there is room for attempts. Host names are resolved here, each
    /// once.
    fn read_batch(&mut self, py: Python<'_>) -> PyResult<Vec<(usize, crate::error::Result<Addr>)>> {
        let room = self
            .concurrency
            .saturating_sub(self.dialer.pending())
            .min(BATCH);
        let mut batch = Vec::with_capacity(room);
        while batch.len() < room {
            let Some(addresses) = &self.addresses else {
                break;
            };
            let Some(given) = addresses.bind(py).clone().next() else {
                self.addresses = None;
                break;
            };
            let given = given?;
            let addr = match Address(given.clone()).target("connect")? {
                Target::Known(addr) => Ok(addr),
                Target::Named(host, port) => self.look_up(py, host, port),
            };
            let index = self.next_index;
            self.next_index += 1;
            self.given.insert(index, given.unbind());
            batch.push((index, addr));
        }
        Ok(batch)
    }

    fn look_up(&mut self, py: Python<'_>, host: String, port: u16) -> crate::error::Result<Addr> {
        let key = (host, port);
        if let Some(known) = self.known_names.get(&key) {
            return known.clone();
        }
        let found = py.detach(|| net::resolve::resolve(&key.0, port, libc::AF_UNSPEC));
        let unknown = || Error::from_resolver(libc::EAI_NONAME).about(&key.0);
        let first = found.and_then(|found| found.into_iter().next().ok_or_else(unknown));
        self.known_names.insert(key, first.clone());
        first
    }

    fn result(&mut self, py: Python<'_>, outcome: Outcome) -> PyResult<ConnectResult> {
        let address = self.given.remove(&outcome.tag).unwrap_or_else(|| py.None());
        let (socket, error) = match outcome.result {
            Ok(socket) => (
                Some(Py::new(py, Socket::wrap(socket, Some(Duration::ZERO)))?),
                None,
            ),
            Err(error) => (None, Some(os_error(py, error.into())?)),
        };
        let elapsed = outcome.elapsed.as_secs_f64();
        Ok(ConnectResult {
            index: outcome.tag,
            address,
            socket,
            error,
            elapsed,
        })
    }
}

fn start_and_turn(
    dialer: &mut Dialer,
    batch: Vec<(usize, crate::error::Result<Addr>)>,
    ended: &mut VecDeque<Outcome>,
) -> crate::error::Result<()> {
    for (tag, addr) in batch {
        match addr {
            Ok(addr) => ended.extend(dialer.submit(tag, addr)),
            Err(error) => {
                ended.push_back(Outcome {
                    tag,
                    result: Err(error),
                    elapsed: Duration::ZERO,
                });
            }
        }
    }
    if dialer.pending() == 0 {
        return Ok(());
    }
    let wait = if ended.is_empty() {
        None
    } else {
        Some(Duration::ZERO)
    };
    dialer.turn(wait, ended)
}

/// The iterator that `connect_many` returns.
///
/// Closing it, or leaving it as a context manager, gives up the attempts under way; sockets that
/// it has handed out stay yours.
#[pyclass(frozen, module = "epollkit")]
pub(crate) struct ConnectMany {
    work: Mutex<Option<Work>>,
}

#[pymethods]
impl ConnectMany {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<ConnectResult>> {
        let mut slot = ignore_poison(self.work.lock_py_attached(py));
        match slot.as_mut() {
            Some(work) => work.next(py),
            None => Ok(None),
        }
    }

    /// How many attempts are under way.
    #[getter]
    fn pending(&self, py: Python<'_>) -> usize {
        let slot = ignore_poison(self.work.lock_py_attached(py));
        slot.as_ref().map_or(0, |work| work.dialer.pending())
    }

    /// Give up the attempts under way and close their sockets; the iterator is at its end.
    fn close(&self, py: Python<'_>) {
        let work = ignore_poison(self.work.lock_py_attached(py)).take();
        drop(work);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // Work that is going on right now is reachable, so it need not be looked at.
        let Ok(slot) = self.work.try_lock() else {
            return Ok(());
        };
        let Some(work) = &*slot else { return Ok(()) };
        work.given
            .values()
            .try_for_each(|given| visit.call(given))?;
        visit.call(&work.addresses)
    }

    fn __clear__(&self) {
        let work = self.work.try_lock().map(|mut slot| slot.take());
        drop(work);
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_for_pickle("ConnectMany"))
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception: "object") -> "None")]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("<epollkit.ConnectMany pending={}>", self.pending(py))
    }
}

/// How one attempt of `connect_many` ended: `socket` or `error`, never both.
#[pyclass(frozen, get_all, module = "epollkit")]
#[derive(Debug)]
pub(crate) struct ConnectResult {
    /// The address's position in the iterable, from 0.
    index: usize,
    /// The address as it was given.
    address: Py<PyAny>,
    /// The connected socket, time-out 0.0, or None. It is yours to close.
    socket: Option<Py<Socket>>,
    /// The OSError with errno, or None.
    error: Option<Py<PyOSError>>,
    /// Seconds from the start of the attempt to its end.
    elapsed: f64,
}

#[pymethods]
impl ConnectResult {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.address)?;
        visit.call(&self.socket)?;
        visit.call(&self.error)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let address = self.address.bind(py).repr()?;
        let outcome = match (&self.socket, &self.error) {
            (Some(socket), _) => format!("fd={}", socket.get().fileno()),
            (None, Some(error)) => error.bind(py).repr()?.to_string(),
            (None, None) => String::new(),
        };
        let millis = self.elapsed * 1e3;
        Ok(format!(
            "<epollkit.ConnectResult {} {address} {outcome} in {millis:.3} ms>",
            self.index
        ))
    }
}
