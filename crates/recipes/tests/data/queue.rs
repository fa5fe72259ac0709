//! Queues.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::Semaphore;
use zabra_client::{Acl, Client, CreateMode, Perms};
use zabra_recipes::atomic::AtomicLong;
use zabra_recipes::queue::{OnFailure, Queue, SimpleQueue, decode_message};
use zabra_recipes::{Error, Loss, Receipt};

use crate::support::World;

async fn open(client: &Client) -> Queue {
    Queue::builder(client, "/a/queue").open().await.unwrap()
}

async fn open_locked(client: &Client) -> Queue {
    Queue::builder(client, "/a/queue").lock_path("/a/locks").open().await.unwrap()
}

pub(crate) async fn a_waiting_consumer_is_woken(world: Arc<World>) {
    let (client, other) = (world.client().await, world.client().await);
    let (queue, producer) = (open(&client).await, open(&other).await);
    let waiting = tokio::spawn(async move { queue.take().await.unwrap().item() });
    producer.put("late").await.unwrap();
    assert_eq!(waiting.await.unwrap(), "late");
    assert!(producer.is_empty().await.unwrap());
}

pub(crate) async fn foreign_znodes_are_left_alone(world: Arc<World>) {
    let client = world.client().await;
    let queue = open(&client).await;
    client.create("/a/queue/notes", "mine").await.unwrap();
    assert!(queue.poll().await.unwrap().is_none());
    queue.put("item").await.unwrap();
    assert_eq!(queue.take().await.unwrap().item(), "item");
    assert_eq!(client.children("/a/queue").await.unwrap(), ["notes"]);
}

pub(crate) async fn what_is_no_message_is_removed_and_handed_over_as_it_is(world: Arc<World>) {
    let client = world.client().await;
    for (queue, path) in [(open(&client).await, "plain"), (open_locked(&client).await, "locked")] {
        client.create("/a/queue/queue-", path).mode(CreateMode::PersistentSequential).await.unwrap();
        queue.put("good").await.unwrap();
        let error = queue.take().await.unwrap_err();
        assert!(matches!(&error, Error::BadItem { data, .. } if data == path), "{error}");
        let taken = queue.take().await.unwrap();
        assert_eq!(taken.item(), "good");
        taken.done().await.unwrap();
        assert!(queue.is_empty().await.unwrap());
    }
}

