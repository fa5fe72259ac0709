//! Byte strings of all lengths, close together.
//!
//! Short ones share pages of their size, long ones have an allocation each. Compared with an allocation for each this
//! saves the allocator's own bytes and a pointer and a length at the owner: some 25 bytes of 200 for a usual znode.
//!
//! Freed blocks can only be used for the same length, so pages would stay nearly empty after many deletions, or after a
//! change of the length that is usual. A page that has become less than half full is therefore handed to the owner,
//! who moves its blocks elsewhere; no more than about one move comes on each removal.

use super::record::Fixed;
use super::slab::Slab;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// Bytes of a page.
const PAGE_LEN: usize = 1 << 15;
/// Bits of a reference that say which block of its page it is: no page has more blocks than two to this power.
const INDEX_BITS: u32 = 11;
/// The most pages a reference can tell apart; past them (32 GiB) blocks have an allocation each.
const PAGES_MAX: usize = 1 << (31 - INDEX_BITS);
/// Set in references to blocks with an allocation of their own.
const SINGLE: u32 = 1 << 31;
/// The longest block that shares a page.
const SHARED_LEN_MAX: usize = 4096;
/// No block: the end of a list of free ones.
const END: u16 = u16::MAX;

/// Where a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockRef(u32);

impl BlockRef {
    /// Nowhere.
    pub(crate) const NONE: Self = Self(u32::MAX);
}

impl Default for BlockRef {
    fn default() -> Self {
        Self::NONE
    }
}

/// A page whose blocks are to be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SparsePage(u32);

/// Blocks of one length.
#[derive(Debug, Default)]
struct Page {
    bytes: Box<[u8]>,
    /// Of each block.
    len: u16,
    class: u8,
    used: u16,
    /// Blocks that were never used begin here.
    fresh: u16,
    /// The first of the freed blocks; each holds the number of the next in its first two bytes.
    freed: u16,
    /// Where the page stands in its class's list of pages with room, if it does.
    listed_at: u32,
}

/// All blocks.
#[derive(Debug)]
pub(super) struct Blocks {
    pages: Slab<Page>,
    /// For each class the pages with room; blocks are taken from the last.
    with_room: Vec<Vec<u32>>,
    singles: Slab<Box<[u8]>>,
    /// Kept for its allocation.
    scratch: Vec<u8>,
    /// The bytes of the page given back last: while the lengths of records change, pages go and come. And those that a
    /// loader was given.
    spare: Vec<Box<[u8]>>,
}

/// Memory for some records of a tree that is loaded. The system gives memory when it is first touched, which takes as long
/// as filling it; who makes a page has done that.
#[derive(Debug)]
pub struct RecordPage(Box<[u8]>);

impl RecordPage {
    /// Bytes of it.
    pub const LEN: usize = PAGE_LEN;

    /// About how much of it a node takes.
    pub fn share(name_len: usize, data_len: usize) -> usize {
        // The usual head of a record.
        let len = Fixed::LEN.saturating_add(3).saturating_add(name_len).saturating_add(data_len);
        if len > SHARED_LEN_MAX { 0 } else { class_len(class_of(len)) }
    }

    /// Of any contents.
    #[expect(clippy::new_without_default, reason = "making one is work, and never wanted by default")]
    pub fn new() -> Self {
        // Zeros would be left to the system.
        Self(vec![1; PAGE_LEN].into_boxed_slice())
    }
}

