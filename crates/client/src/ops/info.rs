//! Questions about the session and about whole subtrees.

use crate::core::Reply;
use crate::ops::{Operation, read, sendable};
use crate::pending::Asked;
use crate::{Client, Error, Pending};
use zabra_proto::{PathOnly, Request, read_client_infos};

/// Asks for the identities of the connection: see [`Client::whoami`].
#[must_use = "nothing is sent before .send() or .await"]
#[derive(Clone, Debug)]
pub struct WhoAmI {
    client: Client,
}

/// Lists the session's ephemeral nodes: see [`Client::ephemerals`].
#[must_use = "nothing is sent before .send() or .await"]
#[derive(Clone, Debug)]
pub struct Ephemerals {
    client: Client,
    prefix: String,
}

/// Counts a node's descendants: see [`Client::all_children_number`].
#[must_use = "nothing is sent before .send() or .await"]
#[derive(Clone, Debug)]
pub struct AllChildrenNumber {
    client: Client,
    path: String,
}

/// An identity that the connection has proved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ClientInfo {
    /// How it was proved: `ip`, `digest`, `sasl`, ...
    pub scheme: String,
    /// The user, without anything secret.
    pub user: String,
}

impl Client {
    /// Asks the server which identities this connection has proved. Needs a server of 3.7 or newer.
    pub fn whoami(&self) -> WhoAmI {
        WhoAmI { client: self.clone() }
    }

    /// Lists the paths of this session's ephemeral nodes that begin with `prefix`, sorted; `/` for all below the root.
    /// Needs a server of 3.6 or newer.
    pub fn ephemerals(&self, prefix: impl Into<String>) -> Ephemerals {
        Ephemerals { client: self.clone(), prefix: prefix.into() }
    }

    /// Counts all descendants of a node. Needs a server of 3.6 or newer.
    ///
    /// # Errors
    /// `NoNode`, `NoAuth`.
    pub fn all_children_number(&self, path: impl Into<String>) -> AllChildrenNumber {
        AllChildrenNumber { client: self.clone(), path: path.into() }
    }
}

impl Operation for WhoAmI {
    type Output = Vec<ClientInfo>;

    fn client(&self) -> &Client {
        &self.client
    }

    fn attempt(&self, _: Option<&Error>) -> Pending<Self::Output> {
        self.client.call("", &Request::WhoAmI, infos)
    }
}

impl Operation for Ephemerals {
    type Output = Vec<String>;

    fn client(&self) -> &Client {
        &self.client
    }

    fn attempt(&self, _: Option<&Error>) -> Pending<Self::Output> {
        match self.client.view.full(&self.prefix) {
            Ok(full) => self.client.call(&self.prefix, &Request::GetEphemerals(Some(full)), paths),
            Err(error) => Pending::failed(error),
        }
    }
}

impl Operation for AllChildrenNumber {
    type Output = i32;

    fn client(&self) -> &Client {
        &self.client
    }

    fn attempt(&self, _: Option<&Error>) -> Pending<i32> {
        match self.client.view.full(&self.path) {
            Ok(path) => {
                self.client.call(&self.path, &Request::GetAllChildrenNumber(PathOnly { path }), number)
            }
            Err(error) => Pending::failed(error),
        }
    }
}

sendable!(WhoAmI => Vec<ClientInfo>);
sendable!(Ephemerals => Vec<String>);
sendable!(AllChildrenNumber => i32);

fn infos(reply: &Reply, asked: &mut Asked) -> Result<Vec<ClientInfo>, Error> {
    let infos = asked.read(reply, read_client_infos)?.into_iter();
    Ok(infos
        .map(|info| ClientInfo { scheme: info.scheme.into_owned(), user: info.user.into_owned() })
        .collect())
}

fn paths(reply: &Reply, asked: &mut Asked) -> Result<Vec<String>, Error> {
    let paths = asked.read(reply, read::sorted_names)?;
    // To the server the prefix is text: that of a view's root fits the root's neighbours too.
    Ok(paths.iter().filter_map(|path| asked.view.within(path)).map(str::to_owned).collect())
}

fn number(reply: &Reply, asked: &mut Asked) -> Result<i32, Error> {
    asked.read(reply, |reader| reader.i32("totalNumber"))
}
