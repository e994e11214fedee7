//! `connect_many`: thousands of connections in one native loop, as an iterator of their outcomes.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use pyo3::PyTraverseError;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyIterator, PyTuple};

use super::address::{Address, Target};
use super::args::{self, Seconds, SocketOptions};
use super::error::{ClosedEpollError, ignore_poison, not_for_pickle, of_epoll, with_note};
use super::objects::AddressesArg;
use super::recv::os_error;
use super::socket::Socket;
use super::wait::signal_slice;
use crate::epoll::Epoll;
use crate::error::{Error, Result};
use crate::net::{Addr, Dialer, Names, Outcome, Settled};
use crate::sys::clock::Deadline;

/// Connect to many addresses in one native loop.
///
/// Args:
///     addresses: any iterable; it is read as room becomes free, so it may be long.
///     timeout: seconds for each attempt, its name included; None for as long as the resolver takes
///         and the kernel tries (about 2 minutes).
///     concurrency: at most so many attempts at the same time.
///     source_address: connect from here; port 0 is chosen at connect time.
///     options: (level, optname, int | bytes) triples, set before connect(2).
///
/// Returns:
///     An iterator of `ConnectResult`, one for each address, in the order in which they end. A
///     failed attempt is a result, never an exception; a malformed address is an exception. Of a
///     host's addresses the first is taken; each name is looked up once, beside the attempts that
///     are under way.
///
/// Raises:
///     ValueError: a negative time-out, a concurrency below 1.
#[pyfunction]
#[pyo3(signature = (addresses, *, timeout = None, concurrency = 1024, source_address = None, options = SocketOptions::default()))]
pub(crate) fn connect_many(
    addresses: AddressesArg<'_>,
    timeout: Option<Seconds>,
    concurrency: isize,
    source_address: Option<Address<'_>>,
    options: SocketOptions,
) -> PyResult<ConnectMany> {
    let concurrency = match usize::try_from(concurrency) {
        Ok(concurrency) if concurrency > 0 => concurrency,
        _ => {
            let text = format!("connect_many(): concurrency must be at least 1, not {concurrency}");
            return Err(PyValueError::new_err(text));
        }
    };
    let options = args::connect_options(None, source_address.as_ref(), options)?;
    let timeout = args::timeout(timeout)?;
    let dialer = Dialer::new(timeout, options)?;
    let epoll = dialer.epoll();
    let work = Work {
        dialer,
        names: Names::new(Arc::clone(&epoll), timeout),
        addresses: Some(addresses.0.try_iter()?.unbind()),
        concurrency,
        given: HashMap::new(),
        next_index: 0,
        ended: VecDeque::new(),
        broken: None,
    };
    let state = Mutex::new(State::Idle(Box::new(work)));
    Ok(ConnectMany {
        state,
        epoll,
        pending: AtomicUsize::new(0),
        left: Condvar::new(),
    })
}

/// How many addresses are read from Python before the loop turns.
const BATCH: usize = 64;

struct Work {
    dialer: Dialer,
    names: Names,
    /// `None` once exhausted.
    addresses: Option<Py<PyIterator>>,
    concurrency: usize,
    given: HashMap<usize, Py<PyAny>>,
    next_index: usize,
    ended: VecDeque<Outcome>,
    /// What went wrong with an address; raised when those read before it are under way.
    broken: Option<PyErr>,
}

impl Work {
    /// The next result; None when all have ended.
    fn next(&mut self, py: Python<'_>, pending: &AtomicUsize) -> PyResult<Option<ConnectResult>> {
        loop {
            if let Some(error) = self.broken.take() {
                return Err(error);
            }
            if let Some(outcome) = self.ended.pop_front() {
                return self.result(py, outcome).map(Some);
            }
            let batch = self.read_batch(py);
            if batch.is_empty() && self.is_idle() && self.broken.is_none() {
                return Ok(None);
            }
            let may_wait = self.broken.is_none();
            let turned = py.detach(|| {
                start(&mut self.dialer, batch, &mut self.ended);
                pending.store(self.under_way(), Ordering::Relaxed);
                let turned = self.turn(may_wait);
                pending.store(self.under_way(), Ordering::Relaxed);
                turned
            });
            match turned {
                Ok(()) => {}
                Err(error) if error.is(libc::EINTR) => py.check_signals()?,
                Err(error) => return Err(of_epoll(error, self.dialer.epoll().is_closed())),
            }
        }
    }

