//! The requests that are about watches.

use super::{Answer, WatchAccess};
use crate::watch::WatchKind;
use zabra_proto::{AddWatch, Put, SetWatches, WatchQuery, put_event};
use zabra_types::{AddWatchMode, AuthSchemes, EventType, KeeperError, WatcherType, Zxid};

impl<S: AuthSchemes + ?Sized, W: WatchAccess> Answer<'_, S, W> {
    /// Nothing is asked of the path: not even that it be one.
    pub(super) fn add_watch(&mut self, wanted: &AddWatch<'_>) -> Result<(), KeeperError> {
        let kind = match AddWatchMode::from_code(wanted.mode).ok_or(KeeperError::MarshallingError)? {
            AddWatchMode::Persistent => WatchKind::Persistent,
            AddWatchMode::PersistentRecursive => WatchKind::PersistentRecursive,
        };
        self.watches.table().add(&wanted.path, self.caller.conn, kind);
        // An ErrorResponse that tells of none.
        self.out.put_i32(0);
        Ok(())
    }

    pub(super) fn check_watches(&mut self, wanted: &WatchQuery<'_>) -> Result<(), KeeperError> {
        let watcher_type = watcher_type(wanted)?;
        let found = self.watches.table().contains(&wanted.path, self.caller.conn, watcher_type);
        if found { Ok(()) } else { Err(KeeperError::NoWatcher) }
    }

    pub(super) fn remove_watches(&mut self, wanted: &WatchQuery<'_>) -> Result<(), KeeperError> {
        let watcher_type = watcher_type(wanted)?;
        let removed = self.watches.table().remove(&wanted.path, self.caller.conn, watcher_type);
        if removed { Ok(()) } else { Err(KeeperError::NoWatcher) }
    }

    /// Sets the watches of a client that was away (`DataTree.setWatches`).
    ///
    /// What the client has missed becomes an event instead of a watch. These events are not filtered by access
    /// control lists. Persistent watches are only set.
    pub(super) fn set_watches(&mut self, set: &SetWatches<'_>) {
        let Self { reads, caller, watches, out } = self;
        let mut table = watches.table();
        let seen = set.relative_zxid.raw();
        let mut settle = |path: &str, missed: Option<EventType>, kind: WatchKind| match missed {
            Some(event) => put_event(out, Zxid::NONE, event, path),
            None => {
                table.add(path, caller.conn, kind);
            }
        };
        for path in &set.data {
            let missed = match reads.tree.get(path) {
                None => Some(EventType::NodeDeleted),
                Some(node) => (node.persisted().mzxid > seen).then_some(EventType::NodeDataChanged),
            };
            settle(path, missed, WatchKind::Data);
        }
        for path in &set.exists {
            settle(path, reads.tree.get(path).map(|_| EventType::NodeCreated), WatchKind::Data);
        }
        for path in &set.children {
            let missed = match reads.tree.get(path) {
                None => Some(EventType::NodeDeleted),
                Some(node) => (node.persisted().pzxid > seen).then_some(EventType::NodeChildrenChanged),
            };
            settle(path, missed, WatchKind::Children);
        }
        for path in &set.persistent {
            settle(path, None, WatchKind::Persistent);
        }
        for path in &set.persistent_recursive {
            settle(path, None, WatchKind::PersistentRecursive);
        }
    }
}

fn watcher_type(wanted: &WatchQuery<'_>) -> Result<WatcherType, KeeperError> {
    WatcherType::from_code(wanted.watcher_type).ok_or(KeeperError::MarshallingError)
}
