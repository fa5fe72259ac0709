//! Reigns told as scripts, `testdata/leader`.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::str::FromStr;
use core::time::Duration;

use bytes::Bytes;
use zabra_proto::{AckEpochData, LearnerInfo, PROTOCOL_VERSION, PacketKind, QuorumPacket};
use zabra_types::{Epoch, Now, Zxid};

use super::Leader;
use super::confirm::Round;
use crate::context::{Context, State};
use crate::history::History;
use crate::role::Verdict;
use crate::testing::script::{self, Command, ScriptZxid, World};
use crate::testing::{id, members, options};
use crate::{Durable, LinkId, Members, Options, Output, Role, StoreOp, SyncToken, Ticket};

#[test]
fn reigns_go_as_recorded() {
    script::run_folder("leader", Reign::default);
}

/// Server 1, which has been elected.
struct Reign {
    now: Now,
    options: Options,
    members: Members,
    state: State,
    leader: Option<Leader>,
    /// What has been ordered and is not done.
    stores: VecDeque<Ticket>,
    searches: VecDeque<Ticket>,
}

impl Default for Reign {
    fn default() -> Self {
        Self {
            now: Now::default(),
            options: options(id(1)),
            members: members(1..=3, []),
            state: state(0, 0, Zxid::ZERO),
            leader: None,
            stores: VecDeque::new(),
            searches: VecDeque::new(),
        }
    }
}

impl World for Reign {
    fn run(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        match command.name {
            "members" => self.set_members(command),
            "options" => self.set_options(command),
            "history" => self.set_history(command),
            "lead" => {
                let (leader, lines) = self.with_context(Leader::begin);
                self.leader = Some(leader);
                Ok(lines)
            }
            "accept" => self.each_link(command, |leader, ctx, link| {
                leader.handle_accepted(ctx, link);
                Verdict::Stay
            }),
            "close" => self.each_link(command, |leader, ctx, link| leader.handle_closed(ctx, link)),
            "sent" => self.each_link(command, |leader, ctx, link| leader.handle_history_sent(ctx, link)),
            "follower" => self.introduce(command, PacketKind::FollowerInfo),
            "observer" => self.introduce(command, PacketKind::ObserverInfo),
            "promise" => self.promise(command),
            "ack" => self.acknowledge(command),
            "confirm" => {
                let round = Round::new(command.value(1)?);
                self.receive(command, QuorumPacket::bare(PacketKind::Ping, round.mark()))
            }
            "say" => {
                let packet = QuorumPacket::bare(command.value::<ScriptKind>(1)?.0, Zxid::NONE);
                self.receive(command, packet)
            }
            "send" => {
                let packet = QuorumPacket::bare(command.value::<ScriptKind>(1)?.0, Zxid::NONE);
                self.each_link(command, |leader, ctx, link| {
                    leader.send(ctx, link, packet.clone());
                    Verdict::Stay
                })
            }
            "stored" => self.finish_store(),
            "flushed" => {
                let ScriptZxid(zxid) = command.value(0)?;
                if self.state.note_flushed(zxid) { self.call(Leader::handle_flushed) } else { Ok(Vec::new()) }
            }
            "found" => {
                let floor = command.value::<ScriptZxid>(0)?.0;
                let ticket = self.searches.pop_front().ok_or("nothing is searched")?;
                self.call(|leader, ctx| {
                    leader.handle_found(ctx, ticket, Some(floor).filter(|floor| *floor != Zxid::NONE));
                    Verdict::Stay
                })
            }
            "propose" => self.propose(command),
            "sync" => self.sync(command),
            "beat" => self.beat(command),
            "learners" => Ok(self.learners()),
            other => Err(format!("no command {other}")),
        }
    }
}

impl Reign {
    fn set_members(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        self.members = members(command.all::<i64>()?, command.list("observers")?);
        Ok(Vec::new())
    }

    fn set_options(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        let options = &mut self.options;
        options.history_len = command.option("history")?.unwrap_or(options.history_len);
        options.log_sync = command.option("log")?.unwrap_or(options.log_sync);
        options.force_snapshot = command.option("force")?.unwrap_or(options.force_snapshot);
        options.snap_syncs_max = command.option("snaps")?.unwrap_or(options.snap_syncs_max);
        options.diff_syncs_max = command.option("diffs")?.unwrap_or(options.diff_syncs_max);
        Ok(Vec::new())
    }

