//! Elections told as scripts, `testdata/election`.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use zabra_proto::{Notification, ServerState};
use zabra_types::{Epoch, Now, ServerId, Zxid};

use super::fixture::{self, Server, id};
use crate::role::Elected;
use crate::testing::script::{self, Command, ScriptZxid, World};
use crate::{Members, Output, QuorumRule};

#[test]
fn elections_go_as_recorded() {
    script::run_folder("election", Ensemble::default);
}

/// Servers that elect, and what they have said and nobody has heard yet.
struct Ensemble {
    now: Now,
    members: Members,
    servers: BTreeMap<ServerId, Server>,
    connected: BTreeSet<(ServerId, ServerId)>,
    in_flight: BTreeMap<(ServerId, ServerId), VecDeque<Notification>>,
}

impl Default for Ensemble {
    fn default() -> Self {
        Self {
            now: Now::default(),
            members: fixture::members(1..=3, []),
            servers: BTreeMap::new(),
            connected: BTreeSet::new(),
            in_flight: BTreeMap::new(),
        }
    }
}

impl World for Ensemble {
    fn run(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        match command.name {
            "members" => self.set_members(command),
            "start" => self.start(command),
            "up" => self.connect(command),
            "down" => self.disconnect(command),
            "stop" => self.stop(command),
            "deliver" => self.deliver(command),
            "lose" => self.lose(command),
            "say" => self.say(command),
            "wait" => self.wait(command),
            "suspect" => {
                let (server, whom) = (command.value(0)?, command.value(1)?);
                self.server(server)?.election.suspect(id(whom));
                Ok(Vec::new())
            }
            "establish" => self.establish(command),
            "look" => self.look(command),
            "roles" => Ok([self.roles()].into()),
            other => Err(format!("no command {other}")),
        }
    }
}

impl Ensemble {
    fn server(&mut self, number: i64) -> Result<&mut Server, String> {
        self.servers.get_mut(&id(number)).ok_or_else(|| format!("no server {number}"))
    }

    fn set_members(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        self.members = fixture::members(command.all::<i64>()?, command.list("observers")?);
        let weightless = command.list::<i64>("weightless")?;
        if !weightless.is_empty() {
            self.members.rule = QuorumRule::Hierarchical {
                groups: [self.members.voters.clone()].into(),
                weights: weightless.into_iter().map(|server| (id(server), 0)).collect(),
            };
        }
        Ok(Vec::new())
    }

    fn start(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        let epoch = command.option("epoch")?.unwrap_or(0);
        let zxid = command.option("zxid")?.unwrap_or(ScriptZxid(Zxid::from_raw(0)));
        let mut lines = Vec::new();
        for number in command.all::<i64>()? {
            let server = Server::new(id(number), &self.members, fixture::durable(epoch, zxid.0));
            self.servers.insert(id(number), server);
            lines.extend(self.call(id(number), |election, ctx| election.begin(ctx)));
        }
        Ok(lines)
    }

    /// The pairs of the servers named, or of all.
    fn pairs(&self, command: &Command<'_>) -> Result<Vec<(ServerId, ServerId)>, String> {
        let named: Vec<i64> = command.all()?;
        let servers: Vec<ServerId> = if named.is_empty() {
            self.servers.keys().copied().collect()
        } else {
            named.into_iter().map(id).collect()
        };
        let second = |first: usize| servers.iter().skip(first + 1);
        Ok(servers.iter().enumerate().flat_map(|(at, a)| second(at).map(|b| (*a, *b))).collect())
    }

    fn connect(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        for (a, b) in self.pairs(command)? {
            if !self.connected.insert((a.min(b), a.max(b))) {
                continue;
            }
            for (server, peer) in [(a, b), (b, a)] {
                lines.extend(self.call(server, |election, ctx| {
                    election.peer_up(ctx, peer);
                    None
                }));
            }
        }
        Ok(lines)
    }