    /// Attempts, and addresses that wait for a name.
    fn under_way(&self) -> usize {
        self.dialer.pending() + self.names.waiting()
    }

    /// Whether there is nothing to wait for, not even for room for a name.
    fn is_idle(&self) -> bool {
        self.under_way() == 0 && self.names.has_room()
    }

    /// Waits for attempts to end and names to be known, unless there is something to tell already.
    fn turn(&mut self, may_wait: bool) -> Result<()> {
        let mut settled = Vec::new();
        self.names.settle(&mut settled)?;
        for name in settled {
            self.start_named(name);
        }
        if self.is_idle() {
            return Ok(());
        }
        let wait = if may_wait && self.ended.is_empty() {
            self.names.next_expiry()
        } else {
            Some(Duration::ZERO)
        };
        self.dialer.turn(wait, &mut self.ended)
    }

    fn start_named(&mut self, name: Settled) {
        match name.result {
            Ok(addr) => {
                let ended = self.dialer.submit_since(name.tag, addr, name.started);
                self.ended.extend(ended);
            }
            Err(error) => self.ended.push_back(failed(name.tag, error, name.started)),
        }
    }

    /// Reads as many addresses as there is room for attempts. Host names that are not known yet
    /// are asked for here and come back through `turn`.
    fn read_batch(&mut self, py: Python<'_>) -> Vec<(usize, Result<Addr>)> {
        let room = self.concurrency.saturating_sub(self.under_way()).min(BATCH);
        let mut batch = Vec::with_capacity(room);
        for _ in 0..room {
            if !self.names.has_room() {
                break;
            }
            let Some(addresses) = &self.addresses else {
                break;
            };
            let given = match addresses.bind(py).clone().next() {
                Some(Ok(given)) => given,
                Some(Err(error)) => {
                    self.addresses = None;
                    self.broken = Some(error);
                    break;
                }
                None => {
                    self.addresses = None;
                    break;
                }
            };
            let index = self.next_index;
            self.next_index += 1;
            let addr = match Address(given.clone()).target("connect") {
                Ok(Target::Known(addr)) => Some(Ok(addr)),
                Ok(Target::Named(host, port)) => self.names.ask(index, host, port),
                Err(error) => {
                    let note = format!("address {index} of connect_many");
                    self.broken = Some(with_note(py, error, &note));
                    break;
                }
            };
            self.given.insert(index, given.unbind());
            batch.extend(addr.map(|addr| (index, addr)));
        }
        batch
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

fn start(dialer: &mut Dialer, batch: Vec<(usize, Result<Addr>)>, ended: &mut VecDeque<Outcome>) {
    for (tag, addr) in batch {
        match addr {
            Ok(addr) => ended.extend(dialer.submit(tag, addr)),
            Err(error) => ended.push_back(failed(tag, error, Instant::now())),
        }
    }
}

/// An attempt that came to nothing before it had a socket.
fn failed(tag: usize, error: Error, started: Instant) -> Outcome {
    Outcome {
        tag,
        result: Err(error),
        elapsed: started.elapsed(),
    }
}

/// What a `ConnectMany` is doing.
enum State {
    Idle(Box<Work>),
    /// This thread is in `__next__` and has the work.
    Running(ThreadId),
    Closed,
}

/// The iterator that `connect_many` returns.
///
/// Closing it, or leaving it as a context manager, gives up the attempts under way, also while
/// another thread waits for a result; sockets that it has handed out stay yours. Threads may
/// share it: each result goes to one of them.
#[pyclass(frozen, module = "epollkit")]
pub(crate) struct ConnectMany {
    state: Mutex<State>,
    /// The dialer's set, closed to wake a thread that waits in it.
    epoll: Arc<Epoll>,
    pending: AtomicUsize,
    /// A thread has left `__next__`.
    left: Condvar,
}

impl ConnectMany {
    /// The work, for this thread alone; None when the iterator is closed. Waits for its turn while
    /// another thread has it.
    fn take_work(&self, py: Python<'_>) -> PyResult<Option<Box<Work>>> {
        let this = thread::current().id();
        loop {
            let mut state = self.state(py);
            match std::mem::replace(&mut *state, State::Running(this)) {
                State::Idle(work) => return Ok(Some(work)),
                State::Closed => {
                    *state = State::Closed;
                    return Ok(None);
                }
                State::Running(owner) => {
                    *state = State::Running(owner);
                    if owner == this {
                        let text = "connect_many is reading its addresses already";
                        return Err(PyValueError::new_err(text));
                    }
                }
            }
            drop(state);
            let slice = signal_slice(Deadline::Never);
            py.detach(|| {
                let state = ignore_poison(self.state.lock());
                let has_it = |state: &mut State| matches!(state, State::Running(_));
                drop(self.left.wait_timeout_while(state, slice, has_it));
            });
            py.check_signals()?;
        }
    }

    fn state(&self, py: Python<'_>) -> MutexGuard<'_, State> {
        ignore_poison(self.state.lock_py_attached(py))
    }
}

#[pymethods]
impl ConnectMany {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<ConnectResult>> {
        let Some(mut work) = self.take_work(py)? else {
            return Ok(None);
        };
        let result = work.next(py, &self.pending);
        let mut state = self.state(py);
        if !matches!(*state, State::Closed) && !matches!(result, Ok(None)) {
            *state = State::Idle(work);
            drop(state);
            self.left.notify_one();
            return result;
        }
        // The end, or closed while it ran. Attempts and results go with the work.
        *state = State::Closed;
        drop(state);
        self.left.notify_all();
        drop(work);
        self.pending.store(0, Ordering::Relaxed);
        self.epoll.close()?;
        close_unseen(py, result)
    }

    /// How many attempts are under way, those included whose name is being looked up.
    #[getter]
    fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    /// Give up the attempts under way and close their sockets; the iterator is at its end.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let before = std::mem::replace(&mut *self.state(py), State::Closed);
        // Attempts go with the work, unless a thread has it: that one is woken and drops it.
        drop(before);
        self.pending.store(0, Ordering::Relaxed);
        Ok(self.epoll.close()?)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> std::result::Result<(), PyTraverseError> {
        // Work that is going on right now is reachable, so it need not be looked at.
        let Ok(state) = self.state.try_lock() else {
            return Ok(());
        };
        let State::Idle(work) = &*state else {
            return Ok(());
        };
        work.given
            .values()
            .try_for_each(|given| visit.call(given))?;
        visit.call(&work.addresses)
    }

    fn __clear__(&self) {
        let state = self
            .state
            .try_lock()
            .map(|mut state| std::mem::replace(&mut *state, State::Closed));
        drop(state);
    }

    #[pyo3(signature = () -> "str | tuple[object, ...]")]
    fn __reduce__(&self) -> PyResult<()> {
        Err(not_for_pickle("ConnectMany"))
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception: "object") -> "None")]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self) -> String {
        format!("<epollkit.ConnectMany pending={}>", self.pending())
    }
}

/// A result that came while the iterator was closed: nobody will see it, so its socket is closed.
fn close_unseen(
    py: Python<'_>,
    result: PyResult<Option<ConnectResult>>,
) -> PyResult<Option<ConnectResult>> {
    match result {
        Ok(Some(ConnectResult {
            socket: Some(socket),
            ..
        })) => {
            socket.get().inner().close()?;
            Ok(None)
        }
        // The closed set's answer to the wait.
        Err(error) if error.is_instance_of::<ClosedEpollError>(py) => Ok(None),
        Ok(_) => Ok(None),
        Err(error) => Err(error),
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
    /// Seconds from the start of the attempt, a name's look-up included, to its end.
    elapsed: f64,
}

#[pymethods]
impl ConnectResult {
    fn __traverse__(&self, visit: PyVisit<'_>) -> std::result::Result<(), PyTraverseError> {
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
