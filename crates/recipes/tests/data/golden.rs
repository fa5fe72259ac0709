//! The same things done as `golden/Golden.java` does them with Curator leave the same znodes.

use std::sync::Arc;

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use zabra_client::{Client, CreateMode};
use zabra_recipes::atomic::{AtomicInteger, AtomicLong, AtomicValue};
use zabra_recipes::barrier::{Barrier, DoubleBarrier};
use zabra_recipes::queue::{Queue, QueueBuilder, SimpleQueue};
use zabra_recipes::shared::{SharedCount, SharedValue};

use crate::support::World;

/// What Curator 5.9.0 left: path, kind, data in hex.
const CURATOR: &str = include_str!("../golden/curator.txt");

fn bytes(items: &[&'static str]) -> Vec<Bytes> {
    items.iter().map(|item| Bytes::from_static(item.as_bytes())).collect()
}

pub(crate) async fn znodes_are_those_of_curator(world: Arc<World>) {
    let client = world.client().await;

    let queue = Queue::builder(&client, "/queue").open().await.unwrap();
    queue.put("hello").await.unwrap();
    queue.put("").await.unwrap();
    queue.put("\u{e4}\u{20ac}").await.unwrap();
    queue.put_message(bytes(&["one", "", "three"])).await.unwrap();
    queue.put_message([]).await.unwrap();

    let queue = Queue::builder(&client, "/priority").open_priority().await.unwrap();
    for priority in [0, 1, -1, 255, i32::MAX, i32::MIN] {
        queue.put(format!("p{priority}"), priority).await.unwrap();
    }

    let queue = Queue::builder(&client, "/delay").open_delay().await.unwrap();
    for time in [1, 0xabcd_ef12, 1_700_000_000_000, i64::MAX as u64] {
        queue.put(format!("d{time}"), UNIX_EPOCH + Duration::from_millis(time)).await.unwrap();
    }

    let queue = Queue::builder(&client, "/id").open_id().await.unwrap();
    queue.put("first", "alpha").await.unwrap();
    queue.put("second", "b/c|d").await.unwrap();

    let queue = SimpleQueue::open(&client, "/simple").await.unwrap();
    queue.offer(Bytes::from_static(&[1, 2, 3])).await.unwrap();
    queue.offer("").await.unwrap();

    let queue = Queue::builder(&client, "/locked").lock_path("/locked-locks").open().await.unwrap();
    queue.put("again").await.unwrap();
    queue.take().await.unwrap().requeue().await.unwrap();
    let _in_hand = queue.take().await.unwrap();

    let _ = AtomicInteger::new(&client, "/atomic-int").add(-2).await.unwrap();
    let _ = AtomicLong::new(&client, "/atomic-long").add(0x0102_0304_0506_0708).await.unwrap();
    let _ = AtomicValue::new(&client, "/atomic-value").try_set("bytes").await.unwrap();
    let count = SharedCount::open(&client, "/shared-count", 7).await.unwrap();
    assert!(count.try_set(&count.versioned().unwrap(), -8).await.unwrap());
    let _value = SharedValue::open(&client, "/shared-value", "seed").await.unwrap();

    Barrier::new(&client, "/barriers/barrier").set().await.unwrap();
    let _entered = DoubleBarrier::new(&client, "/barriers/double", 1).unwrap().enter().await.unwrap();

    let mut found = Vec::new();
    for top in client.children("/").await.unwrap() {
        if top != "zookeeper" {
            print(&client, &format!("/{top}"), &mut found).await;
        }
    }
    let expected: Vec<String> = CURATOR.lines().map(comparable).collect();
    assert_eq!(found, expected);
}

/// A line without what no client can see (containers) and what has no meaning (the address put where there is no data).
fn comparable(line: &str) -> String {
    line.replace(" container ", " persistent ").replace(" ADDRESS", " ")
}

async fn print(client: &Client, path: &str, found: &mut Vec<String>) {
    let (data, stat) = client.get(path).await.unwrap();
    let kind = if stat.ephemeral_owner == 0 { "persistent" } else { "ephemeral" };
    let shown = match path.rsplit_once('/') {
        Some((parent, name)) if uuid::Uuid::try_parse(name).is_ok() => format!("{parent}/UUID"),
        _ => path.to_owned(),
    };
    // Marks and members hold what helps people; Curator's hold an address.
    let is_note = kind == "ephemeral" || path.ends_with("/ready");
    let hex: String =
        if is_note { String::new() } else { data.iter().map(|byte| format!("{byte:02x}")).collect() };
    found.push(format!("{shown} {kind} {hex}"));
    for child in client.children(path).await.unwrap() {
        Box::pin(print(client, &format!("{path}/{child}"), found)).await;
    }
}

pub(crate) async fn what_curator_has_put_is_taken_in_its_order(world: Arc<World>) {
    let client = world.client().await;
    for line in CURATOR.lines() {
        let mut parts = line.split(' ');
        let (path, kind, data) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let data = if data == "ADDRESS" { b"127.0.0.1".to_vec() } else { unhex(data) };
        if kind != "ephemeral" {
            client.create(path, data).mode(CreateMode::Persistent).await.unwrap();
        }
    }

    let builder = |path: &str| -> QueueBuilder { Queue::builder(&client, path) };
    let queue = builder("/queue").open().await.unwrap();
    for items in
        [bytes(&["hello"]), bytes(&[""]), bytes(&["\u{e4}\u{20ac}"]), bytes(&["one", "", "three"]), vec![]]
    {
        assert_eq!(queue.take().await.unwrap().items(), items);
    }
    let queue = builder("/priority").open_priority().await.unwrap();
    for priority in [i32::MIN, -1, 0, 1, 255, i32::MAX] {
        assert_eq!(queue.take().await.unwrap().item(), format!("p{priority}"));
    }
    let queue = builder("/delay").open_delay().await.unwrap();
    for time in [1_u64, 0xabcd_ef12, 1_700_000_000_000] {
        assert_eq!(queue.take().await.unwrap().item(), format!("d{time}"));
    }
    assert!(queue.poll().await.unwrap().is_none(), "an item that is not due");
    let queue = builder("/id").open_id().await.unwrap();
    assert_eq!(queue.remove("b/c|d").await.unwrap(), 1);
    assert_eq!(queue.take().await.unwrap().item(), "first");
    let queue = SimpleQueue::open(&client, "/simple").await.unwrap();
    assert_eq!(queue.peek().await.unwrap().unwrap()[..], [1, 2, 3]);
    assert_eq!(queue.take().await.unwrap()[..], [1, 2, 3]);
    let queue = builder("/locked").lock_path("/locked-locks").open().await.unwrap();
    let taken = queue.take().await.unwrap();
    assert_eq!((taken.item(), taken.name()), (Bytes::from_static(b"again"), "queue-0000000001"));
    taken.done().await.unwrap();

    assert_eq!(AtomicInteger::new(&client, "/atomic-int").get().await.unwrap(), -2);
    assert_eq!(AtomicLong::new(&client, "/atomic-long").get().await.unwrap(), 0x0102_0304_0506_0708);
    assert_eq!(SharedCount::open(&client, "/shared-count", 0).await.unwrap().get().unwrap(), -8);
    assert!(Barrier::new(&client, "/barriers/barrier").remove().await.unwrap());
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
