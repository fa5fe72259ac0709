//! What goes wrong, chosen from the seed. The world carries it out.

use zabra_proto::{PacketKind, QuorumPacket};
use zabra_storage::{Fault as DiskFault, Loss};
use zabra_testkit::Rng;
use zabra_zab::{Role, StoreOp};

use crate::ensemble::Ensemble;
use crate::network::Node;
use crate::scenario::Scenario;
use crate::server::Crash;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    /// A process dies, or a machine.
    Crash,
    /// A process dies at a chosen moment of the protocol, perhaps with others.
    Ambush,
    /// A process dies for long, and the one that did so before it comes back.
    Relay,
    /// A server misses something, is back when another one goes, and is brought up to date; in the middle of that the leader
    /// dies, and those who are left have to go on without it.
    Changeover,
    /// All machines lose power.
    Outage,
    /// A process is stopped for a while and goes on (SIGSTOP).
    Stop,
    /// The network falls into two parts.
    Partition,
    /// Some directions are blocked.
    OneWay,
    /// The leader is alone, or hears nothing, or is not heard.
    IsolateLeader,
    /// Some directions are slow.
    SlowLinks,
    /// A connection is reset.
    Reset,
    /// A disk is slow.
    SlowDisk,
    /// A disk fails.
    FailDisk,
    /// A machine dies and comes back with an empty disk. Its server knows that data may be missing.
    ReplaceDisk,
    /// The leader is told that it cannot go on.
    StepDown,
}

impl Means {
    /// All of them, with their usual shares.
    pub(crate) const ALL: &[(usize, Self)] = &[
        (6, Self::Crash),
        (8, Self::Ambush),
        (1, Self::Outage),
        (4, Self::Relay),
        (4, Self::Changeover),
        (2, Self::Stop),
        (3, Self::Partition),
        (2, Self::OneWay),
        (3, Self::IsolateLeader),
        (2, Self::SlowLinks),
        (3, Self::Reset),
        (2, Self::SlowDisk),
        (2, Self::FailDisk),
        (2, Self::ReplaceDisk),
        (1, Self::StepDown),
    ];
}

/// A fault that lasts, and will end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing gets through these directions.
    Blocked(Vec<(Node, Node)>),
    /// Messages are slow everywhere they are.
    SlowLinks,
    /// A disk is slow.
    SlowDisk(usize),
}

/// A moment of the protocol at a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Appended,
    Flushed,
    Proposed,
    Applied,
    Answered,
    Adopted,
    SnapshotReceived,
    SyncFlushed,
    CurrentEpochOrdered,
    AcceptedEpochStored,
    CurrentEpochStored,
    Truncated,
    SnapshotStored,
    BecameLooking,
    BecamePreparing,
    BecameSynchronizing,
    BecameLeading,
    BecameFollowing,
    SentLeaderInfo,
    SentAckEpoch,
    SentSync,
    SentNewLeader,
    SentNewLeaderAck,
    SentUpToDate,
    SentProposal,
    SentProposalAck,
    SentCommit,
}

impl Moment {
    const ALL: &[(usize, Self)] = &[
        (1, Self::Appended),
        (1, Self::Flushed),
        (2, Self::Proposed),
        (1, Self::Applied),
        (2, Self::Answered),
        (1, Self::Adopted),
        (1, Self::SnapshotReceived),
        (2, Self::SyncFlushed),
        (3, Self::CurrentEpochOrdered),
        (1, Self::AcceptedEpochStored),
        (3, Self::CurrentEpochStored),
        (1, Self::Truncated),
        (1, Self::SnapshotStored),
        (1, Self::BecameLooking),
        (1, Self::BecamePreparing),
        (1, Self::BecameSynchronizing),
        (3, Self::BecameLeading),
        (2, Self::BecameFollowing),
        (1, Self::SentLeaderInfo),
        (1, Self::SentAckEpoch),
        (1, Self::SentSync),
        (2, Self::SentNewLeader),
        (4, Self::SentNewLeaderAck),
        (2, Self::SentUpToDate),
        (2, Self::SentProposal),
        (2, Self::SentProposalAck),
        (2, Self::SentCommit),
    ];

    /// The moment that something durable is ordered at.
    pub(crate) fn of_order(op: &StoreOp) -> Option<Self> {
        matches!(op, StoreOp::CurrentEpoch(_)).then_some(Self::CurrentEpochOrdered)
    }

    /// The moment that it is done at.
    pub(crate) fn of_store(op: &StoreOp) -> Self {
        match op {
            StoreOp::AcceptedEpoch(_) => Self::AcceptedEpochStored,
            StoreOp::CurrentEpoch(_) => Self::CurrentEpochStored,
            StoreOp::Flush => Self::SyncFlushed,
            StoreOp::Truncate(_) => Self::Truncated,
            StoreOp::Snapshot(_) => Self::SnapshotStored,
        }
    }

    pub(crate) fn of_role(role: Role) -> Self {
        match role {
            Role::Looking => Self::BecameLooking,
            Role::PreparingToLead => Self::BecamePreparing,
            Role::Synchronizing(_) => Self::BecameSynchronizing,
            Role::Leading(_) => Self::BecameLeading,
            Role::Following { .. } | Role::Observing { .. } => Self::BecameFollowing,
        }
    }

