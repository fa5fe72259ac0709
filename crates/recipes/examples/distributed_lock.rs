//! A lock among many workers: each changes the same account by reading it and writing it back, which would lose changes
//! without the lock. One of them dies with the lock in its hand.
//!
//! `cargo run --example distributed_lock [hosts]`

#![expect(clippy::print_stdout, reason = "an example says what it does")]

mod server;

use std::error::Error;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use zabra_client::Client;
use zabra_recipes::Fence;
use zabra_recipes::lock::{Lock, Mutex};

const WORKERS: u64 = 16;
const DEPOSITS: u64 = 25;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (hosts, _server) = server::hosts().await.map_err(|error| error.to_string())?;
    let path = server::fresh("account");
    let client = Client::connect(&hosts).await?;
    client.create(&path, "0 0").parents().await?;

    // A worker that dies while it holds the lock. Closing its client ends the session at once; after a real death the
    // others would wait for the session time-out.
    let mortal = Client::builder().session_timeout(Duration::from_secs(4)).connect(&hosts).await?;
    let guard = Mutex::new(&mortal, format!("{path}-lock"))?.with_data("the mortal one").acquire().await?;
    println!("the mortal one holds the lock with the token {}", guard.fence());

    let started = Instant::now();
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        workers.spawn(work(hosts.clone(), path.clone(), format!("worker {worker}")));
    }
    let lock = Mutex::new(&client, format!("{path}-lock"))?;
    while lock.participants().await?.len() <= WORKERS as usize {
        tokio::task::yield_now().await;
    }
    println!("{WORKERS} workers wait; it dies");
    mortal.close().await?;
    println!("its lock is lost: {}", guard.lost().await);

    while let Some(done) = workers.join_next().await {
        done??;
    }
    let (balance, _) = read(&client, &path).await?;
    println!("{WORKERS} workers deposited {DEPOSITS} each in {:?}: {balance}", started.elapsed());
    assert_eq!(balance, WORKERS * DEPOSITS);
    client.close().await?;
    Ok(())
}

/// Deposits one at a time, holding the lock.
async fn work(hosts: String, path: String, name: String) -> Result<(), Failure> {
    let client = Client::connect(&hosts).await?;
    let lock = Mutex::new(&client, format!("{path}-lock"))?.with_data(name);
    for _ in 0..DEPOSITS {
        let guard = lock.acquire().await?;
        guard.protect(deposit(&client, &path, guard.fence())).await??;
        guard.release().await?;
    }
    Ok(client.close().await?)
}

/// Two steps that must not be mixed with another's. The account keeps the highest token it has seen and refuses lower
/// ones: a worker that was asleep for longer than its session cannot spoil it.
async fn deposit(client: &Client, path: &str, fence: Fence) -> Result<(), Failure> {
    let (balance, highest) = read(client, path).await?;
    if fence.get() <= highest {
        return Err(format!("the token {fence} came after {highest}").into());
    }
    client.set(path, format!("{} {fence}", balance + 1)).await?;
    Ok(())
}

/// The balance, and the highest token so far.
async fn read(client: &Client, path: &str) -> Result<(u64, i64), Failure> {
    let (data, _) = client.get(path).await?;
    let text = String::from_utf8(data.to_vec())?;
    let (balance, highest) = text.split_once(' ').ok_or("the account is two numbers")?;
    Ok((balance.parse()?, highest.parse()?))
}
