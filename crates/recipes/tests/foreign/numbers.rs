//! Numbers and values that both change.

use zabra_recipes::atomic::{AtomicInteger, AtomicLong, Tries};
use zabra_recipes::kazoo::{Counter, FloatCounter};
use zabra_recipes::shared::{SharedCount, SharedValue};

use crate::peer::Meeting;

/// How often each counts.
const TIMES: usize = 100;

#[tokio::test]
async fn numbers_are_counted_together_with_curator() {
    let Some(meeting) = Meeting::with_curator_or_skip("numbers shared with Curator").await else { return };
    let Meeting { server: _server, client, peer: mut curator } = meeting;
    curator.begin(&["add", "/n", &TIMES.to_string()]).await;
    let number = AtomicLong::new(&client, "/n").with_tries(Tries::times(u32::MAX));
    for _ in 0..TIMES {
        assert!(number.increment().await.unwrap().succeeded);
    }
    curator.done().await;
    assert_eq!(number.get().await.unwrap(), 2 * TIMES as i64);

    curator.begin(&["share", "/shared", &TIMES.to_string()]).await;
    let count = SharedCount::open(&client, "/shared", 0).await.unwrap();
    for _ in 0..TIMES {
        loop {
            let now = count.versioned().unwrap();
            if count.try_set(&now, now.value + 1).await.unwrap() {
                break;
            }
        }
    }
    curator.done().await;
    let count = SharedCount::open(&client, "/shared", 0).await.unwrap();
    assert_eq!(count.get().unwrap(), 2 * TIMES as i32);
}

#[tokio::test]
async fn values_are_followed() {
    let Some(meeting) = Meeting::with_curator_or_skip("values shared with Curator").await else { return };
    let Meeting { server: _server, client, peer: mut curator } = meeting;
    let value = SharedValue::open(&client, "/value", "ours").await.unwrap();
    curator.tell(&["value", "/value", "0"]).await;
    assert_eq!(curator.hear().await, "ours");
    for next in ["a", "b"] {
        value.set(next).await.unwrap();
        while curator.hear().await != next {}
    }
}

#[tokio::test]
async fn numbers_are_counted_together_with_kazoo() {
    let Some(meeting) = Meeting::with_kazoo_or_skip("numbers shared with kazoo").await else { return };
    let Meeting { server: _server, client, peer: mut kazoo } = meeting;
    kazoo.begin(&["count", "/n", &TIMES.to_string()]).await;
    let tries = Tries::times(u32::MAX);
    let text = Counter::new(&client, "/n/text").with_tries(tries);
    let fraction = FloatCounter::new(&client, "/n/fraction").with_tries(tries);
    let curator = AtomicInteger::new(&client, "/n/curator").with_tries(tries);
    for _ in 0..TIMES {
        assert!(text.increment().await.unwrap().succeeded);
        assert!(fraction.add(1.0).await.unwrap().succeeded);
        assert!(curator.increment().await.unwrap().succeeded);
    }
    kazoo.done().await;
    assert_eq!(text.get().await.unwrap(), 2 * TIMES as i64);
    assert!((fraction.get().await.unwrap() - 2.0 * TIMES as f64).abs() < f64::EPSILON);
    assert_eq!(curator.get().await.unwrap(), 2 * TIMES as i32);
}
