//! Exactly once while the leaders of an ensemble are killed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use zabra_client::Client;
use zabra_embedded::Ensemble;
use zabra_recipes::Receipt;
use zabra_recipes::atomic::{AtomicLong, Tries};
use zabra_recipes::queue::Queue;

use crate::support::soon;

const PROCESSES: usize = 3;
const ITEMS: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_answer_under_the_next_leader() {
    let ensemble = Arc::new(Ensemble::start(3).await.unwrap());
    let progress = Arc::new(Semaphore::new(0));
    let handled: Arc<Mutex<BTreeMap<Bytes, usize>>> = Arc::default();
    let (mut producers, mut consumers) = (JoinSet::new(), JoinSet::new());
    for process in 0..PROCESSES {
        let open = async |role: &str| {
            let client = Client::connect(&ensemble.connect_string()).await.unwrap();
            let receipt = Receipt::open(&client, format!("/receipts/{role}-{process}")).await.unwrap();
            let queue = Queue::builder(&client, "/queue").receipt(receipt).open().await.unwrap();
            (client, queue)
        };
        let (_, queue) = open("producer").await;
        let done = Arc::clone(&progress);
        producers.spawn(async move {
            for item in 0..ITEMS {
                queue.put(format!("{process}/{item}")).await.unwrap();
                done.add_permits(1);
            }
        });
        let (client, queue) = open("consumer").await;
        let receipt = Receipt::open(&client, format!("/receipts/number-{process}")).await.unwrap();
        let number =
            AtomicLong::new(&client, "/number").with_tries(Tries::times(u32::MAX)).with_receipt(receipt);
        let (handled, done) = (Arc::clone(&handled), Arc::clone(&progress));
        consumers.spawn(async move {
            loop {
                let item = queue.take().await.unwrap().item();
                *handled.lock().unwrap().entry(item).or_default() += 1;
                assert!(number.increment().await.unwrap().succeeded);
                done.add_permits(1);
            }
        });
    }
    let killing = tokio::spawn({
        let (ensemble, progress) = (Arc::clone(&ensemble), Arc::clone(&progress));
        async move {
            loop {
                progress.acquire_many(60).await.unwrap().forget();
                let leader = ensemble.leader().await.unwrap();
                ensemble.kill(leader).await;
                ensemble.restart(leader).await.unwrap();
            }
        }
    });
    soon("everything to be put", producers.join_all()).await;
    let client = Client::connect(&ensemble.connect_string()).await.unwrap();
    let number = AtomicLong::new(&client, "/number");
    let counted = async {
        while number.get().await.unwrap() < (PROCESSES * ITEMS) as i64 {
            tokio::task::yield_now().await;
        }
    };
    soon("everything to be counted", counted).await;
    killing.abort();
    drop(consumers);
    assert_eq!(number.get().await.unwrap(), (PROCESSES * ITEMS) as i64);
    let handled = handled.lock().unwrap();
    assert_eq!(handled.len(), PROCESSES * ITEMS);
    assert!(handled.values().all(|times| *times == 1), "{handled:?}");
}
