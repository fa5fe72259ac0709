//! What stands on the peer: clients' connections, sessions, preparation and answers. Simple, but of the parts that the
//! server has: preparer, session tracker, pending requests and the bodies of packets are the real ones.

mod answers;
mod requests;

use std::collections::{BTreeMap, VecDeque};

use zabra_node::{
    ConnId as TrackedConn, NodeOptions, Owner, Pending, PendingRequests, Preparer, SessionTracker,
};
use zabra_proto::{OpCode, RevalidateAsk};
use zabra_tree::Hint;
use zabra_types::{Now, SessionId, Xid, Zxid};
use zabra_zab::{Input, LinkId, Role, SyncToken};

use super::Machine;
use super::driver::Process;
use crate::env::{Env, Stop};
use crate::messages::{Answer, Ask, Op, Tell};
use crate::network::{Arrival, ConnId, Side, Wire};

/// The application of a process.
#[derive(Debug)]
pub(super) struct App {
    /// Of a leader.
    preparer: Option<Preparer>,
    sessions: SessionTracker,
    conns: BTreeMap<ConnId, Client>,
    conns_made: u32,
    /// Which connection the tracker means.
    tracked: BTreeMap<TrackedConn, ConnId>,
    /// Writes whose transactions have not been applied.
    pending: PendingRequests<ConnId>,
    /// A learner's clients that wait for a sync, in order.
    syncs: VecDeque<(ConnId, Xid)>,
    /// A leader's clients that wait for a sync.
    tokens: BTreeMap<SyncToken, (ConnId, Xid)>,
    tokens_made: u64,
}

/// A client's connection.
#[derive(Debug)]
struct Client {
    tracked: TrackedConn,
    session: Option<SessionId>,
    timeout_ms: i32,
    heard: Now,
    /// What it asked and has not been answered, in order.
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    xid: Xid,
    op: Op,
    answer: Option<(Zxid, Answer)>,
}

impl App {
    pub(super) fn new(machine: &Machine, env: &Env) -> Self {
        // Ids follow from a clock that goes on over restarts.
        let clock_ms = env.schedule.now().micros() / 1000 + machine.boot;
        Self {
            preparer: None,
            sessions: SessionTracker::new(machine.id, clock_ms, env.scenario.tick),
            conns: BTreeMap::new(),
            conns_made: 0,
            tracked: BTreeMap::new(),
            pending: PendingRequests::default(),
            syncs: VecDeque::new(),
            tokens: BTreeMap::new(),
            tokens_made: 0,
        }
    }

    /// When sessions are to be looked at: by a leader.
    pub(super) fn next_deadline(&self) -> Option<Now> {
        self.preparer.as_ref().and_then(|_| self.sessions.next_deadline())
    }

    /// What a leader has found out while preparing.
    pub(super) fn hints(&self, zxid: Zxid) -> impl Iterator<Item = Hint> {
        self.preparer.iter().flat_map(move |preparer| preparer.hints(zxid))
    }

    /// Everything up to here is applied.
    pub(super) fn note_applied(&mut self, zxid: Zxid) {
        if let Some(preparer) = &mut self.preparer {
            preparer.committed(zxid);
        }
    }

    /// The connection's session is not its own any more.
    fn disown(&mut self, conn: ConnId) {
        if let Some(client) = self.conns.get_mut(&conn) {
            client.session = None;
        }
    }
}

impl Process {
    /// The peer's role has changed: clients are served anew or not at all.
    pub(super) fn change_part(&mut self, machine: &Machine, env: &mut Env) {
        let conns: Vec<ConnId> = self.app.conns.keys().copied().collect();
        for conn in conns {
            self.drop_client(env, conn);
        }
        let _ = self.app.pending.drain();
        self.app.syncs.clear();
        self.app.tokens.clear();
        self.app.sessions.clear();
        self.app.preparer = None;
        if let Role::Leading(epoch) = self.role {
            self.app.preparer = Some(Preparer::new(NodeOptions::default(), Zxid::new(epoch, 0)));
            let now = machine.clock.at(env.schedule.now());
            for (session, timeout_ms) in self.tree.sessions() {
                self.app.sessions.track(session, timeout_ms, now);
            }
        }
    }

    pub(super) fn client_accepted(&mut self, machine: &Machine, env: &mut Env, conn: ConnId) {
        if self.serves().is_none() {
            env.network.close(&mut env.schedule, conn, Side::Acceptor);
            return;
        }
        self.app.conns_made += 1;
        let tracked = TrackedConn::new(self.app.conns_made);
        let heard = machine.clock.at(env.schedule.now());
        let client = Client { tracked, session: None, timeout_ms: 0, heard, waiting: VecDeque::new() };
        self.app.tracked.insert(tracked, conn);
        self.app.conns.insert(conn, client);
    }

