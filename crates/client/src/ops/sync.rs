//! Waiting for the leader.

use crate::ops::delete::nothing;
use crate::ops::{Operation, sendable};
use crate::{Client, Error, Pending};
use zabra_proto::Request;

/// Waits until the server has caught up: see [`Client::sync`].
#[must_use = "nothing is sent before .send() or .await"]
#[derive(Clone, Debug)]
pub struct SyncRequest {
    client: Client,
    path: String,
}

impl Client {
    /// Waits until the server this client talks to has applied everything the leader had committed when the request got
    /// there. A read sent behind it sees all of that; it need not be awaited in between. The path means nothing to today's
    /// servers.
    ///
    /// # Errors
    /// `NotReadOnly` when the server has lost its leader.
    pub fn sync(&self, path: impl Into<String>) -> SyncRequest {
        SyncRequest { client: self.clone(), path: path.into() }
    }
}

impl Operation for SyncRequest {
    type Output = ();

    fn client(&self) -> &Client {
        &self.client
    }

    fn attempt(&self, _: Option<&Error>) -> Pending<()> {
        match self.client.view.full(&self.path) {
            Ok(full) => self.client.call(&self.path, &Request::Sync(Some(full)), nothing),
            Err(error) => Pending::failed(error),
        }
    }
}

sendable!(SyncRequest => ());
