//! Kills a server amid writes, again and again, and checks what it shows when it is back: everything acknowledged is
//! there exactly as it was acknowledged, what was in flight is there as a whole or not at all, and nothing else is.
//!
//! ```text
//! cargo run --release -p zabra-crash -- --rounds 1000
//! ```
//!
//! Writers ([`slot`]) write down what they send and receive ([`history`]). A model of each writer's nodes ([`world`])
//! says what every first part of its requests makes; [`check`] looks for the part that explains what is there.

mod action;
mod check;
mod choose;
mod era;
mod files;
mod history;
mod ledger;
mod observe;
mod settings;
mod slot;
mod world;

use clap::{Parser, ValueEnum};
use era::{Era, Failure, Options, Report, chain};
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use zabra_testkit::{Genuine, JvmOptions, Rng, zabra_program};

/// Kills a server amid writes and checks that nothing acknowledged is lost.
#[derive(Debug, Parser)]
struct Args {
    /// How many times the server is killed.
    #[arg(long, default_value_t = 100)]
    rounds: u64,
    /// Where everything but timing follows from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The server.
    #[arg(long, value_enum, default_value = "zabra")]
    server: ServerKind,
    /// Clients that write at the same time.
    #[arg(long, default_value_t = 5)]
    writers: usize,
    /// Cut so many bytes off the transaction log after each kill: rounds that acknowledged them have to fail.
    #[arg(long, value_name = "BYTES")]
    cut_log: Option<usize>,
    /// Remove the directories of rounds that fail, too.
    #[arg(long)]
    discard: bool,
    /// Stop at the first round that fails.
    #[arg(long)]
    fail_fast: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ServerKind {
    /// $ZABRA_BIN, else the release build of this checkout.
    Zabra,
    /// Apache ZooKeeper, as testing/interop/install installs it.
    Genuine,
}

/// Rounds on one data directory.
const ERA_LEN: (u64, u64) = (15, 60);
/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(20);

/// What all rounds came to.
#[derive(Debug, Default)]
struct Totals {
    passed: u64,
    failed: u64,
    acknowledged: u64,
    in_flight: u64,
    survived: u64,
    unfinished: u64,
    longest_start: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(totals) if totals.failed == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "crash: {}", chain(&*error));
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<Totals, Box<dyn Error>> {
    let program = match args.server {
        ServerKind::Zabra => zabra_program()?,
        ServerKind::Genuine => Genuine::find()?.program(&JvmOptions::small()),
    };
    let options = Options {
        program,
        writers: args.writers,
        cut_log: args.cut_log,
        is_zabra: args.server == ServerKind::Zabra,
    };
    let mut out = io::stdout();
    let mut rng = Rng::new(args.seed);
    let mut totals = Totals::default();
    let mut round = 0;
    let begun = Instant::now();
    let mut told = begun;
    while round < args.rounds {
        let mut era = Era::begin(&options, Rng::new(rng.next_u64()))?;
        let (least, most) = ERA_LEN;
        let end = args.rounds.min(round + least + rng.below((most - least) as usize) as u64);
        while round < end {
            let outcome = era.round(round);
            round += 1;
            match outcome {
                Ok(report) => totals.add(&report),
                Err(failure) => {
                    totals.failed += 1;
                    if !args.discard {
                        era.keep();
                    }
                    tell(&mut out, args, round - 1, &failure)?;
                    if args.fail_fast {
                        round = args.rounds;
                    }
                    break;
                }
            }
            if told.elapsed() > PROGRESS_INTERVAL {
                told = Instant::now();
                writeln!(io::stderr(), "{} passed, {} failed ...", totals.passed, totals.failed)?;
            }
        }
    }
    writeln!(
        out,
        "{} writes acknowledged; of {} in flight at a kill {} took effect; {} kills amid a snapshot or new log; \
         longest start {:.0?}; {:.0?} in all",
        totals.acknowledged,
        totals.in_flight,
        totals.survived,
        totals.unfinished,
        totals.longest_start,
        begun.elapsed()
    )?;
    writeln!(out, "{} passed, {} failed", totals.passed, totals.failed)?;
    Ok(totals)
}

impl Totals {
    fn add(&mut self, report: &Report) {
        self.passed += 1;
        self.acknowledged += report.figures.acknowledged;
        self.in_flight += report.figures.in_flight;
        self.survived += report.figures.survived;
        self.unfinished += u64::from(report.unfinished);
        self.longest_start = self.longest_start.max(report.start);
    }
}

fn tell(out: &mut impl Write, args: &Args, round: u64, failure: &Failure) -> io::Result<()> {
    writeln!(out, "seed {} round {round} FAILED", args.seed)?;
    for fault in &failure.faults {
        writeln!(out, "  {fault}")?;
    }
    writeln!(out, "  settings: {}", failure.settings)?;
    let fate = if args.discard { "discarded" } else { "kept" };
    writeln!(out, "  {fate}: {} (history.txt, server.log, data)", failure.home.display())
}
