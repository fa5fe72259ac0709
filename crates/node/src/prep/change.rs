//! Deleting and changing one node.

use super::{Draft, Preparer, Submitter, Surroundings, next_version, parent_of};
use crate::{acl, quota};
use alloc::borrow::Cow;
use zabra_proto::{Check, Delete, SetAcl, SetData, Txn, TxnType};
use zabra_tree::{CONFIG_PATH, Hint, QUOTA_PATH, ZOOKEEPER_PATH};
use zabra_types::{EphemeralOwner, KeeperError, Perms, validate_path};

impl Preparer {
    pub(super) fn delete(
        &mut self,
        at: &Surroundings<'_>,
        from: &Submitter<'_>,
        draft: &mut Draft,
        delete: &Delete<'_>,
    ) -> Result<(), KeeperError> {
        at.sessions.check(from.session, from.owner)?;
        let path = delete.path.as_deref().ok_or(KeeperError::MarshallingError)?;
        let parent_path = deletable(path)?;
        let parent = self.look(at, parent_path)?;
        self.allow(at, from, &parent, Perms::DELETE)?;
        let node = self.look(at, path)?;
        next_version(node.version(), delete.version)?;
        if node.children() > 0 {
            return Err(KeeperError::NotEmpty);
        }
        let (origin, place, digest) = (parent.origin(), node.place(), node.digest());
        let in_tree = node.in_tree();
        draft.put(TxnType::Delete, &Txn::Delete { path: Cow::from(path) }, 0);
        let parent = self.remove(at, draft.zxid(), (parent_path, origin), (path, place, digest));
        self.outstanding.hint(draft.zxid(), Hint { place: in_tree, node: None, parent });
        Ok(())
    }

    /// The reaper's delete. It names a container or TTL node that was empty when it looked.
    pub(super) fn reap(
        &mut self,
        at: &Surroundings<'_>,
        draft: &mut Draft,
        path: &str,
    ) -> Result<(), KeeperError> {
        let parent_path = deletable(path)?;
        let node = self.look(at, path)?;
        if node.children() > 0 {
            return Err(KeeperError::NotEmpty);
        }
        // The genuine server spares ephemeral nodes only; a plain node can have taken the place meanwhile.
        let owner = node.owner(self.options.owner_rules);
        if !matches!(owner, EphemeralOwner::Container | EphemeralOwner::Ttl(_)) {
            return Err(KeeperError::BadVersion);
        }
        let (origin, place, digest) = (self.look(at, parent_path)?.origin(), node.place(), node.digest());
        let in_tree = node.in_tree();
        draft.put(TxnType::DeleteContainer, &Txn::Delete { path: Cow::from(path) }, 0);
        let parent = self.remove(at, draft.zxid(), (parent_path, origin), (path, place, digest));
        self.outstanding.hint(draft.zxid(), Hint { place: in_tree, node: None, parent });
        Ok(())
    }

    pub(super) fn set_data(
        &mut self,
        at: &Surroundings<'_>,
        from: &Submitter<'_>,
        draft: &mut Draft,
        set: &SetData<'_>,
    ) -> Result<(), KeeperError> {
        at.sessions.check(from.session, from.owner)?;
        let path = valid(set.path.as_deref())?;
        let node = self.look(at, path)?;
        self.allow(at, from, &node, Perms::WRITE)?;
        let data_len = set.data.map_or(0, <[u8]>::len);
        if self.options.enforce_quota {
            quota::check(at.tree, path, 0, data_len as i64 - node.data_len() as i64)?;
        }
        let version = next_version(node.version(), set.version)?;
        let (origin, in_tree) = (node.origin(), node.in_tree());
        let txn = Txn::SetData { path: Cow::from(path), data: set.data, version };
        draft.put(TxnType::SetData, &txn, data_len);
        let (zxid, time) = (draft.zxid(), draft.header.time);
        let node = self.change(at, zxid, path, origin, Some(set.data), |node| {
            node.stat.version = version;
            node.stat.mzxid = zxid.raw();
            node.stat.mtime = time.millis();
        });
        self.outstanding.hint(zxid, Hint { place: in_tree, node, parent: None });
        Ok(())
    }

    pub(super) fn set_acl(
        &mut self,
        at: &Surroundings<'_>,
        from: &Submitter<'_>,
        draft: &mut Draft,
        set: &SetAcl<'_>,
    ) -> Result<(), KeeperError> {
        at.sessions.check(from.session, from.owner)?;
        let path = valid(set.path.as_deref())?;
        let acl = acl::expand(set.acl.as_deref(), from.identities, at.schemes, at.field_limit)?;
        let node = self.look(at, path)?;
        self.allow(at, from, &node, Perms::ADMIN)?;
        let version = next_version(node.stat().aversion, set.version)?;
        let origin = node.origin();
        let in_tree = node.in_tree();
        let txn = Txn::SetAcl { path: Cow::from(path), acl: acl.list(), version };
        draft.put(TxnType::SetAcl, &txn, 0);
        let node = self.change(at, draft.zxid(), path, origin, None, |node| {
            node.stat.aversion = version;
            // The genuine server goes on judging by the old list until this is applied.
            node.acl = acl;
        });
        self.outstanding.hint(draft.zxid(), Hint { place: in_tree, node, parent: None });
        Ok(())
    }

    /// Only ever a part of a multi.
    pub(super) fn check(
        &self,
        at: &Surroundings<'_>,
        from: &Submitter<'_>,
        draft: &mut Draft,
        check: &Check<'_>,
    ) -> Result<(), KeeperError> {
        at.sessions.check(from.session, from.owner)?;
        let path = valid(check.path.as_deref())?;
        let node = self.look(at, path)?;
        self.allow(at, from, &node, Perms::READ)?;
        let version = next_version(node.version(), check.version)?;
        draft.put(TxnType::Check, &Txn::Check { path: Cow::from(path), version }, 0);
        Ok(())
    }
}

fn valid(path: Option<&str>) -> Result<&str, KeeperError> {
    let path = path.ok_or(KeeperError::BadArguments)?;
    validate_path(path).map_err(|_| KeeperError::BadArguments)?;
    Ok(path)
}

/// The parent of a path that may be deleted. The path is not validated: a malformed one is not found.
fn deletable(path: &str) -> Result<&str, KeeperError> {
    match path {
        "/" | ZOOKEEPER_PATH | QUOTA_PATH | CONFIG_PATH => Err(KeeperError::BadArguments),
        _ => parent_of(path),
    }
}
