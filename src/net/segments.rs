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

/// What the rules look at in a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Bytes.
    pub length: usize,
    /// Which address; equal numbers are equal addresses, `None` is the peer's.
    pub to: Option<usize>,
    /// Whether it has control messages.
    pub control: bool,
}

const MOST: usize = 64;
const BYTES: usize = 65_507;
const FRAME: usize = 1500 - 40 - 8; // IPv6's header and UDP's

/// The lengths of the runs that `datagrams` fall into, in order; they add up to all.
pub fn runs(datagrams: &[Datagram]) -> Vec<usize> {
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
fn followers(first: Datagram, others: &[Datagram]) -> usize {
    let size = first.length;
    if first.control || size == 0 || size > FRAME {
        return 0;
    }
    let most = (MOST - 1).min(BYTES / size - 1);
    let same = others
        .iter()
        .take(most)
        .take_while(|next| **next == first)
        .count();
    let shorter = |next: &&Datagram| {
        same < most && next.to == first.to && !next.control && (1..size).contains(&next.length)
    };
    same + usize::from(others.get(same).as_ref().is_some_and(shorter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(length: usize) -> Datagram {
        Datagram {
            length,
            to: None,
            control: false,
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
            control: true,
            ..of(64)
        };
        assert_eq!(runs(&[of(64), other, other, control, of(64)]), [1, 2, 1, 1]);
        assert_eq!(runs(&[of(FRAME + 1); 3]), [1, 1, 1]);
    }
}
