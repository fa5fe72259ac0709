//! The watched paths, each text kept once.

use super::sparse::SparseMap;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::vec::Vec;
use hashbrown::HashTable;
use zabra_tree::HashKey;

/// Who watches a path: four bits a connection, see [`super::table`].
pub(super) type Watchers = SparseMap<4>;

/// Paths by number, found by their text. A path is here exactly as long as somebody watches it.
#[derive(Debug)]
pub(super) struct Paths {
    slots: Vec<Slot>,
    /// Numbers that may be given out again.
    free: Vec<u32>,
    index: HashTable<u32>,
    key: HashKey,
}

#[derive(Debug, Default)]
struct Slot {
    text: Box<str>,
    watchers: Watchers,
}

impl Paths {
    /// No paths, to be found by a hash with this key.
    pub(super) fn new(key: HashKey) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), index: HashTable::new(), key }
    }

    /// How many paths there are.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The number of a path.
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        self.index.find(self.hash(text), |&path| &*self.slots[path as usize].text == text).copied()
    }

    /// The number of a path, which becomes known if it was not.
    pub(super) fn intern(&mut self, text: &str) -> u32 {
        if let Some(path) = self.find(text) {
            return path;
        }
        let slot = Slot { text: text.to_owned().into_boxed_str(), watchers: Watchers::default() };
        let path = match self.free.pop() {
            Some(path) => {
                self.slots[path as usize] = slot;
                path
            }
            None => {
                let path = self.slots.len() as u32;
                assert!(path < SparseMap::<1>::NUMBERS, "two thousand million watched paths fit no memory");
                if self.slots.len() == self.slots.capacity() {
                    // A quarter more instead of twice as much: with a million paths the difference is felt.
                    self.slots.reserve_exact(self.slots.len() / 4 + 16);
                }
                self.slots.push(slot);
                path
            }
        };
        let (slots, key, hash) = (&self.slots, &self.key, self.hash(text));
        self.index.insert_unique(hash, path, |&path| hash_with(key, &slots[path as usize].text));
        path
    }

    /// The text of a path.
    pub(super) fn text(&self, path: u32) -> &str {
        &self.slots[path as usize].text
    }

    /// Who watches a path.
    pub(super) fn watchers(&self, path: u32) -> &Watchers {
        &self.slots[path as usize].watchers
    }

    /// Who watches a path; call [`Paths::settle`] afterwards.
    pub(super) fn watchers_mut(&mut self, path: u32) -> &mut Watchers {
        &mut self.slots[path as usize].watchers
    }

    /// Forgets a path that nobody watches any more.
    pub(super) fn settle(&mut self, path: u32) {
        let slot = &mut self.slots[path as usize];
        if !slot.watchers.is_empty() {
            return;
        }
        if let Ok(entry) = self.index.find_entry(hash_with(&self.key, &slot.text), |&other| other == path) {
            entry.remove();
            *slot = Slot::default();
            self.free.push(path);
        }
    }

    /// All paths, in no order that means anything, with their watchers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Watchers)> {
        let used = self.slots.iter().filter(|slot| !slot.watchers.is_empty());
        used.map(|slot| (&*slot.text, &slot.watchers))
    }

    fn hash(&self, text: &str) -> u64 {
        hash_with(&self.key, text)
    }
}

fn hash_with(key: &HashKey, text: &str) -> u64 {
    key.hash(text.as_bytes())
}
