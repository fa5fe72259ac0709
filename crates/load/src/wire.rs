//! Handshakes and request frames.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use zabra_proto::{ConnectRequest, ConnectResponse, Put, Reader, Request, begin_frame, end_frame};
use zabra_types::{SessionId, SessionPassword, Zxid};

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of the frame that answers a connect request, its length included.
pub(crate) const CONNECTED_LEN: usize = 41;

/// How sessions are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Handshake {
    /// The session timeout in milliseconds.
    pub timeout_ms: i32,
    /// How many handshakes are under way at once.
    pub at_once: usize,
}

impl Default for Handshake {
    fn default() -> Self {
        Self { timeout_ms: 40_000, at_once: 32 }
    }
}

/// Opens connections with a new session each.
pub fn connect(addr: SocketAddr, count: usize, handshake: Handshake) -> io::Result<Vec<TcpStream>> {
    let mut streams = Vec::with_capacity(count);
    while streams.len() < count {
        let from = streams.len();
        for _ in 0..handshake.at_once.min(count - from) {
            streams.push(begin(addr, handshake.timeout_ms)?);
        }
        for stream in &mut streams[from..] {
            finish(stream)?;
        }
    }
    Ok(streams)
}

fn begin(addr: SocketAddr, timeout_ms: i32) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
    let mut bytes = Vec::new();
    put_hello(&mut bytes, SessionId::NONE, timeout_ms);
    stream.write_all(&bytes)?;
    Ok(stream)
}

fn finish(stream: &mut TcpStream) -> io::Result<()> {
    let mut frame = [0; CONNECTED_LEN];
    stream.read_exact(&mut frame)?;
    connected(&frame).map(drop)
}

/// Appends the frame that asks for a new session ([`SessionId::NONE`]) or to renew one.
pub(crate) fn put_hello(out: &mut Vec<u8>, session: SessionId, timeout_ms: i32) {
    let password = match session {
        SessionId::NONE => SessionPassword::ZERO,
        _ => SessionPassword::of(session),
    };
    let frame = begin_frame(out);
    ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: Zxid::ZERO,
        timeout_ms,
        session,
        password: Some(password.as_bytes()),
        read_only: Some(false),
    }
    .encode(out);
    end_frame(out, frame);
}

/// The session in the frame that answers [`put_hello`].
pub(crate) fn connected(frame: &[u8; CONNECTED_LEN]) -> io::Result<SessionId> {
    let connected = ConnectResponse::decode(&mut Reader::new(&frame[4..])).map_err(io::Error::other)?;
    if connected.session != SessionId::NONE && connected.timeout_ms > 0 {
        Ok(connected.session)
    } else {
        Err(io::Error::new(ErrorKind::PermissionDenied, "the server refused a session"))
    }
}

/// A request frame made once and sent many times, its xid replaced each time.
#[derive(Clone, Debug)]
pub struct Template(Vec<u8>);

impl Template {
    /// The frame of a request.
    pub fn new(request: &Request<'_>) -> Self {
        let mut bytes = Vec::new();
        put_request(&mut bytes, 0, request);
        Self(bytes)
    }

    /// Appends the frame under this xid.
    pub fn put(&self, xid: i32, out: &mut Vec<u8>) {
        let at = out.len() + 4;
        out.extend_from_slice(&self.0);
        out[at..at + 4].copy_from_slice(&xid.to_be_bytes());
    }
}

/// Appends a request frame.
pub fn put_request(out: &mut Vec<u8>, xid: i32, request: &Request<'_>) {
    let frame = begin_frame(out);
    out.put_i32(xid);
    out.put_i32(request.op().code());
    request.encode(out);
    end_frame(out, frame);
}
