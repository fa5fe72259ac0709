//! One server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use zabra_server::Standing;
use zabra_server::config::Config;
use zabra_types::SessionId;

use crate::host::Host;
use crate::port::Port;
use crate::{Builder, Error};

/// How long the end of a session may take. It takes a millisecond.
const EXPIRY_MAX: Duration = Duration::from_secs(20);

/// A server inside a test. Killed when it is dropped, and its data with it.
///
/// Mirrors Curator's `TestingServer`.
#[derive(Debug)]
pub struct Server {
    config: Config,
    durable: bool,
    /// One change of its state at a time.
    changing: tokio::sync::Mutex<()>,
    host: Mutex<Option<Host>>,
    port: Port,
    /// Those between the servers of an ensemble.
    _more_ports: Vec<Port>,
    /// Goes last.
    home: Home,
}

/// Where the data is.
#[derive(Debug)]
pub(crate) enum Home {
    /// In a directory that goes with the server.
    Temporary(TempDir),
    /// Somewhere that the caller chose.
    Kept(PathBuf),
}

impl Home {
    pub(crate) fn of(dir: Option<&Path>) -> Result<Self, Error> {
        match dir {
            Some(dir) => std::fs::create_dir_all(dir).map(|()| Self::Kept(dir.to_owned())),
            None => tempfile::Builder::new().prefix("zabra-embedded-").tempdir().map(Self::Temporary),
        }
        .map_err(Error::Directory)
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Temporary(dir) => dir.path(),
            Self::Kept(dir) => dir,
        }
    }
}

impl Server {
    /// Starts a server on a free port, with no data.
    ///
    /// # Errors
    /// See [`Error`]; nothing keeps running then.
    pub async fn start() -> Result<Self, Error> {
        Self::builder().start().await
    }

    /// For a server that is to be different.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(config: Config, durable: bool, port: Port, home: Home) -> Self {
        Self {
            config,
            durable,
            changing: tokio::sync::Mutex::default(),
            host: Mutex::default(),
            port,
            _more_ports: Vec::new(),
            home,
        }
    }

    /// Keeps more ports for as long as it lives.
    pub(crate) fn with_ports(mut self, ports: [Port; 2]) -> Self {
        self._more_ports.extend(ports);
        self
    }

    /// What a client connects to: `127.0.0.1:` and the port. The same for its whole life.
    pub fn connect_string(&self) -> String {
        self.address().to_string()
    }

    /// The same as an address.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Where the data is.
    pub fn data_dir(&self) -> &Path {
        self.home.path()
    }

    /// Whether it runs: it was neither stopped nor killed.
    pub fn is_running(&self) -> bool {
        self.host().is_some()
    }

    /// Ends the server as `kill -9` does: connections break, what it was about to write or send is lost, nothing more
    /// reaches the disk or a client. Nothing if it does not run.
    pub async fn kill(&self) {
        let _changing = self.changing.lock().await;
        let host = self.host().clone();
        if let Some(host) = host {
            host.kill().await;
            *self.host() = None;
        }
    }

    /// Ends the server in good order: what is under way is finished and answered. Nothing if it does not run.
    pub async fn stop(&self) {
        let _changing = self.changing.lock().await;
        let host = self.host().clone();
        if let Some(host) = host {
            host.stop().await;
            *self.host() = None;
        }
    }

    /// Starts the server again, on the same port and the same data. One that runs is stopped first.
    ///
    /// Sessions have their whole timeout again to come back.
    ///
    /// # Errors
    /// The data cannot be read or the port not be bound.
    pub async fn restart(&self) -> Result<(), Error> {
        self.stop().await;
        let _changing = self.changing.lock().await;
        if self.is_running() {
            return Err(Error::Running);
        }
        let host = Host::start(self.config.clone(), self.durable).await?;
        debug_assert_eq!(host.client_address(), self.address());
        *self.host() = Some(host);
        Ok(())
    }

    /// Freezes the server as `SIGSTOP` does: connections stand, and nothing is heard of it. Only [`Server::resume`],
    /// [`Server::stop`] and [`Server::kill`] help; what else is asked of it waits.
    pub async fn pause(&self) {
        let host = self.host().clone();
        if let Some(host) = host {
            host.pause().await;
        }
    }

    /// Lets a paused server go on. Time has passed for it: sessions may be over.
    pub fn resume(&self) {
        if let Some(host) = &*self.host() {
            host.resume();
        }
    }

    /// Ends a session at once, as if its client had been silent for the whole timeout: its ephemeral nodes are gone when
    /// this returns, and its client learns of it when it next connects.
    ///
    /// # Errors
    /// There is no such session, or the server does not run. A member of an ensemble judges sessions only while it
    /// leads: see [`Ensemble::expire`](crate::Ensemble::expire).
    pub async fn expire(&self, session: SessionId) -> Result<(), Error> {
        let host = self.running()?;
        if !host.with(move |server| server.expire(session)).await? {
            return Err(Error::NoSession(session));
        }
        self.wait_ended(session).await
    }

    /// Ready when the server has applied the end of a session.
    pub(crate) async fn wait_ended(&self, session: SessionId) -> Result<(), Error> {
        let over = self.running()?.until(EXPIRY_MAX, move |server| !server.has_session(session)).await?;
        if over { Ok(()) } else { Err(Error::StillThere { session, waited: EXPIRY_MAX }) }
    }

    /// Whether the server knows a session.
    ///
    /// # Errors
    /// It does not run.
    pub async fn has_session(&self, session: SessionId) -> Result<bool, Error> {
        self.running()?.with(move |server| server.has_session(session)).await
    }

    /// Breaks the connection of a session, which lives on: its client will connect again.
    ///
    /// # Errors
    /// The session has no connection to this server, or the server does not run.
    pub async fn cut(&self, session: SessionId) -> Result<(), Error> {
        let cut = self.running()?.with(move |server| server.cut(session)).await?;
        if cut { Ok(()) } else { Err(Error::NoSession(session)) }
    }

    /// Breaks every client's connection; sessions live on. Returns how many there were.
    pub async fn cut_all(&self) -> usize {
        let Ok(host) = self.running() else { return 0 };
        host.with(zabra_server::Server::cut_all).await.unwrap_or(0)
    }

    /// What it is in its ensemble; none when it does not run or is paused.
    pub async fn standing(&self) -> Option<Standing> {
        self.awake()?.with(zabra_server::Server::standing).await.ok()
    }

    /// Ready when it serves clients; false when it does not in time.
    pub(crate) async fn wait_serving(&self, within: Duration) -> Result<bool, Error> {
        self.running()?.until(within, |server| server.is_serving()).await
    }

    /// Ready when it leads, or after a while.
    pub(crate) async fn wait_leading(&self, within: Duration) -> Result<bool, Error> {
        self.running()?.until(within, |server| server.standing() == Standing::Leading).await
    }

    /// Whether it runs and is not paused.
    pub(crate) fn is_awake(&self) -> bool {
        self.awake().is_some()
    }

    fn awake(&self) -> Option<Host> {
        self.host().clone().filter(|host| !host.is_paused())
    }

    fn running(&self) -> Result<Host, Error> {
        self.host().clone().ok_or(Error::NotRunning)
    }

    fn host(&self) -> MutexGuard<'_, Option<Host>> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let host = self.host().take();
        if let Some(host) = host {
            host.kill_and_wait();
        }
    }
}
