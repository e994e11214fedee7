//! What a look finds, and what of it is recorded.

/// One look at one source. Its parts are asked one after the other, so what happens in between can
/// show in one and not yet in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The level: `POLL*` bits of poll(2), asked for IN, PRI, OUT and RDHUP.
    pub flags: u16,
    /// `SIOCINQ`: bytes in the receive queue, where there is such a count.
    pub inq: Option<u32>,
    /// `SIOCOUTQ`: bytes in the send queue, where there is such a count.
    pub outq: Option<u32>,
    /// The first byte of `TCP_INFO`, of a TCP socket.
    pub state: Option<u8>,
}

/// A record: a source was first seen, was seen changed, or is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// `CLOCK_MONOTONIC` just after the reading: what is told had happened by then.
    pub t_ns: u64,
    /// What was seen; `None` when the source was closed, and this is its last record.
    pub reading: Option<Reading>,
    /// Which source, by its place in the list that was given.
    pub source: u16,
}

const _: () = assert!(size_of::<Sample>() == 32, "the documentation says 32 bytes");
