//! Answers, each session's in the order of its requests.

use zabra_node::Pending;
use zabra_proto::{OpCode, Txn, TxnHeader};
use zabra_tree::{Outcome, SubOutcome, Tree};
use zabra_types::{KeeperError, Xid, Zxid};

use super::super::Machine;
use super::super::driver::Process;
use super::{Waiting, tell};
use crate::env::{Env, Stop};
use crate::messages::{Answer, NodeView, Op, Tell, TxnId};
use crate::nemesis::Moment;
use crate::network::ConnId;

impl Process {
    /// A transaction was applied: it may be the answer to an own client.
    pub(in crate::server) fn answer_txn(
        &mut self,
        machine: &Machine,
        env: &mut Env,
        txn: TxnId,
        (header, record): (&TxnHeader, &Txn<'_>),
        outcome: Outcome,
    ) -> Result<(), Stop> {
        if self.serves().is_none() {
            return Ok(());
        }
        let session = header.session;
        if let Txn::CreateSession { timeout_ms } = record
            && self.app.preparer.is_some()
        {
            let now = machine.clock.at(env.schedule.now());
            self.app.sessions.track(session, *timeout_ms, now);
        }
        let pending = self.app.pending.take(header);
        if let Txn::CloseSession { .. } = record {
            let conn =
                self.app.sessions.remove(session).and_then(|conn| self.app.tracked.get(&conn).copied());
            if let Some(conn) = conn
                && pending.is_none()
            {
                self.app.disown(conn);
                self.drop_client(env, conn);
            }
        }
        let Some(Pending { xid, op, origin: conn }) = pending else { return Ok(()) };
        if !self.app.conns.contains_key(&conn) {
            return Ok(());
        }
        env.answered(machine.index, txn)?;
        if op == OpCode::CreateSession {
            self.attach(env, conn, session);
            return Ok(());
        }
        let answer = answer_of(record, outcome);
        if answer.is_moved() {
            // The session lives on another connection: this one is of no use any more.
            self.app.disown(conn);
            self.drop_client(env, conn);
            return Ok(());
        }
        self.answer(env, conn, xid, (txn.zxid, answer))?;
        env.moment(machine.index, Moment::Answered)
    }

    /// The answer to a write or a sync is known. It is told in its turn.
    pub(super) fn answer(
        &mut self,
        env: &mut Env,
        conn: ConnId,
        xid: Xid,
        answer: (Zxid, Answer),
    ) -> Result<(), Stop> {
        let Some(client) = self.app.conns.get_mut(&conn) else { return Ok(()) };
        if let Some(waiting) = client.waiting.iter_mut().find(|waiting| waiting.xid == xid) {
            waiting.answer = Some(answer);
        }
        self.answer_ready(env, conn)
    }

    /// Answers from the front as far as answers are known; reads are answered when they are at the front.
    pub(super) fn answer_ready(&mut self, env: &mut Env, conn: ConnId) -> Result<(), Stop> {
        let shown = self.shown_zxid();
        loop {
            let Some(client) = self.app.conns.get_mut(&conn) else { return Ok(()) };
            let Some(first) = client.waiting.front_mut() else { return Ok(()) };
            let answer = match (&first.op, first.answer.take()) {
                (_, Some(answer)) => answer,
                (Op::Get(path), None) => (shown, get(&self.tree, path)),
                (Op::Children(path), None) => (shown, children(&self.tree, path)),
                _ => return Ok(()),
            };
            let Some(Waiting { xid, op, .. }) = client.waiting.pop_front() else { return Ok(()) };
            let (zxid, answer) = answer;
            tell(env, conn, Tell::Reply { xid, zxid, answer });
            if op == Op::Close {
                self.app.disown(conn);
                self.drop_client(env, conn);
            }
        }
    }
}

fn get(tree: &Tree, path: &str) -> Answer {
    let Some(node) = tree.get(path) else { return Answer::Error(KeeperError::NoNode.code()) };
    let stat = node.stat();
    Answer::Data(NodeView {
        data: String::from_utf8_lossy(node.data().unwrap_or_default()).into_owned(),
        version: stat.version,
        czxid: Zxid::from_raw(stat.czxid),
        mzxid: Zxid::from_raw(stat.mzxid),
        owner: node.owner().session(),
    })
}

fn children(tree: &Tree, path: &str) -> Answer {
    let Some(node) = tree.get(path) else { return Answer::Error(KeeperError::NoNode.code()) };
    let mut names: Vec<String> = node.children().map(str::to_owned).collect();
    names.sort_unstable();
    Answer::Names(names)
}

/// What a client is told of its write.
fn answer_of(record: &Txn<'_>, outcome: Outcome) -> Answer {
    match (record, outcome) {
        (_, Outcome::Error(code)) => Answer::Error(code),
        (Txn::Multi(subs), Outcome::Multi(outcomes)) => Answer::Multi(
            subs.iter().zip(outcomes).map(|(sub, outcome)| answer_of_part(&sub.txn, outcome)).collect(),
        ),
        (record, Outcome::Stat(stat)) => answer_of_part(record, SubOutcome::Stat(stat)),
        (record, _) => answer_of_part(record, SubOutcome::Done),
    }
}

fn answer_of_part(record: &Txn<'_>, outcome: SubOutcome) -> Answer {
    match (record, outcome) {
        (_, SubOutcome::Error(code)) => Answer::Error(code),
        (Txn::Create(create), _) => Answer::Created(create.path.clone().into_owned()),
        (Txn::SetData { .. }, SubOutcome::Stat(stat)) => Answer::Set(stat.version),
        _ => Answer::Done,
    }
}
