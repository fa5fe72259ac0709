//! The table against the rules, row by row, and against a model built as the genuine server builds its two managers.

use super::*;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;
use zabra_types::WatcherType;

const ALL_KINDS: [WatchKind; 4] =
    [WatchKind::Data, WatchKind::Children, WatchKind::Persistent, WatchKind::PersistentRecursive];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    Data,
    Deleted,
    Children,
}

fn trigger(table: &mut WatchTable, what: Trigger, path: &str) -> (Vec<u32>, Fired) {
    let mut told = Vec::new();
    let deliver = |conn: ConnId| told.push(conn.get());
    let fired = match what {
        Trigger::Data => table.trigger_data(path, deliver),
        Trigger::Deleted => table.trigger_deleted(path, deliver),
        Trigger::Children => table.trigger_children(path, deliver),
    };
    told.sort_unstable();
    (told, fired)
}

/// Client protocol §5.3: what a kind can receive, on the node and below it, and whether it stays.
#[test]
fn what_each_kind_hears() {
    use Trigger::{Children, Data, Deleted};
    use WatchKind as K;
    let rows: &[(WatchKind, Trigger, &str, bool, bool)] = &[
        // kind set on /a, what happens, where, heard, still there
        (K::Data, Data, "/a", true, false),
        (K::Data, Deleted, "/a", true, false),
        (K::Data, Children, "/a", false, true),
        (K::Data, Data, "/a/b", false, true),
        (K::Children, Data, "/a", false, true),
        (K::Children, Deleted, "/a", true, false),
        (K::Children, Children, "/a", true, false),
        (K::Children, Deleted, "/a/b", false, true),
        (K::Persistent, Data, "/a", true, true),
        (K::Persistent, Deleted, "/a", true, true),
        (K::Persistent, Children, "/a", true, true),
        (K::Persistent, Data, "/a/b", false, true),
        (K::PersistentRecursive, Data, "/a", true, true),
        (K::PersistentRecursive, Deleted, "/a", true, true),
        (K::PersistentRecursive, Children, "/a", false, true),
        (K::PersistentRecursive, Data, "/a/b/c", true, true),
        (K::PersistentRecursive, Deleted, "/a/b", true, true),
        (K::PersistentRecursive, Children, "/a/b", false, true),
        (K::PersistentRecursive, Data, "/ab", false, true),
        (K::PersistentRecursive, Data, "/", false, true),
    ];
    for &(kind, what, path, heard, stays) in rows {
        let mut table = WatchTable::default();
        table.add("/a", ConnId::new(7), kind);
        let (told, _) = trigger(&mut table, what, path);
        assert_eq!(told, if heard { vec![7] } else { vec![] }, "{kind:?} {what:?} {path}");
        assert_eq!(table.contains("/a", ConnId::new(7), WatcherType::Any), stays, "{kind:?} {what:?} {path}");
        assert_eq!(table.is_empty(), !stays);
    }
}

/// Client protocol §5.4: one frame per connection however many kinds, and on however many ancestors.
#[test]
fn a_connection_is_told_once() {
    let mut table = WatchTable::default();
    for kind in ALL_KINDS {
        table.add("/a/b", ConnId::new(1), kind);
    }
    for above in ["/", "/a"] {
        table.add(above, ConnId::new(1), WatchKind::PersistentRecursive);
        table.add(above, ConnId::new(2), WatchKind::PersistentRecursive);
    }
    assert_eq!(trigger(&mut table, Trigger::Data, "/a/b"), (vec![1, 2], Fired { data: 2, children: 0 }));
    // The watch on children goes with the deletion, although the connection was told already.
    assert_eq!(trigger(&mut table, Trigger::Deleted, "/a/b"), (vec![1, 2], Fired { data: 2, children: 1 }));
    assert!(!table.contains("/a/b", ConnId::new(1), WatcherType::Children));
    assert_eq!(trigger(&mut table, Trigger::Children, "/a/b"), (vec![1], Fired { data: 0, children: 1 }));
}

#[test]
fn a_recursive_watch_on_the_root_hears_of_the_root_and_everything_below() {
    let mut table = WatchTable::default();
    table.add("/", ConnId::new(3), WatchKind::PersistentRecursive);
    for path in ["/", "/a", "/a/b/c"] {
        assert_eq!(trigger(&mut table, Trigger::Data, path).0, [3], "{path}");
    }
    assert_eq!(trigger(&mut table, Trigger::Children, "/").0, []);
}