    fn drop_client(&mut self, env: &mut Env, conn: ConnId) {
        env.network.close(&mut env.schedule, conn, Side::Acceptor);
        self.forget_client(conn);
    }

    fn forget_client(&mut self, conn: ConnId) {
        let Some(client) = self.app.conns.remove(&conn) else { return };
        self.app.tracked.remove(&client.tracked);
        if let Some(session) = client.session {
            self.app.sessions.detach(session, client.tracked, client.heard);
        }
    }

    pub(super) fn client_arrived(
        &mut self,
        machine: &Machine,
        env: &mut Env,
        conn: ConnId,
        arrival: Arrival,
    ) -> Result<(), Stop> {
        let now = machine.clock.at(env.schedule.now());
        let Some(client) = self.app.conns.get_mut(&conn) else { return Ok(()) };
        client.heard = now;
        if let Some(session) = client.session {
            self.app.sessions.touch(session, now);
        }
        match arrival {
            Arrival::Message(Wire::Ask(Ask::Connect { session, timeout_ms, seen })) => {
                self.connect_client(machine, env, conn, (session, timeout_ms, seen));
            }
            Arrival::Message(Wire::Ask(Ask::Request { xid, op })) => {
                return self.request(machine, env, conn, xid, op);
            }
            Arrival::Message(Wire::Ask(Ask::Ping)) => tell(env, conn, Tell::Pong),
            Arrival::Closed => self.forget_client(conn),
            _ => {}
        }
        Ok(())
    }

    fn connect_client(
        &mut self,
        machine: &Machine,
        env: &mut Env,
        conn: ConnId,
        (session, timeout_ms, seen): (Option<SessionId>, i32, Zxid),
    ) {
        if seen > self.shown_zxid() {
            // The client has seen more than this server: it must look for another one.
            self.drop_client(env, conn);
            return;
        }
        let Some(client) = self.app.conns.get_mut(&conn) else { return };
        client.timeout_ms = timeout_ms;
        match session {
            None => {
                let session = self.app.sessions.next_id();
                let pending = Pending { xid: Xid::default(), op: OpCode::CreateSession, origin: conn };
                self.app.pending.push(session, pending);
                match self.leader_link() {
                    None => self.lead_create_session(machine, env, session, Xid::default(), timeout_ms),
                    Some(link) => {
                        let body = timeout_ms.to_be_bytes();
                        self.forward(link, session, (Xid::default(), OpCode::CreateSession, &body));
                    }
                }
            }
            Some(session) => {
                // What still comes over its former connection must not be taken for what it asks next.
                self.cut_former(env, conn, session);
                match self.leader_link() {
                    None => {
                        let now = machine.clock.at(env.schedule.now());
                        let valid = self.app.sessions.revalidate(session, timeout_ms, Owner::Here, now);
                        self.revalidated(env, conn, session, valid);
                    }
                    Some(link) => {
                        if let Some(client) = self.app.conns.get_mut(&conn) {
                            client.session = Some(session);
                        }
                        let packet = RevalidateAsk { session, timeout_ms }.to_packet();
                        self.inputs.push_back(Input::Send { link, packet });
                    }
                }
            }
        }
    }

    /// It is known whether a session that came back lives.
    fn revalidated(&mut self, env: &mut Env, conn: ConnId, session: SessionId, valid: bool) {
        if valid {
            self.attach(env, conn, session);
        } else {
            tell(env, conn, Tell::Expired);
            self.app.disown(conn);
            self.drop_client(env, conn);
        }
    }

    /// The session lives on this connection from now on.
    fn attach(&mut self, env: &mut Env, conn: ConnId, session: SessionId) {
        let Some(client) = self.app.conns.get_mut(&conn) else { return };
        client.session = Some(session);
        let (tracked, timeout_ms) = (client.tracked, client.timeout_ms);
        match self.role {
            Role::Leading(_) => self.app.sessions.attach(session, tracked),
            _ => self.app.sessions.serve_remote(session, timeout_ms, tracked),
        };
        tell(env, conn, Tell::Connected(session));
    }

    /// Ends the connection of this server that the session had.
    fn cut_former(&mut self, env: &mut Env, conn: ConnId, session: SessionId) {
        let has_it =
            |&(known, client): &(&ConnId, &Client)| *known != conn && client.session == Some(session);
        let former: Vec<ConnId> = self.app.conns.iter().filter(has_it).map(|(known, _)| *known).collect();
        for former in former {
            self.drop_client(env, former);
        }
    }

    /// The link to the leader; none on the leader itself.
    fn leader_link(&self) -> Option<LinkId> {
        match self.role {
            Role::Following { link, .. } | Role::Observing { link, .. } => Some(link),
            _ => None,
        }
    }
}

fn tell(env: &mut Env, conn: ConnId, what: Tell) {
    env.network.send(&mut env.schedule, conn, Side::Acceptor, Wire::Tell(what));
}
