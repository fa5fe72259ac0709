//! Nodes in the tree.

use super::bench::{Bench, Target, cpu_us, process};
use super::curve::Column;
use super::{Dimension, Extent, Figures, Subject};
use crate::Failure;
use crate::side::Side;
use std::time::Instant;
use zabra_load::{Op, Process, Shape, Spread, fill, prepare};
use zabra_testkit::ServerProcess;

/// Bytes of data in each.
const DATA_LEN: usize = 100;
const CONNECTIONS: usize = 16;
const DEPTH: usize = 8;

pub(super) struct Nodes;

struct Measured {
    server: ServerProcess,
    target: Target,
    nodes: usize,
    filled_bytes: f64,
    restarted_bytes: f64,
    restart_seconds: f64,
}

impl Dimension for Nodes {
    fn name(&self) -> &'static str {
        "nodes"
    }

    fn method(&self) -> String {
        format!(
            "{DATA_LEN} B in each, a thousand in a directory; {CONNECTIONS} connections, {DEPTH} in flight each, all over \
             the tree; RSS over that of the empty server"
        )
    }

    fn columns(&self) -> &'static [Column] {
        const {
            &[
                Column::cost("get CPU us/op", 2),
                Column::cost("set CPU us/op", 2),
                Column::cost("create CPU us/op", 2),
                Column::cost("RSS B/node", 0),
                Column::cost("RSS B/node restarted", 0),
                Column::shown("restart s", 3),
                Column::cost("restart us/node", 2),
            ]
        }
    }

    fn sizes(&self, extent: Extent) -> Vec<u64> {
        let mut sizes = vec![10_000, 100_000];
        if !extent.quick {
            sizes.push(1_000_000);
        }
        if extent.large {
            sizes.push(10_000_000);
        }
        sizes
    }

    fn set_up(&self, bench: &Bench, side: Side, size: u64) -> Result<Box<dyn Subject>, Failure> {
        let nodes = usize::try_from(size)?;
        // A million nodes are some 420 MB of live heap.
        let heap_gib = 1 + u32::try_from(size / 1_000_000)?;
        let mut server = bench.spec(side, heap_gib)?.start()?;
        let empty = process(&server)?.resident()? as f64;
        fill(server.addr(), nodes, DATA_LEN)?;
        let filled = process(&server)?.resident()? as f64;
        server.stop()?;
        let begun = Instant::now();
        server.start()?;
        let restart_seconds = begun.elapsed().as_secs_f64();
        let restarted = process(&server)?.resident()? as f64;
        // The directory of new nodes.
        prepare(server.addr(), Shape { nodes: 0, ..Shape::of(Op::Create) })?;
        let target = Target::of(&server, CONNECTIONS, DEPTH)?;
        let measured = Measured {
            target,
            nodes,
            filled_bytes: (filled - empty) / size as f64,
            restarted_bytes: (restarted - empty) / size as f64,
            restart_seconds,
            server,
        };
        for read_percent in [100, 0] {
            let mut spread = Spread::new(nodes, read_percent, DATA_LEN);
            measured.target.drive_with(Op::Mix, bench.warm_up(side), &mut spread)?;
        }
        measured.target.drive(Shape::of(Op::Create), bench.warm_up(side) / 4)?;
        Ok(Box::new(measured))
    }
}

impl Subject for Measured {
    fn processes(&self) -> Vec<Process> {
        process(&self.server).into_iter().collect()
    }

    fn round(&mut self, bench: &Bench) -> Result<Figures, Failure> {
        let over = |reads| {
            let mut spread = Spread::new(self.nodes, reads, DATA_LEN);
            self.target.drive_with(Op::Mix, bench.measure, &mut spread)
        };
        let (get, set) = (over(100)?, over(0)?);
        let create = self.target.drive(Shape::of(Op::Create), bench.measure / 2)?;
        Ok(vec![
            cpu_us(&get),
            cpu_us(&set),
            cpu_us(&create),
            Some(self.filled_bytes),
            Some(self.restarted_bytes),
            Some(self.restart_seconds),
            Some(self.restart_seconds * 1e6 / self.nodes as f64),
        ])
    }
}
