//! The admin HTTP server and the four-letter words.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Endpoint;

/// The admin HTTP server. Mirrors `JettyAdminServer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Whether it runs (`admin.enableServer`).
    pub enabled: bool,
    /// Where it listens (`admin.serverAddress`, `admin.serverPort`).
    pub listen: Endpoint,
    /// What happens when that port is taken.
    pub busy_port: BusyPort,
    /// How long a connection may idle (`admin.idleTimeout`).
    pub idle_timeout: Duration,
    /// The path before a command's name (`admin.commandURL`).
    pub command_url: String,
    /// Whether the port takes TLS as well (`admin.portUnification`).
    pub port_unification: bool,
    /// Whether the port takes only TLS (`admin.forceHttps`).
    pub force_https: bool,
    /// Whether a TLS client needs a certificate (`admin.needClientAuth`).
    pub need_client_auth: bool,
    /// Whether the snapshot command works (`admin.snapshot.enabled`).
    pub snapshot_enabled: bool,
    /// Whether the restore command works (`admin.restore.enabled`).
    pub restore_enabled: bool,
    /// The least time between two restores (`admin.rateLimiterIntervalInMS`). The Java server takes the same
    /// number as microseconds for snapshots: see [`Admin::snapshot_interval`].
    pub rate_limiter_interval: Duration,
}

impl Admin {
    /// The least time between two snapshots, the unit slip of the original included.
    pub fn snapshot_interval(&self) -> Duration {
        self.rate_limiter_interval / 1000
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: Endpoint::new(super::Host::new("0.0.0.0"), 8080),
            busy_port: BusyPort::Fatal,
            idle_timeout: Duration::from_secs(30),
            command_url: "/commands".to_owned(),
            port_unification: false,
            force_https: false,
            need_client_auth: false,
            snapshot_enabled: true,
            restore_enabled: true,
            rate_limiter_interval: Duration::from_secs(300),
        }
    }
}

/// What happens when the admin port is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusyPort {
    /// The server does not start: somebody asked for this port.
    Fatal,
    /// The server says so and goes on without the admin server: nobody asked for it.
    GoOnWithout,
}

/// Which four-letter words are answered (`4lw.commands.whitelist`). `srvr` always is, and `isro` with read-only
/// mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FourLetterWords {
    /// All (`*`).
    All,
    /// These, and the ones that always are.
    Listed(BTreeSet<String>),
}

impl Default for FourLetterWords {
    fn default() -> Self {
        Self::Listed(BTreeSet::from(["srvr".to_owned()]))
    }
}

impl FourLetterWords {
    /// Whether `word` is answered.
    pub fn allows(&self, word: &str) -> bool {
        match self {
            Self::All => true,
            Self::Listed(words) => words.contains(word),
        }
    }
}
