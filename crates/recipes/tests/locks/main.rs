//! Locks and elections on a server, with connections cut, servers killed and sessions expired under them.

mod blocking;
mod chaos;
mod election;
mod faults;
mod herd;
mod latch;
mod lossy;
mod mutex;
mod rwlock;
mod semaphore;
#[path = "../support/mod.rs"]
mod support;

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use zabra_client::Client;
use zabra_embedded::Server;
use zabra_recipes::lock::Mutex;
use zabra_recipes::{Fence, Loss, Participant};

/// Longer than anything here takes: a test that hangs fails instead.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) async fn connect(server: &Server) -> Client {
    Client::connect(&server.connect_string()).await.expect("the server accepts clients")
}

pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("it takes too long")
}

/// Waits until the children of `path` are so many. What a recipe does in the background shows in the tree.
pub(crate) async fn until_children(client: &Client, path: &str, count: usize) -> Vec<String> {
    in_time(async {
        loop {
            let (children, changed) = client.children(path).watch().await.expect("the server answers");
            if children.len() == count {
                return children;
            }
            changed.await;
        }
    })
    .await
}

/// The participants of a lock once they are so many.
pub(crate) async fn until_participants(lock: &Mutex, client: &Client, count: usize) -> Vec<Participant> {
    until_children(client, lock.path(), count).await;
    lock.participants().await.expect("the server answers")
}

/// Whether it was lost with the session. A connected client is told of its node's end just before it is cut off, sometimes.
pub(crate) const fn is_expiry(loss: Loss) -> bool {
    matches!(loss, Loss::SessionExpired | Loss::NodeDeleted)
}

/// What a lock protects: it notices when two use it at once, and refuses outdated tokens.
#[derive(Debug, Default)]
pub(crate) struct Resource {
    used: AtomicBool,
    highest: AtomicI64,
    uses: AtomicUsize,
}

impl Resource {
    /// Uses it for a moment.
    pub(crate) async fn use_with(&self, fence: Fence) {
        let before = self.highest.swap(fence.get(), Ordering::SeqCst);
        assert!(before < fence.get(), "the token {} came after {before}", fence.get());
        assert!(!self.used.swap(true, Ordering::SeqCst), "two use it at once");
        tokio::task::yield_now().await;
        self.uses.fetch_add(1, Ordering::SeqCst);
        assert!(self.used.swap(false, Ordering::SeqCst));
    }

    pub(crate) fn uses(&self) -> usize {
        self.uses.load(Ordering::SeqCst)
    }
}
