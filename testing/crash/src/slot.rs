//! A writer: one session after the other, many requests in flight, everything written down.

use crate::action::{Action, Data, Op};
use crate::choose::{self, Namer};
use crate::history::{Answer, Request, Said, Session, SlotRound, What};
use crate::world::{SessionKey, World};
use std::net::SocketAddr;
use std::time::Instant;
use zabra_proto::ConnectRequest;
use zabra_testkit::{Body, Connected, RECEIVE_TIMEOUT, RawClient, RawRequest, Received, Reply, Rng, Shape};
use zabra_types::{SessionId, Zxid};

/// What sessions ask for: longer than any test, so that none ever expires.
pub(crate) const SESSION_TIMEOUT_MS: i32 = 3_600_000;
/// Sessions of a slot that live beside each other.
const SESSIONS_MAX: usize = 3;

/// A slot between two rounds.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) number: usize,
    pub(crate) world: World,
    pub(crate) sessions: Vec<Session>,
}

/// A round's writer.
struct Writer {
    addr: SocketAddr,
    clock: Instant,
    rng: Rng,
    round: u64,
    /// Requests in flight.
    depth: usize,
    slot: usize,
    /// What there is when every request sent so far takes effect.
    world: World,
    sessions: Vec<Session>,
    requests: Vec<Request>,
    /// How many of them are answered.
    answered: usize,
}

impl Slot {
    /// Writes until the server goes away. The times written down count from `clock`.
    pub(crate) fn write(&self, addr: SocketAddr, clock: Instant, round: u64, mut rng: Rng) -> SlotRound {
        let depth = rng.weighted(&[(1, 1), (2, 4), (3, 16), (3, 64)]);
        let mut writer = Writer {
            addr,
            clock,
            rng,
            round,
            depth,
            slot: self.number,
            world: self.world.clone(),
            sessions: self.sessions.clone(),
            requests: Vec::new(),
            answered: 0,
        };
        let why = loop {
            if let Err(why) = writer.stint() {
                break why;
            }
        };
        SlotRound {
            slot: self.number,
            before: self.world.clone(),
            sessions: writer.sessions,
            requests: writer.requests,
            ended: (clock.elapsed(), why),
        }
    }
}

impl Writer {
    /// One session on one connection. The error says how the server went away.
    fn stint(&mut self) -> Result<(), String> {
        let (mut client, session) = self.attach()?;
        let requests = 10 + self.rng.below(400);
        let alive = self.world.sessions().len();
        let closes = alive >= SESSIONS_MAX || self.rng.one_in(2);
        let mut xid = 1;
        let mut left = requests;
        let first = self.requests.len();
        while left > 0 || self.answered < self.requests.len() {
            let in_flight = self.requests.len() - self.answered;
            if left > 0 && in_flight <= self.depth / 2 {
                let mut batch = Vec::new();
                for _ in 0..(self.depth - in_flight).min(left) {
                    left -= 1;
                    let action = self.choose(left == 0 && closes);
                    batch.push((xid, action.request()));
                    xid += 1;
                    self.note(What::Act(session, action));
                }
                send(&mut client, &batch)?;
            }
            let expected_xid = (self.answered - first + 1) as i32;
            self.receive(&mut client, expected_xid)?;
        }
        Ok(())
    }

    /// A connection for a session of the slot, or for a new one.
    fn attach(&mut self) -> Result<(RawClient, SessionKey), String> {
        let alive: Vec<_> = self.world.sessions().iter().copied().collect();
        let renews = !alive.is_empty() && (alive.len() >= SESSIONS_MAX || self.rng.one_in(2));
        let (what, known) = if renews {
            let session = *self.rng.pick(&alive);
            (What::Renew(session), Some(self.sessions[session].clone()))
        } else {
            (What::Open(self.sessions.len()), None)
        };
        let (What::Open(session) | What::Renew(session) | What::Act(session, _)) = what;
        let mut client = RawClient::open(self.addr).map_err(|error| format!("connecting: {error}"))?;
        self.note(what);
        let connected = shake_hands(&mut client, known.as_ref())?;
        if !connected.is_accepted() {
            return Err(format!("the handshake was refused: {connected:?}"));
        }
        if known.is_none() {
            self.sessions.push(Session {
                id: connected.session,
                password: connected.password.clone(),
                timeout_ms: connected.timeout_ms,
            });
        }
        self.answer(Said::Connected(connected));
        Ok((client, session))
    }

