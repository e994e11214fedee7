//! Addresses of the families beyond IP and Unix: the stdlib's tuples and the kernel's bytes.
//!
//! | family       | tuple                                               | struct                    |
//! |--------------|-----------------------------------------------------|---------------------------|
//! | `AF_NETLINK` | (pid, groups)                                       | sockaddr_nl, netlink(7)   |
//! | `AF_VSOCK`   | (CID, port)                                         | sockaddr_vm, vsock(7)     |
//! | `AF_PACKET`  | (interface, proto[, pkttype[, hatype[, addr]]])     | sockaddr_ll, packet(7)    |
//! | `AF_ALG`     | (type, name[, feat[, mask]])                        | sockaddr_alg              |
//! | `AF_CAN`     | (interface,), ISO-TP (interface, rx, tx),           | sockaddr_can              |
//! |              | J1939 (interface, name, pgn, addr)                  |                           |
//! | `AF_TIPC`    | (addr_type, v1, v2, v3[, scope])                    | sockaddr_tipc             |
//! | `AF_QIPCRTR` | (node, port)                                        | sockaddr_qrtr             |
//!
//! Any other family's address comes as (family, bytes).

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use pyo3::exceptions::{PyOSError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

use super::buffer::Data;
use crate::error::{Error, Op};
use crate::net::Addr;
use crate::sys::interface::{if_indextoname, if_nametoindex};

/// From <linux/if_alg.h>: the two names' fixed lengths.
const ALG_TYPE: usize = 14;
const ALG_NAME: usize = 64;
/// From <linux/tipc.h>.
const TIPC_ADDR_NAMESEQ: u8 = 1;
const TIPC_ADDR_NAME: u8 = 2;
const TIPC_ADDR_ID: u8 = 3;
const TIPC_CLUSTER_SCOPE: i8 = 2;
/// The longest hardware address of a `sockaddr_ll`.
const HARDWARE_ADDRESS: usize = 8;

/// An address tuple for a socket of `family` and `protocol`.
pub(super) fn encode(
    op: &str,
    family: i32,
    protocol: i32,
    address: &Bound<'_, PyAny>,
) -> PyResult<Addr> {
    let data = match family {
        libc::AF_NETLINK => netlink(&parts(op, "AF_NETLINK", address, "(pid, groups)")?)?,
        libc::AF_VSOCK => vsock(&parts(op, "AF_VSOCK", address, "(CID, port)")?)?,
        libc::AF_PACKET => {
            const SHAPE: &str = "(ifname, proto[, pkttype[, hatype[, addr]]])";
            packet(op, &parts(op, "AF_PACKET", address, SHAPE)?)?
        }
        libc::AF_ALG => {
            let shape = "(type, name[, feat[, mask]])";
            algorithm(&parts(op, "AF_ALG", address, shape)?)?
        }
        libc::AF_CAN => {
            let shape = match protocol {
                libc::CAN_ISOTP => "(interface, rx_addr, tx_addr)",
                libc::CAN_J1939 => "(interface, name, pgn, addr)",
                _ => "(interface,)",
            };
            can(protocol, &parts(op, "AF_CAN", address, shape)?)?
        }
        libc::AF_TIPC => {
            let shape = "(addr_type, v1, v2, v3[, scope])";
            tipc(&parts(op, "AF_TIPC", address, shape)?)?
        }
        AF_QIPCRTR => qipcrtr(&parts(op, "AF_QIPCRTR", address, "(node, port)")?)?,
        _ => return Err(PyOSError::new_err(format!("{op}(): bad family"))),
    };
    let family = u16::try_from(family).unwrap_or(0);
    let bytes = [&family.to_ne_bytes()[..], &data].concat();
    Ok(Addr::Other(bytes.into_boxed_slice()))
}

/// Not in the libc crate for every target.
const AF_QIPCRTR: i32 = 42;

/// The tuple, checked for its length against the shape: `[` begins what may be left out.
fn parts<'py>(
    op: &str,
    name: &str,
    address: &Bound<'py, PyAny>,
    shape: &str,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let wrong =
        |what: String| PyTypeError::new_err(format!("{op}(): {name} address must be {what}"));
    let tuple = address.cast::<PyTuple>().map_err(|_| {
        let kind = address.get_type().name();
        wrong(format!(
            "tuple, not {}",
            kind.map_or_else(|_| "?".to_owned(), |kind| kind.to_string())
        ))
    })?;
    let names = |text: &str| {
        text.split(',')
            .filter(|name| !name.trim_matches(&['(', ')', ' ', ']'][..]).is_empty())
            .count()
    };
    let required = shape.split_once('[').map_or(shape, |(before, _)| before);
    if !(names(required)..=names(shape)).contains(&tuple.len()) {
        return Err(wrong(format!("a tuple {shape}")));
    }
    Ok(tuple.iter().collect())
}

