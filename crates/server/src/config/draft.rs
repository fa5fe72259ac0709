//! A configuration while it is being read: what the rows of the key table write to, before the settings that
//! depend on each other are brought together.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::java;
use super::keys::Wrong;
use super::membership::MemberLines;
use super::report::{Place, Report, Subject};
use super::settings::{Config, Host, PeerRole, QuorumAuth};

/// A configuration while it is being read.
pub(super) struct Draft {
    /// What needs no second look.
    pub(super) config: Config,
    /// What has been found so far.
    pub(super) report: Report,
    /// Where the keys were given, by their proper names.
    given: BTreeMap<String, Subject>,
    /// Where a missing key should have been.
    home: Place,

    pub(super) data_dir: Option<PathBuf>,
    pub(super) data_log_dir: Option<PathBuf>,
    pub(super) client_port: Option<u16>,
    pub(super) client_address: Option<String>,
    pub(super) secure_client_port: Option<u16>,
    pub(super) secure_client_address: Option<String>,
    pub(super) tick_time_ms: Option<u32>,
    pub(super) session_timeout_min_ms: Option<u32>,
    pub(super) session_timeout_max_ms: Option<u32>,
    pub(super) snapshot_size_factor: Option<f64>,
    pub(super) write_queue_poll_max: Option<Duration>,
    pub(super) extra_size: Option<u32>,
    pub(super) large_request_threshold: Option<u32>,
    pub(super) large_request_bytes_max: Option<u32>,
    pub(super) require_sasl: bool,
    pub(super) enforce_auth: bool,
    pub(super) enforced_schemes: Vec<String>,
    pub(super) words: Vec<String>,
    pub(super) metrics_host: Host,
    pub(super) metrics_port: Option<u16>,
    pub(super) metrics_tls_port: Option<u16>,
    pub(super) quorum_sasl: bool,
    pub(super) quorum_auth: QuorumAuth,
    pub(super) observer_sync: Option<bool>,
    pub(super) dynamic_file: Option<PathBuf>,
    pub(super) init_limit_ticks: Option<u32>,
    pub(super) sync_limit_ticks: Option<u32>,
    pub(super) connect_limit_ticks: Option<u32>,
    pub(super) peer_role: Option<PeerRole>,
    pub(super) members: MemberLines,
}

impl Draft {
    /// Nothing read yet; `base` is what holds for keys that nobody gives, `home` where they should be given.
    pub(super) fn new(base: Config, home: Place) -> Self {
        Self {
            config: base,
            report: Report::default(),
            given: BTreeMap::new(),
            home,
            data_dir: None,
            data_log_dir: None,
            client_port: None,
            client_address: None,
            secure_client_port: None,
            secure_client_address: None,
            tick_time_ms: None,
            session_timeout_min_ms: None,
            session_timeout_max_ms: None,
            snapshot_size_factor: None,
            write_queue_poll_max: None,
            extra_size: None,
            large_request_threshold: None,
            large_request_bytes_max: None,
            require_sasl: false,
            enforce_auth: false,
            enforced_schemes: Vec::new(),
            words: Vec::new(),
            metrics_host: Host::new("0.0.0.0"),
            metrics_port: None,
            metrics_tls_port: None,
            quorum_sasl: false,
            quorum_auth: QuorumAuth::default(),
            observer_sync: None,
            dynamic_file: None,
            init_limit_ticks: None,
            sync_limit_ticks: None,
            connect_limit_ticks: None,
            peer_role: None,
            members: MemberLines::default(),
        }
    }

    /// Notes that a key is about to be read.
    pub(super) fn note_given(&mut self, key: &str, subject: Subject) {
        self.given.insert(key.to_owned(), subject);
    }

    /// Where `key` was given, or should have been.
    pub(super) fn subject(&self, key: &str) -> Subject {
        self.given.get(key).cloned().unwrap_or_else(|| Subject::missing(self.home.clone(), key))
    }

    /// Whether `key` was given, even if with a wrong value.
    pub(super) fn was_given(&self, key: &str) -> bool {
        self.given.contains_key(key)
    }

    /// One more SASL super user.
    pub(super) fn add_super_user(&mut self, id: &str) {
        self.config.access.super_users.sasl.insert(id.to_owned());
    }
}

/// A number of things: negative is none.
pub(super) fn count(n: i32) -> u32 {
    u32::try_from(n).unwrap_or(0)
}

/// A limit that is off when it is not positive.
pub(super) fn limit(n: i32) -> Option<u32> {
    Some(count(n)).filter(|n| *n > 0)
}

/// A span of milliseconds: negative is none.
pub(super) fn millis(n: impl Into<i64>) -> Duration {
    Duration::from_millis(u64::try_from(n.into()).unwrap_or(0))
}

/// A span of milliseconds that is off when it is not positive.
pub(super) fn limit_ms(n: impl Into<i64>) -> Option<Duration> {
    Some(millis(n)).filter(|span| !span.is_zero())
}

/// A limit in kilobytes, as bytes, that is off when it is not positive.
pub(super) fn kilobytes(n: i64) -> Option<u64> {
    u64::try_from(n).ok().filter(|n| *n > 0).map(|n| n.saturating_mul(1024))
}

/// `autopurge.purgeInterval`: hours, or with one of the units that release 3.10 knows.
pub(super) fn purge_interval(draft: &mut Draft, value: &str) -> Result<(), Wrong> {
    const UNITS: [(&str, u64); 5] =
        [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let lower = value.to_ascii_lowercase();
    let (number, unit_ms) = UNITS
        .iter()
        .find_map(|(unit, ms)| Some((lower.strip_suffix(unit)?, *ms)))
        .unwrap_or((lower.as_str(), 3_600_000));
    let number = java::parse_integer(number).ok_or_else(|| {
        Wrong::expected("expected a whole number of hours, or one with a unit: ms, s, m, h or d")
    })?;
    let ms = u64::try_from(number).unwrap_or(0).saturating_mul(unit_ms);
    draft.config.storage.purge.interval = Some(Duration::from_millis(ms)).filter(|span| !span.is_zero());
    Ok(())
}
