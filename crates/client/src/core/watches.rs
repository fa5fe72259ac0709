//! Who watches what, and who is told of an event.

use crate::core::call::{WatchAsk, WatchRemoval};
use crate::event::SessionState;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use zabra_proto::{Request, SetWatches};
use zabra_types::{EventType, WatcherType, Zxid, parent_of};

/// Characters of paths in one request that sets watches again, as in the genuine client.
const SET_WATCHES_LEN_MAX: usize = 128 * 1024;
/// What such a request takes beside paths: its header, a zxid, and the counts of five lists.
const SET_WATCHES_FIXED_LEN: usize = 8 + 8 + 5 * 4;

/// Somebody who watches. Given by the handle, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WatcherId(pub(crate) u64);

/// What a request watches. An exists that finds no node leaves an [`WatchKind::Exists`] watch, one that does find it a
/// [`WatchKind::Data`] watch: they are set again differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum WatchKind {
    Data,
    Exists,
    Children,
    Persistent,
    PersistentRecursive,
}

impl WatchKind {
    const ALL: [Self; 5] =
        [Self::Data, Self::Exists, Self::Children, Self::Persistent, Self::PersistentRecursive];

    /// The type that removes watches of this kind and no others, where that is worth a request: one-shot watches go away
    /// by themselves.
    pub(crate) const fn removal(self) -> Option<WatcherType> {
        match self {
            Self::Data | Self::Exists | Self::Children => None,
            Self::Persistent => Some(WatcherType::Persistent),
            Self::PersistentRecursive => Some(WatcherType::PersistentRecursive),
        }
    }

    /// The kinds a removal of this type concerns.
    const fn of(watches: WatcherType) -> &'static [Self] {
        match watches {
            WatcherType::Children => &[Self::Children],
            WatcherType::Data => &[Self::Data, Self::Exists],
            WatcherType::Persistent => &[Self::Persistent],
            WatcherType::PersistentRecursive => &[Self::PersistentRecursive],
            WatcherType::Any => &Self::ALL,
        }
    }
}

/// What a watcher is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Something happened to a node, named as the server names it.
    Node {
        event: EventType,
        path: Arc<str>,
        /// The causing transaction, when it is known.
        zxid: Option<Zxid>,
        /// How the session stood when the event came.
        state: SessionState,
    },
    /// The watch was removed at the server on somebody's request.
    Removed,
    /// The session is over, and the watch with it.
    Session(SessionState),
}

/// All watches of a client. They outlive connections and end with the session.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    paths: BTreeMap<(WatchKind, Arc<str>), BTreeSet<WatcherId>>,
    watchers: BTreeMap<WatcherId, (WatchKind, Arc<str>)>,
    /// Those who went before the request that is to set their watch was answered.
    orphans: BTreeSet<WatcherId>,
}

impl Watches {
    /// Somebody watches from now on.
    pub(crate) fn add(&mut self, ask: WatchAsk) {
        let path: Arc<str> = ask.path.into();
        self.paths.entry((ask.kind, Arc::clone(&path))).or_default().insert(ask.watcher);
        self.watchers.insert(ask.watcher, (ask.kind, path));
    }

    /// Whom an event concerns, and whether it was the last for them: one-shot watches are gone afterwards.
    ///
    /// The genuine rules (`ZKWatchManager.materialize`): recursive watches never hear of changed children, whatever else
    /// made the server send the event.
    pub(crate) fn fire(&mut self, event: EventType, path: &Arc<str>) -> Vec<(WatcherId, bool)> {
        let kinds: &[WatchKind] = match event {
            EventType::NodeCreated | EventType::NodeDataChanged => &[WatchKind::Data, WatchKind::Exists],
            EventType::NodeChildrenChanged => &[WatchKind::Children],
            EventType::NodeDeleted => &[WatchKind::Data, WatchKind::Exists, WatchKind::Children],
        };
        let mut told = Vec::new();
        for kind in kinds {
            let fired = self.paths.remove(&(*kind, Arc::clone(path))).into_iter().flatten();
            for watcher in fired {
                self.watchers.remove(&watcher);
                told.push((watcher, true));
            }
        }
        let mut also = |kind, path: &Arc<str>| {
            let watchers = self.paths.get(&(kind, Arc::clone(path))).into_iter().flatten();
            told.extend(watchers.map(|watcher| (*watcher, false)));
        };
        also(WatchKind::Persistent, path);
        if event != EventType::NodeChildrenChanged && self.has(WatchKind::PersistentRecursive) {
            also(WatchKind::PersistentRecursive, path);
            let mut below: &str = path;
            while let Some(parent) = parent_of(below) {
                also(WatchKind::PersistentRecursive, &parent.into());
                below = parent;
            }
        }
        told
    }

