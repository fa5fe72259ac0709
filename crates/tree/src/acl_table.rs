//! Access control lists, each stored once and counted.

use crate::NodeAcl;
use crate::index::HashKey;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use hashbrown::HashTable;
use zabra_proto::{AclList, Put};

/// The id on disk of the open list, which is in no table.
const OPEN_RAW_ID: i64 = -1;

/// Which list a node has: an index into the table, or the open list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AclId(u32);

impl AclId {
    /// `world:anyone` with all permissions.
    pub(crate) const OPEN: Self = Self(u32::MAX);

    /// To keep it in a record.
    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    /// From [`AclId::bits`].
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

/// A list and how many nodes have it. A list loaded under an id that no map names is dangling: it is not known.
#[derive(Debug)]
struct Entry {
    /// The id on disk. Never given to a second list, so that a snapshot in progress cannot mistake one for another.
    raw_id: i64,
    users: u64,
    /// The encoded list; `None` when dangling, and in a free entry.
    list: Option<Box<[u8]>>,
}

/// The lists in use (`ReferenceCountedACLCache`).
#[derive(Debug)]
pub(crate) struct AclTable {
    key: HashKey,
    entries: Vec<Entry>,
    free: Vec<u32>,
    by_list: HashTable<u32>,
    last_raw_id: i64,
}

impl AclTable {
    pub(crate) fn new(key: HashKey) -> Self {
        Self { key, entries: Vec::new(), free: Vec::new(), by_list: HashTable::new(), last_raw_id: 0 }
    }

    /// The id of `list`, counting one more user of it.
    pub(crate) fn acquire(&mut self, list: AclList<'_>) -> AclId {
        // The genuine server gives the open list an id like any other unless it is null; -1 means the same to it.
        if list.is_open() {
            return AclId::OPEN;
        }
        let bytes = list.as_bytes();
        let hash = self.key.hash(bytes);
        let found = self.by_list.find(hash, |&at| self.entries[at as usize].list.as_deref() == Some(bytes));
        if let Some(&at) = found {
            self.entries[at as usize].users += 1;
            return AclId(at);
        }
        let raw_id = self.fresh_raw_id();
        AclId(self.add(Entry { raw_id, users: 1, list: Some(bytes.into()) }))
    }

    /// Counts one user less; the last one takes the list with it.
    pub(crate) fn release(&mut self, id: AclId) {
        let Some(entry) = self.entries.get_mut(id.0 as usize) else { return };
        entry.users = entry.users.saturating_sub(1);
        if entry.users == 0 {
            self.remove(id.0);
        }
    }

    /// The list behind an id.
    pub(crate) fn get(&self, id: AclId) -> NodeAcl<'_> {
        match self.entries.get(id.0 as usize) {
            None => NodeAcl::Open,
            Some(Entry { list: Some(bytes), .. }) => match AclList::from_encoded(bytes) {
                Ok(list) => NodeAcl::List(list),
                Err(_) => NodeAcl::Dangling,
            },
            Some(Entry { list: None, .. }) => NodeAcl::Dangling,
        }
    }

    /// The id that stands for it in a snapshot.
    pub(crate) fn raw_id(&self, id: AclId) -> i64 {
        self.entries.get(id.0 as usize).map_or(OPEN_RAW_ID, |entry| entry.raw_id)
    }

