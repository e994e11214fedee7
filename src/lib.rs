//! Linux sockets and epoll for Python exactly as the kernel does them, with the hot loop in Rust.
//!
//! Layers, each using only those before it:
//!
//! | layer | modules           | what it is                                                   |
//! |-------|-------------------|--------------------------------------------------------------|
//! | 0     | `sys`             | the only libc and `unsafe`: one function per system call     |
//! | 1     | `net`, `epoll`    | sockets, connecting, readiness; never wait unless asked to   |
//! | 1     | `poll`            | the older ways to ask for readiness: poll(2), select(2)      |
//! | 1     | `worker`          | a native thread's turns, how to wait for them and end it     |
//! | 2     | `peer`, `load`    | native endpoints and load: event loops on their own threads  |
//! | 2     | `scope`           | a thread that watches descriptors and records what changes   |
//! | 3     | `py`              | the only pyo3: extract, call, convert                        |
//!
//! `cargo test --no-default-features` builds all but `py`, which proves that the core knows no
//! Python. ARCHITECTURE.md has the rules and the decisions.

#![deny(unsafe_code)]

#[cfg(not(target_os = "linux"))]
compile_error!("epollkit speaks epoll(7) and works on Linux only");

pub mod epoll;
pub mod error;
pub mod load;
pub mod net;
pub mod peer;
pub mod poll;
pub mod scope;
pub mod sys;
mod worker;

#[cfg(feature = "python")]
mod py;

/// The native half of epollkit.
#[cfg(feature = "python")]
#[pyo3::pymodule]
mod _epollkit {
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
    #[pymodule_export]
    use crate::py::connect::{connect, create_connection, host_to_resolve};
    #[pymodule_export]
    use crate::py::connect_many::{ConnectMany, ConnectResult, connect_many};
    #[pymodule_export]
    use crate::py::connecting::Connecting;
    #[pymodule_export]
    use crate::py::create::{fromfd, socketpair};
    #[pymodule_export]
    use crate::py::epoll::Epoll;
    #[pymodule_export]
    use crate::py::event::{Event, EventIterator, Events};
    #[pymodule_export]
    use crate::py::load::{ClosedLoop, LoopResult};
    #[pymodule_export]
    use crate::py::peer::{Counters, Peer, serve};
    #[pymodule_export]
    use crate::py::poll::Poll;
    #[pymodule_export]
    use crate::py::recv::Drained;
    #[pymodule_export]
    use crate::py::resolve::{getaddrinfo, gethostbyname, getnameinfo};
    #[pymodule_export]
    use crate::py::sample::Sample;
    #[pymodule_export]
    use crate::py::sampler::{Sampler, SamplerCounters};
    #[pymodule_export]
    use crate::py::select::select;
    #[pymodule_export]
    use crate::py::socket::Socket;
    #[pymodule_export]
    use crate::py::socket::tcp::TcpInfo;
}
