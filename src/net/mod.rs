//! Layer 1: sockets, over socket2. Addresses, the calls, and connecting without blocking.

pub mod addr;
pub mod connect;
pub mod control;
pub mod dialer;
pub mod names;
pub mod race;
pub mod resolve;
pub mod segments;
pub mod socket;
pub mod tcp_info;

pub use addr::Addr;
pub use connect::{Connecting, Options, Progress};
pub use dialer::{Dialer, Outcome};
pub use names::{Names, Settled};
pub use race::{Lost, Race};
pub use resolve::{Query, Resolving};
pub use socket::Socket;
pub use tcp_info::TcpInfo;
