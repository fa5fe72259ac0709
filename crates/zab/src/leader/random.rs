//! Random reigns: whatever the learners have and whenever they come and go, what each is sent continues what it has, has
//! no gaps and becomes the leader's history; and nothing is committed that a quorum does not hold.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use zabra_proto::{AckEpochData, LearnerInfo, PROTOCOL_VERSION, PacketKind, QuorumPacket};
use zabra_types::{Epoch, Now, ServerId, Zxid};

use super::Leader;
use super::broadcast::following;
use super::sync::is_beginning_of_epoch;
use crate::context::{Context, State};
use crate::history::History;
use crate::role::Verdict;
use crate::testing::{id, members, options};
use crate::{CloseReason, Durable, LinkId, Members, Options, Output, Ticket};

fn z(epoch: u32, counter: u32) -> Zxid {
    Zxid::new(Epoch::new(epoch), counter)
}

/// What a learner has not heard yet.
#[derive(Debug)]
enum Sent {
    Packet(QuorumPacket),
    Log { after: Zxid, before: Zxid },
    Snapshot,
}

/// What a learner will say next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    Introduction,
    Promise(Epoch),
    NewLeader,
    Ack(Zxid),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Discovery,
    Receiving,
    /// NEWLEADER came.
    Holding,
    Serving,
}

/// A learner that is as particular as a genuine one.
#[derive(Debug)]
struct Model {
    server: ServerId,
    is_observer: bool,
    /// What is on its disk.
    log: Vec<Zxid>,
    /// The zxid of the snapshot its log continues.
    label: Zxid,
    /// Transactions that a genuine learner keeps in its log when it gets a snapshot.
    stale: Vec<Zxid>,
    accepted: Epoch,
    current: Epoch,
    link: Option<LinkId>,
    stage: Stage,
    /// Everything up to here it knows to be committed.
    committed: Zxid,
    /// The snapshot that came contains effects up to here.
    contains: Zxid,
    heard: VecDeque<Sent>,
    speech: VecDeque<Speech>,
}

impl Model {
    fn new(server: i64, is_observer: bool, log: Vec<Zxid>) -> Self {
        let current = log.last().map_or(Epoch::default(), |last| last.epoch());
        Self {
            server: id(server),
            is_observer,
            log,
            label: Zxid::ZERO,
            stale: Vec::new(),
            accepted: current,
            current,
            link: None,
            stage: Stage::Discovery,
            committed: Zxid::ZERO,
            contains: Zxid::ZERO,
            heard: VecDeque::new(),
            speech: VecDeque::new(),
        }
    }

    fn last(&self) -> Zxid {
        self.log.last().copied().unwrap_or_default().max(self.label)
    }

    fn connect(&mut self, link: LinkId) {
        self.link = Some(link);
        self.stage = Stage::Discovery;
        self.heard.clear();
        self.speech = [Speech::Introduction].into();
    }

    fn disconnect(&mut self) {
        self.link = None;
        self.heard.clear();
        self.speech.clear();
    }

