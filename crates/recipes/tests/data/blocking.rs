//! The blocking forms.

use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use zabra_client::blocking::Client;
use zabra_embedded::blocking::Server;
use zabra_recipes::blocking::{
    AtomicLong, Barrier, DoubleBarrier, KazooCounter, KazooLockingQueue, KazooQueue, Queue, SharedCount,
    SimpleQueue, receipt,
};
use zabra_recipes::queue;

#[test]
fn threads_share_queues() {
    let server = Server::start().unwrap();
    let client = Client::connect(&server.connect_string()).unwrap();
    let options = queue::Queue::builder(&client, "/queue").receipt(receipt(&client, "/receipt").unwrap());
    let producer: Queue = Queue::open(&client, options).unwrap();
    let options = queue::Queue::builder(&client, "/queue").lock_path("/locks");
    let consumer: Queue = Queue::open(&client, options).unwrap();
    producer.put("one").unwrap();
    drop(consumer.take().unwrap());
    consumer.take().unwrap().done().unwrap();

    let (told, handled) = mpsc::channel();
    let mut fails = true;
    let consuming = consumer.consume(move |item| {
        told.send(item).unwrap();
        if std::mem::take(&mut fails) { Err("once") } else { Ok(()) }
    });
    producer.put_message([Bytes::from("two"), Bytes::from("three")]).unwrap();
    let items: Vec<Bytes> = handled.iter().take(3).collect();
    assert_eq!(items, ["two", "two", "three"]);
    consuming.stop().unwrap();
    assert!(producer.is_empty().unwrap());

    let simple = SimpleQueue::open(&client, "/simple").unwrap();
    simple.offer("x").unwrap();
    assert_eq!(simple.take().unwrap(), "x");
    let kazoo = KazooQueue::open(&client, "/kazoo").unwrap();
    kazoo.put("y", 7).unwrap();
    assert_eq!(kazoo.poll().unwrap().unwrap(), "y");
    let locking = KazooLockingQueue::open(&client, "/locking").unwrap();
    locking.put("z", 7).unwrap();
    let taken = locking.take().unwrap();
    assert_eq!(taken.item(), "z");
    taken.done().unwrap();
}

#[test]
fn threads_meet_and_count() {
    let server = Server::start().unwrap();
    let hosts = server.connect_string();
    let client = Client::connect(&hosts).unwrap();
    let start = Barrier::new(&client, "/start");
    start.set().unwrap();
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let client = Client::connect(&hosts).unwrap();
            thread::spawn(move || {
                Barrier::new(&client, "/start").wait().unwrap();
                let entered = DoubleBarrier::new(&client, "/group", 3).unwrap().enter().unwrap();
                assert!(AtomicLong::new(&client, "/count").add(2).unwrap().succeeded);
                entered.leave().unwrap();
                assert_eq!(AtomicLong::new(&client, "/count").get().unwrap(), 6);
            })
        })
        .collect();
    assert!(start.remove().unwrap());
    for thread in threads {
        thread.join().unwrap();
    }
    let counter = KazooCounter::new(&client, "/text");
    assert_eq!(counter.subtract(3).unwrap().after, Some(-3));
    let count = SharedCount::open(&client, "/shared", 1).unwrap();
    assert!(count.try_set(&count.versioned().unwrap(), 2).unwrap());
    assert_eq!(count.get().unwrap(), 2);
}
