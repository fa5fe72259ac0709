//! Barriers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use zabra_client::Client;
use zabra_recipes::barrier::{Barrier, DoubleBarrier};
use zabra_recipes::{Error, Loss};

use crate::cut_with;
use crate::support::World;

pub(crate) async fn a_gate_opens_for_all(world: Arc<World>) {
    let gate = Barrier::new(&world.client().await, "/deep/gate");
    gate.wait().await.unwrap();
    gate.set().await.unwrap();
    gate.set().await.unwrap();
    assert!(gate.is_set().await.unwrap());
    assert!(!gate.wait_within(Duration::ZERO).await.unwrap());
    let mut waiting = JoinSet::new();
    for _ in 0..5 {
        let gate = Barrier::new(&world.client().await, "/deep/gate");
        waiting.spawn(async move { gate.wait().await.unwrap() });
    }
    let (told, opened) = oneshot::channel();
    let telling = gate.when_open(move |open| told.send(open).unwrap());
    world.cut_all().await;
    assert!(gate.remove().await.unwrap());
    assert!(!gate.remove().await.unwrap());
    waiting.join_all().await;
    opened.await.unwrap().unwrap();
    drop(telling);
}

pub(crate) async fn a_gate_is_waited_for_under_the_next_session(world: Arc<World>) {
    let client = world.client().await;
    let gate = Barrier::new(&client, "/gate");
    gate.set().await.unwrap();
    let waiting = tokio::spawn({
        let gate = gate.clone();
        async move { gate.wait().await }
    });
    tokio::task::yield_now().await;
    world.expire(client.session_id()).await;
    Barrier::new(&world.client().await, "/gate").remove().await.unwrap();
    waiting.await.unwrap().unwrap();
}

/// Whether nothing is left of the group; the server removes its container some time later.
async fn is_left(client: &Client) -> bool {
    client.children("/group").await.map_or_else(|error| error.is_no_node(), |members| members.is_empty())
}

/// Members enter and leave together, over and over at one path.
async fn rounds(world: &World, progress: &Arc<Semaphore>) {
    const MEMBERS: usize = 5;
    let inside: Arc<[AtomicUsize]> = (0..zabra_testkit::rounds(5)).map(|_| AtomicUsize::default()).collect();
    let mut members = JoinSet::new();
    for _ in 0..MEMBERS {
        let group = DoubleBarrier::new(&world.client().await, "/group", MEMBERS).unwrap();
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
    assert!(is_left(&world.client().await).await);
}

pub(crate) async fn a_group_enters_and_leaves_together(world: Arc<World>) {
    rounds(&world, &Arc::new(Semaphore::new(0))).await;
}

pub(crate) async fn a_group_enters_and_leaves_together_under_cuts(world: Arc<World>) {
    let progress = Arc::new(Semaphore::new(0));
    let cutting = cut_with(&world, &progress, 7);
    rounds(&world, &progress).await;
    cutting.abort();
}

pub(crate) async fn who_has_no_patience_withdraws(world: Arc<World>) {
    let client = world.client().await;
    let group = DoubleBarrier::new(&client, "/group", 2).unwrap();
    assert!(group.enter_within(Duration::from_millis(20)).await.unwrap().is_none());
    assert!(is_left(&client).await);
    assert!(matches!(DoubleBarrier::new(&client, "/group", 0), Err(Error::BadArgument(_))));
}

pub(crate) async fn a_member_without_its_session_is_told_and_holds_nobody_up(world: Arc<World>) {
    let (client, other) = (world.client().await, world.client().await);
    let groups = [&client, &other].map(|client| DoubleBarrier::new(client, "/group", 2).unwrap());
    let (one, two) = tokio::join!(groups[0].enter(), groups[1].enter());
    let (one, two) = (one.unwrap(), two.unwrap());
    let leaving = tokio::spawn(two.leave());
    world.expire(client.session_id()).await;
    leaving.await.unwrap().unwrap();
    let error = one.leave().await.unwrap_err();
    assert!(matches!(error, Error::Lost(Loss::SessionExpired)), "{error}");
}
