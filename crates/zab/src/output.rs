//! What a peer wants done.

use core::fmt;

use bytes::Bytes;
use zabra_proto::{Notification, QuorumPacket};
use zabra_types::{Epoch, ServerId, Zxid};

/// A connection of the quorum port. Numbers never come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// A question or an order whose answer comes as an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A `sync` of a client of the leader's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SyncToken(pub u64);

/// Something to do. Outputs are carried out in order; what takes time ([`Output::Store`], sending) is queued in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Tell a server a vote, over the election port. Only the newest unsent one counts. Without a connection, one is
    /// tried.
    Notify {
        /// The server.
        to: ServerId,
        /// The vote.
        notification: Notification,
    },
    /// Try to reach these servers on the election port, unless there is a connection or an attempt.
    DialPeers,

    /// Connect to the quorum port of a leader. The answer carries this link.
    Connect {
        /// The link it will be.
        link: LinkId,
        /// The leader.
        leader: ServerId,
    },
    /// Send a packet.
    Send {
        /// The link.
        link: LinkId,
        /// The packet.
        packet: QuorumPacket,
    },
    /// Send, behind what was sent before, (PROPOSAL, COMMIT) for each transaction of the log on disk after `after` and
    /// before `before`. If that fails the link is closed.
    SendLog {
        /// The link.
        link: LinkId,
        /// The last transaction not to send.
        after: Zxid,
        /// The first one not to send any more.
        before: Zxid,
    },
    /// Send, behind what was sent before, the database as the SNAP packet announced it. It may contain later
    /// transactions. If that fails the link is closed.
    SendSnapshot {
        /// The link.
        link: LinkId,
    },
    /// Close a link; nothing more is to come from it.
    Close {
        /// The link.
        link: LinkId,
        /// Why, for the log.
        why: CloseReason,
    },

    /// Append a transaction to the log. [`crate::Input::Flushed`] follows.
    Append {
        /// Its zxid.
        zxid: Zxid,
        /// Its bytes.
        payload: Bytes,
    },
    /// Change something durable, after everything appended and ordered before. [`crate::Input::Stored`] follows.
    Store {
        /// Comes back when it is done.
        ticket: Ticket,
        /// What to do.
        op: StoreOp,
    },
    /// Look into the log on the disk for a learner whose last transaction is `at`, when memory begins with `before`.
    FindInLog {
        /// Comes back with the answer.
        ticket: Ticket,
        /// The last transaction of the learner.
        at: Zxid,
        /// The first transaction that memory has.
        before: Zxid,
    },
    /// Apply a transaction to the tree: the next committed one.
    Apply {
        /// Its zxid.
        zxid: Zxid,
        /// Its bytes.
        payload: Bytes,
    },
    /// The database that came over this link takes the place of the tree, in memory. Transactions it contains already
    /// may be applied to it again.
    AdoptSnapshot {
        /// The link.
        link: LinkId,
        /// The zxid of the SNAP packet.
        zxid: Zxid,
    },

    /// This server's part has changed.
    Became(Role),
    /// A learner's message, of kind REQUEST, PING or REVALIDATE, to the application of this leader.
    FromLearner {
        /// The learner's link.
        link: LinkId,
        /// The message.
        packet: QuorumPacket,
    },
    /// The leader's message, of kind PING, REVALIDATE or SYNC, to the application of this learner. A PING is to be
    /// answered at once.
    FromLeader {
        /// The link.
        link: LinkId,
        /// The message.
        packet: QuorumPacket,
    },
    /// A `sync` of an own client is answered: everything outstanding when it came is applied.
    Synced(SyncToken),
    /// A learner is gone; its sessions belong to nobody until they come back.
    LearnerGone(LinkId),
    /// This server must not go on; the disk does not hold what the protocol says it does.
    Fatal(&'static str),
}

