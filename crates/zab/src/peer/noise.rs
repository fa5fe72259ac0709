//! Other servers that say anything at any time: no word of theirs breaks a peer, or makes it contradict itself.

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use proptest::collection;
use proptest::prelude::*;
use proptest::sample::select;
use zabra_proto::{
    AckEpochData, LearnerInfo, Notification, PROTOCOL_VERSION, PacketKind, QuorumPacket, ServerState,
};
use zabra_types::{Epoch, Now, Zxid};

use super::Peer;
use crate::testing::disk::{Disk, Tree};
use crate::testing::{id, members, options};
use crate::{Input, LinkId, Output, Role};

#[derive(Clone, Debug)]
enum Step {
    Notify(i64, Notification),
    PeerUp(i64),
    PeerDown(i64),
    Accept,
    Connected,
    NotConnected,
    /// The link is chosen among those there are.
    Close(usize),
    Say(usize, QuorumPacket),
    Database(usize),
    Sent(usize),
    Disk,
    /// So much of what a leader says when all goes well.
    Lead(usize),
    /// So much of what two followers say then.
    Follow(usize),
    Propose,
    Send(usize, QuorumPacket),
    PassTime,
    DiskFails,
}

fn zxids() -> impl Strategy<Value = Zxid> {
    let raws = [i64::MIN, -2, -1, 0, 1, 2, (1 << 32) - 1, 1 << 32, i64::MAX];
    let near = (0u32..4, 0u32..6).prop_map(|(epoch, counter)| Zxid::new(Epoch::new(epoch), counter));
    prop_oneof![6 => near, 1 => select(Vec::from(raws)).prop_map(Zxid::from_raw)]
}

fn packets() -> impl Strategy<Value = QuorumPacket> {
    let data = prop_oneof![
        1 => Just(None),
        1 => collection::vec(any::<u8>(), 0..24).prop_map(|bytes| Some(Bytes::from(bytes))),
        // A transaction that is as long as the designated leader before it, or a protocol version.
        2 => Just(Some(Bytes::from_static(&[0, 1, 0, 0, 0, 0, 0, 0]))),
    ];
    (select(PacketKind::ALL), zxids(), data).prop_map(|(kind, zxid, data)| QuorumPacket {
        kind,
        zxid,
        data,
        identities: None,
    })
}

fn notifications() -> impl Strategy<Value = Notification> {
    let states = [ServerState::Looking, ServerState::Following, ServerState::Leading, ServerState::Observing];
    let numbers = || prop_oneof![5 => 0..5i64, 1 => any::<i64>()];
    (select(Vec::from(states)), numbers(), zxids(), numbers(), numbers(), 0..3).prop_map(
        |(state, leader, zxid, election_epoch, peer_epoch, version)| Notification {
            state,
            leader: id(leader),
            zxid,
            election_epoch,
            peer_epoch,
            version,
            config: None,
        },
    )
}

fn steps() -> impl Strategy<Value = Step> {
    let link = any::<usize>;
    prop_oneof![
        4 => (0..6i64, notifications()).prop_map(|(from, notification)| Step::Notify(from, notification)),
        1 => (0..6i64).prop_map(Step::PeerUp),
        1 => (0..6i64).prop_map(Step::PeerDown),
        2 => Just(Step::Accept),
        2 => Just(Step::Connected),
        1 => Just(Step::NotConnected),
        1 => link().prop_map(Step::Close),
        8 => (link(), packets()).prop_map(|(link, packet)| Step::Say(link, packet)),
        1 => link().prop_map(Step::Database),
        1 => link().prop_map(Step::Sent),
        4 => Just(Step::Disk),
        4 => (0..10usize).prop_map(Step::Lead),
        4 => (0..10usize).prop_map(Step::Follow),
        2 => Just(Step::Propose),
        1 => (link(), packets()).prop_map(|(link, packet)| Step::Send(link, packet)),
        1 => Just(Step::PassTime),
        1 => Just(Step::DiskFails),
    ]
}

