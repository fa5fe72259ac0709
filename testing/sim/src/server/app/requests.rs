//! Clients' requests: on a learner they go to the leader, on a leader they become transactions.

use bytes::Bytes;
use zabra_node::{
    ConnId as TrackedConn, EpochUsedUp, Owner, Pending, Prepared, Preparer, Proposal, Submitter, Surroundings,
};
use zabra_proto::{
    ForwardedRequest, OpCode, PacketKind, QuorumPacket, Reader, RevalidateAsk, RevalidateReply, SessionTouch,
    read_touches,
};
use zabra_types::{Identity, NoSchemes, SessionId, WallTime, Xid, Zxid};
use zabra_zab::{Input, LinkId, SyncToken};

use super::super::Machine;
use super::super::boot::LIMIT;
use super::super::driver::Process;
use super::{App, Waiting};
use crate::env::{Env, Stop};
use crate::messages::{Answer, Op};
use crate::network::ConnId;

/// Sessions that are looked at in one go.
const EXPIRE_MAX: usize = 100;

impl Process {
    /// A request of an own client.
    pub(super) fn request(
        &mut self,
        machine: &Machine,
        env: &mut Env,
        conn: ConnId,
        xid: Xid,
        op: Op,
    ) -> Result<(), Stop> {
        let Some(client) = self.app.conns.get_mut(&conn) else { return Ok(()) };
        let Some(session) = client.session else { return Ok(()) };
        client.waiting.push_back(Waiting { xid, op: op.clone(), answer: None });
        let Some(request) = op.request() else { return self.answer_ready(env, conn) };
        let Some(code) = OpCode::from_code(request.op) else { return Ok(()) };
        let asked = (xid, code, &request.body[..]);
        match (op, self.leader_link()) {
            (Op::Sync, Some(link)) => {
                self.app.syncs.push_back((conn, xid));
                self.forward(link, session, asked);
            }
            (Op::Sync, None) => {
                self.app.tokens_made += 1;
                let token = SyncToken(self.app.tokens_made);
                self.app.tokens.insert(token, (conn, xid));
                self.inputs.push_back(Input::Sync { learner: None, token });
            }
            (_, leader) => {
                self.app.pending.push(session, Pending { xid, op: code, origin: conn });
                match leader {
                    Some(link) => self.forward(link, session, asked),
                    None => self.lead_request(machine, env, (session, Owner::Here), asked),
                }
            }
        }
        Ok(())
    }

    pub(super) fn forward(
        &mut self,
        link: LinkId,
        session: SessionId,
        (cxid, op, body): (Xid, OpCode, &[u8]),
    ) {
        let identities = (op != OpCode::CreateSession).then(|| vec![Identity::new("ip", "10.0.0.1")]);
        let packet = ForwardedRequest { session, cxid, op: op.code(), body }.to_packet(identities);
        self.inputs.push_back(Input::Send { link, packet });
    }

    /// The leader makes a transaction of a request.
    fn lead_request(
        &mut self,
        machine: &Machine,
        env: &Env,
        (session, owner): (SessionId, Owner),
        (xid, op, body): (Xid, OpCode, &[u8]),
    ) {
        let from = Submitter { session, xid, owner, identities: &[] };
        self.app.sessions.claim(session, owner);
        self.prepare(machine, env, |preparer, at| match preparer.prepare(at, &from, op, body)? {
            Prepared::Proposal(proposal) => Ok(proposal),
            Prepared::Refused(error) => preparer.refuse(at, &from, error),
        });
        if op == OpCode::CloseSession {
            self.app.sessions.set_closing(session);
        }
    }

    pub(super) fn lead_create_session(
        &mut self,
        machine: &Machine,
        env: &Env,
        session: SessionId,
        xid: Xid,
        timeout_ms: i32,
    ) {
        let now = machine.clock.at(env.schedule.now());
        self.app.sessions.track(session, timeout_ms, now);
        self.prepare(machine, env, |preparer, at| preparer.create_session(at, (session, xid), timeout_ms));
    }

