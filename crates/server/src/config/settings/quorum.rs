//! Everything about other servers except who they are.

use std::path::PathBuf;
use std::time::Duration;

/// Limits and switches of election, synchronization and broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumSettings {
    /// Whether one `server.N` alone still means a standalone server (`standaloneEnabled`).
    pub standalone_enabled: bool,
    /// Whether quorum and election ports take every address (`quorumListenOnAllIPs`).
    pub listen_on_all_ips: bool,
    /// Whether observers write log and snapshots (`syncEnabled`).
    pub observer_sync: bool,
    /// The port on which followers serve observers (`observerMasterPort`); `None` is off.
    pub observer_master_port: Option<u16>,
    /// Bytes of recent packets that a follower keeps for observers (`observerMaster.sizeLimit`).
    pub observer_master_bytes_max: u32,
    /// How long an observer waits after it lost its leader (`observer.reconnectDelayMs`).
    pub observer_reconnect_delay: Duration,
    /// How long an observer waits before it looks for a leader (`observer.election.DelayMs`).
    pub observer_election_delay: Duration,
    /// Whether the leader serves clients (`leaderServes`).
    pub leader_serves: bool,
    /// Connect time-out of election sockets (`cnxTimeout`).
    pub connect_timeout: Duration,
    /// Read time-out of election sockets (`quorumCnxnTimeoutMs`); `None` is `syncLimit` ticks.
    pub read_timeout: Option<Duration>,
    /// How often the election port is tried (`electionPortBindRetry`); `None` is for ever.
    pub bind_tries: Option<u32>,
    /// TCP keep-alive on election sockets (`tcpKeepAlive`).
    pub tcp_keep_alive: bool,
    /// The first wait before a notification is sent again (`fastleader.minNotificationInterval`).
    pub notification_interval_min: Duration,
    /// The longest such wait (`fastleader.maxNotificationInterval`).
    pub notification_interval_max: Duration,
    /// The pause between attempts to reach the leader (`leaderConnectDelayDuringRetryMs`).
    pub leader_connect_delay: Duration,
    /// How long a leader waits for voters to take its epoch (`leader.maxTimeToWaitForEpoch`); `None` is
    /// `initLimit` ticks.
    pub epoch_wait_max: Option<Duration>,
    /// Snapshots sent to learners at once (`leader.maxConcurrentSnapSyncs`).
    pub snap_syncs_max: u32,
    /// Differences sent to learners at once (`leader.maxConcurrentDiffSyncs`).
    pub diff_syncs_max: u32,
    /// Whether learners always get a whole snapshot (`forceSnapshotSync`).
    pub force_snapshot_sync: bool,
    /// Several addresses per server.
    pub multi_address: MultiAddress,
    /// The file that breaks the tie of two servers (`oraclePath`).
    pub oracle: Option<PathBuf>,
    /// Whether servers talk TLS (`sslQuorum`).
    pub tls: bool,
    /// Whether the quorum port takes TLS and plain at once (`portUnification`).
    pub port_unification: bool,
    /// SASL between servers (`quorum.auth.*`); `None` is off.
    pub auth: Option<QuorumAuth>,
}

impl Default for QuorumSettings {
    fn default() -> Self {
        Self {
            standalone_enabled: true,
            listen_on_all_ips: false,
            observer_sync: true,
            observer_master_port: None,
            observer_master_bytes_max: 32 << 20,
            observer_reconnect_delay: Duration::ZERO,
            observer_election_delay: Duration::from_millis(200),
            leader_serves: true,
            connect_timeout: Duration::from_secs(5),
            read_timeout: None,
            bind_tries: Some(3),
            tcp_keep_alive: false,
            notification_interval_min: Duration::from_millis(200),
            notification_interval_max: Duration::from_secs(60),
            leader_connect_delay: Duration::from_millis(100),
            epoch_wait_max: None,
            snap_syncs_max: 10,
            diff_syncs_max: 100,
            force_snapshot_sync: false,
            multi_address: MultiAddress::default(),
            oracle: None,
            tls: false,
            port_unification: false,
            auth: None,
        }
    }
}

/// Several addresses per server (`multiAddress.*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiAddress {
    /// Whether a `server.N` may have more than one.
    pub enabled: bool,
    /// Whether addresses are probed before use.
    pub reachability_check: bool,
    /// How long a probe may take.
    pub reachability_timeout: Duration,
}

impl Default for MultiAddress {
    fn default() -> Self {
        Self { enabled: false, reachability_check: true, reachability_timeout: Duration::from_secs(1) }
    }
}

/// SASL between servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumAuth {
    /// Whether a leader refuses learners without it (`quorum.auth.serverRequireSasl`).
    pub server_required: bool,
    /// Whether a learner refuses leaders without it (`quorum.auth.learnerRequireSasl`).
    pub learner_required: bool,
    /// The JAAS section of the learner side (`quorum.auth.learner.saslLoginContext`).
    pub learner_section: String,
    /// The JAAS section of the server side (`quorum.auth.server.saslLoginContext`).
    pub server_section: String,
    /// The principal of servers (`quorum.auth.kerberos.servicePrincipal`).
    pub service_principal: String,
}

impl Default for QuorumAuth {
    fn default() -> Self {
        Self {
            server_required: false,
            learner_required: false,
            learner_section: "QuorumLearner".to_owned(),
            server_section: "QuorumServer".to_owned(),
            service_principal: "zkquorum/localhost".to_owned(),
        }
    }
}
