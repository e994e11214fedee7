//! The one error type above `sys`: which call failed, with which errno, about what.
//!
//! Code matches on the raw errno, never on [`io::ErrorKind`]: there is no kind for `EINPROGRESS`.

use std::fmt;
use std::io;

/// `Result` with the crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Where the number in an [`Error`] comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// A system call's `errno` (errno(3)).
    Errno(i32),
    /// A resolver's `EAI_*` code (gai_strerror(3)).
    Resolver(i32),
}

/// A failed call: its name, its number, and the object it was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    op: &'static str,
    code: Code,
    note: Option<Box<str>>,
}

impl Error {
    /// An error of the system call `op`.
    pub fn from_errno(op: &'static str, errno: i32) -> Self {
        Self {
            op,
            code: Code::Errno(errno),
            note: None,
        }
    }

    /// An error of getaddrinfo(3).
    pub fn from_resolver(code: i32) -> Self {
        Self {
            op: "getaddrinfo",
            code: Code::Resolver(code),
            note: None,
        }
    }

    /// Names the call that an [`io::Error`] came from.
    ///
    /// An `io::Error` without an errno means that a library refused an argument: `EINVAL`.
    pub fn from_io(op: &'static str, error: &io::Error) -> Self {
        Self::from_errno(op, error.raw_os_error().unwrap_or(libc::EINVAL))
    }

    /// The same error, saying what it was about (an address, a file descriptor).
    #[must_use]
    pub fn about(mut self, object: impl fmt::Display) -> Self {
        self.note = Some(format!("{} {object}", self.op).into_boxed_str());
        self
    }

    /// The call's name.
    pub fn op(&self) -> &'static str {
        self.op
    }

    /// Where the number comes from, and the number.
    pub fn code(&self) -> Code {
        self.code
    }

    /// `op object`, where the object is known.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Whether this is the system error `errno`.
    pub fn is(&self, errno: i32) -> bool {
        self.code == Code::Errno(errno)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.note {
            Some(note) => f.write_str(note)?,
            None => f.write_str(self.op)?,
        }
        match self.code {
            Code::Errno(errno) => write!(f, ": {}", io::Error::from_raw_os_error(errno)),
            Code::Resolver(code) => write!(f, ": resolver error {code}"),
        }
    }
}

impl std::error::Error for Error {}

/// A native thread that broke: what its panic said, or the error that its loop could not survive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(Box<str>);

impl Failure {
    /// A failure of `thread`, and why.
    pub fn new(thread: &str, reason: impl fmt::Display) -> Self {
        Self(format!("{thread}: {reason}").into_boxed_str())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// `.op("bind")`: names the call behind an [`io::Result`].
pub(crate) trait Op<T> {
    /// Turns the `io::Error` into an [`Error`] of the call `op`.
    fn op(self, op: &'static str) -> Result<T>;
}

impl<T> Op<T> for io::Result<T> {
    #[inline]
    fn op(self, op: &'static str) -> Result<T> {
        self.map_err(|error| Error::from_io(op, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_failed_and_about_what() {
        let error = Error::from_errno("connect", libc::ECONNREFUSED).about("127.0.0.1:9");
        assert_eq!(
            error.to_string(),
            "connect 127.0.0.1:9: Connection refused (os error 111)"
        );
        assert!(error.is(libc::ECONNREFUSED));
    }

    #[test]
    fn a_refusal_without_errno_is_einval() {
        let refused = io::Error::new(io::ErrorKind::InvalidInput, "too long");
        assert!(Error::from_io("bind", &refused).is(libc::EINVAL));
    }
}
