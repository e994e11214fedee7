//! Layer 3: the only pyo3. No logic: extract, call, convert.
//!
//! The GIL rule: detach only around something that can sleep. A call on a non-blocking descriptor
//! cannot, and giving the GIL away at each one lets a busy Python thread in (the convoy effect).

#![expect(
    clippy::needless_pass_by_value,
    reason = "pyo3 hands arguments over by value: the extracted type is the conversion"
)]
#![expect(clippy::unused_self, reason = "Python calls __reduce__ on an object")]

pub(crate) mod address;
pub(crate) mod args;
pub(crate) mod buffer;
pub(crate) mod connect;
pub(crate) mod connect_many;
pub(crate) mod connecting;
pub(crate) mod create;
pub(crate) mod epoll;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod families;
pub(crate) mod hint;
pub(crate) mod load;
pub(crate) mod objects;
pub(crate) mod peer;
pub(crate) mod poll;
pub(crate) mod recv;
pub(crate) mod resolve;
pub(crate) mod sample;
pub(crate) mod sampler;
pub(crate) mod select;
pub(crate) mod socket;
pub(crate) mod sources;
pub(crate) mod wait;
