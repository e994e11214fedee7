//! Layer 2: the sampling mode of the readiness oscilloscope.
//!
//! A thread looks at some of the program's own descriptors at a fixed rate and records what has
//! changed. It is a spectator:
//!
//! - Between two looks it holds nothing. During one it borrows a [`crate::net::Socket`] through its
//!   cell, so a close waits for the microseconds of the look and is then the last. Of other
//!   descriptors it knows the number and what file that was, and compares; the kernel holds the file
//!   during each system call, as it does for every thread's.
//! - What it borrows, a child never inherits: `sys::fork`.
//! - It takes no data, no error and no event, and changes no option.
//! - It needs no lock of the interpreter.
//!
//! One trace is left, and it is poll(2)'s: asked about a TCP socket without room to send, the kernel
//! makes a note (`SOCK_NOSPACE`) to wake everybody when there is room again. The program's own poll,
//! `EAGAIN`, a short send and every look of epoll_wait(2) make the same note. Where none of them has,
//! an edge-triggered `EPOLLOUT` comes that would not have come.
//!
//! | file      | what                                                       |
//! |-----------|------------------------------------------------------------|
//! | `sample`  | what is recorded                                           |
//! | `ring`    | where it is kept: the newest so many                       |
//! | `pace`    | when to look                                               |
//! | `source`  | what is looked at, and whether it is still the same        |
//! | `watch`   | one look at all sources: what has changed                  |
//! | `board`   | what the thread puts up: records and numbers               |
//! | `sampler` | the thread and its handle                                  |

mod board;
mod pace;
mod ring;
mod sample;
mod sampler;
mod source;
mod watch;

pub use board::Counters;
pub use sample::{Reading, Sample};
pub use sampler::{MOST_RECORDS, MOST_SOURCES, SHORTEST_INTERVAL, Sampler};
pub use source::Source;
