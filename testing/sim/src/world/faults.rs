//! Faults as they come over the world.

use std::time::Duration;

use super::World;
use crate::env::Violation;
use crate::ledger::Ledger;
use crate::nemesis::{self, Ambush, Fault, Means};
use crate::network::Node;
use crate::schedule::Event;
use crate::server::{Crash, Server};

impl World {
    pub(super) fn plan_fault(&mut self) {
        let (from, to) = self.env.scenario.fault_every;
        let delay = self.env.schedule.between(from, to);
        self.env.schedule.after(delay, Event::Fault);
    }

    /// Something goes wrong.
    pub(super) fn fault(&mut self) -> Result<(), Violation> {
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

    /// A fault that lasted is over.
    pub(super) fn end(&mut self, fault: &Fault) {
        self.env.trace(|| format!("END {fault:?}"));
        match fault {
            Fault::Blocked(directions) => self.env.network.unblock(&mut self.env.schedule, directions),
            Fault::SlowLinks => self.env.network.end_slowness(),
            Fault::SlowDisk(server) => self.servers[*server].machine.disk_delay = Duration::ZERO,
        }
    }
}
