//! Servers and ensembles inside a test, seen by a client that knows nothing of this crate.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alone;
mod together;

use std::net::SocketAddr;

use zabra_proto::OpCode;
use zabra_testkit::{Connected, RawClient, RawRequest};
use zabra_types::{KeeperError, SessionId};

/// The flag of an ephemeral node.
const EPHEMERAL: i32 = 1;

/// A client with a new session.
struct Client {
    raw: RawClient,
    connected: Connected,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let (raw, connected) = RawClient::connect(address, 20_000).unwrap();
        Self { raw, connected }
    }

    /// Connects again with the same session.
    fn renew(&mut self, address: SocketAddr) -> std::io::Result<()> {
        let (raw, connected) = RawClient::renew(address, 20_000, self.session(), &self.connected.password)?;
        (self.raw, self.connected) = (raw, connected);
        Ok(())
    }

    fn session(&self) -> SessionId {
        SessionId::from_raw(self.connected.session)
    }

    fn create(&mut self, path: &str, flags: i32) {
        let reply = self.raw.call(&RawRequest::create(path, b"data", flags)).unwrap();
        assert_eq!(reply.err, 0, "creating {path}");
    }

    fn exists(&mut self, path: &str) -> bool {
        let reply = self.raw.call(&RawRequest::read(OpCode::Exists, path, false)).unwrap();
        assert!(reply.err == 0 || reply.err == KeeperError::NoNode.code(), "{reply:?}");
        reply.err == 0
    }

    /// Waits for the end of the connection.
    fn wait_closed(&mut self) {
        // However it ends; only silence would be wrong.
        if let Err(error) = self.raw.receive_to_end(zabra_testkit::RECEIVE_TIMEOUT) {
            assert_ne!(error.kind(), std::io::ErrorKind::TimedOut);
        }
    }
}
