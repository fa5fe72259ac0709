//! Whole peers that talk to each other, one event at a time, and what must be true of them at any time.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use zabra_proto::{Notification, PacketKind, QuorumPacket};
use zabra_types::{Epoch, Now, ServerId, Zxid};

use super::disk::{Disk, Tree};
use super::words;
use crate::{CloseReason, Input, LinkId, Members, Options, Output, Peer, Role};

/// What accepted links have in their numbers.
const ACCEPTED: u64 = 1 << 63;

/// The link of a process that has ended.
const NO_LINK: LinkId = LinkId(0);

/// An ensemble.
pub(crate) struct Cluster {
    pub(crate) now: Now,
    members: Members,
    pub(crate) servers: BTreeMap<ServerId, Server>,
    votes: BTreeMap<(ServerId, ServerId), VecDeque<Notification>>,
    wires: Vec<Wire>,
    /// What has been decided, by being applied anywhere.
    pub(crate) decided: Tree,
    leaders: BTreeMap<Epoch, ServerId>,
    proposed: u64,
    /// Pairs between which nothing arrives for now, in either direction.
    pub(crate) parted: BTreeSet<[ServerId; 2]>,
    /// Servers to which nothing happens for now.
    pub(crate) asleep: BTreeSet<ServerId>,
    /// What happened, for whoever reads a failure or a script.
    pub(crate) told: Vec<String>,
}

impl Drop for Cluster {
    /// What led to a failure is told when `TRACE` is set.
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("TRACE").is_some() {
            for line in &self.told {
                std::eprintln!("{line}");
            }
        }
    }
}

/// One server: its process, if it runs, and its disk.
pub(crate) struct Server {
    options: Options,
    pub(crate) peer: Option<Peer>,
    pub(crate) disk: Disk,
    pub(crate) tree: Tree,
    /// Databases that came and were not adopted.
    received: BTreeMap<LinkId, Tree>,
    answers: VecDeque<Input>,
    next: Zxid,
    starts: u64,
}

/// A connection to a quorum port.
struct Wire {
    ends: [(ServerId, LinkId); 2],
    /// Whether each end still listens.
    open: [bool; 2],
    /// What is on its way to each end.
    to: [VecDeque<Item>; 2],
}

/// The ends of a wire.
const DIALLER: usize = 0;
const ACCEPTOR: usize = 1;

enum Item {
    Connect,
    Packet(QuorumPacket),
    Snapshot,
    Log { after: Zxid, before: Zxid },
    End,
}

/// Something that can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Vote { from: ServerId, to: ServerId },
    Arrival { wire: usize, end: usize },
    Disk(ServerId),
    Deadline,
}

impl Cluster {
    /// Servers that have never run. None of them starts by itself.
    pub(crate) fn new(members: Members, options: impl Fn(ServerId) -> Options) -> Self {
        let servers = members.voters.iter().chain(&members.observers).map(|id| {
            let server = Server {
                options: options(*id),
                peer: None,
                disk: Disk::default(),
                tree: Tree::new(),
                received: BTreeMap::new(),
                answers: VecDeque::new(),
                next: Zxid::NONE,
                starts: 0,
            };
            (*id, server)
        });
        Self {
            now: Now::default(),
            servers: servers.collect(),
            members,
            votes: BTreeMap::new(),
            wires: Vec::new(),
            decided: Tree::new(),
            leaders: BTreeMap::new(),
            proposed: 0,
            parted: BTreeSet::new(),
            asleep: BTreeSet::new(),
            told: Vec::new(),
        }
    }

    /// All that can happen now, apart from faults.
    pub(crate) fn events(&self) -> Vec<Event> {
        let reaches = |from, to| {
            !self.asleep.contains(&to)
                && !self.parted.contains(&[from, to])
                && !self.parted.contains(&[to, from])
        };
        let votes = self.votes.iter().filter(|((from, to), queue)| !queue.is_empty() && reaches(*from, *to));
        let votes = votes.map(|((from, to), _)| Event::Vote { from: *from, to: *to });
        let arrivals = self.wires.iter().enumerate().flat_map(|(wire, state)| {
            [DIALLER, ACCEPTOR]
                .into_iter()
                .filter(|end| {
                    !state.to[*end].is_empty() && reaches(state.ends[1 - *end].0, state.ends[*end].0)
                })
                .map(move |end| Event::Arrival { wire, end })
        });
        let disks =
            self.servers.iter().filter(|(id, server)| server.disk.is_busy() && !self.asleep.contains(id));
        let disks = disks.map(|(id, _)| Event::Disk(*id));
        votes.chain(arrivals).chain(disks).collect()
    }

