//! A value at a path that every process follows, and that is changed without losing the change of another.
//!
//! ```no_run
//! # async fn example(client: &zabra_client::Client) -> zabra_recipes::Result<()> {
//! use serde::{Deserialize, Serialize};
//! use zabra_recipes::configuration::{Configuration, Json};
//!
//! #[derive(Clone, Serialize, Deserialize)]
//! struct Limits {
//!     connections: u32,
//! }
//!
//! let limits = Configuration::<Json<Limits>>::open(client, "/config/limits").await?;
//! limits.create(&Json(Limits { connections: 100 })).await?; // unless there is one
//! limits.update(|old| Json(Limits { connections: old.0.connections * 2 })).await?;
//!
//! let mut changes = limits.changes();
//! while let Some(state) = changes.next().await {
//!     if let Some(value) = state.in_force() {
//!         println!("version {}: {} connections", value.version, value.value.0.connections);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! - Whoever follows sees the newest value soon after it was set, and versions only grow (of one node: one that is deleted
//!   and created begins again at 0). Values that were replaced quickly may be passed over.
//! - Data that is no value ([`Value::read`] refuses it) does not come into force: the last good value stays, and the
//!   refusal is told ([`ConfigurationState::Invalid`]). So does the last good value when the node is deleted, until it is
//!   asked for: [`ConfigurationState::Absent`] says so.
//! - [`update`](Configuration::update) and [`set_if`](Configuration::set_if) change the value only if it is still the one
//!   that was seen. What this process writes is returned at once, and comes into force when its event does, as everywhere.
//!
//! - With [a history](Configuration::with_history), the newest values are kept, with the time each was set.
//!
//! # Connection loss and session expiry
//!
//! The value stays in force; what was missed is told when the connection is back, in the same session or the next. A write
//! whose answer was lost is repeated only when that cannot do harm: see the methods.

mod history;
mod value;

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{oneshot, watch};
use zabra_client::{Client, Stat};

pub use value::{BadValue, Json, Value};

use crate::cache::{Cache, CacheEvent, CachedNode};
use crate::common::retry::{Backoff, Doubt, through_cuts};
use crate::common::{Error, Result};
use history::Writer;

/// A write with this version is not conditional.
const ANY_VERSION: i32 = -1;

/// A value as it was read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Versioned<T> {
    /// The value.
    pub value: Arc<T>,
    /// The version of the node's data, for [`Configuration::set_if`].
    pub version: i32,
    /// When and by which transaction it was set.
    pub stat: Stat,
}

impl<T> Clone for Versioned<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), version: self.version, stat: self.stat }
    }
}

/// A value of the history, see [`Configuration::history`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Past<T> {
    /// The value; an error when it is none any more for this program.
    pub value: Result<T, BadValue>,
    /// The transaction that set it: the `mzxid` of the node then.
    pub zxid: i64,
    /// When it was set: the server's clock, in milliseconds since 1970.
    pub time_ms: i64,
}

/// How a configuration stands.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigurationState<T> {
    /// There is no node. The value that was in force before it was deleted, if there was one.
    Absent(Option<Versioned<T>>),
    /// The node holds a value.
    Valid(Versioned<T>),
    /// The node holds something else.
    Invalid {
        /// The last good value, which stays in force.
        last: Option<Versioned<T>>,
        /// The version that was refused.
        version: i32,
        /// What the node holds.
        data: Bytes,
        /// What is wrong with it.
        reason: BadValue,
        /// The stat of the refused version.
        stat: Stat,
    },
}

impl<T> Clone for ConfigurationState<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Absent(last) => Self::Absent(last.clone()),
            Self::Valid(value) => Self::Valid(value.clone()),
            Self::Invalid { last, version, data, reason, stat } => Self::Invalid {
                last: last.clone(),
                version: *version,
                data: data.clone(),
                reason: reason.clone(),
                stat: *stat,
            },
        }
    }
}

impl<T> ConfigurationState<T> {
    /// The last good value.
    pub const fn in_force(&self) -> Option<&Versioned<T>> {
        match self {
            Self::Valid(value) => Some(value),
            Self::Absent(last) | Self::Invalid { last, .. } => last.as_ref(),
        }
    }
}

/// A value that is followed and changed. See the [module](self).
///
/// Clones are the same configuration; it is followed until the last is dropped.
#[derive(Debug)]
pub struct Configuration<T> {
    client: Client,
    writer: Writer,
    cache: Cache,
    state: Arc<watch::Sender<ConfigurationState<T>>>,
}

impl<T> Clone for Configuration<T> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            writer: self.writer.clone(),
            cache: self.cache.clone(),
            state: self.state.clone(),
        }
    }
}

