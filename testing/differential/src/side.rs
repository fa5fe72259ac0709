//! One of the two servers: its connections, and what is heard on them.

use crate::normalise::{Greeting, Names};
use crate::plan::SLOTS;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use zabra_proto::ConnectRequest;
use zabra_testkit::{
    Blob, Connected, HarnessError, RECEIVE_TIMEOUT, RawClient, RawRequest, Received, Reply, ServerProcess,
    Shape, four_letter,
};
use zabra_types::{SessionId, Zxid};

/// The slot of the final comparison.
pub(crate) const DUMP_SLOT: usize = SLOTS;

/// One of the two servers.
#[derive(Debug)]
pub(crate) struct Side {
    addr: SocketAddr,
    /// Present when this program started it.
    server: Option<ServerProcess>,
    names: Names,
    connections: Vec<Option<RawClient>>,
    sessions: Vec<Option<OwnSession>>,
}

/// What is needed to renew a session.
#[derive(Clone, Debug)]
pub(crate) struct OwnSession {
    pub(crate) id: i64,
    pub(crate) password: Vec<u8>,
}

/// Something the server said, without its own values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The answer to a handshake.
    Greeting(Greeting),
    /// A reply or event.
    Reply(Reply),
    /// Bytes that are neither.
    Bytes(Blob),
}

/// How listening ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Everything expected came.
    Complete,
    /// The server closed the connection.
    Closed,
    /// Something expected did not come.
    Silence,
    /// The server did not accept a connection.
    Unreachable,
}

/// What was heard on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) said: Vec<Said>,
    pub(crate) end: End,
}

impl Heard {
    /// Events of one transaction in any order, for transactions whose order of changes means nothing.
    pub(crate) fn sort_events(&mut self) {
        let key = |said: &Said| match said {
            Said::Reply(reply) => reply.event().map(|event| (reply.zxid, event.clone())),
            _ => None,
        };
        let same = |a: &Said, b: &Said| match (key(a), key(b)) {
            (Some(a), Some(b)) => a.0 == b.0,
            _ => false,
        };
        for run in self.said.chunk_by_mut(same) {
            run.sort_by_key(key);
        }
    }
}