impl Blocks {
    pub(super) fn new() -> Self {
        let classes = class_of(SHARED_LEN_MAX) + 1;
        Self {
            pages: Slab::new(),
            with_room: vec![Vec::new(); classes],
            singles: Slab::new(),
            scratch: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// The bytes of a block, which may be more than were asked for.
    #[inline]
    pub(super) fn get(&self, block: BlockRef) -> &[u8] {
        match place(block) {
            Place::Single(at) => &self.singles[at],
            Place::Shared { page, index } => {
                let page = &self.pages[page];
                let len = usize::from(page.len);
                &page.bytes[index * len..][..len]
            }
        }
    }

    /// The same, to be written.
    pub(super) fn get_mut(&mut self, block: BlockRef) -> &mut [u8] {
        match place(block) {
            Place::Single(at) => &mut self.singles[at],
            Place::Shared { page, index } => {
                let page = &mut self.pages[page];
                let len = usize::from(page.len);
                &mut page.bytes[index * len..][..len]
            }
        }
    }

    /// Whether a block is what [`Blocks::add`] would give for this length.
    pub(super) fn fits(&self, block: BlockRef, len: usize) -> bool {
        let have = self.get(block).len();
        if len > SHARED_LEN_MAX || block.0 & SINGLE != 0 {
            have == len
        } else {
            have == class_len(class_of(len))
        }
    }

    /// A block for `len` bytes, with unspecified contents.
    pub(super) fn add(&mut self, len: usize) -> BlockRef {
        if len > SHARED_LEN_MAX || self.pages.len() >= PAGES_MAX {
            let at = self.singles.insert(vec![0; len].into_boxed_slice());
            assert!(at < !SINGLE, "two billion allocations take more memory than any machine has");
            return BlockRef(SINGLE | at);
        }
        let class = class_of(len);
        let at = match self.with_room[class].last() {
            Some(&at) => at,
            None => self.add_page(class),
        };
        let page = &mut self.pages[at];
        let len = class_len(class);
        let index = if page.freed == END {
            page.fresh += 1;
            page.fresh - 1
        } else {
            let index = page.freed;
            let block = &page.bytes[usize::from(index) * len..];
            page.freed = u16::from_le_bytes([block[0], block[1]]);
            index
        };
        page.used += 1;
        if usize::from(page.used) == PAGE_LEN / len {
            self.with_room[class].pop();
        }
        BlockRef(at << INDEX_BITS | u32::from(index))
    }

    /// Frees a block. If a page is returned, [`Blocks::begin_move`] and what follows from it has to be done now.
    #[must_use]
    pub(super) fn remove(&mut self, block: BlockRef) -> Option<SparsePage> {
        let (at, index) = match place(block) {
            Place::Single(at) => {
                self.singles.remove(at);
                return None;
            }
            Place::Shared { page, index } => (page, index),
        };
        let page = &mut self.pages[at];
        let (class, len) = (usize::from(page.class), usize::from(page.len));
        page.bytes[index * len..][..2].copy_from_slice(&page.freed.to_le_bytes());
        page.freed = index as u16;
        let room_for = PAGE_LEN / len;
        let was_full = usize::from(page.used) == room_for;
        page.used -= 1;
        let with_room = &mut self.with_room[class];
        if was_full {
            page.listed_at = with_room.len() as u32;
            with_room.push(at);
        }
        // One page of each length may be as empty as it likes, lest a length in the balance make pages come and go.
        (usize::from(page.used) < room_for / 2 && with_room.len() > 1).then_some(SparsePage(at))
    }

    /// The blocks of a page, none of whose free ones is given out from now on. Each has to be moved: add one of the
    /// same length, copy, tell everybody, and then [`Blocks::end_move`].
    pub(super) fn begin_move(&mut self, SparsePage(at): SparsePage) -> Vec<BlockRef> {
        let (class, listed_at) = (usize::from(self.pages[at].class), self.pages[at].listed_at as usize);
        let with_room = &mut self.with_room[class];
        with_room.swap_remove(listed_at);
        if let Some(&moved) = with_room.get(listed_at) {
            self.pages[moved].listed_at = listed_at as u32;
        }
        let page = &self.pages[at];
        let mut is_free = vec![false; page.fresh.into()];
        let mut freed = page.freed;
        while freed != END {
            is_free[usize::from(freed)] = true;
            let block = &page.bytes[usize::from(freed) * usize::from(page.len)..];
            freed = u16::from_le_bytes([block[0], block[1]]);
        }
        let used = is_free.iter().enumerate().filter(|(_, is_free)| !**is_free);
        used.map(|(index, _)| BlockRef(at << INDEX_BITS | index as u32)).collect()
    }

    /// Gives the page back, with whatever is still in it.
    pub(super) fn end_move(&mut self, SparsePage(at): SparsePage) {
        let bytes = self.pages.remove(at).bytes;
        // One is enough.
        if self.spare.is_empty() {
            self.spare.push(bytes);
        }
    }

    /// Uses this page when one is wanted.
    pub(super) fn give(&mut self, RecordPage(bytes): RecordPage) {
        self.spare.push(bytes);
    }

    /// Keeps no more pages than a tree in use does.
    pub(super) fn drop_spare(&mut self) {
        self.spare = Vec::new();
    }

    /// Another block with the same bytes.
    pub(super) fn copy(&mut self, block: BlockRef) -> BlockRef {
        let mut bytes = core::mem::take(&mut self.scratch);
        bytes.clear();
        bytes.extend_from_slice(self.get(block));
        let copy = self.add(bytes.len());
        self.get_mut(copy).copy_from_slice(&bytes);
        self.scratch = bytes;
        copy
    }

    fn add_page(&mut self, class: usize) -> u32 {
        let with_room = &mut self.with_room[class];
        let page = Page {
            bytes: self.spare.pop().unwrap_or_else(|| vec![0; PAGE_LEN].into_boxed_slice()),
            len: class_len(class) as u16,
            class: class as u8,
            used: 0,
            fresh: 0,
            freed: END,
            listed_at: with_room.len() as u32,
        };
        let at = self.pages.insert(page);
        with_room.push(at);
        at
    }
}

enum Place {
    Shared { page: u32, index: usize },
    Single(u32),
}

#[inline]
fn place(block: BlockRef) -> Place {
    if block.0 & SINGLE == 0 {
        Place::Shared { page: block.0 >> INDEX_BITS, index: (block.0 & ((1 << INDEX_BITS) - 1)) as usize }
    } else {
        Place::Single(block.0 & !SINGLE)
    }
}

/// Lengths go up by eight bytes to 256, then in sixteen steps to each doubling: at most a sixteenth is lost.
const STEPS: usize = 16;
/// Classes of the first kind, for 16, 24, ... 256 bytes.
const FINE: usize = 31;

fn class_of(len: usize) -> usize {
    if len <= 256 {
        return len.max(16).div_ceil(8) - 2;
    }
    let doubling = (len - 1).ilog2() as usize - 8;
    FINE + doubling * STEPS + ((len - 1) >> (doubling + 4)) % STEPS
}

fn class_len(class: usize) -> usize {
    if class < FINE {
        return (class + 2) * 8;
    }
    let (doubling, step) = ((class - FINE) / STEPS, (class - FINE) % STEPS);
    (STEPS + step + 1) << (doubling + 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_length_has_the_smallest_class_that_holds_it() {
        for len in 1..=SHARED_LEN_MAX {
            let class = class_of(len);
            assert!(class_len(class) >= len, "{len}");
            assert!(class == 0 || class_len(class - 1) < len, "{len}");
            assert!(PAGE_LEN / class_len(class) <= 1 << INDEX_BITS);
        }
        assert_eq!(class_len(class_of(SHARED_LEN_MAX)), SHARED_LEN_MAX);
    }

    /// Removes a block and moves what has to be moved.
    fn remove(blocks: &mut Blocks, block: BlockRef, live: &mut [(BlockRef, u8, usize)]) {
        let Some(sparse) = blocks.remove(block) else { return };
        for block in blocks.begin_move(sparse) {
            let copy = blocks.copy(block);
            live.iter_mut().find(|(other, ..)| *other == block).unwrap().0 = copy;
        }
        blocks.end_move(sparse);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        /// Blocks keep what was written to them, and a store that is emptied has few pages left.
        #[test]
        fn blocks_do_not_overlap(ops in proptest::collection::vec((any::<u16>(), any::<bool>()), 1..600)) {
            let mut blocks = Blocks::new();
            let mut live: Vec<(BlockRef, u8, usize)> = Vec::new();
            for (number, (choice, add)) in ops.iter().enumerate() {
                let choice = usize::from(*choice);
                if *add || live.is_empty() {
                    // Few lengths, mostly long ones: pages fill, and are left sparse.
                    let len = [100, 1500, 2000, 3000, 4096, 5000][choice % 6];
                    let block = blocks.add(len);
                    prop_assert!(blocks.fits(block, len));
                    let bytes = blocks.get_mut(block);
                    prop_assert!(bytes.len() >= len);
                    bytes.fill(number as u8);
                    live.push((block, number as u8, bytes.len()));
                } else {
                    let (block, ..) = live.swap_remove(choice % live.len());
                    remove(&mut blocks, block, &mut live);
                }
                for &(block, byte, len) in live.iter().skip(number % 8).step_by(8) {
                    let bytes = blocks.get(block);
                    prop_assert!(bytes.len() == len && bytes.iter().all(|&b| b == byte));
                }
            }
            // No length has more than twice the pages it needs, and one.
            for (class, with_room) in blocks.with_room.iter().enumerate() {
                let len = class_len(class);
                let used = live.iter().filter(|(.., have)| *have == len && len <= SHARED_LEN_MAX).count();
                let sparse = with_room.len().saturating_sub(1);
                prop_assert!(sparse * (PAGE_LEN / len / 2) <= used, "{sparse} pages for {used} of {len}");
            }
            while let Some((block, ..)) = live.pop() {
                remove(&mut blocks, block, &mut live);
            }
            prop_assert_eq!(blocks.singles.len(), 0);
            prop_assert!(blocks.with_room.iter().all(|pages| pages.len() <= 1));
            prop_assert_eq!(blocks.pages.len(), blocks.with_room.iter().map(Vec::len).sum::<usize>());
        }
    }
}
