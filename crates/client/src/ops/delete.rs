//! Deleting one node.

use crate::core::Reply;
use crate::ops::{ANY_VERSION, Operation, sendable};
use crate::pending::Asked;
use crate::{Client, Error, Pending};
use zabra_proto::Request;
use zabra_types::KeeperError;

/// Deletes a node: see [`Client::delete`].
#[must_use = "nothing is sent before .send() or .await"]
#[derive(Clone, Debug)]
pub struct Delete {
    client: Client,
    path: String,
    version: i32,
    idempotent: bool,
}

impl Client {
    /// Deletes a node that has no children.
    ///
    /// # Errors
    /// `NoNode`, `NoAuth`, `BadVersion`, `NotEmpty`.
    pub fn delete(&self, path: impl Into<String>) -> Delete {
        Delete { client: self.clone(), path: path.into(), version: ANY_VERSION, idempotent: false }
    }
}

impl Delete {
    /// Only if the node has this version.
    pub const fn version(mut self, version: i32) -> Self {
        self.version = version;
        self
    }

    /// Says that it is enough that the node is gone: when the connection breaks before the answer, the request is sent
    /// again, and a second attempt that finds no node takes that for the first one's success.
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }
}

impl Operation for Delete {
    type Output = ();

    fn client(&self) -> &Client {
        &self.client
    }

    fn is_repeatable(&self) -> bool {
        self.idempotent
    }

    fn is_settled_by(&self, refusal: KeeperError) -> bool {
        // The node is still there.
        matches!(refusal, KeeperError::BadVersion | KeeperError::NotEmpty)
    }

    fn attempt(&self, earlier: Option<&Error>) -> Pending<()> {
        let full = match self.client.view.full(&self.path) {
            Ok(full) => full,
            Err(error) => return Pending::failed(error),
        };
        let request = Request::Delete(zabra_proto::Delete { path: Some(full), version: self.version });
        self.client.call(&self.path, &request, if earlier.is_some() { gone } else { nothing })
    }
}

sendable!(Delete => ());

/// An answer without a body.
pub(crate) fn nothing(reply: &Reply, asked: &mut Asked) -> Result<(), Error> {
    asked.read(reply, |_| Ok(()))
}

/// The same, or the node is gone already.
fn gone(reply: &Reply, asked: &mut Asked) -> Result<(), Error> {
    if reply.err == KeeperError::NoNode.code() { Ok(()) } else { nothing(reply, asked) }
}
