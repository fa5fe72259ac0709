//! The load itself: one thread, any number of connections, a fixed number of requests in flight on each.
//!
//! Each wake-up of a connection takes all replies there are, sends as many new requests and makes one write of it. So
//! the generator costs little beside the server it measures.

use crate::wire::{Handshake, connect};
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Latencies above this are recorded as this.
pub const LATENCY_MAX: Duration = Duration::from_secs(60);
/// A server that answers nothing for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Room for replies read at once.
const INBOX_LEN: usize = 256 * 1024;
/// `xid` of an event.
const NOTIFICATION: i32 = -1;
/// `xid` of the reply to a ping.
const PING: i32 = -2;

/// Makes requests.
pub trait Workload {
    /// Appends the frame of the next request of a connection. `None`: it has no more.
    fn next(&mut self, connection: usize, xid: i32, out: &mut Vec<u8>) -> Option<Class>;
}

/// What a request's latency is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Answered by one server.
    Read,
    /// Agreed on and synced.
    Write,
}

/// When a run ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After a time of warming up, which does not count, and a time that does.
    Time {
        /// What does not count.
        warm_up: Duration,
        /// What counts.
        measure: Duration,
    },
    /// When the workload has no more requests and all are answered.
    Done,
}

/// What a run came to.
#[derive(Debug)]
pub struct Sample {
    /// The measured time.
    pub elapsed: Duration,
    /// Requests answered in it.
    pub ops: u64,
    /// Those of them answered with an error.
    pub errors: u64,
    /// Events received in it.
    pub events: u64,
    /// Latencies of reads, in nanoseconds.
    pub reads: Histogram<u64>,
    /// Latencies of writes, in nanoseconds.
    pub writes: Histogram<u64>,
}

impl Sample {
    fn new() -> io::Result<Self> {
        let histogram =
            || Histogram::new_with_bounds(100, LATENCY_MAX.as_nanos() as u64, 3).map_err(io::Error::other);
        Ok(Self {
            elapsed: Duration::ZERO,
            ops: 0,
            errors: 0,
            events: 0,
            reads: histogram()?,
            writes: histogram()?,
        })
    }

    /// Answers per second.
    pub fn throughput(&self) -> f64 {
        self.ops as f64 / self.elapsed.as_secs_f64()
    }

    /// All latencies together.
    pub fn latencies(&self) -> Histogram<u64> {
        let mut all = self.reads.clone();
        // Both have the same bounds.
        let _ = all.add(&self.writes);
        all
    }
}

/// Connections with a session each, and the requests on their way.
pub struct Engine {
    poll: Poll,
    connections: Vec<Connection>,
    depth: usize,
    started: Instant,
}

struct Connection {
    stream: TcpStream,
    inbox: Vec<u8>,
    /// Bytes of `inbox` that are replies not looked at yet.
    filled: usize,
    out: Vec<u8>,
    /// Bytes of `out` written already.
    written: usize,
    waits_to_write: bool,
    in_flight: VecDeque<Sent>,
    next_xid: i32,
    finished: bool,
}

/// A request on its way: when it left, counted from the start of the engine.
#[derive(Clone, Copy)]
struct Sent {
    at_nanos: u64,
    xid: i32,
    class: Class,
}

impl Engine {
    /// Opens `connections` sessions.
    pub fn connect(addr: SocketAddr, connections: usize, depth: usize) -> io::Result<Self> {
        Self::over(connect(addr, connections, Handshake::default())?, depth)
    }

