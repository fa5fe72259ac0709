//! Finding a child by its parent and name.

use crate::arena::{BlockRef, Slot};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// The key of the hash that orders tables over names and paths.
///
/// Names come from clients: with an unknown key nobody can choose names that collide.
#[derive(Clone, Copy, Debug)]
pub struct SipKey {
    k0: u64,
    k1: u64,
}

impl From<[u64; 2]> for SipKey {
    fn from([k0, k1]: [u64; 2]) -> Self {
        Self { k0, k1 }
    }
}

impl SipKey {
    /// SipHash-1-3 of a number, as eight bytes, and a text behind it.
    pub fn hash(self, number: u32, text: &[u8]) -> u64 {
        let mut state = Sip {
            v0: self.k0 ^ 0x736f_6d65_7073_6575,
            v1: self.k1 ^ 0x646f_7261_6e64_6f6d,
            v2: self.k0 ^ 0x6c79_6765_6e65_7261,
            v3: self.k1 ^ 0x7465_6462_7974_6573,
        };
        state.absorb(u64::from(number));
        let (words, tail) = text.as_chunks::<8>();
        for word in words {
            state.absorb(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..tail.len()].copy_from_slice(tail);
        last[7] = (text.len() + 8) as u8;
        state.absorb(u64::from_le_bytes(last));
        state.finish()
    }
}

struct Sip {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl Sip {
    fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.rotate_left(32);
    }

    fn absorb(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.v0 ^= word;
    }

    fn finish(mut self) -> u64 {
        self.v2 ^= 0xff;
        self.round();
        self.round();
        self.round();
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }
}

/// How many tables the index is cut into. Each grows by itself, so no single insertion moves more than its share.
const SHARDS: usize = 256;
/// Entries in the smallest table.
const CAPACITY_MIN: usize = 8;

/// From the hash of (parent, name) to the slot and the record. It holds no names: callers compare.
///
/// Open addressing with linear probing. An entry keeps 32 bits of its hash, so a search seldom looks at a node it is not
/// after, and growing and removing look at none.
#[derive(Debug)]
pub(crate) struct Index {
    shards: Vec<Shard>,
}

impl Index {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::default()).collect() }
    }

    /// The node with this hash for whose record `same` holds.
    pub(crate) fn find(&self, hash: u64, mut same: impl FnMut(BlockRef) -> bool) -> Option<(Slot, BlockRef)> {
        let (shard, tag) = parts(hash);
        let (_, entry) =
            self.shards[shard].probe(tag).find(|(_, entry)| entry.tag == tag && same(entry.block))?;
        Some((entry.slot, entry.block))
    }

    /// Adds a node that is not there yet.
    pub(crate) fn insert(&mut self, hash: u64, slot: Slot, block: BlockRef) {
        let (shard, tag) = parts(hash);
        self.shards[shard].insert(Entry { tag, slot, block });
    }

    /// A record has moved to another block. Returns whose it is.
    pub(crate) fn replace(&mut self, hash: u64, from: BlockRef, to: BlockRef) -> Option<Slot> {
        let (shard, tag) = parts(hash);
        let shard = &mut self.shards[shard];
        let at = shard.position(tag, |entry| entry.block == from)?;
        shard.entries[at].block = to;
        Some(shard.entries[at].slot)
    }

    /// Removes a node.
    pub(crate) fn remove(&mut self, hash: u64, slot: Slot) {
        let (shard, tag) = parts(hash);
        self.shards[shard].remove(tag, slot);
    }
}

/// The shard, and what an entry keeps.
const fn parts(hash: u64) -> (usize, u32) {
    ((hash >> 32) as usize % SHARDS, hash as u32)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    tag: u32,
    slot: Slot,
    block: BlockRef,
}

impl Entry {
    /// No node is in the last slot there could be.
    const EMPTY: Self = Self { tag: 0, slot: Slot(u32::MAX), block: BlockRef::NONE };
}

/// One table: at most four fifths full, so that a search always ends.
#[derive(Debug, Default)]
struct Shard {
    entries: Box<[Entry]>,
    len: usize,
}

impl Shard {
    fn home(&self, tag: u32) -> usize {
        ((u64::from(tag) * self.entries.len() as u64) >> 32) as usize
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 == self.entries.len() { 0 } else { at + 1 }
    }

