//! The `zabra` program: arguments, wiring, exit codes. One module per command.

mod ask;
mod bench;
mod cli;
mod data;
mod digest;
mod ensemble;
mod exit;
mod files;
mod java_time;
mod logging;
mod probe;
mod server;
mod shell;
mod status;
mod stdio;
mod voice;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let outcome = match cli.command {
        cli::Command::Server(arguments) => server::run(&arguments),
        cli::Command::Bench(command) => bench::run(&command),
        cli::Command::Ensemble(command) => ensemble::run(&command),
        cli::Command::Status(arguments) => status::run(&arguments),
        cli::Command::Shell(arguments) => shell::run(&arguments.words),
        cli::Command::Ask(arguments) => ask::run(&arguments),
        cli::Command::Digest(arguments) => digest::run(&arguments),
        cli::Command::Data(command) => data::run(&command),
        cli::Command::Version => {
            stdio::print(&format!("Apache ZooKeeper, version {}", zabra_server::release()))
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
