//! A counter that several clients count up at the same time, each change made only if nobody was quicker.
//!
//! A change that fails because somebody was quicker is made again from what is there now. One whose connection broke
//! settles itself unless somebody else has counted on meanwhile: `idempotent` looks whether it was made. For that, the data
//! names who wrote it: two clients that both make a 5 out of the same 4 must not be taken for one.
//!
//! `cargo run --release -p zabra-client --example counter [hosts]`

#![expect(clippy::print_stdout, reason = "an example says what it does")]

mod server;

use server::Failure;
use std::time::Instant;
use tokio::task::JoinSet;
use zabra_client::Client;

const CLIENTS: u64 = 4;
const STEPS: u64 = 250;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (hosts, _server) = server::hosts().await?;
    run(&hosts).await
}

pub(crate) async fn run(hosts: &str) -> Result<(), Failure> {
    let path = server::fresh("counter");
    let client = Client::connect(hosts).await?;
    client.create(&path, "0 nobody").parents().await?;

    let begin = Instant::now();
    let mut counting = JoinSet::new();
    for _ in 0..CLIENTS {
        counting.spawn(count(Client::connect(hosts).await?, path.clone()));
    }
    let mut again = 0;
    while let Some(done) = counting.join_next().await {
        again += done??;
    }
    let (value, _) = client.get(&path).await?;
    let value = number(&value)?;
    println!("{value} steps in {:?}, {again} tried again", begin.elapsed());
    assert_eq!(value, CLIENTS * STEPS, "none is lost, none counts twice");
    client.delete(&path).await?;
    client.close().await?;
    Ok(())
}

/// Counts; tells how often somebody else was quicker.
async fn count(client: Client, path: String) -> Result<u64, Failure> {
    let mut again = 0;
    let me = client.session_id();
    for _ in 0..STEPS {
        let (mut value, mut stat) = client.get(&path).await?;
        loop {
            let next = format!("{} {me}", number(&value)? + 1);
            // The read is on its way before the answer to the write is there: it is needed if that fails.
            let write = client.set(&path, next).version(stat.version).idempotent().send();
            let read = client.get(&path).send();
            match write.await {
                Ok(_) => break,
                Err(error) if error.is_bad_version() => (value, stat) = read.await?,
                Err(error) => return Err(error.into()),
            }
            again += 1;
        }
    }
    client.close().await?;
    Ok(again)
}

/// The first word.
fn number(value: &[u8]) -> Result<u64, Failure> {
    let number = std::str::from_utf8(value)?.split(' ').next().unwrap_or_default();
    Ok(number.parse()?)
}
