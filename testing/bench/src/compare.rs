//! Two servers side by side: the same configuration, the same disk, rounds in turn.

use crate::contender::{Contender, Source};
use serde_json::{Value, json};
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use zabra_load::{Drive, Op, Row, Shape, drive, fill, label, micros, micros_exact, prepare, sync_time};

/// Foreign processor time above which a comparison is worth little.
const FOREIGN_CPUS_MAX: f64 = 0.1;

/// What to compare, and how thoroughly.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The servers: genuine, zabra, or host:port.
    #[arg(long, default_value = "genuine,zabra", value_delimiter = ',')]
    servers: Vec<String>,
    /// Rounds; the middle one of each row is reported.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Measured seconds of each row in each round.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds each server is warmed up with each operation before the first round.
    #[arg(long, default_value_t = 15.0)]
    warm_up: f64,
    /// The operations.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "get,set")]
    ops: Vec<Op>,
    /// Connections x requests in flight on each.
    #[arg(long, value_delimiter = ',', default_value = "1x1,1x32,16x1,16x32,64x1,64x32")]
    loads: Vec<String>,
    /// Bytes of data in a node.
    #[arg(long, default_value_t = 100)]
    size: usize,
    /// Nodes of 100 bytes for the comparison of memory; 0 leaves it out.
    #[arg(long, default_value_t = 1_000_000)]
    memory_nodes: usize,
    /// Two short rounds and 100,000 nodes: a first impression.
    #[arg(long)]
    quick: bool,
    /// Where the servers keep their data.
    #[arg(long)]
    data_root: Option<PathBuf>,
    /// Write everything measured to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Connections and depth of a load such as `16x32`.
fn parse_load(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('x').and_then(|(n, d)| Some((n.parse().ok()?, d.parse().ok()?)));
    match parts {
        Some((n @ 1.., d @ 1..)) => Ok((n, d)),
        _ => Err(format!("{text:?} is no load such as 16x32")),
    }
}

/// All rounds of a row on one server.
#[derive(Debug)]
struct Series {
    rounds: Vec<Row>,
}

