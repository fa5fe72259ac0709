//! What tests of this crate share.

use alloc::string::String;
use core::time::Duration;

use zabra_types::ServerId;

use crate::{Members, Options, QuorumRule};

pub(crate) mod cluster;
pub(crate) mod disk;
pub(crate) mod script;
pub(crate) mod words;

/// A server with the usual limits.
pub(crate) fn options(id: ServerId) -> Options {
    Options {
        id,
        tick: Duration::from_millis(2000),
        init_limit: 10,
        sync_limit: 5,
        connect_limit: 10,
        notification_min: Duration::from_millis(200),
        notification_max: Duration::from_secs(60),
        finalize_wait: Duration::from_millis(200),
        connect_retry: Duration::from_millis(100),
        connect_attempts: 10,
        observer_delay: Duration::from_millis(200),
        history_len: 500,
        history_bytes: 1 << 20,
        log_sync: true,
        force_snapshot: false,
        snap_syncs_max: 10,
        diff_syncs_max: 100,
    }
}

pub(crate) fn id(number: i64) -> ServerId {
    ServerId::new(number)
}

/// Members that decide by majority.
pub(crate) fn members(
    voters: impl IntoIterator<Item = i64>,
    observers: impl IntoIterator<Item = i64>,
) -> Members {
    Members {
        voters: voters.into_iter().map(id).collect(),
        observers: observers.into_iter().map(id).collect(),
        rule: QuorumRule::Majority,
        version: 0,
        text: String::from("version=0"),
    }
}
