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

use super::args::type_name;
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
const TIPC_CLUSTER_SCOPE: u32 = 2;
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
    let tuple = address
        .cast::<PyTuple>()
        .map_err(|_| wrong(format!("tuple, not {}", type_name(address))))?;
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
    let (port_id, groups) = (word(&parts[0])?, word(&parts[1])?);
    Ok([&[0; 2][..], &port_id.to_ne_bytes(), &groups.to_ne_bytes()].concat())
}

/// `sockaddr_vm` behind the family: reserved, port, CID, flags and padding.
fn vsock(parts: &[Bound<'_, PyAny>]) -> PyResult<Vec<u8>> {
    let (cid, port) = (word(&parts[0])?, word(&parts[1])?);
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
        |at: usize| -> PyResult<i32> { parts.get(at).map_or(Ok(0), PyAnyMethods::extract) };
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
        &interface(&parts[0], Any::Refused)?.to_ne_bytes(),
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
        if name.contains(&0) {
            return Err(PyValueError::new_err("embedded null character"));
        }
        name.resize(room, 0);
        Ok(name)
    };
    let number = |at: usize| parts.get(at).map_or(Ok(0), word);
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
            union[..4].copy_from_slice(&word(&parts[1])?.to_ne_bytes());
            union[4..8].copy_from_slice(&word(&parts[2])?.to_ne_bytes());
        }
        libc::CAN_J1939 => {
            let name: u64 = modulo(&parts[1], u64::MAX)?.extract()?;
            union[..8].copy_from_slice(&name.to_ne_bytes());
            union[8..12].copy_from_slice(&word(&parts[2])?.to_ne_bytes());
            union[12] = modulo(&parts[3], u8::MAX.into())?.extract()?;
        }
        _ => {}
    }
    let interface = interface(&parts[0], Any::Empty)?;
    Ok([&[0; 2][..], &interface.to_ne_bytes(), &union].concat())
}

/// `sockaddr_tipc` behind the family: address type, scope, and a union of three words.
fn tipc(parts: &[Bound<'_, PyAny>]) -> PyResult<Vec<u8>> {
    let kind = u8::try_from(word(&parts[0])?).unwrap_or(0);
    let scope = parts.get(4).map_or(Ok(TIPC_CLUSTER_SCOPE), word)?;
    let [scope, ..] = scope.to_le_bytes();
    let (first, second, third) = (word(&parts[1])?, word(&parts[2])?, word(&parts[3])?);
    let words = match kind {
        TIPC_ADDR_NAMESEQ => [first, second, third],
        TIPC_ADDR_NAME => [first, second, 0],
        // Written (node, ref); the struct has them the other way round.
        TIPC_ADDR_ID => [second, first, 0],
        _ => return Err(PyTypeError::new_err("Invalid address type")),
    };
    let words = words.map(u32::to_ne_bytes).concat();
    Ok([&[kind, scope][..], &words].concat())
}

/// `sockaddr_qrtr` behind the family: padding, node, port.
fn qipcrtr(parts: &[Bound<'_, PyAny>]) -> PyResult<Vec<u8>> {
    netlink(parts) // two words behind padding, too
}

/// An int as the stdlib takes it here: modulo a power of two, whose `most` is the last below it.
fn modulo<'py>(part: &Bound<'py, PyAny>, most: u64) -> PyResult<Bound<'py, PyAny>> {
    let number = part.py().import("operator")?.getattr("index")?;
    number.call1((part,))?.call_method1("__and__", (most,))
}

/// A word of 32 bits; -1 is the highest.
fn word(part: &Bound<'_, PyAny>) -> PyResult<u32> {
    modulo(part, u32::MAX.into())?.extract()
}

/// Whether the empty name stands for any interface.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Any {
    Empty,
    Refused,
}

/// An interface's number; 0 is any.
fn interface(name: &Bound<'_, PyAny>, any: Any) -> PyResult<u32> {
    let name = CString::new(name.extract::<OsString>()?.into_vec())
        .map_err(|_| PyValueError::new_err("embedded null byte"))?;
    if name.is_empty() && any == Any::Empty {
        return Ok(0);
    }
    let found = if_nametoindex(&name).op("if_nametoindex");
    Ok(found.map_err(|error: Error| error.about(format_args!("{name:?}")))?)
}

