//! Servers that form an ensemble, each of whatever kind.

use crate::server::{HarnessError, Program, ServerProcess, ServerSpec, free_port};
use std::fs;
use std::time::{Duration, Instant};

/// How long an ensemble may take to agree on a leader and serve.
const AGREE_TIMEOUT: Duration = Duration::from_secs(120);
/// Between two looks at an ensemble that starts.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// What an ensemble is made of.
#[derive(Clone, Debug)]
pub struct EnsembleSpec {
    /// What all members share. Each gets `dataDir`, `clientPort`, the members and, without being asked, `initLimit`,
    /// `syncLimit` and a tick of a second.
    pub server: ServerSpec,
    /// How many vote; their ids count from 1.
    pub voters: u8,
    /// How many observe; their ids come after those of the voters.
    pub observers: u8,
}

impl EnsembleSpec {
    /// An ensemble of voters, all like `server`.
    pub fn new(mut server: ServerSpec, voters: u8) -> Self {
        for (key, value) in [("tickTime", "1000"), ("initLimit", "10"), ("syncLimit", "5")] {
            server = server.with(key, value);
        }
        Self { server, voters, observers: 0 }
    }

    /// With this many observers.
    #[must_use]
    pub fn with_observers(mut self, observers: u8) -> Self {
        self.observers = observers;
        self
    }

    /// With one more line in everybody's zoo.cfg, or another value for a key.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.server = self.server.with(key, value);
        self
    }

    /// With one more system property for everybody.
    #[must_use]
    pub fn with_property(mut self, key: &str, value: &str) -> Self {
        self.server = self.server.with_property(key, value);
        self
    }

    /// Members with directories, ports and ids, none of them started.
    ///
    /// # Errors
    /// There is no room for them.
    pub fn create(self) -> Result<Ensemble, HarnessError> {
        let mut members = Vec::new();
        for id in 1..=self.voters + self.observers {
            let mut server = self.server.clone().create()?;
            let port = || free_port().map_err(HarnessError::io("finding a free port"));
            let observer = id > self.voters;
            if observer {
                let spec = server.spec_mut();
                *spec = spec.clone().with("peerType", "observer");
            }
            let data_dir = server.data_dir();
            fs::create_dir_all(&data_dir)
                .and_then(|()| fs::write(data_dir.join("myid"), format!("{id}\n")))
                .map_err(HarnessError::io("writing myid"))?;
            members.push(Member { id, observer, quorum_port: port()?, election_port: port()?, server });
        }
        let lines: Vec<_> =
            members.iter().map(|m| (m.id, m.address(m.quorum_port, m.election_port))).collect();
        for member in &mut members {
            for (id, address) in &lines {
                member.set_address_of(*id, address);
            }
        }
        Ok(Ensemble { members })
    }

    /// Starts the ensemble and waits until every member serves.
    ///
    /// # Errors
    /// They do not come to serve.
    pub fn start(self) -> Result<Ensemble, HarnessError> {
        let mut ensemble = self.create()?;
        ensemble.start()?;
        Ok(ensemble)
    }
}

/// A member of an ensemble. Its directory, ports and id outlive restarts and changes of the program.
#[derive(Debug)]
pub struct Member {
    id: u8,
    observer: bool,
    quorum_port: u16,
    election_port: u16,
    server: ServerProcess,
}

impl Member {
    /// Its `myid`.
    pub const fn id(&self) -> u8 {
        self.id
    }

    /// Whether it only observes.
    pub const fn is_observer(&self) -> bool {
        self.observer
    }

    /// Where it waits for learners while it leads.
    pub const fn quorum_port(&self) -> u16 {
        self.quorum_port
    }

    /// Where it waits for votes.
    pub const fn election_port(&self) -> u16 {
        self.election_port
    }

    /// The process.
    pub const fn server(&self) -> &ServerProcess {
        &self.server
    }

    /// The process, to be started and ended.
    pub const fn server_mut(&mut self) -> &mut ServerProcess {
        &mut self.server
    }

    /// Makes it a server of another kind from the next start on.
    pub fn set_program(&mut self, program: Program) {
        self.server.spec_mut().program = program;
    }

    /// How it stands in the list of members when it is reached on these ports, its own or those of something in between.
    pub fn address(&self, quorum_port: u16, election_port: u16) -> String {
        let role = if self.observer { ":observer" } else { "" };
        format!("127.0.0.1:{quorum_port}:{election_port}{role}")
    }

    /// Tells this member where it finds another, from the next start on.
    pub fn set_address_of(&mut self, id: u8, address: &str) {
        self.server.spec_mut().config.insert(format!("server.{id}"), address.to_owned());
    }
}

/// An ensemble whose members are child processes. Dropping it kills them and removes their directories.
#[derive(Debug)]
pub struct Ensemble {
    members: Vec<Member>,
}

impl Ensemble {
    /// All members, by id.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter()
    }

    /// All members, to be changed.
    pub fn members_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.members.iter_mut()
    }

    /// One member.
    ///
    /// # Panics
    /// There is none with this id.
    pub fn member(&self, id: u8) -> &Member {
        &self.members[usize::from(id) - 1]
    }

    /// One member, to be changed.
    ///
    /// # Panics
    /// There is none with this id.
    pub fn member_mut(&mut self, id: u8) -> &mut Member {
        &mut self.members[usize::from(id) - 1]
    }

    /// The process of one member.
    ///
    /// # Panics
    /// There is none with this id.
    pub fn server(&self, id: u8) -> &ServerProcess {
        self.member(id).server()
    }

    /// The process of one member, to be started and ended.
    ///
    /// # Panics
    /// There is none with this id.
    pub fn server_mut(&mut self, id: u8) -> &mut ServerProcess {
        self.member_mut(id).server_mut()
    }

    /// Starts whoever does not run and waits until everybody serves.
    ///
    /// # Errors
    /// They do not come to serve.
    pub fn start(&mut self) -> Result<(), HarnessError> {
        for member in &mut self.members {
            if member.server.pid().is_none() {
                member.server.spawn()?;
            }
        }
        self.wait_serving()
    }

    /// Waits until every member that runs serves.
    ///
    /// # Errors
    /// One ends by itself, or they do not serve in time.
    pub fn wait_serving(&mut self) -> Result<(), HarnessError> {
        let running = self.members.iter_mut().filter(|member| member.server.pid().is_some());
        running.into_iter().try_for_each(|member| member.server.wait_serving())
    }

    /// Who leads, as far as members that run tell. Asking a paused member takes seconds.
    pub fn leader(&self) -> Option<u8> {
        let mut running = self.members.iter().filter(|member| member.server.pid().is_some());
        running.find(|member| member.server.mode().as_deref() == Some("leader")).map(Member::id)
    }

    /// Waits until one of the members leads.
    ///
    /// # Errors
    /// None does in time.
    pub fn wait_leader(&self) -> Result<u8, HarnessError> {
        let deadline = Instant::now() + AGREE_TIMEOUT;
        while Instant::now() < deadline {
            if let Some(leader) = self.leader() {
                return Ok(leader);
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        let tails = self.members.iter().map(|m| format!("--- {}\n{}\n", m.id, m.server.log_tail(20)));
        Err(HarnessError::Server {
            what: format!("nobody leads after {AGREE_TIMEOUT:?}"),
            log: tails.collect(),
        })
    }
}
