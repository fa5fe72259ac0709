//! Finding a node by its path.

use crate::arena::{BlockRef, Slot};
use ahash::RandomState;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};

/// The key of the hash that orders tables over paths.
///
/// Paths come from clients: with an unknown key nobody can choose paths that collide. The hash is aHash, which costs a
/// third of SipHash and resists flooding as long as the key and the hashes stay secret.
#[derive(Clone, Debug)]
pub struct HashKey(RandomState);

impl From<[u64; 2]> for HashKey {
    fn from([k0, k1]: [u64; 2]) -> Self {
        // Four keys are wanted; the other two are as unknown as these.
        let expand = RandomState::with_seeds(k0, k1, k1, k0);
        Self(RandomState::with_seeds(k0, k1, expand.hash_one(k0), expand.hash_one(k1)))
    }
}

impl HashKey {
    /// The hash of some bytes. It differs between processors, and must not be seen outside a server.
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write(bytes);
        hasher.finish()
    }
}

/// How many tables the index is cut into. Each grows by itself, so no single insertion moves more than its share.
const SHARDS: usize = 256;
/// Entries in the smallest table.
const CAPACITY_MIN: usize = 8;

/// From the hash of a path to the slot and the record. It holds no paths: callers compare.
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

    /// Makes room for about so many nodes altogether.
    pub(crate) fn expect(&mut self, nodes: usize) {
        // Few shards come to have more than a sixteenth above their share. A table of this length is four fifths full then.
        let capacity = nodes / SHARDS * 17 / 16 * 5 / 4 + 1;
        for shard in &mut self.shards {
            if shard.entries.len() < capacity {
                shard.resize(capacity);
            }
        }
    }

    /// Adds many nodes at once, table by table, which spares the processor's caches. `same` tells whether two records
    /// have one parent and name; the node that comes twice is returned, and the index is then of no more use.
    pub(crate) fn insert_all(
        &mut self,
        batch: &mut IndexBatch,
        same: impl Fn(BlockRef, BlockRef) -> bool,
    ) -> Result<(), Slot> {
        batch.len = 0;
        for (shard, fresh) in self.shards.iter_mut().zip(&mut batch.shards) {
            shard.reserve(fresh.len());
            for entry in fresh.drain(..) {
                if shard
                    .probe(entry.tag)
                    .any(|(_, other)| other.tag == entry.tag && same(other.block, entry.block))
                {
                    return Err(entry.slot);
                }
                shard.insert(entry);
            }
        }
        Ok(())
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

/// Nodes on their way into an [`Index`], sorted by the table they go to.
#[derive(Debug)]
pub(crate) struct IndexBatch {
    shards: Vec<Vec<Entry>>,
    len: usize,
}

impl IndexBatch {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Vec::new()).collect(), len: 0 }
    }

    pub(crate) fn push(&mut self, hash: u64, slot: Slot, block: BlockRef) {
        let (shard, tag) = parts(hash);
        self.shards[shard].push(Entry { tag, slot, block });
        self.len += 1;
    }

    /// How many nodes wait.
    pub(crate) fn len(&self) -> usize {
        self.len
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
    const EMPTY: Self = Self { tag: 0, slot: Slot::NONE, block: BlockRef::NONE };
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

    /// Makes room for so many more.
    fn reserve(&mut self, more: usize) {
        let len = self.len + more;
        if len * 5 >= self.entries.len() * 4 {
            self.resize((len * 4 / 3).max(self.entries.len() * 5 / 4).max(CAPACITY_MIN));
        }
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

    /// The key decides, and so does every byte and the length.
    #[test]
    fn every_part_counts() {
        let key = HashKey::from([7, 8]);
        let mut texts: Vec<Vec<u8>> = (0..40).map(|len| vec![0; len]).collect();
        for at in 0..40 {
            let mut text = vec![0; 40];
            text[at] = 1;
            texts.push(text);
        }
        let mut hashes: Vec<u64> = texts.iter().map(|text| key.hash(text)).collect();
        hashes.extend([HashKey::from([7, 9]).hash(b""), HashKey::from([6, 8]).hash(b"")]);
        let count = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }

    /// Names that count up fill the shards and their places evenly.
    #[test]
    fn names_in_a_row_spread() {
        let key = HashKey::from([7, 8]);
        let (mut shards, mut homes) = (vec![0_u32; SHARDS], vec![0_u32; SHARDS]);
        for number in 0..SHARDS * 64 {
            let (shard, tag) = parts(key.hash(alloc::format!("/dir/node-{number:010}").as_bytes()));
            shards[shard] += 1;
            homes[tag as usize >> 24] += 1;
        }
        // The deviation is 8: this is five of them.
        assert!(shards.iter().chain(&homes).all(|count| (24..=104).contains(count)), "{shards:?} {homes:?}");
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
