//! `zabra bench`: a load on any server, what the machine allows, and two runs beside each other.

mod diff;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use zabra_load::{
    Drive, Floor, Op, Process, Row, Shape, drive, drive_paced, label, micros, prepare, sync_time,
};

use crate::exit::{Code, Failure};
use crate::stdio::{print, tell};

/// The commands that measure.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Put loads on a server and print what it makes of them
    Run(RunArguments),
    /// Put the same loads on a server that does nothing but log and answer: what this machine allows
    Floor(FloorArguments),
    /// Compare two results of --json
    Diff(DiffArguments),
}

/// Arguments of `zabra bench run`.
#[derive(Args, Debug)]
#[command(after_help = "\
Everything is kept below /bench, which is made and stays. CPU and memory are those of the server's process, when it is on this
machine and may be looked at. Foreign CPU is what other programs used meanwhile: above 0.1 processors a figure is worth little.")]
pub(crate) struct RunArguments {
    /// The server, host:port
    #[arg(value_name = "SERVER", default_value = "127.0.0.1:2181")]
    server: String,
    #[command(flatten)]
    loads: LoadArguments,
}

/// Arguments of `zabra bench floor`.
#[derive(Args, Debug)]
pub(crate) struct FloorArguments {
    /// Where it logs writes, with one sync for all that came together; nothing is logged without
    #[arg(long, value_name = "DIR")]
    log_in: Option<PathBuf>,
    #[command(flatten)]
    loads: LoadArguments,
}

/// Arguments of `zabra bench diff`.
#[derive(Args, Debug)]
pub(crate) struct DiffArguments {
    /// The result to compare with
    before: PathBuf,
    /// The other result
    after: PathBuf,
    /// JSON instead of the table
    #[arg(long)]
    json: bool,
}

/// The loads.
#[derive(Args, Debug)]
struct LoadArguments {
    /// The operations
    #[arg(long = "op", value_enum, value_delimiter = ',', default_value = "get,set")]
    ops: Vec<Op>,
    /// Connections x requests in flight on each
    #[arg(long, value_name = "NxD", value_delimiter = ',', default_value = "1x1,16x32,64x1", value_parser = parse_load)]
    load: Vec<(usize, usize)>,
    /// Requests a second, on all connections together, sent whether earlier ones are answered or not; a latency counts
    /// from when the request was due
    #[arg(long, value_name = "PER_SECOND", value_parser = parse_rate)]
    rate: Option<f64>,
    /// Bytes of data in a node
    #[arg(long, default_value_t = 100)]
    size: usize,
    /// Nodes that are read and set, or children that are listed
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    nodes: u32,
    /// Reads in a hundred requests of mix [default: 90] and children [default: 100]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=100))]
    reads: Option<u8>,
    /// Operations of one multi
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Seconds that do not count
    #[arg(long, default_value = "2", value_parser = parse_seconds)]
    warm_up: Duration,
    /// Seconds that count
    #[arg(long, default_value = "5", value_parser = parse_seconds)]
    seconds: Duration,
    /// JSON instead of the table
    #[arg(long)]
    json: bool,
}

/// Carries a command out.
pub(crate) fn run(command: &BenchCommand) -> Result<(), Failure> {
    match command {
        BenchCommand::Run(arguments) => {
            let addr = resolve(&arguments.server)?;
            let servers: Vec<Process> = Process::listening_at(addr).into_iter().collect();
            arguments.loads.put_on(addr, &servers, &arguments.server)
        }
        BenchCommand::Floor(arguments) => {
            if let Some(directory) = &arguments.log_in {
                let time = sync_time(directory).map_err(|error| {
                    Failure::new(Code::Invocation, format!("cannot log in {}: {error}", directory.display()))
                })?;
                tell(&format!("a sync in {} takes {:.0} us", directory.display(), micros(time)));
            }
            let floor = Floor::start(arguments.log_in.as_deref(), arguments.loads.size).map_err(failed)?;
            // It is a thread of this process, whose time is not its own.
            arguments.loads.put_on(floor.addr(), &[], "floor")
        }
        BenchCommand::Diff(arguments) => diff::run(&arguments.before, &arguments.after, arguments.json),
    }
}

