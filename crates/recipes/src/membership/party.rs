//! Groups in kazoo's layout.

use uuid::Uuid;
use zabra_client::Client;

use crate::common::reads::get_all;
use crate::common::retry::through_cuts;
use crate::common::{Error, Result, path};
use crate::persistent::{NodeState, NodeStates, PersistentNode};

/// What the name of a member contains.
const MARK: &str = "__party__";

/// How the members of a party are written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartyStyle {
    /// `<uuid>__party__`, the identifier is the data: kazoo's `Party`.
    #[default]
    Data,
    /// `<uuid>-<identifier>`: kazoo's `ShallowParty`. One request tells all members.
    Shallow,
}

/// A party: members by an identifier that need not be unique.
///
/// Unlike kazoo's, a member comes back after its session expired.
#[derive(Clone, Debug)]
pub struct Party {
    client: Client,
    path: String,
    style: PartyStyle,
}

impl Party {
    /// The party at this path.
    pub fn new(client: &Client, path: impl Into<String>, style: PartyStyle) -> Self {
        Self { client: client.clone(), path: path.into(), style }
    }

    /// Enters, and waits until the node is there.
    ///
    /// # Errors
    ///
    /// [`Error::BadArgument`] for an identifier that cannot be in a name, for [`PartyStyle::Shallow`]; what the server
    /// refuses the node or its parents with.
    pub async fn join(&self, identifier: &str) -> Result<PartyMember> {
        let uuid = Uuid::new_v4().simple();
        let (name, data) = match self.style {
            PartyStyle::Data => (format!("{uuid}{MARK}"), identifier.to_owned()),
            PartyStyle::Shallow if identifier.contains('/') => {
                return Err(Error::BadArgument(
                    "the identifier of a member of a shallow party is part of a name",
                ));
            }
            // kazoo writes the identifier into both.
            PartyStyle::Shallow => (format!("{uuid}-{identifier}"), identifier.to_owned()),
        };
        self.ensure_path().await?;
        let node = PersistentNode::builder(&self.client, path::join(&self.path, &name), data);
        Ok(PartyMember { node: node.without_parents().create().await? })
    }

    /// The identifiers of all members, in no order.
    ///
    /// # Errors
    ///
    /// What the server refuses the reads with.
    pub async fn members(&self) -> Result<Vec<String>> {
        let names = self.names().await?;
        if self.style == PartyStyle::Shallow {
            return Ok(names
                .iter()
                .map(|name| name.split_once('-').map_or(&**name, |(_, id)| id).to_owned())
                .collect());
        }
        let paths: Vec<_> = names.iter().map(|name| path::join(&self.path, name)).collect();
        // Who left meanwhile is left out.
        let present = get_all(&self.client, &paths).await?.into_iter().flatten();
        Ok(present.map(|(data, _)| String::from_utf8_lossy(&data).into_owned()).collect())
    }

    /// How many members there are.
    ///
    /// # Errors
    ///
    /// What the server refuses the read with.
    pub async fn size(&self) -> Result<usize> {
        Ok(self.names().await?.len())
    }

    async fn names(&self) -> Result<Vec<String>> {
        match through_cuts(|| self.client.children(&self.path)).await {
            // kazoo counts every node of a shallow party, and the marked ones of the other.
            Ok(mut names) => {
                names.retain(|name| self.style == PartyStyle::Shallow || name.contains(MARK));
                Ok(names)
            }
            Err(error) if error.is_no_node() => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// The path as kazoo makes it: persistent, since kazoo looks for it only once.
    async fn ensure_path(&self) -> Result<()> {
        Ok(through_cuts(|| self.client.ensure_path(&self.path)).await?)
    }
}

/// This process in a party. [`leave`](Self::leave) leaves; dropping this does so in the background.
#[derive(Debug)]
#[must_use = "the party is left when this is dropped"]
pub struct PartyMember {
    node: PersistentNode,
}

impl PartyMember {
    /// How the node of this member stands.
    pub fn state(&self) -> NodeState {
        self.node.state()
    }

    /// The changes of [`state`](Self::state) from now on.
    pub fn states(&self) -> NodeStates {
        self.node.states()
    }

    /// Leaves and waits until it is done.
    ///
    /// # Errors
    ///
    /// As [`PersistentNode::close`].
    pub async fn leave(self) -> Result<()> {
        self.node.close().await
    }
}
