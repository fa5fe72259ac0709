//! Measures servers that speak the ZooKeeper protocol: two servers side by side, many sessions at once,
//! snapshots amid a load, or the failover of an ensemble.
//!
//! The load comes from one thread that speaks the protocol itself, so that the generator costs little beside the server.
//! See `README.md` for what to run before believing a number.

mod compare;
mod contender;
mod failover;
mod rejoin;
mod scale;
mod snapshots;
mod storm;

use clap::{Parser, Subcommand};
use std::io::{self, Write};
use std::process::ExitCode;

/// Measures ZooKeeper servers.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Put the same loads on two servers in turn and print medians and ratios.
    Compare(compare::Args),
    /// Hold many sessions and watches.
    Scale(scale::Args),
    /// Let many clients come at once, come back after a restart, ping and hear of one change.
    Storm(storm::Args),
    /// Find out what clients feel of snapshots.
    Snapshots(snapshots::Args),
    /// Kill the leaders of ensembles and measure how long they do not write.
    Failover(failover::Args),
    /// Restart a follower with a large tree and measure what writers feel.
    Rejoin(rejoin::Args),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut out = io::stdout();
    let result = match args.command {
        Command::Compare(args) => compare::compare(args, &mut out),
        Command::Scale(args) => scale::scale(&args, &mut out),
        Command::Snapshots(args) => snapshots::snapshots(&args, &mut out),
        Command::Storm(args) => storm::run(&args, &mut out),
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
