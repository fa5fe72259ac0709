//! The shell's session with its servers.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use zabra_client::{Client, Error, SessionState};
use zabra_types::KeeperError;

use super::client_configuration::ClientConfiguration;
use super::fault::{Fault, java_name, keeper_message};
use super::options::Options;
use super::path;
use super::watches::Watches;

/// How the session stands, in the words of the prompt (`ZooKeeper.States`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No server yet, or not at the moment.
    Connecting,
    /// A server answers.
    Connected,
    /// A server answers reads.
    ConnectedReadOnly,
    /// The session is over.
    Closed,
    /// A server refused an authentication.
    AuthFailed,
}

impl State {
    /// Whether only another session helps.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Closed | Self::AuthFailed)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "CONNECTING",
            Self::Connected => "CONNECTED",
            Self::ConnectedReadOnly => "CONNECTEDREADONLY",
            Self::Closed => "CLOSED",
            Self::AuthFailed => "AUTH_FAILED",
        })
    }
}

/// The session, and what it takes to begin another.
#[derive(Debug)]
pub(crate) struct Link {
    options: Options,
    configuration: ClientConfiguration,
    watches: Watches,
    server: String,
    current: Watcher,
    /// Tells of the session's changes.
    teller: Option<JoinHandle<()>>,
}

/// A look at the session from elsewhere. It follows the shell to later sessions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watcher {
    current: Arc<Mutex<Option<Current>>>,
}

#[derive(Clone, Debug)]
struct Current {
    client: Client,
    since: Instant,
    servers: u32,
    /// Whether it has been connected and that has been told. Until then no server may be there at all.
    connected: watch::Receiver<bool>,
}

/// How long a closed session may take to say so.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long a server that answers may still be out of reach before a command without a person gives up.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);
/// How often to look whether a server is out of reach.
const LOOK: Duration = Duration::from_millis(50);

impl Link {
    /// No session yet.
    pub(crate) fn new(options: Options, watches: Watches) -> Result<Self, Fault> {
        let configuration = match &options.client_configuration {
            Some(file) => ClientConfiguration::load(file)?,
            None => ClientConfiguration::default(),
        };
        let server = options.server.clone();
        Ok(Self { options, configuration, watches, server, current: Watcher::default(), teller: None })
    }

    /// Begins a session with these servers, after the end of the one before. Waits for it if the options say so.
    pub(crate) async fn open(&mut self, server: &str) -> Result<(), Fault> {
        self.close().await;
        server.clone_into(&mut self.server);
        let builder = Client::builder()
            .session_timeout(self.options.timeout)
            .read_only(self.options.read_only)
            .renew_expired(false);
        let builder = self.configuration.apply(builder);
        let client = builder.start(server).map_err(|error| fault_of(&error, None))?;
        let mut states = client.states();
        let (seen, connected) = watch::channel(false);
        // The driver may have been quicker than the subscription.
        let first = Some(client.state()).filter(|state| state.is_connected());
        let first = first.filter(|_| states.try_next().is_none_or(|told| told.is_connected()));
        let watches = self.watches.clone();
        self.teller = Some(tokio::spawn(async move {
            let mut next = first;
            loop {
                let state = match next.take() {
                    Some(first) => first,
                    None => match states.next().await {
                        Some(state) => state,
                        None => return,
                    },
                };
                watches.session(state);
                if state.is_connected() {
                    seen.send_replace(true);
                }
                if state.is_over() {
                    return;
                }
            }
        }));
        let servers = u32::try_from(server.split(',').count()).unwrap_or(u32::MAX);
        *self.current.lock() = Some(Current { client, since: Instant::now(), servers, connected });
        if self.options.wait_for_connection { self.wait().await } else { Ok(()) }
    }

    async fn wait(&mut self) -> Result<(), Fault> {
        if self.settle(self.options.timeout).await {
            return Ok(());
        }
        let obstacle = self.current.obstacle();
        self.close().await;
        Err(Fault::new(format!(
            "{}: no session with {} within {} ms ({obstacle})",
            keeper_message("ConnectionLoss", None),
            self.server,
            self.options.timeout.as_millis()
        )))
    }

