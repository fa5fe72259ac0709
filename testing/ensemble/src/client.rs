//! A client at one of the servers.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use zabra_proto::OpCode;
use zabra_testkit::{Body, Connected, RawClient, RawRequest, Received, Reply, Shape};
use zabra_types::{KeeperError, SessionId, Stat};

use crate::Failure;

/// How long an event may take to come.
const EVENT_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection with a session, and what to call it when something goes wrong.
pub(crate) struct Client {
    raw: RawClient,
    session: Connected,
    via: String,
    syncs_by_writing: bool,
}

impl Client {
    /// A new session.
    pub(crate) fn connect(
        addr: SocketAddr,
        via: impl fmt::Display,
        timeout_ms: i32,
    ) -> Result<Self, Failure> {
        let via = via.to_string();
        let (raw, session) =
            RawClient::connect(addr, timeout_ms).map_err(|error| format!("connecting to {via}: {error}"))?;
        Ok(Self { raw, session, via, syncs_by_writing: false })
    }

    /// The session of another client, here.
    pub(crate) fn renew(
        addr: SocketAddr,
        via: impl fmt::Display,
        session: &Connected,
    ) -> Result<Self, Failure> {
        let via = via.to_string();
        let id = SessionId::from_raw(session.session);
        let (raw, session) = RawClient::renew(addr, session.timeout_ms, id, &session.password)
            .map_err(|error| format!("taking session {id} to {via}: {error}"))?;
        Ok(Self { raw, session, via, syncs_by_writing: false })
    }

    /// The session, to be taken elsewhere.
    pub(crate) fn session(&self) -> &Connected {
        &self.session
    }

    /// The reply to a request, whatever it is.
    pub(crate) fn call(&mut self, request: &RawRequest) -> Result<Reply, Failure> {
        let op = OpCode::from_code(request.op);
        self.raw.call(request).map_err(|error| format!("{op:?} via {}: {error}", self.via).into())
    }

    /// Sends a request whose reply is not waited for.
    pub(crate) fn send(&mut self, request: &RawRequest) -> Result<(), Failure> {
        self.raw.send(request)?;
        Ok(())
    }

    /// The reply to a request that must succeed.
    pub(crate) fn ok(&mut self, request: &RawRequest) -> Result<Reply, Failure> {
        let reply = self.call(request)?;
        match reply.err {
            0 => Ok(reply),
            err => {
                Err(format!("{:?} via {} failed with {err}", OpCode::from_code(request.op), self.via).into())
            }
        }
    }

    /// Makes a request that must fail in this way.
    pub(crate) fn fails(&mut self, request: &RawRequest, error: KeeperError) -> Result<(), Failure> {
        let reply = self.call(request)?;
        let op = OpCode::from_code(request.op);
        expect(reply.err == error.code(), || {
            format!("{op:?} via {} answered {}, not {error:?}", self.via, reply.err)
        })
    }

    /// For clients of a genuine leader: it answers `sync` before it shows what its followers show already.
    pub(crate) fn sync_by_writing(mut self) -> Self {
        self.syncs_by_writing = true;
        self
    }

    /// Waits for everything that is acknowledged to anybody.
    pub(crate) fn sync(&mut self) -> Result<(), Failure> {
        if self.syncs_by_writing {
            // Refused only when its turn has come.
            return self.fails(&RawRequest::delete("/there-is-no-such-node", -1), KeeperError::NoNode);
        }
        self.ok(&RawRequest::path(OpCode::Sync, "/")).map(drop)
    }

    /// Data and Stat of a node.
    pub(crate) fn get(&mut self, path: &str) -> Result<(Vec<u8>, Stat), Failure> {
        let reply = self.ok(&RawRequest::read(OpCode::GetData, path, false))?;
        match reply.body {
            Body::DataStat(data, stat) => Ok((data.0.unwrap_or_default(), stat)),
            other => Err(format!("data of {path} via {}: {other:?}", self.via).into()),
        }
    }

    /// Whether a node is there.
    pub(crate) fn exists(&mut self, path: &str) -> Result<bool, Failure> {
        let reply = self.call(&RawRequest::read(OpCode::Exists, path, false))?;
        match reply.err {
            0 => Ok(true),
            err if err == KeeperError::NoNode.code() => Ok(false),
            err => Err(format!("exists {path} via {} failed with {err}", self.via).into()),
        }
    }

    /// Names of the children of a node, sorted.
    pub(crate) fn children(&mut self, path: &str) -> Result<Vec<String>, Failure> {
        let reply = self.ok(&RawRequest::read(OpCode::GetChildren, path, false))?;
        let Body::Names(Some(names)) = reply.body else {
            return Err(format!("children of {path} via {}: {:?}", self.via, reply.body).into());
        };
        let text =
            |name: zabra_testkit::Blob| String::from_utf8_lossy(&name.0.unwrap_or_default()).into_owned();
        let mut names: Vec<String> = names.into_iter().map(text).collect();
        names.sort();
        Ok(names)
    }

    /// Replies to requests that are sent together.
    pub(crate) fn call_all(&mut self, requests: &[RawRequest]) -> Result<Vec<Reply>, Failure> {
        let numbered = requests.iter().enumerate().map(|(n, request)| (n as i32 + 1, request));
        self.raw.send_all(numbered)?;
        let mut replies = Vec::with_capacity(requests.len());
        for (number, request) in requests.iter().enumerate() {
            let reply = self.raw.receive_reply(Shape::of(request.op)).map_err(|error| {
                format!("request {number} of {} via {}: {error}", requests.len(), self.via)
            })?;
            expect(reply.xid == number as i32 + 1, || format!("out of order via {}: {reply:?}", self.via))?;
            replies.push(reply);
        }
        Ok(replies)
    }

    /// The next event: its kind and path. Replies are not expected now.
    pub(crate) fn event(&mut self) -> Result<(i32, String), Failure> {
        let deadline = Instant::now() + EVENT_TIMEOUT;
        match self.raw.receive(deadline.saturating_duration_since(Instant::now()))? {
            Received::Frame(frame) => {
                let reply = Reply::decode(&frame, Shape::Nothing)?;
                let event = reply.event().ok_or_else(|| format!("no event via {}: {reply:?}", self.via))?;
                let path = event.path.0.clone().unwrap_or_default();
                Ok((event.kind, String::from_utf8_lossy(&path).into_owned()))
            }
            other => Err(format!("waiting for an event via {}: {other:?}", self.via).into()),
        }
    }

    /// Whether the server closes the connection, at once or in answer to `request`, or refuses it as one whose session
    /// has moved.
    pub(crate) fn is_disowned(&mut self, request: &RawRequest) -> bool {
        match self.raw.call(request) {
            Ok(reply) => reply.err == KeeperError::SessionMoved.code(),
            Err(_) => true,
        }
    }

    /// Ends the session.
    pub(crate) fn close(mut self) -> Result<(), Failure> {
        self.ok(&RawRequest::bare(OpCode::CloseSession)).map(drop)
    }
}

/// Fails with a text unless something holds.
pub(crate) fn expect(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(what().into()) }
}
