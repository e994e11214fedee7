//! Arguments: from Python objects to the core's types, with the stdlib's errors.
//!
//! Everything here is refused before any system call, and the message names what was wrong.

use std::ffi::CString;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV6};
use std::os::fd::RawFd;
use std::time::Duration;

use pyo3::exceptions::{PyOSError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyInt, PyString, PyTuple};

use super::buffer::Data;
use super::hint;
use super::socket::Socket;
use crate::net::{Addr, Options, resolve};

/// Seconds as a Python number: what is below zero means an error to some and for ever to others.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seconds {
    Negative,
    Length(Duration),
}

impl Seconds {
    /// Not at all.
    pub(super) const ZERO: Self = Self::Length(Duration::ZERO);

    /// CPython counts nanoseconds in 64 bits.
    fn within_range(length: Duration) -> PyResult<Self> {
        match i64::try_from(length.as_nanos()) {
            Ok(_) => Ok(Self::Length(length)),
            Err(_) => Err(out_of_range()),
        }
    }
}

impl<'py> FromPyObject<'_, 'py> for Seconds {
    type Error = PyErr;

    const INPUT_TYPE: PyStaticExpr = hint::FLOAT;

    #[inline]
    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        // First, for poll(0): by way of a float an int would cost an object more.
        if let Ok(number) = object.cast::<PyInt>() {
            let seconds = number.extract::<i64>()?;
            return match u64::try_from(seconds).map(Duration::from_secs) {
                Ok(length) => Self::within_range(length),
                Err(_) => Ok(Self::Negative),
            };
        }
        let seconds = object.extract::<f64>()?;
        if seconds.is_nan() {
            return Err(PyValueError::new_err("Invalid value NaN (not a number)"));
        }
        if seconds < 0.0 && seconds.is_finite() {
            return Ok(Self::Negative);
        }
        // Up, as CPython rounds time-outs: what is more than nothing must not become nothing.
        let nanoseconds = (seconds.fract() * 1e9).ceil() / 1e9;
        Duration::try_from_secs_f64(seconds.trunc() + nanoseconds)
            .map_err(|_| out_of_range())
            .and_then(Self::within_range)
    }
}

fn out_of_range() -> PyErr {
    PyOverflowError::new_err("timeout out of range: at most 292 years")
}

/// A time-out where a negative number means an error.
pub(super) fn timeout(seconds: Option<Seconds>) -> PyResult<Option<Duration>> {
    match seconds {
        Some(Seconds::Negative) => Err(PyValueError::new_err("Timeout value out of range")),
        Some(Seconds::Length(length)) => Ok(Some(length)),
        None => Ok(None),
    }
}

/// A time-out where a negative number means for ever, as in `select.epoll.poll`.
pub(super) fn patience(seconds: Option<Seconds>) -> Option<Duration> {
    match seconds {
        Some(Seconds::Length(length)) => Some(length),
        Some(Seconds::Negative) | None => None,
    }
}

/// An int, or an object with `fileno()`: a descriptor number that is not negative.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fileno(pub(super) RawFd);

impl<'py> FromPyObject<'_, 'py> for Fileno {
    type Error = PyErr;

    const INPUT_TYPE: PyStaticExpr = hint::FILE_DESCRIPTOR_LIKE;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let fd = if let Ok(number) = object.cast::<PyInt>() {
            number.extract::<RawFd>()?
        } else if let Ok(socket) = object.cast::<Socket>() {
            socket.get().fileno()
        } else {
            let method = object.getattr_opt("fileno")?.ok_or_else(|| {
                PyTypeError::new_err("argument must be an int, or have a fileno() method.")
            })?;
            let number = method.call0()?;
            number
                .cast::<PyInt>()
                .map_err(|_| PyTypeError::new_err("fileno() returned a non-integer"))?
                .extract::<RawFd>()?
        };
        if fd < 0 {
            return Err(PyValueError::new_err(format!(
                "file descriptor cannot be a negative integer ({fd})"
            )));
        }
        Ok(Self(fd))
    }
}

/// An event mask: any int, taken modulo 2**32 as the stdlib takes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mask(pub(super) u32);

impl<'py> FromPyObject<'_, 'py> for Mask {
    type Error = PyErr;

    const INPUT_TYPE: PyStaticExpr = hint::INT;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(mask) = object.extract::<u32>() {
            return Ok(Self(mask));
        }
        if !object.is_instance_of::<PyInt>() {
            let kind = object.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "event mask must be an int, not {kind}"
            )));
        }
        object
            .call_method1("__and__", (u32::MAX,))?
            .extract()
            .map(Self)
    }
}

/// An address before the family is known: a tuple, `str` or `bytes`.
#[derive(Clone, Debug)]
pub(crate) struct Address<'py>(pub(super) Bound<'py, PyAny>);