    fn disconnect(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        for (a, b) in self.pairs(command)? {
            self.connected.remove(&(a.min(b), a.max(b)));
            for (server, peer) in [(a, b), (b, a)] {
                self.in_flight.remove(&(server, peer));
                lines.extend(self.call(server, |election, ctx| election.peer_down(ctx, peer)));
            }
        }
        Ok(lines)
    }

    fn stop(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        for gone in command.all::<i64>()?.into_iter().map(id) {
            self.servers.remove(&gone);
            self.in_flight.retain(|(from, to), _| *from != gone && *to != gone);
            let peers: Vec<_> = self.connected.extract_if(.., |(a, b)| *a == gone || *b == gone).collect();
            for (a, b) in peers {
                let peer = if a == gone { b } else { a };
                lines.extend(self.call(peer, |election, ctx| election.peer_down(ctx, gone)));
            }
        }
        Ok(lines)
    }

    /// The oldest of one pair; or everything, and then what that led to, until nothing is left.
    fn deliver(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        if let Some(pair) = command.values().first() {
            let pair = parse_pair(pair)?;
            lines.extend(self.deliver_one(pair).ok_or("nothing is on its way")?);
            return Ok(lines);
        }
        while !self.in_flight.is_empty() {
            for ((from, to), queue) in core::mem::take(&mut self.in_flight) {
                lines.extend(queue.iter().flat_map(|notification| self.hear(from, to, notification)));
            }
        }
        Ok(lines)
    }

    fn deliver_one(&mut self, (from, to): (ServerId, ServerId)) -> Option<Vec<String>> {
        let queue = self.in_flight.get_mut(&(from, to))?;
        let notification = queue.pop_front()?;
        if queue.is_empty() {
            self.in_flight.remove(&(from, to));
        }
        Some(self.hear(from, to, &notification))
    }

    fn hear(&mut self, from: ServerId, to: ServerId, notification: &Notification) -> Vec<String> {
        let mut lines = Vec::from([format!("{to} hears {from}: {}", describe(notification))]);
        let led_to = self.call(to, |election, ctx| election.handle(ctx, from, notification));
        lines.extend(led_to.into_iter().map(|line| format!("  {line}")));
        lines
    }

    fn lose(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        if command.values().is_empty() {
            self.in_flight.clear();
        }
        for pair in command.values() {
            self.in_flight.remove(&parse_pair(pair)?);
        }
        Ok(Vec::new())
    }

    /// A server hears something that no server of the script said.
    fn say(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        let (from, to) = parse_pair(command.values().first().ok_or("say: who to whom?")?)?;
        let state = match command.values().get(1) {
            Some(&"looking") => ServerState::Looking,
            Some(&"following") => ServerState::Following,
            Some(&"leading") => ServerState::Leading,
            Some(&"observing") => ServerState::Observing,
            other => return Err(format!("say: what state is {other:?}?")),
        };
        let leader = match command.values().get(2) {
            Some(&"nobody") => Notification::NOBODY,
            _ => id(command.value(2)?),
        };
        let notification = Notification {
            state,
            leader,
            zxid: command.option("zxid")?.unwrap_or(ScriptZxid(Zxid::from_raw(0))).0,
            election_epoch: command.option("round")?.unwrap_or(1),
            peer_epoch: command.option("epoch")?.unwrap_or(0),
            version: command.option("version")?.unwrap_or(Notification::VERSION),
            config: None,
        };
        Ok(self.hear(from, to, &notification))
    }

    /// Lets time pass; what is due happens in its order.
    fn wait(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        let until = self.now + Duration::from_millis(command.value(0)?);
        let mut lines = Vec::new();
        loop {
            let deadlines =
                self.servers.iter().filter_map(|(id, server)| Some((server.election.next_deadline()?, *id)));
            let Some((at, server)) = deadlines.min().filter(|(at, _)| *at <= until) else { break };
            self.now = self.now.max(at);
            lines.push(format!("at {} ms", self.now.millis()));
            let led_to = self.call(server, |election, ctx| election.handle_deadline(ctx));
            lines.extend(led_to.into_iter().map(|line| format!("  {line}")));
        }
        self.now = until;
        Ok(lines)
    }

