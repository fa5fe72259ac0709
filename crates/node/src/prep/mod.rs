//! Preparing: a request becomes a transaction or a refusal.
//!
//! [`Preparer`] is the only place that decides. It sees the tree plus every change that is proposed and not yet
//! applied, so what it lets pass will apply, however many requests are under way. The order of its checks is part of
//! the protocol: it decides which error a client is told.

mod change;
mod create;
mod forward;
mod multi;
mod session;
#[cfg(test)]
mod tests;

use crate::acl;
use crate::outstanding::{Origin, Outstanding, PendingNode, Place, Seen};
use crate::{NodeOptions, Owner};
use alloc::vec::Vec;
use core::fmt;
use zabra_proto::{
    DecodeError, FieldLimit, OpCode, Reader, Request, Txn, TxnDigest, TxnHeader, TxnType, encode_txn,
    put_sub_txn, put_txn_digest,
};
use zabra_tree::{Hint, Redigested, Tree, node_digest, restated_digest};
use zabra_types::{AuthSchemes, Epoch, Identity, KeeperError, Perms, SessionId, WallTime, Xid, Zxid};

pub use forward::{check_eagerly, makes_ephemeral, refuse_to_forward};
pub use session::LiveSessions;

/// Who wants something.
#[derive(Clone, Copy, Debug)]
pub struct Submitter<'a> {
    /// The session.
    pub session: SessionId,
    /// The request's number in that session.
    pub xid: Xid,
    /// Through whom it came.
    pub owner: Owner,
    /// What the connection has proved.
    pub identities: &'a [Identity],
}

/// What preparation looks at and does not change.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The applied state. Everything proposed and not applied to it must be outstanding in the same [`Preparer`].
    pub tree: &'a Tree,
    /// Which sessions live.
    pub sessions: &'a dyn LiveSessions,
    /// The configured providers.
    pub schemes: &'a dyn AuthSchemes,
    /// The wall clock, for the transaction.
    pub time: WallTime,
    /// The longest text or buffer in a request.
    pub field_limit: FieldLimit,
}

/// A transaction to log, replicate and apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Its header. Type `error` is a refusal that has a place in the order like any other transaction.
    pub header: TxnHeader,
    /// Header, record and digest, as log and quorum carry them.
    pub payload: Vec<u8>,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// A transaction; the reply follows from applying it.
    Proposal(Proposal),
    /// A refusal without a transaction. It is answered in its turn.
    Refused(KeeperError),
}

/// The counter of the epoch is used up, and the epochs may not be rolled: this leader has to step down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochUsedUp(pub Epoch);

impl fmt::Display for EpochUsedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {} has no transaction numbers left", self.0)
    }
}

impl core::error::Error for EpochUsedUp {}

/// Makes transactions out of requests (`PrepRequestProcessor`).
///
/// Invariant: the tree, after applying all proposals made so far, is what `outstanding` over the tree shows, and
/// `digest` is its digest. The caller keeps it by applying every proposal in order and calling
/// [`Preparer::committed`] for it before the next request is prepared against the changed tree.
#[derive(Debug)]
pub struct Preparer {
    options: NodeOptions,
    last_zxid: Zxid,
    /// The last transaction applied, as far as this was told.
    applied: Zxid,
    /// May still have what is applied until the next transaction is made.
    outstanding: Outstanding,
    /// The digest after everything outstanding; meaningless while nothing is.
    digest: u64,
}

impl Preparer {
    /// Continues after `last_zxid`, the last transaction logged or, for a new leader, its epoch's beginning.
    pub fn new(options: NodeOptions, last_zxid: Zxid) -> Self {
        let outstanding = Outstanding::new(options.owner_rules, options.hash_key.into());
        Self { options, last_zxid, applied: Zxid::ZERO, outstanding, digest: 0 }
    }

    /// The last transaction made, or where this preparer began.
    pub const fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    /// Everything up to `zxid` has been applied to the tree.
    pub fn committed(&mut self, zxid: Zxid) {
        self.applied = self.applied.max(zxid);
        self.outstanding.forget_hints(zxid);
    }

    /// Lets go of what is applied. Not as soon as it is, because whoever applies does that on another processor than
    /// whoever prepares, and has more to do.
    fn settle(&mut self) {
        self.outstanding.applied(self.applied);
    }

    /// What applying a transaction need not find out, for [`Tree::apply_prepared`]; nothing once it is
    /// [`Preparer::committed`], or when another server made it.
    pub fn hints(&self, zxid: Zxid) -> impl Iterator<Item = Hint> {
        self.outstanding.hints(zxid)
    }

