//! Ensembles of real processes.
//!
//! ```text
//! cargo run --release -p zabra-ensemble -- mixed
//! ```

mod agree;
mod client;
mod kind;
mod migrate;
mod mixed;
mod record;
mod tap;
mod tapped;
mod transcript;
mod tree;

use clap::{Parser, Subcommand};
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Ensembles of real processes, genuine servers and ours together.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try ensembles of both kinds of servers, in every role.
    Mixed(mixed::Args),
    /// Replace the servers of an ensemble one by one, from genuine to ours and back, under load.
    Migrate(migrate::Args),
    /// Write down what genuine servers say to each other.
    Record {
        /// Where to; what is there is replaced.
        #[arg(default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/quorum"))]
        folder: PathBuf,
    },
}

/// What ends a run.
type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    let outcome = match &Args::parse().command {
        Command::Mixed(args) => mixed::run(args),
        Command::Migrate(args) => migrate::run(args),
        Command::Record { folder } => record::run(folder).map(|()| true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "ensemble: {}", chain(&*error));
            ExitCode::from(2)
        }
    }
}

/// An error with everything that caused it.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
