//! What all parts of a running server share.
//!
//! Order of locks, always taken in this order and held briefly: brain, tree, watches, outbox of a connection. Readers
//! hold the tree shared for one batch of requests; only [`crate::pipeline`] holds it alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{
    AtomicI64, AtomicU8,
    Ordering::{Relaxed, SeqCst},
};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard, RwLock};
use tokio::sync::watch;
use tracing::error;
use zabra_auth::Providers;
use zabra_node::{
    Admission, ConnectionThrottle, EpochUsedUp, NodeOptions, Preparer, Proposal, SessionTracker,
    Surroundings, WatchTable,
};
use zabra_proto::{FieldLimit, FrameLimits, OpCode};
use zabra_storage::Disk;
use zabra_tree::Tree;
use zabra_types::{Identity, Xid, Zxid};
use zabra_zab::Input;

use crate::clock::Clock;
use crate::commit::{Origin, Waiter};
use crate::config::{Config, Mode};
use crate::conn::{Connections, Outbox, Waker};
use crate::ensemble::requests::Part;
use crate::ensemble::{Ensemble, Holds, Member};
use crate::observe;
use crate::options;
use crate::pipeline::{LogQueue, Queued};
use crate::snapshots::{LastSnapshot, Snapshotting};
use crate::stats::{ServerStats, Tally};
use crate::throttler::Throttler;

/// How often it is looked whether all connections or requests are gone.
const PARTING_LOOK: Duration = Duration::from_millis(5);

/// How often it is looked whether a snapshot may be taken at last.
const HOLD_LOOK: Duration = Duration::from_millis(20);

/// How long it usually takes at most to elect a leader, and clients may wait for one.
const LEADER_EXPECTED: Duration = Duration::from_millis(500);

/// The length in front of a frame, which statistics leave out.
const FRAME_LEN_BYTES: usize = 4;

/// What decides about writes and sessions; one owner at a time.
#[derive(Debug)]
pub(crate) struct Brain {
    /// Turns requests into transactions.
    pub(crate) preparer: Preparer,
    /// Who is connected and until when.
    pub(crate) sessions: SessionTracker,
    /// This server's part in its ensemble, and what goes with it.
    pub(crate) part: Part,
    /// What the peer is to be told, in the next round at the latest. Everything that adds to it ends in [`Core::carry_on`].
    pub(crate) inputs: Vec<Input>,
    /// What decides in an ensemble; none when this server is alone.
    pub(crate) member: Option<Member>,
}

/// Whether clients are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Yes.
    Running,
    /// Not now: this member of an ensemble has no leader.
    Waiting,
    /// Those who want to read and know that this server has no leader (`readonlymode.enabled`).
    ReadOnly,
    /// Those who wait for the throttler, and nobody else any more.
    Draining,
    /// Not any more: the server ends, in good order or not.
    Ending,
}

/// What all parts of a running server share.
#[derive(Debug)]
pub(crate) struct Core {
    /// How the server was told to be.
    pub(crate) config: Config,
    /// What follows from it for preparation and reads.
    pub(crate) options: NodeOptions,
    /// The limits of frames and fields.
    pub(crate) limits: FrameLimits,
    /// The clocks.
    pub(crate) clock: Clock,
    /// The authentication providers.
    pub(crate) schemes: Providers,
    /// Where the data is kept.
    pub(crate) disk: Arc<dyn Disk>,
    /// What decides about writes and sessions.
    pub(crate) brain: Mutex<Brain>,
    /// The replicated state.
    pub(crate) tree: RwLock<Tree>,
    /// Who watches what. Readers add to it while they hold the tree, so that no change comes between.
    pub(crate) watches: Mutex<WatchTable>,
    /// The clients.
    pub(crate) conns: Connections,
    /// Wakes connections after a batch.
    pub(crate) waker: Waker,
    /// Transactions on their way to the log.
    pub(crate) queue: LogQueue,
    /// The connections that wait because too much is under way.
    pub(crate) throttler: Throttler,
    /// The last snapshot of this process.
    pub(crate) last_snapshot: LastSnapshot,
    /// Held while a snapshot is written or the whole database replaced.
    pub(crate) snapshotting: Snapshotting,
    /// Who does not want a snapshot now.
    pub(crate) snapshot_holds: Holds,
    /// What all parts of a member of an ensemble share; none when this server is alone.
    pub(crate) ensemble: Option<Ensemble>,
    /// What is counted.
    pub(crate) stats: ServerStats,
    /// Where clients connect, once the port is bound.
    pub(crate) client_address: OnceLock<SocketAddr>,
    /// The text trace level. Kept for operators who ask; what is logged is chosen otherwise.
    pub(crate) trace_mask: AtomicI64,
    /// Where the epoch that this server leads begins; 0 when it never led.
    pub(crate) shown_zxid_min: AtomicI64,
    /// Where the epoch that this server serves in begins; 0 when it is alone.
    pub(crate) seen_zxid_min: AtomicI64,
    connection_throttle: Mutex<Option<ConnectionThrottle>>,
    outstanding_max: i64,
    phase: AtomicU8,
    failure: watch::Sender<Option<String>>,
}

