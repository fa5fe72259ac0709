//! A counter that many processes increase by compare-and-set, at speed.
//!
//! `cargo run --release --example counter [hosts]`

#![expect(clippy::print_stdout, reason = "an example says what it does")]

mod server;

use std::error::Error;
use std::time::Instant;

use tokio::task::JoinSet;
use zabra_client::Client;
use zabra_recipes::atomic::{AtomicLong, Tries};

const PROCESSES: usize = 4;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (hosts, _server) = server::hosts().await?;
    // One at a time in each process: every addition is a read and a conditional set, and may have to be tried again.
    count(&hosts, 1, 200).await?;
    // Many tasks in each process: what they add while one change is under way goes into the next, together.
    count(&hosts, 256, 40).await?;
    Ok(())
}

async fn count(hosts: &str, tasks: usize, additions: usize) -> Result<(), Box<dyn Error>> {
    let path = server::fresh("counter");
    let started = Instant::now();
    let mut counting = JoinSet::new();
    for _ in 0..PROCESSES {
        let client = Client::connect(hosts).await?;
        let counter = AtomicLong::new(&client, &path).with_tries(Tries::times(1000));
        for _ in 0..tasks {
            let counter = counter.clone();
            counting.spawn(async move {
                for _ in 0..additions {
                    let change = counter.increment().await?;
                    assert!(change.succeeded, "others were quicker a thousand times");
                }
                Ok::<_, zabra_recipes::Error>(())
            });
        }
    }
    while let Some(counted) = counting.join_next().await {
        counted??;
    }
    let seconds = started.elapsed().as_secs_f64();

    let total = AtomicLong::new(&Client::connect(hosts).await?, &path).get().await?;
    assert_eq!(usize::try_from(total)?, PROCESSES * tasks * additions);
    println!(
        "{PROCESSES} processes, {tasks} tasks each: {total} in {seconds:.2} s, {:.0} a second",
        total as f64 / seconds
    );
    Ok(())
}
