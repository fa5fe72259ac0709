//! Names from sequence nodes: every worker gets a name that no other has had, others find it by that name, and the name goes
//! with the worker.
//!
//! `cargo run --example naming [hosts]`

#![expect(clippy::print_stdout, reason = "an example says what it does")]

mod server;

use std::collections::BTreeSet;
use std::error::Error;

use zabra_client::Client;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (hosts, _server) = server::hosts().await?;
    let names = server::fresh("names");
    let reader = Client::connect(&hosts).await?;
    reader.ensure_path(&names).await?;

    let mut workers = Vec::new();
    for port in 4000..4005 {
        let client = Client::connect(&hosts).await?;
        // Protected: if the reply is lost, the client finds the node it has made by a mark in its name.
        let created = client
            .create(format!("{names}/worker-"), format!("127.0.0.1:{port}"))
            .ephemeral()
            .sequential()
            .protected()
            .await?;
        let name = name_of(&created.path);
        println!("port {port} is called {name}");
        workers.push((client, name, created.path));
    }
    let given: BTreeSet<&str> = workers.iter().map(|(_, name, _)| name.as_str()).collect();
    assert_eq!(given.len(), workers.len(), "every name is given once");

    let (_, name, path) = &workers[3];
    let (address, _) = reader.get(path).await?;
    println!("{name} is at {}", String::from_utf8_lossy(&address));
    assert_eq!(address, "127.0.0.1:4003");

    // A name is not given again: the sequence of a parent only grows.
    let (client, gone, path) = workers.remove(0);
    client.close().await?;
    assert!(reader.exists(&path).await?.is_none());
    let again = reader.create(format!("{names}/worker-"), "elsewhere").ephemeral().sequential().await?;
    println!("{gone} is gone; the next is {}", name_of(&again.path));
    assert_ne!(name_of(&again.path), gone);
    Ok(())
}

/// The name in a path: from `worker-` on, without the mark of a protected node.
fn name_of(path: &str) -> String {
    path.rfind("worker-").map_or_else(String::new, |at| path[at..].to_owned())
}
