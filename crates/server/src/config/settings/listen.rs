//! The client ports.

use std::time::Duration;

use super::Endpoint;

/// Where clients connect, and how many may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The plain client port (`clientPort`, `clientPortAddress`).
    pub client: Option<Endpoint>,
    /// The TLS client port (`secureClientPort`, `secureClientPortAddress`).
    pub secure_client: Option<Endpoint>,
    /// Whether the plain port takes TLS as well (`client.portUnification`).
    pub port_unification: bool,
    /// The listen backlog (`clientPortListenBacklog`); `None` leaves it to the system.
    pub backlog: Option<u32>,
    /// Connections from one address, counted per listener (`maxClientCnxns`); `None` is no limit.
    pub connections_per_host_max: Option<u32>,
    /// Connections in all, counted per listener (`maxCnxns`); `None` is no limit.
    pub connections_max: Option<u32>,
    /// How long a connection may stay without a connect request (`nio.sessionlessCnxnTimeout`).
    pub sessionless_timeout: Duration,
    /// TCP keep-alive on client sockets (`clientTcpKeepAlive`).
    pub tcp_keep_alive: bool,
    /// TLS handshakes at once (`netty.server.outstandingHandshake.limit`); `None` is no limit.
    pub handshakes_max: Option<u32>,
    /// Whether TLS connections are refused before the handshake while the server does not serve
    /// (`netty.server.earlyDropSecureConnectionHandshakes`).
    pub early_drop_handshakes: bool,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            client: None,
            secure_client: None,
            port_unification: false,
            backlog: None,
            connections_per_host_max: Some(60),
            connections_max: None,
            sessionless_timeout: Duration::from_secs(10),
            tcp_keep_alive: false,
            handshakes_max: None,
            early_drop_handshakes: false,
        }
    }
}
