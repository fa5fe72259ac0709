//! The table: every target, measured on both servers in turn.

mod case;
mod effort;
mod machine;
mod meter;
mod print;
mod progress;
mod runner;
mod selection;
mod series;
mod watchdog;

pub(crate) use case::{Case, Target};
pub(crate) use effort::Effort;
pub(crate) use machine::Machine;
pub(crate) use meter::Meter;
pub(crate) use runner::Runner;
pub(crate) use series::Round;

use crate::Failure;
use crate::rows::PARTS;
use crate::side::Side;
use selection::Selection;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use zabra_load::{micros, sync_time};
use zabra_testkit::Genuine;

/// What to measure, and how thoroughly.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The rows, such as 1,2,9 or 1-6.
    #[arg(long, default_value = "1-14")]
    rows: Selection,
    /// Rounds, of which the middle one counts [default: 5, quick: 2].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Fewer rounds, nodes and sessions: a first impression.
    #[arg(long)]
    quick: bool,
    /// Write everything measured to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where the servers keep their data [default: the system's place for temporary files].
    #[arg(long)]
    data_root: Option<PathBuf>,
    /// Who is measured.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "genuine,zabra,floor")]
    sides: Vec<Side>,
}

/// Measures the table and prints it as it goes.
pub(crate) fn table(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    if args.sides.contains(&Side::Genuine) {
        Genuine::find()?;
    }
    build_zabra()?;
    let data_root = args.data_root.clone().unwrap_or_else(std::env::temp_dir);
    let machine = Machine::look(&data_root)?;
    writeln!(out, "{}", machine.line())?;
    let effort = Effort::of(args.quick, args.rounds, data_root);
    let parts: Vec<_> = PARTS.iter().filter(|part| part.rows.iter().any(|&row| args.rows.has(row))).collect();
    let times: Vec<_> = parts.iter().map(|part| (part.takes)(&effort)).collect();
    let minutes = times.iter().sum::<Duration>().as_secs_f64() / 60.0;
    writeln!(out, "{} rounds; about {:.0} minutes", effort.rounds, minutes.ceil())?;
    let begun = Instant::now();
    let mut done = Vec::new();
    let late = AtomicBool::new(false);
    let mut runner = Runner::new(&effort, &args.rows, &args.sides, &late, times, out);
    for part in parts {
        let takes = (part.takes)(&effort);
        let sync_us = micros(sync_time(&effort.data_root)?);
        runner.begin(&format!("{}; fdatasync of 4 KiB: {sync_us:.0} us", part.name))?;
        let part_begun = Instant::now();
        watchdog::within(watchdog::limit(takes), &late, || {
            if let Err(failure) = (part.run)(&mut runner) {
                runner.failed(part.name, &failure);
            }
        });
        runner.end();
        done.push(json!({
            "part": part.name, "fdatasync_us": sync_us, "seconds": part_begun.elapsed().as_secs_f64().round(),
        }));
        if let Some(path) = &args.json {
            // After each part, so that what was measured is there whatever becomes of the rest.
            let all = json!({
                "machine": machine.json(), "quick": args.quick, "rounds": effort.rounds,
                "seconds": begun.elapsed().as_secs(), "parts": done, "cases": runner.json(), "notes": runner.notes(),
            });
            std::fs::write(path, format!("{all:#}\n"))?;
        }
    }
    runner.summary(begun.elapsed())
}

/// Builds what is measured, when cargo started this program: an old binary says nothing.
pub(crate) fn build_zabra() -> Result<(), Failure> {
    let (Some(cargo), None) = (std::env::var_os("CARGO"), std::env::var_os("ZABRA_BIN")) else {
        return Ok(());
    };
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let built = Command::new(cargo)
        .args(["build", "--release", "-q", "-p", "zabra", "--manifest-path", manifest])
        .status()?;
    if built.success() { Ok(()) } else { Err("Zabra does not build".into()) }
}