    fn has(&self, kind: WatchKind) -> bool {
        self.paths.range((kind, "".into())..).next().is_some_and(|((first, _), _)| *first == kind)
    }

    /// Whether this watcher's watch is set.
    pub(crate) fn knows(&self, watcher: WatcherId) -> bool {
        self.watchers.contains_key(&watcher)
    }

    /// Nobody listens on behalf of this watcher any more. Returns what it watched, when it was the last one there.
    pub(crate) fn forget(&mut self, watcher: WatcherId) -> Option<(WatchKind, Arc<str>)> {
        let key = self.watchers.remove(&watcher)?;
        let others = self.paths.get_mut(&key)?;
        others.remove(&watcher);
        if !others.is_empty() {
            return None;
        }
        self.paths.remove(&key);
        Some(key)
    }

    /// Remembers that nobody listens to a watcher whose watch is not set yet.
    pub(crate) fn orphan(&mut self, watcher: WatcherId) {
        self.orphans.insert(watcher);
    }

    /// Whether nobody listens to this watcher; asked once, when it is known whether its watch is set.
    pub(crate) fn take_orphan(&mut self, watcher: WatcherId) -> bool {
        self.orphans.remove(&watcher)
    }

    /// The server has removed watches of a path. Returns whose they were.
    pub(crate) fn remove(&mut self, removal: WatchRemoval) -> BTreeSet<WatcherId> {
        let path: Arc<str> = removal.path.into();
        let mut gone = BTreeSet::new();
        for kind in WatchKind::of(removal.watches) {
            gone.extend(self.paths.remove(&(*kind, Arc::clone(&path))).into_iter().flatten());
        }
        for watcher in &gone {
            self.watchers.remove(watcher);
        }
        gone
    }

    /// Ends all watches. Returns whose they were.
    pub(crate) fn clear(&mut self) -> Vec<WatcherId> {
        self.paths.clear();
        std::mem::take(&mut self.watchers).into_keys().collect()
    }

    /// The requests that set all watches again, none longer than `len_max` bytes.
    pub(crate) fn set_again(&self, seen: Zxid, len_max: usize) -> Vec<Request<'_>> {
        let paths_len_max = SET_WATCHES_LEN_MAX.min(len_max.saturating_sub(SET_WATCHES_FIXED_LEN));
        let mut requests = Vec::new();
        let mut batch = no_watches(seen);
        let mut len = 0;
        for (kind, path) in self.paths.keys() {
            let path_len = path.len() + 4;
            if len > 0 && len + path_len > paths_len_max {
                requests.push(Request::SetWatches(std::mem::replace(&mut batch, no_watches(seen))));
                len = 0;
            }
            len += path_len;
            let list = match kind {
                WatchKind::Data => &mut batch.data,
                WatchKind::Exists => &mut batch.exists,
                WatchKind::Children => &mut batch.children,
                WatchKind::Persistent => &mut batch.persistent,
                WatchKind::PersistentRecursive => &mut batch.persistent_recursive,
            };
            list.push(Cow::Borrowed(&**path));
        }
        if len > 0 {
            requests.push(Request::SetWatches(batch));
        }
        requests
    }

    /// Panics when the two views of the table differ.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        let listed: usize = self.paths.values().map(BTreeSet::len).sum();
        assert_eq!(listed, self.watchers.len());
        for (watcher, key) in &self.watchers {
            assert!(self.paths[key].contains(watcher), "{watcher:?}");
        }
        assert!(self.paths.values().all(|watchers| !watchers.is_empty()));
    }
}

/// The length of a request that sets a watch again, in bytes.
pub(crate) const fn set_again_len(path: &str) -> usize {
    SET_WATCHES_FIXED_LEN + 4 + path.len()
}