/// The tuple of an address in the kernel's form, the family's two bytes first. `protocol` is the
/// socket's, by which the transports of `AF_CAN` differ.
pub(super) fn decode<'py>(
    py: Python<'py>,
    protocol: i32,
    bytes: &[u8],
) -> PyResult<Bound<'py, PyAny>> {
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
            (name, protocol, packet_type, hardware_type, hardware).into_pyobject(py)?
        }
        libc::AF_CAN => {
            let name = interface_name(py, word(4))?;
            match protocol {
                libc::CAN_ISOTP => (name, word(8), word(12)).into_pyobject(py)?,
                libc::CAN_J1939 => {
                    let [low, high] = [8, 12].map(|at| word(at).to_ne_bytes());
                    let mut whole = [0; 8];
                    whole[..4].copy_from_slice(&low);
                    whole[4..].copy_from_slice(&high);
                    (name, u64::from_ne_bytes(whole), word(16), byte(bytes, 20))
                        .into_pyobject(py)?
                }
                _ => (name,).into_pyobject(py)?,
            }
        }
        libc::AF_TIPC => {
            let (kind, scope) = (byte(bytes, 2), byte(bytes, 3).cast_signed());
            let (first, second, third) = match kind {
                TIPC_ADDR_NAME => (word(4), word(8), word(8)),
                TIPC_ADDR_ID => (word(8), word(4), 0),
                _ => (word(4), word(8), word(12)),
            };
            (kind, first, second, third, scope).into_pyobject(py)?
        }
        _ => {
            let data = PyBytes::new(py, bytes.get(2..).unwrap_or(&[]));
            (family, data).into_pyobject(py)?
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

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use super::*;
    use crate::sys::interface::if_nametoindex as number_of;

    /// The bytes behind the family of what `expression` is encoded to, and the tuple that they are
    /// decoded to.
    fn there_and_back(family: i32, protocol: i32, expression: &str) -> (Vec<u8>, String) {
        Python::initialize();
        Python::attach(|py| {
            let expression = CString::new(expression).unwrap();
            let address = py.eval(&expression, None, None).unwrap();
            let Addr::Other(bytes) = encode("bind", family, protocol, &address).unwrap() else {
                panic!("of another family");
            };
            assert_eq!(i32::from(word16(&bytes, 0)), family);
            let decoded = decode(py, protocol, &bytes).unwrap();
            (bytes[2..].to_vec(), decoded.repr().unwrap().to_string())
        })
    }

    fn refused(family: i32, protocol: i32, expression: &str) -> String {
        Python::initialize();
        Python::attach(|py| {
            let expression = CString::new(expression).unwrap();
            let address = py.eval(&expression, None, None).unwrap();
            let error = encode("bind", family, protocol, &address).unwrap_err();
            error.value(py).repr().unwrap().to_string()
        })
    }

    #[test]
    fn netlink_has_port_id_and_groups_behind_padding() {
        let (bytes, tuple) = there_and_back(libc::AF_NETLINK, 0, "(7, -1)");
        let expected = [&[0; 2][..], &7_u32.to_ne_bytes(), &[255; 4]].concat();
        assert_eq!(bytes, expected);
        assert_eq!(bytes.len() + 2, size_of::<libc::sockaddr_nl>());
        assert_eq!(tuple, "(7, 4294967295)");
    }

    #[test]
    fn vsock_has_the_port_before_the_cid() {
        let (bytes, tuple) = there_and_back(libc::AF_VSOCK, 0, "(3, 1024)");
        let (port, cid) = (1024_u32.to_ne_bytes(), 3_u32.to_ne_bytes());
        assert_eq!(bytes, [&[0; 2][..], &port, &cid, &[0; 4]].concat());
        assert_eq!(bytes.len() + 2, size_of::<libc::sockaddr_vm>());
        assert_eq!(tuple, "(3, 1024)");
    }

    #[test]
    fn packet_has_its_protocol_in_network_order() {
        let expression = "('lo', 0x0806, 3, 772, b'abcdef')";
        let (bytes, tuple) = there_and_back(libc::AF_PACKET, 0, expression);
        let lo = i32::try_from(number_of(c"lo").unwrap()).unwrap();
        let expected = [
            &[8, 6][..],
            &lo.to_ne_bytes(),
            &772_u16.to_ne_bytes(),
            &[3, 6],
            b"abcdef\0\0",
        ];
        assert_eq!(bytes, expected.concat());
        assert_eq!(bytes.len() + 2, size_of::<libc::sockaddr_ll>());
        assert_eq!(tuple, "('lo', 2054, 3, 772, b'abcdef')");
        let (short, tuple) = there_and_back(libc::AF_PACKET, 0, "('lo', 3)");
        assert_eq!(short[8..], [0; 10]);
        assert_eq!(tuple, "('lo', 3, 0, 0, b'')");
    }

    #[test]
    fn an_interface_must_be_there() {
        for (family, name) in [
            (libc::AF_PACKET, "('no such one', 0)"),
            (libc::AF_PACKET, "('', 0)"),
            (libc::AF_CAN, "('no such one',)"),
        ] {
            let error = refused(family, 0, name);
            assert!(error.starts_with("OSError(19, "), "{error}");
        }
    }

    #[test]
    fn algorithms_are_padded_names() {
        let (bytes, _) = there_and_back(libc::AF_ALG, 0, "('hash', 'sha256', 1, 2)");
        assert_eq!(bytes[..14], *b"hash\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(bytes[14..18], 1_u32.to_ne_bytes());
        assert_eq!(bytes[18..22], 2_u32.to_ne_bytes());
        assert_eq!(bytes[22..29], *b"sha256\0");
        assert_eq!(bytes.len() + 2, size_of::<libc::sockaddr_alg>());
        let wrong = refused(libc::AF_ALG, 0, "('fourteen bytes', 'x')");
        assert_eq!(wrong, "ValueError('AF_ALG type too long.')");
        let wrong = refused(libc::AF_ALG, 0, "('hash', 'x\\0y')");
        assert_eq!(wrong, "ValueError('embedded null character')");
    }

    #[test]
    fn can_has_the_address_of_its_transport() {
        let raw = there_and_back(libc::AF_CAN, libc::CAN_RAW, "('lo',)");
        let isotp = there_and_back(libc::AF_CAN, libc::CAN_ISOTP, "('lo', 0x123, -1)");
        let j1939 = there_and_back(libc::AF_CAN, libc::CAN_J1939, "('', 2**64 - 2, 5, 0x17f)");
        for (bytes, _) in [&raw, &isotp, &j1939] {
            assert_eq!(bytes.len() + 2, size_of::<libc::sockaddr_can>());
        }
        assert_eq!(raw.0[6..], [0; 16]);
        assert_eq!(raw.1, "('lo',)");
        assert_eq!(isotp.0[6..10], 0x123_u32.to_ne_bytes());
        assert_eq!(isotp.0[10..14], [255; 4]);
        assert_eq!(isotp.1, "('lo', 291, 4294967295)");
        assert_eq!(j1939.0[2..6], [0; 4]);
        assert_eq!(j1939.0[6..14], (u64::MAX - 1).to_ne_bytes());
        assert_eq!(j1939.0[14..18], 5_u32.to_ne_bytes());
        assert_eq!(j1939.0[18], 0x7f);
        assert_eq!(j1939.1, "('', 18446744073709551614, 5, 127)");
    }

    #[test]
    fn tipc_has_three_kinds_of_address() {
        let sequence = there_and_back(libc::AF_TIPC, 0, "(1, 10, 20, 30, 3)");
        let name = there_and_back(libc::AF_TIPC, 0, "(2, 10, 20, 0)");
        let id = there_and_back(libc::AF_TIPC, 0, "(3, 10, 20, 0)");
        let words = |words: [u32; 3]| words.map(u32::to_ne_bytes).concat();
        assert_eq!(sequence.0, [vec![1, 3], words([10, 20, 30])].concat());
        assert_eq!(name.0, [vec![2, 2], words([10, 20, 0])].concat());
        // Written (node, ref), stored (ref, node).
        assert_eq!(id.0, [vec![3, 2], words([20, 10, 0])].concat());
        assert_eq!(sequence.1, "(1, 10, 20, 30, 3)");
        assert_eq!(name.1, "(2, 10, 20, 20, 2)");
        assert_eq!(id.1, "(3, 10, 20, 0, 2)");
        let wrong = refused(libc::AF_TIPC, 0, "(257, 1, 2, 3)");
        assert_eq!(wrong, "TypeError('Invalid address type')");
    }

    #[test]
    fn qipcrtr_has_node_and_port() {
        let (bytes, tuple) = there_and_back(AF_QIPCRTR, 0, "(1, 2)");
        let expected = [&[0; 2][..], &1_u32.to_ne_bytes(), &2_u32.to_ne_bytes()];
        assert_eq!(bytes, expected.concat());
        assert_eq!(tuple, "(1, 2)");
    }

    #[test]
    fn a_family_that_nobody_knows_is_decoded_as_bytes() {
        Python::initialize();
        Python::attach(|py| {
            let decoded = decode(py, 0, b"\xfe\x00abc").unwrap();
            assert_eq!(decoded.repr().unwrap().to_string(), "(254, b'abc')");
            let cut = decode(py, 0, b"\x10").unwrap(); // AF_NETLINK, and nothing more
            assert_eq!(cut.repr().unwrap().to_string(), "(0, 0)");
        });
    }
}
