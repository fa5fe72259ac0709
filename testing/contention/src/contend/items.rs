//! Items, numbers and gates.

use std::time::Duration;

use zabra_recipes::Receipt;
use zabra_recipes::atomic::AtomicLong;
use zabra_recipes::barrier::{Barrier, DoubleBarrier};
use zabra_recipes::queue::{Queue, SimpleQueue};

use super::client::Contender;
use crate::Failure;

/// How long to wait for an item.
const ITEM_WAIT: Duration = Duration::from_millis(200);

impl Contender<'_> {
    /// A receipt for this client, beside what is fought for.
    async fn receipt(&self) -> Result<Receipt, Failure> {
        let path = format!("{}-receipt-{}", self.root, self.who.replace('/', "-"));
        Ok(Receipt::open(&self.client, path).await?)
    }

    pub(super) async fn queue(&self) -> Result<(), Failure> {
        let queue = SimpleQueue::open_with(&self.client, self.root, self.receipt().await?).await?;
        let mut made = 0;
        while self.goes_on() {
            if fastrand::bool() {
                made += 1;
                let item = format!("rust:{}-{made}", self.who);
                let offered = queue.offer(item.clone()).await;
                let sure = if offered.is_ok() { "sure" } else { "maybe" };
                self.seen.tell(format_args!("put {} {item} {sure}", self.root))?;
                self.got_over(offered).await;
            } else {
                self.take(&queue).await?;
            }
        }
        let mut empty = 0;
        while empty < 3 {
            empty = if self.take(&queue).await? { 0 } else { empty + 1 };
        }
        Ok(())
    }

    /// Takes an item; false when there is none.
    async fn take(&self, queue: &SimpleQueue) -> Result<bool, Failure> {
        match queue.poll_within(ITEM_WAIT).await {
            Ok(Some(item)) => {
                let item = String::from_utf8_lossy(&item);
                self.seen.tell(format_args!("take {} {item}", self.root))?;
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error) => {
                self.note(&error).await;
                Ok(true)
            }
        }
    }

    /// The queue that hands an item to one consumer under a lock, and takes it back when that dies.
    pub(super) async fn work_queue(&self) -> Result<(), Failure> {
        let queue = Queue::builder(&self.client, self.root)
            .lock_path(format!("{}-locks", self.root))
            .receipt(self.receipt().await?)
            .open()
            .await?;
        let (mut made, mut empty) = (0, 0);
        while empty < 3 {
            if self.goes_on() && fastrand::bool() {
                made += 1;
                let item = format!("rust:{}-{made}", self.who);
                let put = queue.put(item.clone()).await;
                let sure = if put.is_ok() { "sure" } else { "maybe" };
                self.seen.tell(format_args!("put {} {item} {sure}", self.root))?;
                self.got_over(put).await;
                continue;
            }
            match queue.poll_within(ITEM_WAIT).await {
                Ok(Some(taken)) => {
                    self.stay().await;
                    let item = taken.item();
                    match taken.done().await {
                        Ok(()) => {
                            let item = String::from_utf8_lossy(&item);
                            self.seen.tell(format_args!("take {} {item}", self.root))?;
                        }
                        Err(error) => self.note(&error).await,
                    }
                    empty = 0;
                }
                Ok(None) => empty += u32::from(!self.goes_on()),
                Err(error) => self.note(&error).await,
            }
        }
        Ok(())
    }

    pub(super) async fn counter(&self) -> Result<(), Failure> {
        let counter = AtomicLong::new(&self.client, self.root).with_receipt(self.receipt().await?);
        while self.goes_on() {
            match counter.add(1).await {
                Ok(change) => {
                    if let (true, Some(value)) = (change.succeeded, change.after) {
                        self.seen.tell(format_args!("add {} {value}", self.root))?;
                    }
                }
                Err(error) => {
                    self.seen.tell(format_args!("add {} maybe", self.root))?;
                    self.note(&error).await;
                }
            }
        }
        Ok(())
    }

    pub(super) async fn barrier(&self) -> Result<(), Failure> {
        for round in 0..self.order.number("rounds") {
            let (seen, root) = (self.seen.clone(), self.root.to_owned());
            // This takes as long as the others do.
            let closed = move || seen.tell(format_args!("await {root} closed {round}"));
            tokio::task::spawn_blocking(closed).await??;
            let barrier = Barrier::new(&self.client, format!("{}/{round}", self.root));
            // Who learned of the barrier past the servers must see what its server may not know yet.
            while let Err(error) = self.wait_synced(&barrier).await {
                self.note(&error).await;
            }
            self.seen.tell(format_args!("passed {} {round}", self.root))?;
        }
        Ok(())
    }

    async fn wait_synced(&self, barrier: &Barrier) -> Result<(), zabra_recipes::Error> {
        self.client.sync(self.root).await?;
        barrier.wait().await
    }

    pub(super) async fn double_barrier(&self) -> Result<(), Failure> {
        let members = usize::try_from(self.order.number("members"))?;
        for round in 0..self.order.number("rounds") {
            let barrier = DoubleBarrier::new(&self.client, format!("{}/{round}", self.root), members)?;
            self.seen.tell(format_args!("come {} in-{round}", self.root))?;
            let entered = barrier.enter().await?;
            self.seen.tell(format_args!("all {} in-{round} {members}", self.root))?;
            self.stay().await;
            self.seen.tell(format_args!("come {} out-{round}", self.root))?;
            entered.leave().await?;
            self.seen.tell(format_args!("all {} out-{round} {members}", self.root))?;
        }
        Ok(())
    }
}
