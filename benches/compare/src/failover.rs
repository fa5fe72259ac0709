//! How long an ensemble does not write when its leader is killed.
//!
//! A trial: all servers serve, and two clients write through two servers that do not lead. The leader gets SIGKILL. From
//! then on both clients do what they can to get one more write acknowledged, connecting again as often as they are turned
//! away. The first write that was sent after the kill and is acknowledged ends the trial.

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use zabra_load::{busy, fill};
use zabra_testkit::{
    Connected, Ensemble, EnsembleSpec, Genuine, JvmOptions, Program, RawClient, RawRequest, Received,
    ServerSpec, new_session_request, zabra_program,
};

/// Heap of a genuine server, and what a million nodes of 100 bytes need.
const HEAP_MIB: u32 = 256;
const HEAP_PER_MILLION_MIB: u32 = 1280;
/// The node that is written.
const NODE: &str = "/failover";
/// Writes on each connection before the kill, so that nothing is done for the first time after it.
const WARM_UP_WRITES: usize = 200;
/// Between two attempts to connect.
const RETRY_PAUSE: Duration = Duration::from_millis(1);
/// How long an answer is waited for before the attempt counts as failed.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a trial may take.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(60);

/// What is killed and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Ensembles, measured in turn: zabra, genuine, or mixed.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "zabra,genuine,mixed")]
    ensembles: Vec<Kind>,
    /// Servers of an ensemble.
    #[arg(long, default_value_t = 3)]
    servers: u8,
    /// Kills of a leader in each ensemble.
    #[arg(long, default_value_t = 20)]
    trials: usize,
    /// Nodes of 100 bytes in the tree.
    #[arg(long, default_value_t = 0)]
    nodes: usize,
    /// Where the servers keep their data.
    #[arg(long)]
    data_root: Option<PathBuf>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// What an ensemble is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Zabra servers
    Zabra,
    /// genuine servers
    Genuine,
    /// a genuine server for every two of Zabra
    Mixed,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Zabra => "zabra",
            Self::Genuine => "genuine",
            Self::Mixed => "mixed",
        }
    }
}

/// An ensemble and what was measured on it.
struct Subject {
    name: &'static str,
    ensemble: Ensemble,
    gaps: Vec<Duration>,
}

/// Runs it and prints what was measured.
pub(crate) fn failover(args: &Args, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let mut subjects = Vec::new();
    for &kind in &args.ensembles {
        writeln!(io::stderr(), "starting {}", kind.name())?;
        let ensemble = start(kind, args.servers, args.nodes, args.data_root.as_deref())?;
        subjects.push(Subject { name: kind.name(), ensemble, gaps: Vec::new() });
    }
    let (begun, busy_before) = (Instant::now(), busy()?);
    for number in 1..=args.trials {
        for subject in &mut subjects {
            let gap = trial(&mut subject.ensemble)?;
            subject.gaps.push(gap);
            writeln!(io::stderr(), "{number:3} {:<8} {:7.1} ms", subject.name, ms(gap))?;
        }
    }
    let load = (busy()? - busy_before).as_secs_f64() / begun.elapsed().as_secs_f64();
    for subject in &mut subjects {
        subject.gaps.sort_unstable();
    }
    if args.json {
        let rows: Vec<Value> = subjects.iter().map(Subject::json).collect();
        let all =
            json!({ "servers": args.servers, "nodes": args.nodes, "busy_cpus": load, "ensembles": rows });
        writeln!(out, "{all:#}")?;
        return Ok(());
    }
    writeln!(
        out,
        "leader killed, to the first acknowledged write; {} servers, {} nodes, {} trials, {load:.2} processors busy",
        args.servers, args.nodes, args.trials
    )?;
    writeln!(out, "{:<10} {:>10} {:>10} {:>10} {:>10}", "ms", "least", "median", "p95", "most")?;
    for subject in &subjects {
        let at = |share| ms(subject.at(share));
        writeln!(
            out,
            "{:<10} {:10.1} {:10.1} {:10.1} {:10.1}",
            subject.name,
            at(0.0),
            at(0.5),
            at(0.95),
            at(1.0)
        )?;
    }
    Ok(())
}

impl Subject {
    /// The gap below which this share of the gaps is; they are sorted.
    fn at(&self, share: f64) -> Duration {
        let last = self.gaps.len().saturating_sub(1);
        self.gaps.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
    }

