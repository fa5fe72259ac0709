//! Putting items into a queue.

use std::sync::Arc;

use bytes::Bytes;
use zabra_client::{Client, CreateMode, Outcome, Transaction};

use super::feed::ensure_queue;
use super::layout::Layout;
use crate::common::path::join;
use crate::common::retry::{Backoff, through_sessions};
use crate::receipt::Receipt;
use crate::{Error, Result};

/// Puts znodes with these names (without sequence) and data into a queue, all or none; several in one transaction.
pub(super) async fn put<L: Layout>(
    client: &Client,
    queue: &str,
    receipt: Option<&Arc<Receipt>>,
    nodes: &[(String, Bytes)],
) -> Result<()> {
    let mut backoff = Backoff::default();
    loop {
        let put = match receipt {
            Some(receipt) => put_with(receipt, queue, nodes).await,
            None => put_plain(client, queue, nodes).await,
        };
        match put {
            Err(Error::Client(error)) if error.is_no_node() => ensure_queue::<L>(client, queue).await?,
            Err(Error::Client(error)) if error.is_passing() && error.outcome() == Outcome::DidNotHappen => {
                backoff.pause().await;
            }
            put => return put,
        }
    }
}

/// Appends the creation of an item.
pub(super) fn create_sequential(transaction: Transaction, path: &str, data: &Bytes) -> Transaction {
    transaction.create_mode(path, data, CreateMode::PersistentSequential)
}

async fn put_plain(client: &Client, queue: &str, nodes: &[(String, Bytes)]) -> Result<()> {
    if let [(name, data)] = nodes {
        client.create(join(queue, name), data.clone()).mode(CreateMode::PersistentSequential).await?;
        return Ok(());
    }
    let mut transaction = client.transaction();
    for (name, data) in nodes {
        transaction = create_sequential(transaction, &join(queue, name), data);
    }
    transaction.commit().await?;
    Ok(())
}

async fn put_with(receipt: &Receipt, queue: &str, nodes: &[(String, Bytes)]) -> Result<()> {
    let add = |mut transaction: Transaction| {
        for (name, data) in nodes {
            transaction = create_sequential(transaction, &join(queue, name), data);
        }
        transaction
    };
    receipt.commit(add).await
}

/// Waits until a queue has fewer znodes than this.
pub(super) async fn wait_for_room<L: Layout>(client: &Client, queue: &str, max: usize) -> Result<()> {
    loop {
        // Counting costs the same however many there are; listing does not.
        let count = through_sessions(|| client.exists(queue)).await?.map_or(0, |stat| stat.num_children);
        if usize::try_from(count).unwrap_or(0) < max {
            return Ok(());
        }
        let (children, changed) = match through_sessions(|| client.children(queue).watch()).await {
            Err(error) if error.is_no_node() => {
                ensure_queue::<L>(client, queue).await?;
                continue;
            }
            answer => answer?,
        };
        if children.len() >= max {
            changed.await;
        }
    }
}
