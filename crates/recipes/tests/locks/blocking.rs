//! The blocking forms, on threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use zabra_client::blocking::Client;
use zabra_embedded::blocking::Server;
use zabra_recipes::blocking::{
    LeaderElection, LeaderLatch, MultiLock, Mutex, ReentrantMutex, RwLock, Semaphore, SemaphoreMutex,
};

use crate::LONG;

#[test]
fn threads_take_turns() {
    let server = Server::start().unwrap();
    let (inside, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let client = Client::connect(&server.connect_string()).unwrap();
                let lock = Mutex::new(&client, "/lock").unwrap();
                for _ in 0..5 {
                    let guard = lock.acquire().unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two are inside");
                    thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    done.fetch_add(1, Ordering::SeqCst);
                    guard.release().unwrap();
                }
            });
        }
    });
    assert_eq!(done.into_inner(), 20);
}

#[test]
fn every_form_blocks_and_gives_back() {
    let server = Server::start().unwrap();
    let client = Client::connect(&server.connect_string()).unwrap();
    let mutex = Mutex::new(&client, "/mutex").unwrap();
    let guard = mutex.try_acquire().unwrap().unwrap();
    assert!(mutex.acquire_within(Duration::from_millis(10)).unwrap().is_none());
    let (told, tells) = mpsc::channel();
    let _acquiring = mutex.acquire_then(move |acquired| told.send(acquired).unwrap());
    drop(guard);
    tells.recv_timeout(LONG).unwrap().unwrap().release().unwrap();
    assert!(mutex.participants().unwrap().is_empty());

    let rw = RwLock::new(&client, "/rw").unwrap();
    let write = rw.write().acquire().unwrap();
    let read = rw.downgrade(write).unwrap();
    rw.read().try_acquire().unwrap().unwrap().release().unwrap();
    assert!(rw.write().try_acquire().unwrap().is_none());
    read.release().unwrap();

    let leases = Semaphore::new(&client, "/semaphore", 2).unwrap().acquire_many(2).unwrap();
    assert_eq!(leases.len(), 2);
    SemaphoreMutex::new(&client, "/one").unwrap().acquire().unwrap().release().unwrap();
    let paths = zabra_recipes::lock::MultiLock::of_paths(&client, ["/a", "/b"]).unwrap();
    MultiLock::of(&client, paths).acquire_all().unwrap().release().unwrap();
}

#[test]
fn a_thread_may_enter_again_and_another_may_not() {
    let server = Server::start().unwrap();
    let client = Client::connect(&server.connect_string()).unwrap();
    let lock = ReentrantMutex::new(&client, "/lock").unwrap();
    let outer = lock.acquire().unwrap();
    let inner = lock.try_acquire().unwrap().unwrap();
    let refused =
        || thread::scope(|scope| scope.spawn(|| lock.try_acquire().unwrap().is_none()).join().unwrap());
    assert!(refused());
    outer.release().unwrap();
    assert!(refused());
    inner.release().unwrap();
    assert!(!refused());
}

#[test]
fn leaders_on_threads() {
    let server = Server::start().unwrap();
    let client = Client::connect(&server.connect_string()).unwrap();
    let latch = LeaderLatch::start(&client, "/latch", "one").unwrap();
    let term = latch.wait_leading().unwrap();
    let other = LeaderLatch::start(&client, "/latch", "two").unwrap();
    assert!(other.wait_leading_within(Duration::from_millis(10)).unwrap().is_none());
    let (told, tells) = mpsc::channel();
    other.call_on_change(move |change| told.send(change).unwrap());
    latch.close().unwrap();
    tells.recv_timeout(LONG).unwrap();
    assert!(other.fence().unwrap() > term);
    other.close().unwrap();

    let election = LeaderElection::new(&client, "/election", "one").unwrap();
    let first = election.run(|leadership| leadership.fence()).unwrap();
    let (leads, led) = mpsc::channel();
    let ended = Arc::new(AtomicUsize::new(0));
    let counted = ended.clone();
    let candidate = election.start(move |leadership| {
        leads.send(leadership.fence()).unwrap();
        while !leadership.should_stop() {
            thread::yield_now();
        }
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let second = led.recv_timeout(LONG).unwrap();
    assert!(second > first);
    candidate.interrupt();
    assert!(led.recv_timeout(LONG).unwrap() > second);
    assert_eq!(ended.load(Ordering::SeqCst), 1);
    candidate.close();
    assert_eq!(ended.load(Ordering::SeqCst), 2, "close() waits for the work");
}

#[test]
fn nothing_is_held_after_the_end_of_the_runtime() {
    let server = Server::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (guard, latch) = runtime.block_on(async {
        let client = zabra_client::Client::connect(&server.connect_string()).await.unwrap();
        let lock = zabra_recipes::lock::Mutex::new(&client, "/lock").unwrap();
        let guard = zabra_recipes::lock::Lock::acquire(&lock).await.unwrap();
        let latch = zabra_recipes::leader::LeaderLatch::start(&client, "/leader", "one").unwrap();
        latch.leading().await.unwrap();
        (guard, latch)
    });
    assert!(guard.is_held() && latch.is_leader());
    drop(runtime);
    assert!(!guard.is_held());
    assert!(!latch.is_leader());
}
