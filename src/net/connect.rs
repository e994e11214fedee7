//! `Connecting`: one connect(2) that does not wait, as a state machine.
//!
//! Rules
//! 1. connect(2) is called once. After `EINTR` the attempt goes on in the kernel, and a second
//!    call would only say `EALREADY` or `EISCONN` (connect(2), POSIX).
//! 2. A socket is connected when it has a peer: getpeername(2) succeeds. "Writable" is not enough:
//!    a refused socket is writable, too.
//! 3. Without a peer, `SO_ERROR` tells. Reading it clears it, so a non-zero one is kept: the
//!    state is final and every later question gets the same answer.
//! 4. No peer, no error, but hung up: somebody else has read the error. That is a failure
//!    (`ENOTCONN`), not an attempt that goes on.
//!
//! | state   | seen                                    | next             |
//! |---------|-----------------------------------------|------------------|
//! | (start) | 0, `EISCONN`                            | connected        |
//! | (start) | `EINPROGRESS`, `EINTR`, `EALREADY`      | pending          |
//! | (start) | any other errno (Unix: `EAGAIN`, too)   | failed           |
//! | pending | a peer                                  | connected        |
//! | pending | no peer, `SO_ERROR` not 0               | failed           |
//! | pending | no peer, `SO_ERROR` 0, writable         | failed, ENOTCONN |
//! | pending | no peer, `SO_ERROR` 0                   | pending          |

use std::time::Duration;

use super::{Addr, Socket};
use crate::error::{Error, Result};
use crate::sys::poll::Interest;

/// What is set on a socket before it connects.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where to connect from: bound with `IP_BIND_ADDRESS_NO_PORT`, so that the port is chosen at
    /// connect time and may be shared between targets. Of several the first of the socket's family
    /// is taken; the first of all, and the kernel's answer to that, where there is none.
    pub sources: Vec<Addr>,
    /// `(level, name, value)` for setsockopt(2), in order.
    pub sockopts: Vec<(i32, i32, Box<[u8]>)>,
}

impl Options {
    fn apply(&self, socket: &Socket) -> Result<()> {
        for (level, name, value) in &self.sockopts {
            socket.setsockopt(*level, *name, value)?;
        }
        let mut of_family = self
            .sources
            .iter()
            .filter(|source| source.family() == socket.family());
        let Some(source) = of_family.next().or_else(|| self.sources.first()) else {
            return Ok(());
        };
        if source.port() == Some(0) {
            socket.setsockopt_int(libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
        }
        socket.bind(source)
    }
}

/// How far a [`Connecting`] has come.
#[derive(Debug)]
pub enum Progress {
    /// Not decided yet. Wait until the socket is writable, or give up.
    Pending,
    /// The socket has a peer.
    Connected,
}

#[derive(Debug)]
enum State {
    Pending,
    Connected,
    Failed(Error),
}

/// A connection attempt. Dropping it closes its socket.
#[derive(Debug)]
pub struct Connecting {
    socket: Socket,
    address: Addr,
    state: State,
}

impl Connecting {
    /// Makes a socket and calls connect(2).
    ///
    /// # Errors
    ///
    /// Those that the kernel knows at once: `EMFILE`, `ENETUNREACH`, `EADDRNOTAVAIL`, for Unix
    /// sockets also `ECONNREFUSED`, `ENOENT`, `EAGAIN` (backlog full); those of the options.
    pub fn start(address: Addr, options: &Options) -> Result<Self> {
        let socket = Socket::stream_for(&address)
            .map_err(|error| error.about(format_args!("for {address}")))?;
        options.apply(&socket)?;
        Self::start_on(socket, address)
    }

    /// Calls connect(2) on a socket of the caller's.
    ///
    /// # Errors
    ///
    /// As [`Connecting::start`].
    pub fn start_on(socket: Socket, address: Addr) -> Result<Self> {
        let state = begin(&socket, &address)?;
        Ok(Self {
            socket,
            address,
            state,
        })
    }

    /// Asks how far it has come. Does not wait.
    ///
    /// # Errors
    ///
    /// Why the attempt failed, the same at every call: `ECONNREFUSED`, `EHOSTUNREACH`,
    /// `ENETUNREACH`, `ETIMEDOUT`, `ECONNRESET`, ...
    pub fn check(&mut self) -> Result<Progress> {
        if matches!(self.state, State::Pending) {
            self.state = match look(&self.socket) {
                Ok(Progress::Connected) => State::Connected,
                Ok(Progress::Pending) => State::Pending,
                Err(error) => State::Failed(error.about(&self.address)),
            };
        }
        match &self.state {
            State::Pending => Ok(Progress::Pending),
            State::Connected => Ok(Progress::Connected),
            State::Failed(error) => Err(error.clone()),
        }
    }

    /// The socket, whatever its state.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The socket, for good.
    pub fn into_socket(self) -> Socket {
        self.socket
    }

    /// Where it connects to.
    pub fn address(&self) -> &Addr {
        &self.address
    }

    /// The error of an attempt that was given up after `timeout`.
    pub fn timed_out(&self, timeout: Duration) -> Error {
        Error::from_errno("connect", libc::ETIMEDOUT)
            .about(format_args!("{} (gave up after {timeout:?})", self.address))
    }
}

/// connect(2), once (rule 1).
fn begin(socket: &Socket, address: &Addr) -> Result<State> {
    match socket.connect(address) {
        Ok(()) => Ok(State::Connected),
        Err(error) if error.is(libc::EISCONN) => Ok(State::Connected),
        Err(error) if is_under_way(&error) => Ok(State::Pending),
        Err(error) => Err(error.about(address)),
    }
}

/// Whether connect(2) answered that the attempt goes on.
pub fn is_under_way(error: &Error) -> bool {
    error.is(libc::EINPROGRESS) || error.is(libc::EINTR) || error.is(libc::EALREADY)
}

/// Rules 2 to 4: what has become of an attempt on `socket`.
///
/// # Errors
///
/// The attempt's own; `EBADF` if the socket was closed meanwhile.
pub fn look(socket: &Socket) -> Result<Progress> {
    match socket.getpeername() {
        Ok(_) => return Ok(Progress::Connected),
        Err(error) if error.is(libc::ENOTCONN) => {}
        Err(error) => return Err(error),
    }
    match socket.take_error()? {
        0 if socket.wait(Interest::Writable, Some(Duration::ZERO))? => {
            // Asked again, since the handshake may have ended between the two questions.
            socket.getpeername().map(|_| Progress::Connected)
        }
        0 => Ok(Progress::Pending),
        errno => Err(Error::from_errno("connect", errno)),
    }
}
