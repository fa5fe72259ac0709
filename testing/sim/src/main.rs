//! Runs simulated ensembles from seeds.
//!
//! ```text
//! cargo run --release -p zabra-sim -- --seeds 0..2000
//! cargo run --release -p zabra-sim -- --seed 17 --trace
//! cargo run --release -p zabra-sim -- --prove
//! cargo run --release -p zabra-sim -- --night
//! ```

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use zabra_sim::{Counts, Outcome, Sabotage, Settings, run};

/// Seeds of a night.
const NIGHT: u64 = 1_000_000;

/// Seeds within which a bug that was put back must be found.
const PROOF_SEEDS: u64 = 2000;

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Simulates ensembles under faults and checks them at every step.
#[derive(Debug, Parser)]
struct Args {
    /// One seed.
    #[arg(long, conflicts_with_all = ["seeds", "night"])]
    seed: Option<u64>,
    /// Tell everything that happens, with --seed.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Many seeds: from..to, the end excluded.
    #[arg(long, value_parser = parse_range, default_value = "0..1000")]
    seeds: (u64, u64),
    /// A million seeds that were not run before: they follow from the time.
    #[arg(long)]
    night: bool,
    /// Put each known bug back and look for a seed that finds it.
    #[arg(long, conflicts_with_all = ["seed", "seeds", "night", "sabotage"])]
    prove: bool,
    /// A bug to put back.
    #[arg(long, value_enum)]
    sabotage: Option<Sabotage>,
    /// Go on after so many failing seeds.
    #[arg(long, default_value_t = 5)]
    failures: u64,
    /// Threads; as many as there are processors by default.
    #[arg(long)]
    threads: Option<usize>,
}

fn parse_range(text: &str) -> Result<(u64, u64), String> {
    let bounds = text.split_once("..").and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    bounds.filter(|(from, to)| from < to).ok_or_else(|| "expected from..to".to_owned())
}

fn main() -> ExitCode {
    let args = Args::parse();
    // What panics is told with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let result = match args.seed {
        Some(seed) => run_one(seed, &args),
        None if args.prove => prove(&args),
        None => run_many(&args),
    };
    match result {
        Ok(code) => code,
        // Nobody reads any more.
        Err(_) => ExitCode::FAILURE,
    }
}

fn run_one(seed: u64, args: &Args) -> io::Result<ExitCode> {
    let outcome = run(seed, Settings { sabotage: args.sabotage, traced: args.trace });
    let mut out = io::stdout().lock();
    for line in &outcome.trace {
        writeln!(out, "{line}")?;
    }
    tell(&mut out, &outcome, args.sabotage)?;
    Ok(if outcome.violation.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(out: &mut impl Write, outcome: &Outcome, sabotage: Option<Sabotage>) -> io::Result<()> {
    let Outcome { seed, violation, fingerprint, counts, .. } = outcome;
    match violation {
        None => writeln!(out, "seed {seed}: nothing wrong, {counts}, fingerprint {fingerprint:016x}"),
        Some((time, violation)) => {
            writeln!(out, "seed {seed}: FAILED at {time}: {violation}")?;
            let sabotage = sabotage.and_then(|sabotage| sabotage.to_possible_value());
            let sabotage =
                sabotage.map(|value| format!(" --sabotage {}", value.get_name())).unwrap_or_default();
            writeln!(out, "  cargo run --release -p zabra-sim -- --seed {seed}{sabotage} --trace")
        }
    }
}

/// What all seeds came to.
#[derive(Debug, Default)]
struct Totals {
    passed: u64,
    failed: u64,
    counts: Counts,
}

fn run_many(args: &Args) -> io::Result<ExitCode> {
    let (from, to) = if args.night { night() } else { args.seeds };
    let next = AtomicU64::new(from);
    let totals = Mutex::new((Totals::default(), Instant::now()));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads(args) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= to {
                        break;
                    }
                    let outcome = run(seed, Settings { sabotage: args.sabotage, traced: false });
                    if !note(&totals, &outcome, args, to - from) {
                        next.store(to, Relaxed);
                    }
                }
            });
        }
    });
    let (totals, _) = totals.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let Totals { passed, failed, counts } = totals;
    let seconds = began.elapsed().as_secs_f64();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{} seeds from {from} on in {seconds:.0} s: {failed} failed, {passed} did not",
        passed + failed
    )?;
    writeln!(out, "{counts}")?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Counts an outcome and tells what is to be told. Whether to go on.
fn note(totals: &Mutex<(Totals, Instant)>, outcome: &Outcome, args: &Args, seeds: u64) -> bool {
    let mut guard = totals.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (totals, told) = &mut *guard;
    totals.counts.add(&outcome.counts);
    // Output that nobody reads does not stop the run.
    if outcome.violation.is_none() {
        totals.passed += 1;
    } else {
        totals.failed += 1;
        let _ = tell(&mut io::stdout().lock(), outcome, args.sabotage);
    }
    if told.elapsed() >= PROGRESS_EVERY {
        *told = Instant::now();
        let done = totals.passed + totals.failed;
        let _ = writeln!(io::stderr().lock(), "{done} of {seeds} seeds, {} failed", totals.failed);
    }
    totals.failed < args.failures
}

/// Puts each bug back and looks for the first seed that finds it. Fails when one goes unnoticed.
fn prove(args: &Args) -> io::Result<ExitCode> {
    let mut out = io::stdout();
    let mut code = ExitCode::SUCCESS;
    for &sabotage in Sabotage::value_variants() {
        let settings = Settings { sabotage: Some(sabotage), traced: false };
        match first_failure(settings, args) {
            Some(outcome) => {
                let property = outcome.violation.map_or("", |(_, violation)| violation.property);
                writeln!(out, "{sabotage:?}: found by seed {}: {property}", outcome.seed)?;
            }
            None => {
                writeln!(out, "{sabotage:?}: NOT FOUND by the seeds 0..{PROOF_SEEDS}")?;
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

/// The failing seed that was found first, on all threads.
fn first_failure(settings: Settings, args: &Args) -> Option<Outcome> {
    let next = AtomicU64::new(0);
    let found = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads(args) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= PROOF_SEEDS {
                        break;
                    }
                    let outcome = run(seed, settings);
                    if outcome.violation.is_some() {
                        next.store(PROOF_SEEDS, Relaxed);
                        found
                            .lock()
                            .unwrap_or_else(std::sync::PoisonError::into_inner)
                            .get_or_insert(outcome);
                        break;
                    }
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn threads(args: &Args) -> usize {
    args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, usize::from))
}

/// Seeds that no other night has.
fn night() -> (u64, u64) {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let from = since.as_secs() * NIGHT;
    (from, from + NIGHT)
}
