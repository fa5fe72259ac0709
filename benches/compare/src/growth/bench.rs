//! What all dimensions need: servers to start, and loads of the same kind.

use crate::Failure;
use crate::side::Side;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use zabra_load::{Drive, Op, Process, Row, Shape, Workload, drive_on, micros_exact, workload};
use zabra_testkit::{ServerProcess, ServerSpec};

/// Seconds for which a Zabra server is warmed up: it only has to touch its memory once.
const WARM_UP_NATIVE: Duration = Duration::from_millis(500);
/// The time at the beginning of each load that does not count.
const LEAD_IN: Duration = Duration::from_millis(300);
/// Requests under way above which servers stop reading: more than the most connections. As shipped (1000) it would be this
/// limit that is measured at 5,000 connections, not their cost.
const OUTSTANDING_MAX: &str = "20000";

/// How measurements are made.
#[derive(Clone, Debug)]
pub(crate) struct Bench {
    pub(crate) data_root: PathBuf,
    /// The time each figure is measured.
    pub(crate) measure: Duration,
    /// How long a genuine server is warmed up with each operation.
    pub(crate) warm_up: Duration,
}

impl Bench {
    /// A server; the heap of a genuine one has so many GiB.
    pub(crate) fn spec(&self, side: Side, heap_gib: u32) -> Result<ServerSpec, Failure> {
        let spec = side.spec(heap_gib * 1024, &self.data_root)?;
        Ok(spec.with_property("zookeeper.globalOutstandingLimit", OUTSTANDING_MAX))
    }

    /// How long a server is warmed up with each operation.
    pub(crate) fn warm_up(&self, side: Side) -> Duration {
        if side == Side::Genuine { self.warm_up } else { WARM_UP_NATIVE }
    }
}

/// A server that has been started, and its process.
pub(crate) fn process(server: &ServerProcess) -> Result<Process, Failure> {
    Ok(Process::new(server.pid().ok_or("the server does not run")?))
}

/// Where a load goes, and how many requests are in flight.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) addrs: Vec<SocketAddr>,
    pub(crate) processes: Vec<Process>,
    pub(crate) connections: usize,
    pub(crate) depth: usize,
}

impl Target {
    /// One server.
    pub(crate) fn of(server: &ServerProcess, connections: usize, depth: usize) -> Result<Self, Failure> {
        Ok(Self { addrs: vec![server.addr()], processes: vec![process(server)?], connections, depth })
    }

    /// Measures an operation on nodes that have been prepared.
    pub(crate) fn drive(&self, shape: Shape, measure: Duration) -> Result<Row, Failure> {
        self.drive_with(shape.op, measure, &mut workload(shape, self.connections))
    }

    /// Measures a workload.
    pub(crate) fn drive_with(
        &self,
        op: Op,
        measure: Duration,
        workload: &mut impl Workload,
    ) -> Result<Row, Failure> {
        let load = Drive {
            shape: Shape::of(op),
            connections: self.connections,
            depth: self.depth,
            warm_up: LEAD_IN,
            measure,
        };
        let row = drive_on(&self.addrs, &self.processes, &load, workload)?;
        if row.errors > 0 {
            return Err(format!("{} requests were answered with errors", row.errors).into());
        }
        Ok(row)
    }
}

/// Processor time of the servers for one operation, in microseconds.
pub(crate) fn cpu_us(row: &Row) -> Option<f64> {
    row.cpu_per_op.map(micros_exact)
}