    /// Appends the map of a snapshot: every known list with its id.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let known =
            || self.entries.iter().filter_map(|entry| entry.list.as_deref().map(|list| (entry.raw_id, list)));
        out.put_count(known().count());
        for (raw_id, list) in known() {
            out.put_i64(raw_id);
            out.extend_from_slice(list);
        }
    }

    /// How many lists are known.
    pub(crate) fn len(&self) -> usize {
        self.by_list.len()
    }

    /// How many nodes have the list.
    pub(crate) fn users_of(&self, id: AclId) -> u64 {
        self.entries.get(id.0 as usize).map_or(0, |entry| entry.users)
    }

    /// How many nodes have a list of the table.
    pub(crate) fn users(&self) -> u64 {
        self.entries.iter().map(|entry| entry.users).sum()
    }

    fn fresh_raw_id(&mut self) -> i64 {
        // A loaded id may be the greatest there is: then any that is not in use.
        let is_free = |id: &i64| self.entries.iter().all(|entry| entry.raw_id != *id);
        let next = self.last_raw_id.checked_add(1).or_else(|| (1..i64::MAX).find(is_free));
        self.last_raw_id = self.last_raw_id.saturating_add(1);
        next.unwrap_or(i64::MAX)
    }

    fn add(&mut self, entry: Entry) -> u32 {
        let hash = entry.list.as_deref().map(|list| self.key.hash(list));
        let at = match self.free.pop() {
            Some(at) => {
                self.entries[at as usize] = entry;
                at
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        if let Some(hash) = hash {
            let (entries, key) = (&self.entries, &self.key);
            self.by_list.insert_unique(hash, at, |&other| {
                key.hash(entries[other as usize].list.as_deref().unwrap_or_default())
            });
        }
        at
    }

    fn remove_unused(&mut self, id: AclId) {
        if self.entries.get(id.0 as usize).is_some_and(|entry| entry.users == 0) {
            self.remove(id.0);
        }
    }

    fn remove(&mut self, at: u32) {
        if let Some(list) = self.entries[at as usize].list.take() {
            let hash = self.key.hash(&list);
            if let Ok(found) = self.by_list.find_entry(hash, |&other| other == at) {
                found.remove();
            }
        }
        self.free.push(at);
    }
}

/// The map of a snapshot while it is loaded: ids on disk to lists.
#[derive(Debug)]
pub(crate) struct AclLoader {
    table: AclTable,
    by_raw_id: BTreeMap<i64, AclId>,
}

impl AclLoader {
    pub(crate) fn new(key: HashKey) -> Self {
        Self { table: AclTable::new(key), by_raw_id: BTreeMap::new() }
    }

    /// One row of the map. Of two rows with one id the later counts, as in the genuine server.
    pub(crate) fn define(&mut self, raw_id: i64, list: AclList<'_>) {
        self.table.last_raw_id = self.table.last_raw_id.max(raw_id);
        let id = if list.is_open() {
            AclId::OPEN
        } else {
            AclId(self.table.add(Entry { raw_id, users: 0, list: Some(list.as_bytes().into()) }))
        };
        if let Some(previous) = self.by_raw_id.insert(raw_id, id) {
            self.table.remove_unused(previous);
        }
    }

    /// The list of a node, counting one more user of it. An id without a row is kept as dangling.
    pub(crate) fn acquire(&mut self, raw_id: i64) -> AclId {
        if raw_id == OPEN_RAW_ID {
            return AclId::OPEN;
        }
        let table = &mut self.table;
        // Ids seen in nodes count too: a list made later must not answer to a dangling one.
        table.last_raw_id = table.last_raw_id.max(raw_id);
        let id = *self
            .by_raw_id
            .entry(raw_id)
            .or_insert_with(|| AclId(table.add(Entry { raw_id, users: 0, list: None })));
        if let Some(entry) = table.entries.get_mut(id.0 as usize) {
            entry.users += 1;
        }
        id
    }

    /// The table, without the lists nobody has.
    pub(crate) fn finish(mut self) -> AclTable {
        for id in self.by_raw_id.into_values() {
            self.table.remove_unused(id);
        }
        self.table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zabra_types::{Acl, Perms};

    fn list(user: &str) -> Vec<u8> {
        AclList::encode_entries(&[Acl::new(Perms::READ, "digest", user)])
    }

    fn table() -> AclTable {
        AclTable::new(HashKey::from([1, 2]))
    }

    #[test]
    fn equal_lists_share_an_entry_until_the_last_user_goes() {
        let mut table = table();
        let (a, b) = (list("a"), list("b"));
        let [a, b] = [&a, &b].map(|bytes| AclList::from_encoded(bytes).unwrap());
        let first = table.acquire(a);
        assert_eq!(table.acquire(a), first);
        assert_ne!(table.acquire(b), first);
        assert_eq!(table.len(), 2);
        table.release(first);
        assert_eq!(table.get(first), NodeAcl::List(a));
        table.release(first);
        assert_eq!(table.len(), 1);
        // The id on disk is never used again.
        let again = table.acquire(a);
        assert_eq!(table.raw_id(again), 3);
    }

    #[test]
    fn the_open_list_and_the_null_list_are_open() {
        let mut table = table();
        let null = table.acquire(AclList::from_encoded(&[0xff; 4]).unwrap());
        assert_eq!((null, table.raw_id(null), table.get(null)), (AclId::OPEN, -1, NodeAcl::Open));
        assert_eq!((table.acquire(AclList::OPEN), table.len()), (AclId::OPEN, 0));
        let mut loader = AclLoader::new(HashKey::from([1, 2]));
        loader.define(7, AclList::OPEN);
        assert_eq!(loader.acquire(7), AclId::OPEN);
        assert_eq!(loader.finish().last_raw_id, 7);
    }

    #[test]
    fn a_loaded_id_without_a_list_dangles_and_stays_reserved() {
        let (a, b) = (list("a"), list("b"));
        let mut loader = AclLoader::new(HashKey::from([1, 2]));
        loader.define(3, AclList::from_encoded(&a).unwrap());
        loader.define(4, AclList::from_encoded(&b).unwrap());
        let known = loader.acquire(3);
        let dangling = loader.acquire(9);
        let mut table = loader.finish();
        assert_eq!(table.len(), 1, "nobody has list 4");
        assert!(matches!(table.get(known), NodeAcl::List(_)));
        assert_eq!(table.get(dangling), NodeAcl::Dangling);
        assert_eq!(table.raw_id(dangling), 9);
        let fresh = table.acquire(AclList::from_encoded(&b).unwrap());
        assert_eq!(table.raw_id(fresh), 10);
        let mut out = Vec::new();
        table.put(&mut out);
        assert_eq!(out[..4], [0, 0, 0, 2], "the dangling id is not in the map");
    }
}
