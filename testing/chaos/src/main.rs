//! A real ensemble, each server in a network namespace of its own, under kills, pauses, partitions, slow lines and full
//! disks, while clients work; and judges of what the clients saw.
//!
//! ```text
//! cargo run --release -p zabra-chaos -- --servers 5 --rounds 20 --seed 7
//! ```
//!
//! Needs root, iproute2 and Go (for the checker of linearizability). What happens when is the machine's affair; which
//! faults come in which order follows from the seed.

mod client;
mod connection;
mod fault;
mod judge;
mod lab;
mod member;
mod record;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use serde_json::json;
use zabra_proto::OpCode;
use zabra_testkit::{Body, Genuine, JvmOptions, Program, RawRequest, Rng, zabra_program};

use client::{Client, ROOT, SESSIONS, Shared, register};
use connection::{Connection, SESSION_TIMEOUT_MS};
use fault::{Fault, KINDS, Kind};
use lab::{Host, Lab};
use member::Member;
use record::{Inner, Outcome, Record};

/// A real ensemble under faults.
#[derive(Debug, Parser)]
struct Args {
    /// How many servers.
    #[arg(long, default_value_t = 3)]
    servers: usize,
    /// How many faults.
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// What the faults follow from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many clients.
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// Only these faults.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Kind>,
    /// Which servers: all Zabra, all genuine, or in turn.
    #[arg(long, value_enum, default_value = "zabra")]
    kind: EnsembleKind,
    /// Write a report in JSON there.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Keep the servers' directories.
    #[arg(long)]
    keep: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EnsembleKind {
    /// $ZABRA_BIN, else the release build of this checkout.
    Zabra,
    /// Apache ZooKeeper, as testing/interop/install installs it.
    Genuine,
    /// One of each in turn, Zabra first.
    Mixed,
}

/// How many registers the clients share.
const KEYS: usize = 6;
/// How long an ensemble without faults may take to acknowledge a write.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a fault lasts, in milliseconds.
const FAULT_MS: (usize, usize) = (1500, 6000);
/// Between two faults.
const CALM: Duration = Duration::from_millis(1500);
/// How long an abandoned session's node may stay beyond its timeout.
const EXPIRY_GRACE: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "chaos: {}", chain(&*error));
            ExitCode::from(2)
        }
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// What happened in one round.
struct Round {
    fault: String,
    lasted: Duration,
    silence: Duration,
}

fn run(args: &Args) -> Result<bool, Box<dyn Error>> {
    let lab = Lab::build(args.servers)?;
    let mut place = tempfile::Builder::new().prefix("zabra-chaos-").tempdir()?;
    place.disable_cleanup(args.keep);
    let mut members = Vec::new();
    for host in lab.hosts() {
        let home = place.path().join(format!("server-{host}"));
        members.push(Member::new(&lab, host, home, program(args.kind, host)?)?);
    }
    for member in &mut members {
        member.start(&lab)?;
    }
    let shared = Shared {
        servers: members.iter().map(Member::client_address).collect(),
        keys: KEYS,
        record: Record::begin(),
        running: AtomicBool::new(true),
    };
    let outcome = set_up(&shared).map_err(Box::from).and_then(|()| {
        std::thread::scope(|scope| {
            for number in 0..args.clients {
                let client = Client::new(&shared, number, args.seed);
                scope.spawn(move || client.run());
            }
            let rounds = faults(args, &lab, &mut members, &shared);
            shared.running.store(false, SeqCst);
            rounds
        })
    });
    let rounds = match outcome {
        Ok(rounds) => rounds,
        Err(error) => {
            tell_logs(&members);
            return Err(error);
        }
    };
    let mut faults = quiesce(&shared);
    let record = shared.record.with(|record| record.clone());
    faults.extend(record.violations.iter().cloned());
    faults.extend(judge::versions(&record));
    faults.extend(judge::ephemerals(&record));
    let checker = Path::new(env!("CARGO_MANIFEST_DIR")).join("check");
    faults.extend(judge::linearizability(&record, &checker)?);
    report(args, &rounds, &record, &faults)?;
    if !faults.is_empty() {
        tell_logs(&members);
    }
    Ok(faults.is_empty())
}

