//! This process as an instance of a service.

use std::sync::{PoisonError, RwLock};

use super::{Discovery, ServiceInstance, ServiceType};
use crate::common::{Error, Result};
use crate::persistent::{NodeState, NodeStates, PersistentNode};

/// An instance that is registered for as long as this is kept.
///
/// The node of a dynamic instance is created again when it was deleted or the session has expired, with what was
/// registered or [updated](Self::update) last. Static and permanent ones stay when the process dies.
/// [`unregister`](Self::unregister) removes the node, whatever the type, as closing Curator's `ServiceDiscovery` does;
/// dropping this does so in the background. [`leave`](Self::leave) lets a static or permanent one stay.
#[derive(Debug)]
#[must_use = "the instance is unregistered when this is dropped"]
pub struct Registration {
    node: PersistentNode,
    instance: RwLock<ServiceInstance>,
}

impl Registration {
    pub(super) async fn new(discovery: &Discovery, instance: ServiceInstance) -> Result<Self> {
        let path = discovery.path_of(&instance.name, &instance.id)?;
        let mut node = PersistentNode::builder(discovery.client(), path, instance.to_json())
            .mode(instance.service_type.create_mode())
            .take_over();
        if instance.service_type == ServiceType::DynamicSequential {
            node = node.unique();
        }
        Ok(Self { node: node.create().await?, instance: RwLock::new(instance) })
    }

    /// What is registered.
    pub fn instance(&self) -> ServiceInstance {
        self.instance.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How the node stands.
    pub fn state(&self) -> NodeState {
        self.node.state()
    }

    /// The changes of [`state`](Self::state) from now on.
    pub fn states(&self) -> NodeStates {
        self.node.states()
    }

    /// Changes what is registered, all but the name, the id and the type, and waits until the server has it
    /// (`updateService`).
    ///
    /// # Errors
    ///
    /// [`Error::BadArgument`] for another name, id or type; those of [`PersistentNode::set_data`].
    pub async fn update(&self, instance: ServiceInstance) -> Result<()> {
        let json = instance.to_json();
        {
            let mut registered = self.instance.write().unwrap_or_else(PoisonError::into_inner);
            let identity = |instance: &ServiceInstance| {
                (instance.name.clone(), instance.id.clone(), instance.service_type)
            };
            if identity(&registered) != identity(&instance) {
                return Err(Error::BadArgument(
                    "an update keeps the name, the id and the type of an instance",
                ));
            }
            *registered = instance;
        }
        self.node.set_data(json).await
    }

    /// Removes the instance and waits until it is done.
    ///
    /// # Errors
    ///
    /// As [`PersistentNode::close`].
    pub async fn unregister(self) -> Result<()> {
        self.node.close().await
    }

    /// Keeps the registration no longer, but leaves the node: a static or permanent instance stays registered, a dynamic
    /// one until the session ends.
    pub async fn leave(self) {
        self.node.leave().await;
    }
}
