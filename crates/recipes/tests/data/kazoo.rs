//! kazoo's layouts.

use std::sync::Arc;

use bytes::Bytes;
use zabra_recipes::Error;
use zabra_recipes::kazoo::{Counter, FloatCounter, LockingQueue, PRIORITY_DEFAULT, Queue};

use crate::support::World;

pub(crate) async fn counters_are_text(world: Arc<World>) {
    let client = world.client().await;
    // As kazoo makes it: there, and empty.
    client.create("/count", "").await.unwrap();
    let counter = Counter::new(&client, "/count");
    assert_eq!(counter.add(12).await.unwrap().after, Some(12));
    assert_eq!(counter.decrement().await.unwrap().before, Some(12));
    assert_eq!(client.get("/count").await.unwrap().0, "11");
    let counter = FloatCounter::new(&client, "/fraction");
    assert_eq!(counter.add(2.5).await.unwrap().after, Some(2.5));
    assert_eq!(counter.add(0.5).await.unwrap().after, Some(3.0));
    assert_eq!(client.get("/fraction").await.unwrap().0, "3.0");
}

pub(crate) async fn queues_have_entries_with_priorities(world: Arc<World>) {
    let client = world.client().await;
    let queue = Queue::open(&client, "/q").await.unwrap();
    queue.put("b", PRIORITY_DEFAULT).await.unwrap();
    queue.put("c", 999).await.unwrap();
    queue.put("a", 7).await.unwrap();
    assert!(matches!(queue.put("d", 1000).await, Err(Error::BadArgument(_))));
    assert_eq!(
        client.children("/q").await.unwrap(),
        ["entry-007-0000000002", "entry-100-0000000000", "entry-999-0000000001"]
    );
    for item in ["a", "b", "c"] {
        assert_eq!(queue.take().await.unwrap(), item);
    }
    assert_eq!(queue.poll().await.unwrap(), None);
}

pub(crate) async fn locking_queues_mark_what_is_in_hand(world: Arc<World>) {
    let client = world.client().await;
    let queue = LockingQueue::open(&client, "/q").await.unwrap();
    queue.put_all([Bytes::from("a"), Bytes::from("b")], PRIORITY_DEFAULT).await.unwrap();
    let taken = queue.take().await.unwrap();
    assert_eq!(taken.item(), "a");
    assert_eq!(client.children("/q/taken").await.unwrap(), ["entry-100-0000000000"]);
    assert_eq!(client.children("/q/entries").await.unwrap().len(), 2);
    // kazoo tells its own marks by their data: 32 hex digits.
    let (mark, _) = client.get("/q/taken/entry-100-0000000000").await.unwrap();
    assert!(mark.len() == 32 && mark.iter().all(u8::is_ascii_hexdigit), "{mark:?}");
    taken.done().await.unwrap();
    let taken = queue.take().await.unwrap();
    assert_eq!(taken.item(), "b");
    taken.release().await.unwrap();
    assert_eq!(queue.poll().await.unwrap().unwrap().item(), "b");
}
