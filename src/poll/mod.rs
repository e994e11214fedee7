//! Layer 1: readiness asked anew each time: poll(2) and select(2).

mod select;
mod set;

pub use crate::sys::poll::PollFd;
pub use crate::sys::select::{FD_SETSIZE, FdSet};
pub use select::FdSets;
pub use set::{PollSet, wait};
