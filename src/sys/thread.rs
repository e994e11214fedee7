#![expect(unsafe_code, reason = "pthread_sigmask, prctl")]
//! Threads of our own inside a process that is somebody else's.
//!
//! - They take no signals: those are for the interpreter's main thread, whose wait they must end.
//!   The synchronous ones (`SIGSEGV`, ...) stay, for they are this thread's own.
//! - A panic is an answer, not an abort: it comes out of `join` as its text.

use std::any::Any;
use std::io;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::thread::{Builder, JoinHandle};

const SYNCHRONOUS: [libc::c_int; 6] = [
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGSEGV,
    libc::SIGTRAP,
];

/// Starts a thread; the kernel shows the first 15 bytes of `name`.
///
/// # Errors
///
/// `EAGAIN` when there is no room for another thread.
pub fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<Result<T, String>>> {
    Builder::new().name(name.to_owned()).spawn(move || {
        block_signals().map_err(|error| format!("pthread_sigmask: {error}"))?;
        caught(body)
    })
}

/// Runs `body`; if it panics, what it said. The caller must not use what `body` may have left
/// half-done, except to drop it.
///
/// # Errors
///
/// The panic's text.
pub fn caught<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| panic_text(&*payload))
}

/// What a panic said.
pub fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("(no text)"))
}

/// prctl(2) `PR_SET_TIMERSLACK`: how late the kernel may end this thread's waits, so that several end
/// at once. 50 us unless it is set; 1 is exact.
///
/// # Errors
///
/// None that Linux has.
pub fn set_timer_slack(nanoseconds: u32) -> io::Result<()> {
    let slack = libc::c_ulong::from(nanoseconds);
    // SAFETY: the request takes a number, and concerns this thread only.
    super::cvt(unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, slack) }).map(drop)
}

fn block_signals() -> io::Result<()> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset(3) initialises the set that it is given.
    super::cvt(unsafe { libc::sigfillset(set.as_mut_ptr()) })?;
    for signal in SYNCHRONOUS {
        // SAFETY: the set was initialised above.
        super::cvt(unsafe { libc::sigdelset(set.as_mut_ptr(), signal) })?;
    }
    // SAFETY: an initialised set, and no interest in the old one.
    let error = unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, set.as_ptr(), ptr::null_mut()) };
    match error {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_answer() {
        let thread = spawn("epollkit-test", || panic!("a {}", "reason")).unwrap();
        let answer: Result<(), String> = thread.join().unwrap();
        assert_eq!(answer.unwrap_err(), "panicked: a reason");
        assert_eq!(spawn("epollkit-test", || 7).unwrap().join().unwrap(), Ok(7));
    }

    #[test]
    fn timer_slack_is_the_threads_own() {
        let slack = || {
            let this = std::fs::read_link("/proc/thread-self").unwrap();
            let thread = this.file_name().unwrap().to_str().unwrap();
            std::fs::read_to_string(format!("/proc/{thread}/timerslack_ns")).unwrap()
        };
        let before = slack();
        let theirs = spawn("epollkit-test", move || {
            set_timer_slack(1).unwrap();
            slack()
        });
        assert_eq!(theirs.unwrap().join().unwrap().unwrap().trim(), "1");
        assert_eq!(slack(), before);
    }

    #[test]
    fn signals_are_for_the_main_thread() {
        let status = || std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let status = spawn("epollkit-test", status).unwrap().join().unwrap();
        let status = status.unwrap();
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
        let blocked = u64::from_str_radix(blocked.unwrap().trim(), 16).unwrap();
        let is_blocked = |signal: libc::c_int| blocked >> (signal - 1) & 1 == 1;
        assert!(is_blocked(libc::SIGINT) && is_blocked(libc::SIGTERM));
        assert!(!is_blocked(libc::SIGSEGV) && !is_blocked(libc::SIGABRT));
    }
}
