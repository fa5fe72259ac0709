//! The world: all machines, and the loop that lets one thing happen after the other.
//!
//! First everything goes wrong that the scenario has. Then most faults end: some servers may stay away, and those who are
//! left can decide without them. Within a bounded time they have to work: a leader, everybody serving, every client's write
//! and read answered, all trees the same. Then all faults end, and everybody has to. Last the clients go, and what belongs
//! to their sessions has to go with them.

mod faults;
mod progress;

use std::time::Duration;

use zabra_storage::FaultDisk;
use zabra_testkit::Rng;
use zabra_zab::Role;

use crate::client::Client;
use crate::ensemble::Ensemble;
use crate::env::{Counts, Env, Stop, Violation};
use crate::nemesis::{self, Ambush, Victims};
use crate::network::{Arrival, Node, Reach};
use crate::sabotage::Sabotage;
use crate::scenario::Scenario;
use crate::schedule::{Event, Schedule};
use crate::server::{Crash, Machine, Server};
use crate::time::{Clock, Time};

/// More steps than any run takes that gets on.
const STEPS_MAX: u64 = 5_000_000;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What was violated, and when.
    pub violation: Option<(Time, Violation)>,
    /// Equal for equal runs.
    pub fingerprint: u64,
    /// What happened how often.
    pub counts: Counts,
    /// What happened, if it was to be told.
    pub trace: Vec<String>,
}

/// What a run is told besides its seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// A bug to put back.
    pub sabotage: Option<Sabotage>,
    /// Whether everything that happens is told.
    pub traced: bool,
}

/// The part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Chaos,
    /// Some servers are away for good, and the others can do without them.
    Degraded,
    Healed,
    Parting,
    Over,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) env: Env,
    servers: Vec<Server>,
    clients: Vec<Client>,
    part: Part,
    part_ends: Time,
    next_look: Time,
    /// Those who stay away while the others have to work.
    away: Vec<usize>,
    /// Whose turn it is to be away.
    relay: usize,
}

impl World {
    pub(crate) fn new(seed: u64, settings: Settings) -> Self {
        let mut rng = Rng::new(seed);
        let scenario = Scenario::new(&mut rng);
        let servers: Vec<Server> = (0..scenario.ensemble.len())
            .map(|index| Server::new(machine(index, &scenario, &mut rng)))
            .collect();
        let disks: Vec<FaultDisk> = servers.iter().map(|server| server.machine.disk.clone()).collect();
        let clients = (0..scenario.clients).map(Client::new).collect();
        let part_ends = Time::ZERO + scenario.chaos;
        let mut env = Env::new(scenario, Schedule::new(rng), disks, settings.sabotage, settings.traced);
        let scenario = env.scenario.clone();
        env.trace(|| format!("{scenario:?}"));
        Self {
            env,
            servers,
            clients,
            part: Part::Chaos,
            part_ends,
            next_look: Time::ZERO,
            away: Vec::new(),
            relay: 0,
        }
    }

