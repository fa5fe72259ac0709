//! The settings of a client.

use crate::client::bad_connect_string;
use crate::core::{Core, CoreOptions, Credentials};
use crate::driver::{Dial, Driver, Tcp};
use crate::handle::Session;
use crate::sasl::SaslMechanism;
use crate::view::View;
use crate::{Client, ConnectString, Error, Outcome, RetryPolicy, SessionState, SessionTicket};
use std::sync::Arc;
use std::time::Duration;
use zabra_proto::FRAME_LEN_MAX_DEFAULT;

/// Asked for unless told otherwise.
const SESSION_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// The longest one the protocol has room for: 24 days.
const SESSION_TIMEOUT_MAX: Duration = Duration::from_millis(i32::MAX as u64);
/// Requests without an answer, unless told otherwise.
const PENDING_MAX_DEFAULT: usize = 1 << 16;

/// The settings of a client to be; see [`Client::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it connects"]
pub struct ClientBuilder {
    options: CoreOptions,
    retry: Option<RetryPolicy>,
    pending_max: usize,
    dial: Arc<dyn Dial>,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            options: CoreOptions {
                session_timeout: SESSION_TIMEOUT_DEFAULT,
                connect_timeout: None,
                connect_within: None,
                read_only: false,
                renew_expired: true,
                reset_watches: true,
                shuffle: true,
                packet_len_max: FRAME_LEN_MAX_DEFAULT,
                ticket: None,
                auth: Vec::new(),
                sasl: None,
            },
            retry: None,
            pending_max: PENDING_MAX_DEFAULT,
            dial: Arc::new(Tcp),
        }
    }
}

impl ClientBuilder {
    /// The session time-out to ask for; 30 seconds if not set. The server may decide on another one.
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.options.session_timeout = timeout.min(SESSION_TIMEOUT_MAX);
        self
    }

    /// How long to try for a first connection, and how long requests wait for one later; for ever if not set, or until
    /// the session is over.
    pub fn connect_within(mut self, limit: Duration) -> Self {
        self.options.connect_within = Some(limit);
        self
    }

    /// How long one server may take for each step of a connection; the session time-out divided by the number of servers
    /// if not set.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.options.connect_timeout = Some(limit);
        self
    }

    /// Whether a server that is cut off from its ensemble will do until another is found.
    pub fn read_only(mut self, allowed: bool) -> Self {
        self.options.read_only = allowed;
        self
    }

    /// Credentials to show to every server, such as `digest` and `user:password`. Can be given several times.
    pub fn auth(mut self, scheme: &str, auth: impl Into<Vec<u8>>) -> Self {
        self.options.auth.push(Credentials { scheme: scheme.to_owned(), auth: auth.into() });
        self
    }

    /// Proves an identity to every server before anything is asked of it. What servers do not accept ends the client.
    ///
    /// ```
    /// use zabra_client::{Client, sasl::DigestMd5};
    ///
    /// let builder = Client::builder().sasl(DigestMd5::new("ann", "correct horse"));
    /// # let _ = builder;
    /// ```
    pub fn sasl(mut self, mechanism: impl SaslMechanism) -> Self {
        self.options.sasl = Some(Arc::new(mechanism));
        self
    }

    /// Whether a session that expires is followed by another; it is if not set.
    pub fn renew_expired(mut self, renew: bool) -> Self {
        self.options.renew_expired = renew;
        self
    }

    /// Goes on with a session of another client. Connecting fails when that session is over.
    pub fn session(mut self, ticket: SessionTicket) -> Self {
        self.options.ticket = Some(ticket);
        self
    }

    /// The longest request, in bytes (`jute.maxbuffer` of the servers); 1,048,575 if not set.
    pub fn packet_len_max(mut self, len: usize) -> Self {
        self.options.packet_len_max = len;
        self
    }

    /// Whether watches are set again on a new connection; they are if not set. Otherwise a lost connection ends them.
    pub fn reset_watches(mut self, reset: bool) -> Self {
        self.options.reset_watches = reset;
        self
    }

    /// Whether servers are tried in an order of this client's own rather than as written; they are if not set.
    pub fn shuffle(mut self, shuffle: bool) -> Self {
        self.options.shuffle = shuffle;
        self
    }

    /// When failed requests are sent again; never if not set.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// How many requests may be without an answer; 65,536 if not set. Those beyond fail with [`Error::Overloaded`].
    pub fn pending_max(mut self, max: usize) -> Self {
        self.pending_max = max;
        self
    }

    /// How connections are made; plain TCP if not set.
    pub fn dial(mut self, dial: impl Dial) -> Self {
        self.dial = Arc::new(dial);
        self
    }

    /// Connects, and waits until there is a session.
    ///
    /// # Errors
    /// The connect string makes no sense; no server gives a session in the time set; the session to go on with is over;
    /// a server refuses the credentials.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn connect(self, servers: &str) -> Result<Client, Error> {
        let within = self.options.connect_within;
        let client = self.start(servers)?;
        let mut states = client.states();
        let connected = async {
            // The driver may have been quicker than the subscription.
            let mut state = client.state();
            loop {
                let outcome = Outcome::DidNotHappen;
                let (op, path) = ("connect", servers.to_owned());
                match state {
                    state if state.is_connected() => return Ok(()),
                    SessionState::Expired => return Err(Error::SessionExpired { outcome, op, path }),
                    SessionState::AuthFailed => {
                        let reason = client.obstacle().unwrap_or_default();
                        return Err(Error::AuthFailed { reason, outcome, op, path });
                    }
                    SessionState::Closed => return Err(Error::SessionClosed { outcome, op, path }),
                    _ => {}
                }
                state = states.next().await.unwrap_or(SessionState::Closed);
            }
        };
        match within {
            None => connected.await?,
            Some(within) => tokio::time::timeout(within, connected).await.unwrap_or_else(|_| {
                let last = client.obstacle().unwrap_or_else(|| "no server was tried yet".to_owned());
                Err(Error::CannotConnect { within, last })
            })?,
        }
        Ok(client)
    }

    /// A client that connects while it is being used: requests wait for the connection.
    ///
    /// # Errors
    /// The connect string makes no sense.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(self, servers: &str) -> Result<Client, Error> {
        let ConnectString { hosts, chroot } = servers.parse().map_err(bad_connect_string)?;
        let mut view = View { retry: self.retry.map(Arc::new), ..View::default() };
        if !chroot.is_empty() {
            view = view.below(&chroot)?;
        }
        let runtime = tokio::runtime::Handle::current();
        let (session, wishes, shared) = Session::new(&self.options, self.pending_max, runtime.clone());
        let seed = fastrand::u64(..);
        let options = self.options;
        let driver = Driver::new(|now| Core::new(options, hosts, seed, now), self.dial, wishes, shared);
        runtime.spawn(driver.run());
        Ok(Client { session, view })
    }
}
