//! Whole ensembles that elect, in simulated time: servers of ours, genuine ones, and both together, with connections that
//! break, swallow what is said, and repeat stale words; with servers that die and come back. What follows an election,
//! discovery and synchronization, is reduced to whether enough servers find together in time.

mod elector;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use proptest::prelude::*;
use zabra_proto::Notification;
use zabra_types::{Epoch, Now, ServerId, Zxid};

use super::fixture::{Server, durable, id, members};
use super::genuine::Genuine;
use crate::role::Elected;
use crate::{Durable, Members};
use elector::{Elector, Heard};

/// How long a follower tries to reach a leader that does not lead (yet).
const CONNECT_WAIT: Duration = Duration::from_millis(500);
/// How long a leader waits for a quorum to come to it, and a follower for its leader to have one.
const INIT_WAIT: Duration = Duration::from_secs(2);
/// How long a leader of ours stays without enough servers that may come to it.
const HOPE_WAIT: Duration = Duration::from_millis(200);
/// When silence is noticed.
const SYNC_WAIT: Duration = Duration::from_millis(400);
/// How long it takes a role to notice things.
const NOTICED_WITHIN: Duration = Duration::from_millis(20);
const LATENCY_MAX: Duration = Duration::from_millis(20);

/// What a server is besides its election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Looking,
    /// Since when, and the epoch once it is established.
    Leading(Now, Option<Epoch>),
    /// Whom, since when, and whether it has been reached; then whether it has taken this server over.
    Learning {
        leader: ServerId,
        since: Now,
        is_connected: bool,
        is_synced: bool,
    },
}

struct Host {
    elector: Elector,
    part: Part,
    /// Since when too few are left that may come to this leader.
    hope_lost: Option<Now>,
    /// What was said last to each server.
    last_said: BTreeMap<ServerId, Notification>,
}

#[derive(Debug)]
enum Event {
    Hear {
        from: ServerId,
        to: ServerId,
        connection: u64,
        said: Notification,
    },
    /// The two try to connect.
    Dial(ServerId, ServerId),
    Start(ServerId),
    /// The role of a server looks around.
    Look(ServerId),
    Fault,
}

/// The connection between two servers.
#[derive(Default)]
struct Wire {
    /// Present while it stands.
    connection: Option<u64>,
    /// Nothing can be connected before.
    cut_until: Now,
    /// Which direction swallows everything, and until when.
    swallows: BTreeMap<ServerId, Now>,
    /// The last arrival in each direction: what is said is heard in order.
    last: BTreeMap<ServerId, Now>,
}

struct Sim {
    now: Now,
    random: u64,
    members: Members,
    /// Who is of the genuine kind.
    genuine: BTreeSet<ServerId>,
    disks: BTreeMap<ServerId, Durable>,
    hosts: BTreeMap<ServerId, Host>,
    wires: BTreeMap<(ServerId, ServerId), Wire>,
    events: BTreeMap<(Now, u64), Event>,
    sequence: u64,
    faults_until: Now,
    epochs: u32,
}

impl Sim {
    fn new(seed: u64, voters: i64, observers: i64, genuine: impl IntoIterator<Item = i64>) -> Self {
        let mut sim = Self {
            now: Now::default(),
            random: seed,
            members: members(1..=voters, voters + 1..=voters + observers),
            genuine: genuine.into_iter().map(id).collect(),
            disks: BTreeMap::new(),
            hosts: BTreeMap::new(),
            wires: BTreeMap::new(),
            events: BTreeMap::new(),
            sequence: 0,
            faults_until: Now::default(),
            epochs: 2,
        };
        for server in sim.all() {
            let epoch = sim.below(3) as u32;
            let zxid = Zxid::new(Epoch::new(sim.below(u64::from(epoch) + 1) as u32), sim.below(4) as u32);
            sim.disks.insert(server, durable(epoch, zxid));
            sim.schedule(Duration::ZERO, Event::Start(server));
            sim.schedule(Duration::ZERO, Event::Look(server));
        }
        sim
    }

