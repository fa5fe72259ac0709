//! Bytes that many processes change at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use zabra_client::Client;
use zabra_types::{CreateMode, Stat};

use super::tries::{Promotion, Tries};
use crate::common::conditional::set_if;
use crate::common::node::create_with_parents;
use crate::common::retry::{Backoff, Doubt, through_sessions};
use crate::lock::{Lock, Mutex};
use crate::receipt::Receipt;
use crate::{Error, Result};

/// What became of a change. Curator's `AtomicValue`.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a change that failed was not made"]
pub struct Change<T> {
    /// Whether it was made.
    pub succeeded: bool,
    /// The value before it, or the one that stood in its way at last; `None` if there was none.
    pub before: Option<T>,
    /// The value it has made.
    pub after: Option<T>,
    /// What it took.
    pub stats: Stats,
}

/// What a change took. Curator's `AtomicStats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Tries without the lock.
    pub optimistic_tries: u32,
    /// Tries with it.
    pub promoted_tries: u32,
    /// The time spent on the former.
    pub optimistic_time: Duration,
    /// The time spent on the latter, waiting for the lock included.
    pub promoted_time: Duration,
}

impl<T> Change<T> {
    pub(super) fn try_map<U, E>(self, map: impl Fn(T) -> Result<U, E>) -> Result<Change<U>, E> {
        Ok(Change {
            succeeded: self.succeeded,
            before: self.before.map(&map).transpose()?,
            after: self.after.map(&map).transpose()?,
            stats: self.stats,
        })
    }
}

/// Bytes at a path that many processes change at once. Curator's `DistributedAtomicValue`.
///
/// See the [module](super) for what is guaranteed. A handle: clones share the receipt.
#[derive(Clone, Debug)]
pub struct AtomicValue {
    client: Client,
    path: String,
    tries: Tries,
    promotion: Option<Promotion>,
    receipt: Option<Arc<Receipt>>,
}

impl AtomicValue {
    /// The value at this path. Nothing is created before the first change; missing parents are made as containers then.
    #[must_use]
    pub fn new(client: &Client, path: impl Into<String>) -> Self {
        Self {
            client: client.clone(),
            path: path.into(),
            tries: Tries::default(),
            promotion: None,
            receipt: None,
        }
    }

    /// How often changes are tried.
    #[must_use]
    pub fn with_tries(mut self, tries: Tries) -> Self {
        self.tries = tries;
        self
    }

    /// Takes a lock when these tries have failed.
    #[must_use]
    pub fn with_promotion(mut self, promotion: Promotion) -> Self {
        self.promotion = Some(promotion);
        self
    }

    /// Notes changes in a receipt, so that lost replies leave nothing open.
    #[must_use]
    pub fn with_receipt(mut self, receipt: Receipt) -> Self {
        self.receipt = Some(Arc::new(receipt));
        self
    }

    /// The node.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The value; `None` if there is none.
    ///
    /// # Errors
    /// When the client fails.
    pub async fn get(&self) -> Result<Option<Bytes>> {
        Ok(self.read().await?.map(|(data, _)| data))
    }

    /// Makes the value, unless there is one. Whether it did.
    ///
    /// # Errors
    /// See the [module](super).
    pub async fn initialize(&self, value: impl Into<Bytes>) -> Result<bool> {
        self.write(None, value.into()).await
    }

    /// Sets the value, whatever it is. Repeated after a lost reply, it may undo what another has set meanwhile.
    ///
    /// # Errors
    /// When the client fails.
    pub async fn force_set(&self, value: impl Into<Bytes>) -> Result<()> {
        let value = value.into();
        loop {
            match through_sessions(|| self.client.set(&self.path, value.clone())).await {
                Err(error) if error.is_no_node() => {}
                answer => return answer.map(drop).map_err(Error::Client),
            }
            let make =
                || create_with_parents(&self.client, &self.path, value.clone(), CreateMode::Persistent);
            match through_sessions(make).await {
                Err(error) if error.is_node_exists() => {}
                answer => return answer.map(drop).map_err(Error::Client),
            }
        }
    }

    /// Sets the value if it equals `expected`. Tried once: it fails too when others change it at the same moment.
    ///
    /// # Errors
    /// See the [module](super).
    pub async fn compare_and_set(
        &self,
        expected: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
    ) -> Result<Change<Bytes>> {
        let started = Instant::now();
        let value = value.into();
        let found = self.read().await?;
        let succeeded = match &found {
            Some((data, stat)) if data == expected.as_ref() => self.write(Some(stat), value.clone()).await?,
            _ => false,
        };
        let stats = Stats { optimistic_tries: 1, optimistic_time: started.elapsed(), ..Stats::default() };
        let before = found.map(|(data, _)| data);
        Ok(Change { succeeded, before, after: succeeded.then_some(value), stats })
    }