/// The peer, server 2 of three, with everything true about its disk and its links.
struct Target {
    now: Now,
    peer: Peer,
    disk: Disk,
    tree: Tree,
    /// The link that is being made.
    asked: Option<LinkId>,
    links: Vec<LinkId>,
    accepted: u64,
    proposed: Zxid,
}

impl Target {
    /// With so many transactions; its data may be gone when there are none.
    fn start(epoch: u32, len: u32, is_missing: bool) -> Self {
        let mut disk = Disk::default();
        disk.is_missing = is_missing && len == 0;
        disk.log = (1..=len).map(|counter| (Zxid::new(Epoch::new(1), counter), Bytes::new())).collect();
        disk.current_epoch = Epoch::new(epoch);
        disk.accepted_epoch = Epoch::new(epoch);
        let (durable, recent, tree) = disk.start();
        let peer = Peer::new(options(id(2)), members(1..=3, [4]), durable, recent, 1);
        let mut target = Self {
            now: Now::default(),
            peer,
            disk,
            tree,
            asked: None,
            links: Vec::new(),
            accepted: 1 << 63,
            proposed: Zxid::NONE,
        };
        target.call(Peer::start);
        target
    }

    fn call(&mut self, call: impl FnOnce(&mut Peer, Now, &mut Vec<Output>)) {
        let mut out = Vec::new();
        call(&mut self.peer, self.now, &mut out);
        self.peer.check();
        for output in out {
            match output {
                Output::Connect { link, .. } => self.asked = Some(link),
                Output::Close { link, .. } => {
                    self.asked.take_if(|asked| *asked == link);
                    self.links.retain(|open| *open != link);
                }
                Output::AdoptSnapshot { zxid, .. } => self.tree = [(zxid, Bytes::new())].into(),
                Output::Apply { zxid, payload } => {
                    assert!(self.tree.last().is_none_or(|(last, _)| *last < zxid), "{zxid} is applied late");
                    self.tree.push((zxid, payload));
                }
                Output::Became(Role::Leading(epoch)) => self.proposed = Zxid::new(epoch, 0),
                output => self.disk.order(output, &self.tree),
            }
        }
    }

    fn input(&mut self, input: Input) {
        self.call(|peer, now, out| peer.handle(now, input, out));
    }

    fn link(&self, number: usize) -> Option<LinkId> {
        self.links.get(number % self.links.len().max(1)).copied()
    }

    fn say(&mut self, link: Option<LinkId>, kind: PacketKind, zxid: Zxid) {
        if let Some(link) = link {
            self.input(Input::Packet { link, packet: QuorumPacket::bare(kind, zxid) });
        }
    }

    fn connect(&mut self) {
        if let Some(link) = self.asked.take() {
            self.links.push(link);
            self.input(Input::Connected(link));
        }
    }

    fn accept(&mut self) -> LinkId {
        self.accepted += 1;
        let link = LinkId(self.accepted);
        self.links.push(link);
        self.input(Input::Accepted(link));
        link
    }

    fn work(&mut self) {
        while let Some(input) = self.disk.work(&mut self.tree) {
            self.input(input);
        }
    }

    fn notify(&mut self, from: i64, state: ServerState, leader: i64) {
        let mut notification = Notification {
            state,
            leader: id(leader),
            zxid: self.peer.last_zxid(),
            election_epoch: self.peer.vote().election_epoch,
            peer_epoch: self.peer.vote().peer_epoch,
            version: Notification::VERSION,
            config: None,
        };
        if state == ServerState::Looking {
            notification.zxid = self.peer.vote().zxid;
        }
        self.input(Input::Notified { from: id(from), notification });
    }

    /// Server 3 leads it into broadcast, or so far.
    fn lead(&mut self, steps: usize) {
        let epoch = Epoch::new(self.peer.accepted_epoch().get() + 1);
        let beginning = Zxid::new(epoch, 0);
        for step in 0..steps {
            let link = self.links.last().copied();
            match step {
                0 => self.notify(1, ServerState::Following, 3),
                1 => self.notify(3, ServerState::Leading, 3),
                2 => self.connect(),
                3 => {
                    if let Some(link) = link {
                        self.input(Input::Packet { link, packet: QuorumPacket::leader_info(epoch) });
                    }
                }
                4 | 7 => self.work(),
                5 => self.say(link, PacketKind::Diff, self.peer.last_zxid()),
                6 => self.say(link, PacketKind::NewLeader, beginning),
                8 => self.say(link, PacketKind::UpToDate, Zxid::NONE),
                _ => {}
            }
        }
    }

