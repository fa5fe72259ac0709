//! Creating and deleting many nodes.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use zabra_client::{Client, CreateMode, Error, MultiResult, Pending, Transaction};
use zabra_types::Acl;

use super::progress::Progress;
use crate::shell::fault::Fault;
use crate::shell::session::fault_of;

/// A node to be.
#[derive(Clone, Debug)]
pub(super) struct NewNode {
    /// Where.
    pub(super) path: String,
    /// Its data; null is not the same as empty.
    pub(super) data: Option<Bytes>,
    /// Its access control list.
    pub(super) acl: Vec<Acl>,
    /// What kind of node.
    pub(super) kind: Kind,
}

/// The kinds of nodes that outlive a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Stays.
    Persistent,
    /// Goes some time after its last child.
    Container,
    /// Goes when it has not been set for this long and has no children.
    Ttl(Duration),
}

impl NewNode {
    /// About how many bytes it takes in a transaction.
    pub(super) fn weight(&self) -> usize {
        let acl: usize = self.acl.iter().map(|entry| entry.scheme.len() + entry.id.len() + 12).sum();
        self.path.len() + self.data.as_ref().map_or(0, Bytes::len) + acl + 32
    }

    /// Adds its creation to a transaction.
    pub(super) fn create_in(&self, transaction: Transaction) -> Transaction {
        let (path, data, acl) = (&self.path, self.data.clone().unwrap_or_default(), self.acl.clone());
        let created = match self.kind {
            Kind::Persistent => transaction.create_with(path, data, CreateMode::Persistent, acl),
            Kind::Container => transaction.create_with(path, data, CreateMode::Container, acl),
            Kind::Ttl(ttl) => transaction.create_ttl(path, data, ttl, acl),
        };
        if self.data.is_none() { created.null() } else { created }
    }
}

/// The most that goes into one transaction: servers take a megabyte in a packet, and other clients wait meanwhile.
const BATCH_WEIGHT_MAX: usize = 256 << 10;
const BATCH_NODES_MAX: usize = 500;
/// How many transactions may be under way.
const BATCHES_PENDING_MAX: usize = 8;

/// Transactions that are sent one after another, several at a time, and have to succeed in that order.
#[derive(Debug)]
pub(super) struct Batches<'a> {
    progress: &'a Progress,
    pending: VecDeque<(usize, Pending<Vec<MultiResult>>)>,
    /// How many nodes are done.
    pub(super) done: usize,
}

impl<'a> Batches<'a> {
    /// None yet.
    pub(super) fn new(progress: &'a Progress) -> Self {
        Self { progress, pending: VecDeque::new(), done: 0 }
    }

    /// Sends another one, about so many nodes.
    pub(super) async fn send(&mut self, nodes: usize, transaction: Transaction) -> Result<(), Error> {
        if self.pending.len() == BATCHES_PENDING_MAX {
            self.take_first().await?;
        }
        self.pending.push_back((nodes, transaction.commit()));
        Ok(())
    }

    /// Waits for all of them.
    pub(super) async fn finish(&mut self) -> Result<(), Error> {
        while !self.pending.is_empty() {
            self.take_first().await?;
        }
        Ok(())
    }

    async fn take_first(&mut self) -> Result<(), Error> {
        if let Some((nodes, pending)) = self.pending.pop_front() {
            pending.await?;
            self.done += nodes;
            self.progress.advance(nodes);
        }
        Ok(())
    }
}

/// Creates nodes, parents before children. What was created before a failure stays, and is told.
pub(super) async fn create_all(client: &Client, nodes: &[NewNode], progress: &Progress) -> Result<(), Fault> {
    let mut batches = Batches::new(progress);
    let outcome = async {
        let mut rest = nodes;
        while !rest.is_empty() {
            let (batch, others) = rest.split_at(batch_len(rest));
            let transaction =
                batch.iter().fold(client.transaction(), |transaction, node| node.create_in(transaction));
            batches.send(batch.len(), transaction).await?;
            rest = others;
        }
        batches.finish().await
    };
    let outcome = outcome.await;
    outcome.map_err(|error| partly(&error, batches.done, nodes.len(), "created"))
}

/// Deletes nodes with the versions they had, children before parents; they are given the other way round.
pub(super) async fn delete_all(
    client: &Client,
    nodes: &[(String, i32)],
    progress: &Progress,
) -> Result<(), Fault> {
    let mut batches = Batches::new(progress);
    let outcome = async {
        for batch in nodes.rchunks(BATCH_NODES_MAX) {
            let delete = |transaction: Transaction, (path, version): &(String, i32)| {
                transaction.delete(path, *version)
            };
            let transaction = batch.iter().rev().fold(client.transaction(), delete);
            batches.send(batch.len(), transaction).await?;
        }
        batches.finish().await
    };
    let outcome = outcome.await;
    outcome.map_err(|error| partly(&error, batches.done, nodes.len(), "deleted"))
}

/// How many of the nodes go into the next transaction.
fn batch_len(nodes: &[NewNode]) -> usize {
    let mut weight = 0;
    let fits = nodes.iter().take(BATCH_NODES_MAX).take_while(|node| {
        weight += node.weight();
        weight <= BATCH_WEIGHT_MAX
    });
    // One that is too heavy for any goes alone.
    fits.count().max(1)
}

fn partly(error: &Error, done: usize, all: usize, did: &str) -> Fault {
    let fault = fault_of(error, path_of(error));
    fault.hint(format!("about {done} of {all} nodes were {did} before"))
}

/// The node that an error speaks of.
pub(super) fn path_of(error: &Error) -> Option<&str> {
    match error {
        Error::Multi(multi) => Some(&multi.path),
        Error::Keeper { path, .. } => Some(path),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(len: usize) -> NewNode {
        NewNode {
            path: "/a".to_owned(),
            data: Some(vec![0; len].into()),
            acl: Vec::new(),
            kind: Kind::Persistent,
        }
    }

    #[test]
    fn batches_are_bounded_by_weight_and_number() {
        assert_eq!(batch_len(&[node(BATCH_WEIGHT_MAX * 2), node(1)]), 1);
        assert_eq!(batch_len(&[node(1), node(BATCH_WEIGHT_MAX)]), 1);
        assert_eq!(batch_len(&vec![node(100_000); 4]), 2);
        assert_eq!(batch_len(&vec![node(0); 2000]), BATCH_NODES_MAX);
    }
}
