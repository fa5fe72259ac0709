//! The `zabra` program: arguments, wiring, exit codes. One module per command.

mod cli;
mod data;
mod ensemble;
mod exit;
mod logging;
mod probe;
mod server;
mod status;
mod stdio;
mod voice;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let outcome = match cli.command {
        cli::Command::Server(arguments) => server::run(&arguments),
        cli::Command::Ensemble(command) => ensemble::run(&command),
        cli::Command::Status(arguments) => status::run(&arguments),
        cli::Command::Data(cli::DataCommand::Repair(arguments)) => data::repair(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
