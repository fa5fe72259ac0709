//! What a configuration means, in types. Nothing in here knows how a file spells it.

mod access;
mod address;
mod admin;
mod ensemble;
mod listen;
mod observe;
mod quorum;
mod requests;
mod session;
mod storage;
mod tls;
mod tree;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use access::{
    Access, AuthProvider, DigestAlgorithm, DigestAuth, EnforcedAuth, ProviderClass, Sasl, Secret, SuperUsers,
};
pub use address::{Endpoint, Host};
pub use admin::{Admin, BusyPort, FourLetterWords};
pub use ensemble::{Ensemble, Membership, Mode, PeerAddress, PeerRole, ServerSpec};
pub use listen::Listen;
pub use observe::{Audit, MessageTracker, Metrics, MetricsProvider, PathStats};
pub use quorum::{MultiAddress, QuorumAuth, QuorumSettings};
pub use requests::{ConnectionThrottle, LargeRequests, RequestThrottle, Requests};
pub use session::Sessions;
pub use storage::{Purge, SnapshotCompression, Storage};
pub use tls::{ClientAuth, Tls, TlsStore};
pub use tree::{Containers, Tree};

/// Everything a server is told before it starts.
///
/// Mirrors `QuorumPeerConfig` and `ServerConfig` together with the system properties that the Java server reads
/// all over its code. [`Config::default`] is the embedded server: standalone, loopback, data under
/// `./zabra-data`. What a file leaves out falls back to `Config::unset`, the built-in values of the Java server.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the configuration came from.
    pub source: Source,
    /// Alone or a member of an ensemble.
    pub mode: Mode,
    /// Where clients connect, and how many may.
    pub listen: Listen,
    /// The tick and the bounds of session time-outs.
    pub sessions: Sessions,
    /// Directories, transaction log, snapshots, purging.
    pub storage: Storage,
    /// How requests are admitted and held back.
    pub requests: Requests,
    /// What the tree of znodes allows; containers and TTL nodes.
    pub tree: Tree,
    /// Who may do what: ACL switches, authentication providers, super users.
    pub access: Access,
    /// TLS on the client ports.
    pub client_tls: Tls,
    /// TLS between servers and on the admin port.
    pub quorum_tls: Tls,
    /// The admin HTTP server.
    pub admin: Admin,
    /// Which four-letter words are answered.
    pub four_letter_words: FourLetterWords,
    /// How metrics leave the server.
    pub metrics: Metrics,
    /// The audit log.
    pub audit: Audit,
    /// Sampling of requests by path.
    pub path_stats: PathStats,
    /// The last packets of each learner, kept for logs.
    pub message_tracker: MessageTracker,
    /// Everything about other servers except who they are, which is in [`Mode::Ensemble`].
    pub quorum: QuorumSettings,
    /// Whether membership may change at run time (`reconfigEnabled`).
    pub reconfig_enabled: bool,
    /// Whether read-only clients are served while cut off from the quorum (`readonlymode.enabled`).
    pub read_only_mode: bool,
    /// Every Java system property that the flags and the file amount to, by full name
    /// (`zookeeper.snapCount`). Keys that the server does not know are here only.
    pub system_properties: BTreeMap<String, String>,
}

/// Where a configuration came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody gave one.
    Embedded,
    /// A file in the format of `zoo.cfg`.
    File {
        /// As it was named on the command line.
        path: PathBuf,
        /// What it said when it was read, for the admin command `initial_configuration`.
        text: String,
    },
    /// `port dataDir [tickTime] [maxClientCnxns]`.
    Arguments,
}

impl Source {
    /// The text that the admin command `initial_configuration` shows.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::File { text, .. } => Some(text),
            Self::Embedded | Self::Arguments => None,
        }
    }
}

impl Default for Config {
    /// The embedded server: standalone on 127.0.0.1:2181, data under `./zabra-data`, admin server on
    /// 127.0.0.1:8080 unless somebody else has that port.
    fn default() -> Self {
        let mut config = Self::unset();
        config.listen.client = Some(Endpoint::loopback(2181));
        config.storage.data_dir = PathBuf::from("./zabra-data");
        config.storage.data_log_dir = config.storage.data_dir.clone();
        config.admin.listen = Endpoint::loopback(8080);
        config.admin.busy_port = BusyPort::GoOnWithout;
        config
    }
}

impl Config {
    /// What holds for keys that a file does not mention. There is no client port and no data directory yet.
    pub(crate) fn unset() -> Self {
        Self {
            source: Source::Embedded,
            mode: Mode::Standalone,
            listen: Listen::default(),
            sessions: Sessions::default(),
            storage: Storage::default(),
            requests: Requests::default(),
            tree: Tree::default(),
            access: Access::default(),
            client_tls: Tls::client(),
            quorum_tls: Tls::quorum(),
            admin: Admin::default(),
            four_letter_words: FourLetterWords::default(),
            metrics: Metrics::default(),
            audit: Audit::default(),
            path_stats: PathStats::default(),
            message_tracker: MessageTracker::default(),
            quorum: QuorumSettings::default(),
            reconfig_enabled: false,
            read_only_mode: false,
            system_properties: BTreeMap::new(),
        }
    }
}
