//! `FdSets`: what select(2) is asked, and then what it answered.

use std::time::Duration;

use crate::error::{Op, Result};
use crate::sys::select::{self, FdSet};

/// The three bitmaps of one select(2).
#[derive(Clone, Copy, Debug, Default)]
pub struct FdSets {
    /// Asked: readable? Answered: data, end of stream, a connection, or an error.
    pub read: FdSet,
    /// Asked: writable? Answered: room in the send buffer, a finished connect, or an error.
    pub write: FdSet,
    /// Asked: exceptional? Answered: out-of-band data.
    pub except: FdSet,
}

impl FdSets {
    /// pselect6(2): leaves what is ready, and nothing when the time is up. `None` waits for ever.
    ///
    /// # Errors
    ///
    /// `EBADF` when a number is not open. `EINTR` when a signal arrived: the sets are as they were,
    /// so the wait can go on.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<()> {
        select::select(&mut self.read, &mut self.write, &mut self.except, timeout)
            .op("select")
            .map(drop)
    }
}
