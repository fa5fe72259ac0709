//! One core among model servers, on a network that cuts anywhere. Everything follows from a seed.

use super::model::{Ensemble, ServerSide};
use crate::core::call::WatchRemoval;
use crate::core::watches::{Told, WatchKind, WatcherId};
use crate::core::*;
use crate::event::SessionState;
use bytes::BytesMut;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use zabra_proto::{OpCode, Put};
use zabra_types::{EventType, KeeperError};

pub(super) const PATHS: [&str; 6] = ["/a", "/b", "/a/x", "/a/y", "/b/z", "/c"];
pub(super) const SERVERS: u16 = 3;

/// What a server does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Serves,
    /// Serves reads only.
    ReadOnly,
    /// Refuses connections.
    Down,
    /// Lets connections run into their time-outs.
    Silent,
    /// Accepts, reads, and closes without an answer: behind, or without a leader.
    Shuts,
}

/// A call as the caller sees it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) watcher: Option<WatcherId>,
    /// The session that was the present one, when pinned to it.
    pinned: Option<i64>,
    pub(super) outcome: Option<Result<Reply, Failure>>,
    pub(super) executed: u32,
}

/// A watcher as the caller sees it.
#[derive(Debug)]
pub(super) struct Watching {
    pub(super) path: String,
    pub(super) kind: WatchKind,
    /// The watch that was left, and the zxid of the reply.
    pub(super) set: Option<(WatchKind, i64)>,
    pub(super) told: Vec<Told>,
    pub(super) over: bool,
    pub(super) forgotten: bool,
}

#[derive(Debug)]
struct Connection {
    side: ServerSide,
    /// What the client's system has taken and the server has not.
    up: Vec<u8>,
    down: Vec<u8>,
    outbox: Vec<u8>,
    written: u64,
    mood: Mood,
    /// Credentials it is to be shown before anything else.
    auths: usize,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) random: Rng,
    pub(super) now: Now,
    pub(super) core: Core,
    pub(super) ensemble: Ensemble,
    pub(super) moods: Vec<Mood>,
    connection: Option<Connection>,
    inbox: BytesMut,
    /// The server being dialled.
    dialling: Option<usize>,
    resolving: Option<Host>,
    probing: Option<usize>,
    pub(super) calls: Vec<Asked>,
    pub(super) watching: BTreeMap<WatcherId, Watching>,
    pub(super) states: Vec<SessionState>,
    status: Option<Status>,
    statuses: Vec<Status>,
    pub(super) ended: bool,
    /// No call up to this number may be executed any more.
    fence: usize,
    last_answered: Option<usize>,
    last_executed: Option<usize>,
    auths: usize,
    /// Words of the proof that servers want.
    pub(super) words: usize,
    /// Everything that came out, for comparing runs.
    pub(super) log: Vec<String>,
}

pub(super) fn options() -> CoreOptions {
    CoreOptions {
        session_timeout: Duration::from_secs(6),
        connect_timeout: None,
        connect_within: None,
        read_only: false,
        renew_expired: true,
        reset_watches: true,
        shuffle: true,
        packet_len_max: 1 << 20,
        ticket: None,
        auth: Vec::new(),
        sasl: None,
    }
}

pub(super) fn hosts(count: u16) -> Vec<Host> {
    // Half of them have names.
    let name = |n| if n % 2 == 0 { "10.0.0.1".to_owned() } else { "server".to_owned() };
    (0..count).map(|n| Host { name: name(n), port: n }).collect()
}

impl World {
    pub(super) fn new(seed: u64, options: CoreOptions) -> Self {
        let now = Now::default();
        let auths = options.auth.len();
        let words = if options.sasl.is_some() { 2 } else { 0 };
        Self {
            random: Rng::with_seed(seed),
            now,
            core: Core::new(options, hosts(SERVERS), seed, now),
            ensemble: Ensemble::new(6000),
            moods: vec![Mood::Serves; usize::from(SERVERS)],
            connection: None,
            inbox: BytesMut::new(),
            dialling: None,
            resolving: None,
            probing: None,
            calls: Vec::new(),
            watching: BTreeMap::new(),
            states: Vec::new(),
            status: None,
            statuses: Vec::new(),
            ended: false,
            fence: 0,
            last_answered: None,
            last_executed: None,
            auths,
            words,
            log: Vec::new(),
        }
    }

