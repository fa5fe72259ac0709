//! The world: all machines, and the loop that lets one thing happen after the other.
//!
//! A run has three parts. First everything goes wrong that the scenario has. Then all faults end, everything is started
//! again, and within a bounded time the ensemble has to work: a leader, everybody serving, every client's write and read
//! answered, all trees the same. Last the clients go, and what belongs to their sessions has to go with them.

use std::time::Duration;

use zabra_storage::FaultDisk;
use zabra_testkit::Rng;
use zabra_zab::Role;

use crate::client::{Client, Mood};
use crate::ensemble::Ensemble;
use crate::env::{Counts, Env, Stop, Violation};
use crate::ledger::Ledger;
use crate::nemesis::{self, Ambush, Fault, Means, Victims};
use crate::network::{Arrival, Node, Reach};
use crate::sabotage::Sabotage;
use crate::scenario::Scenario;
use crate::schedule::{Event, Schedule};
use crate::server::{Crash, Machine, Server};
use crate::time::{Clock, Time};

/// How long everything may take to work again when all faults have ended.
const PROGRESS_WITHIN: Duration = Duration::from_secs(60);

/// How often it is looked whether it does.
const LOOK_EVERY: Duration = Duration::from_millis(50);

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
        Self { env, servers, clients, part: Part::Chaos, part_ends, next_look: Time::ZERO, relay: 0 }
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
                if !this.is_up() && this.machine.boot == boot {
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
            Event::End(fault) => self.end(&fault),
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

    fn plan_fault(&mut self) {
        let (from, to) = self.env.scenario.fault_every;
        let delay = self.env.schedule.between(from, to);
        self.env.schedule.after(delay, Event::Fault);
    }

    fn fault(&mut self) -> Result<(), Violation> {
        let scenario = &self.env.scenario;
        let means = nemesis::choose_means(&mut self.env.schedule.rng, scenario);
        let count = self.servers.len();
        let rng = &mut self.env.schedule.rng;
        let server = rng.below(count);
        let lasts = Duration::from_millis(rng.weighted(&[(2, 100), (3, 800), (2, 3000)]) as u64);
        let lasts = self.env.schedule.between(lasts / 4, lasts);
        self.env.trace(|| format!("FAULT {means:?} s{} {lasts:?}", server + 1));
        let rng = &mut self.env.schedule.rng;
        match means {
            Means::Crash => {
                let how = nemesis::choose_crash(rng);
                self.crash(server, how);
            }
            Means::Ambush => {
                let ambush = Ambush::choose(rng, count);
                self.env.ambushes.push(ambush);
            }
            Means::Relay => {
                let next = (self.relay + 1 + rng.below(count - 1)) % count;
                let back = std::mem::replace(&mut self.relay, next);
                if !self.servers[back].is_up() {
                    self.on_server(back, Server::start)?;
                }
                self.crash_for(next, Duration::from_secs(3));
            }
            Means::Changeover => {
                let (back, gone) = nemesis::choose_two(rng, self.env.ensemble.voters);
                let delay =
                    self.env.schedule.between(Duration::from_millis(200), Duration::from_millis(1000));
                self.crash_for(back, Duration::from_secs(3));
                self.env.schedule.after(delay, Event::Changeover { back, gone });
            }
            Means::Outage => {
                let how = nemesis::choose_crash(rng);
                for server in 0..count {
                    self.crash(server, how);
                }
            }
            Means::Stop => {
                if self.servers[server].is_up() {
                    let stop = self.servers[server].stop(&mut self.env);
                    self.env.schedule.after(lasts, Event::Resume { server, stop });
                }
            }
            Means::Partition => {
                let (here, there) = nemesis::choose_parts(rng, &self.env.ensemble);
                self.block(nemesis::between(&here, &there), lasts);
            }
            Means::OneWay => {
                let all: Vec<usize> = (0..count).collect();
                let mut directions = nemesis::between(&[server], &all);
                directions.retain(|_| rng.one_in(2));
                self.block(directions, lasts);
            }
            Means::IsolateLeader => {
                let leader = (0..count).find(|&server| self.leads(server)).unwrap_or(server);
                // Its observers stay with it, or not.
                let cut = if self.env.schedule.rng.one_in(2) { self.env.ensemble.voters } else { count };
                let others: Vec<usize> = (0..cut).filter(|&other| other != leader).collect();
                let mut directions = nemesis::between(&[leader], &others);
                match self.env.schedule.rng.below(4) {
                    0 => directions.retain(|(from, _)| *from == Node::Server(leader)),
                    1 => directions.retain(|(_, to)| *to == Node::Server(leader)),
                    _ => {}
                }
                self.block(directions, lasts);
            }
            Means::SlowLinks => {
                for other in 0..count {
                    let extra = Duration::from_millis(5 + self.env.schedule.rng.below(400) as u64);
                    self.env.network.slow(Node::Server(server), Node::Server(other), extra);
                }
                self.env.schedule.after(lasts, Event::End(Fault::SlowLinks));
            }
            Means::Reset => {
                let reset = self.env.network.reset_any(&mut self.env.schedule);
                self.env.trace(|| format!("RESET {reset:?}"));
            }
            Means::SlowDisk => {
                let delay = Duration::from_millis(rng.weighted(&[(1, 10), (1, 100), (1, 800)]) as u64);
                self.servers[server].machine.disk_delay = delay;
                self.env.schedule.after(lasts, Event::End(Fault::SlowDisk(server)));
            }
            Means::FailDisk => {
                let (nth, fault) = (1 + rng.below(20) as u64, nemesis::choose_disk_fault(rng));
                self.servers[server].machine.disk.fail_at(nth, fault);
            }
            Means::ReplaceDisk => {
                // Of two at a time both could hold the only copies of what was acknowledged; and somebody has to be left who
                // can elect a leader.
                let others = (0..count).filter(|&other| other != server);
                let bearable = self.env.ensemble.is_quorum(others);
                if bearable && !self.env.ledgers.iter().any(Ledger::is_replaced) {
                    self.crash(server, Crash::KILL);
                    self.servers[server].machine.replace_disk();
                    self.env.ledgers[server].replaced();
                }
            }
            Means::StepDown => {
                if let Some(leader) = (0..count).find(|&server| self.leads(server)) {
                    self.on_server(leader, Server::step_down)?;
                }
            }
        }
        Ok(())
    }

    fn block(&mut self, directions: Vec<(Node, Node)>, lasts: Duration) {
        for &(from, to) in &directions {
            self.env.network.block(from, to);
        }
        self.env.schedule.after(lasts, Event::End(Fault::Blocked(directions)));
    }

    fn end(&mut self, fault: &Fault) {
        self.env.trace(|| format!("END {fault:?}"));
        match fault {
            Fault::Blocked(directions) => self.env.network.unblock(&mut self.env.schedule, directions),
            Fault::SlowLinks => self.env.network.end_slowness(),
            Fault::SlowDisk(server) => self.servers[*server].machine.disk_delay = Duration::ZERO,
        }
    }

    /// Moves on to the next part of the run when it is time.
    fn look(&mut self) -> Result<(), Violation> {
        let now = self.env.schedule.now();
        if now < self.next_look {
            return Ok(());
        }
        self.next_look = now + LOOK_EVERY;
        match self.part {
            Part::Chaos if now >= self.part_ends => self.heal(),
            Part::Healed => match self.what_is_missing() {
                None => {
                    self.env.trace(|| "WORKS".to_owned());
                    self.part = Part::Parting;
                    self.part_ends = now + PROGRESS_WITHIN;
                    for client in &mut self.clients {
                        // Every other one goes without a word.
                        let mood = if self.env.schedule.rng.one_in(2) { Mood::Leaving } else { Mood::Gone };
                        client.set_mood(mood);
                    }
                    Ok(())
                }
                Some(missing) if now >= self.part_ends => Err(self.stuck(&missing)),
                Some(_) => Ok(()),
            },
            Part::Parting => match self.what_is_left() {
                None => {
                    self.part = Part::Over;
                    self.check_trees()
                }
                Some(left) if now >= self.part_ends => Err(self.stuck(&left)),
                Some(_) => Ok(()),
            },
            Part::Chaos | Part::Over => Ok(()),
        }
    }

    fn heal(&mut self) -> Result<(), Violation> {
        self.env.trace(|| "HEAL".to_owned());
        self.part = Part::Healed;
        self.part_ends = self.env.schedule.now() + PROGRESS_WITHIN;
        self.env.chaos = false;
        self.env.ambushes.clear();
        self.env.network.end_spikes();
        self.env.network.end_slowness();
        let all: Vec<usize> = (0..self.servers.len()).collect();
        self.env.network.unblock(&mut self.env.schedule, &nemesis::between(&all, &all));
        for server in all {
            let this = &mut self.servers[server];
            this.machine.disk_delay = Duration::ZERO;
            this.machine.disk.heal();
            let boot = this.machine.boot;
            if this.is_up() {
                self.on_server(server, Server::resume_now)?;
            } else {
                self.env.schedule.after(Duration::from_millis(1), Event::Start { server, boot });
            }
        }
        for client in &mut self.clients {
            client.set_mood(Mood::Proving);
        }
        Ok(())
    }

    /// What is still missing before it can be said that everything works.
    fn what_is_missing(&self) -> Option<String> {
        let leaders =
            self.servers.iter().filter(|server| matches!(server.role(), Some(Role::Leading(_)))).count();
        if leaders != 1 {
            return Some(format!("there are {leaders} leaders"));
        }
        let epochs: Vec<_> = self.servers.iter().map(Server::serves).collect();
        if epochs.iter().any(|epoch| epoch.is_none() || *epoch != epochs[0]) {
            return Some(format!("not everybody serves: {epochs:?}"));
        }
        if let Some(client) = self.clients.iter().find(|client| client.mood != Mood::Proved) {
            return Some(format!("{client:?} has not written and read"));
        }
        self.different_trees()
    }

    /// What of the clients is still there after they have gone.
    fn what_is_left(&self) -> Option<String> {
        if let Some(client) = self.clients.iter().find(|client| client.mood != Mood::Gone) {
            return Some(format!("{client:?} has not ended its session"));
        }
        for server in &self.servers {
            let Some(process) = &server.process else { return Some("a server is down".to_owned()) };
            let tree = process.tree();
            if tree.sessions().len() > 0 || tree.ephemeral_count() > 0 {
                let sessions: Vec<_> = tree.sessions().collect();
                return Some(format!("s{} has sessions: {sessions:?}", server.machine.id));
            }
        }
        self.different_trees()
    }

    fn different_trees(&self) -> Option<String> {
        let mut trees = self.servers.iter().filter_map(|server| {
            let tree = server.process.as_ref()?.tree();
            Some((tree.last_zxid(), tree.digest(), tree.sessions().collect::<Vec<_>>()))
        });
        let first = trees.next()?;
        trees.find(|tree| *tree != first).map(|tree| format!("two trees differ: {first:?}, {tree:?}"))
    }

    fn check_trees(&self) -> Result<(), Violation> {
        for server in &self.servers {
            let Some(process) = &server.process else { continue };
            process.tree().check().map_err(|broken| Violation {
                property: "replicas",
                what: format!("the tree of s{} contradicts itself: {broken}", server.machine.id),
            })?;
        }
        Ok(())
    }

    fn stuck(&self, what: &str) -> Violation {
        let roles: Vec<_> = self.servers.iter().map(Server::role).collect();
        Violation { property: "progress", what: format!("{what}; the servers are {roles:?}") }
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
