//! Starting and stopping a server.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::watch;
use tracing::{error, info, warn};
use zabra_node::{Preparer, SessionTracker};
use zabra_storage::{
    Disk, EpochError, MemberError, Origin, RealDisk, RecoverError, RecoveredMember, RecoveryReport, TxnLog,
};
use zabra_types::{ServerId, Zxid};

use crate::clock::Clock;
use crate::config::{Config, Endpoint, Mode, Refusal};
use crate::conn::{Waker, Wakes};
use crate::core::{Brain, Core, CoreParts};
use crate::ensemble::requests::Part;
use crate::ensemble::{self, Ensemble, run_store};
use crate::pipeline::run_log;
use crate::snapshots::{Logged, Snapshots};
use crate::stats::millis;
use crate::{admin, audit, background, http, listener, options, prometheus};

/// The server id in the session ids of a standalone server, as the genuine one has it.
const STANDALONE_ID: ServerId = ServerId::new(1);

/// How long a connection to the metrics port may idle, as with the genuine server's Jetty.
const METRICS_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a member of an ensemble waits for the others to decide what is under way.
const FINISHING_MAX: Duration = Duration::from_millis(500);
/// How long the connections may take at the end to send the last replies.
const PARTING_MAX: Duration = Duration::from_secs(1);
/// How long a standalone server waits for a snapshot that is being written, which spares the next start work.
const SNAPSHOT_MAX: Duration = Duration::from_secs(2);
/// It looks this often.
const SNAPSHOT_LOOK: Duration = Duration::from_millis(5);

