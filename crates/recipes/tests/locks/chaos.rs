//! Everything at once, by a seed: contenders that change their minds, connections that break, sessions that expire,
//! a server that dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use fastrand::Rng;
use tokio::task::JoinSet;
use zabra_client::Client;
use zabra_embedded::Server;
use zabra_recipes::lock::{Lock, Mutex};
use zabra_recipes::{Fence, Guard, Loss};
use zabra_testkit::rounds;

use crate::{connect, in_time, until_children};

const CLIENTS: usize = 5;

/// What a lock protects when sessions expire in use: it cannot keep two from trying, so it looks at their tokens.
#[derive(Debug, Default)]
struct Guarded {
    highest: AtomicI64,
    accepted: AtomicUsize,
}

impl Guarded {
    /// False when the token is outdated.
    fn write(&self, fence: Fence) -> bool {
        let newest = self.highest.fetch_max(fence.get(), Ordering::SeqCst) <= fence.get();
        self.accepted.fetch_add(usize::from(newest), Ordering::SeqCst);
        newest
    }
}

/// One that acquires in every way there is, and lets go in every way there is.
async fn contend(client: Client, mut rng: Rng, guarded: Arc<Guarded>, stop: Arc<AtomicBool>) {
    let lock = Mutex::new(&client, "/lock").expect("it is a path");
    while !stop.load(Ordering::SeqCst) {
        let patience = Duration::from_micros(rng.u64(0..20_000));
        let acquired = match rng.u8(0..4) {
            0 => lock.try_acquire().await,
            1 => lock.acquire_within(patience).await,
            2 => {
                tokio::time::timeout(patience, lock.acquire()).await.map_or(Ok(None), |guard| guard.map(Some))
            }
            _ => lock.acquire().await.map(Some),
        };
        let Some(guard) = acquired.expect("faults that pass are no failures") else { continue };
        use_and_let_go(guard, &mut rng, &guarded).await;
    }
}

async fn use_and_let_go(guard: Guard, rng: &mut Rng, guarded: &Guarded) {
    for _ in 0..rng.u8(1..4) {
        if !guarded.write(guard.fence()) {
            // Somebody else has had it since: this one must hear of its loss.
            assert_ne!(guard.lost().await, Loss::Released);
        }
        tokio::task::yield_now().await;
    }
    if rng.bool() {
        // An error says that it was lost before.
        let _ = guard.release().await;
    }
}

async fn run(seed: u64) {
    let server = Server::start().await.expect("a server starts");
    let mut rng = Rng::with_seed(seed);
    let guarded = Arc::new(Guarded::default());
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    let mut contenders = JoinSet::new();
    for _ in 0..CLIENTS {
        let client = connect(&server).await;
        for _ in 0..2 {
            contenders.spawn(contend(client.clone(), rng.fork(), guarded.clone(), stop.clone()));
        }
        clients.push(client);
    }
    in_time(async {
        for fault in 0..rounds(20) {
            // A few uses between two faults, so that they meet contenders in every phase.
            let goal = guarded.accepted.load(Ordering::SeqCst) + rng.usize(0..6);
            while guarded.accepted.load(Ordering::SeqCst) < goal {
                tokio::task::yield_now().await;
            }
            let victim = clients[rng.usize(..CLIENTS)].session_id();
            match rng.u8(0..8) {
                0 if fault > 0 => {
                    server.kill().await;
                    server.restart().await.expect("the server starts again");
                }
                // There is none between an expiry and the next session.
                1 | 2 => drop(server.expire(victim).await),
                3 => drop(server.cut_all().await),
                _ => drop(server.cut(victim).await),
            }
        }
        stop.store(true, Ordering::SeqCst);
        while let Some(done) = contenders.join_next().await {
            done.expect("the contender is content");
        }
    })
    .await;
    // Whatever was dropped or given up midway is gone in the end.
    until_children(&connect(&server).await, "/lock", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_survives_everything() {
    let seed = std::env::var("ZABRA_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    println!("ZABRA_SEED={seed}");
    run(seed).await;
}
