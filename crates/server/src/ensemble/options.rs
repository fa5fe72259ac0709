//! From the configuration to the options of peer and ports.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use zabra_types::ServerId;
use zabra_zab::{Members, Options, QuorumRule};

use super::net::election::ElectionOptions;
use super::net::links::LinkOptions;
use crate::config::{Config, Endpoint, Ensemble, Membership, PeerAddress, PeerRole};
use crate::options;

/// How long a decided election waits for a better vote from servers that have not voted (`finalizeWait`).
const FINALIZE_WAIT: Duration = Duration::from_millis(200);
/// Attempts of a learner to reach its leader. The genuine server makes five; ours begin sooner and are closer together.
const CONNECT_ATTEMPTS: u32 = 10;
/// The transactions kept in memory for learners are at least these (`commitLogCount`).
const HISTORY_LEN_MIN: usize = 500;
/// And take no more than these bytes.
pub(super) const HISTORY_BYTES_MAX: usize = 64 << 20;
/// Bytes that may wait on one link. While a database is sent, everything that happens meanwhile waits.
const QUEUE_BYTES_MAX: usize = 256 << 20;
/// Links beyond those of members, for servers that are about to become members and connections that say nothing.
const LINKS_SPARE: usize = 256;
/// The first observers' ids that have none are negative; this many ticks a greeting may take is `syncLimit`.
const HELLO_TIMEOUT_MIN: Duration = Duration::from_secs(1);

/// What the peer is told.
pub(super) fn peer(config: &Config, ensemble: &Ensemble) -> Options {
    let quorum = &config.quorum;
    Options {
        id: ensemble.id,
        tick: config.sessions.tick_time,
        init_limit: ensemble.init_limit_ticks,
        sync_limit: ensemble.sync_limit_ticks,
        connect_limit: ensemble.connect_limit_ticks.unwrap_or(ensemble.init_limit_ticks),
        notification_min: quorum.notification_interval_min,
        notification_max: quorum.notification_interval_max,
        finalize_wait: FINALIZE_WAIT,
        connect_retry: quorum.leader_connect_delay,
        connect_attempts: CONNECT_ATTEMPTS,
        observer_delay: quorum.observer_election_delay,
        history_len: history_len(config),
        history_bytes: HISTORY_BYTES_MAX,
        log_sync: log_sync_share(config).is_some(),
        force_snapshot: quorum.force_snapshot_sync,
        snap_syncs_max: quorum.snap_syncs_max,
        diff_syncs_max: quorum.diff_syncs_max,
    }
}

/// The members, as the peer knows them.
pub(super) fn members(membership: &Membership) -> Members {
    let ids = |role| membership.with_role(role).map(|server| server.id).collect::<BTreeSet<_>>();
    let rule = if membership.groups.is_empty() {
        QuorumRule::Majority
    } else {
        QuorumRule::Hierarchical {
            groups: membership.groups.values().map(|ids| ids.iter().copied().collect()).collect(),
            weights: weights(membership).collect(),
        }
    };
    Members {
        voters: ids(PeerRole::Participant),
        observers: ids(PeerRole::Observer),
        rule,
        version: membership.version,
        text: text(membership),
    }
}

/// Weights below 0 count nothing, as the genuine server never lets them win.
fn weights(membership: &Membership) -> impl Iterator<Item = (ServerId, u64)> {
    membership.weights.iter().map(|(&id, &weight)| (id, u64::try_from(weight).unwrap_or(0)))
}

/// The membership as servers tell it each other (`QuorumMaj.toString`, `QuorumHierarchical.toString`). No key may be in it
/// that genuine servers do not know.
pub(super) fn text(membership: &Membership) -> String {
    let mut text = String::new();
    let mut line = |key: &str, id: i64, value: &dyn std::fmt::Display| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{key}.{id}={value}");
    };
    for (id, server) in &membership.servers {
        line("server", id.get(), server);
    }
    for (group, ids) in &membership.groups {
        let ids = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(":");
        line("group", *group, &ids);
    }
    if !membership.groups.is_empty() {
        let mut weights: BTreeMap<_, _> =
            membership.with_role(PeerRole::Participant).map(|server| (server.id, 1)).collect();
        weights.extend(membership.weights.iter());
        for (id, weight) in weights {
            line("weight", id.get(), &weight);
        }
    }
    let _ = write!(text, "version={:x}", membership.version);
    text
}

