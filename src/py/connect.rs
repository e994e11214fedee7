//! `connect` and the stdlib's `create_connection`: one connection, and all that it takes, before a
//! deadline.

use std::time::Duration;

use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyInt;

use super::address::{Address, Target};
use super::args::{self, Seconds, SocketOptions};
use super::error::with_note;
use super::hint;
use super::objects::object_of_kind;
use super::resolve::{Patience, addresses_of, ask, host_or_none, service};
use super::socket::Socket;
use crate::error::Error;
use crate::net::resolve::{self, Hints};
use crate::net::{self, Lost, Options, Query, Race};

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
    let patience = Patience::of(args::timeout(timeout)?);
    let target = address.target("connect")?;
    let options = args::connect_options(Some(&target), source_address.as_ref(), options)?;
    let addresses = match target {
        Target::Known(addr) => vec![addr],
        Target::Named(host, port) => addresses_of(py, &host, port, patience)?,
    };
    match run(py, Race::new(addresses, options, patience.deadline)?)? {
        Ok(socket) => Ok(Socket::wrap(socket, Some(Duration::ZERO))),
        Err(Lost { late, failures }) => Err(all_failed(py, late.into_iter().chain(failures))),
    }
}

/// Runs a race to its end, unless a signal handler raises.
fn run(py: Python<'_>, mut race: Race) -> PyResult<Result<net::Socket, Lost>> {
    loop {
        match py.detach(|| race.turn()) {
            Ok(Some(socket)) => return Ok(Ok(socket)),
            Ok(None) => py.check_signals()?,
            Err(lost) => return Ok(Err(lost)),
        }
    }
}

/// The first error is raised; the others are its notes.
fn all_failed(py: Python<'_>, mut failures: impl Iterator<Item = Error>) -> PyErr {
    let Some(first) = failures.next() else {
        return Error::from_resolver(libc::EAI_NONAME).into();
    };
    failures.fold(first.into(), |raised, error| {
        with_note(py, raised, &error.to_string())
    })
}

/// `socket.create_connection`, within one deadline: connect to a host and a port.
///
/// Where the stdlib's tries one address after the other, each with the whole time-out, this one
/// lets them race as `connect` does: a new attempt every 250 ms or as soon as one fails, the name's
/// look-up and all attempts within one time-out. Ctrl-C ends it.
///
/// Args:
///     address: (host, port), as for `getaddrinfo`: the host may be None, the port a service's
///         name.
///     timeout: seconds for all of it, the name included, and then the socket's time-out;
///         `socket.getdefaulttimeout()` unless it is given. None waits for as long as the resolver
///         and the kernel do. With 0.0 there is only what can be had at once.
///     source_address: (host, port) to connect from; "" is any address, port 0 is chosen at connect
///         time. Attempts that race from one port other than 0 get EADDRINUSE, but for one of each
///         family.
///     all_errors: raise all errors, not only the last.
///
/// Returns:
///     A connected socket with that time-out.
///
/// Raises:
///     OSError: the last attempt's: ECONNREFUSED, ENETUNREACH, EADDRNOTAVAIL, ...; its address is
///         in a note, and each earlier error, too.
///     TimeoutError: ETIMEDOUT, the time-out has passed, or the kernel gave up.
///     ExceptionGroup: with `all_errors`, of all of these.
///     socket.gaierror: the name is not known.
///     OverflowError: a port outside 0-65535.
///     ValueError: a negative time-out, an address that is no pair.
///
/// References:
///     RFC 8305 https://www.rfc-editor.org/rfc/rfc8305
#[pyfunction]
#[pyo3(signature = (address, timeout = StdlibTimeout::Default, source_address = None, *, all_errors = false))]
pub(crate) fn create_connection(
    py: Python<'_>,
    address: HostAndService<'_>,
    timeout: StdlibTimeout,
    source_address: Option<HostAndService<'_>>,
    all_errors: bool,
) -> PyResult<Socket> {
    let timeout = timeout.get(py)?;
    let patience = Patience::of(timeout);
    let target = stream_query(&address.0)?;
    // As in the stdlib, an empty one is none.
    let source = match source_address {
        Some(source) if source.0.is_truthy()? => Some(source_query(&source.0)?),
        _ => None,
    };
    let addresses = resolve::addresses(&ask(py, &target, patience)?);
    let sources = match source {
        Some(source) => resolve::addresses(&ask(py, &source, patience)?),
        None => Vec::new(),
    };
    let options = Options {
        sources,
        ..Options::default()
    };
    match run(py, Race::new(addresses, options, patience.deadline)?)? {
        Ok(socket) => Socket::made(socket, timeout),
        Err(Lost { late, failures }) => {
            let errors = failures.into_iter().chain(late);
            if all_errors {
                Err(group(py, errors)?)
            } else {
                let last_first = errors.collect::<Vec<_>>().into_iter().rev();
                Err(all_failed(py, last_first))
            }
        }
    }
}

