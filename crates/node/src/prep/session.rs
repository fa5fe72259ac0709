//! What the server itself asks for: sessions begin and end, containers and TTL nodes are reaped.

use super::{Draft, EpochUsedUp, Preparer, Proposal, Submitter, Surroundings, parent_of};
use crate::Owner;
use alloc::borrow::Cow;
use zabra_proto::{Txn, TxnType};
use zabra_types::{KeeperError, SessionId, Xid};

/// Which sessions may write (`SessionTracker.checkSession`).
pub trait LiveSessions {
    /// Whether the session may write through `owner`.
    ///
    /// # Errors
    /// `SessionExpired` for a session that is closing or not known, `SessionMoved` for one that has another owner by now.
    fn check(&self, session: SessionId, owner: Owner) -> Result<(), KeeperError>;

    /// Whether the session may own nodes; local sessions may not.
    ///
    /// # Errors
    /// As for [`Self::check`], and `SessionExpired` or `EphemeralOnLocalSession` for a local session.
    fn check_global(&self, session: SessionId, owner: Owner) -> Result<(), KeeperError> {
        self.check(session, owner)
    }
}

impl Preparer {
    /// A session begins, of this server or, with the number of its request, of a learner. The caller tracks it from now on.
    ///
    /// # Errors
    /// See [`EpochUsedUp`].
    pub fn create_session(
        &mut self,
        at: &Surroundings<'_>,
        (session, xid): (SessionId, Xid),
        timeout_ms: i32,
    ) -> Result<Proposal, EpochUsedUp> {
        let from = Submitter { session, xid, owner: Owner::Here, identities: &[] };
        let mut draft = self.draft(&from, at.time, TxnType::CreateSession)?;
        draft.put(TxnType::CreateSession, &Txn::CreateSession { timeout_ms }, 0);
        Ok(self.finish(at, draft, Ok(())))
    }

    /// A request of a learner that becomes nothing else: it cannot be read, or there is no such operation. The learner
    /// waits for a transaction, so one says so.
    ///
    /// # Errors
    /// See [`EpochUsedUp`].
    pub fn refuse(
        &mut self,
        at: &Surroundings<'_>,
        from: &Submitter<'_>,
        error: KeeperError,
    ) -> Result<Proposal, EpochUsedUp> {
        let draft = self.draft(from, at.time, TxnType::Error)?;
        Ok(self.finish(at, draft, Err(error)))
    }

    /// A session has expired, or is closed by an operator. The caller marks it closing, so that nothing it still sends
    /// is accepted behind this.
    ///
    /// # Errors
    /// See [`EpochUsedUp`].
    pub fn close_session(
        &mut self,
        at: &Surroundings<'_>,
        session: SessionId,
    ) -> Result<Proposal, EpochUsedUp> {
        let mut draft = self.own_draft(at, session, TxnType::CloseSession)?;
        self.end_session(at, &mut draft);
        Ok(self.finish(at, draft, Ok(())))
    }

    /// A container or TTL node is due. It becomes an error transaction when the node is gone or in use again.
    ///
    /// # Errors
    /// See [`EpochUsedUp`].
    pub fn delete_container(&mut self, at: &Surroundings<'_>, path: &str) -> Result<Proposal, EpochUsedUp> {
        let mut draft = self.own_draft(at, SessionId::NONE, TxnType::DeleteContainer)?;
        let result = self.reap(at, &mut draft, path);
        Ok(self.finish(at, draft, result))
    }

    /// The end of the session in the header: its nodes go with it, those not applied yet included.
    pub(super) fn end_session(&mut self, at: &Surroundings<'_>, draft: &mut Draft) {
        let (zxid, session) = (draft.zxid(), draft.header.session);
        let paths = self.outstanding.owned_by(at.tree, session);
        let listed = self.options.close_session_txn;
        let txn = Txn::CloseSession {
            paths: listed.then(|| paths.iter().map(|path| Cow::from(&**path)).collect()),
        };
        draft.put(TxnType::CloseSession, &txn, 0);
        for path in &paths {
            // An ephemeral node is there, and so is its parent; neither is the root.
            let (Ok(parent), Ok(node)) = (parent_of(path), self.look(at, path)) else { continue };
            let (place, digest) = (node.place(), node.digest());
            let Ok(origin) = self.look(at, parent).map(|parent| parent.origin()) else { continue };
            self.remove(at, zxid, (parent, origin), (path, place, digest));
        }
    }

    fn own_draft(
        &mut self,
        at: &Surroundings<'_>,
        session: SessionId,
        kind: TxnType,
    ) -> Result<Draft, EpochUsedUp> {
        let from = Submitter { session, xid: Xid::default(), owner: Owner::Here, identities: &[] };
        self.draft(&from, at.time, kind)
    }
}
