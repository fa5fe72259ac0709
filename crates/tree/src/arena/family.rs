//! The children of a node.

use super::Slot;
use alloc::vec::Vec;
use zabra_proto::Put;

/// With more children than this, a node keeps them in chunks.
const FEW_MAX: usize = 32;
/// With fewer than this it goes back.
const MANY_MIN: usize = 8;
/// Children in a chunk.
const CHUNK_LEN: usize = 128;
/// A chunk with fewer, other than the last, is dissolved into the last.
const CHUNK_MIN: usize = 32;

/// The children of a node, in no order.
///
/// A large family also has the names of its children as a jute vector, in pieces, so that listing it is copying. Each
/// child knows its chunk and is searched there, so adding and removing cost the same in a family of any size.
#[derive(Debug)]
pub(super) enum Family {
    /// The slots alone; names are asked of the nodes.
    Few(Vec<Slot>),
    /// Chunks with the names.
    Many {
        /// None is empty. All but the last have at least `CHUNK_MIN` children.
        chunks: Vec<Chunk>,
        /// Children in all chunks.
        len: u32,
    },
}

/// Some children of a large family.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    slots: Vec<Slot>,
    /// The names as texts one after the other, in the order of the slots.
    names: Vec<u8>,
}

/// A child that is in another chunk than before.
#[derive(Debug)]
pub(super) struct Moved {
    pub(super) child: Slot,
    pub(super) chunk: u32,
}

impl Family {
    pub(super) const fn new() -> Self {
        Self::Few(Vec::new())
    }

    pub(super) fn len(&self) -> u32 {
        match self {
            Self::Few(slots) => slots.len() as u32,
            Self::Many { len, .. } => *len,
        }
    }

    /// The slots of the children.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> + use<'_> {
        let (few, chunks) = self.parts();
        few.iter().chain(chunks.iter().flat_map(|chunk| &chunk.slots)).copied()
    }

    /// The slots in plain order, and the chunks: one of the two is empty.
    pub(super) fn parts(&self) -> (&[Slot], &[Chunk]) {
        match self {
            Self::Few(slots) => (slots, &[]),
            Self::Many { chunks, .. } => (&[], chunks),
        }
    }

    /// Adds a child. `name_of` tells the names of the children there are already; `moved` hears of each child, the new
    /// one included, whose chunk is another now.
    pub(super) fn add<'n>(
        &mut self,
        child: Slot,
        name: &[u8],
        name_of: impl Fn(Slot) -> &'n [u8],
        moved: &mut Vec<Moved>,
    ) {
        if let Self::Few(slots) = self {
            if slots.len() < FEW_MAX {
                // One child is common, and a vector would begin with room for four.
                if slots.is_empty() {
                    slots.reserve_exact(1);
                }
                slots.push(child);
                return;
            }
            let slots = core::mem::take(slots);
            *self = Self::Many { chunks: Vec::new(), len: 0 };
            for slot in slots {
                self.push(slot, name_of(slot), moved);
            }
        }
        self.push(child, name, moved);
    }

    fn push(&mut self, child: Slot, name: &[u8], moved: &mut Vec<Moved>) {
        let Self::Many { chunks, len } = self else { return };
        *len += 1;
        if chunks.last().is_none_or(|chunk| chunk.slots.len() == CHUNK_LEN) {
            chunks.push(Chunk::default());
        }
        let at = chunks.len() - 1;
        chunks[at].push(child, name);
        moved.push(Moved { child, chunk: at as u32 });
    }

    /// Removes a child, whose chunk is the one last told.
    pub(super) fn remove(&mut self, child: Slot, chunk: u32, moved: &mut Vec<Moved>) {
        match self {
            Self::Few(slots) => {
                if let Some(at) = slots.iter().position(|&slot| slot == child) {
                    slots.swap_remove(at);
                }
                if slots.is_empty() {
                    *slots = Vec::new();
                }
            }
            Self::Many { chunks, len } => {
                let Some(found) = chunks.get_mut(chunk as usize) else { return };
                if !found.remove(child) {
                    return;
                }
                *len -= 1;
                if (*len as usize) < MANY_MIN {
                    *self = Self::Few(self.slots().collect());
                    return;
                }
                let is_last = chunk as usize + 1 == chunks.len();
                if is_last && chunks[chunk as usize].slots.is_empty() {
                    chunks.pop();
                } else if !is_last && chunks[chunk as usize].slots.len() < CHUNK_MIN {
                    self.dissolve(chunk as usize, moved);
                }
            }
        }
    }

    /// Moves what is left of a chunk to the end, and a full chunk into its place. The last chunk stays the last, so
    /// that no more than one has room: a chunk has lost most of its children before it costs another move.
    fn dissolve(&mut self, at: usize, moved: &mut Vec<Moved>) {
        let Self::Many { chunks, len } = self else { return };
        let chunk = core::mem::take(&mut chunks[at]);
        *len -= chunk.slots.len() as u32;
        for (&slot, name) in chunk.slots.iter().zip(chunk.names()) {
            self.push(slot, name, moved);
        }
        let Self::Many { chunks, .. } = self else { return };
        let last = chunks.pop();
        chunks.swap_remove(at);
        chunks.extend(last);
        for at in [at, chunks.len() - 1] {
            moved.extend(chunks[at].slots.iter().map(|&child| Moved { child, chunk: at as u32 }));
        }
    }
}