    fn set_history(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        let epoch: u32 = command.option("epoch")?.unwrap_or(0);
        let accepted: u32 = command.option("accepted")?.unwrap_or(epoch);
        let zxids: Vec<ScriptZxid> = command.all()?;
        let floor = command.option::<ScriptZxid>("floor")?.map_or(Zxid::ZERO, |floor| floor.0);
        let mut history = History::after(floor);
        for ScriptZxid(zxid) in zxids {
            history.append(zxid, Bytes::new());
        }
        let last = history.last();
        self.state = state(accepted, epoch, last);
        self.state.applied = command.option::<ScriptZxid>("applied")?.map_or(last, |applied| applied.0);
        self.state.history = history;
        Ok(Vec::new())
    }

    fn introduce(&mut self, command: &Command<'_>, kind: PacketKind) -> Result<Vec<String>, String> {
        let number: i64 = command.value(1)?;
        let info = LearnerInfo {
            server: Some(id(number)).filter(|_| number != 0),
            protocol_version: command.option("protocol")?.unwrap_or(PROTOCOL_VERSION),
            config_version: command.option("config")?.unwrap_or(0),
        };
        let accepted = Epoch::new(command.option("accepted")?.unwrap_or(0));
        self.receive(command, QuorumPacket::introduction(kind, accepted, &info))
    }

    fn promise(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        let ScriptZxid(last) = command.value(1)?;
        let current = command.option("epoch")?.map(Epoch::new);
        self.receive(command, QuorumPacket::ack_epoch(last, AckEpochData(current)))
    }

    fn acknowledge(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        let ScriptZxid(zxid) = command.value(1)?;
        self.receive(command, QuorumPacket::bare(PacketKind::Ack, zxid))
    }

    fn receive(&mut self, command: &Command<'_>, packet: QuorumPacket) -> Result<Vec<String>, String> {
        let ScriptLink(link) = command.value(0)?;
        self.call(|leader, ctx| leader.handle_packet(ctx, link, packet))
    }

    fn finish_store(&mut self) -> Result<Vec<String>, String> {
        let ticket = self.stores.pop_front().ok_or("nothing is stored")?;
        let is_news = self.state.note_stored(ticket);
        assert!(!is_news, "what was appended before is reported before");
        self.call(|leader, ctx| leader.handle_stored(ctx, ticket))
    }

    fn propose(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        for ScriptZxid(zxid) in command.all()? {
            lines.extend(self.call(|leader, ctx| leader.propose(ctx, zxid, Bytes::new()))?);
        }
        Ok(lines)
    }

    fn sync(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        let token = command.option("token")?.unwrap_or(0);
        let learner = command.values().first().map(|_| command.value::<ScriptLink>(0)).transpose()?;
        self.call(|leader, ctx| {
            leader.sync(ctx, learner.map(|link| link.0), SyncToken(token));
            Verdict::Stay
        })
    }

    fn beat(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        for _ in 0..command.values().first().map_or(Ok(1), |_| command.value(0))? {
            let Some(leader) = &self.leader else { break };
            self.now = leader.next_deadline().ok_or("nothing is due")?;
            lines.extend(self.call(Leader::handle_deadline)?);
        }
        self.now = self.now + command.option("pause")?.map_or(Duration::ZERO, Duration::from_millis);
        Ok(lines)
    }

    fn learners(&self) -> Vec<String> {
        let statuses = self.leader.iter().flat_map(Leader::learners);
        statuses
            .map(|status| {
                let server = status.server.map_or("nobody".to_string(), |server| server.to_string());
                let part = match (status.is_observer, status.is_voter) {
                    (true, _) => "observer",
                    (_, true) => "voter",
                    _ => "follower",
                };
                let mode = status.sync_mode.map_or(String::new(), |mode| format!(" by {mode:?}"));
                let acked = status.acked.map_or(String::new(), |zxid| format!(" acked {}", ScriptZxid(zxid)));
                format!("{}: {part} {server} {:?}{mode}{acked}", ScriptLink(status.link), status.phase)
            })
            .collect()
    }

    fn each_link(
        &mut self,
        command: &Command<'_>,
        call: impl Fn(&mut Leader, &mut Context<'_>, LinkId) -> Verdict,
    ) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        for ScriptLink(link) in command.values().iter().filter_map(|value| value.parse().ok()) {
            lines.extend(self.call(|leader, ctx| call(leader, ctx, link))?);
        }
        Ok(lines)
    }

