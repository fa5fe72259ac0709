//! The same for tests that are not asynchronous: every call blocks the thread until it is done.
//!
//! ```
//! # fn main() -> Result<(), zabra_embedded::Error> {
//! let server = zabra_embedded::blocking::Server::start()?;
//! let hosts = server.connect_string();
//! server.kill();
//! server.restart()?;
//! # Ok(())
//! # }
//! ```

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use zabra_types::SessionId;

use crate::{Builder, EnsembleBuilder, Error, Standing};

/// See [`crate::Server`].
#[derive(Debug)]
pub struct Server(crate::Server);

impl From<crate::Server> for Server {
    fn from(server: crate::Server) -> Self {
        Self(server)
    }
}

impl Server {
    /// See [`crate::Server::start`].
    ///
    /// # Errors
    /// As there; so with all the others.
    pub fn start() -> Result<Self, Error> {
        block_on(crate::Server::start()).map(Self)
    }

    /// See [`crate::Server::builder`]; it ends with [`Builder::start_blocking`].
    pub fn builder() -> Builder {
        crate::Server::builder()
    }

    /// See [`crate::Server::connect_string`].
    pub fn connect_string(&self) -> String {
        self.0.connect_string()
    }

    /// See [`crate::Server::address`].
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// See [`crate::Server::data_dir`].
    pub fn data_dir(&self) -> &Path {
        self.0.data_dir()
    }

    /// See [`crate::Server::is_running`].
    pub fn is_running(&self) -> bool {
        self.0.is_running()
    }

    /// See [`crate::Server::kill`].
    pub fn kill(&self) {
        block_on(self.0.kill());
    }

    /// See [`crate::Server::stop`].
    pub fn stop(&self) {
        block_on(self.0.stop());
    }

    /// See [`crate::Server::restart`].
    ///
    /// # Errors
    /// As there.
    pub fn restart(&self) -> Result<(), Error> {
        block_on(self.0.restart())
    }

    /// See [`crate::Server::pause`].
    pub fn pause(&self) {
        block_on(self.0.pause());
    }

    /// See [`crate::Server::resume`].
    pub fn resume(&self) {
        self.0.resume();
    }

    /// See [`crate::Server::expire`].
    ///
    /// # Errors
    /// As there.
    pub fn expire(&self, session: SessionId) -> Result<(), Error> {
        block_on(self.0.expire(session))
    }

    /// See [`crate::Server::has_session`].
    ///
    /// # Errors
    /// As there.
    pub fn has_session(&self, session: SessionId) -> Result<bool, Error> {
        block_on(self.0.has_session(session))
    }

    /// See [`crate::Server::cut`].
    ///
    /// # Errors
    /// As there.
    pub fn cut(&self, session: SessionId) -> Result<(), Error> {
        block_on(self.0.cut(session))
    }

    /// See [`crate::Server::cut_all`].
    pub fn cut_all(&self) -> usize {
        block_on(self.0.cut_all())
    }

    /// See [`crate::Server::standing`].
    pub fn standing(&self) -> Option<Standing> {
        block_on(self.0.standing())
    }
}

/// See [`crate::Ensemble`].
#[derive(Debug)]
pub struct Ensemble(crate::Ensemble);

impl From<crate::Ensemble> for Ensemble {
    fn from(ensemble: crate::Ensemble) -> Self {
        Self(ensemble)
    }
}

impl Ensemble {
    /// See [`crate::Ensemble::start`].
    ///
    /// # Errors
    /// As there; so with all the others.
    pub fn start(servers: usize) -> Result<Self, Error> {
        block_on(crate::Ensemble::start(servers)).map(Self)
    }

    /// See [`crate::Ensemble::builder`]; it ends with [`EnsembleBuilder::start_blocking`].
    pub fn builder(servers: usize) -> EnsembleBuilder {
        crate::Ensemble::builder(servers)
    }

    /// See [`crate::Ensemble::connect_string`].
    pub fn connect_string(&self) -> String {
        self.0.connect_string()
    }

    /// Where clients connect to each of the servers.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.servers().iter().map(crate::Server::address).collect()
    }

    /// What each of the servers is; none is one that does not run or is paused.
    pub fn standings(&self) -> Vec<Option<Standing>> {
        block_on(self.0.standings())
    }

    /// See [`crate::Ensemble::leader`].
    ///
    /// # Errors
    /// As there.
    pub fn leader(&self) -> Result<usize, Error> {
        block_on(self.0.leader())
    }

    /// See [`crate::Ensemble::wait_serving`].
    ///
    /// # Errors
    /// As there.
    pub fn wait_serving(&self) -> Result<(), Error> {
        block_on(self.0.wait_serving())
    }

    /// See [`crate::Ensemble::kill`].
    ///
    /// # Panics
    /// There is no server of that number; so with the others.
    pub fn kill(&self, number: usize) {
        block_on(self.0.kill(number));
    }

    /// See [`crate::Ensemble::stop`].
    pub fn stop(&self, number: usize) {
        block_on(self.0.stop(number));
    }

    /// See [`crate::Ensemble::restart`].
    ///
    /// # Errors
    /// As there.
    pub fn restart(&self, number: usize) -> Result<(), Error> {
        block_on(self.0.restart(number))
    }

    /// See [`crate::Server::pause`].
    pub fn pause(&self, number: usize) {
        block_on(self.0.server(number).pause());
    }

    /// See [`crate::Server::resume`].
    pub fn resume(&self, number: usize) {
        self.0.server(number).resume();
    }

    /// See [`crate::Ensemble::expire`].
    ///
    /// # Errors
    /// As there.
    pub fn expire(&self, session: SessionId) -> Result<(), Error> {
        block_on(self.0.expire(session))
    }

    /// See [`crate::Ensemble::cut`].
    ///
    /// # Errors
    /// As there.
    pub fn cut(&self, session: SessionId) -> Result<(), Error> {
        block_on(self.0.cut(session))
    }

    /// See [`crate::Ensemble::cut_all`].
    pub fn cut_all(&self) -> usize {
        block_on(self.0.cut_all())
    }
}

/// Runs a future of this crate's, blocking the thread. They wait only for other threads, so no runtime is needed.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
