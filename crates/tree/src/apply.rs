//! Applying transactions.
//!
//! What a transaction meets is normally what preparation saw. Only replay onto a snapshot written while the tree
//! changed meets a newer state, and there the transactions that made it so follow and restore it. So nothing here can
//! fail; see `storage-format` on fuzzy snapshots for each case.

use crate::arena::{Changed, Slot};
use crate::tree::{node_size, split};
use crate::{CONFIG_PATH, ChangeSink, Hint, Outcome, QUOTA_PATH, Redigested, SubOutcome, Tree, node_digest};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use zabra_proto::{AclList, CreateTxn, SubTxn, Txn, TxnHeader, TxnType};
use zabra_types::{EphemeralOwner, KeeperError, SessionId, Stat, StatPersisted, WallTime, Zxid};

impl Tree {
    /// Applies a transaction and tells what came of it. Deterministic, and never fails: what cannot be applied changes
    /// nothing but the last zxid. Replaying transactions that a loaded snapshot already shows is allowed, in order and
    /// to the end.
    pub fn apply(&mut self, header: &TxnHeader, txn: &Txn<'_>, sink: &mut impl ChangeSink) -> Outcome {
        self.apply_prepared(header, txn, core::iter::empty(), sink)
    }

    /// The same, on the server that prepared the transaction against this very tree, and with less to find out: there is
    /// a hint for each change of a node, in their order. Hints change nothing about what comes of it.
    pub fn apply_prepared(
        &mut self,
        header: &TxnHeader,
        txn: &Txn<'_>,
        mut hints: impl Iterator<Item = Hint>,
        sink: &mut impl ChangeSink,
    ) -> Outcome {
        let outcome = match txn {
            Txn::CreateSession { timeout_ms } => {
                self.sessions.insert(header.session, *timeout_ms);
                Outcome::Done
            }
            Txn::CloseSession { paths } => {
                self.close_session(header.session, header.zxid, paths.as_deref().unwrap_or_default(), sink);
                Outcome::Done
            }
            Txn::Multi(subs) => Outcome::Multi(self.apply_multi(header, subs, hints, sink)),
            single => self.apply_one(header, single, &mut hints, sink).into(),
        };
        // Only after the whole transaction: a snapshot named after a zxid contains all of it.
        self.last_zxid = self.last_zxid.max(header.zxid);
        self.digests.applied(header.zxid);
        outcome
    }