impl<'py> FromPyObject<'_, 'py> for Address<'py> {
    type Error = PyErr;

    const INPUT_TYPE: PyStaticExpr = hint::ADDRESS;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self(object.to_owned()))
    }
}

/// Where a connection is to go.
#[derive(Debug)]
pub(super) enum Target {
    /// An address that needs no resolver.
    Known(Addr),
    /// A host name to resolve, and the port.
    Named(String, u16),
}

impl Address<'_> {
    /// The address for a socket of `family`; a host name is resolved, which may sleep.
    pub(super) fn for_family(&self, op: &str, family: i32) -> PyResult<Addr> {
        match family {
            libc::AF_UNIX => unix_name(&self.0),
            libc::AF_INET | libc::AF_INET6 => {
                let parts = IpParts::of(op, family, &self.0)?;
                let mut address = match parts.known(family) {
                    Some(address) => address,
                    None => parts.look_up(self.0.py(), family)?,
                };
                parts.complete(&mut address);
                Ok(address)
            }
            _ => Err(PyOSError::new_err(format!("{op}(): bad family"))),
        }
    }

    /// The target of a connection, whose family follows from the address.
    pub(super) fn target(&self, op: &str) -> PyResult<Target> {
        if !self.0.is_instance_of::<PyTuple>() {
            return unix_name(&self.0).map(Target::Known);
        }
        let parts = IpParts::of(op, libc::AF_UNSPEC, &self.0)?;
        match parts.known(libc::AF_UNSPEC) {
            Some(mut address) => {
                parts.complete(&mut address);
                Ok(Target::Known(address))
            }
            None => Ok(Target::Named(parts.host, parts.port)),
        }
    }
}

/// `(host, port[, flowinfo[, scope_id]])`.
struct IpParts {
    host: String,
    port: u16,
    flow: u32,
    scope: u32,
}

impl IpParts {
    fn of(op: &str, family: i32, address: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (name, most, shape) = match family {
            libc::AF_INET => ("AF_INET", 2, "a pair (host, port)"),
            libc::AF_INET6 => ("AF_INET6", 4, "a tuple (host, port[, flowinfo[, scopeid]])"),
            _ => ("IP", 4, "a tuple (host, port[, flowinfo[, scopeid]])"),
        };
        let tuple = address.cast::<PyTuple>().map_err(|_| {
            let kind = address
                .get_type()
                .name()
                .map_or_else(|_| "?".to_owned(), |n| n.to_string());
            PyTypeError::new_err(format!("{op}(): {name} address must be tuple, not {kind}"))
        })?;
        if !(2..=most).contains(&tuple.len()) {
            return Err(PyTypeError::new_err(format!(
                "{op}(): {name} address must be {shape}"
            )));
        }
        let number = |at: usize| -> PyResult<u32> {
            tuple.get_item(at).map_or(Ok(0), |item| item.extract())
        };
        let flow = if tuple.len() > 2 { number(2)? } else { 0 };
        if flow > 0x000f_ffff {
            return Err(PyOverflowError::new_err(format!(
                "{op}(): flowinfo must be 0-1048575."
            )));
        }
        let port = tuple.get_item(1)?.extract::<i64>().and_then(|port| {
            u16::try_from(port)
                .map_err(|_| PyOverflowError::new_err(format!("{op}(): port must be 0-65535.")))
        })?;
        let scope = if tuple.len() > 3 { number(3)? } else { 0 };
        Ok(Self {
            host: host_name(&tuple.get_item(0)?)?,
            port,
            flow,
            scope,
        })
    }

    /// What needs no resolver: the empty host, `<broadcast>`, a number of the right family.
    fn known(&self, family: i32) -> Option<Addr> {
        let ip = |ip: Ipv4Addr| Some(Addr::Ip(SocketAddr::new(ip.into(), self.port)));
        match (&*self.host, family) {
            ("", libc::AF_INET6) => resolve::numeric("::", self.port),
            ("", _) => ip(Ipv4Addr::UNSPECIFIED),
            ("<broadcast>", libc::AF_INET) => ip(Ipv4Addr::BROADCAST),
            (host, family) => resolve::numeric(host, self.port)
                .filter(|found| family == libc::AF_UNSPEC || found.family() == family),
        }
    }

    fn look_up(&self, py: Python<'_>, family: i32) -> PyResult<Addr> {
        Ok(py.detach(|| resolve::resolve_first(&self.host, self.port, family))?)
    }

    /// Flow label and scope, as given, where the resolver has not said better.
    fn complete(&self, address: &mut Addr) {
        if let Addr::Ip(SocketAddr::V6(v6)) = address {
            let scope = if self.scope == 0 {
                v6.scope_id()
            } else {
                self.scope
            };
            let flow = self.flow.to_be();
            *v6 = SocketAddrV6::new(*v6.ip(), v6.port(), flow, scope);
        }
    }
}

