//! Locks and elections.

use std::time::Duration;

use zabra_recipes::leader::{LeaderElection, LeaderLatch};
use zabra_recipes::lock::{Lock, Mutex, RwLock, Semaphore};

use super::client::Contender;
use crate::Failure;

/// How long to wait for something that others may have for ever.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long to wait for leadership before standing again.
const LATCH_WAIT: Duration = Duration::from_secs(4);

/// A turn went well, or the recipe failed because of a fault.
type Turn = Result<(), zabra_recipes::Error>;

impl Contender<'_> {
    /// Fights for what the order names.
    pub(super) async fn fight(&self) -> Result<(), Failure> {
        match &*self.order.scenario {
            "lock" => self.lock().await,
            "rwlock" => self.rwlock().await,
            "semaphore" => self.semaphore().await,
            "election" => self.election().await,
            "latch" => self.latch().await,
            "queue" => self.queue().await,
            "work-queue" => self.work_queue().await,
            "counter" => self.counter().await,
            "barrier" => self.barrier().await,
            "double-barrier" => self.double_barrier().await,
            other => Err(format!("there is no scenario {other}").into()),
        }
    }

    pub(super) async fn got_over(&self, turn: Turn) {
        if let Err(error) = turn {
            self.note(&error).await;
        }
    }

    /// Is inside for a while, and writes under the token.
    async fn visit(&self, mode: &str, fence: Option<i64>) -> std::io::Result<()> {
        if let Some(_inside) = self.seen.enter(self.root, mode, fence)? {
            self.stay().await;
            if let Some(fence) = fence {
                self.seen.tell(format_args!("write {} {fence}", self.root))?;
            }
        }
        Ok(())
    }

    async fn lock(&self) -> Result<(), Failure> {
        let mutex = Mutex::new(&self.client, self.root)?.with_data(self.who.to_owned());
        while self.goes_on() {
            match mutex.acquire().await {
                Ok(guard) => {
                    self.visit("x", Some(guard.fence().get())).await?;
                    self.got_over(guard.release().await).await;
                }
                Err(error) => self.note(&error).await,
            }
        }
        Ok(())
    }

    async fn rwlock(&self) -> Result<(), Failure> {
        let locks = RwLock::new(&self.client, self.root)?.with_data(self.who.to_owned());
        while self.goes_on() {
            let writes = fastrand::u32(0..3) == 0;
            let entering = if writes { locks.write().acquire() } else { locks.read().acquire() };
            match entering.await {
                Ok(guard) => {
                    self.visit(if writes { "x" } else { "s" }, None).await?;
                    self.got_over(guard.release().await).await;
                }
                Err(error) => self.note(&error).await,
            }
        }
        Ok(())
    }

    async fn semaphore(&self) -> Result<(), Failure> {
        let leases = usize::try_from(self.order.number("leases"))?;
        let semaphore = Semaphore::new(&self.client, self.root, leases)?.with_data(self.who.to_owned());
        let mode = format!("n{leases}");
        while self.goes_on() {
            match semaphore.acquire_within(PATIENCE).await {
                Ok(Some(guard)) => {
                    self.visit(&mode, None).await?;
                    self.got_over(guard.release().await).await;
                }
                Ok(None) => {}
                Err(error) => self.note(&error).await,
            }
        }
        Ok(())
    }

    async fn election(&self) -> Result<(), Failure> {
        let election = LeaderElection::new(&self.client, self.root)?.with_id(self.who);
        while self.goes_on() {
            let term = election.run(async |leadership| {
                // Cancelled when leadership is in doubt.
                self.visit("x", Some(leadership.fence().get())).await
            });
            match term.await {
                Ok(visited) => visited?,
                Err(error) => self.note(&error).await,
            }
        }
        Ok(())
    }

    async fn latch(&self) -> Result<(), Failure> {
        while self.goes_on() {
            let latch = LeaderLatch::start(&self.client, self.root, self.who)?;
            if let Ok(Ok(fence)) = tokio::time::timeout(LATCH_WAIT, latch.leading()).await
                && latch.is_leader()
            {
                self.visit("x", Some(fence.get())).await?;
            }
            self.got_over(latch.close().await).await;
        }
        Ok(())
    }
}
