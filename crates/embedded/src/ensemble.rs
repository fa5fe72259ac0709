//! Several servers.

use std::fmt::Write;
use std::time::{Duration, Instant};

use zabra_server::Standing;
use zabra_types::SessionId;

use crate::port::Port;
use crate::server::{Home, Server};
use crate::{Builder, Error, blocking};

/// How long an election may take. It takes a few dozen milliseconds.
const ELECTION_MAX: Duration = Duration::from_secs(60);
/// How long to look at one server before asking all of them again.
const LOOK: Duration = Duration::from_millis(5);
/// The most servers.
const SERVERS_MAX: usize = 100;

/// An ensemble inside a test: servers numbered from 0, each as [`Server`] has it. Killed when it is dropped, and its data
/// with it.
///
/// Mirrors Curator's `TestingCluster`.
#[derive(Debug)]
pub struct Ensemble {
    servers: Vec<Server>,
}

/// How an ensemble is to be; made by [`Ensemble::builder`].
#[derive(Clone, Debug)]
pub struct EnsembleBuilder {
    voters: usize,
    observers: usize,
    each: Builder,
}

impl EnsembleBuilder {
    /// So many observers besides; they come after the voters.
    #[must_use]
    pub fn observers(mut self, observers: usize) -> Self {
        self.observers = observers;
        self
    }

    /// See [`Builder::tick_time`].
    #[must_use]
    pub fn tick_time(mut self, tick_time: Duration) -> Self {
        self.each = self.each.tick_time(tick_time);
        self
    }

    /// See [`Builder::set`]; a line for every server.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.each = self.each.set(key, value);
        self
    }

    /// See [`Builder::durable`].
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.each = self.each.durable();
        self
    }

    /// Starts the servers and waits until all of them serve.
    ///
    /// # Errors
    /// See [`Error`]; nothing keeps running then.
    pub async fn start(self) -> Result<Ensemble, Error> {
        let count = self.voters.saturating_add(self.observers);
        if self.voters < 2 || count > SERVERS_MAX {
            return Err(Error::Servers(count));
        }
        let mut lines = String::new();
        let mut members = Vec::new();
        for number in 0..count {
            let [clients, quorum, election] = [Port::any()?, Port::any()?, Port::any()?];
            let (id, host) = (number + 1, "127.0.0.1");
            let role = if number < self.voters { "participant" } else { "observer" };
            // Writing to a string cannot fail.
            let _ = writeln!(
                lines,
                "server.{id}={host}:{}:{}:{role};{host}:{}",
                quorum.number(),
                election.number(),
                clients.number()
            );
            let home = Home::of(None)?;
            std::fs::write(home.path().join("myid"), id.to_string()).map_err(Error::Directory)?;
            members.push((clients, [quorum, election], home));
        }
        let mut servers = Vec::new();
        for (port, between, home) in members {
            let config = self.each.config(home.path(), &lines)?;
            let server = Server::new(config, self.each.durable, port, home).with_ports(between);
            server.restart().await?;
            servers.push(server);
        }
        let ensemble = Ensemble { servers };
        ensemble.wait_serving().await?;
        Ok(ensemble)
    }

    /// Starts the servers, blocking the thread.
    ///
    /// # Errors
    /// See [`EnsembleBuilder::start`].
    pub fn start_blocking(self) -> Result<blocking::Ensemble, Error> {
        blocking::block_on(self.start()).map(blocking::Ensemble::from)
    }
}

impl Ensemble {
    /// Starts so many servers and waits until all of them serve.
    ///
    /// # Errors
    /// See [`Error`]; nothing keeps running then.
    pub async fn start(servers: usize) -> Result<Self, Error> {
        Self::builder(servers).start().await
    }

    /// For an ensemble that is to be different.
    pub fn builder(servers: usize) -> EnsembleBuilder {
        EnsembleBuilder { voters: servers, observers: 0, each: Builder::default() }
    }

