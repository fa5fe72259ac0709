//! Copies of znodes in memory that follow the server: of one node, of the children of a node, or of a whole tree.
//!
//! ```no_run
//! # async fn example(client: &zabra_client::Client) -> zabra_recipes::Result<()> {
//! use zabra_recipes::cache::{Cache, CacheEvent};
//!
//! let cache = Cache::tree(client, "/settings").load().await?;
//! for node in cache.nodes() {
//!     println!("{} = {}", node.path, String::from_utf8_lossy(&node.data));
//! }
//! let mut events = cache.events();
//! while let Some(event) = events.next().await {
//!     if let CacheEvent::Changed { old, new } = event {
//!         println!("{}: version {} became {}", new.path, old.stat.version, new.stat.version);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! - **Eventually equal.** When nothing changes for a while and there is a connection, the cache is equal to the tree.
//!   Until then it is behind by what is on its way: never decide by a cache what needs the present state; use versions
//!   (`set(..).version(..)`) or a transaction.
//! - **Never backwards.** The data of one node only becomes newer, by `mzxid`; a deleted node does not come back unless
//!   it was created again. Different nodes may be of different moments.
//! - **Not every change.** Changes of one node that follow one another quickly may be seen, and told, as one. What is
//!   told of a node is consistent: created, changed any number of times, deleted.
//! - **Cost.** One persistent (recursive) watch at the server, however many nodes. To fill: one read of data for every
//!   node and one of children for every node that has some, pipelined. Afterwards one read for every change.
//!
//! # Connection loss
//!
//! The contents stay readable and are told to be old ([`CacheEvent::Suspended`], [`CacheState::Behind`]). After the
//! connection is back the stat of every node is compared, and only what changed is read; the difference is told as
//! ordinary events, followed by [`CacheEvent::Resumed`].
//!
//! # Session expiry
//!
//! The same, with a new watch in the new session of the client. When the client is not to renew its session, or is
//! closed, the cache is closed too; what it holds stays readable.
//!
//! # Not guaranteed
//!
//! Changes of access control lists are not events in ZooKeeper: a node that becomes unreadable stays as it was. Servers
//! before 3.6 have no persistent watches; the cache fails there with their `Unimplemented`.

mod builder;
mod driver;
mod event;
mod mirror;
#[cfg(test)]
mod mirror_tests;
mod stream;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use tokio::sync::watch;
use tokio::task::AbortHandle;
use zabra_client::{Client, Error as ClientError};

pub use builder::{CacheBuilder, EVENTS_MAX_DEFAULT};
pub use event::{CacheEvent, CachedNode};
pub use stream::CacheEvents;

use crate::common::Result;
use mirror::Contents;
use stream::Outlets;

/// Nodes in memory that follow the server. Mirrors `CuratorCache`; see the [module](self) for what it guarantees.
///
/// Clones are the same cache. It ends with [`close`](Self::close) or when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Cache {
    root: Arc<str>,
    shared: Arc<Shared>,
    running: Arc<AbortOnDrop>,
}

/// How a cache stands to the server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CacheState {
    /// It is being filled, or there is no connection: the contents may be old or not whole.
    Behind,
    /// Everything has been read, and every event since is being followed.
    InStep,
    /// It follows nothing any more, for this reason if it was not asked to close.
    Closed(Option<ClientError>),
}

/// What the driver writes and everybody reads.
#[derive(Debug)]
struct Shared {
    inner: RwLock<Inner>,
    state: watch::Sender<CacheState>,
}

/// Contents and listeners under one lock, so that a new listener hears of everything exactly once.
#[derive(Debug)]
struct Inner {
    contents: Contents,
    initialized: bool,
    outlets: Outlets,
}

#[derive(Debug)]
struct AbortOnDrop {
    task: AbortHandle,
    shared: Arc<Shared>,
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.close(None);
    }
}

impl Cache {
    /// A cache of a node and everything below it.
    pub fn tree(client: &Client, root: &str) -> CacheBuilder {
        CacheBuilder::new(client, root, 0, usize::MAX)
    }

    /// A cache of the children of a node, without the node itself and without what is below the children.
    pub fn children(client: &Client, parent: &str) -> CacheBuilder {
        CacheBuilder::new(client, parent, 1, 1)
    }

    /// A cache of one node.
    pub fn node(client: &Client, path: &str) -> CacheBuilder {
        CacheBuilder::new(client, path, 0, 0)
    }

