//! A client that says whatever a test wants, and waits for what comes back.

use crate::reply::{Connected, Reply, Shape};
use crate::request::RawRequest;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use zabra_proto::{ConnectRequest, Put, begin_frame, end_frame};
use zabra_types::{SessionId, Zxid};

/// How long a test waits for a frame unless it says otherwise: far beyond what a busy machine needs.
pub const RECEIVE_TIMEOUT: Duration = Duration::from_secs(60);

/// What came from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// The payload of a frame.
    Frame(Vec<u8>),
    /// The server closed the connection, orderly or with a reset.
    Closed,
    /// Nothing within the time allowed.
    TimedOut,
}

/// A blocking connection that knows frames and nothing else.
#[derive(Debug)]
pub struct RawClient {
    stream: TcpStream,
    inbox: Vec<u8>,
    /// Bytes of `inbox` handed out already.
    taken: usize,
    next_xid: i32,
}

impl RawClient {
    /// Opens a connection and sends nothing.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn open(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, RECEIVE_TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(RECEIVE_TIMEOUT))?;
        Ok(Self { stream, inbox: Vec::new(), taken: 0, next_xid: 1 })
    }

    /// Opens a connection with a new session.
    ///
    /// # Errors
    /// The connection fails or the server refuses.
    pub fn connect(addr: SocketAddr, timeout_ms: i32) -> io::Result<(Self, Connected)> {
        Self::renew(addr, timeout_ms, SessionId::NONE, &[0; 16])
    }

    /// Opens a connection for a session that exists.
    ///
    /// # Errors
    /// The connection fails or the server refuses.
    pub fn renew(
        addr: SocketAddr,
        timeout_ms: i32,
        session: SessionId,
        password: &[u8],
    ) -> io::Result<(Self, Connected)> {
        let mut client = Self::open(addr)?;
        client.send_connect(&ConnectRequest {
            session,
            password: Some(password),
            ..new_session_request(timeout_ms)
        })?;
        match client.receive(RECEIVE_TIMEOUT)? {
            Received::Frame(frame) => {
                let connected = Connected::decode(&frame).map_err(io::Error::other)?;
                if connected.is_accepted() {
                    Ok((client, connected))
                } else {
                    Err(io::Error::other(format!("the server refused session {session}")))
                }
            }
            other => Err(io::Error::other(format!("no answer to the handshake: {other:?}"))),
        }
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The connection is gone or does not take the bytes.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends a payload behind its length.
    ///
    /// # Errors
    /// As [`RawClient::send_bytes`].
    pub fn send_frame(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(payload.len() + 4);
        bytes.put_buffer(Some(payload));
        self.send_bytes(&bytes)
    }

    /// Sends a handshake.
    ///
    /// # Errors
    /// As [`RawClient::send_bytes`].
    pub fn send_connect(&mut self, request: &ConnectRequest<'_>) -> io::Result<()> {
        let mut payload = Vec::new();
        request.encode(&mut payload);
        self.send_frame(&payload)
    }

    /// Sends requests in one write, so that they arrive together.
    ///
    /// # Errors
    /// As [`RawClient::send_bytes`].
    pub fn send_all<'a>(
        &mut self,
        requests: impl IntoIterator<Item = (i32, &'a RawRequest)>,
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        for (xid, request) in requests {
            put_request(&mut bytes, xid, request);
        }
        self.send_bytes(&bytes)
    }

    /// Sends a request under the next number and returns that number.
    ///
    /// # Errors
    /// As [`RawClient::send_bytes`].
    pub fn send(&mut self, request: &RawRequest) -> io::Result<i32> {
        let xid = self.next_xid;
        self.next_xid += 1;
        self.send_all([(xid, request)])?;
        Ok(xid)
    }

    /// Sends a request and waits for its reply; events that come before it are dropped.
    ///
    /// # Errors
    /// The connection ends or nothing comes in time.
    pub fn call(&mut self, request: &RawRequest) -> io::Result<Reply> {
        let xid = self.send(request)?;
        loop {
            let reply = self.receive_reply(Shape::of(request.op))?;
            if reply.xid == xid || (reply.xid == -2 && request.op == 11) {
                return Ok(reply);
            }
            if reply.event().is_none() {
                return Err(io::Error::other(format!("waiting for xid {xid}: {reply:?}")));
            }
        }
    }

    /// The next reply or event.
    ///
    /// # Errors
    /// The connection ends or nothing comes in time.
    pub fn receive_reply(&mut self, shape: Shape) -> io::Result<Reply> {
        match self.receive(RECEIVE_TIMEOUT)? {
            Received::Frame(frame) => Reply::decode(&frame, shape).map_err(io::Error::other),
            Received::Closed => Err(ErrorKind::UnexpectedEof.into()),
            Received::TimedOut => Err(ErrorKind::TimedOut.into()),
        }
    }

    /// The next frame.
    ///
    /// # Errors
    /// Something other than the end of the connection went wrong.
    pub fn receive(&mut self, timeout: Duration) -> io::Result<Received> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(frame) = self.take_frame() {
                return Ok(Received::Frame(frame));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Received::TimedOut);
            }
            self.stream.set_read_timeout(Some(left))?;
            let mut chunk = [0; 64 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(Received::Closed),
                Ok(n) => self.inbox.extend_from_slice(&chunk[..n]),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Ok(Received::TimedOut),
                    ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
                        return Ok(Received::Closed);
                    }
                    ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }

    fn take_frame(&mut self) -> Option<Vec<u8>> {
        let pending = &self.inbox[self.taken..];
        let (word, rest) = pending.split_first_chunk::<4>()?;
        let len = u32::from_be_bytes(*word) as usize;
        let frame = rest.get(..len)?.to_vec();
        self.taken += 4 + len;
        if self.taken == self.inbox.len() {
            self.inbox.clear();
            self.taken = 0;
        }
        Some(frame)
    }

    /// Everything that comes until the server closes, frames or not.
    ///
    /// # Errors
    /// It does not close within `timeout`.
    pub fn receive_to_end(&mut self, timeout: Duration) -> io::Result<Vec<u8>> {
        self.stream.set_read_timeout(Some(timeout))?;
        let mut bytes = self.inbox.split_off(self.taken);
        match self.stream.read_to_end(&mut bytes) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error),
            _ => Ok(bytes),
        }
    }

    /// Ends the sending side; the server sees the end of the stream.
    ///
    /// # Errors
    /// The connection is gone already.
    pub fn shutdown_write(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }
}

/// Appends a request frame.
fn put_request(out: &mut Vec<u8>, xid: i32, request: &RawRequest) {
    let frame = begin_frame(out);
    out.put_i32(xid);
    out.put_i32(request.op);
    out.extend_from_slice(&request.body);
    end_frame(out, frame);
}

/// The handshake of a client that has no session, has seen nothing, and is to write.
pub fn new_session_request(timeout_ms: i32) -> ConnectRequest<'static> {
    ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: Zxid::ZERO,
        timeout_ms,
        session: SessionId::NONE,
        password: Some(&[0; 16]),
        read_only: Some(false),
    }
}
