//! A load balancer over the members of a group: backends come and go, and requests go to those that are there, the least
//! busy first.
//!
//! `cargo run --example load_balancer [hosts]`

#![expect(clippy::print_stdout, reason = "an example says what it does")]

mod server;

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use zabra_client::Client;
use zabra_recipes::discovery::{Discovery, LeastLoaded, Registration, ServiceInstance, ServiceProvider};

const REQUESTS: usize = 300;

/// A process of its own, in real life.
struct Backend {
    client: Client,
    registration: Registration,
}

impl Backend {
    async fn start(hosts: &str, base: &str, id: &str) -> Result<Self, Box<dyn Error>> {
        let client = Client::connect(hosts).await?;
        let instance = ServiceInstance::new("shop").id(id).address("127.0.0.1").port(8080);
        let registration = Discovery::new(&client, base)?.register(instance).await?;
        Ok(Self { client, registration })
    }
}

/// Sends requests, each of which takes its time; how many each backend got.
async fn serve(backends: &ServiceProvider) -> BTreeMap<String, usize> {
    let mut served = BTreeMap::new();
    let mut under_way = Vec::new();
    for number in 0..REQUESTS {
        let Some(chosen) = backends.instance() else { break };
        *served.entry(chosen.id.clone()).or_default() += 1;
        // The slow backend works ten times as long, so it is chosen less often.
        let pause = if chosen.id == "slow" { 20 } else { 2 };
        under_way.push(tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            drop(chosen);
        }));
        if number % 10 == 9 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    for request in under_way {
        // A request that panics is no reason for the balancer to.
        let _ = request.await;
    }
    served
}

async fn until(backends: &ServiceProvider, count: usize) {
    let mut changes = backends.cache().changes();
    while backends.instances().len() != count && changes.next().await.is_some() {}
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (hosts, _server) = server::hosts().await?;
    let base = server::fresh("services");
    let client = Client::connect(&hosts).await?;
    let discovery = Discovery::new(&client, &base)?;
    let balancer = discovery.provider("shop").strategy(LeastLoaded::new()).load().await?;

    let mut backends = Vec::new();
    for id in ["fast-1", "fast-2", "slow"] {
        backends.push(Backend::start(&hosts, &base, id).await?);
    }
    until(&balancer, 3).await;
    println!("three backends:                {:?}", serve(&balancer).await);

    let broken = balancer.instance().ok_or("three are there")?.shared();
    for _ in 0..2 {
        balancer.note_error(&broken);
    }
    println!("{} failed twice:           {:?}", broken.id, serve(&balancer).await);

    let gone = backends.swap_remove(usize::from(broken.id == "fast-1"));
    let id = gone.registration.instance().id;
    // As a crash: the session ends, and the node with it.
    gone.client.close().await?;
    while balancer.cache().instances().len() != 2 {
        tokio::task::yield_now().await;
    }
    println!("and {id} is gone:           {:?}", serve(&balancer).await);

    let more = Backend::start(&hosts, &base, "fast-3").await?;
    while balancer.cache().instances().len() != 3 {
        tokio::task::yield_now().await;
    }
    println!("and fast-3 has come:           {:?}", serve(&balancer).await);
    for backend in backends.into_iter().chain([more]) {
        backend.registration.unregister().await?;
        backend.client.close().await?;
    }
    Ok(())
}
