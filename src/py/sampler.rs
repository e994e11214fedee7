//! `Sampler`: the oscilloscope's sampling mode as a Python handle, and what it counts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyTuple};

use super::args::{self, Seconds};
use super::error::{WaitTimeout, not_for_pickle};
use super::hint;
use super::objects::text_of;
use super::sample::Sample;
use super::sources::{Given, SourcesArg};
use super::wait::signal_slice;
use crate::scope::{self, MOST_RECORDS, SHORTEST_INTERVAL};
use crate::sys::clock::Deadline;

/// How often it looks unless told otherwise.
const DEFAULT_INTERVAL: Seconds = Seconds::Length(Duration::from_micros(50));
/// How long `wait_rounds` waits unless told otherwise.
const DEFAULT_TIMEOUT: Seconds = Seconds::Length(Duration::from_secs(5));

/// A native thread that looks at a running program's descriptors and records what changes, without
/// the GIL.
///
/// Made, it runs: when the call returns, each source has been looked at once, and what changes from
/// then on is seen if it lasts until the next look. A context manager; leaving it stops the thread
/// and keeps the records.
///
/// It is a spectator. Between two looks it holds no descriptor: what the program closes is closed
/// then. It takes no data, no error and no event, and changes no option. One trace is left, and it
/// is poll(2)'s own: asked about a TCP socket that has no room to send, the kernel will wake the
/// socket's waiters when there is room again, as it does after EAGAIN. So an edge-triggered
/// EPOLLOUT can come that would not have come, if nothing but the sampler had looked meanwhile.
///
/// A look at a TCP socket is three system calls and a share of a fourth, and takes 1 to 2 us; a round
/// takes as long as its sources together. The thread waits for a processor like any other. A round
/// that is late is not made up for: `counters` has the missed ones, and the records that the full ring
/// dropped.
///
/// Args:
///     sources: a mapping of names to sources, or an iterable of sources, which are named "fd 7".
///         1 to 256, each number once. A source is an int, or an object with `fileno()`. A `Socket`
///         is known by itself. Of others the number is kept, and what file it was (fstat(2), device
///         and inode), so that a number in new hands is not taken for the old source; but eventfds,
///         epoll sets, timerfds and signalfds have one inode in common, and cannot be told from each
///         other.
///     interval: seconds between two looks; at least 1e-06, by default 5e-05.
///     capacity: how many records are kept, the newest; 1 to 16,777,216. One takes 32 bytes.
///
/// Raises:
///     TypeError: not sources, or a name that is not a str.
///     ValueError: no source or too many, one given twice, an interval or capacity out of range, a
///         negative number.
///     OSError: EBADF, a source that is closed; EMFILE, ENOMEM, EAGAIN (no thread).
///
/// References:
///     poll(2) https://man7.org/linux/man-pages/man2/poll.2.html
///     tcp(7) https://man7.org/linux/man-pages/man7/tcp.7.html
///     unix(7) https://man7.org/linux/man-pages/man7/unix.7.html
#[pyclass(frozen, weakref, module = "epollkit")]
#[derive(Debug)]
pub(crate) struct Sampler {
    native: scope::Sampler,
    names: Vec<Arc<str>>,
    interval: Duration,
    capacity: usize,
}

#[pymethods]
impl Sampler {
    #[new]
    #[pyo3(signature = (sources, *, interval = DEFAULT_INTERVAL, capacity = 65_536))]
    fn new(
        py: Python<'_>,
        sources: SourcesArg<'_>,
        interval: Seconds,
        capacity: i64,
    ) -> PyResult<Self> {
        let interval = interval_of(interval)?;
        let capacity = capacity_of(capacity)?;
        let given = sources.named()?.into_iter();
        let (names, sources) = given.map(|Given { name, source }| (name, source)).unzip();
        // Waits for the first round.
        let native = py.detach(|| scope::Sampler::start(sources, interval, capacity))?;
        Ok(Self {
            native,
            names,
            interval,
            capacity,
        })
    }