    fn apply_multi(
        &mut self,
        header: &TxnHeader,
        subs: &[SubTxn<'_>],
        mut hints: impl Iterator<Item = Hint>,
        sink: &mut impl ChangeSink,
    ) -> Vec<SubOutcome> {
        let failed_at = subs.iter().position(|sub| sub.kind == TxnType::Error.code());
        let outcome_of = |(at, sub): (usize, &SubTxn<'_>)| match (failed_at, &sub.txn) {
            (Some(_), Txn::Error { code }) => SubOutcome::Error(*code),
            (Some(failed_at), _) if at < failed_at => SubOutcome::Error(0),
            (Some(_), _) => SubOutcome::Error(KeeperError::RuntimeInconsistency.code()),
            (None, txn) => self.apply_one(header, txn, &mut hints, sink),
        };
        subs.iter().enumerate().map(outcome_of).collect()
    }

    /// Applies what may also be part of a multi.
    fn apply_one(
        &mut self,
        header: &TxnHeader,
        txn: &Txn<'_>,
        hints: &mut impl Iterator<Item = Hint>,
        sink: &mut impl ChangeSink,
    ) -> SubOutcome {
        let mut hint = || hints.next().unwrap_or(Hint::NONE);
        match txn {
            Txn::Create(create) => {
                let owner = if create.ephemeral { header.session } else { SessionId::NONE };
                self.create(header, create, owner.raw(), hint(), sink).map(Some).into()
            }
            Txn::CreateContainer(create) => {
                self.create(header, create, EphemeralOwner::Container.raw(), hint(), sink).map(Some).into()
            }
            Txn::CreateTtl(create, ttl_ms) => {
                self.create(header, create, EphemeralOwner::Ttl(*ttl_ms).raw(), hint(), sink).map(Some).into()
            }
            Txn::Delete { path } => self.delete(header.zxid, path, hint(), sink).map(|()| None).into(),
            Txn::SetData { path, data, version } => {
                self.set_data(header, (path, *data, *version), hint(), sink).map(Some).into()
            }
            Txn::SetAcl { path, acl, version } => self.set_acl(path, *acl, *version, hint()).map(Some).into(),
            Txn::Error { code } => SubOutcome::Error(*code),
            Txn::Check { .. } => SubOutcome::Done,
            // The decoder puts none of these into a multi.
            Txn::CreateSession { .. } | Txn::CloseSession { .. } | Txn::Multi(_) => SubOutcome::Done,
        }
    }

    fn create(
        &mut self,
        header: &TxnHeader,
        create: &CreateTxn<'_>,
        owner: i64,
        hint: Hint,
        sink: &mut impl ChangeSink,
    ) -> Result<Stat, KeeperError> {
        let path = &*create.path;
        let (parent_path, name) = split(path).ok_or(KeeperError::BadArguments)?;
        let parent = self.find(parent_path, hint.place).ok_or(KeeperError::NoNode)?.slot();
        let acl = self.acls.acquire(create.acl);
        self.count_creation((parent, parent_path), create.parent_cversion, header.zxid, hint.parent);
        if let Some(existing) = self.arena.resolve(path) {
            // The snapshot shows it already, perhaps with the id of a list that it does not have.
            self.acls.release(self.arena.look(existing).acl());
            self.arena.set_acl(existing, acl);
            self.quota_node_created(path);
            return Err(KeeperError::NodeExists);
        }
        let stat = StatPersisted {
            czxid: header.zxid.raw(),
            mzxid: header.zxid.raw(),
            pzxid: header.zxid.raw(),
            ctime: header.time.millis(),
            mtime: header.time.millis(),
            ephemeral_owner: owner,
            ..StatPersisted::default()
        };
        self.add_node(parent, (path, name), create.data, acl, (&stat, hint.node));
        // As created: when it is a usage node, its data is replaced below.
        let visible = self.shown(&stat, create.data, 0);
        self.add_usage(path, 1, len(create.data));
        self.quota_node_created(path);
        let (acl, parent_acl) = (self.acls.get(acl), self.acls.get(self.arena.look(parent).acl()));
        sink.created(header.zxid, path, acl, or_root(parent_path), parent_acl);
        Ok(visible)
    }

    /// The parent's side of a creation. Only upwards: its counter may show later creations already. -1 is a record
    /// from before 3.4, which counts one on.
    fn count_creation(
        &mut self,
        (parent, parent_path): (Slot, &str),
        cversion: i32,
        zxid: Zxid,
        foreseen: Option<Redigested>,
    ) {
        let (before, _) = self.arena.look(parent).child_counts();
        let cversion = if cversion == -1 { before.wrapping_add(1) } else { cversion };
        if cversion > before {
            self.restate((parent, parent_path), foreseen, |arena| {
                arena.set_child_counts(parent, cversion, zxid.raw());
            });
        }
    }

    fn delete(
        &mut self,
        zxid: Zxid,
        path: &str,
        hint: Hint,
        sink: &mut impl ChangeSink,
    ) -> Result<(), KeeperError> {
        let (parent_path, _) = split(path).ok_or(KeeperError::BadArguments)?;
        let node = self.find(path, hint.place);
        let (slot, known_parent) = (node.map(|node| node.slot()), node.map(|node| node.parent()));
        let parent = known_parent.or_else(|| self.arena.resolve(parent_path)).ok_or(KeeperError::NoNode)?;
        let (cversion, pzxid) = self.arena.look(parent).child_counts();
        // Also when the node is gone already, and never back behind a later creation.
        if zxid.raw() > pzxid {
            self.restate((parent, parent_path), hint.parent, |arena| {
                arena.set_child_counts(parent, cversion, zxid.raw());
            });
        }
        let slot = slot.ok_or(KeeperError::NoNode)?;
        self.remove_below(slot, path);
        let acl = self.arena.look(slot).acl();
        sink.deleted(
            zxid,
            path,
            self.acls.get(acl),
            or_root(parent_path),
            self.acls.get(self.arena.look(parent).acl()),
        );
        self.remove_leaf(slot, path);
        Ok(())
    }

    /// Removes what stands below a node about to be deleted. A deleted node had no children, so these were created
    /// under a later node of the same path, and their transactions follow.
    fn remove_below(&mut self, top: Slot, path: &str) {
        if self.arena.look(top).num_children() == 0 {
            return;
        }
        let mut below = Vec::new();
        let mut pending = Vec::from([(top, String::from(path))]);
        while let Some((slot, path)) = pending.pop() {
            for child in self.arena.children(slot) {
                let path = alloc::format!("{path}/{}", self.arena.look(child).name());
                below.push((child, path.clone()));
                pending.push((child, path));
            }
        }
        for (slot, path) in below.into_iter().rev() {
            self.remove_leaf(slot, &path);
        }
    }

    fn remove_leaf(&mut self, slot: Slot, path: &str) {
        let node = self.arena.look(slot);
        let bytes = len(node.data());
        self.data_size = self.data_size.wrapping_sub(node_size(path, node.data()));
        self.acls.release(node.acl());
        self.owners.remove(self.owner_of(node.owner()), slot);
        self.digests.replace(node.digest(), 0);
        if path == QUOTA_PATH {
            self.quota_root = None;
        }
        self.arena.remove(slot, path);
        self.add_usage(path, -1, -bytes);
    }

    fn set_data(
        &mut self,
        header: &TxnHeader,
        (path, data, version): (&str, Option<&[u8]>, i32),
        hint: Hint,
        sink: &mut impl ChangeSink,
    ) -> Result<Stat, KeeperError> {
        let node = self.find(path, hint.place).ok_or(KeeperError::NoNode)?;
        let (slot, acl) = (node.slot(), node.acl());
        let (stat, data_before) = node.stat_and_data();
        let growth = len(data) - len(data_before);
        let changed = Changed { mzxid: header.zxid.raw(), mtime: header.time.millis(), version };
        let Changed { mzxid, mtime, version } = changed;
        let stat = StatPersisted { mzxid, mtime, version, ..stat };
        let visible = self.shown(&stat, data, node.num_children());
        let before = node.digest();
        let digest = match hint.node {
            _ if !self.digests.enabled() => 0,
            Some(foreseen) if foreseen.before == before => foreseen.after,
            _ => node_digest(path, data, &stat),
        };
        self.digests.replace(before, digest);
        self.arena.change_data((slot, path), data, changed, digest);
        self.data_size = self.data_size.wrapping_add_signed(growth);
        self.add_usage(path, 0, growth);
        sink.data_changed(header.zxid, path, self.acls.get(acl));
        Ok(visible)
    }

    /// Sets the membership of the ensemble, which each server knows by itself, as `/zookeeper/config` shows it. Not a
    /// transaction: the node has no part in the digest. Mirrors `ZKDatabase.initConfigInZKDatabase`.
    pub fn set_config(&mut self, text: &[u8], version: i64, time: WallTime) {
        let Some(slot) = self.arena.resolve(CONFIG_PATH) else { return };
        let growth = len(Some(text)) - len(self.arena.look(slot).data());
        let changed = Changed { mzxid: version, mtime: time.millis(), version: -1 };
        self.arena.change_data((slot, CONFIG_PATH), Some(text), changed, 0);
        self.data_size = self.data_size.wrapping_add_signed(growth);
    }

    fn set_acl(
        &mut self,
        path: &str,
        acl: AclList<'_>,
        version: i32,
        hint: Hint,
    ) -> Result<Stat, KeeperError> {
        let slot = self.find(path, hint.place).ok_or(KeeperError::NoNode)?.slot();
        // Acquired first, so that setting the list a node has does not drop it in between.
        let acl = self.acls.acquire(acl);
        self.acls.release(self.arena.look(slot).acl());
        self.arena.set_acl(slot, acl);
        self.restate((slot, path), hint.node, |arena| arena.set_aversion(slot, version));
        Ok(self.visible_stat(&self.arena.look(slot)))
    }

    /// Deletes the nodes the transaction lists, then what else the session has: a list is missing in old logs, and may
    /// name fewer nodes than a newer state shows.
    fn close_session(
        &mut self,
        session: SessionId,
        zxid: Zxid,
        paths: &[Cow<'_, str>],
        sink: &mut impl ChangeSink,
    ) {
        self.sessions.remove(&session);
        for path in paths {
            // Missing ones were deleted before the snapshot reached them.
            let _ = self.delete(zxid, path, Hint::NONE, sink);
        }
        self.delete_ephemerals(session, zxid, sink);
    }

    fn delete_ephemerals(&mut self, session: SessionId, zxid: Zxid, sink: &mut impl ChangeSink) -> u64 {
        let paths: Vec<String> = self.ephemerals_of(session).collect();
        paths.iter().filter(|path| self.delete(zxid, path, Hint::NONE, sink).is_ok()).count() as u64
    }

    /// Deletes the ephemeral nodes of sessions that do not exist, as a server does that has just loaded its state and
    /// is about to lead, without a transaction. Returns how many there were.
    pub fn remove_orphan_ephemerals(&mut self) -> u64 {
        let dead: Vec<SessionId> =
            self.owners.sessions().filter(|session| !self.sessions.contains_key(session)).collect();
        dead.into_iter().map(|session| self.delete_ephemerals(session, self.last_zxid, &mut ())).sum()
    }
}

fn len(data: Option<&[u8]>) -> i64 {
    data.map_or(0, |data| data.len() as i64)
}

fn or_root(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}
