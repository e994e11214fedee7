//! Names to addresses and back, as the stdlib's functions do it, and with a time-out.
//!
//! A resolver cannot be interrupted; the wait for it can (`net::Resolving`).

use std::ffi::CString;
use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use pyo3::exceptions::{PyOSError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyInt, PyString, PyTuple};

use super::address::ip_to_py;
use super::args::{self, Mask, Seconds, type_name};
use super::hint;
use super::objects::{Family, Kind, object_of_kind};
use super::wait::signal_slice;
use crate::error::Result;
use crate::net::names::timed_out;
use crate::net::resolve::{self, Hints, Info};
use crate::net::{Addr, Query, Resolving};
use crate::sys::clock::Deadline;

object_of_kind!(/// A host: a name or a number.
    HostArg, hint::HOST);
object_of_kind!(/// A host, or None for this one.
    HostOrNone, hint::HOST_OR_NONE);
object_of_kind!(/// A port's number or a service's name.
    ServiceArg, hint::SERVICE);
object_of_kind!(/// `(host, port)` or `(host, port, flowinfo, scope_id)`.
    NumericAddress, hint::IP_ADDRESS);

/// `(family, type, proto, canonname, sockaddr)`.
type Found<'py> = (Family, Kind, i32, String, IpSockaddr<'py>);

/// How long to wait for a resolver, and what that was as a time-out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    timeout: Option<Duration>,
    pub(super) deadline: Deadline,
}

impl Patience {
    /// From now on; `None` is for as long as the resolver takes.
    pub(super) fn of(timeout: Option<Duration>) -> Self {
        Self {
            timeout,
            deadline: Deadline::after(timeout),
        }
    }

    /// For a socket's call: a resolver knows no non-blocking mode, so a time-out of zero is none.
    pub(super) fn of_socket(timeout: Option<Duration>) -> Self {
        Self::of(timeout.filter(|timeout| !timeout.is_zero()))
    }
}

/// Waits for the answer to `query`. Ctrl-C ends the wait; the resolver may be left behind.
pub(super) fn ask(py: Python<'_>, query: &Query, patience: Patience) -> PyResult<Vec<Info>> {
    if let Some(answer) = query.ask_at_once() {
        return Ok(answer?);
    }
    let asked = query.clone();
    in_thread(py, query, patience, move || asked.ask())
}

/// [`ask`], without a thread where there is no deadline: as the stdlib asks, and at its price.
fn ask_plainly(py: Python<'_>, query: &Query, patience: Patience) -> PyResult<Vec<Info>> {
    match patience.deadline {
        Deadline::Never => Ok(py.detach(|| query.ask())?),
        _ => ask(py, query, patience),
    }
}

fn in_thread<T: Send + 'static>(
    py: Python<'_>,
    about: impl Display,
    patience: Patience,
    look_up: impl FnOnce() -> Result<T> + Send + 'static,
) -> PyResult<T> {
    let late = || timed_out(&about, patience.timeout.unwrap_or_default());
    if patience.deadline.has_passed() {
        return Err(late().into());
    }
    let mut resolving = Resolving::start(look_up, || {})
        .map_err(|error| error.about(format_args!("to look up {about}")))?;
    loop {
        let slice = signal_slice(patience.deadline);
        if let Some(found) = py.detach(|| resolving.wait(slice))? {
            return Ok(found);
        }
        py.check_signals()?;
        if patience.deadline.has_passed() {
            return Err(late().into());
        }
    }
}

/// All stream addresses of a host.
pub(super) fn addresses_of(
    py: Python<'_>,
    host: &str,
    port: u16,
    patience: Patience,
) -> PyResult<Vec<Addr>> {
    let query = Query::stream(host, port, libc::AF_UNSPEC)?;
    Ok(resolve::addresses(&ask(py, &query, patience)?))
}

/// The first address of a host in `family`.
pub(super) fn first_of(
    py: Python<'_>,
    host: &str,
    port: u16,
    family: i32,
    patience: Patience,
) -> PyResult<Addr> {
    let query = Query::stream(host, port, family)?;
    let found = ask(py, &query, patience)?;
    Ok(resolve::first(&query, &found)?.into())
}

