//! Measures the memory and speed of the watch table: resident memory before and after, so that what the allocator
//! adds is counted too. Each case has a process of its own, as an allocator keeps what the case before gave back.
//!
//! `cargo run -p zabra-node --release --example watch_footprint`
#![expect(clippy::print_stdout, reason = "the numbers are what the program is for")]

use std::fmt::Write;
use std::process::Command;
use std::time::Instant;
use zabra_node::{ConnId, WatchKind, WatchTable};

/// Connections, watches of each, and which path the n-th watch of a connection is on.
struct Case {
    title: &'static str,
    conns: u32,
    each: u32,
    path: fn(u32, u32) -> u32,
}

const CASES: &[Case] = &[
    Case { title: "10 connections x 100,000 paths", conns: 10, each: 100_000, path: |_, n| n },
    Case {
        title: "1,000 connections x 1,000 of 100,000 paths",
        conns: 1_000,
        each: 1_000,
        path: |conn, n| (conn * 7919 + n * 97) % 100_000,
    },
    Case { title: "1 connection x 1,000,000 paths", conns: 1, each: 1_000_000, path: |_, n| n },
    Case {
        title: "100,000 connections x 10 paths of their own",
        conns: 100_000,
        each: 10,
        path: |conn, n| conn * 10 + n,
    },
    Case { title: "10,000 connections x 1 path", conns: 10_000, each: 1, path: |_, n| n },
];

fn main() -> std::io::Result<()> {
    if let Some(case) = std::env::args().nth(1) {
        if let Some(case) = case.parse::<usize>().ok().and_then(|number| CASES.get(number)) {
            measure(case);
        }
        return Ok(());
    }
    for number in 0..CASES.len() {
        Command::new(std::env::current_exe()?).arg(number.to_string()).status()?;
    }
    Ok(())
}

/// Sets `conns * each` watches, fires one round, and removes the rest connection by connection.
fn measure(case: &Case) {
    let &Case { title, conns, each, path: number_of } = case;
    let count = conns as usize * each as usize;
    let before = resident();
    let start = Instant::now();
    let mut table = WatchTable::new([1, 2]);
    let mut path = String::new();
    for n in 0..each {
        for conn in 0..conns {
            spell(&mut path, number_of(conn, n));
            table.add(&path, ConnId::new(conn), WatchKind::Data);
        }
    }
    let added = start.elapsed();
    let bytes = resident().saturating_sub(before);

    let start = Instant::now();
    let mut told = 0_usize;
    for number in 0..each.min(1000) {
        spell(&mut path, number_of(0, number));
        table.trigger_data(&path, |_| told += 1);
    }
    let fired = start.elapsed();

    let start = Instant::now();
    let left = table.watch_count();
    for conn in 0..conns {
        table.remove_conn(ConnId::new(conn));
    }
    let removed = start.elapsed();
    assert!(table.is_empty(), "every watch went with its connection");

    println!("{title}");
    println!("  {:6.1} bytes a watch ({count} watches, {} KiB)", bytes as f64 / count as f64, bytes / 1024);
    println!("  {:6.0} ns to add one", added.as_nanos() as f64 / count as f64);
    println!("  {:6.0} ns to tell one ({told} told)", fired.as_nanos() as f64 / told.max(1) as f64);
    if left > 0 {
        println!("  {:6.0} ns to remove one with its connection", removed.as_nanos() as f64 / left as f64);
    }
}

fn spell(path: &mut String, number: u32) {
    path.clear();
    // Writing to a String does not fail.
    let _ = write!(path, "/services/node-{number:010}");
}

/// Bytes of this process in memory, 0 where Linux's /proc is missing.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kib| kib.parse::<usize>().ok()).unwrap_or(0) * 1024
}
