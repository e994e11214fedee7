//! `ClosedLoop` and `LoopResult`: native load as a Python handle.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::args::{self, Seconds};
use super::buffer::Data;
use super::error::WaitTimeout;
use super::objects::ReadableArg;
use super::socket::Socket;
use super::wait::signal_slice;
use crate::load::{self, Limit, Report};
use crate::sys::clock::Deadline;

/// A closed-loop run over connected stream sockets, on a native thread without the GIL.
///
/// Made, it runs. On each socket: send the message, read as many bytes back, look at the clock,
/// again. The sockets are the run's until it is over, and stay open. A closed loop follows the
/// server: while that stalls, nothing is sent, so a stall shows once per connection and not in the
/// percentiles that an open loop would show (coordinated omission).
///
/// Args:
///     sockets: connected stream sockets, each once.
///     message: what to send; the reply must be the same bytes.
///     duration: seconds after which no message is started.
///     messages: so many, over all sockets. Without either limit, until `stop()`.
///
/// Raises:
///     ValueError: no sockets, an empty message, a limit below 1.
///     OSError: EBADF (a closed socket), EEXIST (one given twice), EMFILE.
#[pyclass(frozen, weakref, module = "epollkit.load")]
#[derive(Debug)]
pub(crate) struct ClosedLoop {
    run: load::ClosedLoop,
}

#[pymethods]
impl ClosedLoop {
    #[new]
    #[pyo3(signature = (sockets, message, *, duration = None, messages = None))]
    fn new(
        sockets: Vec<Py<Socket>>,
        message: ReadableArg<'_>,
        duration: Option<Seconds>,
        messages: Option<i64>,
    ) -> PyResult<Self> {
        let message = Data::get(&message.0)?.to_vec();
        if sockets.is_empty() || message.is_empty() {
            let what = if message.is_empty() {
                "a message"
            } else {
                "a socket"
            };
            return Err(PyValueError::new_err(format!("ClosedLoop needs {what}")));
        }
        let messages = match messages.map(u64::try_from) {
            None => None,
            Some(Ok(messages)) if messages > 0 => Some(messages),
            Some(_) => {
                return Err(PyValueError::new_err(
                    "messages must be at least 1, or None",
                ));
            }
        };
        let limit = Limit {
            duration: args::timeout(duration)?,
            messages,
        };
        let connections: Vec<_> = sockets
            .iter()
            .map(|socket| Arc::clone(socket.get().inner()))
            .collect();
        Ok(Self {
            run: load::ClosedLoop::start(&connections, message, limit)?,
        })
    }

    /// Messages completed so far.
    #[getter]
    fn progress(&self) -> u64 {
        self.run.progress()
    }

    /// Whether the run is over.
    #[getter]
    fn done(&self) -> bool {
        self.run.is_done()
    }

    /// Wait for the end of the run.
    ///
    /// Args:
    ///     timeout: seconds; None for ever.
    ///
    /// Returns:
    ///     LoopResult, the same at every call.
    ///
    /// Raises:
    ///     WaitTimeout: not over within the time; the run goes on.
    ///     HarnessError: the native thread broke.
    #[pyo3(signature = (timeout = None))]
    fn result(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<LoopResult> {
        let since = Instant::now();
        let deadline = Deadline::after(args::timeout(timeout)?);
        loop {
            let slice = signal_slice(deadline);
            py.detach(|| self.run.wait(slice));
            if let Some(ending) = self.run.report() {
                return Ok(LoopResult(ending?));
            }
            py.check_signals()?;
            if deadline.has_passed() {
                let seen = format!("{} messages completed", self.run.progress());
                let elapsed = since.elapsed().as_secs_f64();
                return Err(WaitTimeout::new_err(("the end of the run", seen, elapsed)));
            }
        }
    }

    /// Start no more messages, give those under way a quarter of a second, and wait for the end.
    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| self.run.stop())?)
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception: "object") -> "None")]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.stop(py)
    }

    fn __repr__(&self) -> String {
        let state = if self.run.is_done() {
            "done"
        } else {
            "running"
        };
        format!(
            "<epollkit.load.ClosedLoop {state} messages={}>",
            self.run.progress()
        )
    }
}

/// What a closed-loop run has seen. Times are seconds, from a message's first send(2) to the last
/// byte of its reply, kept to three significant digits.
#[pyclass(frozen, module = "epollkit.load")]
#[derive(Debug)]
pub(crate) struct LoopResult(Arc<Report>);

#[pymethods]
impl LoopResult {
    /// Messages sent and read back.
    #[getter]
    fn messages(&self) -> u64 {
        self.0.messages
    }

    /// Replies that were not the message.
    #[getter]
    fn mismatched(&self) -> u64 {
        self.0.mismatched
    }

    /// Connections that the peer ended in the middle of a message.
    #[getter]
    fn eof(&self) -> u64 {
        self.0.eof
    }

    /// Connections that an error ended, by errno.
    #[getter]
    fn errors(&self) -> BTreeMap<i32, u64> {
        self.0.errors.clone()
    }

    /// Messages that were still under way at the end.
    #[getter]
    fn unfinished(&self) -> u64 {
        self.0.unfinished
    }

    /// Seconds from the first message's start to the last reply.
    #[getter]
    fn elapsed(&self) -> f64 {
        self.0.elapsed.as_secs_f64()
    }

    /// Messages per second; 0.0 for an empty run.
    #[getter]
    fn rate(&self) -> f64 {
        let seconds = self.elapsed();
        // A count beyond 2**53 does not occur.
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no more")]
        if seconds > 0.0 {
            self.0.messages as f64 / seconds
        } else {
            0.0
        }
    }

    /// The median latency.
    #[getter]
    fn p50(&self) -> f64 {
        self.at(0.5)
    }

    /// 99 of 100 were not slower.
    #[getter]
    fn p99(&self) -> f64 {
        self.at(0.99)
    }

    /// 999 of 1,000 were not slower.
    #[getter]
    fn p999(&self) -> f64 {
        self.at(0.999)
    }

    /// The slowest.
    #[getter]
    fn max(&self) -> f64 {
        self.0.histogram.max().as_secs_f64()
    }

    /// The mean.
    #[getter]
    fn mean(&self) -> f64 {
        self.0.histogram.mean().as_secs_f64()
    }

    /// The latency that a fraction of all messages did not exceed.
    ///
    /// Args:
    ///     fraction: 0.0 to 1.0.
    ///
    /// Raises:
    ///     ValueError: a fraction outside that.
    fn quantile(&self, fraction: f64) -> PyResult<f64> {
        if (0.0..=1.0).contains(&fraction) {
            return Ok(self.at(fraction));
        }
        Err(PyValueError::new_err(format!(
            "fraction must be 0.0 to 1.0, not {fraction}"
        )))
    }

    fn __repr__(&self) -> String {
        let micros = |seconds: f64| seconds * 1e6;
        format!(
            "<epollkit.load.LoopResult {} messages in {:.3} s ({:.0}/s), p50 {:.1} us, p99 {:.1} us>",
            self.messages(),
            self.elapsed(),
            self.rate(),
            micros(self.p50()),
            micros(self.p99()),
        )
    }
}

impl LoopResult {
    fn at(&self, fraction: f64) -> f64 {
        self.0.histogram.quantile(fraction).as_secs_f64()
    }
}