    /// Sets the value, as often as it takes to know the one before it.
    ///
    /// # Errors
    /// See the [module](super).
    pub async fn try_set(&self, value: impl Into<Bytes>) -> Result<Change<Bytes>> {
        let value = value.into();
        self.update(|_| Ok(value.clone())).await
    }

    /// Changes the value to what `make` makes of the present one. `make` is called once per try.
    ///
    /// # Errors
    /// See the [module](super); what `make` fails with.
    pub async fn update(&self, make: impl Fn(Option<&Bytes>) -> Result<Bytes>) -> Result<Change<Bytes>> {
        let mut change = Change { succeeded: false, before: None, after: None, stats: Stats::default() };
        let started = Instant::now();
        loop {
            change.stats.optimistic_tries += 1;
            self.try_once(&mut change, &make).await?;
            change.stats.optimistic_time = started.elapsed();
            if change.succeeded {
                return Ok(change);
            }
            if !self.tries.pause(change.stats.optimistic_tries).await {
                break;
            }
        }
        if let Some(promotion) = &self.promotion {
            let started = Instant::now();
            self.update_with_lock(promotion, &mut change, &make).await?;
            change.stats.promoted_time = started.elapsed();
        }
        Ok(change)
    }

    async fn update_with_lock(
        &self,
        promotion: &Promotion,
        change: &mut Change<Bytes>,
        make: impl Fn(Option<&Bytes>) -> Result<Bytes>,
    ) -> Result<()> {
        let mutex = Mutex::new(&self.client, &promotion.path)?;
        let Some(guard) = mutex.acquire_within(promotion.timeout).await? else { return Ok(()) };
        let tried = async {
            loop {
                change.stats.promoted_tries += 1;
                self.try_once(change, &make).await?;
                if change.succeeded || !promotion.tries.pause(change.stats.promoted_tries).await {
                    return Ok(());
                }
            }
        };
        let tried = tried.await;
        // A lost lock changes nothing about what has happened.
        if let Err(error) = guard.release().await {
            tracing::debug!(path = self.path, %error, "the lock of a promoted change was lost");
        }
        tried
    }

    async fn try_once(
        &self,
        change: &mut Change<Bytes>,
        make: impl Fn(Option<&Bytes>) -> Result<Bytes>,
    ) -> Result<()> {
        let found = self.read().await?;
        let value = make(found.as_ref().map(|(data, _)| data))?;
        change.succeeded = self.write(found.as_ref().map(|(_, stat)| stat), value.clone()).await?;
        change.before = found.map(|(data, _)| data);
        change.after = change.succeeded.then_some(value);
        Ok(())
    }

    async fn read(&self) -> Result<Option<(Bytes, Stat)>> {
        match through_sessions(|| self.client.get(&self.path)).await {
            Err(error) if error.is_no_node() => Ok(None),
            answer => Ok(Some(answer?)),
        }
    }

    /// Writes the value if the node is as it was found. Whether it did.
    async fn write(&self, found: Option<&Stat>, value: Bytes) -> Result<bool> {
        match (&self.receipt, found) {
            (Some(receipt), found) => self.write_with(receipt, found, value).await,
            (None, Some(stat)) => Ok(set_if(&self.client, &self.path, stat.version, &value).await?.is_some()),
            (None, None) => self.create(value).await,
        }
    }

    async fn write_with(&self, receipt: &Receipt, found: Option<&Stat>, value: Bytes) -> Result<bool> {
        loop {
            let committed = receipt.commit(|transaction| match found {
                Some(stat) => transaction.set(&self.path, value.clone(), stat.version),
                None => transaction.create(&self.path, value.clone()),
            });
            match committed.await {
                Ok(()) => return Ok(true),
                Err(Error::Client(error)) if error.is_no_node() && found.is_none() => {
                    self.make_parents().await?
                }
                Err(Error::Client(error))
                    if error.is_bad_version() || error.is_no_node() || error.is_node_exists() =>
                {
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn create(&self, value: Bytes) -> Result<bool> {
        let mut backoff = Backoff::default();
        let mut doubt = Doubt::default();
        loop {
            let created =
                create_with_parents(&self.client, &self.path, value.clone(), CreateMode::Persistent).await;
            match created {
                Ok(_) => return Ok(true),
                Err(error) if error.is_node_exists() => {
                    // It may be ours.
                    return doubt.lost().map_or(Ok(false), |lost| Err(lost.into()));
                }
                Err(error) if error.is_passing() => {
                    doubt.note(&error);
                    backoff.pause().await;
                }
                Err(error) => return Err(doubt.told(error).into()),
            }
        }
    }

    async fn make_parents(&self) -> Result<()> {
        let parent = zabra_types::parent_of(&self.path).unwrap_or("/");
        through_sessions(|| crate::common::node::ensure_container(&self.client, parent)).await?;
        Ok(())
    }
}