    /// Takes over connections that have sessions already.
    pub fn over(streams: Vec<std::net::TcpStream>, depth: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let connections = streams
            .into_iter()
            .enumerate()
            .map(|(at, stream)| {
                stream.set_nonblocking(true)?;
                let mut stream = TcpStream::from_std(stream);
                poll.registry().register(&mut stream, Token(at), Interest::READABLE)?;
                Ok(Connection::new(stream))
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { poll, connections, depth, started: Instant::now() })
    }

    /// Runs a workload. `on_measure` is called when the measured time begins.
    pub fn run(
        &mut self,
        workload: &mut impl Workload,
        until: Until,
        mut on_measure: impl FnMut(),
    ) -> io::Result<Sample> {
        let mut sample = Sample::new()?;
        let begun = Instant::now();
        let (mut measuring, mut measured_from) = match until {
            Until::Done => (true, begun),
            Until::Time { warm_up, .. } => (warm_up.is_zero(), begun),
        };
        if measuring {
            on_measure();
        }
        self.begin(workload)?;
        let mut events = Events::with_capacity(1024);
        loop {
            let now = Instant::now();
            if let Until::Time { warm_up, measure } = until {
                if !measuring && now - begun >= warm_up {
                    sample = Sample::new()?;
                    on_measure();
                    (measuring, measured_from) = (true, Instant::now());
                } else if measuring && now - measured_from >= measure {
                    sample.elapsed = now - measured_from;
                    self.drain(&mut events)?;
                    return Ok(sample);
                }
            } else if self.connections.iter().all(Connection::is_done) {
                sample.elapsed = now - measured_from;
                return Ok(sample);
            }
            self.turn(&mut events, workload, &mut sample, SILENCE_MAX)?;
        }
    }

    fn begin(&mut self, workload: &mut impl Workload) -> io::Result<()> {
        let at_nanos = self.nanos();
        for at in 0..self.connections.len() {
            self.connections[at].finished = false;
            self.connections[at].send(at, self.depth, at_nanos, workload);
            self.flush(at)?;
        }
        Ok(())
    }

    /// Takes the answers still on their way, without asking for more.
    fn drain(&mut self, events: &mut Events) -> io::Result<()> {
        let mut ignored = Sample::new()?;
        while !self.connections.iter().all(|connection| connection.in_flight.is_empty()) {
            self.turn(events, &mut Silence, &mut ignored, SILENCE_MAX)?;
        }
        Ok(())
    }

    /// Waits up to `timeout` for events and counts them; any other traffic is a failure.
    pub fn wait_events(&mut self, count: u64, timeout: Duration) -> io::Result<Sample> {
        let mut sample = Sample::new()?;
        let mut events = Events::with_capacity(1024);
        let begun = Instant::now();
        while sample.events < count {
            self.turn(&mut events, &mut Silence, &mut sample, timeout).map_err(|error| {
                io::Error::new(error.kind(), format!("{} of {count} events: {error}", sample.events))
            })?;
        }
        sample.elapsed = begun.elapsed();
        Ok(sample)
    }

    fn turn(
        &mut self,
        events: &mut Events,
        workload: &mut impl Workload,
        sample: &mut Sample,
        silence_max: Duration,
    ) -> io::Result<()> {
        match self.poll.poll(events, Some(silence_max)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        if events.is_empty() {
            return Err(io::Error::new(ErrorKind::TimedOut, format!("no answer for {silence_max:?}")));
        }
        for event in events.iter() {
            let at = event.token().0;
            if event.is_readable() {
                let answered = self.read(at, sample)?;
                let at_nanos = self.nanos();
                self.connections[at].send(at, answered, at_nanos, workload);
            }
            self.flush(at)?;
        }
        Ok(())
    }

    /// Takes every reply there is; how many were answers to requests.
    fn read(&mut self, at: usize, sample: &mut Sample) -> io::Result<usize> {
        let started = self.started;
        let connection = &mut self.connections[at];
        let mut answered = 0;
        loop {
            if connection.filled == connection.inbox.len() {
                connection.inbox.resize(connection.inbox.len() * 2, 0);
            }
            let room = &mut connection.inbox[connection.filled..];
            let room_len = room.len();
            let n = match connection.stream.read(room) {
                Ok(0) => {
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server closed a connection"));
                }
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(answered),
                Err(error) => return Err(error),
            };
            connection.filled += n;
            let now_nanos = started.elapsed().as_nanos() as u64;
            answered += connection.take_replies(now_nanos, sample)?;
            if n < room_len {
                return Ok(answered);
            }
        }
    }

    fn flush(&mut self, at: usize) -> io::Result<()> {
        let registry = self.poll.registry();
        let connection = &mut self.connections[at];
        while connection.written < connection.out.len() {
            match connection.stream.write(&connection.out[connection.written..]) {
                Ok(n) => connection.written += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !connection.waits_to_write {
                        connection.waits_to_write = true;
                        let both = Interest::READABLE | Interest::WRITABLE;
                        registry.reregister(&mut connection.stream, Token(at), both)?;
                    }
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        connection.out.clear();
        connection.written = 0;
        if connection.waits_to_write {
            connection.waits_to_write = false;
            registry.reregister(&mut connection.stream, Token(at), Interest::READABLE)?;
        }
        Ok(())
    }

    fn nanos(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }
}

/// Asks for nothing.
struct Silence;

impl Workload for Silence {
    fn next(&mut self, _: usize, _: i32, _: &mut Vec<u8>) -> Option<Class> {
        None
    }
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            inbox: vec![0; INBOX_LEN.min(16 * 1024)],
            filled: 0,
            out: Vec::new(),
            written: 0,
            waits_to_write: false,
            in_flight: VecDeque::new(),
            next_xid: 1,
            finished: false,
        }
    }

    fn is_done(&self) -> bool {
        self.finished && self.in_flight.is_empty()
    }

    fn send(&mut self, at: usize, count: usize, at_nanos: u64, workload: &mut impl Workload) {
        for _ in 0..count {
            let xid = self.next_xid;
            match workload.next(at, xid, &mut self.out) {
                Some(class) => self.in_flight.push_back(Sent { at_nanos, xid, class }),
                None => {
                    self.finished = true;
                    return;
                }
            }
            self.next_xid = self.next_xid.checked_add(1).unwrap_or(1);
        }
    }

    fn take_replies(&mut self, now_nanos: u64, sample: &mut Sample) -> io::Result<usize> {
        let mut at = 0;
        let mut answered = 0;
        while let Some((word, rest)) = self.inbox[at..self.filled].split_first_chunk::<4>() {
            let len = u32::from_be_bytes(*word) as usize;
            let Some(frame) = rest.get(..len) else {
                if at == 0 && len + 4 > self.inbox.len() {
                    self.inbox.resize(len + 4, 0);
                }
                break;
            };
            at += 4 + len;
            if reply(frame, &mut self.in_flight, now_nanos, sample)? {
                answered += 1;
            }
        }
        self.inbox.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(answered)
    }
}

/// Counts a frame; whether it answers a request.
fn reply(
    frame: &[u8],
    in_flight: &mut VecDeque<Sent>,
    now_nanos: u64,
    sample: &mut Sample,
) -> io::Result<bool> {
    let (Some(xid), Some(err)) = (word(frame, 0), word(frame, 12)) else {
        return Err(io::Error::new(ErrorKind::InvalidData, "a reply without a whole header"));
    };
    if xid == NOTIFICATION {
        sample.events += 1;
        return Ok(false);
    }
    let Some(sent) = in_flight.pop_front() else {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("a reply to nothing, xid {xid}")));
    };
    if xid != sent.xid && xid != PING {
        let text = format!("a reply out of order: xid {xid} instead of {}", sent.xid);
        return Err(io::Error::new(ErrorKind::InvalidData, text));
    }
    sample.ops += 1;
    sample.errors += u64::from(err != 0);
    let histogram = match sent.class {
        Class::Read => &mut sample.reads,
        Class::Write => &mut sample.writes,
    };
    histogram.saturating_record(now_nanos.saturating_sub(sent.at_nanos));
    Ok(true)
}