fn program(kind: EnsembleKind, host: Host) -> Result<Program, Box<dyn Error>> {
    let zabra = match kind {
        EnsembleKind::Zabra => true,
        EnsembleKind::Genuine => false,
        EnsembleKind::Mixed => host.0.is_multiple_of(2),
    };
    Ok(if zabra { zabra_program()? } else { Genuine::find()?.program(&JvmOptions::small()) })
}

/// Makes the nodes that the clients work on.
fn set_up(shared: &Shared) -> io::Result<()> {
    let mut paths = vec![ROOT.to_owned(), SESSIONS.to_owned()];
    paths.extend((0..KEYS).map(register));
    let done = |connection: &mut Connection| {
        paths.iter().all(|path| {
            let made = connection.call(&RawRequest::create(path, b"0", 0));
            made.is_ok_and(|reply| reply.err == 0 || reply.err == -110)
        })
    };
    until(shared, PROGRESS_TIMEOUT, done)
        .then_some(())
        .ok_or_else(|| io::Error::other(format!("the ensemble does not serve after {PROGRESS_TIMEOUT:?}")))
}

/// Tries something on one server after the other until it works.
fn until(shared: &Shared, within: Duration, mut done: impl FnMut(&mut Connection) -> bool) -> bool {
    let deadline = Instant::now() + within;
    let mut servers = shared.servers.iter().cycle();
    while Instant::now() < deadline {
        let mut connection = Connection::default();
        if let Some(&server) = servers.next()
            && connection.connect(server).is_ok()
            && done(&mut connection)
        {
            // Its session leaves no trace; whether the server hears of its end does not matter.
            let _ = connection.call(&RawRequest::bare(OpCode::CloseSession));
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

fn faults(
    args: &Args,
    lab: &Lab,
    members: &mut [Member],
    shared: &Shared,
) -> Result<Vec<Round>, Box<dyn Error>> {
    let mut rng = Rng::new(args.seed);
    let kinds = if args.only.is_empty() { KINDS.to_vec() } else { args.only.clone() };
    let mut rounds = Vec::new();
    for number in 1..=args.rounds {
        std::thread::sleep(CALM);
        let begun = shared.record.now();
        let fault = Fault::begin(*rng.pick(&kinds), lab, members, &mut rng)?;
        let name = fault.to_string();
        let (least, most) = FAULT_MS;
        let lasted = Duration::from_millis((least + rng.below(most - least)) as u64);
        std::thread::sleep(lasted);
        fault.end(lab, members)?;
        await_progress(shared, &name)?;
        let ended = shared.record.now();
        let silence = shared.record.with(|record| record.longest_silence(begun, ended));
        writeln!(
            io::stderr(),
            "{number:3} {name:<24} for {:4.1} s, no write acknowledged for {:4.1} s",
            lasted.as_secs_f64(),
            silence.as_secs_f64()
        )?;
        rounds.push(Round { fault: name, lasted, silence });
    }
    Ok(rounds)
}

/// After a fault: a write that began now is acknowledged, and every server serves.
fn await_progress(shared: &Shared, fault: &str) -> Result<(), Box<dyn Error>> {
    let from = shared.record.now();
    let deadline = Instant::now() + PROGRESS_TIMEOUT;
    let is_done = |record: &mut Inner| {
        record.ops.iter().rev().any(|op| op.call > from && matches!(op.outcome, Outcome::Done { .. }))
    };
    while !shared.record.with(is_done) {
        if Instant::now() > deadline {
            return Err(format!("no write was acknowledged for {PROGRESS_TIMEOUT:?} after: {fault}").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    for &server in &shared.servers {
        let serves = || Connection::default().connect(server).is_ok();
        while !serves() {
            if Instant::now() > deadline {
                return Err(format!("{server} does not serve {PROGRESS_TIMEOUT:?} after: {fault}").into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

/// After all clients are gone: all servers show the same registers, and abandoned sessions end.
fn quiesce(shared: &Shared) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut seen: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for &server in &shared.servers {
        let mut connection = Connection::default();
        if let Err(error) = connection.connect(server) {
            wrong.push(format!("{server} does not serve in the end: {error}"));
            continue;
        }
        for key in 0..KEYS {
            let path = register(key);
            let synced = connection.call(&RawRequest::path(OpCode::Sync, &path));
            let read = connection.call(&RawRequest::read(OpCode::GetData, &path, false));
            match (synced, read) {
                (Ok(_), Ok(reply)) => seen.entry(key).or_default().push(format!("{:?}", reply.body)),
                (Err(error), _) | (_, Err(error)) => wrong.push(format!("{server} {path}: {error}")),
            }
        }
    }
    for (key, states) in seen {
        if states.windows(2).any(|pair| pair[0] != pair[1]) {
            wrong.push(format!("the servers differ in register {key}: {states:?}"));
        }
    }
    let patience = Duration::from_millis(SESSION_TIMEOUT_MS as u64) + EXPIRY_GRACE;
    let gone = until(shared, patience, |connection| {
        let synced = connection.call(&RawRequest::path(OpCode::Sync, SESSIONS));
        let listed = connection.call(&RawRequest::read(OpCode::GetChildren, SESSIONS, false));
        synced.is_ok()
            && listed.is_ok_and(|reply| matches!(&reply.body, Body::Names(Some(names)) if names.is_empty()))
    });
    if !gone {
        wrong.push(format!("ephemeral nodes of abandoned sessions are still there after {patience:?}"));
    }
    wrong
}

fn report(args: &Args, rounds: &[Round], record: &Inner, faults: &[String]) -> io::Result<()> {
    let count = |wanted: fn(&Outcome) -> bool| record.ops.iter().filter(|op| wanted(&op.outcome)).count();
    let done = count(|outcome| matches!(outcome, Outcome::Done { .. }));
    let unknown = count(|outcome| *outcome == Outcome::Unknown);
    let mut silences: Vec<_> = rounds.iter().map(|round| round.silence).collect();
    silences.sort_unstable();
    let mut out = io::stdout();
    writeln!(
        out,
        "{} servers, {} faults, seed {}: {} operations, {done} done, {unknown} with unknown outcome; {} sessions, \
         {} listings, {} events; longest time without an acknowledged write: median {:.1?}, most {:.1?}",
        args.servers,
        rounds.len(),
        args.seed,
        record.ops.len(),
        record.sessions.len(),
        record.listings.len(),
        record.events,
        silences.get(silences.len() / 2).copied().unwrap_or_default(),
        silences.last().copied().unwrap_or_default(),
    )?;
    for fault in faults {
        writeln!(out, "WRONG: {fault}")?;
    }
    writeln!(out, "{}", if faults.is_empty() { "passed" } else { "FAILED" })?;
    if let Some(path) = &args.report {
        let rounds: Vec<_> = rounds
            .iter()
            .map(|round| {
                json!({
                    "fault": round.fault,
                    "lasted_ms": round.lasted.as_millis() as u64,
                    "no_write_acknowledged_ms": round.silence.as_millis() as u64,
                })
            })
            .collect();
        let report = json!({
            "servers": args.servers, "seed": args.seed, "kind": format!("{:?}", args.kind),
            "operations": record.ops.len(), "done": done, "unknown": unknown,
            "sessions": record.sessions.len(), "listings": record.listings.len(), "events": record.events,
            "rounds": rounds, "wrong": faults,
        });
        std::fs::write(path, format!("{report:#}\n"))?;
    }
    Ok(())
}

fn tell_logs(members: &[Member]) {
    for member in members {
        let mut err = io::stderr();
        let _ = writeln!(err, "--- end of the log of server {}\n{}", member.host(), member.log_tail(25));
    }
}