/// A durable change. All of them wait for everything appended before to be on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreOp {
    /// Write the epoch promised (`acceptedEpoch`).
    AcceptedEpoch(Epoch),
    /// Write the epoch whose history is complete here (`currentEpoch`).
    CurrentEpoch(Epoch),
    /// Everything appended is on the disk; nothing else.
    Flush,
    /// Cut everything after this transaction from the log, and remove snapshots that contain more. If the tree contains
    /// more, it is loaded again.
    Truncate(Zxid),
    /// The tree, adopted from a leader and with transactions applied that are in no log, becomes the newest snapshot under
    /// this zxid; the log loses what is after it.
    Snapshot(Zxid),
}

/// The part a server has in the ensemble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It serves nobody and looks for a leader.
    Looking,
    /// It has been elected and establishes its epoch, serving nobody yet.
    PreparingToLead,
    /// It leads an epoch: it may propose, and serves clients. The first zxid is (epoch, 1).
    Leading(Epoch),
    /// It takes over the history of a leader, serving nobody yet.
    Synchronizing(ServerId),
    /// It follows, and serves clients.
    Following {
        /// The leader.
        leader: ServerId,
        /// Its epoch.
        epoch: Epoch,
        /// The link to it.
        link: LinkId,
    },
    /// It observes, and serves clients.
    Observing {
        /// The leader.
        leader: ServerId,
        /// Its epoch.
        epoch: Epoch,
        /// The link to it.
        link: LinkId,
    },
}

/// Why a link is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// This server does not lead, or no longer.
    NotLeading,
    /// This server does not follow, or no longer.
    NotFollowing,
    /// Nothing was heard for too long.
    Silent,
    /// A proposal was not acknowledged for too long.
    AckOverdue(Zxid),
    /// It did not get through discovery or synchronization in time.
    TooSlow,
    /// The other side knows more than this leader: its epoch and last zxid.
    AheadOfLeader(Epoch, Zxid),
    /// It knows a later membership than this leader.
    ConfigAhead,
    /// It has promised a later epoch than this leader's, and cannot join before there is a later leader.
    PromisedLater(Epoch),
    /// A leader offers an epoch lower than the promised one.
    OldEpoch(Epoch),
    /// Its history has a gap, or goes back.
    Gap {
        /// The transaction before.
        last: Zxid,
        /// The one that does not follow it.
        next: Zxid,
    },
    /// A COMMIT that is not for the oldest pending proposal.
    UnexpectedCommit(Zxid),
    /// A packet that has no place in this phase.
    Unexpected(zabra_proto::PacketKind),
    /// A packet whose contents make no sense.
    Malformed(&'static str),
    /// Another connection of the same server takes its place.
    Replaced,
    /// This server's history cannot be cut where the leader wants it; it will ask for a snapshot.
    NotTruncatable,
    /// Too many synchronizations at once.
    Throttled,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLeading => f.write_str("this server does not lead"),
            Self::NotFollowing => f.write_str("this server does not follow it any more"),
            Self::Silent => f.write_str("nothing was heard for too long (initLimit, later syncLimit)"),
            Self::AckOverdue(zxid) => write!(f, "proposal {zxid} was not acknowledged in time (syncLimit)"),
            Self::TooSlow => f.write_str("it took too long to synchronize (initLimit)"),
            Self::AheadOfLeader(epoch, zxid) => {
                write!(f, "it is ahead of this leader: epoch {epoch}, last transaction {zxid}")
            }
            Self::ConfigAhead => f.write_str("it knows a later membership than this leader"),
            Self::PromisedLater(epoch) => {
                write!(f, "it has promised epoch {epoch}, which is later than this leader's")
            }
            Self::OldEpoch(epoch) => write!(f, "it offers epoch {epoch}, but a later one has been promised"),
            Self::Gap { last, next } => write!(f, "transaction {next} does not follow {last}"),
            Self::UnexpectedCommit(zxid) => write!(f, "commit of {zxid}, which is not the oldest proposal"),
            Self::Unexpected(kind) => write!(f, "{kind} has no place here"),
            Self::Malformed(what) => write!(f, "malformed: {what}"),
            Self::Replaced => f.write_str("the same server connected again"),
            Self::NotTruncatable => f.write_str("the history cannot be cut there; a snapshot is needed"),
            Self::Throttled => f.write_str("too many observers synchronize at once"),
        }
    }
}
