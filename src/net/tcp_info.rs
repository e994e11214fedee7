//! `TCP_INFO` (tcp(7)): what the kernel knows about a connection, as a record that ages well.
//!
//! struct tcp_info only grows, at its end: 104 bytes in Linux 2.6, 192 in 4.10, 232 in 5.5, 248 in
//! 6.7, 280 in 6.18. The kernel fills in as much as it knows and says how much that was, so each
//! field is read at its fixed offset, and is `None` where it lies beyond what was filled in.

use super::Socket;
use crate::error::Result;

/// More than any kernel fills in today.
const CAPACITY: usize = 384;

/// A table of the fields behind `state`, in the kernel's order, for whoever has one item to make
/// of each: `$make! { /// what it is \n name: type = reader(offset), "unit"; ... }`.
macro_rules! for_each_field {
    ($make:ident) => {
        $make! {
            /// Congestion control: 0 open, 1 disorder, 2 window reduced, 3 recovery, 4 loss.
            ca_state: u8 = u8_at(1), "";
            /// Time-outs in a row without an acknowledgement.
            retransmits: u8 = u8_at(2), "";
            /// Unanswered probes of a closed window, or keep-alive probes.
            probes: u8 = u8_at(3), "";
            /// By how many bits the retransmission time-out is shifted now.
            backoff: u8 = u8_at(4), "";
            /// Negotiated: 1 timestamps, 2 SACK, 4 window scaling, 8 ECN, 16 ECN seen, 32 data in
            /// the SYN acknowledged, 64 microsecond timestamps, 128 accepted by TCP Fast Open.
            options: u8 = u8_at(5), "bits";
            /// Window scale of the peer, applied to what it advertises.
            snd_wscale: u8 = first_four_bits(6), "bits";
            /// Our window scale.
            rcv_wscale: u8 = second_four_bits(6), "bits";
            /// The delivery rate is limited by the application, not by the network.
            delivery_rate_app_limited: bool = first_bit(7), "";
            /// Why TCP Fast Open failed at the client: 0 unknown, 1 no cookie, 2 data not
            /// acknowledged, 3 SYN retransmitted.
            fastopen_client_fail: u8 = second_two_bits(7), "";
            /// Retransmission time-out. Microseconds.
            rto: u32 = u32_at(8), "us";
            /// Time-out of a delayed acknowledgement. Microseconds.
            ato: u32 = u32_at(12), "us";
            /// Largest segment to send. Bytes.
            snd_mss: u32 = u32_at(16), "bytes";
            /// Estimate of the largest segment that the peer sends. Bytes.
            rcv_mss: u32 = u32_at(20), "bytes";
            /// Sent and not acknowledged. Packets. On a listener: connections that wait to be
            /// accepted.
            unacked: u32 = u32_at(24), "packets";
            /// Acknowledged out of order (SACK). Packets. On a listener: the backlog.
            sacked: u32 = u32_at(28), "packets";
            /// Taken for lost. Packets.
            lost: u32 = u32_at(32), "packets";
            /// Retransmitted and not acknowledged yet. Packets.
            retrans: u32 = u32_at(36), "packets";
            /// Forward acknowledgements. Packets; always 0 since Linux 4.15.
            fackets: u32 = u32_at(40), "packets";
            /// Since data was sent last. Milliseconds.
            last_data_sent: u32 = u32_at(44), "ms";
            /// Always 0: the kernel does not remember it.
            last_ack_sent: u32 = u32_at(48), "ms";
            /// Since data was received last. Milliseconds.
            last_data_recv: u32 = u32_at(52), "ms";
            /// Since an acknowledgement was received last. Milliseconds.
            last_ack_recv: u32 = u32_at(56), "ms";
            /// Path MTU. Bytes.
            pmtu: u32 = u32_at(60), "bytes";
            /// Ceiling of the window that we advertise. Bytes.
            rcv_ssthresh: u32 = u32_at(64), "bytes";
            /// Round-trip time, smoothed. Microseconds.
            rtt: u32 = u32_at(68), "us";
            /// Mean deviation of the round-trip time. Microseconds.
            rttvar: u32 = u32_at(72), "us";
            /// Slow start ends here. Packets; 2147483647 for nowhere yet.
            snd_ssthresh: u32 = u32_at(76), "packets";
            /// Congestion window. Packets.
            snd_cwnd: u32 = u32_at(80), "packets";
            /// Largest segment that we told the peer to send. Bytes.
            advmss: u32 = u32_at(84), "bytes";
            /// How far packets may be out of order before one counts as lost. Packets.
            reordering: u32 = u32_at(88), "packets";
            /// Round-trip time as the receiver sees it. Microseconds.
            rcv_rtt: u32 = u32_at(92), "us";
            /// What the application reads in a round trip; grows the receive buffer. Bytes.
            rcv_space: u32 = u32_at(96), "bytes";
            /// Retransmissions of the connection's whole life. Packets.
            total_retrans: u32 = u32_at(100), "packets";
            /// Rate that sending is paced at. Bytes per second.
            pacing_rate: u64 = u64_at(104), "bytes/s";
            /// Ceiling of the pacing rate (SO_MAX_PACING_RATE). Bytes per second; 2**64 - 1 for
            /// none.
            max_pacing_rate: u64 = u64_at(112), "bytes/s";
            /// Sent and acknowledged. Bytes; the SYN counts as one.
            bytes_acked: u64 = u64_at(120), "bytes";
            /// Received in order. Bytes; the FIN counts as one.
            bytes_received: u64 = u64_at(128), "bytes";
            /// Segments sent, retransmissions and pure acknowledgements included.
            segs_out: u32 = u32_at(136), "packets";
            /// Segments received.
            segs_in: u32 = u32_at(140), "packets";
            /// In the send queue and never sent. Bytes.
            notsent_bytes: u32 = u32_at(144), "bytes";
            /// Least round-trip time of the last five minutes. Microseconds; 2**32 - 1 for none
            /// yet.
            min_rtt: u32 = u32_at(148), "us";
            /// Segments with data received.
            data_segs_in: u32 = u32_at(152), "packets";
            /// Segments with data sent, retransmissions included.
            data_segs_out: u32 = u32_at(156), "packets";
            /// Latest delivery rate. Bytes per second.
            delivery_rate: u64 = u64_at(160), "bytes/s";
            /// With data to send or unacknowledged. Microseconds.
            busy_time: u64 = u64_at(168), "us";
            /// Of those, held up by the peer's window. Microseconds.
            rwnd_limited: u64 = u64_at(176), "us";
            /// Of those, held up by the send buffer. Microseconds.
            sndbuf_limited: u64 = u64_at(184), "us";
            /// Data packets delivered, retransmissions included.
            delivered: u32 = u32_at(192), "packets";
            /// Of those, with a congestion mark (ECN CE).
            delivered_ce: u32 = u32_at(196), "packets";
            /// Data sent, retransmissions included. Bytes.
            bytes_sent: u64 = u64_at(200), "bytes";
            /// Data retransmitted. Bytes.
            bytes_retrans: u64 = u64_at(208), "bytes";
            /// Duplicates that the peer reported (DSACK). Packets.
            dsack_dups: u32 = u32_at(216), "packets";
            /// How often reordering was seen.
            reord_seen: u32 = u32_at(220), "";
            /// Received out of order. Packets.
            rcv_ooopack: u32 = u32_at(224), "packets";
            /// The peer's advertised window, after scaling. Bytes.
            snd_wnd: u32 = u32_at(228), "bytes";
            /// Our advertised window, after scaling. Bytes.
            rcv_wnd: u32 = u32_at(232), "bytes";
            /// How often another path hash was tried.
            rehash: u32 = u32_at(236), "";
            /// Retransmission time-outs, of the SYN too.
            total_rto: u16 = u16_at(240), "";
            /// Recoveries from a time-out, one under way included.
            total_rto_recoveries: u16 = u16_at(242), "";
            /// Time in those recoveries. Milliseconds.
            total_rto_time: u32 = u32_at(244), "ms";
            /// Segments received with a congestion mark (ECN CE).
            received_ce: u32 = u32_at(248), "packets";
            /// Delivered with ECT(1), as Accurate ECN counts. Bytes, modulo 2**32.
            delivered_e1_bytes: u32 = u32_at(252), "bytes";
            /// Delivered with ECT(0). Bytes, modulo 2**32.
            delivered_e0_bytes: u32 = u32_at(256), "bytes";
            /// Delivered with CE. Bytes, modulo 2**32.
            delivered_ce_bytes: u32 = u32_at(260), "bytes";
            /// Received with ECT(1). Bytes, modulo 2**32.
            received_e1_bytes: u32 = u32_at(264), "bytes";
            /// Received with ECT(0). Bytes, modulo 2**32.
            received_e0_bytes: u32 = u32_at(268), "bytes";
            /// Received with CE. Bytes, modulo 2**32.
            received_ce_bytes: u32 = u32_at(272), "bytes";
            /// Accurate ECN's state: four bytes as they are. Linux 6.18 has accecn_fail_mode and
            /// accecn_opt_seen there, 16 bits each; 7.0 made other fields of them, and the size
            /// does not tell.
            accecn_word: u32 = u32_at(276), "bits";
        }
    };
}

