//! The ensemble's configuration.

use crate::ops::{Get, Operation, read, sendable};
use crate::{Client, Error, Pending, Stat};
use bytes::Bytes;
use std::borrow::Cow;
use zabra_proto::Request;

/// Where servers keep their configuration, whatever the chroot.
const CONFIG_NODE: &str = "/zookeeper/config";

/// Changes the membership: see [`Client::reconfig`].
#[must_use = "nothing is sent before .send() or .await"]
#[derive(Clone, Debug)]
pub struct Reconfig {
    client: Client,
    joining: Option<String>,
    leaving: Option<String>,
    members: Option<String>,
    version: i64,
}

impl Client {
    /// Reads the ensemble's dynamic configuration and the Stat of its node, whatever the chroot of this view.
    pub fn config(&self) -> Get {
        self.without_chroot().get(CONFIG_NODE)
    }

    /// Changes the ensemble's membership, by servers that join and leave or by a whole new list; results in the new
    /// configuration and the Stat of its node.
    ///
    /// # Errors
    /// `ReconfigDisabled`, `NoAuth`, `BadVersion`, `BadArguments`, `ReconfigInProgress`, `NewConfigNoQuorum`;
    /// `Unimplemented` from a server that is no ensemble.
    pub fn reconfig(&self) -> Reconfig {
        Reconfig { client: self.without_chroot(), joining: None, leaving: None, members: None, version: -1 }
    }

    pub(crate) fn without_chroot(&self) -> Self {
        Self { view: self.view.without_chroot(), ..self.clone() }
    }
}

impl Reconfig {
    /// Servers to add or change: `server.1=host:port:port:role;port,...`
    pub fn joining(mut self, servers: impl Into<String>) -> Self {
        self.joining = Some(servers.into());
        self
    }

    /// Ids of servers to remove, separated by commas.
    pub fn leaving(mut self, ids: impl Into<String>) -> Self {
        self.leaving = Some(ids.into());
        self
    }

    /// The whole new membership, instead of what joins and leaves.
    pub fn members(mut self, servers: impl Into<String>) -> Self {
        self.members = Some(servers.into());
        self
    }

    /// Only if the present configuration has this version, a number in its text.
    pub const fn version(mut self, version: i64) -> Self {
        self.version = version;
        self
    }
}

impl Operation for Reconfig {
    type Output = (Bytes, Stat);

    fn client(&self) -> &Client {
        &self.client
    }

    fn attempt(&self, _: Option<&Error>) -> Pending<Self::Output> {
        let request = Request::Reconfig(zabra_proto::Reconfig {
            joining_servers: self.joining.as_deref().map(Cow::Borrowed),
            leaving_servers: self.leaving.as_deref().map(Cow::Borrowed),
            new_members: self.members.as_deref().map(Cow::Borrowed),
            config_version: self.version,
        });
        self.client.call(CONFIG_NODE, &request, read::data)
    }
}

sendable!(Reconfig => (Bytes, Stat));