    fn all(&self) -> Vec<ServerId> {
        self.members.voters.iter().chain(&self.members.observers).copied().collect()
    }

    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next_random() % end
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        Duration::from_millis(self.below(most.as_millis() as u64 + 1))
    }

    fn pick(&mut self, from: &[ServerId]) -> ServerId {
        let at = self.below(from.len() as u64) as usize;
        from[at]
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now + after, self.sequence), event);
    }

    fn run_until(&mut self, end: Now) {
        loop {
            let event = self.events.keys().next().copied();
            let deadline =
                self.hosts.iter().filter_map(|(id, host)| Some((host.elector.next_deadline()?, *id))).min();
            match (event, deadline) {
                (Some(event), deadline) if deadline.is_none_or(|(at, _)| event.0 <= at) => {
                    if event.0 > end {
                        break;
                    }
                    self.now = self.now.max(event.0);
                    let event = self.events.remove(&event).expect("it is the first");
                    self.happen(event);
                }
                (_, Some((at, server))) if at <= end => {
                    self.now = self.now.max(at);
                    let now = self.now;
                    self.call(server, |elector| elector.handle_deadline(now));
                }
                _ => break,
            }
        }
        self.now = end;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Hear { from, to, connection, said } => {
                if self.wire(from, to).connection == Some(connection) {
                    let now = self.now;
                    self.call(to, |elector| elector.hear(now, from, &said));
                }
            }
            Event::Dial(a, b) => self.dial(a, b),
            Event::Start(server) => self.start(server),
            Event::Look(server) => {
                self.look_around(server);
                let pause = self.up_to(NOTICED_WITHIN);
                self.schedule(pause.max(Duration::from_millis(1)), Event::Look(server));
            }
            Event::Fault => {
                if self.now < self.faults_until {
                    self.fault();
                    let pause = self.up_to(Duration::from_millis(800));
                    self.schedule(pause, Event::Fault);
                }
            }
        }
    }

    fn wire(&mut self, a: ServerId, b: ServerId) -> &mut Wire {
        self.wires.entry((a.min(b), a.max(b))).or_default()
    }

    fn start(&mut self, server: ServerId) {
        if self.hosts.contains_key(&server) {
            return;
        }
        let durable = self.disks[&server];
        let elector = if self.genuine.contains(&server) {
            Elector::Genuine(Box::new(Genuine::new(server, &self.members, durable)))
        } else {
            Elector::Ours(Box::new(Server::new(server, &self.members, durable)))
        };
        self.hosts.insert(
            server,
            Host { elector, part: Part::Looking, hope_lost: None, last_said: BTreeMap::new() },
        );
        self.look(server);
        for peer in self.all().into_iter().filter(|peer| *peer != server) {
            let delay = self.up_to(Duration::from_millis(30));
            self.schedule(delay, Event::Dial(server, peer));
        }
    }

    fn stop(&mut self, server: ServerId) {
        self.hosts.remove(&server);
        for peer in self.all().into_iter().filter(|peer| *peer != server) {
            self.disconnect(server, peer);
        }
    }

    fn dial(&mut self, a: ServerId, b: ServerId) {
        let (now, connection) = (self.now, self.sequence);
        let is_possible = self.hosts.contains_key(&a) && self.hosts.contains_key(&b);
        let wire = self.wire(a, b);
        if wire.connection.is_some() {
            return;
        }
        if wire.cut_until > now {
            let later = wire.cut_until.since(now);
            self.schedule(later, Event::Dial(a, b));
            return;
        }
        if !is_possible {
            // Refused: nobody listens.
            for (server, peer) in [(a, b), (b, a)] {
                self.call(server, |elector| elector.peer(now, peer, false));
            }
            return;
        }
        wire.connection = Some(connection);
        wire.last.clear();
        for (server, peer) in [(a, b), (b, a)] {
            let stale = self.hosts.get(&server).and_then(|host| host.last_said.get(&peer).cloned());
            let is_repeated = self.genuine.contains(&server) || self.below(2) == 0;
            if let Some(stale) = stale.filter(|_| is_repeated) {
                self.say(server, peer, stale);
            }
            self.call(server, |elector| elector.peer(now, peer, true));
        }
    }

    fn disconnect(&mut self, a: ServerId, b: ServerId) {
        let now = self.now;
        if self.wire(a, b).connection.take().is_some() {
            for (server, peer) in [(a, b), (b, a)] {
                self.call(server, |elector| elector.peer(now, peer, false));
            }
        }
    }

    fn call(&mut self, server: ServerId, call: impl FnOnce(&mut Elector) -> Heard) {
        let Some(host) = self.hosts.get_mut(&server) else { return };
        let (elected, said) = call(&mut host.elector);
        match elected {
            Some(Elected::Leading) => host.part = Part::Leading(self.now, None),
            Some(Elected::Following(leader) | Elected::Observing(leader)) => {
                host.part = Part::Learning { leader, since: self.now, is_connected: false, is_synced: false };
            }
            None => {}
        }
        for (to, notification) in said {
            self.say(server, to, notification);
        }
    }

    fn say(&mut self, from: ServerId, to: ServerId, said: Notification) {
        if let Some(host) = self.hosts.get_mut(&from) {
            host.last_said.insert(to, said.clone());
        }
        let latency = self.up_to(LATENCY_MAX);
        let now = self.now;
        let wire = self.wire(from, to);
        let Some(connection) = wire.connection else { return };
        if wire.swallows.get(&from).is_some_and(|until| *until > now) {
            return;
        }
        let at = (now + latency).max(wire.last.get(&from).copied().unwrap_or_default());
        wire.last.insert(from, at);
        self.schedule(at.since(now), Event::Hear { from, to, connection, said });
    }

    fn look(&mut self, server: ServerId) {
        let now = self.now;
        if let Some(host) = self.hosts.get_mut(&server) {
            host.part = Part::Looking;
            host.hope_lost = None;
        }
        self.call(server, |elector| elector.begin(now));
    }

    /// Whether what the one says reaches the other, as on the quorum port.
    fn hears(&mut self, from: ServerId, to: ServerId) -> bool {
        let now = self.now;
        let wire = self.wire(from, to);
        wire.connection.is_some() && wire.swallows.get(&from).is_none_or(|until| *until <= now)
    }

    fn part(&self, server: ServerId) -> Option<Part> {
        self.hosts.get(&server).map(|host| host.part)
    }

    fn look_around(&mut self, server: ServerId) {
        match self.part(server) {
            None | Some(Part::Looking) => {}
            Some(Part::Leading(since, established)) => self.lead(server, since, established),
            Some(Part::Learning { leader, since, is_connected, is_synced }) => {
                self.learn(server, leader, since, is_connected, is_synced);
            }
        }
    }

    fn lead(&mut self, server: ServerId, since: Now, established: Option<Epoch>) {
        let learners: Vec<ServerId> = self
            .all()
            .into_iter()
            .filter(|peer| {
                matches!(self.part(*peer), Some(Part::Learning { leader, is_connected: true, .. }) if leader == server)
            })
            .collect();
        let heard: BTreeSet<ServerId> =
            learners.iter().copied().filter(|peer| self.hears(*peer, server)).chain([server]).collect();
        if !self.members.is_quorum(&heard) {
            let limit = if established.is_some() { SYNC_WAIT } else { INIT_WAIT };
            if self.now.since(since) > limit || (established.is_none() && self.is_hopeless(server, &learners))
            {
                self.look(server);
            }
            return;
        }
        let disk = self.disks[&server];
        let epoch = established.unwrap_or_else(|| {
            self.epochs += 1;
            Epoch::new(self.epochs)
        });
        // Now and then it writes; whoever is with it has that too.
        let zxid = match self.below(20) {
            0 => Zxid::new(
                epoch,
                if disk.last_zxid.epoch() == epoch { disk.last_zxid.counter() + 1 } else { 1 },
            ),
            _ => disk.last_zxid,
        };
        for peer in heard {
            self.disks.insert(peer, durable(epoch.get(), zxid));
            let Some(host) = self.hosts.get_mut(&peer) else { continue };
            host.elector.settle_in(epoch, zxid);
            match &mut host.part {
                Part::Learning { is_synced, .. } => *is_synced = true,
                part => *part = Part::Leading(self.now, Some(epoch)),
            }
        }
    }

    /// As the peer judges it.
    fn is_hopeless(&mut self, server: ServerId, learners: &[ServerId]) -> bool {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(&server) else { return false };
        let Some(expected) = host.elector.expected() else { return false };
        let may_come = expected.into_iter().chain(learners.iter().copied()).chain([server]).collect();
        if self.members.is_quorum(&may_come) {
            host.hope_lost = None;
            return false;
        }
        now.since(*host.hope_lost.get_or_insert(now)) >= HOPE_WAIT
    }

    fn learn(&mut self, server: ServerId, leader: ServerId, since: Now, is_connected: bool, is_synced: bool) {
        let waited = self.now.since(since);
        let leads = matches!(self.part(leader), Some(Part::Leading(..)));
        let is_ahead = {
            let (own, other) = (self.disks[&server], self.disks[&leader]);
            matches!(self.part(leader), Some(Part::Leading(_, None)))
                && (own.current_epoch, own.last_zxid) > (other.current_epoch, other.last_zxid)
        };
        let stands = self.wire(server, leader).connection.is_some();
        let leader_looks = self.hosts.get(&server).is_some_and(|host| host.elector.leader_looks());
        if !is_synced && leader_looks {
            self.look(server);
        } else if !is_connected {
            if leads && stands && !is_ahead && self.hears(leader, server) && self.hears(server, leader) {
                self.set_part(
                    server,
                    Part::Learning { leader, since: self.now, is_connected: true, is_synced },
                );
            } else if waited > CONNECT_WAIT {
                self.look(server);
            }
        } else if !stands || (!leads && self.hears(leader, server)) {
            self.look(server);
        } else if !self.hears(leader, server) {
            if waited > SYNC_WAIT {
                if let Some(host) = self.hosts.get_mut(&server) {
                    host.elector.suspect(leader);
                }
                self.look(server);
            }
        } else if !is_synced && waited > INIT_WAIT {
            self.look(server);
        } else if is_synced {
            self.set_part(server, Part::Learning { leader, since: self.now, is_connected, is_synced });
        }
    }

    fn set_part(&mut self, server: ServerId, part: Part) {
        if let Some(host) = self.hosts.get_mut(&server) {
            host.part = part;
        }
    }

    fn fault(&mut self) {
        let all = self.all();
        let (a, b) = (self.pick(&all), self.pick(&all));
        let length = self.up_to(Duration::from_millis(2500));
        let now = self.now;
        match self.below(4) {
            0 => {
                self.stop(a);
                self.schedule(length, Event::Start(a));
            }
            1 if a != b => {
                self.wire(a, b).cut_until = now + length;
                self.disconnect(a, b);
                self.schedule(length, Event::Dial(a, b));
            }
            2 if a != b => {
                self.wire(a, b).swallows.insert(a, now + length);
            }
            3 => {
                // The leader dies, if there is one.
                let leader = all.iter().copied().find(|id| matches!(self.part(*id), Some(Part::Leading(..))));
                if let Some(leader) = leader {
                    self.stop(leader);
                    self.schedule(length, Event::Start(leader));
                }
            }
            _ => {}
        }
    }

    /// Everybody runs, and everything said is heard. What was swallowed is noticed as a broken connection.
    fn heal(&mut self) {
        for server in self.all() {
            self.start(server);
        }
        for (at, a) in self.all().into_iter().enumerate() {
            for b in self.all().into_iter().skip(at + 1) {
                let wire = self.wire(a, b);
                wire.cut_until = Now::default();
                if !core::mem::take(&mut wire.swallows).is_empty() {
                    self.disconnect(a, b);
                }
                self.schedule(Duration::from_millis(1), Event::Dial(a, b));
            }
        }
    }

    /// The leader, if all are with it in its epoch.
    fn leader(&self) -> Option<ServerId> {
        let leads = |host: &Host| matches!(host.part, Part::Leading(_, Some(_)));
        let leader = self.hosts.iter().find(|(_, host)| leads(host)).map(|(id, _)| *id)?;
        let is_with_it = |id: &ServerId| match self.part(*id) {
            Some(Part::Leading(_, established)) => *id == leader && established.is_some(),
            Some(Part::Learning { leader: of, is_synced, .. }) => of == leader && is_synced,
            _ => false,
        };
        self.all().iter().all(is_with_it).then_some(leader)
    }

    /// The time until all are together.
    fn run_until_together(&mut self, most: Duration) -> Result<Duration, String> {
        let begin = self.now;
        while self.now.since(begin) < most {
            if self.leader().is_some() {
                return Ok(self.now.since(begin));
            }
            self.run_until(self.now + Duration::from_millis(10));
        }
        Err(format!("not together after {most:?}: {:?}", self.parts()))
    }

    fn parts(&self) -> Vec<(ServerId, Part)> {
        self.hosts.iter().map(|(id, host)| (*id, host.part)).collect()
    }

    /// The voter with the best vote, one left out.
    fn best_but(&self, out: ServerId) -> Option<ServerId> {
        let among = self.members.voters.iter().copied().filter(|id| *id != out);
        among.max_by_key(|id| (self.disks[id].current_epoch, self.disks[id].last_zxid, *id))
    }

    fn followed_by(&self, server: ServerId) -> Option<ServerId> {
        match self.part(server)? {
            Part::Leading(..) => Some(server),
            Part::Learning { leader, .. } => Some(leader),
            Part::Looking => None,
        }
    }
}