/// getaddrinfo(3): the addresses of a host and a service, with a time-out.
///
/// `socket.getaddrinfo`, except that a host may be a bytearray, and that a NUL in a name is an error
/// instead of the name's end. A number is answered at once. With a time-out a name is looked up in
/// a thread, which is left behind when the time is up, and Ctrl-C ends the wait; without one it is
/// the plain call, as in the stdlib, which nothing can interrupt and which costs no thread.
///
/// Args:
///     host: a name (str is IDNA-encoded), a number such as "127.0.0.1" or "fe80::1%eth0", or None
///         for this host.
///     port: a number, a service's name such as "http", or None for 0.
///     family: AF_INET, AF_INET6, or 0 for both.
///     type: SOCK_STREAM, SOCK_DGRAM, ..., or 0 for each.
///     proto: IPPROTO_TCP, ..., or 0 for each.
///     flags: AI_* bits.
///     timeout: seconds; None for as long as the resolver takes, 0.0 for what needs no resolver.
///
/// Returns:
///     List of (family, type, proto, canonname, sockaddr) in the order of RFC 6724. canonname is
///     "" but for the first with AI_CANONNAME; sockaddr is (host, port), or (host, port, flowinfo,
///     scope_id) for AF_INET6.
///
/// Raises:
///     socket.gaierror: the resolver's EAI_* code: EAI_NONAME, EAI_AGAIN, EAI_SERVICE, ...
///     TimeoutError: ETIMEDOUT; host and time-out are in a note.
///     UnicodeError: a host that IDNA has no form for.
///     OSError: a port of another type; EAGAIN, no room for a thread.
///     TypeError: a host of another type, a NUL in it or in the port.
///     ValueError: a negative time-out.
///
/// References:
///     getaddrinfo(3) https://man7.org/linux/man-pages/man3/getaddrinfo.3.html
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "as many as the stdlib's has")]
#[pyo3(signature = (host, port, family = 0, r#type = 0, proto = 0, flags = 0, *, timeout = None))]
pub(crate) fn getaddrinfo<'py>(
    py: Python<'py>,
    host: HostOrNone<'py>,
    port: ServiceArg<'py>,
    family: i32,
    r#type: i32,
    proto: i32,
    flags: i32,
    timeout: Option<Seconds>,
) -> PyResult<Vec<Found<'py>>> {
    let patience = Patience::of(args::timeout(timeout)?);
    let query = Query {
        host: host_or_none("getaddrinfo", &host.0)?,
        service: service(&port.0)?,
        hints: Hints {
            flags,
            family,
            kind: r#type,
            protocol: proto,
        },
    };
    let as_tuple = |info: Info| {
        let canonical = info
            .canonical
            .map(|name| name.to_string_lossy().into_owned());
        Ok((
            Family(info.family),
            Kind(info.kind),
            info.protocol,
            canonical.unwrap_or_default(),
            IpSockaddr(ip_to_py(py, info.address)?),
        ))
    };
    ask_plainly(py, &query, patience)?
        .into_iter()
        .map(as_tuple)
        .collect()
}

/// The first IPv4 address of a host, with a time-out: `socket.gethostbyname`.
///
/// Args:
///     host: a name (str is IDNA-encoded) or a number; "" is 0.0.0.0, "<broadcast>" is
///         255.255.255.255.
///     timeout: seconds; None for as long as the resolver takes, 0.0 for what needs no resolver.
///
/// Returns:
///     Such as "127.0.0.1".
///
/// Raises:
///     socket.gaierror: the resolver's EAI_* code.
///     TimeoutError: ETIMEDOUT; host and time-out are in a note.
///     UnicodeError: a host that IDNA has no form for.
///     TypeError: a host of another type, or a NUL in it.
///     ValueError: a negative time-out.
///
/// References:
///     gethostbyname(3) https://man7.org/linux/man-pages/man3/gethostbyname.3.html
#[pyfunction]
#[pyo3(signature = (host, *, timeout = None))]
pub(crate) fn gethostbyname(
    py: Python<'_>,
    host: HostArg<'_>,
    timeout: Option<Seconds>,
) -> PyResult<String> {
    let patience = Patience::of(args::timeout(timeout)?);
    let name = encoded(&host.0)?
        .ok_or_else(|| {
            let kind = kind_of(&host.0);
            let expected = "must be str, bytes or bytearray";
            PyTypeError::new_err(format!("gethostbyname() argument 1 {expected}, not {kind}"))
        })
        .and_then(|name| {
            let expected = "must be encoded string without null bytes";
            CString::new(name).map_err(|_| {
                let kind = kind_of(&host.0);
                PyTypeError::new_err(format!("gethostbyname() argument 1 {expected}, not {kind}"))
            })
        })?;
    match name.as_bytes() {
        b"" => return Ok("0.0.0.0".to_owned()),
        b"<broadcast>" => return Ok("255.255.255.255".to_owned()),
        number => {
            let number = std::str::from_utf8(number).ok();
            if let Some(ip) = number.and_then(|number| number.parse::<Ipv4Addr>().ok()) {
                return Ok(ip.to_string());
            }
        }
    }
    let query = Query {
        host: Some(name),
        service: None,
        hints: Hints {
            family: libc::AF_INET,
            ..Hints::default()
        },
    };
    let found = ask_plainly(py, &query, patience)?;
    Ok(resolve::first(&query, &found)?.ip().to_string())
}