/// The stdlib's text and, unlike it, each error's address.
fn group(py: Python<'_>, errors: impl Iterator<Item = Error>) -> PyResult<PyErr> {
    let errors: Vec<_> = errors
        .map(|error| PyErr::from(error).into_value(py))
        .collect();
    let text = "create_connection failed";
    let group = py.import("builtins")?.getattr("ExceptionGroup")?;
    Ok(PyErr::from_value(group.call1((text, errors))?))
}

fn stream_query(address: &Bound<'_, PyAny>) -> PyResult<Query> {
    let (host, port) = pair("address", address)?;
    if port.is_instance_of::<PyInt>() && port.extract::<u16>().is_err() {
        let text = "create_connection(): port must be 0-65535.";
        return Err(PyOverflowError::new_err(text));
    }
    Ok(Query {
        host: host_or_none("create_connection", &host)?,
        service: service(&port)?,
        hints: Hints {
            kind: libc::SOCK_STREAM,
            ..Hints::default()
        },
    })
}

/// Where to bind. The empty host, which bind takes as any address, is None with `AI_PASSIVE`.
fn source_query(address: &Bound<'_, PyAny>) -> PyResult<Query> {
    let mut query = stream_query(address)?;
    if query.host.as_ref().is_some_and(|host| host.is_empty()) {
        query.host = None;
        query.hints.flags = libc::AI_PASSIVE;
    }
    Ok(query)
}

fn pair<'py>(
    name: &str,
    address: &Bound<'py, PyAny>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let parts = address.try_iter()?.take(3).collect::<PyResult<Vec<_>>>()?;
    <[_; 2]>::try_from(parts).map(Into::into).map_err(|_| {
        PyValueError::new_err(format!(
            "create_connection(): {name} must be (host, port); connect() takes others"
        ))
    })
}

object_of_kind!(/// `(host, port)`.
    HostAndService, hint::HOST_AND_SERVICE);

/// A time-out, or the stdlib's sign for its default.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StdlibTimeout {
    Default,
    Given(Option<Seconds>),
}

impl StdlibTimeout {
    fn get(self, py: Python<'_>) -> PyResult<Option<Duration>> {
        let seconds = match self {
            Self::Given(seconds) => seconds,
            Self::Default => py
                .import("socket")?
                .call_method0("getdefaulttimeout")?
                .extract()?,
        };
        args::timeout(seconds)
    }
}

impl<'py> FromPyObject<'_, 'py> for StdlibTimeout {
    type Error = PyErr;

    const INPUT_TYPE: PyStaticExpr = hint::FLOAT_OR_NONE;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        static DEFAULT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        // What http.client and others hand on.
        let default = DEFAULT.import(object.py(), "socket", "_GLOBAL_DEFAULT_TIMEOUT")?;
        if object.is(default) {
            return Ok(Self::Default);
        }
        object.extract().map(Self::Given)
    }
}

/// What `epollkit.aio` has to resolve on its loop before it can connect.
///
/// Returns:
///     (host, port), or None for an address that needs no resolver.
///
/// Raises:
///     TypeError, OverflowError: for the address, as `connect`.
#[pyfunction]
pub(crate) fn host_to_resolve(address: Address<'_>) -> PyResult<Option<(String, u16)>> {
    Ok(match address.target("connect")? {
        Target::Known(_) => None,
        Target::Named(host, port) => Some((host, port)),
    })
}