/// Ten seconds of faults, and then the time until all are together.
fn faults_and_healing(seed: u64, voters: i64, observers: i64, genuine: &[i64]) -> Result<Duration, String> {
    let mut sim = Sim::new(seed, voters, observers, genuine.iter().copied());
    sim.faults_until = Now::new(Duration::from_secs(10));
    sim.schedule(Duration::from_millis(50), Event::Fault);
    sim.run_until(sim.faults_until);
    sim.heal();
    sim.run_until_together(Duration::from_secs(60))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_best_is_elected_when_all_start_together(seed: u64, voters in 1..=5_i64, observers in 0..=2_i64) {
        let mut sim = Sim::new(seed, voters, observers, []);
        let best = sim.best_but(Notification::NOBODY);
        let took = sim.run_until_together(Duration::from_secs(1));
        prop_assert!(took.is_ok(), "{}", took.unwrap_err());
        prop_assert_eq!(sim.leader(), best);
    }

    #[test]
    fn nobody_waits_when_a_leader_dies(seed: u64, voters in 3..=5_i64) {
        let mut sim = Sim::new(seed, voters, 0, []);
        prop_assert!(sim.run_until_together(Duration::from_secs(1)).is_ok());
        let leader = sim.leader().expect("they are together");
        sim.stop(leader);
        sim.run_until(sim.now + Duration::from_millis(150));
        let best = sim.best_but(leader);
        prop_assert!(sim.hosts.keys().all(|id| sim.followed_by(*id) == best), "{:?}", sim.parts());
    }

    #[test]
    fn nobody_waits_when_a_leader_falls_silent(seed: u64, voters in 3..=5_i64) {
        let mut sim = Sim::new(seed, voters, 0, []);
        prop_assert!(sim.run_until_together(Duration::from_secs(1)).is_ok());
        let leader = sim.leader().expect("they are together");
        for peer in sim.all() {
            let for_long = sim.now + Duration::from_secs(60);
            sim.wire(leader, peer).swallows.extend([(leader, for_long), (peer, for_long)]);
        }
        sim.run_until(sim.now + SYNC_WAIT + Duration::from_millis(170));
        let best = sim.best_but(leader);
        let mut left = sim.hosts.keys().filter(|id| **id != leader);
        prop_assert!(left.all(|id| sim.followed_by(*id) == best), "{:?}", sim.parts());
    }

    #[test]
    fn ours_come_together_after_faults(seed: u64, voters in 2..=5_i64, observers in 0..=2_i64) {
        let took = faults_and_healing(seed, voters, observers, &[]);
        prop_assert!(took.as_ref().is_ok_and(|took| *took < INIT_WAIT), "{took:?}");
    }

    #[test]
    fn ours_and_genuine_ones_come_together_after_faults(
        seed: u64, voters in 2..=5_i64, observers in 0..=2_i64, kinds: u8,
    ) {
        let genuine: Vec<i64> = (1..=7).filter(|id| kinds >> id & 1 == 1).collect();
        let took = faults_and_healing(seed, voters, observers, &genuine);
        prop_assert!(took.is_ok(), "{took:?}");
    }
}
