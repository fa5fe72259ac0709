//! Whether what is wrong is found.

use std::io::{self, Write};

use crate::crew::Library;
use crate::{Failure, RunArgs, Servers, Stage};

/// What a contender does wrong in which scenario, and a word of what must be said about it.
const CHEATS: &[(&str, &str, &str)] = &[
    ("lock calm", "lock", "beside"),
    ("lock calm", "fence", "entered"),
    ("lock calm", "herd", "a herd"),
    ("rwlock", "rwlock", "beside"),
    ("queue cuts", "queue-lose", "never taken"),
    ("queue cuts", "queue-double", "taken 2 times"),
    ("counter cuts", "counter", "as somebody else did"),
    ("barrier", "barrier", "passed"),
];

/// How often a cheat is tried: on a busy machine it may have no turn to cheat in.
const ATTEMPTS: usize = 3;

/// Lets a contender of kazoo cheat in every way, one after the other. True when each was noticed.
pub(crate) fn run(args: &RunArgs) -> Result<bool, Failure> {
    let servers = if args.servers == Servers::Genuine { Servers::Genuine } else { Servers::Zabra };
    let args = RunArgs { quick: true, ..args.clone() };
    let mut stage = Stage::set(&args, servers)?;
    let mut all = true;
    let mut out = io::stdout();
    for (number, &(title, cheat, expected)) in CHEATS.iter().enumerate() {
        let wanted = RunArgs { only: Some(title.to_owned()), ..args.clone() };
        let scenarios = wanted.scenarios(servers);
        let scenario = scenarios.first().ok_or("a scenario to cheat in")?;
        let sabotage = (format!("{}-1", Library::Kazoo.name()), cheat.to_owned());
        let mut caught = false;
        for attempt in 1..=ATTEMPTS {
            let outcome =
                stage.arena(&args, Some(sabotage.clone())).fight(scenario, 100 * attempt + number)?;
            if outcome.is_stuck {
                stage.restart_workers(&args)?;
            }
            if let Some(found) = outcome.wrong.iter().find(|wrong| wrong.contains(expected)) {
                writeln!(out, "found  {title:14} {cheat:14} {found}")?;
                caught = true;
                break;
            }
            let other = outcome.wrong.first();
            writeln!(out, "MISSED {title:14} {cheat:14} found only {other:?}")?;
        }
        all &= caught;
    }
    Ok(all)
}
