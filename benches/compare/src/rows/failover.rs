//! Row 12: from the kill of a leader to the next acknowledged write.

use super::Part;
use crate::Failure;
use crate::failover::{Kind, start, trial};
use crate::side::Side;
use crate::table::{Case, Effort, Round, Runner, Target};
use serde_json::json;
use std::time::Duration;

/// The part of the table.
pub(super) const PART: Part = Part { name: "A leader killed", rows: &[12], takes, run };

/// Milliseconds without writes: in ensembles of Zabra, and with a genuine server among them.
const ZABRA_MAX: f64 = 60.0;
const MIXED_MAX: f64 = 250.0;
const SERVERS: u8 = 3;

/// Kills in each ensemble; with a large tree each takes a server's long start.
fn trials(effort: &Effort, nodes: usize) -> usize {
    match (effort.quick, nodes) {
        (true, 0) => 3,
        (true, _) => 2,
        (false, 0) => 20,
        (false, _) => 5,
    }
}

fn takes(effort: &Effort) -> Duration {
    let millions = effort.nodes as f64 / 1e6;
    // Three kinds of ensembles: starting them, filling them, and a kill with all that comes back.
    let empty = 15.0 + 3.0 * 2.5 * trials(effort, 0) as f64;
    let filled = 15.0 + 90.0 * millions + 3.0 * (2.5 + 6.0 * millions) * trials(effort, effort.nodes) as f64;
    Duration::from_secs_f64(empty + filled)
}

fn run(runner: &mut Runner<'_>) -> Result<(), Failure> {
    for nodes in [0, runner.effort().nodes] {
        let tree = if nodes == 0 { "empty".to_owned() } else { format!("{nodes} nodes") };
        let alike = Case::less(12, format!("leader killed, {tree}"), "ms", Target::AtMost(ZABRA_MAX));
        kill(runner, nodes, alike, &Side::SERVERS, |side| {
            if side == Side::Genuine { Kind::Genuine } else { Kind::Zabra }
        })?;
        let mixed = Case::less(12, format!("leader killed, {tree}, mixed"), "ms", Target::AtMost(MIXED_MAX));
        kill(runner, nodes, mixed, &[Side::Zabra], |_| Kind::Mixed)?;
    }
    Ok(())
}

/// Kills the leaders of ensembles in turn. One that fails is begun anew.
fn kill(
    runner: &mut Runner<'_>,
    nodes: usize,
    case: Case,
    sides: &[Side],
    kind: impl Fn(Side) -> Kind,
) -> Result<(), Failure> {
    let effort = runner.effort();
    let mut ensembles = std::collections::BTreeMap::new();
    runner.contest_of(trials(effort, nodes), &[case], sides, |side, _| {
        let mut ensemble = match ensembles.remove(&side) {
            Some(running) => running,
            None => start(kind(side), SERVERS, nodes, Some(&effort.data_root))?,
        };
        let gap = trial(&mut ensemble)?;
        ensembles.insert(side, ensemble);
        Ok(Round {
            values: vec![gap.as_secs_f64() * 1e3],
            cpu_us_per_op: None,
            foreign_cpus: None,
            details: json!({ "ensemble": kind(side).name() }),
        })
    })
}