    fn json(&self) -> Value {
        json!({
            "ensemble": self.name,
            "gaps_ms": self.gaps.iter().map(|&gap| ms(gap)).collect::<Vec<_>>(),
            "median_ms": ms(self.at(0.5)),
            "p95_ms": ms(self.at(0.95)),
        })
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Starts an ensemble with so many nodes of 100 bytes, and waits until it serves.
///
/// # Errors
/// It does not.
pub(crate) fn start(
    kind: Kind,
    servers: u8,
    nodes: usize,
    data_root: Option<&Path>,
) -> Result<Ensemble, Box<dyn Error>> {
    let millions = u32::try_from(nodes.div_ceil(1_000_000))?;
    let jvm = JvmOptions::production(HEAP_MIB + millions * HEAP_PER_MILLION_MIB);
    let genuine = || -> Result<Program, Box<dyn Error>> { Ok(Genuine::find()?.program(&jvm)) };
    let program = if kind == Kind::Genuine { genuine()? } else { zabra_program()? };
    let mut server = ServerSpec::new(program).with("maxSessionTimeout", "60000");
    server.data_root = data_root.map(Path::to_path_buf);
    // Ticks as in the sample configuration.
    let mut ensemble = EnsembleSpec::new(server, servers).with("tickTime", "2000").create()?;
    if kind == Kind::Mixed {
        for member in ensemble.members_mut().filter(|member| member.id() % 3 == 0) {
            member.set_program(genuine()?);
        }
    }
    ensemble.start()?;
    let leader = ensemble.wait_leader()?;
    let address = ensemble.server(leader).addr();
    let (mut client, _) = RawClient::connect(address, 10_000)?;
    client.call(&RawRequest::create(NODE, b"", 0))?;
    if nodes > 0 {
        fill(address, nodes, 100)?;
    }
    Ok(ensemble)
}

/// Kills the leader once everybody serves, and returns how long nothing was written.
///
/// # Errors
/// Nothing is written for a minute.
pub(crate) fn trial(ensemble: &mut Ensemble) -> Result<Duration, Box<dyn Error>> {
    ensemble.start()?;
    let leader = ensemble.wait_leader()?;
    let survivors: Vec<SocketAddr> = ensemble
        .members()
        .filter(|member| member.id() != leader)
        .take(2)
        .map(|member| member.server().addr())
        .collect();
    let mut clients = Vec::new();
    for &address in &survivors {
        let mut client = RawClient::connect(address, 10_000)?.0;
        for _ in 0..WARM_UP_WRITES {
            client.call(&RawRequest::set_data(NODE, Some(b"before"), -1))?;
        }
        clients.push((address, client));
    }
    let (sender, first) = mpsc::channel();
    ensemble.server_mut(leader).kill()?;
    let killed = Instant::now();
    for (address, client) in clients {
        let sender = sender.clone();
        std::thread::spawn(move || {
            if let Some(acknowledged) = write_again(address, client, killed) {
                // The other client may have been first, and nobody waits any more.
                let _ = sender.send(acknowledged);
            }
        });
    }
    let acknowledged = first
        .recv_timeout(TRIAL_TIMEOUT)
        .map_err(|_| format!("no write was acknowledged within {TRIAL_TIMEOUT:?} of the kill"))?;
    Ok(acknowledged.duration_since(killed))
}

/// Writes until a write is acknowledged, connecting again whenever it has to. When that was, unless it took too long.
fn write_again(address: SocketAddr, client: RawClient, killed: Instant) -> Option<Instant> {
    let mut client = Some(client);
    while killed.elapsed() < TRIAL_TIMEOUT {
        if client.is_none() {
            client = connect(address).ok();
        }
        match client.take().map(write) {
            Some(Ok(())) => return Some(Instant::now()),
            _ => std::thread::sleep(RETRY_PAUSE),
        }
    }
    None
}

fn connect(address: SocketAddr) -> io::Result<RawClient> {
    let mut client = RawClient::open(address)?;
    client.send_connect(&new_session_request(10_000))?;
    let Received::Frame(frame) = client.receive(ANSWER_TIMEOUT)? else {
        return Err(io::ErrorKind::ConnectionReset.into());
    };
    let accepted = Connected::decode(&frame).is_ok_and(|connected| connected.is_accepted());
    if accepted { Ok(client) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
}

fn write(mut client: RawClient) -> io::Result<()> {
    client.send(&RawRequest::set_data(NODE, Some(b"after"), -1))?;
    match client.receive(ANSWER_TIMEOUT)? {
        // xid, zxid, error
        Received::Frame(frame) if frame.get(12..16) == Some(&[0; 4]) => Ok(()),
        _ => Err(io::ErrorKind::ConnectionReset.into()),
    }
}
