//! Measures servers that speak the ZooKeeper protocol: one load, two servers side by side, many sessions at once,
//! snapshots amid a load, or the failover of an ensemble.
//!
//! The load comes from one thread that speaks the protocol itself, so that the generator costs little beside the server.
//! See `README.md` for what to run before believing a number.

mod compare;
mod contender;
mod engine;
mod failover;
mod measure;
mod paced;
mod rejoin;
mod row;
mod scale;
mod snapshots;
mod wire;
mod workload;

use clap::{Parser, Subcommand};
use contender::Source;
use row::{Drive, Row, drive, label};
use serde_json::json;
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use workload::{Op, Shape, prepare};

/// Measures ZooKeeper servers.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Put one load on one server.
    Run(RunArgs),
    /// Put the same loads on two servers in turn and print medians and ratios.
    Compare(compare::Args),
    /// Hold many sessions and watches.
    Scale(scale::Args),
    /// Find out what clients feel of snapshots.
    Snapshots(snapshots::Args),
    /// Kill the leaders of ensembles and measure how long they do not write.
    Failover(failover::Args),
    /// Restart a follower with a large tree and measure what writers feel.
    Rejoin(rejoin::Args),
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// genuine, zabra, or host:port.
    #[arg(long, default_value = "zabra")]
    server: String,
    /// The operation.
    #[arg(long, value_enum, default_value = "get")]
    op: Op,
    /// Connections.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Requests in flight on each connection.
    #[arg(long, default_value_t = 1)]
    depth: usize,
    /// Bytes of data in a node.
    #[arg(long, default_value_t = 100)]
    size: usize,
    /// Nodes that are read and set.
    #[arg(long, default_value_t = 1000)]
    nodes: usize,
    /// Reads in a hundred requests of a mix.
    #[arg(long, default_value_t = 90)]
    reads: usize,
    /// Seconds that do not count.
    #[arg(long, default_value_t = 3.0)]
    warm_up: f64,
    /// Seconds that count.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Where a server that is started keeps its data.
    #[arg(long)]
    data_root: Option<PathBuf>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut out = io::stdout();
    let result = match args.command {
        Command::Run(args) => run(&args, &mut out),
        Command::Compare(args) => compare::compare(args, &mut out),
        Command::Scale(args) => scale::scale(&args, &mut out),
        Command::Snapshots(args) => snapshots::snapshots(&args, &mut out),
        Command::Failover(args) => failover::failover(&args, &mut out),
        Command::Rejoin(args) => rejoin::rejoin(&args, &mut out),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &RunArgs, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let contender = Source::parse(&args.server)?.start(args.data_root.as_deref())?;
    let load = Drive {
        shape: Shape { op: args.op, nodes: args.nodes, data_len: args.size, reads: args.reads.min(100) },
        connections: args.connections,
        depth: args.depth,
        warm_up: Duration::from_secs_f64(args.warm_up),
        measure: Duration::from_secs_f64(args.seconds),
    };
    prepare(contender.addr, load.shape)?;
    let row = drive(contender.addr, contender.process(), &load)?;
    if args.json {
        let all = json!({ "server": contender.name, "row": label(&load), "result": row.json() });
        writeln!(out, "{all:#}")?;
    } else {
        writeln!(out, "{}\n{}", Row::HEAD, row.line(&label(&load)))?;
    }
    Ok(())
}
