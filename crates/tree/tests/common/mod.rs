//! A naive tree to compare with, transactions as preparation would make them, and snapshots in memory.
#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod history;
pub(crate) mod model;
pub(crate) mod snapshot;

use std::collections::BTreeMap;
use zabra_tree::{NodeAcl, Tree, TreeOptions};
use zabra_types::{OwnerRules, SessionId, Stat, StatPersisted, WallTime};

/// Everything that can be asked about one node.
#[derive(Debug, PartialEq)]
pub(crate) struct NodeDump {
    pub(crate) data: Option<Vec<u8>>,
    pub(crate) acl: Option<Vec<u8>>,
    pub(crate) persisted: StatPersisted,
    pub(crate) stat: Stat,
    pub(crate) children: Vec<String>,
}

/// Everything that can be asked about a tree, except what depends on how it came to be.
#[derive(Debug, PartialEq)]
pub(crate) struct Dump {
    pub(crate) nodes: BTreeMap<String, NodeDump>,
    pub(crate) sessions: Vec<(SessionId, i32)>,
    pub(crate) ephemerals: BTreeMap<SessionId, Vec<String>>,
    pub(crate) reapable: Vec<String>,
    pub(crate) digest: u64,
    pub(crate) node_count: u64,
    pub(crate) ephemeral_count: u64,
    pub(crate) data_size: u64,
    pub(crate) acl_count: usize,
}

pub(crate) fn options() -> TreeOptions {
    TreeOptions {
        owner_rules: OwnerRules { extended_types: true, emulate_353_ttl: false },
        ..TreeOptions::default()
    }
}

pub(crate) fn sorted<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.into_iter().collect();
    items.sort_unstable();
    items
}

/// Walks the tree from the root, asking about each node by its path.
pub(crate) fn dump(tree: &Tree) -> Dump {
    let mut nodes = BTreeMap::new();
    let mut pending = vec![String::from("/")];
    while let Some(path) = pending.pop() {
        let node = tree.get(&path).expect("a listed node is found");
        assert_eq!(node.path(), path);
        let children: Vec<String> = sorted(node.children().map(str::to_owned));
        let prefix = if path == "/" { "" } else { &path };
        pending.extend(children.iter().map(|name| format!("{prefix}/{name}")));
        let dump = NodeDump {
            data: node.data().map(<[u8]>::to_vec),
            acl: match node.acl() {
                NodeAcl::Open => None,
                NodeAcl::List(list) => Some(list.as_bytes().to_vec()),
                NodeAcl::Dangling => panic!("{path} has no list"),
            },
            persisted: node.persisted(),
            stat: node.stat(),
            children,
        };
        nodes.insert(path, dump);
    }
    Dump {
        nodes,
        sessions: tree.sessions().collect(),
        ephemerals: tree
            .ephemeral_sessions()
            .map(|session| (session, sorted(tree.ephemerals_of(session))))
            .collect(),
        reapable: sorted(
            tree.reapable(WallTime::from_millis(i64::MAX), Some(core::time::Duration::from_millis(0))),
        ),
        digest: tree.digest(),
        node_count: tree.node_count(),
        ephemeral_count: tree.ephemeral_count(),
        data_size: tree.approximate_data_size(),
        acl_count: tree.acl_count(),
    }
}

/// Compares piece by piece: whole dumps are too long to read.
pub(crate) fn assert_same(actual: &Dump, expected: &Dump) {
    assert_eq!(sorted(actual.nodes.keys()), sorted(expected.nodes.keys()));
    for (path, node) in &actual.nodes {
        let other = &expected.nodes[path];
        let shown = |data: &Option<Vec<u8>>| {
            data.as_deref()
                .map(|data| (data.len(), String::from_utf8_lossy(&data[..data.len().min(32)]).into_owned()))
        };
        assert_eq!(shown(&node.data), shown(&other.data), "{path}");
        assert_eq!(node.data, other.data, "{path}");
        assert_eq!(node.persisted, other.persisted, "{path}");
        assert_eq!(node, other, "{path}");
    }
    assert_eq!(actual, expected);
}
