//! TCP_INFO as a record, and the typed view of the options.

use pyo3::exceptions::PyValueError;
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::type_hint_identifier;
use pyo3::types::{PyBytes, PyDict, PyType};

use super::Socket;
use crate::net;
use crate::net::tcp_info::for_each_field;
use crate::py::buffer::Data;
use crate::py::objects::{ReadableArg, name_of};

/// A state's number as an `epollkit.TcpState`, or as itself where that has no such member.
pub(in crate::py) struct State(pub(in crate::py) u8);

impl<'py> IntoPyObject<'py> for State {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    const OUTPUT_TYPE: PyStaticExpr = type_hint_identifier!("epollkit._tcp_state", "TcpState");

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let class = CLASS.import(py, "epollkit._tcp_state", "TcpState")?;
        match class.call1((self.0,)) {
            Err(error) if error.is_instance_of::<PyValueError>(py) => {
                Ok(self.0.into_pyobject(py)?.into_any())
            }
            member => member,
        }
    }
}

/// An `epollkit.options.SocketOptions`.
struct OptionsView<'py>(Bound<'py, PyAny>);

impl<'py> IntoPyObject<'py> for OptionsView<'py> {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    const OUTPUT_TYPE: PyStaticExpr = type_hint_identifier!("epollkit.options", "SocketOptions");

    fn into_pyobject(self, _py: Python<'py>) -> PyResult<Self::Output> {
        Ok(self.0)
    }
}

#[pymethods]
impl Socket {
    /// The options by the kernel's names in lower case, with their types and units.
    ///
    /// `sock.options.tcp_nodelay = True`, `sock.options.so_linger = 0.0`; `print(sock.options)`
    /// lists those that this socket has. `setsockopt` and `getsockopt` are faster.
    ///
    /// Returns:
    ///     SocketOptions. See `epollkit.options`.
    #[getter]
    fn options<'py>(slf: &Bound<'py, Self>) -> PyResult<OptionsView<'py>> {
        static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let class = CLASS.import(slf.py(), "epollkit.options", "SocketOptions")?;
        Ok(OptionsView(class.call1((slf,))?))
    }

    /// TCP_INFO: what the kernel knows about the connection, at this moment.
    ///
    /// Returns:
    ///     TcpInfo. What this kernel does not know yet is None.
    ///
    /// Raises:
    ///     OSError: EOPNOTSUPP or ENOPROTOOPT, not a TCP socket; EBADF.
    ///
    /// References:
    ///     tcp(7) https://man7.org/linux/man-pages/man7/tcp.7.html
    fn tcp_info(&self) -> PyResult<TcpInfo> {
        Ok(TcpInfo(net::TcpInfo::of(self.inner())?))
    }
}

/// What the kernel knows about a TCP connection: struct tcp_info, its names without `tcpi_`.
///
/// The structure grew over the years. What lies beyond what the kernel filled in is None; `size`
/// says how far that was. The bit fields in the first eight bytes were zero before there were any.
/// A field is taken out of the record when it is asked for, so a record costs little more than
/// the system call: `tcp_info()` took 0.63 of the time of the stdlib's getsockopt and
/// struct.unpack_from (0.96 us, 1.53 us; medians of 9 interleaved runs).
///
/// Args:
///     data: the bytes of getsockopt(TCP_INFO), of `socket.socket` or of another machine of the
///         same byte order.
///
/// Raises:
///     ValueError: no bytes at all.
///
/// References:
///     tcp(7) https://man7.org/linux/man-pages/man7/tcp.7.html
#[pyclass(frozen, eq, hash, module = "epollkit")]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct TcpInfo(net::TcpInfo);

#[pymethods]
impl TcpInfo {
    #[new]
    fn new(data: ReadableArg<'_>) -> PyResult<Self> {
        match Data::get(&data.0)?.to_vec().as_slice() {
            [] => Err(PyValueError::new_err("TcpInfo(): no bytes")),
            filled => Ok(Self(net::TcpInfo::from_bytes(filled))),
        }
    }

    /// How many bytes the kernel filled in, which tells the structure's version: 104 up to Linux
    /// 3.14, 232 from 5.5, 248 from 6.7, 280 from 6.18.
    #[getter]
    fn size(&self) -> usize {
        self.0.size()
    }

    /// State of the connection; a plain int where `TcpState` does not have it.
    #[getter]
    fn state(&self) -> State {
        State(self.0.state())
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.as_bytes())
    }

    #[pyo3(signature = () -> "tuple[type[TcpInfo], tuple[bytes]]")]
    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyType>, (Bound<'py, PyBytes>,)) {
        (py.get_type::<Self>(), (self.__bytes__(py),))
    }

    /// The size, the state, and what is neither zero nor unknown.
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let mut parts = vec![
            format!("size={}", self.size()),
            format!("state={}", self.state_name(py)?),
        ];
        let fields = self.0.fields();
        let telling = fields.iter().filter_map(|(name, value, _)| match value {
            None | Some(0) => None,
            Some(value) => Some(format!("{name}={value}")),
        });
        parts.extend(telling);
        Ok(format!("TcpInfo({})", parts.join(", ")))
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let mut rows = html_row("size", &self.size().to_string(), "bytes");
        rows += &html_row("state", &self.state_name(py)?, "");
        for (name, value, unit) in self.0.fields() {
            let value = value.map_or_else(|| "\u{2013}".to_owned(), |value| value.to_string());
            rows += &html_row(name, &value, unit);
        }
        let head = "<tr><th>TCP_INFO</th><th>value</th><th>unit</th></tr>";
        Ok(format!(
            "<table><thead>{head}</thead><tbody>{rows}</tbody></table>"
        ))
    }
}

fn html_row(name: &str, value: &str, unit: &str) -> String {
    format!("<tr><td>{name}</td><td>{value}</td><td>{unit}</td></tr>")
}

impl TcpInfo {
    fn state_name(&self, py: Python<'_>) -> PyResult<String> {
        name_of(&self.state().into_pyobject(py)?)
    }
}

macro_rules! make_getters {
    ($(
        $(#[$doc:meta])*
        $name:ident: $type:ty = $reader:ident($offset:literal), $unit:literal;
    )*) => {
        #[pymethods]
        impl TcpInfo {
            /// All fields by name, in the kernel's order, `size` first.
            #[pyo3(signature = () -> "dict[str, Any]")]
            fn _asdict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
                let fields = PyDict::new(py);
                fields.set_item("size", self.size())?;
                fields.set_item("state", self.state())?;
                $(fields.set_item(stringify!($name), self.0.$name())?;)*
                Ok(fields)
            }

            $($(#[$doc])*
            #[getter]
            fn $name(&self) -> Option<$type> {
                self.0.$name()
            })*
        }
    };
}

for_each_field!(make_getters);
