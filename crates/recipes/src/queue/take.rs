//! Taking an item out of a queue, or into hand.

use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;
use uuid::Uuid;
use zabra_client::{Client, Outcome, SessionState};
use zabra_types::CreateMode;

use super::layout::Layout;
use super::taken::{Claim, Taken};
use crate::common::node::delete_for_certain;
use crate::common::path::join;
use crate::common::retry::{Backoff, through_cuts, through_sessions};
use crate::receipt::Receipt;
use crate::{Error, Result};

/// How items are taken.
#[derive(Clone)]
pub(super) enum Taking {
    /// Deleted, then handed over.
    Plain,
    /// The same, with a receipt.
    Receipt(Arc<Receipt>),
    /// Marked under this path, handed over, and deleted when done.
    Lock(String),
}

impl Taking {
    pub(super) fn lock_path(&self) -> Option<String> {
        match self {
            Self::Lock(path) => Some(path.clone()),
            Self::Plain | Self::Receipt(_) => None,
        }
    }
}

/// Takes the item of this name; `None` when another has.
pub(super) async fn take<L: Layout>(
    client: &Client,
    queue: &str,
    name: &str,
    taking: &Taking,
) -> Result<Option<Taken>> {
    let path = join(queue, name);
    let taken = match taking {
        Taking::Plain => remove(client, &path).await?.map(|data| (data, None)),
        Taking::Receipt(receipt) => remove_with(receipt, client, &path).await?.map(|data| (data, None)),
        Taking::Lock(locks) => {
            let claimed = claim::<L>(client, &path, &join(locks, name)).await?;
            claimed.map(|(data, claim)| (data, Some(claim)))
        }
    };
    let Some((data, claim)) = taken else { return Ok(None) };
    match L::decode(data.clone()) {
        Ok(items) => Ok(Some(Taken::new(items, String::from(name), claim))),
        Err(reason) => {
            // It would stop the queue for ever. Curator removes it, too, but keeps nothing of it.
            if let Some(claim) = claim {
                Taken::new(Vec::new(), String::from(name), Some(claim)).done().await?;
            }
            Err(Error::BadItem { path, data, reason })
        }
    }
}

/// Deletes a node and returns its data; `None` when another has deleted it.
async fn remove(client: &Client, path: &str) -> Result<Option<Bytes>> {
    let mut backoff = Backoff::default();
    // The data of an attempt of which it is unknown what it did.
    let mut in_doubt = None;
    let in_vain = |in_doubt: Option<Bytes>, error: zabra_client::Error| match in_doubt {
        Some(data) => Err(Error::TakenOrGone { path: String::from(path), data }),
        None if error.is_no_node() => Ok(None),
        None => Err(error.into()),
    };
    loop {
        let (data, stat) = match through_sessions(|| client.get(path)).await {
            Ok(found) => found,
            Err(error) => return in_vain(in_doubt, error),
        };
        // An item that is still there was not taken.
        in_doubt = None;
        match client.delete(path).version(stat.version).await {
            Ok(()) => return Ok(Some(data)),
            // Gone, or changed by hand: the next look tells.
            Err(error) if error.is_no_node() || error.is_bad_version() => {}
            Err(error) if error.outcome() == Outcome::DidNotHappen && error.is_passing() => {
                backoff.pause().await
            }
            Err(error) if error.outcome() == Outcome::Unknown => {
                in_doubt = Some(data);
                backoff.pause().await;
                // The server reached now may be behind the one that has done it.
                if let Err(error) = through_sessions(|| client.sync(path)).await {
                    return in_vain(in_doubt, error);
                }
            }
            Err(error) => return in_vain(in_doubt, error),
        }
    }
}

/// Deletes a node with a receipt and returns its data; `None` when another has deleted it.
async fn remove_with(receipt: &Receipt, client: &Client, path: &str) -> Result<Option<Bytes>> {
    loop {
        let (data, stat) = match through_sessions(|| client.get(path)).await {
            Err(error) if error.is_no_node() => return Ok(None),
            answer => answer?,
        };
        match receipt.commit(|transaction| transaction.delete(path, stat.version)).await {
            Ok(()) => return Ok(Some(data)),
            Err(Error::Client(error)) if error.is_no_node() => return Ok(None),
            Err(Error::Client(error)) if error.is_bad_version() => {}
            Err(error) => return Err(error),
        }
    }
}

/// Marks an item as in hand and returns its data; `None` when another has it or had it.
async fn claim<L: Layout>(client: &Client, item: &str, lock: &str) -> Result<Option<(Bytes, Claim)>> {
    let session = live_session(client).await?;
    let owner = session.session_id();
    let id = Bytes::from(Uuid::new_v4().simple().to_string());
    if !mark(&session, lock, &id).await? {
        return Ok(None);
    }
    let claim = Claim {
        session: session.clone(),
        owner,
        lock: String::from(lock),
        item: String::from(item),
        id,
        again: |name, items| (L::requeue_name(name), L::encode(items)),
        ended: false,
        runtime: Handle::current(),
    };
    match through_cuts(|| session.get(item)).await {
        Ok((data, _)) => Ok(Some((data, claim))),
        Err(error) if error.is_no_node() => {
            // Consumed since the queue was listed.
            Taken::new(Vec::new(), String::new(), Some(claim)).release().await?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// A view of the session there is, or of the next one.
async fn live_session(client: &Client) -> Result<Client> {
    let mut states = client.states();
    let mut state = client.state();
    loop {
        match state {
            SessionState::Closed | SessionState::AuthFailed => return Err(Error::Closed),
            SessionState::Expired => state = states.next().await.unwrap_or(SessionState::Closed),
            _ => return Ok(client.pinned()),
        }
    }
}

/// Creates the ephemeral mark; `false` when there is one of another.
async fn mark(session: &Client, lock: &str, id: &Bytes) -> Result<bool> {
    let mut backoff = Backoff::default();
    let mut in_doubt = false;
    loop {
        let error = match session.create(lock, id.clone()).mode(CreateMode::Ephemeral).await {
            Ok(_) => return Ok(true),
            Err(error) => error,
        };
        if error.is_node_exists() {
            if !in_doubt {
                return Ok(false);
            }
            return match through_cuts(|| session.get(lock)).await {
                Ok((data, _)) => Ok(data == *id),
                Err(error) if error.is_no_node() => Ok(false),
                Err(error) => Err(error.into()),
            };
        }
        if !error.is_passing() {
            if in_doubt && !error.is_session_over() {
                // It may be there: nobody else would ever remove it while the session lives.
                delete_for_certain(session, lock).await?;
            }
            return Err(error.into());
        }
        in_doubt |= error.outcome() != Outcome::DidNotHappen;
        backoff.pause().await;
    }
}
