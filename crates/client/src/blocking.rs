//! The client for programs without a runtime.
//!
//! [`Client`] has all the operations of the asynchronous one, as the same builders: end them by `.wait()`, or put several
//! into the queue by `.send()` first and wait for each later. What is awaited elsewhere has a blocking form here, and
//! watches have [`OneShot::wait`](crate::OneShot::wait) and [`WatchStream::wait_next`](crate::WatchStream::wait_next).
//!
//! ```
//! use zabra_client::blocking::Client;
//!
//! # let server = zabra_embedded::blocking::Server::start().unwrap();
//! # let hosts = server.connect_string();
//! let client = Client::connect(&hosts)?;
//! client.create("/motto", "slow and steady").wait()?;
//! let ((data, stat), watch) = client.get("/motto").watch().wait()?;
//! assert_eq!((&*data, stat.version), (&b"slow and steady"[..], 0));
//!
//! let first = client.set("/motto", "fast").send();
//! let second = client.set("/motto", "faster").send();
//! assert_eq!(first.wait()?.version, 1);
//! assert_eq!(second.wait()?.version, 2);
//! assert_eq!(watch.wait().path, "/motto");
//! client.close()?;
//! # Ok::<(), zabra_client::Error>(())
//! ```
//!
//! All blocking clients of a process share one thread, which does their input and output and ends with the process.
//! Blocking in asynchronous code panics, as it would hold up everything else there.

use crate::{Acl, ClientBuilder, Error, RetryPolicy};
use std::ops::Deref;
use std::sync::OnceLock;
use tokio::runtime::{Builder, Handle, Runtime};

/// A client that blocks: see the [module](self).
///
/// It dereferences to the asynchronous [`Client`](crate::Client), whose builders it shares.
#[derive(Clone, Debug)]
pub struct Client {
    client: crate::Client,
    runtime: Handle,
}

impl Client {
    /// Connects with the usual settings and blocks until there is a session, however long it takes.
    ///
    /// # Errors
    /// Those of [`crate::Client::connect`], and [`Error::NoThread`].
    ///
    /// # Panics
    /// In asynchronous code.
    pub fn connect(servers: &str) -> Result<Self, Error> {
        Self::builder().connect_blocking(servers)
    }

    /// The settings of a client to be; end them by [`ClientBuilder::connect_blocking`].
    pub fn builder() -> ClientBuilder {
        crate::Client::builder()
    }

    /// See [`crate::Client::chroot`].
    ///
    /// # Errors
    /// `path` is none.
    pub fn chroot(&self, path: &str) -> Result<Self, Error> {
        Ok(self.with(self.client.chroot(path)?))
    }

    /// See [`crate::Client::pinned`].
    #[must_use]
    pub fn pinned(&self) -> Self {
        self.with(self.client.pinned())
    }

    /// See [`crate::Client::retrying`].
    #[must_use]
    pub fn retrying(&self, policy: RetryPolicy) -> Self {
        self.with(self.client.retrying(policy))
    }

    /// See [`crate::Client::with_acl`].
    #[must_use]
    pub fn with_acl(&self, acl: impl IntoIterator<Item = Acl>) -> Self {
        self.with(self.client.with_acl(acl))
    }

    /// See [`crate::Client::add_auth`].
    ///
    /// # Errors
    /// The server refuses, which ends the client.
    ///
    /// # Panics
    /// In asynchronous code.
    pub fn add_auth(&self, scheme: &str, auth: &[u8]) -> Result<(), Error> {
        self.block_on(self.client.add_auth(scheme, auth))
    }

    /// See [`crate::Client::close`].
    ///
    /// # Errors
    /// No server could be told; the session ends by itself after its time-out.
    ///
    /// # Panics
    /// In asynchronous code.
    pub fn close(&self) -> Result<(), Error> {
        self.block_on(self.client.close())
    }

    /// See [`crate::Client::detach`].
    ///
    /// # Errors
    /// Never at present.
    ///
    /// # Panics
    /// In asynchronous code.
    pub fn detach(&self) -> Result<(), Error> {
        self.block_on(self.client.detach())
    }

    /// The asynchronous client behind this one.
    pub const fn asynchronous(&self) -> &crate::Client {
        &self.client
    }

    /// Blocks this thread until a future is done, which may use the client, timers and tasks.
    ///
    /// # Panics
    /// In asynchronous code.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    fn with(&self, client: crate::Client) -> Self {
        Self { client, runtime: self.runtime.clone() }
    }
}

impl Deref for Client {
    type Target = crate::Client;

    fn deref(&self) -> &crate::Client {
        &self.client
    }
}

impl ClientBuilder {
    /// Connects a [`blocking::Client`](Client), and blocks until there is a session.
    ///
    /// # Errors
    /// Those of [`ClientBuilder::connect`], and [`Error::NoThread`].
    ///
    /// # Panics
    /// In asynchronous code.
    pub fn connect_blocking(self, servers: &str) -> Result<Client, Error> {
        let runtime = runtime()?;
        let client = runtime.block_on(self.connect(servers))?;
        Ok(Client { client, runtime })
    }
}

/// The runtime of all blocking clients, made by the first.
///
/// It lives until the process ends: a client that is dropped then still gets to close its session.
fn runtime() -> Result<Handle, Error> {
    static RUNTIME: OnceLock<Result<Runtime, Error>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name("zabra-client").enable_all();
        builder.build().map_err(|error| Error::NoThread { reason: error.to_string() })
    });
    match runtime {
        Ok(runtime) => Ok(runtime.handle().clone()),
        Err(error) => Err(error.clone()),
    }
}
