//! A server in this process, and raw clients that see every byte.

mod checklist;
mod durability;
mod hostile;
mod order;
mod sessions;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use zabra_proto::OpCode;
use zabra_server::config::{Config, Endpoint};
use zabra_server::{Server, StartError, Stopped};
use zabra_storage::{Disk, RealDisk};
use zabra_testkit::{Body, RawClient, RawRequest, Received, Reply};

/// Long enough for a busy machine; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A configuration for tests: any port, data in `dir`, no admin server.
fn config(dir: &Path) -> Config {
    let mut config = Config::default();
    config.listen.client = Some(Endpoint::loopback(0));
    config.listen.connections_per_host_max = None;
    config.admin.enabled = false;
    config.storage.data_dir = dir.to_owned();
    config.storage.data_log_dir = dir.to_owned();
    config.sessions.tick_time = Duration::from_millis(100);
    config.sessions.timeout_min = Duration::from_millis(200);
    config.sessions.timeout_max = Duration::from_secs(60);
    config
}

/// A running server and the runtime it runs in.
struct Running {
    runtime: Runtime,
    server: Server,
}

impl Running {
    fn start(config: Config) -> Self {
        Self::start_on(config, Arc::new(RealDisk)).expect("the server starts")
    }

    fn start_on(config: Config, disk: Arc<dyn Disk>) -> Result<Self, StartError> {
        let runtime = Runtime::new().expect("a runtime");
        let server = runtime.block_on(Server::start_on(config, disk))?;
        Ok(Self { runtime, server })
    }

    fn addr(&self) -> SocketAddr {
        self.server.client_address()
    }

    /// Ends the server in good order.
    fn stop(self) -> Result<(), Stopped> {
        self.runtime.block_on(self.server.stop())
    }

    /// Waits until the server ends by itself.
    fn wait(self) -> Result<(), Stopped> {
        let Self { runtime, server } = self;
        runtime.block_on(async {
            tokio::time::timeout(PATIENCE, server.run_until(std::future::pending()))
                .await
                .expect("the server ends by itself")
        })
    }
}

/// A client with a session of ten seconds.
fn client(addr: SocketAddr) -> RawClient {
    let (client, connected) = RawClient::connect(addr, 10_000).expect("connected");
    assert!(connected.is_accepted());
    client
}

fn create(client: &mut RawClient, path: &str, data: &[u8]) -> Reply {
    client.call(&RawRequest::create(path, data, 0)).expect("a reply")
}

fn set(path: &str, data: &[u8]) -> RawRequest {
    RawRequest::set_data(path, Some(data), -1)
}

fn get(path: &str, watch: bool) -> RawRequest {
    RawRequest::read(OpCode::GetData, path, watch)
}

/// The data in a reply to getData.
fn data(reply: &Reply) -> Option<Vec<u8>> {
    match &reply.body {
        Body::DataStat(data, _) => data.0.clone(),
        other => panic!("no data: {other:?}"),
    }
}

/// Whether the connection closes with nothing more on it.
fn closes(client: &mut RawClient) -> bool {
    matches!(client.receive(PATIENCE), Ok(Received::Closed))
}
