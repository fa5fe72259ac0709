//! Recursive watches, found from below.

use super::sparse::SparseMap;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::ops::Bound;

/// The paths that have recursive watches, and whose they are.
///
/// An event looks for all ancestors of its path here. The order of the map leads from one to the next, so the search
/// costs what is found and not what is deep: nothing is stored or hashed per component of a path.
#[derive(Debug, Default)]
pub(super) struct Recursive {
    paths: BTreeMap<Box<str>, SparseMap<1>>,
}

impl Recursive {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Adds a connection's watch.
    pub(super) fn add(&mut self, path: &str, conn: u32) {
        // A path without a leading slash is nobody's ancestor.
        if path.starts_with('/') {
            match self.paths.get_mut(path) {
                Some(conns) => {
                    conns.set(conn, 1);
                }
                None => {
                    self.paths.entry(path.to_owned().into_boxed_str()).or_default().set(conn, 1);
                }
            }
        }
    }

    /// Removes a connection's watch.
    pub(super) fn remove(&mut self, path: &str, conn: u32) {
        if let Some(conns) = self.paths.get_mut(path) {
            conns.set(conn, 0);
            if conns.is_empty() {
                self.paths.remove(path);
            }
        }
    }

    /// Finds the watches on all ancestors of `path`, not those on itself.
    pub(super) fn ancestors(&self, path: &str, mut found: impl FnMut(u32)) {
        if !path.starts_with('/') {
            return;
        }
        let mut bound = Bound::Excluded(path);
        while let Some((known, conns)) = self.paths.range::<str, _>((Bound::Unbounded, bound)).next_back() {
            let shared = shared_len(known, path);
            if is_ancestor(known, path, shared) {
                conns.iter().for_each(|(conn, _)| found(conn));
                bound = Bound::Excluded(known);
            } else {
                // An ancestor longer than the shared part would stand between `known` and `path`.
                bound = Bound::Included(ancestor_within(path, shared));
            }
        }
    }
}

fn shared_len(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count()
}

/// Whether `known`, which shares `shared` bytes with `path` and is not `path`, is an ancestor of it.
fn is_ancestor(known: &str, path: &str, shared: usize) -> bool {
    shared == known.len() && (known == "/" || path.as_bytes().get(shared) == Some(&b'/'))
}

/// The longest ancestor of `path` that has at most `len` bytes.
fn ancestor_within(path: &str, len: usize) -> &str {
    let end = path.len().min(len + 1);
    match path.as_bytes()[..end].iter().rposition(|&byte| byte == b'/') {
        None | Some(0) => "/",
        Some(slash) => &path[..slash],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn ancestors_are_found_between_neighbours_that_are_none() {
        let paths = ["/", "/a", "/a!", "/a!/b", "/a/b", "/a/b/", "/a/bc", "/a//b", "/b", "/a/b/c/d", "a", ""];
        let mut recursive = Recursive::default();
        for (conn, path) in paths.iter().enumerate() {
            recursive.add(path, conn as u32);
        }
        let cases: &[(&str, &[&str])] = &[
            ("/", &[]),
            ("/a", &["/"]),
            ("/a/b", &["/a", "/"]),
            ("/a/b/c", &["/a/b", "/a", "/"]),
            ("/a/b/c/d/e", &["/a/b/c/d", "/a/b", "/a", "/"]),
            ("/a/bc", &["/a", "/"]),
            ("/a/bcd/e", &["/a", "/"]),
            ("/a\u{1f}/x", &["/"]),
            ("/zzz/y", &["/"]),
        ];
        for (path, expected) in cases {
            let mut found = Vec::new();
            recursive.ancestors(path, |conn| found.push(paths[conn as usize]));
            assert_eq!(found, *expected, "{path}");
        }
    }

    fn path() -> impl Strategy<Value = String> {
        proptest::collection::vec("[!a-c/]{0,2}", 0..5)
            .prop_map(|parts| parts.iter().fold(String::new(), |path, part| path + "/" + part))
    }

    proptest! {
        #[test]
        fn ancestors_agree_with_asking_for_each(watched in proptest::collection::vec(path(), 0..30), path in path()) {
            let mut recursive = Recursive::default();
            for (conn, path) in watched.iter().enumerate() {
                recursive.add(path, conn as u32);
            }
            let mut expected: Vec<u32> = (0..watched.len())
                .filter(|&conn| {
                    let ancestor = &*watched[conn];
                    let below = path.strip_prefix(ancestor);
                    ancestor == "/" && path.starts_with('/') && path != "/"
                        || !ancestor.is_empty() && below.is_some_and(|rest| rest.starts_with('/'))
                })
                .map(|conn| conn as u32)
                .collect();
            let mut found = Vec::new();
            recursive.ancestors(&path, |conn| found.push(conn));
            found.sort_unstable();
            expected.sort_unstable();
            expected.dedup();
            prop_assert_eq!(found, expected);
        }
    }
}
