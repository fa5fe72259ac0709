//! What the tree of znodes allows.

use std::time::Duration;

/// Switches of the tree, and the sweep of containers and TTL nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Whether hard quotas refuse writes (`enforceQuota`).
    pub enforce_quota: bool,
    /// Whether TTL nodes can be made (`extendedTypesEnabled`).
    pub extended_types: bool,
    /// Whether TTL nodes are stored as release 3.5.3 did (`emulate353TTLNodes`).
    pub emulate_353_ttl: bool,
    /// The sweep of containers and TTL nodes.
    pub containers: Containers,
}

/// The sweep that removes empty containers and expired TTL nodes. Mirrors `ContainerManager`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Containers {
    /// How often (`znode.container.checkIntervalMs`).
    pub check_interval: Duration,
    /// Removals per minute (`znode.container.maxPerMinute`).
    pub per_minute_max: u32,
    /// A container that never had a child goes after this (`znode.container.maxNeverUsedIntervalMs`); `None` is
    /// never.
    pub never_used_max: Option<Duration>,
}

impl Default for Containers {
    fn default() -> Self {
        Self { check_interval: Duration::from_secs(60), per_minute_max: 10_000, never_used_max: None }
    }
}
