//! A client as its user sees it: names relative to a chroot, retries, the session it is bound to.

use crate::core::Incarnation;
use crate::{Acl, Error, RetryPolicy};
use std::borrow::Cow;
use std::sync::Arc;
use zabra_proto::AclEntry;
use zabra_types::validate_path;

/// What distinguishes the clones of one client. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// Prefix of all paths; `None` for none. A valid path other than `/`.
    pub(crate) chroot: Option<Arc<str>>,
    /// When failed requests are sent again.
    pub(crate) retry: Option<Arc<RetryPolicy>>,
    /// The session outside of which requests fail.
    pub(crate) pinned: Option<Incarnation>,
    /// What nodes are created with unless they are given something else; `None` for open to everybody.
    pub(crate) acl: Option<Arc<[Acl]>>,
}

impl View {
    /// The view whose root is `path` of this one.
    pub(crate) fn below(&self, path: &str) -> Result<Self, Error> {
        let full = self.full(path)?;
        let chroot = if full == "/" { None } else { Some(Arc::from(&*full)) };
        Ok(Self { chroot, ..self.clone() })
    }

    /// The view that names nodes as the server does.
    pub(crate) fn without_chroot(&self) -> Self {
        Self { chroot: None, ..self.clone() }
    }

    /// The ACL of what is created without one, as it is sent.
    pub(crate) fn acl_entries(&self) -> Vec<AclEntry<'_>> {
        match &self.acl {
            Some(acl) => acl.iter().map(AclEntry::of).collect(),
            None => vec![AclEntry::OPEN],
        }
    }

    /// The path as the server names it.
    pub(crate) fn full<'a>(&self, path: &'a str) -> Result<Cow<'a, str>, Error> {
        validate_path(path).map_err(|source| Error::BadPath { path: path.to_owned(), source })?;
        Ok(self.prefixed(path))
    }

    /// The path that the server is to complete by a number: it may end in a slash.
    pub(crate) fn full_sequential<'a>(&self, path: &'a str) -> Result<Cow<'a, str>, Error> {
        let bad = |source| Error::BadPath { path: path.to_owned(), source };
        validate_path(&format!("{path}1")).map_err(bad)?;
        Ok(self.prefixed(path))
    }

    fn prefixed<'a>(&self, path: &'a str) -> Cow<'a, str> {
        match &self.chroot {
            None => Cow::Borrowed(path),
            Some(chroot) if path == "/" => Cow::Owned(chroot.as_ref().to_owned()),
            Some(chroot) => Cow::Owned(format!("{chroot}{path}")),
        }
    }

    /// The server's path as this view names it. One outside of the chroot, which only `/zookeeper` can be, stays as it
    /// is.
    pub(crate) fn strip<'a>(&self, full: &'a str) -> &'a str {
        self.within(full).unwrap_or(full)
    }

    /// The server's path as this view names it; `None` for one outside of the chroot.
    pub(crate) fn within<'a>(&self, full: &'a str) -> Option<&'a str> {
        let Some(chroot) = &self.chroot else { return Some(full) };
        match full.strip_prefix(&**chroot)? {
            "" => Some("/"),
            rest => rest.starts_with('/').then_some(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chroots_are_put_before_paths_and_taken_off() {
        let root = View::default();
        let app = root.below("/app").unwrap();
        let inner = app.below("/x").unwrap();
        let cases = [
            (&root, "/", "/"),
            (&root, "/a", "/a"),
            (&app, "/", "/app"),
            (&app, "/a/b", "/app/a/b"),
            (&inner, "/", "/app/x"),
            (&inner, "/a", "/app/x/a"),
        ];
        for (view, path, full) in cases {
            assert_eq!(view.full(path).unwrap(), full);
            assert_eq!(view.strip(full), path);
        }
        assert_eq!(app.strip("/apple"), "/apple");
        assert_eq!(app.strip("/zookeeper/config"), "/zookeeper/config");
        assert_eq!(app.below("/").unwrap().full("/a").unwrap(), "/app/a");
        assert_eq!(inner.without_chroot().full("/a").unwrap(), "/a");
    }

    #[test]
    fn only_paths_the_server_completes_may_end_in_a_slash() {
        let view = View::default();
        assert!(matches!(view.full("/a/"), Err(Error::BadPath { .. })));
        assert_eq!(view.full_sequential("/a/").unwrap(), "/a/");
        for bad in ["", "a", "/a//", "//"] {
            assert!(view.full(bad).is_err() && view.full_sequential(bad).is_err(), "{bad:?}");
        }
    }
}