#[test]
fn watches_on_what_is_no_path_never_fire() {
    let mut table = WatchTable::default();
    for path in ["", "a", "/a/", "//", "/a//b"] {
        for kind in ALL_KINDS {
            assert!(table.add(path, ConnId::new(1), kind), "{path:?}");
        }
    }
    for path in ["/", "/a", "/a/b"] {
        for what in [Trigger::Data, Trigger::Deleted, Trigger::Children] {
            assert_eq!(trigger(&mut table, what, path).0, [], "{path:?}");
        }
    }
    table.remove_conn(ConnId::new(1));
    assert!(table.is_empty());
}

/// Client protocol §3.14: each type but Any finds exactly its own kind.
#[test]
fn types_of_checks_and_removals() {
    use WatcherType as T;
    let types = [T::Data, T::Children, T::Persistent, T::PersistentRecursive, T::Any];
    for (kind, own) in ALL_KINDS.into_iter().zip(types) {
        for wanted in types {
            let mut table = WatchTable::default();
            table.add("/a", ConnId::new(1), kind);
            let matches = wanted == own || wanted == T::Any;
            assert_eq!(table.contains("/a", ConnId::new(1), wanted), matches, "{kind:?} {wanted:?}");
            assert!(!table.contains("/a", ConnId::new(2), wanted));
            assert!(!table.remove("/a", ConnId::new(2), wanted));
            assert_eq!(table.remove("/a", ConnId::new(1), wanted), matches, "{kind:?} {wanted:?}");
            assert_eq!(table.is_empty(), matches);
        }
    }
}

#[test]
fn summaries_leave_out_watches_on_children() {
    let mut table = WatchTable::default();
    table.add("/a", ConnId::new(0), WatchKind::Children);
    table.add("/b", ConnId::new(2), WatchKind::Persistent);
    table.add("/b", ConnId::new(4), WatchKind::Data);
    table.add("/c", ConnId::new(4), WatchKind::PersistentRecursive);
    assert_eq!(table.summary(), WatchSummary { connections: 2, paths: 2, watches: 3 });
    assert_eq!(table.watch_count(), 5);
    let by_path: BTreeMap<_, Vec<_>> = table.by_path().map(|(path, conns)| (path, conns.collect())).collect();
    assert_eq!(
        by_path.into_iter().collect::<Vec<_>>(),
        [("/b", vec![ConnId::new(2), ConnId::new(4)]), ("/c", vec![ConnId::new(4)])]
    );
    let by_conn: Vec<(_, BTreeSet<_>)> =
        table.by_conn().map(|(conn, paths)| (conn, paths.collect())).collect();
    assert_eq!(by_conn, [(ConnId::new(2), ["/b"].into()), (ConnId::new(4), ["/b", "/c"].into())]);
}

#[test]
fn ten_thousand_connections_on_one_path() {
    let mut table = WatchTable::default();
    for conn in 0..10_000 {
        table.add("/hot", ConnId::new(conn), WatchKind::Data);
        table.add("/hot", ConnId::new(conn), WatchKind::Children);
    }
    assert_eq!(table.watch_count(), 20_000);
    assert_eq!(trigger(&mut table, Trigger::Children, "/hot").0.len(), 10_000);
    assert_eq!(table.watch_count(), 10_000);
    assert_eq!(trigger(&mut table, Trigger::Data, "/hot").0, (0..10_000).collect::<Vec<_>>());
    assert!(table.is_empty());
}

/// The two managers of the genuine server: a table is a set of modes for each pair of path and connection.
#[derive(Default)]
struct Model {
    data: BTreeMap<(String, u32), BTreeSet<Mode>>,
    children: BTreeMap<(String, u32), BTreeSet<Mode>>,
}

type Manager = BTreeMap<(String, u32), BTreeSet<Mode>>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    Standard,
    Persistent,
    Recursive,
}

impl Model {
    fn add(&mut self, path: &str, conn: u32, kind: WatchKind) {
        let key = (path.into(), conn);
        let (in_data, in_children, mode) = match kind {
            WatchKind::Data => (true, false, Mode::Standard),
            WatchKind::Children => (false, true, Mode::Standard),
            WatchKind::Persistent => (true, true, Mode::Persistent),
            WatchKind::PersistentRecursive => (true, false, Mode::Recursive),
        };
        if in_data {
            self.data.entry(key.clone()).or_default().insert(mode);
        }
        if in_children {
            self.children.entry(key).or_default().insert(mode);
        }
    }

