//! What it brings not to wait for each answer before the next request is sent.
//!
//! `cargo run --release -p zabra-client --example pipelining [hosts]`

#![expect(clippy::print_stdout, reason = "an example says what it does")]

mod server;

use server::Failure;
use std::time::Instant;
use zabra_client::{Client, Pending};

const NODES: u32 = 2000;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (hosts, _server) = server::hosts().await?;
    run(&hosts).await
}

pub(crate) async fn run(hosts: &str) -> Result<(), Failure> {
    let client = Client::connect(hosts).await?;
    let place = server::fresh("nodes");
    client.ensure_path(&place).await?;

    let begin = Instant::now();
    for n in 0..NODES {
        client.create(format!("{place}/one-by-one-{n}"), []).await?;
    }
    println!("{NODES} nodes, each awaited:    {:?}", begin.elapsed());

    let begin = Instant::now();
    let creates: Vec<Pending<_>> =
        (0..NODES).map(|n| client.create(format!("{place}/at-once-{n}"), []).send()).collect();
    for create in creates {
        create.await?;
    }
    println!("{NODES} nodes, sent at once:    {:?}", begin.elapsed());

    let begin = Instant::now();
    let mut transaction = client.transaction();
    for n in 0..NODES {
        transaction = transaction.create(format!("{place}/all-or-none-{n}"), []);
    }
    transaction.commit().await?;
    println!("{NODES} nodes, one transaction: {:?}", begin.elapsed());

    assert_eq!(client.all_children_number(&place).await?, 3 * NODES as i32);
    let begin = Instant::now();
    println!("{} nodes deleted: {:?}", client.delete_recursive(&place).await?, begin.elapsed());
    client.close().await?;
    Ok(())
}
