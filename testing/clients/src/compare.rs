//! The comparison.

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use zabra_testkit::{Genuine, JvmOptions, RawClient, RawRequest, ServerSpec, zabra_program};

use crate::programs::{Library, Programs};
use crate::work::{DATA, Figures, Load, NODES, Op, ROOT, node};

/// What is compared, and for how long.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Rounds; the libraries take turns in each, and the middle figure counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds that count, of each load.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Seconds before that.
    #[arg(long, default_value_t = 3.0)]
    warm_up: f64,
    /// One round of a second each: a first impression.
    #[arg(long)]
    quick: bool,
    /// Only loads whose name begins with this, such as "get" or "memory".
    #[arg(long)]
    only: Option<String>,
    /// Only these libraries.
    #[arg(long, value_delimiter = ',')]
    libraries: Vec<String>,
    /// Against the genuine server, not ours.
    #[arg(long)]
    genuine: bool,
    /// Sessions when memory is measured.
    #[arg(long, default_value_t = 300)]
    idle_sessions: usize,
}

/// Operation, sessions, requests in flight for each.
const LOADS: &[(Op, usize, usize)] = &[
    (Op::Get, 1, 1),
    (Op::Get, 1, 100),
    (Op::Get, 16, 10),
    (Op::Set, 1, 1),
    (Op::Set, 1, 100),
    (Op::Set, 16, 10),
    (Op::Idle, 0, 0),
];

pub(crate) fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let program =
        if args.genuine { Genuine::find()?.program(&JvmOptions::production(1024)) } else { zabra_program()? };
    // The disk is not what is measured.
    let server = ServerSpec::new(program)
        .with_property("zookeeper.forceSync", "no")
        .with("maxSessionTimeout", "60000")
        .start()?;
    prepare(server.addr())?;
    let programs = Programs::find(server.home())?;
    let wanted = |library: &Library| {
        let named = args.libraries.is_empty() || args.libraries.iter().any(|name| name == library.name());
        named && programs.has(*library)
    };
    let libraries: Vec<_> = Library::ALL.into_iter().filter(wanted).collect();
    let mut out = io::stdout();
    let hosts = server.addr().to_string();
    for &(op, sessions, depth) in LOADS {
        let idle = op == Op::Idle;
        let title = if idle {
            format!("memory of {} idle sessions", args.idle_sessions)
        } else {
            format!("{} sessions={sessions} depth={depth}", op.name())
        };
        if args.only.as_ref().is_some_and(|only| !title.starts_with(only)) {
            continue;
        }
        let seconds = if args.quick { 1.0 } else { args.seconds };
        let load = Load {
            op,
            sessions: if idle { args.idle_sessions } else { sessions },
            depth,
            warm_up: Duration::from_secs_f64(if args.quick { 1.0 } else { args.warm_up }),
            measured: Duration::from_secs_f64(seconds),
        };
        let mut measured = vec![Vec::new(); libraries.len()];
        for _ in 0..if args.quick { 1 } else { args.rounds.max(1) } {
            for (library, figures) in libraries.iter().zip(&mut measured) {
                figures.push(programs.measure(*library, &hosts, load)?);
            }
        }
        writeln!(out, "\n{title}")?;
        print(&mut out, &libraries, &measured, load)?;
    }
    Ok(())
}

fn prepare(server: SocketAddr) -> io::Result<()> {
    let (mut client, _) = RawClient::connect(server, 20_000)?;
    client.call(&RawRequest::create(ROOT, b"", 0))?;
    for number in 0..NODES {
        client.call(&RawRequest::create(&node(number), &DATA, 0))?;
    }
    Ok(())
}

fn print(
    out: &mut impl Write,
    libraries: &[Library],
    measured: &[Vec<Figures>],
    load: Load,
) -> io::Result<()> {
    let idle = load.op == Op::Idle;
    if idle {
        writeln!(out, "  {:18} {:>12} {:>12}", "", "KiB/session", "with one, MiB")?;
    } else {
        let heads = ["", "ops/s", "ops/CPU s", "CPU us/op", "p50 us", "p99 us"];
        let [name, rate, work, cost, p50, p99] = heads;
        writeln!(out, "  {name:18} {rate:>10} {work:>12} {cost:>12} {p50:>9} {p99:>9}  ours per CPU second")?;
    }
    let per_cpu = |figures: &Figures| figures.ops / figures.cpu.max(0.01);
    let ours = libraries.iter().position(|&library| library == Library::Zabra);
    let ours = ours.map(|at| middle(&measured[at], per_cpu));
    for (library, figures) in libraries.iter().zip(measured) {
        let name = library.name();
        let median = |value: fn(&Figures) -> f64| middle(figures, value);
        if idle {
            let each = middle(figures, |figures| {
                (figures.rss[1] - figures.rss[0]) / (load.sessions.max(2) - 1) as f64
            });
            writeln!(out, "  {name:18} {each:>12.1} {:>12.1}", median(|figures| figures.rss[0]) / 1024.0)?;
            continue;
        }
        let work = middle(figures, per_cpu);
        let ratio = ours.map_or_else(String::new, |ours| format!("x {:.1}", ours / work));
        writeln!(
            out,
            "  {name:18} {:>10.0} {work:>12.0} {:>12.2} {:>9.0} {:>9.0}  {ratio}",
            median(|figures| figures.ops / figures.seconds),
            1e6 / work,
            median(|figures| figures.p50),
            median(|figures| figures.p99),
        )?;
    }
    Ok(())
}

fn middle(figures: &[Figures], value: impl Fn(&Figures) -> f64) -> f64 {
    let mut values: Vec<f64> = figures.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
