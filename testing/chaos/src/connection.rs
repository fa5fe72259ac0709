//! A session over changing connections, and what must hold of everything it is told.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use zabra_proto::ConnectRequest;
use zabra_testkit::{Blob, Connected, RawClient, RawRequest, Received, Reply, Shape};
use zabra_types::{SessionId, Zxid};

/// How long an answer is waited for before another server is tried.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// The session timeout that clients ask for.
pub(crate) const SESSION_TIMEOUT_MS: i32 = 5000;

/// What a connection attempt came to.
#[derive(Debug)]
pub(crate) enum Met {
    /// A new session.
    New,
    /// The session goes on.
    Renewed,
    /// The server says that the session is over.
    Expired,
}

/// One client's session and its connection, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    client: Option<RawClient>,
    session: i64,
    password: Vec<u8>,
    last_zxid: i64,
    /// The last change of each register that this session has seen.
    seen: HashMap<String, i64>,
    /// Registers whose next change this connection has to announce, with the change they were read at.
    watched: HashMap<String, i64>,
    /// Events that came.
    pub(crate) events: u64,
    /// What this session saw and must not.
    pub(crate) violations: Vec<String>,
}

impl Connection {
    /// The session, 0 before there is one.
    pub(crate) fn session(&self) -> i64 {
        self.session
    }

    /// Whether there is a connection.
    pub(crate) fn is_open(&self) -> bool {
        self.client.is_some()
    }

    /// Connects to a server, with the session there is or for a new one.
    ///
    /// # Errors
    /// The server does not answer, or not usefully.
    pub(crate) fn connect(&mut self, server: SocketAddr) -> io::Result<Met> {
        let mut client = RawClient::open(server)?;
        client.send_connect(&ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: Zxid::from_raw(self.last_zxid),
            timeout_ms: SESSION_TIMEOUT_MS,
            session: SessionId::from_raw(self.session),
            password: Some(if self.session == 0 { &[0; 16] } else { &self.password }),
            read_only: Some(false),
        })?;
        let Received::Frame(frame) = client.receive(ANSWER_TIMEOUT)? else {
            return Err(ErrorKind::TimedOut.into());
        };
        let connected = Connected::decode(&frame).map_err(io::Error::other)?;
        if !connected.is_accepted() {
            *self = Self {
                events: self.events,
                violations: std::mem::take(&mut self.violations),
                ..Self::default()
            };
            return Ok(Met::Expired);
        }
        let met = if self.session == 0 { Met::New } else { Met::Renewed };
        if self.session != 0 && self.session != connected.session {
            self.violations
                .push(format!("session {:#x} came back as {:#x}", self.session, connected.session));
        }
        self.session = connected.session;
        self.password = connected.password;
        self.client = Some(client);
        Ok(met)
    }

    /// Drops the connection; the session may go on over another.
    pub(crate) fn drop_connection(&mut self) {
        self.client = None;
        // Watches are the connection's; this client does not take them with it.
        self.watched.clear();
    }

    /// Sends a request and waits for its reply. Events on the way are noted.
    ///
    /// # Errors
    /// No reply; the connection is dropped.
    pub(crate) fn call(&mut self, request: &RawRequest) -> io::Result<Reply> {
        let result = self.exchange(request);
        if result.is_err() {
            self.drop_connection();
        }
        result
    }

    fn exchange(&mut self, request: &RawRequest) -> io::Result<Reply> {
        let Some(client) = &mut self.client else { return Err(ErrorKind::NotConnected.into()) };
        let xid = client.send(request)?;
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let frame = match client.receive(left)? {
                Received::Frame(frame) => frame,
                Received::Closed => return Err(ErrorKind::ConnectionReset.into()),
                Received::TimedOut => return Err(ErrorKind::TimedOut.into()),
            };
            let reply = Reply::decode(&frame, Shape::of(request.op)).map_err(io::Error::other)?;
            if let Some(event) = reply.event() {
                self.events += 1;
                if let Blob(Some(path)) = &event.path {
                    self.watched.remove(&*String::from_utf8_lossy(path));
                }
                continue;
            }
            if reply.xid != xid {
                self.violations.push(format!("the reply to {xid} is numbered {}", reply.xid));
            }
            if reply.zxid < self.last_zxid {
                self.violations.push(format!(
                    "session {:#x}: a reply at {:#x} after one at {:#x}",
                    self.session, reply.zxid, self.last_zxid
                ));
            }
            self.last_zxid = self.last_zxid.max(reply.zxid);
            return Ok(reply);
        }
    }

    /// Notes that this session saw the change `mzxid` of a register, and, if so, left a watch for the next.
    pub(crate) fn saw(&mut self, path: &str, mzxid: i64, watches: bool) {
        let session = self.session;
        let before = self.seen.get(path).copied().unwrap_or(0);
        if mzxid < before {
            self.violations
                .push(format!("session {session:#x} saw {path} at {mzxid:#x} after it had seen {before:#x}"));
        }
        if let Some(&watched) = self.watched.get(path)
            && mzxid > watched
        {
            self.violations.push(format!(
                "session {session:#x} saw {path} at {mzxid:#x} before the event for the watch left at {watched:#x}"
            ));
            self.watched.remove(path);
        }
        self.seen.insert(path.to_owned(), before.max(mzxid));
        if watches {
            self.watched.entry(path.to_owned()).or_insert(mzxid);
        }
    }
}
