//! Layer 1: a thread of ours that goes round and round, and what others know of it.
//!
//! | file    | what                                                            |
//! |---------|-----------------------------------------------------------------|
//! | `turns` | what both sides share: its turns, "stop", a way to wait         |
//! | `life`  | the other side: whether it runs, how to end it, how it ended    |
//!
//! What a turn does, and which numbers it publishes, is the business of whoever has such a thread.

mod life;
mod turns;

pub(crate) use life::{Ending, Worker};
pub(crate) use turns::{Over, Turns};