    /// `disk` is the leader's whole history.
    fn hear(&mut self, packet: &QuorumPacket, disk: &[Zxid]) {
        let zxid = packet.zxid;
        match (self.stage, packet.kind) {
            (Stage::Discovery, PacketKind::LeaderInfo) => {
                assert!(is_beginning_of_epoch(zxid));
                self.speech.push_back(Speech::Promise(zxid.epoch()));
            }
            (Stage::Discovery, PacketKind::Diff) => {
                let known = disk.contains(&self.last()) || is_beginning_of_epoch(self.last());
                assert!(known, "DIFF for {}, which the leader does not know", self.last());
                assert!(zxid >= self.last(), "DIFF for {}, which is not committed", self.last());
                self.receive(self.last());
            }
            (Stage::Discovery, PacketKind::Trunc) => {
                assert!(zxid < self.last() && zxid.epoch() == self.last().epoch());
                assert!(self.log.contains(&zxid), "TRUNC to {zxid}, which it does not have");
                self.log.retain(|logged| *logged <= zxid);
                self.receive(zxid);
            }
            (Stage::Discovery, PacketKind::Snap) => {
                self.stale = self.log.iter().filter(|logged| !disk.contains(logged)).copied().collect();
                self.log = disk.iter().filter(|had| **had <= zxid).copied().collect();
                self.label = zxid;
                self.receive(zxid);
            }
            (Stage::Receiving | Stage::Holding | Stage::Serving, PacketKind::Proposal) => {
                assert!(self.stage != Stage::Serving || !self.is_observer);
                self.append(zxid, disk);
                if self.stage != Stage::Receiving && !self.is_observer {
                    self.speech.push_back(Speech::Ack(zxid));
                }
            }
            (Stage::Receiving | Stage::Serving, PacketKind::Commit) => {
                assert!(self.stage != Stage::Serving || !self.is_observer);
                self.commit(zxid);
            }
            (Stage::Receiving | Stage::Holding | Stage::Serving, PacketKind::Inform) => {
                assert!(self.is_observer);
                self.append(zxid, disk);
                self.commit(zxid);
            }
            (Stage::Receiving, PacketKind::NewLeader) => {
                assert!(self.committed >= self.contains, "the snapshot contains more than was committed");
                let stale = self.stale.iter().max().copied().unwrap_or_default();
                assert!(self.committed >= stale, "{stale} would be replayed behind the snapshot");
                self.stage = Stage::Holding;
                self.current = zxid.epoch();
                self.speech.push_back(Speech::NewLeader);
                if !self.is_observer {
                    let pending = self.log.iter().filter(|logged| **logged > self.committed);
                    self.speech.extend(pending.map(|zxid| Speech::Ack(*zxid)));
                }
            }
            (Stage::Holding, PacketKind::UpToDate) => {
                assert_ne!(self.speech.front(), Some(&Speech::NewLeader), "UPTODATE before it is earned");
                self.stage = Stage::Serving;
            }
            (Stage::Holding | Stage::Serving, PacketKind::Ping) => {}
            (stage, kind) => panic!("{kind:?} while {stage:?}"),
        }
    }

    fn receive(&mut self, committed: Zxid) {
        self.stage = Stage::Receiving;
        self.committed = committed;
        self.contains = Zxid::ZERO;
    }

    fn append(&mut self, zxid: Zxid, disk: &[Zxid]) {
        let next = disk.iter().find(|had| **had > self.last());
        assert_eq!(Some(&zxid), next, "a proposal behind {}", self.last());
        self.log.push(zxid);
    }

    fn commit(&mut self, zxid: Zxid) {
        let next = self.log.iter().find(|logged| **logged > self.committed);
        assert_eq!(Some(&zxid), next, "a commit behind {}", self.committed);
        self.committed = zxid;
    }
}

struct Reign {
    now: Now,
    options: Options,
    members: Members,
    state: State,
    leader: Option<Leader>,
    /// The leader's whole history.
    disk: Vec<Zxid>,
    models: Vec<Model>,
    links: u64,
    stores: VecDeque<Ticket>,
    searches: VecDeque<(Ticket, Zxid)>,
}

