//! Service discovery in the layout of Curator's `curator-x-discovery`: instances are nodes
//! `/<base>/<service>/<id>` that hold JSON.
//!
//! ```no_run
//! # async fn example(client: &zabra_client::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use zabra_recipes::discovery::{Discovery, LeastLoaded, ServiceInstance};
//!
//! let discovery = Discovery::new(client, "/services")?;
//! let registration = discovery.register(ServiceInstance::new("web").address("10.0.0.7").port(8080)).await?;
//!
//! let provider = discovery.provider("web").strategy(LeastLoaded::new()).load().await?;
//! if let Some(instance) = provider.instance() {
//!     println!("{:?}:{:?}", instance.address, instance.port);
//! }
//! registration.unregister().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! A registered dynamic instance is there while its process is, and returns by itself after its session expired. Those
//! who follow a service learn of it [eventually](crate::cache): an instance that was chosen may be gone, which is what
//! [`ServiceProvider::note_error`] is for.
//!
//! # Connection loss
//!
//! Providers go on choosing from the instances last known. Registrations stay until the server expires the session.
//!
//! # Session expiry
//!
//! Registrations are renewed with the client's next session; the others see the instance go and come.

mod down;
mod instance;
mod payload;
mod provider;
mod registration;
mod service_cache;
mod strategy;
mod uri;

pub use down::DownPolicy;
pub use instance::{ServiceInstance, ServiceType};
pub use payload::Payload;
pub use provider::{Chosen, ServiceProvider, ServiceProviderBuilder};
pub use registration::Registration;
pub use service_cache::{ServiceCache, ServiceChanges};
pub use strategy::{Candidate, LeastLoaded, Random, RoundRobin, Sticky, Strategy};
pub use uri::{UriPart, UriSpec, UriSpecError};

use zabra_client::Client;
use zabra_types::validate_path;

use crate::common::reads::get_all;
use crate::common::retry::through_cuts;
use crate::common::{Error, Result, path};

/// Registers and finds services below one path. Mirrors Curator's `ServiceDiscovery`; see the [module](self).
#[derive(Clone, Debug)]
pub struct Discovery {
    client: Client,
    base: String,
}

impl Discovery {
    /// The services below `base`.
    ///
    /// # Errors
    ///
    /// [`Error::BadPath`].
    pub fn new(client: &Client, base: impl Into<String>) -> Result<Self> {
        let base = base.into();
        validate_path(&base).map_err(|source| Error::BadPath { path: base.clone(), source })?;
        Ok(Self { client: client.clone(), base })
    }

    /// Registers an instance and waits until it is there. A node that an earlier run of the process left under the same
    /// id is replaced.
    ///
    /// # Errors
    ///
    /// [`Error::BadArgument`] for a name or id that is no path element; what the server refuses the node with.
    pub async fn register(&self, instance: ServiceInstance) -> Result<Registration> {
        Registration::new(self, instance).await
    }

    /// The names of all services that ever had an instance and are not removed yet (`queryForNames`).
    ///
    /// # Errors
    ///
    /// What the server refuses the read with.
    pub async fn services(&self) -> Result<Vec<String>> {
        children(&self.client, &self.base).await
    }

    /// The instances of a service, read from the server now. Nodes that hold none are left out.
    ///
    /// # Errors
    ///
    /// [`Error::BadArgument`] for a name that is no path element; what the server refuses the reads with.
    pub async fn instances(&self, name: &str) -> Result<Vec<ServiceInstance>> {
        let service = self.service_path(name)?;
        let ids = children(&self.client, &service).await?;
        let paths: Vec<_> = ids.iter().map(|id| path::join(&service, id)).collect();
        let found = get_all(&self.client, &paths).await?;
        let mut instances = Vec::with_capacity(found.len());
        for (path, found) in paths.iter().zip(found) {
            // Who left meanwhile is left out.
            let Some((data, _)) = found else { continue };
            match ServiceInstance::from_json(&data) {
                Ok(instance) => instances.push(instance),
                Err(error) => {
                    tracing::warn!(path, %error, "a node among the instances of a service holds none")
                }
            }
        }
        Ok(instances)
    }

    /// One instance, read from the server now, by the name of its node: the id, with a number for a sequential one.
    ///
    /// # Errors
    ///
    /// [`Error::BadArgument`] for a name or id that is no path element, [`Error::Malformed`] for a node that holds no
    /// instance; what the server refuses the read with.
    pub async fn instance(&self, name: &str, id: &str) -> Result<Option<ServiceInstance>> {
        let path = self.path_of(name, id)?;
        let data = match through_cuts(|| self.client.get(&path)).await {
            Ok((data, _)) => data,
            Err(error) if error.is_no_node() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let malformed = |error: serde_json::Error| Error::Malformed { path, reason: error.to_string() };
        ServiceInstance::from_json(&data).map(Some).map_err(malformed)
    }

    /// Follows a service; waits until its instances are known. A service that does not exist has none.
    ///
    /// # Errors
    ///
    /// [`Error::BadArgument`] for a name that is no path element; what the server refuses the watch with.
    pub async fn cache(&self, name: &str) -> Result<ServiceCache> {
        ServiceCache::load(&self.client, &self.service_path(name)?, name).await
    }

    /// Chooses among the instances of a service.
    pub fn provider(&self, name: &str) -> ServiceProviderBuilder {
        ServiceProviderBuilder::new(self, name)
    }

    const fn client(&self) -> &Client {
        &self.client
    }

    fn service_path(&self, name: &str) -> Result<String> {
        if name.is_empty() || name.contains('/') {
            return Err(Error::BadArgument("the name of a service is one path element"));
        }
        Ok(path::join(&self.base, name))
    }

    fn path_of(&self, name: &str, id: &str) -> Result<String> {
        if id.is_empty() || id.contains('/') {
            return Err(Error::BadArgument("the id of an instance is one path element"));
        }
        Ok(path::join(&self.service_path(name)?, id))
    }
}

async fn children(client: &Client, path: &str) -> Result<Vec<String>> {
    match through_cuts(|| client.children(path)).await {
        Err(error) if error.is_no_node() => Ok(Vec::new()),
        names => Ok(names?),
    }
}