    fn choose(&mut self, closes: bool) -> Action {
        if closes {
            return Action::Close;
        }
        let mut namer = Namer::new(self.slot, self.round, self.requests.len());
        choose::action(&mut self.rng, &self.world, &mut namer)
    }

    /// Writes a request down before it is sent.
    fn note(&mut self, what: What) {
        self.world.apply(self.requests.len(), &what);
        self.requests.push(Request { sent: self.clock.elapsed(), what, answer: None });
    }

    fn receive(&mut self, client: &mut RawClient, expected_xid: i32) -> Result<(), String> {
        let frame = next_frame(client)?;
        let What::Act(_, action) = &self.requests[self.answered].what else {
            return Err("a reply before the handshake's".to_owned());
        };
        let shape = Shape::of(action.request().op);
        let reply =
            Reply::decode(&frame, shape).map_err(|error| format!("a reply without header: {error}"))?;
        if reply.xid != expected_xid {
            return Err(format!("a reply to request {expected_xid} of the session was due, not {reply:?}"));
        }
        for (data, path) in told_names(action, &reply) {
            self.world.name_entry(&data, &path);
        }
        self.answer(Said::Reply(reply));
        Ok(())
    }

    fn answer(&mut self, said: Said) {
        self.requests[self.answered].answer = Some(Answer { received: self.clock.elapsed(), said });
        self.answered += 1;
    }
}

/// What a reply tells about paths in the queue.
fn told_names(action: &Action, reply: &Reply) -> Vec<(Data, String)> {
    let name = |op: &Op, body: &Body| match (op, body) {
        (Op::Enqueue { data, .. }, Body::PathStat(path, _)) => {
            let path = path.0.as_deref().unwrap_or_default();
            Some((data.clone(), String::from_utf8_lossy(path).into_owned()))
        }
        _ => None,
    };
    match (action, &reply.body) {
        (Action::Write(op), body) => name(op, body).into_iter().collect(),
        (Action::Multi(ops), Body::Results(results)) => {
            ops.iter().zip(results).filter_map(|(op, result)| name(op, &result.body)).collect()
        }
        _ => Vec::new(),
    }
}

fn send(client: &mut RawClient, batch: &[(i32, RawRequest)]) -> Result<(), String> {
    client
        .send_all(batch.iter().map(|(xid, request)| (*xid, request)))
        .map_err(|error| format!("sending: {error}"))
}

fn next_frame(client: &mut RawClient) -> Result<Vec<u8>, String> {
    match client.receive(RECEIVE_TIMEOUT) {
        Ok(Received::Frame(frame)) => Ok(frame),
        Ok(Received::Closed) => Err("the connection was closed".to_owned()),
        Ok(Received::TimedOut) => Err(format!("no answer for {RECEIVE_TIMEOUT:?}")),
        Err(error) => Err(format!("receiving: {error}")),
    }
}

/// Asks for a new session, or for one that is known.
pub(crate) fn shake_hands(client: &mut RawClient, session: Option<&Session>) -> Result<Connected, String> {
    let hello = ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: Zxid::ZERO,
        timeout_ms: SESSION_TIMEOUT_MS,
        session: SessionId::from_raw(session.map_or(0, |session| session.id)),
        password: Some(session.map_or(&[0; 16], |session| &session.password)),
        read_only: Some(false),
    };
    client.send_connect(&hello).map_err(|error| format!("sending a handshake: {error}"))?;
    let frame = next_frame(client)?;
    Connected::decode(&frame).map_err(|error| format!("the answer to a handshake: {error}"))
}
