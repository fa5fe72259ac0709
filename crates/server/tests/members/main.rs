//! Members of an ensemble in this process, and raw clients.

mod outages;
mod sessions;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use zabra_proto::OpCode;
use zabra_server::Server;
use zabra_server::config::{
    Config, Endpoint, Ensemble, Host, Membership, Mode, PeerAddress, PeerRole, ServerSpec,
};
use zabra_testkit::{Connected, RawClient, RawRequest, Received, Reply, free_port};
use zabra_types::{ServerId, SessionId};

/// Long enough for a busy machine; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at something that is to happen.
const PAUSE: Duration = Duration::from_millis(10);

/// Three voters.
struct Members {
    runtime: Runtime,
    /// Removed at the end.
    _dirs: Vec<TempDir>,
    configs: Vec<Config>,
    servers: Vec<Option<Server>>,
}

impl Members {
    /// Starts them, all with what `edit` sets, and waits until all serve.
    fn start(edit: impl Fn(&mut Config)) -> Self {
        let port = || free_port().expect("a free port");
        let servers = (1..=3).map(|number| {
            let id = ServerId::new(number);
            let address =
                PeerAddress { host: Host::new("127.0.0.1"), quorum_port: port(), election_port: port() };
            let spec = ServerSpec { id, addresses: vec![address], role: PeerRole::Participant, client: None };
            (id, spec)
        });
        let membership = Membership { servers: servers.collect(), ..Membership::default() };
        let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().expect("a directory")).collect();
        let configs = dirs.iter().zip(1..).map(|(dir, number)| {
            let mode = Mode::Ensemble(Box::new(Ensemble {
                id: ServerId::new(number),
                role: PeerRole::Participant,
                init_limit_ticks: 50,
                sync_limit_ticks: 50,
                connect_limit_ticks: None,
                membership: membership.clone(),
                next_membership: None,
                dynamic_file: None,
            }));
            let mut config = Config { mode, ..Config::default() };
            config.listen.client = Some(Endpoint::loopback(port()));
            config.listen.connections_per_host_max = None;
            config.admin.enabled = false;
            config.storage.data_dir = dir.path().to_owned();
            config.storage.data_log_dir = dir.path().to_owned();
            config.sessions.tick_time = Duration::from_millis(100);
            config.sessions.timeout_min = Duration::from_millis(200);
            config.sessions.timeout_max = Duration::from_secs(60);
            edit(&mut config);
            config
        });
        let configs: Vec<_> = configs.collect();
        let runtime = Runtime::new().expect("a runtime");
        let mut members = Self { runtime, _dirs: dirs, configs, servers: (0..3).map(|_| None).collect() };
        (0..3).for_each(|at| members.run(at));
        for at in 0..3 {
            members.client(at);
        }
        members
    }

    /// Starts a member, counted from 0.
    fn run(&mut self, at: usize) {
        let server = self.runtime.block_on(Server::start(self.configs[at].clone()));
        self.servers[at] = Some(server.expect("the member starts"));
    }

    /// Stops a member.
    fn stop(&mut self, at: usize) {
        let server = self.servers[at].take().expect("it runs");
        self.runtime.block_on(server.stop()).expect("it ends in good order");
    }

    fn addr(&self, at: usize) -> SocketAddr {
        self.servers[at].as_ref().expect("it runs").client_address()
    }

    /// A client with a new session of ten seconds, as soon as the member serves.
    fn client(&self, at: usize) -> (RawClient, Connected) {
        eventually(|| RawClient::connect(self.addr(at), 10_000).ok())
    }

    /// The same with a session that there is.
    fn renew(&self, at: usize, session: &Connected) -> RawClient {
        let id = SessionId::from_raw(session.session);
        eventually(|| RawClient::renew(self.addr(at), 10_000, id, &session.password).ok()).0
    }

    /// Which member leads.
    fn leader(&self) -> usize {
        eventually(|| {
            let leads = |at: &usize| {
                self.servers[*at].is_some()
                    && zabra_testkit::four_letter(self.addr(*at), "srvr", PATIENCE)
                        .is_ok_and(|told| told.contains("Mode: leader"))
            };
            (0..3).find(leads)
        })
    }
}

/// Waits until there is something.
fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it does not happen");
        std::thread::sleep(PAUSE);
    }
}

fn call(client: &mut RawClient, request: &RawRequest) -> Reply {
    client.call(request).expect("a reply")
}

/// Whether a node is there for somebody who has seen everything.
fn exists(client: &mut RawClient, path: &str) -> bool {
    assert_eq!(call(client, &RawRequest::path(OpCode::Sync, path)).err, 0);
    call(client, &RawRequest::read(OpCode::Exists, path, false)).err == 0
}

/// Whether the connection closes with nothing more on it.
fn closes(client: &mut RawClient) -> bool {
    matches!(client.receive(PATIENCE), Ok(Received::Closed))
}