    /// Runs to the end, or to the first violation.
    pub(crate) fn run(&mut self) -> Result<(), Violation> {
        for server in 0..self.servers.len() {
            let delay = self.env.schedule.between(Duration::ZERO, Duration::from_millis(300));
            self.env.schedule.after(delay, Event::Start { server, boot: 0 });
        }
        for client in &mut self.clients {
            self.env.network.set_reach(Node::Client(0), Reach::Refusing);
            client.plan(&mut self.env, Duration::from_millis(400));
        }
        self.plan_fault();
        while self.part != Part::Over {
            let Some(event) = self.env.schedule.next() else {
                return Err(self.stuck("nothing will ever happen again"));
            };
            self.env.counts.steps += 1;
            if self.env.counts.steps > STEPS_MAX {
                return Err(self.stuck("it goes round in circles"));
            }
            self.happen(event)?;
            self.strike()?;
            self.look()?;
        }
        self.env.counts.decided = self.env.properties.facts().decided.len() as u64;
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Knock(conn) => {
                let Some(Node::Server(server)) = self.env.network.dialled(conn) else { return Ok(()) };
                let boot = self.servers[server].machine.boot;
                if let Some((kind, from)) = self.env.network.knock(&mut self.env.schedule, conn, boot) {
                    self.env.trace(|| format!("{from:?} has dialled s{}, {kind:?} {conn:?}", server + 1));
                    self.on_server(server, |server, env| server.accepted(env, conn, kind, from))?;
                }
            }
            Event::Arrive(conn, side) => {
                let Some((end, arrival)) = self.env.network.arrive(&mut self.env.schedule, conn, side) else {
                    return Ok(());
                };
                if !matches!(arrival, Arrival::Message(_)) {
                    self.env.trace(|| format!("{:?} hears of {conn:?}: {arrival:?}", end.node));
                }
                match end.node {
                    Node::Client(client) => self.clients[client].arrived(&mut self.env, conn, arrival)?,
                    Node::Server(server) if self.servers[server].machine.boot == end.boot => {
                        self.on_server(server, |server, env| server.arrived(env, conn, side, arrival))?;
                    }
                    Node::Server(_) => {}
                }
            }
            Event::Wake { server, boot }
            | Event::LogDone { server, boot, .. }
            | Event::Sent { server, boot, .. }
            | Event::Found { server, boot, .. } => {
                if self.servers[server].machine.boot == boot {
                    self.on_server(server, |server, env| server.event(env, event))?;
                }
            }
            Event::Client { client, turn } => self.clients[client].act(&mut self.env, turn)?,
            Event::Start { server, boot } => {
                let this = &self.servers[server];
                let is_away = self.part == Part::Degraded && self.away.contains(&server);
                if !this.is_up() && this.machine.boot == boot && !is_away {
                    self.on_server(server, Server::start)?;
                }
            }
            Event::Resume { server, stop } => {
                self.on_server(server, |server, env| server.resume(env, stop))?;
            }
            Event::Fault => {
                if self.part == Part::Chaos {
                    self.fault()?;
                    self.plan_fault();
                }
            }
            Event::Changeover { back, gone } => {
                if self.part == Part::Chaos {
                    self.crash_for(gone, Duration::from_secs(3));
                    self.start_soon(back);
                    let ambush = Ambush::amid_synchronization(&mut self.env.schedule.rng, back, gone);
                    self.env.ambushes.push(ambush);
                }
            }
            Event::End(fault) => {
                // Later all have ended already, or are not to end.
                if self.part == Part::Chaos {
                    self.end(&fault);
                }
            }
        }
        Ok(())
    }

    /// Does something with a server, which may end its process.
    fn on_server(
        &mut self,
        server: usize,
        work: impl FnOnce(&mut Server, &mut Env) -> Result<(), Stop>,
    ) -> Result<(), Violation> {
        self.env.note(server as u64);
        match work(&mut self.servers[server], &mut self.env) {
            Ok(()) => Ok(()),
            Err(Stop::Violation(violation)) => Err(violation),
            Err(Stop::Ambushed) => {
                let crash = nemesis::choose_crash(&mut self.env.schedule.rng);
                self.crash(server, crash);
                Ok(())
            }
            Err(Stop::Died(why)) => {
                if self.part != Part::Chaos {
                    let what = format!("s{} ends though its disk is in order: {why}", server + 1);
                    return Err(Violation { property: "storage", what });
                }
                self.env.trace(|| format!("s{} DIED: {why}", server + 1));
                if self.servers[server].is_up() {
                    self.crash(server, Crash::KILL);
                } else {
                    // It did not get so far as to be up.
                    self.servers[server].machine.disk.crash(Crash::KILL.loss, 0);
                    self.restart_later(server);
                }
                Ok(())
            }
        }
    }

    fn crash(&mut self, server: usize, how: Crash) {
        if self.servers[server].is_up() {
            self.env.counts.crashes += 1;
            self.servers[server].crash(&mut self.env, how);
            self.restart_later(server);
        }
    }

    /// Crashes a server that is to come back only after so long, unless it is asked to before.
    fn crash_for(&mut self, server: usize, time: Duration) {
        let how = nemesis::choose_crash(&mut self.env.schedule.rng);
        if self.servers[server].is_up() {
            self.env.counts.crashes += 1;
            self.servers[server].crash(&mut self.env, how);
        }
        let boot = self.servers[server].machine.boot;
        self.env.schedule.after(time, Event::Start { server, boot });
    }

    fn start_soon(&mut self, server: usize) {
        let boot = self.servers[server].machine.boot;
        self.env.schedule.after(Duration::from_millis(2), Event::Start { server, boot });
    }

    fn restart_later(&mut self, server: usize) {
        let (from, to) = self.env.schedule.rng.weighted(&[(3, (1, 50)), (3, (50, 500)), (1, (500, 4000))]);
        let delay = self.env.schedule.between(Duration::from_millis(from), Duration::from_millis(to));
        let boot = self.servers[server].machine.boot;
        self.env.schedule.after(delay, Event::Start { server, boot });
    }

    /// Carries out the ambushes whose moment has come.
    fn strike(&mut self) -> Result<(), Violation> {
        while let Some((here, victims)) = self.env.struck.pop() {
            let how = nemesis::choose_crash(&mut self.env.schedule.rng);
            for server in 0..self.servers.len() {
                let leads = self.leads(server);
                let hit = match victims {
                    Victims::Here => server == here,
                    Victims::Others => server != here,
                    Victims::All => true,
                    Victims::Leader => leads,
                    Victims::HereAndLeader => server == here || leads,
                    Victims::Some => self.env.schedule.rng.one_in(2),
                    Victims::HereAndLeaderFor(back) => {
                        if server == back {
                            self.start_soon(back);
                        } else if leads {
                            self.crash_for(server, Duration::from_secs(2));
                        }
                        server == here
                    }
                };
                if hit {
                    self.crash(server, how);
                }
            }
        }
        Ok(())
    }

    fn leads(&self, server: usize) -> bool {
        matches!(self.servers[server].role(), Some(Role::Leading(_) | Role::PreparingToLead))
    }
}

fn machine(index: usize, scenario: &Scenario, rng: &mut Rng) -> Machine {
    let skew = scenario.skew_ppm;
    let rate = 1_000_000 - skew + rng.below(2 * skew + 1);
    Machine {
        index,
        id: Ensemble::id(index),
        disk: FaultDisk::new(),
        clock: Clock::new(Duration::from_millis(rng.below(1 << 30) as u64), rate as u64),
        wall_offset_ms: 1_700_000_000_000 + rng.below(100_000) as i64,
        boot: 0,
        snapshots: std::collections::BTreeMap::new(),
        may_be_empty: true,
        disk_delay: Duration::ZERO,
    }
}
