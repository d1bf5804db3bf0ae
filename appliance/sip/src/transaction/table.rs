//! Transactions by key, by identity and by deadline. Each operation costs at most a tree step, however many wait.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use slab::Slab;

use super::identity::{AsIsBuilder, Identity};

/// Place of an entry, with a serial number that is never used again: a stale key finds nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Key {
    serial: u64,
    index: u32,
}

pub(super) struct Table<T> {
    slots: Slab<Slot<T>>,
    by_identity: HashMap<Identity, u32, AsIsBuilder>,
    deadlines: BTreeSet<(Instant, Key)>,
    serial: u64,
}

struct Slot<T> {
    serial: u64,
    identity: Identity,
    second_identity: Option<Identity>,
    deadline: Option<Instant>,
    value: T,
}

// A table that a burst has grown beyond this gives its memory back once it is empty.
const KEEP_WHEN_EMPTY: usize = 1024;

impl<T> Table<T> {
    pub(super) fn new() -> Table<T> {
        Table {
            slots: Slab::new(),
            by_identity: HashMap::default(),
            deadlines: BTreeSet::new(),
            serial: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn insert(&mut self, identity: Identity, second_identity: Option<Identity>, value: T) -> Key {
        self.serial += 1;
        let serial = self.serial;
        let index = self.slots.insert(Slot {
            serial,
            identity,
            second_identity,
            deadline: None,
            value,
        });
        let key = Key {
            serial,
            index: index as u32,
        };
        self.by_identity.insert(identity, key.index);
        if let Some(second) = second_identity {
            self.by_identity.insert(second, key.index);
        }
        key
    }

    pub(super) fn find(&self, identity: Identity) -> Option<Key> {
        let index = *self.by_identity.get(&identity)?;
        self.slots.get(index as usize).map(|slot| Key {
            serial: slot.serial,
            index,
        })
    }

    pub(super) fn identity(&self, key: Key) -> Option<Identity> {
        self.slots
            .get(key.index as usize)
            .filter(|slot| slot.serial == key.serial)
            .map(|slot| slot.identity)
    }

    pub(super) fn value(&self, key: Key) -> Option<&T> {
        self.slots
            .get(key.index as usize)
            .filter(|slot| slot.serial == key.serial)
            .map(|slot| &slot.value)
    }

    pub(super) fn value_mut(&mut self, key: Key) -> Option<&mut T> {
        self.slot_mut(key).map(|slot| &mut slot.value)
    }

    fn slot_mut(&mut self, key: Key) -> Option<&mut Slot<T>> {
        self.slots
            .get_mut(key.index as usize)
            .filter(|slot| slot.serial == key.serial)
    }

    /// Sets the one deadline of an entry.
    pub(super) fn arm(&mut self, key: Key, deadline: Option<Instant>) {
        let Some(slot) = self.slot_mut(key) else { return };
        let earlier = std::mem::replace(&mut slot.deadline, deadline);
        if earlier == deadline {
            return;
        }
        if let Some(at) = earlier {
            self.deadlines.remove(&(at, key));
        }
        if let Some(at) = deadline {
            self.deadlines.insert((at, key));
        }
    }

    /// The entry with the earliest deadline.
    pub(super) fn next(&self) -> Option<(Instant, Key)> {
        self.deadlines.first().copied()
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        self.value(key)?;
        let slot = self.slots.remove(key.index as usize);
        for identity in [Some(slot.identity), slot.second_identity].into_iter().flatten() {
            self.by_identity.remove(&identity);
        }
        if let Some(at) = slot.deadline {
            self.deadlines.remove(&(at, key));
        }
        if self.slots.is_empty() && self.slots.capacity() > KEEP_WHEN_EMPTY {
            self.slots = Slab::new();
            self.by_identity = HashMap::default();
        }
        Some(slot.value)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slots.iter().map(|(index, slot)| {
            (
                Key {
                    serial: slot.serial,
                    index: index as u32,
                },
                &slot.value,
            )
        })
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().map(|(_, slot)| &mut slot.value)
    }
}
