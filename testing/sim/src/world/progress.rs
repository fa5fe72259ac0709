//! After the faults: what has to work, and when.

use std::time::Duration;

use zabra_storage::Loss;
use zabra_zab::Role;

use super::{Part, World};
use crate::client::Mood;
use crate::env::Violation;
use crate::nemesis;
use crate::network::{Node, Reach};
use crate::schedule::Event;
use crate::server::{Crash, Server};

/// How long everything may take to work again when faults have ended.
const PROGRESS_WITHIN: Duration = Duration::from_secs(30);

/// How often it is looked whether it does.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl World {
    /// Moves on to the next part of the run when it is time.
    pub(super) fn look(&mut self) -> Result<(), Violation> {
        let now = self.env.schedule.now();
        if now < self.next_look {
            return Ok(());
        }
        self.next_look = now + LOOK_EVERY;
        match self.part {
            Part::Chaos if now >= self.part_ends => self.heal_most(),
            Part::Degraded => match self.what_is_missing() {
                None => {
                    self.note_recovery();
                    self.heal()
                }
                Some(missing) if now >= self.part_ends => Err(self.stuck(&missing)),
                Some(_) => Ok(()),
            },
            Part::Healed => match self.what_is_missing() {
                None => {
                    self.note_recovery();
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

    /// Everything that is to work does.
    fn note_recovery(&mut self) {
        let left = self.part_ends.since(self.env.schedule.now());
        let took = PROGRESS_WITHIN.saturating_sub(left);
        self.env.trace(|| format!("WORKS after {took:?}"));
        self.env.counts.recovery = self.env.counts.recovery.max(took);
    }

    /// All faults end, but for those that keep some servers away.
    fn end_faults(&mut self) -> Result<(), Violation> {
        self.env.chaos = false;
        self.env.ambushes.clear();
        self.env.network.end_spikes();
        self.env.network.end_losses();
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
        self.part_ends = self.env.schedule.now() + PROGRESS_WITHIN;
        Ok(())
    }

    /// All faults end.
    fn heal(&mut self) -> Result<(), Violation> {
        self.env.trace(|| "HEAL".to_owned());
        self.away.clear();
        self.part = Part::Healed;
        self.end_faults()
    }

    /// All faults end for those who can decide without the others; these stay away, in one way or another.
    fn heal_most(&mut self) -> Result<(), Violation> {
        self.away = self.choose_away();
        if self.away.is_empty() {
            return self.heal();
        }
        let way = self.env.schedule.rng.weighted(&[
            (2, Way::Off),
            (2, Way::Stopped),
            (2, Way::Apart),
            (1, Way::Deaf),
            (1, Way::Mute),
        ]);
        let away = self.away.clone();
        self.env.trace(|| format!("HEAL but for {away:?}, {way:?}"));
        self.part = Part::Degraded;
        self.end_faults()?;
        let present: Vec<usize> = self.present().collect();
        for &server in &away {
            match way {
                Way::Off => {
                    self.servers[server].crash(&mut self.env, Crash { loss: Loss::Unsynced, silent: true });
                    self.env.network.set_reach(Node::Server(server), Reach::Off);
                }
                Way::Stopped => {
                    if self.servers[server].is_up() {
                        self.servers[server].stop(&mut self.env);
                    }
                }
                Way::Apart | Way::Deaf | Way::Mute => {
                    for (from, to) in nemesis::between(&[server], &present) {
                        let outwards = from == Node::Server(server);
                        if way == Way::Apart || (way == Way::Mute) == outwards {
                            self.env.network.block(from, to);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Some servers that the others can do without; perhaps none.
    fn choose_away(&mut self) -> Vec<usize> {
        let servers = 0..self.servers.len();
        let away: Vec<usize> = servers.clone().filter(|_| self.env.schedule.rng.one_in(3)).collect();
        let ensemble = &self.env.ensemble;
        // A server that has lost its data does not vote before it is filled.
        let voting =
            servers.filter(|server| !away.contains(server) && !self.env.ledgers[*server].is_replaced());
        let voting: Vec<usize> = voting.collect();
        let enough = ensemble.is_quorum(voting.iter().copied())
            && voting.iter().any(|&server| ensemble.is_electable(server));
        if enough { away } else { Vec::new() }
    }

    fn present(&self) -> impl Iterator<Item = usize> {
        (0..self.servers.len()).filter(|server| !self.away.contains(server))
    }

    /// What is still missing before it can be said that everything works.
    fn what_is_missing(&self) -> Option<String> {
        let present: Vec<&Server> = self.present().map(|server| &self.servers[server]).collect();
        let leaders = present.iter().filter(|server| matches!(server.role(), Some(Role::Leading(_)))).count();
        if leaders != 1 {
            return Some(format!("there are {leaders} leaders"));
        }
        let epochs: Vec<_> = present.iter().map(|server| server.serves()).collect();
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
        let mut trees = self.present().filter_map(|server| {
            let tree = self.servers[server].process.as_ref()?.tree();
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

    /// It does not get on.
    pub(super) fn stuck(&self, what: &str) -> Violation {
        let roles: Vec<_> = self.servers.iter().map(Server::role).collect();
        Violation {
            property: "progress",
            what: format!("{what}; the servers are {roles:?}, away are {:?}", self.away),
        }
    }
}

/// How servers are away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Their machines have no power.
    Off,
    /// Their processes are stopped.
    Stopped,
    /// Nothing gets through to them or from them.
    Apart,
    /// They hear nothing.
    Deaf,
    /// They are not heard.
    Mute,
}
