//! Layer 2: native endpoints. A peer is an event loop on a thread of its own that serves any
//! number of connections, and a [`Handle`] to watch and stop it.
//!
//! What a peer *does* is a [`Behaviour`]: pure logic, compiled into the loop. How it is done (when
//! to read, how to send, what a hang-up means) is the same for all and lives in `connection.rs`.

mod acceptor;
mod bound_path;
mod chargen;
mod connection;
mod counters;
mod discard;
mod echo;
mod handle;
mod server;

pub use chargen::Chargen;
pub use counters::Snapshot;
pub use discard::Discard;
pub use echo::Echo;
pub use handle::{Handle, start};

use crate::error::Result;
use crate::net::Addr;

/// What a peer does with a connection. No input or output happens here, and it holds no descriptor:
/// it moves to a thread whose table has others (`sys::table`).
pub trait Behaviour: Send + 'static {
    /// What it remembers of each connection.
    type State: Default + Send;

    /// Whether it looks at what it receives. If not, TCP need not even copy it (`MSG_TRUNC`), and
    /// what [`Behaviour::reply`] is given is noise of the right length.
    const LOOKS: bool;

    /// Whether it sends of its own accord, for ever, whenever there is room. Such a peer outlives
    /// the end of its input: only an error ends it.
    const ENDLESS: bool;

    /// What to send for a chunk of the stream: often the chunk itself, or nothing.
    fn reply<'data>(&'data self, state: &'data mut Self::State, chunk: &'data [u8]) -> &'data [u8];

    /// The next bytes of the endless source; the loop sends as many as fit.
    /// Never empty where there is one.
    fn source<'data>(&'data self, _state: &'data Self::State) -> &'data [u8] {
        &[]
    }

    /// `sent` bytes of the source are on their way.
    fn advance(&self, _state: &mut Self::State, _sent: usize) {}
}

/// How connections are watched (epoll(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trigger {
    /// Reported while ready: one recv(2) per report.
    Level,
    /// Reported when something happened (`EPOLLET`): read until drained.
    #[default]
    Edge,
}

/// How a peer serves.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How connections are watched.
    pub trigger: Trigger,
    /// With so many connections open it accepts no more: clients wait in the backlog.
    pub max_connections: Option<usize>,
    /// For listen(2).
    pub backlog: i32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            trigger: Trigger::default(),
            max_connections: None,
            backlog: 4096,
        }
    }
}

/// The peers that need no parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// RFC 862: sends back what it receives.
    Echo,
    /// RFC 863: throws away what it receives.
    Discard,
    /// RFC 864: sends lines of characters for ever.
    Chargen,
}

/// Starts a peer that listens on `address`.
///
/// # Errors
///
/// As [`start`].
pub fn serve(service: Service, address: &Addr, options: Options) -> Result<Handle> {
    match service {
        Service::Echo => start("epollkit-echo", Echo, address, options),
        Service::Discard => start("epollkit-discard", Discard, address, options),
        Service::Chargen => start("epollkit-chargen", Chargen::new(), address, options),
    }
}
