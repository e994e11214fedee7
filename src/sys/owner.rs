//! Which process a thread lives in: after fork(2) only the forking thread exists in the child.
//!
//! A child inherits the handles of its parent's threads, not the threads. Joining one would wait
//! for ever, and ringing its bell would wake the parent's.

use std::process;

/// The process that made something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner(u32);

impl Owner {
    /// This process.
    pub fn here() -> Self {
        Self(process::id())
    }

    /// Whether this is still the process that made it, and not a child of it.
    pub fn is_here(self) -> bool {
        self == Self::here()
    }
}
