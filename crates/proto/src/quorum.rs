//! What servers say to each other: the packets of the quorum port and the notifications of the election port.
//!
//! Layouts are those of `QuorumPacket`, `LearnerInfo`, `QuorumCnxManager` and `FastLeaderElection` in Apache
//! ZooKeeper 3.8 and 3.9.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use zabra_types::{Epoch, Identity, ServerId, Zxid};

/// What a packet of the quorum port is (`Leader.REQUEST` and so on).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum PacketKind {
    /// A learner's client wants something: session, xid, operation and body; the client's identities with it.
    Request = 1,
    /// A transaction to log and acknowledge.
    Proposal = 2,
    /// Everything up to the proposal of this zxid is on the sender's disk; or it has accepted NEWLEADER.
    Ack = 3,
    /// The proposal of this zxid is decided.
    Commit = 4,
    /// Are you there; the answer tells which sessions were heard of.
    Ping = 5,
    /// Does this session live, and may it move to me.
    Revalidate = 6,
    /// The oldest pending `sync` of the receiver is answered.
    Sync = 7,
    /// A decided transaction, for observers.
    Inform = 8,
    /// As [`Self::Commit`], and a new membership becomes active.
    CommitAndActivate = 9,
    /// The history up to here is complete: make it durable and promise this epoch.
    NewLeader = 10,
    /// A follower introduces itself.
    FollowerInfo = 11,
    /// The learner may serve clients.
    UpToDate = 12,
    /// What follows continues the learner's history.
    Diff = 13,
    /// The learner's history beyond this zxid was never decided; what follows continues from it.
    Trunc = 14,
    /// A whole database follows.
    Snap = 15,
    /// An observer introduces itself.
    ObserverInfo = 16,
    /// The epoch that the leader proposes.
    LeaderInfo = 17,
    /// The learner promises the epoch.
    AckEpoch = 18,
    /// As [`Self::Inform`], and a new membership becomes active.
    InformAndActivate = 19,
}

/// A packet of the quorum port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumPacket {
    /// What it is.
    pub kind: PacketKind,
    /// A zxid, or whatever `kind` makes of the 64 bits.
    pub zxid: Zxid,
    /// The body; null and empty are different.
    pub data: Option<Bytes>,
    /// What a client has proved, with [`PacketKind::Request`] only.
    pub identities: Option<Vec<Identity>>,
}

impl QuorumPacket {
    /// A packet without a body.
    pub const fn bare(kind: PacketKind, zxid: Zxid) -> Self {
        Self { kind, zxid, data: None, identities: None }
    }

    /// A packet with a body.
    pub const fn with_data(kind: PacketKind, zxid: Zxid, data: Bytes) -> Self {
        Self { kind, zxid, data: Some(data), identities: None }
    }
}

/// How a learner introduces itself, in FOLLOWERINFO and OBSERVERINFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LearnerInfo {
    /// Who it is; none for an observer without an id.
    pub server: Option<ServerId>,
    /// What it speaks; [`PROTOCOL_VERSION`] since 3.4.
    pub protocol_version: i32,
    /// The version of the membership it knows; 0 when it says none.
    pub config_version: i64,
}

/// The protocol of the quorum port since 3.4.
pub const PROTOCOL_VERSION: i32 = 0x1_0000;

/// The state of a server, as notifications tell it (`QuorumPeer.ServerState`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum ServerState {
    /// It takes part in an election.
    #[default]
    Looking = 0,
    /// It follows.
    Following = 1,
    /// It leads.
    Leading = 2,
    /// It observes.
    Observing = 3,
}

/// A vote as servers tell it each other on the election port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The state of the sender.
    pub state: ServerState,
    /// Whom it votes for, or follows. An observer that looks votes for [`Notification::NOBODY`].
    pub leader: ServerId,
    /// The last transaction of that server.
    pub zxid: Zxid,
    /// The round of the sender's election.
    pub election_epoch: i64,
    /// The epoch in which that server's history ends, its current epoch. The 64 bits of the wire.
    pub peer_epoch: i64,
    /// The layout it came in: 2 since 3.5, less before.
    pub version: i32,
    /// The membership the sender knows, as text; null in older layouts.
    pub config: Option<String>,
}

impl Notification {
    /// Whom a server votes for that may not vote.
    pub const NOBODY: ServerId = ServerId::new(i64::MIN);
    /// The layout that is sent.
    pub const VERSION: i32 = 2;
}

/// The first bytes on a connection of the election port, by the side that dials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElectionHello {
    /// Who dials.
    pub server: ServerId,
    /// Where it can be dialled itself, `host:port` each; empty from peers before 3.5.
    pub addresses: Vec<String>,
}

/// The data of an ACKEPOCH: the epoch of the last NEWLEADER that the learner accepted; none when it had promised the
/// epoch before and must not be counted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckEpochData(pub Option<Epoch>);