    /// Prepares a write of a client. `body` is what follows the request header.
    ///
    /// Operations that are no writes, and those no client may send, are refused as `Unimplemented`.
    ///
    /// # Errors
    /// See [`EpochUsedUp`]; nothing has changed then.
    pub fn prepare(
        &mut self,
        at: &Surroundings<'_>,
        from: &Submitter<'_>,
        op: OpCode,
        body: &[u8],
    ) -> Result<Prepared, EpochUsedUp> {
        let mut reader = Reader::with_limit(body, at.field_limit);
        if op == OpCode::Multi {
            return self.multi(at, from, &mut reader);
        }
        let request = match Request::decode(op, &mut reader) {
            Ok(request) => request,
            Err(DecodeError { .. }) => return Ok(Prepared::Refused(KeeperError::MarshallingError)),
        };
        let kind = match &request {
            Request::Create(create) => create::txn_type(create.kind),
            Request::Delete(_) => TxnType::Delete,
            Request::SetData(_) => TxnType::SetData,
            Request::SetAcl(_) => TxnType::SetAcl,
            Request::Reconfig(_) => TxnType::Reconfig,
            Request::CloseSession => TxnType::CloseSession,
            _ => return Ok(Prepared::Refused(KeeperError::Unimplemented)),
        };
        let mut draft = self.draft(from, at.time, kind)?;
        let result = match &request {
            Request::Create(create) => self.create(at, from, &mut draft, create),
            Request::Delete(delete) => self.delete(at, from, &mut draft, delete),
            Request::SetData(set) => self.set_data(at, from, &mut draft, set),
            Request::SetAcl(set) => self.set_acl(at, from, &mut draft, set),
            Request::Reconfig(_) => self.reconfig(at, from),
            _ => {
                self.end_session(at, &mut draft);
                Ok(())
            }
        };
        Ok(Prepared::Proposal(self.finish(at, draft, result)))
    }

    /// A reconfiguration. There is nothing to reconfigure without an ensemble, and being told so comes last but before
    /// the body is looked at.
    fn reconfig(&self, at: &Surroundings<'_>, from: &Submitter<'_>) -> Result<(), KeeperError> {
        if !self.options.reconfig_enabled {
            return Err(KeeperError::ReconfigDisabled);
        }
        at.sessions.check(from.session, from.owner)?;
        Err(KeeperError::Unimplemented)
    }

    /// Takes the next zxid. Nothing is looked up for a transaction before this.
    fn draft(&mut self, from: &Submitter<'_>, time: WallTime, kind: TxnType) -> Result<Draft, EpochUsedUp> {
        let zxid = self.next_zxid()?;
        self.last_zxid = zxid;
        self.settle();
        let header = TxnHeader { session: from.session, cxid: from.xid, zxid, time, kind: kind.code() };
        Ok(Draft { header, payload: Vec::new(), in_multi: false })
    }

    fn next_zxid(&self) -> Result<Zxid, EpochUsedUp> {
        let epoch = self.last_zxid.epoch();
        match self.last_zxid.next() {
            // The genuine leader never proposes the last one, and its learners are not known to take it.
            Some(zxid) if self.options.rolls_epochs || zxid.counter() < u32::MAX => Ok(zxid),
            // An epoch with the top bit set would sort before all others.
            None if self.options.rolls_epochs && epoch.get() < i32::MAX as u32 => {
                Ok(Zxid::new(Epoch::new(epoch.get() + 1), 1))
            }
            _ => Err(EpochUsedUp(epoch)),
        }
    }

    /// Completes a transaction that consists of one record, or turns it into an error transaction.
    fn finish(&self, at: &Surroundings<'_>, draft: Draft, result: Result<(), KeeperError>) -> Proposal {
        let Draft { mut header, mut payload, .. } = draft;
        match result {
            Ok(()) => self.put_digest(at.tree, &mut payload),
            Err(error) => {
                // The refusal of a single operation carries no digest, as in the genuine server.
                header.kind = TxnType::Error.code();
                payload.clear();
                encode_txn(&mut payload, &header, &Txn::Error { code: error.code() }, None);
            }
        }
        Proposal { header, payload }
    }

    fn put_digest(&self, tree: &Tree, payload: &mut Vec<u8>) {
        if self.options.digest {
            let digest = if self.outstanding.is_empty() { tree.digest() } else { self.digest };
            put_txn_digest(payload, TxnDigest { version: TxnDigest::VERSION, digest });
        }
    }

    fn look<'o, 't>(&'o self, at: &Surroundings<'t>, path: &str) -> Result<Seen<'o, 't>, KeeperError> {
        self.outstanding.look(at.tree, path).ok_or(KeeperError::NoNode)
    }

