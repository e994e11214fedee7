//! Arguments: from Python objects to the core's types, with the stdlib's errors.
//!
//! Everything here is refused before any system call, and the message names what was wrong.

use std::ffi::CString;
use std::os::fd::RawFd;
use std::time::Duration;

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::PyInt;

use super::address::{Address, Target};
use super::buffer::Data;
use super::hint;
use super::socket::Socket;
use crate::net::Options;

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
        if !(0.0..MOST_SECONDS).contains(&seconds) {
            return Err(out_of_range());
        }
        let (whole, fraction) = parts(seconds);
        let (nanoseconds, rest) = parts(fraction * 1e9);
        let all = whole * 1_000_000_000 + nanoseconds + u64::from(rest > 0.0);
        match i64::try_from(all) {
            Ok(_) => Ok(Self::Length(Duration::from_nanos(all))),
            Err(_) => Err(out_of_range()),
        }
    }
}

/// The whole part and the rest of a number that is known to be in range. (`trunc` and `ceil` are
/// calls to the C library on the oldest x86-64; this is an instruction.)
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "not negative, below 2**53"
)]
fn parts(number: f64) -> (u64, f64) {
    let whole = number as u64;
    (whole, number - whole as f64)
}

/// More than CPython's 64 bits of nanoseconds hold, in seconds.
const MOST_SECONDS: f64 = 9_223_372_037.0;

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
pub(crate) struct Fileno(pub(super) RawFd);

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

/// A [`Fileno`] for `Socket(fileno=)`, with the stdlib's other words for a negative one.
#[derive(Clone, Copy, Debug)]
pub(super) struct SocketFileno(pub(super) RawFd);

impl<'py> FromPyObject<'_, 'py> for SocketFileno {
    type Error = PyErr;

    const INPUT_TYPE: PyStaticExpr = hint::FILE_DESCRIPTOR_LIKE;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<RawFd>() {
            Ok(fd) if fd < 0 => {
                let text = format!("negative file descriptor: {fd}");
                Err(PyValueError::new_err(text))
            }
            _ => object.extract().map(|Fileno(fd)| Self(fd)),
        }
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
        sources: source.into_iter().collect(),
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

/// The name of an object's class, for the message of an error.
pub(super) fn type_name(object: &Bound<'_, PyAny>) -> String {
    object
        .get_type()
        .name()
        .map_or_else(|_| "?".to_owned(), |name| name.to_string())
}

/// A message for `PyErr::warn`, which takes a C string.
pub(super) fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "\\0")).unwrap_or_default()
}
