//! The clients: each changes and reads registers, keeps an ephemeral node while it has a session, and looks at the
//! others' now and then.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use zabra_proto::OpCode;
use zabra_testkit::{Blob, Body, RawRequest, Reply, Rng};
use zabra_types::KeeperError;

use crate::connection::{Connection, Met};
use crate::record::{Action, At, Listing, Op, Outcome, Record, SessionLife};

/// The parent of everything a run makes.
pub(crate) const ROOT: &str = "/chaos";
/// The parent of the sessions' nodes.
pub(crate) const SESSIONS: &str = "/chaos/sessions";
/// The flags of an ephemeral node.
const EPHEMERAL: i32 = 1;
/// Between two attempts to connect.
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause between two operations, in milliseconds.
const PAUSE_MS: usize = 8;

/// The path of a register.
pub(crate) fn register(key: usize) -> String {
    format!("{ROOT}/r{key}")
}

/// What every client shares.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The servers.
    pub(crate) servers: Vec<SocketAddr>,
    /// How many registers there are.
    pub(crate) keys: usize,
    /// What is written down.
    pub(crate) record: Record,
    /// Whether to go on.
    pub(crate) running: AtomicBool,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    shared: &'a Shared,
    number: usize,
    rng: Rng,
    server: usize,
    connection: Connection,
    life: Option<SessionLife>,
    /// The version of each register that this client saw last.
    versions: Vec<i32>,
    written: i64,
}

impl<'a> Client<'a> {
    /// A client that begins with the server of its number.
    pub(crate) fn new(shared: &'a Shared, number: usize, seed: u64) -> Self {
        Self {
            shared,
            number,
            rng: Rng::new(seed ^ ((number as u64) << 32)),
            server: number,
            connection: Connection::default(),
            life: None,
            versions: vec![0; shared.keys],
            written: 0,
        }
    }

    /// Works until told to stop. The last thing half of the clients do is close their session; the others just go.
    pub(crate) fn run(mut self) {
        while self.shared.running.load(SeqCst) {
            if !self.connection.is_open() {
                self.connect();
                continue;
            }
            match self.rng.below(20) {
                0..9 => self.write(),
                9..13 => self.swap(),
                13..18 => self.read(),
                18 => self.look_without_sync(),
                _ => self.list_sessions(),
            }
            std::thread::sleep(Duration::from_millis(self.rng.below(PAUSE_MS) as u64));
        }
        if self.number.is_multiple_of(2) && self.connection.is_open() {
            self.close();
        }
        self.end_of_life(None);
        let Connection { events, violations, .. } = self.connection;
        self.shared.record.with(|record| {
            record.events += events;
            record.violations.extend(violations);
        });
    }

    fn now(&self) -> At {
        self.shared.record.now()
    }

    fn connect(&mut self) {
        let server = self.shared.servers[self.server % self.shared.servers.len()];
        self.server += 1;
        match self.connection.connect(server) {
            Ok(Met::New) => {
                let id = self.connection.session();
                self.life =
                    Some(SessionLife { id, ephemeral: None, alive: self.now(), closing: None, over: None });
                self.register_session();
            }
            Ok(Met::Renewed) => self.register_session(),
            Ok(Met::Expired) => {
                let now = self.now();
                self.end_of_life(Some(now));
            }
            Err(_) => std::thread::sleep(RECONNECT_PAUSE),
        }
    }

    /// Makes the session's node, unless it is there already.
    fn register_session(&mut self) {
        if self.life.as_ref().is_none_or(|life| life.ephemeral.is_some()) {
            return;
        }
        let path = format!("{SESSIONS}/{:x}", self.connection.session());
        let made = self.call(&RawRequest::create(&path, b"", EPHEMERAL));
        // An earlier attempt that nobody answered may have made it.
        let exists = [0, KeeperError::NodeExists.code()];
        if made.is_some_and(|reply| exists.contains(&reply.err)) {
            let now = self.now();
            if let Some(life) = &mut self.life {
                life.ephemeral = Some(now);
            }
        }
    }

    fn end_of_life(&mut self, over: Option<At>) {
        if let Some(mut life) = self.life.take() {
            life.over = life.over.or(over);
            self.shared.record.with(|record| record.sessions.push(life));
        }
    }

