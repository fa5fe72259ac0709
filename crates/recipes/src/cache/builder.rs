//! Making a cache.

use tokio::sync::watch;
use zabra_client::{AddWatchMode, Client, Error as ClientError};
use zabra_types::validate_path;

use super::driver::Driver;
use super::mirror::{Mirror, Scope};
use super::{Cache, CacheEvent, CacheState, Shared};
use crate::common::{Error, Result};

/// How many events may wait for one listener, unless the builder says otherwise.
pub const EVENTS_MAX_DEFAULT: usize = 65_536;

/// What is to be mirrored, and how. Made by [`Cache::tree`], [`Cache::children`] and [`Cache::node`].
#[must_use = "a cache begins with start()"]
pub struct CacheBuilder {
    client: Client,
    scope: Scope,
    events_max: usize,
    listeners: Vec<Box<dyn FnMut(CacheEvent) + Send>>,
}

impl std::fmt::Debug for CacheBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CacheBuilder").field("root", &self.scope.root).finish_non_exhaustive()
    }
}

impl CacheBuilder {
    pub(super) fn new(client: &Client, root: &str, depth_min: usize, depth_max: usize) -> Self {
        let scope = Scope { root: root.to_owned(), depth_min, depth_max, accept: None, keep_data: true };
        Self { client: client.clone(), scope, events_max: EVENTS_MAX_DEFAULT, listeners: Vec::new() }
    }

    /// Nothing deeper than this: 0 is the root, 1 its children. The server still sends events of what is deeper.
    pub fn depth_max(mut self, depth: usize) -> Self {
        self.scope.depth_max = depth.max(self.scope.depth_min);
        self
    }

    /// Only nodes whose path is accepted, and only below such. The root is not asked about. Mirrors
    /// `TreeCacheSelector`.
    pub fn accept(mut self, accept: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.scope.accept = Some(Box::new(accept));
        self
    }

    /// Keeps stats only: data is told to listeners and then forgotten. Mirrors `dataNotCached`.
    pub fn without_data(mut self) -> Self {
        self.scope.keep_data = false;
        self
    }

    /// How many events may wait for one listener before it misses some.
    pub fn events_max(mut self, events_max: usize) -> Self {
        self.events_max = events_max.max(1);
        self
    }

    /// Calls back with every event, from the first on. See [`Cache::listen`].
    pub fn listen(mut self, listener: impl FnMut(CacheEvent) + Send + 'static) -> Self {
        self.listeners.push(Box::new(listener));
        self
    }

    /// Starts the cache; it fills in the background, and waits for a connection if there is none. Must be called within
    /// a tokio runtime, as everything asynchronous of the client.
    ///
    /// # Errors
    ///
    /// [`Error::BadPath`].
    pub fn start(self) -> Result<Cache> {
        let Self { client, scope, events_max, listeners } = self;
        validate_path(&scope.root).map_err(|source| Error::BadPath { path: scope.root.clone(), source })?;
        let mode = match scope.depth_max {
            0 => AddWatchMode::Persistent,
            _ => AddWatchMode::PersistentRecursive,
        };
        let (state, _) = watch::channel(CacheState::Behind);
        let shared = Shared::new(events_max, state);
        let root = scope.root.clone();
        let driver = Driver::new(client, root.clone(), mode, Mirror::new(scope), shared.clone());
        let cache = Cache::new(root, shared, tokio::spawn(driver.run()).abort_handle());
        for listener in listeners {
            cache.listen(listener);
        }
        Ok(cache)
    }

    /// Starts the cache and waits until it is filled.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start) and [`Cache::in_step`].
    pub async fn load(self) -> Result<Cache> {
        let cache = self.start()?;
        cache.in_step().await?;
        Ok(cache)
    }
}

/// What remains when the client is over.
pub(super) fn closed(error: Option<ClientError>) -> Error {
    error.map_or(Error::Closed, Error::Client)
}
