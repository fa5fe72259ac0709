//! What writers feel while a follower with a large tree is restarted, and how it comes back.

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use serde_json::json;
use zabra_load::fill;
use zabra_testkit::{
    Ensemble, EnsembleSpec, Genuine, JvmOptions, RawClient, RawRequest, ServerSpec, four_letter,
    zabra_program,
};

/// Heap of a genuine server, and what a million nodes of 100 bytes need.
const HEAP_MIB: u32 = 512;
const HEAP_PER_MILLION_MIB: u32 = 1280;
/// The node that is written.
const NODE: &str = "/rejoin";
/// Between two writes.
const PACE: Duration = Duration::from_millis(1);
const FOUR_LETTER_TIMEOUT: Duration = Duration::from_secs(30);

/// What is restarted.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// genuine or zabra.
    #[arg(long, default_value = "zabra")]
    server: String,
    /// Nodes of 100 bytes in the tree.
    #[arg(long, default_value_t = 1_000_000)]
    nodes: usize,
    /// Seconds of writing before the follower is killed, while it is away, and after it serves again.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Where the servers keep their data.
    #[arg(long)]
    data_root: Option<PathBuf>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// A part of the run, and when it ended.
struct Phase {
    name: &'static str,
    until: Instant,
}

/// Runs it and prints what was measured.
pub(crate) fn rejoin(args: &Args, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let mut ensemble = start(args)?;
    let leader = ensemble.wait_leader()?;
    let address = ensemble.server(leader).addr();
    let follower =
        ensemble.members().map(|member| member.id()).find(|id| *id != leader).ok_or("no follower")?;
    let (mut writer, _) = RawClient::connect(address, 30_000)?;
    writer.call(&RawRequest::create(NODE, b"", 0))?;
    writeln!(io::stderr(), "filling")?;
    fill(address, args.nodes, 100)?;

    let pause = Duration::from_secs_f64(args.seconds);
    let running = AtomicBool::new(true);
    let (syncs_before, syncs_after, served, phases, writes) = std::thread::scope(|scope| {
        let load = scope.spawn(|| write_on(&mut writer, &running));
        let script = (|| -> Result<_, Box<dyn Error>> {
            let mut phases = Vec::new();
            let mut phase = |name| phases.push(Phase { name, until: Instant::now() });
            std::thread::sleep(pause);
            phase("before");
            ensemble.server_mut(follower).kill()?;
            std::thread::sleep(pause);
            phase("follower away");
            let syncs_before = syncs(address)?;
            let started = Instant::now();
            ensemble.server_mut(follower).start()?;
            let served = started.elapsed();
            phase("it comes back");
            std::thread::sleep(pause);
            phase("after");
            Ok((syncs_before, syncs(address)?, served, phases))
        })();
        running.store(false, SeqCst);
        let writes = load.join().map_err(|_| "the writer panicked")??;
        script.map(|(before, after, served, phases)| (before, after, served, phases, writes))
    })?;
    let diffs = syncs_after.0 - syncs_before.0;
    let snaps = syncs_after.1 - syncs_before.1;

    let mut rows = Vec::new();
    let mut from = None;
    for phase in &phases {
        let mut latencies: Vec<Duration> = writes
            .iter()
            .filter(|(sent, _)| from.is_none_or(|from| *sent >= from) && *sent < phase.until)
            .map(|(_, latency)| *latency)
            .collect();
        latencies.sort_unstable();
        let at = |share: f64| {
            let last = latencies.len().saturating_sub(1);
            latencies
                .get((last as f64 * share) as usize)
                .map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
        };
        rows.push((phase.name, latencies.len(), at(0.5), at(0.99), at(1.0)));
        from = Some(phase.until);
    }
    if args.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(name, writes, p50, p99, most)| {
                json!({ "phase": name, "writes": writes, "p50_ms": p50, "p99_ms": p99, "max_ms": most })
            })
            .collect();
        let all = json!({
            "server": args.server, "nodes": args.nodes, "served_after_ms": served.as_secs_f64() * 1000.0,
            "diffs": diffs, "snapshots": snaps, "phases": rows,
        });
        writeln!(out, "{all:#}")?;
        return Ok(());
    }
    writeln!(
        out,
        "a follower of {} with {} nodes served {:.0?} after its start; the leader sent it {diffs} DIFF, {snaps} SNAP",
        args.server, args.nodes, served
    )?;
    writeln!(out, "{:<16} {:>8} {:>8} {:>8} {:>8}", "writes, ms", "count", "p50", "p99", "most")?;
    for (name, writes, p50, p99, most) in rows {
        writeln!(out, "{name:<16} {writes:8} {p50:8.2} {p99:8.2} {most:8.2}")?;
    }
    Ok(())
}

fn start(args: &Args) -> Result<Ensemble, Box<dyn Error>> {
    let millions = u32::try_from(args.nodes.div_ceil(1_000_000))?;
    let program = match args.server.as_str() {
        "zabra" => zabra_program()?,
        "genuine" => {
            Genuine::find()?.program(&JvmOptions::production(HEAP_MIB + millions * HEAP_PER_MILLION_MIB))
        }
        other => return Err(format!("{other:?} is neither zabra nor genuine").into()),
    };
    let mut server = ServerSpec::new(program).with("maxSessionTimeout", "60000");
    server.data_root.clone_from(&args.data_root);
    Ok(EnsembleSpec::new(server, 3).with("tickTime", "2000").start()?)
}

/// Writes one after the other: when each was sent, and how long it took.
fn write_on(client: &mut RawClient, running: &AtomicBool) -> io::Result<Vec<(Instant, Duration)>> {
    let mut writes = Vec::new();
    let request = RawRequest::set_data(NODE, Some(b"some hundred bytes or so"), -1);
    while running.load(SeqCst) {
        let sent = Instant::now();
        let reply = client.call(&request)?;
        if reply.err != 0 {
            return Err(io::Error::other(format!("a write was refused: {}", reply.err)));
        }
        writes.push((sent, sent.elapsed()));
        std::thread::sleep(PACE.saturating_sub(sent.elapsed()));
    }
    Ok(writes)
}

/// The DIFFs (and TRUNCs) and SNAPs that a leader has sent.
fn syncs(leader: SocketAddr) -> Result<(u64, u64), Box<dyn Error>> {
    let metrics = four_letter(leader, "mntr", FOUR_LETTER_TIMEOUT)?;
    let value = |name: &str| -> Result<u64, Box<dyn Error>> {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'));
        Ok(line.ok_or_else(|| format!("the leader has no metric {name}"))?.trim().parse()?)
    };
    Ok((value("zk_diff_count")?, value("zk_snap_count")?))
}
