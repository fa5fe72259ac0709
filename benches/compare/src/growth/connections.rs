//! Connections with one request in flight each.

use super::bench::{Bench, Target, cpu_us, process};
use super::curve::Column;
use super::{Dimension, Extent, Figures, Subject};
use crate::Failure;
use crate::side::Side;
use zabra_load::{Handshake, Op, Process, Shape, connect, prepare, require_connections};
use zabra_testkit::ServerProcess;

/// Fewer sessions than this need less memory than the server uses by chance.
const SESSIONS_TO_TELL: u64 = 100;

pub(super) struct Connections;

struct Measured {
    server: ServerProcess,
    target: Target,
    session_bytes: Option<f64>,
}

impl Dimension for Connections {
    fn name(&self) -> &'static str {
        "connections"
    }

    fn method(&self) -> String {
        "one request in flight on each, nodes of 100 B; globalOutstandingLimit above the number of connections"
            .to_owned()
    }

    fn columns(&self) -> &'static [Column] {
        const {
            &[
                Column::rate("get ops/s", 0),
                Column::cost("get CPU us/op", 2),
                Column::rate("set ops/s", 0),
                Column::cost("set CPU us/op", 2),
                Column::cost("RSS B/session", 0),
            ]
        }
    }

    fn sizes(&self, _: Extent) -> Vec<u64> {
        vec![1, 10, 100, 1000, 5000]
    }

    fn set_up(&self, bench: &Bench, side: Side, size: u64) -> Result<Box<dyn Subject>, Failure> {
        let count = usize::try_from(size)?;
        require_connections(count)?;
        let server = bench.spec(side, 1)?.start()?;
        prepare(server.addr(), Shape::of(Op::Get))?;
        let empty = process(&server)?.resident()?;
        let held = connect(server.addr(), count, Handshake::default())?;
        let bytes = process(&server)?.resident()? as f64 - empty as f64;
        drop(held);
        let target = Target::of(&server, count, 1)?;
        for op in [Op::Get, Op::Set] {
            target.drive(Shape::of(op), bench.warm_up(side))?;
        }
        let session_bytes = (size >= SESSIONS_TO_TELL).then_some(bytes / size as f64);
        Ok(Box::new(Measured { server, target, session_bytes }))
    }
}

impl Subject for Measured {
    fn processes(&self) -> Vec<Process> {
        process(&self.server).into_iter().collect()
    }

    fn round(&mut self, bench: &Bench) -> Result<Figures, Failure> {
        let get = self.target.drive(Shape::of(Op::Get), bench.measure)?;
        let set = self.target.drive(Shape::of(Op::Set), bench.measure)?;
        Ok(vec![Some(get.throughput), cpu_us(&get), Some(set.throughput), cpu_us(&set), self.session_bytes])
    }
}
