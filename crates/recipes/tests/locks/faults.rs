//! Cuts, kills and expiries.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use zabra_client::Client;
use zabra_embedded::{Ensemble, Server};
use zabra_recipes::lock::{Lock, Mutex};
use zabra_recipes::{Error, HoldState, Loss};
use zabra_testkit::rounds;

use crate::support::hasty;
use crate::{Resource, connect, in_time, is_expiry, until_children, until_participants};

#[tokio::test]
async fn an_expired_holder_learns_of_it_and_another_follows() {
    let server = Server::start().await.unwrap();
    let (ours, theirs) = (connect(&server).await, connect(&server).await);
    let guard = Mutex::new(&ours, "/lock").unwrap().acquire().await.unwrap();
    let waiting = tokio::spawn(Mutex::new(&theirs, "/lock").unwrap().acquire());
    until_children(&theirs, "/lock", 2).await;
    server.expire(ours.session_id()).await.unwrap();
    assert!(is_expiry(in_time(guard.lost()).await));
    let next = in_time(waiting).await.unwrap().unwrap();
    assert!(next.fence() > guard.fence());
    assert!(matches!(guard.release().await, Err(Error::Lost(loss)) if is_expiry(loss)));
    // The client has another session by now or soon, and can contend again.
    let again = tokio::spawn(Mutex::new(&ours, "/lock").unwrap().acquire());
    until_children(&theirs, "/lock", 2).await;
    next.release().await.unwrap();
    in_time(again).await.unwrap().unwrap().release().await.unwrap();
}

#[tokio::test]
async fn an_expired_contender_goes_to_the_end_of_the_queue() {
    let server = Server::start().await.unwrap();
    let (holder, one, two) = (connect(&server).await, connect(&server).await, connect(&server).await);
    let lock = Mutex::new(&holder, "/lock").unwrap();
    let guard = lock.acquire().await.unwrap();
    let first = tokio::spawn(Mutex::new(&one, "/lock").unwrap().with_data("one").acquire());
    until_participants(&lock, &holder, 2).await;
    let second = tokio::spawn(Mutex::new(&two, "/lock").unwrap().with_data("two").acquire());
    until_participants(&lock, &holder, 3).await;
    server.expire(one.session_id()).await.unwrap();
    let queue = until_participants(&lock, &holder, 3).await;
    assert_eq!((queue[1].id(), queue[2].id()), ("two".to_owned(), "one".to_owned()));
    guard.release().await.unwrap();
    let second = in_time(second).await.unwrap().unwrap();
    second.release().await.unwrap();
    in_time(first).await.unwrap().unwrap().release().await.unwrap();
}

#[tokio::test]
async fn a_cut_puts_in_doubt_and_the_session_clears_it() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let guard = Mutex::new(&client, "/lock").unwrap().acquire().await.unwrap();
    let mut states = guard.states();
    let doubted = guard.doubted();
    server.cut(client.session_id()).await.unwrap();
    in_time(async {
        assert_eq!(doubted.await, HoldState::InDoubt);
        while states.current() != HoldState::Held {
            states.next().await;
        }
    })
    .await;
    guard.release().await.unwrap();
    assert!(client.children("/lock").await.unwrap().is_empty());
}

#[tokio::test]
async fn no_connection_for_a_session_timeout_is_a_loss() {
    let server = Server::builder().tick_time(Duration::from_millis(50)).start().await.unwrap();
    let client = Client::builder()
        .session_timeout(Duration::from_millis(200))
        .connect(&server.connect_string())
        .await
        .unwrap();
    let guard = Mutex::new(&client, "/lock").unwrap().acquire().await.unwrap();
    server.kill().await;
    // The client may think so itself at the same moment.
    assert!(matches!(in_time(guard.lost()).await, Loss::Disconnected | Loss::SessionExpired));
    // The server gives sessions their whole time again; nothing of the node may stay after it.
    server.restart().await.unwrap();
    until_children(&connect(&server).await, "/lock", 0).await;
}

#[tokio::test]
async fn a_killed_server_comes_back_to_the_same_holder() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let lock = Mutex::new(&client, "/lock").unwrap();
    let guard = lock.acquire().await.unwrap();
    let waiting = tokio::spawn(lock.acquire());
    until_children(&client, "/lock", 2).await;
    server.kill().await;
    assert_eq!(in_time(guard.doubted()).await, HoldState::InDoubt);
    let releasing = tokio::spawn(guard.release());
    server.restart().await.unwrap();
    in_time(releasing).await.unwrap().unwrap();
    in_time(waiting).await.unwrap().unwrap().release().await.unwrap();
}

#[tokio::test]
async fn who_waits_when_the_client_is_closed_is_told() {
    let server = Server::start().await.unwrap();
    let (ours, theirs) = (connect(&server).await, connect(&server).await);
    let guard = Mutex::new(&theirs, "/lock").unwrap().acquire().await.unwrap();
    let waiting = tokio::spawn(Mutex::new(&ours, "/lock").unwrap().acquire());
    until_children(&theirs, "/lock", 2).await;
    ours.close().await.unwrap();
    assert!(in_time(waiting).await.unwrap().is_err());
    until_children(&theirs, "/lock", 1).await;
    assert!(in_time(Mutex::new(&ours, "/lock").unwrap().acquire()).await.is_err());
    guard.release().await.unwrap();
}

