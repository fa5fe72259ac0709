//! The four creates.

use super::{Draft, Preparer, Submitter, Surroundings, parent_of};
use crate::outstanding::PendingNode;
use crate::{acl, quota};
use alloc::borrow::Cow;
use alloc::string::String;
use zabra_proto::{Create, CreateKind, CreateTxn, Txn, TxnType};
use zabra_tree::{Hint, NodePlace};
use zabra_types::{CreateMode, EphemeralOwner, KeeperError, Perms, StatPersisted, TTL_MS_MAX, validate_path};

/// The transaction that a create becomes.
pub(super) const fn txn_type(kind: CreateKind) -> TxnType {
    match kind {
        CreateKind::Create => TxnType::Create,
        CreateKind::Create2 => TxnType::Create2,
        CreateKind::Container => TxnType::CreateContainer,
        CreateKind::Ttl => TxnType::CreateTtl,
    }
}

impl Preparer {
    pub(super) fn create(
        &mut self,
        at: &Surroundings<'_>,
        from: &Submitter<'_>,
        draft: &mut Draft,
        create: &Create<'_>,
    ) -> Result<(), KeeperError> {
        let (mode, ttl_ms) = self.create_mode(create)?;
        if mode.is_ephemeral() {
            at.sessions.check_global(from.session, from.owner)?;
        } else {
            at.sessions.check(from.session, from.owner)?;
        }
        let path = create.path.as_deref().ok_or(KeeperError::MarshallingError)?;
        let parent_path = parent_of(path)?;
        let acl = acl::expand(create.acl.as_deref(), from.identities, at.schemes, at.field_limit)?;
        let parent = self.look(at, parent_path)?;
        self.allow(at, from, &parent, Perms::CREATE)?;
        let creations = parent.cversion();
        let path = if mode.is_sequential() { Cow::from(numbered(path, creations)) } else { Cow::from(path) };
        validate_path(&path).map_err(|_| KeeperError::BadArguments)?;
        let place = self.outstanding.place(&path);
        if self.outstanding.look_at(place, at.tree, &path).is_some() {
            return Err(KeeperError::NodeExists);
        }
        if self.is_ephemeral(&parent) {
            return Err(KeeperError::NoChildrenForEphemerals);
        }
        let data_len = create.data.map_or(0, <[u8]>::len);
        if self.options.enforce_quota {
            quota::check(at.tree, &path, 1, data_len as i64)?;
        }
        let (origin, parent_place) = (parent.origin(), parent.in_tree());

        let (zxid, time) = (draft.zxid(), draft.header.time);
        // What the node is follows from the transaction, not from the mode: the two differ in requests that no client
        // library makes, and apply sees the transaction alone.
        let owner = match create.kind {
            CreateKind::Container => EphemeralOwner::Container,
            CreateKind::Ttl => EphemeralOwner::Ttl(ttl_ms),
            _ if mode.is_ephemeral() => EphemeralOwner::Session(from.session),
            _ => EphemeralOwner::Persistent,
        };
        let parent_cversion = creations.wrapping_add(1);
        let record = CreateTxn {
            path: Cow::from(&*path),
            data: create.data,
            acl: acl.list(),
            ephemeral: mode.is_ephemeral(),
            parent_cversion,
        };
        let txn = match create.kind {
            CreateKind::Create | CreateKind::Create2 => Txn::Create(record),
            CreateKind::Container => Txn::CreateContainer(record),
            CreateKind::Ttl => Txn::CreateTtl(record, ttl_ms),
        };
        draft.put(txn_type(create.kind), &txn, data_len);

        let parent = self.change(at, zxid, parent_path, origin, None, |parent| {
            parent.children = parent.children.saturating_add(1);
            // After 2^31 - 1 creations apply leaves the parent as it is.
            if parent_cversion > parent.stat.cversion {
                parent.stat.cversion = parent_cversion;
                parent.stat.pzxid = zxid.raw();
            }
        });
        let node = PendingNode {
            stat: StatPersisted {
                czxid: zxid.raw(),
                mzxid: zxid.raw(),
                pzxid: zxid.raw(),
                ctime: time.millis(),
                mtime: time.millis(),
                ephemeral_owner: owner.raw(),
                ..StatPersisted::default()
            },
            children: 0,
            in_tree: NodePlace::UNKNOWN,
            acl,
            data_len,
            digest: 0,
        };
        let node = self.add(at, zxid, (&path, place), create.data, node);
        self.outstanding.hint(zxid, Hint { place: parent_place, node, parent });
        Ok(())
    }

    /// The mode and the time to live, which is 0 unless the mode has one.
    fn create_mode(&self, create: &Create<'_>) -> Result<(CreateMode, i64), KeeperError> {
        let mode = CreateMode::from_flags(create.flags).ok_or(KeeperError::BadArguments)?;
        if mode.is_ttl() {
            if !self.options.owner_rules.extended_types {
                return Err(KeeperError::Unimplemented);
            }
            let ttl_ms = create.ttl_ms.filter(|ttl_ms| (1..=TTL_MS_MAX).contains(ttl_ms));
            return Ok((mode, ttl_ms.ok_or(KeeperError::BadArguments)?));
        }
        // A createTTL whose mode has no time to live. The genuine server lets a negative one pass and stops on it.
        if create.kind == CreateKind::Ttl { Err(KeeperError::BadArguments) } else { Ok((mode, 0)) }
    }
}

/// The name of a sequential node: `%010d` behind the path. By hand, because formatting takes a tenth of a create.
fn numbered(path: &str, number: i32) -> String {
    let mut digits = [b'0'; 10];
    let mut rest = number.unsigned_abs();
    for digit in digits.iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    // The sign takes the place of a zero, if there is one.
    let digits = if number < 0 && digits[0] == b'0' { &digits[1..] } else { &digits[..] };
    let mut name = String::with_capacity(path.len() + 1 + digits.len());
    name.push_str(path);
    if number < 0 {
        name.push('-');
    }
    name.extend(digits.iter().map(|&digit| char::from(digit)));
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn numbers_are_padded_with_zeros() {
        for number in [0, 7, 1_234_567_890, i32::MAX, -1, -999_999_999, -1_000_000_000, i32::MIN] {
            assert_eq!(numbered("/a-", number), format!("/a-{number:010}"));
        }
    }
}
