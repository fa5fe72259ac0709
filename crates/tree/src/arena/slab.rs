//! Values in numbered places.

use alloc::vec::Vec;

/// Places in one page. Pages are never moved, so growing costs the same however many there are.
const PAGE_LEN: usize = 1024;

/// A vector in pages whose places are used again.
#[derive(Debug)]
pub(super) struct Slab<T> {
    pages: Vec<Vec<T>>,
    free: Vec<u32>,
}

impl<T: Default> Slab<T> {
    pub(super) const fn new() -> Self {
        Self { pages: Vec::new(), free: Vec::new() }
    }

    /// One more than the greatest place ever used.
    pub(super) fn end(&self) -> u32 {
        match self.pages.split_last() {
            None => 0,
            Some((last, full)) => (full.len() * PAGE_LEN + last.len()) as u32,
        }
    }

    /// How many places are in use.
    pub(super) fn len(&self) -> usize {
        self.end() as usize - self.free.len()
    }

    /// Keeps a value and tells its place.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        if let Some(at) = self.free.pop() {
            self[at] = value;
            return at;
        }
        let at = self.end();
        assert!(at < u32::MAX, "four billion places take more memory than any machine has");
        match self.pages.last_mut() {
            Some(page) if page.len() < PAGE_LEN => page.push(value),
            _ => {
                let mut page = Vec::with_capacity(PAGE_LEN);
                page.push(value);
                self.pages.push(page);
            }
        }
        at
    }

    /// Takes the value out of a place in use, which is then free.
    pub(super) fn remove(&mut self, at: u32) -> T {
        self.free.push(at);
        core::mem::take(&mut self[at])
    }

    /// The value at a place, if the place was ever used; a free place holds the default.
    pub(super) fn get(&self, at: u32) -> Option<&T> {
        self.pages.get(at as usize / PAGE_LEN)?.get(at as usize % PAGE_LEN)
    }
}

impl<T> core::ops::Index<u32> for Slab<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: u32) -> &T {
        &self.pages[at as usize / PAGE_LEN][at as usize % PAGE_LEN]
    }
}

impl<T> core::ops::IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, at: u32) -> &mut T {
        &mut self.pages[at as usize / PAGE_LEN][at as usize % PAGE_LEN]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again() {
        let mut slab = Slab::new();
        let places: Vec<u32> = (0..3000_u32).map(|value| slab.insert(value)).collect();
        assert_eq!((slab.len(), slab.end()), (3000, 3000));
        assert!(places.iter().all(|&at| slab[at] == at));
        assert_eq!(slab.remove(7), 7);
        assert_eq!((slab.len(), slab.get(7)), (2999, Some(&0)));
        assert_eq!(slab.insert(5), 7);
        assert_eq!((slab[7], slab.end(), slab.get(3000)), (5, 3000, None));
    }
}
