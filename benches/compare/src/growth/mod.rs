//! How cost grows with connections, nodes, sizes of values, watches and servers, and from where on it is not linear.
//!
//! Each size gets fresh servers, which are set up, warmed up and then measured in turn, a round each. The middle round
//! counts. What fails is reported in its place, and the rest goes on.

mod bench;
mod connections;
mod curve;
mod nodes;
mod report;
mod servers;
mod values;
mod watches;

use self::bench::Bench;
use self::curve::{Column, Curve, Point};
use crate::Failure;
use crate::side::Side;
use crate::table::{Machine, build_zabra};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use zabra_load::{Process, busy};

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    /// 1 to 5,000 connections
    Connections,
    /// 10 thousand to 1 million nodes, or 10 million
    Nodes,
    /// 100 B to 512 KiB of data in a node
    Values,
    /// 1 to 100,000 watches on what one write changes
    Watches,
    /// 1, 3 and 5 servers
    Servers,
}

/// What is measured, and how thoroughly.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The servers, each from scratch: genuine, zabra.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "zabra")]
    servers: Vec<Side>,
    /// What grows.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "connections,nodes,values,watches,servers"
    )]
    only: Vec<Name>,
    /// Rounds at each size; the middle one counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Measured seconds of each figure in each round.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Seconds a genuine server is warmed up with each operation.
    #[arg(long, default_value_t = 10.0)]
    warm_up: f64,
    /// Smaller sizes and one short round.
    #[arg(long)]
    quick: bool,
    /// 10 million nodes, too; a genuine server gets 11 GiB of heap for them.
    #[arg(long)]
    large: bool,
    /// Where the servers keep their data.
    #[arg(long)]
    data_root: Option<PathBuf>,
    /// Write everything measured to this file, as far as it is known.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// How far sizes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    quick: bool,
    large: bool,
}

/// Something that grows.
trait Dimension {
    /// What the sizes count, as `connections`.
    fn name(&self) -> &'static str;
    /// How it is measured.
    fn method(&self) -> String;
    fn columns(&self) -> &'static [Column];
    fn sizes(&self, extent: Extent) -> Vec<u64>;
    /// How a size is written.
    fn label(&self, size: u64) -> String {
        report::grouped(size)
    }
    /// Starts a server of this size and makes it ready to be measured.
    fn set_up(&self, bench: &Bench, side: Side, size: u64) -> Result<Box<dyn Subject>, Failure>;
}

/// A figure for each column, where there is something to tell.
type Figures = Vec<Option<f64>>;

/// Servers that are measured.
trait Subject {
    /// Their processes.
    fn processes(&self) -> Vec<Process>;
    /// Measures once: one figure for each column.
    fn round(&mut self, bench: &Bench) -> Result<Figures, Failure>;
}

fn dimension(name: Name) -> Box<dyn Dimension> {
    match name {
        Name::Connections => Box::new(connections::Connections),
        Name::Nodes => Box::new(nodes::Nodes),
        Name::Values => Box::new(values::Values),
        Name::Watches => Box::new(watches::Watches),
        Name::Servers => Box::new(servers::Servers),
    }
}

/// Measures all that is asked for and prints it.
pub(crate) fn growth(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    let data_root = args.data_root.clone().unwrap_or_else(std::env::temp_dir);
    let (mut rounds, mut bench) = (
        args.rounds.max(1),
        Bench {
            data_root,
            measure: Duration::from_secs_f64(args.seconds),
            warm_up: Duration::from_secs_f64(args.warm_up),
        },
    );
    if args.quick {
        (rounds, bench.measure, bench.warm_up) = (1, Duration::from_secs(1), Duration::from_secs(3));
    }
    // What is missing altogether is better said at once.
    build_zabra()?;
    for side in &args.servers {
        bench.spec(*side, 1)?;
    }
    let machine = Machine::look(&bench.data_root)?;
    writeln!(out, "{}; the middle of {rounds} rounds", machine.line())?;
    let extent = Extent { quick: args.quick, large: args.large };
    let mut results = Vec::new();
    for &name in &args.only {
        let dimension = dimension(name);
        let begun = Instant::now();
        let curves = measure(&*dimension, &args.servers, extent, rounds, &bench);
        report::print(&*dimension, &curves, out)?;
        writeln!(io::stderr(), "{} took {:.0} s", dimension.name(), begun.elapsed().as_secs_f64())?;
        results.extend(curves.iter().map(|(side, curve)| {
            let mut json = curve.json();
            json["server"] = json!(side.name());
            json["dimension"] = json!(dimension.name());
            json["method"] = json!(dimension.method());
            json
        }));
        if let Some(path) = &args.json {
            save(path, &machine, rounds, &results)?;
        }
    }
    Ok(())
}

fn save(path: &Path, machine: &Machine, rounds: usize, curves: &[Value]) -> io::Result<()> {
    let all = json!({ "machine": machine.json(), "rounds": rounds, "curves": curves });
    std::fs::write(path, format!("{all:#}\n"))
}

