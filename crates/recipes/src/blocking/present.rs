//! Nodes kept in place, groups and services.

use std::sync::Arc;

use bytes::Bytes;
use zabra_client::blocking::Client;

use super::Blocking;
use crate::common::Result;
use crate::discovery::{self, ServiceInstance, ServiceProvider, ServiceProviderBuilder};
use crate::membership::{self, PartyStyle};
use crate::persistent::{self, NodeState, PersistentNodeBuilder, PersistentTtlNodeBuilder};

/// [`persistent::PersistentNode`], blocking. It has the same builder. Dropping it deletes the node in the background.
pub type PersistentNode = Blocking<persistent::PersistentNode>;
/// [`persistent::PersistentTtlNode`], blocking. It has the same builder.
pub type PersistentTtlNode = Blocking<persistent::PersistentTtlNode>;
/// [`membership::Members`], blocking.
pub type Members = Blocking<membership::Members>;
/// [`membership::GroupMember`], blocking. Dropping it leaves the group in the background.
pub type GroupMember = Blocking<membership::GroupMember>;
/// [`membership::Party`], blocking.
pub type Party = Blocking<membership::Party>;
/// [`membership::PartyMember`], blocking. Dropping it leaves the party in the background.
pub type PartyMember = Blocking<membership::PartyMember>;
/// [`discovery::Discovery`], blocking.
pub type Discovery = Blocking<discovery::Discovery>;
/// [`discovery::Registration`], blocking. Dropping it unregisters in the background.
pub type Registration = Blocking<discovery::Registration>;
/// [`discovery::ServiceCache`], blocking.
pub type ServiceCache = Blocking<discovery::ServiceCache>;
/// [`discovery::ServiceChanges`], blocking: an iterator.
pub type ServiceChanges = Blocking<discovery::ServiceChanges>;

impl PersistentNode {
    /// Starts keeping a node; it is created in the background.
    ///
    /// # Errors
    ///
    /// As [`PersistentNodeBuilder::start`].
    pub fn start(client: &Client, builder: PersistentNodeBuilder) -> Result<Self> {
        Ok(Self::of(client, client.block_on(async { builder.start() })?))
    }

    /// Starts keeping a node and blocks until it is in place.
    ///
    /// # Errors
    ///
    /// As [`PersistentNodeBuilder::create`].
    pub fn create(client: &Client, builder: PersistentNodeBuilder) -> Result<Self> {
        Ok(Self::of(client, client.block_on(builder.create())?))
    }

    /// Blocks until the node is in place; its path.
    ///
    /// # Errors
    ///
    /// As [`persistent::PersistentNode::in_place`].
    pub fn wait_in_place(&self) -> Result<String> {
        self.wait_for(self.in_place())
    }

    /// Sets the data and blocks until the server has it.
    ///
    /// # Errors
    ///
    /// As [`persistent::PersistentNode::set_data`].
    pub fn set_data(&self, data: impl Into<Bytes>) -> Result<()> {
        self.wait_for(self.inner.set_data(data))
    }

    /// Calls `told` with the state and after every change, on the thread of the client: it must not block.
    pub fn call_on_change(&self, told: impl FnMut(NodeState) + Send + 'static) {
        self.wait_for(async { self.on_change(told) });
    }

    /// Deletes the node.
    ///
    /// # Errors
    ///
    /// As [`persistent::PersistentNode::close`].
    pub fn close(self) -> Result<()> {
        self.client.block_on(self.inner.close())
    }

    /// Keeps the node no longer, but leaves it.
    pub fn leave(self) {
        self.client.block_on(self.inner.leave());
    }
}

impl PersistentTtlNode {
    /// Starts keeping a node and blocks until it is in place.
    ///
    /// # Errors
    ///
    /// As [`PersistentTtlNodeBuilder::create`].
    pub fn create(client: &Client, builder: PersistentTtlNodeBuilder) -> Result<Self> {
        Ok(Self::of(client, client.block_on(builder.create())?))
    }

    /// Sets the data and blocks until the server has it.
    ///
    /// # Errors
    ///
    /// As [`persistent::PersistentNode::set_data`].
    pub fn set_data(&self, data: impl Into<Bytes>) -> Result<()> {
        self.wait_for(self.inner.set_data(data))
    }
}

