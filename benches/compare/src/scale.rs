//! Many sessions and watches held at once: what they cost, and what the server still does beside them.

use crate::contender::Source;
use crate::waves::{Once, WAVE_DEPTH, in_waves};
use serde_json::json;
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use zabra_load::requests::{self, create, set};
use zabra_load::{
    Class, Drive, Engine, Handshake, Op, Percentiles, Queue, Shape, Until, Workload, connect, drive,
    fill_flat, micros, node, put_request,
};
use zabra_proto::Request;

/// Nodes the watches are spread over.
const WATCHED_NODES: usize = 10_000;
/// The node every session watches.
const COMMON: &str = "/bench/common";

/// What to hold.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// genuine, zabra, or host:port.
    #[arg(long, default_value = "zabra")]
    server: String,
    /// Sessions.
    #[arg(long, default_value_t = 5000)]
    sessions: usize,
    /// Watches, spread over the sessions and over ten thousand nodes.
    #[arg(long, default_value_t = 100_000)]
    watches: usize,
    /// Where a server that is started keeps its data.
    #[arg(long)]
    data_root: Option<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// Runs it and prints what was measured.
pub(crate) fn scale(args: &Args, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let contender = Source::parse(&args.server)?.start(args.data_root.as_deref())?;
    let addr = contender.addr;
    let process = contender.process().ok_or("the server's process is not known")?;
    fill_flat(addr, WATCHED_NODES)?;
    fill_flat_one(addr)?;
    let memory_before = process.resident()?;

    progress("connecting");
    let (begun, cpu) = (Instant::now(), process.cpu()?);
    let handshake = Handshake { timeout_ms: 3_600_000, at_once: 32 };
    let streams = connect(addr, args.sessions, handshake)?;
    let connecting = begun.elapsed();
    let cpu_connecting = process.cpu()?.saturating_sub(cpu);
    let memory_sessions = process.resident()?;

    progress("setting watches");
    let mut held = Engine::over(streams, WAVE_DEPTH)?;
    let per_session = args.watches / args.sessions.max(1);
    let (begun, cpu) = (Instant::now(), process.cpu()?);
    in_waves(&mut held, args.sessions, &mut SetWatches { per_session, sent: vec![0; args.sessions] })?;
    let watching = begun.elapsed();
    let cpu_watching = process.cpu()?.saturating_sub(cpu);
    let memory_watches = process.resident()?;

    progress("pinging");
    let pings = in_waves(&mut held, args.sessions, &mut Once::new(args.sessions, vec![Request::Ping]))?;
    let shape = Shape { nodes: WATCHED_NODES, data_len: 0, ..Shape::of(Op::Get) };
    let beside = |op| {
        let load = Drive {
            shape: Shape { op, ..shape },
            connections: 1,
            depth: 1,
            warm_up: Duration::from_secs(1),
            measure: Duration::from_secs(3),
        };
        drive(addr, &[process], &load)
    };
    let (get, ping) = (beside(Op::Get)?, beside(Op::Ping)?);

    progress("one set seen by all");
    let watch = requests::get(COMMON, true);
    in_waves(&mut held, args.sessions, &mut Once::new(args.sessions, vec![watch]))?;
    let cpu = process.cpu()?;
    let mut writer = Engine::connect(addr, 1, 1)?;
    let begun = Instant::now();
    let set = set(COMMON, b"new");
    writer.run(&mut Queue { requests: std::iter::once(set) }, Until::Done, || ())?;
    held.wait_events(args.sessions as u64, Duration::from_secs(30))?;
    let fan_out = begun.elapsed();
    let cpu_fan_out = process.cpu()?.saturating_sub(cpu);

    let watches = per_session * args.sessions;
    let each = |bytes: u64, before: u64, count: usize| (bytes as f64 - before as f64) / count.max(1) as f64;
    let (session_bytes, watch_bytes) =
        (each(memory_sessions, memory_before, args.sessions), each(memory_watches, memory_sessions, watches));
    let cpu_each = |cpu: Duration, count: usize| micros(cpu.div_f64(count.max(1) as f64));
    if args.json {
        let all = json!({
            "server": contender.name,
            "sessions": args.sessions,
            "watches": watches,
            "connect_seconds": connecting.as_secs_f64(),
            "cpu_us_per_session": cpu_each(cpu_connecting, args.sessions),
            "bytes_per_session": session_bytes.round(),
            "watch_seconds": watching.as_secs_f64(),
            "cpu_us_per_watch": cpu_each(cpu_watching, watches),
            "bytes_per_watch": watch_bytes.round(),
            "resident_bytes": memory_watches,
            "ping_of_every_session": Percentiles::of(&pings).json(),
            "get_beside": get.json(),
            "ping_beside": ping.json(),
            "fan_out_ms": fan_out.as_secs_f64() * 1000.0,
            "cpu_us_per_event": cpu_each(cpu_fan_out, args.sessions),
        });
        writeln!(out, "{all:#}")?;
        return Ok(());
    }
    let all_pings = Percentiles::of(&pings);
    writeln!(out, "{}: {} sessions, {watches} watches", contender.name, args.sessions)?;
    writeln!(
        out,
        "  connecting        {:.2} s, {:.1} us CPU a session, {session_bytes:.0} B a session",
        connecting.as_secs_f64(),
        cpu_each(cpu_connecting, args.sessions)
    )?;
    writeln!(
        out,
        "  setting watches   {:.2} s, {:.2} us CPU a watch, {watch_bytes:.0} B a watch",
        watching.as_secs_f64(),
        cpu_each(cpu_watching, watches)
    )?;
    writeln!(out, "  memory            {} MiB", memory_watches >> 20)?;
    writeln!(
        out,
        "  a ping from each  p50 {:.0} us, p99 {:.0} us, last {:.0} us",
        micros(all_pings.p50),
        micros(all_pings.p99),
        micros(all_pings.max)
    )?;
    for (name, row) in [("get", &get), ("ping", &ping)] {
        writeln!(
            out,
            "  {name:<4} beside them  p50 {:.1} us, p99 {:.1} us, p99.9 {:.1} us",
            micros(row.latency.p50),
            micros(row.latency.p99),
            micros(row.latency.p999)
        )?;
    }
    writeln!(
        out,
        "  one set seen by all in {:.1} ms, {:.1} us CPU an event",
        fan_out.as_secs_f64() * 1000.0,
        cpu_each(cpu_fan_out, args.sessions)
    )?;
    Ok(())
}

/// Says on stderr what takes its time.
fn progress(doing: &str) {
    let _ = writeln!(io::stderr(), "{doing} ...");
}

fn fill_flat_one(addr: std::net::SocketAddr) -> io::Result<()> {
    let mut engine = Engine::connect(addr, 1, 1)?;
    engine.run(&mut Queue { requests: std::iter::once(create(COMMON, b"old", 0)) }, Until::Done, || ())?;
    Ok(())
}

/// Each session watches its share of the nodes.
struct SetWatches {
    per_session: usize,
    sent: Vec<usize>,
}

impl Workload for SetWatches {
    fn next(&mut self, connection: usize, xid: i32, out: &mut Vec<u8>) -> Option<Class> {
        let sent = &mut self.sent[connection];
        if *sent == self.per_session {
            return None;
        }
        let watched = (connection * self.per_session + *sent) % WATCHED_NODES;
        *sent += 1;
        put_request(out, xid, &requests::get(node(watched), true));
        Some(Class::Read)
    }
}
