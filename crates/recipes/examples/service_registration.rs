//! Service registration: an instance registers itself, others find it, its state changes, its session expires and it is
//! there again, and a program with Curator reads and writes the same.
//!
//! `cargo run --example service_registration [hosts]`

#![expect(clippy::print_stdout, reason = "an example says what it does")]

mod server;

use std::error::Error;

use serde_json::json;
use zabra_client::Client;
use zabra_recipes::discovery::{Discovery, ServiceInstance, UriSpec};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (hosts, server) = server::hosts().await?;
    let base = server::fresh("services");

    let serving = Client::connect(&hosts).await?;
    let mine = ServiceInstance::new("search")
        .address("10.0.0.7")
        .port(8080)
        .ssl_port(8443)
        .payload(json!({"zone": "eu", "ready": false}))
        .uri_spec(UriSpec::parse("{scheme}://{address}:{ssl-port}/{name}")?);
    let registration = Discovery::new(&serving, &base)?.register(mine.clone()).await?;
    println!("registered as {base}/search/{}", mine.id);
    println!("{}", String::from_utf8_lossy(&mine.to_json()));

    let asking = Client::connect(&hosts).await?;
    let discovery = Discovery::new(&asking, &base)?;
    println!("services: {:?}", discovery.services().await?);
    let cache = discovery.cache("search").await?;
    let mut changes = cache.changes();
    registration.update(mine.payload(json!({"zone": "eu", "ready": true}))).await?;
    for instance in changes.next().await.unwrap_or_default() {
        println!("{} says {:?}", instance.uri(), instance.payload.as_ref().map(|payload| payload.value()));
    }

    // Only a server of one's own ends a session on demand.
    if let Some(server) = &server {
        let expired = serving.session_id();
        server.expire(expired).await?;
        while changes
            .next()
            .await
            .is_some_and(|instances| instances.is_empty() || serving.session_id() == expired)
        {}
        println!(
            "session {expired} has expired; in the next one, {} instance is there again",
            cache.instances().len()
        );
    }

    registration.unregister().await?;
    while !cache.instances().is_empty() && changes.next().await.is_some() {}
    println!("unregistered");
    serving.close().await?;
    asking.close().await?;
    Ok(())
}
