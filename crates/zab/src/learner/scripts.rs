//! One learner, and a leader that says what the script wants: `testdata/sync`.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use zabra_proto::{Notification, PacketKind, QuorumPacket, ServerState};
use zabra_types::{Epoch, Now, ServerId, Zxid};

use crate::testing::disk::{Disk, Tree};
use crate::testing::script::{self, Command, World};
use crate::testing::{self, words};
use crate::{Input, LinkId, Output, Peer};

#[test]
fn synchronizations_go_as_recorded() {
    script::run_folder("sync", Learning::default);
}

/// The leader of all scripts.
const LEADER: ServerId = ServerId::new(3);

/// Who the learner is, follower or observer.
const FOLLOWER: ServerId = ServerId::new(1);
const OBSERVER: ServerId = ServerId::new(4);

#[derive(Default)]
struct Learning {
    now: Now,
    peer: Option<Peer>,
    is_observer: bool,
    disk: Disk,
    tree: Tree,
    received: BTreeMap<LinkId, Tree>,
    /// The link asked for last.
    link: Option<LinkId>,
    lines: Vec<String>,
}

impl World for Learning {
    fn run(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
        match command.name {
            "disk" => self.prepare(command)?,
            "start" => self.start()?,
            "follow" => self.follow(command)?,
            "connected" => self.on_link(Input::Connected)?,
            "refused" => self.on_link(Input::NotConnected)?,
            "closed" => self.on_link(Input::Closed)?,
            "leader" => {
                let packet = parse_packet(command)?;
                self.on_link(|link| Input::Packet { link, packet })?;
            }
            "progress" => self.on_link(Input::SnapshotProgress)?,
            "database" => {
                let link = self.link.ok_or("there is no link")?;
                self.received.insert(link, transactions(command.values())?);
                self.on_link(Input::SnapshotReceived)?;
            }
            "written" => self.write(command)?,
            "answer" => {
                let packet = parse_packet(command)?;
                self.on_link(|link| Input::Send { link, packet })?;
            }
            "step-down" => self.input(Input::StepDown)?,
            "crash" => {
                self.peer = None;
                self.disk.crash();
            }
            "wait" => self.wait(command.value(0)?)?,
            "state" => return self.state(),
            other => return Err(format!("no command {other}")),
        }
        Ok(core::mem::take(&mut self.lines))
    }
}

impl Learning {
    /// What the disk holds before the first start.
    fn prepare(&mut self, command: &Command<'_>) -> Result<(), String> {
        self.disk.log = transactions(command.values())?;
        let epoch = command.option("epoch")?.unwrap_or_default();
        self.disk.current_epoch = Epoch::new(epoch);
        self.disk.accepted_epoch = Epoch::new(command.option("accepted")?.unwrap_or(epoch));
        if let Some(at) = command.text("snapshot") {
            let at = parse_zxid(at)?;
            let until = self.disk.log.iter().filter(|(zxid, _)| *zxid <= at).cloned();
            self.disk.snapshot = (at, until.collect());
        }
        self.disk.is_missing = command.text("missing").is_some();
        self.is_observer = command.text("observer").is_some();
        Ok(())
    }

    fn start(&mut self) -> Result<(), String> {
        let members = testing::members(1..=3, [OBSERVER.get()]);
        let id = if self.is_observer { OBSERVER } else { FOLLOWER };
        let (durable, recent, tree) = self.disk.start();
        self.tree = tree;
        self.link = None;
        self.peer = Some(Peer::new(testing::options(id), members, durable, recent, 7));
        self.call(|peer, now, out| peer.start(now, out))
    }

    /// The others say that server 3 leads.
    fn follow(&mut self, command: &Command<'_>) -> Result<(), String> {
        let peer_epoch = command.value(0)?;
        for (from, state) in [(2, ServerState::Following), (3, ServerState::Leading)] {
            let notification = Notification {
                state,
                leader: LEADER,
                zxid: Zxid::ZERO,
                election_epoch: 1,
                peer_epoch,
                version: Notification::VERSION,
                config: None,
            };
            self.input(Input::Notified { from: ServerId::new(from), notification })?;
        }
        Ok(())
    }

    /// The disk does some of what was ordered, or all of it.
    fn write(&mut self, command: &Command<'_>) -> Result<(), String> {
        let orders = if command.values().is_empty() { usize::MAX } else { command.value(0)? };
        for _ in 0..orders {
            let Some(input) = self.disk.work(&mut self.tree) else { break };
            self.lines.extend(words::input(&input).map(|line| format!("({line})")));
            self.input(input)?;
        }
        Ok(())
    }

