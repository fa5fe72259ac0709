//! Bytes of data in a node.

use super::bench::{Bench, Target, cpu_us, process};
use super::curve::Column;
use super::{Dimension, Extent, Figures, Subject};
use crate::Failure;
use crate::side::Side;
use zabra_load::{Op, Process, Row, Shape, prepare};
use zabra_testkit::ServerProcess;

const CONNECTIONS: usize = 16;
/// Nodes, and the most bytes all of them together have.
const NODES: usize = 1000;
const TREE_LEN: usize = 64 << 20;

pub(super) struct Values;

struct Measured {
    server: ServerProcess,
    target: Target,
    shape: Shape,
}

impl Dimension for Values {
    fn name(&self) -> &'static str {
        "values"
    }

    fn method(&self) -> String {
        format!(
            "{CONNECTIONS} connections, one request in flight each; jute.maxbuffer as shipped (1 MiB) ends the curve: a \
             frame may be no longer; the cost is that of a MiB"
        )
    }

    fn columns(&self) -> &'static [Column] {
        const {
            &[
                Column::shown("get ops/s", 0),
                Column::shown("get CPU us/op", 2),
                Column::rate("get MiB/s", 1),
                Column::cost("get CPU us/MiB", 0),
                Column::shown("set ops/s", 0),
                Column::shown("set CPU us/op", 2),
                Column::rate("set MiB/s", 1),
                Column::cost("set CPU us/MiB", 0),
            ]
        }
    }

    fn sizes(&self, _: Extent) -> Vec<u64> {
        vec![100, 1 << 10, 10 << 10, 100 << 10, 512 << 10]
    }

    fn label(&self, size: u64) -> String {
        if size < 1024 { format!("{size} B") } else { format!("{} KiB", size / 1024) }
    }

    fn set_up(&self, bench: &Bench, side: Side, size: u64) -> Result<Box<dyn Subject>, Failure> {
        let data_len = usize::try_from(size)?;
        let server = bench.spec(side, 1)?.start()?;
        let shape = Shape { nodes: NODES.min(TREE_LEN / data_len), data_len, ..Shape::of(Op::Get) };
        prepare(server.addr(), shape)?;
        let target = Target::of(&server, CONNECTIONS, 1)?;
        for op in [Op::Get, Op::Set] {
            target.drive(Shape { op, ..shape }, bench.warm_up(side))?;
        }
        Ok(Box::new(Measured { server, target, shape }))
    }
}

impl Measured {
    fn figures(&self, row: &Row) -> [Option<f64>; 4] {
        let mib = self.shape.data_len as f64 / f64::from(1 << 20);
        let cpu = cpu_us(row);
        [Some(row.throughput), cpu, Some(row.throughput * mib), cpu.map(|cpu| cpu / mib)]
    }
}

impl Subject for Measured {
    fn processes(&self) -> Vec<Process> {
        process(&self.server).into_iter().collect()
    }

    fn round(&mut self, bench: &Bench) -> Result<Figures, Failure> {
        let get = self.target.drive(Shape { op: Op::Get, ..self.shape }, bench.measure)?;
        let set = self.target.drive(Shape { op: Op::Set, ..self.shape }, bench.measure)?;
        Ok([self.figures(&get), self.figures(&set)].concat())
    }
}