/// How the election port behaves.
pub(super) fn election(config: &Config, ensemble: &Ensemble) -> ElectionOptions {
    let quorum = &config.quorum;
    let sync_time = config.sessions.tick_time * ensemble.sync_limit_ticks;
    let mut addresses: Vec<_> = own_addresses(ensemble)
        .iter()
        .map(|address| Endpoint::new(address.host.clone(), address.election_port).to_string())
        .collect();
    if !quorum.multi_address.enabled {
        // Servers before 3.6 do not understand more.
        addresses.truncate(1);
    }
    ElectionOptions {
        id: ensemble.id,
        listen: listen(config, ensemble, |address| address.election_port),
        bind_tries: quorum.bind_tries,
        addresses,
        members: others(ensemble, |address| address.election_port),
        membership: text(&ensemble.membership),
        dial_timeout: quorum.connect_timeout,
        hello_timeout: quorum.read_timeout.unwrap_or(sync_time).max(HELLO_TIMEOUT_MIN),
        opening: None,
    }
}

/// How links behave.
pub(super) fn links(config: &Config, ensemble: &Ensemble) -> LinkOptions {
    LinkOptions {
        listen: listen(config, ensemble, |address| address.quorum_port),
        bind_tries: config.quorum.bind_tries,
        members: others(ensemble, |address| address.quorum_port),
        dial_timeout: config.quorum.connect_timeout,
        field_limit: zabra_proto::FieldLimit(options::limits(config).field_len_max),
        links_max: ensemble.membership.servers.len() + LINKS_SPARE,
        queue_bytes_max: QUEUE_BYTES_MAX,
        stall_max: config.sessions.tick_time * ensemble.init_limit_ticks,
        progress_pause: config.sessions.tick_time / 2,
        opening: None,
    }
}

/// Transactions kept in memory for learners.
pub(super) fn history_len(config: &Config) -> usize {
    (config.storage.commit_log_count as usize).max(HISTORY_LEN_MIN)
}

/// The share of the newest snapshot's size that the log to be sent instead may have; none when the log is never sent.
pub(super) fn log_sync_share(config: &Config) -> Option<f64> {
    let factor = config.storage.snapshot_size_factor;
    (factor >= 0.0).then_some(factor)
}

fn own_addresses(ensemble: &Ensemble) -> &[PeerAddress] {
    // The configuration has checked that this server is a member.
    ensemble.membership.servers.get(&ensemble.id).map_or(&[], |server| &server.addresses)
}

fn listen(config: &Config, ensemble: &Ensemble, port: impl Fn(&PeerAddress) -> u16) -> Vec<Endpoint> {
    let mut endpoints: Vec<_> = own_addresses(ensemble)
        .iter()
        .map(|address| {
            if config.quorum.listen_on_all_ips {
                Endpoint::any(port(address))
            } else {
                Endpoint::new(address.host.clone(), port(address))
            }
        })
        .collect();
    endpoints.sort();
    endpoints.dedup();
    endpoints
}

fn others(ensemble: &Ensemble, port: impl Fn(&PeerAddress) -> u16) -> BTreeMap<ServerId, Vec<Endpoint>> {
    let others = ensemble.membership.servers.values().filter(|server| server.id != ensemble.id);
    let endpoints = |addresses: &[PeerAddress]| {
        addresses.iter().map(|address| Endpoint::new(address.host.clone(), port(address))).collect()
    };
    others.map(|server| (server.id, endpoints(&server.addresses))).collect()
}
