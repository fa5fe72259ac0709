//! Choosing among the instances of a service.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::down::{DownInstances, DownPolicy};
use super::{Candidate, Discovery, RoundRobin, ServiceCache, ServiceInstance, Strategy};
use crate::common::Result;

type Filter = dyn Fn(&ServiceInstance) -> bool + Send + Sync;
/// How many times each instance is chosen at present, by id. An instance that is not chosen is not in it.
type InUse = Arc<Mutex<HashMap<String, usize>>>;

/// Chooses one of the instances of a service that are up. Mirrors Curator's `ServiceProvider`.
///
/// Ask for an instance for each use, and say when it failed ([`note_error`](Self::note_error)): one that fails often is
/// left out for a while. The instances are those of a [`ServiceCache`]; after a connection loss the last known ones are
/// chosen from.
pub struct ServiceProvider {
    cache: ServiceCache,
    strategy: Box<dyn Strategy>,
    filters: Vec<Box<Filter>>,
    down: DownInstances,
    in_use: InUse,
}

/// An instance that was chosen. While this is kept it counts as being in use, which [`LeastLoaded`](super::LeastLoaded)
/// goes by.
#[derive(Debug)]
pub struct Chosen {
    instance: Arc<ServiceInstance>,
    in_use: InUse,
}

/// How a provider chooses. Made by [`Discovery::provider`].
#[must_use = "a provider begins with load()"]
pub struct ServiceProviderBuilder {
    discovery: Discovery,
    name: String,
    strategy: Box<dyn Strategy>,
    filters: Vec<Box<Filter>>,
    down: DownPolicy,
}

impl ServiceProviderBuilder {
    pub(super) fn new(discovery: &Discovery, name: &str) -> Self {
        Self {
            discovery: discovery.clone(),
            name: name.to_owned(),
            strategy: Box::new(RoundRobin::new()),
            filters: Vec::new(),
            down: DownPolicy::default(),
        }
    }

    /// How one is chosen; one after the other unless set.
    pub fn strategy(mut self, strategy: impl Strategy + 'static) -> Self {
        self.strategy = Box::new(strategy);
        self
    }

    /// Only instances this accepts; several filters must all accept.
    pub fn filter(mut self, accept: impl Fn(&ServiceInstance) -> bool + Send + Sync + 'static) -> Self {
        self.filters.push(Box::new(accept));
        self
    }

    /// When an instance counts as down.
    pub fn down_policy(mut self, policy: DownPolicy) -> Self {
        self.down = policy;
        self
    }

    /// Follows the service; waits until its instances are known.
    ///
    /// # Errors
    ///
    /// As [`Discovery::cache`].
    pub async fn load(self) -> Result<ServiceProvider> {
        Ok(ServiceProvider {
            cache: self.discovery.cache(&self.name).await?,
            strategy: self.strategy,
            filters: self.filters,
            down: DownInstances::new(self.down),
            in_use: InUse::default(),
        })
    }
}

impl ServiceProvider {
    /// An instance to use once; `None` when none is up.
    pub fn instance(&self) -> Option<Chosen> {
        let instances = self.instances();
        // Counting and choosing are one, lest two threads choose the same idle instance.
        let mut in_use = lock(&self.in_use);
        let candidate = |instance: Arc<ServiceInstance>| {
            let in_use = in_use.get(&instance.id).copied().unwrap_or(0);
            Candidate { instance, in_use }
        };
        let candidates: Vec<_> = instances.into_iter().map(candidate).collect();
        let index = self.strategy.choose(&candidates)?;
        let instance = candidates.into_iter().nth(index)?.instance;
        *in_use.entry(instance.id.clone()).or_default() += 1;
        Some(Chosen { instance, in_use: self.in_use.clone() })
    }

    /// All instances that may be chosen: enabled, accepted by the filters, not down.
    pub fn instances(&self) -> Vec<Arc<ServiceInstance>> {
        let now = Instant::now();
        let mut instances = self.cache.instances();
        instances.retain(|instance| {
            instance.enabled
                && self.filters.iter().all(|accept| accept(instance))
                && self.down.is_up(now, &instance.id)
        });
        instances
    }

    /// Says that an instance did not do what was asked of it.
    pub fn note_error(&self, instance: &ServiceInstance) {
        self.down.note_error(Instant::now(), &instance.id);
    }

    /// The instances underneath.
    pub const fn cache(&self) -> &ServiceCache {
        &self.cache
    }
}

impl Chosen {
    /// The instance, to keep beyond its use.
    pub fn shared(&self) -> Arc<ServiceInstance> {
        self.instance.clone()
    }
}

impl Deref for Chosen {
    type Target = ServiceInstance;

    fn deref(&self) -> &ServiceInstance {
        &self.instance
    }
}

impl Drop for Chosen {
    fn drop(&mut self) {
        let mut in_use = lock(&self.in_use);
        if let Some(count) = in_use.get_mut(&self.instance.id) {
            *count -= 1;
            if *count == 0 {
                in_use.remove(&self.instance.id);
            }
        }
    }
}

fn lock(in_use: &InUse) -> std::sync::MutexGuard<'_, HashMap<String, usize>> {
    in_use.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for ServiceProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceProvider").field("cache", &self.cache).finish_non_exhaustive()
    }
}

impl fmt::Debug for ServiceProviderBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceProviderBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}
