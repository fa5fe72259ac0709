//! Our own recipes in contention: what `workers/` has in other languages.

mod client;
mod items;
mod locks;
mod seen;

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use self::client::Contender;
use crate::Failure;

/// Obeys orders on standard input until it ends.
pub(crate) fn run(name: &str, witness: &str) -> Result<bool, Failure> {
    let mut out = io::stdout();
    writeln!(out, "ready")?;
    for line in io::stdin().lock().lines() {
        let answer = obey(name, witness, &line?);
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(true)
}

/// What to do: a scenario, and `key=value` words.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    scenario: String,
    values: HashMap<String, String>,
}

impl Order {
    fn parse(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let scenario = words.next().unwrap_or_default().to_owned();
        let pairs = words.filter_map(|word| word.split_once('='));
        Self { scenario, values: pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect() }
    }

    fn text(&self, key: &str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }

    fn number(&self, key: &str) -> u64 {
        self.text(key).parse().unwrap_or(0)
    }
}

/// What all clients of the process count.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    suspensions: AtomicU64,
    errors: AtomicU64,
}

fn obey(name: &str, witness: &str, line: &str) -> String {
    let order = Order::parse(line);
    let counts = Counts::default();
    let failures = Mutex::new(Vec::new());
    // As in the other languages: a thread and a session each.
    thread::scope(|scope| {
        for number in 0..order.number("clients") {
            let (order, counts, failures) = (&order, &counts, &failures);
            scope.spawn(move || {
                let who = format!("{name}/{number}");
                let contended = Contender::contend(&who, witness, order, counts);
                if let Err(failure) = contended
                    && let Ok(mut failures) = failures.lock()
                {
                    failures.push(format!("{who}: {failure}"));
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    match failures.first() {
        Some(failure) => format!("failed {}", failure.replace('\n', " ")),
        None => format!(
            "done suspensions={} errors={}",
            counts.suspensions.load(Relaxed),
            counts.errors.load(Relaxed)
        ),
    }
}
