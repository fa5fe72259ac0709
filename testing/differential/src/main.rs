//! Sends the same random operations to two servers in lock step and compares every reply and event, byte by byte
//! after taking out what cannot be equal: times, session ids and passwords, the order of unordered lists. Zxids are
//! compared exactly, counted from the beginning of a run. At the end the whole trees are compared.
//!
//! ```text
//! cargo run --release -p zabra-differential -- --seeds 20 --ops 2000
//! ```
//!
//! Everything follows from the seed; the first difference is printed with the command that shows it again. What is
//! never generated, because the servers differ on purpose, is in `plan/excluded.rs` and `docs/differences.md`.

mod dump;
mod minimise;
mod normalise;
mod plan;
mod run;
mod side;
mod variant;

use clap::{Parser, ValueEnum};
use plan::{Action, PlanOptions};
use run::{Coverage, Mismatch, Pair, Stop};
use side::Side;
use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use variant::Variant;
use zabra_proto::OpCode;
use zabra_testkit::{Genuine, HarnessError, JvmOptions, Program, zabra_program};
use zabra_types::KeeperError;

/// Compares two ZooKeeper servers, operation by operation.
#[derive(Debug, Parser)]
struct Args {
    /// How many seeds, from --seed on.
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Requests per seed.
    #[arg(long, default_value_t = 2000)]
    ops: usize,
    /// The configuration; chosen by the seed when not given.
    #[arg(long, value_enum)]
    variant: Option<Variant>,
    /// genuine, zabra, or host:port of a server that runs already and whose tree nobody else touches.
    #[arg(long, default_value = "genuine")]
    left: String,
    /// As --left.
    #[arg(long, default_value = "zabra")]
    right: String,
    /// Give the right server this line of zoo.cfg besides; shows that a difference is found.
    #[arg(long, value_name = "KEY=VALUE")]
    right_config: Vec<String>,
    /// Never restart the servers within a run.
    #[arg(long)]
    no_restarts: bool,
    /// Look for a shorter plan that shows the difference. Starts the servers again and again.
    #[arg(long)]
    minimise: bool,
    /// Go on behind a difference as long as both servers answer, to see what else there is.
    #[arg(long)]
    keep_going: bool,
    /// After a difference, print this many last lines of each server's log.
    #[arg(long, default_value_t = 0)]
    log_lines: usize,
    /// Print how often each operation ended with each code, in clean seeds.
    #[arg(long)]
    coverage: bool,
    /// Print the plan of the first seed and do nothing.
    #[arg(long)]
    print_plan: bool,
}

/// How one side comes by its server.
#[derive(Clone, Debug)]
enum Source {
    Start(Program),
    Running(SocketAddr),
}

impl Source {
    fn parse(text: &str) -> Result<Self, Box<dyn Error>> {
        Ok(match text {
            "genuine" => Self::Start(Genuine::find()?.program(&JvmOptions::small())),
            "zabra" => Self::Start(zabra_program()?),
            addr => Self::Running(addr.parse().map_err(|_| {
                format!("{addr:?} is neither genuine, zabra nor an address such as 127.0.0.1:2181")
            })?),
        })
    }
}

/// Everything needed to carry out plans again and again.
struct Arena {
    left: Source,
    right: Source,
    log_lines: usize,
    keep_going: bool,
    right_config: Vec<(String, String)>,
}

