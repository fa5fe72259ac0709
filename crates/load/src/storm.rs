//! Many clients that come at once, each over a connection of its own: when a service is deployed, or its server is back.

use crate::wire::{CONNECTED_LEN, connected, put_hello};
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use zabra_types::SessionId;

/// A server that does not come back within this has failed.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long clients are waited for. The last of those that a full backlog keeps out may knock at a genuine server for two
/// minutes, ever more seldom.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the first client waits for an answer before it comes again.
const FIRST_ANSWER_MAX: Duration = Duration::from_millis(200);

/// What a storm came to.
#[derive(Debug)]
pub struct Storm {
    /// The connections of all that were answered, in blocking mode; each has a session.
    pub streams: Vec<std::net::TcpStream>,
    /// The sessions of those connections.
    pub sessions: Vec<SessionId>,
    /// From the first knock to the last answer, or to when those not answered by then were given up.
    pub elapsed: Duration,
    /// How many were given up.
    pub given_up: usize,
    /// How long each client waited since the first knocked, in nanoseconds.
    pub answered: Histogram<u64>,
    /// How often a client was sent away and came again.
    pub sent_away: u64,
}

/// Lets a client come for each of `sessions`, all at once: to renew it, or to get a new one for [`SessionId::NONE`].
///
/// All of them knock without waiting for anybody's answer. Who is sent away comes again at once; one that the system does not
/// let through, because the server's backlog is full, is left to the system, as real clients are.
///
/// # Errors
/// A session is refused, or nobody is answered.
pub fn storm(addr: SocketAddr, sessions: &[SessionId], timeout_ms: i32) -> io::Result<Storm> {
    let begun = Instant::now();
    let mut answered =
        Histogram::new_with_bounds(1000, SILENCE_MAX.as_nanos() as u64 * 2, 3).map_err(io::Error::other)?;
    let mut poll = Poll::new()?;
    let mut clients: Vec<Client> = Vec::with_capacity(sessions.len());
    for (at, &session) in sessions.iter().enumerate() {
        clients.push(Client::knock(&poll, addr, Token(at), (session, timeout_ms))?);
    }
    let mut events = Events::with_capacity(1024);
    let (mut left, mut sent_away) = (clients.len(), 0);
    while left > 0 {
        let patience = PATIENCE.saturating_sub(begun.elapsed());
        if patience.is_zero() {
            break;
        }
        match poll.poll(&mut events, Some(patience)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            let client = &mut clients[event.token().0];
            match client.go_on() {
                Ok(false) => {}
                Ok(true) => {
                    left -= 1;
                    answered.saturating_record(begun.elapsed().as_nanos() as u64);
                }
                Err(error) if is_sent_away(&error) => {
                    sent_away += 1;
                    *client = Client::knock(&poll, addr, event.token(), (client.asked, timeout_ms))?;
                }
                Err(error) => return Err(error),
            }
        }
    }
    let elapsed = begun.elapsed();
    if left == clients.len() && left > 0 {
        return Err(io::Error::new(ErrorKind::TimedOut, "no client was answered"));
    }
    clients.retain(|client| client.session != SessionId::NONE);
    let sessions = clients.iter().map(|client| client.session).collect();
    let streams = clients.into_iter().map(Client::into_stream).collect::<io::Result<_>>()?;
    Ok(Storm { streams, sessions, elapsed, given_up: left, answered, sent_away })
}

/// Waits until a server that is being started renews `session`, whose client comes again and again, also when a server that
/// is not ready took it in and said nothing, and returns its connection.
///
/// # Errors
/// It does not within a minute.
pub fn first_back(addr: SocketAddr, session: SessionId, timeout_ms: i32) -> io::Result<std::net::TcpStream> {
    const AGAIN: Duration = Duration::from_millis(1);
    let again = |error: &io::Error| is_sent_away(error) || error.kind() == ErrorKind::WouldBlock;
    let deadline = Instant::now() + SILENCE_MAX;
    loop {
        match knock_and_wait(addr, session, timeout_ms) {
            Ok(stream) => return Ok(stream),
            Err(error) if again(&error) && Instant::now() < deadline => std::thread::sleep(AGAIN),
            Err(error) => return Err(error),
        }
    }
}

