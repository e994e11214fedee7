//! `Registry`: what the caller attached to each descriptor, and which registration an event means.
//!
//! A descriptor number is not an identity: between epoll_wait(2) and the moment an event is
//! looked at, the number may have been unregistered, closed, and given to another file. So the
//! token that goes to the kernel is the number and a generation, which grows with each
//! registration of that number; an event whose generation is not the current one is stale.

use std::os::fd::RawFd;

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    entry: Option<T>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            generation: 0,
            entry: None,
        }
    }
}

/// What an event means to this registry.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning<'registry, T> {
    /// This registration.
    Live(&'registry T),
    /// A registration that is gone.
    Stale,
    /// One that somebody else has made: the set is shared (fork, dup), and this registry has never
    /// seen the number.
    Foreign,
}

/// Entries by descriptor, checked by generation. Indexed by number: descriptors are small.
#[derive(Debug)]
pub struct Registry<T> {
    slots: Vec<Slot<T>>,
}

impl<T> Default for Registry<T> {
    fn default() -> Self {
        Self { slots: Vec::new() }
    }
}

impl<T> Registry<T> {
    /// The token that the next registration of `fd` will have. `fd` is not negative.
    pub fn next_token(&self, fd: RawFd) -> u64 {
        let generation = index(fd)
            .and_then(|at| self.slots.get(at))
            .map_or(0, |slot| slot.generation);
        token(fd, generation.wrapping_add(1))
    }

    /// Records a registration that the kernel has accepted with [`Registry::next_token`]. Gives
    /// back what it replaces: the entry of a number that was closed without being unregistered.
    pub fn insert(&mut self, fd: RawFd, entry: T) -> Option<T> {
        let at = index(fd)?;
        if at >= self.slots.len() {
            self.slots.resize_with(at + 1, Slot::default);
        }
        let slot = &mut self.slots[at];
        slot.generation = slot.generation.wrapping_add(1);
        slot.entry.replace(entry)
    }

    /// Forgets a registration; its events are stale from here on.
    pub fn remove(&mut self, fd: RawFd) -> Option<T> {
        self.slots.get_mut(index(fd)?)?.entry.take()
    }

    /// The entry and the token of a descriptor.
    pub fn get_mut(&mut self, fd: RawFd) -> Option<(u64, &mut T)> {
        let slot = self.slots.get_mut(index(fd)?)?;
        let token = token(fd, slot.generation);
        slot.entry.as_mut().map(|entry| (token, entry))
    }

    /// What an event means.
    pub fn resolve(&self, token: u64) -> Meaning<'_, T> {
        let slot = index(fd_of(token)).and_then(|at| self.slots.get(at));
        match slot {
            Some(slot) if slot.generation > 0 => match &slot.entry {
                Some(entry) if slot.generation == generation_of(token) => Meaning::Live(entry),
                _ => Meaning::Stale,
            },
            _ => Meaning::Foreign,
        }
    }

    /// All entries.
    pub fn entries(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.entry.as_ref())
    }

    /// Empties the registry and gives back what was in it.
    pub fn clear(&mut self) -> Vec<T> {
        self.slots
            .iter_mut()
            .filter_map(|slot| slot.entry.take())
            .collect()
    }
}

fn index(fd: RawFd) -> Option<usize> {
    usize::try_from(fd).ok()
}

fn token(fd: RawFd, generation: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(fd.cast_unsigned())
}

/// The descriptor number in a token.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the low half is the number"
)]
pub fn fd_of(token: u64) -> RawFd {
    (token as u32).cast_signed()
}

fn generation_of(token: u64) -> u32 {
    (token >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_a_removed_registration_is_stale() {
        let mut registry = Registry::default();
        let token = registry.next_token(7);
        assert_eq!(fd_of(token), 7);
        registry.insert(7, "first");
        assert_eq!(registry.resolve(token), Meaning::Live(&"first"));
        assert_eq!(registry.remove(7), Some("first"));
        assert_eq!(registry.resolve(token), Meaning::Stale);
    }

    #[test]
    fn an_event_of_the_numbers_last_owner_is_stale() {
        let mut registry = Registry::default();
        let old = registry.next_token(7);
        registry.insert(7, "first");
        let new = registry.next_token(7);
        assert_eq!(registry.insert(7, "second"), Some("first"));
        assert_eq!(registry.resolve(old), Meaning::Stale);
        assert_eq!(registry.resolve(new), Meaning::Live(&"second"));
        assert_eq!(registry.get_mut(7), Some((new, &mut "second")));
    }

    #[test]
    fn unknown_numbers_have_no_entry() {
        let mut registry = Registry::<()>::default();
        assert!(registry.remove(3).is_none());
        assert_eq!(registry.resolve(registry.next_token(3)), Meaning::Foreign);
        assert!(registry.insert(-1, ()).is_none());
        assert_eq!(registry.entries().count(), 0);
    }
}
