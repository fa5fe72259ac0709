//! What is printed.

use std::io::{self, Write};

use crate::Failure;
use crate::crew::Library;
use crate::fight::Outcome;
use crate::scenario::Scenario;

/// How many of the same kind of broken promises are shown.
const SHOWN: usize = 6;

/// The report of a run, printed as it comes.
#[derive(Debug, Default)]
pub(crate) struct Report {
    passed: u32,
    failed: u32,
}

impl Report {
    /// Prints a row.
    pub(crate) fn add(
        &mut self,
        servers: &str,
        scenario: &Scenario,
        outcome: Outcome,
    ) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        if self.passed + self.failed == 0 {
            writeln!(
                out,
                "{:8} {:26} {:>6} {:>7} {:>6}  {:>5} {:>5} {:>7}  {:>11} {:>6} {:>5} {:>7}",
                "servers",
                "scenario",
                "rust",
                "curator",
                "kazoo",
                "cuts",
                "kills",
                "freezes",
                "events/turn",
                "errors",
                "stale",
                "excused"
            )?;
        }
        let Outcome { turns, happened, events_per_turn, stale, excused, errors, wrong, log, .. } = outcome;
        let turns = |library: Library| match turns.get(&library) {
            Some(turns) => turns.to_string(),
            None => "-".to_owned(),
        };
        writeln!(
            out,
            "{servers:8} {:26} {:>6} {:>7} {:>6}  {:>5} {:>5} {:>7}  {events_per_turn:>11.2} {errors:>6} {stale:>5} \
             {excused:>7}  {}",
            scenario.title(),
            turns(Library::Rust),
            turns(Library::Curator),
            turns(Library::Kazoo),
            happened.cuts,
            happened.kills,
            happened.freezes,
            if wrong.is_empty() { "ok" } else { "BROKEN" }
        )?;
        for what in wrong.iter().take(SHOWN) {
            writeln!(out, "    {what}")?;
        }
        if wrong.len() > SHOWN {
            writeln!(out, "    and {} more", wrong.len() - SHOWN)?;
        }
        for line in log.lines() {
            writeln!(out, "    > {line}")?;
        }
        *(if wrong.is_empty() { &mut self.passed } else { &mut self.failed }) += 1;
        Ok(())
    }

    /// Tells why a scenario says nothing, and is played again.
    pub(crate) fn again(&self, servers: &str, scenario: &Scenario, forgotten: &str) -> Result<(), Failure> {
        let mut out = io::stdout();
        Ok(writeln!(out, "{servers:8} {:26} again, as nobody got past {forgotten}", scenario.title())?)
    }

    /// The last line; whether all is well.
    pub(crate) fn finish(self) -> Result<bool, Failure> {
        let Self { passed, failed } = self;
        writeln!(io::stdout(), "{passed} passed, {failed} failed")?;
        if passed + failed == 0 {
            return Err("no scenario of that name".into());
        }
        Ok(failed == 0)
    }
}