const fn no_watches<'a>(relative_zxid: Zxid) -> SetWatches<'a> {
    SetWatches {
        relative_zxid,
        data: Vec::new(),
        exists: Vec::new(),
        children: Vec::new(),
        persistent: Vec::new(),
        persistent_recursive: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use EventType::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted};

    fn watches(list: &[(u64, WatchKind, &str)]) -> Watches {
        let mut watches = Watches::default();
        for (watcher, kind, path) in list {
            let watcher = WatcherId(*watcher);
            watches.add(WatchAsk { watcher, path: (*path).to_owned(), kind: *kind });
        }
        watches.check();
        watches
    }

    fn fired(watches: &mut Watches, event: EventType, path: &str) -> Vec<u64> {
        let told = watches.fire(event, &path.into());
        watches.check();
        let mut told: Vec<u64> = told.into_iter().map(|(watcher, _)| watcher.0).collect();
        told.sort_unstable();
        told
    }

    const EVERY_KIND: &[(u64, WatchKind, &str)] = &[
        (1, WatchKind::Data, "/a/b"),
        (2, WatchKind::Exists, "/a/b"),
        (3, WatchKind::Children, "/a/b"),
        (4, WatchKind::Persistent, "/a/b"),
        (5, WatchKind::PersistentRecursive, "/a/b"),
        (6, WatchKind::PersistentRecursive, "/"),
        (7, WatchKind::Persistent, "/a"),
        (8, WatchKind::PersistentRecursive, "/a/bc"),
    ];

    #[test]
    fn events_reach_the_kinds_they_should() {
        let cases = [
            (NodeCreated, "/a/b", vec![1, 2, 4, 5, 6], vec![4, 5, 6]),
            (NodeDataChanged, "/a/b", vec![1, 2, 4, 5, 6], vec![4, 5, 6]),
            (NodeDeleted, "/a/b", vec![1, 2, 3, 4, 5, 6], vec![4, 5, 6]),
            (NodeChildrenChanged, "/a/b", vec![3, 4], vec![4]),
            (NodeChildrenChanged, "/a", vec![7], vec![7]),
            (NodeDeleted, "/a/b/c/d", vec![5, 6], vec![5, 6]),
            (NodeCreated, "/", vec![6], vec![6]),
            (NodeCreated, "/a/bc/d", vec![6, 8], vec![6, 8]),
        ];
        for (event, path, first, second) in cases {
            let mut watches = watches(EVERY_KIND);
            assert_eq!(fired(&mut watches, event, path), first, "{event:?} {path}");
            assert_eq!(fired(&mut watches, event, path), second, "{event:?} {path} again");
        }
    }

    #[test]
    fn only_the_last_watcher_of_a_kind_is_reported() {
        let mut watches = watches(&[
            (1, WatchKind::Persistent, "/a"),
            (2, WatchKind::Persistent, "/a"),
            (3, WatchKind::Data, "/a"),
        ]);
        assert_eq!(watches.forget(WatcherId(1)), None);
        assert_eq!(watches.forget(WatcherId(2)), Some((WatchKind::Persistent, "/a".into())));
        assert_eq!(watches.forget(WatcherId(2)), None);
        watches.check();
        assert_eq!(fired(&mut watches, NodeDataChanged, "/a"), [3]);
        assert_eq!(watches.forget(WatcherId(3)), None, "it has fired");
    }

    #[test]
    fn a_removal_ends_the_kinds_of_its_type() {
        let cases = [
            (WatcherType::Children, vec![3]),
            (WatcherType::Data, vec![1, 2]),
            (WatcherType::Persistent, vec![4]),
            (WatcherType::PersistentRecursive, vec![5]),
            (WatcherType::Any, vec![1, 2, 3, 4, 5]),
        ];
        for (type_, gone) in cases {
            let mut watches = watches(EVERY_KIND);
            let removed = watches.remove(WatchRemoval { path: "/a/b".to_owned(), watches: type_ });
            watches.check();
            assert_eq!(removed.into_iter().map(|w| w.0).collect::<Vec<_>>(), gone, "{type_:?}");
        }
    }

    #[test]
    fn watches_are_set_again_in_frames_within_the_limit() {
        let mut all = Watches::default();
        for n in 0..1000_u64 {
            let kind = WatchKind::ALL[n as usize % 5];
            all.add(WatchAsk { watcher: WatcherId(n), path: format!("/{n:050}"), kind });
            // A second watcher costs nothing on the wire.
            all.add(WatchAsk { watcher: WatcherId(5000 + n), path: format!("/{n:050}"), kind });
        }
        for len_max in [1024, 20_000, usize::MAX] {
            let requests = all.set_again(Zxid::from_raw(9), len_max);
            let mut paths = 0;
            for request in &requests {
                let mut body = Vec::new();
                request.encode(&mut body);
                assert!(body.len() + 8 <= len_max);
                let Request::SetWatches(set) = request else { panic!("{request:?}") };
                assert_eq!(set.relative_zxid, Zxid::from_raw(9));
                paths += set.data.len() + set.exists.len() + set.children.len();
                paths += set.persistent.len() + set.persistent_recursive.len();
            }
            assert_eq!(paths, 1000);
        }
        assert!(Watches::default().set_again(Zxid::ZERO, 1024).is_empty());
    }
}
