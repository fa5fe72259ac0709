//! The tree as the documentation describes it, with nothing shared, indexed or kept.

use super::{Dump, NodeDump, sorted};
use std::collections::{BTreeMap, BTreeSet};
use zabra_proto::AclList;
use zabra_tree::node_digest;
use zabra_types::{Acl, EphemeralOwner, OwnerRules, Perms, SessionId, StatPersisted};

pub(crate) const RULES: OwnerRules = OwnerRules { extended_types: true, emulate_353_ttl: false };

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) data: Option<Vec<u8>>,
    pub(crate) acl: Vec<u8>,
    pub(crate) stat: StatPersisted,
}

/// Paths to nodes; the root is `/`.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) nodes: BTreeMap<String, Node>,
    pub(crate) sessions: BTreeMap<SessionId, i32>,
}

pub(crate) fn parent_of(path: &str) -> String {
    match path.rfind('/') {
        Some(0) => "/".into(),
        Some(at) => path[..at].into(),
        None => panic!("{path}"),
    }
}

impl Model {
    pub(crate) fn new() -> Self {
        let node = |acl: &[u8], aversion| Node {
            data: Some(vec![]),
            acl: acl.to_vec(),
            stat: StatPersisted { aversion, ..StatPersisted::default() },
        };
        let open = AclList::OPEN.as_bytes();
        let read = AclList::encode_entries(&[Acl::world(Perms::READ)]);
        Self {
            nodes: [
                ("/", node(open, 0)),
                ("/zookeeper", node(open, 0)),
                ("/zookeeper/quota", node(open, 0)),
                ("/zookeeper/config", node(&read, -1)),
            ]
            .map(|(path, node)| (path.to_string(), node))
            .into(),
            sessions: BTreeMap::new(),
        }
    }

    pub(crate) fn children(&self, path: &str) -> Vec<String> {
        let is_child = |other: &&String| *other != "/" && parent_of(other) == path;
        sorted(self.nodes.keys().filter(is_child).map(|child| child.rsplit('/').next().unwrap().to_string()))
    }

    pub(crate) fn ephemerals(&self) -> BTreeMap<SessionId, Vec<String>> {
        let mut ephemerals: BTreeMap<SessionId, Vec<String>> = BTreeMap::new();
        for (path, node) in &self.nodes {
            if let EphemeralOwner::Session(session) =
                EphemeralOwner::from_raw(node.stat.ephemeral_owner, RULES)
            {
                ephemerals.entry(session).or_default().push(path.clone());
            }
        }
        ephemerals
    }

    pub(crate) fn create(&mut self, path: &str, node: Node, zxid: i64) {
        let parent = self.nodes.get_mut(&parent_of(path)).unwrap();
        parent.stat.cversion += 1;
        parent.stat.pzxid = zxid;
        assert!(self.nodes.insert(path.into(), node).is_none());
        self.set_quota_usage();
    }

    pub(crate) fn delete(&mut self, path: &str, zxid: i64) {
        assert!(self.children(path).is_empty());
        self.nodes.remove(path).unwrap();
        self.nodes.get_mut(&parent_of(path)).unwrap().stat.pzxid = zxid;
        self.set_quota_usage();
    }

    /// Writes what every quota uses into its node.
    pub(crate) fn set_quota_usage(&mut self) {
        let quotas: Vec<String> = self
            .nodes
            .keys()
            .filter_map(|path| path.strip_prefix("/zookeeper/quota")?.strip_suffix("/zookeeper_limits"))
            .map(str::to_string)
            .collect();
        for quota in quotas {
            let below = format!("{quota}/");
            let used = self.nodes.iter().filter(|(path, _)| **path == quota || path.starts_with(&below));
            let sizes: Vec<usize> = used.map(|(_, node)| node.data.as_ref().map_or(0, Vec::len)).collect();
            let text = format!("count={},bytes={}", sizes.len(), sizes.iter().sum::<usize>());
            if let Some(stats) = self.nodes.get_mut(&format!("/zookeeper/quota{quota}/zookeeper_stats")) {
                stats.data = Some(text.into_bytes());
            }
        }
    }

    pub(crate) fn dump(&self) -> Dump {
        let nodes: BTreeMap<String, NodeDump> = self
            .nodes
            .iter()
            .map(|(path, node)| {
                let children = self.children(path);
                let data_len = node.data.as_ref().map_or(0, Vec::len) as i32;
                let dump = NodeDump {
                    data: node.data.clone(),
                    acl: (node.acl != AclList::OPEN.as_bytes()).then(|| node.acl.clone()),
                    persisted: node.stat,
                    stat: node.stat.visible(data_len, children.len() as i32, RULES),
                    children,
                };
                (path.clone(), dump)
            })
            .collect();
        let digest =
            |(path, node): (&String, &Node)| u64::from(node_digest(path, node.data.as_deref(), &node.stat));
        let size = |(path, node): (&String, &Node)| {
            (path.encode_utf16().count() + node.data.as_ref().map_or(0, Vec::len)) as u64
        };
        let ephemerals = self.ephemerals();
        let reapable = |(path, node): (&String, &Node)| {
            let owner = EphemeralOwner::from_raw(node.stat.ephemeral_owner, RULES);
            let goes = matches!(owner, EphemeralOwner::Container | EphemeralOwner::Ttl(_));
            (goes && self.children(path).is_empty()).then(|| path.clone())
        };
        let lists: BTreeSet<&[u8]> = self.nodes.values().map(|node| &*node.acl).collect();
        let open = AclList::OPEN.as_bytes();
        Dump {
            nodes,
            sessions: self.sessions.iter().map(|(&session, &timeout)| (session, timeout)).collect(),
            ephemeral_count: ephemerals.values().map(|paths| paths.len() as u64).sum(),
            ephemerals,
            reapable: self.nodes.iter().filter_map(reapable).collect(),
            digest: self.nodes.iter().map(digest).fold(0, u64::wrapping_add),
            node_count: self.nodes.len() as u64 + 1,
            data_size: self.nodes.iter().map(size).sum(),
            // The open list is not kept.
            acl_count: lists.len() - usize::from(lists.contains(open)),
        }
    }
}
