//! `zabra data`: snapshots and transaction logs, of servers that run or not.
//!
//! What the genuine toolkits print is an interface that scripts read, so it is printed here the same way, down to the
//! order of children; `tests/toolkits.rs` compares the two.

mod arguments;
mod compare;
mod export;
mod java_order;
mod log;
mod open;
mod purge;
mod repair;
mod snapshot;
mod summary;

pub(crate) use arguments::DataCommand;

use crate::exit::Failure;

/// Runs one of the commands.
pub(crate) fn run(command: &DataCommand) -> Result<(), Failure> {
    match command {
        DataCommand::Log(arguments) => log::run(arguments),
        DataCommand::Snapshot(arguments) => snapshot::run(arguments),
        DataCommand::Export(arguments) => export::run(arguments),
        DataCommand::Compare(arguments) => compare::run(arguments),
        DataCommand::Summary(arguments) => summary::run(arguments),
        DataCommand::Purge(arguments) => purge::run(arguments),
        DataCommand::Repair(arguments) => repair::run(arguments),
    }
}
