//! Watches that stay, and the end of watches.

use crate::core::WatchKind;
use crate::core::{Reply, WatchEffect, WatchRemoval};
use crate::ops::delete::nothing;
use crate::ops::{Operation, sendable};
use crate::pending::Asked;
use crate::{AddWatchMode, Client, Error, Pending, WatchStream, WatcherType};
use zabra_proto::{Request, WatchQuery};
use zabra_types::KeeperError;

/// Sets a watch that stays: see [`Client::add_watch`].
#[must_use = "nothing is sent before .send() or .await"]
#[derive(Clone, Debug)]
pub struct AddWatch {
    client: Client,
    path: String,
    mode: AddWatchMode,
}

/// Asks whether a watch is set: see [`Client::check_watches`].
#[must_use = "nothing is sent before .send() or .await"]
#[derive(Clone, Debug)]
pub struct CheckWatches(Query);

/// Removes watches: see [`Client::remove_watches`].
#[must_use = "nothing is sent before .send() or .await"]
#[derive(Clone, Debug)]
pub struct RemoveWatches(Query);

#[derive(Clone, Debug)]
struct Query {
    client: Client,
    path: String,
    kind: WatcherType,
}

impl Client {
    /// Watches a node, or with [`AddWatchMode::PersistentRecursive`] a node and everything below it, until the stream is
    /// dropped. The node need not be there. Needs a server of 3.6 or newer.
    pub fn add_watch(&self, path: impl Into<String>, mode: AddWatchMode) -> AddWatch {
        AddWatch { client: self.clone(), path: path.into(), mode }
    }

    /// Asks the server whether this client has watches of a type on a node. Needs a server of 3.6 or newer.
    pub fn check_watches(&self, path: impl Into<String>, kind: WatcherType) -> CheckWatches {
        CheckWatches(Query { client: self.clone(), path: path.into(), kind })
    }

    /// Removes all watches of a type that this client has on a node, at the server and here; each is told so by
    /// [`EventType::Removed`](crate::EventType::Removed). To end just one, drop its `OneShot` or `WatchStream`.
    ///
    /// # Errors
    /// `NoWatcher` when there is none.
    pub fn remove_watches(&self, path: impl Into<String>, kind: WatcherType) -> RemoveWatches {
        RemoveWatches(Query { client: self.clone(), path: path.into(), kind })
    }
}

impl Operation for AddWatch {
    type Output = WatchStream;

    fn client(&self) -> &Client {
        &self.client
    }

    fn attempt(&self, _: Option<&Error>) -> Pending<WatchStream> {
        let full = match self.client.view.full(&self.path) {
            Ok(full) => full,
            Err(error) => return Pending::failed(error),
        };
        let kind = match self.mode {
            AddWatchMode::Persistent => WatchKind::Persistent,
            AddWatchMode::PersistentRecursive => WatchKind::PersistentRecursive,
        };
        let request = Request::AddWatch(zabra_proto::AddWatch { path: full.clone(), mode: self.mode.code() });
        self.client.call_watching(&self.path, &full, kind, &request, |reply, asked| {
            nothing(reply, asked)?;
            Ok(WatchStream::new(asked.take_watcher()))
        })
    }
}

impl Operation for CheckWatches {
    type Output = bool;

    fn client(&self) -> &Client {
        &self.0.client
    }

    fn attempt(&self, _: Option<&Error>) -> Pending<bool> {
        let Query { client, path, kind } = &self.0;
        match client.view.full(path) {
            Ok(full) => {
                let query = WatchQuery { path: full, watcher_type: kind.code() };
                client.call(path, &Request::CheckWatches(query), is_there)
            }
            Err(error) => Pending::failed(error),
        }
    }
}

impl Operation for RemoveWatches {
    type Output = ();

    fn client(&self) -> &Client {
        &self.0.client
    }

    fn attempt(&self, _: Option<&Error>) -> Pending<()> {
        let Query { client, path, kind } = &self.0;
        match client.view.full(path) {
            Ok(full) => {
                let removal = WatchRemoval { path: full.clone().into_owned(), watches: *kind };
                let query = WatchQuery { path: full, watcher_type: kind.code() };
                let effect = WatchEffect::Remove(Box::new(removal));
                client.call_with(path, &Request::RemoveWatches(query), effect, None, Vec::new(), nothing)
            }
            Err(error) => Pending::failed(error),
        }
    }
}

sendable!(AddWatch => WatchStream);
sendable!(CheckWatches => bool);
sendable!(RemoveWatches => ());

fn is_there(reply: &Reply, asked: &mut Asked) -> Result<bool, Error> {
    if reply.err == KeeperError::NoWatcher.code() {
        return Ok(false);
    }
    nothing(reply, asked).map(|()| true)
}
