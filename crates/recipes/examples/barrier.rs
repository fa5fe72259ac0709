//! A computation in rounds: workers wait for the start at a barrier, and then enter and leave each round together.
//!
//! `cargo run --example barrier [hosts]`

#![expect(clippy::print_stdout, reason = "an example says what it does")]

mod server;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;
use zabra_client::Client;
use zabra_recipes::barrier::{Barrier, DoubleBarrier};

const WORKERS: usize = 5;
const ROUNDS: usize = 3;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (hosts, _server) = server::hosts().await?;
    let path = server::fresh("rounds");
    let start = Barrier::new(&Client::connect(&hosts).await?, format!("{path}/start"));
    start.set().await?;

    // How many compute in each round.
    let computing: Arc<[AtomicUsize; ROUNDS]> = Arc::default();
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let client = Client::connect(&hosts).await?;
        let (path, computing) = (path.clone(), Arc::clone(&computing));
        workers.spawn(async move {
            Barrier::new(&client, format!("{path}/start")).wait().await?;
            for (round, computing) in computing.iter().enumerate() {
                let group = DoubleBarrier::new(&client, format!("{path}/round-{round}"), WORKERS)?;
                let group = group.with_identifier(format!("worker {worker}"));
                let entered = group.enter().await?;
                computing.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                computing.fetch_sub(1, Ordering::SeqCst);
                entered.leave().await?;
                // Nobody is let out before everybody is done.
                assert_eq!(computing.load(Ordering::SeqCst), 0);
                println!("worker {worker} is through with round {round}");
            }
            Ok::<_, zabra_recipes::Error>(())
        });
    }
    println!("the barrier opens");
    start.remove().await?;
    while let Some(done) = workers.join_next().await {
        done??;
    }
    Ok(())
}
