//! What operators are told about a client's connection.

use std::net::SocketAddr;

use zabra_types::SessionId;

use crate::conn::{Conn, ConnStats};
use crate::core::Core;

/// A reading of one connection.
#[derive(Clone, Debug)]
pub(crate) struct ClientView {
    /// Where the client is.
    pub(crate) remote: SocketAddr,
    /// What the server waits for at the socket: 1 to read, 4 to write.
    pub(crate) interest_ops: u8,
    /// Requests that wait for an answer.
    pub(crate) outstanding: usize,
    /// Its session; [`SessionId::NONE`] before there is one.
    pub(crate) session: SessionId,
    /// The negotiated timeout of the session.
    pub(crate) timeout_ms: i32,
    /// What was counted.
    pub(crate) stats: ConnStats,
}

impl ClientView {
    fn of(conn: &Conn) -> Self {
        let outbox = conn.outbox();
        Self {
            remote: conn.remote(),
            interest_ops: match (outbox.closing, outbox.bytes.is_empty()) {
                (true, _) => 0,
                (false, true) => 1,
                (false, false) => 5,
            },
            outstanding: outbox.gate.len(),
            session: conn.session(),
            timeout_ms: conn.timeout_ms(),
            stats: outbox.stats.clone(),
        }
    }

    /// The least latency of a reply in milliseconds; 0 before the first.
    pub(crate) fn min_latency_ms(&self) -> u64 {
        if self.stats.replies == 0 { 0 } else { self.stats.min_latency_ms }
    }

    /// The mean, in whole milliseconds.
    pub(crate) fn avg_latency_ms(&self) -> u64 {
        self.stats.total_latency_ms.checked_div(self.stats.replies).unwrap_or(0)
    }
}

/// All connections of the plain client port.
pub(crate) fn clients(core: &Core) -> Vec<ClientView> {
    core.conns.all().iter().map(|conn| ClientView::of(conn)).collect()
}
