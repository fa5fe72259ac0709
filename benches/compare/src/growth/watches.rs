//! Watches that one write sets off.

use super::bench::{Bench, process};
use super::curve::Column;
use super::{Dimension, Extent, Figures, Subject};
use crate::Failure;
use crate::audience::Audience;
use crate::side::Side;
use std::time::{Duration, Instant};
use zabra_load::{Process, connections_max};
use zabra_testkit::ServerProcess;

/// Connections that watch, as far as the limit of open files allows. A connection has one watch of a node and no more.
const WATCHERS_MAX: usize = 10_000;
/// Events in a round, so that few watches are set off often enough to be measured; and the most often.
const EVENTS: u64 = 20_000;
const REPEATS_MAX: u64 = 500;
pub(super) struct Watches;

struct Measured {
    server: ServerProcess,
    audience: Audience,
    repeats: u64,
}

/// How many watch how many nodes.
fn spread(watches: usize, connections_max: usize) -> (usize, usize) {
    let nodes = watches.div_ceil(WATCHERS_MAX.min(connections_max)).max(1);
    (watches / nodes, nodes)
}

impl Dimension for Watches {
    fn name(&self) -> &'static str {
        "watches"
    }

    fn method(&self) -> String {
        format!(
            "each on a connection of its own, all on one node; more than {} on several nodes that one multi sets; from \
             sending the write to the last event, both included",
            super::report::grouped(WATCHERS_MAX.min(connections_max()) as u64)
        )
    }

    fn columns(&self) -> &'static [Column] {
        const {
            &[
                Column::shown("last event ms", 3),
                Column::cost("us/event", 2),
                Column::cost("CPU us/event", 2),
                Column::cost("get and watch CPU us", 2),
            ]
        }
    }

    fn sizes(&self, extent: Extent) -> Vec<u64> {
        let mut sizes = vec![1, 10, 100, 1000, 10_000];
        if !extent.quick {
            sizes.push(100_000);
        }
        sizes
    }

    fn set_up(&self, bench: &Bench, side: Side, size: u64) -> Result<Box<dyn Subject>, Failure> {
        let (watcher_count, nodes) = spread(usize::try_from(size)?, connections_max());
        let server = bench.spec(side, 1)?.start()?;
        let audience = Audience::gather(server.addr(), watcher_count, nodes)?;
        let repeats = (EVENTS / size).clamp(1, REPEATS_MAX);
        let mut measured = Measured { server, audience, repeats };
        let (begun, warm_up) = (Instant::now(), bench.warm_up(side));
        while begun.elapsed() < warm_up {
            measured.audience.watch()?;
            measured.audience.fire(process(&measured.server)?)?;
        }
        Ok(Box::new(measured))
    }
}

impl Subject for Measured {
    fn processes(&self) -> Vec<Process> {
        process(&self.server).into_iter().collect()
    }

    fn round(&mut self, _: &Bench) -> Result<Figures, Failure> {
        let process = process(&self.server)?;
        let (mut setting, mut firing, mut cpu) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        for _ in 0..self.repeats {
            let before = process.cpu_exact()?;
            self.audience.watch()?;
            setting += process.cpu_exact()?.saturating_sub(before);
            let heard = self.audience.fire(process)?;
            firing += heard.elapsed;
            cpu += heard.cpu;
        }
        let events = self.audience.events() as f64 * self.repeats as f64;
        let each = |time: Duration| Some(time.as_secs_f64() * 1e6 / events);
        let last_event = Some(firing.as_secs_f64() * 1e3 / self.repeats as f64);
        Ok(vec![last_event, each(firing), each(cpu), each(setting)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_watches_than_connections_are_on_several_nodes() {
        for (watches, most, expected) in [
            (1, 20_000, (1, 1)),
            (10_000, 20_000, (10_000, 1)),
            (100_000, 20_000, (10_000, 10)),
            (1000, 500, (500, 2)),
            (100_000, 824, (819, 122)),
        ] {
            assert_eq!(spread(watches, most), expected, "{watches} on {most}");
        }
    }
}
