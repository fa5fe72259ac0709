//! From changes of the tree to events on connections.

use super::{ConnId, Fired, WatchTable};
use crate::acl;
use alloc::sync::Arc;
use alloc::vec::Vec;
use zabra_proto::put_event;
use zabra_tree::{ChangeSink, NodeAcl};
use zabra_types::{AuthSchemes, EventType, Identity, Perms, Zxid};

/// The connections, as far as events need them.
pub trait Deliver {
    /// What a connection has proved by now; `None` when it is gone.
    fn identities(&self, conn: ConnId) -> Option<Arc<[Identity]>>;

    /// Appends an event frame to what leaves a connection. One that is gone gets nothing.
    fn deliver(&mut self, conn: ConnId, frame: &[u8]);

    /// So many connections had watches that an event fired, delivered or not; for the metrics named
    /// `node_…_watch_count`. Not called when there are none.
    fn fired(&mut self, event: EventType, watches: usize) {
        let _ = (event, watches);
    }
}

/// Turns the changes of transactions into watch events, while they are applied.
///
/// Each change fires watches in the order that clients rely on: the node's own first, then those on the parent's
/// children. An event is encoded once, when the first connection wants it, and handed to each as the same bytes. A
/// connection that may not read the node gets none, but its watch is gone all the same, as in the genuine server.
#[derive(Debug)]
pub struct Events<'a, D: ?Sized, S: ?Sized> {
    watches: &'a mut WatchTable,
    conns: &'a mut D,
    schemes: &'a S,
    skip_acl: bool,
    frame: Vec<u8>,
}

impl<'a, D: Deliver + ?Sized, S: AuthSchemes + ?Sized> Events<'a, D, S> {
    /// Fires `watches` on `conns`. `skip_acl` is `zookeeper.skipACL`.
    pub fn new(watches: &'a mut WatchTable, conns: &'a mut D, schemes: &'a S, skip_acl: bool) -> Self {
        Self { watches, conns, schemes, skip_acl, frame: Vec::new() }
    }

    fn fire(&mut self, zxid: Zxid, event: EventType, path: &str, acl: NodeAcl<'_>) {
        if self.watches.is_empty() {
            return;
        }
        let Self { watches, conns, schemes, skip_acl, frame } = self;
        frame.clear();
        let everybody = *skip_acl || acl == NodeAcl::Open;
        let deliver = |conn| {
            let may_read = |who: &[Identity]| acl::check(acl, Perms::READ, who, *schemes, false);
            if everybody || conns.identities(conn).is_some_and(|who| may_read(&who)) {
                if frame.is_empty() {
                    put_event(frame, zxid, event, path);
                }
                conns.deliver(conn, frame);
            }
        };
        let Fired { data, children } = match event {
            EventType::NodeCreated | EventType::NodeDataChanged => watches.trigger_data(path, deliver),
            EventType::NodeDeleted => watches.trigger_deleted(path, deliver),
            EventType::NodeChildrenChanged => watches.trigger_children(path, deliver),
        };
        for fired in [data, children] {
            if fired > 0 {
                conns.fired(event, fired);
            }
        }
    }
}

