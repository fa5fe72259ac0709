//! Caches and configuration.

use zabra_client::blocking::Client;

use super::Blocking;
use crate::cache::{self, CacheBuilder, CacheEvent};
use crate::common::Result;
use crate::configuration::{self, ConfigurationState, Value, Versioned};

/// [`cache::Cache`], blocking. It has the same builders: `Cache::load(&client, cache::Cache::tree(&client, "/app"))`.
pub type Cache = Blocking<cache::Cache>;
/// [`cache::CacheEvents`], blocking: an iterator.
pub type CacheEvents = Blocking<cache::CacheEvents>;
/// [`configuration::Configuration`], blocking.
pub type Configuration<T> = Blocking<configuration::Configuration<T>>;
/// [`configuration::Changes`], blocking: an iterator.
pub type ConfigurationChanges<T> = Blocking<configuration::Changes<T>>;

impl Cache {
    /// Starts the cache; it fills in the background.
    ///
    /// # Errors
    ///
    /// As [`CacheBuilder::start`].
    pub fn start(client: &Client, builder: CacheBuilder) -> Result<Self> {
        Ok(Self::of(client, client.block_on(async { builder.start() })?))
    }

    /// Starts the cache and blocks until it is filled.
    ///
    /// # Errors
    ///
    /// As [`CacheBuilder::load`].
    pub fn load(client: &Client, builder: CacheBuilder) -> Result<Self> {
        Ok(Self::of(client, client.block_on(builder.load())?))
    }

    /// Blocks until everything has been read.
    ///
    /// # Errors
    ///
    /// As [`cache::Cache::in_step`].
    pub fn wait_in_step(&self) -> Result<()> {
        self.wait_for(self.in_step())
    }

    /// The events of [`cache::Cache::events`], one after another.
    pub fn wait_events(&self) -> CacheEvents {
        self.with(self.events())
    }

    /// Calls `told` with every event, on the thread of the client: it must not block.
    pub fn call_on_event(&self, told: impl FnMut(CacheEvent) + Send + 'static) {
        self.wait_for(async { self.listen(told) });
    }
}

impl Iterator for CacheEvents {
    type Item = CacheEvent;

    fn next(&mut self) -> Option<CacheEvent> {
        self.client.block_on(self.inner.next())
    }
}

blocking_calls!([T: Value] configuration::Configuration<T> {
    read() -> Option<Versioned<T>>;
    create(value: &T) -> Versioned<T>;
    set(value: &T) -> Versioned<T>;
    set_if(value: &T, version: i32) -> Option<Versioned<T>>;
    delete(version: i32) -> bool;
    history() -> Vec<configuration::Past<T>>;
});

impl<T: Value> Configuration<T> {
    /// Follows the value at this path; blocks until it is known.
    ///
    /// # Errors
    ///
    /// As [`configuration::Configuration::open`].
    pub fn open(client: &Client, path: &str) -> Result<Self> {
        Ok(Self::of(client, client.block_on(configuration::Configuration::open(client, path))?))
    }

    /// Replaces the value by what `change` makes of it.
    ///
    /// # Errors
    ///
    /// As [`configuration::Configuration::update`].
    pub fn update(&self, change: impl FnMut(&T) -> T + Send) -> Result<Versioned<T>> {
        self.wait_for(self.inner.update(change))
    }

    /// The changes from now on, one after another.
    pub fn wait_changes(&self) -> ConfigurationChanges<T> {
        self.with(self.changes())
    }

    /// Calls `told` with the state and after every change, on the thread of the client: it must not block.
    pub fn call_on_change(&self, told: impl FnMut(ConfigurationState<T>) + Send + 'static) {
        self.wait_for(async { self.on_change(told) });
    }
}

impl<T: Value> Iterator for ConfigurationChanges<T> {
    type Item = ConfigurationState<T>;

    fn next(&mut self) -> Option<ConfigurationState<T>> {
        self.client.block_on(self.inner.next())
    }
}