/// getnameinfo(3): the names of an address and of its port, with a time-out.
///
/// `socket.getnameinfo`; with a time-out Ctrl-C ends the wait.
///
/// Args:
///     sockaddr: (host, port), (host, port, flowinfo) or (host, port, flowinfo, scope_id); the host
///         is a number.
///     flags: NI_* bits.
///     timeout: seconds; None for as long as the resolver takes, 0.0 for what needs no resolver
///         (NI_NUMERICHOST | NI_NUMERICSERV).
///
/// Returns:
///     (host, service).
///
/// Raises:
///     socket.gaierror: the resolver's EAI_* code; EAI_NONAME for a host that is no number.
///     TimeoutError: ETIMEDOUT; address and time-out are in a note.
///     OSError: an IPv4 address with more than a port.
///     TypeError: an address of another shape.
///     OverflowError: a flowinfo above 1048575, a port that is no C int.
///     ValueError: a negative time-out, a NUL in the host.
///
/// References:
///     getnameinfo(3) https://man7.org/linux/man-pages/man3/getnameinfo.3.html
#[pyfunction]
#[pyo3(signature = (sockaddr, flags, *, timeout = None))]
pub(crate) fn getnameinfo(
    py: Python<'_>,
    sockaddr: NumericAddress<'_>,
    flags: i32,
    timeout: Option<Seconds>,
) -> PyResult<(String, String)> {
    let patience = Patience::of(args::timeout(timeout)?);
    let address = numeric_address(&sockaddr.0)?;
    let numeric = libc::NI_NUMERICHOST | libc::NI_NUMERICSERV;
    let (host, service) = if flags & numeric == numeric {
        resolve::names(address, flags)?
    } else if matches!(patience.deadline, Deadline::Never) {
        py.detach(|| resolve::names(address, flags))?
    } else {
        in_thread(py, address, patience, move || {
            resolve::names(address, flags)
        })?
    };
    let text = |name: CString| name.to_string_lossy().into_owned();
    Ok((text(host), text(service)))
}

/// getnameinfo's first argument, with the errors that the stdlib has for it.
fn numeric_address(given: &Bound<'_, PyAny>) -> PyResult<SocketAddr> {
    let illegal = || PyTypeError::new_err("getnameinfo(): illegal sockaddr argument");
    let tuple = given
        .cast::<PyTuple>()
        .map_err(|_| PyTypeError::new_err("getnameinfo() argument 1 must be a tuple"))?;
    if !(2..=4).contains(&tuple.len()) {
        return Err(illegal());
    }
    let host = tuple.get_item(0)?;
    let host = host.cast::<PyString>().map_err(|_| illegal())?.to_str()?;
    let port = tuple.get_item(1)?.extract::<i32>()?;
    let number = |at: usize| -> PyResult<u32> {
        if at >= tuple.len() {
            return Ok(0);
        }
        tuple.get_item(at)?.extract().map(|Mask(number)| number)
    };
    let (flow, scope) = (number(2)?, number(3)?);
    if flow > 0x000f_ffff {
        let text = "getnameinfo(): flowinfo must be 0-1048575.";
        return Err(PyOverflowError::new_err(text));
    }
    if let (2, Ok(ip), Ok(port)) = (tuple.len(), host.parse::<Ipv4Addr>(), u16::try_from(port)) {
        return Ok(SocketAddr::new(ip.into(), port));
    }
    let query = Query {
        host: Some(
            CString::new(host).map_err(|_| PyValueError::new_err("embedded null character"))?,
        ),
        service: CString::new(port.to_string()).ok(),
        hints: Hints {
            flags: libc::AI_NUMERICHOST | libc::AI_NUMERICSERV,
            kind: libc::SOCK_DGRAM,
            ..Hints::default()
        },
    };
    match resolve::first(&query, &query.ask()?)? {
        SocketAddr::V6(v6) => {
            Ok(SocketAddrV6::new(*v6.ip(), v6.port(), flow.to_be(), scope).into())
        }
        v4 @ SocketAddr::V4(_) if tuple.len() == 2 => Ok(v4),
        SocketAddr::V4(_) => Err(PyOSError::new_err("IPv4 sockaddr must be 2 tuple")),
    }
}

