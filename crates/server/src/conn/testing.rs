//! A client's connection without a socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use zabra_auth::ip_identity;

use super::admit::{self, Next};
use super::task::Stage;
use super::{Conn, handshake};
use crate::core::Core;

/// A client that was accepted.
pub(crate) struct Client {
    core: Arc<Core>,
    pub(crate) conn: Arc<Conn>,
}

impl Client {
    /// Opens a connection.
    pub(crate) fn open(core: &Arc<Core>) -> Self {
        let remote = SocketAddr::from(([127, 0, 0, 1], 40_000));
        let conn = core.conns.open(remote, vec![ip_identity(remote.ip())], core.clock.now());
        Self { core: Arc::clone(core), conn }
    }

    /// Sends a connect request, without the length in front. Whether the connection stays, perhaps only to send a refusal.
    pub(crate) fn connect(&self, request: &[u8]) -> bool {
        handshake::connect(&self.core, &self.conn, request).is_ok_and(|stage| stage != Stage::Leaving)
    }

    /// Sends whole frames. Whether the connection stays open for more.
    pub(crate) fn send(&self, frames: &[u8]) -> bool {
        self.conn.hear(self.core.clock.now());
        let handled = admit::requests(&self.core, &self.conn, frames, Duration::ZERO);
        handled.is_ok_and(|handled| !matches!(handled.next, Next::Leave))
    }

    /// Takes what would be sent to the client, and whether the connection is to close, at once or behind it.
    pub(crate) fn take(&self) -> (Vec<u8>, bool) {
        let mut outbox = self.conn.outbox();
        let closes = outbox.closing && !outbox.gate.is_waiting() || self.conn.is_cut();
        (std::mem::take(&mut outbox.bytes), closes)
    }

    /// The connection's task ends.
    pub(crate) fn close(&self) {
        super::task::forget(&self.core, &self.conn);
    }
}