impl Series {
    fn median(&self, value: impl Fn(&Row) -> f64) -> f64 {
        median(self.rounds.iter().map(value).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.get(middle) {
        None => f64::NAN,
        Some(&upper) if values.len() % 2 == 1 => upper,
        Some(&upper) => f64::midpoint(values[middle - 1], upper),
    }
}

/// Compares the servers and prints what was measured.
pub(crate) fn compare(mut args: Args, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    if args.quick {
        (args.rounds, args.seconds, args.warm_up) = (2, 1.5, 4.0);
        args.memory_nodes = args.memory_nodes.min(100_000);
    }
    let sources = args.servers.iter().map(|text| Source::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let data_root = args.data_root.clone().unwrap_or_else(std::env::temp_dir);
    let sync = sync_time(&data_root)?;
    writeln!(out, "fdatasync of 4 KiB in {}: {:.0} us", data_root.display(), micros(sync))?;
    let drives = drives(&args)?;
    let mut results = throughput(&args, &sources, &drives, &data_root, out)?;
    if args.memory_nodes > 0 {
        results.push(json!({ "memory": memory(&args, &sources, &data_root, out)? }));
    }
    if let Some(path) = &args.json {
        let all = json!({ "fdatasync_us": micros(sync), "rounds": args.rounds, "results": results });
        std::fs::write(path, format!("{all:#}\n"))?;
    }
    Ok(())
}

fn drives(args: &Args) -> Result<Vec<Drive>, String> {
    let loads = args.loads.iter().map(|load| parse_load(load)).collect::<Result<Vec<_>, _>>()?;
    let measure = Duration::from_secs_f64(args.seconds);
    Ok(args
        .ops
        .iter()
        .flat_map(|&op| loads.iter().map(move |&load| (op, load)))
        .map(|(op, (connections, depth))| Drive {
            shape: Shape { data_len: args.size, ..Shape::of(op) },
            connections,
            depth,
            warm_up: measure / 4,
            measure,
        })
        .collect())
}

fn throughput(
    args: &Args,
    sources: &[Source],
    drives: &[Drive],
    data_root: &Path,
    out: &mut impl Write,
) -> Result<Vec<Value>, Box<dyn Error>> {
    let contenders =
        sources.iter().map(|source| source.start(Some(data_root))).collect::<Result<Vec<_>, _>>()?;
    for contender in &contenders {
        for &op in &args.ops {
            let shape = Shape { data_len: args.size, ..Shape::of(op) };
            prepare(contender.addr, shape)?;
            let warm = Duration::from_secs_f64(args.warm_up);
            let load =
                Drive { shape, connections: 16, depth: 8, warm_up: warm, measure: Duration::from_millis(1) };
            drive(contender.addr, None, &load)?;
        }
        writeln!(out, "{} is warm", contender.name)?;
    }
    let mut series: Vec<Vec<Series>> =
        drives.iter().map(|_| contenders.iter().map(|_| Series { rounds: Vec::new() }).collect()).collect();
    for round in 1..=args.rounds {
        writeln!(out, "\nround {round}\n{}", Row::HEAD)?;
        for (load, row) in drives.iter().zip(&mut series) {
            for (contender, series) in contenders.iter().zip(row) {
                let measured = drive(contender.addr, contender.process(), load)?;
                writeln!(out, "{}  {}", measured.line(&label(load)), contender.name)?;
                series.rounds.push(measured);
            }
        }
    }
    print_medians(drives, &series, &contenders, out)?;
    let results = drives.iter().zip(&series).map(|(load, row)| {
        let servers = contenders.iter().zip(row).map(|(contender, series)| {
            let rounds: Vec<Value> = series.rounds.iter().map(Row::json).collect();
            json!({ "server": contender.name, "rounds": rounds })
        });
        json!({ "row": label(load), "servers": servers.collect::<Vec<_>>() })
    });
    Ok(results.collect())
}

fn print_medians(
    drives: &[Drive],
    series: &[Vec<Series>],
    contenders: &[Contender],
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    writeln!(out, "\nmedians; ratios against {}", contenders.first().map_or("-", |c| c.name.as_str()))?;
    writeln!(
        out,
        "{:<18} {:<10} {:>10} {:>7} {:>9} {:>7} {:>9} {:>7} {:>10} {:>7}",
        "", "", "ops/s", "x", "p50 us", "x", "p99 us", "x", "CPU us/op", "x"
    )?;
    let mut foreign: f64 = 0.0;
    for (load, row) in drives.iter().zip(series) {
        let mut first: Option<[f64; 4]> = None;
        for (contender, series) in contenders.iter().zip(row) {
            let values = [
                series.median(|row| row.throughput),
                series.median(|row| micros(row.latency.p50)),
                series.median(|row| micros(row.latency.p99)),
                series.median(|row| row.cpu_per_op.map_or(f64::NAN, micros_exact)),
            ];
            let base = *first.get_or_insert(values);
            // More is better of throughput, less of everything else; a ratio above 1 is always an advantage.
            let ratios = [values[0] / base[0], base[1] / values[1], base[2] / values[2], base[3] / values[3]];
            writeln!(
                out,
                "{:<18} {:<10} {:>10.0} {:>6.2}x {:>9.1} {:>6.2}x {:>9.1} {:>6.2}x {:>10.2} {:>6.2}x",
                label(load),
                contender.name,
                values[0],
                ratios[0],
                values[1],
                ratios[1],
                values[2],
                ratios[2],
                values[3],
                ratios[3]
            )?;
            foreign = foreign.max(series.rounds.iter().map(|row| row.foreign_cpus).fold(0.0, f64::max));
        }
    }
    if foreign > FOREIGN_CPUS_MAX {
        writeln!(
            out,
            "other processes used up to {foreign:.2} processors: measure again on a quiet machine"
        )?;
    }
    Ok(())
}

fn memory(
    args: &Args,
    sources: &[Source],
    data_root: &Path,
    out: &mut impl Write,
) -> Result<Vec<Value>, Box<dyn Error>> {
    let count = args.memory_nodes;
    writeln!(out, "\n{count} znodes of 100 bytes")?;
    let mut results = Vec::new();
    for source in sources {
        let mut contender = source.start(Some(data_root))?;
        let resident = |contender: &Contender| {
            contender
                .process()
                .ok_or("the server's process is not known")?
                .resident()
                .map_err(Box::<dyn Error>::from)
        };
        let empty = resident(&contender)?;
        let begun = Instant::now();
        fill(contender.addr, count, 100)?;
        let filling = begun.elapsed();
        let full = resident(&contender)?;
        let mut line = format!(
            "{:<10} empty {:>5} MiB, filled {:>5} MiB ({:.0} B a node) in {:.1} s",
            contender.name,
            empty >> 20,
            full >> 20,
            (full as f64 - empty as f64) / count as f64,
            filling.as_secs_f64()
        );
        let mut result = json!({
            "server": contender.name, "nodes": count, "empty_bytes": empty, "filled_bytes": full,
            "fill_seconds": filling.as_secs_f64(),
        });
        if let Some(server) = &mut contender.server {
            server.stop()?;
            let begun = Instant::now();
            server.start()?;
            let starting = begun.elapsed();
            let again = resident(&contender)?;
            line.push_str(&format!(
                ", after a restart {:>5} MiB in {:.2} s",
                again >> 20,
                starting.as_secs_f64()
            ));
            result["restarted_bytes"] = json!(again);
            result["restart_seconds"] = json!(starting.as_secs_f64());
        }
        writeln!(out, "{line}")?;
        results.push(result);
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_and_medians() {
        assert_eq!(parse_load("16x32"), Ok((16, 32)));
        for bad in ["", "16", "0x1", "1x0", "x", "1x1x1"] {
            assert!(parse_load(bad).is_err(), "{bad}");
        }
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![3.0, 1.0]), 2.0);
        assert!(median(vec![]).is_nan());
    }
}
