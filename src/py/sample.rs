//! `Sample`: one record of a `Sampler`.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyType;

use super::objects::{PollMask, name_of};
use super::socket::tcp::State;
use crate::scope;

/// One record of a `Sampler`: a source was first seen, was seen changed, or is gone.
///
/// Its parts were asked one after the other, so what happened in between can show in one and not yet
/// in the other; the next look has it.
///
/// Args:
///     t_ns: nanoseconds of `time.monotonic_ns()`.
///     name: of the source.
///     flags: POLL* bits.
///     inq: bytes, or None.
///     outq: bytes, or None.
///     state: a `TcpState`, or None.
///     closed: the source was closed.
#[pyclass(frozen, eq, hash, module = "epollkit")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sample {
    /// When the look was over: nanoseconds of `time.monotonic_ns()`. What is told had happened by
    /// then, and not yet at the look before.
    #[pyo3(get)]
    t_ns: u64,
    name: Arc<str>,
    flags: u16,
    /// SIOCINQ: bytes in the receive queue. None where there is no such count: a listener, an eventfd.
    /// A datagram socket has the size of the next datagram.
    #[pyo3(get)]
    inq: Option<u32>,
    /// SIOCOUTQ: bytes that were sent and not acknowledged, a FIN counted as one. None where there is
    /// no such count: a listener, a pipe. On a Unix socket, the memory that the peer has not read.
    #[pyo3(get)]
    outq: Option<u32>,
    state: Option<u8>,
    /// The source was closed, or its number is another file's. The last record of it, without a
    /// reading.
    #[pyo3(get)]
    closed: bool,
}

impl Sample {
    /// A record, and the sources' names.
    pub(super) fn of(record: scope::Sample, names: &[Arc<str>]) -> Self {
        let reading = record.reading;
        let name = names.get(usize::from(record.source)).map(Arc::clone);
        Self {
            t_ns: record.t_ns,
            name: name.unwrap_or_else(|| "?".into()),
            flags: reading.map_or(0, |reading| reading.flags),
            inq: reading.and_then(|reading| reading.inq),
            outq: reading.and_then(|reading| reading.outq),
            state: reading.and_then(|reading| reading.state),
            closed: reading.is_none(),
        }
    }
}

/// The arguments that make an equal `Sample`.
type SampleParts = (u64, String, u16, Option<u32>, Option<u32>, Option<u8>, bool);

#[pymethods]
impl Sample {
    #[new]
    #[pyo3(signature = (t_ns, name, flags, inq = None, outq = None, state = None, closed = false))]
    fn new(
        t_ns: u64,
        name: String,
        flags: u16,
        inq: Option<u32>,
        outq: Option<u32>,
        state: Option<u8>,
        closed: bool,
    ) -> Self {
        Self {
            t_ns,
            name: name.into(),
            flags,
            inq,
            outq,
            state,
            closed,
        }
    }

    /// The source's name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// The level by poll(2): IN, OUT, RDHUP, PRI, ERR and HUP, where they hold.
    #[getter]
    fn flags(&self) -> PollMask {
        PollMask(self.flags)
    }

    /// The connection's state; None where there is none.
    #[getter]
    fn state(&self) -> Option<State> {
        self.state.map(State)
    }

    #[pyo3(signature = () -> "tuple[type[Sample], tuple[object, ...]]")]
    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyType>, SampleParts) {
        let name = self.name.to_string();
        let parts = (
            self.t_ns,
            name,
            self.flags,
            self.inq,
            self.outq,
            self.state,
            self.closed,
        );
        (py.get_type::<Self>(), parts)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let mut parts = vec![
            format!("t_ns={}", self.t_ns),
            format!("name={}", self.name().into_pyobject(py)?.repr()?),
        ];
        if self.closed {
            parts.push("closed=True".to_owned());
        } else {
            let flags = self.flags().into_pyobject(py)?.into_any();
            parts.push(format!("flags={}", name_of(&flags)?));
            let queues = [("inq", self.inq), ("outq", self.outq)];
            let known = queues
                .iter()
                .filter_map(|(name, length)| Some((name, (*length)?)));
            parts.extend(known.map(|(name, length)| format!("{name}={length}")));
        }
        if let Some(state) = self.state() {
            parts.push(format!("state={}", name_of(&state.into_pyobject(py)?)?));
        }
        Ok(format!("Sample({})", parts.join(", ")))
    }
}