pub(crate) async fn a_dropped_take_loses_nothing(world: Arc<World>) {
    let client = world.client().await;
    let queue = open(&client).await;
    for round in 0..200_u32 {
        queue.put(round.to_string()).await.unwrap();
        // Dropped after a number of steps that differs: before the list, the data, the deletion, or after all of it.
        let mut take = Box::pin(queue.take());
        for _ in 0..round % 20 {
            let taken =
                std::future::poll_fn(|context| std::task::Poll::Ready(take.as_mut().poll(context))).await;
            if let std::task::Poll::Ready(taken) = taken {
                assert_eq!(taken.unwrap().item(), round.to_string());
                queue.put(round.to_string()).await.unwrap();
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(take);
        assert_eq!(queue.take().await.unwrap().item(), round.to_string());
    }
}

pub(crate) async fn an_item_in_hand_is_nobody_elses(world: Arc<World>) {
    let (client, other) = (world.client().await, world.client().await);
    let (queue, others) = (open_locked(&client).await, open_locked(&other).await);
    queue.put("one").await.unwrap();
    let taken = queue.take().await.unwrap();
    assert!(taken.is_held().await.unwrap());
    assert!(others.poll().await.unwrap().is_none());
    assert!(queue.poll().await.unwrap().is_none(), "nor that of another task of the same session");
    assert_eq!(others.len().await.unwrap(), 1);

    let waiting = tokio::spawn(async move { others.take().await.unwrap() });
    drop(taken);
    let taken = waiting.await.unwrap();
    assert_eq!(taken.item(), "one");
    taken.done().await.unwrap();
    assert!(queue.is_empty().await.unwrap());
    assert!(client.children("/a/locks").await.unwrap().is_empty());
}

pub(crate) async fn an_item_of_an_expired_session_goes_to_another(world: Arc<World>) {
    let (client, other) = (world.client().await, world.client().await);
    let (queue, others) = (open_locked(&client).await, open_locked(&other).await);
    queue.put("one").await.unwrap();
    let taken = queue.take().await.unwrap();
    let waiting = tokio::spawn(async move { others.take().await.unwrap() });
    world.expire(client.session_id()).await;
    let again = waiting.await.unwrap();
    assert_eq!(again.item(), "one");
    let error = taken.done().await.unwrap_err();
    assert!(matches!(error, Error::Lost(Loss::SessionExpired)), "{error}");
    again.done().await.unwrap();
    assert!(queue.is_empty().await.unwrap());
    // The queue goes on with the client's next session.
    queue.put("two").await.unwrap();
    queue.take().await.unwrap().done().await.unwrap();
}

pub(crate) async fn the_rest_of_a_message_is_put_back(world: Arc<World>) {
    let client = world.client().await;
    let queue = open_locked(&client).await;
    queue.put_message(["a", "b", "c"].map(Bytes::from)).await.unwrap();
    queue.put("d").await.unwrap();
    queue.take().await.unwrap().requeue_from(1).await.unwrap();
    assert_eq!(queue.take().await.unwrap().item(), "d", "what was put back goes to the end");
    let rest = client.children("/a/queue").await.unwrap().pop().unwrap();
    let (data, _) = client.get(format!("/a/queue/{rest}")).await.unwrap();
    assert_eq!(decode_message(data).unwrap(), ["b", "c"]);
}

pub(crate) async fn a_more_urgent_item_overtakes(world: Arc<World>) {
    let client = world.client().await;
    let queue = Queue::builder(&client, "/queue").open_priority().await.unwrap();
    for item in 0..5 {
        queue.put(format!("later {item}"), 7).await.unwrap();
    }
    assert_eq!(queue.take().await.unwrap().item(), "later 0");
    queue.put("now", -7).await.unwrap();
    assert_eq!(queue.take().await.unwrap().item(), "now");
    assert_eq!(queue.take().await.unwrap().item(), "later 1");
}

pub(crate) async fn items_wait_for_their_time(world: Arc<World>) {
    let client = world.client().await;
    let queue = Queue::builder(&client, "/queue").open_delay().await.unwrap();
    queue.put_after("far", Duration::from_secs(3600)).await.unwrap();
    let due = SystemTime::now() + Duration::from_millis(50);
    queue.put("near", due).await.unwrap();
    assert_eq!(queue.take().await.unwrap().item(), "near");
    assert!(SystemTime::now() >= due);
    let mut waiting = Box::pin(queue.take());
    tokio::select! {
        biased;
        taken = &mut waiting => panic!("{taken:?} is not due"),
        () = tokio::task::yield_now() => {}
    }
    queue.put("past", SystemTime::UNIX_EPOCH).await.unwrap();
    assert_eq!(waiting.await.unwrap().item(), "past", "what is due overtakes what one waits for");
}

pub(crate) async fn items_are_removed_by_id(world: Arc<World>) {
    let client = world.client().await;
    let queue = Queue::builder(&client, "/queue").lock_path("/locks").open_id().await.unwrap();
    for (item, id) in [("1", "x"), ("2", "y"), ("3", "x")] {
        queue.put(item, id).await.unwrap();
    }
    let taken = queue.take().await.unwrap();
    assert_eq!(queue.remove("x").await.unwrap(), 1, "the one that nobody has in hand");
    assert!(queue.contains("x").await.unwrap());
    taken.done().await.unwrap();
    assert!(!queue.contains("x").await.unwrap());
    assert_eq!(queue.take().await.unwrap().item(), "2");
}

pub(crate) async fn a_full_queue_lets_producers_wait(world: Arc<World>) {
    let client = world.client().await;
    let queue = Queue::builder(&client, "/queue").max_items(2).open().await.unwrap();
    let hasty =
        Queue::builder(&client, "/queue").max_items(2).room_timeout(Duration::ZERO).open().await.unwrap();
    queue.put("1").await.unwrap();
    queue.put("2").await.unwrap();
    assert!(matches!(hasty.put("3").await, Err(Error::Full)));
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.put("3").await }
    });
    assert_eq!(queue.take().await.unwrap().item(), "1");
    waiting.await.unwrap().unwrap();
    assert_eq!(queue.len().await.unwrap(), 2);
}