/// Mutual exclusion while connections break all the time: a lock is used only while it is held beyond doubt, as its
/// documentation asks for, and the resource checks the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cuts_do_not_let_two_in_nor_leave_nodes_behind() {
    let server = Server::start().await.unwrap();
    let resource = Arc::new(Resource::default());
    let turns = rounds(8);
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let client = connect(&server).await;
        for _ in 0..2 {
            let (lock, resource) = (Mutex::new(&client, "/lock").unwrap(), resource.clone());
            tasks.spawn(async move {
                for _ in 0..turns {
                    let guard = lock.acquire().await.unwrap();
                    resource.use_with(guard.fence()).await;
                    guard.release().await.unwrap();
                }
            });
        }
    }
    // A cut whenever a few more turns were taken.
    let mut cuts = 0;
    in_time(async {
        while !tasks.is_empty() {
            if let Ok(Some(done)) = tokio::time::timeout(Duration::from_millis(1), tasks.join_next()).await {
                done.unwrap();
            }
            if resource.uses() >= (cuts + 1) * 5 {
                cuts += 1;
                server.cut_all().await;
            }
        }
    })
    .await;
    assert_eq!(resource.uses(), 4 * 2 * turns);
    assert!(connect(&server).await.children("/lock").await.unwrap().is_empty());
}

/// The same while sessions expire: then the lock is lost in use, and only the token keeps the resource safe. Here the
/// holder stops when it learns of the loss, and what it does is refused or done in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expiries_hand_the_lock_on() {
    let server = Server::start().await.unwrap();
    let (victim, other) = (connect(&server).await, connect(&server).await);
    let mut last = None;
    for _ in 0..rounds(5) {
        let guard = in_time(Mutex::new(&victim, "/lock").unwrap().acquire()).await.unwrap();
        assert!(Some(guard.fence()) > last);
        let waiting = tokio::spawn(Mutex::new(&other, "/lock").unwrap().acquire());
        until_children(&other, "/lock", 2).await;
        server.expire(victim.session_id()).await.unwrap();
        let next = in_time(waiting).await.unwrap().unwrap();
        assert!(next.fence() > guard.fence());
        last = Some(next.fence());
        assert!(is_expiry(in_time(guard.lost()).await));
        next.release().await.unwrap();
    }
}

#[tokio::test]
async fn who_does_not_renew_its_session_is_told_of_its_end() {
    let server = Server::start().await.unwrap();
    let mortal = Client::builder().renew_expired(false).connect(&server.connect_string()).await.unwrap();
    let other = connect(&server).await;
    let guard = Mutex::new(&other, "/lock").unwrap().acquire().await.unwrap();
    let waiting = tokio::spawn(Mutex::new(&mortal, "/lock").unwrap().acquire());
    until_children(&other, "/lock", 2).await;
    server.expire(mortal.session_id()).await.unwrap();
    assert!(in_time(waiting).await.unwrap().is_err());
    assert!(in_time(Mutex::new(&mortal, "/lock").unwrap().acquire()).await.is_err());
    guard.release().await.unwrap();
}

/// The leader of an ensemble dies again and again while clients of all members contend.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ensemble_may_lose_its_leader() {
    const TURNS: usize = 10;
    let ensemble = Ensemble::start(3).await.unwrap();
    let resource = Arc::new(Resource::default());
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let client = Client::connect(&ensemble.connect_string()).await.unwrap();
        let (lock, resource) = (Mutex::new(&client, "/lock").unwrap(), resource.clone());
        tasks.spawn(async move {
            for _ in 0..TURNS {
                let guard = lock.acquire().await.unwrap();
                resource.use_with(guard.fence()).await;
                guard.release().await.unwrap();
            }
        });
    }
    in_time(async {
        for round in 1..=2 {
            while resource.uses() < round * TURNS {
                tokio::task::yield_now().await;
            }
            let leader = ensemble.leader().await.unwrap();
            ensemble.kill(leader).await;
            while resource.uses() < round * TURNS + 5 {
                tokio::task::yield_now().await;
            }
            ensemble.restart(leader).await.unwrap();
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    })
    .await;
    assert_eq!(resource.uses(), 4 * TURNS);
    let client = Client::connect(&ensemble.connect_string()).await.unwrap();
    client.sync("/lock").await.unwrap();
    assert!(client.children("/lock").await.unwrap().is_empty());
}

/// A client that gives up requests early does not give up what it stands in line for, nor leave it behind.
#[tokio::test]
async fn a_place_in_the_queue_outlasts_what_requests_wait_for() {
    let server = Server::start().await.unwrap();
    let hasty = hasty(Client::builder().connect_within(Duration::from_millis(20)), &server).await;
    let other = connect(&server).await;
    let guard = Mutex::new(&other, "/lock").unwrap().acquire().await.unwrap();
    let lock = Mutex::new(&hasty, "/lock").unwrap();
    let (staying, leaving) = (tokio::spawn(lock.acquire()), tokio::spawn(lock.acquire()));
    until_children(&other, "/lock", 3).await;
    server.kill().await;
    in_time(async {
        while !matches!(hasty.exists("/").await, Err(zabra_client::Error::NotConnected { .. })) {}
    })
    .await;
    leaving.abort();
    assert!(matches!(lock.acquire().await, Err(Error::Client(zabra_client::Error::NotConnected { .. }))));
    server.restart().await.unwrap();
    guard.release().await.unwrap();
    let guard = in_time(staying).await.unwrap().unwrap();
    until_children(&other, "/lock", 1).await;
    guard.release().await.unwrap();
}
