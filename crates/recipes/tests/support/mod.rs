//! What several targets of tests share: a server, clients that are impatient, and what can happen to both.

#![allow(dead_code, unused_imports, reason = "no target uses all of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod wire;

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use zabra_client::{Client, ClientBuilder};
use zabra_embedded::Server;
use zabra_recipes::cache::CacheEvent;
use zabra_testkit::{Genuine, JvmOptions, ServerProcess, ServerSpec};
use zabra_types::SessionId;

pub(crate) use wire::Wire;

/// After this long what is waited for does not come.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the server looks for containers and TTL nodes that can go, in milliseconds.
const REAPER_MS: &str = "100";

/// Fails the test when it takes too long.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

/// Waits until it is so, looking again and again.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    soon(what, async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// A client that fails requests soon when there is no connection; a busy machine may need longer for the first one.
pub(crate) async fn hasty(builder: ClientBuilder, server: &Server) -> Client {
    let client = builder.start(&server.connect_string()).unwrap();
    soon("a connection", async { while client.sync("/").await.is_err() {} }).await;
    client
}

/// An event of a cache in a word.
pub(crate) fn told(event: &CacheEvent) -> String {
    let text = |data: &[u8]| String::from_utf8_lossy(data).into_owned();
    match event {
        CacheEvent::Created(node) => format!("+{}={}", node.path, text(&node.data)),
        CacheEvent::Changed { old, new } => format!("{}={}->{}", new.path, text(&old.data), text(&new.data)),
        CacheEvent::Deleted(old) => format!("-{}={}", old.path, text(&old.data)),
        CacheEvent::Failed { path, error } => format!("!{path} {:?}", error.keeper()),
        other => format!("{other:?}"),
    }
}

/// A server, and a place on it for one body.
pub(crate) struct World {
    server: AnyServer,
    place: String,
    clients: Mutex<Vec<Client>>,
}

#[derive(Clone)]
pub(crate) enum AnyServer {
    Zabra(Arc<Server>),
    Genuine(Arc<Mutex<ServerProcess>>),
}

impl AnyServer {
    /// A server that knows nodes with a time to live, and removes them soon.
    pub(crate) async fn zabra() -> Self {
        let server = Server::builder()
            .set("extendedTypesEnabled", "true")
            .set("znode.container.checkIntervalMs", REAPER_MS);
        Self::Zabra(Arc::new(server.start().await.unwrap()))
    }

    /// The same of Apache; `None` when it is not installed.
    pub(crate) async fn genuine(test: &str) -> Option<Self> {
        let genuine = Genuine::find_or_skip(test)?;
        let spec = ServerSpec::new(genuine.program(&JvmOptions::small()))
            .with_property("zookeeper.extendedTypesEnabled", "true")
            .with_property("znode.container.checkIntervalMs", REAPER_MS);
        let server = tokio::task::spawn_blocking(move || spec.start()).await.unwrap().unwrap();
        Some(Self::Genuine(Arc::new(Mutex::new(server))))
    }

    fn hosts(&self) -> String {
        match self {
            Self::Zabra(server) => server.connect_string(),
            Self::Genuine(server) => server.lock().unwrap().addr().to_string(),
        }
    }
}

impl World {
    pub(crate) fn new(server: &AnyServer, body: &str) -> Self {
        Self { server: server.clone(), place: format!("/{body}"), clients: Mutex::default() }
    }

    /// Another client, which sees only the place of the body.
    pub(crate) async fn client(&self) -> Client {
        self.connect(Client::builder()).await
    }

    /// One whose requests wait for a connection only for a moment.
    pub(crate) async fn impatient_client(&self) -> Client {
        self.connect(Client::builder().connect_within(Duration::from_secs(1))).await
    }

    async fn connect(&self, builder: ClientBuilder) -> Client {
        let hosts = self.server.hosts();
        let connected = builder.session_timeout(Duration::from_secs(10)).connect(&hosts);
        let client = soon("a session", connected).await.unwrap();
        client.ensure_path(&self.place).await.unwrap();
        self.clients.lock().unwrap().push(client.clone());
        client.chroot(&self.place).unwrap()
    }

    /// Ends a session as if its client had been away for too long.
    pub(crate) async fn expire(&self, session: SessionId) {
        match &self.server {
            AnyServer::Zabra(server) => match server.expire(session).await {
                // It is over already.
                Ok(()) | Err(zabra_embedded::Error::NoSession(_)) => {}
                Err(error) => panic!("{error}"),
            },
            AnyServer::Genuine(_) => {
                let tickets: Vec<_> = self.clients.lock().unwrap().iter().map(Client::ticket).collect();
                let ticket = tickets.into_iter().find(|ticket| ticket.id == session).unwrap();
                let hosts = self.server.hosts();
                let taken = Client::builder().session(ticket).connect(&hosts);
                match soon("the session", taken).await {
                    Ok(taken) => taken.close().await.unwrap(),
                    // It is over already.
                    Err(zabra_client::Error::SessionExpired { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    /// Breaks the connection of a session, which lives on. Only of an embedded server; others leave it be.
    pub(crate) async fn cut(&self, session: SessionId) {
        if let AnyServer::Zabra(server) = &self.server {
            // It may be away already.
            let _ = server.cut(session).await;
        }
    }

    /// Breaks all connections, as [`cut`](Self::cut).
    pub(crate) async fn cut_all(&self) {
        if let AnyServer::Zabra(server) = &self.server {
            server.cut_all().await;
        }
    }

    /// As kill -9.
    pub(crate) async fn kill(&self) {
        match &self.server {
            AnyServer::Zabra(server) => server.kill().await,
            AnyServer::Genuine(server) => blocking(server, |server| server.kill().unwrap()).await,
        }
    }

    pub(crate) async fn restart(&self) {
        match &self.server {
            AnyServer::Zabra(server) => server.restart().await.unwrap(),
            AnyServer::Genuine(server) => blocking(server, |server| server.start().unwrap()).await,
        }
    }
}

async fn blocking(server: &Arc<Mutex<ServerProcess>>, act: impl FnOnce(&mut ServerProcess) + Send + 'static) {
    let server = server.clone();
    let act = move || act(&mut server.lock().unwrap_or_else(PoisonError::into_inner));
    tokio::task::spawn_blocking(act).await.unwrap();
}
