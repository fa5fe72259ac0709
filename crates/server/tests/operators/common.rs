//! A server inside the test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Runtime;
use zabra_server::Server;
use zabra_server::config::{Config, Endpoint, FourLetterWords};
use zabra_storage::{Disk, RealDisk};
use zabra_testkit::{RawClient, RawRequest, four_letter};

/// Far beyond what a busy machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running server with a data directory of its own; both go with it.
pub(crate) struct Running {
    pub(crate) server: Option<Server>,
    pub(crate) runtime: Runtime,
    _dir: TempDir,
}

impl Running {
    /// Starts a server that answers every word and has no other ports than that for clients.
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// The same after a change to its configuration.
    pub(crate) fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_on(Arc::new(RealDisk), change)
    }

    /// The same on a disk that a test makes fail.
    pub(crate) fn start_on(disk: Arc<dyn Disk>, change: impl FnOnce(&mut Config)) -> Self {
        let dir = TempDir::new().unwrap();
        let mut config = Config::default();
        config.listen.client = Some(Endpoint::loopback(0));
        config.storage.data_dir = dir.path().join("data");
        config.admin.enabled = false;
        config.four_letter_words = FourLetterWords::All;
        change(&mut config);
        config.storage.data_log_dir = config.storage.data_dir.clone();
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(Server::start_on(config, disk)).unwrap();
        Self { server: Some(server), runtime, _dir: dir }
    }

    /// Stops the server and starts it again on the same data.
    pub(crate) fn restart(mut self) -> Self {
        let server = self.server.take().unwrap();
        let config = server.config().clone();
        self.runtime.block_on(server.stop()).unwrap();
        self.server = Some(self.runtime.block_on(Server::start(config)).unwrap());
        self
    }

    /// Stops the server, however it takes it.
    pub(crate) fn abandon(mut self) {
        if let Some(server) = self.server.take() {
            let _ = self.runtime.block_on(server.stop());
        }
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server().client_address()
    }

    /// A client with a session.
    pub(crate) fn client(&self) -> (RawClient, zabra_testkit::Connected) {
        RawClient::connect(self.address(), 10_000).unwrap()
    }

    /// The answer to a word.
    pub(crate) fn word(&self, word: &str) -> String {
        four_letter(self.address(), word, PATIENCE).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            let stopped = self.runtime.block_on(server.stop());
            assert!(stopped.is_ok() || std::thread::panicking(), "{stopped:?}");
        }
    }
}

/// Sends a request and expects it to succeed.
pub(crate) fn succeed(client: &mut RawClient, request: &RawRequest) {
    let reply = client.call(request).unwrap();
    assert_eq!(reply.err, 0, "{reply:?}");
}

/// Text with every number replaced by `N`, hexadecimal ones by `X`.
pub(crate) fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let hex = rest.strip_prefix("0x");
        let (digits, mark): (&str, _) = match hex {
            Some(digits) => (digits, "X"),
            None => (rest, "N"),
        };
        let len = digits
            .find(|c: char| !(if hex.is_some() { c.is_ascii_hexdigit() } else { c.is_ascii_digit() }))
            .unwrap_or(digits.len());
        if len > 0 {
            out.push_str(mark);
            rest = &digits[len..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}
