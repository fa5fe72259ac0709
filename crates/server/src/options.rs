//! From the configuration to the options of the crates below.

use std::time::Duration;

use zabra_auth::{AuthOptions, DigestAlgorithm, Providers};
use zabra_node::{
    AdmissionWeights, ConnectionThrottle, NodeOptions, ReaperOptions, ThrottleOptions, TimeoutBounds,
};
use zabra_proto::{FieldLimit, FrameLimits};
use zabra_storage::{Compression, DataDirs, LogOptions, RecoverOptions, SnapshotOptions};
use zabra_tree::TreeOptions;
use zabra_types::{Now, OwnerRules};

use crate::config::{self, Config, Mode, PeerRole, ProviderClass, SnapshotCompression};

/// What preparation and reads are told.
pub(crate) fn node(config: &Config) -> NodeOptions {
    NodeOptions {
        skip_acl: config.access.skip_acl,
        enforce_quota: config.tree.enforce_quota,
        owner_rules: owner_rules(config),
        close_session_txn: config.storage.close_session_txn,
        digest: config.storage.digest,
        reconfig_enabled: config.reconfig_enabled,
        rolls_epochs: true,
        hash_key: hash_key(),
    }
}

/// What the tree is told.
pub(crate) fn tree(config: &Config) -> TreeOptions {
    TreeOptions { owner_rules: owner_rules(config), digest: config.storage.digest, hash_seed: hash_key() }
}

/// How snapshots are written.
pub(crate) fn snapshot(config: &Config) -> SnapshotOptions {
    SnapshotOptions {
        compression: match config.storage.snapshot_compression {
            SnapshotCompression::None => Compression::None,
            SnapshotCompression::Gzip => Compression::Gzip,
            SnapshotCompression::Snappy => Compression::Snappy,
        },
        digest: config.storage.digest,
        last_zxid: config.storage.serialize_last_zxid,
        sync: true,
    }
}

/// How the data is recovered.
pub(crate) fn recover(config: &Config) -> RecoverOptions {
    let storage = &config.storage;
    RecoverOptions {
        dirs: DataDirs::new(&storage.data_dir, &storage.data_log_dir),
        dir_autocreate: storage.data_dir_autocreate,
        db_autocreate: storage.db_autocreate,
        trust_empty_snapshot: storage.trust_empty_snapshot,
        tree: tree(config),
        limit: FieldLimit(limits(config).field_len_max),
        snapshot: snapshot(config),
    }
}

/// How the log is written.
pub(crate) fn log(config: &Config) -> LogOptions {
    LogOptions {
        dir: DataDirs::new(&config.storage.data_dir, &config.storage.data_log_dir).logs,
        force_sync: config.storage.force_sync,
        growth: config.storage.log_growth,
        file_size_max: config.storage.log_size_max,
        payload_len_max: FieldLimit(limits(config).field_len_max),
    }
}

/// The limits of frames and fields.
pub(crate) fn limits(config: &Config) -> FrameLimits {
    FrameLimits::new(config.requests.packet_max as usize, Some(config.requests.extra_size as usize))
}

/// The authentication providers.
pub(crate) fn providers(config: &Config) -> Providers {
    let digest = &config.access.digest;
    let ensemble = config.access.providers.iter().any(|provider| provider.class == ProviderClass::Ensemble);
    Providers::new(AuthOptions {
        digest_enabled: digest.enabled,
        digest_algorithm: match digest.algorithm {
            config::DigestAlgorithm::Sha1 => DigestAlgorithm::Sha1,
            config::DigestAlgorithm::Sha256 => DigestAlgorithm::Sha256,
            config::DigestAlgorithm::Sha384 => DigestAlgorithm::Sha384,
            config::DigestAlgorithm::Sha512 => DigestAlgorithm::Sha512,
        },
        super_digest: digest.super_digest.as_ref().map(|secret| secret.expose().to_owned()),
        ensemble: ensemble.then(|| config.access.ensemble_names.clone()),
    })
}

/// The sweep of containers and TTL nodes.
pub(crate) fn reaper(containers: &config::Containers) -> ReaperOptions {
    ReaperOptions { check_interval: containers.check_interval, per_minute_max: containers.per_minute_max }
}

/// The bucket that new connections pay from, when there is one.
pub(crate) fn connection_throttle(config: &Config, now: Now) -> Option<ConnectionThrottle> {
    let throttle = &config.requests.connection_throttle;
    let weight = |weight: u32| i32::try_from(weight).unwrap_or(i32::MAX);
    let options = ThrottleOptions {
        tokens: throttle.tokens?,
        fill_time_ms: u32::try_from(throttle.fill_time.as_millis()).unwrap_or(u32::MAX),
        fill_count: throttle.fill_count,
        freeze_time_ms: throttle.freeze_time.map(|time| u32::try_from(time.as_millis()).unwrap_or(u32::MAX)),
        drop_increase: throttle.drop_increase,
        drop_decrease: throttle.drop_decrease,
        decrease_ratio: throttle.decrease_ratio,
        weights: throttle.weighted.then(|| {
            AdmissionWeights::new(
                weight(throttle.global_session_weight),
                weight(throttle.renew_session_weight),
                weight(throttle.local_session_weight),
            )
        }),
    };
    Some(ConnectionThrottle::new(options, now))
}

/// How many requests may be under way before clients that wait for an answer are not read from. Every server of an
/// ensemble has its share, as in the genuine one.
pub(crate) fn outstanding_max(config: &Config) -> i64 {
    let voters = match &config.mode {
        Mode::Ensemble(ensemble) => ensemble.membership.with_role(PeerRole::Participant).count(),
        Mode::Standalone => 0,
    };
    let sharing = if voters > 2 { voters - 1 } else { 1 };
    i64::from(config.requests.outstanding_max) / i64::try_from(sharing).unwrap_or(i64::MAX)
}

/// The bounds of session timeouts.
pub(crate) fn timeout_bounds(config: &Config) -> TimeoutBounds {
    let millis = |duration: Duration| i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
    TimeoutBounds { min_ms: millis(config.sessions.timeout_min), max_ms: millis(config.sessions.timeout_max) }
}

/// A random number from 0 to 1, for the throttle.
pub(crate) fn chance() -> f64 {
    // 53 bits are what a double holds.
    (random() >> 11) as f64 / (1_u64 << 53) as f64
}

fn owner_rules(config: &Config) -> OwnerRules {
    OwnerRules { extended_types: config.tree.extended_types, emulate_353_ttl: config.tree.emulate_353_ttl }
}

/// A hash key that a client cannot guess, so that it cannot make names that collide.
pub(crate) fn hash_key() -> [u64; 2] {
    [random(), random()]
}

fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}