    fn remove(&mut self, path: &str, conn: u32, wanted: WatcherType) -> bool {
        let key = (path.into(), conn);
        let take = |manager: &mut Manager, mode: Mode| {
            let removed = manager.get_mut(&key).is_some_and(|modes| modes.remove(&mode));
            manager.retain(|_, modes| !modes.is_empty());
            removed
        };
        match wanted {
            WatcherType::Data => take(&mut self.data, Mode::Standard),
            WatcherType::Children => take(&mut self.children, Mode::Standard),
            WatcherType::Persistent => {
                take(&mut self.children, Mode::Persistent) | take(&mut self.data, Mode::Persistent)
            }
            WatcherType::PersistentRecursive => take(&mut self.data, Mode::Recursive),
            WatcherType::Any => self.data.remove(&key).is_some() | self.children.remove(&key).is_some(),
        }
    }

    fn remove_conn(&mut self, conn: u32) {
        self.data.retain(|(_, other), _| *other != conn);
        self.children.retain(|(_, other), _| *other != conn);
    }

    fn fire(manager: &mut Manager, path: &str) -> BTreeSet<u32> {
        let mut told = BTreeSet::new();
        for ((watched, conn), modes) in manager.iter_mut() {
            let above = path != "/"
                && (watched == "/" || path.strip_prefix(&**watched).is_some_and(|r| r.starts_with('/')));
            if watched == path {
                told.insert(*conn);
                modes.remove(&Mode::Standard);
            } else if above && !watched.is_empty() && modes.contains(&Mode::Recursive) {
                told.insert(*conn);
            }
        }
        manager.retain(|_, modes| !modes.is_empty());
        told
    }

    fn trigger(&mut self, what: Trigger, path: &str) -> (Vec<u32>, Fired) {
        let data = if what == Trigger::Children { BTreeSet::new() } else { Self::fire(&mut self.data, path) };
        let children =
            if what == Trigger::Data { BTreeSet::new() } else { Self::fire(&mut self.children, path) };
        let fired = Fired { data: data.len(), children: children.len() };
        (data.union(&children).copied().collect(), fired)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add(String, u32, WatchKind),
    Remove(String, u32, WatcherType),
    RemoveConn(u32),
    Trigger(Trigger, String),
}

fn step() -> impl Strategy<Value = Step> {
    let path = || prop_oneof![Just(String::new()), Just("/".into()), "(/[ab]){1,3}", Just("/a/".into())];
    let kind = proptest::sample::select(&ALL_KINDS[..]);
    let wanted = (1..=5).prop_map(|code| WatcherType::from_code(code).unwrap());
    let what = proptest::sample::select(&[Trigger::Data, Trigger::Deleted, Trigger::Children][..]);
    prop_oneof![
        6 => (path(), 0..6_u32, kind).prop_map(|(path, conn, kind)| Step::Add(path, conn, kind)),
        2 => (path(), 0..6_u32, wanted).prop_map(|(path, conn, wanted)| Step::Remove(path, conn, wanted)),
        1 => (0..6_u32).prop_map(Step::RemoveConn),
        4 => (what, prop_oneof![Just(String::from("/")), "(/[ab]){1,4}"])
            .prop_map(|(what, path)| Step::Trigger(what, path)),
    ]
}

proptest! {
    #[test]
    fn the_table_agrees_with_two_managers(steps in proptest::collection::vec(step(), 1..60)) {
        let (mut table, mut model) = (WatchTable::new([5, 6]), Model::default());
        for step in &steps {
            match step {
                Step::Add(path, conn, kind) => {
                    table.add(path, ConnId::new(*conn), *kind);
                    model.add(path, *conn, *kind);
                }
                Step::Remove(path, conn, wanted) => {
                    let contained = table.contains(path, ConnId::new(*conn), *wanted);
                    let removed = table.remove(path, ConnId::new(*conn), *wanted);
                    prop_assert_eq!(contained, removed);
                    prop_assert_eq!(removed, model.remove(path, *conn, *wanted));
                }
                Step::RemoveConn(conn) => {
                    table.remove_conn(ConnId::new(*conn));
                    model.remove_conn(*conn);
                }
                Step::Trigger(what, path) => {
                    prop_assert_eq!(trigger(&mut table, *what, path), model.trigger(*what, path), "{:?}", step);
                }
            }
            prop_assert_eq!(table.watch_count(), model.data.len() + model.children.len());
            let mut pairs: Vec<(String, u32)> = table
                .by_path()
                .flat_map(|(path, conns)| conns.map(move |conn| (path.into(), conn.get())))
                .collect();
            pairs.sort();
            prop_assert!(pairs.iter().eq(model.data.keys()));
            let mut pairs: Vec<(String, u32)> = table
                .by_conn()
                .flat_map(|(conn, paths)| paths.map(move |path| (path.into(), conn.get())))
                .collect();
            pairs.sort();
            prop_assert!(pairs.iter().eq(model.data.keys()));
            prop_assert_eq!(table.is_empty(), model.data.is_empty() && model.children.is_empty());
        }
    }
}
