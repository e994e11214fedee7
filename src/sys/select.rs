#![expect(unsafe_code, reason = "pselect")]
//! select(2): bitmaps of descriptors, up to [`FD_SETSIZE`].

use std::io;
use std::os::fd::RawFd;
use std::ptr;
use std::time::Duration;

use super::clock::to_timespec;
use super::cvt;

/// The first number that an `fd_set` has no bit for.
pub const FD_SETSIZE: usize = libc::FD_SETSIZE;

const BITS: usize = libc::c_ulong::BITS as usize;

type Words = [libc::c_ulong; FD_SETSIZE / BITS];

const _: () = assert!(size_of::<Words>() == size_of::<libc::fd_set>());
const _: () = assert!(align_of::<Words>() == align_of::<libc::fd_set>());

/// `fd_set`: one bit per number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FdSet {
    words: Words,
    /// No bit is set from here on.
    end: libc::c_int,
}

impl FdSet {
    /// Sets the number's bit. False: there is no such bit.
    #[inline]
    pub fn insert(&mut self, fd: RawFd) -> bool {
        let Some((word, bit)) = place(fd) else {
            return false;
        };
        self.words[word] |= bit;
        self.end = self.end.max(fd + 1);
        true
    }

    /// Whether the number's bit is set.
    #[inline]
    pub fn contains(&self, fd: RawFd) -> bool {
        place(fd).is_some_and(|(word, bit)| self.words[word] & bit != 0)
    }

    /// For the kernel, which is spared a copy there and back by NULL for an empty set.
    fn as_ptr(&mut self) -> *mut libc::fd_set {
        match self.end {
            0 => ptr::null_mut(),
            _ => (&raw mut self.words).cast(),
        }
    }
}

/// The word and the bit in it; the layout is the kernel's `__kernel_fd_set`.
#[inline]
fn place(fd: RawFd) -> Option<(usize, libc::c_ulong)> {
    let fd = usize::try_from(fd).ok().filter(|fd| *fd < FD_SETSIZE)?;
    Some((fd / BITS, 1 << (fd % BITS)))
}

/// pselect6(2): leaves in each set what is ready, and says how many that are; none when the time is
/// up. `None` waits for ever.
///
/// # Errors
///
/// `EBADF` when a number is not open; one past the end of the process's table, which grows with the
/// numbers that it has had, is overlooked (select(2), BUGS). `EINTR` when a signal arrived; it is not retried here. The
/// sets then are as they were.
pub fn select(
    read: &mut FdSet,
    write: &mut FdSet,
    except: &mut FdSet,
    timeout: Option<Duration>,
) -> io::Result<usize> {
    let end = read.end.max(write.end).max(except.end);
    let timespec = timeout.map(to_timespec);
    let limit = timespec.as_ref().map_or(ptr::null(), ptr::from_ref);
    let [read, write, except] = [read, write, except].map(FdSet::as_ptr);
    // SAFETY: three bitmaps, live and laid out as `fd_set`, with no bit from `end` on, or NULL; a
    // live timespec or NULL (forever); no signal mask.
    let ready = cvt(unsafe { libc::pselect(end, read, write, except, limit, ptr::null()) })?;
    Ok(usize::try_from(ready).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_below_the_end_has_a_bit_of_its_own() {
        for fd in [0, 1, 63, 64, 1023] {
            let mut set = FdSet::default();
            assert!(set.insert(fd) && set.contains(fd));
            assert_eq!(set.end, fd + 1);
            let others = (0..1024).filter(|other| *other != fd);
            assert!(others.into_iter().all(|other| !set.contains(other)));
        }
    }

    #[test]
    fn other_numbers_have_none() {
        let mut set = FdSet::default();
        for fd in [-1, 1024, RawFd::MAX, RawFd::MIN] {
            assert!(!set.insert(fd) && !set.contains(fd));
        }
        assert_eq!(set, FdSet::default());
    }
}
