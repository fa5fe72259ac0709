//! Numbers.

use std::sync::Arc;

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::task::JoinSet;
use zabra_recipes::Error;
use zabra_recipes::atomic::{AtomicInteger, AtomicLong, AtomicValue, NumberBlocks, Promotion, Tries};

use crate::support::World;

pub(crate) async fn a_number_is_changed_in_every_way(world: Arc<World>) {
    let number = AtomicInteger::new(&world.client().await, "/deep/down/number");
    assert_eq!(number.get().await.unwrap(), 0);
    let change = number.add(5).await.unwrap();
    assert_eq!((change.succeeded, change.before, change.after), (true, Some(0), Some(5)));
    assert_eq!(number.subtract(2).await.unwrap().after, Some(3));
    assert!(!number.compare_and_set(7, 8).await.unwrap().succeeded);
    let change = number.compare_and_set(3, i32::MAX).await.unwrap();
    assert_eq!((change.succeeded, change.before, change.after), (true, Some(3), Some(i32::MAX)));
    assert_eq!(number.increment().await.unwrap().after, Some(i32::MIN), "as Java counts");
    assert_eq!(number.decrement().await.unwrap().after, Some(i32::MAX));
    assert_eq!(number.try_set(9).await.unwrap().before, Some(i32::MAX));
    assert!(!number.initialize(1).await.unwrap());
    number.force_set(2).await.unwrap();
    assert_eq!(number.get().await.unwrap(), 2);
}

pub(crate) async fn a_number_that_is_not_there_is_not_compared(world: Arc<World>) {
    let number = AtomicLong::new(&world.client().await, "/number");
    assert!(!number.compare_and_set(0, 1).await.unwrap().succeeded);
    assert!(number.initialize(0).await.unwrap());
    assert!(number.compare_and_set(0, 1).await.unwrap().succeeded);
}

pub(crate) async fn other_data_is_refused(world: Arc<World>) {
    let client = world.client().await;
    client.create("/number", "abc").await.unwrap();
    let number = AtomicInteger::new(&client, "/number");
    assert!(matches!(number.get().await, Err(Error::Malformed { .. })));
    assert!(matches!(number.increment().await, Err(Error::Malformed { .. })));
    assert_eq!(client.get("/number").await.unwrap().0, "abc");
}

pub(crate) async fn many_tasks_and_sessions_count_exactly(world: Arc<World>) {
    let mut counting = JoinSet::new();
    for _ in 0..4 {
        let number = AtomicLong::new(&world.client().await, "/number").with_tries(Tries::times(u32::MAX));
        for _ in 0..25 {
            let number = number.clone();
            counting.spawn(async move {
                let change = number.increment().await.unwrap();
                assert!(change.succeeded);
                assert_eq!(change.after, change.before.map(|before| before + 1));
                change.after.unwrap()
            });
        }
    }
    let seen: BTreeSet<i64> = counting.join_all().await.into_iter().collect();
    assert_eq!(seen, (1..=100).collect(), "each its own value");
}

pub(crate) async fn promoted_changes_queue_up(world: Arc<World>) {
    let mut counting = JoinSet::new();
    for _ in 0..4 {
        let promotion = Promotion::new("/lock", Duration::from_secs(60), Tries::times(u32::MAX));
        let value = AtomicValue::new(&world.client().await, "/value")
            .with_tries(Tries::times(1))
            .with_promotion(promotion);
        counting.spawn(async move {
            let mut promoted = 0;
            for _ in 0..25 {
                let longer = |old: Option<&bytes::Bytes>| {
                    Ok(bytes::Bytes::from([old.map_or(&b""[..], |old| old), b"."].concat()))
                };
                let change = value.update(longer).await.unwrap();
                assert!(change.succeeded);
                assert_eq!(change.stats.optimistic_tries, 1);
                promoted += change.stats.promoted_tries;
            }
            promoted
        });
    }
    let promoted: u32 = counting.join_all().await.into_iter().sum();
    assert!(promoted > 0);
    let value = AtomicValue::new(&world.client().await, "/value").get().await.unwrap().unwrap();
    assert_eq!(value.len(), 100);
}

pub(crate) async fn blocks_of_numbers_are_unique(world: Arc<World>) {
    let mut seen = BTreeSet::new();
    let blocks: Vec<NumberBlocks> = [world.client().await, world.client().await]
        .iter()
        .map(|client| NumberBlocks::new(AtomicLong::new(client, "/ids"), 10).unwrap())
        .collect();
    for _ in 0..25 {
        for blocks in &blocks {
            assert!(seen.insert(blocks.next().await.unwrap().unwrap()));
        }
    }
    assert_eq!(AtomicLong::new(&world.client().await, "/ids").get().await.unwrap(), 60);
}
