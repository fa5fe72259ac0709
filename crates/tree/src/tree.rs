//! The tree and what can be asked of it. What changes it is in `apply`.

use crate::acl_table::{AclId, AclTable};
use crate::arena::{Arena, Look, NewNode, Slot};
use crate::digest::Digests;
use crate::index::HashKey;
use crate::owners::Owners;
use crate::{
    CONFIG_PATH, DigestCheck, DigestRecord, NodeRef, QUOTA_PATH, Redigested, SnapshotDigest, ZOOKEEPER_PATH,
    node_digest, restated_digest,
};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use zabra_proto::{AclList, Put, TxnDigest};
use zabra_types::{Acl, EphemeralOwner, OwnerRules, Perms, SessionId, Stat, StatPersisted, WallTime, Zxid};

/// What a tree must be told. All servers of an ensemble want the same rules; the seed is each server's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeOptions {
    /// How stored owners are read (`zookeeper.extendedTypesEnabled` and its kin).
    pub owner_rules: OwnerRules,
    /// Whether the digest is kept (`zookeeper.digest.enabled`).
    pub digest: bool,
    /// Key of the hash that finds nodes. A server takes a random one, so that clients cannot choose names that
    /// collide; nothing that can be seen depends on it.
    pub hash_seed: [u64; 2],
}

impl Default for TreeOptions {
    fn default() -> Self {
        Self { owner_rules: OwnerRules::default(), digest: true, hash_seed: [0x5A61_6272, 0x7472_6565] }
    }
}

/// The replicated state of one server (`DataTree`).
///
/// Invariants: every node but the root has a parent; the digest is the sum of the digests of the nodes; every
/// ephemeral, container and TTL node is filed under its owner; the usage of every quota is that of its subtree as of
/// the last transaction.
#[derive(Debug)]
pub struct Tree {
    pub(crate) options: TreeOptions,
    pub(crate) arena: Arena,
    pub(crate) acls: AclTable,
    pub(crate) owners: Owners,
    pub(crate) sessions: BTreeMap<SessionId, i32>,
    pub(crate) digests: Digests,
    pub(crate) last_zxid: Zxid,
    /// Lengths of all paths, in UTF-16 units as the genuine server counts them, and of all data.
    pub(crate) data_size: u64,
    /// `/zookeeper/quota`, kept at hand because every write asks for it.
    pub(crate) quota_root: Option<Slot>,
    /// Whether there ever was a node below it: until then no write need look for one.
    pub(crate) had_quotas: bool,
}

impl Tree {
    /// The fresh tree: the root and `/zookeeper` with `quota` and `config`.
    pub fn new(options: TreeOptions) -> Self {
        let mut tree = Self::bare(options);
        tree.add_builtin();
        tree
    }

    /// The root alone.
    pub(crate) fn bare(options: TreeOptions) -> Self {
        let key = HashKey::from(options.hash_seed);
        let mut tree = Self {
            options,
            arena: Arena::new(key.clone()),
            acls: AclTable::new(key),
            owners: Owners::default(),
            sessions: BTreeMap::new(),
            digests: Digests::new(options.digest),
            last_zxid: Zxid::ZERO,
            // The genuine server has the root twice, as "" and as "/".
            data_size: 1,
            quota_root: None,
            had_quotas: false,
        };
        tree.begin_digest();
        tree
    }

    /// Adds what every tree has and this one lacks.
    pub(crate) fn add_builtin(&mut self) {
        // In this order the first snapshot of an empty tree is the genuine server's, byte for byte.
        for path in [ZOOKEEPER_PATH, CONFIG_PATH, QUOTA_PATH] {
            if self.arena.resolve(path).is_some() {
                continue;
            }
            let mut stat = StatPersisted::default();
            let mut acl = AclId::OPEN;
            if path == CONFIG_PATH {
                stat.aversion = -1;
                let list = AclList::encode_entries(&[Acl::world(Perms::READ)]);
                let list = AclList::from_encoded(&list).expect("a list just encoded is well formed");
                acl = self.acls.acquire(list);
            }
            let Some((parent, name)) = split(path) else { continue };
            let Some(parent) = self.arena.resolve(parent) else { continue };
            self.add_node(parent, (path, name), Some(&[]), acl, (&stat, None));
        }
    }