pub(crate) async fn background_puts_keep_their_order_and_are_flushed(world: Arc<World>) {
    let client = world.client().await;
    let queue = open(&client).await;
    for item in 0..500 {
        queue.put_in_background(item.to_string()).await;
    }
    queue.flush().await.unwrap();
    for item in 0..500 {
        assert_eq!(queue.poll().await.unwrap().unwrap().item(), item.to_string());
    }
    client.close().await.unwrap();
    queue.put_in_background("too late").await;
    let Err(Error::NotPut(failed)) = queue.flush().await else { panic!("it was not put") };
    assert_eq!(failed[0].item, "too late");
    queue.flush().await.unwrap();
}

pub(crate) async fn failed_items_are_handled_again_or_deleted(world: Arc<World>) {
    let client = world.client().await;
    let queues = [
        (open(&client).await, 1),
        (open_locked(&client).await, 2),
        (
            Queue::builder(&client, "/a/queue")
                .lock_path("/a/locks")
                .on_failure(OnFailure::Delete)
                .open()
                .await
                .unwrap(),
            1,
        ),
    ];
    for (queue, expected) in queues {
        let tries: Arc<Mutex<BTreeMap<Bytes, usize>>> = Arc::default();
        let handled = Arc::new(Semaphore::new(0));
        let consuming = queue.consume({
            let (tries, handled) = (Arc::clone(&tries), Arc::clone(&handled));
            move |item| {
                let mut tries = tries.lock().unwrap();
                let tries = tries.entry(item).or_insert(0);
                *tries += 1;
                let first = *tries == 1;
                handled.add_permits(1);
                async move { if first { Err("the first try fails") } else { Ok(()) } }
            }
        });
        queue.put("x").await.unwrap();
        queue.put("y").await.unwrap();
        let _ = handled.acquire_many(2 * expected).await.unwrap();
        consuming.stop().await.unwrap();
        assert!(queue.is_empty().await.unwrap());
        assert!(tries.lock().unwrap().values().all(|tries| *tries == expected as usize));
    }
}

pub(crate) async fn the_simple_queue_survives_its_container(world: Arc<World>) {
    let client = world.client().await;
    let queue = SimpleQueue::open(&client, "/simple").await.unwrap();
    // As the server does with a container that has been empty for a while.
    client.delete("/simple").await.unwrap();
    assert_eq!(queue.poll().await.unwrap(), None);
    client.delete("/simple").await.unwrap();
    queue.offer("one").await.unwrap();
    assert_eq!(queue.peek().await.unwrap().unwrap(), "one");
    assert_eq!(queue.poll_within(Duration::from_secs(60)).await.unwrap().unwrap(), "one");
    assert_eq!(queue.peek().await.unwrap(), None);
}

pub(crate) async fn a_consumer_that_is_stopped_loses_nothing(world: Arc<World>) {
    const ROUNDS: usize = 150;
    let (client, other) = (world.client().await, world.client().await);
    let left = open(&other).await;
    let handled = Arc::new(Semaphore::new(0));
    for round in 0..ROUNDS {
        left.put("x").await.unwrap();
        let queue = open(&client).await;
        let counted = Arc::clone(&handled);
        let consuming = queue.consume(move |_| {
            counted.add_permits(1);
            std::future::ready(Ok::<_, Error>(()))
        });
        // At another step of taking in each round.
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        consuming.stop().await.unwrap();
    }
    assert_eq!(handled.available_permits() + left.len().await.unwrap(), ROUNDS);
}

pub(crate) async fn what_recipes_create_has_the_acl_of_the_view(world: Arc<World>) {
    let (ours, theirs) = (world.client().await, world.client().await);
    ours.add_auth("digest", b"ann:secret").await.unwrap();
    let ours = ours.with_acl([Acl::new(Perms::ALL, "auth", "")]);
    let receipt = Receipt::open(&ours, "/mine/receipt").await.unwrap();
    let queue =
        Queue::builder(&ours, "/mine/queue").receipt(receipt).lock_path("/mine/locks").open().await.unwrap();
    queue.put("item").await.unwrap();
    let taken = queue.take().await.unwrap();
    let _ = AtomicLong::new(&ours, "/mine/number").increment().await.unwrap();
    let names = ["receipt", "queue/queue-0000000000", "locks/queue-0000000000", "number"];
    for path in names.map(|name| format!("/mine/{name}")) {
        let error = theirs.get(&path).await.unwrap_err();
        assert!(error.is_no_auth(), "{error}");
        ours.get(&path).await.unwrap();
    }
    taken.done().await.unwrap();
}
