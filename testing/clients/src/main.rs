//! Client libraries side by side on the same work: ours, the Java client, the C client, kazoo and the crate
//! `zookeeper-client`.
//!
//! ```text
//! cargo run --release --manifest-path testing/clients/Cargo.toml
//! ```

mod compare;
mod programs;
mod rust;
mod work;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::work::{Load, Op};

/// Measures client libraries beside one another.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    compare: compare::Args,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One load by one of the Rust clients, as the comparison starts it.
    #[command(hide = true)]
    Load {
        /// `zabra` or `zookeeper-client`.
        library: String,
        hosts: String,
        #[arg(value_parser = Op::parse)]
        op: Op,
        sessions: usize,
        depth: usize,
        warm_up_ms: u64,
        measured_ms: u64,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match args.command {
        None => compare::run(&args.compare),
        Some(Command::Load { library, hosts, op, sessions, depth, warm_up_ms, measured_ms }) => {
            let load = Load {
                op,
                sessions,
                depth,
                warm_up: Duration::from_millis(warm_up_ms),
                measured: Duration::from_millis(measured_ms),
            };
            one(&library, &hosts, load)
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "clients: {error}");
            ExitCode::FAILURE
        }
    }
}

fn one(library: &str, hosts: &str, load: Load) -> Result<(), Box<dyn Error>> {
    let line = match library {
        "zabra" => rust::run::<rust::Zabra>(hosts, load),
        _ => rust::run::<rust::Other>(hosts, load),
    };
    let line = line.map_err(|error| error as Box<dyn Error>)?;
    Ok(writeln!(io::stdout(), "{line}")?)
}