#[cfg_attr(
    not(feature = "python"),
    expect(unused_imports, reason = "the binding makes getters of the table")
)]
pub(crate) use for_each_field;

/// What the kernel filled in of struct tcp_info.
#[derive(Clone, Debug)]
pub struct TcpInfo {
    bytes: [u8; CAPACITY],
    size: usize,
}

macro_rules! make_readers {
    ($(
        $(#[$doc:meta])*
        $name:ident: $type:ty = $reader:ident($offset:literal), $unit:literal;
    )*) => {
        impl TcpInfo {
            $($(#[$doc])*
            pub fn $name(&self) -> Option<$type> {
                self.$reader($offset)
            })*

            /// Every field behind `state`: its name, its value as a number, its unit.
            pub fn fields(&self) -> Vec<(&'static str, Option<u64>, &'static str)> {
                vec![$((stringify!($name), self.$name().map(u64::from), $unit)),*]
            }
        }
    };
}

for_each_field!(make_readers);

impl TcpInfo {
    /// getsockopt(`TCP_INFO`).
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` or `ENOPROTOOPT`, the socket is not TCP; `EBADF`.
    pub fn of(socket: &Socket) -> Result<Self> {
        let mut bytes = [0; CAPACITY];
        match socket.getsockopt(libc::IPPROTO_TCP, libc::TCP_INFO, &mut bytes) {
            Ok(size) => Ok(Self {
                bytes,
                size: size.min(CAPACITY),
            }),
            Err(error) if error.is(libc::EOPNOTSUPP) || error.is(libc::ENOPROTOOPT) => {
                Err(error.about("TCP_INFO: this is not a TCP socket"))
            }
            Err(error) => Err(error),
        }
    }

    /// A record that somebody else got from the kernel. What is beyond any known field is left out.
    pub fn from_bytes(filled: &[u8]) -> Self {
        let mut bytes = [0; CAPACITY];
        let size = filled.len().min(CAPACITY);
        bytes[..size].copy_from_slice(&filled[..size]);
        Self { bytes, size }
    }

    /// What was filled in.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.size]
    }

    /// How many bytes were filled in: the version of the structure.
    pub fn size(&self) -> usize {
        self.size
    }

    /// State of the connection, as in tcp(7): 1 is ESTABLISHED.
    pub fn state(&self) -> u8 {
        self.bytes[0]
    }

    /// So many bytes at `offset`; None where not all of them were filled in.
    fn at<const SIZE: usize>(&self, offset: usize) -> Option<[u8; SIZE]> {
        let field = self.as_bytes().get(offset..offset + SIZE)?;
        field.try_into().ok()
    }

    fn u8_at(&self, offset: usize) -> Option<u8> {
        self.at(offset).map(u8::from_ne_bytes)
    }

    fn u16_at(&self, offset: usize) -> Option<u16> {
        self.at(offset).map(u16::from_ne_bytes)
    }

    fn u32_at(&self, offset: usize) -> Option<u32> {
        self.at(offset).map(u32::from_ne_bytes)
    }

    fn u64_at(&self, offset: usize) -> Option<u64> {
        self.at(offset).map(u64::from_ne_bytes)
    }

    fn first_four_bits(&self, offset: usize) -> Option<u8> {
        self.u8_at(offset).map(|byte| bits(byte, 0, 4))
    }

    fn second_four_bits(&self, offset: usize) -> Option<u8> {
        self.u8_at(offset).map(|byte| bits(byte, 4, 4))
    }

    fn first_bit(&self, offset: usize) -> Option<bool> {
        self.u8_at(offset).map(|byte| bits(byte, 0, 1) == 1)
    }

    fn second_two_bits(&self, offset: usize) -> Option<u8> {
        self.u8_at(offset).map(|byte| bits(byte, 1, 2))
    }
}

/// A C bit field of a byte. Compilers begin at the low end on a little-endian machine, at the high
/// end on a big-endian one.
fn bits(byte: u8, skip: u32, width: u32) -> u8 {
    let shift = if cfg!(target_endian = "little") {
        skip
    } else {
        u8::BITS - skip - width
    };
    (byte >> shift) & ((1 << width) - 1)
}

impl PartialEq for TcpInfo {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for TcpInfo {}

impl std::hash::Hash for TcpInfo {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each byte is its own offset, modulo 256.
    fn numbered(size: usize) -> TcpInfo {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(size).collect();
        TcpInfo::from_bytes(&bytes)
    }

    fn filled_in(size: usize) -> usize {
        let fields = numbered(size).fields();
        fields
            .iter()
            .filter(|(_, value, _)| value.is_some())
            .count()
    }

    fn last_field(size: usize) -> &'static str {
        let fields = numbered(size).fields();
        let last = fields.iter().rfind(|(_, value, _)| value.is_some());
        last.map_or("", |(name, ..)| name)
    }

    #[test]
    fn an_older_kernel_fills_in_fewer_fields() {
        let versions = [104, 136, 192, 232, 240, 248, 280].map(|size| (size, last_field(size)));
        let expected = [
            (104, "total_retrans"),
            (136, "bytes_received"),
            (192, "sndbuf_limited"),
            (232, "snd_wnd"),
            (240, "rehash"),
            (248, "total_rto_time"),
            (280, "accecn_word"),
        ];
        assert_eq!(versions, expected);
    }

    #[test]
    fn a_later_kernels_record_has_all_fields_and_its_own_size() {
        assert_eq!(filled_in(300), numbered(300).fields().len());
        assert_eq!(numbered(300).size(), 300);
        assert_eq!(numbered(1000).size(), CAPACITY);
    }

    #[test]
    fn a_field_that_is_filled_in_by_half_is_none() {
        assert_eq!(numbered(107).pacing_rate(), None);
        assert_eq!(numbered(111).pacing_rate(), None);
        assert!(numbered(112).pacing_rate().is_some());
        assert_eq!(filled_in(0), 0);
    }

    #[test]
    fn fields_lie_one_after_the_other() {
        let info = numbered(280);
        assert_eq!(info.state(), 0);
        assert_eq!(info.ca_state(), Some(1));
        assert_eq!(info.rto(), Some(u32::from_ne_bytes([8, 9, 10, 11])));
        assert_eq!(info.total_rto(), Some(u16::from_ne_bytes([240, 241])));
        let eight = [104, 105, 106, 107, 108, 109, 110, 111];
        assert_eq!(info.pacing_rate(), Some(u64::from_ne_bytes(eight)));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn bit_fields_are_taken_apart() {
        let mut bytes = [0; 104];
        (bytes[6], bytes[7]) = (0x7a, 0b101);
        let info = TcpInfo::from_bytes(&bytes);
        assert_eq!(info.snd_wscale(), Some(10));
        assert_eq!(info.rcv_wscale(), Some(7));
        assert_eq!(info.delivery_rate_app_limited(), Some(true));
        assert_eq!(info.fastopen_client_fail(), Some(2));
    }

    #[test]
    fn records_are_equal_where_the_kernel_said_the_same() {
        assert_eq!(numbered(248), numbered(248));
        assert_ne!(numbered(248), numbered(280));
    }

    #[test]
    fn only_a_tcp_socket_has_one() {
        let tcp = Socket::new(libc::AF_INET, libc::SOCK_STREAM, 0).unwrap();
        let info = TcpInfo::of(&tcp).unwrap();
        assert_eq!(info.state(), 7);
        assert!(info.size() >= 104);
        let udp = Socket::new(libc::AF_INET, libc::SOCK_DGRAM, 0).unwrap();
        let error = TcpInfo::of(&udp).unwrap_err();
        assert!(error.is(libc::EOPNOTSUPP));
        assert_eq!(
            error.note(),
            Some("getsockopt TCP_INFO: this is not a TCP socket")
        );
    }
}
