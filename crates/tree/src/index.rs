//! Finding a child by its parent and name.

use crate::arena::Slot;
use alloc::vec::Vec;
use hashbrown::HashTable;

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

/// From the hash of (parent, name) to the slot. It holds no names: callers compare.
#[derive(Debug)]
pub(crate) struct Index {
    shards: Vec<HashTable<Slot>>,
}

impl Index {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| HashTable::new()).collect() }
    }

    /// The slot with this hash for which `same` holds.
    pub(crate) fn find(&self, hash: u64, mut same: impl FnMut(Slot) -> bool) -> Option<Slot> {
        self.shards[shard(hash)].find(hash, |&slot| same(slot)).copied()
    }

    /// Adds a slot that is not there yet; `rehash` tells the hash of one that is.
    pub(crate) fn insert(&mut self, hash: u64, slot: Slot, rehash: impl Fn(Slot) -> u64) {
        self.shards[shard(hash)].insert_unique(hash, slot, |&other| rehash(other));
    }

    /// Removes a slot.
    pub(crate) fn remove(&mut self, hash: u64, slot: Slot) {
        if let Ok(entry) = self.shards[shard(hash)].find_entry(hash, |&other| other == slot) {
            entry.remove();
        }
    }
}

/// Bits the table itself uses neither for its tags (the top seven) nor, below billions of nodes, for the position.
fn shard(hash: u64) -> usize {
    (hash >> 40) as usize % SHARDS
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
