#![expect(unsafe_code, reason = "pthread_atfork")]
//! A gate that is shut while the process forks.
//!
//! fork(2) copies the locks as they are, and of the threads only the one that forks. What another
//! thread holds at that moment, the child can never release: a socket whose cell is lent out could
//! not be closed there. A thread of ours that holds such locks again and again does so inside a
//! [`Section`]; a fork waits for the sections under way and lets no new one begin until it is over.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Forks under way.
static FORKS: AtomicUsize = AtomicUsize::new(0);
/// Sections under way, or about to find out that they may not be.
static SECTIONS: AtomicUsize = AtomicUsize::new(0);

/// Between two looks at whether the other side is done. Both are soon: a section takes microseconds,
/// a fork as long as the kernel needs to copy a process.
#[expect(
    clippy::disallowed_methods,
    reason = "to wait on a condition takes a lock, which fork(2) would copy as it is"
)]
fn nap() {
    thread::sleep(Duration::from_micros(20));
}

/// No fork begins while one lives. Must not be held by a thread that forks.
#[derive(Debug)]
pub struct Section(());

impl Drop for Section {
    fn drop(&mut self) {
        SECTIONS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// pthread_atfork(3), once per process, and before the first [`Section`].
///
/// # Errors
///
/// `ENOMEM`.
pub fn install() -> io::Result<()> {
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if *installed {
        return Ok(());
    }
    // SAFETY: functions of this library, which stays loaded (CPython never unloads one); they touch
    // two numbers and sleep.
    match unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after_in_child)) } {
        0 => {
            *installed = true;
            Ok(())
        }
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// Begins a section, when no fork is under way.
///
/// Each side announces itself and then looks for the other, all in one order (`SeqCst`), so they
/// cannot both go on.
#[inline]
pub fn section() -> Section {
    loop {
        SECTIONS.fetch_add(1, Ordering::SeqCst);
        let section = Section(());
        if FORKS.load(Ordering::SeqCst) == 0 {
            return section;
        }
        drop(section);
        nap();
    }
}

extern "C" fn before() {
    FORKS.fetch_add(1, Ordering::SeqCst);
    while SECTIONS.load(Ordering::SeqCst) != 0 {
        nap();
    }
}

extern "C" fn after() {
    FORKS.fetch_sub(1, Ordering::SeqCst);
}

/// Other threads, which may have been about to fork or to begin a section, do not exist here.
extern "C" fn after_in_child() {
    FORKS.store(0, Ordering::SeqCst);
    SECTIONS.store(0, Ordering::SeqCst);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_fork_waits_for_sections_and_sections_for_a_fork() {
        install().unwrap();
        install().unwrap();
        let under_way = section();
        let (tell, told) = channel();
        let forker = thread::spawn(move || {
            before();
            tell.send("forks").unwrap();
            nap();
            tell.send("has forked").unwrap();
            after();
        });
        while FORKS.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        // It has come as far as it can.
        assert!(told.try_recv().is_err());
        drop(under_way);
        assert_eq!(told.recv().unwrap(), "forks");
        drop(section());
        assert_eq!(told.try_recv().unwrap(), "has forked");
        forker.join().unwrap();
    }
}
