//! The recipes for programs without a runtime: every call blocks its thread until it is done.
//!
//! The recipes are the same, and do the same; [`Blocking`] runs them on the thread of the blocking client. None of this
//! may be called in asynchronous code, nor in a call-back: it would block others, and panics there.
//!
//! ```
//! use zabra_client::blocking::Client;
//! use zabra_recipes::blocking::Mutex;
//!
//! # let server = zabra_embedded::blocking::Server::start().unwrap();
//! # let hosts = server.connect_string();
//! let client = Client::connect(&hosts)?;
//! let guard = Mutex::new(&client, "/app/lock")?.acquire()?;
//! println!("with the token {}", guard.fence());
//! guard.release()?;
//! # Ok::<(), zabra_recipes::Error>(())
//! ```

/// Gives the blocking form to calls that wait.
macro_rules! blocking_calls {
    ([$($generics:tt)*] $type:ty { $($name:ident($($arg:ident: $arg_type:ty),*) -> $result:ty;)+ }) => {
        impl<$($generics)*> Blocking<$type> {
            $(
                #[doc = concat!("Does what the asynchronous `", stringify!($name), "` does, and blocks until it is done.")]
                ///
                /// # Errors
                ///
                /// As there.
                pub fn $name(&self, $($arg: $arg_type),*) -> Result<$result> {
                    self.wait_for(self.inner.$name($($arg),*))
                }
            )+
        }
    };
}

mod barrier;
mod counters;
mod following;
mod leader;
mod lock;
mod present;
mod queue;

use std::fmt;
use std::ops::Deref;

use zabra_client::blocking::Client;

pub use barrier::{Barrier, DoubleBarrier, Entered};
pub use counters::{
    AtomicInteger, AtomicLong, AtomicNumber, AtomicValue, KazooCounter, NumberBlocks, SharedCount,
    SharedValue, receipt,
};
pub use following::{Cache, CacheEvents, Configuration, ConfigurationChanges};
pub use leader::{Candidate, LeaderElection, LeaderLatch};
pub use lock::{
    Guard, MultiGuard, MultiLock, Mutex, ReadLock, ReentrantGuard, ReentrantMutex, RwLock, Semaphore,
    SemaphoreMutex, WriteLock,
};
pub use present::{
    Discovery, GroupMember, Members, Party, PartyMember, PersistentNode, PersistentTtlNode, Registration,
    ServiceCache, ServiceChanges,
};
pub use queue::{Consuming, KazooLockingQueue, KazooQueue, Queue, SimpleQueue, Taken};

/// A recipe whose calls block. What does not have to wait is called on the recipe itself, to which this dereferences.
#[derive(Clone)]
pub struct Blocking<T> {
    inner: T,
    client: Client,
}

impl<T> Blocking<T> {
    /// The blocking form of a recipe of this client.
    pub fn of(client: &Client, inner: T) -> Self {
        Self { inner, client: client.clone() }
    }

    /// The blocking form of something that belongs to this recipe.
    pub(crate) fn with<U>(&self, inner: U) -> Blocking<U> {
        Blocking { inner, client: self.client.clone() }
    }

    /// Runs anything else of the recipe to its end, blocking this thread.
    ///
    /// # Panics
    ///
    /// In asynchronous code.
    pub fn wait_for<F: Future>(&self, future: F) -> F::Output {
        self.client.block_on(future)
    }

    /// The recipe.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T> Deref for Blocking<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: fmt::Debug> fmt::Debug for Blocking<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blocking").field(&self.inner).finish()
    }
}