impl<T: Value> Configuration<T> {
    /// Follows the value at this path; waits until it is known. The node need not exist.
    ///
    /// # Errors
    ///
    /// [`Error::BadPath`]; the server refuses the watch, or the client is over.
    pub async fn open(client: &Client, path: &str) -> Result<Self> {
        let cache = Cache::node(client, path).start()?;
        let state = Arc::new(watch::Sender::new(ConfigurationState::Absent(None)));
        let mut events = cache.events();
        let (known, wait_known) = oneshot::channel();
        let (follower, source) = (state.clone(), cache.downgrade());
        tokio::spawn(async move {
            let mut known = Some(known);
            while let Some(event) = events.next().await {
                match event {
                    CacheEvent::Created(node) | CacheEvent::Changed { new: node, .. } => {
                        see(&follower, Some(&node))
                    }
                    CacheEvent::Deleted(_) => see(&follower, None),
                    CacheEvent::Missed(_) => see(&follower, source.nodes().first().map(|node| &**node)),
                    // Nobody waits when opening was given up.
                    CacheEvent::Initialized => drop(known.take().map(|known| known.send(()))),
                    CacheEvent::Suspended | CacheEvent::Resumed | CacheEvent::Failed { .. } => {}
                }
            }
        });
        cache.in_step().await?;
        wait_known.await.map_err(|_| Error::Closed)?;
        Ok(Self { client: client.clone(), writer: Writer::new(client, path), cache, state })
    }

    /// Keeps what is set by this configuration from now on: each value in a node of its own under `<path>.history`,
    /// written in the same transaction as the value. Older ones than the newest `keep` are deleted.
    ///
    /// What others set who do not keep a history is missing from it.
    #[must_use]
    pub fn with_history(self, keep: usize) -> Self {
        Self { writer: self.writer.keeping(keep), ..self }
    }

    /// The values that were kept, the oldest first. To go back to one, set it again.
    ///
    /// # Errors
    ///
    /// What the server refuses the reads with.
    pub async fn history(&self) -> Result<Vec<Past<T>>> {
        let past = |(data, stat): (Bytes, Stat)| Past {
            value: T::read(&data),
            zxid: stat.czxid,
            time_ms: stat.ctime,
        };
        Ok(self.writer.entries().await?.into_iter().map(past).collect())
    }

    /// The path.
    pub fn path(&self) -> &str {
        self.cache.root()
    }

    /// How it stands, as far as it is known here.
    pub fn state(&self) -> ConfigurationState<T> {
        self.state.borrow().clone()
    }

    /// The value in force: the last good one.
    pub fn current(&self) -> Option<Versioned<T>> {
        self.state.borrow().in_force().cloned()
    }

    /// The changes from now on.
    pub fn changes(&self) -> Changes<T> {
        Changes { state: self.state.subscribe(), configuration: self.clone() }
    }

    /// Calls back with the state as it is and after every change, on a task of its own, while the configuration is
    /// followed.
    pub fn on_change(&self, mut told: impl FnMut(ConfigurationState<T>) + Send + 'static) {
        let mut state = self.state.subscribe();
        state.mark_changed();
        let closed = self.cache.closed();
        tokio::spawn(async move {
            tokio::pin!(closed);
            loop {
                tokio::select! {
                    biased;
                    changed = state.changed() => if changed.is_err() { return },
                    () = &mut closed => return,
                }
                let now = state.borrow_and_update().clone();
                told(now);
            }
        });
    }

