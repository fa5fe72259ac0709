//! One measurement of one workload, and how it is shown.

use crate::engine::{Engine, Sample, Until, Workload};
use crate::measure::{Process, busy};
use crate::paced::{self, Timetable};
use crate::wire::{Handshake, connect};
use crate::workload::{Op, Shape, workload};
use clap::ValueEnum;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// How a workload is driven.
#[derive(Clone, Copy, Debug)]
pub struct Drive {
    /// What is asked.
    pub shape: Shape,
    /// Connections, each with a session.
    pub connections: usize,
    /// Requests in flight on each connection.
    pub depth: usize,
    /// Time at the beginning that does not count.
    pub warm_up: Duration,
    /// Time that counts.
    pub measure: Duration,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Answers per second.
    pub throughput: f64,
    /// From sending, or from when it was due, to the answer.
    pub latency: Percentiles,
    /// The same of reads only; zeros when there were none.
    pub reads: Percentiles,
    /// The same of writes only.
    pub writes: Percentiles,
    /// Answers that were errors.
    pub errors: u64,
    /// Processor time the servers took for one operation, when their processes are known.
    pub cpu_per_op: Option<Duration>,
    /// Processors other processes kept busy meanwhile.
    pub foreign_cpus: f64,
    /// Memory of the servers afterwards, in bytes.
    pub resident: Option<u64>,
}

/// Latencies.
#[derive(Clone, Copy, Debug)]
pub struct Percentiles {
    /// Of the middle one.
    pub p50: Duration,
    /// One in a hundred took longer.
    pub p99: Duration,
    /// One in a thousand took longer.
    pub p999: Duration,
    /// Of the slowest.
    pub max: Duration,
}

impl Percentiles {
    /// Of latencies in nanoseconds.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| Duration::from_nanos(histogram.value_at_quantile(quantile));
        Self { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: Duration::from_nanos(histogram.max()) }
    }

    /// In microseconds.
    pub fn json(self) -> Value {
        json!({
            "p50_us": micros(self.p50), "p99_us": micros(self.p99),
            "p999_us": micros(self.p999), "max_us": micros(self.max),
        })
    }
}

/// Microseconds with a fraction.
pub fn micros(time: Duration) -> f64 {
    (time.as_nanos() as f64 / 100.0).round() / 10.0
}

/// Processor time so far: of the servers, of this program, of the machine.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    server: Duration,
    own: Duration,
    all: Duration,
}

impl Used {
    fn now(servers: &[Process]) -> io::Result<Self> {
        let server = servers.iter().map(|server| server.cpu()).sum::<io::Result<Duration>>()?;
        Ok(Self { server, own: Process::own().cpu()?, all: busy()? })
    }
}

/// Drives a workload that has been prepared. `servers` are the processes whose time and memory count together: those of an
/// ensemble, or none when they are not known.
pub fn drive(addr: SocketAddr, servers: &[Process], drive: &Drive) -> io::Result<Row> {
    let mut workload = workload(drive.shape, drive.connections);
    drive_on(&[addr], servers, drive, &mut workload)
}

/// Drives a workload of one's own, the connections dealt out evenly to all servers; the shape does not count. Processor
/// time and memory are those of all `servers` together.
pub fn drive_on(
    addrs: &[SocketAddr],
    servers: &[Process],
    drive: &Drive,
    workload: &mut impl Workload,
) -> io::Result<Row> {
    let mut streams = Vec::with_capacity(drive.connections);
    for (at, &addr) in addrs.iter().enumerate() {
        let share = (drive.connections + addrs.len() - 1 - at) / addrs.len();
        streams.extend(connect(addr, share, Handshake::default())?);
    }
    let mut engine = Engine::over(streams, drive.depth)?;
    let mut before = Ok(Used::default());
    let until = Until::Time { warm_up: drive.warm_up, measure: drive.measure };
    let sample = engine.run(workload, until, || before = Used::now(servers))?;
    row(servers, before?, &sample)
}