/// Why a server does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The configuration asks for what this version cannot do.
    #[error("{}", refusal_list(.0))]
    Refused(Vec<Refusal>),
    /// The data cannot be read, or the directory not used.
    #[error("cannot start on {}", .data_dir.display())]
    Data {
        /// The data directory.
        data_dir: PathBuf,
        /// What is wrong with it.
        source: RecoverError,
    },
    /// There is no data, and `db.autocreate=false` forbids to begin with none.
    #[error(
        "{} has no database, and db.autocreate=false says that there must be one; \
         restore it, or create an empty file named initialize in dataLogDir to begin with none",
        .data_dir.display()
    )]
    NoDatabase {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// What a member of an ensemble promised before cannot be read.
    #[error("cannot start on {}", .data_dir.display())]
    Epochs {
        /// The data directory.
        data_dir: PathBuf,
        /// What is wrong with it.
        source: EpochError,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// The admin server cannot start.
    #[error("cannot start the admin server on {endpoint} (admin.serverPort)")]
    Admin {
        /// Where.
        endpoint: Endpoint,
        /// What the system says.
        source: io::Error,
    },
    /// A port cannot be bound.
    #[error("cannot listen on {endpoint} ({key}); is another server running there?")]
    Bind {
        /// The key that asks for it.
        key: &'static str,
        /// Where.
        endpoint: Endpoint,
        /// What the system says.
        source: io::Error,
    },
    /// The configuration names no client port.
    #[error("no clientPort is configured; nobody could connect")]
    NoClientPort,
}

fn refusal_list(refusals: &[Refusal]) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// How a running server came to an end.
#[derive(Debug, Error)]
pub enum Stopped {
    /// It could not go on.
    #[error("{0}")]
    Failed(String),
}

/// What a server found when it started.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// The last transaction.
    pub last_zxid: Zxid,
    /// The snapshot it began from.
    pub snapshot: Option<PathBuf>,
    /// Transactions replayed after it.
    pub txns_replayed: u64,
    /// Nodes in the tree, as `srvr` counts them.
    pub node_count: u64,
    /// Sessions that may come back.
    pub session_count: usize,
    /// How long it took.
    pub took: Duration,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    core: Arc<Core>,
    recovery: Recovery,
    client_address: SocketAddr,
    admin_address: Option<SocketAddr>,
    metrics_address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    log_thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Recovers the data, opens the ports and serves. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`]; nothing keeps running then.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_on(config, Arc::new(RealDisk)).await
    }

    /// The same on a disk of the caller's choice, which tests make fail.
    ///
    /// # Errors
    /// See [`StartError`]; nothing keeps running then.
    pub async fn start_on(config: Config, disk: Arc<dyn Disk>) -> Result<Self, StartError> {
        let audited = config.audit.enabled;
        let started = Self::begin(config, disk).await;
        if audited {
            audit::log_start(started.is_ok());
        }
        started
    }

    async fn begin(config: Config, disk: Arc<dyn Disk>) -> Result<Self, StartError> {
        let refusals = config.refusals();
        if !refusals.is_empty() {
            return Err(StartError::Refused(refusals));
        }
        let endpoint = config.listen.client.clone().ok_or(StartError::NoClientPort)?;
        // The port comes first: a second server on the same configuration must not touch the data of the first.
        let listener = listener::bind(&endpoint, config.listen.backlog)
            .map_err(|source| StartError::Bind { key: "clientPort", endpoint: endpoint.clone(), source })?;
        let client_address = listener.local_addr().map_err(|source| StartError::Bind {
            key: "clientPort",
            endpoint,
            source,
        })?;

        let admin = http::bind_admin(&config.admin)?;
        let metrics = http::bind_metrics(&config.metrics)?;

        let Parts { core, wakes, recovery, log, replayed } = recover(config, disk)?;
        let core = Arc::new(core);
        // Set once, here.
        let _ = core.client_address.set(client_address);
        let (stop, stopped) = watch::channel(false);
        let log_thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn({
                let core = Arc::clone(&core);
                let snapshots = Snapshots::new(&core, replayed);
                move || match &core.ensemble {
                    None => run_log(&core, log, snapshots),
                    Some(ensemble) => run_store(&core, ensemble, log, snapshots),
                }
            })
            .map_err(StartError::Thread)?;
        tokio::spawn(wakes.run());
        background::start(&core, &stopped);
        ensemble::begin(&core, &stopped);
        let admin_address = admin.map(|listener| {
            http::start(listener, admin::router(Arc::clone(&core)), core.config.admin.idle_timeout, &stopped)
        });
        let metrics_address = metrics.map(|listener| {
            http::start(listener, prometheus::router(Arc::clone(&core)), METRICS_IDLE_TIMEOUT, &stopped)
        });
        tokio::spawn(listener::accept(Arc::clone(&core), listener, stopped));
        Ok(Self {
            core,
            recovery,
            client_address,
            admin_address,
            metrics_address,
            stop,
            log_thread: Some(log_thread),
        })
    }

    /// What it found when it started.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Where clients connect; the port the system chose if the configuration said 0.
    pub fn client_address(&self) -> SocketAddr {
        self.client_address
    }

    /// Where the admin server answers, if it runs.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Where the metrics are, if they have a port.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// How it was told to be.
    pub fn config(&self) -> &Config {
        &self.core.config
    }

    /// Serves until `shutdown` is ready or the server fails.
    ///
    /// # Errors
    /// The server could not go on; everything it acknowledged is on disk.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<(), Stopped> {
        let mut failure = self.core.failure();
        tokio::select! {
            () = shutdown => {}
            _ = failure.wait_for(Option::is_some) => {}
        }
        self.stop().await
    }

    /// Takes no more requests, finishes those under way, and ends.
    ///
    /// # Errors
    /// The server had failed before.
    pub async fn stop(mut self) -> Result<(), Stopped> {
        if self.core.config.audit.enabled {
            audit::log_stop();
        }
        if self.core.is_member() {
            // The other servers are needed to finish what is under way.
            self.core.drain();
            let _ = tokio::time::timeout(FINISHING_MAX, self.core.finish()).await;
        }
        self.stop.send_replace(true);
        self.core.drain();
        let drain_max = self.core.config.requests.shutdown_timeout;
        let drained = tokio::time::timeout(drain_max, self.core.throttler.idle()).await;
        self.core.close();
        if drained.is_err() {
            warn!("dropping requests that still wait for the throttler (request_throttler.shutdownTimeout)");
        }
        if let Some(thread) = self.log_thread.take() {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                warn!("the log thread ended unexpectedly");
            }
        }
        // Clients that do not listen are not waited for.
        let _ = tokio::time::timeout(PARTING_MAX, self.core.part()).await;
        self.core.end();
        if !self.core.is_member() {
            let finished = async {
                while self.core.snapshotting.has_begun() {
                    tokio::time::sleep(SNAPSHOT_LOOK).await;
                }
            };
            // One that takes longer is not missed: the log has everything.
            let _ = tokio::time::timeout(SNAPSHOT_MAX, finished).await;
        }
        match self.core.failure().borrow().clone() {
            Some(why) => Err(Stopped::Failed(why)),
            None => Ok(()),
        }
    }
}

impl Server {
    /// Ends without a word to anybody, finishing nothing, and waits for the log thread. For tests that have taken away
    /// the disk and the runtime that this server runs on.
    pub fn abandon(mut self) {
        self.stop.send_replace(true);
        self.core.end();
        if let Some(thread) = self.log_thread.take() {
            // It has told why it ended, if there is something to tell.
            let _ = thread.join();
        }
    }
}

/// What recovery hands on.
struct Parts {
    core: Core,
    wakes: Wakes,
    recovery: Recovery,
    log: TxnLog,
    replayed: Logged,
}

fn recover(config: Config, disk: Arc<dyn Disk>) -> Result<Parts, StartError> {
    let start = Instant::now();
    let failed = |source| StartError::Data { data_dir: config.storage.data_dir.clone(), source };
    let mut replayed = Logged::default();
    let mut replay_begun = None;
    let settings = match &config.mode {
        Mode::Ensemble(settings) => Some(settings.as_ref().clone()),
        Mode::Standalone => None,
    };
    let note = |_, payload: &[u8]| {
        replay_begun.get_or_insert_with(Instant::now);
        replayed.entries += 1;
        replayed.bytes += payload.len() as u64;
    };
    let recover = options::recover(&config);
    let (recovered, found) = match &settings {
        None => (zabra_storage::recover(&disk, &recover, note).map_err(failed)?, None),
        Some(_) => {
            let found =
                zabra_storage::recover_member(&disk, &recover, ensemble::recent_limits(&config), note);
            let RecoveredMember { recovered, epochs, recent, base } = found.map_err(|error| match error {
                MemberError::Recover(source) => failed(source),
                MemberError::Epochs(source) => {
                    StartError::Epochs { data_dir: config.storage.data_dir.clone(), source }
                }
            })?;
            (recovered, Some((epochs, recent, base)))
        }
    };
    let restored = Instant::now();
    let replay_begun = replay_begun.unwrap_or(restored);
    let report = recovered.report;
    tell(&report);
    // A member without a database waits for a leader to give it one.
    if report.origin == Origin::Missing && settings.is_none() {
        return Err(StartError::NoDatabase { data_dir: config.storage.data_dir.clone() });
    }
    let mut tree = recovered.tree;
    // In an ensemble the tree is what transactions made of it, and nothing else: the servers compare.
    let orphans = if settings.is_some() { 0 } else { tree.remove_orphan_ephemerals() };
    if orphans > 0 {
        info!(nodes = orphans, "removed ephemeral nodes of sessions that no longer exist");
        // No transaction says so: a snapshot must, before anything is logged that builds on it.
        zabra_storage::write_snapshot(&*disk, &recover.dirs.snapshots, &tree, options::snapshot(&config))
            .map_err(|error| failed(error.into()))?;
    }
    let last = tree.last_zxid();
    let log = TxnLog::open(Arc::clone(&disk), options::log(&config), last);
    let clock = Clock::start();
    let id = settings.as_ref().map_or(STANDALONE_ID, |settings| settings.id);
    let local_sessions = settings.is_some() && config.sessions.local_enabled;
    let mut sessions = SessionTracker::new(id, Clock::id_seed(), config.sessions.tick_time)
        .with_local_sessions(local_sessions);
    if settings.is_none() {
        // In an ensemble the leader judges sessions.
        for (session, timeout_ms) in tree.sessions() {
            sessions.track(session, timeout_ms, clock.now());
        }
    }
    let recovery = Recovery {
        last_zxid: last,
        snapshot: match report.origin {
            Origin::Snapshot { file, .. } => Some(file),
            Origin::Logs | Origin::Empty | Origin::Missing => None,
        },
        txns_replayed: report.replayed,
        node_count: tree.node_count(),
        session_count: tree.sessions().len(),
        took: start.elapsed(),
    };
    let (member, ensemble) = match (settings, found) {
        (Some(settings), Some((epochs, recent, base))) => {
            let member = ensemble::member(&config, &settings, (epochs, recovered.last_zxid), recent);
            let ensemble = Ensemble::new(settings, base, clock.now());
            ensemble.show_membership(&mut tree);
            (Some(member), Some(ensemble))
        }
        _ => (None, None),
    };
    let (waker, wakes) = Waker::new();
    let brain = Brain {
        preparer: Preparer::new(options::node(&config), last),
        sessions,
        part: if member.is_some() { Part::Looking(clock.now()) } else { Part::Alone },
        inputs: Vec::new(),
        member,
    };
    let core = Core::new(config, CoreParts { clock, disk, waker, brain, tree, ensemble });
    core.stats.dbinittime.record(millis(recovery.took));
    core.stats.startup_snap_load_time.record(millis(replay_begun.duration_since(start)));
    core.stats.startup_txns_load_time.record(millis(restored.duration_since(replay_begun)));
    core.stats.startup_txns_loaded.record(recovery.txns_replayed);
    core.stats.digest_mismatches_count.add(report.mismatches);
    Ok(Parts { core, wakes, recovery, log, replayed })
}

/// Logs what an operator should know about the recovery.
fn tell(report: &RecoveryReport) {
    for snapshot in &report.rejected {
        warn!(
            file = %snapshot.file.display(), reason = snapshot.reason,
            "a snapshot cannot be used; an older one and the logs after it are"
        );
    }
    for notice in &report.log_notices {
        warn!("{notice}");
    }
    for mismatch in &report.first_mismatches {
        error!(
            zxid = %mismatch.zxid, expected = mismatch.expected, actual = mismatch.actual,
            "the tree is not as it was when this transaction was logged"
        );
    }
    if let Some(zxid) = report.uncovered {
        warn!(%zxid, "the snapshot shows effects of transactions that the logs no longer have");
    }
}
