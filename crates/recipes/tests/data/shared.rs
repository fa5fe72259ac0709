//! Shared values.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use zabra_recipes::Error;
use zabra_recipes::shared::{SharedCount, SharedValue};

use crate::support::World;

pub(crate) async fn changes_reach_everybody(world: Arc<World>) {
    let one = SharedValue::open(&world.client().await, "/deep/value", "seed").await.unwrap();
    let two = SharedValue::open(&world.client().await, "/deep/value", "other seed").await.unwrap();
    assert_eq!(two.get(), "seed");
    let mut changes = two.changes();
    let (told, mut heard) = mpsc::unbounded_channel();
    let telling = two.on_change(move |value| told.send(value).unwrap());
    one.set("next").await.unwrap();
    assert_eq!(one.get(), "next");
    assert_eq!(changes.next().await.unwrap().value, "next");
    assert_eq!(heard.recv().await.unwrap().value, "next");
    assert_eq!(two.get(), "next");
    telling.abort();
    drop((one, two));
    assert!(changes.next().await.is_none());
}

pub(crate) async fn a_value_is_set_only_if_it_is_unchanged(world: Arc<World>) {
    let client = world.client().await;
    let value = SharedValue::open(&client, "/value", "seed").await.unwrap();
    let previous = value.versioned();
    assert!(value.try_set(&previous, "one").await.unwrap());
    assert!(!value.try_set(&previous, "two").await.unwrap());
    let previous = value.versioned();
    client.set("/value", "by another").await.unwrap();
    assert!(!value.try_set(&previous, "three").await.unwrap());
    assert_eq!(value.get(), "by another");
}

pub(crate) async fn a_value_is_followed_through_loss_expiry_and_deletion(world: Arc<World>) {
    let (client, other) = (world.client().await, world.client().await);
    let value = SharedValue::open(&client, "/value", "0").await.unwrap();
    let mut changes = value.changes();
    for round in 1..=6 {
        match round % 3 {
            0 => world.expire(client.session_id()).await,
            1 => world.cut_all().await,
            _ => {
                while other.delete("/value").await.is_err() {}
                while other.create("/value", "").await.is_err() {}
            }
        }
        let expected = round.to_string();
        while other.set("/value", &expected).await.is_err() {}
        while changes.next().await.unwrap().value != expected {}
        // The session that was to expire next may not have been there yet.
        client.sync("/value").await.unwrap();
    }
    client.close().await.unwrap();
    assert!(changes.next().await.is_none());
    assert_eq!(value.get(), "6");
}

pub(crate) async fn counts_are_exact_among_many(world: Arc<World>) {
    let progress = Arc::new(Semaphore::new(0));
    let mut counting = JoinSet::new();
    for _ in 0..4 {
        let count = SharedCount::open(&world.client().await, "/count", 0).await.unwrap();
        let progress = Arc::clone(&progress);
        counting.spawn(async move {
            for _ in 0..25 {
                loop {
                    let previous = count.versioned().unwrap();
                    if count.try_set(&previous, previous.value + 1).await.unwrap() {
                        break;
                    }
                }
                progress.add_permits(1);
            }
        });
    }
    counting.join_all().await;
    let client = world.client().await;
    assert_eq!(SharedCount::open(&client, "/count", 0).await.unwrap().get().unwrap(), 100);
    client.set("/count", "abc").await.unwrap();
    let count = SharedCount::open(&client, "/count", 0).await.unwrap();
    assert!(matches!(count.get(), Err(Error::Malformed { .. })));
}