    /// Asks something; an answer proves that the session lived when it was sent.
    fn call(&mut self, request: &RawRequest) -> Option<Reply> {
        let call = self.now();
        let reply = self.connection.call(request).ok()?;
        if let Some(life) = &mut self.life {
            life.alive = life.alive.max(call);
        }
        Some(reply)
    }

    fn write(&mut self) {
        let key = self.rng.below(self.shared.keys);
        let value = self.next_value();
        self.set(key, Action::Write(value), value, -1);
    }

    fn swap(&mut self) {
        let key = self.rng.below(self.shared.keys);
        let (value, version) = (self.next_value(), self.versions[key]);
        self.set(key, Action::Swap { version, value }, value, version);
    }

    /// A value nobody else writes.
    fn next_value(&mut self) -> i64 {
        self.written += 1;
        self.number as i64 * 1_000_000_000 + self.written
    }

    fn set(&mut self, key: usize, action: Action, value: i64, version: i32) {
        let path = register(key);
        let call = self.now();
        let reply = self.call(&RawRequest::set_data(&path, Some(value.to_string().as_bytes()), version));
        let outcome = match reply {
            Some(Reply { err: 0, body: Body::Stat(stat), .. }) => {
                self.versions[key] = stat.version;
                self.connection.saw(&path, stat.mzxid, false);
                Outcome::Done { value, version: stat.version }
            }
            Some(reply) if reply.err == KeeperError::BadVersion.code() => Outcome::Refused,
            Some(reply) => {
                self.complain(format!("setData {path} was answered with error {}", reply.err));
                Outcome::Unknown
            }
            None => Outcome::Unknown,
        };
        self.note(key, action, call, outcome);
    }

    fn read(&mut self) {
        let key = self.rng.below(self.shared.keys);
        let call = self.now();
        let synced = self.call(&RawRequest::path(OpCode::Sync, &register(key)));
        if synced.is_none_or(|reply| reply.err != 0) {
            return;
        }
        if let Some((value, version)) = self.get(key) {
            self.note(key, Action::Read, call, Outcome::Done { value, version });
        }
    }

    /// Reads what this server has, which may be old but never older than what this session has seen.
    fn look_without_sync(&mut self) {
        let key = self.rng.below(self.shared.keys);
        self.get(key);
    }

    fn get(&mut self, key: usize) -> Option<(i64, i32)> {
        let path = register(key);
        let watch = self.rng.one_in(2);
        let reply = self.call(&RawRequest::read(OpCode::GetData, &path, watch))?;
        let Reply { err: 0, body: Body::DataStat(Blob(Some(data)), stat), .. } = reply else {
            self.complain(format!("getData {path}: {reply:?}"));
            return None;
        };
        let value = String::from_utf8_lossy(&data).parse();
        let Ok(value) = value else {
            self.complain(format!("{path} holds {:?}", data.escape_ascii().to_string()));
            return None;
        };
        self.versions[key] = stat.version;
        self.connection.saw(&path, stat.mzxid, watch);
        Some((value, stat.version))
    }

    fn list_sessions(&mut self) {
        let call = self.now();
        let synced = self.call(&RawRequest::path(OpCode::Sync, SESSIONS));
        if synced.is_none_or(|reply| reply.err != 0) {
            return;
        }
        let Some(reply) = self.call(&RawRequest::read(OpCode::GetChildren, SESSIONS, false)) else { return };
        let Body::Names(Some(names)) = &reply.body else { return };
        let sessions = names
            .iter()
            .filter_map(|name| {
                let name = String::from_utf8_lossy(name.0.as_deref()?).into_owned();
                Some(u64::from_str_radix(&name, 16).ok()? as i64)
            })
            .collect();
        let listing = Listing { call, back: self.now(), sessions };
        self.shared.record.with(|record| record.listings.push(listing));
    }

    fn close(&mut self) {
        let closing = self.now();
        let answered = self.call(&RawRequest::bare(OpCode::CloseSession)).is_some_and(|reply| reply.err == 0);
        let now = self.now();
        if let Some(life) = &mut self.life {
            life.closing = Some(closing);
            life.over = answered.then_some(now);
        }
    }

    fn note(&self, key: usize, action: Action, call: At, outcome: Outcome) {
        let back = self.now();
        let op = Op { client: self.number, key, action, call, back, outcome };
        self.shared.record.with(|record| record.ops.push(op));
    }

    fn complain(&self, what: String) {
        let text = format!("client {}: {what}", self.number);
        self.shared.record.with(|record| record.violations.push(text));
    }
}
