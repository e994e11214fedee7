//! Options: getsockopt(2), setsockopt(2).

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::Socket;
use crate::py::args;
use crate::py::objects::OptionArg;
use crate::sys;

#[pymethods]
impl Socket {
    /// SO_ERROR: the pending error. Reading it clears it.
    ///
    /// Returns:
    ///     The errno, or 0.
    fn error(&self) -> PyResult<i32> {
        Ok(self.inner().take_error()?)
    }

    /// getsockopt(2).
    ///
    /// Args:
    ///     level: SOL_SOCKET, IPPROTO_TCP, ...
    ///     optname: SO_*, TCP_*, ...
    ///     buflen: 0, the default, for an int; else at most so many bytes, at most 1024.
    ///
    /// Returns:
    ///     int, or bytes where `buflen` is given.
    ///
    /// Raises:
    ///     OSError: ENOPROTOOPT, EINVAL; a buflen out of range.
    #[pyo3(signature = (level, optname, buflen = 0) -> "Any")]
    fn getsockopt<'py>(
        &self,
        py: Python<'py>,
        level: i32,
        optname: i32,
        buflen: isize,
    ) -> PyResult<Bound<'py, PyAny>> {
        if buflen == 0 && self.inner().family() == libc::AF_VSOCK {
            let mut value = [0; size_of::<u64>()];
            self.inner().getsockopt(level, optname, &mut value)?;
            return Ok(u64::from_ne_bytes(value).into_pyobject(py)?.into_any());
        }
        if buflen == 0 {
            let value = self.inner().getsockopt_int(level, optname)?;
            return Ok(value.into_pyobject(py)?.into_any());
        }
        match usize::try_from(buflen) {
            Ok(length) if length <= 1024 => {
                let mut value = vec![0; length];
                let filled = self.inner().getsockopt(level, optname, &mut value)?;
                Ok(PyBytes::new(py, value.get(..filled).unwrap_or(&value)).into_any())
            }
            _ => Err(PyOSError::new_err("getsockopt buflen out of range")),
        }
    }

    /// setsockopt(2).
    ///
    /// Args:
    ///     level: SOL_SOCKET, IPPROTO_TCP, ...
    ///     optname: SO_*, TCP_*, ...
    ///     value: int, a buffer, or None with `optlen` (a NULL pointer).
    ///     optlen: only with None.
    ///
    /// Raises:
    ///     OSError: ENOPROTOOPT, EINVAL, EPERM, ...
    ///     TypeError: a value of another type; `optlen` without None, or None without it.
    #[pyo3(signature = (level, optname, value, optlen = None))]
    fn setsockopt(
        &self,
        level: i32,
        optname: i32,
        value: OptionArg<'_>,
        optlen: Option<args::Mask>,
    ) -> PyResult<()> {
        match (value.0.is_none(), optlen) {
            (true, Some(length)) => Ok(self.inner().call("setsockopt", |fd| {
                sys::socket::setsockopt_null(fd, level, optname, length.0)
            })?),
            (false, None) if self.inner().family() == libc::AF_VSOCK => {
                // An int is 64 bits wide there (vsock(7)).
                let value = match value.0.extract::<u64>() {
                    Ok(number) => number.to_ne_bytes().to_vec(),
                    Err(_) => args::option_value(&value.0)?,
                };
                Ok(self.inner().setsockopt(level, optname, &value)?)
            }
            (false, None) => {
                Ok(self
                    .inner()
                    .setsockopt(level, optname, &args::option_value(&value.0)?)?)
            }
            (true, None) => Err(pyo3::exceptions::PyTypeError::new_err(
                "setsockopt(): None needs optlen",
            )),
            (false, Some(_)) => Err(pyo3::exceptions::PyTypeError::new_err(
                "setsockopt(): optlen goes with None only",
            )),
        }
    }
}
