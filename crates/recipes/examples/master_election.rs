//! Election of a master with failover: every node stands for election, the master works, and when it goes another takes
//! over.
//!
//! `cargo run --example master_election [hosts]`

#![expect(clippy::print_stdout, reason = "an example says what it does")]

mod server;

use std::error::Error;
use std::time::Instant;

use tokio::sync::mpsc;
use zabra_client::Client;
use zabra_recipes::Fence;
use zabra_recipes::leader::{Candidate, LeaderElection};

const NODES: usize = 5;

struct Node {
    client: Client,
    candidate: Candidate,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (hosts, _server) = server::hosts().await?;
    let path = server::fresh("master");
    let (elected, mut masters) = mpsc::unbounded_channel();

    let mut nodes = Vec::new();
    for number in 0..NODES {
        let client = Client::connect(&hosts).await?;
        let election = LeaderElection::new(&client, &path)?.with_id(number.to_string());
        let elected = elected.clone();
        // What a master does, until it is done or leadership is lost: then this is dropped at its next await.
        let candidate = election.start(move |leadership| {
            let elected = elected.clone();
            async move {
                // Whoever hears of the master only notes it; the work itself would carry the token.
                let _ = elected.send((number, leadership.fence()));
                std::future::pending().await
            }
        });
        nodes.push(Some(Node { client, candidate }));
    }

    let mut highest: Option<Fence> = None;
    let mut left = NODES;
    while let Some((master, fence)) = masters.recv().await {
        assert!(Some(fence) > highest, "tokens grow from master to master");
        highest = Some(fence);
        println!("node {master} is the master, with the token {fence}; {left} nodes are left");
        let node = nodes[master].take().ok_or("a node that is gone cannot be elected")?;
        left -= 1;
        let began = Instant::now();
        if master % 2 == 0 {
            println!("it resigns and leaves");
            node.candidate.close().await;
            node.client.close().await?;
        } else {
            println!("its session ends under it");
            node.client.close().await?;
        }
        if left == 0 {
            break;
        }
        let next = nodes.iter().flatten().next().ok_or("some are left")?;
        while next.candidate.election().leader().await?.is_none_or(|leader| leader.fence <= fence) {
            tokio::task::yield_now().await;
        }
        println!("there is another after {:?}", began.elapsed());
    }
    Ok(())
}