    // What callers do.

    pub(super) fn submit(&mut self, op: OpCode, path: &str, watch: Option<WatchKind>, pin: bool) -> usize {
        let id = self.calls.len();
        let mut body = Vec::new();
        body.put_text(path);
        match op {
            OpCode::Create => {
                body.put_buffer(None);
                body.put_i32(-1);
                body.put_i32(0);
            }
            OpCode::SetData => {
                body.put_buffer(None);
                body.put_i32(-1);
            }
            OpCode::Delete => body.put_i32(-1),
            OpCode::Exists | OpCode::GetData | OpCode::GetChildren2 => body.put_bool(watch.is_some()),
            OpCode::AddWatch => body.put_i32(i32::from(watch == Some(WatchKind::PersistentRecursive))),
            OpCode::RemoveWatches => body.put_i32(if self.random.bool() { 4 } else { 5 }),
            _ => {}
        }
        body.put_i64(id as i64);
        let watcher = WatcherId(id as u64);
        let effect = match (op, watch) {
            (OpCode::RemoveWatches, _) => {
                let type_ = i32::from_be_bytes(body[body.len() - 12..body.len() - 8].try_into().unwrap());
                let watches = zabra_types::WatcherType::from_code(type_).unwrap();
                WatchEffect::Remove(Box::new(WatchRemoval { path: path.to_owned(), watches }))
            }
            (_, Some(kind)) => WatchEffect::Add(Box::new(WatchAsk { watcher, path: path.to_owned(), kind })),
            _ => WatchEffect::None,
        };
        if let Some(kind) = watch {
            let path = path.to_owned();
            let watching =
                Watching { path, kind, set: None, told: Vec::new(), over: false, forgotten: false };
            self.watching.insert(watcher, watching);
        }
        // A pinned view may be an old one.
        let status = if pin { self.random.choice(self.statuses.iter().copied()) } else { None };
        let pinned = status.map(|status| status.incarnation);
        self.calls.push(Asked {
            watcher: watch.map(|_| watcher),
            pinned: status.filter(|status| status.state.is_connected()).map(|status| status.ticket.id.raw()),
            outcome: None,
            executed: 0,
        });
        self.input(Input::Submit(Call { id: CallId(id as u64), op, body, effect, pinned }));
        id
    }

    /// A number for a request that is no call, such as closing.
    pub(super) fn number(&mut self) -> CallId {
        self.calls.push(Asked { watcher: None, pinned: None, outcome: None, executed: 0 });
        CallId(self.calls.len() as u64 - 1)
    }

    pub(super) fn add_auth(&mut self) {
        let id = self.number();
        self.auths += 1;
        let auth = self.auths.to_string().into_bytes();
        self.input(Input::AddAuth(id, Credentials { scheme: "digest".to_owned(), auth }));
    }

    pub(super) fn forget(&mut self, watcher: WatcherId) {
        self.watching.get_mut(&watcher).unwrap().forgotten = true;
        self.input(Input::RemoveWatcher(watcher));
    }

    // What the world does.

    pub(super) fn input(&mut self, input: Input) {
        let mut out = Vec::new();
        let is_call = |flight: &calls::Flight| matches!(flight.errand, Errand::Call(..));
        if matches!(input, Input::Closed { .. }) && self.core.calls.flying.iter().any(is_call) {
            self.fence = self.calls.len();
        }
        self.core.handle(self.now, input, &mut out);
        self.outputs(out);
    }

    /// Lets time pass, at most to the next deadline.
    pub(super) fn pass(&mut self, most: Duration) {
        let then = self.now + most;
        self.now = self.core.next_deadline().map_or(then, |due| due.max(self.now).min(then));
        if self.core.next_deadline().is_some_and(|due| due <= self.now) {
            let mut out = Vec::new();
            self.core.handle_deadline(self.now, &mut out);
            self.outputs(out);
        }
    }

