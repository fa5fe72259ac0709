//! Instructions per operation, counted by callgrind: `cargo run --release -p zabra-benches --bin instructions -- --help`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people and scripts")]

mod count;
mod operations;
mod record;

use std::alloc::System;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use crate::count::{Cost, Counter};
use crate::operations::{OPERATIONS, Operation};
use crate::record::Record;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Counts the instructions and allocations of one operation in a server without sockets, and compares with the record.
#[derive(Debug, Parser)]
struct Args {
    /// Fail when an operation takes more instructions, or more allocations, than recorded.
    #[arg(long, conflicts_with = "record")]
    check: bool,
    /// Write what was counted into the record.
    #[arg(long)]
    record: bool,
    /// How much more is too much, in percent.
    #[arg(long, default_value_t = 3.0)]
    tolerance: f64,
    /// Count only operations whose name has this in it.
    #[arg(long, default_value = "")]
    only: String,
    /// Keep the profiles in this directory, for callgrind_annotate.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// The record.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json"))]
    file: PathBuf,
    #[command(subcommand)]
    inner: Option<Inner>,
}

#[derive(Debug, Subcommand)]
enum Inner {
    /// What runs under callgrind: performs an operation so many times.
    #[command(hide = true)]
    Drive { operation: String, count: u32 },
}

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match &args.inner {
        Some(Inner::Drive { operation, count }) => drive(operation, *count),
        None => count_all(&args),
    };
    match result {
        Ok(code) => code,
        Err(why) => {
            eprintln!("instructions: {why}");
            ExitCode::from(2)
        }
    }
}

fn drive(name: &str, count: u32) -> Result<ExitCode, String> {
    let operation = OPERATIONS.iter().find(|operation| operation.name == name);
    let operation = operation.ok_or_else(|| format!("there is no operation {name}"))?;
    println!("{}", operations::drive(operation, count));
    Ok(ExitCode::SUCCESS)
}

fn count_all(args: &Args) -> Result<ExitCode, String> {
    let wanted = |operation: &&Operation| operation.name.contains(&args.only);
    if !OPERATIONS.iter().any(|operation| wanted(&operation)) {
        return Err(format!("no operation has {} in its name", args.only));
    }
    let counter = Counter::new(args.keep.as_deref())?;
    let mut record = Record::read(&args.file)?;
    if !record.is_comparable() && !args.record {
        eprintln!(
            "WARNING: the record was made by {}, this is {}: differences may be the compiler's",
            record.compiler(),
            record::compiler()
        );
    }
    println!(
        "{:<29} {:>12} {:>11} {:>10} {:>8}",
        "operation", "instructions", "allocations", "recorded", "change"
    );
    let mut worse = Vec::new();
    for operation in OPERATIONS.iter().filter(wanted) {
        let cost = counter.count(operation)?;
        let known = record.get(operation.name);
        print_row(operation, cost, known);
        match known {
            Some(known) if cost.exceeds(known, args.tolerance) => worse.push(operation.name),
            None if args.check => worse.push(operation.name),
            _ => {}
        }
        record.set(operation.name, cost);
    }
    if args.record {
        record.write(&args.file)?;
        println!("recorded in {}", args.file.display());
    } else if args.check && !worse.is_empty() {
        eprintln!(
            "FAILED: {} cost more than recorded by over {} %, or are not recorded. Find out why (--keep DIR), or \
             record the new cost with --record and say in the commit what it buys.",
            worse.join(", "),
            args.tolerance
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_row(operation: &Operation, cost: Cost, known: Option<Cost>) {
    let (recorded, change) = match known {
        Some(known) => (
            known.instructions.to_string(),
            format!("{:+.1} %", (cost.instructions as f64 / known.instructions.max(1) as f64 - 1.0) * 100.0),
        ),
        None => ("-".to_owned(), "-".to_owned()),
    };
    println!(
        "{:<29} {:>12} {:>11.2} {recorded:>10} {change:>8}  {}",
        operation.name, cost.instructions, cost.allocations, operation.about
    );
}
