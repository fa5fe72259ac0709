//! A load that keeps to a timetable: requests leave at fixed times whether earlier ones are answered or not, and a
//! request's latency counts from when it should have left. So a server that pauses is asked just as much, and all that
//! had to wait is in the figures.
//!
//! One thread sends, one for each connection receives; both block, as that is the most exact way to be woken.

use crate::engine::{Class, LATENCY_MAX, Workload};
use crate::wire::{Handshake, connect};
use hdrhistogram::Histogram;
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

/// The longest silence of the server before the measurement is given up.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// A reply's header: xid, zxid, error.
const HEADER_LEN: usize = 16;

/// When requests leave.
#[derive(Clone, Copy, Debug)]
pub struct Timetable {
    /// Connections, each with a session.
    pub connections: usize,
    /// Requests in a second, on all connections together.
    pub rate: f64,
    /// Time at the beginning that does not count.
    pub warm_up: Duration,
    /// Time that counts.
    pub measure: Duration,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Latencies of reads, in nanoseconds.
    pub reads: Histogram<u64>,
    /// Latencies of writes, in nanoseconds.
    pub writes: Histogram<u64>,
    /// Answers that were errors.
    pub errors: u64,
    /// How late the generator itself sent a request at worst: above a few milliseconds it was the machine that was busy,
    /// or the server that took no more.
    pub late_max: Duration,
}

/// A request on its way.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: Instant,
    xid: i32,
    class: Class,
    counts: bool,
}

impl Outcome {
    fn new() -> io::Result<Self> {
        let histogram =
            || Histogram::new_with_bounds(100, LATENCY_MAX.as_nanos() as u64, 3).map_err(io::Error::other);
        Ok(Self { reads: histogram()?, writes: histogram()?, errors: 0, late_max: Duration::ZERO })
    }

    fn add(&mut self, other: &Self) -> io::Result<()> {
        self.reads.add(&other.reads).map_err(io::Error::other)?;
        self.writes.add(&other.writes).map_err(io::Error::other)?;
        self.errors += other.errors;
        self.late_max = self.late_max.max(other.late_max);
        Ok(())
    }
}

/// Runs a workload that never ends by a timetable. `on_measure` is called when the time that counts begins.
pub fn run(
    addr: SocketAddr,
    timetable: Timetable,
    workload: &mut impl Workload,
    on_measure: impl FnOnce(),
) -> io::Result<Outcome> {
    let streams = connect(addr, timetable.connections, Handshake { timeout_ms: 3_600_000, at_once: 32 })?;
    std::thread::scope(|scope| {
        let mut lines = Vec::with_capacity(streams.len());
        let mut receivers = Vec::with_capacity(streams.len());
        for stream in streams {
            stream.set_read_timeout(Some(SILENCE_MAX))?;
            stream.set_write_timeout(Some(SILENCE_MAX))?;
            let incoming = stream.try_clone()?;
            let (queue, dues) = channel();
            receivers.push(scope.spawn(move || receive(incoming, &dues)));
            lines.push(Line { stream, queue, next_xid: 1 });
        }
        let sent = send(&mut lines, timetable, workload, on_measure);
        // Without queues the receivers end when everything sent is answered.
        drop(lines);
        let mut outcome = Outcome::new()?;
        for receiver in receivers {
            outcome.add(&joined(receiver)?)?;
        }
        outcome.late_max = sent?;
        Ok(outcome)
    })
}

fn joined(receiver: ScopedJoinHandle<'_, io::Result<Outcome>>) -> io::Result<Outcome> {
    receiver.join().unwrap_or_else(|_| Err(io::Error::other("a receiving thread failed")))
}

/// The sending side of a connection.
struct Line {
    stream: TcpStream,
    queue: Sender<Due>,
    next_xid: i32,
}

/// Sends by the timetable; how late it was at worst.
fn send(
    lines: &mut [Line],
    timetable: Timetable,
    workload: &mut impl Workload,
    on_measure: impl FnOnce(),
) -> io::Result<Duration> {
    let begun = Instant::now();
    let (counts_from, end) = (begun + timetable.warm_up, begun + timetable.warm_up + timetable.measure);
    let mut on_measure = Some(on_measure);
    let mut late_max = Duration::ZERO;
    let mut frame = Vec::new();
    for n in 0_u64.. {
        let at = begun + Duration::from_secs_f64(n as f64 / timetable.rate);
        if at >= end {
            break;
        }
        let counts = at >= counts_from;
        if counts && let Some(on_measure) = on_measure.take() {
            on_measure();
        }
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        let connection = (n % lines.len() as u64) as usize;
        let line = &mut lines[connection];
        let xid = line.next_xid;
        line.next_xid = xid.checked_add(1).unwrap_or(1);
        frame.clear();
        let Some(class) = workload.next(connection, xid, &mut frame) else { break };
        if line.queue.send(Due { at, xid, class, counts }).is_err() {
            // The receiver has met an error, which counts for more.
            break;
        }
        if counts {
            late_max = late_max.max(at.elapsed());
        }
        line.stream.write_all(&frame)?;
    }
    Ok(late_max)
}