    /// Adds a node that is not there yet, and files it everywhere. All of it follows from a transaction, so its digest may
    /// be known.
    pub(crate) fn add_node(
        &mut self,
        parent: Slot,
        (path, name): (&str, &str),
        data: Option<&[u8]>,
        acl: AclId,
        (stat, known): (&StatPersisted, Option<Redigested>),
    ) -> Slot {
        let digest = match known {
            _ if !self.digests.enabled() => 0,
            Some(known) => known.after,
            None => node_digest(path, data, stat),
        };
        self.digests.replace(0, digest);
        let slot = self.arena.insert(parent, path, &NewNode { name, data, acl, stat, digest });
        self.file(slot, path, data, stat);
        slot
    }

    /// Files a new node everywhere but in the digest.
    pub(crate) fn file(&mut self, slot: Slot, path: &str, data: Option<&[u8]>, stat: &StatPersisted) {
        self.owners.add(self.owner_of(stat.ephemeral_owner), slot);
        self.data_size = self.data_size.wrapping_add(node_size(path, data));
        match path.strip_prefix(QUOTA_PATH) {
            None => {}
            Some("") => self.quota_root = Some(slot),
            Some(_) => self.had_quotas = true,
        }
    }

    /// The node at a path. The empty path is the root's other name.
    pub fn get(&self, path: &str) -> Option<NodeRef<'_>> {
        self.arena.look_up(path).map(|look| NodeRef { tree: self, look })
    }

    /// The number of nodes as the genuine server tells it: the root counts twice, as `/` and as the empty path.
    pub fn node_count(&self) -> u64 {
        self.arena.len() as u64 + 1
    }

    /// The number of ephemeral nodes.
    pub fn ephemeral_count(&self) -> u64 {
        self.owners.ephemeral_count()
    }

    /// The lengths of all paths and data together.
    pub fn approximate_data_size(&self) -> u64 {
        self.data_size
    }

    /// The number of different access control lists in use.
    pub fn acl_count(&self) -> usize {
        self.acls.len()
    }

    /// The last transaction applied.
    pub fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    /// The number of nodes below a node, at any depth.
    pub fn descendants(&self, path: &str) -> Option<u64> {
        let top = self.arena.resolve(path)?;
        if top == Slot::ROOT {
            return Some(self.arena.len() as u64 - 1);
        }
        let mut count = 0;
        let mut pending = Vec::from([top]);
        while let Some(slot) = pending.pop() {
            let node = self.arena.look(slot);
            count += u64::from(node.num_children());
            let is_inner = |&child: &Slot| self.arena.look(child).num_children() != 0;
            pending.extend(self.arena.children(slot).filter(is_inner).take(node.inner_children() as usize));
        }
        Some(count)
    }

    /// The global sessions with their timeouts in milliseconds, in the order of their ids.
    pub fn sessions(&self) -> impl ExactSizeIterator<Item = (SessionId, i32)> {
        self.sessions.iter().map(|(&session, &timeout_ms)| (session, timeout_ms))
    }

    /// The timeout of a global session in milliseconds.
    pub fn session_timeout(&self, session: SessionId) -> Option<i32> {
        self.sessions.get(&session).copied()
    }

    /// The paths of a session's ephemeral nodes, in no order.
    pub fn ephemerals_of(&self, session: SessionId) -> impl Iterator<Item = String> {
        self.owners.of(session).map(|slot| self.arena.path(slot))
    }

    /// The sessions that have ephemeral nodes, in the order of their ids.
    pub fn ephemeral_sessions(&self) -> impl Iterator<Item = SessionId> {
        self.owners.sessions()
    }

    /// The containers and TTL nodes to delete now: childless containers that had a child, or that never had one and
    /// are older than `never_used` (`None`: those stay), and childless TTL nodes whose data was last set longer ago
    /// than their time to live. A child created meanwhile makes the deletion fail, which is harmless.
    pub fn reapable(&self, now: WallTime, never_used: Option<Duration>) -> Vec<String> {
        let age_ms = |stat: &StatPersisted| now.millis().saturating_sub(stat.mtime);
        let container_is_due = |stat: &StatPersisted| {
            stat.cversion > 0
                || never_used.is_some_and(|limit| i128::from(age_ms(stat)) > limit.as_millis() as i128)
        };
        let ttl_is_due = |stat: &StatPersisted| match self.owner_of(stat.ephemeral_owner) {
            EphemeralOwner::Ttl(ttl_ms) => ttl_ms != 0 && age_ms(stat) > ttl_ms,
            _ => false,
        };
        let childless = |&slot: &Slot| self.arena.look(slot).num_children() == 0;
        let due = |slot: Slot, is_due: &dyn Fn(&StatPersisted) -> bool| {
            is_due(&self.arena.look(slot).stat()).then(|| self.arena.path(slot))
        };
        let containers = self.owners.containers.iter().copied().filter(childless);
        let ttls = self.owners.ttls.iter().copied().filter(childless);
        containers
            .filter_map(|slot| due(slot, &container_is_due))
            .chain(ttls.filter_map(|slot| due(slot, &ttl_is_due)))
            .collect()
    }

    /// The digest of the whole tree; 0 with digests off.
    pub fn digest(&self) -> u64 {
        self.digests.sum()
    }

    /// The digest after the last transaction applied: what a snapshot records. `None` when none was applied since the
    /// start, while the tree is fuzzy, and with digests off.
    pub fn last_digest(&self) -> Option<DigestRecord> {
        self.digests.last()
    }

    /// Up to 1024 digests of the past, taken at each zxid divisible by 128, oldest first.
    pub fn digest_history(&self) -> impl ExactSizeIterator<Item = DigestRecord> {
        self.digests.history()
    }

    /// How the digest in the snapshot this tree was loaded from compares.
    pub fn snapshot_digest(&self) -> SnapshotDigest {
        self.digests.snapshot()
    }

    /// Compares the digest that came with transaction `zxid`, which must be the one applied last, with the tree's.
    pub fn check_digest(&self, zxid: Zxid, digest: Option<TxnDigest>) -> DigestCheck {
        if zxid == self.last_zxid { self.digests.check(digest) } else { DigestCheck::Skipped }
    }

    /// Appends the sessions as a snapshot has them: a count, then id and timeout of each.
    pub fn put_sessions(&self, out: &mut Vec<u8>) {
        out.put_count(self.sessions.len());
        for (session, timeout_ms) in self.sessions() {
            out.put_i64(session.raw());
            out.put_i32(timeout_ms);
        }
    }

    /// Appends the access control lists as a snapshot has them: a count, then id and list of each.
    pub fn put_acls(&self, out: &mut Vec<u8>) {
        self.acls.put(out);
    }

    pub(crate) fn owner_of(&self, raw: i64) -> EphemeralOwner {
        EphemeralOwner::from_raw(raw, self.options.owner_rules)
    }

    pub(crate) fn visible_stat(&self, node: &Look<'_>) -> Stat {
        let (stat, data) = node.stat_and_data();
        self.shown(&stat, data, node.num_children())
    }

    /// A stat as clients see it beside this data and so many children.
    pub(crate) fn shown(&self, stat: &StatPersisted, data: Option<&[u8]>, children: u32) -> Stat {
        stat.visible(
            i32::try_from(data.map_or(0, <[u8]>::len)).unwrap_or(i32::MAX),
            i32::try_from(children).unwrap_or(i32::MAX),
            self.options.owner_rules,
        )
    }

    /// Makes the digest of the root, which is there before anything is known of it.
    pub(crate) fn begin_digest(&mut self) {
        if self.digests.enabled() {
            let root = self.arena.look(Slot::ROOT);
            let (before, after) = (root.digest(), node_digest("", root.data(), &root.stat()));
            self.digests.replace(before, after);
            self.arena.set_digest(Slot::ROOT, after);
        }
    }

    /// Changes the stat of the node at `path`, and the digest with it, which may have been foreseen.
    pub(crate) fn restate(
        &mut self,
        (slot, path): (Slot, &str),
        foreseen: Option<Redigested>,
        change: impl FnOnce(&mut Arena),
    ) {
        if !self.digests.enabled() {
            return change(&mut self.arena);
        }
        let node = self.arena.look(slot);
        let before = node.digest();
        let after = match foreseen {
            Some(foreseen) if foreseen.before == before => {
                change(&mut self.arena);
                foreseen.after
            }
            _ => {
                let stat = node.stat();
                change(&mut self.arena);
                restated_digest(path, before, &stat, &self.arena.look(slot).stat())
            }
        };
        self.digests.replace(before, after);
        self.arena.set_digest(slot, after);
    }
}

/// The parent, the empty path for the root, and the name. `None` for text without a slash and for names that are
/// empty, the root among them.
pub(crate) fn split(path: &str) -> Option<(&str, &str)> {
    // By hand: names are short, and the search of the library begins with aligning itself.
    let slash = path.bytes().rposition(|byte| byte == b'/')?;
    let name = &path[slash + 1..];
    (!name.is_empty()).then(|| (&path[..slash], name))
}

/// What a node adds to the data size.
pub(crate) fn node_size(path: &str, data: Option<&[u8]>) -> u64 {
    let path_len = if path.is_ascii() { path.len() } else { path.encode_utf16().count() };
    (path_len + data.map_or(0, <[u8]>::len)) as u64
}