    fn new(root: String, shared: Arc<Shared>, task: AbortHandle) -> Self {
        let running = Arc::new(AbortOnDrop { task, shared: shared.clone() });
        Self { root: root.into(), shared, running }
    }

    /// The path the cache was made for.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// A node by its whole path.
    pub fn get(&self, path: &str) -> Option<Arc<CachedNode>> {
        self.shared.read().contents.get(path).cloned()
    }

    /// All nodes, ordered by path.
    pub fn nodes(&self) -> Vec<Arc<CachedNode>> {
        self.shared.read().contents.values().cloned().collect()
    }

    /// The nodes right below this one, ordered by name.
    pub fn children_of(&self, parent: &str) -> Vec<Arc<CachedNode>> {
        mirror::children_in(&self.shared.read().contents, parent).cloned().collect()
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.shared.read().contents.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How it stands now.
    pub fn state(&self) -> CacheState {
        self.shared.state.borrow().clone()
    }

    /// Waits until everything has been read, at first or after a connection loss.
    ///
    /// # Errors
    ///
    /// The cache was closed, or its client is over.
    pub async fn in_step(&self) -> Result<()> {
        let mut state = self.shared.state.subscribe();
        let state = state.wait_for(|state| !matches!(state, CacheState::Behind)).await;
        match state.as_deref() {
            Ok(CacheState::Closed(error)) => Err(builder::closed(error.clone())),
            // The sender lives in this cache.
            _ => Ok(()),
        }
    }

    /// Completes when the cache is closed, or its client is over. Does not keep the cache.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut state = self.shared.state.subscribe();
        async move {
            // An error says that there is no cache any more.
            let _ = state.wait_for(|state| matches!(state, CacheState::Closed(_))).await;
        }
    }

    /// Every event from now on, after a [`CacheEvent::Created`] for every node that is in the cache now (and
    /// [`CacheEvent::Initialized`] if it was filled): whoever hears them all knows the contents.
    pub fn events(&self) -> CacheEvents {
        let mut inner = self.shared.lock();
        let Inner { contents, initialized, outlets } = &mut *inner;
        let present = contents.values().cloned().map(CacheEvent::Created);
        outlets.open(present.chain(initialized.then_some(CacheEvent::Initialized)))
    }

    /// Calls back with every event that [`events`](Self::events) would give, one after another, on a task of its own,
    /// until the cache is closed. A call-back that takes its time delays only itself.
    pub fn listen(&self, mut listener: impl FnMut(CacheEvent) + Send + 'static) {
        let mut events = self.events();
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                listener(event);
            }
        });
    }

    /// For those who follow the cache from within and must not keep it.
    pub(crate) fn downgrade(&self) -> WeakCache {
        WeakCache { shared: Arc::downgrade(&self.shared) }
    }

    /// Follows nothing any more and removes the watch; what is in the cache stays readable.
    pub fn close(&self) {
        self.running.task.abort();
        self.shared.close(None);
    }
}

/// A cache that others keep.
#[derive(Clone, Debug)]
pub(crate) struct WeakCache {
    shared: Weak<Shared>,
}

impl WeakCache {
    /// Its nodes; none when it is gone.
    pub(crate) fn nodes(&self) -> Vec<Arc<CachedNode>> {
        let contents = |shared: Arc<Shared>| shared.read().contents.values().cloned().collect();
        self.shared.upgrade().map(contents).unwrap_or_default()
    }
}

impl Shared {
    fn new(events_max: usize, state: watch::Sender<CacheState>) -> Arc<Self> {
        let inner =
            Inner { contents: Contents::new(), initialized: false, outlets: Outlets::new(events_max) };
        Arc::new(Self { inner: RwLock::new(inner), state })
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_state(&self, new: CacheState) {
        self.state.send_if_modified(|state| {
            let changes = match (&*state, &new) {
                (CacheState::Closed(_), _) => false,
                (old, new) => std::mem::discriminant(old) != std::mem::discriminant(new),
            };
            if changes {
                *state = new;
            }
            changes
        });
    }

    fn close(&self, error: Option<ClientError>) {
        self.lock().outlets.close();
        self.set_state(CacheState::Closed(error));
    }
}

impl Inner {
    fn tell(&mut self, event: &CacheEvent) {
        self.initialized |= matches!(event, CacheEvent::Initialized);
        self.outlets.tell(event);
    }
}
