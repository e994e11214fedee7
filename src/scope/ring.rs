//! A bounded ring: it keeps the newest so many, and knows how many there were.

use std::collections::{TryReserveError, VecDeque};

#[derive(Debug)]
pub(super) struct Ring<T> {
    kept: VecDeque<T>,
    capacity: usize,
}

impl<T: Copy> Ring<T> {
    /// Room for `capacity` items, at least one, taken at once: a ring that grew would be late.
    ///
    /// # Errors
    ///
    /// There is no memory for so many.
    pub(super) fn new(capacity: usize) -> Result<Self, TryReserveError> {
        let capacity = capacity.max(1);
        let mut kept = VecDeque::new();
        kept.try_reserve_exact(capacity)?;
        Ok(Self { kept, capacity })
    }

    /// Puts an item in, over the oldest if there is no room. Whether one was lost.
    pub(super) fn push(&mut self, item: T) -> bool {
        let is_full = self.kept.len() == self.capacity;
        if is_full {
            self.kept.pop_front();
        }
        self.kept.push_back(item);
        is_full
    }

    /// What is kept, oldest first.
    pub(super) fn contents(&self) -> Vec<T> {
        let (older, newer) = self.kept.as_slices();
        [older, newer].concat()
    }

    /// Lets go of the items and of their memory; there is room for one from here on.
    pub(super) fn discard(&mut self) {
        self.kept = VecDeque::new();
        self.capacity = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_newest_in_order_and_tells_of_each_loss() {
        for capacity in 1..6 {
            let mut ring = Ring::new(capacity).unwrap();
            for item in 0..20 {
                assert_eq!(ring.push(item), item >= capacity, "{item} of {capacity}");
                let oldest = (item + 1).saturating_sub(capacity);
                assert_eq!(ring.contents(), (oldest..=item).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn its_memory_is_taken_once() {
        let mut ring = Ring::new(1000).unwrap();
        let room = ring.kept.capacity();
        for item in 0..5000 {
            ring.push(item);
        }
        assert_eq!(ring.kept.capacity(), room);
    }

    #[test]
    fn what_is_discarded_is_gone() {
        let mut ring = Ring::new(8).unwrap();
        ring.push(1);
        ring.discard();
        assert!(ring.contents().is_empty() && ring.kept.capacity() == 0);
    }

    #[test]
    fn more_than_there_is_memory_for_is_an_error() {
        assert!(Ring::<u64>::new(usize::MAX).is_err());
    }
}