/// The curve of each server.
fn measure(
    dimension: &dyn Dimension,
    sides: &[Side],
    extent: Extent,
    rounds: usize,
    bench: &Bench,
) -> Vec<(Side, Curve)> {
    let empty = Curve { columns: dimension.columns(), points: Vec::new() };
    let mut curves: Vec<_> = sides.iter().map(|side| (*side, empty.clone())).collect();
    for size in dimension.sizes(extent) {
        let _ = writeln!(io::stderr(), "{}: {}", dimension.name(), dimension.label(size));
        let points = points(dimension, sides, size, rounds, bench);
        for ((side, curve), point) in curves.iter_mut().zip(points) {
            if let Some(failure) = &point.failure {
                let _ = writeln!(
                    io::stderr(),
                    "{} {} on {} FAILED: {failure}",
                    dimension.label(size),
                    dimension.name(),
                    side.name()
                );
            }
            curve.points.push(point);
        }
    }
    curves
}

/// What one size comes to on each server.
fn points(dimension: &dyn Dimension, sides: &[Side], size: u64, rounds: usize, bench: &Bench) -> Vec<Point> {
    let mut running: Vec<_> =
        sides.iter().map(|side| dimension.set_up(bench, *side, size).map(|it| (it, Vec::new()))).collect();
    let mut foreign_cpus = vec![0.0_f64; sides.len()];
    for _ in 0..rounds {
        for (entry, foreign) in running.iter_mut().zip(&mut foreign_cpus) {
            let Ok((subject, measured)) = entry else { continue };
            match round(&mut **subject, bench) {
                Ok((figures, busy)) => {
                    measured.push(figures);
                    *foreign = foreign.max(busy);
                }
                Err(error) => *entry = Err(error),
            }
        }
    }
    let results = running.into_iter().zip(foreign_cpus);
    results
        .map(|(entry, foreign_cpus)| {
            let (figures, failure) = match entry {
                Ok((_, measured)) => (middle(&measured, dimension.columns().len()), None),
                Err(error) => (vec![None; dimension.columns().len()], Some(error.to_string())),
            };
            Point { size, figures, foreign_cpus, failure }
        })
        .collect()
}

/// The figures of one round, and how many processors others kept busy in it.
fn round(subject: &mut dyn Subject, bench: &Bench) -> Result<(Figures, f64), Failure> {
    let processes = subject.processes();
    let known =
        || processes.iter().map(|it| it.cpu()).chain([Process::own().cpu()]).sum::<io::Result<Duration>>();
    let (begun, busy_before, known_before) = (Instant::now(), busy()?, known()?);
    let figures = subject.round(bench)?;
    let foreign = busy()?.saturating_sub(busy_before).saturating_sub(known()?.saturating_sub(known_before));
    Ok((figures, foreign.as_secs_f64() / begun.elapsed().as_secs_f64()))
}

/// The middle of each figure over the rounds.
fn middle(rounds: &[Figures], columns: usize) -> Figures {
    let of = |column: usize| {
        let mut values: Vec<f64> =
            rounds.iter().filter_map(|figures| figures.get(column).copied().flatten()).collect();
        values.sort_by(f64::total_cmp);
        // Of an even number the lower one: a figure that was measured.
        values.get(values.len().saturating_sub(1) / 2).copied()
    };
    (0..columns).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_round_counts_for_each_figure() {
        let rounds =
            [vec![Some(1.0), Some(9.0), None], vec![Some(3.0), None, None], vec![Some(2.0), Some(5.0), None]];
        assert_eq!(middle(&rounds, 3), [Some(2.0), Some(5.0), None]);
        assert_eq!(middle(&[], 2), [None, None]);
    }

    /// Fails where it is told to.
    struct Fake;

    impl Dimension for Fake {
        fn name(&self) -> &'static str {
            "things"
        }
        fn method(&self) -> String {
            String::new()
        }
        fn columns(&self) -> &'static [Column] {
            const { &[Column::cost("us", 1)] }
        }
        fn sizes(&self, _: Extent) -> Vec<u64> {
            vec![1, 2, 3]
        }
        fn set_up(&self, _: &Bench, _: Side, size: u64) -> Result<Box<dyn Subject>, Failure> {
            if size == 2 { Err("no such size".into()) } else { Ok(Box::new(FakeSubject { size, round: 0 })) }
        }
    }

    struct FakeSubject {
        size: u64,
        round: u64,
    }

    impl Subject for FakeSubject {
        fn processes(&self) -> Vec<Process> {
            Vec::new()
        }
        fn round(&mut self, _: &Bench) -> Result<Figures, Failure> {
            self.round += 1;
            if (self.size, self.round) == (3, 2) { Err("it broke".into()) } else { Ok(vec![Some(4.0)]) }
        }
    }

    #[test]
    fn what_fails_is_reported_and_the_rest_goes_on() {
        let bench = Bench { data_root: PathBuf::new(), measure: Duration::ZERO, warm_up: Duration::ZERO };
        let extent = Extent { quick: true, large: false };
        let curves = measure(&Fake, &[Side::Zabra], extent, 3, &bench);
        let told: Vec<_> =
            curves[0].1.points.iter().map(|it| (it.figures[0], it.failure.as_deref())).collect();
        assert_eq!(told, [(Some(4.0), None), (None, Some("no such size")), (None, Some("it broke"))]);
    }
}
