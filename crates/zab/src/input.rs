//! What can happen to a peer.

use bytes::Bytes;
use zabra_proto::{Notification, QuorumPacket};
use zabra_types::{ServerId, Zxid};

use crate::{LinkId, SyncToken, Ticket};

/// What happened. Everything but proposals comes from outside and may be wrong in any way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A vote came over the election port.
    Notified {
        /// The server at the other end.
        from: ServerId,
        /// What it says.
        notification: Notification,
    },
    /// A connection of the election port stands. Nothing said before has arrived for certain.
    PeerUp(ServerId),
    /// The connection of the election port to this server is gone, or it could not be reached.
    PeerDown(ServerId),

    /// A learner connected to the quorum port.
    Accepted(LinkId),
    /// The connection asked for by [`crate::Output::Connect`] stands.
    Connected(LinkId),
    /// It could not be made.
    NotConnected(LinkId),
    /// A connection of the quorum port is gone. Not told of those that [`crate::Output::Close`] closed.
    Closed(LinkId),
    /// A packet came over the quorum port.
    Packet {
        /// The connection.
        link: LinkId,
        /// What it says.
        packet: QuorumPacket,
    },
    /// A part of the database that follows a SNAP packet came. Told now and then, it keeps a long transfer from being taken
    /// for silence (`initLimit`).
    SnapshotProgress(LinkId),
    /// The database that follows a SNAP packet came completely and is a database. It waits for
    /// [`crate::Output::AdoptSnapshot`].
    SnapshotReceived(LinkId),
    /// The sending of a snapshot or of history from the disk is over, well or not.
    HistorySent(LinkId),

    /// Everything appended up to this transaction is on the disk.
    Flushed(Zxid),
    /// A [`crate::Output::Store`] is done and on the disk.
    Stored(Ticket),
    /// A [`crate::StoreOp::Truncate`] cannot be done: what must remain is in no snapshot. Nothing was changed; only a
    /// leader's snapshot helps. Instead of [`Self::Stored`].
    CannotTruncate(Ticket),
    /// The answer to [`crate::Output::FindInLog`].
    FoundInLog {
        /// The question.
        ticket: Ticket,
        /// The last transaction that the log on the disk has not after the one asked for, if it has everything from there
        /// on and that is little enough to be sent.
        floor: Option<Zxid>,
    },

    /// A transaction of this leader's own: the next of its epoch.
    Propose {
        /// Its zxid.
        zxid: Zxid,
        /// Header, record and digest, as the log holds them.
        payload: Bytes,
    },
    /// A `sync` reached this leader: from a learner, or from a client of its own.
    Sync {
        /// The learner; none for an own client.
        learner: Option<LinkId>,
        /// Comes back with the answer to an own client.
        token: SyncToken,
    },
    /// Something for the other end of a link that is in the broadcast phase: REQUEST or REVALIDATE or a reply to one, the
    /// answer to a PING. Dropped when the link is not there any more.
    Send {
        /// The link.
        link: LinkId,
        /// What to say.
        packet: QuorumPacket,
    },
    /// The leader cannot go on: it has no zxids left, or its disk failed.
    StepDown,
}