    /// What a client connects to: all servers.
    pub fn connect_string(&self) -> String {
        self.servers.iter().map(Server::connect_string).collect::<Vec<_>>().join(",")
    }

    /// The servers.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// One of the servers.
    ///
    /// # Panics
    /// There is none of that number.
    pub fn server(&self, number: usize) -> &Server {
        &self.servers[number]
    }

    /// The number of the server that leads. Waits for an election if need be.
    ///
    /// # Errors
    /// Nobody leads in time, as when most of the servers are down.
    pub async fn leader(&self) -> Result<usize, Error> {
        self.wait_for(|standings| standings.iter().position(|at| *at == Some(Standing::Leading))).await
    }

    /// Ready when there is a leader and every server that runs serves clients.
    ///
    /// # Errors
    /// That is not so in time, as when most of the servers are down.
    pub async fn wait_serving(&self) -> Result<(), Error> {
        self.leader().await?;
        for server in self.awake() {
            if !matches!(server.wait_serving(ELECTION_MAX).await, Ok(true) | Err(Error::NotRunning)) {
                return Err(Error::NoLeader { waited: ELECTION_MAX, standings: self.standings().await });
            }
        }
        Ok(())
    }

    /// See [`Server::kill`].
    ///
    /// # Panics
    /// There is no server of that number; so with the others.
    pub async fn kill(&self, number: usize) {
        self.server(number).kill().await;
    }

    /// See [`Server::stop`].
    pub async fn stop(&self, number: usize) {
        self.server(number).stop().await;
    }

    /// See [`Server::restart`]. Waits until the server serves, if enough of the others run for that.
    ///
    /// # Errors
    /// As there.
    pub async fn restart(&self, number: usize) -> Result<(), Error> {
        self.server(number).restart().await?;
        let running = self.awake().count();
        if running > self.servers.len() / 2 {
            let _ = self.server(number).wait_serving(ELECTION_MAX).await?;
        }
        Ok(())
    }

    /// See [`Server::expire`]. The leader does it, and every server that runs and is not paused has applied it when this returns.
    ///
    /// # Errors
    /// There is no such session, or no leader in time.
    pub async fn expire(&self, session: SessionId) -> Result<(), Error> {
        let leader = self.leader().await?;
        self.server(leader).expire(session).await?;
        for server in self.awake() {
            match server.wait_ended(session).await {
                Ok(()) | Err(Error::NotRunning) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// See [`Server::cut`]; whichever server the session is connected to.
    ///
    /// # Errors
    /// It is connected to none.
    pub async fn cut(&self, session: SessionId) -> Result<(), Error> {
        for server in self.awake() {
            if server.cut(session).await.is_ok() {
                return Ok(());
            }
        }
        Err(Error::NoSession(session))
    }

    /// Breaks the connections of all clients to all servers; returns how many there were.
    pub async fn cut_all(&self) -> usize {
        let mut cut = 0;
        for server in self.awake() {
            cut += server.cut_all().await;
        }
        cut
    }

    fn awake(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter().filter(|server| server.is_awake())
    }

    /// What each of the servers is; none is one that does not run or is paused.
    pub async fn standings(&self) -> Vec<Option<Standing>> {
        let mut standings = Vec::new();
        for server in &self.servers {
            standings.push(server.standing().await);
        }
        standings
    }

    async fn wait_for<T>(&self, find: impl Fn(&[Option<Standing>]) -> Option<T>) -> Result<T, Error> {
        let start = Instant::now();
        loop {
            let standings = self.standings().await;
            if let Some(found) = find(&standings) {
                return Ok(found);
            }
            let waited = start.elapsed();
            let awake = self.servers.iter().find(|server| server.is_awake());
            match awake {
                Some(server) if waited < ELECTION_MAX => {
                    // A pause that needs no runtime of ours; whoever leads may be another.
                    let _ = server.wait_leading(LOOK).await;
                }
                _ => return Err(Error::NoLeader { waited, standings }),
            }
        }
    }
}
