//! `zabra ensemble`: an ensemble on this machine, for trying things out.

mod children;
mod layout;
mod report;
mod up;

pub(crate) use report::aligned;

use self::layout::{Layout, running};
use self::report::Row;
use crate::cli::{EnsembleCommand, EnsembleStatusArguments};
use crate::exit::{Code, Failure};
use crate::probe;
use crate::stdio::print;

/// Runs one of the commands.
pub(crate) fn run(command: &EnsembleCommand) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Code::Unexpected, format!("cannot start: {error}")))?;
    runtime.block_on(async {
        match command {
            EnsembleCommand::Up(arguments) => up::run(arguments).await,
            EnsembleCommand::Status(arguments) => status(arguments).await,
        }
    })
}

/// Asks every server of an ensemble how it is. Fails when the ensemble serves nobody, so that scripts can wait for it.
async fn status(arguments: &EnsembleStatusArguments) -> Result<(), Failure> {
    let layout = Layout::open(&arguments.dir)?;
    let pids = running(&layout);
    let mut rows = Vec::new();
    for member in &layout.members {
        let answer = probe::ask(&member.address()).await;
        rows.push(Row::of(member, pids.get(&member.id).copied(), &answer));
    }
    print(&if arguments.json {
        report::json(&layout, &rows).to_string()
    } else {
        report::table(&layout, &rows)
    })?;
    if report::serves(&layout, &rows) {
        Ok(())
    } else {
        Err(Failure::new(Code::Unexpected, "the ensemble does not serve clients"))
    }
}
