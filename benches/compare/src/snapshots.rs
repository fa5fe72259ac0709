//! What clients feel of snapshots: the same timetable of requests on a large tree, without any and with one after the
//! other.

use crate::contender::Source;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use zabra_load::paced::{self, Outcome, Timetable};
use zabra_load::{Percentiles, Process, Spread, busy, fill, micros};
use zabra_testkit::{ServerProcess, ServerSpec, four_letter};

/// More transactions than a run makes: no snapshots.
const NEVER: u64 = 1_000_000_000;
/// On a large tree Zabra lets this many times `snapCount` go by.
const ZABRA_PATIENCE: u64 = 8;
const FOUR_LETTER_TIMEOUT: Duration = Duration::from_secs(30);

/// How the server is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// genuine or zabra: it is started three times on the same data.
    #[arg(long, default_value = "zabra")]
    server: String,
    #[command(flatten)]
    load: Load,
    /// Writes after which the next snapshot is due, if the last one is finished.
    #[arg(long, default_value_t = 200)]
    snap_every: u64,
    /// A system property for the server, as forceSync=no, which leaves the disk's syncs out of the picture.
    #[arg(long, value_name = "KEY=VALUE")]
    property: Vec<String>,
    /// Where the server keeps its data.
    #[arg(long)]
    data_root: Option<PathBuf>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// What is asked of a tree.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Load {
    /// Nodes in the tree.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) nodes: usize,
    /// Bytes of data in a node.
    #[arg(long, default_value_t = 100)]
    pub(crate) size: usize,
    /// Connections.
    #[arg(long, default_value_t = 8)]
    pub(crate) connections: usize,
    /// Requests in a second, on all connections together.
    #[arg(long, default_value_t = 1000.0)]
    pub(crate) rate: f64,
    /// Reads in a hundred requests.
    #[arg(long, default_value_t = 50)]
    pub(crate) reads: usize,
    /// Seconds of each phase that do not count.
    #[arg(long, default_value_t = 10.0)]
    pub(crate) warm_up: f64,
    /// Seconds of each phase that count.
    #[arg(long, default_value_t = 20.0)]
    pub(crate) seconds: f64,
}

/// One of the two phases.
#[derive(Debug)]
pub(crate) struct Phase {
    name: &'static str,
    pub(crate) outcome: Outcome,
    /// What the server says of its disk.
    disk: Disk,
    /// Processors that other programs kept busy.
    pub(crate) foreign_cpus: f64,
    /// Memory of the server afterwards, in bytes.
    resident: u64,
}

/// Fills a server and measures both phases.
pub(crate) fn snapshots(args: &Args, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let source = Source::parse(&args.server)?;
    let spec =
        source.spec(args.data_root.as_deref()).ok_or("a server that runs already cannot be restarted")?;
    let spec = args.property.iter().try_fold(spec, |spec, line| {
        let (key, value) = line.split_once('=').ok_or_else(|| format!("{line:?} is not KEY=VALUE"))?;
        Ok::<_, String>(spec.with_property(&format!("zookeeper.{key}"), value))
    })?;
    let mut server = with_snap_count(spec, NEVER).start()?;
    progress(&format!("filling {} nodes", args.load.nodes));
    fill(server.addr(), args.load.nodes, args.load.size)?;
    let every = if args.server == "zabra" { args.snap_every / ZABRA_PATIENCE } else { args.snap_every };
    let mut phases = Vec::new();
    for (name, snap_count) in [("no snapshots", NEVER), ("snapshots", every)] {
        progress(&format!("phase: {name}"));
        *server.spec_mut() = with_snap_count(server.spec_mut().clone(), snap_count);
        // A fresh process for each, so that neither is warmer than the other.
        server.restart()?;
        phases.push(phase(name, &args.load, &server)?);
    }
    if args.json {
        let phases: Vec<_> = phases.iter().map(Phase::json).collect();
        let all = json!({
            "server": args.server, "nodes": args.load.nodes, "data_len": args.load.size, "rate": args.load.rate,
            "reads_percent": args.load.reads, "connections": args.load.connections, "seconds": args.load.seconds,
            "load_average": load_average(), "phases": phases,
        });
        writeln!(out, "{all:#}")?;
    } else {
        table(args, &phases, out)?;
    }
    Ok(())
}

fn with_snap_count(spec: ServerSpec, count: u64) -> ServerSpec {
    spec.with_property("zookeeper.snapCount", &count.to_string())
}