impl Reign {
    fn new(start: &Start) -> Self {
        let disk = start.history.clone();
        let floor = start.floor.index(disk.len() + 1).checked_sub(1).map_or(Zxid::ZERO, |at| disk[at]);
        let mut history = History::after(floor);
        for zxid in disk.iter().filter(|zxid| **zxid > floor) {
            history.append(*zxid, Bytes::new());
        }
        let last = history.last();
        let applied = disk.iter().filter(|zxid| **zxid >= floor).copied().collect::<Vec<_>>();
        let epoch = Epoch::new(start.elected);
        let durable = Durable { accepted_epoch: epoch, current_epoch: epoch, last_zxid: last };
        let mut state = State::new(&durable, Vec::new());
        state.applied = if applied.is_empty() { last } else { applied[start.applied.index(applied.len())] };
        state.history = history;
        let prefix = |at: usize| disk[..at.min(disk.len())].to_vec();
        let mut models = Vec::new();
        for (at, (server, is_observer)) in
            [(2, false), (3, false), (4, false), (5, false), (6, true), (7, true), (9, false)]
                .into_iter()
                .enumerate()
        {
            let mut log = prefix(start.prefixes[at].index(disk.len() + 1));
            // Those by whom the epoch can be established in any case have nothing that the leader has not.
            if at >= 2 {
                log = with_tail(log, &disk, start.tails[at - 2], epoch);
            }
            models.push(Model::new(server, is_observer, log));
        }
        Self {
            now: Now::default(),
            options: Options {
                history_len: start.history_len,
                snap_syncs_max: start.syncs_max,
                diff_syncs_max: start.syncs_max,
                ..options(id(1))
            },
            members: members(1..=5, [6, 7]),
            state,
            leader: None,
            disk,
            models,
            links: 0,
            stores: VecDeque::new(),
            searches: VecDeque::new(),
        }
    }

