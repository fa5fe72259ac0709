//! Queues that both put into and take from.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use zabra_recipes::kazoo;
use zabra_recipes::queue::{Queue, Taken};

use crate::peer::{Meeting, Peer};

/// How many items each puts.
const ITEMS: usize = 100;

/// Takes beside the other program until all is taken that both put: each item once, and some by either.
///
/// `take` may be dropped at any time; what it has taken is handed to `done`, which returns the item.
async fn work_off<T>(
    peer: &mut Peer,
    language: &str,
    take: impl AsyncFn() -> T,
    done: impl AsyncFn(T) -> Bytes,
) {
    let (mut taken, mut by_peer) = (BTreeSet::new(), 0);
    while taken.len() < 2 * ITEMS {
        let item = tokio::select! {
            item = peer.hear() => {
                by_peer += 1;
                item
            }
            // Not all of it before the other has had some.
            item = take(), if taken.len() < ITEMS / 2 || by_peer > 0 => {
                String::from_utf8(done(item).await.into()).unwrap()
            }
        };
        assert!(taken.insert(item.clone()), "{item} was taken twice");
    }
    let put = |by: &str| (0..ITEMS).map(|item| format!("{by} {item}")).collect::<BTreeSet<_>>();
    assert_eq!(taken, &put("rust") | &put(language));
    assert!(by_peer > 0);
}

async fn done(taken: Taken) -> Bytes {
    let item = taken.item();
    taken.done().await.unwrap();
    item
}

#[tokio::test]
async fn a_queue_with_a_lock_path_is_worked_off_together() {
    let Some(meeting) = Meeting::with_curator_or_skip("a queue shared with Curator").await else { return };
    let Meeting { server: _server, client, peer: mut curator } = meeting;
    let queue = Queue::builder(&client, "/queue").lock_path("/queue-locks").open().await.unwrap();
    curator.tell(&["queue", "/queue", "take"]).await;
    curator.begin(&["queue", "/queue", "put", &ITEMS.to_string()]).await;
    for item in 0..ITEMS {
        queue.put(format!("rust {item}")).await.unwrap();
    }
    work_off(&mut curator, "java", async || queue.take().await.unwrap(), done).await;
    curator.done().await;
}

#[tokio::test]
async fn priorities_are_understood_both_ways() {
    let Some(meeting) = Meeting::with_curator_or_skip("priorities shared with Curator").await else { return };
    let Meeting { server: _server, client, peer: mut curator } = meeting;
    let queue = Queue::builder(&client, "/queue").open_priority().await.unwrap();
    curator.tell(&["priority-queue", "/queue", "put", "10"]).await;
    for priority in -4..=5 {
        assert_eq!(queue.take().await.unwrap().item(), format!("java {priority}"));
    }
    for priority in [3, -3, i32::MIN, i32::MAX, 0] {
        queue.put(priority.to_string(), priority).await.unwrap();
    }
    curator.tell(&["priority-queue", "/queue", "take"]).await;
    for priority in [i32::MIN, -3, 0, 3, i32::MAX] {
        assert_eq!(curator.hear().await, priority.to_string());
    }
}

#[tokio::test]
async fn delays_are_understood_both_ways() {
    let Some(meeting) = Meeting::with_curator_or_skip("delays shared with Curator").await else { return };
    let Meeting { server: _server, client, peer: mut curator } = meeting;
    let queue = Queue::builder(&client, "/queue").open_delay().await.unwrap();
    curator.tell(&["delay-queue", "/queue", "put", "5"]).await;
    for time in 1..=5 {
        assert_eq!(queue.take().await.unwrap().item(), format!("java {time}"));
    }
    queue.put_after("too early", Duration::from_secs(3600)).await.unwrap();
    for time in [3, 1, 2] {
        queue.put(time.to_string(), UNIX_EPOCH + Duration::from_secs(time)).await.unwrap();
    }
    curator.tell(&["delay-queue", "/queue", "take"]).await;
    for time in 1..=3 {
        assert_eq!(curator.hear().await, time.to_string());
    }
}

#[tokio::test]
async fn ids_are_understood_both_ways() {
    let Some(meeting) = Meeting::with_curator_or_skip("ids shared with Curator").await else { return };
    let Meeting { server: _server, client, peer: mut curator } = meeting;
    let queue = Queue::builder(&client, "/queue").open_id().await.unwrap();
    queue.put("x", "rust").await.unwrap();
    queue.put("y", "rust").await.unwrap();
    curator.tell(&["id-queue", "/queue", "put", "4"]).await;
    assert_eq!(curator.ask(&["id-queue", "/queue", "remove", "rust"]).await, "2");
    assert_eq!(queue.remove("id 0").await.unwrap(), 2);
    assert_eq!(queue.take().await.unwrap().item(), "java 1");
}

#[tokio::test]
async fn a_queue_of_kazoo_is_worked_off_together() {
    let Some(meeting) = Meeting::with_kazoo_or_skip("a queue shared with kazoo").await else { return };
    let Meeting { server: _server, client, peer: mut kazoo } = meeting;
    let queue = kazoo::Queue::open(&client, "/queue").await.unwrap();
    kazoo.begin(&["queue", "/queue", &ITEMS.to_string()]).await;
    for item in 0..ITEMS {
        queue.put(format!("rust {item}"), 1).await.unwrap();
    }
    work_off(&mut kazoo, "python", async || queue.take().await.unwrap(), async |item| item).await;
    kazoo.done().await;
}

#[tokio::test]
async fn a_locking_queue_is_worked_off_together() {
    let Some(meeting) = Meeting::with_kazoo_or_skip("a locking queue shared with kazoo").await else {
        return;
    };
    let Meeting { server: _server, client, peer: mut kazoo } = meeting;
    let queue = kazoo::LockingQueue::open(&client, "/queue").await.unwrap();
    kazoo.begin(&["locking-queue", "/queue", &ITEMS.to_string()]).await;
    for item in 0..ITEMS {
        queue.put(format!("rust {item}"), 100).await.unwrap();
    }
    work_off(&mut kazoo, "python", async || queue.take().await.unwrap(), done).await;
    kazoo.done().await;
}