fn knock_and_wait(addr: SocketAddr, session: SessionId, timeout_ms: i32) -> io::Result<std::net::TcpStream> {
    let mut stream = std::net::TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(FIRST_ANSWER_MAX))?;
    let mut hello = Vec::new();
    put_hello(&mut hello, session, timeout_ms);
    stream.write_all(&hello)?;
    let mut frame = [0; CONNECTED_LEN];
    stream.read_exact(&mut frame)?;
    connected(&frame)?;
    Ok(stream)
}

fn is_sent_away(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | BrokenPipe | UnexpectedEof)
}

struct Client {
    stream: TcpStream,
    /// What it asks for.
    asked: SessionId,
    /// What it got.
    session: SessionId,
    /// The connect request, until it is sent.
    hello: Option<Vec<u8>>,
    answer: [u8; CONNECTED_LEN],
    filled: usize,
}

impl Client {
    fn knock(
        poll: &Poll,
        addr: SocketAddr,
        token: Token,
        (asked, timeout_ms): (SessionId, i32),
    ) -> io::Result<Self> {
        let mut stream = TcpStream::connect(addr)?;
        poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let mut hello = Vec::new();
        put_hello(&mut hello, asked, timeout_ms);
        Ok(Self {
            stream,
            asked,
            session: SessionId::NONE,
            hello: Some(hello),
            answer: [0; CONNECTED_LEN],
            filled: 0,
        })
    }

    /// Does what can be done now; whether it has its session since this moment.
    fn go_on(&mut self) -> io::Result<bool> {
        if self.session != SessionId::NONE {
            return Ok(false);
        }
        if let Some(hello) = self.hello.take() {
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
            match self.stream.write(&hello) {
                Ok(_) => self.stream.set_nodelay(true)?,
                Err(error) if is_not_yet(&error) => self.hello = Some(hello),
                Err(error) => return Err(error),
            }
            return Ok(false);
        }
        match self.stream.read(&mut self.answer[self.filled..]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => self.filled += n,
            Err(error) if is_not_yet(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
        if self.filled < CONNECTED_LEN {
            return Ok(false);
        }
        self.session = connected(&self.answer)?;
        Ok(true)
    }

    fn into_stream(self) -> io::Result<std::net::TcpStream> {
        let stream = std::net::TcpStream::from(self.stream);
        stream.set_nonblocking(false)?;
        Ok(stream)
    }
}

fn is_not_yet(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Floor;
    use zabra_proto::{ConnectResponse, begin_frame, end_frame};

    #[test]
    fn all_clients_get_what_they_ask_for() {
        let floor = Floor::start(None, 0).unwrap();
        let storm = storm(floor.addr(), &[SessionId::NONE; 200], 30_000).unwrap();
        let mut sessions = storm.sessions.clone();
        sessions.sort_unstable();
        sessions.dedup();
        assert_eq!((storm.streams.len(), sessions.len(), storm.answered.len()), (200, 200, 200));
        assert_eq!((storm.given_up, storm.sent_away), (0, 0));
        assert!(!sessions.contains(&SessionId::NONE));
    }

    #[test]
    fn a_server_that_sends_clients_away_is_asked_again() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let rejects = std::thread::spawn(move || {
            drop(listener.accept().unwrap());
            let (mut stream, _) = listener.accept().unwrap();
            let mut hello = [0; 49];
            stream.read_exact(&mut hello).unwrap();
            let mut refusal = Vec::new();
            let frame = begin_frame(&mut refusal);
            ConnectResponse::refused(Some(false)).encode(&mut refusal);
            end_frame(&mut refusal, frame);
            stream.write_all(&refusal).unwrap();
        });
        let error = first_back(addr, SessionId::from_raw(7), 30_000).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        rejects.join().unwrap();
    }
}
