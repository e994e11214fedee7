//! Addresses: from the stdlib's tuples and names to the core's [`Addr`], and back.

use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV6};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use pyo3::exceptions::{PyOSError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyString, PyTuple};

use super::args::type_name;
use super::buffer::Data;
use super::resolve::{Patience, first_of};
use super::{families, hint};
use crate::net::{Addr, Socket, resolve};

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
    /// The address for this socket; a host name is resolved, for as long as that takes.
    pub(super) fn for_socket(&self, op: &str, socket: &Socket) -> PyResult<Addr> {
        self.for_socket_within(op, socket, Patience::of(None))
    }

    /// The same, with a deadline for the resolver.
    pub(super) fn for_socket_within(
        &self,
        op: &str,
        socket: &Socket,
        patience: Patience,
    ) -> PyResult<Addr> {
        match socket.family() {
            family @ (libc::AF_UNIX | libc::AF_INET | libc::AF_INET6) => {
                self.for_family_within(op, family, patience)
            }
            family => families::encode(op, family, socket.protocol(), &self.0),
        }
    }

    /// The address for a socket of `family`, IP or Unix; a host name is resolved, for as long as
    /// that takes.
    pub(super) fn for_family(&self, op: &str, family: i32) -> PyResult<Addr> {
        self.for_family_within(op, family, Patience::of(None))
    }

    /// The same, with a deadline for the resolver.
    pub(super) fn for_family_within(
        &self,
        op: &str,
        family: i32,
        patience: Patience,
    ) -> PyResult<Addr> {
        match family {
            libc::AF_UNIX => unix_name(&self.0),
            libc::AF_INET | libc::AF_INET6 => {
                if let Some(address) = numeric_v4(family, &self.0) {
                    return Ok(address);
                }
                let parts = IpParts::of(op, family, &self.0)?;
                let mut address = match parts.known(family) {
                    Some(address) => address,
                    None => parts.look_up(self.0.py(), family, patience)?,
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

/// A pair of an IPv4 number and a port, which is what most calls get: no copy of the text, and no
/// errors, which are left to [`IpParts`].
fn numeric_v4(family: i32, address: &Bound<'_, PyAny>) -> Option<Addr> {
    let pair = address
        .cast::<PyTuple>()
        .ok()
        .filter(|pair| pair.len() == 2)?;
    if family != libc::AF_INET {
        return None;
    }
    let host = pair.get_item(0).ok()?;
    let ip: Ipv4Addr = host.cast::<PyString>().ok()?.to_str().ok()?.parse().ok()?;
    let port = pair.get_item(1).ok()?.extract::<u16>().ok()?;
    Some(Addr::Ip(SocketAddr::new(ip.into(), port)))
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
            let kind = type_name(address);
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

    fn look_up(&self, py: Python<'_>, family: i32, patience: Patience) -> PyResult<Addr> {
        first_of(py, &self.host, self.port, family, patience)
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
        let kind = type_name(host);
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
        name.extract::<OsString>()?.into_vec() // in the file system encoding
    } else {
        Data::get(name)?.to_vec()
    };
    let address = Addr::Unix(name.into_boxed_slice());
    address
        .to_sockaddr()
        .map_err(|_| PyOSError::new_err("AF_UNIX path too long"))?;
    Ok(address)
}

/// An IP address as the stdlib has it: `(host, port)` or `(host, port, flowinfo, scope_id)`.
pub(super) fn ip_to_py(py: Python<'_>, address: SocketAddr) -> PyResult<Bound<'_, PyAny>> {
    let (host, port) = (resolve::text(address.ip()), address.port());
    let parts = match address {
        SocketAddr::V4(_) => (host, port).into_pyobject(py)?,
        SocketAddr::V6(v6) => {
            let flow = u32::from_be(v6.flowinfo());
            (host, port, flow, v6.scope_id()).into_pyobject(py)?
        }
    };
    Ok(parts.into_any())
}

/// An address as the stdlib returns it: `(host, port)`, `(host, port, flowinfo, scope_id)`, a Unix
/// path as `str`, an abstract name as `bytes`.
pub(super) fn address_to_py<'py>(
    py: Python<'py>,
    address: Option<&Addr>,
) -> PyResult<Bound<'py, PyAny>> {
    match address {
        Some(Addr::Ip(ip)) => ip_to_py(py, *ip),
        Some(Addr::Unix(name)) if name.first() == Some(&0) => Ok(PyBytes::new(py, name).into_any()),
        Some(Addr::Unix(path)) => Ok(OsStr::from_bytes(path).into_pyobject(py)?.into_any()),
        Some(Addr::Other(bytes)) => families::decode(py, 0, bytes),
        None => Ok(py.None().into_bound(py)),
    }
}
