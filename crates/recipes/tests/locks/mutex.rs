//! The exclusive lock, alone and in company.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use zabra_client::{Acl, CreateMode, Perms};
use zabra_embedded::Server;
use zabra_recipes::lock::{Lock, MultiLock, Mutex, NameStyle, ReentrantMutex, revoke};
use zabra_recipes::{Error, HoldState, Loss};

use crate::{Resource, connect, in_time, until_children, until_participants};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_of_many_clients_take_turns() {
    let server = Server::start().await.unwrap();
    let resource = Arc::new(Resource::default());
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let client = connect(&server).await;
        for _ in 0..4 {
            let (lock, resource) = (Mutex::new(&client, "/app/lock").unwrap(), resource.clone());
            tasks.spawn(async move {
                for _ in 0..10 {
                    let guard = lock.acquire().await.unwrap();
                    resource.use_with(guard.fence()).await;
                    guard.release().await.unwrap();
                }
            });
        }
    }
    in_time(tasks.join_all()).await;
    assert_eq!(resource.uses(), 160);
    assert!(connect(&server).await.children("/app/lock").await.unwrap().is_empty());
}

#[tokio::test]
async fn first_come_first_served() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let lock = Mutex::new(&client, "/lock").unwrap();
    let first = lock.acquire().await.unwrap();
    let (served, mut order) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..5 {
        let (lock, served) = (lock.clone(), served.clone());
        let contends = lock.clone();
        tokio::spawn(async move {
            let guard = contends.acquire().await.unwrap();
            served.send((number, guard.fence())).unwrap();
            guard.release().await.unwrap();
        });
        until_participants(&lock, &client, number + 2).await;
    }
    let mut last = first.fence();
    first.release().await.unwrap();
    for expected in 0..5 {
        let (number, fence) = in_time(order.recv()).await.unwrap();
        assert_eq!(number, expected);
        assert!(fence > last);
        last = fence;
    }
}

#[tokio::test]
async fn nodes_are_those_of_curator_and_of_kazoo() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let lock = Mutex::new(&client, "/curator").unwrap();
    let guard = lock.acquire().await.unwrap();
    let children = client.children("/curator").await.unwrap();
    let name = &children[0];
    assert_eq!((&name[..3], &name[39..], name.len()), ("_c_", "-lock-0000000000", 55));
    assert_eq!(guard.path(), format!("/curator/{name}"));
    let (data, stat) = client.get(guard.path()).await.unwrap();
    assert_eq!((&data[..], stat.czxid), (&b"127.0.0.1"[..], guard.fence().get()));
    assert_eq!(stat.ephemeral_owner, client.session_id().raw());

    let lock = Mutex::new(&client, "/kazoo").unwrap().with_style(NameStyle::Kazoo).with_data("me");
    let guard = lock.acquire().await.unwrap();
    let name = &client.children("/kazoo").await.unwrap()[0];
    assert_eq!((&name[32..], name.len()), ("__lock__0000000000", 50));
    assert_eq!(lock.participants().await.unwrap()[0].id(), "me");
    guard.release().await.unwrap();
}

#[tokio::test]
async fn contenders_of_other_libraries_are_waited_for() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    client.create("/lock", "").await.unwrap();
    let others = ["6f5e2b__lock__", "_c_a-lock-"];
    for other in others {
        let other =
            client.create(format!("/lock/{other}"), "").mode(CreateMode::EphemeralSequential).await.unwrap();
        let lock = Mutex::new(&client, "/lock").unwrap();
        assert!(lock.try_acquire().await.unwrap().is_none());
        until_children(&client, "/lock", 1).await;
        let waiting = tokio::spawn(lock.acquire());
        until_children(&client, "/lock", 2).await;
        client.delete(&other.path).await.unwrap();
        in_time(waiting).await.unwrap().unwrap().release().await.unwrap();
    }
}

#[tokio::test]
async fn the_impatient_leave_no_node() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let lock = Mutex::new(&client, "/lock").unwrap();
    let free = lock.acquire_within(Duration::ZERO).await.unwrap().unwrap();
    free.release().await.unwrap();
    let guard = lock.try_acquire().await.unwrap().unwrap();
    assert!(lock.try_acquire().await.unwrap().is_none());
    assert!(lock.acquire_within(Duration::ZERO).await.unwrap().is_none());
    assert!(lock.acquire_within(Duration::from_millis(20)).await.unwrap().is_none());
    // One that is dropped while it waits.
    let waiting = tokio::spawn(lock.acquire());
    until_children(&client, "/lock", 2).await;
    waiting.abort();
    until_children(&client, "/lock", 1).await;
    // One that is dropped at every possible moment.
    for micros in (0..3000).step_by(100) {
        let _ = tokio::time::timeout(Duration::from_micros(micros), lock.acquire()).await;
    }
    until_children(&client, "/lock", 1).await;
    drop(guard);
    until_children(&client, "/lock", 0).await;
    in_time(lock.acquire()).await.unwrap().release().await.unwrap();
}

#[tokio::test]
async fn who_asks_to_be_told_is_told() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let lock = Mutex::new(&client, "/lock").unwrap();
    let guard = lock.acquire().await.unwrap();
    let cancelled = lock.acquire_then(|_| panic!("it was cancelled"));
    let (told, tells) = oneshot::channel();
    let _acquiring = lock.acquire_then(move |acquired| told.send(acquired).unwrap());
    until_children(&client, "/lock", 3).await;
    cancelled.cancel();
    until_children(&client, "/lock", 2).await;
    guard.release().await.unwrap();
    let guard = in_time(tells).await.unwrap().unwrap();
    assert!(guard.is_held());
}