impl LoadArguments {
    fn put_on(&self, addr: SocketAddr, servers: &[Process], name: &str) -> Result<(), Failure> {
        let mut rows = Vec::new();
        for (at, load) in self.drives().iter().enumerate() {
            let label = label(load);
            let progress = progress(&label, load);
            let row = self.measure(addr, servers, load);
            progress.finish_and_clear();
            let row = row.map_err(|error| {
                Failure::new(Code::Unexpected, format!("{label} on {name} at {addr}: {error}"))
            })?;
            if self.json {
                rows.push(json!({ "row": label, "result": row.json() }));
            } else {
                if at == 0 {
                    print(Row::HEAD)?;
                }
                print(&row.line(&label))?;
            }
        }
        if self.json {
            let all = json!({ "server": name, "rate": self.rate, "rows": Value::from(rows) });
            print(&format!("{all:#}"))?;
        }
        Ok(())
    }

    fn measure(&self, addr: SocketAddr, servers: &[Process], load: &Drive) -> std::io::Result<Row> {
        prepare(addr, load.shape)?;
        match self.rate {
            Some(rate) => drive_paced(addr, servers, load, rate),
            None => drive(addr, servers, load),
        }
    }

    fn drives(&self) -> Vec<Drive> {
        let shape = |op| {
            let usual = Shape::of(op);
            Shape {
                op,
                nodes: self.nodes as usize,
                data_len: self.size,
                reads: self.reads.map_or(usual.reads, usize::from),
                batch: self.batch as usize,
            }
        };
        let drive = |op, (connections, depth)| Drive {
            shape: shape(op),
            connections,
            depth,
            warm_up: self.warm_up,
            measure: self.seconds,
        };
        self.ops.iter().flat_map(|&op| self.load.iter().map(move |&load| drive(op, load))).collect()
    }
}

fn progress(label: &str, load: &Drive) -> ProgressBar {
    let all = load.warm_up + load.measure;
    let bar = ProgressBar::new_spinner().with_message(format!("{label}, {:.0} s", all.as_secs_f64()));
    // The template is a constant that is right.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} of {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn resolve(server: &str) -> Result<SocketAddr, Failure> {
    let with_port = if server.contains(':') { server.to_owned() } else { format!("{server}:2181") };
    let mut found = with_port.to_socket_addrs().map_err(|error| {
        Failure::new(
            Code::Invocation,
            format!("{server:?} is no server such as 127.0.0.1:2181, or its name is not known: {error}"),
        )
    })?;
    found.next().ok_or_else(|| Failure::new(Code::Invocation, format!("{server:?} has no address")))
}

fn failed(error: std::io::Error) -> Failure {
    Failure::new(Code::Unexpected, format!("cannot serve on the loopback interface: {error}"))
}

fn parse_load(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('x').and_then(|(n, d)| Some((n.parse().ok()?, d.parse().ok()?)));
    match parts {
        Some((n @ 1.., d @ 1..)) => Ok((n, d)),
        _ => Err("a load is connections x requests in flight, such as 16x32".to_owned()),
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate: &f64| rate.is_finite() && *rate > 0.0)
        .ok_or_else(|| "a rate is above 0".to_owned())
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "a time is a number of seconds, such as 2.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        assert_eq!(parse_load("16x32"), Ok((16, 32)));
        for bad in ["", "16", "0x1", "1x0", "x", "1x1x1"] {
            assert!(parse_load(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_rate("0.5"), Ok(0.5));
        for bad in ["0", "-1", "inf", "NaN", "x"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
        for bad in ["-1", "inf", "NaN", "x"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }
}
