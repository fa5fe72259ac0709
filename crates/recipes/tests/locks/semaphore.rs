//! The lock with several places.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Barrier, watch};
use tokio::task::JoinSet;
use zabra_embedded::Server;
use zabra_recipes::Error;
use zabra_recipes::lock::{LeaseCount, Lock, NameStyle, Semaphore, SemaphoreMutex};

use crate::{Resource, connect, in_time, is_expiry, until_children};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_leases_than_allowed_are_out() {
    let server = Server::start().await.unwrap();
    let out = Arc::new(AtomicUsize::new(0));
    // Passed by three at a time only: so many leases must be out together.
    let together = Arc::new(Barrier::new(3));
    let mut tasks = JoinSet::new();
    for _ in 0..3 {
        let client = connect(&server).await;
        for _ in 0..3 {
            let semaphore = Semaphore::new(&client, "/pool", 3).unwrap();
            let (out, together) = (out.clone(), together.clone());
            tasks.spawn(async move {
                for _ in 0..5 {
                    let lease = semaphore.acquire().await.unwrap();
                    let now = out.fetch_add(1, Ordering::SeqCst) + 1;
                    assert!(now <= 3, "{now} leases are out");
                    together.wait().await;
                    out.fetch_sub(1, Ordering::SeqCst);
                    lease.release().await.unwrap();
                }
            });
        }
    }
    in_time(tasks.join_all()).await;
}

#[tokio::test]
async fn nodes_are_those_of_curator() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let semaphore = Semaphore::new(&client, "/pool", 2).unwrap().with_data("worker 1");
    let lease = semaphore.acquire().await.unwrap();
    assert_eq!(client.children("/pool").await.unwrap(), ["leases", "locks"]);
    let name = &client.children("/pool/leases").await.unwrap()[0];
    assert_eq!((&name[..3], &name[39..]), ("_c_", "-lease-0000000000"));
    assert_eq!(semaphore.holders().await.unwrap()[0].id(), "worker 1");
    until_children(&client, "/pool/locks", 0).await;
    lease.release().await.unwrap();
}

#[tokio::test]
async fn in_kazoos_style_the_number_of_leases_is_kept_at_the_path() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let kazoo = |leases: usize| {
        let semaphore = Semaphore::new(&client, "/pool", leases).unwrap();
        semaphore.with_style(NameStyle::Kazoo).with_data("me")
    };
    let lease = kazoo(1).acquire().await.unwrap();
    assert_eq!(&client.get("/pool").await.unwrap().0[..], b"1");
    let names = client.children("/pool").await.unwrap();
    assert!(names.len() == 1 && names[0].len() == 32, "{names:?}");
    assert_eq!(kazoo(1).holders().await.unwrap()[0].id(), "me");
    assert!(matches!(kazoo(2).acquire().await, Err(Error::Malformed { .. })));
    // Another lease of kazoo's counts.
    lease.release().await.unwrap();
    client.create("/pool/0123", "").await.unwrap();
    assert!(kazoo(1).try_acquire().await.unwrap().is_none());
    let semaphore = kazoo(1);
    let waiting = tokio::spawn(semaphore.acquire());
    until_children(&client, "/pool-__lock__", 1).await;
    client.delete("/pool/0123").await.unwrap();
    in_time(waiting).await.unwrap().unwrap().release().await.unwrap();
}

#[tokio::test]
async fn several_leases_at_once_and_a_count_that_changes() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let (count, counted) = watch::channel(2);
    let semaphore = Semaphore::new(&client, "/pool", LeaseCount::Shared(counted)).unwrap();
    let mut leases = in_time(semaphore.acquire_many(2)).await.unwrap();
    assert!(semaphore.try_acquire().await.unwrap().is_none());
    assert!(semaphore.acquire_many_within(2, Duration::from_millis(20)).await.unwrap().is_none());
    until_children(&client, "/pool/leases", 2).await;
    // The count grows under one who waits.
    let waiting = {
        let semaphore = semaphore.clone();
        tokio::spawn(async move { semaphore.acquire().await })
    };
    until_children(&client, "/pool/leases", 3).await;
    count.send(3).unwrap();
    let third = in_time(waiting).await.unwrap().unwrap();
    // It falls: what is out stays out, nothing more is granted.
    count.send(1).unwrap();
    third.release().await.unwrap();
    leases.pop().unwrap().release().await.unwrap();
    assert!(semaphore.try_acquire().await.unwrap().is_none());
    until_children(&client, "/pool/leases", 1).await;
    leases.pop().unwrap().release().await.unwrap();
    in_time(semaphore.acquire()).await.unwrap().release().await.unwrap();
}

#[tokio::test]
async fn a_lost_lease_is_noticed_and_goes_to_another() {
    let server = Server::start().await.unwrap();
    let (ours, theirs) = (connect(&server).await, connect(&server).await);
    let lease = Semaphore::new(&ours, "/pool", 1).unwrap().acquire().await.unwrap();
    let waiting = tokio::spawn(Semaphore::new(&theirs, "/pool", 1).unwrap().acquire());
    until_children(&theirs, "/pool/leases", 2).await;
    server.expire(ours.session_id()).await.unwrap();
    assert!(is_expiry(in_time(lease.lost()).await));
    in_time(waiting).await.unwrap().unwrap().release().await.unwrap();
}

#[tokio::test]
async fn one_who_waits_may_lose_its_session() {
    let server = Server::start().await.unwrap();
    let (holder, ours) = (connect(&server).await, connect(&server).await);
    let lease = Semaphore::new(&holder, "/pool", 1).unwrap().acquire().await.unwrap();
    let waiting = tokio::spawn(Semaphore::new(&ours, "/pool", 1).unwrap().acquire());
    until_children(&holder, "/pool/leases", 2).await;
    server.expire(ours.session_id()).await.unwrap();
    until_children(&holder, "/pool/leases", 2).await;
    lease.release().await.unwrap();
    in_time(waiting).await.unwrap().unwrap().release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_lease_is_a_lock() {
    let server = Server::start().await.unwrap();
    let resource = Arc::new(Resource::default());
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let lock = SemaphoreMutex::new(&connect(&server).await, "/lock").unwrap();
        let resource = resource.clone();
        tasks.spawn(async move {
            for _ in 0..5 {
                let guard = lock.acquire().await.unwrap();
                resource.use_with(guard.fence()).await;
                // Another task may give it back.
                tokio::spawn(guard.release()).await.unwrap().unwrap();
            }
        });
    }
    in_time(tasks.join_all()).await;
    assert_eq!(resource.uses(), 20);
}