    /// Moves up to so many bytes in each direction, and answers what was asked for. Returns whether anything moved.
    pub(super) fn network(&mut self, most: usize) -> bool {
        let mut moved = false;
        if let Some(host) = self.resolving.take() {
            let found = self.random.u8(..) < 250;
            let addr: SocketAddr = ([10, 0, 0, 1], host.port).into();
            self.input(Input::Resolved(if found { vec![addr] } else { Vec::new() }));
            moved = true;
        }
        if let Some(server) = self.probing.take() {
            self.input(Input::Probed(self.moods[server] == Mood::Serves));
            moved = true;
        }
        if let Some(server) = self.dialling {
            let mood = self.moods[server];
            if mood != Mood::Silent {
                self.dialling = None;
                let connected = mood != Mood::Down;
                if connected {
                    let side = ServerSide::new(mood == Mood::ReadOnly, self.words);
                    let empty = Vec::new;
                    let (up, down, outbox) = (empty(), empty(), empty());
                    self.connection =
                        Some(Connection { side, up, down, outbox, written: 0, mood, auths: self.auths });
                    self.inbox.clear();
                }
                self.input(Input::Dialled(connected));
                moved = true;
            }
        }
        moved | self.bytes(most)
    }

    /// The client's system takes up to so many bytes; the server gets none.
    pub(super) fn write(&mut self, most: usize) {
        let connection = self.connection.as_mut().unwrap();
        self.core.take_outbox(&mut connection.outbox);
        let len = connection.outbox.len().min(most);
        connection.up.extend(connection.outbox.drain(..len));
        connection.written += len as u64;
    }

    /// The server takes and answers all that was written, and the client gets nothing of it.
    pub(super) fn serve(&mut self) {
        let connection = self.connection.as_mut().unwrap();
        let up = std::mem::take(&mut connection.up);
        connection.side.take(&up, &mut self.ensemble);
        self.note_executed();
    }

    /// The client gets so many bytes of those under way.
    pub(super) fn read(&mut self, len: usize) {
        let connection = self.connection.as_mut().unwrap();
        connection.down.append(&mut connection.side.outbox);
        self.inbox.extend(connection.down.drain(..len));
        let mut out = Vec::new();
        self.core.received(self.now, &mut self.inbox, &mut out);
        self.outputs(out);
    }

    /// No server says anything any more.
    pub(super) fn freeze(&mut self) {
        self.moods.fill(Mood::Silent);
    }

