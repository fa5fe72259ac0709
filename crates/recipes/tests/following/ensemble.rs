//! Clients that move from server to server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use zabra_client::Client;
use zabra_embedded::Ensemble;
use zabra_recipes::cache::{Cache, CacheEvent};
use zabra_recipes::discovery::{Discovery, ServiceInstance};

use crate::support::{soon, until};

async fn connect(ensemble: &Ensemble) -> Client {
    soon("a session", Client::connect(&ensemble.connect_string())).await.unwrap()
}

/// Fails when a node goes backwards, or comes back from the dead.
fn watchman() -> impl FnMut(CacheEvent) + Send + 'static {
    let mut newest: BTreeMap<String, i64> = BTreeMap::new();
    move |event| {
        if let CacheEvent::Created(node) | CacheEvent::Changed { new: node, .. } = event {
            let before = newest.insert(node.path.clone(), node.stat.mzxid).unwrap_or(0);
            assert!(
                node.stat.mzxid > before,
                "{} went back from {before:x} to {:x}",
                node.path,
                node.stat.mzxid
            );
        }
    }
}

#[tokio::test]
async fn caches_and_registrations_outlive_every_server() {
    const ROUNDS: usize = 6;
    let ensemble = soon("an ensemble", Ensemble::start(3)).await.unwrap();
    let (follower, writer, serving) =
        (connect(&ensemble).await, connect(&ensemble).await, connect(&ensemble).await);
    writer.create("/t", "").await.unwrap();
    let told = Arc::new(Mutex::new(watchman()));
    let hear = told.clone();
    let cache = Cache::tree(&follower, "/t").listen(move |event| (hear.lock().unwrap())(event)).load();
    let cache = soon("the cache", cache).await.unwrap();
    let discovery = Discovery::new(&serving, "/services").unwrap();
    let registration =
        soon("an instance", discovery.register(ServiceInstance::new("web").id("a"))).await.unwrap();

    for round in 0..ROUNDS {
        for number in 0..20 {
            let path = format!("/t/{}", (round * 7 + number) % 30);
            let data = format!("{round}.{number}");
            let write = async {
                match writer.create(&path, &data).idempotent().send().await {
                    Err(error) if error.is_node_exists() => {
                        writer.set(&path, &data).idempotent().send().await.map(drop)
                    }
                    created => created.map(drop),
                }
            };
            // A write that was interrupted may have happened or not; the contents are compared, not the writes.
            let written = soon("a write", write).await;
            assert!(
                written.as_ref().is_ok_and(|()| true)
                    || written.is_err_and(|error| error.is_connection_lost())
            );
            if number == 10 {
                ensemble.kill(round % 3).await;
            }
        }
        ensemble.restart(round % 3).await.unwrap();
        soon("the ensemble", ensemble.wait_serving()).await.unwrap();
    }

    let mut expected = BTreeMap::from([("/t".to_owned(), bytes::Bytes::new())]);
    soon("a sync", async { while writer.sync("/t").await.is_err() {} }).await;
    for name in writer.children("/t").await.unwrap() {
        let path = format!("/t/{name}");
        let (data, _) = writer.get(&path).await.unwrap();
        expected.insert(path, data);
    }
    let contents = || {
        cache.nodes().iter().map(|node| (node.path.clone(), node.data.clone())).collect::<BTreeMap<_, _>>()
    };
    until("the contents", || contents() == expected).await;
    // A panic of the listener would have poisoned it.
    assert!(told.lock().is_ok());
    let found =
        soon("the instance", Discovery::new(&writer, "/services").unwrap().instance("web", "a")).await;
    assert_eq!(found.unwrap().unwrap(), registration.instance());
}
