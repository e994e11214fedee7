//! `connect`: one connection, and all that it takes, before a deadline.

use std::time::Duration;

use pyo3::prelude::*;

use super::address::{Address, Target};
use super::args::{self, Seconds, SocketOptions};
use super::error::with_note;
use super::socket::Socket;
use super::wait::signal_slice;
use crate::error::Error;
use crate::net::{Addr, Race, Resolving};
use crate::sys::clock::Deadline;

/// Connect to an address or a host, within one deadline.
///
/// Resolves the name, then tries its addresses with RFC 8305's "happy eyeballs": families
/// alternate, a new attempt starts every 250 ms or as soon as one fails, the first that connects
/// wins. Ctrl-C ends it at once.
///
/// Args:
///     address: (host, port), (host, port, flowinfo, scope_id), or a Unix name.
///     timeout: seconds for all of it, the name included; None for as long as the kernel tries.
///     source_address: connect from here; port 0 is chosen at connect time.
///     options: (level, optname, int | bytes) triples, set before connect(2).
///
/// Returns:
///     A connected socket with time-out 0.0.
///
/// Raises:
///     ConnectionRefusedError: ECONNREFUSED, nobody listens there.
///     TimeoutError: ETIMEDOUT, the deadline has passed, or the kernel gave up.
///     OSError: ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL (no port left), EMFILE, ...; the address
///         is in a note (PEP 678), and of several attempts each has a note.
///     socket.gaierror: the name is not known.
///     ValueError: a negative time-out.
///
/// References:
///     RFC 8305 https://www.rfc-editor.org/rfc/rfc8305
#[pyfunction]
#[pyo3(signature = (address, timeout = None, *, source_address = None, options = SocketOptions::default()))]
pub(crate) fn connect(
    py: Python<'_>,
    address: Address<'_>,
    timeout: Option<Seconds>,
    source_address: Option<Address<'_>>,
    options: SocketOptions,
) -> PyResult<Socket> {
    let deadline = Deadline::after(args::timeout(timeout)?);
    let target = address.target("connect")?;
    let options = args::connect_options(Some(&target), source_address.as_ref(), options)?;
    let addresses = match target {
        Target::Known(addr) => vec![addr],
        Target::Named(host, port) => resolve_by(py, &host, port, deadline)?,
    };
    let mut race = Race::new(addresses, options, deadline)?;
    loop {
        match py.detach(|| race.turn()) {
            Ok(Some(socket)) => return Ok(Socket::wrap(socket, Some(Duration::ZERO))),
            Ok(None) => py.check_signals()?,
            Err(failures) => return Err(all_failed(py, failures)),
        }
    }
}

fn resolve_by(py: Python<'_>, host: &str, port: u16, deadline: Deadline) -> PyResult<Vec<Addr>> {
    let mut resolving = Resolving::start(host, port, libc::AF_UNSPEC)?;
    loop {
        let slice = signal_slice(deadline);
        if let Some(found) = py.detach(|| resolving.wait(slice))? {
            return Ok(found);
        }
        py.check_signals()?;
        if deadline.has_passed() {
            let late = Error::from_errno("getaddrinfo", libc::ETIMEDOUT);
            return Err(late
                .about(format_args!("{host:?} (the time-out has passed)"))
                .into());
        }
    }
}

/// The first error is raised; the others are its notes.
fn all_failed(py: Python<'_>, failures: Vec<Error>) -> PyErr {
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else {
        return Error::from_resolver(libc::EAI_NONAME).into();
    };
    failures.fold(first.into(), |raised, error| {
        with_note(py, raised, &error.to_string())
    })
}

/// What `epollkit.aio` has to resolve on its loop before it can connect.
///
/// Returns:
///     (host, port), or None for an address that needs no resolver.
///
/// Raises:
///     TypeError, OverflowError: for the address, as `connect`.
#[pyfunction]
pub(crate) fn host_to_resolve(address: Address<'_>) -> PyResult<Option<(String, u16)>> {
    Ok(match address.target("connect")? {
        Target::Known(_) => None,
        Target::Named(host, port) => Some((host, port)),
    })
}