    fn allow(
        &self,
        at: &Surroundings<'_>,
        from: &Submitter<'_>,
        node: &Seen<'_, '_>,
        want: Perms,
    ) -> Result<(), KeeperError> {
        if acl::check(node.acl(), want, from.identities, at.schemes, self.options.skip_acl) {
            Ok(())
        } else {
            Err(KeeperError::NoAuth)
        }
    }

    fn is_ephemeral(&self, node: &Seen<'_, '_>) -> bool {
        node.owner(self.options.owner_rules).session().is_some()
    }

    /// Changes a node, and the digest with it. `origin` is [`Seen::origin`] of the node. Returns what becomes of the
    /// digest, if there is one.
    fn change(
        &mut self,
        at: &Surroundings<'_>,
        zxid: Zxid,
        path: &str,
        origin: Origin<'_>,
        new_data: Option<Option<&[u8]>>,
        edit: impl FnOnce(&mut PendingNode),
    ) -> Option<Redigested> {
        self.begin_digest(at);
        let node = self.outstanding.change(zxid, path, origin)?;
        let (before, stat_before) = (node.digest, node.stat);
        edit(node);
        if let Some(data) = new_data {
            node.data_len = data.map_or(0, <[u8]>::len);
        }
        if !self.options.digest {
            return None;
        }
        let after = match new_data {
            Some(data) => node_digest(path, data, &node.stat),
            None => restated_digest(path, before, &stat_before, &node.stat),
        };
        node.digest = after;
        self.replace_digest(before, after);
        Some(Redigested { before, after })
    }

    /// A node comes into being at `path`, whose place this is. Returns its digest.
    fn add(
        &mut self,
        at: &Surroundings<'_>,
        zxid: Zxid,
        (path, place): (&str, Place),
        data: Option<&[u8]>,
        mut node: PendingNode,
    ) -> Option<Redigested> {
        self.begin_digest(at);
        let after = if self.options.digest { node_digest(path, data, &node.stat) } else { 0 };
        node.digest = after;
        self.replace_digest(0, after);
        self.outstanding.put(zxid, path, place, Some(node));
        self.options.digest.then_some(Redigested { before: 0, after })
    }

    /// A node goes, and its parent hears of it. `origin` is [`Seen::origin`] of the parent, `place` and `digest` are the
    /// node's. Returns what becomes of the digest of the parent.
    fn remove(
        &mut self,
        at: &Surroundings<'_>,
        zxid: Zxid,
        (parent, origin): (&str, Origin<'_>),
        (path, place, digest): (&str, Place, u32),
    ) -> Option<Redigested> {
        let parent = self.change(at, zxid, parent, origin, None, |parent| {
            parent.children = parent.children.saturating_sub(1);
            parent.stat.pzxid = parent.stat.pzxid.max(zxid.raw());
        });
        self.replace_digest(digest, 0);
        self.outstanding.put(zxid, path, place, None);
        parent
    }

    /// While nothing is outstanding the tree's digest is the truth.
    fn begin_digest(&mut self, at: &Surroundings<'_>) {
        if self.outstanding.is_empty() {
            self.digest = at.tree.digest();
        }
    }

    fn replace_digest(&mut self, before: u32, after: u32) {
        self.digest = self.digest.wrapping_sub(u64::from(before)).wrapping_add(u64::from(after));
    }
}

/// A transaction being made.
struct Draft {
    header: TxnHeader,
    payload: Vec<u8>,
    in_multi: bool,
}

impl Draft {
    fn zxid(&self) -> Zxid {
        self.header.zxid
    }

    /// Appends the record: the only one, or one of a multi.
    fn put(&mut self, kind: TxnType, txn: &Txn<'_>, data_len: usize) {
        if self.in_multi {
            put_sub_txn(&mut self.payload, kind.code(), txn);
        } else {
            self.header.kind = kind.code();
            self.payload.reserve(128 + data_len);
            encode_txn(&mut self.payload, &self.header, txn, None);
        }
    }
}

/// The parent of a path in a create or delete, and the first thing that is checked of that path.
fn parent_of(path: &str) -> Result<&str, KeeperError> {
    // By hand: names are short, and the search of the library begins with aligning itself.
    match path.bytes().rposition(|byte| byte == b'/') {
        Some(_) if path.bytes().any(|byte| byte == 0) => Err(KeeperError::BadArguments),
        Some(0) => Ok("/"),
        Some(at) => Ok(&path[..at]),
        None => Err(KeeperError::BadArguments),
    }
}

/// Compares the version in a request, -1 meaning any, and tells the next one.
fn next_version(current: i32, expected: i32) -> Result<i32, KeeperError> {
    if expected == -1 || expected == current {
        Ok(current.wrapping_add(1))
    } else {
        Err(KeeperError::BadVersion)
    }
}