impl Core {
    /// Puts the parts together around a recovered tree.
    pub(crate) fn new(config: Config, parts: CoreParts) -> Self {
        let CoreParts { clock, disk, waker, brain, tree, ensemble } = parts;
        let outstanding_max = options::outstanding_max(&config);
        let phase = if matches!(brain.part, Part::Alone) { Phase::Running } else { Phase::Waiting };
        Self {
            options: options::node(&config),
            limits: options::limits(&config),
            schemes: options::providers(&config),
            connection_throttle: Mutex::new(options::connection_throttle(&config, clock.now())),
            config,
            clock,
            disk,
            brain: Mutex::new(brain),
            tree: RwLock::new(tree),
            watches: Mutex::new(WatchTable::new(options::hash_key())),
            conns: Connections::default(),
            waker,
            queue: LogQueue::default(),
            throttler: Throttler::default(),
            last_snapshot: LastSnapshot::default(),
            snapshotting: Snapshotting::default(),
            snapshot_holds: Holds::default(),
            ensemble,
            stats: ServerStats::default(),
            client_address: OnceLock::new(),
            trace_mask: AtomicI64::new(observe::TRACE_MASK_DEFAULT),
            shown_zxid_min: AtomicI64::new(0),
            seen_zxid_min: AtomicI64::new(0),
            outstanding_max,
            phase: AtomicU8::new(phase as u8),
            failure: watch::Sender::new(None),
        }
    }

    /// Whether clients are served.
    pub(crate) fn is_running(&self) -> bool {
        let phase = self.phase.load(SeqCst);
        phase == Phase::Running as u8 || phase == Phase::ReadOnly as u8
    }

    /// Whether clients are served that only want to read, because there is no leader.
    pub(crate) fn is_read_only(&self) -> bool {
        self.phase.load(SeqCst) == Phase::ReadOnly as u8
    }

    /// Whether the server ends, in good order or not.
    pub(crate) fn is_ending(&self) -> bool {
        self.phase.load(SeqCst) == Phase::Ending as u8
    }

    /// How long a client that comes now should wait for a leader instead of being sent away; none when there is one, or has
    /// been none for long.
    ///
    /// The genuine server sends everybody away at once. But then a client tries the other servers, which have no leader
    /// either, and some sleep for up to a second in between, when all will be well again in a fraction of that.
    pub(crate) fn leader_expected_within(&self) -> Option<Duration> {
        if self.phase.load(SeqCst) != Phase::Waiting as u8 {
            return None;
        }
        let Part::Looking(since) = self.brain.lock().part else { return None };
        let wait = LEADER_EXPECTED.saturating_sub(self.clock.now().since(since));
        (!wait.is_zero()).then_some(wait)
    }

    /// Goes over to another phase, unless the server ends.
    pub(crate) fn set_phase(&self, phase: Phase) {
        for from in [Phase::Running, Phase::Waiting, Phase::ReadOnly] {
            let _ = self.phase.compare_exchange(from as u8, phase as u8, SeqCst, SeqCst);
        }
    }

    /// Takes no more requests; those that wait for the throttler go on.
    pub(crate) fn drain(&self) {
        self.set_phase(Phase::Draining);
    }

    /// Takes no more requests, not even those that wait for the throttler. What is under way is answered.
    pub(crate) fn close(&self) {
        self.phase.store(Phase::Ending as u8, SeqCst);
        self.queue.close();
        if let Some(ensemble) = &self.ensemble {
            ensemble.store.close();
        }
    }

    /// Ready when nothing is under way.
    pub(crate) async fn finish(&self) {
        while self.stats.outstanding.load(Relaxed) > 0 {
            tokio::time::sleep(PARTING_LOOK).await;
        }
    }

    /// Lets every connection send what it still has to say, and go.
    pub(crate) async fn part(&self) {
        for conn in self.conns.all() {
            conn.outbox().closing = true;
            conn.wake();
        }
        while self.conns.len() > 0 {
            tokio::time::sleep(PARTING_LOOK).await;
        }
    }