    /// The sources' names, in the order in which they were given.
    #[getter]
    fn names<'py>(&self, py: Python<'py>) -> PyResult<Names<'py>> {
        Ok(Names(PyTuple::new(
            py,
            self.names.iter().map(|name| &**name),
        )?))
    }

    /// Seconds between two looks, as asked for.
    #[getter]
    fn interval(&self) -> f64 {
        self.interval.as_secs_f64()
    }

    /// How many records are kept.
    #[getter]
    fn capacity(&self) -> usize {
        self.capacity
    }

    /// What it has counted, as of its last round.
    #[getter]
    fn counters(&self) -> SamplerCounters {
        self.native.counters().into()
    }

    /// Whether its thread has ended.
    #[getter]
    fn closed(&self) -> bool {
        self.native.is_over()
    }

    /// The records, at any time. The copy is made without the GIL and keeps the thread waiting, so a
    /// large one costs rounds, which are counted as missed.
    ///
    /// Returns:
    ///     List of Sample, oldest first: one for each source when it was first seen, one for each
    ///     look that saw it changed, one when it was closed. Empty after `close()`, and in a child of
    ///     the process that made the sampler.
    fn samples(&self, py: Python<'_>) -> Vec<Sample> {
        let records = py.detach(|| self.native.samples());
        let sample = |record| Sample::of(record, &self.names);
        records.into_iter().map(sample).collect()
    }

    /// Wait until it has looked at all sources again. What happened before the call is in the
    /// records then.
    ///
    /// Args:
    ///     rounds: so many rounds, all begun after the call; at least 1.
    ///     timeout: seconds; None for ever.
    ///
    /// Returns:
    ///     SamplerCounters, after those rounds.
    ///
    /// Raises:
    ///     WaitTimeout: not within the time, or the sampler was stopped; has the last counters.
    ///     ValueError: rounds below 1.
    #[pyo3(signature = (rounds = 1, timeout = Some(DEFAULT_TIMEOUT)))]
    fn wait_rounds(
        &self,
        py: Python<'_>,
        rounds: i64,
        timeout: Option<Seconds>,
    ) -> PyResult<SamplerCounters> {
        let since = Instant::now();
        let deadline = Deadline::after(args::timeout(timeout)?);
        let more = match u64::try_from(rounds) {
            Ok(more) if more > 0 => more,
            _ => return Err(out_of_range("rounds must be at least 1", rounds)),
        };
        let round = self.native.round_after(more);
        loop {
            let slice = signal_slice(deadline);
            if py.detach(|| self.native.wait_round(round, slice)) {
                return Ok(self.counters());
            }
            if self.native.is_over() || deadline.has_passed() {
                let waited_for = format!("{rounds} more rounds");
                let elapsed = since.elapsed().as_secs_f64();
                return Err(WaitTimeout::new_err((waited_for, self.counters(), elapsed)));
            }
            py.check_signals()?;
        }
    }

    /// End the thread and wait for its end. The records stay. Stopping again does nothing new.
    ///
    /// Raises:
    ///     HarnessError: the thread had panicked or could not go on; carries the reason.
    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| self.native.stop())?)
    }

    /// `stop()`, and let the records go. Closing again does nothing new.
    ///
    /// Raises:
    ///     HarnessError: as `stop`.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| self.native.close())?)
    }

    #[pyo3(signature = () -> "str | tuple[object, ...]")]
    fn __reduce__(&self) -> PyResult<()> {
        Err(not_for_pickle("Sampler"))
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception: "object") -> "None")]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.stop(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let interval = PyFloat::new(py, self.interval()).repr()?;
        let state = if self.closed() { "closed" } else { "sampling" };
        let seen = self.native.counters();
        Ok(format!(
            "<epollkit.Sampler {state} sources={} interval={interval} rounds={} missed={} \
             records={} dropped={}>",
            self.names.len(),
            seen.rounds,
            seen.missed,
            seen.records,
            seen.dropped,
        ))
    }
}

fn out_of_range(must_be: &str, given: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(format!("{must_be}, not {given}"))
}

fn interval_of(interval: Seconds) -> PyResult<Duration> {
    match interval {
        Seconds::Length(length) if length >= SHORTEST_INTERVAL => Ok(length),
        Seconds::Length(length) => Err(out_of_range(
            "interval must be at least 1e-06 seconds",
            format_args!("{} ns", length.as_nanos()),
        )),
        Seconds::Negative => Err(PyValueError::new_err(
            "interval must be at least 1e-06 seconds, and not negative",
        )),
    }
}

fn capacity_of(capacity: i64) -> PyResult<usize> {
    match usize::try_from(capacity) {
        Ok(room) if (1..=MOST_RECORDS).contains(&room) => Ok(room),
        _ => Err(out_of_range(
            &format!("capacity must be 1 to {MOST_RECORDS} records"),
            capacity,
        )),
    }
}

/// A tuple of names.
struct Names<'py>(Bound<'py, PyTuple>);

impl<'py> IntoPyObject<'py> for Names<'py> {
    type Target = PyTuple;
    type Output = Bound<'py, PyTuple>;
    type Error = PyErr;

    const OUTPUT_TYPE: PyStaticExpr = hint::NAMES;

    fn into_pyobject(self, _py: Python<'py>) -> PyResult<Self::Output> {
        Ok(self.0)
    }
}

/// What a `Sampler` has counted so far. Read in one go; later numbers need a new one.
#[pyclass(frozen, eq, get_all, module = "epollkit")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SamplerCounters {
    /// Looks at all sources.
    rounds: u64,
    /// Rounds that should have been and were not: the thread was late, or a round took longer than
    /// the interval.
    missed: u64,
    /// Records written.
    records: u64,
    /// Records lost, the oldest first: the ring was full.
    dropped: u64,
    /// The longest time between the beginnings of two rounds.
    largest_gap_ns: u64,
}

impl From<scope::Counters> for SamplerCounters {
    fn from(seen: scope::Counters) -> Self {
        Self {
            rounds: seen.rounds,
            missed: seen.missed,
            records: seen.records,
            dropped: seen.dropped,
            largest_gap_ns: seen.largest_gap_ns,
        }
    }
}

#[pymethods]
impl SamplerCounters {
    fn __repr__(&self) -> String {
        text_of(self)
    }
}
