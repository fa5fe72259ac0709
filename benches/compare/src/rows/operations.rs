//! Rows 1 to 5 on a single server: gets, sets, both, ephemeral nodes that come and go, multis.

use super::Part;
use crate::Failure;
use crate::side::{Alone, HEAP_MIB, Side};
use crate::table::{Case, Effort, Round, Runner, Target};
use std::collections::BTreeMap;
use std::time::Duration;
use zabra_load::{Drive, Op, Row, Shape, drive, micros, micros_exact, op_name, prepare};

/// The part of the table.
pub(super) const PART: Part = Part { name: "One server, its operations", rows: &[1, 2, 3, 4, 5], takes, run };

/// Warming up needs many connections, but no more requests in flight than the genuine server takes.
const WARM_CONNECTIONS: usize = 16;
const WARM_DEPTH: usize = 8;

/// A load and its targets.
#[derive(Clone, Copy, Debug)]
struct Load {
    row: u8,
    op: Op,
    data_len: usize,
    batch: usize,
    connections: usize,
    depth: usize,
    throughput: f64,
    /// Times less processor time for an operation.
    cpu: Option<f64>,
    /// Times sooner that 99 in a hundred reads are answered.
    read_p99: Option<f64>,
}

const fn load(
    row: u8,
    op: Op,
    data_len: usize,
    (connections, depth): (usize, usize),
    throughput: f64,
) -> Load {
    Load { row, op, data_len, batch: 10, connections, depth, throughput, cpu: None, read_p99: None }
}

const LOADS: [Load; 14] = [
    Load { cpu: Some(3.0), ..load(1, Op::Get, 100, (64, 1), 2.5) },
    Load { cpu: Some(20.0), ..load(1, Op::Get, 100, (16, 32), 10.0) },
    Load { cpu: Some(3.0), ..load(1, Op::Get, 1024, (64, 1), 2.5) },
    Load { cpu: Some(20.0), ..load(1, Op::Get, 1024, (16, 32), 10.0) },
    load(2, Op::Set, 100, (1, 1), 1.7),
    load(2, Op::Set, 100, (64, 1), 2.8),
    load(2, Op::Set, 100, (64, 4), 4.5),
    load(2, Op::Set, 1024, (1, 1), 1.7),
    load(2, Op::Set, 1024, (64, 1), 2.8),
    load(2, Op::Set, 1024, (64, 4), 4.5),
    Load { read_p99: Some(5.0), ..load(3, Op::Mix, 100, (64, 4), 7.0) },
    load(4, Op::Churn, 100, (64, 1), 4.0),
    load(5, Op::Multi, 100, (16, 4), 6.0),
    Load { batch: 30, ..load(5, Op::Multi, 100, (16, 4), 6.0) },
];

impl Load {
    fn shape(&self) -> Shape {
        Shape { data_len: self.data_len, batch: self.batch, ..Shape::of(self.op) }
    }

    /// Data is named by its length, a multi by that of the multi.
    fn name(&self) -> String {
        let what = match self.op {
            Op::Churn => "ephemeral create, delete".to_owned(),
            Op::Mix => format!("9:1 get:set {}", bytes(self.data_len)),
            Op::Multi => format!("multi of {}", self.batch),
            op => format!("{} {}", op_name(op), bytes(self.data_len)),
        };
        format!("{what} {}x{}", self.connections, self.depth)
    }

    fn cases(&self) -> Vec<Case> {
        let name = self.name();
        let mut cases = vec![Case::more(self.row, &name, "op/s", Target::Times(self.throughput))];
        if let Some(times) = self.cpu {
            cases.push(Case::less(self.row, format!("{name}, CPU"), "us/op", Target::Times(times)));
        }
        if let Some(times) = self.read_p99 {
            cases.push(Case::less(self.row, format!("{name}, read p99"), "us", Target::Times(times)));
        }
        cases
    }

    /// Figures for the cases, in their order.
    fn round(&self, row: &Row) -> Result<Round, Failure> {
        let mut values = vec![row.throughput];
        if self.cpu.is_some() {
            values.push(row.cpu_per_op.map_or(f64::NAN, micros_exact));
        }
        if self.read_p99.is_some() {
            values.push(micros(row.reads.p99));
        }
        round(row, values)
    }

    /// Who is measured: the floor only knows gets and sets.
    fn sides(&self) -> &'static [Side] {
        if matches!(self.op, Op::Get | Op::Set | Op::Mix) {
            &[Side::Genuine, Side::Zabra, Side::Floor]
        } else {
            &Side::SERVERS
        }
    }
}

fn bytes(len: usize) -> String {
    if len >= 1024 && len.is_multiple_of(1024) { format!("{} KiB", len / 1024) } else { format!("{len} B") }
}

/// A round of an ordinary measurement with these figures for the cases.
///
/// # Errors
/// The server answered with errors, so that its figures are not those of the operation.
pub(super) fn round(row: &Row, values: Vec<f64>) -> Result<Round, Failure> {
    if row.errors > 0 {
        return Err(format!("{} answers were errors", row.errors).into());
    }
    Ok(Round {
        values,
        cpu_us_per_op: row.cpu_per_op.map(micros_exact),
        foreign_cpus: Some(row.foreign_cpus),
        details: row.json(),
    })
}

fn takes(effort: &Effort) -> Duration {
    effort.contests(LOADS.len() as u32, 2) + effort.warm_up * 5 + Duration::from_secs(15)
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
        if runner.sides(load.sides()).contains(&Side::Floor) {
            servers.insert(Side::Floor, Alone::start(Side::Floor, 0, &effort.data_root, load.data_len)?);
        }
        for server in servers.values() {
            prepare(server.addr(), load.shape())?;
        }
        runner.contest(&load.cases(), load.sides(), |side| {
            let server = servers.get(&side).ok_or("it was not started")?;
            let drive_it = Drive {
                shape: load.shape(),
                connections: load.connections,
                depth: load.depth,
                warm_up: effort.settle,
                measure: effort.measure,
            };
            load.round(&drive(server.addr(), &[server.process()?], &drive_it)?)
        })?;
    }
    Ok(())
}

/// Drives a server until what it runs is compiled; ours is when it starts.
fn warm_up(server: &Alone, side: Side, shape: Shape, effort: &Effort) -> Result<(), Failure> {
    prepare(server.addr(), shape)?;
    let warm_up = if side == Side::Genuine { effort.warm_up } else { effort.settle };
    let measure = Duration::from_millis(1);
    let load = Drive { shape, connections: WARM_CONNECTIONS, depth: WARM_DEPTH, warm_up, measure };
    drive(server.addr(), &[], &load)?;
    Ok(())
}
