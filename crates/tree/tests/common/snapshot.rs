//! Snapshots as bytes in memory, without what the file adds.

use std::collections::VecDeque;
use zabra_proto::{AclList, Put, Reader, TxnDigest, get_persisted, put_persisted};
use zabra_tree::{LoadError, Progress, SnapshotCursor, Tree, TreeLoader};
use zabra_types::{SessionId, Zxid};

/// A snapshot being written.
pub(crate) struct Writer {
    bytes: Vec<u8>,
    nodes: Nodes,
    zxid: Zxid,
}

enum Nodes {
    Cursor(SnapshotCursor),
    /// As the genuine server does it: depth first, a node's children listed at the moment it is written, and then each
    /// looked up by its path.
    Genuine(VecDeque<String>),
}

impl Writer {
    pub(crate) fn begin(tree: &Tree, genuine: bool) -> Self {
        let mut bytes = Vec::new();
        tree.put_sessions(&mut bytes);
        tree.put_acls(&mut bytes);
        let nodes = if genuine {
            Nodes::Genuine(VecDeque::from([String::new()]))
        } else {
            Nodes::Cursor(SnapshotCursor::new(tree))
        };
        Self { bytes, nodes, zxid: tree.last_zxid() }
    }

    /// A step; true when it was the last.
    pub(crate) fn step(&mut self, tree: &Tree, budget: usize) -> bool {
        match &mut self.nodes {
            Nodes::Cursor(cursor) => cursor.fill(tree, &mut self.bytes, budget) == Progress::Done,
            Nodes::Genuine(pending) => {
                let Some(path) = pending.pop_front() else { return true };
                if let Some(node) = tree.get(&path) {
                    for name in node.children() {
                        pending.push_front(format!("{path}/{name}"));
                    }
                    self.bytes.put_text(&path);
                    self.bytes.put_buffer(node.data());
                    self.bytes.put_i64(raw_acl_id(tree, node.acl()));
                    put_persisted(&mut self.bytes, &node.persisted());
                }
                pending.is_empty()
            }
        }
    }

    /// What was written, with the digest of this moment.
    pub(crate) fn finish(mut self, tree: &Tree) -> Snapshot {
        self.bytes.put_text("/");
        let digest = tree
            .last_digest()
            .map(|last| (last.zxid, TxnDigest { version: TxnDigest::VERSION, digest: last.digest }));
        Snapshot { bytes: self.bytes, zxid: self.zxid, digest }
    }
}

/// The id a list has in the map, found by asking for the map.
fn raw_acl_id(tree: &Tree, acl: zabra_tree::NodeAcl<'_>) -> i64 {
    let wanted = match acl {
        zabra_tree::NodeAcl::Open => return -1,
        zabra_tree::NodeAcl::List(list) => list,
        zabra_tree::NodeAcl::Dangling => panic!("a live tree has every list"),
    };
    let mut map = Vec::new();
    tree.put_acls(&mut map);
    let mut reader = Reader::new(&map);
    for _ in 0..reader.count("acls").unwrap().unwrap() {
        let id = reader.i64("id").unwrap();
        if AclList::decode(&mut reader).unwrap() == wanted {
            return id;
        }
    }
    // Made after the map was written: any id that is not in it.
    i64::MAX
}

/// A snapshot that is complete.
pub(crate) struct Snapshot {
    pub(crate) bytes: Vec<u8>,
    pub(crate) zxid: Zxid,
    digest: Option<(Zxid, TxnDigest)>,
}

impl Snapshot {
    pub(crate) fn load(&self) -> Result<Tree, LoadError> {
        let mut loader = TreeLoader::new(super::options());
        let mut reader = Reader::new(&self.bytes);
        for _ in 0..reader.count("sessions").unwrap().unwrap() {
            loader.session(SessionId::from_raw(reader.i64("id").unwrap()), reader.i32("timeout").unwrap());
        }
        for _ in 0..reader.count("acls").unwrap().unwrap() {
            loader.acl(reader.i64("id").unwrap(), AclList::decode(&mut reader).unwrap());
        }
        loop {
            let path = reader.some_text("path").unwrap();
            if path == "/" {
                break;
            }
            let data = reader.buffer("data").unwrap();
            let acl = reader.i64("acl").unwrap();
            loader.node(&path, data, acl, &get_persisted(&mut reader).unwrap())?;
        }
        reader.finish("snapshot").unwrap();
        loader.finish(self.zxid, self.digest)
    }
}