impl Arena {
    fn new(args: &Args) -> Result<Self, Box<dyn Error>> {
        let right_config = args
            .right_config
            .iter()
            .map(|line| {
                let (key, value) =
                    line.split_once('=').ok_or_else(|| format!("{line:?} is not KEY=VALUE"))?;
                Ok((key.to_owned(), value.to_owned()))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self {
            left: Source::parse(&args.left)?,
            right: Source::parse(&args.right)?,
            log_lines: args.log_lines,
            keep_going: args.keep_going,
            right_config,
        })
    }

    fn starts_servers(&self) -> bool {
        matches!((&self.left, &self.right), (Source::Start(_), Source::Start(_)))
    }

    fn pair(&self, variant: Variant) -> Result<Pair, Box<dyn Error>> {
        let (left, right) = std::thread::scope(|scope| {
            let right = scope.spawn(|| start(&self.right, variant, &self.right_config));
            (start(&self.left, variant, &[]), right.join().expect("starting a server does not panic"))
        });
        Ok(Pair::new(left?, right?))
    }

    /// Carries out a plan on fresh servers (or those that run already) and compares their trees.
    fn run(&self, variant: Variant, plan: &[Action]) -> Result<Outcome, Box<dyn Error>> {
        let mut pair = self.pair(variant)?;
        pair.passed_over = self.keep_going.then(Vec::new);
        let stopped = pair
            .run(plan)
            .and_then(|()| dump::compare_trees(&mut pair))
            .and_then(|()| dump::compare_figures(&pair))
            .err();
        let mut differences = pair.passed_over.take().unwrap_or_default();
        match stopped {
            None if !differences.is_empty() => Ok(Outcome::Differ { differences, logs: [None, None] }),
            None => Ok(Outcome::Same { compared: pair.compared, coverage: pair.coverage }),
            Some(Stop::Mismatch(mismatch)) => {
                let logs = pair.sides_mut().each_mut().map(|side| side.last_words(self.log_lines));
                differences.push(*mismatch);
                Ok(Outcome::Differ { differences, logs })
            }
            Some(Stop::Harness(error)) => Err(error.into()),
        }
    }
}

/// One side, its server started if need be.
fn start(source: &Source, variant: Variant, config: &[(String, String)]) -> Result<Side, HarnessError> {
    match source {
        Source::Running(addr) => Side::new(*addr, None),
        Source::Start(program) => {
            let mut spec = variant.spec(program.clone());
            for (key, value) in config {
                spec = spec.with(key, value);
            }
            let server = spec.start()?;
            Side::new(server.addr(), Some(server))
        }
    }
}

/// What came of a plan.
enum Outcome {
    Same {
        compared: usize,
        coverage: Coverage,
    },
    Differ {
        /// At least one.
        differences: Vec<Mismatch>,
        /// What the servers' logs end with, and how they ended if they did.
        logs: [Option<String>; 2],
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    match compare(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let mut text = format!("differential: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                let _ = write!(text, ": {error}");
                cause = error.source();
            }
            let _ = writeln!(std::io::stderr(), "{text}");
            ExitCode::from(2)
        }
    }
}

/// Runs every seed; false when the servers differ.
fn compare(args: &Args) -> Result<bool, Box<dyn Error>> {
    let mut out = std::io::stdout();
    if args.print_plan {
        for (step, action) in plan_of(args, args.seed, !args.no_restarts).1.iter().enumerate() {
            writeln!(out, "{step}: {action:?}")?;
        }
        return Ok(true);
    }
    let arena = Arena::new(args)?;
    let restarts = arena.starts_servers() && !args.no_restarts;
    let mut clean = 0;
    let mut covered = Coverage::new();
    for seed in args.seed..args.seed + args.seeds {
        let (variant, plan) = plan_of(args, seed, restarts);
        match arena.run(variant, &plan)? {
            Outcome::Same { compared, coverage } => {
                clean += 1;
                for (ending, times) in coverage {
                    *covered.entry(ending).or_default() += times;
                }
                writeln!(out, "seed {seed} ({}): {compared} answers equal", name(variant))?;
            }
            Outcome::Differ { differences, logs } => {
                for mismatch in &differences {
                    writeln!(out, "seed {seed} ({}): DIFFERENT at {mismatch}", name(variant))?;
                }
                for (side, log) in ["left", "right"].iter().zip(logs) {
                    if let Some(log) = log {
                        writeln!(out, "  {side} server: {log}")?;
                    }
                }
                writeln!(out, "  again: {}", command(args, seed, variant))?;
                if args.minimise && arena.starts_servers() {
                    minimise::minimise(&arena, variant, plan, &differences[0], &mut out)?;
                }
            }
        }
    }
    if args.coverage {
        for ((op, err), times) in covered {
            let op = OpCode::from_code(op).map_or_else(|| op.to_string(), |op| format!("{op:?}"));
            let err = KeeperError::from_code(err).map_or_else(|| err.to_string(), |err| err.to_string());
            writeln!(out, "{op:>22} {err:<28} {times}")?;
        }
    }
    writeln!(out, "{clean} of {} seeds clean", args.seeds)?;
    Ok(clean == args.seeds)
}

/// The plan of a seed. Every other seed restarts the servers, as that leaves out some of what can be done to quotas.
fn plan_of(args: &Args, seed: u64, restarts: bool) -> (Variant, Vec<Action>) {
    let restarts = restarts && seed.is_multiple_of(2);
    let variant = args.variant.unwrap_or_else(|| Variant::of_seed(seed));
    let options = PlanOptions {
        seed,
        ops: args.ops,
        frame_len_max: variant.frame_len_max(),
        quota_enforced: variant == Variant::Quota,
        restarts,
    };
    (variant, plan::generate(options))
}

fn name(variant: Variant) -> String {
    variant.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn command(args: &Args, seed: u64, variant: Variant) -> String {
    let mut command = format!(
        "cargo run --release -p zabra-differential -- --seed {seed} --seeds 1 --ops {} --variant {} --left {} --right {}",
        args.ops,
        name(variant),
        args.left,
        args.right
    );
    if args.no_restarts {
        command.push_str(" --no-restarts");
    }
    for line in &args.right_config {
        let _ = write!(command, " --right-config '{line}'");
    }
    command
}
