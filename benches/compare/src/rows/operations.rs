//! Rows 1 to 5 on a single server: gets, sets, both, ephemeral nodes that come and go, multis.

use super::Part;
use super::load::Load;
use crate::Failure;
use crate::side::{Alone, HEAP_MIB, Side};
use crate::table::{Effort, Runner};
use std::collections::BTreeMap;
use std::time::Duration;
use zabra_load::{Drive, Op, Shape, drive, op_name, prepare};

/// The part of the table.
pub(super) const PART: Part = Part { name: "One server, its operations", rows: &[1, 2, 3, 4, 5], takes, run };

/// Warming up needs many connections, but no more requests in flight than the genuine server takes.
pub(super) const WARM_CONNECTIONS: usize = 16;
pub(super) const WARM_DEPTH: usize = 8;

const LOADS: [Load; 14] = [
    Load { cpu: Some(3.0), ..Load::new(1, Op::Get, 100, (64, 1), 2.5) },
    Load { cpu: Some(20.0), ..Load::new(1, Op::Get, 100, (16, 32), 10.0) },
    Load { cpu: Some(3.0), ..Load::new(1, Op::Get, 1024, (64, 1), 2.5) },
    Load { cpu: Some(20.0), ..Load::new(1, Op::Get, 1024, (16, 32), 10.0) },
    Load::new(2, Op::Set, 100, (1, 1), 1.7),
    Load::new(2, Op::Set, 100, (64, 1), 2.8),
    Load::new(2, Op::Set, 100, (64, 4), 4.5),
    Load::new(2, Op::Set, 1024, (1, 1), 1.7),
    Load::new(2, Op::Set, 1024, (64, 1), 2.8),
    Load::new(2, Op::Set, 1024, (64, 4), 4.5),
    Load { read_p99: Some(5.0), ..Load::new(3, Op::Mix, 100, (64, 4), 7.0) },
    Load::new(4, Op::Churn, 100, (64, 1), 4.0),
    Load::new(5, Op::Multi, 100, (16, 4), 6.0),
    Load { batch: 30, ..Load::new(5, Op::Multi, 100, (16, 4), 6.0) },
];

fn takes(effort: &Effort) -> Duration {
    effort.contests(LOADS.len() as u32, 2) + effort.warm_up * 5 + Duration::from_secs(25)
}

/// Who is measured: the floor knows nothing of other operations.
fn sides(op: Op) -> &'static [Side] {
    if matches!(op, Op::Get | Op::Set | Op::Mix) {
        &[Side::Genuine, Side::Zabra, Side::Floor]
    } else {
        &Side::SERVERS
    }
}

fn run(runner: &mut Runner<'_>) -> Result<(), Failure> {
    let effort = runner.effort();
    let loads: Vec<Load> = LOADS.into_iter().filter(|load| runner.wants(load.row)).collect();
    let mut servers = BTreeMap::new();
    for side in runner.sides(&Side::SERVERS) {
        let server = Alone::start(side, HEAP_MIB, &effort.data_root, 0)?;
        let mut warm = Vec::new();
        for load in &loads {
            // What differs in size only is the same code.
            if !warm.contains(&load.op) {
                runner.doing(&format!("warming {} with {}", side.name(), op_name(load.op)));
                warm_up(&server, side, load.shape(), effort)?;
                warm.push(load.op);
            }
        }
        servers.insert(side, server);
    }
    for load in &loads {
        if runner.sides(sides(load.op)).contains(&Side::Floor) {
            servers.insert(Side::Floor, Alone::start(Side::Floor, 0, &effort.data_root, load.data_len)?);
        }
        for server in servers.values() {
            prepare(server.addr(), load.shape())?;
        }
        runner.contest(&load.cases(None), sides(load.op), |side| {
            let server = servers.get(&side).ok_or("it was not started")?;
            load.round(&drive(server.addr(), &[server.process()?], &load.drive(effort))?)
        })?;
    }
    Ok(())
}

/// Drives a server until what it runs is compiled; ours is when it starts.
fn warm_up(server: &Alone, side: Side, shape: Shape, effort: &Effort) -> Result<(), Failure> {
    prepare(server.addr(), shape)?;
    let (warm_up, measure) = (effort.warm_up_of(side), Duration::from_millis(1));
    let load = Drive { shape, connections: WARM_CONNECTIONS, depth: WARM_DEPTH, warm_up, measure };
    drive(server.addr(), &[], &load)?;
    Ok(())
}
