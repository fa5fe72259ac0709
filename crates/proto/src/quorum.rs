//! What servers say to each other: the packets of the quorum port and the notifications of the election port.
//!
//! Layouts are those of `QuorumPacket`, `LearnerInfo`, `QuorumCnxManager` and `FastLeaderElection` in Apache
//! ZooKeeper 3.8 and 3.9. A stream of the quorum port is cut with [`split_packet`]; one of the election port begins
//! with an [`ElectionHello`] and goes on with frames, see [`split_notification`].

mod body;
mod hello;
mod notification;
mod packet;

pub use body::{
    AckEpochData, ForwardedRequest, LearnerInfo, PROTOCOL_VERSION, PROTOCOL_VERSION_SNAPSHOT_REPLACES_LOG,
    RevalidateAsk, RevalidateReply, SessionTouch, read_protocol_version, read_touches,
};
pub use hello::{ELECTION_HELLO_ADDRESSES_LEN_MAX, ElectionHello};
pub use notification::{NOTIFICATION_LEN_MAX, Notification, ServerState, split_notification};
pub use packet::{PacketKind, QuorumPacket, ReceivedPacket, split_packet};
