//! A shared value.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use zabra_client::Client;
use zabra_types::{CreateMode, Stat, Zxid};

use crate::Result;
use crate::common::conditional::set_if;
use crate::common::node::create_with_parents;
use crate::common::retry::{through_everything, through_sessions};

/// A value together with what identifies its state. Curator's `VersionedValue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// The version of the node's data.
    pub version: i32,
    /// The transaction that set it.
    pub zxid: Zxid,
}

impl<T> Versioned<T> {
    pub(super) fn try_map<U, E>(self, map: impl FnOnce(T) -> Result<U, E>) -> Result<Versioned<U>, E> {
        Ok(Versioned { value: map(self.value)?, version: self.version, zxid: self.zxid })
    }
}

/// Bytes that several processes share: each has the latest value at hand, is told of changes, and may change it on the
/// condition that nobody else has. Curator's `SharedValue`.
///
/// - **Guarantee.** The value at hand is one that the node had, never goes back, and follows the node as quickly as events
///   travel; not every value in between is seen. [`try_set`](Self::try_set) succeeds only if the node still is as it was.
/// - **Connection loss.** The value at hand stays, and may be old; it is read again after the loss. A `try_set` whose reply
///   was lost is looked into; if what it did cannot be found out, it fails with an error of
///   [unknown](zabra_client::Outcome::Unknown) outcome, never with a wrong answer. A [`set`](Self::set) is repeated.
/// - **Session expiry.** As connection loss: the node is persistent. When the client has no further session, the value is
///   not followed any more, and the [changes](Self::changes) end.
///
/// A handle: clones share one value and one watch, which go with the last of them.
#[derive(Clone, Debug)]
pub struct SharedValue {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: Client,
    path: String,
    current: Arc<watch::Sender<Versioned<Bytes>>>,
    follow: AbortHandle,
    /// Its other end is held by the task that follows.
    followed: watch::Receiver<()>,
}

impl SharedValue {
    /// The value at this path; `seed` if there is none.
    ///
    /// # Errors
    /// When the client fails.
    pub async fn open(client: &Client, path: impl Into<String>, seed: impl Into<Bytes>) -> Result<Self> {
        let (path, seed) = (path.into(), seed.into());
        let made =
            through_sessions(|| create_with_parents(client, &path, seed.clone(), CreateMode::Persistent))
                .await;
        match made {
            Err(error) if !error.is_node_exists() => return Err(error.into()),
            _ => {}
        }
        let (value, stat) = through_sessions(|| client.get(&path)).await?;
        let current = Arc::new(watch::Sender::new(versioned(value, &stat)));
        let (following, followed) = watch::channel(());
        let follow = follow(client.clone(), path.clone(), Arc::clone(&current));
        let task = tokio::spawn(async move {
            if let Err(error) = follow.await {
                tracing::warn!(%error, "a shared value is not followed any more");
            }
            drop(following);
        });
        let inner = Inner { client: client.clone(), path, current, follow: task.abort_handle(), followed };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The node.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.inner.path
    }

    /// The value at hand.
    #[must_use]
    pub fn get(&self) -> Bytes {
        self.inner.current.borrow().value.clone()
    }

    /// The value at hand, for a later [`try_set`](Self::try_set).
    #[must_use]
    pub fn versioned(&self) -> Versioned<Bytes> {
        self.inner.current.borrow().clone()
    }

    /// Sets the value, whatever it is. Repeated after a lost reply, it may undo what another has set meanwhile.
    ///
    /// # Errors
    /// When the client fails; `NoNode` when the node was deleted.
    pub async fn set(&self, value: impl Into<Bytes>) -> Result<()> {
        let Inner { client, path, current, .. } = &*self.inner;
        let value = value.into();
        let stat = through_sessions(|| client.set(path, value.clone())).await?;
        update(current, versioned(value, &stat));
        Ok(())
    }

    /// Sets the value if it still is `previous`, as the server knows it. Returns whether it did; if not, the value at hand
    /// is the newer one.
    ///
    /// # Errors
    /// See [`SharedValue`].
    pub async fn try_set(&self, previous: &Versioned<Bytes>, value: impl Into<Bytes>) -> Result<bool> {
        let Inner { client, path, current, .. } = &*self.inner;
        if *current.borrow() != *previous {
            return Ok(false);
        }
        let value = value.into();
        if let Some(stat) = set_if(client, path, previous.version, &value).await? {
            update(current, versioned(value, &stat));
            return Ok(true);
        }
        let (value, stat) = through_sessions(|| client.get(path)).await?;
        update(current, versioned(value, &stat));
        Ok(false)
    }

    /// The changes from now on, until the last handle is dropped.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes { values: self.inner.current.subscribe(), followed: self.inner.followed.clone() }
    }

    /// Tells every change from now on, but for those that are overtaken by the next. Ends when the task is aborted, or all
    /// handles are gone.
    pub fn on_change(&self, mut told: impl FnMut(Versioned<Bytes>) + Send + 'static) -> JoinHandle<()> {
        let mut changes = self.changes();
        tokio::spawn(async move {
            while let Some(value) = changes.next().await {
                told(value);
            }
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.follow.abort();
    }
}

/// The changes of a shared value.
#[derive(Debug)]
pub struct Changes {
    values: watch::Receiver<Versioned<Bytes>>,
    followed: watch::Receiver<()>,
}

impl Changes {
    /// The next value that this has not returned yet; `None` when the value is not followed any more. Safe to drop.
    pub async fn next(&mut self) -> Option<Versioned<Bytes>> {
        tokio::select! {
            changed = self.values.changed() => changed.ok()?,
            // Nothing is ever sent: it only ends.
            _ = self.followed.changed() => return None,
        }
        Some(self.values.borrow_and_update().clone())
    }
}

/// Reads the value whenever it changes.
async fn follow(
    client: Client,
    path: String,
    current: Arc<watch::Sender<Versioned<Bytes>>>,
) -> Result<(), zabra_client::Error> {
    loop {
        let changed = match through_everything(|| client.get(&path).watch()).await {
            Ok(((value, stat), changed)) => {
                update(&current, versioned(value, &stat));
                changed
            }
            Err(error) if error.is_no_node() => {
                let (stat, changed) = through_everything(|| client.exists(&path).watch()).await?;
                if stat.is_some() {
                    continue;
                }
                changed
            }
            Err(error) => return Err(error),
        };
        changed.await;
    }
}

/// Takes over a newer value.
fn update(current: &watch::Sender<Versioned<Bytes>>, newer: Versioned<Bytes>) {
    current.send_if_modified(|known| {
        let is_newer = newer.zxid > known.zxid;
        if is_newer {
            *known = newer;
        }
        is_newer
    });
}

fn versioned(value: Bytes, stat: &Stat) -> Versioned<Bytes> {
    Versioned { value, version: stat.version, zxid: Zxid::from_raw(stat.mzxid) }
}
