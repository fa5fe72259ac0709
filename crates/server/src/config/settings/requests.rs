//! How requests are admitted and held back.

use std::time::Duration;

/// Sizes and numbers of requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Requests {
    /// The longest frame a client may send, in bytes (`jute.maxbuffer`).
    pub packet_max: u32,
    /// What a string or buffer inside a record may have beyond that, in bytes (`jute.maxbuffer.extrasize`); at
    /// least 1024.
    pub extra_size: u32,
    /// Requests under way beyond which a connection that has one is not read from (`globalOutstandingLimit`).
    pub outstanding_max: u32,
    /// Large requests (`largeRequestThreshold`, `largeRequestMaxBytes`); `None` is no limit.
    pub large: Option<LargeRequests>,
    /// The request throttler.
    pub throttle: RequestThrottle,
    /// The throttle of new connections.
    pub connection_throttle: ConnectionThrottle,
    /// How long the throttler may drain at shutdown (`request_throttler.shutdownTimeout`).
    pub shutdown_timeout: Duration,
    /// Whether a request of a closed connection is stale (`request_stale_connection_check`).
    pub stale_connection_check: bool,
    /// Whether a request older than its session's time-out is stale (`request_stale_latency_check`).
    pub stale_latency_check: bool,
    /// A request that waited longer is refused with `ThrottledOp` (`throttled_op_wait_time`); `None` is never.
    pub throttled_op_wait: Option<Duration>,
}

impl Requests {
    /// `jute.maxbuffer` when nobody sets it.
    pub const PACKET_MAX_DEFAULT: u32 = 0xf_ffff;
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            packet_max: Self::PACKET_MAX_DEFAULT,
            extra_size: Self::PACKET_MAX_DEFAULT,
            outstanding_max: 1000,
            large: None,
            throttle: RequestThrottle::default(),
            connection_throttle: ConnectionThrottle::default(),
            shutdown_timeout: Duration::from_secs(10),
            stale_connection_check: true,
            stale_latency_check: false,
            throttled_op_wait: None,
        }
    }
}

/// A limit on the bytes of large requests under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargeRequests {
    /// A frame longer than this is large, in bytes.
    pub threshold: u32,
    /// The sum that is let in, in bytes.
    pub bytes_max: u32,
}

impl LargeRequests {
    /// `largeRequestMaxBytes` when nobody sets it.
    pub const BYTES_MAX_DEFAULT: u32 = 100 << 20;
}

/// The request throttler. Mirrors `RequestThrottler`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestThrottle {
    /// Requests under way at which new ones wait (`request_throttle_max_requests`); `None` is off.
    pub requests_max: Option<u32>,
    /// How long one wait is at most (`request_throttle_stall_time`).
    pub stall_time: Duration,
    /// Whether stale requests are dropped while waiting (`request_throttle_drop_stale`).
    pub drop_stale: bool,
}

impl Default for RequestThrottle {
    fn default() -> Self {
        Self { requests_max: None, stall_time: Duration::from_millis(100), drop_stale: true }
    }
}

/// A token bucket for new connections with a random drop on top. Mirrors `BlueThrottle`.
///
/// With weights on, `tokens` and `fill_count` are thought of in new global sessions: the bucket multiplies them by the
/// weight of one.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionThrottle {
    /// The size of the bucket (`connection_throttle_tokens`); `None` is off.
    pub tokens: Option<u32>,
    /// How often it is filled (`connection_throttle_fill_time`).
    pub fill_time: Duration,
    /// By how many tokens (`connection_throttle_fill_count`).
    pub fill_count: u32,
    /// How often the drop probability changes (`connection_throttle_freeze_time`); `None` is never.
    pub freeze_time: Option<Duration>,
    /// The step up when the bucket is empty (`connection_throttle_drop_increase`).
    pub drop_increase: f64,
    /// The step down (`connection_throttle_drop_decrease`).
    pub drop_decrease: f64,
    /// The step down comes when the missing tokens are at most this share (`connection_throttle_decrease_ratio`).
    pub decrease_ratio: f64,
    /// Whether a connection costs its weight instead of one token (`connection_throttle_weight_enabled`).
    pub weighted: bool,
    /// The weight of a new global session.
    pub global_session_weight: u32,
    /// The weight of a new local session.
    pub local_session_weight: u32,
    /// The weight of a renewed session.
    pub renew_session_weight: u32,
}

impl Default for ConnectionThrottle {
    fn default() -> Self {
        Self {
            tokens: None,
            fill_time: Duration::from_millis(1),
            fill_count: 1,
            freeze_time: None,
            drop_increase: 0.02,
            drop_decrease: 0.002,
            decrease_ratio: 0.0,
            weighted: false,
            global_session_weight: 3,
            local_session_weight: 1,
            renew_session_weight: 2,
        }
    }
}
