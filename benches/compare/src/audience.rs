//! Sessions that all watch the same nodes, and one that changes them.

use crate::Failure;
use crate::waves::{Once, WAVE_DEPTH, in_waves};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use zabra_load::requests::{get, multi_set, set};
use zabra_load::{Engine, Handshake, Process, Queue, Until, connect, fill_flat, node, require_connections};
use zabra_proto::Request;

/// As long as any measurement.
const SESSION_TIMEOUT_MS: i32 = 3_600_000;
/// Handshakes under way at once.
const AT_ONCE: usize = 32;
/// How long the last event may take.
const EVENTS_TIMEOUT: Duration = Duration::from_secs(60);

/// Sessions that watch, each on a connection of its own.
pub(crate) struct Audience {
    watchers: Engine,
    count: usize,
    nodes: usize,
    writer: Engine,
}

/// What one write that all heard of came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heard {
    /// From sending the write to the last event.
    pub(crate) elapsed: Duration,
    /// Processor time of the server for the write and all events.
    pub(crate) cpu: Duration,
}

impl Audience {
    /// Connects `count` sessions that are to watch `nodes` nodes each.
    ///
    /// # Errors
    /// So many connections are not allowed, or the server refuses.
    pub(crate) fn gather(addr: SocketAddr, count: usize, nodes: usize) -> Result<Self, Failure> {
        require_connections(count)?;
        fill_flat(addr, nodes)?;
        let handshake = Handshake { timeout_ms: SESSION_TIMEOUT_MS, at_once: AT_ONCE };
        let watchers = Engine::over(connect(addr, count, handshake)?, WAVE_DEPTH)?;
        let writer = Engine::over(connect(addr, 1, handshake)?, 1)?;
        Ok(Self { watchers, count, nodes, writer })
    }

    /// The events of one write.
    pub(crate) fn events(&self) -> usize {
        self.count * self.nodes
    }

    /// Sets every watch.
    ///
    /// # Errors
    /// A connection fails.
    pub(crate) fn watch(&mut self) -> Result<(), Failure> {
        let gets = (0..self.nodes).map(|n| get(node(n), true)).collect();
        in_waves(&mut self.watchers, self.count, &mut Once::new(self.count, gets))?;
        Ok(())
    }

    /// Changes all nodes at once, and waits until every watch has been heard of.
    ///
    /// # Errors
    /// Events are missing.
    pub(crate) fn fire(&mut self, server: Process) -> Result<Heard, Failure> {
        let write = match self.nodes {
            1 => set(node(0), b"new"),
            nodes => Request::Multi((0..nodes).map(|n| multi_set(node(n), b"new")).collect()),
        };
        let cpu = server.cpu_exact()?;
        let begun = Instant::now();
        let mut queue = Queue { requests: std::iter::once(write) };
        let written = self.writer.run(&mut queue, Until::Done, || ())?;
        if written.errors > 0 {
            return Err("the write was answered with an error".into());
        }
        self.watchers.wait_events(self.events() as u64, EVENTS_TIMEOUT)?;
        let elapsed = begun.elapsed();
        Ok(Heard { elapsed, cpu: server.cpu_exact()?.saturating_sub(cpu) })
    }
}