    /// Serves nobody any more.
    pub(crate) fn end(&self) {
        self.close();
        for conn in self.conns.all() {
            conn.cut();
        }
    }

    /// Ends the server because it can no longer keep its promises. Nothing is acknowledged after this.
    pub(crate) fn fail(&self, why: String) {
        error!(reason = %why, "this server cannot go on");
        self.stats.unrecoverable_error_count.increment();
        self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            failure.get_or_insert(why);
            first
        });
        self.end();
    }

    /// Lets go of the brain, and sees to it that the peer of an ensemble is told what has come together: at once when nobody
    /// else waits for anything, else in the next round. No other lock is held.
    #[inline]
    pub(crate) fn carry_on(&self, brain: MutexGuard<'_, Brain>) {
        let is_told = brain.inputs.is_empty();
        drop(brain);
        if let Some(ensemble) = self.ensemble.as_ref().filter(|_| !is_told) {
            if self.stats.outstanding.load(Relaxed) > 1 {
                ensemble.call_round();
            } else {
                self.hear([]);
            }
        }
    }

    /// Ready when a snapshot may be taken, and while this is kept no other is.
    pub(crate) fn snapshotting_unheld(&self) -> MutexGuard<'_, ()> {
        loop {
            let guard = self.snapshotting.lock();
            if !self.snapshot_holds.any() {
                return guard;
            }
            drop(guard);
            std::thread::sleep(HOLD_LOOK);
        }
    }

    /// Puts another database in the place of the present one. The brain's lock is held, and there are no clients.
    pub(crate) fn replace_tree(&self, mut tree: Tree) {
        if let Some(ensemble) = &self.ensemble {
            ensemble.show_membership(&mut tree);
        }
        let before = std::mem::replace(&mut *self.tree.write(), tree);
        // A large one takes a while to fall apart.
        std::thread::spawn(move || drop(before));
    }

    /// What preparation looks at, at this moment.
    pub(crate) fn surroundings<'a>(
        &'a self,
        tree: &'a Tree,
        sessions: &'a SessionTracker,
    ) -> Surroundings<'a> {
        Surroundings {
            tree,
            sessions,
            schemes: &self.schemes,
            time: Clock::wall(),
            field_limit: self.field_limit(),
        }
    }

    /// Hands a proposal to the log, or to the ensemble. The brain's lock keeps both in zxid order.
    pub(crate) fn propose(
        &self,
        part: &mut Part,
        inputs: &mut Vec<Input>,
        proposal: Proposal,
        (origin, received): (Origin, Instant),
    ) {
        let waiter = Waiter::enter(self, origin, received, &proposal.payload);
        self.stats.sync_processor_request_queued.increment();
        match part {
            Part::Leading(leading) => {
                leading.wait(proposal.header.zxid, waiter);
                self.propose_to_ensemble(inputs, proposal);
            }
            Part::Alone => {
                self.queue.push(Queued { payload: proposal.payload, header: proposal.header, waiter });
            }
            // Nobody else prepares.
            Part::Looking(_) | Part::ReadOnly | Part::Learning(_) => drop(waiter.leave(self)),
        }
    }

    /// Hands a proposal of this leader's to the ensemble.
    pub(crate) fn propose_to_ensemble(&self, inputs: &mut Vec<Input>, proposal: Proposal) {
        self.stats.proposal_sizes.record(proposal.payload.len());
        inputs.push(Input::Propose { zxid: proposal.header.zxid, payload: proposal.payload.into() });
    }

    /// No zxid is left: a server alone ends, and a leader makes room for the next epoch.
    pub(crate) fn use_up(&self, part: &Part, inputs: &mut Vec<Input>, used_up: &EpochUsedUp) {
        match part {
            Part::Alone => self.fail(used_up.to_string()),
            _ => inputs.push(Input::StepDown),
        }
    }

    /// Makes a request of the server's own into a transaction.
    pub(crate) fn propose_own(
        &self,
        brain: &mut Brain,
        prepare: impl FnOnce(&mut Preparer, &Surroundings<'_>) -> Result<Proposal, EpochUsedUp>,
    ) {
        let tree = self.tree.read();
        let Brain { preparer, sessions, part, inputs, .. } = brain;
        match prepare(preparer, &self.surroundings(&tree, sessions)) {
            Ok(proposal) => self.propose(part, inputs, proposal, (Origin::Server, Instant::now())),
            Err(used_up) => self.use_up(part, inputs, &used_up),
        }
    }

    /// Whether this server's sessions begin as sessions that only it knows (`localSessionsEnabled`).
    pub(crate) fn has_local_sessions(&self) -> bool {
        self.is_member() && self.config.sessions.local_enabled
    }

    /// Whether this server is a member of an ensemble.
    pub(crate) const fn is_member(&self) -> bool {
        matches!(self.config.mode, Mode::Ensemble(_))
    }

    /// The longest text or buffer in a request.
    pub(crate) fn field_limit(&self) -> FieldLimit {
        FieldLimit(self.limits.field_len_max)
    }

    /// Whether more is under way than the server wants (`globalOutstandingLimit`; the servers of an ensemble share it).
    pub(crate) fn is_overloaded(&self) -> bool {
        self.stats.outstanding.load(Relaxed) > self.outstanding_max
    }

    /// Whether the throttler holds requests back (`request_throttle_max_requests`).
    pub(crate) fn is_throttled(&self) -> bool {
        let limit = self.config.requests.throttle.requests_max;
        limit.is_some_and(|limit| {
            self.stats.outstanding.load(Relaxed) >= i64::from(limit)
                || self.phase.load(SeqCst) == Phase::Ending as u8
        })
    }

    /// Whether a frame of `len` bytes may come in: large ones share a limit (`largeRequestMaxBytes`).
    pub(crate) fn admits_large(&self, len: u32) -> bool {
        self.config.requests.large.is_none_or(|large| {
            len <= large.threshold
                || self.stats.large_bytes.load(Relaxed) + i64::from(len) <= i64::from(large.bytes_max)
        })
    }

    /// What a payload counts among the large requests under way: its length, or nothing when it is not large.
    pub(crate) fn large_share(&self, payload: &[u8]) -> i64 {
        match self.config.requests.large {
            Some(large) if payload.len() > large.threshold as usize => {
                i64::try_from(payload.len()).unwrap_or(i64::MAX)
            }
            _ => 0,
        }
    }

    /// Whether a connection with these identities may send requests (`enforce.auth.*`).
    pub(crate) fn is_authenticated(&self, identities: &[Identity]) -> bool {
        self.config.access.enforced.as_ref().is_none_or(|enforced| {
            identities.iter().any(|identity| enforced.schemes.contains(&identity.scheme))
        })
    }

    /// Counts a reply that was just appended at `start` of the outbox.
    pub(crate) fn note_reply(
        &self,
        tally: &mut Tally<'_>,
        outbox: &mut Outbox,
        start: usize,
        (op, xid, zxid): (OpCode, Xid, Zxid),
        latency_ms: u64,
    ) {
        let len = (outbox.bytes.len() - start).saturating_sub(FRAME_LEN_BYTES);
        tally.reply(len, op == OpCode::Ping);
        outbox.stats.answered(op.tag(), xid.raw(), zxid.raw(), self.clock.now(), latency_ms);
    }

    /// Whether the throttle of connections lets one more in.
    pub(crate) fn admit_connection(&self, what: Admission) -> bool {
        let mut throttle = self.connection_throttle.lock();
        let deficit = throttle.as_ref().map_or(0, ConnectionThrottle::deficit);
        self.stats.connection_token_deficit.record(deficit);
        throttle.as_mut().is_none_or(|throttle| throttle.admit(what, self.clock.now(), options::chance()))
    }

    /// How likely the throttle of connections drops the next one.
    pub(crate) fn connection_drop_chance(&self) -> f64 {
        self.connection_throttle.lock().as_ref().map_or(0.0, ConnectionThrottle::drop_chance)
    }

    /// Why the server failed, once it has.
    pub(crate) fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.subscribe()
    }

    /// The last transaction that clients are shown: the last applied, or the beginning of the epoch that this server leads.
    pub(crate) fn shown_zxid(&self, tree: &Tree) -> Zxid {
        tree.last_zxid().max(Zxid::from_raw(self.shown_zxid_min.load(Relaxed)))
    }

    /// The latest transaction that a client may have seen elsewhere and be served here.
    pub(crate) fn seen_zxid_max(&self) -> Zxid {
        self.tree.read().last_zxid().max(Zxid::from_raw(self.seen_zxid_min.load(Relaxed)))
    }
}

/// What [`Core::new`] is made of besides the configuration.
#[derive(Debug)]
pub(crate) struct CoreParts {
    /// The clock that sessions were tracked with.
    pub(crate) clock: Clock,
    /// Where the data is kept.
    pub(crate) disk: Arc<dyn Disk>,
    /// Wakes connections after a batch.
    pub(crate) waker: Waker,
    /// What decides.
    pub(crate) brain: Brain,
    /// The recovered state.
    pub(crate) tree: Tree,
    /// What all parts of a member of an ensemble share.
    pub(crate) ensemble: Option<Ensemble>,
}
