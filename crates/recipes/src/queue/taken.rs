//! An item in hand.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use zabra_client::{Client, Outcome, SessionId};
use zabra_types::KeeperError;

use super::put::create_sequential;

use crate::common::Loss;
use crate::common::node::delete_for_certain;
use crate::common::path::{join, name_of};
use crate::common::retry::Backoff;
use crate::{Error, Result};

/// What was taken from a queue: the items of one znode, in order; in most queues that is one.
///
/// From a queue without a lock path it has left the queue, and belongs to this process alone.
///
/// From a queue with a lock path it is still there, marked by an ephemeral znode, until [`done`](Self::done) removes it. Any
/// other end makes it available again: [`requeue`](Self::requeue), a drop (in the background), the end of this
/// process, the expiry of its session. After an expiry another consumer may already work on it: [`is_lost`](Self::is_lost)
/// tells, and `done` will fail.
#[derive(Debug)]
pub struct Taken {
    items: Vec<Bytes>,
    name: String,
    claim: Option<Claim>,
}

impl Taken {
    pub(super) fn new(items: Vec<Bytes>, name: String, claim: Option<Claim>) -> Self {
        Self { items, name, claim }
    }

    /// The name of the znode.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The items, in order.
    #[must_use]
    pub fn items(&self) -> &[Bytes] {
        &self.items
    }

    /// The first item; empty if the znode held none.
    #[must_use]
    pub fn item(&self) -> Bytes {
        self.items.first().cloned().unwrap_or_default()
    }

    /// Whether the item is known to have become available to others. A `false` may be old by up to the time it takes to
    /// learn of an expiry: work that must not be done twice has to carry the name of the item as its key.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.session_is_over())
    }

    /// Removes the item from the queue, if it is still there.
    ///
    /// Item and mark go in one transaction, repeated through lost connections.
    ///
    /// # Errors
    /// [`Error::Lost`] when the session has expired: another consumer has got the item, or will. Other errors of the
    /// client leave it to the end of the session.
    pub async fn done(mut self) -> Result<()> {
        match self.claim.take() {
            Some(claim) => claim.finish(None).await,
            None => Ok(()),
        }
    }

    /// Makes the item available again: at the end of its queue, or of those of its priority; all items of the znode.
    ///
    /// # Errors
    /// As [`done`](Self::done). [`Error::BadArgument`] when the queue has no lock path: put the items again.
    pub async fn requeue(self) -> Result<()> {
        self.requeue_from(0).await
    }

    /// Like [`requeue`](Self::requeue), but without the first `done` items of the znode.
    ///
    /// # Errors
    /// As [`requeue`](Self::requeue).
    pub async fn requeue_from(mut self, done: usize) -> Result<()> {
        let claim =
            self.claim.take().ok_or(Error::BadArgument("only a queue with a lock path takes items back"))?;
        let rest = self.items.get(done..).unwrap_or_default();
        if rest.is_empty() && !self.items.is_empty() {
            return claim.finish(None).await;
        }
        let again = (claim.again)(&self.name, rest);
        claim.finish(Some(again)).await
    }

    /// Makes the item available again where it stood, without changing it.
    ///
    /// # Errors
    /// As [`done`](Self::done).
    pub async fn release(mut self) -> Result<()> {
        match self.claim.take() {
            Some(claim) => claim.release().await,
            None => Err(Error::BadArgument("only a queue with a lock path takes items back")),
        }
    }

    /// Whether the mark is still there and ours, as the servers know it now.
    ///
    /// # Errors
    /// When the client fails.
    pub async fn is_held(&self) -> Result<bool> {
        match &self.claim {
            Some(claim) => claim.is_held().await,
            None => Ok(true),
        }
    }
}

/// What stands for an item that is put back: the prefix of its name, and its data.
pub(super) type Again = (String, Bytes);

/// The mark on an item in hand.
pub(super) struct Claim {
    /// Pinned to the session that owns the mark.
    pub(super) session: Client,
    /// That session.
    pub(super) owner: SessionId,
    pub(super) lock: String,
    pub(super) item: String,
    /// Tells our mark from that of another handle of the same session.
    pub(super) id: Bytes,
    pub(super) again: fn(&str, &[Bytes]) -> Again,
    /// Whether the mark has been taken care of.
    pub(super) ended: bool,
    /// Where to lift it when dropped, also on a thread that is none of the runtime's.
    pub(super) runtime: Handle,
}

impl Claim {
    fn session_is_over(&self) -> bool {
        // The state is the client's, which may have another session by now.
        self.session.state().is_over() || self.session.session_id() != self.owner
    }

