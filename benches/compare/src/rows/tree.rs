//! Rows 9 and 10: the memory of a large tree, and how soon a server that starts with it answers.

use super::Part;
use crate::Failure;
use crate::side::{Alone, HEAP_MIB, Side};
use crate::table::{Case, Effort, Meter, Round, Runner, Target};
use serde_json::json;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use zabra_load::requests::get;
use zabra_load::{Engine, Layout, Queue, Until, fill_as, first_back};
use zabra_types::SessionId;

/// The part of the table.
pub(super) const PART: Part = Part { name: "A large tree", rows: &[9, 10], takes, run };

/// Resident memory of a node, over that of an empty server.
const BYTES_MAX: f64 = 220.0;
/// From the start of the process to the first read.
const START_TIMES: f64 = 10.0;
const START_SECONDS_MAX: f64 = 0.5;
const SESSION_TIMEOUT_MS: i32 = 30_000;

/// A tree.
#[derive(Clone, Copy, Debug)]
struct Shape {
    name: &'static str,
    layout: Layout,
    data_len: usize,
}

const SHAPES: [Shape; 2] = [
    Shape { name: "100 B", layout: Layout::Short, data_len: 100 },
    Shape { name: "115 B paths, 46 B", layout: Layout::Long, data_len: 46 },
];

fn takes(effort: &Effort) -> Duration {
    // A million nodes: filling, two starts, and the rounds of starting.
    let millions = effort.nodes as f64 / 1e6;
    let each = 8.0 + millions * (40.0 + 8.0 * effort.rounds as f64);
    Duration::from_secs_f64(each * SHAPES.len() as f64)
}

fn run(runner: &mut Runner<'_>) -> Result<(), Failure> {
    SHAPES.into_iter().try_for_each(|shape| measure(runner, shape))
}

fn measure(runner: &mut Runner<'_>, shape: Shape) -> Result<(), Failure> {
    let effort = runner.effort();
    let nodes = effort.nodes;
    let mut servers = BTreeMap::new();
    let name = |what: &str| format!("{nodes} of {}, {what}", shape.name);
    let memory = [
        Case::less(9, name("filled"), "B/node", Target::AtMost(BYTES_MAX)),
        Case::less(9, name("restarted"), "B/node", Target::AtMost(BYTES_MAX)),
    ];
    // Filling is the same each time, and takes long.
    runner.contest_of(1, &memory, &Side::SERVERS, |side, _| {
        let mut server = Alone::start(side, HEAP_MIB, &effort.data_root, 0)?;
        let empty = server.process()?.resident()?;
        fill_as(server.addr(), shape.layout, nodes, shape.data_len)?;
        let filled = server.process()?.resident()?;
        server.restart()?;
        let restarted = server.process()?.resident()?;
        servers.insert(side, server);
        let each = |bytes: u64| (bytes as f64 - empty as f64) / nodes as f64;
        Ok(Round {
            values: vec![each(filled), each(restarted)],
            cpu_us_per_op: None,
            foreign_cpus: None,
            details: json!({ "empty_bytes": empty, "filled_bytes": filled, "restarted_bytes": restarted }),
        })
    })?;
    if !runner.wants(10) {
        return Ok(());
    }
    let start = [
        Case::less(10, name("start"), "s", Target::Times(START_TIMES)),
        Case::less(10, name("start"), "s", Target::AtMost(START_SECONDS_MAX)),
        Case::less(10, name("start, CPU"), "s", Target::Shown),
    ];
    runner.contest(&start, &Side::SERVERS, |side| {
        let server = servers.get_mut(&side).ok_or("it was not started")?;
        server.stop()?;
        let meter = Meter::start()?;
        server.spawn()?;
        let begun = Instant::now();
        first_read(server.addr(), &shape.layout.node(nodes - 1))?;
        let took = begun.elapsed().as_secs_f64();
        let cpu = server.process()?.cpu()?;
        let foreign_cpus = Some(meter.foreign_cpus(cpu)?);
        // What it still does once it serves is not to be part of the next round.
        server.wait_serving()?;
        Ok(Round {
            values: vec![took, took, cpu.as_secs_f64()],
            cpu_us_per_op: None,
            foreign_cpus,
            details: json!({ "resident_bytes": server.process()?.resident()? }),
        })
    })
}

/// Asks a server that starts until it answers.
fn first_read(addr: SocketAddr, path: &str) -> io::Result<()> {
    let stream = first_back(addr, SessionId::NONE, SESSION_TIMEOUT_MS)?;
    let mut engine = Engine::over(vec![stream], 1)?;
    let read = std::iter::once(get(path, false));
    let sample = engine.run(&mut Queue { requests: read }, Until::Done, || ())?;
    if sample.errors > 0 { Err(io::Error::other(format!("{path} is not there"))) } else { Ok(()) }
}