    /// Calls the leader, ends it when that is what it says, and tells what it wants done.
    fn call(
        &mut self,
        call: impl FnOnce(&mut Leader, &mut Context<'_>) -> Verdict,
    ) -> Result<Vec<String>, String> {
        let mut leader = self.leader.take().ok_or("nobody leads")?;
        let (verdict, mut lines) = self.with_context(|ctx| call(&mut leader, ctx));
        leader.check(&self.state);
        match verdict {
            Verdict::Stay => self.leader = Some(leader),
            Verdict::Leave { suspect } => {
                assert_eq!(suspect, None);
                lines.push("LEAVES".to_string());
                lines.extend(self.with_context(|ctx| leader.end(ctx)).1);
            }
        }
        Ok(lines)
    }

    fn with_context<T>(&mut self, call: impl FnOnce(&mut Context<'_>) -> T) -> (T, Vec<String>) {
        let mut out = Vec::new();
        let mut ctx = Context {
            now: self.now,
            options: &self.options,
            members: &self.members,
            state: &mut self.state,
            out: &mut out,
        };
        let result = call(&mut ctx);
        let lines = out.iter().map(|output| self.tell(output)).collect();
        (result, join_lines(lines))
    }

    fn tell(&mut self, output: &Output) -> String {
        match output {
            Output::Send { link, packet } => format!("to {}: {}", ScriptLink(*link), packet_text(packet)),
            Output::SendLog { link, after, before } => {
                let (after, before) = (ScriptZxid(*after), ScriptZxid(*before));
                format!("to {}: (log after {after} before {before})", ScriptLink(*link))
            }
            Output::SendSnapshot { link } => format!("to {}: (snapshot)", ScriptLink(*link)),
            Output::Close { link, why } => format!("closes {}: {why}", ScriptLink(*link)),
            Output::Append { zxid, .. } => format!("appends: {}", ScriptZxid(*zxid)),
            Output::Apply { zxid, .. } => format!("applies: {}", ScriptZxid(*zxid)),
            Output::Store { ticket, op } => {
                self.stores.push_back(*ticket);
                match op {
                    StoreOp::AcceptedEpoch(epoch) => format!("stores acceptedEpoch {epoch}"),
                    StoreOp::CurrentEpoch(epoch) => format!("stores currentEpoch {epoch}"),
                    other => format!("stores {other:?}"),
                }
            }
            Output::FindInLog { ticket, at, before } => {
                self.searches.push_back(*ticket);
                format!("searches {} before {}", ScriptZxid(*at), ScriptZxid(*before))
            }
            Output::Became(Role::Leading(epoch)) => format!("LEADS {epoch}"),
            Output::Became(role) => format!("{role:?}"),
            Output::FromLearner { link, packet } => {
                format!("from {}: {}", ScriptLink(*link), packet_text(packet))
            }
            Output::LearnerGone(link) => format!("{} is gone", ScriptLink(*link)),
            Output::Synced(token) => format!("synced {}", token.0),
            other => format!("{other:?}"),
        }
    }
}

fn state(accepted: u32, current: u32, last_zxid: Zxid) -> State {
    let (accepted_epoch, current_epoch) = (Epoch::new(accepted), Epoch::new(current));
    State::new(&Durable { accepted_epoch, current_epoch, last_zxid }, Vec::new())
}

fn packet_text(packet: &QuorumPacket) -> String {
    let name = format!("{:?}", packet.kind).to_uppercase();
    match (packet.kind, Round::of(packet.zxid)) {
        (PacketKind::UpToDate | PacketKind::Request | PacketKind::Revalidate | PacketKind::Sync, _) => name,
        (PacketKind::Ping, Some(round)) => format!("{name} {round:?}"),
        _ => format!("{name} {}", ScriptZxid(packet.zxid)),
    }
}

/// Lines that begin with the same `to a:` become one, and so on.
fn join_lines(lines: Vec<String>) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    for line in lines {
        let parts = line.split_once(": ").filter(|(head, _)| !head.starts_with("closes"));
        if let (Some((head, tail)), Some(last)) = (parts, joined.last_mut())
            && last.strip_prefix(head).is_some_and(|rest| rest.starts_with(": "))
        {
            last.push_str(", ");
            last.push_str(tail);
        } else {
            joined.push(line);
        }
    }
    joined
}

/// A link as scripts write it: a letter.
struct ScriptLink(LinkId);

impl FromStr for ScriptLink {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.as_bytes() {
            [letter @ b'a'..=b'z'] => Ok(Self(LinkId(u64::from(*letter)))),
            _ => Err(()),
        }
    }
}

impl core::fmt::Display for ScriptLink {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let letter = u8::try_from(self.0.0).map_err(|_| core::fmt::Error)?;
        write!(f, "{}", char::from(letter))
    }
}

/// What a learner says, or is told, by its name on the wire.
struct ScriptKind(PacketKind);

impl FromStr for ScriptKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(Self(match text {
            "REQUEST" => PacketKind::Request,
            "PING" => PacketKind::Ping,
            "REVALIDATE" => PacketKind::Revalidate,
            "COMMIT" => PacketKind::Commit,
            "ACKEPOCH" => PacketKind::AckEpoch,
            "FOLLOWERINFO" => PacketKind::FollowerInfo,
            _ => return Err(()),
        }))
    }
}