impl GroupMember {
    /// Enters the group; blocks until this member is there and the others are known.
    ///
    /// # Errors
    ///
    /// As [`membership::GroupMember::join`].
    pub fn join(
        client: &Client,
        group: &str,
        id: impl Into<String>,
        payload: impl Into<Bytes>,
    ) -> Result<Self> {
        Ok(Self::of(client, client.block_on(membership::GroupMember::join(client, group, id, payload))?))
    }

    /// Changes the payload of this member.
    ///
    /// # Errors
    ///
    /// As [`membership::GroupMember::set_payload`].
    pub fn set_payload(&self, payload: impl Into<Bytes>) -> Result<()> {
        self.wait_for(self.inner.set_payload(payload))
    }

    /// Leaves the group.
    ///
    /// # Errors
    ///
    /// As [`membership::GroupMember::leave`].
    pub fn leave(self) -> Result<()> {
        self.client.block_on(self.inner.leave())
    }
}

impl Members {
    /// Follows a group without being in it; blocks until its members are known.
    ///
    /// # Errors
    ///
    /// As [`membership::Members::of`].
    pub fn follow(client: &Client, group: &str) -> Result<Self> {
        Ok(Self::of(client, client.block_on(membership::Members::of(client, group))?))
    }
}

impl Party {
    /// The party at this path.
    pub fn new(client: &Client, path: impl Into<String>, style: PartyStyle) -> Self {
        Self::of(client, membership::Party::new(client, path, style))
    }

    /// Enters, and blocks until the node is there.
    ///
    /// # Errors
    ///
    /// As [`membership::Party::join`].
    pub fn join(&self, identifier: &str) -> Result<PartyMember> {
        Ok(self.with(self.wait_for(self.inner.join(identifier))?))
    }
}

blocking_calls!([] membership::Party {
    members() -> Vec<String>;
    size() -> usize;
});

impl PartyMember {
    /// Leaves.
    ///
    /// # Errors
    ///
    /// As [`membership::PartyMember::leave`].
    pub fn leave(self) -> Result<()> {
        self.client.block_on(self.inner.leave())
    }
}

impl Discovery {
    /// The services below `base`.
    ///
    /// # Errors
    ///
    /// As [`discovery::Discovery::new`].
    pub fn new(client: &Client, base: impl Into<String>) -> Result<Self> {
        Ok(Self::of(client, discovery::Discovery::new(client, base)?))
    }

    /// Registers an instance and blocks until it is there.
    ///
    /// # Errors
    ///
    /// As [`discovery::Discovery::register`].
    pub fn register(&self, instance: ServiceInstance) -> Result<Registration> {
        Ok(self.with(self.wait_for(self.inner.register(instance))?))
    }

    /// Follows a service; blocks until its instances are known.
    ///
    /// # Errors
    ///
    /// As [`discovery::Discovery::cache`].
    pub fn cache(&self, name: &str) -> Result<ServiceCache> {
        Ok(self.with(self.wait_for(self.inner.cache(name))?))
    }

    /// Chooses among the instances of a service, once its instances are known. The builder is
    /// [`discovery::Discovery::provider`], and what it gives never blocks.
    ///
    /// # Errors
    ///
    /// As [`ServiceProviderBuilder::load`].
    pub fn load(&self, builder: ServiceProviderBuilder) -> Result<ServiceProvider> {
        self.wait_for(builder.load())
    }
}

blocking_calls!([] discovery::Discovery {
    services() -> Vec<String>;
    instances(name: &str) -> Vec<ServiceInstance>;
    instance(name: &str, id: &str) -> Option<ServiceInstance>;
});

blocking_calls!([] discovery::Registration {
    update(instance: ServiceInstance) -> ();
});

impl Registration {
    /// Removes the instance.
    ///
    /// # Errors
    ///
    /// As [`discovery::Registration::unregister`].
    pub fn unregister(self) -> Result<()> {
        self.client.block_on(self.inner.unregister())
    }

    /// Keeps the registration no longer, but leaves the node.
    pub fn leave(self) {
        self.client.block_on(self.inner.leave());
    }
}

impl ServiceCache {
    /// Calls `told` with the instances and after every change, on the thread of the client: it must not block.
    pub fn call_on_change(&self, told: impl FnMut(Vec<Arc<ServiceInstance>>) + Send + 'static) {
        self.wait_for(async { self.on_change(told) });
    }

    /// The changes from now on, one after another.
    pub fn wait_changes(&self) -> ServiceChanges {
        self.with(self.changes())
    }
}

impl Iterator for ServiceChanges {
    type Item = Vec<Arc<ServiceInstance>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.client.block_on(self.inner.next())
    }
}
