//! Many sessions that send a few at a time.

use hdrhistogram::Histogram;
use std::io;
use std::ops::Range;
use zabra_load::{Class, Engine, Until, Workload, put_request};
use zabra_proto::Request;

/// Sessions that send at once, and requests in flight on each: together fewer than the thousand outstanding requests
/// above which the genuine server stops reading, and now and then does not begin again.
const WAVE: usize = 100;
pub(crate) const WAVE_DEPTH: usize = 8;

/// Lets the sessions send a few at a time, and returns how long answers took.
///
/// # Errors
/// A connection fails, or an answer is an error.
pub(crate) fn in_waves<W: Workload>(
    held: &mut Engine,
    sessions: usize,
    workload: &mut W,
) -> io::Result<Histogram<u64>> {
    let mut latencies: Option<Histogram<u64>> = None;
    for from in (0..sessions).step_by(WAVE) {
        let mut wave = Wave { sessions: from..from + WAVE, workload };
        let sample = held.run(&mut wave, Until::Done, || ())?;
        if sample.errors > 0 {
            return Err(io::Error::other(format!("{} requests were answered with errors", sample.errors)));
        }
        let sample = sample.latencies();
        match &mut latencies {
            Some(all) => all.add(&sample).map_err(io::Error::other)?,
            None => latencies = Some(sample),
        }
    }
    latencies.ok_or_else(|| io::Error::other("there are no sessions"))
}

/// A workload of some connections only.
struct Wave<'a, W> {
    sessions: Range<usize>,
    workload: &'a mut W,
}

impl<W: Workload> Workload for Wave<'_, W> {
    fn next(&mut self, connection: usize, xid: i32, out: &mut Vec<u8>) -> Option<Class> {
        if self.sessions.contains(&connection) { self.workload.next(connection, xid, out) } else { None }
    }
}

/// The same requests from each session, once.
pub(crate) struct Once {
    requests: Vec<Request<'static>>,
    sent: Vec<usize>,
}

impl Once {
    pub(crate) fn new(sessions: usize, requests: Vec<Request<'static>>) -> Self {
        Self { requests, sent: vec![0; sessions] }
    }
}

impl Workload for Once {
    fn next(&mut self, connection: usize, xid: i32, out: &mut Vec<u8>) -> Option<Class> {
        let sent = &mut self.sent[connection];
        put_request(out, xid, self.requests.get(*sent)?);
        *sent += 1;
        Some(Class::Read)
    }
}