    /// Waits until a server has answered and that has been told; no longer than this. Whether one has.
    pub(crate) async fn settle(&self, within: Duration) -> bool {
        let Some(mut connected) = self.current.lock().as_ref().map(|current| current.connected.clone())
        else {
            return false;
        };
        // The other end is gone when the session is over.
        let settled = tokio::time::timeout(within, connected.wait_for(|connected| *connected)).await;
        matches!(settled, Ok(Ok(_)))
    }

    /// The client, whose requests wait for a connection if there is none.
    pub(crate) fn client(&self) -> Result<Client, Fault> {
        self.current.client().ok_or_else(|| Fault::new("Not connected"))
    }

    /// The servers, as they were named.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// How the session stands.
    pub(crate) fn state(&self) -> State {
        self.current.state()
    }

    /// A look at the session for others.
    pub(crate) fn watcher(&self) -> Watcher {
        self.current.clone()
    }

    /// Ends the session and waits until that has been told.
    pub(crate) async fn close(&mut self) {
        if let Some(client) = self.current.client().filter(|_| !self.state().is_over()) {
            if client.state().is_connected() {
                // Nobody can be told when there is no server; the session times out then.
                let _ = tokio::time::timeout(FAREWELL, client.close()).await;
            } else {
                let _ = tokio::time::timeout(FAREWELL, client.detach()).await;
            }
            *self.current.lock() = None;
        }
        if let Some(mut teller) = self.teller.take()
            && tokio::time::timeout(FAREWELL, &mut teller).await.is_err()
        {
            teller.abort();
        }
    }

    /// Ends the session without a word, or leaves it to its time-out.
    pub(crate) async fn leave(&mut self, keep: bool) {
        if let Some(teller) = self.teller.take() {
            teller.abort();
        }
        let Some(client) = self.current.client().filter(|client| client.state().is_connected()) else {
            return;
        };
        let ended = async { if keep { client.detach().await } else { client.close().await } };
        let _ = tokio::time::timeout(FAREWELL, ended).await;
    }
}

impl Watcher {
    /// The client if a server answers right now.
    pub(crate) fn client_now(&self) -> Option<Client> {
        self.client().filter(|client| client.state().is_connected())
    }

    /// How the session stands.
    pub(crate) fn state(&self) -> State {
        match self.client().map(|client| client.state()) {
            None | Some(SessionState::Closed | SessionState::Expired) => State::Closed,
            Some(SessionState::AuthFailed) => State::AuthFailed,
            Some(SessionState::ConnectedReadOnly) => State::ConnectedReadOnly,
            Some(state) if state.is_connected() => State::Connected,
            Some(_) => State::Connecting,
        }
    }

    /// Why there is no connection.
    pub(crate) fn obstacle(&self) -> String {
        self.client()
            .and_then(|client| client.obstacle())
            .unwrap_or_else(|| "no server has answered yet".to_owned())
    }

    /// Resolves once it is plain that no server can be reached: each of them has had its chance, and what stood in the way
    /// is known. Never for a session that was connected before.
    pub(crate) async fn unreachable(&self) -> String {
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(current) = self.lock().clone() else { continue };
            let waited = current.since.elapsed() > REFUSED_WITHIN * current.servers;
            let connected = *current.connected.borrow();
            if let Some(obstacle) = current.client.obstacle().filter(|_| waited && !connected) {
                return obstacle;
            }
        }
    }

    fn client(&self) -> Option<Client> {
        self.lock().as_ref().map(|current| current.client.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What zkCli says about a failed request.
pub(crate) fn fault_of(error: &Error, path: Option<&str>) -> Fault {
    match error {
        Error::ConnectionLost { .. } => {
            let fault = Fault::new(keeper_message("ConnectionLoss", path));
            if error.outcome() == zabra_client::Outcome::Unknown {
                return fault.hint("it may have been done or not");
            }
            fault
        }
        Error::SessionExpired { .. } | Error::SessionClosed { .. } => {
            Fault::new(keeper_message(java_name(KeeperError::SessionExpired), path))
        }
        Error::AuthFailed { .. } => Fault::new(keeper_message(java_name(KeeperError::AuthFailed), path)),
        Error::BadPath { path, .. } => {
            path::check(path).err().unwrap_or_else(|| Fault::new(error.to_string()))
        }
        other => match other.keeper() {
            Some(refused) => Fault::keeper(refused, path),
            None => Fault::new(other.to_string()),
        },
    }
}
