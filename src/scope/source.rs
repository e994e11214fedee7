//! What is looked at: a socket of ours, or a number of which is known what file it was.

use std::os::fd::RawFd;
use std::sync::Arc;

use crate::error::{Error, Op, Result};
use crate::net::Socket;
use crate::sys::fd::{Identity, Lent};

/// Something to sample. Holds no descriptor open: what [`Socket::close`] closes is closed.
#[derive(Clone, Debug)]
pub struct Source(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Socket(Arc<Socket>),
    Number(RawFd, Identity),
}

/// A source during a look.
#[derive(Debug)]
pub(super) enum Hold<'source> {
    /// Open for as long as this lives.
    Lent(Lent<'source>),
    /// The kernel knows. [`Source::is_the_same`] tells afterwards.
    Number(RawFd),
}

impl Hold<'_> {
    /// The number to ask about, if it is not known to be closed.
    pub(super) fn raw(&self) -> Option<RawFd> {
        match self {
            Self::Lent(lent) => lent.raw(),
            Self::Number(raw) => Some(*raw),
        }
    }
}

impl Source {
    /// A socket of ours.
    ///
    /// # Errors
    ///
    /// `EBADF` once closed.
    pub fn socket(socket: Arc<Socket>) -> Result<Self> {
        if socket.is_closed() {
            return Err(Error::from_errno("sample", libc::EBADF).about("a closed socket"));
        }
        Ok(Self(Kind::Socket(socket)))
    }

    /// A descriptor of somebody else's. What is behind the number now is the source: when the number
    /// is closed, or refers to another file, the source is closed.
    ///
    /// # Errors
    ///
    /// `EBADF` when the number is not open.
    pub fn number(raw: RawFd) -> Result<Self> {
        let identity = Identity::of(raw).op("fstat");
        let identity = identity.map_err(|error| error.about(format_args!("fd {raw}")))?;
        Ok(Self(Kind::Number(raw, identity)))
    }

    /// The number; -1 once closed, if that is known.
    pub fn fileno(&self) -> RawFd {
        match &self.0 {
            Kind::Socket(socket) => socket.fileno(),
            Kind::Number(raw, _) => *raw,
        }
    }

    /// Whether it is a socket, which has more to tell than other files.
    pub(super) fn is_socket(&self) -> bool {
        match &self.0 {
            Kind::Socket(_) => true,
            Kind::Number(_, identity) => identity.is_socket(),
        }
    }

    /// Borrows it for calls that do not sleep. Not twice at a time.
    pub(super) fn hold(&self) -> Hold<'_> {
        match &self.0 {
            Kind::Socket(socket) => Hold::Lent(socket.lend()),
            Kind::Number(raw, _) => Hold::Number(*raw),
        }
    }

    /// Whether what was asked while it was held was asked of the source, and not of another file that
    /// has the number meanwhile.
    pub(super) fn is_the_same(&self) -> bool {
        match &self.0 {
            Kind::Socket(_) => true,
            Kind::Number(raw, identity) => {
                Identity::of(*raw).is_ok_and(|present| present == *identity)
            }
        }
    }
}
