//! A server: a machine with a disk and a clock, and the process that runs on it while it runs.
//!
//! The process is the real peer, tree, preparer, sessions, log and recovery under a driver that does what the real
//! server's does: it carries out outputs in order, has one log thread, and decides nothing about the protocol.

mod app;
mod boot;
mod brief;
mod database;
mod driver;
mod election;
mod links;
mod log;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use zabra_storage::{Fault, FaultDisk, Loss};
use zabra_types::{Epoch, ServerId, Zxid};
use zabra_zab::Role;

use crate::env::{Env, Stop};
use crate::messages::TxnId;
use crate::network::{Arrival, ConnId, Kind, Node, Reach, Side};
use crate::schedule::Event;
use crate::time::Clock;

pub(crate) use boot::survivors;
pub(crate) use driver::Process;

/// What outlives a process.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) index: usize,
    pub(crate) id: ServerId,
    pub(crate) disk: FaultDisk,
    pub(crate) clock: Clock,
    /// How far its wall clock is from the world's time, in milliseconds.
    pub(crate) wall_offset_ms: i64,
    /// How often a process was started.
    pub(crate) boot: u64,
    /// What the tree held that each snapshot on the disk was made of, by its zxid.
    pub(crate) snapshots: BTreeMap<Zxid, Vec<TxnId>>,
    /// Whether an empty disk is a database without anything, rather than one that was lost.
    pub(crate) may_be_empty: bool,
    /// The disk takes so much longer.
    pub(crate) disk_delay: Duration,
}

impl Machine {
    /// The disk is another one. Clones of it are the other one too.
    pub(crate) fn replace_disk(&mut self) {
        self.disk.wipe();
        self.snapshots.clear();
        self.may_be_empty = false;
    }

    /// A snapshot of this history is being written, under this zxid: that of its last transaction, or of the beginning of
    /// a later epoch.
    pub(crate) fn note_snapshot(&mut self, zxid: Zxid, history: &[TxnId]) {
        self.snapshots.insert(zxid, history.to_vec());
    }
}

/// A machine and what runs on it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) machine: Machine,
    pub(crate) process: Option<Process>,
    /// The process is stopped (SIGSTOP): which stop it is, and what has come meanwhile.
    stopped: Option<(u64, VecDeque<Held>)>,
    stops: u64,
}

/// What waits for a stopped process.
#[derive(Debug)]
enum Held {
    Event(Event),
    Accepted(ConnId, Kind, Node),
    Arrived(ConnId, Side, Arrival),
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crash {
    /// What becomes of what was not synced.
    pub(crate) loss: Loss,
    /// Whether the machine goes too, so that nobody is told.
    pub(crate) silent: bool,
}

impl Crash {
    /// Only the process dies.
    pub(crate) const KILL: Self = Self { loss: Loss::Nothing, silent: false };
}

impl Server {
    pub(crate) fn new(machine: Machine) -> Self {
        Self { machine, process: None, stopped: None, stops: 0 }
    }

    /// Whether a process runs, or would if it were not stopped.
    pub(crate) fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// Whether the process is stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// What the server is in the ensemble.
    pub(crate) fn role(&self) -> Option<Role> {
        self.process.as_ref().map(Process::role)
    }

    /// The epoch that the server serves clients in.
    pub(crate) fn serves(&self) -> Option<Epoch> {
        self.process.as_ref().and_then(Process::serves)
    }

    /// Starts a process on what the disk holds.
    pub(crate) fn start(&mut self, env: &mut Env) -> Result<(), Stop> {
        assert!(self.process.is_none(), "a server is started once at a time");
        self.machine.boot += 1;
        let node = Node::Server(self.machine.index);
        env.network.set_reach(node, Reach::Refusing);
        env.network.machine_came_back(&mut env.schedule, node);
        let process = Process::start(&mut self.machine, env)?;
        env.network.set_reach(node, Reach::Up);
        self.process.insert(process).begin(&mut self.machine, env)
    }

