//! `PollSet`: what poll(2) is to be asked, in the order of registration.
//!
//! poll(2) takes an array and knows nothing from one call to the next, so the set lives here. The
//! array stays in order, which is the order of the answers; to take an entry out of its middle
//! leaves a hole, and the holes are closed when the array is needed or half of it is holes.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::time::Duration;

use crate::error::{Op, Result};
use crate::sys::poll::{self, PollFd};

/// A hole: the number is taken by nobody.
const HOLE: RawFd = -1;

/// Where each number's entry is. An index is quicker than a hash, and descriptors are small numbers;
/// but any number may be asked about, and the index must not grow to the greatest.
#[derive(Debug, Default)]
struct Places {
    low: Vec<Option<usize>>,
    high: HashMap<RawFd, usize>,
    count: usize,
}

/// The index takes 1 MiB at most.
const INDEXED: usize = 1 << 16;

impl Places {
    fn get(&self, fd: RawFd) -> Option<usize> {
        match indexed(fd) {
            Some(at) => *self.low.get(at)?,
            None => self.high.get(&fd).copied(),
        }
    }

    fn set(&mut self, fd: RawFd, place: usize) {
        let before = match indexed(fd) {
            Some(at) => {
                if at >= self.low.len() {
                    self.low.resize(at + 1, None);
                }
                self.low[at].replace(place)
            }
            None => self.high.insert(fd, place),
        };
        self.count += usize::from(before.is_none());
    }

    fn remove(&mut self, fd: RawFd) -> Option<usize> {
        let place = match indexed(fd) {
            Some(at) => self.low.get_mut(at)?.take(),
            None => self.high.remove(&fd),
        }?;
        self.count -= 1;
        Some(place)
    }
}

fn indexed(fd: RawFd) -> Option<usize> {
    usize::try_from(fd).ok().filter(|at| *at < INDEXED)
}

/// Descriptor numbers and what to ask about each.
#[derive(Debug, Default)]
pub struct PollSet {
    entries: Vec<PollFd>,
    places: Places,
}

impl PollSet {
    /// Asks for `events` on `fd`, which is not negative; of a number that is in the set already
    /// this changes the events and not the place.
    pub fn register(&mut self, fd: RawFd, events: u16) {
        let entry = PollFd::new(fd, events);
        if let Some(place) = self.places.get(fd) {
            self.entries[place] = entry;
        } else {
            self.places.set(fd, self.entries.len());
            self.entries.push(entry);
        }
    }

    /// Changes the events. False: the number is not in the set.
    #[must_use]
    pub fn modify(&mut self, fd: RawFd, events: u16) -> bool {
        let Some(place) = self.places.get(fd) else {
            return false;
        };
        self.entries[place] = PollFd::new(fd, events);
        true
    }

    /// Takes the number out. False: it is not in the set.
    #[must_use]
    pub fn unregister(&mut self, fd: RawFd) -> bool {
        let Some(place) = self.places.remove(fd) else {
            return false;
        };
        if place + 1 == self.entries.len() {
            self.entries.pop();
        } else {
            self.entries[place] = PollFd::new(HOLE, 0);
        }
        if self.entries.len() > 2 * self.places.count {
            self.close_holes();
        }
        true
    }

    /// How many numbers are in the set.
    pub fn len(&self) -> usize {
        self.places.count
    }

    /// Whether the set has no number.
    pub fn is_empty(&self) -> bool {
        self.places.count == 0
    }

    /// Puts the entries, without holes, in place of what `into` held: a wait works on a copy, so
    /// the set can change meanwhile.
    pub fn copy_into(&mut self, into: &mut Vec<PollFd>) {
        // The kernel would skip holes, but it counts them: no more entries than RLIMIT_NOFILE.
        if self.entries.len() > self.places.count {
            self.close_holes();
        }
        into.clear();
        into.extend_from_slice(&self.entries);
    }

    fn close_holes(&mut self) {
        self.entries.retain(|entry| entry.fd() != HOLE);
        for (place, entry) in self.entries.iter().enumerate() {
            self.places.set(entry.fd(), place);
        }
    }
}

/// ppoll(2) on a copy of a set. How many entries have something, none when the time is up; `None`
/// waits for ever.
///
/// # Errors
///
/// `EINTR` when a signal arrived: go on waiting. `EINVAL` for more entries than `RLIMIT_NOFILE`.
#[inline]
pub fn wait(entries: &mut [PollFd], timeout: Option<Duration>) -> Result<usize> {
    poll::poll(entries, timeout).op("poll")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(set: &mut PollSet) -> Vec<RawFd> {
        let mut entries = Vec::new();
        set.copy_into(&mut entries);
        entries.iter().map(|entry| entry.fd()).collect()
    }

    fn of(numbers: impl IntoIterator<Item = RawFd>) -> PollSet {
        let mut set = PollSet::default();
        for fd in numbers {
            set.register(fd, 1);
        }
        set
    }

    #[test]
    fn the_order_is_that_of_registration() {
        let mut set = of([5, 3, 9, 4]);
        assert_eq!(numbers(&mut set), [5, 3, 9, 4]);
        assert!(set.unregister(3));
        set.register(5, 2);
        set.register(3, 1);
        assert_eq!(numbers(&mut set), [5, 9, 4, 3]);
        assert_eq!(set.len(), 4);
    }

    #[test]
    fn a_number_is_found_after_holes_were_closed() {
        let mut set = of(0..100);
        assert!((0..99).all(|fd| set.unregister(fd)));
        assert!(set.modify(99, 4));
        assert_eq!(numbers(&mut set), [99]);
        assert!(set.unregister(99) && set.is_empty());
    }

    #[test]
    fn holes_never_outnumber_the_entries() {
        let mut set = of([0]);
        for fd in 1..1000 {
            set.register(fd, 1);
            set.register(1000, 1);
            assert!(set.unregister(fd));
            assert!(set.unregister(1000));
            assert!(set.entries.len() <= 2 * set.len());
        }
        assert_eq!(numbers(&mut set), [0]);
    }

    #[test]
    fn a_number_of_any_size_can_be_asked_about() {
        let wanted = [RawFd::MAX, 3, 65535, 65536, 0];
        let mut set = of(wanted);
        assert_eq!(numbers(&mut set), wanted);
        assert!(wanted.iter().all(|fd| set.modify(*fd, 2)));
        assert!(set.unregister(RawFd::MAX) && set.unregister(65535));
        assert!(!set.modify(RawFd::MAX, 1) && !set.modify(65535, 1));
        assert_eq!(numbers(&mut set), [3, 65536, 0]);
        assert!(set.modify(65536, 1));
    }

    #[test]
    fn unknown_numbers_are_refused() {
        let mut set = of([7]);
        assert!(!set.modify(8, 1));
        assert!(!set.unregister(8));
        assert_eq!(numbers(&mut set), [7]);
    }
}