/// A host as getaddrinfo(3) takes it. `str` goes through IDNA, whatever it holds.
pub(super) fn host_or_none(op: &str, host: &Bound<'_, PyAny>) -> PyResult<Option<CString>> {
    if host.is_none() {
        return Ok(None);
    }
    let name = encoded(host)?.ok_or_else(|| {
        let kind = kind_of(host);
        PyTypeError::new_err(format!(
            "{op}() argument 1 must be str, bytes, bytearray or None, not {kind}"
        ))
    })?;
    let nul = |_| PyTypeError::new_err("host name must not contain null character");
    CString::new(name).map(Some).map_err(nul)
}

/// The bytes of `str` (IDNA-encoded), `bytes` or `bytearray`; None for another type.
fn encoded(name: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u8>>> {
    if let Ok(text) = name.cast::<PyString>() {
        if let Ok(text) = text.to_str()
            && is_plain(text)
        {
            return Ok(Some(text.as_bytes().to_vec()));
        }
        return name
            .call_method1("encode", ("idna",))?
            .extract::<Vec<u8>>()
            .map(Some);
    }
    if let Ok(bytes) = name.cast::<PyBytes>() {
        return Ok(Some(bytes.as_bytes().to_vec()));
    }
    Ok(name
        .cast::<PyByteArray>()
        .ok()
        .map(PyByteArrayMethods::to_vec))
}

/// Whether IDNA leaves the name as it is: ASCII, with labels of 1 to 63 letters (RFC 3490).
fn is_plain(name: &str) -> bool {
    let mut labels = name.rsplit('.');
    let last = labels.next().unwrap_or("");
    name.is_ascii() && last.len() < 64 && labels.all(|label| (1..64).contains(&label.len()))
}

/// A service as getaddrinfo(3) takes it: its name or its number, as text.
pub(super) fn service(port: &Bound<'_, PyAny>) -> PyResult<Option<CString>> {
    if port.is_none() {
        return Ok(None);
    }
    let text = if port.is_instance_of::<PyInt>() {
        // Whatever its size, and without what a subclass says of itself.
        let digits = port
            .py()
            .get_type::<PyInt>()
            .call_method1("__repr__", (port,))?;
        digits.cast::<PyString>()?.to_str()?.as_bytes().to_vec()
    } else if let Ok(text) = port.cast::<PyString>() {
        text.to_str()?.as_bytes().to_vec()
    } else if let Ok(bytes) = port.cast::<PyBytes>() {
        bytes.as_bytes().to_vec()
    } else {
        return Err(PyOSError::new_err("Int or String expected"));
    };
    let nul = |_| PyTypeError::new_err("service name must not contain null character");
    CString::new(text).map(Some).map_err(nul)
}

fn kind_of(object: &Bound<'_, PyAny>) -> String {
    if object.is_none() {
        return "None".to_owned();
    }
    type_name(object)
}

/// An IP address as the stdlib has it: `(host, port)` or `(host, port, flowinfo, scope_id)`.
pub(crate) struct IpSockaddr<'py>(Bound<'py, PyAny>);

impl<'py> IntoPyObject<'py> for IpSockaddr<'py> {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    const OUTPUT_TYPE: PyStaticExpr = hint::IP_SOCKADDR;

    fn into_pyobject(self, _py: Python<'py>) -> PyResult<Self::Output> {
        Ok(self.0)
    }
}