    fn wait(&mut self, millis: u64) -> Result<(), String> {
        let until = self.now + Duration::from_millis(millis);
        while let Some(deadline) = self.peer.as_ref().and_then(Peer::next_deadline)
            && deadline <= until
        {
            self.now = self.now.max(deadline);
            let lines = self.lines.len();
            self.call(|peer, now, out| peer.handle_deadline(now, out))?;
            if self.lines.len() > lines {
                self.lines.insert(lines, format!("at {} ms", self.now.millis()));
            }
        }
        self.now = until;
        Ok(())
    }

    fn state(&self) -> Result<Vec<String>, String> {
        let peer = self.peer.as_ref().ok_or("it does not run")?;
        let list =
            |tree: &Tree| tree.iter().map(|(zxid, _)| words::zxid(*zxid)).collect::<Vec<_>>().join(" ");
        let disk = &self.disk;
        Ok([
            words::role(&peer.role()),
            format!("votes for {} with {}", peer.vote().leader, words::zxid(peer.last_zxid())),
            format!("disk: accepted {}, current {}", disk.accepted_epoch, disk.current_epoch),
            format!("disk: {}", list(&disk.restore())),
            format!("tree: {}", list(&self.tree)),
        ]
        .into())
    }

    fn on_link(&mut self, input: impl FnOnce(LinkId) -> Input) -> Result<(), String> {
        let link = self.link.ok_or("there is no link")?;
        self.input(input(link))
    }

    fn input(&mut self, input: Input) -> Result<(), String> {
        self.call(|peer, now, out| peer.handle(now, input, out))
    }

    fn call(&mut self, call: impl FnOnce(&mut Peer, Now, &mut Vec<Output>)) -> Result<(), String> {
        let mut out = Vec::new();
        let peer = self.peer.as_mut().ok_or("it does not run")?;
        call(peer, self.now, &mut out);
        peer.check();
        for output in out {
            self.lines.extend(words::output(&output));
            match output {
                Output::Connect { link, .. } => self.link = Some(link),
                Output::AdoptSnapshot { link, .. } => {
                    self.tree = self.received.remove(&link).ok_or("no database was received")?;
                }
                Output::Apply { zxid, payload } if !self.tree.contains(&(zxid, payload.clone())) => {
                    self.tree.push((zxid, payload));
                }
                output => self.disk.order(output, &self.tree),
            }
        }
        Ok(())
    }
}

fn parse_packet(command: &Command<'_>) -> Result<QuorumPacket, String> {
    let name: String = command.value(0)?;
    let zxid = command.values().get(1).map_or(Ok(Zxid::NONE), |text| parse_zxid(text))?;
    let kind = *PacketKind::ALL
        .iter()
        .find(|kind| kind.to_string() == name)
        .ok_or_else(|| format!("no packet {name}"))?;
    let data = match (kind, command.text("data")) {
        (_, Some("none")) => None,
        (_, Some(text)) => Some(Bytes::copy_from_slice(text.as_bytes())),
        (PacketKind::LeaderInfo, None) => Some(Bytes::from_static(&[0, 1, 0, 0])),
        (PacketKind::Proposal | PacketKind::Inform, None) => Some(payload(zxid)),
        (PacketKind::InformAndActivate, None) => Some([&[0; 8][..], &payload(zxid)].concat().into()),
        _ => None,
    };
    Ok(QuorumPacket { kind, zxid, data, identities: None })
}

/// Transactions given one by one or as `1:1-5`.
fn transactions(words: &[&str]) -> Result<Tree, String> {
    let mut tree = Tree::new();
    for word in words {
        let (first, last) = word.split_once('-').unwrap_or((word, ""));
        let first = parse_zxid(first)?;
        let last = last.parse().unwrap_or(first.counter());
        tree.extend((first.counter()..=last).map(|counter| {
            let zxid = Zxid::new(first.epoch(), counter);
            (zxid, payload(zxid))
        }));
    }
    Ok(tree)
}

fn payload(zxid: Zxid) -> Bytes {
    words::zxid(zxid).into()
}

fn parse_zxid(text: &str) -> Result<Zxid, String> {
    let parts =
        text.split_once(':').and_then(|(epoch, counter)| Some((epoch.parse().ok()?, counter.parse().ok()?)));
    let (epoch, counter) = parts.ok_or_else(|| format!("{text} is not epoch:counter"))?;
    Ok(Zxid::new(Epoch::new(epoch), counter))
}
