//! Sessions.

use std::time::Duration;

/// The tick and the bounds of session time-outs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// The base unit of time (`tickTime`); never zero.
    pub tick_time: Duration,
    /// The shortest time-out a client can get (`minSessionTimeout`).
    pub timeout_min: Duration,
    /// The longest time-out a client can get (`maxSessionTimeout`); not below `timeout_min`.
    pub timeout_max: Duration,
    /// Whether sessions begin as local ones, known to one server only (`localSessionsEnabled`).
    pub local_enabled: bool,
    /// Whether a local session becomes global with its first ephemeral node (`localSessionsUpgradingEnabled`).
    pub local_upgrading: bool,
}

impl Sessions {
    /// `timeout_min` in ticks when the configuration is silent.
    pub const TIMEOUT_MIN_TICKS: u32 = 2;
    /// `timeout_max` in ticks when the configuration is silent.
    pub const TIMEOUT_MAX_TICKS: u32 = 20;
}

impl Default for Sessions {
    fn default() -> Self {
        let tick_time = Duration::from_secs(3);
        Self {
            tick_time,
            timeout_min: tick_time * Self::TIMEOUT_MIN_TICKS,
            timeout_max: tick_time * Self::TIMEOUT_MAX_TICKS,
            local_enabled: false,
            local_upgrading: false,
        }
    }
}
