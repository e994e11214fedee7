#![expect(unsafe_code, reason = "getrlimit, setrlimit")]
//! RLIMIT_NOFILE: how many descriptors this process may have.

use std::io;

use super::cvt;

/// Soft and hard limit on open descriptors (getrlimit(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimit {
    /// In force now; a process may raise it to `hard`.
    pub soft: u64,
    /// The ceiling; root may raise it to `fs.nr_open`.
    pub hard: u64,
}

/// getrlimit(2) `RLIMIT_NOFILE`.
///
/// # Errors
///
/// None on Linux.
pub fn file_limit() -> io::Result<FileLimit> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: fills in a live rlimit.
    cvt(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    Ok(FileLimit {
        soft: limit.rlim_cur,
        hard: limit.rlim_max,
    })
}

/// setrlimit(2) `RLIMIT_NOFILE`.
///
/// # Errors
///
/// `EPERM` above the hard limit without `CAP_SYS_RESOURCE`, or above `fs.nr_open`.
pub fn set_file_limit(limit: FileLimit) -> io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: limit.soft,
        rlim_max: limit.hard,
    };
    // SAFETY: reads a live rlimit.
    cvt(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }).map(drop)
}