/// `sockaddr_nl` behind the family: padding, port id, groups.
fn netlink(parts: &[Bound<'_, PyAny>]) -> PyResult<Vec<u8>> {
    let (port_id, groups): (u32, u32) = (parts[0].extract()?, parts[1].extract()?);
    Ok([&[0; 2][..], &port_id.to_ne_bytes(), &groups.to_ne_bytes()].concat())
}

/// `sockaddr_vm` behind the family: reserved, port, CID, flags and padding.
fn vsock(parts: &[Bound<'_, PyAny>]) -> PyResult<Vec<u8>> {
    let (cid, port): (u32, u32) = (parts[0].extract()?, parts[1].extract()?);
    Ok([
        &[0; 2][..],
        &port.to_ne_bytes(),
        &cid.to_ne_bytes(),
        &[0; 4],
    ]
    .concat())
}

/// `sockaddr_ll` behind the family: protocol (network order), interface, hardware type, packet
/// type, address length, address.
fn packet(op: &str, parts: &[Bound<'_, PyAny>]) -> PyResult<Vec<u8>> {
    let number =
        |at: usize| -> PyResult<i64> { parts.get(at).map_or(Ok(0), PyAnyMethods::extract) };
    let protocol = u16::try_from(number(1)?)
        .map_err(|_| PyOverflowError::new_err(format!("{op}(): proto must be 0-65535.")))?;
    let (packet_type, hardware_type) = (number(2)?, number(3)?);
    let hardware = parts.get(4).map(Data::get).transpose()?;
    let hardware = hardware.map_or_else(Vec::new, |data| data.to_vec());
    if hardware.len() > HARDWARE_ADDRESS {
        return Err(PyValueError::new_err(
            "Hardware address must be 8 bytes or less",
        ));
    }
    let mut address = [0; HARDWARE_ADDRESS];
    address[..hardware.len()].copy_from_slice(&hardware);
    // The stdlib takes any int for these two and keeps what fits.
    let [packet_type, ..] = packet_type.to_le_bytes();
    let [low, high, ..] = hardware_type.to_le_bytes();
    Ok([
        &protocol.to_be_bytes()[..],
        &interface(&parts[0])?.to_ne_bytes(),
        &u16::from_le_bytes([low, high]).to_ne_bytes(),
        &[packet_type, u8::try_from(hardware.len()).unwrap_or(0)],
        &address,
    ]
    .concat())
}

/// `sockaddr_alg` behind the family: type, feature, mask, name; both names padded with NUL.
fn algorithm(parts: &[Bound<'_, PyAny>]) -> PyResult<Vec<u8>> {
    let padded = |at: usize, what: &str, room: usize| -> PyResult<Vec<u8>> {
        let mut name = parts[at].extract::<String>()?.into_bytes();
        if name.len() >= room {
            return Err(PyValueError::new_err(format!("AF_ALG {what} too long.")));
        }
        name.resize(room, 0);
        Ok(name)
    };
    let number =
        |at: usize| -> PyResult<u32> { parts.get(at).map_or(Ok(0), PyAnyMethods::extract) };
    Ok([
        padded(0, "type", ALG_TYPE)?,
        number(2)?.to_ne_bytes().to_vec(),
        number(3)?.to_ne_bytes().to_vec(),
        padded(1, "name", ALG_NAME)?,
    ]
    .concat())
}

/// `sockaddr_can` behind the family: padding, interface, and a union of the two transports.
fn can(protocol: i32, parts: &[Bound<'_, PyAny>]) -> PyResult<Vec<u8>> {
    let mut union = [0; 16];
    match protocol {
        libc::CAN_ISOTP => {
            union[..4].copy_from_slice(&parts[1].extract::<u32>()?.to_ne_bytes());
            union[4..8].copy_from_slice(&parts[2].extract::<u32>()?.to_ne_bytes());
        }
        libc::CAN_J1939 => {
            union[..8].copy_from_slice(&parts[1].extract::<u64>()?.to_ne_bytes());
            union[8..12].copy_from_slice(&parts[2].extract::<u32>()?.to_ne_bytes());
            union[12] = parts[3].extract()?;
        }
        _ => {}
    }
    Ok([&[0; 2][..], &interface(&parts[0])?.to_ne_bytes(), &union].concat())
}

/// `sockaddr_tipc` behind the family: address type, scope, and a union of three words.
fn tipc(parts: &[Bound<'_, PyAny>]) -> PyResult<Vec<u8>> {
    let kind: u8 = parts[0].extract()?;
    let scope: i8 = parts
        .get(4)
        .map_or(Ok(TIPC_CLUSTER_SCOPE), PyAnyMethods::extract)?;
    let (first, second, third): (u32, u32, u32) = (
        parts[1].extract()?,
        parts[2].extract()?,
        parts[3].extract()?,
    );
    let words = match kind {
        TIPC_ADDR_NAMESEQ => [first, second, third],
        TIPC_ADDR_NAME => [first, second, 0],
        // Written (node, ref); the struct has them the other way round.
        TIPC_ADDR_ID => [second, first, 0],
        _ => return Err(PyTypeError::new_err("Invalid address type")),
    };
    let words = words.map(u32::to_ne_bytes).concat();
    Ok([&[kind][..], &scope.to_ne_bytes(), &words].concat())
}

/// `sockaddr_qrtr` behind the family: padding, node, port.
fn qipcrtr(parts: &[Bound<'_, PyAny>]) -> PyResult<Vec<u8>> {
    netlink(parts) // two words behind padding, too
}

/// An interface's number; the empty name is 0, any.
fn interface(name: &Bound<'_, PyAny>) -> PyResult<u32> {
    let name = CString::new(name.extract::<OsString>()?.into_vec())
        .map_err(|_| PyValueError::new_err("embedded null byte"))?;
    if name.is_empty() {
        return Ok(0);
    }
    let found = if_nametoindex(&name).op("if_nametoindex");
    Ok(found.map_err(|error: Error| error.about(format_args!("{name:?}")))?)
}

/// The tuple of an address in the kernel's form, the family's two bytes first.
pub(super) fn decode<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let family = word16(bytes, 0);
    let word = |at: usize| word32(bytes, at);
    let tuple = match i32::from(family) {
        libc::AF_NETLINK | AF_QIPCRTR => (word(4), word(8)).into_pyobject(py)?,
        libc::AF_VSOCK => (word(8), word(4)).into_pyobject(py)?,
        libc::AF_PACKET => {
            let length = usize::from(byte(bytes, 11)).min(HARDWARE_ADDRESS);
            let hardware = bytes.get(12..12 + length).unwrap_or(&[]);
            let protocol = u16::from_be(word16(bytes, 2));
            let (packet_type, hardware_type) = (byte(bytes, 10), word16(bytes, 8));
            let name = interface_name(py, word(4))?;
            let hardware = PyBytes::new(py, hardware);
            return Ok((name, protocol, packet_type, hardware_type, hardware)
                .into_pyobject(py)?
                .into_any());
        }
        libc::AF_CAN => {
            // Which transport it is only the socket knows; the stdlib gives the first part, too.
            return Ok((interface_name(py, word(4))?,)
                .into_pyobject(py)?
                .into_any());
        }
        libc::AF_TIPC => {
            let (kind, scope) = (byte(bytes, 2), byte(bytes, 3).cast_signed());
            let (first, second, third) = match kind {
                TIPC_ADDR_NAME => (word(4), word(8), word(8)),
                TIPC_ADDR_ID => (word(8), word(4), 0),
                _ => (word(4), word(8), word(12)),
            };
            return Ok((kind, first, second, third, scope)
                .into_pyobject(py)?
                .into_any());
        }
        _ => {
            let data = PyBytes::new(py, bytes.get(2..).unwrap_or(&[]));
            return Ok((family, data).into_pyobject(py)?.into_any());
        }
    };
    Ok(tuple.into_any())
}

fn interface_name(py: Python<'_>, index: u32) -> PyResult<Bound<'_, PyString>> {
    let name = if_indextoname(index).unwrap_or_default();
    Ok(OsStr::from_bytes(&name).into_pyobject(py)?)
}

fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

fn word16(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([byte(bytes, at), byte(bytes, at + 1)])
}

fn word32(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([0, 1, 2, 3].map(|offset| byte(bytes, at + offset)))
}
