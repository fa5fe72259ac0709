//! Statistics by the first part of a path.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::{Counter, Distribution};

/// How many namespaces are told apart. Clients make as many as they like, and each takes some 12 KiB here; what is done
/// in more is not counted by namespace.
const NAMESPACES_MAX: usize = 256;

/// What happens below one child of the root.
#[derive(Debug, Default)]
pub(crate) struct Namespace {
    /// The child's name.
    pub(crate) name: Box<str>,
    /// Bytes per read: path, data and Stat.
    pub(crate) reads: Distribution,
    /// Bytes per write: path and data.
    pub(crate) writes: Distribution,
    /// Writes refused because of a hard quota.
    pub(crate) quota_exceeded: Counter,
}

/// All namespaces that something was done in.
#[derive(Debug, Default)]
pub(crate) struct Namespaces(RwLock<HashMap<Box<str>, Arc<Namespace>>>);

impl Namespaces {
    /// The statistics of a namespace; nothing when there are too many.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Namespace>> {
        if let Some(namespace) = self.0.read().get(name) {
            return Some(Arc::clone(namespace));
        }
        let mut namespaces = self.0.write();
        if namespaces.len() >= NAMESPACES_MAX && !namespaces.contains_key(name) {
            return None;
        }
        let new = || Arc::new(Namespace { name: name.into(), ..Namespace::default() });
        Some(Arc::clone(namespaces.entry(name.into()).or_insert_with(new)))
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Namespace>> {
        let mut all: Vec<_> = self.0.read().values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Forgets all of them.
    pub(crate) fn reset(&self) {
        self.0.write().clear();
    }
}

/// The first part of a path; nothing for the root.
pub(crate) fn namespace_of(path: &str) -> Option<&str> {
    path.strip_prefix('/')?.split('/').next().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_the_first_part_of_a_path() {
        for (path, name) in [("/", None), ("", None), ("/a", Some("a")), ("/a/b/c", Some("a")), ("a", None)] {
            assert_eq!(namespace_of(path), name, "{path}");
        }
    }

    #[test]
    fn no_more_namespaces_are_kept_than_allowed() {
        let namespaces = Namespaces::default();
        for number in 0..NAMESPACES_MAX {
            assert!(namespaces.get(&number.to_string()).is_some());
        }
        assert!(namespaces.get("more").is_none());
        assert!(namespaces.get("7").is_some());
        assert_eq!(namespaces.all().len(), NAMESPACES_MAX);
    }
}