    fn prepare(
        &mut self,
        machine: &Machine,
        env: &Env,
        work: impl FnOnce(&mut Preparer, &Surroundings<'_>) -> Result<Proposal, EpochUsedUp>,
    ) {
        let Some(preparer) = &mut self.app.preparer else { return };
        let time = env.schedule.now().micros() as i64 / 1000 + machine.wall_offset_ms;
        let at = Surroundings {
            tree: &self.tree,
            sessions: &self.app.sessions,
            schemes: &NoSchemes,
            time: WallTime::from_millis(time),
            field_limit: LIMIT,
        };
        self.inputs.push_back(match work(preparer, &at) {
            Ok(Proposal { header, payload }) => {
                Input::Propose { zxid: header.zxid, payload: Bytes::from(payload) }
            }
            Err(EpochUsedUp(_)) => Input::StepDown,
        });
    }

    /// Ends the sessions of which nothing was heard.
    pub(in crate::server) fn expire_sessions(&mut self, machine: &Machine, env: &mut Env) {
        if self.app.preparer.is_none() {
            return;
        }
        let now = machine.clock.at(env.schedule.now());
        while self.app.sessions.next_deadline().is_some_and(|due| due <= now) {
            let App { sessions, tracked, conns, .. } = &mut self.app;
            let heard = |conn: TrackedConn| Some(conns.get(tracked.get(&conn)?)?.heard);
            for session in sessions.expire(now, EXPIRE_MAX, heard) {
                env.trace(|| format!("s{} session {session} expires", machine.id));
                self.prepare(machine, env, |preparer, at| preparer.close_session(at, session));
            }
        }
    }

    /// `Output::FromLearner`.
    pub(in crate::server) fn hear_learner(
        &mut self,
        machine: &Machine,
        env: &mut Env,
        link: LinkId,
        packet: &QuorumPacket,
    ) {
        let (now, data) = (machine.clock.at(env.schedule.now()), packet.data.as_deref());
        match packet.kind {
            PacketKind::Ping => {
                for touch in read_touches(data).flatten() {
                    self.app.sessions.renew(touch.session, touch.timeout_ms, now);
                }
            }
            PacketKind::Revalidate => {
                let Ok(ask) = RevalidateAsk::decode(data) else { return };
                let (session, owner) = (ask.session, Owner::Learner(link));
                let valid = self.app.sessions.revalidate(session, ask.timeout_ms, owner, now);
                let former = if valid { self.app.sessions.part_with(session) } else { None };
                if let Some(conn) = former.and_then(|former| self.app.tracked.get(&former).copied()) {
                    self.drop_client(env, conn);
                }
                let packet = RevalidateReply { session, valid }.to_packet(packet.zxid);
                self.inputs.push_back(Input::Send { link, packet });
            }
            PacketKind::Request => {
                if let Ok(request) = ForwardedRequest::decode(data) {
                    self.submit(machine, env, link, &request);
                }
            }
            _ => {}
        }
    }

    fn submit(&mut self, machine: &Machine, env: &Env, link: LinkId, request: &ForwardedRequest<'_>) {
        let ForwardedRequest { session, cxid, body, .. } = *request;
        let owner = Owner::Learner(link);
        match OpCode::from_code(request.op) {
            Some(OpCode::Sync) => {
                self.inputs.push_back(Input::Sync { learner: Some(link), token: SyncToken::default() });
            }
            Some(OpCode::CreateSession) => {
                let timeout_ms = Reader::new(body).i32("timeout").unwrap_or(0);
                self.lead_create_session(machine, env, session, cxid, timeout_ms);
                self.app.sessions.claim(session, owner);
            }
            Some(op) => self.lead_request(machine, env, (session, owner), (cxid, op, body)),
            None => {}
        }
    }

    /// `Output::FromLeader`.
    pub(in crate::server) fn hear_leader(
        &mut self,
        machine: &Machine,
        env: &mut Env,
        link: LinkId,
        packet: &QuorumPacket,
    ) -> Result<(), Stop> {
        match packet.kind {
            PacketKind::Ping => {
                let now = machine.clock.at(env.schedule.now());
                let App { sessions, tracked, conns, .. } = &mut self.app;
                let heard = |conn: TrackedConn| Some(conns.get(tracked.get(&conn)?)?.heard);
                let touched = sessions.touched(now, heard).into_iter();
                let touches = touched.map(|(session, timeout_ms)| SessionTouch { session, timeout_ms });
                let packet = SessionTouch::ping_reply(packet.zxid, touches);
                self.inputs.push_back(Input::Send { link, packet });
            }
            PacketKind::Revalidate => {
                let Ok(reply) = RevalidateReply::decode(packet.data.as_deref()) else { return Ok(()) };
                let RevalidateReply { session, valid } = reply;
                let waiting = self.app.conns.iter().rev().find(|(_, client)| client.session == Some(session));
                if let Some((&conn, _)) = waiting {
                    self.revalidated(env, conn, session, valid);
                }
            }
            PacketKind::Sync => {
                if let Some((conn, xid)) = self.app.syncs.pop_front() {
                    return self.answer(env, conn, xid, (self.shown_zxid(), Answer::Done));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// `Output::Synced`.
    pub(in crate::server) fn synced(&mut self, env: &mut Env, token: SyncToken) -> Result<(), Stop> {
        let Some((conn, xid)) = self.app.tokens.remove(&token) else { return Ok(()) };
        self.answer(env, conn, xid, (self.shown_zxid(), Answer::Done))
    }

    /// The last transaction that clients can see. The tree may be labelled with the beginning of an epoch instead.
    pub(super) fn shown_zxid(&self) -> Zxid {
        self.history.last().map_or(Zxid::ZERO, |txn| txn.zxid)
    }
}
