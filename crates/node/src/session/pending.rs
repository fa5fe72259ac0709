//! What a learner's clients have asked the leader.

use alloc::collections::{BTreeMap, VecDeque};
use zabra_proto::{OpCode, TxnHeader, TxnType};
use zabra_types::{SessionId, Xid};

/// A request that is with the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending<T> {
    /// Its number in its session.
    pub xid: Xid,
    /// What was asked.
    pub op: OpCode,
    /// Who waits for the answer.
    pub origin: T,
}

/// The writes of a learner's clients that are with the leader, by session in the order they were sent
/// (`CommitProcessor.queuedWriteRequests`).
///
/// The leader answers by the transactions that it makes of them: one each, with the request's session and number, in
/// the order of the requests. So a transaction that bears the session and number of the oldest request of its session
/// is the answer, and any other one comes from elsewhere.
#[derive(Debug)]
pub struct PendingRequests<T> {
    by_session: BTreeMap<SessionId, VecDeque<Pending<T>>>,
    len: usize,
}

impl<T> Default for PendingRequests<T> {
    fn default() -> Self {
        Self { by_session: BTreeMap::new(), len: 0 }
    }
}

impl<T> PendingRequests<T> {
    /// Notes a request, right before it is sent.
    pub fn push(&mut self, session: SessionId, request: Pending<T>) {
        self.by_session.entry(session).or_default().push_back(request);
        self.len += 1;
    }

    /// The request that a transaction answers, if it is one of these.
    pub fn take(&mut self, txn: &TxnHeader) -> Option<Pending<T>> {
        let waiting = self.by_session.get_mut(&txn.session)?;
        if !waiting.front().is_some_and(|first| is_answer(first.xid, first.op, txn)) {
            return None;
        }
        let request = waiting.pop_front();
        if waiting.is_empty() {
            self.by_session.remove(&txn.session);
        }
        self.len -= 1;
        request
    }

    /// How many wait.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none waits.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets all: the leader is lost, and what became of them is not known. Returns who waited.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.len = 0;
        core::mem::take(&mut self.by_session).into_values().flatten().map(|request| request.origin)
    }
}

/// A session's beginning and its end by the leader both bear the number 0, which a client may use as well.
fn is_answer(xid: Xid, op: OpCode, txn: &TxnHeader) -> bool {
    let kind = TxnType::from_code(txn.kind);
    xid == txn.cxid
        && (kind == Some(TxnType::Error)
            || (op == OpCode::CreateSession) == (kind == Some(TxnType::CreateSession))
                && (op == OpCode::CloseSession) == (kind == Some(TxnType::CloseSession)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use zabra_types::{WallTime, Zxid};

    const SESSION: SessionId = SessionId::from_raw(0x0200_0000_0000_0001);

    fn txn(session: SessionId, xid: i32, kind: TxnType) -> TxnHeader {
        let (zxid, time) = (Zxid::from_raw(1), WallTime::from_millis(0));
        TxnHeader { session, cxid: Xid::from_raw(xid), zxid, time, kind: kind.code() }
    }

    fn request(xid: i32, op: OpCode, origin: char) -> Pending<char> {
        Pending { xid: Xid::from_raw(xid), op, origin }
    }

    #[test]
    fn answers_come_in_the_order_of_the_requests_of_a_session() {
        let mut pending = PendingRequests::default();
        let other = SESSION.next();
        pending.push(SESSION, request(5, OpCode::Create, 'a'));
        pending.push(other, request(5, OpCode::SetData, 'b'));
        pending.push(SESSION, request(6, OpCode::Multi, 'c'));
        assert_eq!(pending.len(), 3);
        let mut take = |session, xid, kind| pending.take(&txn(session, xid, kind)).map(|found| found.origin);
        assert_eq!(take(SESSION, 6, TxnType::Multi), None, "not the oldest");
        assert_eq!(take(other.next(), 5, TxnType::Create), None, "a session of elsewhere");
        assert_eq!(take(other, 5, TxnType::SetData), Some('b'));
        assert_eq!(take(other, 5, TxnType::SetData), None, "answered once");
        assert_eq!(take(SESSION, 5, TxnType::Error), Some('a'));
        assert_eq!(take(SESSION, 6, TxnType::Multi), Some('c'));
        assert!(pending.is_empty());
    }

    /// An expired session's end has the number 0; so may have the request of a client that counts from there.
    #[test]
    fn the_leaders_own_transactions_answer_nobody() {
        for (op, kind, answers) in [
            (OpCode::Create, TxnType::CloseSession, false),
            (OpCode::Create, TxnType::CreateSession, false),
            (OpCode::CreateSession, TxnType::CloseSession, false),
            (OpCode::CreateSession, TxnType::CreateSession, true),
            (OpCode::CreateSession, TxnType::Error, true),
            (OpCode::CloseSession, TxnType::CloseSession, true),
            (OpCode::Create2, TxnType::Create, true),
        ] {
            let mut pending = PendingRequests::default();
            pending.push(SESSION, request(0, op, 'a'));
            assert_eq!(pending.take(&txn(SESSION, 0, kind)).is_some(), answers, "{op:?} {kind:?}");
        }
    }

    #[test]
    fn without_the_leader_nothing_is_left() {
        let mut pending = PendingRequests::default();
        pending.push(SESSION, request(1, OpCode::Create, 'a'));
        pending.push(SESSION, request(2, OpCode::Create, 'b'));
        assert_eq!(pending.drain().collect::<Vec<_>>(), ['a', 'b']);
        assert!(pending.is_empty());
        assert_eq!(pending.take(&txn(SESSION, 1, TxnType::Create)), None);
    }
}
