//! Names that nobody else has: the server completes them by a number that only grows.
//!
//! Some workers name themselves at the same time. Each knows its number, its neighbours, and is forgotten when it goes.
//!
//! `cargo run -p zabra-client --example naming [hosts]`

#![expect(clippy::print_stdout, reason = "an example says what it does")]

mod server;

use server::Failure;
use std::collections::BTreeSet;
use zabra_client::Client;

const WORKERS: usize = 10;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (hosts, _server) = server::hosts().await?;
    run(&hosts).await
}

pub(crate) async fn run(hosts: &str) -> Result<(), Failure> {
    let client = Client::connect(hosts).await?;
    let place = server::fresh("names");
    client.ensure_path(&place).await?;

    // A client each, as if they were processes. None waits for another.
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        let worker = Client::connect(hosts).await?;
        // Protected: should the connection break now, it finds out whether it has a name already.
        let name = worker.create(format!("{place}/worker-"), []).ephemeral().sequential().protected().send();
        workers.push((worker, name));
    }
    let mut numbers = BTreeSet::new();
    for (worker, name) in &mut workers {
        let name = name.await?.path;
        println!("session {} is {name}", worker.session_id());
        numbers.insert(name[name.len() - 10..].to_owned());
    }
    assert_eq!(numbers.len(), WORKERS, "no two have the same");

    let (present, change) = client.children(&place).watch().await?;
    println!("{} are there; one goes", present.len());
    let (leaving, _) = workers.swap_remove(0);
    leaving.close().await?;
    println!("told: {:?}; {} are left", change.await.kind, client.children(&place).await?.len());

    for (worker, _) in workers {
        worker.close().await?;
    }
    client.delete_recursive(&place).await?;
    client.close().await?;
    Ok(())
}