    fn bytes(&mut self, most: usize) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        let mut chunk = |bytes: &mut Vec<u8>| -> Vec<u8> {
            let len = bytes.len().min(self.random.usize(1..=most));
            bytes.drain(..len).collect()
        };
        if connection.outbox.is_empty() {
            self.core.take_outbox(&mut connection.outbox);
        }
        let wrote = chunk(&mut connection.outbox);
        connection.written += wrote.len() as u64;
        connection.up.extend_from_slice(&wrote);
        let arrived = chunk(&mut connection.up);
        let mut moved = !(wrote.is_empty() && arrived.is_empty());
        if connection.mood == Mood::Shuts && connection.side.session.is_none() {
            connection.side.closed |= !arrived.is_empty();
        } else {
            connection.side.take(&arrived, &mut self.ensemble);
        }
        connection.down.append(&mut connection.side.outbox);
        let came = chunk(&mut connection.down);
        let end = connection.side.closed && connection.down.is_empty();
        let auths_missing = connection.side.working && connection.side.auths < connection.auths;
        assert!(!auths_missing, "credentials come before requests");
        self.note_executed();
        if !came.is_empty() {
            moved = true;
            self.inbox.extend_from_slice(&came);
            let mut out = Vec::new();
            self.core.received(self.now, &mut self.inbox, &mut out);
            self.outputs(out);
        }
        if end && self.connection.is_some() {
            self.closed();
            moved = true;
        }
        moved
    }

    fn note_executed(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        let session = connection.side.session;
        for id in std::mem::take(&mut connection.side.executed) {
            let id = id as usize;
            assert!(id >= self.fence, "call {id} went out after a break that it was submitted before");
            assert!(self.last_executed.is_none_or(|last| last < id), "call {id} is executed out of order");
            self.last_executed = Some(id);
            let call = &mut self.calls[id];
            assert_eq!(call.outcome, None, "call {id} is executed after its outcome");
            call.executed += 1;
            assert!(call.pinned.is_none() || call.pinned == session, "call {id} ran in another session");
        }
    }

    /// The connection breaks. The server may have got more of what was written.
    pub(super) fn cut(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        let len = self.random.usize(..=connection.up.len());
        let arrived: Vec<u8> = connection.up.drain(..len).collect();
        if connection.mood != Mood::Shuts {
            connection.side.take(&arrived, &mut self.ensemble);
        }
        self.note_executed();
        self.closed();
    }

    fn closed(&mut self) {
        let connection = self.connection.take().expect("a connection that ends was there");
        self.inbox.clear();
        self.input(Input::Closed { written: connection.written });
    }

    /// Somebody else changes the tree, if it can be done.
    pub(super) fn change(&mut self, event: EventType, path: &str) {
        if self.ensemble.allows(event, path) {
            let live = self.connection.as_mut().map(|connection| &mut connection.side);
            self.ensemble.change(event, path, live.filter(|side| side.session.is_some()));
        }
    }

    /// The servers end the session.
    pub(super) fn expire(&mut self) {
        let Some(status) = self.status else { return };
        self.ensemble.sessions.insert(status.ticket.id.raw(), false);
        if let Some(connection) = &mut self.connection {
            connection.side.closed = true;
        }
    }

    fn outputs(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            self.log.push(format!("{:?} {output:?}", self.now));
            match output {
                Output::Done(id, outcome) => self.done(id, outcome),
                Output::Event(watcher, told) => {
                    let watching = self.watching.get_mut(&watcher).unwrap();
                    assert!(!watching.over, "{watcher:?} is over and told {told:?}");
                    assert!(watching.set.is_some(), "{watcher:?} is told {told:?} before its watch is set");
                    watching.told.push(told);
                }
                Output::Unwatched(watcher) => {
                    let watching = self.watching.get_mut(&watcher).unwrap();
                    assert!(!watching.over, "{watcher:?} ends twice");
                    watching.over = true;
                }
                Output::Status(status) => {
                    if self.status.is_none_or(|before| before.state != status.state) {
                        self.states.push(status.state);
                    }
                    self.status = Some(status);
                    self.statuses.push(status);
                }
                Output::Hangup => {
                    (self.dialling, self.resolving, self.probing) = (None, None, None);
                    if self.connection.is_some() {
                        self.cut();
                    }
                }
                Output::Resolve(host) => self.resolving = Some(host),
                Output::Dial(_, addr) => self.dialling = Some(usize::from(addr.port())),
                Output::Probe(host) => self.probing = Some(usize::from(host.port)),
                Output::Obstacle(_) => {}
                Output::Ended => self.ended = true,
            }
        }
        self.core.watches.check();
    }

    fn done(&mut self, id: CallId, outcome: Result<Reply, Failure>) {
        if let Err(Failure::ConnectionLost { .. }) = outcome {
            let connected = self.status.is_some_and(|status| status.state.is_connected());
            assert!(!connected, "a loss is told before the state that explains it");
        }
        let at = id.0 as usize;
        let call = &mut self.calls[at];
        assert_eq!(call.outcome, None, "call {at} is answered once");
        match &outcome {
            Ok(reply) => {
                if call.executed == 1 {
                    assert!(self.last_answered.is_none_or(|last| last < at), "call {at} is answered late");
                    self.last_answered = Some(at);
                }
                if let Some(watcher) = call.watcher {
                    let watching = self.watching.get_mut(&watcher).unwrap();
                    let left = match watching.kind {
                        WatchKind::Exists if reply.err == 0 => Some(WatchKind::Data),
                        WatchKind::Exists if reply.err == KeeperError::NoNode.code() => {
                            Some(WatchKind::Exists)
                        }
                        kind => (reply.err == 0).then_some(kind),
                    };
                    watching.set = left.map(|kind| (kind, reply.zxid.raw()));
                }
            }
            Err(Failure::ConnectionLost { sent: true }) => {}
            Err(other) => assert_eq!(call.executed, 0, "call {at} was executed and failed with {other:?}"),
        }
        call.outcome = Some(outcome);
    }
}