    pub(crate) fn of_packet(packet: &QuorumPacket) -> Option<Self> {
        Some(match packet.kind {
            PacketKind::LeaderInfo => Self::SentLeaderInfo,
            PacketKind::AckEpoch => Self::SentAckEpoch,
            PacketKind::Diff | PacketKind::Trunc | PacketKind::Snap => Self::SentSync,
            PacketKind::NewLeader => Self::SentNewLeader,
            PacketKind::Ack if packet.zxid.counter() == 0 => Self::SentNewLeaderAck,
            PacketKind::Ack => Self::SentProposalAck,
            PacketKind::UpToDate => Self::SentUpToDate,
            PacketKind::Proposal => Self::SentProposal,
            PacketKind::Commit => Self::SentCommit,
            _ => return None,
        })
    }
}

/// Whom an ambush strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Victims {
    /// The server that has come to the moment.
    Here,
    /// All others.
    Others,
    /// All.
    All,
    /// The leader.
    Leader,
    /// That server and the leader.
    HereAndLeader,
    /// Each with even odds.
    Some,
    /// That server, for a moment, and the leader, for long, while this server comes back.
    HereAndLeaderFor(usize),
}

impl Victims {
    pub(crate) fn include_here(self) -> bool {
        matches!(self, Self::Here | Self::All | Self::HereAndLeader | Self::HereAndLeaderFor(_))
    }
}

/// A crash that waits for a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ambush {
    /// At this server; none for any.
    server: Option<usize>,
    moment: Moment,
    /// How often the moment passes before it strikes.
    passes: usize,
    pub(crate) victims: Victims,
}

impl Ambush {
    pub(crate) fn choose(rng: &mut Rng, servers: usize) -> Self {
        Self {
            server: rng.one_in(3).then(|| rng.below(servers)),
            moment: rng.weighted(Moment::ALL),
            passes: rng.weighted(&[(3, 0), (2, 1), (1, 5), (1, 20)]),
            victims: rng.weighted(&[
                (3, Victims::Here),
                (1, Victims::Others),
                (2, Victims::All),
                (1, Victims::Leader),
                (2, Victims::HereAndLeader),
                (2, Victims::Some),
            ]),
        }
    }

    /// The leader that brings this server up to date dies with it, and then another server comes back.
    pub(crate) fn amid_synchronization(rng: &mut Rng, server: usize, back: usize) -> Self {
        let moment = rng.weighted(&[
            (1, Moment::SyncFlushed),
            (2, Moment::CurrentEpochOrdered),
            (1, Moment::CurrentEpochStored),
            (1, Moment::SnapshotReceived),
            (1, Moment::Truncated),
            (1, Moment::SentNewLeaderAck),
            (1, Moment::BecameFollowing),
        ]);
        Self { server: Some(server), moment, passes: 0, victims: Victims::HereAndLeaderFor(back) }
    }

    /// The moment has come to a server: whether this one strikes.
    pub(crate) fn is_due(&mut self, server: usize, moment: Moment) -> bool {
        if moment != self.moment || self.server.is_some_and(|own| own != server) {
            return false;
        }
        if self.passes > 0 {
            self.passes -= 1;
            return false;
        }
        true
    }
}

/// The next kind of fault.
pub(crate) fn choose_means(rng: &mut Rng, scenario: &Scenario) -> Means {
    rng.weighted(&scenario.means)
}

/// How a process ends.
pub(crate) fn choose_crash(rng: &mut Rng) -> Crash {
    let loss =
        rng.weighted(&[(2, Loss::Nothing), (3, Loss::Unsynced), (2, Loss::Prefix), (2, Loss::Scattered)]);
    Crash { loss, silent: loss != Loss::Nothing && rng.one_in(2) }
}

/// How a disk fails.
pub(crate) fn choose_disk_fault(rng: &mut Rng) -> DiskFault {
    rng.weighted(&[(2, DiskFault::Io), (1, DiskFault::NoSpace), (1, DiskFault::ShortWrite)])
}

/// All directions between two sets of servers.
pub(crate) fn between(here: &[usize], there: &[usize]) -> Vec<(Node, Node)> {
    let pairs = here.iter().flat_map(|&a| there.iter().map(move |&b| (Node::Server(a), Node::Server(b))));
    pairs.flat_map(|(a, b)| [(a, b), (b, a)]).collect()
}

/// Two different ones.
pub(crate) fn choose_two(rng: &mut Rng, servers: usize) -> (usize, usize) {
    let first = rng.below(servers);
    (first, (first + 1 + rng.below(servers - 1)) % servers)
}

/// Two parts, neither empty. Now and then all observers are in the part that cannot decide.
pub(crate) fn choose_parts(rng: &mut Rng, ensemble: &Ensemble) -> (Vec<usize>, Vec<usize>) {
    let (first, second) = choose_two(rng, ensemble.len());
    let (here, there): (Vec<usize>, Vec<usize>) =
        (0..ensemble.len()).partition(|&server| server == first || (server != second && rng.one_in(2)));
    if ensemble.is_quorum(here.iter().copied()) || !rng.one_in(3) {
        return (here, there);
    }
    let is_here = |server: &usize| !ensemble.is_voter(*server) || here.contains(server);
    (0..ensemble.len()).partition(is_here)
}
