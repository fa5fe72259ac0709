//! Many producers and consumers while connections break and the server is killed: every item is accounted for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use zabra_client::{Client, Outcome};
use zabra_recipes::atomic::{AtomicLong, Tries};
use zabra_recipes::queue::{Queue, QueueBuilder};
use zabra_recipes::{Error, Receipt};
use zabra_testkit::rounds;

use crate::cut_with;
use crate::support::World;

const PRODUCERS: usize = 4;
const CONSUMERS: usize = 4;

/// How many items each producer puts.
fn items() -> usize {
    rounds(30)
}

/// How often each process adds to a number.
fn additions() -> usize {
    rounds(25)
}

/// How often each item was handled.
type Handled = Arc<Mutex<BTreeMap<Bytes, usize>>>;

struct Run {
    world: Arc<World>,
    handled: Handled,
    /// One permit for each thing done.
    progress: Arc<Semaphore>,
}

impl Run {
    fn new(world: Arc<World>) -> Self {
        Self { world, handled: Handled::default(), progress: Arc::new(Semaphore::new(0)) }
    }

    async fn receipt(client: &Client, name: &str) -> Receipt {
        Receipt::open(client, format!("/receipts/{name}")).await.unwrap()
    }

    /// Starts producers that put exactly once.
    async fn produce(&self) -> JoinSet<()> {
        let mut producers = JoinSet::new();
        for producer in 0..PRODUCERS {
            let client = self.world.client().await;
            let receipt = Self::receipt(&client, &format!("p{producer}")).await;
            let queue = Queue::builder(&client, "/queue").receipt(receipt).open().await.unwrap();
            let progress = Arc::clone(&self.progress);
            producers.spawn(async move {
                for item in 0..items() {
                    queue.put(format!("{producer}/{item}")).await.unwrap();
                    progress.add_permits(1);
                }
            });
        }
        producers
    }