    /// Server 1 elects and follows it, or so far.
    fn follow(&mut self, steps: usize) {
        let link = self.links.last().copied();
        for step in 0..steps {
            match step {
                0 => self.notify(1, ServerState::Looking, 2),
                1 => self.input(Input::PeerDown(id(3))),
                2 => {
                    let link = self.accept();
                    let info = LearnerInfo {
                        server: Some(id(1)),
                        protocol_version: PROTOCOL_VERSION,
                        config_version: 0,
                    };
                    let packet =
                        QuorumPacket::introduction(PacketKind::FollowerInfo, Epoch::default(), &info);
                    self.input(Input::Packet { link, packet });
                }
                3 | 5 | 7 => self.work(),
                4 => {
                    if let Some(link) = self.links.last().copied() {
                        let data = AckEpochData(Some(Epoch::default()));
                        let packet = QuorumPacket::ack_epoch(Zxid::ZERO, data);
                        self.input(Input::Packet { link, packet });
                    }
                }
                6 => {
                    if let Some(link) = self.links.last().copied() {
                        self.input(Input::HistorySent(link));
                        self.say(Some(link), PacketKind::Ack, Zxid::new(self.peer.accepted_epoch(), 0));
                    }
                }
                _ => self.say(link, PacketKind::Ack, self.proposed),
            }
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Notify(from, notification) => self.input(Input::Notified { from: id(from), notification }),
            Step::PeerUp(server) => self.input(Input::PeerUp(id(server))),
            Step::PeerDown(server) => self.input(Input::PeerDown(id(server))),
            Step::Accept => {
                self.accept();
            }
            Step::Connected => self.connect(),
            Step::NotConnected => {
                if let Some(link) = self.asked.take() {
                    self.input(Input::NotConnected(link));
                }
            }
            Step::Close(number) => {
                if let Some(link) = self.link(number) {
                    self.links.retain(|open| *open != link);
                    self.input(Input::Closed(link));
                }
            }
            Step::Say(number, packet) => {
                if let Some(link) = self.link(number) {
                    self.input(Input::Packet { link, packet });
                }
            }
            Step::Database(number) => {
                if let Some(link) = self.link(number) {
                    self.input(Input::SnapshotReceived(link));
                }
            }
            Step::Sent(number) => {
                if let Some(link) = self.link(number) {
                    self.input(Input::HistorySent(link));
                }
            }
            Step::Disk => {
                if let Some(input) = self.disk.work(&mut self.tree) {
                    self.input(input);
                }
            }
            Step::Lead(steps) => self.lead(steps),
            Step::Follow(steps) => self.follow(steps),
            Step::Propose => {
                if let (Role::Leading(_), Some(zxid)) = (self.peer.role(), self.proposed.next()) {
                    self.proposed = zxid;
                    self.input(Input::Propose { zxid, payload: Bytes::new() });
                }
            }
            Step::Send(number, packet) => {
                if let Some(link) = self.link(number) {
                    self.input(Input::Send { link, packet });
                }
            }
            Step::PassTime => {
                if let Some(deadline) = self.peer.next_deadline() {
                    self.now = self.now.max(deadline);
                    self.call(Peer::handle_deadline);
                }
            }
            Step::DiskFails => self.input(Input::StepDown),
        }
    }
}

proptest! {
    #![proptest_config(super::tests::config(200))]

    #[test]
    fn no_word_of_others_breaks_a_peer(
        epoch in 1..3u32,
        len in 0..5u32,
        is_missing: bool,
        steps in collection::vec(steps(), 0..200),
    ) {
        let mut target = Target::start(epoch, len, is_missing);
        for step in steps {
            target.take(step);
        }
    }
}
