//! Names to addresses and back, with a time-out.
//!
//! getaddrinfo(3) cannot be interrupted, so a name is looked up in a thread of its own and the
//! caller stops waiting when it likes; the thread ends when the resolver does. A numeric address
//! needs neither.

use std::ffi::CString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::Addr;
use crate::error::{Error, Result};
use crate::sys::resolve::{Failure, getaddrinfo, getnameinfo};
use crate::sys::thread;

pub use crate::sys::resolve::{Hints, Info};

/// A look-up under way.
#[derive(Debug)]
pub struct Resolving<T> {
    answer: Receiver<Result<T>>,
}

impl<T: Send + 'static> Resolving<T> {
    /// Runs `look_up` in a thread, then `answered`: the answer can be had from then on.
    ///
    /// # Errors
    ///
    /// `EAGAIN` when no thread can be started.
    pub fn start(
        look_up: impl FnOnce() -> Result<T> + Send + 'static,
        answered: impl FnOnce() + Send + 'static,
    ) -> Result<Self> {
        let (sender, answer) = channel();
        let body = move || {
            // Nobody may be waiting any more; then the answer has nowhere to go.
            drop(sender.send(look_up()));
            answered();
        };
        thread::spawn("epollkit-resolve", body)
            .map_err(|error| Error::from_io("pthread_create", &error))?;
        Ok(Self { answer })
    }

    /// Waits for the answer. `None`: not yet.
    ///
    /// # Errors
    ///
    /// The look-up's own; `EAI_SYSTEM` if it panicked.
    pub fn wait(&mut self, patience: Duration) -> Result<Option<T>> {
        match self.answer.recv_timeout(patience) {
            Ok(answer) => answer.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Error::from_resolver(libc::EAI_SYSTEM)),
        }
    }
}

/// A question for getaddrinfo(3).
#[derive(Clone, Debug)]
pub struct Query {
    /// A name or a number; `None` is this host.
    pub host: Option<CString>,
    /// A service's name or a port's number.
    pub service: Option<CString>,
    /// What to look for.
    pub hints: Hints,
}

impl Query {
    /// Asks for stream addresses of `host` (`AF_UNSPEC`: of any family).
    ///
    /// # Errors
    ///
    /// `EAI_NONAME` for an inner NUL, which would end the name early: no host is called that.
    pub fn stream(host: &str, port: u16, family: i32) -> Result<Self> {
        let nonsense = |_| Error::from_resolver(libc::EAI_NONAME).about(format_args!("{host:?}"));
        Ok(Self {
            host: Some(CString::new(host).map_err(nonsense)?),
            service: CString::new(port.to_string()).ok(),
            hints: Hints {
                family,
                kind: libc::SOCK_STREAM,
                ..Hints::default()
            },
        })
    }

    /// The answer, for as long as that takes.
    ///
    /// # Errors
    ///
    /// The resolver's `EAI_*` code, or an errno in its place where it says `EAI_SYSTEM`.
    pub fn ask(&self) -> Result<Vec<Info>> {
        self.ask_with(0)
            .map_err(|failure| resolver_error("getaddrinfo", failure).about(self))
    }

    /// The answer, if it takes no resolver: host and service are numbers, or what is asked for
    /// does not exist. `None`: there is a name to look up.
    pub fn ask_at_once(&self) -> Option<Result<Vec<Info>>> {
        let numbers = match self.service {
            Some(_) => libc::AI_NUMERICHOST | libc::AI_NUMERICSERV,
            None => libc::AI_NUMERICHOST,
        };
        match self.ask_with(numbers) {
            Err((libc::EAI_NONAME, _)) if self.hints.flags & numbers != numbers => None,
            result => {
                Some(result.map_err(|failure| resolver_error("getaddrinfo", failure).about(self)))
            }
        }
    }