impl<D: Deliver + ?Sized, S: AuthSchemes + ?Sized> ChangeSink for Events<'_, D, S> {
    fn created(&mut self, zxid: Zxid, path: &str, acl: NodeAcl<'_>, parent: &str, parent_acl: NodeAcl<'_>) {
        self.fire(zxid, EventType::NodeCreated, path, acl);
        self.fire(zxid, EventType::NodeChildrenChanged, parent, parent_acl);
    }

    fn deleted(&mut self, zxid: Zxid, path: &str, acl: NodeAcl<'_>, parent: &str, parent_acl: NodeAcl<'_>) {
        self.fire(zxid, EventType::NodeDeleted, path, acl);
        self.fire(zxid, EventType::NodeChildrenChanged, parent, parent_acl);
    }

    fn data_changed(&mut self, zxid: Zxid, path: &str, acl: NodeAcl<'_>) {
        self.fire(zxid, EventType::NodeDataChanged, path, acl);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Schemes;
    use crate::watch::WatchKind;
    use alloc::borrow::Cow;
    use alloc::collections::BTreeMap;
    use alloc::string::String;
    use alloc::vec;
    use zabra_proto::{AclList, CreateTxn, Put, Reader, ReplyHeader, SubTxn, Txn, TxnHeader, TxnType};
    use zabra_tree::{Tree, TreeOptions};
    use zabra_types::{Acl, SessionId, WallTime, WatcherType, Xid};

    /// Connection 1 is alice, 2 is the super user, 9 is gone, the others are nobody.
    #[derive(Default)]
    struct Clients {
        /// Connection, zxid, type and path of each event.
        events: Vec<(u32, i64, i32, String)>,
        fired: Vec<(EventType, usize)>,
        frames: BTreeMap<(i64, i32, String), Vec<u8>>,
    }

    impl Deliver for Clients {
        fn identities(&self, conn: ConnId) -> Option<Arc<[Identity]>> {
            let identity = match conn.get() {
                1 => Identity::new("digest", "alice:x"),
                2 => Identity::new("super", ""),
                9 => return None,
                _ => Identity::new("ip", "10.0.0.1"),
            };
            Some([identity].into())
        }

        fn deliver(&mut self, conn: ConnId, frame: &[u8]) {
            let mut reader = Reader::new(frame);
            let mut reader = Reader::new(reader.buffer("frame").unwrap().unwrap());
            let header = ReplyHeader::decode(&mut reader).unwrap();
            assert_eq!((header.xid, header.err), (Xid::NOTIFICATION, 0));
            let event = reader.i32("type").unwrap();
            assert_eq!(reader.i32("state").unwrap(), 3);
            let path = reader.some_text("path").unwrap().into_owned();
            reader.finish("event").unwrap();
            self.events.push((conn.get(), header.zxid.raw(), event, path.clone()));
            let same = self.frames.entry((header.zxid.raw(), event, path)).or_insert_with(|| frame.to_vec());
            assert_eq!(same, frame);
        }

        fn fired(&mut self, event: EventType, watches: usize) {
            self.fired.push((event, watches));
        }
    }

    struct World {
        tree: Tree,
        watches: WatchTable,
        skip_acl: bool,
    }

    impl World {
        fn new() -> Self {
            Self { tree: Tree::new(TreeOptions::default()), watches: WatchTable::default(), skip_acl: false }
        }

        fn watch(&mut self, conn: u32, kind: WatchKind, path: &str) {
            self.watches.add(path, ConnId::new(conn), kind);
        }

        fn apply(&mut self, kind: TxnType, txn: &Txn<'_>) -> Clients {
            let zxid = Zxid::from_raw(self.tree.last_zxid().raw() + 1);
            let (session, time) = (SessionId::from_raw(7), WallTime::default());
            let header = TxnHeader { session, cxid: Xid::from_raw(1), zxid, time, kind: kind.code() };
            let mut clients = Clients::default();
            let mut events = Events::new(&mut self.watches, &mut clients, &Schemes, self.skip_acl);
            self.tree.apply(&header, txn, &mut events);
            clients
        }

        fn create(&mut self, path: &str) -> Clients {
            self.apply(TxnType::Create, &create(path, false))
        }
    }

    fn create(path: &str, ephemeral: bool) -> Txn<'_> {
        let (path, acl) = (Cow::Borrowed(path), AclList::OPEN);
        Txn::Create(CreateTxn { path, data: None, acl, ephemeral, parent_cversion: -1 })
    }

    fn delete(path: &str) -> Txn<'_> {
        Txn::Delete { path: Cow::Borrowed(path) }
    }

    fn set_data(path: &str) -> Txn<'_> {
        Txn::SetData { path: Cow::Borrowed(path), data: None, version: 1 }
    }

    fn event(conn: u32, zxid: i64, event: EventType, path: &str) -> (u32, i64, i32, String) {
        (conn, zxid, event.code(), path.into())
    }

    use EventType::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted};

    /// Client protocol §5.3: which change fires what, in which order.
    #[test]
    fn changes_and_their_events() {
        let mut world = World::new();
        let watch_all = |world: &mut World| {
            for path in ["/", "/a"] {
                world.watch(3, WatchKind::Data, path);
                world.watch(3, WatchKind::Children, path);
            }
        };
        watch_all(&mut world);
        let clients = world.create("/a");
        assert_eq!(clients.events, [event(3, 1, NodeCreated, "/a"), event(3, 1, NodeChildrenChanged, "/")]);
        assert_eq!(clients.fired, [(NodeCreated, 1), (NodeChildrenChanged, 1)]);

        watch_all(&mut world);
        let clients = world.apply(TxnType::SetData, &set_data("/a"));
        assert_eq!(clients.events, [event(3, 2, NodeDataChanged, "/a")]);
        let clients = world.apply(TxnType::SetData, &set_data("/"));
        assert_eq!(clients.events, [event(3, 3, NodeDataChanged, "/")]);

        watch_all(&mut world);
        let acl = Txn::SetAcl { path: "/a".into(), acl: AclList::OPEN, version: 1 };
        assert_eq!(world.apply(TxnType::SetAcl, &acl).events, []);

        let clients = world.apply(TxnType::Delete, &delete("/a"));
        assert_eq!(clients.events, [event(3, 5, NodeDeleted, "/a"), event(3, 5, NodeChildrenChanged, "/")]);
        // Both tables found the connection, and both tell the metrics.
        assert_eq!(clients.fired, [(NodeDeleted, 1), (NodeDeleted, 1), (NodeChildrenChanged, 1)]);
        assert_eq!(world.watches.watch_count(), 1, "the data watch on the root is left");
    }

    #[test]
    fn many_watchers_get_the_same_bytes_once() {
        let mut world = World::new();
        for conn in [4, 5, 6] {
            world.watch(conn, WatchKind::Persistent, "/a");
            world.watch(conn, WatchKind::PersistentRecursive, "/");
            world.watch(conn, WatchKind::Data, "/a");
        }
        let clients = world.create("/a");
        assert_eq!(clients.events, [4, 5, 6].map(|conn| event(conn, 1, NodeCreated, "/a")));
        assert_eq!(clients.frames.len(), 1);
    }

    #[test]
    fn a_multi_fires_part_by_part() {
        let mut world = World::new();
        world.watch(3, WatchKind::PersistentRecursive, "/");
        let sub = |kind: TxnType, txn| SubTxn { kind: kind.code(), txn };
        let parts = vec![
            sub(TxnType::Create, create("/a", false)),
            sub(TxnType::Create, create("/a/b", false)),
            sub(TxnType::SetData, set_data("/a")),
            sub(TxnType::Delete, delete("/a/b")),
        ];
        let clients = world.apply(TxnType::Multi, &Txn::Multi(parts));
        let expected = [
            event(3, 1, NodeCreated, "/a"),
            event(3, 1, NodeCreated, "/a/b"),
            event(3, 1, NodeDataChanged, "/a"),
            event(3, 1, NodeDeleted, "/a/b"),
        ];
        assert_eq!(clients.events, expected);
    }

    #[test]
    fn the_end_of_a_session_deletes_node_by_node() {
        let mut world = World::new();
        world.apply(TxnType::Create, &create("/e", true));
        world.watch(3, WatchKind::Data, "/e");
        world.watch(3, WatchKind::Children, "/");
        let end = Txn::CloseSession { paths: Some(vec!["/e".into()]) };
        let clients = world.apply(TxnType::CloseSession, &end);
        assert_eq!(clients.events, [event(3, 2, NodeDeleted, "/e"), event(3, 2, NodeChildrenChanged, "/")]);
    }

    /// Client protocol §5.5.
    #[test]
    fn events_go_to_those_who_may_read() {
        let alice = AclList::encode_entries(&[Acl::new(Perms::ALL, "digest", "alice:x")]);
        let alice = AclList::from_encoded(&alice).unwrap();
        for skip_acl in [false, true] {
            let mut world = World::new();
            world.skip_acl = skip_acl;
            let watchers = [1, 2, 3, 9];
            let told: &[u32] = if skip_acl { &watchers } else { &[1, 2] };
            for conn in watchers {
                world.watch(conn, WatchKind::Data, "/a");
                world.watch(conn, WatchKind::Children, "/a");
                world.watch(conn, WatchKind::Children, "/");
            }
            let create = CreateTxn {
                path: "/a".into(),
                data: None,
                acl: alice,
                ephemeral: false,
                parent_cversion: -1,
            };
            let clients = world.apply(TxnType::Create, &Txn::Create(create));
            let mut expected: Vec<_> = told.iter().map(|&conn| event(conn, 1, NodeCreated, "/a")).collect();
            // The list of the parent counts for its children, and that of the root is open.
            expected.extend(watchers.map(|conn| event(conn, 1, NodeChildrenChanged, "/")));
            assert_eq!(clients.events, expected);
            for conn in watchers {
                let left = world.watches.contains("/a", ConnId::new(conn), WatcherType::Data);
                assert!(!left, "the watch is consumed even if the event is not delivered");
            }
            let clients = world.create("/a/b");
            let expected: Vec<_> =
                told.iter().map(|&conn| event(conn, 2, NodeChildrenChanged, "/a")).collect();
            assert_eq!(clients.events, expected);
            assert_eq!(clients.fired, [(NodeChildrenChanged, 4)]);
            assert!(world.watches.is_empty());
        }
    }

    #[test]
    fn frames_are_those_of_the_reference() {
        let mut world = World::new();
        world.watch(3, WatchKind::Data, "/x");
        let clients = world.create("/x");
        let mut expected = Vec::new();
        put_event(&mut expected, Zxid::from_raw(1), NodeCreated, "/x");
        assert_eq!(clients.frames.into_values().collect::<Vec<_>>(), [expected.clone()]);
        let mut word = Vec::new();
        word.put_count(expected.len() - 4);
        assert_eq!(expected[..4], word);
    }
}
