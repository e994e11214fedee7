//! `EventFlags`: the `EPOLL*` bits, as interest (what you ask for) and as event (what you got).

use bitflags::bitflags;

/// The kernel's bit as the type that [`EventFlags`] holds.
const fn bit(flag: libc::c_int) -> u32 {
    flag.cast_unsigned()
}

bitflags! {
    /// `EPOLL*` bits of epoll_ctl(2). Unknown bits are kept: the kernel is the judge of them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct EventFlags: u32 {
        /// Readable: data, end of stream, a connection to accept, or an error.
        const IN = bit(libc::EPOLLIN);
        /// Out-of-band data, and other exceptional conditions.
        const PRI = bit(libc::EPOLLPRI);
        /// Writable: a third of the send buffer free, a finished connect, or an error.
        const OUT = bit(libc::EPOLLOUT);
        /// An error is pending. Reported unasked.
        const ERR = bit(libc::EPOLLERR);
        /// Both directions are shut down. Reported unasked.
        const HUP = bit(libc::EPOLLHUP);
        /// The peer has shut down its writing side. Must be asked for.
        const RDHUP = bit(libc::EPOLLRDHUP);
        /// Wake one waiter of several epoll sets that watch the same source; ADD only.
        const EXCLUSIVE = bit(libc::EPOLLEXCLUSIVE);
        /// Disarm after one delivery, until MOD.
        const ONESHOT = bit(libc::EPOLLONESHOT);
        /// Report changes, not levels.
        const ET = bit(libc::EPOLLET);
        const _ = !0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_the_kernels_bits() {
        assert_eq!(
            (EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP).bits(),
            0x2005
        );
        assert_eq!(EventFlags::ET.bits(), 1 << 31);
        assert_eq!(
            format!("{:?}", EventFlags::IN | EventFlags::HUP),
            "EventFlags(IN | HUP)"
        );
    }
}