impl Chunk {
    fn push(&mut self, child: Slot, name: &[u8]) {
        if self.slots.is_empty() {
            self.slots.reserve_exact(CHUNK_LEN);
            // Children of large families mostly have names of one length.
            self.names.reserve((name.len() + 4).saturating_mul(CHUNK_LEN).min(1 << 12));
        }
        self.slots.push(child);
        self.names.put_buffer(Some(name));
        if self.slots.len() == CHUNK_LEN {
            self.names.shrink_to_fit();
        }
    }

    fn remove(&mut self, child: Slot) -> bool {
        let Some(at) = self.slots.iter().position(|&slot| slot == child) else { return false };
        let encoded_len = |name: &[u8]| name.len() + 4;
        let start: usize = self.names().take(at).map(encoded_len).sum();
        let end = start + names_in(&self.names[start..]).next().map_or(0, encoded_len);
        self.slots.remove(at);
        self.names.drain(start..end);
        true
    }

    /// The names as a jute vector has them, without the count.
    pub(super) fn encoded_names(&self) -> &[u8] {
        &self.names
    }

    /// The names one by one.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        names_in(&self.names)
    }
}

fn names_in(mut encoded: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let (len, rest) = encoded.split_first_chunk::<4>()?;
        let (name, rest) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
        encoded = rest;
        Some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::format;
    use alloc::string::String;
    use proptest::prelude::*;

    /// A family beside a plain map, with what each child was told.
    struct Pair {
        family: Family,
        children: BTreeMap<u32, (String, u32)>,
        moves: usize,
    }

    impl Pair {
        fn told(&mut self, moved: Vec<Moved>) {
            self.moves += moved.len();
            for Moved { child, chunk } in moved {
                self.children.get_mut(&child.0).unwrap().1 = chunk;
            }
        }

        fn add(&mut self, number: u32) {
            let name = format!("{number:0width$}", width = (number % 7) as usize);
            let mut moved = Vec::new();
            let names = self.children.clone();
            self.family.add(Slot(number), name.as_bytes(), |slot| names[&slot.0].0.as_bytes(), &mut moved);
            self.children.insert(number, (name, 0));
            self.told(moved);
        }

        fn remove(&mut self, number: u32) {
            let (_, chunk) = self.children.remove(&number).unwrap();
            let mut moved = Vec::new();
            self.family.remove(Slot(number), chunk, &mut moved);
            self.told(moved);
        }

        fn check(&self) {
            assert_eq!(self.family.len() as usize, self.children.len());
            let mut slots: Vec<u32> = self.family.slots().map(|slot| slot.0).collect();
            slots.sort_unstable();
            assert!(slots.iter().eq(self.children.keys()));
            let (_, chunks) = self.family.parts();
            for (at, chunk) in chunks.iter().enumerate() {
                assert!(chunk.slots.len() <= CHUNK_LEN);
                assert!(at + 1 == chunks.len() || chunk.slots.len() >= CHUNK_MIN);
                assert_eq!(chunk.names().count(), chunk.slots.len());
                for (slot, name) in chunk.slots.iter().zip(chunk.names()) {
                    let (expected, told) = &self.children[&slot.0];
                    assert_eq!((name, at), (expected.as_bytes(), *told as usize));
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

        #[test]
        fn a_family_is_a_set(first in 0_u32..700, ops in proptest::collection::vec(any::<(u16, u8)>(), 0..700)) {
            let mut pair = Pair { family: Family::new(), children: BTreeMap::new(), moves: 0 };
            for number in 0..first {
                pair.add(number);
            }
            pair.check();
            for (step, (choice, kind)) in ops.iter().enumerate() {
                let removes = kind % 4 != 0;
                match pair.children.keys().nth(usize::from(*choice) % pair.children.len().max(1)) {
                    Some(&number) if removes => pair.remove(number),
                    _ => pair.add(10_000 + step as u32),
                }
                if step % 16 == 0 {
                    pair.check();
                }
            }
            pair.check();
            // The moves of one removal are few on average, whatever the order.
            prop_assert!(pair.moves <= (first as usize + ops.len()) * 8, "{} moves", pair.moves);
        }
    }
}