impl Side {
    /// A server that listens at `addr`.
    pub(crate) fn new(addr: SocketAddr, server: Option<ServerProcess>) -> Result<Self, HarnessError> {
        let base_zxid = last_zxid(addr)
            .map_err(|source| HarnessError::Io { doing: format!("asking {addr} for its zxid"), source })?;
        Ok(Self {
            addr,
            server,
            names: Names::new(base_zxid),
            connections: (0..=SLOTS).map(|_| None).collect(),
            sessions: vec![None; SLOTS + 1],
        })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// The end of the server's log, and how it ended if it did; `None` when there is nothing to tell.
    pub(crate) fn last_words(&mut self, log_lines: usize) -> Option<String> {
        let server = self.server.as_mut()?;
        match server.exited() {
            Ok(Some(status)) => Some(format!("ended with {status}\n{}", server.log_tail(log_lines.max(20)))),
            _ if log_lines > 0 => Some(format!("runs\n{}", server.log_tail(log_lines))),
            _ => None,
        }
    }

    pub(crate) fn is_connected(&self, slot: usize) -> bool {
        self.connections[slot].is_some()
    }

    pub(crate) fn session(&self, slot: usize) -> Option<&OwnSession> {
        self.sessions[slot].as_ref()
    }

    pub(crate) fn drop_connection(&mut self, slot: usize) {
        self.connections[slot] = None;
    }

    /// Sends bytes on a slot's connection. A server that has closed it meanwhile is heard about when listening.
    pub(crate) fn send(&mut self, slot: usize, bytes: &[u8]) {
        if let Some(connection) = &mut self.connections[slot] {
            let _ = connection.send_bytes(bytes);
        }
    }

    /// Sends requests together on a slot's connection.
    pub(crate) fn send_all(&mut self, slot: usize, requests: &[(i32, RawRequest)]) {
        if let Some(connection) = &mut self.connections[slot] {
            let _ = connection.send_all(requests.iter().map(|(xid, request)| (*xid, request)));
        }
    }

    /// Opens a connection for a slot beside the one it has, and sends the first bytes. The old one is returned.
    pub(crate) fn open(&mut self, slot: usize, first_bytes: &[u8]) -> Option<RawClient> {
        let opened = RawClient::open(self.addr).ok().map(|mut connection| {
            let _ = connection.send_bytes(first_bytes);
            connection
        });
        std::mem::replace(&mut self.connections[slot], opened)
    }

    /// Puts a connection in a slot's place and returns the one that was there.
    pub(crate) fn put_back(&mut self, slot: usize, connection: Option<RawClient>) -> Option<RawClient> {
        std::mem::replace(&mut self.connections[slot], connection)
    }

    /// Listens on a slot's connection until a handshake answer, when one is expected, and a reply to each of `shapes`
    /// have come. Events do not count.
    pub(crate) fn hear(&mut self, slot: usize, greeting: bool, shapes: &[Shape]) -> Heard {
        let mut said = Vec::new();
        let end = self.listen(slot, greeting, shapes, &mut said);
        if end != End::Complete {
            self.connections[slot] = None;
        }
        Heard { said, end }
    }

    fn listen(&mut self, slot: usize, greeting: bool, shapes: &[Shape], said: &mut Vec<Said>) -> End {
        let Some(connection) = &mut self.connections[slot] else { return End::Unreachable };
        if greeting {
            let frame = match next(connection) {
                Ok(frame) => frame,
                Err(end) => return end,
            };
            let Ok(connected) = Connected::decode(&frame) else {
                said.push(Said::Bytes(Blob(Some(frame))));
                return End::Silence;
            };
            said.push(Said::Greeting(self.names.greeting(&connected)));
            if !connected.is_accepted() {
                return next(connection).err().unwrap_or(End::Complete);
            }
            let Connected { session: id, password, .. } = connected;
            self.sessions[slot] = Some(OwnSession { id, password });
        }
        let mut shapes = shapes.iter();
        let mut closing = false;
        while let Some(&shape) = shapes.as_slice().first() {
            let frame = match next(connection) {
                Ok(frame) => frame,
                Err(end) => return end,
            };
            match Reply::decode(&frame, shape) {
                Ok(reply) => {
                    if reply.event().is_none() {
                        shapes.next();
                        closing = is_last_word(&reply) || shape == Shape::Farewell;
                    }
                    said.push(Said::Reply(self.names.reply(reply)));
                }
                Err(_) => said.push(Said::Bytes(Blob(Some(frame)))),
            }
        }
        if closing {
            match next(connection) {
                Ok(frame) => said.push(Said::Bytes(Blob(Some(frame)))),
                Err(end) => return end,
            }
        }
        End::Complete
    }

    /// Listens until the server closes a slot's connection.
    pub(crate) fn hear_close(&mut self, slot: usize) -> Heard {
        let Some(mut connection) = self.connections[slot].take() else {
            return Heard { said: Vec::new(), end: End::Unreachable };
        };
        match connection.receive_to_end(RECEIVE_TIMEOUT) {
            Ok(bytes) if bytes.is_empty() => Heard { said: Vec::new(), end: End::Closed },
            Ok(bytes) => Heard { said: vec![Said::Bytes(Blob(Some(bytes)))], end: End::Closed },
            Err(_) => Heard { said: Vec::new(), end: End::Silence },
        }
    }

    /// Stops or kills the server and starts it again; every connection is gone then.
    pub(crate) fn restart(&mut self, kill: bool) -> Result<(), HarnessError> {
        self.connections.iter_mut().for_each(|connection| *connection = None);
        match &mut self.server {
            Some(server) if kill => server.kill().and_then(|()| server.start()),
            Some(server) => server.restart(),
            None => Ok(()),
        }
    }
}

/// Whether the connection closes behind this reply: an operation that does not exist (a zxid of -1 tells it from one
/// that is switched off), or a refused identity.
fn is_last_word(reply: &Reply) -> bool {
    matches!((reply.err, reply.zxid), (-6, -1) | (-115 | -124, _))
}

fn next(connection: &mut RawClient) -> Result<Vec<u8>, End> {
    match connection.receive(RECEIVE_TIMEOUT) {
        Ok(Received::Frame(frame)) => Ok(frame),
        Ok(Received::TimedOut) => Err(End::Silence),
        Ok(Received::Closed) | Err(_) => Err(End::Closed),
    }
}

/// The last transaction, as `srvr` tells.
fn last_zxid(addr: SocketAddr) -> io::Result<i64> {
    let answer = four_letter(addr, "srvr", Duration::from_secs(10))?;
    answer
        .lines()
        .find_map(|line| line.strip_prefix("Zxid: 0x"))
        .and_then(|hex| i64::from_str_radix(hex.trim(), 16).ok())
        .ok_or_else(|| io::Error::other(format!("no Zxid in the answer of {addr} to srvr: {answer:?}")))
}

/// A handshake as bytes on the wire.
pub(crate) fn handshake(
    hello: &crate::plan::Hello,
    session: Option<&OwnSession>,
    password: Option<&[u8]>,
    last_zxid: i64,
) -> Vec<u8> {
    let mut record = Vec::new();
    ConnectRequest {
        protocol_version: hello.protocol_version,
        last_zxid_seen: Zxid::from_raw(last_zxid),
        timeout_ms: hello.timeout_ms,
        session: SessionId::from_raw(session.map_or(0, |session| session.id)),
        password,
        read_only: hello.read_only,
    }
    .encode(&mut record);
    record.extend_from_slice(&hello.extra);
    record.truncate(hello.cut.unwrap_or(record.len()));
    framed(&record)
}

/// A payload behind its length.
pub(crate) fn framed(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 4);
    zabra_proto::Put::put_buffer(&mut bytes, Some(payload));
    bytes
}
