//! The instances of one service, followed.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;
use zabra_client::Client;

use super::ServiceInstance;
use crate::cache::{Cache, CacheEvent, CacheState, CachedNode};
use crate::common::{Error, Result, path};

/// The instances of one service, held in memory and kept up to date. Mirrors Curator's `ServiceCache`.
///
/// What the [cache](crate::cache) guarantees holds here: after a connection loss the instances stay as they were last
/// known, and are compared when the connection is back. Nodes that do not hold an instance are left out.
///
/// Clones are the same.
#[derive(Clone, Debug)]
pub struct ServiceCache {
    name: Arc<str>,
    cache: Cache,
    known: Arc<Known>,
}

#[derive(Debug)]
struct Known {
    /// By the name of the node.
    instances: RwLock<BTreeMap<String, Arc<ServiceInstance>>>,
    progress: watch::Sender<Progress>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    initialized: bool,
    changes: u64,
    closed: bool,
}

impl ServiceCache {
    pub(super) async fn load(client: &Client, service_path: &str, name: &str) -> Result<Self> {
        let known = Arc::new(Known { instances: RwLock::default(), progress: watch::Sender::default() });
        let cache = Cache::children(client, service_path).start()?;
        let (follower, source, mut events) = (known.clone(), cache.downgrade(), cache.events());
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                follower.hear(event, &source);
            }
            follower.progress.send_modify(|progress| progress.closed = true);
        });
        let this = Self { name: name.into(), cache, known };
        this.cache.in_step().await?;
        // The follower is behind the cache.
        let mut progress = this.known.progress.subscribe();
        let reached = progress.wait_for(|progress| progress.initialized || progress.closed).await;
        if reached.is_ok_and(|progress| progress.initialized) { Ok(this.clone()) } else { Err(Error::Closed) }
    }

    /// The name of the service.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The instances, in the order of their nodes' names.
    pub fn instances(&self) -> Vec<Arc<ServiceInstance>> {
        self.known.instances()
    }

    /// Whether the instances are the present ones, as far as a connected client knows.
    pub fn state(&self) -> CacheState {
        self.cache.state()
    }

    /// Tells of changes: instances that came, left or were updated.
    pub fn changes(&self) -> ServiceChanges {
        let progress = self.known.progress.subscribe();
        let seen = progress.borrow().changes;
        ServiceChanges { cache: self.clone(), progress, seen }
    }

    /// Calls back with the instances as they are and after every change, on a task of its own, while the service is
    /// followed.
    pub fn on_change(&self, mut told: impl FnMut(Vec<Arc<ServiceInstance>>) + Send + 'static) {
        let mut progress = self.known.progress.subscribe();
        progress.mark_changed();
        let known = Arc::downgrade(&self.known);
        tokio::spawn(async move {
            while progress.changed().await.is_ok() && !progress.borrow_and_update().closed {
                let Some(known) = known.upgrade() else { return };
                told(known.instances());
            }
        });
    }
}

impl Known {
    fn instances(&self) -> Vec<Arc<ServiceInstance>> {
        self.instances.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn hear(&self, event: CacheEvent, source: &crate::cache::WeakCache) {
        let changed = match event {
            CacheEvent::Created(node) | CacheEvent::Changed { new: node, .. } => {
                self.put(&node);
                true
            }
            CacheEvent::Deleted(node) => {
                let mut instances = self.instances.write().unwrap_or_else(PoisonError::into_inner);
                instances.remove(path::name_of(&node.path)).is_some()
            }
            CacheEvent::Missed(_) => {
                // Events that are waiting behind the gap are heard once more, which does no harm: the cache is ahead.
                self.instances.write().unwrap_or_else(PoisonError::into_inner).clear();
                for node in source.nodes() {
                    self.put(&node);
                }
                true
            }
            CacheEvent::Initialized => {
                self.progress.send_modify(|progress| progress.initialized = true);
                false
            }
            CacheEvent::Suspended | CacheEvent::Resumed | CacheEvent::Failed { .. } => false,
        };
        if changed {
            self.progress.send_modify(|progress| progress.changes += 1);
        }
    }

    fn put(&self, node: &CachedNode) {
        let name = path::name_of(&node.path).to_owned();
        let mut instances = self.instances.write().unwrap_or_else(PoisonError::into_inner);
        match ServiceInstance::from_json(&node.data) {
            Ok(instance) => {
                instances.insert(name, Arc::new(instance));
            }
            Err(error) => {
                tracing::warn!(path = node.path, %error, "a node among the instances of a service holds none");
                instances.remove(&name);
            }
        }
    }
}

/// The changes of a service, see [`ServiceCache::changes`].
#[derive(Clone, Debug)]
pub struct ServiceChanges {
    cache: ServiceCache,
    progress: watch::Receiver<Progress>,
    seen: u64,
}

impl ServiceChanges {
    /// The instances after the next change; changes that follow one another quickly are told as one. `None` when the
    /// client is over.
    pub async fn next(&mut self) -> Option<Vec<Arc<ServiceInstance>>> {
        let seen = self.seen;
        let progress = self.progress.wait_for(|progress| progress.changes > seen || progress.closed).await;
        let changes = progress.ok()?.changes;
        if changes == seen {
            return None;
        }
        self.seen = changes;
        Some(self.cache.instances())
    }
}
