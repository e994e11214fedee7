//! The test vocabulary: addresses of one's own, pairs, and waits that end.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use _epollkit::error::{Error, Result};
use _epollkit::net::socket::listen_on;
use _epollkit::net::{Addr, Connecting, Options, Progress, Socket};
use _epollkit::peer::{Handle, Snapshot};
use _epollkit::sys::poll::Interest;

/// How long what must happen may take.
pub(crate) const BOUND: Duration = Duration::from_secs(5);

fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// An address of the test's own: 127.77.x.y, port 0.
pub(crate) fn loopback() -> Addr {
    let [_, _, high, low] = unique().to_be_bytes();
    Addr::Ip(SocketAddr::from((Ipv4Addr::new(127, 77, high, low), 0)))
}

/// An abstract Unix name of the test's own.
pub(crate) fn abstract_name() -> Addr {
    let name = format!("epollkit-test-{}-{}", std::process::id(), unique());
    Addr::unix_abstract(name.as_bytes())
}

/// A path of the test's own, where nothing is.
pub(crate) fn free_path() -> PathBuf {
    let name = format!("epollkit-test-{}-{}", std::process::id(), unique());
    std::env::temp_dir().join(name)
}

/// The Unix address of `path`.
pub(crate) fn path_address(path: &std::path::Path) -> Addr {
    use std::os::unix::ffi::OsStrExt;
    Addr::Unix(path.as_os_str().as_bytes().into())
}

/// Connects, within the bound.
#[track_caller]
pub(crate) fn connect(address: &Addr) -> Socket {
    let mut connecting = Connecting::start(address.clone(), &Options::default()).unwrap();
    while matches!(connecting.check().unwrap(), Progress::Pending) {
        let ready = connecting.socket().wait(Interest::Writable, Some(BOUND));
        assert!(ready.unwrap(), "connect {address}: not in time");
    }
    connecting.into_socket()
}

/// A connected TCP pair.
#[track_caller]
pub(crate) fn tcp_pair() -> (Socket, Socket) {
    let listener = listen_on(&loopback(), 1).unwrap();
    let client = connect(&listener.getsockname().unwrap().unwrap());
    assert!(listener.wait(Interest::Readable, Some(BOUND)).unwrap());
    (client, listener.accept().unwrap().0)
}

/// recv(2), waiting as long as the bound.
#[track_caller]
fn receive(socket: &Socket, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match socket.recv(buffer, 0) {
            Err(error) if error.is(libc::EAGAIN) => {
                let ready = socket.wait(Interest::Readable, Some(BOUND)).unwrap();
                assert!(ready, "nothing to receive in time");
            }
            result => return result,
        }
    }
}

/// Exactly `length` bytes.
#[track_caller]
pub(crate) fn receive_exactly(socket: &Socket, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        let received = receive(socket, &mut bytes[filled..]).unwrap();
        assert_ne!(received, 0, "the stream ended after {filled} of {length}");
        filled += received;
    }
    bytes
}

/// All bytes up to the end of the stream.
#[track_caller]
pub(crate) fn receive_to_end(socket: &Socket) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 65_536];
    loop {
        match receive(socket, &mut chunk).unwrap() {
            0 => return bytes,
            received => bytes.extend_from_slice(&chunk[..received]),
        }
    }
}

/// The end of the stream, or the error in its place.
#[track_caller]
pub(crate) fn receive_end(socket: &Socket) -> Option<Error> {
    match receive(socket, &mut [0]) {
        Ok(0) => None,
        Ok(_) => panic!("a byte where the end should be"),
        Err(error) => Some(error),
    }
}

/// All of `bytes`, waiting for room.
#[track_caller]
pub(crate) fn send_all(socket: &Socket, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match socket.send(bytes, 0) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(error) if error.is(libc::EAGAIN) => {
                let ready = socket.wait(Interest::Writable, Some(BOUND)).unwrap();
                assert!(ready, "no room to send in time");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Bytes that tell where in the stream they are.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0])
        .collect()
}

/// Waits, turn by turn, until the peer's numbers are as they should be.
#[track_caller]
pub(crate) fn wait_until(peer: &Handle, holds: impl Fn(&Snapshot) -> bool) -> Snapshot {
    let end = Instant::now() + BOUND;
    let mut seen = peer.snapshot();
    while !holds(&seen) {
        let left = end.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "not in time: {seen:?}");
        assert!(!peer.is_over(), "the peer has ended: {seen:?}");
        seen = peer.wait_turn(seen.turns, left);
    }
    seen
}
