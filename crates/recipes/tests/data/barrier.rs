//! Barriers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use zabra_recipes::barrier::{Barrier, DoubleBarrier};
use zabra_recipes::{Error, Loss};

use crate::Bench;

#[tokio::test]
async fn a_gate_opens_for_all() {
    let bench = Bench::start().await;
    let gate = Barrier::new(&bench.client().await, "/deep/gate");
    gate.wait().await.unwrap();
    gate.set().await.unwrap();
    gate.set().await.unwrap();
    assert!(gate.is_set().await.unwrap());
    assert!(!gate.wait_within(Duration::ZERO).await.unwrap());
    let mut waiting = JoinSet::new();
    for _ in 0..5 {
        let gate = Barrier::new(&bench.client().await, "/deep/gate");
        waiting.spawn(async move { gate.wait().await.unwrap() });
    }
    let (told, opened) = oneshot::channel();
    let telling = gate.when_open(move |open| told.send(open).unwrap());
    bench.server.cut_all().await;
    assert!(gate.remove().await.unwrap());
    assert!(!gate.remove().await.unwrap());
    waiting.join_all().await;
    opened.await.unwrap().unwrap();
    drop(telling);
}

#[tokio::test]
async fn a_gate_is_waited_for_under_the_next_session() {
    let bench = Bench::start().await;
    let client = bench.client().await;
    let gate = Barrier::new(&client, "/gate");
    gate.set().await.unwrap();
    let waiting = tokio::spawn({
        let gate = gate.clone();
        async move { gate.wait().await }
    });
    tokio::task::yield_now().await;
    bench.server.expire(client.session_id()).await.unwrap();
    Barrier::new(&bench.client().await, "/gate").remove().await.unwrap();
    waiting.await.unwrap().unwrap();
}

/// Members enter and leave together, over and over at one path.
async fn rounds(bench: &Bench, progress: &Arc<Semaphore>) {
    const MEMBERS: usize = 5;
    const ROUNDS: usize = 10;
    let inside: Arc<[AtomicUsize; ROUNDS]> = Arc::default();
    let mut members = JoinSet::new();
    for _ in 0..MEMBERS {
        let group = DoubleBarrier::new(&bench.client().await, "/group", MEMBERS).unwrap();
        let (inside, progress) = (Arc::clone(&inside), Arc::clone(progress));
        members.spawn(async move {
            for inside in inside.iter() {
                inside.fetch_add(1, Ordering::SeqCst);
                let entered = group.enter().await.unwrap();
                assert_eq!(inside.load(Ordering::SeqCst) % 100, MEMBERS, "all have come");
                inside.fetch_add(100, Ordering::SeqCst);
                progress.add_permits(1);
                entered.leave().await.unwrap();
                assert_eq!(inside.load(Ordering::SeqCst) / 100, MEMBERS, "all were inside");
                progress.add_permits(1);
            }
        });
    }
    members.join_all().await;
    assert!(bench.client().await.children("/group").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_enters_and_leaves_together() {
    rounds(&Bench::start().await, &Arc::new(Semaphore::new(0))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_enters_and_leaves_together_under_cuts() {
    let bench = Bench::start().await;
    let progress = Arc::new(Semaphore::new(0));
    let cutting = bench.cut_with(Arc::clone(&progress), 7);
    rounds(&bench, &progress).await;
    cutting.abort();
}

#[tokio::test]
async fn who_has_no_patience_withdraws() {
    let bench = Bench::start().await;
    let client = bench.client().await;
    let group = DoubleBarrier::new(&client, "/group", 2).unwrap();
    assert!(group.enter_within(Duration::from_millis(20)).await.unwrap().is_none());
    assert!(client.children("/group").await.unwrap().is_empty());
    assert!(matches!(DoubleBarrier::new(&client, "/group", 0), Err(Error::BadArgument(_))));
}

#[tokio::test]
async fn a_member_without_its_session_is_told_and_holds_nobody_up() {
    let bench = Bench::start().await;
    let (client, other) = (bench.client().await, bench.client().await);
    let groups = [&client, &other].map(|client| DoubleBarrier::new(client, "/group", 2).unwrap());
    let (one, two) = tokio::join!(groups[0].enter(), groups[1].enter());
    let (one, two) = (one.unwrap(), two.unwrap());
    let leaving = tokio::spawn(two.leave());
    bench.server.expire(client.session_id()).await.unwrap();
    leaving.await.unwrap().unwrap();
    let error = one.leave().await.unwrap_err();
    assert!(matches!(error, Error::Lost(Loss::SessionExpired)), "{error}");
}