    /// Ends the process. What its log thread was doing may be done, half done or not begun.
    pub(crate) fn crash(&mut self, env: &mut Env, how: Crash) {
        let Some(process) = self.process.take() else { return };
        env.trace(|| format!("s{} CRASH {how:?}", self.machine.id));
        self.stopped = None;
        if !env.schedule.rng.one_in(3) {
            if how.loss != Loss::Nothing {
                let nth = 1 + env.schedule.rng.below(5) as u64;
                self.machine.disk.fail_at(nth, Fault::PowerLoss);
            }
            process.finish_job_on_disk(&mut self.machine, env);
        }
        self.machine.disk.crash(how.loss, env.schedule.rng.next_u64());
        env.network.process_died(&mut env.schedule, Node::Server(self.machine.index), how.silent);
    }

    /// Stops the process until [`Self::resume`]. Returns which stop this is.
    pub(crate) fn stop(&mut self, env: &mut Env) -> u64 {
        assert!(self.is_up(), "only what runs can be stopped");
        env.trace(|| format!("s{} STOPPED", self.machine.id));
        self.stops += 1;
        let held = self.stopped.take().map(|(_, held)| held).unwrap_or_default();
        self.stopped = Some((self.stops, held));
        self.stops
    }

    /// The process goes on, unless it was stopped again.
    pub(crate) fn resume(&mut self, env: &mut Env, stop: u64) -> Result<(), Stop> {
        if self.stopped.as_ref().is_none_or(|(number, _)| *number != stop) {
            return Ok(());
        }
        env.trace(|| format!("s{} RESUMED", self.machine.id));
        let Some((_, held)) = self.stopped.take() else { return Ok(()) };
        for held in held {
            match held {
                Held::Event(event) => self.event(env, event)?,
                Held::Accepted(conn, kind, from) => self.accepted(env, conn, kind, from)?,
                Held::Arrived(conn, side, arrival) => self.arrived(env, conn, side, arrival)?,
            }
        }
        Ok(())
    }

    /// The process goes on, however often it was stopped.
    pub(crate) fn resume_now(&mut self, env: &mut Env) -> Result<(), Stop> {
        let stop = self.stops;
        self.resume(env, stop)
    }

    /// An event of this server's own.
    pub(crate) fn event(&mut self, env: &mut Env, event: Event) -> Result<(), Stop> {
        if let Some((_, held)) = &mut self.stopped {
            held.push_back(Held::Event(event));
            return Ok(());
        }
        let Some(process) = &mut self.process else { return Ok(()) };
        process.event(&mut self.machine, env, event)
    }

    /// A connection was made to this server.
    pub(crate) fn accepted(
        &mut self,
        env: &mut Env,
        conn: ConnId,
        kind: Kind,
        from: Node,
    ) -> Result<(), Stop> {
        if let Some((_, held)) = &mut self.stopped {
            held.push_back(Held::Accepted(conn, kind, from));
            return Ok(());
        }
        let Some(process) = &mut self.process else { return Ok(()) };
        process.accepted(&mut self.machine, env, conn, kind, from)
    }

    /// Something came over a connection.
    pub(crate) fn arrived(
        &mut self,
        env: &mut Env,
        conn: ConnId,
        side: Side,
        arrival: Arrival,
    ) -> Result<(), Stop> {
        if let Some((_, held)) = &mut self.stopped {
            held.push_back(Held::Arrived(conn, side, arrival));
            return Ok(());
        }
        let Some(process) = &mut self.process else { return Ok(()) };
        process.arrived(&mut self.machine, env, conn, side, arrival)
    }

    /// The leader, if this is one, cannot go on.
    pub(crate) fn step_down(&mut self, env: &mut Env) -> Result<(), Stop> {
        if self.is_stopped() {
            return Ok(());
        }
        let Some(process) = &mut self.process else { return Ok(()) };
        process.step_down(&mut self.machine, env)
    }
}
