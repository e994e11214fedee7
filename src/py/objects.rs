//! Python objects as arguments and results whose kind the generated stubs should name.

use std::fmt::Debug;

use pyo3::exceptions::PyValueError;
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyInt, PyIterator};

use super::hint;

/// An argument or result that is a Python object of a kind that the stub should name.
macro_rules! object_of_kind {
    ($(#[$doc:meta])* $name:ident, $hint:expr) => {
        $(#[$doc])*
        pub(crate) struct $name<'py>(pub(super) Bound<'py, PyAny>);

        impl<'py> FromPyObject<'_, 'py> for $name<'py> {
            type Error = PyErr;

            const INPUT_TYPE: PyStaticExpr = $hint;

            #[inline]
            fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
                Ok(Self(object.to_owned()))
            }
        }
    };
}

pub(super) use object_of_kind;

object_of_kind!(/// Bytes to send.
    ReadableArg, hint::READABLE_BUFFER);
object_of_kind!(/// Room to receive into.
    WritableArg, hint::WRITEABLE_BUFFER);
object_of_kind!(/// Pieces to send, one after the other.
    BuffersArg, hint::READABLE_BUFFERS);
object_of_kind!(/// Rooms to receive into, one after the other.
    RoomsArg, hint::WRITEABLE_BUFFERS);
object_of_kind!(/// Control messages.
    AncillaryArg, hint::ANCILLARY);
object_of_kind!(/// The second argument of `sendto`, which is either.
    FlagsOrAddress, hint::FLAGS_OR_ADDRESS);
object_of_kind!(/// Messages to send.
    MessagesArg, hint::MESSAGES);
object_of_kind!(/// Addresses to connect to.
    AddressesArg, hint::ADDRESSES);
object_of_kind!(/// The value of an option.
    OptionArg, hint::OPTION_VALUE);
object_of_kind!(/// A `socket.socket`.
    StdlibSocket, hint::STDLIB_SOCKET);

impl<'py> IntoPyObject<'py> for StdlibSocket<'py> {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    const OUTPUT_TYPE: PyStaticExpr = hint::STDLIB_SOCKET;

    fn into_pyobject(self, _py: Python<'py>) -> PyResult<Self::Output> {
        Ok(self.0)
    }
}

/// An int as a member of one of the stdlib's enums, or as itself where that has no such member.
macro_rules! stdlib_enum {
    ($(#[$doc:meta])* $name:ident, $python:literal, $hint:expr) => {
        $(#[$doc])*
        pub(crate) struct $name(pub(super) i32);

        impl<'py> IntoPyObject<'py> for $name {
            type Target = PyAny;
            type Output = Bound<'py, PyAny>;
            type Error = PyErr;

            const OUTPUT_TYPE: PyStaticExpr = $hint;

            fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
                static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
                let class = CLASS.import(py, "socket", $python)?;
                match class.call1((self.0,)) {
                    Ok(member) => Ok(member),
                    Err(error) if error.is_instance_of::<PyValueError>(py) => {
                        Ok(PyInt::new(py, self.0).into_any())
                    }
                    Err(error) => Err(error),
                }
            }
        }
    };
}

stdlib_enum!(/// `AF_*`.
    Family, "AddressFamily", hint::ADDRESS_FAMILY);
stdlib_enum!(/// `SOCK_*`.
    Kind, "SocketKind", hint::SOCKET_KIND);

/// A mask as a member of one of `epollkit._flags`'s enums. Few masks occur, and to ask the enum costs a
/// microsecond each time, so each is asked once.
macro_rules! flag_enum {
    ($(#[$doc:meta])* $name:ident($bits:ty), $python:literal, $hint:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub(super) struct $name(pub(super) $bits);

        impl<'py> IntoPyObject<'py> for $name {
            type Target = PyAny;
            type Output = Bound<'py, PyAny>;
            type Error = PyErr;

            const OUTPUT_TYPE: PyStaticExpr = $hint;

            fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
                static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
                static MEMBERS: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
                let members = MEMBERS
                    .get_or_init(py, || PyDict::new(py).unbind())
                    .bind(py);
                if let Some(member) = members.get_item(self.0)? {
                    return Ok(member);
                }
                let member = CLASS
                    .import(py, "epollkit._flags", $python)?
                    .call1((self.0,))?;
                members.set_item(self.0, &member)?;
                Ok(member)
            }
        }
    };
}

flag_enum!(/// `EPOLL*` bits as an `epollkit.EventFlags`.
    EventMask(u32), "EventFlags", hint::EVENT_FLAGS);
flag_enum!(/// `POLL*` bits as an `epollkit.PollFlags`.
    PollMask(u16), "PollFlags", hint::POLL_FLAGS);

/// An enum's member by name, as far as it has one.
pub(super) fn name_of(member: &Bound<'_, PyAny>) -> PyResult<String> {
    match member.getattr_opt("name")? {
        Some(name) if !name.is_none() => name.extract(),
        _ => Ok(member.str()?.to_string()),
    }
}

/// The `repr` of a record of numbers and truths: the derived form, with Python's spelling.
pub(super) fn text_of(record: &impl Debug) -> String {
    format!("{record:?}")
        .replace(" { ", "(")
        .replace(" }", ")")
        .replace(": ", "=")
        .replace("true", "True")
        .replace("false", "False")
}

/// An iterator over a pair.
pub(crate) struct PairIterator<'py>(pub(super) Bound<'py, PyIterator>);

impl<'py> IntoPyObject<'py> for PairIterator<'py> {
    type Target = PyIterator;
    type Output = Bound<'py, PyIterator>;
    type Error = PyErr;

    const OUTPUT_TYPE: PyStaticExpr = hint::ITERATOR;

    fn into_pyobject(self, _py: Python<'py>) -> PyResult<Self::Output> {
        Ok(self.0)
    }
}
