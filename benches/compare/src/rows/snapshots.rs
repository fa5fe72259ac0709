//! Row 11: what writers feel of snapshots.

use super::Part;
use crate::Failure;
use crate::side::Side;
use crate::snapshots::{Load, Phase, phase};
use crate::table::{Case, Effort, Round, Runner, Target};
use serde_json::json;
use std::time::Duration;
use zabra_load::{Drive, Op, Percentiles, Process, Shape, Spread, drive_on, fill};
use zabra_testkit::{ServerProcess, ServerSpec};

/// The part of the table.
pub(super) const PART: Part = Part { name: "Snapshots amid writes", rows: &[11], takes, run };

/// The slowest writes with snapshots: as a multiple of those without, and in milliseconds.
const TIMES_MAX: f64 = 2.0;
const MS_MAX: f64 = 5.0;
/// Heap of a genuine server: as much again as a million nodes and a load need.
const HEAP_MIB: u32 = 2048;
/// Bytes of data in a node.
const DATA_LEN: usize = 100;
const CONNECTIONS: usize = 16;
const DEPTH: usize = 4;
/// Of what the server does at most, how much is asked.
const SHARE_OF_PEAK: f64 = 0.5;
/// Writes a second above which it would be this program that is measured, as it sends each for itself.
const RATE_MAX: f64 = 40_000.0;
/// How often there is to be a snapshot.
const INTERVAL: Duration = Duration::from_secs(10);
/// What a set of a filled node takes in the log: header, path, data, version, digest, length and checksum.
const TXN_LEN: f64 = 106.0 + DATA_LEN as f64;
/// Servers wait for a number between half of the limit and the whole of it, at random.
const SHARE_OF_LIMIT: f64 = 0.75;

fn seconds(effort: &Effort) -> Duration {
    if effort.quick { Duration::from_secs(12) } else { Duration::from_secs(30) }
}

fn takes(effort: &Effort) -> Duration {
    let millions = effort.nodes as f64 / 1e6;
    let each = seconds(effort) * 2 + effort.warm_up * 3 + Duration::from_secs_f64(5.0 + 40.0 * millions);
    each * 2
}

/// After what the next snapshot is due.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    /// So many transactions.
    Count(u64),
    /// So many KiB of log.
    Kib(u64),
}

impl Limit {
    /// What makes snapshots come at the interval on average. The genuine server takes space it has set aside for log, and
    /// Zabra waits for more transactions the larger the tree is: each has one limit that can be relied on.
    fn of(side: Side, rate: f64, interval: Duration) -> Self {
        let count = rate * interval.as_secs_f64() / SHARE_OF_LIMIT;
        match side {
            Side::Genuine => Self::Count(count as u64),
            _ => Self::Kib((count * TXN_LEN / 1024.0) as u64),
        }
    }
}

fn run(runner: &mut Runner<'_>) -> Result<(), Failure> {
    let effort = runner.effort();
    // With a short look there is to be one, too.
    let interval = INTERVAL.min(seconds(effort) / 3);
    let name = |what: &str| format!("half of peak, {} nodes: {what}", effort.nodes);
    let with = format!("p99.9, a snapshot every {} s", interval.as_secs());
    let cases = [
        Case::less(11, name(&with), "ms", Target::AtMost(MS_MAX)),
        Case::less(11, name("p99.9, no snapshots"), "ms", Target::Shown),
        Case::less(11, name("with over without"), "x", Target::AtMost(TIMES_MAX)),
        Case::more(11, name("writes sent"), "op/s", Target::Shown),
    ];
    let mut notes = Vec::new();
    runner.contest_of(1, &cases, &Side::SERVERS, |side, _| {
        let mut server = with_limit(side.spec(HEAP_MIB, &effort.data_root)?, None).start()?;
        fill(server.addr(), effort.nodes, DATA_LEN)?;
        let rate = (peak(&server, side, effort)? * SHARE_OF_PEAK).min(RATE_MAX);
        let warm_up = if side == Side::Genuine { effort.warm_up } else { Duration::from_secs(2) };
        let load = Load {
            nodes: effort.nodes,
            size: DATA_LEN,
            connections: CONNECTIONS,
            rate,
            reads: 0,
            warm_up: warm_up.as_secs_f64(),
            seconds: seconds(effort).as_secs_f64(),
        };
        // A fresh process for each, so that neither is warmer than the other.
        let mut measure = |name, limit| -> Result<Phase, Failure> {
            *server.spec_mut() = with_limit(server.spec_mut().clone(), limit);
            server.restart()?;
            phase(name, &load, &server)
        };
        let without = measure("no snapshots", None)?;
        let with = measure("snapshots", Some(Limit::of(side, rate, interval)))?;
        notes.push(format!(
            "{}: {rate:.0} writes/s, {} snapshots; generator late by {:.1} and {:.1} ms at worst",
            side.name(),
            with.snapshots(),
            without.outcome.late_max.as_secs_f64() * 1e3,
            with.outcome.late_max.as_secs_f64() * 1e3
        ));
        if with.outcome.errors + without.outcome.errors > 0 {
            return Err("writes were answered with errors".into());
        }
        // The genuine server takes one each time it starts.
        if with.snapshots() <= without.snapshots() || without.snapshots() > 1 {
            let (some, none) = (with.snapshots(), without.snapshots());
            return Err(format!("{some} snapshots where some were due, {none} where none were").into());
        }
        let p999 = |phase: &Phase| Percentiles::of(&phase.outcome.writes).p999.as_secs_f64() * 1e3;
        Ok(Round {
            values: vec![p999(&with), p999(&without), p999(&with) / p999(&without), rate],
            cpu_us_per_op: None,
            foreign_cpus: Some(with.foreign_cpus.max(without.foreign_cpus)),
            details: json!({ "rate": rate, "with": with.json(), "without": without.json() }),
        })
    })?;
    notes.iter().try_for_each(|note| runner.note(note))
}

/// A server that takes snapshots at a limit, or none.
fn with_limit(spec: ServerSpec, limit: Option<Limit>) -> ServerSpec {
    // Without one it is what nobody reaches.
    let (mut count, mut kib) = (1_000_000_000, 1 << 32);
    match limit {
        None => {}
        Some(Limit::Count(limit)) => count = limit,
        Some(Limit::Kib(limit)) => kib = limit,
    }
    spec.with_property("zookeeper.snapCount", &count.to_string())
        .with_property("zookeeper.snapSizeLimitInKb", &kib.to_string())
}

/// Sets a second all over the tree, at most.
fn peak(server: &ServerProcess, side: Side, effort: &Effort) -> Result<f64, Failure> {
    let process = Process::new(server.pid().ok_or("the server does not run")?);
    let load = Drive {
        shape: Shape::of(Op::Set),
        connections: CONNECTIONS,
        depth: DEPTH,
        warm_up: effort.warm_up_of(side),
        measure: effort.measure,
    };
    let mut spread = Spread::new(effort.nodes, 0, DATA_LEN);
    Ok(drive_on(&[server.addr()], &[process], &load, &mut spread)?.throughput)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_follows_from_the_rate() {
        // 7,500 writes/s of 206 bytes for 10 s are three quarters of it.
        let ten = Duration::from_secs(10);
        assert_eq!(Limit::of(Side::Genuine, 7500.0, ten), Limit::Count(100_000));
        assert_eq!(Limit::of(Side::Zabra, 7500.0, ten), Limit::Kib(20_117));
        assert_eq!(Limit::of(Side::Zabra, 15_000.0, ten / 2), Limit::Kib(20_117));
    }
}
