//! Names to addresses, with a time-out.
//!
//! getaddrinfo(3) cannot be interrupted, so a name is looked up in a thread of its own and the
//! caller stops waiting when it likes; the thread ends when the resolver does. A numeric address
//! needs neither.

use std::ffi::CString;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::Addr;
use crate::error::{Error, Result};
use crate::sys::resolve::getaddrinfo;
use crate::sys::thread;

/// A look-up under way.
#[derive(Debug)]
pub struct Resolving {
    answer: Receiver<Result<Vec<Addr>>>,
}

impl Resolving {
    /// Starts looking up `host` for stream sockets of `family` (`AF_UNSPEC`: any).
    ///
    /// # Errors
    ///
    /// `EAGAIN` when no thread can be started.
    pub fn start(host: &str, port: u16, family: i32) -> Result<Self> {
        let (sender, answer) = channel();
        let host = host.to_owned();
        let look_up = move || {
            // Nobody may be waiting any more; then the answer has nowhere to go.
            drop(sender.send(resolve(&host, port, family)));
        };
        thread::spawn("epollkit-resolve", look_up)
            .map_err(|error| Error::from_io("pthread_create", &error))?;
        Ok(Self { answer })
    }

    /// Waits for the answer. `None`: not yet.
    ///
    /// # Errors
    ///
    /// As [`resolve`].
    pub fn wait(&mut self, patience: Duration) -> Result<Option<Vec<Addr>>> {
        match self.answer.recv_timeout(patience) {
            Ok(answer) => answer.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Error::from_resolver(libc::EAI_SYSTEM)),
        }
    }
}

/// A numeric IPv4 or IPv6 address (without a scope).
pub fn numeric(host: &str, port: u16) -> Option<Addr> {
    let ip: IpAddr = host.parse().ok()?;
    Some(Addr::Ip(SocketAddr::new(ip, port)))
}

/// Looks `host` up, for as long as that takes.
///
/// # Errors
///
/// The resolver's `EAI_*` code, or an errno in its place where it says `EAI_SYSTEM`.
pub fn resolve(host: &str, port: u16, family: i32) -> Result<Vec<Addr>> {
    // An inner NUL would end the name early and look up another host.
    let name = CString::new(host)
        .map_err(|_| Error::from_resolver(libc::EAI_NONAME).about(format_args!("{host:?}")))?;
    getaddrinfo(&name, port, family, libc::SOCK_STREAM)
        .map(|found| found.into_iter().map(Addr::Ip).collect())
        .map_err(|(code, system)| {
            let error = match code {
                libc::EAI_SYSTEM => Error::from_io("getaddrinfo", &system),
                code => Error::from_resolver(code),
            };
            error.about(format_args!("{host:?}"))
        })
}

/// The first address of `host`, in the resolver's order.
///
/// # Errors
///
/// As [`resolve`]; `EAI_NONAME` where it knows the name and no address.
pub fn resolve_first(host: &str, port: u16, family: i32) -> Result<Addr> {
    let nothing = || Error::from_resolver(libc::EAI_NONAME).about(format_args!("{host:?}"));
    resolve(host, port, family)?
        .into_iter()
        .next()
        .ok_or_else(nothing)
}