    /// Removes the mark and the item, and puts another in its place if one is given.
    async fn finish(mut self, again: Option<Again>) -> Result<()> {
        let parent = self
            .item
            .rsplit_once('/')
            .map_or("/", |(parent, _)| if parent.is_empty() { "/" } else { parent });
        let mut in_doubt = false;
        let mut backoff = Backoff::default();
        loop {
            // The mark first: if it is not there, nothing happens.
            let mut transaction = self.session.transaction().delete(&self.lock, -1).delete(&self.item, -1);
            if let Some((name, data)) = &again {
                transaction = create_sequential(transaction, &join(parent, name), data);
            }
            let error = match transaction.commit().await {
                Ok(_) => {
                    self.ended = true;
                    return Ok(());
                }
                Err(error) => error,
            };
            match error {
                zabra_client::Error::Multi(refused) if refused.error == KeeperError::NoNode => {
                    // Nobody but us removes the mark of a living session: a lost attempt has, or the item went by hand. The
                    // mark that is there then is of somebody who had listed the item before it went.
                    if in_doubt && (refused.index == 0 || !self.is_held().await?) {
                        self.ended = true;
                        return Ok(());
                    }
                    return Err(Error::Lost(Loss::NodeDeleted));
                }
                error if error.is_passing() => {
                    in_doubt |= error.outcome() != Outcome::DidNotHappen;
                    backoff.pause().await;
                }
                error if error.is_session_over() => {
                    self.ended = true;
                    return Err(Error::Lost(Loss::SessionExpired));
                }
                error => return Err(error.into()),
            }
        }
    }

    async fn release(mut self) -> Result<()> {
        let deleted = delete_for_certain(&self.session, &self.lock).await;
        self.ended = true;
        match deleted {
            Err(error) if error.is_session_over() => Err(Error::Lost(Loss::SessionExpired)),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(()),
        }
    }

    async fn is_held(&self) -> Result<bool> {
        let look = || async {
            self.session.sync(&self.lock).await?;
            self.session.get(&self.lock).await
        };
        match crate::common::retry::through_cuts(look).await {
            Ok((data, _)) => Ok(data == self.id),
            Err(error) if error.is_no_node() || error.is_session_over() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let (session, lock) = (self.session.clone(), std::mem::take(&mut self.lock));
        // When the runtime is gone, the session and the mark soon are.
        self.runtime.spawn(async move {
            if let Err(error) = delete_for_certain(&session, &lock).await {
                tracing::debug!(lock = name_of(&lock), %error, "the mark of an item goes with its session");
            }
        });
    }
}

impl std::fmt::Debug for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claim").field("lock", &self.lock).finish_non_exhaustive()
    }
}

/// Items that were taken for a future that is no more: the next one gets them.
#[derive(Debug, Default)]
pub(super) struct Stash {
    taken: Mutex<VecDeque<Taken>>,
    pub(super) filled: Notify,
}

impl Stash {
    pub(super) fn pop(&self) -> Option<Taken> {
        let mut taken = self.taken.lock();
        let first = taken.pop_front();
        if !taken.is_empty() {
            // However many are put in before anybody waits, only one of those who wait then is woken.
            self.filled.notify_one();
        }
        first
    }

    fn push(&self, taken: Taken) {
        self.taken.lock().push_back(taken);
        self.filled.notify_one();
    }
}

impl Drop for Stash {
    fn drop(&mut self) {
        let taken = self.taken.get_mut();
        if !taken.is_empty() {
            let names: Vec<&str> = taken.iter().map(Taken::name).collect();
            tracing::error!(
                ?names,
                "items were taken for futures that were dropped, and nobody has asked for others since"
            );
        }
    }
}

/// A taken item on its way to a future that may be dropped meanwhile: it goes to the stash then, unless the mark on it
/// can simply be lifted.
pub(super) struct Parcel {
    taken: Option<Taken>,
    stash: Arc<Stash>,
}

impl Parcel {
    pub(super) fn new(taken: Taken, stash: Arc<Stash>) -> Self {
        Self { taken: Some(taken), stash }
    }

    pub(super) fn open(mut self) -> Option<Taken> {
        self.taken.take()
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        if let Some(taken) = self.taken.take()
            && taken.claim.is_none()
        {
            self.stash.push(taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_waits_while_there_is_something_in_the_stash() {
        let stash = Stash::default();
        for name in ["one", "two"] {
            stash.push(Taken::new(Vec::new(), name.to_owned(), None));
        }
        for name in ["one", "two"] {
            let mut filled = std::pin::pin!(stash.filled.notified());
            assert!(filled.as_mut().enable(), "{name}");
            assert_eq!(stash.pop().unwrap().name(), name);
        }
    }
}
