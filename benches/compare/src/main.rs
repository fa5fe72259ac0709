//! Puts the genuine server and Zabra side by side: the table of all targets, and longer looks at single questions.
//!
//! The load comes from one thread that speaks the protocol itself, so that the generator costs little beside the server.
//! See `README.md` for what to run before believing a number.

mod audience;
mod contender;
mod failover;
mod floor;
mod growth;
mod rejoin;
mod rows;
mod scale;
mod side;
mod snapshots;
mod storm;
mod table;
mod waves;

use clap::{Parser, Subcommand};
use std::io::{self, Write};
use std::process::ExitCode;

/// Why something could not be measured.
type Failure = Box<dyn std::error::Error>;

/// Puts the genuine server and Zabra side by side.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure every target on both servers in turn, and print the table.
    Table(table::Args),
    /// Hold many sessions and watches.
    Scale(scale::Args),
    /// Let many clients come at once, come back after a restart, ping and hear of one change.
    Storm(storm::Args),
    /// Find out what clients feel of snapshots.
    Snapshots(snapshots::Args),
    /// Kill the leaders of ensembles and measure how long they do not write.
    Failover(failover::Args),
    /// Find out how cost grows, and from where on it is not linear.
    Growth(growth::Args),
    /// Restart a follower with a large tree and measure what writers feel.
    Rejoin(rejoin::Args),
    /// Serve as the floor of a table until stdin ends.
    #[command(hide = true)]
    Floor(floor::Args),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut out = io::stdout();
    let result = match args.command {
        Command::Table(args) => table::table(&args, &mut out),
        Command::Scale(args) => scale::scale(&args, &mut out),
        Command::Snapshots(args) => snapshots::snapshots(&args, &mut out),
        Command::Storm(args) => storm::run(&args, &mut out),
        Command::Failover(args) => failover::failover(&args, &mut out),
        Command::Growth(args) => growth::growth(&args, &mut out),
        Command::Rejoin(args) => rejoin::rejoin(&args, &mut out),
        Command::Floor(args) => floor::serve(&args, &mut out),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "compare: {error}");
            ExitCode::FAILURE
        }
    }
}