    /// Calls the leader and carries out what it wants. When it leaves, the reign is over.
    fn call(&mut self, call: impl FnOnce(&mut Leader, &mut Context<'_>) -> Verdict) {
        let Some(mut leader) = self.leader.take() else { return };
        let mut out = Vec::new();
        let mut ctx = Context {
            now: self.now,
            options: &self.options,
            members: &self.members,
            state: &mut self.state,
            out: &mut out,
        };
        let verdict = call(&mut leader, &mut ctx);
        leader.check(&self.state);
        if verdict == Verdict::Stay {
            self.leader = Some(leader);
        }
        self.carry_out(out);
    }

    fn carry_out(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Send { link, packet } => self.send(link, Sent::Packet(packet)),
                Output::SendLog { link, after, before } => self.send(link, Sent::Log { after, before }),
                Output::SendSnapshot { link } => self.send(link, Sent::Snapshot),
                Output::Append { zxid, .. } => self.disk.push(zxid),
                Output::Store { ticket, .. } => self.stores.push_back(ticket),
                Output::FindInLog { ticket, at, .. } => self.searches.push_back((ticket, at)),
                Output::Apply { zxid, .. } => self.check_commit(zxid),
                Output::Close { link, why } => {
                    let is_deserved = !matches!(why, CloseReason::Unexpected(_) | CloseReason::Malformed(_));
                    assert!(is_deserved, "{why}");
                    self.models
                        .iter_mut()
                        .filter(|model| model.link == Some(link))
                        .for_each(Model::disconnect);
                }
                Output::Became(_) | Output::LearnerGone(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn send(&mut self, link: LinkId, sent: Sent) {
        // The learner may have gone without being missed.
        if let Some(model) = self.models.iter_mut().find(|model| model.link == Some(link)) {
            model.heard.push_back(sent);
        }
    }

    /// A transaction of this epoch is committed only when three of five disks have it.
    fn check_commit(&self, zxid: Zxid) {
        if zxid.epoch() != self.state.current_epoch {
            return;
        }
        let voters = self.models.iter().filter(|model| self.members.is_voter(model.server));
        let disks = voters.filter(|model| model.log.contains(&zxid)).count();
        let own = usize::from(self.state.flushed >= zxid);
        assert!(disks + own >= 3, "{zxid} is committed with {disks} followers and {own} leader");
    }

    fn connect(&mut self, at: usize) {
        self.links += 1;
        let link = LinkId(self.links);
        self.models[at].connect(link);
        self.call(|leader, ctx| {
            leader.handle_accepted(ctx, link);
            Verdict::Stay
        });
    }

    fn disconnect(&mut self, at: usize) {
        if let Some(link) = self.models[at].link {
            self.models[at].disconnect();
            self.call(|leader, ctx| leader.handle_closed(ctx, link));
        }
    }

    /// The learner says the next thing it has to say.
    fn speak(&mut self, at: usize) -> bool {
        let model = &mut self.models[at];
        let (Some(link), Some(speech)) = (model.link, model.speech.pop_front()) else { return false };
        let packet = match speech {
            Speech::Introduction => {
                let kind =
                    if model.is_observer { PacketKind::ObserverInfo } else { PacketKind::FollowerInfo };
                let info = LearnerInfo {
                    server: Some(model.server),
                    protocol_version: PROTOCOL_VERSION,
                    config_version: 0,
                };
                QuorumPacket::introduction(kind, model.accepted, &info)
            }
            Speech::Promise(epoch) => {
                assert!(epoch >= model.accepted);
                let current = (epoch > model.accepted).then_some(model.current);
                model.accepted = epoch;
                QuorumPacket::ack_epoch(model.last(), AckEpochData(current))
            }
            Speech::NewLeader => QuorumPacket::ack_new_leader(model.accepted),
            Speech::Ack(zxid) => QuorumPacket::bare(PacketKind::Ack, zxid),
        };
        self.call(|leader, ctx| leader.handle_packet(ctx, link, packet));
        true
    }

    /// The next thing that was sent to a learner arrives.
    fn transmit(&mut self, at: usize) -> bool {
        let applied = self.state.applied;
        let model = &mut self.models[at];
        let (Some(link), Some(sent)) = (model.link, model.heard.pop_front()) else { return false };
        match sent {
            Sent::Packet(packet) => model.hear(&packet, &self.disk),
            Sent::Log { after, before } => {
                for zxid in self.disk.iter().filter(|zxid| **zxid > after && **zxid < before) {
                    model.hear(&QuorumPacket::bare(PacketKind::Proposal, *zxid), &self.disk);
                    model.hear(&QuorumPacket::bare(PacketKind::Commit, *zxid), &self.disk);
                }
                self.call(|leader, ctx| leader.handle_history_sent(ctx, link));
            }
            Sent::Snapshot => {
                model.contains = applied;
                self.call(|leader, ctx| leader.handle_history_sent(ctx, link));
            }
        }
        true
    }

    fn propose(&mut self) {
        let Some(epoch) = self.leader.as_ref().and_then(Leader::established) else { return };
        let zxid = following(self.state.history.last(), epoch).expect("there are not that many");
        self.call(|leader, ctx| leader.propose(ctx, zxid, Bytes::new()));
    }

    /// Some of what is appended is flushed.
    fn flush(&mut self, some: usize) -> bool {
        let waiting: Vec<_> = self.disk.iter().filter(|zxid| **zxid > self.state.flushed).copied().collect();
        let Some(upto) = waiting.get(some % waiting.len().max(1)) else { return false };
        assert!(self.state.note_flushed(*upto));
        self.call(Leader::handle_flushed);
        true
    }

    fn store(&mut self) -> bool {
        let Some(ticket) = self.stores.pop_front() else { return false };
        if self.state.note_stored(ticket) {
            self.call(Leader::handle_flushed);
        }
        self.call(|leader, ctx| leader.handle_stored(ctx, ticket));
        true
    }

    fn answer_search(&mut self, is_readable: bool) -> bool {
        let Some((ticket, at)) = self.searches.pop_front() else { return false };
        let floor = self.disk.iter().rfind(|zxid| **zxid <= at).copied().or(Some(Zxid::ZERO));
        self.call(|leader, ctx| {
            leader.handle_found(ctx, ticket, floor.filter(|_| is_readable));
            Verdict::Stay
        });
        true
    }

    fn step(&mut self, (what, who): (u8, u8)) {
        let at = usize::from(who) % self.models.len();
        match what {
            0 => self.propose(),
            1 => {
                self.flush(usize::from(who));
            }
            2 => {
                self.store();
            }
            3 => {
                self.answer_search(!who.is_multiple_of(4));
            }
            4 | 5 => self.connect(at),
            6 => self.disconnect(at),
            7 => {
                if let Some(leader) = &self.leader {
                    self.now = leader.next_deadline().expect("it beats");
                    self.call(Leader::handle_deadline);
                }
            }
            8..16 => {
                self.transmit(at);
            }
            _ => {
                self.speak(at);
            }
        }
    }

    /// Everything that can happen happens, and nothing else breaks.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut is_busy = self.store() | self.flush(usize::MAX) | self.answer_search(true);
            for at in 0..self.models.len() {
                if self.models[at].link.is_none() {
                    self.connect(at);
                    is_busy = true;
                }
                is_busy |= self.speak(at) | self.transmit(at);
            }
            if !is_busy {
                return;
            }
        }
        panic!("it does not settle");
    }
}

/// A history with something at its end that was never committed: of the same epoch, or of the next one, which came to
/// nothing else. It is not of an epoch behind the one that the leader was elected with: that one would not have been
/// elected.
fn with_tail(mut log: Vec<Zxid>, disk: &[Zxid], (epoch, len): (u32, u32), elected: Epoch) -> Vec<Zxid> {
    let last = log.last().copied().unwrap_or_default();
    let after = disk.get(log.len()).map_or(Epoch::new(u32::MAX), |next| next.epoch());
    let epoch = Epoch::new(last.epoch().get() + epoch);
    // The leader's history goes on in that epoch, so whoever was there has just that; and nobody leads epoch 0.
    if after > epoch && epoch.get() > 0 && epoch <= elected {
        let mut next = following(last, epoch);
        for _ in 0..len {
            log.extend(next);
            next = next.and_then(Zxid::next);
        }
    }
    log
}

#[derive(Clone, Debug)]
struct Start {
    history: Vec<Zxid>,
    floor: prop::sample::Index,
    applied: prop::sample::Index,
    elected: u32,
    history_len: usize,
    syncs_max: u32,
    prefixes: Vec<prop::sample::Index>,
    tails: Vec<(u32, u32)>,
    /// The epoch is established before anything goes wrong.
    is_calm: bool,
}

fn start() -> impl Strategy<Value = Start> {
    let index = any::<prop::sample::Index>;
    // For each epoch that has transactions: how many epochs without were before, and how many transactions it has.
    let epochs = vec((1u32..3, 1u32..5), 0..4);
    let places = (index(), index(), vec(index(), 7), vec((0u32..2, 0u32..3), 5));
    let limits = (1usize..6, 1u32..3);
    (epochs, places, limits, 0u32..2, any::<bool>()).prop_map(
        |(epochs, (floor, applied, prefixes, tails), (history_len, syncs_max), elected, is_calm)| {
            let mut history = Vec::new();
            let mut epoch = 0;
            for (skipped, len) in epochs {
                epoch += skipped;
                history.extend((1..=len).map(|counter| z(epoch, counter)));
            }
            let elected = epoch + elected;
            Start { history, floor, applied, elected, history_len, syncs_max, prefixes, tails, is_calm }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_learner_gets_exactly_the_leaders_history(
        start in start(),
        steps in vec((0u8..26, any::<u8>()), 0..300),
    ) {
        let mut reign = Reign::new(&start);
        let mut out = Vec::new();
        reign.leader = Some(Leader::begin(&mut Context {
            now: reign.now,
            options: &reign.options,
            members: &reign.members,
            state: &mut reign.state,
            out: &mut out,
        }));
        reign.carry_out(out);
        if start.is_calm {
            reign.settle();
        }
        for step in steps {
            reign.step(step);
        }
        if reign.leader.is_some() {
            reign.settle();
            let mut by_server: BTreeMap<_, _> =
                reign.models.iter().map(|model| (model.server, model)).collect();
            prop_assert!(reign.leader.as_ref().and_then(Leader::established).is_some());
            prop_assert_eq!(reign.state.applied, reign.state.history.last());
            while let Some((server, model)) = by_server.pop_first() {
                prop_assert_eq!(model.stage, Stage::Serving, "{}", server);
                prop_assert_eq!(&model.log, &reign.disk, "{}", server);
                prop_assert_eq!(model.committed.max(reign.state.applied), model.last(), "{}", server);
            }
        }
    }
}