fn word(frame: &[u8], at: usize) -> Option<i32> {
    frame.get(at..)?.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(xid: i32, err: i32) -> Vec<u8> {
        [&xid.to_be_bytes()[..], &[0; 8], &err.to_be_bytes()].concat()
    }

    #[test]
    fn replies_are_matched_in_order() {
        let mut sample = Sample::new().unwrap();
        let sent = |xid| Sent { at_nanos: 0, xid, class: Class::Read };
        let mut in_flight = VecDeque::from([sent(1), sent(2), sent(3), sent(5)]);
        assert!(reply(&frame(1, 0), &mut in_flight, 1000, &mut sample).unwrap());
        assert!(!reply(&frame(NOTIFICATION, 0), &mut in_flight, 1000, &mut sample).unwrap());
        assert!(reply(&frame(2, -101), &mut in_flight, 1000, &mut sample).unwrap());
        assert!(reply(&frame(PING, 0), &mut in_flight, 1000, &mut sample).unwrap());
        assert!(reply(&frame(6, 0), &mut in_flight, 1000, &mut sample).is_err());
        assert!(reply(&frame(7, 0), &mut in_flight, 1000, &mut sample).is_err());
        assert_eq!((sample.ops, sample.errors, sample.events, sample.reads.len()), (3, 1, 1, 3));
    }
}
