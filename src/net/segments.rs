//! Generic segmentation offload (udp(7), `UDP_SEGMENT`): datagrams of one size to one address go
//! through the kernel's stack as one, and are cut apart at its end. On the wire and at the receiver
//! they are what they would have been.
//!
//! Rules
//! 1. Only neighbours are joined, so the order stays.
//! 2. A run has one address, no control messages of the caller's, and one size; a shorter datagram,
//!    but not an empty one, may be its last.
//! 3. A run has at most 64 datagrams (`UDP_MAX_SEGMENTS` up to Linux 6.0; later 128) and 65,507
//!    bytes (an IPv4 datagram's).
//! 4. What is too long for an Ethernet frame is not joined: the kernel refuses to cut where it
//!    would have to fragment as well.

use std::io;
use std::os::fd::BorrowedFd;

use socket2::SockAddr;

use super::control;
use crate::sys;
use crate::sys::message::Outgoing;
use crate::sys::span::Span;

/// A datagram to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'message> {
    /// Its bytes.
    pub data: Span<'message>,
    /// Which of the addresses; equal numbers are equal addresses, `None` is the peer's.
    pub to: Option<usize>,
    /// Control messages of the caller's.
    pub control: &'message [u8],
}

const MOST: usize = 64;
const BYTES: usize = 65_507;
const FRAME: usize = 1500 - 40 - 8; // IPv6's header and UDP's

/// sendmmsg(2); how many datagrams were sent. With `segment` (on UDP sockets) runs of equal ones go
/// as one; where the kernel refuses that, each goes alone.
///
/// # Errors
///
/// As sendmmsg(2): the first datagram's.
pub fn sendmmsg(
    fd: BorrowedFd<'_>,
    datagrams: &[Datagram<'_>],
    addresses: &[SockAddr],
    segment: bool,
    flags: i32,
) -> io::Result<usize> {
    let datagrams = &datagrams[..datagrams.len().min(sys::message::MOST)];
    let alone = || vec![1; datagrams.len()];
    if !segment {
        return send_runs(fd, datagrams, addresses, &alone(), flags);
    }
    match send_runs(fd, datagrams, addresses, &runs(datagrams), flags) {
        Err(error) if refuses_segments(&error) => {
            send_runs(fd, datagrams, addresses, &alone(), flags)
        }
        result => result,
    }
}

/// What says that the device, the route or the kernel cannot do it; or that the datagram itself is
/// wrong, which it then says again.
fn refuses_segments(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::EIO | libc::EMSGSIZE | libc::EOPNOTSUPP | libc::ENOPROTOOPT)
    )
}

fn send_runs(
    fd: BorrowedFd<'_>,
    datagrams: &[Datagram<'_>],
    addresses: &[SockAddr],
    runs: &[usize],
    flags: i32,
) -> io::Result<usize> {
    let parts: Vec<Span<'_>> = datagrams.iter().map(|one| one.data).collect();
    let sizes: Vec<Vec<u8>> = starts(runs)
        .map(|(at, length)| segment_size(&datagrams[at], length))
        .collect();
    let outgoing: Vec<Outgoing<'_>> = starts(runs)
        .zip(&sizes)
        .map(|((at, length), size)| Outgoing {
            parts: &parts[at..at + length],
            to: datagrams[at].to.and_then(|to| addresses.get(to)),
            control: if length > 1 {
                size
            } else {
                datagrams[at].control
            },
        })
        .collect();
    let sent = sys::message::sendmmsg(fd, &outgoing, flags)?;
    Ok(runs.iter().take(sent).sum())
}

/// Where each run starts, and its length.
fn starts(runs: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    runs.iter().scan(0, |next, length| {
        let at = *next;
        *next += length;
        Some((at, *length))
    })
}

/// The control message that says where to cut; none for a datagram alone.
fn segment_size(first: &Datagram<'_>, length: usize) -> Vec<u8> {
    let mut control = Vec::new();
    if length > 1 {
        let size = u16::try_from(first.data.len()).unwrap_or(0);
        let value = size.to_ne_bytes();
        control::append(&mut control, (libc::SOL_UDP, libc::UDP_SEGMENT, &value));
    }
    control
}

/// The lengths of the runs that `datagrams` fall into, in order; they add up to all.
fn runs(datagrams: &[Datagram<'_>]) -> Vec<usize> {
    let mut runs = Vec::new();
    let mut rest = datagrams;
    while let Some((first, others)) = rest.split_first() {
        let length = 1 + followers(*first, others);
        runs.push(length);
        rest = rest.get(length..).unwrap_or(&[]);
    }
    runs
}

/// How many of `others` may go with `first`.
fn followers(first: Datagram<'_>, others: &[Datagram<'_>]) -> usize {
    let size = first.data.len();
    if !first.control.is_empty() || size == 0 || size > FRAME {
        return 0;
    }
    let most = (MOST - 1).min(BYTES / size - 1);
    let alike = |next: &&Datagram<'_>| next.to == first.to && next.control.is_empty();
    let same = others
        .iter()
        .take(most)
        .take_while(|next| alike(next) && next.data.len() == size)
        .count();
    let shorter =
        |next: &&Datagram<'_>| same < most && alike(next) && (1..size).contains(&next.data.len());
    same + usize::from(others.get(same).as_ref().is_some_and(shorter))
}

#[cfg(test)]
mod tests {
    use super::*;

    static ZEROS: [u8; 2000] = [0; 2000];

    fn of(length: usize) -> Datagram<'static> {
        Datagram {
            data: Span::of(&ZEROS[..length]),
            to: None,
            control: &[],
        }
    }

    #[test]
    fn equal_neighbours_go_together() {
        assert_eq!(runs(&[of(64); 5]), [5]);
        assert_eq!(runs(&[of(64); 130]), [64, 64, 2]);
        assert_eq!(runs(&[]), [0; 0]);
        assert_eq!(runs(&[of(1400); 50]), [46, 4]); // 46 * 1400 <= 65507
    }

    #[test]
    fn a_shorter_one_ends_a_run_and_a_longer_one_begins_another() {
        assert_eq!(runs(&[of(64), of(64), of(7), of(64)]), [3, 1]);
        assert_eq!(runs(&[of(7), of(64)]), [1, 1]);
        assert_eq!(runs(&[of(64), of(0), of(64)]), [1, 1, 1]);
        let all = [vec![of(64); 64], vec![of(7)]].concat();
        assert_eq!(runs(&all), [64, 1]);
    }

    #[test]
    fn what_differs_in_more_than_size_goes_alone() {
        let other = Datagram {
            to: Some(1),
            ..of(64)
        };
        let control = Datagram {
            control: &ZEROS[..16],
            ..of(64)
        };
        assert_eq!(runs(&[of(64), other, other, control, of(64)]), [1, 2, 1, 1]);
        assert_eq!(runs(&[of(FRAME + 1); 3]), [1, 1, 1]);
    }
}