    fn ask_with(&self, flags: i32) -> std::result::Result<Vec<Info>, Failure> {
        let hints = Hints {
            flags: self.hints.flags | flags,
            ..self.hints
        };
        getaddrinfo(self.host.as_deref(), self.service.as_deref(), hints)
    }
}

impl fmt::Display for Query {
    /// The host, quoted; of a question without one, the service.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.as_ref().or(self.service.as_ref()) {
            Some(name) => write!(f, "{:?}", name.to_string_lossy()),
            None => f.write_str("(nothing)"),
        }
    }
}

/// The name of an address and of its port's service (getnameinfo(3), `NI_*` flags).
///
/// # Errors
///
/// As [`Query::ask`].
pub fn names(address: SocketAddr, flags: i32) -> Result<(CString, CString)> {
    getnameinfo(address, flags).map_err(|failure| resolver_error("getnameinfo", failure))
}

fn resolver_error(op: &'static str, (code, system): Failure) -> Error {
    match code {
        libc::EAI_SYSTEM => Error::from_io(op, &system),
        code => Error::from_resolver(code),
    }
}

/// A numeric IPv4 or IPv6 address (without a scope).
pub fn numeric(host: &str, port: u16) -> Option<Addr> {
    let ip: IpAddr = host.parse().ok()?;
    Some(Addr::Ip(SocketAddr::new(ip, port)))
}

/// An address as inet_ntop(3) writes it. Rust writes ::102:304 for what the C library, and Python
/// with it, writes ::1.2.3.4: an IPv4-compatible address (RFC 4291 section 2.5.5.1).
pub fn text(ip: IpAddr) -> String {
    match ip {
        IpAddr::V6(v6) => match v6.segments() {
            [0, 0, 0, 0, 0, 0, high, _] if high != 0 => {
                let [.., a, b, c, d] = v6.octets();
                format!("::{}", Ipv4Addr::new(a, b, c, d))
            }
            _ => v6.to_string(),
        },
        IpAddr::V4(v4) => v4.to_string(),
    }
}

/// The addresses of an answer.
pub fn addresses(found: &[Info]) -> Vec<Addr> {
    found.iter().map(|info| Addr::Ip(info.address)).collect()
}

/// The first address of an answer, in the resolver's order.
///
/// # Errors
///
/// `EAI_NONAME` where it knows the name and no address.
pub fn first(query: &Query, found: &[Info]) -> Result<SocketAddr> {
    let nothing = || Error::from_resolver(libc::EAI_NONAME).about(query);
    found.first().map(|info| info.address).ok_or_else(nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_needs_no_resolver() {
        let query = Query::stream("127.0.0.9", 7, libc::AF_UNSPEC).unwrap();
        let found = query.ask_at_once().unwrap().unwrap();
        assert_eq!(first(&query, &found), Ok("127.0.0.9:7".parse().unwrap()));
        let query = Query::stream("::1", 7, libc::AF_INET).unwrap();
        let wrong_family = query.ask_at_once().unwrap().unwrap_err();
        assert_eq!(wrong_family, query.ask().unwrap_err());
    }

    #[test]
    fn a_name_does() {
        let query = Query::stream("localhost", 7, libc::AF_INET).unwrap();
        assert!(query.ask_at_once().is_none());
        let mut resolving = Resolving::start(move || query.ask(), || {}).unwrap();
        let found = resolving.wait(Duration::from_secs(5)).unwrap().unwrap();
        assert_eq!(found[0].address, "127.0.0.1:7".parse().unwrap());
    }

    #[test]
    fn addresses_are_written_as_in_c() {
        for same in [
            "::1.2.3.4",
            "::0.1.0.0",
            "::1",
            "::",
            "::ffff:1.2.3.4",
            "fe80::1",
            "127.0.0.1",
        ] {
            assert_eq!(text(same.parse().unwrap()), same);
        }
    }

    #[test]
    fn an_inner_nul_is_no_name() {
        assert!(Query::stream("127.0.0.1\0x", 7, libc::AF_INET).is_err());
    }
}