    pub(crate) fn happen(&mut self, event: Event) {
        match event {
            Event::Vote { from, to } => {
                if let Some(notification) = self.votes.get_mut(&(from, to)).and_then(VecDeque::pop_front) {
                    self.input(to, Input::Notified { from, notification });
                }
            }
            Event::Arrival { wire, end } => self.arrive(wire, end),
            Event::Disk(id) => {
                let server = self.servers.get_mut(&id).expect("a server of the ensemble");
                if let Some(input) = server.disk.work(&mut server.tree) {
                    self.input(id, input);
                }
            }
            Event::Deadline => self.pass_time(),
        }
    }

    /// The clock jumps to the next deadline of anybody.
    pub(crate) fn pass_time(&mut self) {
        let awake = self.servers.iter().filter(|(id, _)| !self.asleep.contains(id));
        let deadlines = awake.filter_map(|(_, server)| server.peer.as_ref()?.next_deadline());
        let Some(next) = deadlines.min() else { return };
        self.now = self.now.max(next);
        let due = self.servers.iter().filter(|(id, server)| {
            !self.asleep.contains(id)
                && server
                    .peer
                    .as_ref()
                    .and_then(Peer::next_deadline)
                    .is_some_and(|deadline| deadline <= self.now)
        });
        for id in due.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.call(id, |peer, now, out| peer.handle_deadline(now, out));
        }
    }

    /// A process starts, and all that run are connected with it on the election port.
    pub(crate) fn start(&mut self, id: ServerId) {
        let server = self.servers.get_mut(&id).expect("a server of the ensemble");
        assert!(server.peer.is_none(), "{id} runs already");
        let (durable, recent, tree) = server.disk.start();
        let (epoch, last) = (durable.current_epoch, words::zxid(durable.last_zxid));
        self.told.push(format!("{id} starts with epoch {epoch} and {last}"));
        server.tree = tree;
        server.starts += 1;
        let seed = server.starts;
        server.peer = Some(Peer::new(server.options.clone(), self.members.clone(), durable, recent, seed));
        self.call(id, |peer, now, out| peer.start(now, out));
        for other in self.running().into_iter().filter(|other| *other != id) {
            self.input(id, Input::PeerUp(other));
            self.input(other, Input::PeerUp(id));
        }
    }

    /// A process ends without a word; what it had not written is lost.
    pub(crate) fn crash(&mut self, id: ServerId) {
        let server = self.servers.get_mut(&id).expect("a server of the ensemble");
        self.told.push(format!("{id} crashes"));
        server.peer = None;
        server.disk.crash();
        server.received.clear();
        server.answers.clear();
        self.votes.retain(|(from, to), _| *from != id && *to != id);
        for wire in 0..self.wires.len() {
            for end in [DIALLER, ACCEPTOR] {
                if self.wires[wire].ends[end].0 == id {
                    self.close(wire, end);
                    if end == DIALLER {
                        // The next process counts its links from the beginning.
                        self.wires[wire].ends[end].1 = NO_LINK;
                    }
                }
            }
        }
        for other in self.running() {
            self.input(other, Input::PeerDown(id));
        }
    }

    /// All wires of a server break; what is on its way is lost.
    pub(crate) fn cut(&mut self, id: ServerId) {
        for wire in &mut self.wires {
            if wire.ends.iter().any(|(server, _)| *server == id) {
                for end in [DIALLER, ACCEPTOR] {
                    wire.to[end].clear();
                    if wire.open[end] {
                        wire.to[end].push_back(Item::End);
                    }
                }
            }
        }
    }

    /// A server that leads proposes something.
    pub(crate) fn propose(&mut self, id: ServerId) -> Option<Zxid> {
        if !matches!(self.role(id), Some(Role::Leading(_))) {
            return None;
        }
        self.proposed += 1;
        let payload = Bytes::copy_from_slice(&self.proposed.to_be_bytes());
        let server = self.servers.get_mut(&id)?;
        let zxid = server.next;
        server.next = zxid.next()?;
        self.input(id, Input::Propose { zxid, payload });
        Some(zxid)
    }

    pub(crate) fn role(&self, id: ServerId) -> Option<Role> {
        self.servers.get(&id)?.peer.as_ref().map(Peer::role)
    }

    pub(crate) fn running(&self) -> Vec<ServerId> {
        self.servers.iter().filter(|(_, server)| server.peer.is_some()).map(|(id, _)| *id).collect()
    }

    /// Hands an input to a server that runs, and carries out what it wants.
    pub(crate) fn input(&mut self, id: ServerId, input: Input) {
        if self.servers.get(&id).is_some_and(|server| server.peer.is_some()) {
            self.told.extend(words::input(&input).map(|line| format!("{id} {line}")));
            self.call(id, |peer, now, out| peer.handle(now, input, out));
        }
    }

    fn call(&mut self, id: ServerId, call: impl FnOnce(&mut Peer, Now, &mut Vec<Output>)) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        let Some(peer) = &mut server.peer else { return };
        let mut out = Vec::new();
        call(peer, self.now, &mut out);
        peer.check();
        for output in out {
            self.told.extend(words::output(&output).map(|line| format!("{id}   {line}")));
            self.carry_out(id, output);
        }
        let answer = self.servers.get_mut(&id).and_then(|server| server.answers.pop_front());
        if let Some(answer) = answer {
            self.input(id, answer);
        }
    }

    fn carry_out(&mut self, id: ServerId, output: Output) {
        let running = self.running();
        let server = self.servers.get_mut(&id).expect("it has just spoken");
        match output {
            Output::Notify { to, notification } if running.contains(&to) => {
                self.votes.entry((id, to)).or_default().push_back(notification);
            }
            Output::Connect { link, leader } => {
                let accepted = LinkId(ACCEPTED | self.wires.len() as u64);
                self.wires.push(Wire {
                    ends: [(id, link), (leader, accepted)],
                    open: [true, false],
                    to: [VecDeque::new(), VecDeque::from([Item::Connect])],
                });
            }
            Output::Send { link, packet } => self.send(id, link, Item::Packet(packet)),
            Output::SendLog { link, after, before } => self.send(id, link, Item::Log { after, before }),
            Output::SendSnapshot { link } => self.send(id, link, Item::Snapshot),
            Output::Close { link, why } => {
                let is_misbehaviour = matches!(
                    why,
                    CloseReason::Gap { .. }
                        | CloseReason::UnexpectedCommit(_)
                        | CloseReason::Unexpected(_)
                        | CloseReason::Malformed(_)
                        | CloseReason::ConfigAhead
                        | CloseReason::Throttled
                );
                assert!(!is_misbehaviour, "{id} accuses a server like itself: {why}");
                server.received.remove(&link);
                if let Some((wire, end)) = self.find(id, link) {
                    self.close(wire, end);
                }
            }
            Output::Apply { zxid, payload } => self.apply(id, (zxid, payload)),
            Output::AdoptSnapshot { link, .. } => {
                server.tree = server.received.remove(&link).expect("a database that was received");
            }
            Output::Became(Role::Leading(epoch)) => {
                server.next = Zxid::new(epoch, 1);
                let leader = *self.leaders.entry(epoch).or_insert(id);
                assert_eq!(leader, id, "two leaders of epoch {epoch}");
            }
            Output::FromLeader { link, packet } if packet.kind == PacketKind::Ping => {
                server.answers.push_back(Input::Send { link, packet });
            }
            Output::Append { .. } | Output::Store { .. } | Output::FindInLog { .. } => {
                server.disk.order(output, &server.tree);
            }
            Output::Fatal(why) => panic!("{id}: {why}"),
            Output::Notify { .. }
            | Output::DialPeers
            | Output::Became(_)
            | Output::FromLearner { .. }
            | Output::FromLeader { .. }
            | Output::Synced(_)
            | Output::LearnerGone(_) => {}
        }
    }

    /// A transaction is decided when the first server applies it, and then for all of them. Whoever leads has it on the
    /// disks of a quorum.
    fn apply(&mut self, id: ServerId, txn: (Zxid, Bytes)) {
        let server = self.servers.get_mut(&id).expect("it has just spoken");
        // A database may contain what is still to come.
        if !server.tree.contains(&txn) {
            assert!(server.tree.last().is_none_or(|(last, _)| *last < txn.0), "{id} applies {} late", txn.0);
            server.tree.push(txn.clone());
        }
        let upto = server.tree.iter().position(|applied| *applied == txn).expect("it is in the tree") + 1;
        let prefix = &server.tree[..upto];
        let common = upto.min(self.decided.len());
        assert!(prefix[..common] == self.decided[..common], "{id} applies {} behind something else", txn.0);
        self.decided.extend_from_slice(&prefix[common..]);
        if matches!(self.role(id), Some(Role::Leading(_) | Role::PreparingToLead)) {
            let have = self.servers.iter().filter(|(_, server)| server.disk.contains(&txn));
            let have: BTreeSet<_> = have.map(|(id, _)| *id).collect();
            assert!(self.members.is_quorum(&have), "{} is decided, and only {have:?} have it", txn.0);
        }
    }

    fn find(&self, id: ServerId, link: LinkId) -> Option<(usize, usize)> {
        self.wires
            .iter()
            .enumerate()
            .find_map(|(wire, state)| Some((wire, state.ends.iter().position(|end| *end == (id, link))?)))
    }

    fn send(&mut self, id: ServerId, link: LinkId, item: Item) {
        if let Some((wire, end)) = self.find(id, link)
            && self.wires[wire].open[end]
        {
            self.wires[wire].to[1 - end].push_back(item);
        }
    }

    /// One end goes away: it hears nothing more, and the other hears that after all that was sent.
    fn close(&mut self, wire: usize, end: usize) {
        let wire = &mut self.wires[wire];
        if core::mem::replace(&mut wire.open[end], false) {
            wire.to[end].retain(|item| matches!(item, Item::Connect));
            wire.to[1 - end].push_back(Item::End);
        }
    }

    fn arrive(&mut self, wire: usize, end: usize) {
        let Some(item) = self.wires[wire].to[end].pop_front() else { return };
        let (id, link) = self.wires[wire].ends[end];
        let (sender, sender_link) = self.wires[wire].ends[1 - end];
        if let Item::Connect = item {
            let is_there = self.servers[&id].peer.is_some();
            if !is_there || !self.wires[wire].open[DIALLER] {
                self.wires[wire].to[ACCEPTOR].clear();
                if core::mem::replace(&mut self.wires[wire].open[DIALLER], false) {
                    self.input(sender, Input::NotConnected(sender_link));
                }
                return;
            }
            self.wires[wire].open[ACCEPTOR] = true;
            self.input(id, Input::Accepted(link));
            return self.input(sender, Input::Connected(sender_link));
        }
        if !self.wires[wire].open[end] {
            return;
        }
        match item {
            Item::Connect => {}
            Item::Packet(packet) => self.input(id, Input::Packet { link, packet }),
            Item::End => {
                self.wires[wire].open[end] = false;
                self.input(id, Input::Closed(link));
            }
            // Nobody sends it any more, nor what was to be sent behind it.
            Item::Snapshot | Item::Log { .. } if !self.wires[wire].open[1 - end] => {
                self.wires[wire].to[end] = VecDeque::from([Item::End]);
            }
            Item::Snapshot => {
                let tree = self.servers[&sender].tree.clone();
                self.servers.get_mut(&id).expect("a server").received.insert(link, tree);
                self.input(sender, Input::HistorySent(sender_link));
                self.input(id, Input::SnapshotReceived(link));
            }
            Item::Log { after, before } => {
                let log = &self.servers[&sender].disk.log;
                let part: Vec<_> =
                    log.iter().filter(|(zxid, _)| *zxid > after && *zxid < before).cloned().collect();
                for (zxid, payload) in part.into_iter().rev() {
                    let queue = &mut self.wires[wire].to[end];
                    queue.push_front(Item::Packet(QuorumPacket::bare(PacketKind::Commit, zxid)));
                    let proposal = QuorumPacket::with_data(PacketKind::Proposal, zxid, payload);
                    queue.push_front(Item::Packet(proposal));
                }
                self.input(sender, Input::HistorySent(sender_link));
            }
        }
    }
}