    /// The entries from the home of a tag to the next empty place.
    fn probe(&self, tag: u32) -> impl Iterator<Item = (usize, Entry)> {
        let mut at = self.home(tag);
        core::iter::from_fn(move || {
            let entry = *self.entries.get(at).filter(|entry| entry.slot != Entry::EMPTY.slot)?;
            let found = (at, entry);
            at = self.after(at);
            Some(found)
        })
    }

    fn insert(&mut self, entry: Entry) {
        if self.len * 5 >= self.entries.len() * 4 {
            self.resize((self.entries.len() * 5 / 4).max(CAPACITY_MIN));
        }
        self.len += 1;
        self.put(entry);
    }

    fn put(&mut self, entry: Entry) {
        let mut at = self.home(entry.tag);
        while self.entries[at].slot != Entry::EMPTY.slot {
            at = self.after(at);
        }
        self.entries[at] = entry;
    }

    fn position(&self, tag: u32, is_it: impl Fn(&Entry) -> bool) -> Option<usize> {
        self.probe(tag).find(|(_, entry)| is_it(entry)).map(|(at, _)| at)
    }

    fn remove(&mut self, tag: u32, slot: Slot) {
        let Some(mut hole) = self.position(tag, |entry| entry.slot == slot) else { return };
        self.len -= 1;
        // Whatever stands behind the hole and may stand in it moves up, so that no search ends too early.
        let mut at = self.after(hole);
        while self.entries[at].slot != Entry::EMPTY.slot {
            let from_home = self.distance(self.home(self.entries[at].tag), at);
            if from_home >= self.distance(hole, at) {
                self.entries[hole] = self.entries[at];
                hole = at;
            }
            at = self.after(at);
        }
        self.entries[hole] = Entry::EMPTY;
        if self.len * 4 < self.entries.len() && self.entries.len() > CAPACITY_MIN {
            self.resize((self.entries.len() / 2).max(CAPACITY_MIN));
        }
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.entries.len() - from }
    }

    fn resize(&mut self, capacity: usize) {
        let entries = core::mem::replace(&mut self.entries, vec![Entry::EMPTY; capacity].into_boxed_slice());
        for entry in entries {
            if entry.slot != Entry::EMPTY.slot {
                self.put(entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The key decides, and so does each part of the input.
    #[test]
    fn every_part_counts() {
        let key = SipKey::from([7, 8]);
        let hashes = [
            key.hash(1, b"a"),
            key.hash(2, b"a"),
            key.hash(1, b"b"),
            key.hash(1, b""),
            key.hash(1, b"\0"),
            key.hash(1, b"\0\0\0\0\0\0\0\0"),
            SipKey::from([7, 9]).hash(1, b"a"),
            SipKey::from([6, 8]).hash(1, b"a"),
        ];
        for (i, a) in hashes.iter().enumerate() {
            for b in &hashes[..i] {
                assert_ne!(a, b);
            }
        }
    }

    /// The standard library's hasher is SipHash-1-3 with a zero key.
    #[test]
    fn it_is_siphash_1_3() {
        extern crate std;
        use core::hash::Hasher;
        for text in ["", "a", "1234567", "12345678", "a name that is longer than two words"] {
            let mut reference = std::collections::hash_map::DefaultHasher::new();
            reference.write(&9_u64.to_le_bytes());
            reference.write(text.as_bytes());
            assert_eq!(SipKey::from([0, 0]).hash(9, text.as_bytes()), reference.finish(), "{text}");
        }
    }

    proptest! {
        /// Against a list; tags are few, so that runs are long and wrap around.
        #[test]
        fn a_shard_is_a_set(ops in proptest::collection::vec(any::<(u8, bool)>(), 0..400), spread in 1_u32..60) {
            let mut shard = Shard::default();
            let mut expected: Vec<Entry> = Vec::new();
            for (number, (choice, add)) in ops.into_iter().enumerate() {
                if add || expected.is_empty() {
                    let tag = u32::MAX - u32::from(choice) % spread * (u32::MAX / spread);
                    let entry = Entry { tag, slot: Slot(number as u32), block: BlockRef::NONE };
                    shard.insert(entry);
                    expected.push(entry);
                } else {
                    let entry = expected.swap_remove(usize::from(choice) % expected.len());
                    shard.remove(entry.tag, entry.slot);
                }
                prop_assert_eq!(shard.len, expected.len());
                for entry in &expected {
                    prop_assert!(shard.probe(entry.tag).any(|(_, other)| other == *entry));
                }
            }
            prop_assert!(shard.entries.len() <= (shard.len * 4).max(CAPACITY_MIN + 2));
        }
    }
}
