//! With kazoo.

use std::collections::BTreeSet;

use zabra_recipes::NameStyle;
use zabra_recipes::atomic::{AtomicInteger, Tries};
use zabra_recipes::barrier::DoubleBarrier;
use zabra_recipes::kazoo::{Counter, FloatCounter, LockingQueue, Queue};

use crate::{Foreign, items_of, put_aside, start};

const ITEMS: usize = 100;

#[tokio::test]
#[ignore = "needs kazoo"]
async fn a_queue_is_worked_off_together() {
    let (server, client) = start().await;
    let queue = Queue::open(&client, "/queue").await.unwrap();
    let mut python = Foreign::python(&server, "queue", "/queue", ITEMS);
    for item in 0..ITEMS {
        queue.put(format!("rust {item}"), 1).await.unwrap();
    }
    let (mut taken, mut by_python) = (BTreeSet::new(), 0);
    while taken.len() < 2 * ITEMS {
        tokio::select! {
            item = python.hear() => {
                by_python += 1;
                put_aside(&mut taken, item.unwrap());
            }
            item = queue.take(), if taken.len() < ITEMS / 2 || by_python > 0 => put_aside(&mut taken, item.unwrap()),
        }
    }
    assert_eq!(taken, items_of(&["python", "rust"], ITEMS));
    assert!(by_python > 0);
}

#[tokio::test]
#[ignore = "needs kazoo"]
async fn a_locking_queue_is_worked_off_together() {
    let (server, client) = start().await;
    let queue = LockingQueue::open(&client, "/queue").await.unwrap();
    let mut python = Foreign::python(&server, "locking", "/queue", ITEMS);
    for item in 0..ITEMS {
        queue.put(format!("rust {item}"), 100).await.unwrap();
    }
    let (mut taken, mut by_python) = (BTreeSet::new(), 0);
    while taken.len() < 2 * ITEMS {
        tokio::select! {
            item = python.hear() => {
                by_python += 1;
                put_aside(&mut taken, item.unwrap());
            }
            item = queue.take(), if taken.len() < ITEMS / 2 || by_python > 0 => {
                let item = item.unwrap();
                put_aside(&mut taken, item.item());
                item.done().await.unwrap();
            }
        }
    }
    assert_eq!(taken, items_of(&["python", "rust"], ITEMS));
    assert!(by_python > 0);
}

#[tokio::test]
#[ignore = "needs kazoo"]
async fn numbers_are_counted_together() {
    let (server, client) = start().await;
    let python = Foreign::python(&server, "count", "/n", ITEMS);
    let tries = Tries::times(u32::MAX);
    let text = Counter::new(&client, "/n/text").with_tries(tries);
    let fraction = FloatCounter::new(&client, "/n/fraction").with_tries(tries);
    let curator = AtomicInteger::new(&client, "/n/curator").with_tries(tries);
    for _ in 0..ITEMS {
        assert!(text.increment().await.unwrap().succeeded);
        assert!(fraction.add(1.0).await.unwrap().succeeded);
        assert!(curator.increment().await.unwrap().succeeded);
    }
    python.end().await;
    assert_eq!(text.get().await.unwrap(), 2 * ITEMS as i64);
    assert!((fraction.get().await.unwrap() - 2.0 * ITEMS as f64).abs() < f64::EPSILON);
    assert_eq!(curator.get().await.unwrap(), 2 * ITEMS as i32);
}

#[tokio::test]
#[ignore = "needs kazoo"]
async fn a_group_of_both_meets() {
    const ROUNDS: usize = 10;
    let (server, client) = start().await;
    let mut python = Foreign::python(&server, "meet", "/groups", ROUNDS);
    for round in 0..ROUNDS {
        let group =
            DoubleBarrier::new(&client, format!("/groups/{round}"), 3).unwrap().with_style(NameStyle::Kazoo);
        let (one, two) = tokio::join!(group.enter(), group.enter());
        assert_eq!(python.hear().await.unwrap(), format!("in {round}"));
        let (one, two) = tokio::join!(one.unwrap().leave(), two.unwrap().leave());
        one.and(two).unwrap();
        assert_eq!(python.hear().await.unwrap(), format!("out {round}"));
    }
    python.end().await;
}