/// `str` (IDNA-encoded where it is not ASCII), `bytes` or `bytearray`.
fn host_name(host: &Bound<'_, PyAny>) -> PyResult<String> {
    let bytes = if let Ok(text) = host.cast::<PyString>() {
        match text.to_str() {
            Ok(text) if text.is_ascii() => text.as_bytes().to_vec(),
            _ => host
                .call_method1("encode", ("idna",))
                .and_then(|encoded| encoded.extract::<Vec<u8>>())
                .map_err(|_| PyTypeError::new_err("encoding of hostname failed"))?,
        }
    } else if let Ok(bytes) = host.cast::<PyBytes>() {
        bytes.as_bytes().to_vec()
    } else if let Ok(bytes) = host.cast::<PyByteArray>() {
        bytes.to_vec()
    } else {
        let kind = host.get_type().name()?;
        let text = format!("str, bytes or bytearray expected, not {kind}");
        return Err(PyTypeError::new_err(text));
    };
    if bytes.contains(&0) {
        return Err(PyTypeError::new_err(
            "host name must not contain null character",
        ));
    }
    String::from_utf8(bytes)
        .map_err(|_| PyValueError::new_err("host name must be ASCII, or given as str"))
}

/// A Unix socket name: a path as `str` (file system encoding) or bytes; a leading NUL makes it
/// abstract.
fn unix_name(name: &Bound<'_, PyAny>) -> PyResult<Addr> {
    let name = if name.is_instance_of::<PyString>() {
        let encoded = name.py().import("os")?.call_method1("fsencode", (name,))?;
        encoded.cast::<PyBytes>()?.as_bytes().to_vec()
    } else {
        Data::get(name)?.to_vec()
    };
    let address = Addr::Unix(name.into_boxed_slice());
    address
        .to_sockaddr()
        .map_err(|_| PyOSError::new_err("AF_UNIX path too long"))?;
    Ok(address)
}

/// An address as the stdlib returns it: `(host, port)`, `(host, port, flowinfo, scope_id)`, a Unix
/// path as `str`, an abstract name as `bytes`.
pub(super) fn address_to_py<'py>(
    py: Python<'py>,
    address: Option<&Addr>,
) -> PyResult<Bound<'py, PyAny>> {
    match address {
        Some(Addr::Ip(SocketAddr::V4(v4))) => Ok((v4.ip().to_string(), v4.port())
            .into_pyobject(py)?
            .into_any()),
        Some(Addr::Ip(SocketAddr::V6(v6))) => {
            let flow = u32::from_be(v6.flowinfo());
            let parts = (v6.ip().to_string(), v6.port(), flow, v6.scope_id());
            Ok(parts.into_pyobject(py)?.into_any())
        }
        Some(Addr::Unix(name)) if name.first() == Some(&0) => Ok(PyBytes::new(py, name).into_any()),
        Some(Addr::Unix(path)) => py
            .import("os")?
            .call_method1("fsdecode", (PyBytes::new(py, path),)),
        None => Ok(py.None().into_bound(py)),
    }
}

/// `(level, optname, int | bytes)` triples, in order.
#[derive(Debug, Default)]
pub(crate) struct SocketOptions(Vec<(i32, i32, Box<[u8]>)>);

impl<'py> FromPyObject<'_, 'py> for SocketOptions {
    type Error = PyErr;

    const INPUT_TYPE: PyStaticExpr = hint::OPTIONS;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let one = |item: PyResult<Bound<'py, PyAny>>| {
            let (level, name, value) = item?.extract::<(i32, i32, Bound<'py, PyAny>)>()?;
            Ok((level, name, option_value(&value)?.into_boxed_slice()))
        };
        object
            .try_iter()?
            .map(one)
            .collect::<PyResult<_>>()
            .map(Self)
    }
}

/// What is to be set before connecting.
pub(super) fn connect_options(
    target: Option<&Target>,
    source_address: Option<&Address<'_>>,
    options: SocketOptions,
) -> PyResult<Options> {
    let family = match target {
        Some(Target::Known(address)) => address.family(),
        _ => libc::AF_INET,
    };
    let source = match source_address {
        None => None,
        Some(source) => Some(match source.target("source_address")? {
            Target::Known(address) => address,
            Target::Named(..) => source.for_family("source_address", family)?,
        }),
    };
    Ok(Options {
        source,
        sockopts: options.0,
    })
}

/// The bytes of a socket option's value: a C int, or a buffer as it is.
pub(super) fn option_value(value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    match value.extract::<i32>() {
        Ok(number) => Ok(number.to_ne_bytes().to_vec()),
        Err(_) => Ok(Data::get(value)?.to_vec()),
    }
}

/// A message for `PyErr::warn`, which takes a C string.
pub(super) fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "\\0")).unwrap_or_default()
}
