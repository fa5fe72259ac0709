//! With Curator.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use zabra_recipes::atomic::{AtomicLong, Tries};
use zabra_recipes::barrier::DoubleBarrier;
use zabra_recipes::queue::Queue;
use zabra_recipes::shared::{SharedCount, SharedValue};

use crate::{Foreign, items_of, put_aside, start};

#[tokio::test]
#[ignore = "needs Curator"]
async fn a_queue_with_a_lock_path_is_worked_off_together() {
    const ITEMS: usize = 200;
    let (server, client) = start().await;
    let queue = Queue::builder(&client, "/queue").lock_path("/queue-locks").open().await.unwrap();
    let mut java = Foreign::java(&server, "take", "/queue", 0);
    let putting = Foreign::java(&server, "put", "/queue", ITEMS);
    for item in 0..ITEMS {
        queue.put(format!("rust {item}")).await.unwrap();
    }
    let (mut taken, mut by_java) = (BTreeSet::new(), 0);
    while taken.len() < 2 * ITEMS {
        tokio::select! {
            item = java.hear() => {
                by_java += 1;
                put_aside(&mut taken, item.unwrap());
            }
            // Not all of it, so that something is left for the others.
            item = queue.take(), if taken.len() % 4 != 0 || by_java > 0 => {
                let item = item.unwrap();
                put_aside(&mut taken, item.item());
                item.done().await.unwrap();
            }
        }
    }
    putting.end().await;
    assert_eq!(taken, items_of(&["java", "rust"], ITEMS));
    assert!(by_java > 0);
}

#[tokio::test]
#[ignore = "needs Curator"]
async fn priorities_are_understood_both_ways() {
    let (server, client) = start().await;
    let queue = Queue::builder(&client, "/queue").open_priority().await.unwrap();
    Foreign::java(&server, "put-priority", "/queue", 10).end().await;
    for priority in -4..=5 {
        assert_eq!(queue.take().await.unwrap().item(), format!("java {priority}"));
    }
    for priority in [3, -3, i32::MIN, i32::MAX, 0] {
        queue.put(priority.to_string(), priority).await.unwrap();
    }
    let mut java = Foreign::java(&server, "take-priority", "/queue", 0);
    for priority in [i32::MIN, -3, 0, 3, i32::MAX] {
        assert_eq!(java.hear().await.unwrap(), priority.to_string());
    }
}

#[tokio::test]
#[ignore = "needs Curator"]
async fn delays_are_understood_both_ways() {
    let (server, client) = start().await;
    let queue = Queue::builder(&client, "/queue").open_delay().await.unwrap();
    Foreign::java(&server, "put-delay", "/queue", 5).end().await;
    for time in 1..=5 {
        assert_eq!(queue.take().await.unwrap().item(), format!("java {time}"));
    }
    queue.put_after("too early", Duration::from_secs(3600)).await.unwrap();
    for time in [3, 1, 2] {
        queue.put(time.to_string(), UNIX_EPOCH + Duration::from_secs(time)).await.unwrap();
    }
    let mut java = Foreign::java(&server, "take-delay", "/queue", 0);
    for time in 1..=3 {
        assert_eq!(java.hear().await.unwrap(), time.to_string());
    }
}

#[tokio::test]
#[ignore = "needs Curator"]
async fn ids_are_understood_both_ways() {
    let (server, client) = start().await;
    let queue = Queue::builder(&client, "/queue").open_id().await.unwrap();
    queue.put("x", "rust").await.unwrap();
    queue.put("y", "rust").await.unwrap();
    let mut java = Foreign::java(&server, "put-id", "/queue", 4);
    assert_eq!(java.hear().await.unwrap(), "removed 2");
    java.end().await;
    assert_eq!(queue.remove("id 0").await.unwrap(), 2);
    assert_eq!(queue.take().await.unwrap().item(), "java 1");
}

#[tokio::test]
#[ignore = "needs Curator"]
async fn numbers_are_counted_together() {
    const EACH: usize = 200;
    let (server, client) = start().await;
    let java = Foreign::java(&server, "add", "/n", EACH);
    let sharing = Foreign::java(&server, "share", "/shared", EACH);
    let number = AtomicLong::new(&client, "/n").with_tries(Tries::times(u32::MAX));
    let count = SharedCount::open(&client, "/shared", 0).await.unwrap();
    for _ in 0..EACH {
        assert!(number.increment().await.unwrap().succeeded);
        loop {
            let now = count.versioned().unwrap();
            if count.try_set(&now, now.value + 1).await.unwrap() {
                break;
            }
        }
    }
    java.end().await;
    sharing.end().await;
    assert_eq!(number.get().await.unwrap(), 2 * EACH as i64);
    let count = SharedCount::open(&client, "/shared", 0).await.unwrap();
    assert_eq!(count.get().unwrap(), 2 * EACH as i32);
}

#[tokio::test]
#[ignore = "needs Curator"]
async fn values_are_followed() {
    let (server, client) = start().await;
    let value = SharedValue::open(&client, "/value", "ours").await.unwrap();
    let mut java = Foreign::java(&server, "follow", "/value", 0);
    assert_eq!(java.hear().await.unwrap(), "ours");
    for next in ["a", "b"] {
        value.set(next).await.unwrap();
        while java.hear().await.unwrap() != next {}
    }
}

#[tokio::test]
#[ignore = "needs Curator"]
async fn a_group_of_both_meets() {
    const ROUNDS: usize = 5;
    let (server, client) = start().await;
    let mut java = Foreign::java(&server, "meet", "/groups", ROUNDS);
    for round in 0..ROUNDS {
        let group = DoubleBarrier::new(&client, format!("/groups/{round}"), 3).unwrap();
        let (one, two) = tokio::join!(group.enter(), group.enter());
        assert_eq!(java.hear().await.unwrap(), format!("in {round}"));
        let (one, two) = tokio::join!(one.unwrap().leave(), two.unwrap().leave());
        one.and(two).unwrap();
        assert_eq!(java.hear().await.unwrap(), format!("out {round}"));
    }
    java.end().await;
}
