//! What a peer is told once.

use core::time::Duration;

use zabra_types::{Epoch, ServerId, Zxid};

/// How a peer behaves. Times, unlike in the configuration file, are not in ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which member this server is.
    pub id: ServerId,
    /// One tick (`tickTime`).
    pub tick: Duration,
    /// Ticks that a learner may take to connect and synchronize (`initLimit`).
    pub init_limit: u32,
    /// Ticks that a learner may fall behind (`syncLimit`).
    pub sync_limit: u32,
    /// Ticks that a learner may take to reach its leader (`connectToLearnerMasterLimit`, else `initLimit`).
    pub connect_limit: u32,
    /// The first wait before a vote is sent again (`fastleader.minNotificationInterval`).
    pub notification_min: Duration,
    /// The longest such wait (`fastleader.maxNotificationInterval`).
    pub notification_max: Duration,
    /// How long a decided election waits for a better vote from servers that are reachable and have not voted yet.
    pub finalize_wait: Duration,
    /// The longest pause between two attempts to reach the leader (`leaderConnectDelayDuringRetryMs`); the first
    /// attempts follow each other faster.
    pub connect_retry: Duration,
    /// Attempts to reach the leader, those not counted that follow the first one fast.
    pub connect_attempts: u32,
    /// The longest wait of an observer that lost its leader before it looks for one; each takes a part of it by chance
    /// (`observer.election.DelayMs`).
    pub observer_delay: Duration,
    /// Transactions kept in memory for learners (`commitLogCount`).
    pub history_len: usize,
    /// Bytes of such transactions beyond which fewer are kept.
    pub history_bytes: usize,
    /// Whether learners that lack more than memory holds are brought up from the log on disk (`snapshotSizeFactor` not
    /// negative). How much of it is worth reading is known to whoever answers [`crate::Output::FindInLog`].
    pub log_sync: bool,
    /// Learners always get a whole snapshot (`forceSnapshotSync`).
    pub force_snapshot: bool,
    /// Observers that may be sent a snapshot at the same time (`leader.maxConcurrentSnapSyncs`). Followers always may.
    pub snap_syncs_max: u32,
    /// Observers that may be sent a difference at the same time (`leader.maxConcurrentDiffSyncs`).
    pub diff_syncs_max: u32,
}

/// What a server finds on its disk when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durable {
    /// The highest epoch promised.
    pub accepted_epoch: Epoch,
    /// The epoch of the last leader whose history this server took over completely.
    pub current_epoch: Epoch,
    /// The last transaction in log or snapshot, all of them applied; [`Zxid::NONE`] when data may be missing.
    pub last_zxid: Zxid,
}