    /// The servers named are established in an epoch: synchronized with their leader, or serving.
    fn establish(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        let epoch = Epoch::new(command.option("epoch")?.ok_or("establish: which epoch?")?);
        for number in command.all::<i64>()? {
            let server = self.server(number)?;
            server.state.current_epoch = epoch;
            server.election.settled(epoch);
        }
        Ok(Vec::new())
    }

    /// The servers named give up what they are.
    fn look(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        for number in command.all::<i64>()? {
            lines.extend(self.call(id(number), |election, ctx| election.begin(ctx)));
        }
        Ok(lines)
    }

    fn roles(&self) -> String {
        let roles = self.servers.iter().map(|(id, server)| {
            let (state, vote) = (server.election.state(), server.election.vote());
            match state {
                ServerState::Leading => {
                    let expected: Vec<_> = server
                        .election
                        .expected()
                        .filter(|from| from != id)
                        .map(|from| from.to_string())
                        .collect();
                    format!("{id} leads [{}]", expected.join(" "))
                }
                ServerState::Looking => format!("{id} looks"),
                ServerState::Following if server.election.leader_looks() => {
                    format!("{id} follows {}, which looks", vote.leader)
                }
                ServerState::Following => format!("{id} follows {}", vote.leader),
                ServerState::Observing => format!("{id} observes {}", vote.leader),
            }
        });
        roles.collect::<Vec<_>>().join(", ")
    }

    fn call(
        &mut self,
        server: ServerId,
        call: impl FnOnce(&mut super::Election, &mut crate::context::Context<'_>) -> Option<Elected>,
    ) -> Vec<String> {
        let now = self.now;
        let Some(called) = self.servers.get_mut(&server) else { return Vec::new() };
        let (elected, outputs) = called.call(now, call);
        let mut said: Vec<(String, Vec<String>)> = Vec::new();
        for (to, notification) in fixture::notifications(&outputs) {
            let is_connected = self.connected.contains(&(server.min(to), server.max(to)));
            let description = describe(&notification);
            if is_connected {
                self.in_flight.entry((server, to)).or_default().push_back(notification);
            }
            let to = if is_connected { to.to_string() } else { format!("({to})") };
            match said.last_mut().filter(|(last, _)| *last == description) {
                Some((_, receivers)) => receivers.push(to),
                None => said.push((description, [to].into())),
            }
        }
        let dials = outputs.iter().filter(|output| **output == Output::DialPeers);
        let dials = dials.map(|_| format!("{server} dials"));
        let said = said.into_iter().map(|(what, to)| format!("{server} to {}: {what}", to.join(" ")));
        let elected = elected.map(|elected| match elected {
            Elected::Leading => format!("{server} LEADS"),
            Elected::Following(leader) => format!("{server} FOLLOWS {leader}"),
            Elected::Observing(leader) => format!("{server} OBSERVES {leader}"),
        });
        dials.chain(said).chain(elected).collect()
    }
}

fn parse_pair(pair: &str) -> Result<(ServerId, ServerId), String> {
    let parsed = pair.split_once('>').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    parsed.map(|(from, to)| (id(from), id(to))).ok_or_else(|| format!("{pair} is not from>to"))
}

fn describe(notification: &Notification) -> String {
    let state = match notification.state {
        ServerState::Looking => "looking",
        ServerState::Following => "following",
        ServerState::Leading => "leading",
        ServerState::Observing => "observing",
    };
    if notification.leader == Notification::NOBODY {
        return format!("{state} nobody round={}", notification.election_epoch);
    }
    format!(
        "{state} {} epoch={} zxid={} round={}",
        notification.leader,
        notification.peer_epoch,
        ScriptZxid(notification.zxid),
        notification.election_epoch
    )
}
