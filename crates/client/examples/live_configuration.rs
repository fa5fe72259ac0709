//! Configuration that changes while it is used: every reader follows it, and misses nothing that matters.
//!
//! The readers go on while their connections break. What a reader sees last is what was written last; of what was in
//! between it may see less, as a watch says "it changed", not how often.
//!
//! `cargo run -p zabra-client --example live_configuration [hosts]`

#![expect(clippy::print_stdout, reason = "an example says what it does")]

mod server;

use server::Failure;
use std::time::Duration;
use tokio::task::JoinSet;
use zabra_client::{Client, EventType, RetryPolicy};

const READERS: u32 = 5;
const CHANGES: u32 = 20;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (hosts, _server) = server::hosts().await?;
    run(&hosts).await
}

pub(crate) async fn run(hosts: &str) -> Result<(), Failure> {
    let path = server::fresh("limit");
    let admin = Client::connect(hosts).await?;
    admin.create(&path, "0").parents().await?;

    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        readers.spawn(follow(Client::connect(hosts).await?, path.clone()));
    }
    for limit in 1..=CHANGES {
        admin.set(&path, limit.to_string()).await?;
    }
    while let Some(seen) = readers.join_next().await {
        let seen = seen??;
        println!("a reader saw {seen:?}");
        assert_eq!(seen.last(), Some(&CHANGES));
        assert!(seen.is_sorted(), "never an older one after a newer one");
    }
    admin.delete(&path).await?;
    admin.close().await?;
    Ok(())
}

/// Uses the configuration until it is the last one.
async fn follow(client: Client, path: String) -> Result<Vec<u32>, Failure> {
    let client = client.retrying(RetryPolicy::exponential(Duration::from_millis(10), Duration::from_secs(1)));
    let mut seen = Vec::new();
    loop {
        // The watch is set when the value is read: whatever comes later is told.
        let ((value, _), changed) = client.get(&path).watch().await?;
        seen.push(std::str::from_utf8(&value)?.parse()?);
        if seen.last() == Some(&CHANGES) {
            client.close().await?;
            return Ok(seen);
        }
        if let EventType::Session(state) = changed.await.kind {
            println!("the session is {state:?}: reading again with the next one");
        }
    }
}
