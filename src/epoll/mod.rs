//! Layer 1: readiness.

mod flags;
mod registry;
mod set;

pub use flags::EventFlags;
pub use registry::{Meaning, Registry, fd_of};
pub use set::Epoll;