fn receive(stream: TcpStream, dues: &Receiver<Due>) -> io::Result<Outcome> {
    let mut outcome = Outcome::new()?;
    let mut stream = BufReader::with_capacity(64 * 1024, stream);
    let mut frame = Vec::new();
    for due in dues {
        let (xid, err) = receive_reply(&mut stream, &mut frame)?;
        if xid != due.xid {
            return Err(io::Error::other(format!("a reply out of order: xid {xid} instead of {}", due.xid)));
        }
        if due.counts {
            let histogram = match due.class {
                Class::Read => &mut outcome.reads,
                Class::Write => &mut outcome.writes,
            };
            histogram.saturating_record(due.at.elapsed().as_nanos() as u64);
            outcome.errors += u64::from(err != 0);
        }
    }
    Ok(outcome)
}

/// The number and the error of the next reply.
fn receive_reply(stream: &mut impl Read, frame: &mut Vec<u8>) -> io::Result<(i32, i32)> {
    let mut word = [0; 4];
    stream.read_exact(&mut word)?;
    frame.resize(u32::from_be_bytes(word) as usize, 0);
    stream.read_exact(frame)?;
    let header: &[u8; HEADER_LEN] =
        frame.first_chunk().ok_or_else(|| io::Error::other("a reply without a whole header"))?;
    let word = |at: usize| i32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    Ok((word(0), word(12)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::ops::Range;

    /// Frames that hold nothing but what a reply needs.
    struct Echo;

    impl Workload for Echo {
        fn next(&mut self, _: usize, xid: i32, out: &mut Vec<u8>) -> Option<Class> {
            out.extend_from_slice(&(HEADER_LEN as u32).to_be_bytes());
            out.extend_from_slice(&xid.to_be_bytes());
            out.extend_from_slice(&[0; 12]);
            Some(if xid % 2 == 0 { Class::Read } else { Class::Write })
        }
    }

    /// Accepts one session and sends its requests back as answers, some of them together when the last of these is there.
    fn serve(listener: &TcpListener, requests: usize, together: Range<usize>) {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; 4];
        stream.read_exact(&mut hello).unwrap();
        let mut rest = vec![0; u32::from_be_bytes(hello) as usize];
        stream.read_exact(&mut rest).unwrap();
        let mut accepted = [0; 41];
        (accepted[3], accepted[11], accepted[19], accepted[23]) = (37, 1, 1, 16);
        stream.write_all(&accepted).unwrap();
        let mut held = Vec::new();
        let mut frame = [0; HEADER_LEN + 4];
        for n in 0..requests {
            stream.read_exact(&mut frame).unwrap();
            held.extend_from_slice(&frame);
            if !together.contains(&(n + 1)) {
                stream.write_all(&held).unwrap();
                held.clear();
            }
        }
    }

    #[test]
    fn a_pause_is_felt_by_all_that_were_due_in_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let timetable = Timetable {
            connections: 1,
            rate: 1000.0,
            warm_up: Duration::from_millis(100),
            measure: Duration::from_millis(500),
        };
        let mut measuring = false;
        let outcome = std::thread::scope(|scope| {
            scope.spawn(|| serve(&listener, 600, 300..500));
            run(addr, timetable, &mut Echo, || measuring = true).unwrap()
        });
        assert!(measuring);
        assert_eq!((outcome.reads.len(), outcome.writes.len(), outcome.errors), (250, 250, 0));
        // Two hundred waited for the last of them: half of these a tenth of a second and longer.
        let waited = |histogram: &Histogram<u64>| histogram.count_between(100_000_000, u64::MAX);
        let waited = waited(&outcome.reads) + waited(&outcome.writes);
        assert!(waited >= 98, "{waited}");
        assert!(outcome.reads.max().max(outcome.writes.max()) >= 198_000_000);
    }
}