/// Asks a server for as long as the load says.
///
/// # Errors
/// It does not answer.
pub(crate) fn phase(
    name: &'static str,
    args: &Load,
    server: &ServerProcess,
) -> Result<Phase, Box<dyn Error>> {
    let process = Process::new(server.pid().ok_or("the server does not run")?);
    let timetable = Timetable {
        connections: args.connections,
        rate: args.rate,
        warm_up: Duration::from_secs_f64(args.warm_up),
        measure: Duration::from_secs_f64(args.seconds),
    };
    let mut load = Spread::new(args.nodes, args.reads, args.size);
    let mut before = Ok(Used::default());
    let outcome = paced::run(server.addr(), timetable, &mut load, || before = Used::now(process))?;
    let (before, after) = (before?, Used::now(process)?);
    let used = |of: fn(&Used) -> Duration| of(&after).saturating_sub(of(&before));
    let foreign = used(|used| used.all).saturating_sub(used(|used| used.server) + used(|used| used.own));
    Ok(Phase {
        name,
        outcome,
        disk: Disk::ask(server.addr())?,
        foreign_cpus: foreign.as_secs_f64() / args.seconds,
        resident: process.resident()?,
    })
}

/// Processor time so far: of the server, of this program, of the machine.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    server: Duration,
    own: Duration,
    all: Duration,
}

impl Used {
    fn now(server: Process) -> io::Result<Self> {
        Ok(Self { server: server.cpu()?, own: Process::own().cpu()?, all: busy()? })
    }
}

/// What `mntr` tells since the server started.
#[derive(Clone, Copy, Debug)]
struct Disk {
    snapshots: u64,
    /// The time all of them took, in milliseconds.
    snapshot_ms: f64,
    /// The longest sync of the log, in milliseconds.
    sync_max_ms: f64,
    sync_mean_ms: f64,
}

impl Disk {
    fn ask(addr: SocketAddr) -> io::Result<Self> {
        let answer = four_letter(addr, "mntr", FOUR_LETTER_TIMEOUT)?;
        let figure = |key: &str| -> f64 {
            let line = answer.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('\t'));
            line.and_then(|value| value.parse().ok()).unwrap_or(0.0)
        };
        Ok(Self {
            snapshots: figure("zk_cnt_snapshottime") as u64,
            snapshot_ms: figure("zk_sum_snapshottime"),
            sync_max_ms: figure("zk_max_fsynctime"),
            sync_mean_ms: figure("zk_avg_fsynctime"),
        })
    }

    fn snapshot_mean_ms(&self) -> f64 {
        self.snapshot_ms / self.snapshots.max(1) as f64
    }
}

impl Phase {
    /// Snapshots finished since the server started.
    pub(crate) const fn snapshots(&self) -> u64 {
        self.disk.snapshots
    }

    fn classes(&self) -> [(&'static str, &Histogram<u64>); 2] {
        [("get", &self.outcome.reads), ("set", &self.outcome.writes)]
    }

    /// Everything.
    pub(crate) fn json(&self) -> Value {
        let latencies =
            self.classes().map(|(op, histogram)| (op.to_owned(), Percentiles::of(histogram).json()));
        json!({
            "phase": self.name,
            "latencies": serde_json::Map::from_iter(latencies),
            "errors": self.outcome.errors,
            "generator_late_max_us": micros(self.outcome.late_max),
            "snapshots": self.disk.snapshots,
            "snapshot_mean_ms": self.disk.snapshot_mean_ms(),
            "log_sync_mean_ms": self.disk.sync_mean_ms,
            "log_sync_max_ms": self.disk.sync_max_ms,
            "foreign_cpus": (self.foreign_cpus * 100.0).round() / 100.0,
            "server_resident_bytes": self.resident,
        })
    }
}

fn table(args: &Args, phases: &[Phase], out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{}: {} nodes of {} B; {} requests/s on {} connections, {}% gets; load average {}",
        args.server,
        args.load.nodes,
        args.load.size,
        args.load.rate,
        args.load.connections,
        args.load.reads,
        load_average()
    )?;
    writeln!(out, "latency in ms               p50       p99     p99.9       max")?;
    for op in 0..2 {
        for phase in phases {
            let (name, histogram) = phase.classes()[op];
            let latency = Percentiles::of(histogram);
            let ms = |time: Duration| time.as_secs_f64() * 1000.0;
            writeln!(
                out,
                "{name}, {:<16} {:>9.2} {:>9.2} {:>9.2} {:>9.2}",
                phase.name,
                ms(latency.p50),
                ms(latency.p99),
                ms(latency.p999),
                ms(latency.max)
            )?;
        }
    }
    for Phase { name, disk, resident, foreign_cpus, outcome } in phases {
        writeln!(
            out,
            "{name}: {} finished since the start, {:.0} ms each; log syncs {:.2} ms, {:.0} ms at worst; RSS {} MiB",
            disk.snapshots,
            disk.snapshot_mean_ms(),
            disk.sync_mean_ms,
            disk.sync_max_ms,
            resident >> 20
        )?;
        let late_ms = outcome.late_max.as_secs_f64() * 1000.0;
        let errors = if outcome.errors > 0 { format!("; {} ERRORS", outcome.errors) } else { String::new() };
        writeln!(out, "  foreign CPU {foreign_cpus:.2}; generator late by {late_ms:.1} ms at worst{errors}")?;
    }
    Ok(())
}

/// The load average of the last minute, as the system tells it.
fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}

/// Says on stderr what takes its time.
fn progress(doing: &str) {
    let _ = writeln!(io::stderr(), "{doing} ...");
}
