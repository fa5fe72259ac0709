//! A work queue: producers put jobs exactly once, workers take them in hand, one of them dies, and no job is lost.
//!
//! `cargo run --example work_queue [hosts]`

#![expect(clippy::print_stdout, reason = "an example says what it does")]

mod server;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use zabra_client::Client;
use zabra_recipes::Receipt;
use zabra_recipes::queue::Queue;

const PRODUCERS: usize = 3;
const JOBS: usize = 50;
const WORKERS: usize = 4;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (hosts, _server) = server::hosts().await?;
    let path = server::fresh("jobs");
    let locks = format!("{path}-in-hand");

    // Every process of the queue opens it in the same way, in a session of its own.
    let open = async |receipt: Option<String>| -> Result<(Client, Queue), Box<dyn Error>> {
        let client = Client::connect(&hosts).await?;
        let mut builder = Queue::builder(&client, &path).lock_path(&locks);
        if let Some(receipt) = receipt {
            // The receipt makes a put exactly once, even if the connection breaks before its reply.
            builder = builder.receipt(Receipt::open(&client, receipt).await?);
        }
        Ok((client, builder.open().await?))
    };

    for producer in 0..PRODUCERS {
        let (client, queue) = open(Some(format!("{path}-receipts/{producer}"))).await?;
        for job in 0..JOBS {
            queue.put(format!("{producer}/{job}")).await?;
        }
        client.close().await?;
    }
    println!("{} jobs were put", PRODUCERS * JOBS);

    // This worker takes a job and dies: its session ends with the job undone.
    let (client, queue) = open(None).await?;
    let taken = queue.take().await?;
    println!("a worker dies over job {}", String::from_utf8_lossy(&taken.item()));
    client.close().await?;
    drop(taken);

    let done: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        let (client, queue) = open(None).await?;
        let done = Arc::clone(&done);
        let worker = queue.consume(move |job| {
            let done = Arc::clone(&done);
            async move {
                let job = String::from_utf8(job.to_vec())?;
                *done.lock().unwrap_or_else(PoisonError::into_inner).entry(job).or_default() += 1;
                Ok::<_, std::string::FromUtf8Error>(())
            }
        });
        workers.push((client, queue, worker));
    }
    while !workers[0].1.is_empty().await? {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for (client, _, worker) in workers {
        worker.stop().await?;
        client.close().await?;
    }

    let done = done.lock().unwrap_or_else(PoisonError::into_inner);
    let twice = done.values().filter(|times| **times > 1).count();
    println!("{WORKERS} workers did {} jobs, {twice} of them more than once", done.len());
    assert_eq!((done.len(), twice), (PRODUCERS * JOBS, 0));
    Ok(())
}
