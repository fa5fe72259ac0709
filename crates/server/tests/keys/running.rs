//! A server in this process, configured by the lines of a file.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use zabra_proto::{AclEntry, OpCode};
use zabra_server::config::{Config, Flags, Loaded};
use zabra_server::{Server, StartError, Stopped};
use zabra_storage::{Disk, RealDisk};
use zabra_testkit::{Body, RawClient, RawRequest, Received, Reply, four_letter};
use zabra_types::Perms;

/// Long enough for a busy machine; only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What every file says, unless the lines of a test say otherwise: the last line counts.
fn base(dir: &Path) -> String {
    format!(
        "dataDir={}\nclientPort=0\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n\
         4lw.commands.whitelist=*\ntickTime=100\nminSessionTimeout=200\nmaxSessionTimeout=60000\n\
         maxClientCnxns=0\npreAllocSize=64\n",
        dir.display()
    )
}

/// What a file with these lines means.
pub(crate) fn load(dir: &Path, lines: &str) -> Loaded {
    let file = base(dir) + lines;
    Config::from_bytes(Path::new("zoo.cfg"), file.as_bytes(), &Flags::default()).expect("a good file")
}

/// A running server and the runtime it runs in. Dropping it stops the server.
pub(crate) struct Running {
    runtime: Runtime,
    server: Option<Server>,
    _dir: Option<TempDir>,
}

impl Running {
    /// A server with an empty data directory of its own.
    pub(crate) fn start(lines: &str) -> Self {
        Self::start_on(lines, Arc::new(RealDisk))
    }

    /// The same on another disk.
    pub(crate) fn start_on(lines: &str, disk: Arc<dyn Disk>) -> Self {
        let dir = TempDir::new().expect("a directory");
        let mut server = Self::try_start(dir.path(), lines, disk).expect("the server starts");
        server._dir = Some(dir);
        server
    }

    /// A server on the data in `dir`.
    pub(crate) fn start_in(dir: &Path, lines: &str) -> Self {
        Self::try_start(dir, lines, Arc::new(RealDisk)).expect("the server starts")
    }

    /// A server that may not start.
    pub(crate) fn try_start(dir: &Path, lines: &str, disk: Arc<dyn Disk>) -> Result<Self, StartError> {
        let runtime = Runtime::new().expect("a runtime");
        let server = runtime.block_on(Server::start_on(load(dir, lines).config, disk))?;
        Ok(Self { runtime, server: Some(server), _dir: None })
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().expect("running until dropped")
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.server().client_address()
    }

    /// Ends the server in good order.
    pub(crate) fn stop(mut self) -> Result<(), Stopped> {
        let server = self.server.take().expect("running until dropped");
        self.runtime.block_on(server.stop())
    }

    /// A client with a session of ten seconds.
    pub(crate) fn client(&self) -> RawClient {
        RawClient::connect(self.addr(), 10_000).expect("connected").0
    }

    /// What `mntr` tells under a name. Waits for its turn where connections are few.
    pub(crate) fn told(&self, name: &str) -> String {
        let mut text = String::new();
        eventually("mntr answers", || {
            text = four_letter(self.addr(), "mntr", PATIENCE).unwrap_or_default();
            !text.is_empty()
        });
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("zk_")?.split_once('\t'));
        let (_, value) =
            lines.find(|(key, _)| *key == name).unwrap_or_else(|| panic!("mntr does not tell {name}"));
        value.to_owned()
    }

    /// A figure of `mntr`.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let value = self.told(name);
        value.parse().unwrap_or_else(|_| panic!("{name} is {value}"))
    }

    /// Waits until a figure of `mntr` has come to `least`.
    pub(crate) fn wait_for_metric(&self, name: &str, least: u64) {
        eventually(name, || self.metric(name) >= least);
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

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn create(zk: &mut RawClient, path: &str, data: &[u8]) -> Reply {
    zk.call(&RawRequest::create(path, data, 0)).expect("a reply")
}

/// Creates a node that nobody but its list says may do anything.
pub(crate) fn create_with(zk: &mut RawClient, path: &str, acl: &[AclEntry<'_>]) -> Reply {
    zk.call(&RawRequest::create_with(OpCode::Create, path, Some(b""), Some(acl), 0, 0)).expect("a reply")
}

pub(crate) fn entry<'a>(perms: Perms, scheme: &'a str, id: &'a str) -> AclEntry<'a> {
    AclEntry { perms, scheme: Some(scheme.into()), id: Some(id.into()) }
}

pub(crate) fn set(path: &str, data: &[u8]) -> RawRequest {
    RawRequest::set_data(path, Some(data), -1)
}

pub(crate) fn get(path: &str) -> RawRequest {
    RawRequest::read(OpCode::GetData, path, false)
}

/// The error code of a request; 0 when it succeeds.
pub(crate) fn err(zk: &mut RawClient, request: &RawRequest) -> i32 {
    zk.call(request).expect("a reply").err
}

/// The data of a node.
pub(crate) fn data(zk: &mut RawClient, path: &str) -> Option<Vec<u8>> {
    match zk.call(&get(path)).expect("a reply").body {
        Body::DataStat(data, _) => data.0,
        _ => None,
    }
}

/// Whether the connection closes with nothing more on it.
pub(crate) fn closes(zk: &mut RawClient) -> bool {
    matches!(zk.receive(PATIENCE), Ok(Received::Closed))
}

/// Whether the server lets one more client have a session.
pub(crate) fn is_let_in(server: &Running) -> bool {
    RawClient::connect(server.addr(), 10_000).is_ok()
}
