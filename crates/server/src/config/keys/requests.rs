//! Requests, connections and the tree of znodes.

use super::Parse::{Bool, Int, Long, Real, YesNo};
use super::{Bound, Class, Key};
use crate::config::draft::{count, limit, limit_ms, millis};

pub(super) static KEYS: &[Key] = &[
    Key::new("globalOutstandingLimit", Int(|d, n| d.config.requests.outstanding_max = count(n)))
        .default("1000")
        .unit("requests")
        .about("Requests under way beyond which a connection that has one is not read from."),
    Key::new("maxCnxns", Int(|d, n| d.config.listen.connections_max = limit(n)))
        .default("0, no limit")
        .unit("connections")
        .about("Connections of one server in all."),
    Key::new("jute.maxbuffer", Int(|d, n| d.config.requests.packet_max = count(n)))
        .bare()
        .bound(Bound::Min(0))
        .default("1048575")
        .unit("bytes")
        .about("The longest packet; it also bounds what servers send each other."),
    Key::new("jute.maxbuffer.extrasize", Int(|d, n| d.extra_size = Some(count(n))))
        .bound(Bound::Raised(1024))
        .default("`jute.maxbuffer`")
        .unit("bytes")
        .about("What a string inside a record may have beyond that."),
    Key::new("largeRequestMaxBytes", Int(|d, n| d.large_request_bytes_max = Some(count(n))))
        .bound(Bound::Min(1))
        .default("104857600")
        .unit("bytes")
        .about("The sum of large requests under way; beyond it the connection is closed."),
    Key::new("largeRequestThreshold", Int(|d, n| d.large_request_threshold = limit(n)))
        .bound(Bound::Min(-1))
        .default("-1, off")
        .unit("bytes")
        .about("A longer request is large."),
    Key::new("request_throttle_max_requests", Int(|d, n| d.config.requests.throttle.requests_max = limit(n)))
        .also(&["requestThrottleLimit"])
        .default("0, off")
        .unit("requests")
        .about("Requests under way at which new ones wait."),
    Key::new("request_throttle_stall_time", Int(|d, n| d.config.requests.throttle.stall_time = millis(n)))
        .also(&["requestThrottleStallTime"])
        .default("100")
        .unit("ms")
        .about("How long one such wait is at most."),
    Key::new("request_throttle_drop_stale", Bool(|d, on| d.config.requests.throttle.drop_stale = on))
        .also(&["requestThrottleDropStale"])
        .default("true")
        .about("Stale requests are dropped while they wait."),
    Key::new("request_stale_latency_check", Bool(|d, on| d.config.requests.stale_latency_check = on))
        .also(&["requestStaleLatencyCheck"])
        .default("false")
        .about("A request older than its session's time-out is stale."),
    Key::new("request_stale_connection_check", Bool(|d, on| d.config.requests.stale_connection_check = on))
        .also(&["requestStaleConnectionCheck"])
        .default("true")
        .about("A request of a closed connection is stale."),
    Key::new("request_throttler.shutdownTimeout", Int(|d, n| d.config.requests.shutdown_timeout = millis(n)))
        .default("10000")
        .unit("ms")
        .about("How long waiting requests may drain at shutdown."),
    Key::new("throttled_op_wait_time", Int(|d, n| d.config.requests.throttled_op_wait = limit_ms(n)))
        .also(&["throttledOpWaitTime"])
        .default("0, off")
        .unit("ms")
        .about("A request that waited longer is refused with error -127."),
    Key::new(
        "connection_throttle_tokens",
        Int(|d, n| d.config.requests.connection_throttle.tokens = limit(n)),
    )
    .also(&["connectionMaxTokens"])
    .default("0, off")
    .unit("tokens")
    .about("The bucket that new connections draw from."),
    Key::new(
        "connection_throttle_fill_time",
        Int(|d, n| d.config.requests.connection_throttle.fill_time = millis(n)),
    )
    .also(&["connectionTokenFillTime"])
    .bound(Bound::Min(1))
    .default("1")
    .unit("ms")
    .about("How often it is filled."),
    Key::new(
        "connection_throttle_fill_count",
        Int(|d, n| d.config.requests.connection_throttle.fill_count = count(n)),
    )
    .also(&["connectionTokenFillCount"])
    .default("1")
    .unit("tokens")
    .about("By how many tokens."),
    Key::new(
        "connection_throttle_freeze_time",
        Int(|d, n| d.config.requests.connection_throttle.freeze_time = limit_ms(n)),
    )
    .also(&["connectionFreezeTime"])
    .default("-1, no random drop")
    .unit("ms")
    .about("How often the probability of a random drop changes."),
    Key::new(
        "connection_throttle_drop_increase",
        Real(|d, step| d.config.requests.connection_throttle.drop_increase = step),
    )
    .also(&["connectionDropIncrease"])
    .strict()
    .default("0.02")
    .unit("probability")
    .about("The step up when the bucket is empty."),
    Key::new(
        "connection_throttle_drop_decrease",
        Real(|d, step| d.config.requests.connection_throttle.drop_decrease = step),
    )
    .also(&["connectionDropDecrease"])
    .strict()
    .default("0.002")
    .unit("probability")
    .about("The step down."),
    Key::new(
        "connection_throttle_decrease_ratio",
        Real(|d, ratio| d.config.requests.connection_throttle.decrease_ratio = ratio),
    )
    .also(&["connectionDecreaseRatio"])
    .strict()
    .default("0")
    .unit("ratio")
    .about("The step down comes when the missing tokens are at most this share."),
    Key::new(
        "connection_throttle_weight_enabled",
        Bool(|d, on| d.config.requests.connection_throttle.weighted = on),
    )
    .default("false")
    .about("A connection costs its weight instead of one token."),
    Key::new(
        "connection_throttle_global_session_weight",
        Int(|d, n| d.config.requests.connection_throttle.global_session_weight = count(n)),
    )
    .bound(Bound::Min(1))
    .default("3")
    .unit("tokens")
    .about("The weight of a new global session."),
    Key::new(
        "connection_throttle_local_session_weight",
        Int(|d, n| d.config.requests.connection_throttle.local_session_weight = count(n)),
    )
    .bound(Bound::Min(1))
    .default("1")
    .unit("tokens")
    .about("The weight of a new local session."),
    Key::new(
        "connection_throttle_renew_session_weight",
        Int(|d, n| d.config.requests.connection_throttle.renew_session_weight = count(n)),
    )
    .bound(Bound::Min(1))
    .default("2")
    .unit("tokens")
    .about("The weight of a renewed session."),
    Key::new("nio.sessionlessCnxnTimeout", Int(|d, n| d.config.listen.sessionless_timeout = millis(n)))
        .bound(Bound::Min(1))
        .default("10000")
        .unit("ms")
        .about("A connection that sends no connect request for so long is closed."),
    Key::new("clientTcpKeepAlive", Bool(|d, on| d.config.listen.tcp_keep_alive = on))
        .default("false")
        .about("TCP keep-alive on client sockets."),
    Key::new(
        "netty.server.outstandingHandshake.limit",
        Int(|d, n| d.config.listen.handshakes_max = limit(n)),
    )
    .also(&["outstandingHandshake.limit"])
    .class(Class::NotYet)
    .default("-1, no limit")
    .unit("handshakes")
    .about("TLS handshakes at once."),
    Key::new(
        "netty.server.earlyDropSecureConnectionHandshakes",
        Bool(|d, on| d.config.listen.early_drop_handshakes = on),
    )
    .class(Class::NotYet)
    .default("false")
    .about("TLS connections are refused before the handshake while the server does not serve."),
    Key::new("enforceQuota", Bool(|d, on| d.config.tree.enforce_quota = on))
        .default("false")
        .about("Hard quotas refuse writes."),
    Key::new("extendedTypesEnabled", Bool(|d, on| d.config.tree.extended_types = on))
        .default("false")
        .about("TTL nodes can be made."),
    Key::new("emulate353TTLNodes", Bool(|d, on| d.config.tree.emulate_353_ttl = on))
        .default("false")
        .about("TTL nodes are stored as release 3.5.3 did."),
    Key::new(
        "znode.container.checkIntervalMs",
        Int(|d, n| d.config.tree.containers.check_interval = millis(n)),
    )
    .bare()
    .bound(Bound::Min(1))
    .default("60000")
    .unit("ms")
    .about("How often empty containers and expired TTL nodes are swept away."),
    Key::new("znode.container.maxPerMinute", Int(|d, n| d.config.tree.containers.per_minute_max = count(n)))
        .bare()
        .bound(Bound::Min(1))
        .default("10000")
        .unit("nodes")
        .about("How many of them per minute."),
    Key::new(
        "znode.container.maxNeverUsedIntervalMs",
        Long(|d, n| d.config.tree.containers.never_used_max = limit_ms(n)),
    )
    .bare()
    .default("0, never")
    .unit("ms")
    .about("A container that never had a child is swept away too after this."),
    Key::new("skipACL", YesNo(|d, on| d.config.access.skip_acl = on))
        .default("no")
        .unit("yes, no")
        .about("No ACL is checked at all."),
    Key::new("enableEagerACLCheck", Bool(|d, on| d.config.access.eager_acl_check = on))
        .class(Class::Ensemble)
        .default("false")
        .about("The server a client is on checks ACLs before it forwards a write."),
    Key::new("readonlymode.enabled", Bool(|d, on| d.config.read_only_mode = on))
        .bare()
        .class(Class::Ensemble)
        .default("false")
        .about("Read-only clients are served while cut off from the quorum; the word `isro` is answered."),
];
