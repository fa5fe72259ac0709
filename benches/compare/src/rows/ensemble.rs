//! Row 13, and row 4 with three servers: ensembles of the genuine server and of Zabra, through the leader and through a
//! follower. Processor time is that of all three servers.

use super::Part;
use super::load::Load;
use super::operations::{WARM_CONNECTIONS, WARM_DEPTH};
use crate::Failure;
use crate::side::{HEAP_ENSEMBLE_MIB, Side};
use crate::table::{Effort, Runner, Target};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use zabra_load::{Drive, Op, Process, drive, drive_on, op_name, prepare, workload};
use zabra_testkit::{Ensemble, EnsembleSpec};

/// The part of the table.
pub(super) const PART: Part =
    Part { name: "Three servers, processor time of all", rows: &[4, 13], takes, run };

const SERVERS: u8 = 3;

const LOADS: [Load; 5] = [
    Load::new(13, Op::Set, 100, (1, 1), 1.8),
    Load::new(13, Op::Set, 100, (48, 1), 5.0),
    Load::new(13, Op::Set, 100, (48, 16), 7.0),
    Load { throughput: Target::Shown, cpu: Some(4.0), ..Load::new(13, Op::Get, 100, (48, 1), 1.0) },
    Load::new(4, Op::Churn, 100, (64, 1), 6.0),
];

/// Whom the clients ask.
#[derive(Clone, Copy, Debug)]
enum Through {
    Leader,
    Follower,
}

impl Through {
    const fn name(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
        }
    }
}

fn takes(effort: &Effort) -> Duration {
    effort.contests(LOADS.len() as u32 * 2, 2) + effort.warm_up * 3 + Duration::from_secs(30)
}

fn run(runner: &mut Runner<'_>) -> Result<(), Failure> {
    let effort = runner.effort();
    let loads: Vec<Load> = LOADS.into_iter().filter(|load| runner.wants(load.row)).collect();
    let mut ensembles = BTreeMap::new();
    for side in runner.sides(&Side::SERVERS) {
        runner.doing(&format!("starting three servers, {}", side.name()));
        // Ticks as in the sample configuration.
        let spec = side.spec(HEAP_ENSEMBLE_MIB, &effort.data_root)?;
        let ensemble = EnsembleSpec::new(spec, SERVERS).with("tickTime", "2000").start()?;
        let mut warm = Vec::new();
        for load in &loads {
            if !warm.contains(&load.op) {
                runner.doing(&format!("warming three servers, {}, with {}", side.name(), op_name(load.op)));
                warm_up(&ensemble, side, load, effort)?;
                warm.push(load.op);
            }
        }
        ensembles.insert(side, ensemble);
    }
    for load in &loads {
        for ensemble in ensembles.values() {
            prepare(address(ensemble, Through::Leader)?, load.shape())?;
        }
        for through in [Through::Leader, Through::Follower] {
            runner.contest(&load.cases(Some(through.name())), &Side::SERVERS, |side| {
                let ensemble = ensembles.get(&side).ok_or("it was not started")?;
                let addr = address(ensemble, through)?;
                load.round(&drive(addr, &processes(ensemble)?, &load.drive(effort))?)
            })?;
        }
    }
    Ok(())
}

/// Where the leader, or the first follower, serves just now.
fn address(ensemble: &Ensemble, through: Through) -> Result<SocketAddr, Failure> {
    let leader = ensemble.leader().ok_or("nobody leads")?;
    let asked = match through {
        Through::Leader => Some(leader),
        Through::Follower => ensemble.members().map(|member| member.id()).find(|&id| id != leader),
    };
    Ok(ensemble.server(asked.ok_or("there is no follower")?).addr())
}

fn processes(ensemble: &Ensemble) -> Result<Vec<Process>, Failure> {
    let pids = ensemble.members().map(|member| member.server().pid().map(Process::new));
    Ok(pids.collect::<Option<_>>().ok_or("a server does not run")?)
}

/// Drives leader and follower together.
fn warm_up(ensemble: &Ensemble, side: Side, load: &Load, effort: &Effort) -> Result<(), Failure> {
    let addrs = [address(ensemble, Through::Leader)?, address(ensemble, Through::Follower)?];
    prepare(addrs[0], load.shape())?;
    let drive_it = Drive {
        connections: WARM_CONNECTIONS,
        depth: WARM_DEPTH,
        warm_up: effort.warm_up_of(side),
        measure: Duration::from_millis(1),
        ..load.drive(effort)
    };
    drive_on(&addrs, &[], &drive_it, &mut workload(load.shape(), WARM_CONNECTIONS))?;
    Ok(())
}