    /// Starts consumers, each with a queue of its own.
    async fn consume(&self, builder: impl AsyncFn(&Client, usize) -> QueueBuilder) -> JoinSet<()> {
        let mut consumers = JoinSet::new();
        for consumer in 0..CONSUMERS {
            let client = self.world.client().await;
            let queue = builder(&client, consumer).await.open().await.unwrap();
            let (handled, progress) = (Arc::clone(&self.handled), Arc::clone(&self.progress));
            consumers.spawn(async move {
                loop {
                    let taken = match queue.take().await {
                        Ok(taken) => taken,
                        // Only a plain queue says so; its data is the item's all the same.
                        Err(Error::TakenOrGone { .. }) => continue,
                        Err(error) => panic!("{error}"),
                    };
                    *handled.lock().unwrap().entry(taken.item()).or_default() += 1;
                    match taken.done().await {
                        Ok(()) | Err(Error::Lost(_)) => progress.add_permits(1),
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
        consumers
    }

    async fn wait_until_empty(&self) {
        let client = self.world.client().await;
        let queue = Queue::builder(&client, "/queue").open().await.unwrap();
        loop {
            match client.children("/queue").watch().await {
                Ok((children, _)) if children.is_empty() => break,
                Ok((_, changed)) => drop(changed.await),
                Err(error) => assert!(error.is_connection_lost(), "{error}"),
            }
        }
        assert!(queue.is_empty().await.unwrap());
    }

    fn assert_each_exactly_once(&self) {
        let handled = self.handled.lock().unwrap();
        let wrong: Vec<_> = handled.iter().filter(|(_, times)| **times != 1).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_eq!(handled.len(), PRODUCERS * items());
    }
}

pub(crate) async fn with_receipts_each_item_is_taken_once_under_cuts(world: Arc<World>) {
    let run = Run::new(world);
    let cutting = cut_with(&run.world, &run.progress, 30);
    let consumers = run
        .consume(async |client, consumer| {
            Queue::builder(client, "/queue").receipt(Run::receipt(client, &format!("c{consumer}")).await)
        })
        .await;
    run.produce().await.join_all().await;
    run.wait_until_empty().await;
    // What is taken is handled a moment later.
    drop(cutting);
    while run.handled.lock().unwrap().len() < PRODUCERS * items() {
        tokio::task::yield_now().await;
    }
    drop(consumers);
    run.assert_each_exactly_once();
}

pub(crate) async fn with_locks_each_item_is_handled_once_under_cuts(world: Arc<World>) {
    let run = Run::new(world);
    let cutting = cut_with(&run.world, &run.progress, 30);
    let consumers = run.consume(async |client, _| Queue::builder(client, "/queue").lock_path("/locks")).await;
    run.produce().await.join_all().await;
    run.wait_until_empty().await;
    cutting.abort();
    drop(consumers);
    // No session has expired, so nothing was handled twice.
    run.assert_each_exactly_once();
}

pub(crate) async fn with_locks_no_item_is_lost_when_servers_and_sessions_die(world: Arc<World>) {
    let run = Run::new(world);
    let consumers = run.consume(async |client, _| Queue::builder(client, "/queue").lock_path("/locks")).await;
    let world = Arc::clone(&run.world);
    let progress = Arc::clone(&run.progress);
    let victim = run.world.client().await;
    let killing = tokio::spawn(async move {
        for round in 0.. {
            progress.acquire_many(40).await.unwrap().forget();
            if round % 2 == 0 {
                world.kill().await;
                world.restart().await;
            } else {
                world.expire(victim.session_id()).await;
            }
        }
    });
    run.produce().await.join_all().await;
    run.wait_until_empty().await;
    killing.abort();
    drop(consumers);
    assert_eq!(run.handled.lock().unwrap().len(), PRODUCERS * items());
}

pub(crate) async fn without_receipts_what_is_in_doubt_is_said(world: Arc<World>) {
    let run = Run::new(world);
    let cutting = cut_with(&run.world, &run.progress, 15);
    let client = run.world.client().await;
    let queue = Queue::builder(&client, "/queue").open().await.unwrap();
    // For each item, whether it is in doubt.
    let mut put = BTreeMap::new();
    for item in 0..rounds(50) {
        let item = Bytes::from(item.to_string());
        let in_doubt = match queue.put(item.clone()).await {
            Ok(()) => false,
            Err(error) => {
                assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
                true
            }
        };
        put.insert(item, in_doubt);
        run.progress.add_permits(1);
    }
    let mut taken: BTreeMap<Bytes, usize> = BTreeMap::new();
    loop {
        match queue.poll().await {
            Ok(Some(item)) => *taken.entry(item.item()).or_default() += 1,
            Ok(None) => break,
            // There is one consumer: nobody else can have taken it.
            Err(Error::TakenOrGone { path, data, .. }) => {
                assert!(path.starts_with("/queue/queue-"));
                let items = zabra_recipes::queue::decode_message(data).unwrap();
                *taken.entry(items[0].clone()).or_default() += 1;
            }
            Err(error) => panic!("{error}"),
        }
        run.progress.add_permits(1);
    }
    cutting.abort();
    assert!(taken.values().all(|times| *times == 1), "nothing is taken twice");
    for (item, in_doubt) in &put {
        assert!(*in_doubt || taken.contains_key(item), "{item:?} was put and is lost");
    }
    assert!(taken.keys().all(|item| put.contains_key(item)));
}

pub(crate) async fn with_receipts_every_addition_counts_once_under_cuts(world: Arc<World>) {
    let run = Run::new(world);
    let cutting = cut_with(&run.world, &run.progress, 15);
    let mut counting = JoinSet::new();
    for process in 0..4 {
        let client = run.world.client().await;
        let receipt = Run::receipt(&client, &format!("n{process}")).await;
        let number =
            AtomicLong::new(&client, "/numbers/n").with_tries(Tries::times(u32::MAX)).with_receipt(receipt);
        let progress = Arc::clone(&run.progress);
        counting.spawn(async move {
            for _ in 0..additions() {
                assert!(number.increment().await.unwrap().succeeded);
                progress.add_permits(1);
            }
        });
    }
    counting.join_all().await;
    cutting.abort();
    let client = run.world.client().await;
    assert_eq!(AtomicLong::new(&client, "/numbers/n").get().await.unwrap(), 4 * additions() as i64);
}

pub(crate) async fn without_receipts_no_addition_counts_twice_under_cuts(world: Arc<World>) {
    let run = Run::new(world);
    let cutting = cut_with(&run.world, &run.progress, 15);
    let mut counting = JoinSet::new();
    for _ in 0..4 {
        let client = run.world.client().await;
        let number = AtomicLong::new(&client, "/numbers/n").with_tries(Tries::times(u32::MAX));
        let progress = Arc::clone(&run.progress);
        counting.spawn(async move {
            let (mut sure, mut in_doubt) = (0, 0);
            for _ in 0..additions() {
                match number.increment().await {
                    Ok(change) => sure += i64::from(change.succeeded),
                    Err(error) if error.outcome() == Outcome::Unknown => in_doubt += 1,
                    Err(error) => panic!("{error}"),
                }
                progress.add_permits(1);
            }
            (sure, in_doubt)
        });
    }
    let (mut sure, mut in_doubt) = (0, 0);
    for counted in counting.join_all().await {
        sure += counted.0;
        in_doubt += counted.1;
    }
    cutting.abort();
    let client = run.world.client().await;
    let total = AtomicLong::new(&client, "/numbers/n").get().await.unwrap();
    assert!((sure..=sure + in_doubt).contains(&total), "{sure} and perhaps {in_doubt} more: {total}");
}

pub(crate) async fn two_that_share_a_receipt_double_nothing(world: Arc<World>) {
    let (one, other) = (world.client().await, world.client().await);
    let queues = [
        Queue::builder(&one, "/queue").receipt(Run::receipt(&one, "shared").await).open().await.unwrap(),
        Queue::builder(&other, "/queue").receipt(Run::receipt(&other, "shared").await).open().await.unwrap(),
    ];
    for item in 0..6 {
        queues[item % 2].put(item.to_string()).await.unwrap();
    }
    for item in 0..6 {
        assert_eq!(queues[(item + 1) % 2].take().await.unwrap().item(), item.to_string());
    }
    assert!(queues[0].is_empty().await.unwrap());
}