#[tokio::test]
async fn a_holder_can_be_asked_to_let_go() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let lock = Mutex::new(&client, "/lock").unwrap();
    let guard = lock.acquire().await.unwrap();
    let asked = guard.revocation();
    revoke(&connect(&server).await, guard.path()).await.unwrap();
    in_time(asked).await;
    assert!(guard.is_held());
    let path = guard.path().to_owned();
    guard.release().await.unwrap();
    revoke(&client, &path).await.unwrap();
}

#[tokio::test]
async fn a_deleted_node_is_a_lost_lock() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let lock = Mutex::new(&client, "/lock").unwrap();
    let guard = lock.acquire().await.unwrap();
    client.delete(guard.path()).await.unwrap();
    assert_eq!(in_time(guard.lost()).await, Loss::NodeDeleted);
    assert_eq!(guard.state(), HoldState::Lost(Loss::NodeDeleted));
    assert!(matches!(guard.protect(std::future::pending::<()>()).await, Err(Error::Lost(Loss::NodeDeleted))));
    assert!(matches!(guard.release().await, Err(Error::Lost(Loss::NodeDeleted))));
}

#[tokio::test]
async fn what_was_given_back_is_no_longer_held() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let guard = Mutex::new(&client, "/lock").unwrap().acquire().await.unwrap();
    let (lost, asked) = (guard.lost(), guard.revocation());
    guard.release().await.unwrap();
    assert_eq!(in_time(lost).await, Loss::Released);
    assert!(tokio::time::timeout(Duration::from_millis(5), asked).await.is_err());
}

#[tokio::test]
async fn an_owner_may_enter_again() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let lock = ReentrantMutex::new(Mutex::new(&client, "/lock").unwrap());
    let (ours, theirs) = (lock.owner(), lock.owner());
    let outer = ours.acquire().await.unwrap();
    let inner = ours.clone().acquire().await.unwrap();
    assert_eq!(outer.fence(), inner.fence());
    assert!(theirs.try_acquire().await.unwrap().is_none());
    outer.release().await.unwrap();
    assert!(theirs.try_acquire().await.unwrap().is_none());
    inner.release().await.unwrap();
    let guard = theirs.try_acquire().await.unwrap().unwrap();
    assert!(ours.acquire_within(Duration::from_millis(10)).await.unwrap().is_none());
    // What is lost is not entered again before it was let go of.
    client.delete(guard.guard().path()).await.unwrap();
    in_time(guard.guard().lost()).await;
    assert!(matches!(theirs.acquire().await, Err(Error::Lost(Loss::NodeDeleted))));
    drop(guard);
    in_time(theirs.acquire()).await.unwrap().release().await.unwrap();
}

#[tokio::test]
async fn several_locks_are_held_all_or_none() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let all = MultiLock::of_paths(&client, ["/a", "/b", "/c"]).unwrap();
    let held = all.acquire().await.unwrap();
    let c = Mutex::new(&client, "/c").unwrap();
    assert!(c.try_acquire().await.unwrap().is_none());
    held.release().await.unwrap();

    let other = c.acquire().await.unwrap();
    assert!(all.try_acquire().await.unwrap().is_none());
    assert!(all.acquire_within(Duration::from_millis(20)).await.unwrap().is_none());
    for path in ["/a", "/b"] {
        until_children(&client, path, 0).await;
    }
    other.release().await.unwrap();
    let held = in_time(all.acquire()).await.unwrap();
    client.delete(held.guards()[1].path()).await.unwrap();
    assert_eq!(in_time(held.lost()).await, Loss::NodeDeleted);
    assert!(held.release().await.is_err());
    for path in ["/a", "/c"] {
        assert!(client.children(path).await.unwrap().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn wrong_paths_are_refused() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    for path in ["", "lock", "/lock/", "/a//b"] {
        assert!(matches!(Mutex::new(&client, path), Err(Error::BadPath { .. })), "{path:?}");
    }
}

#[tokio::test]
async fn paths_are_those_of_the_clients_view() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let view = client.chroot("/app").unwrap();
    client.create("/app", "").await.unwrap();
    let lock = Mutex::new(&view, "/lock").unwrap();
    let guard = lock.acquire().await.unwrap();
    assert!(guard.path().starts_with("/lock/"));
    assert!(Mutex::new(&client, "/app/lock").unwrap().try_acquire().await.unwrap().is_none());
    let waiting = tokio::spawn(lock.acquire());
    until_children(&client, "/app/lock", 2).await;
    guard.release().await.unwrap();
    in_time(waiting).await.unwrap().unwrap().release().await.unwrap();
}

#[tokio::test]
async fn contenders_have_the_acl_they_were_given() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    client.add_auth("digest", b"me:secret").await.unwrap();
    let acl = vec![Acl { perms: Perms::ALL, scheme: "auth".into(), id: "".into() }];
    let lock = Mutex::new(&client, "/lock").unwrap().with_acl(acl);
    let guard = lock.acquire().await.unwrap();
    let other = connect(&server).await;
    assert!(other.get(guard.path()).await.unwrap_err().is_no_auth());
    assert!(guard.is_held());
    guard.release().await.unwrap();
}