/// Drives a workload that has been prepared at `rate` requests a second, whatever the server does; the depth does not
/// count. A latency is that from when the request was due.
pub fn drive_paced(addr: SocketAddr, servers: &[Process], drive: &Drive, rate: f64) -> io::Result<Row> {
    let Drive { shape, connections, warm_up, measure, .. } = *drive;
    let timetable = Timetable { connections, rate, warm_up, measure };
    drive_paced_on(addr, servers, timetable, &mut workload(shape, connections))
}

/// As [`drive_paced`] with a workload of one's own.
pub fn drive_paced_on(
    addr: SocketAddr,
    servers: &[Process],
    timetable: Timetable,
    workload: &mut impl Workload,
) -> io::Result<Row> {
    let mut before = Ok(Used::default());
    let outcome = paced::run(addr, timetable, workload, || before = Used::now(servers))?;
    let sample = Sample {
        elapsed: timetable.measure,
        ops: outcome.reads.len() + outcome.writes.len(),
        errors: outcome.errors,
        events: 0,
        reads: outcome.reads,
        writes: outcome.writes,
    };
    row(servers, before?, &sample)
}

fn row(servers: &[Process], before: Used, sample: &Sample) -> io::Result<Row> {
    let after = Used::now(servers)?;
    let server_cpu = after.server.saturating_sub(before.server);
    let own = after.own.saturating_sub(before.own);
    let foreign = after.all.saturating_sub(before.all).saturating_sub(server_cpu + own);
    let known = !servers.is_empty();
    Ok(Row {
        throughput: sample.throughput(),
        latency: Percentiles::of(&sample.latencies()),
        errors: sample.errors,
        reads: Percentiles::of(&sample.reads),
        writes: Percentiles::of(&sample.writes),
        cpu_per_op: known.then(|| server_cpu.div_f64(sample.ops.max(1) as f64)),
        foreign_cpus: foreign.as_secs_f64() / sample.elapsed.as_secs_f64(),
        resident: known.then(|| servers.iter().map(|server| server.resident()).sum()).transpose()?,
    })
}

impl Row {
    /// The head of a table of rows.
    pub const HEAD: &str =
        "                          ops/s    p50 us    p99 us  p99.9 us   CPU us/op   RSS MiB  foreign CPU";

    /// A line of the table.
    pub fn line(&self, label: &str) -> String {
        let cpu = self.cpu_per_op.map_or_else(|| "-".into(), |cpu| format!("{:.2}", micros_exact(cpu)));
        let resident = self.resident.map_or_else(|| "-".into(), |bytes| (bytes >> 20).to_string());
        let mut line = format!(
            "{label:<22} {:>10.0} {:>9.1} {:>9.1} {:>9.1} {cpu:>11} {resident:>9} {:>12.2}",
            self.throughput,
            micros(self.latency.p50),
            micros(self.latency.p99),
            micros(self.latency.p999),
            self.foreign_cpus,
        );
        if self.errors > 0 {
            line.push_str(&format!("  {} ERRORS", self.errors));
        }
        line
    }

    /// Everything, with units in the names.
    pub fn json(&self) -> Value {
        json!({
            "ops_per_second": self.throughput.round(),
            "latency": self.latency.json(),
            "read_latency": self.reads.json(),
            "write_latency": self.writes.json(),
            "errors": self.errors,
            "server_cpu_us_per_op": self.cpu_per_op.map(micros_exact),
            "server_resident_bytes": self.resident,
            "foreign_cpus": (self.foreign_cpus * 100.0).round() / 100.0,
        })
    }
}

/// Microseconds to the nanosecond: processor time per operation can be a fraction of one.
pub fn micros_exact(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1000.0
}

/// The name of an operation as given on the command line.
pub fn op_name(op: Op) -> String {
    op.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// How a row is called: `get 64x32`.
pub fn label(drive: &Drive) -> String {
    format!("{} {}x{} {}B", op_name(drive.shape.op), drive.connections, drive.depth, drive.shape.data_len)
}
