//! The core against the kernel: one binary, one module per subject. No mocks and no sleeps; what
//! must happen has [`support::BOUND`] to do so, and what must not is followed by what does.

#![expect(clippy::unwrap_used, reason = "tests: a panic is the answer")]

mod connect;
mod epoll;
mod layers;
mod load;
mod peer;
mod scope;
mod support;
