//! Servers of an ensemble, all on this machine.

use super::bench::{Bench, Target, cpu_us, process};
use super::curve::Column;
use super::{Dimension, Extent, Figures, Subject};
use crate::Failure;
use crate::side::Side;
use zabra_load::{Op, Process, Shape, prepare};
use zabra_testkit::{Ensemble, EnsembleSpec, ServerProcess};

const CONNECTIONS: usize = 48;

pub(super) struct Servers;

/// Alone it is no ensemble.
enum Running {
    Alone(ServerProcess),
    Ensemble(Ensemble),
}

struct Measured {
    /// Stops when it is dropped.
    _running: Running,
    target: Target,
    count: f64,
}

impl Running {
    fn start(bench: &Bench, side: Side, count: u8) -> Result<Self, Failure> {
        let spec = bench.spec(side, 1)?;
        if count == 1 {
            return Ok(Self::Alone(spec.start()?));
        }
        let ensemble = EnsembleSpec::new(spec, count).with("tickTime", "2000").start()?;
        ensemble.wait_leader()?;
        Ok(Self::Ensemble(ensemble))
    }

    fn servers(&self) -> Vec<&ServerProcess> {
        match self {
            Self::Alone(server) => vec![server],
            Self::Ensemble(ensemble) => ensemble.members().map(|member| member.server()).collect(),
        }
    }
}

impl Dimension for Servers {
    fn name(&self) -> &'static str {
        "servers"
    }

    fn method(&self) -> String {
        format!(
            "{CONNECTIONS} connections over all servers, one request in flight each, nodes of 100 B; CPU is that of all \
             servers together, and all share this machine and its disk"
        )
    }

    fn columns(&self) -> &'static [Column] {
        const {
            &[
                Column::rate("get ops/s", 0),
                Column::cost("get CPU us/op", 2),
                Column::rate("set ops/s", 0),
                Column::shown("set p50 us", 0),
                Column::shown("set CPU us/op", 2),
                Column::cost("set CPU us/op and server", 2),
            ]
        }
    }

    fn sizes(&self, _: Extent) -> Vec<u64> {
        vec![1, 3, 5]
    }

    fn set_up(&self, bench: &Bench, side: Side, size: u64) -> Result<Box<dyn Subject>, Failure> {
        let running = Running::start(bench, side, u8::try_from(size)?)?;
        let servers = running.servers();
        let first = servers.first().ok_or("there are no servers")?;
        prepare(first.addr(), Shape::of(Op::Get))?;
        let target = Target {
            addrs: servers.iter().map(|server| server.addr()).collect(),
            processes: servers.iter().map(|server| process(server)).collect::<Result<_, _>>()?,
            connections: CONNECTIONS,
            depth: 1,
        };
        // The set comes first: when it is answered everywhere, no server is behind any more.
        for op in [Op::Set, Op::Get] {
            target.drive(Shape::of(op), bench.warm_up(side))?;
        }
        Ok(Box::new(Measured { _running: running, target, count: size as f64 }))
    }
}

impl Subject for Measured {
    fn processes(&self) -> Vec<Process> {
        self.target.processes.clone()
    }

    fn round(&mut self, bench: &Bench) -> Result<Figures, Failure> {
        let get = self.target.drive(Shape::of(Op::Get), bench.measure)?;
        let set = self.target.drive(Shape::of(Op::Set), bench.measure)?;
        Ok(vec![
            Some(get.throughput),
            cpu_us(&get),
            Some(set.throughput),
            Some(set.latency.p50.as_secs_f64() * 1e6),
            cpu_us(&set),
            cpu_us(&set).map(|cpu| cpu / self.count),
        ])
    }
}