    /// The value as the server has it now: behind every write that was acknowledged before this call.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] when the node holds no value; what the server refuses the read with.
    pub async fn read(&self) -> Result<Option<Versioned<T>>> {
        through_cuts(|| self.client.sync(self.path())).await?;
        match through_cuts(|| self.client.get(self.path())).await {
            Ok((data, stat)) => self.parse(&data, stat).map(Some),
            Err(error) if error.is_no_node() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates the node with this value, and parents, unless there is one; the value that is there afterwards.
    ///
    /// Through connection losses.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for a value that cannot be written, or when the node holds none; what the server refuses the
    /// node with.
    pub async fn create(&self, value: &T) -> Result<Versioned<T>> {
        let data = self.data_of(value)?;
        loop {
            match through_cuts(|| self.writer.create(&data)).await {
                Ok(stat) => return self.parse(&data, stat),
                Err(error) if error.is_node_exists() => {}
                Err(error) => return Err(error.into()),
            }
            // It may be deleted between the two.
            if let Some(value) = self.read().await? {
                return Ok(value);
            }
        }
    }

    /// Sets the value whatever it was, and creates the node if there is none.
    ///
    /// Through connection losses: when an answer is lost the value is set once more, and may replace that of another
    /// who came between.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for a value that cannot be written; what the server refuses the write with.
    pub async fn set(&self, value: &T) -> Result<Versioned<T>> {
        let data = self.data_of(value)?;
        loop {
            match through_cuts(|| self.writer.set(&data, ANY_VERSION)).await {
                Ok(stat) => return self.parse(&data, stat),
                Err(error) if error.is_no_node() => {}
                Err(error) => return Err(error.into()),
            }
            match through_cuts(|| self.writer.create(&data)).await {
                Ok(stat) => return self.parse(&data, stat),
                Err(error) if error.is_node_exists() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sets the value if the node still has this version; `None` if not, and nothing is changed then.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for a value that cannot be written; what the server refuses the write with. A lost answer is made
    /// up for by trying again; only when yet another value was set meanwhile is it an [`Error::Client`] whose
    /// [`outcome`](zabra_client::Error::outcome) is unknown.
    pub async fn set_if(&self, value: &T, version: i32) -> Result<Option<Versioned<T>>> {
        let data = self.data_of(value)?;
        let mut backoff = Backoff::default();
        let mut doubt = Doubt::default();
        loop {
            match self.writer.set(&data, version).await {
                Ok(stat) => return self.parse(&data, stat).map(Some),
                Err(error) if error.is_passing() => {
                    doubt.note(&error);
                    backoff.pause().await;
                }
                Err(error) if error.is_bad_version() || error.is_no_node() => break,
                Err(error) => return Err(doubt.told(error).into()),
            }
        }
        let Some(lost) = doubt.lost() else { return Ok(None) };
        match through_cuts(|| self.client.get(self.path())).await {
            // Ours, or the same bytes of another, which is the same to everybody.
            Ok((found, stat)) if stat.version == version.wrapping_add(1) => {
                if found == data {
                    self.parse(&found, stat).map(Some)
                } else {
                    Ok(None)
                }
            }
            // Others came after, or no server can be asked.
            _ => Err(lost.into()),
        }
    }

    /// Replaces the value by what `change` makes of it, again and again until nobody came between; the new value.
    ///
    /// Through connection losses: when an answer is lost, the value is read again and `change` decides anew. A change that
    /// is not the same twice (a counter) may therefore be made twice; use [`crate::atomic`] for counting.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] when the node holds no value or the new one cannot be written; `NoNode` when there is none;
    /// what the server refuses the write with.
    pub async fn update(&self, mut change: impl FnMut(&T) -> T + Send) -> Result<Versioned<T>> {
        let mut backoff = Backoff::default();
        loop {
            let (data, stat) = through_cuts(|| self.client.get(self.path())).await?;
            let old = self.parse(&data, stat)?;
            let new = change(&old.value);
            match self.set_if(&new, old.version).await {
                Ok(Some(set)) => return Ok(set),
                Ok(None) => {}
                Err(Error::Client(error)) if error.is_connection_lost() => {}
                Err(error) => return Err(error),
            }
            backoff.pause().await;
        }
    }

    /// Deletes the node, if it has this version; whether it did.
    ///
    /// # Errors
    ///
    /// What the server refuses the deletion with; a lost answer.
    pub async fn delete(&self, version: i32) -> Result<bool> {
        match self.client.delete(self.path()).version(version).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_bad_version() || error.is_no_node() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn data_of(&self, value: &T) -> Result<Bytes> {
        value.write().map_err(|reason| self.malformed(reason))
    }

    fn parse(&self, data: &Bytes, stat: Stat) -> Result<Versioned<T>> {
        let value = T::read(data).map_err(|reason| self.malformed(reason))?;
        Ok(Versioned { value: Arc::new(value), version: stat.version, stat })
    }

    fn malformed(&self, reason: BadValue) -> Error {
        Error::Malformed { path: self.path().to_owned(), reason: reason.0 }
    }
}

/// The node is like this.
fn see<T: Value>(state: &watch::Sender<ConfigurationState<T>>, node: Option<&CachedNode>) {
    let last = || state.borrow().in_force().cloned();
    let new = match node.map(|node| (node, T::read(&node.data))) {
        None => ConfigurationState::Absent(last()),
        Some((node, Ok(value))) => {
            let (version, stat) = (node.stat.version, node.stat);
            ConfigurationState::Valid(Versioned { value: Arc::new(value), version, stat })
        }
        Some((node, Err(reason))) => {
            let (version, stat) = (node.stat.version, node.stat);
            tracing::warn!(path = node.path, version, %reason, "a configuration is not valid; the last good one stays");
            ConfigurationState::Invalid { last: last(), version, data: node.data.clone(), reason, stat }
        }
    };
    state.send_replace(new);
}

/// The changes of a configuration, see [`Configuration::changes`].
#[derive(Clone, Debug)]
pub struct Changes<T> {
    state: watch::Receiver<ConfigurationState<T>>,
    configuration: Configuration<T>,
}

impl<T: Value> Changes<T> {
    /// The state after the next change; changes that follow one another quickly are told as one. `None` when the client
    /// is over.
    pub async fn next(&mut self) -> Option<ConfigurationState<T>> {
        tokio::select! {
            biased;
            changed = self.state.changed() => changed.ok()?,
            () = self.configuration.cache.closed() => return None,
        }
        Some(self.state.borrow_and_update().clone())
    }
}
